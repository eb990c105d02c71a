// The interpreter of messages: random messages survive a round trip, damaged ones are refused, and each rule of
// message.h on its own.
#include "base/limits.h"
#include "base/prng.h"
#include "unit/guarded.h"
#include "unit/message_fill.h"
#include "unit/test.h"
#include "wire/error_codes.h"
#include "wire/messages.h"

#define RANDOM_PER_VERSION 20
#define FLIPS_PER_MESSAGE 20
#define MESSAGE_SIZE_MAX (4 * MiB)

static struct guard_page guard;
static struct arena arena, arena_decoded;
static struct buffer first, second;

struct random_fill {
    struct fill fill;
    struct prng *prng;
};

static int32_t random_count(struct fill *fill, const struct message_field *f, bool nullable) {
    struct prng *p = ((struct random_fill *)fill)->prng;
    if (nullable && prng_below(p, 4) == 0) return -1;
    if (f->optional) return 1;
    return (int32_t)prng_below(p, f->type == FIELD_STRUCT ? 3 : 6);
}

static void random_value(struct fill *fill, const struct message_field *f, bool nullable, int32_t index, void *at) {
    static const char text[] =
        "Kafka's text, up to two hundred bytes of it: 0123456789 0123456789 0123456789 0123456789 "
        "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789";
    struct prng *p = ((struct random_fill *)fill)->prng;
    bool null = nullable && prng_below(p, 4) == 0;
    int32_t size = null ? -1 : (int32_t)prng_below(p, prng_below(p, 4) ? 10 : sizeof text);
    uint64_t bits = prng_below(p, 4) ? prng_next(p) : (uint64_t)prng_between(p, -1, 1);
    (void)index;
    switch ((enum field_type)f->type) {
    case FIELD_BOOL:
        *(bool *)at = bits & 1;
        break;
    case FIELD_STRING:
        *(struct wire_text *)at = (struct wire_text){null ? NULL : text, size};
        break;
    case FIELD_BYTES:
    case FIELD_RECORDS:
        *(struct wire_bytes *)at = (struct wire_bytes){null ? NULL : (const uint8_t *)text, size};
        break;
    case FIELD_UUID:
        store_be64(at, bits);
        store_be64((uint8_t *)at + 8, ~bits);
        break;
    case FIELD_FLOAT64:
        *(double *)at = (double)(int64_t)bits;
        break;
    case FIELD_INT8:
        *(uint8_t *)at = (uint8_t)bits;
        break;
    case FIELD_INT16:
        *(uint16_t *)at = (uint16_t)bits;
        break;
    case FIELD_INT32:
        *(uint32_t *)at = (uint32_t)bits;
        break;
    default:
        *(uint64_t *)at = bits;
    }
}

static void *random_message(struct prng *p, const struct message *m, int16_t version) {
    arena_reset(&arena);
    struct random_fill fill = {{random_count, random_value, &arena, version}, p};
    void *message = arena_alloc(&arena, message_struct_size(m));
    fill_struct(&fill.fill, m, 0, message);
    return message;
}

// Decodes a copy that ends at the guard page.
static struct error decode(const struct message *m, int16_t version, struct bytes in, void **message,
                           size_t *consumed) {
    struct bytes placed = {guard_page_place(&guard, in.at, in.size), in.size};
    arena_reset(&arena_decoded);
    *message = arena_alloc(&arena_decoded, message_struct_size(m));
    return message_decode(m, version, placed, &arena_decoded, *message, consumed);
}

static bool encode(const struct message *m, int16_t version, const void *message, struct buffer *out) {
    buffer_clear(out);
    struct error e = message_encode(m, version, message, out, NULL, NULL);
    if (error_is(&e)) printf("%s: %s\n", e.where, e.detail);
    return !error_is(&e);
}

// What message `first` holds and what is read from it are the same bytes; every cut of it is an error.
static bool survives(const struct message *m, int16_t version, const void *message) {
    size_t size, consumed;
    void *again;
    if (!encode(m, version, message, &first)) return false;
    struct error e = message_size(m, version, message, &size);
    if (error_is(&e) || size != first.size) return false;
    e = decode(m, version, (struct bytes){first.at, first.size}, &again, &consumed);
    if (error_is(&e) || consumed != first.size || !encode(m, version, again, &second)) return false;
    return second.size == first.size && memcmp(first.at, second.at, first.size) == 0;
}

