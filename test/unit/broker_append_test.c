// What a leader takes and refuses, in Kafka's order and with its codes, and what then stands in the log.
#include "broker/append.h"

#include "unit/batches.h"
#include "unit/test.h"
#include "wire/error_codes.h"
#include "wire/records.h"

#define NOW 1000000
#define EPOCH 6
#define PRODUCER 7000

static struct buffer scratch = {.size_max = 64 * MiB};

static struct broker_topic_settings usual(void) {
    return (struct broker_topic_settings){.codec = -1,
                                          .message_bytes_max = 1048588,
                                          .timestamp_before_ms_max = INT64_MAX,
                                          .timestamp_after_ms_max = 3600000,
                                          .segment_bytes = 1 << 30};
}

static const struct test_record three[] = {{"a", "1", NOW}, {"b", "2", NOW + 5}, {NULL, "3", NOW + 2}};

static struct bytes three_records(struct test_batch b) {
    return test_batch_write(&scratch, &b, three, 3);
}

static struct append_result append(struct broker_log *l, const struct broker_topic_settings *s, struct bytes records) {
    return append_from_client(l, s, records, EPOCH, NOW);
}

// Into an empty log with the usual settings: the error code; nothing may be left behind.
static int refusal(struct bytes records) {
    struct broker_log l;
    struct broker_topic_settings s = usual();
    broker_log_init(&l);
    struct append_result r = append(&l, &s, records);
    bool clean = r.error_code ? l.count == 0 && l.end == 0 && r.base_offset == -1 : l.count == 1;
    broker_log_free(&l);
    return clean ? r.error_code : -99;
}

static void fix_crc(struct bytes batch) {
    struct batch_header h;
    batch_look(batch, &h);
    batch_header_write((uint8_t *)batch.at, &h, (int32_t)batch.size);
}

static void set16(struct bytes batch, size_t at, int16_t v) {
    store_be16((uint8_t *)batch.at + at, (uint16_t)v);
    fix_crc(batch);
}

static void set32(struct bytes batch, size_t at, int32_t v) {
    store_be32((uint8_t *)batch.at + at, (uint32_t)v);
    fix_crc(batch);
}

// True when stored bytes and header say the same, and the CRC is right.
static bool is_sound(const struct stored_batch *b) {
    struct batch_header h;
    struct bytes bytes = {b->at, (size_t)b->header.size};
    return batch_look(bytes, &h) == BATCH_WHOLE && memcmp(&h, &b->header, sizeof h) == 0 && batch_crc_is_right(bytes);
}

TEST(a_batch_is_stored_as_it_came_but_for_offset_and_epoch) {
    struct broker_log l;
    struct broker_topic_settings s = usual();
    broker_log_init(&l);
    l.end = l.start = l.high_watermark = 100;
    struct bytes records = three_records(PLAIN_BATCH);
    struct append_result r = append(&l, &s, records);
    EXPECT_INT(r.error_code, KAFKA_NONE);
    EXPECT_INT(r.base_offset, 100);
    EXPECT_INT(r.append_time_ms, -1);
    EXPECT(!r.duplicate);
    EXPECT_INT(l.end, 103);
    EXPECT_INT(l.high_watermark, 100);
    const struct stored_batch *b = broker_log_at(&l, 0);
    EXPECT(is_sound(b));
    EXPECT_INT(b->header.base_offset, 100);
    EXPECT_INT(b->header.leader_epoch, EPOCH);
    EXPECT(memcmp(b->at + BATCH_AT_MAGIC, records.at + BATCH_AT_MAGIC, records.size - BATCH_AT_MAGIC) == 0);
    EXPECT_INT(broker_log_newest_epoch(&l), EPOCH);
    broker_log_free(&l);
}

TEST(compressed_batches_too) {
    for (int codec = CODEC_GZIP; codec <= CODEC_ZSTD; codec++) {
        struct broker_log l;
        struct broker_topic_settings s = usual();
        struct test_batch b = PLAIN_BATCH;
        broker_log_init(&l);
        b.codec = (enum codec)codec;
        struct bytes records = three_records(b);
        EXPECT_INT(append(&l, &s, records).error_code, KAFKA_NONE);
        EXPECT(is_sound(broker_log_at(&l, 0)));
        EXPECT_INT(broker_log_at(&l, 0)->header.size, records.size);
        broker_log_free(&l);
    }
}

