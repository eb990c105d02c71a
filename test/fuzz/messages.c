// Messages: what can be decoded can be encoded again, and reads the same then.
#include "wire/messages.h"
#include "base/arena.h"
#include "base/buffer.h"
#include "base/limits.h"
#include "fuzz/fuzz.h"
#include "wire/error_codes.h"
#include "wire/frame.h"

#include <assert.h>
#include <stdio.h>

#define CUTS_MAX 16
#define CORRELATION_ID 7  // of every seed

// Answers false when the bytes are refused.
static bool decode(const struct message *m, int16_t version, struct bytes in, struct arena *arena, void **value,
                   size_t *consumed) {
    *value = arena_alloc(arena, message_struct_size(m));
    memset(*value, 0xa5, message_struct_size(m));  // every field must be set
    struct error e = message_decode(m, version, in, arena, *value, consumed);
    // An input is so small that no limit may be hit: what is announced must not be believed.
    assert(!error_is(&e) || e.kind == ERROR_PROTOCOL);
    assert(error_is(&e) || *consumed <= in.size);
    return !error_is(&e);
}

static void encode(const struct message *m, int16_t version, const void *value, struct buffer *out) {
    size_t size;
    buffer_init(out, FRAME_SIZE_MAX);
    struct error e = message_encode(m, version, value, out, NULL, NULL);
    assert(!error_is(&e));
    e = message_size(m, version, value, &size);
    assert(!error_is(&e) && size == out->size);
}

// With cuts the payloads stay where they are; everything else is the same.
static void encode_cut(const struct message *m, int16_t version, const void *value, size_t size) {
    struct wire_cut cuts[CUTS_MAX];
    size_t count = CUTS_MAX;
    struct buffer out;
    buffer_init(&out, FRAME_SIZE_MAX);
    struct error e = message_encode(m, version, value, &out, cuts, &count);
    assert(!error_is(&e) || (e.kind == ERROR_LIMIT && out.size == 0));
    size_t whole = out.size;
    for (size_t i = 0; i < count; i++) whole += (size_t)cuts[i].payload.size;
    assert(error_is(&e) || whole == size);
    buffer_free(&out);
}

static void print(const struct message *m, int16_t version, const void *value) {
    struct buffer line;
    buffer_init(&line, 64 * KiB);
    message_print(m, version, value, &line);
    buffer_free(&line);
}

static void expect_same_again(const struct message *m, int16_t version, const void *value) {
    struct arena arena;
    struct buffer first, second;
    void *again;
    size_t consumed;
    arena_init(&arena, DECODE_ARENA_MAX);
    encode(m, version, value, &first);
    encode_cut(m, version, value, first.size);
    print(m, version, value);
    bool readable = decode(m, version, (struct bytes){first.at, first.size}, &arena, &again, &consumed);
    assert(readable && consumed == first.size);
    encode(m, version, again, &second);
    assert(first.size == second.size && (first.size == 0 || memcmp(first.at, second.at, first.size) == 0));
    buffer_free(&first);
    buffer_free(&second);
    arena_free(&arena);
}

static int16_t version_within(const struct api *api, int16_t wanted) {
    int16_t versions = (int16_t)(api->version_max - api->version_min + 1);
    if (wanted >= api->version_min && wanted <= api->version_max) return wanted;
    return (int16_t)(api->version_min + wanted % versions);
}

// The API with that key if it is of the family, else one that is.
static const struct api *api_of(const int16_t *family, size_t count, uint8_t key) {
    for (size_t i = 0; i < count; i++)
        if (family[i] == key) return api_find(key);
    return api_find(family[key % count]);
}

static void response(const int16_t *family, size_t count, struct bytes in) {
    if (in.size < 2) return;
    const struct api *api = api_of(family, count, in.at[0]);
    int16_t version = version_within(api, in.at[1]);
    struct arena arena;
    void *value;
    size_t consumed;
    arena_init(&arena, DECODE_ARENA_MAX);
    struct bytes body = {in.at + 2, in.size - 2};
    if (decode(api->response, version, body, &arena, &value, &consumed))
        expect_same_again(api->response, version, value);
    arena_free(&arena);
}

#define FAMILY(name, ...)                                                                                              \
    void fuzz_responses_##name(struct bytes in) {                                                                      \
        static const int16_t keys[] = {__VA_ARGS__};                                                                   \
        response(keys, sizeof keys / sizeof *keys, in);                                                                \
    }

FAMILY(data, API_PRODUCE, API_FETCH, API_LIST_OFFSETS, API_OFFSET_FOR_LEADER_EPOCH, API_DELETE_RECORDS)
FAMILY(groups, API_OFFSET_COMMIT, API_OFFSET_FETCH, API_FIND_COORDINATOR, API_JOIN_GROUP, API_HEARTBEAT,
       API_LEAVE_GROUP, API_SYNC_GROUP, API_DESCRIBE_GROUPS, API_LIST_GROUPS, API_DELETE_GROUPS, API_OFFSET_DELETE,
       API_CONSUMER_GROUP_HEARTBEAT, API_CONSUMER_GROUP_DESCRIBE)