static bool is_refused_when_cut(const struct message *m, int16_t version) {
    for (size_t size = 0; size < first.size; size++) {
        void *message;
        size_t consumed;
        struct error e = decode(m, version, (struct bytes){first.at, size}, &message, &consumed);
        if (!error_is(&e)) return false;
    }
    return true;
}

// A flipped message is refused, or it is another message that can be written and printed.
static bool bears_flips(struct prng *p, const struct message *m, int16_t version) {
    for (int i = 0; i < FLIPS_PER_MESSAGE && first.size > 0; i++) {
        void *message;
        size_t consumed;
        uint8_t *flipped = &first.at[prng_below(p, first.size)], before = *flipped;
        *flipped ^= (uint8_t)(1 << prng_below(p, 8));
        struct error e = decode(m, version, (struct bytes){first.at, first.size}, &message, &consumed);
        *flipped = before;
        if (error_is(&e)) continue;
        buffer_clear(&second);
        message_print(m, version, message, &second);
        if (consumed > first.size || !encode(m, version, message, &second)) return false;
    }
    return true;
}

typedef bool (*check_fn)(struct prng *p, const struct message *m, int16_t version, const void *message);

static bool check_round_trip(struct prng *p, const struct message *m, int16_t version, const void *message) {
    (void)p;
    return survives(m, version, message);
}

static bool check_cuts(struct prng *p, const struct message *m, int16_t version, const void *message) {
    (void)p;
    return encode(m, version, message, &first) && is_refused_when_cut(m, version);
}

static bool check_flips(struct prng *p, const struct message *m, int16_t version, const void *message) {
    return encode(m, version, message, &first) && bears_flips(p, m, version);
}

static bool for_random_messages(check_fn check, int per_version) {
    struct prng p;
    prng_seed(&p, 20260101);
    for (size_t i = 0; i < 2 * api_table_count; i++) {
        const struct message *m = i % 2 ? api_table[i / 2].response : api_table[i / 2].request;
        for (int n = 0; n < per_version * (m->version_max - m->version_min + 1); n++) {
            int16_t version = (int16_t)(m->version_min + n / per_version);
            if (check(&p, m, version, random_message(&p, m, version))) continue;
            printf("%s %d, message %d\n", message_name(m), version, n);
            return false;
        }
    }
    return true;
}

TEST(random_messages_survive_the_round_trip) {
    EXPECT(for_random_messages(check_round_trip, RANDOM_PER_VERSION));
}

TEST(random_messages_cut_anywhere_are_refused) {
    EXPECT(for_random_messages(check_cuts, 3));
}

TEST(flipped_bits_never_do_harm) {
    EXPECT(for_random_messages(check_flips, RANDOM_PER_VERSION));
}

TEST(apis_are_found_by_key) {
    for (int key = INT16_MIN; key <= INT16_MAX; key++) {
        const struct api *api = api_find((int16_t)key);
        EXPECT(!api || api->key == key);
    }
    for (size_t i = 0; i < api_table_count; i++) EXPECT(api_find(api_table[i].key) == &api_table[i]);
    EXPECT_TEXT(api_find(API_INIT_PRODUCER_ID)->name, "InitProducerId");
    EXPECT(api_find(API_FETCH)->response == &fetch_response_message);
    EXPECT(!api_find(7));
}

TEST(defaults_go_down_into_structs) {
    struct fetch_response_partition p;
    memset(&p, 0x5a, sizeof p);
    message_defaults(&fetch_response_partition_message, &p);
    EXPECT_INT(p.partition_index, 0);
    EXPECT_INT(p.preferred_read_replica, -1);
    EXPECT_INT(p.diverging_epoch.end_offset, -1);
    EXPECT_INT(p.records.size, -1);
    EXPECT_INT(p.aborted_transactions_count, 0);
    EXPECT(!p.aborted_transactions);
}