TEST(exactly_one_batch) {
    struct bytes one = three_records(PLAIN_BATCH);
    EXPECT_INT(refusal((struct bytes){0}), KAFKA_INVALID_RECORD);
    EXPECT_INT(refusal((struct bytes){one.at, one.size - 1}), KAFKA_INVALID_RECORD);  // cut off: no batch at all
    uint8_t *two = buffer_extend(&scratch, one.size);
    memcpy(two, scratch.at, one.size);
    EXPECT_INT(refusal((struct bytes){scratch.at, 2 * one.size}), KAFKA_INVALID_RECORD);
    EXPECT_INT(refusal((struct bytes){scratch.at, one.size + 20}), KAFKA_NONE);  // a beginning of another is let go
    store_be32(scratch.at + one.size + BATCH_AT_LENGTH, 3);
    EXPECT_INT(refusal((struct bytes){scratch.at, one.size + 20}), KAFKA_CORRUPT_MESSAGE);
}

TEST(old_and_unknown_formats) {
    struct bytes b = three_records(PLAIN_BATCH);
    scratch.at[BATCH_AT_MAGIC] = 1;
    scratch.at[b.size - 1] ^= 1;
    EXPECT_INT(refusal(b), KAFKA_INVALID_RECORD);
    scratch.at[BATCH_AT_MAGIC] = 3;
    EXPECT_INT(refusal(b), KAFKA_CORRUPT_MESSAGE);
}

TEST(base_offset_comes_before_the_crc) {
    struct test_batch b = PLAIN_BATCH;
    b.base_offset = 5;
    struct bytes records = three_records(b);
    scratch.at[records.size - 1] ^= 1;
    EXPECT_INT(refusal(records), KAFKA_INVALID_RECORD);
    store_be64(scratch.at, 0);
    EXPECT_INT(refusal(records), KAFKA_CORRUPT_MESSAGE);
}

TEST(size_comes_before_the_crc) {
    struct broker_log l;
    struct broker_topic_settings s = usual();
    struct bytes records = three_records(PLAIN_BATCH);
    broker_log_init(&l);
    scratch.at[records.size - 1] ^= 1;
    s.message_bytes_max = (int32_t)records.size - 1;
    EXPECT_INT(append(&l, &s, records).error_code, KAFKA_MESSAGE_TOO_LARGE);
    s.message_bytes_max = (int32_t)records.size;
    EXPECT_INT(append(&l, &s, records).error_code, KAFKA_CORRUPT_MESSAGE);
    scratch.at[records.size - 1] ^= 1;
    s.segment_bytes = (int64_t)records.size - 1;
    EXPECT_INT(append(&l, &s, records).error_code, KAFKA_RECORD_LIST_TOO_LARGE);
    s.segment_bytes = (int64_t)records.size;
    EXPECT_INT(append(&l, &s, records).error_code, KAFKA_NONE);
    broker_log_free(&l);
}

TEST(counts_and_kinds) {
    struct bytes b = three_records(PLAIN_BATCH);
    set32(b, BATCH_AT_LAST_OFFSET_DELTA, 3);
    EXPECT_INT(refusal(b), KAFKA_INVALID_RECORD);
    set32(b, BATCH_AT_LAST_OFFSET_DELTA, -1);
    EXPECT_INT(refusal(b), KAFKA_INVALID_RECORD);
    set32(b, BATCH_AT_LAST_OFFSET_DELTA, 1);
    set32(b, BATCH_AT_COUNT, 2);  // a record is left over
    EXPECT_INT(refusal(b), KAFKA_INVALID_RECORD);
    b = three_records(PLAIN_BATCH);
    set16(b, BATCH_AT_ATTRIBUTES, BATCH_ATTRIBUTE_CONTROL);
    EXPECT_INT(refusal(b), KAFKA_INVALID_RECORD);
    set16(b, BATCH_AT_ATTRIBUTES, 7);
    EXPECT_INT(refusal(b), KAFKA_UNKNOWN_SERVER_ERROR);
    set16(b, BATCH_AT_ATTRIBUTES, CODEC_ZSTD);  // not compressed at all
    EXPECT_INT(refusal(b), KAFKA_UNKNOWN_SERVER_ERROR);
    struct test_batch without_sequence = PLAIN_BATCH;
    without_sequence.producer_id = PRODUCER;
    EXPECT_INT(refusal(three_records(without_sequence)), KAFKA_INVALID_RECORD);
}