FAMILY(transactions, API_INIT_PRODUCER_ID, API_ADD_PARTITIONS_TO_TXN, API_ADD_OFFSETS_TO_TXN, API_END_TXN,
       API_WRITE_TXN_MARKERS, API_TXN_OFFSET_COMMIT, API_DESCRIBE_PRODUCERS, API_DESCRIBE_TRANSACTIONS,
       API_LIST_TRANSACTIONS)
FAMILY(admin, API_CREATE_TOPICS, API_DELETE_TOPICS, API_CREATE_PARTITIONS, API_DESCRIBE_CONFIGS, API_ALTER_CONFIGS,
       API_INCREMENTAL_ALTER_CONFIGS, API_DESCRIBE_ACLS, API_CREATE_ACLS, API_DELETE_ACLS, API_DESCRIBE_CLIENT_QUOTAS,
       API_ALTER_CLIENT_QUOTAS, API_DESCRIBE_USER_SCRAM_CREDENTIALS, API_ALTER_USER_SCRAM_CREDENTIALS,
       API_ELECT_LEADERS, API_DESCRIBE_LOG_DIRS, API_LIST_CONFIG_RESOURCES, API_LIST_PARTITION_REASSIGNMENTS)
FAMILY(metadata, API_METADATA, API_API_VERSIONS, API_DESCRIBE_CLUSTER)
FAMILY(sasl, API_SASL_HANDSHAKE, API_SASL_AUTHENTICATE)

// A header written by us reads as it was meant.
static void expect_same_request(const struct api *api, const struct frame_request_header *header, const void *body) {
    char client_id[CLIENT_ID_SIZE_MAX + 1];
    bool named = header->client_id.size >= 0;
    if (header->client_id.size > CLIENT_ID_SIZE_MAX) return;
    snprintf(client_id, sizeof client_id, "%.*s", named ? header->client_id.size : 0, header->client_id.at);
    struct buffer out;
    buffer_init(&out, FRAME_SIZE_MAX);
    struct error e = frame_encode_request(api, header->version, header->correlation_id, named ? client_id : NULL, body,
                                          &out, NULL, NULL);
    assert(!error_is(&e) && load_be32(out.at) == out.size - 4);
    struct frame_request_header again;
    size_t at;
    e = frame_decode_request_header((struct bytes){out.at + 4, out.size - 4}, &again, &at);
    assert(!error_is(&e) && again.api_key == header->api_key && again.version == header->version);
    assert(again.correlation_id == header->correlation_id);
    assert(again.client_id.size == (named ? (int32_t)strlen(client_id) : -1));
    buffer_free(&out);
}

void fuzz_requests(struct bytes in) {
    struct frame_request_header header;
    struct arena arena;
    size_t at, consumed;
    void *value;
    struct error e = frame_decode_request_header(in, &header, &at);
    assert(!error_is(&e) || e.kind == ERROR_PROTOCOL);
    if (error_is(&e)) return;
    assert(at <= in.size);
    const struct api *api = api_find(header.api_key);
    if (header.version < api->version_min || header.version > api->version_max) return;
    arena_init(&arena, DECODE_ARENA_MAX);
    struct bytes body = {in.at + at, in.size - at};
    if (decode(api->request, header.version, body, &arena, &value, &consumed)) {
        expect_same_again(api->request, header.version, value);
        expect_same_request(api, &header, value);
    }
    arena_free(&arena);
}

void fuzz_frames(struct bytes in) {
    if (in.size < 2) return;
    const struct api *api = api_find(in.at[0]);
    if (!api) api = &api_table[in.at[0] % api_table_count];
    int16_t version = version_within(api, in.at[1]);
    struct arena arena;
    arena_init(&arena, DECODE_ARENA_MAX);
    void *value = arena_alloc(&arena, message_struct_size(api->response));
    struct bytes frame = {in.at + 2, in.size - 2};
    struct error e = frame_decode_response(api, version, CORRELATION_ID, frame, &arena, value);
    assert(!error_is(&e) || e.kind == ERROR_PROTOCOL);
    if (!error_is(&e)) {
        struct buffer out;
        const struct api_versions_response *versions = value;
        // Answered in version 0, whatever was asked (KIP-511).
        if (api->key == API_API_VERSIONS && versions->error_code == KAFKA_UNSUPPORTED_VERSION) version = 0;
        buffer_init(&out, FRAME_SIZE_MAX);
        e = frame_encode_response(api, version, CORRELATION_ID, value, &out, NULL, NULL);
        assert(!error_is(&e) && load_be32(out.at) == out.size - 4);
        struct bytes again = {out.at + 4, out.size - 4};
        e = frame_decode_response(api, version, CORRELATION_ID, again, &arena, value);
        assert(!error_is(&e));
        buffer_free(&out);
    }
    arena_free(&arena);
}