// Encodes and answers the error's kind; the place it names must contain `place`.
static int encode_kind(const struct message *m, int16_t version, const void *message, const char *place) {
    buffer_clear(&first);
    buffer_append(&first, "before", 6);
    struct error e = message_encode(m, version, message, &first, NULL, NULL);
    if (error_is(&e) && (!strstr(e.detail, place) || first.size != 6 || first.overflowed)) {
        printf("%s: %s\n", e.where, e.detail);
        return -1;
    }
    return e.kind;
}

TEST(what_a_version_lacks_must_not_be_set) {
    struct offset_fetch_request request;
    message_defaults(&offset_fetch_request_message, &request);
    request.require_stable = true;
    EXPECT_INT(encode_kind(&offset_fetch_request_message, 7, &request, ""), ERROR_NONE);
    EXPECT_INT(encode_kind(&offset_fetch_request_message, 6, &request, "offset_fetch_request.require_stable: set"),
               ERROR_PROTOCOL);
    request.require_stable = false;
    struct offset_fetch_request_group group;
    message_defaults(&offset_fetch_request_group_message, &group);
    request.groups = &group;
    request.groups_count = 1;
    EXPECT_INT(encode_kind(&offset_fetch_request_message, 7, &request, "groups: set"), ERROR_PROTOCOL);
    EXPECT_INT(encode_kind(&offset_fetch_request_message, 8, &request, ""), ERROR_NONE);
    group.member_epoch = 5;  // ignorable before 9
    EXPECT_INT(encode_kind(&offset_fetch_request_message, 8, &request, ""), ERROR_NONE);
}

TEST(a_tagged_field_must_not_be_set_before_its_version) {
    struct fetch_request request;
    message_defaults(&fetch_request_message, &request);
    request.replica_state.replica_epoch = 3;
    EXPECT_INT(encode_kind(&fetch_request_message, 11, &request, "replica_state: set"), ERROR_PROTOCOL);
    EXPECT_INT(encode_kind(&fetch_request_message, 14, &request, "replica_state: set"), ERROR_PROTOCOL);
    EXPECT_INT(encode_kind(&fetch_request_message, 15, &request, ""), ERROR_NONE);
}

// Of types that no schema has in a field that came later.
TEST(what_a_version_lacks_is_seen_in_every_type) {
    struct late {
        double ratio;
        struct wire_bytes blob;
    } value;
    static const struct message_field fields[] = {
        {.name = "ratio",
         .offset = offsetof(struct late, ratio),
         .type = FIELD_FLOAT64,
         .version_min = 1,
         .version_max = 1,
         .nullable_min = 1,
         .tag = -1},
        {.name = "blob",
         .offset = offsetof(struct late, blob),
         .type = FIELD_BYTES,
         .version_min = 1,
         .version_max = 1,
         .nullable_min = 1,
         .nullable_max = 1,
         .tag = -1,
         .default_null = true},
    };
    static const struct message late = {.name = "late",
                                        .fields = fields,
                                        .untagged_count = 2,
                                        .fields_count = 2,
                                        .struct_size = sizeof value,
                                        .version_max = 1,
                                        .flexible_min = INT16_MAX};
    message_defaults(&late, &value);
    EXPECT_INT(encode_kind(&late, 0, &value, ""), ERROR_NONE);
    value.ratio = 0.5;
    EXPECT_INT(encode_kind(&late, 1, &value, ""), ERROR_NONE);
    EXPECT_INT(encode_kind(&late, 0, &value, "late.ratio: set"), ERROR_PROTOCOL);
    value.ratio = 0;
    value.blob = (struct wire_bytes){(const uint8_t *)"", 0};  // empty is not null
    EXPECT_INT(encode_kind(&late, 0, &value, "late.blob: set"), ERROR_PROTOCOL);
}

TEST(null_only_where_the_version_allows_it) {
    struct metadata_request request;
    message_defaults(&metadata_request_message, &request);
    request.topics_count = -1;
    EXPECT_INT(encode_kind(&metadata_request_message, 0, &request, "topics: null"), ERROR_PROTOCOL);
    EXPECT_INT(encode_kind(&metadata_request_message, 1, &request, ""), ERROR_NONE);
    void *decoded;
    size_t consumed;
    struct bytes null_topics = {(const uint8_t *)"\xff\xff\xff\xff", 4};
    struct error e = decode(&metadata_request_message, 0, null_topics, &decoded, &consumed);
    EXPECT(e.kind == ERROR_PROTOCOL && strstr(e.detail, "topics: null"));
    e = decode(&metadata_request_message, 1, null_topics, &decoded, &consumed);
    EXPECT(!error_is(&e));
    EXPECT_INT(((struct metadata_request *)decoded)->topics_count, -1);
    EXPECT(((struct metadata_request *)decoded)->allow_auto_topic_creation);
}