TEST(keys_and_timestamps_are_judged_record_by_record) {
    struct broker_log l;
    struct broker_topic_settings s = usual();
    struct arena arena;
    broker_log_init(&l);
    arena_init(&arena, MiB);
    s.compact = true;
    struct bytes records = three_records(PLAIN_BATCH);
    struct append_result r = append(&l, &s, records);
    EXPECT_INT(r.error_code, KAFKA_INVALID_RECORD);
    EXPECT_INT(r.bad_records, 1);
    struct append_explanation e = append_explain(&s, records, NOW, "orders", 4, &arena);
    EXPECT_INT(e.count, 1);
    EXPECT_INT(e.records[0].index, 2);
    EXPECT_TEXT(e.records[0].message, "Compacted topic cannot accept message without key in topic partition orders-4");
    EXPECT_TEXT(
        e.error_message,
        "One or more records have been rejected due to 1 record errors in total, and only showing the first three "
        "errors at most: [RecordError(batchIndex=2, message='Compacted topic cannot accept message without key in "
        "topic partition orders-4')]");
    s.compact = false;
    s.timestamp_after_ms_max = 5;
    EXPECT_INT(append(&l, &s, records).error_code, KAFKA_NONE);
    s.compact = true;
    s.timestamp_after_ms_max = 4;  // the second is 5 ms ahead
    r = append(&l, &s, records);
    EXPECT_INT(r.error_code, KAFKA_INVALID_TIMESTAMP);
    EXPECT_INT(r.bad_records, 2);
    e = append_explain(&s, records, NOW, "orders", 4, &arena);
    EXPECT_TEXT(e.error_message, "One or more records have been rejected due to invalid timestamp");
    EXPECT_TEXT(e.records[0].message,
                "Timestamp 1000005 of message with offset 1 is out of range. The timestamp should be "
                "within [-9223372036853775807, 1000004]");
    EXPECT_INT(l.count, 1);
    arena_free(&arena);
    broker_log_free(&l);
}

TEST(three_bad_records_are_shown_of_all) {
    struct broker_topic_settings s = usual();
    struct arena arena;
    struct test_batch b = PLAIN_BATCH;
    struct test_record keyless[4];
    for (int i = 0; i < 4; i++) keyless[i] = (struct test_record){NULL, "v", NOW};
    arena_init(&arena, MiB);
    s.compact = true;
    struct bytes records = test_batch_write(&scratch, &b, keyless, 4);
    struct append_explanation e = append_explain(&s, records, NOW, "orders", 4, &arena);
    EXPECT_INT(e.count, 4);
    EXPECT(strstr(e.error_message, "due to 4 record errors"));
    EXPECT(strstr(e.error_message, "batchIndex=2") && !strstr(e.error_message, "batchIndex=3"));
    arena_free(&arena);
}

TEST(timestamps_may_be_too_old) {
    struct broker_log l;
    struct broker_topic_settings s = usual();
    struct test_record old[] = {{"a", "1", NOW - 101}}, none[] = {{"a", "1", -1}};
    struct test_batch b = PLAIN_BATCH;
    broker_log_init(&l);
    s.timestamp_before_ms_max = 100;
    EXPECT_INT(append(&l, &s, test_batch_write(&scratch, &b, old, 1)).error_code, KAFKA_INVALID_TIMESTAMP);
    old[0].timestamp++;
    EXPECT_INT(append(&l, &s, test_batch_write(&scratch, &b, old, 1)).error_code, KAFKA_NONE);
    EXPECT_INT(append(&l, &s, test_batch_write(&scratch, &b, none, 1)).error_code, KAFKA_NONE);
    broker_log_free(&l);
}

TEST(a_client_may_not_set_append_time) {
    struct broker_log l;
    struct broker_topic_settings s = usual();
    struct test_batch b = PLAIN_BATCH;
    broker_log_init(&l);
    b.attributes = BATCH_ATTRIBUTE_LOG_APPEND_TIME;
    s.append_time = true;
    EXPECT_INT(append(&l, &s, three_records(b)).error_code, KAFKA_INVALID_TIMESTAMP);
    s.append_time = false;  // the bit is cleared, and consumers see the records' own times
    EXPECT_INT(append(&l, &s, three_records(b)).error_code, KAFKA_NONE);
    EXPECT(is_sound(broker_log_at(&l, 0)));
    EXPECT_INT(broker_log_at(&l, 0)->header.attributes, 0);
    broker_log_free(&l);
}

