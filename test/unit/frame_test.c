// Framing: headers of requests and responses, byte by byte, and what is refused.
#include "wire/frame.h"

#include "base/limits.h"
#include "base/memory.h"
#include "unit/guarded.h"
#include "unit/test.h"
#include "wire/messages.h"

static struct guard_page guard;
static struct arena arena;
static struct buffer out;

static const struct api *api(enum api_key key) {
    return api_find((int16_t)key);
}

static bool out_is(const char *bytes, size_t size) {
    bool same = out.size == size && memcmp(out.at, bytes, size) == 0;
    for (size_t i = 0; !same && i < out.size; i++) printf("%02x%s", out.at[i], i + 1 < out.size ? " " : "\n");
    return same;
}
#define OUT_IS(text) out_is(text, sizeof text - 1)

static struct error request(enum api_key key, int16_t version, const char *client_id, const void *value) {
    buffer_clear(&out);
    return frame_encode_request(api(key), version, 0x01020304, client_id, value, &out, NULL, NULL);
}

TEST(request_header_1_and_2) {
    struct list_groups_request value;
    message_defaults(&list_groups_request_message, &value);
    struct error e = request(API_LIST_GROUPS, 2, "me", &value);
    EXPECT(!error_is(&e));
    EXPECT(OUT_IS("\0\0\0\x0c\0\x10\0\2\1\2\3\4\0\2me"));
    e = request(API_LIST_GROUPS, 3, "me", &value);
    EXPECT(!error_is(&e));
    EXPECT(OUT_IS("\0\0\0\x0e\0\x10\0\3\1\2\3\4\0\2me\0\0"));
    e = request(API_LIST_GROUPS, 2, NULL, &value);
    EXPECT(!error_is(&e));
    EXPECT(OUT_IS("\0\0\0\x0a\0\x10\0\2\1\2\3\4\xff\xff"));
    e = request(API_LIST_GROUPS, 2, "", &value);
    EXPECT(!error_is(&e));
    EXPECT(OUT_IS("\0\0\0\x0a\0\x10\0\2\1\2\3\4\0\0"));
}

TEST(response_header_0_and_1) {
    struct heartbeat_response value = {.throttle_time_ms = 5, .error_code = 27};
    buffer_clear(&out);
    struct error e = frame_encode_response(api(API_HEARTBEAT), 3, 9, &value, &out, NULL, NULL);
    EXPECT(!error_is(&e));
    EXPECT(OUT_IS("\0\0\0\x0a\0\0\0\x09\0\0\0\5\0\x1b"));
    buffer_clear(&out);
    e = frame_encode_response(api(API_HEARTBEAT), 4, 9, &value, &out, NULL, NULL);
    EXPECT(!error_is(&e));
    EXPECT(OUT_IS("\0\0\0\x0c\0\0\0\x09\0\0\0\0\5\0\x1b\0"));
}

TEST(frames_stand_behind_each_other) {
    struct heartbeat_response value = {.error_code = 1};
    buffer_clear(&out);
    for (int32_t id = 1; id <= 2; id++) {
        struct error e = frame_encode_response(api(API_HEARTBEAT), 0, id, &value, &out, NULL, NULL);
        EXPECT(!error_is(&e));
    }
    EXPECT(OUT_IS("\0\0\0\6\0\0\0\1\0\1\0\0\0\6\0\0\0\2\0\1"));
}

static struct error respond(enum api_key key, int16_t version, const char *frame, size_t size, void *response) {
    struct bytes placed = {guard_page_place(&guard, frame, size), size};
    arena_reset(&arena);
    return frame_decode_response(api(key), version, 9, placed, &arena, response);
}

TEST(responses_are_read_to_their_last_byte) {
    static const char frame[] = "\0\0\0\x09\2\1\2xy\3\0\0\0\0\5\0\x1b\0";  // two unknown tags in the header
    struct heartbeat_response value;
    struct error e = respond(API_HEARTBEAT, 4, frame, sizeof frame - 1, &value);
    EXPECT(!error_is(&e));
    EXPECT_INT(value.throttle_time_ms, 5);
    EXPECT_INT(value.error_code, 27);
    for (size_t size = 0; size < sizeof frame - 1; size++) {
        e = respond(API_HEARTBEAT, 4, frame, size, &value);
        EXPECT_INT(e.kind, ERROR_PROTOCOL);
    }
    e = respond(API_HEARTBEAT, 4, frame, sizeof frame, &value);
    EXPECT(e.kind == ERROR_PROTOCOL && strstr(e.detail, "1 bytes left over"));
}