TEST(strings_have_15_bits_in_old_versions) {
    static char text[INT16_MAX + 1];
    struct sasl_handshake_request request = {{text, INT16_MAX}};
    EXPECT_INT(encode_kind(&sasl_handshake_request_message, 1, &request, ""), ERROR_NONE);
    request.mechanism.size++;
    EXPECT_INT(encode_kind(&sasl_handshake_request_message, 1, &request, "mechanism: longer"), ERROR_PROTOCOL);
}

// Where the size could say more, too: nobody could write such a message in another version.
TEST(strings_have_15_bits_in_new_versions) {
    static uint8_t bytes[3 + INT16_MAX + 1 + 2] = {0x80, 0x80, 0x02};  // a key of INT16_MAX, its type, no tags
    void *message;
    size_t consumed;
    struct error e = decode(&find_coordinator_request_message, 3, (struct bytes){bytes, sizeof bytes - 1}, &message,
                            &consumed);
    EXPECT(!error_is(&e));
    EXPECT_INT(consumed, sizeof bytes - 1);
    bytes[0]++;
    e = decode(&find_coordinator_request_message, 3, (struct bytes){bytes, sizeof bytes}, &message, &consumed);
    EXPECT(e.kind == ERROR_PROTOCOL && strstr(e.detail, "key: string out of range"));
}

TEST(a_full_buffer_keeps_nothing_of_the_message) {
    struct buffer small;
    struct sasl_handshake_request request = {text_of("SCRAM-SHA-512")};
    buffer_init(&small, 16);
    buffer_append(&small, "ab", 2);
    struct error e = message_encode(&sasl_handshake_request_message, 1, &request, &small, NULL, NULL);
    EXPECT_INT(e.kind, ERROR_LIMIT);
    EXPECT_INT(small.size, 2);
    request.mechanism.size--;
    e = message_encode(&sasl_handshake_request_message, 1, &request, &small, NULL, NULL);
    EXPECT_INT(e.kind, ERROR_NONE);
    EXPECT_INT(small.size, 16);
    buffer_free(&small);
}

struct produce_sample {
    struct produce_request_partition partitions[3];
    struct produce_request_topic topic;
    struct produce_request request;
};

static void produce_sample_init(struct produce_sample *s) {
    message_defaults(&produce_request_message, &s->request);
    message_defaults(&produce_request_topic_message, &s->topic);
    s->request.topic_data = &s->topic;
    s->request.topic_data_count = 1;
    s->topic.name = text_of("orders");
    s->topic.partition_data = s->partitions;
    s->topic.partition_data_count = 3;
    s->partitions[0] = (struct produce_request_partition){7, {(const uint8_t *)"first", 5}};
    s->partitions[1] = (struct produce_request_partition){8, {NULL, -1}};
    s->partitions[2] = (struct produce_request_partition){9, {(const uint8_t *)"second one", 10}};
}

TEST(records_stay_where_they_are) {
    struct produce_sample s;
    produce_sample_init(&s);
    for (int16_t version = 8; version <= 9; version++) {
        struct wire_cut cuts[2];
        size_t count = 2, size;
        EXPECT(encode(&produce_request_message, version, &s.request, &first));
        buffer_clear(&second);
        buffer_append(&second, "before", 6);
        struct error e = message_encode(&produce_request_message, version, &s.request, &second, cuts, &count);
        EXPECT(!error_is(&e));
        EXPECT_INT(count, 2);
        EXPECT(cuts[0].payload.at == s.partitions[0].records.at && cuts[1].payload.size == 10);
        EXPECT_INT(second.size + 15 - 6, first.size);
        // Put together again, the parts are what is encoded without cuts.
        size_t from = cuts[0].offset - 6, to = cuts[1].offset - 6;
        EXPECT(!memcmp(first.at, second.at + 6, from));
        EXPECT(!memcmp(first.at + from, "first", 5));
        EXPECT(!memcmp(first.at + from + 5, second.at + 6 + from, to - from));
        EXPECT(!memcmp(first.at + to + 5, "second one", 10));
        EXPECT(!memcmp(first.at + to + 15, second.at + 6 + to, second.size - 6 - to));
        e = message_size(&produce_request_message, version, &s.request, &size);
        EXPECT(!error_is(&e));
        EXPECT_INT(size, first.size);
    }
}