TEST(append_time_is_set_in_place) {
    struct broker_log l;
    struct broker_topic_settings s = usual();
    broker_log_init(&l);
    s.append_time = true;
    struct append_result r = append_from_client(&l, &s, three_records(PLAIN_BATCH), EPOCH, NOW + 777);
    EXPECT_INT(r.error_code, KAFKA_NONE);
    EXPECT_INT(r.append_time_ms, NOW + 777);
    const struct stored_batch *b = broker_log_at(&l, 0);
    EXPECT(is_sound(b));
    EXPECT_INT(b->header.attributes, BATCH_ATTRIBUTE_LOG_APPEND_TIME);
    EXPECT_INT(b->header.max_timestamp, NOW + 777);
    EXPECT_INT(b->header.base_timestamp, NOW);
    broker_log_free(&l);
}

TEST(max_timestamp_is_the_records_whatever_the_header_says) {
    struct broker_log l;
    struct broker_topic_settings s = usual();
    broker_log_init(&l);
    struct bytes records = three_records(PLAIN_BATCH);
    store_be64(scratch.at + BATCH_AT_MAX_TIMESTAMP, NOW + 999999999);
    fix_crc(records);
    EXPECT_INT(append(&l, &s, records).error_code, KAFKA_NONE);
    EXPECT(is_sound(broker_log_at(&l, 0)));
    EXPECT_INT(broker_log_at(&l, 0)->header.max_timestamp, NOW + 5);
    broker_log_free(&l);
}

// What a reader finds: "offset:value@timestamp ".
static const char *contents(const struct stored_batch *b) {
    static char text[200];
    struct buffer plain;
    struct records records;
    struct record r;
    size_t size = 0;
    buffer_init(&plain, MiB);
    struct error err = records_open(&records, (struct bytes){b->at, (size_t)b->header.size}, &b->header, &plain);
    if (error_is(&err)) return "damaged";
    while (records_next(&records, &r))
        size += (size_t)snprintf(text + size, sizeof text - size, "%lld:%.*s@%lld ", (long long)r.offset, r.value.size,
                                 (const char *)r.value.at, (long long)r.timestamp);
    buffer_free(&plain);
    return text;
}

TEST(compression_type_writes_the_batch_again) {
    for (int codec = CODEC_NONE; codec <= CODEC_ZSTD; codec++) {
        struct broker_log l;
        struct broker_topic_settings s = usual();
        struct test_batch b = PLAIN_BATCH;
        broker_log_init(&l);
        l.end = l.start = l.high_watermark = 10;
        b.codec = codec == CODEC_LZ4 ? CODEC_NONE : CODEC_LZ4;
        b.base_timestamp_back = 50;
        b.producer_id = PRODUCER;
        b.producer_epoch = 2;
        b.base_sequence = 50;
        b.attributes = BATCH_ATTRIBUTE_TRANSACTIONAL;
        s.codec = (int8_t)codec;
        EXPECT_INT(append(&l, &s, three_records(b)).error_code, KAFKA_NONE);
        const struct stored_batch *stored = broker_log_at(&l, 0);
        EXPECT(is_sound(stored));
        EXPECT_INT(stored->header.attributes, codec | BATCH_ATTRIBUTE_TRANSACTIONAL);
        EXPECT_INT(stored->header.base_sequence, 50);
        EXPECT_INT(stored->header.base_timestamp, NOW);
        EXPECT_INT(stored->header.max_timestamp, NOW + 5);
        EXPECT_TEXT(contents(stored), "10:1@1000000 11:2@1000005 12:3@1000002 ");
        EXPECT_INT(producer_state_last_sequence(producer_states_find(&l.producers, PRODUCER)), 52);
        broker_log_free(&l);
    }
}