TEST(another_correlation_id_is_refused) {
    struct heartbeat_response value;
    struct error e = respond(API_HEARTBEAT, 0, "\0\0\0\x08\0\1", 6, &value);
    EXPECT(e.kind == ERROR_PROTOCOL && strstr(e.detail, "correlation id 8, expected 9"));
}

TEST(api_versions_answers_with_header_0) {
    struct api_versions_response_api_key key = {API_FETCH, 4, 17};
    struct api_versions_response value, decoded;
    message_defaults(&api_versions_response_message, &value);
    value.api_keys = &key;
    value.api_keys_count = 1;
    buffer_clear(&out);
    struct error e = frame_encode_response(api(API_API_VERSIONS), 3, 9, &value, &out, NULL, NULL);
    EXPECT(!error_is(&e));
    EXPECT(OUT_IS("\0\0\0\x13\0\0\0\x09\0\0\2\0\1\0\4\0\x11\0\0\0\0\0\0"));
    e = respond(API_API_VERSIONS, 3, (char *)out.at + 4, out.size - 4, &decoded);
    EXPECT(!error_is(&e));
    EXPECT_INT(decoded.api_keys_count, 1);
    EXPECT_INT(decoded.api_keys[0].max_version, 17);
}

TEST(api_versions_unsupported_comes_in_version_0) {
    struct api_versions_response value;
    static const char frame[] = "\0\0\0\x09\0\x23\0\0\0\1\0\x12\0\0\0\2";
    struct error e = respond(API_API_VERSIONS, 4, frame, sizeof frame - 1, &value);
    EXPECT(!error_is(&e));
    EXPECT_INT(value.error_code, 35);
    EXPECT_INT(value.api_keys_count, 1);
    EXPECT_INT(value.api_keys[0].max_version, 2);
}

TEST(the_length_counts_what_is_sent_from_elsewhere) {
    struct produce_request_partition partition = {3, {(const uint8_t *)"records", 7}};
    struct produce_request_topic topic = {.partition_data = &partition, .partition_data_count = 1};
    struct produce_request value;
    struct wire_cut cut;
    size_t cuts = 1;
    message_defaults(&produce_request_message, &value);
    value.topic_data = &topic;
    value.topic_data_count = 1;
    struct error e = request(API_PRODUCE, 8, "me", &value);
    EXPECT(!error_is(&e));
    size_t whole = out.size;
    uint32_t length = load_be32(out.at);
    EXPECT_INT(length, whole - 4);
    buffer_clear(&out);
    buffer_append(&out, "before", 6);
    e = frame_encode_request(api(API_PRODUCE), 8, 1, "me", &value, &out, &cut, &cuts);
    EXPECT(!error_is(&e));
    EXPECT_INT(cuts, 1);
    EXPECT_INT(out.size - 6, whole - 7);
    EXPECT_INT(load_be32(out.at + 6), length);
    EXPECT_INT(cut.offset, out.size);
}

TEST(a_frame_that_failed_leaves_nothing) {
    struct offset_fetch_request value;
    message_defaults(&offset_fetch_request_message, &value);
    value.require_stable = true;
    struct error e = request(API_OFFSET_FETCH, 1, "me", &value);
    EXPECT_INT(e.kind, ERROR_PROTOCOL);
    EXPECT_INT(out.size, 0);
    // No room: for the header, then for the body.
    struct sasl_handshake_request handshake = {{"SCRAM-SHA-512", 13}};
    for (size_t size_max = 0; size_max < 31; size_max++) {
        struct buffer small;
        buffer_init(&small, size_max);
        e = frame_encode_request(api(API_SASL_HANDSHAKE), 1, 1, "me", &handshake, &small, NULL, NULL);
        bool clean = small.size == 0 && !small.overflowed;
        buffer_free(&small);
        EXPECT_INT(e.kind, ERROR_LIMIT);
        EXPECT(clean);
    }
}