TEST(more_records_than_cuts_is_a_limit) {
    struct produce_sample s;
    struct wire_cut cuts[1];
    size_t count = 1;
    produce_sample_init(&s);
    buffer_clear(&first);
    struct error e = message_encode(&produce_request_message, 9, &s.request, &first, cuts, &count);
    EXPECT_INT(e.kind, ERROR_LIMIT);
    EXPECT_INT(count, 0);
    EXPECT_INT(first.size, 0);
}

TEST(arrays_are_bounded_before_they_are_allocated) {
    // 100 group ids announced, room for 99 empty ones.
    uint8_t bytes[4 + 2 * 99] = {0, 0, 0, 100};
    void *message;
    size_t consumed;
    struct error e =
        decode(&delete_groups_request_message, 0, (struct bytes){bytes, sizeof bytes}, &message, &consumed);
    EXPECT(e.kind == ERROR_PROTOCOL && strstr(e.detail, "groups_names: more elements than bytes"));
    bytes[3] = 99;
    e = decode(&delete_groups_request_message, 0, (struct bytes){bytes, sizeof bytes}, &message, &consumed);
    EXPECT(!error_is(&e));
    // What fits into the bytes may still not fit into the arena.
    struct arena small;
    struct delete_groups_request request;
    arena_init(&small, 512);
    e = message_decode(&delete_groups_request_message, 0, (struct bytes){bytes, sizeof bytes}, &small, &request,
                       &consumed);
    EXPECT_INT(e.kind, ERROR_LIMIT);
    arena_free(&small);
}

static struct error decode_heartbeat(const char *tags, size_t size, size_t *consumed) {
    // Version 4: throttle time, error code, tags.
    uint8_t bytes[64] = {0, 0, 0, 1, 0, 27};
    void *message;
    memcpy(bytes + 6, tags, size);
    return decode(&heartbeat_response_message, 4, (struct bytes){bytes, 6 + size}, &message, consumed);
}

TEST(unknown_tags_are_skipped) {
    size_t consumed;
    struct error e = decode_heartbeat("\2\1\3abc\x80\2\0", 9, &consumed);
    EXPECT(!error_is(&e));
    EXPECT_INT(consumed, 15);
    e = decode_heartbeat("\2\1\3abc\x80\2\1", 9, &consumed);
    EXPECT(e.kind == ERROR_PROTOCOL && strstr(e.detail, "tags: tagged field cut short"));
    e = decode_heartbeat("\xff\xff\xff\xff\x1f", 5, &consumed);
    EXPECT(e.kind == ERROR_PROTOCOL && strstr(e.detail, "no count of tags"));
}

TEST(a_tagged_field_fills_its_size) {
    // ApiVersions 3: error, no keys, throttle time, tag 1 (finalized features epoch, 8 bytes).
    uint8_t bytes[] = {0, 0, 1, 0, 0, 0, 0, 1, 1, 8, 0, 0, 0, 0, 0, 0, 0, 9, 0};
    void *message;
    size_t consumed;
    struct bytes in = {bytes, sizeof bytes};
    struct error e = decode(&api_versions_response_message, 3, in, &message, &consumed);
    EXPECT(!error_is(&e));
    EXPECT_INT(consumed, sizeof bytes - 1);
    EXPECT_INT(((struct api_versions_response *)message)->finalized_features_epoch, 9);
    bytes[9] = 9;
    e = decode(&api_versions_response_message, 3, in, &message, &consumed);
    EXPECT(e.kind == ERROR_PROTOCOL && strstr(e.detail, "bytes left over"));
    bytes[9] = 7;
    e = decode(&api_versions_response_message, 3, in, &message, &consumed);
    EXPECT(e.kind == ERROR_PROTOCOL && strstr(e.detail, "finalized_features_epoch: cut short"));
}