// LogValidator means to write such a batch again, which fails when codec and topic agree.
TEST(inner_offsets_that_are_not_counted) {
    struct broker_log l;
    struct broker_topic_settings s = usual();
    struct test_batch b = PLAIN_BATCH;
    broker_log_init(&l);
    b.codec = CODEC_GZIP;
    b.offset_skip = 1;
    struct bytes records = three_records(b);
    EXPECT_INT(append(&l, &s, records).error_code, KAFKA_INVALID_RECORD);  // 3 records, 5 offsets
    set32(records, BATCH_AT_LAST_OFFSET_DELTA, 2);
    EXPECT_INT(append(&l, &s, records).error_code, KAFKA_UNKNOWN_SERVER_ERROR);
    s.codec = CODEC_LZ4;
    EXPECT_INT(append(&l, &s, records).error_code, KAFKA_NONE);
    s.codec = -1;
    EXPECT_TEXT(contents(broker_log_at(&l, 0)), "0:1@1000000 1:2@1000005 2:3@1000002 ");
    b.codec = CODEC_NONE;
    records = three_records(b);
    set32(records, BATCH_AT_LAST_OFFSET_DELTA, 2);
    EXPECT_INT(append(&l, &s, records).error_code, KAFKA_NONE);
    const struct stored_batch *stored = broker_log_at(&l, 1);
    EXPECT(memcmp(stored->at + BATCH_HEADER_SIZE, records.at + BATCH_HEADER_SIZE, records.size - BATCH_HEADER_SIZE) ==
           0);
    broker_log_free(&l);
}

// One record, of a length that it does not have, then `more`.
static struct bytes one_lying_record(enum codec codec, const char *more) {
    static const uint8_t record[] = {2, 0, 0, 0, 2, 'k', 1, 0};  // length 1, though it has 7
    struct buffer plain;
    struct batch_header h = {.magic = BATCH_MAGIC, .attributes = (int16_t)codec, .count = 1, .producer_id = -1};
    h.base_timestamp = h.max_timestamp = NOW;
    h.producer_epoch = -1;
    h.base_sequence = -1;
    buffer_init(&plain, KiB);
    buffer_append(&plain, record, sizeof record);
    buffer_append(&plain, more, strlen(more));
    buffer_clear(&scratch);
    buffer_extend(&scratch, BATCH_HEADER_SIZE);
    struct error err = codec_compress(codec, (struct bytes){plain.at, plain.size}, &scratch);
    assert(!error_is(&err));
    batch_header_write(scratch.at, &h, (int32_t)scratch.size);
    buffer_free(&plain);
    return (struct bytes){scratch.at, scratch.size};
}

TEST(nobody_looks_at_lengths_inside_of_what_is_stored_compressed) {
    struct broker_log l;
    struct broker_topic_settings s = usual();
    broker_log_init(&l);
    EXPECT_INT(refusal(one_lying_record(CODEC_NONE, "")), KAFKA_INVALID_RECORD);
    for (int codec = CODEC_GZIP; codec <= CODEC_ZSTD; codec++) {
        EXPECT_INT(refusal(one_lying_record((enum codec)codec, "")), KAFKA_NONE);
        EXPECT_INT(refusal(one_lying_record((enum codec)codec, "more")), KAFKA_INVALID_RECORD);
    }
    s.codec = CODEC_NONE;
    EXPECT_INT(append(&l, &s, one_lying_record(CODEC_LZ4, "")).error_code, KAFKA_INVALID_RECORD);
    broker_log_free(&l);
}

TEST(times_before_1970_are_not_written_again) {
    struct broker_log l;
    struct broker_topic_settings s = usual();
    struct test_record r = {"k", "v", -2};
    struct test_batch b = PLAIN_BATCH;
    broker_log_init(&l);
    EXPECT_INT(append(&l, &s, test_batch_write(&scratch, &b, &r, 1)).error_code, KAFKA_NONE);
    s.codec = CODEC_GZIP;
    EXPECT_INT(append(&l, &s, test_batch_write(&scratch, &b, &r, 1)).error_code, KAFKA_UNKNOWN_SERVER_ERROR);
    r.timestamp = -1;  // none
    EXPECT_INT(append(&l, &s, test_batch_write(&scratch, &b, &r, 1)).error_code, KAFKA_NONE);
    broker_log_free(&l);
}