TEST(what_does_not_fit_into_a_frame_is_refused) {
    struct produce_request_partition partitions[2] = {{0, {(const uint8_t *)"", INT32_MAX / 2 + 1}},
                                                      {1, {(const uint8_t *)"", INT32_MAX / 2 + 1}}};
    struct produce_request_topic topic = {.partition_data = partitions, .partition_data_count = 2};
    struct produce_request value;
    struct wire_cut cuts[2];
    size_t count = 2;
    message_defaults(&produce_request_message, &value);
    value.topic_data = &topic;
    value.topic_data_count = 1;
    buffer_clear(&out);
    struct error e = frame_encode_request(api(API_PRODUCE), 9, 1, "me", &value, &out, cuts, &count);
    EXPECT(e.kind == ERROR_LIMIT && strstr(e.detail, "do not fit into a frame"));
    EXPECT_INT(count, 0);
    EXPECT_INT(out.size, 0);
}

TEST(servers_read_the_header_of_requests) {
    static const char frame[] = "\0\x10\0\3\1\2\3\4\0\2me\1\7\2xy\0";  // an unknown tag in the header
    struct frame_request_header header;
    size_t consumed;
    for (size_t size = 0; size < sizeof frame - 2; size++) {
        struct bytes cut = {guard_page_place(&guard, frame, size), size};
        struct error e = frame_decode_request_header(cut, &header, &consumed);
        EXPECT_INT(e.kind, ERROR_PROTOCOL);
    }
    struct bytes whole = {guard_page_place(&guard, frame, sizeof frame - 1), sizeof frame - 1};
    struct error e = frame_decode_request_header(whole, &header, &consumed);
    EXPECT(!error_is(&e));
    EXPECT_INT(header.api_key, API_LIST_GROUPS);
    EXPECT_INT(header.version, 3);
    EXPECT_INT(header.correlation_id, 0x01020304);
    EXPECT(header.client_id.size == 2 && !memcmp(header.client_id.at, "me", 2));
    EXPECT_INT(consumed, sizeof frame - 2);
}

TEST(servers_refuse_what_they_cannot_read) {
    struct frame_request_header header;
    size_t consumed;
    struct error e = frame_decode_request_header((struct bytes){(const uint8_t *)"\0\x10\0\2\0\0\0\1\xff\xff", 10},
                                                 &header, &consumed);
    EXPECT(!error_is(&e));
    EXPECT_INT(header.client_id.size, -1);
    EXPECT_INT(consumed, 10);
    e = frame_decode_request_header((struct bytes){(const uint8_t *)"\0\x10\0\2\0\0\0\1\0\2m", 11}, &header, &consumed);
    EXPECT(e.kind == ERROR_PROTOCOL && strstr(e.detail, "client id of 2 bytes"));
    e = frame_decode_request_header((struct bytes){(const uint8_t *)"\0\x10\0\2\0\0\0\1\xff\xfe", 10}, &header,
                                    &consumed);
    EXPECT_INT(e.kind, ERROR_PROTOCOL);
    e = frame_decode_request_header((struct bytes){(const uint8_t *)"\0\7\0\0\0\0\0\1\xff\xff", 10}, &header,
                                    &consumed);
    EXPECT(e.kind == ERROR_PROTOCOL && strstr(e.detail, "unknown API key 7"));
}

int main(void) {
    guard = guard_page_open(4096);
    arena_init(&arena, DECODE_ARENA_MAX);
    buffer_init(&out, MiB);
    RUN(request_header_1_and_2);
    RUN(response_header_0_and_1);
    RUN(frames_stand_behind_each_other);
    RUN(responses_are_read_to_their_last_byte);
    RUN(another_correlation_id_is_refused);
    RUN(api_versions_answers_with_header_0);
    RUN(api_versions_unsupported_comes_in_version_0);
    RUN(the_length_counts_what_is_sent_from_elsewhere);
    RUN(a_frame_that_failed_leaves_nothing);
    RUN(what_does_not_fit_into_a_frame_is_refused);
    RUN(servers_read_the_header_of_requests);
    RUN(servers_refuse_what_they_cannot_read);
    guard_page_close(&guard);
    arena_free(&arena);
    buffer_free(&out);
    return test_result();
}