static const char *print(const struct message *m, int16_t version, const void *message) {
    buffer_clear(&first);
    message_print(m, version, message, &first);
    buffer_append_u8(&first, 0);
    return (const char *)first.at;
}

TEST(printed_for_a_person) {
    struct produce_sample s;
    produce_sample_init(&s);
    EXPECT_TEXT(print(&produce_request_message, 9, &s.request),
                "{transactional_id: null, acks: 0, timeout_ms: 0, topic_data: [{name: \"orders\", partition_data: "
                "[{index: 7, records: 0x6669727374}, {index: 8, records: null}, "
                "{index: 9, records: 0x7365636f6e64206f6e65}]}]}");
    s.topic.topic_id = (struct wire_uuid){{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xfb}};
    s.topic.partition_data_count = -1;
    EXPECT(strstr(print(&produce_request_message, 13, &s.request),
                  "[{topic_id: AAECAwQFBgcICQoLDA0O-w, partition_data: null}]"));
    struct sasl_handshake_request odd = {text_of("a \"b\" \n")};
    EXPECT_TEXT(print(&sasl_handshake_request_message, 1, &odd), "{mechanism: \"a \\\"b\\\" \\x0a\"}");
    static uint8_t long_records[100];
    s.topic.partition_data_count = 1;
    s.partitions[0].records = (struct wire_bytes){long_records, sizeof long_records};
    EXPECT(strstr(print(&produce_request_message, 9, &s.request), "0000... (100 bytes)}"));
}

TEST(secrets_are_not_printed) {
    struct sasl_authenticate_request request = {{(const uint8_t *)"\0user\0pass", 10}};
    EXPECT_TEXT(print(&sasl_authenticate_request_message, 2, &request), "{auth_bytes: ***}");
}

TEST(error_codes_have_kafkas_names) {
    EXPECT_TEXT(kafka_error_name(KAFKA_NONE), "NONE");
    EXPECT_TEXT(kafka_error_name(-1), "UNKNOWN_SERVER_ERROR");
    EXPECT_TEXT(kafka_error_name(45), "OUT_OF_ORDER_SEQUENCE_NUMBER");
    EXPECT_TEXT(kafka_error_name(12345), "UNKNOWN");
    EXPECT(kafka_error_is_retriable(KAFKA_COORDINATOR_LOAD_IN_PROGRESS));
    EXPECT(kafka_error_is_retriable(KAFKA_NOT_LEADER_OR_FOLLOWER));
    EXPECT(!kafka_error_is_retriable(KAFKA_INVALID_PRODUCER_EPOCH));
    EXPECT(!kafka_error_is_retriable(12345));
}

int main(void) {
    arena_init(&arena, DECODE_ARENA_MAX);
    arena_init(&arena_decoded, DECODE_ARENA_MAX);
    buffer_init(&first, MESSAGE_SIZE_MAX);
    buffer_init(&second, MESSAGE_SIZE_MAX);
    guard = guard_page_open(MESSAGE_SIZE_MAX);
    RUN(random_messages_survive_the_round_trip);
    RUN(random_messages_cut_anywhere_are_refused);
    RUN(flipped_bits_never_do_harm);
    RUN(apis_are_found_by_key);
    RUN(defaults_go_down_into_structs);
    RUN(what_a_version_lacks_must_not_be_set);
    RUN(a_tagged_field_must_not_be_set_before_its_version);
    RUN(what_a_version_lacks_is_seen_in_every_type);
    RUN(null_only_where_the_version_allows_it);
    RUN(strings_have_15_bits_in_old_versions);
    RUN(strings_have_15_bits_in_new_versions);
    RUN(a_full_buffer_keeps_nothing_of_the_message);
    RUN(records_stay_where_they_are);
    RUN(more_records_than_cuts_is_a_limit);
    RUN(arrays_are_bounded_before_they_are_allocated);
    RUN(unknown_tags_are_skipped);
    RUN(a_tagged_field_fills_its_size);
    RUN(printed_for_a_person);
    RUN(secrets_are_not_printed);
    RUN(error_codes_have_kafkas_names);
    guard_page_close(&guard);
    buffer_free(&first);
    buffer_free(&second);
    arena_free(&arena);
    arena_free(&arena_decoded);
    return test_result();
}