TEST(attributes_that_mean_nothing_go_with_the_header) {
    struct broker_log l;
    struct broker_topic_settings s = usual();
    struct test_batch b = PLAIN_BATCH;
    broker_log_init(&l);
    b.attributes = 0x1080;
    EXPECT_INT(append(&l, &s, three_records(b)).error_code, KAFKA_NONE);
    EXPECT_INT(broker_log_at(&l, 0)->header.attributes, 0x1080);  // nothing was to be changed
    s.append_time = true;
    EXPECT_INT(append(&l, &s, three_records(b)).error_code, KAFKA_NONE);
    EXPECT_INT(broker_log_at(&l, 1)->header.attributes, BATCH_ATTRIBUTE_LOG_APPEND_TIME);
    EXPECT(is_sound(broker_log_at(&l, 1)));
    broker_log_free(&l);
}

TEST(epochs_below_none_are_old) {
    struct test_batch b = PLAIN_BATCH;
    b.producer_id = PRODUCER;
    b.base_sequence = 0;
    EXPECT_INT(refusal(three_records(b)), KAFKA_NONE);
    b.producer_epoch = -2;
    EXPECT_INT(refusal(three_records(b)), KAFKA_INVALID_PRODUCER_EPOCH);
}

TEST(a_batch_that_grows_too_large_is_refused) {
    struct broker_log l;
    struct broker_topic_settings s = usual();
    static char zeros[3000];
    struct test_record r = {"k", zeros, NOW};
    struct test_batch b = PLAIN_BATCH;
    broker_log_init(&l);
    memset(zeros, 'z', sizeof zeros - 1);
    b.codec = CODEC_ZSTD;
    s.codec = CODEC_NONE;
    s.message_bytes_max = 2000;
    EXPECT_INT(append(&l, &s, test_batch_write(&scratch, &b, &r, 1)).error_code, KAFKA_MESSAGE_TOO_LARGE);
    s.codec = -1;
    EXPECT_INT(append(&l, &s, test_batch_write(&scratch, &b, &r, 1)).error_code, KAFKA_NONE);
    broker_log_free(&l);
}

TEST(repeats_are_answered_and_not_appended) {
    struct broker_log l;
    struct broker_topic_settings s = usual();
    struct test_batch b = PLAIN_BATCH;
    struct test_record others[] = {{"x", "other", NOW - 9}, {"y", "records", NOW}, {"z", "of yours", NOW}};
    broker_log_init(&l);
    append(&l, &s, three_records(b));
    b.producer_id = PRODUCER;
    b.producer_epoch = 0;
    b.base_sequence = 500;
    EXPECT_INT(append(&l, &s, three_records(b)).base_offset, 3);
    b.base_sequence = 503;
    EXPECT_INT(append(&l, &s, three_records(b)).base_offset, 6);
    b.base_sequence = 500;
    struct append_result r = append(&l, &s, test_batch_write(&scratch, &b, others, 3));
    EXPECT_INT(r.error_code, KAFKA_NONE);
    EXPECT(r.duplicate);
    EXPECT_INT(r.base_offset, 3);
    EXPECT_INT(r.append_time_ms, NOW + 5);  // UnifiedLog.append: the repeated batch's timestamp
    EXPECT_INT(l.end, 9);
    b.base_sequence = 507;
    EXPECT_INT(append(&l, &s, three_records(b)).error_code, KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    b.base_sequence = 506;
    b.producer_epoch = -1;
    EXPECT_INT(append(&l, &s, three_records(b)).error_code, KAFKA_INVALID_PRODUCER_EPOCH);
    EXPECT_INT(l.end, 9);
    broker_log_free(&l);
}

// UnifiedLog.append rolls before it looks at the producer.
TEST(what_is_not_appended_may_begin_a_file) {
    struct broker_topic_settings s = usual();
    struct test_batch b = PLAIN_BATCH;
    b.producer_id = PRODUCER;
    b.producer_epoch = 0;
    for (int32_t sequence = 0; sequence < 20; sequence += 9) {  // repeated; out of order
        struct broker_log l;
        broker_log_init(&l);
        b.base_sequence = 0;
        struct bytes records = three_records(b);
        s.segment_bytes = (int64_t)records.size + 10;
        s.segment_ms = INT64_MAX;
        append(&l, &s, records);
        b.base_sequence = sequence;
        append(&l, &s, three_records(b));
        EXPECT_INT(l.end, 3);
        EXPECT_INT(l.segments_count, 1);
        broker_log_free(&l);
    }
}

TEST(markers_are_control_batches_that_move_the_end) {
    struct broker_log l;
    struct broker_topic_settings s = usual();
    struct producer_marker m = {.producer_id = PRODUCER, .producer_epoch = 3, .coordinator_epoch = 9, .commit = true};
    broker_log_init(&l);
    struct append_result r = append_marker(&l, &s, &m, EPOCH, NOW);
    EXPECT_INT(r.error_code, KAFKA_NONE);
    EXPECT_INT(r.base_offset, 0);
    const struct stored_batch *b = broker_log_at(&l, 0);
    EXPECT(is_sound(b));
    EXPECT_INT(b->header.size, 78);
    EXPECT_INT(b->header.attributes, BATCH_ATTRIBUTE_CONTROL | BATCH_ATTRIBUTE_TRANSACTIONAL);
    EXPECT_INT(b->header.base_sequence, -1);
    EXPECT_INT(b->header.leader_epoch, EPOCH);
    EXPECT_INT(b->header.max_timestamp, NOW);
    EXPECT_INT(producer_states_find(&l.producers, PRODUCER)->coordinator_epoch, 9);
    EXPECT_INT(producer_states_find(&l.producers, PRODUCER)->epoch, 3);
    m.producer_epoch = 2;
    EXPECT_INT(append_marker(&l, &s, &m, EPOCH, NOW).error_code, KAFKA_INVALID_PRODUCER_EPOCH);
    EXPECT_INT(l.end, 1);
    broker_log_free(&l);
}

TEST(own_records) {
    struct broker_log l;
    struct append_pair pairs[] = {{{(const uint8_t *)"k", 1}, {(const uint8_t *)"v", 1}},
                                  {{(const uint8_t *)"dead", 4}, {NULL, -1}}};
    struct append_producer producer = {PRODUCER, 4};
    struct records records;
    struct record r;
    struct buffer plain;
    broker_log_init(&l);
    buffer_init(&plain, 0);
    EXPECT_INT(append_own(&l, pairs, 2, NULL, EPOCH, NOW).base_offset, 0);
    const struct stored_batch *b = broker_log_at(&l, 0);
    EXPECT(is_sound(b));
    EXPECT_INT(b->header.producer_id, -1);
    struct error err = records_open(&records, (struct bytes){b->at, (size_t)b->header.size}, &b->header, &plain);
    EXPECT(!error_is(&err) && records_next(&records, &r) && r.key.size == 1 && r.value.size == 1);
    EXPECT(records_next(&records, &r) && r.key.size == 4 && r.value.size == -1 && r.timestamp == NOW);
    err = records_result(&records);
    EXPECT(!error_is(&err));
    EXPECT_INT(append_own(&l, pairs, 1, &producer, EPOCH, NOW).base_offset, 2);
    EXPECT_INT(producer_states_find(&l.producers, PRODUCER)->transaction_first_offset, 2);
    producer.epoch = 3;
    EXPECT_INT(append_own(&l, pairs, 1, &producer, EPOCH, NOW).error_code, KAFKA_INVALID_PRODUCER_EPOCH);
    EXPECT_INT(l.end, 3);
    broker_log_free(&l);
}

int main(void) {
    buffer_extend(&scratch, MiB);
    RUN(a_batch_is_stored_as_it_came_but_for_offset_and_epoch);
    RUN(compressed_batches_too);
    RUN(exactly_one_batch);
    RUN(old_and_unknown_formats);
    RUN(base_offset_comes_before_the_crc);
    RUN(size_comes_before_the_crc);
    RUN(counts_and_kinds);
    RUN(keys_and_timestamps_are_judged_record_by_record);
    RUN(three_bad_records_are_shown_of_all);
    RUN(timestamps_may_be_too_old);
    RUN(a_client_may_not_set_append_time);
    RUN(append_time_is_set_in_place);
    RUN(max_timestamp_is_the_records_whatever_the_header_says);
    RUN(compression_type_writes_the_batch_again);
    RUN(inner_offsets_that_are_not_counted);
    RUN(nobody_looks_at_lengths_inside_of_what_is_stored_compressed);
    RUN(times_before_1970_are_not_written_again);
    RUN(attributes_that_mean_nothing_go_with_the_header);
    RUN(epochs_below_none_are_old);
    RUN(a_batch_that_grows_too_large_is_refused);
    RUN(repeats_are_answered_and_not_appended);
    RUN(what_is_not_appended_may_begin_a_file);
    RUN(markers_are_control_batches_that_move_the_end);
    RUN(own_records);
    buffer_free(&scratch);
    return test_result();
}
