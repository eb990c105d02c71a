// Retention and compaction of the broker model's logs.
#include "broker/append.h"
#include "broker/log_cleaner.h"

#include "unit/batches.h"
#include "unit/test.h"
#include "wire/error_codes.h"
#include "wire/records.h"

#define NOW 1000000
#define RETENTION 5000  // delete.retention.ms

static struct buffer scratch = {.size_max = 64 * MiB};

// Each append that is 10 ms younger closes the segment before it.
static struct broker_topic_settings compacted(void) {
    return (struct broker_topic_settings){.compact = true,
                                          .codec = -1,
                                          .message_bytes_max = MiB,
                                          .timestamp_before_ms_max = INT64_MAX,
                                          .timestamp_after_ms_max = INT64_MAX,
                                          .retention_ms = -1,
                                          .retention_bytes = -1,
                                          .segment_bytes = INT32_MAX,
                                          .segment_ms = 9,
                                          .delete_retention_ms = RETENTION};
}

static struct broker_topic_settings put_with;  // without segment_bytes: compacted()

static void put(struct broker_log *l, struct test_batch b, const struct test_record *records, int32_t count) {
    struct broker_topic_settings s = put_with.segment_bytes > 0 ? put_with : compacted();
    s.compact = false;
    struct append_result r = append_from_client(l, &s, test_batch_write(&scratch, &b, records, count), 0, NOW);
    assert(r.error_code == KAFKA_NONE && !r.duplicate);
    (void)r;
    l->high_watermark = l->end;
}

static void put_one(struct broker_log *l, const char *key, const char *value, int64_t timestamp) {
    put(l, PLAIN_BATCH, &(struct test_record){key, value, timestamp}, 1);
}

static void end_transaction(struct broker_log *l, int64_t producer_id, bool commit, int64_t timestamp) {
    struct broker_topic_settings s = compacted();
    struct producer_marker m = {.producer_id = producer_id, .coordinator_epoch = 1, .commit = commit};
    struct append_result r = append_marker(l, &s, &m, 0, timestamp);
    assert(r.error_code == KAFKA_NONE);
    (void)r;
    l->high_watermark = l->end;
}

// Segments of `count` batches of one record.
static void put_in_segments_of(int count) {
    struct broker_log l;
    broker_log_init(&l);
    put_one(&l, "a", "1", 1000);
    put_with = compacted();
    put_with.segment_ms = 1000000;
    put_with.segment_bytes = count * l.bytes;
    broker_log_free(&l);
}

// What a reader sees: "offset:key=value ..." and "[offset..last]" for batches without records.
static const char *contents(const struct broker_log *l) {
    static char text[2000];
    struct buffer plain;
    buffer_init(&plain, MiB);
    size_t size = 0;
    text[0] = 0;
    for (size_t i = 0; i < l->count; i++) {
        const struct stored_batch *b = broker_log_at(l, i);
        struct records records;
        struct record r;
        struct bytes bytes = {b->at, (size_t)b->header.size};
        struct batch_header h;
        struct error err = records_open(&records, bytes, &b->header, &plain);
        if (error_is(&err) || !batch_crc_is_right(bytes) || batch_look(bytes, &h) != BATCH_WHOLE) return "damaged";
        if (memcmp(&h.crc, &b->header.crc, sizeof h.crc) != 0 || h.max_timestamp != b->header.max_timestamp)
            return "header";
        if (h.count == 0)
            size += (size_t)snprintf(text + size, sizeof text - size, "[%lld..%lld] ", (long long)h.base_offset,
                                     (long long)batch_last_offset(&h));
        while (records_next(&records, &r)) {
            bool control = h.attributes & BATCH_ATTRIBUTE_CONTROL;
            size += (size_t)snprintf(text + size, sizeof text - size, "%lld:%.*s=%.*s ", (long long)r.offset,
                                     control ? 1 : r.key.size, control ? "M" : (const char *)r.key.at,
                                     r.value.size < 0 || control ? 1 : r.value.size,
                                     r.value.size < 0 || control ? "-" : (const char *)r.value.at);
        }
    }
    buffer_free(&plain);
    return text;
}

TEST(newest_of_each_key_stays) {
    struct broker_log l;
    struct broker_topic_settings s = compacted();
    broker_log_init(&l);
    struct test_record first[] = {{"a", "1", 10}, {"b", "2", 11}, {"a", "3", 12}, {"c", "4", 13}};
    struct test_batch lz4 = PLAIN_BATCH;
    lz4.codec = CODEC_LZ4;
    put(&l, lz4, first, 4);
    put_one(&l, "b", "5", 30);
    put_one(&l, "a", "6", 50);  // the active segment
    broker_log_clean(&l, &s, NOW);
    EXPECT_TEXT(contents(&l), "2:a=3 3:c=4 4:b=5 5:a=6 ");
    const struct batch_header *h = &broker_log_at(&l, 0)->header;
    EXPECT_INT(h->base_offset, 0);
    EXPECT_INT(h->last_offset_delta, 3);
    EXPECT_INT(h->count, 2);
    EXPECT_INT(h->base_timestamp, 12);
    EXPECT_INT(h->attributes, CODEC_LZ4);
    EXPECT_INT(l.end, 6);
    int64_t bytes = 0;
    for (size_t i = 0; i < l.count; i++) bytes += broker_log_at(&l, i)->header.size;
    EXPECT_INT(l.bytes, bytes);
    put_one(&l, "d", "7", 70);
    broker_log_clean(&l, &s, NOW);
    EXPECT_TEXT(contents(&l), "3:c=4 4:b=5 5:a=6 6:d=7 ");
    broker_log_free(&l);
}

TEST(whole_batches_go_and_leave_holes) {
    struct broker_log l;
    struct broker_topic_settings s = compacted();
    broker_log_init(&l);
    for (int i = 0; i < 4; i++) put_one(&l, "a", "1", 20 * i);
    broker_log_clean(&l, &s, NOW);
    EXPECT_TEXT(contents(&l), "2:a=1 3:a=1 ");
    put_one(&l, "a", "1", 69);  // 9 ms younger than the first of its segment, which stays open
    broker_log_clean(&l, &s, NOW);
    EXPECT_TEXT(contents(&l), "2:a=1 3:a=1 4:a=1 ");
    EXPECT_INT(broker_log_find(&l, 0), 0);
    EXPECT_INT(broker_log_at(&l, 0)->header.base_offset, 2);
    EXPECT_INT(l.start, 0);
    broker_log_free(&l);
}

TEST(tombstones_stay_for_delete_retention) {
    struct broker_log l;
    struct broker_topic_settings s = compacted();
    broker_log_init(&l);
    put_one(&l, "a", "1", 10);
    put_one(&l, "a", NULL, 30);
    put_one(&l, "b", "2", 50);
    broker_log_clean(&l, &s, NOW);
    EXPECT_TEXT(contents(&l), "1:a=- 2:b=2 ");
    const struct batch_header *h = &broker_log_at(&l, 0)->header;
    EXPECT_INT(h->attributes, BATCH_ATTRIBUTE_DELETE_HORIZON);
    EXPECT_INT(h->base_timestamp, NOW + RETENTION);
    EXPECT_INT(h->max_timestamp, 30);
    broker_log_clean(&l, &s, NOW + RETENTION - 1);
    EXPECT_TEXT(contents(&l), "1:a=- 2:b=2 ");
    EXPECT_INT(broker_log_at(&l, 0)->header.base_timestamp, NOW + RETENTION);
    put_one(&l, "c", "3", 70);  // so that it is not the last of the pass, which stays
    broker_log_clean(&l, &s, NOW + RETENTION);
    EXPECT_TEXT(contents(&l), "2:b=2 3:c=3 ");
    broker_log_free(&l);
}

TEST(last_batch_of_an_active_producer_stays_as_an_empty_one) {
    struct broker_log l;
    struct broker_topic_settings s = compacted();
    struct test_batch b = PLAIN_BATCH;
    broker_log_init(&l);
    b.producer_id = 7;
    b.producer_epoch = 2;
    b.base_sequence = 0;
    put(&l, b, &(struct test_record){"a", "1", 10}, 1);
    b.base_sequence = 1;
    put(&l, b, (struct test_record[]){{"a", "2", 30}, {"a", "3", 31}}, 2);
    put_one(&l, "a", "4", 50);
    put_one(&l, "b", "5", 70);
    broker_log_clean(&l, &s, NOW);
    EXPECT_TEXT(contents(&l), "[1..2] 3:a=4 4:b=5 ");
    const struct batch_header *h = &broker_log_at(&l, 0)->header;
    EXPECT_INT(h->size, BATCH_HEADER_SIZE);
    EXPECT_INT(h->base_sequence, 1);
    EXPECT_INT(h->producer_epoch, 2);
    EXPECT_INT(h->max_timestamp, 31);
    broker_log_recover(&l, 0, NOW, INT64_MAX);
    EXPECT_INT(producer_state_last_sequence(producer_states_find(&l.producers, 7)), 2);
    producer_states_expire(&l.producers, NOW, 1);
    broker_log_clean(&l, &s, NOW);
    EXPECT_TEXT(contents(&l), "3:a=4 4:b=5 ");
    broker_log_free(&l);
}

static struct test_batch in_transaction(int64_t producer_id, int32_t sequence) {
    struct test_batch b = PLAIN_BATCH;
    b.producer_id = producer_id;
    b.producer_epoch = 0;
    b.base_sequence = sequence;
    b.attributes = BATCH_ATTRIBUTE_TRANSACTIONAL;
    return b;
}

TEST(aborted_records_go_and_their_marker_later) {
    struct broker_log l;
    struct broker_topic_settings s = compacted();
    broker_log_init(&l);
    put_one(&l, "a", "1", 10);
    put(&l, in_transaction(7, 0), &(struct test_record){"a", "2", 30}, 1);
    end_transaction(&l, 7, false, 50);
    put_one(&l, "b", "3", 70);
    producer_states_expire(&l.producers, NOW, 1);  // else its last batch would stay
    broker_log_clean(&l, &s, NOW);
    EXPECT_TEXT(contents(&l), "0:a=1 2:M=- 3:b=3 ");
    EXPECT_INT(l.producers.aborted_count, 1);
    EXPECT_INT(broker_log_at(&l, 1)->header.attributes & BATCH_ATTRIBUTE_DELETE_HORIZON, 0);
    broker_log_clean(&l, &s, NOW);  // nothing of it is left: the marker gets its horizon
    EXPECT_TEXT(contents(&l), "0:a=1 2:M=- 3:b=3 ");
    EXPECT_INT(l.producers.aborted_count, 0);
    EXPECT(broker_log_at(&l, 1)->header.attributes & BATCH_ATTRIBUTE_DELETE_HORIZON);
    put_one(&l, "c", "4", 90);  // so that it is not the last of the pass, which stays
    broker_log_clean(&l, &s, NOW + RETENTION);
    EXPECT_TEXT(contents(&l), "0:a=1 3:b=3 4:c=4 ");
    broker_log_free(&l);
}

// DeleteRecords hides records that stand in the file until it is cleaned: that pass meets them, and the marker is not
// yet without a transaction (CleanedTransactionMetadata.onBatchRead, onControlBatchRead).
TEST(aborted_records_below_the_log_start_are_met_once_more) {
    struct broker_log l;
    struct broker_topic_settings s = compacted();
    broker_log_init(&l);
    put_one(&l, "a", "1", 10);
    put(&l, in_transaction(7, 0), &(struct test_record){"a", "2", 30}, 1);
    end_transaction(&l, 7, false, 50);
    put_one(&l, "b", "3", 70);
    producer_states_expire(&l.producers, NOW, 1);
    broker_log_delete_below(&l, 2);
    broker_log_clean(&l, &s, NOW);
    EXPECT_TEXT(contents(&l), "2:M=- 3:b=3 ");
    EXPECT_INT(broker_log_at(&l, 0)->header.attributes & BATCH_ATTRIBUTE_DELETE_HORIZON, 0);
    EXPECT_INT(l.producers.aborted_count, 1);
    broker_log_clean(&l, &s, NOW);
    EXPECT(broker_log_at(&l, 0)->header.attributes & BATCH_ATTRIBUTE_DELETE_HORIZON);
    EXPECT_INT(l.producers.aborted_count, 0);
    broker_log_free(&l);
}

// Retention takes whole files.
TEST(aborted_records_in_a_deleted_file_are_not_met) {
    struct broker_log l;
    struct broker_topic_settings s = compacted();
    broker_log_init(&l);
    put(&l, in_transaction(7, 0), &(struct test_record){"a", "2", 30}, 1);
    end_transaction(&l, 7, false, NOW);
    put_one(&l, "b", "3", NOW + 20);
    producer_states_expire(&l.producers, 2 * NOW, 1);
    s.delete = true;
    s.retention_ms = NOW / 2;
    broker_log_clean(&l, &s, NOW);
    EXPECT_TEXT(contents(&l), "1:M=- 2:b=3 ");
    EXPECT(broker_log_at(&l, 0)->header.attributes & BATCH_ATTRIBUTE_DELETE_HORIZON);
    broker_log_free(&l);
}

// Cleaner.checkBatchRetention: so that what is compacted ends where it ended.
TEST(last_batch_of_a_pass_stays_empty) {
    struct broker_log l;
    struct broker_topic_settings s = compacted();
    broker_log_init(&l);
    put_one(&l, "a", "1", 10);
    put_one(&l, "b", NULL, 30);
    put_one(&l, "c", "3", 50);
    broker_log_clean(&l, &s, NOW);
    EXPECT_TEXT(contents(&l), "0:a=1 1:b=- 2:c=3 ");
    broker_log_clean(&l, &s, NOW + RETENTION);
    EXPECT_TEXT(contents(&l), "0:a=1 [1..1] 2:c=3 ");
    put_one(&l, "d", "4", 70);
    broker_log_clean(&l, &s, NOW + RETENTION);
    EXPECT_TEXT(contents(&l), "0:a=1 2:c=3 3:d=4 ");
    broker_log_free(&l);
}

TEST(aborted_batch_of_an_active_producer_stays_empty) {
    struct broker_log l;
    struct broker_topic_settings s = compacted();
    broker_log_init(&l);
    put(&l, in_transaction(7, 0), (struct test_record[]){{"a", "1", 10}, {"b", "2", 10}}, 2);
    end_transaction(&l, 7, false, 30);
    put_one(&l, "b", "3", 50);
    broker_log_clean(&l, &s, NOW);
    EXPECT_TEXT(contents(&l), "[0..1] 2:M=- 3:b=3 ");
    broker_log_free(&l);
}

// Without data of its own a producer is known by its marker alone.
TEST(newest_marker_of_an_active_producer_stays) {
    struct broker_log l;
    struct broker_topic_settings s = compacted();
    struct producer_marker m = {.producer_id = 7, .coordinator_epoch = 1, .commit = true};
    broker_log_init(&l);
    for (m.producer_epoch = 0; m.producer_epoch < 2; m.producer_epoch++)
        append_marker(&l, &s, &m, 0, 10 + 20 * m.producer_epoch);
    l.high_watermark = l.end;
    put_one(&l, "b", "3", 50);
    broker_log_clean(&l, &s, NOW);
    EXPECT_TEXT(contents(&l), "0:M=- 1:M=- 2:b=3 ");
    broker_log_clean(&l, &s, NOW + RETENTION);
    EXPECT_TEXT(contents(&l), "[1..1] 2:b=3 ");
    broker_log_free(&l);
}

TEST(horizon_stays_when_the_batch_is_thinned_again) {
    struct broker_log l;
    struct broker_topic_settings s = compacted();
    broker_log_init(&l);
    put(&l, PLAIN_BATCH, (struct test_record[]){{"a", NULL, 10}, {"b", NULL, 11}}, 2);
    put_one(&l, "c", "1", 30);
    broker_log_clean(&l, &s, NOW);
    put_one(&l, "a", "2", 50);
    put_one(&l, "d", "3", 70);
    broker_log_clean(&l, &s, NOW + 10);
    EXPECT_TEXT(contents(&l), "1:b=- 2:c=1 3:a=2 4:d=3 ");
    EXPECT_INT(broker_log_at(&l, 0)->header.base_timestamp, NOW + RETENTION);
    EXPECT_INT(broker_log_at(&l, 0)->header.max_timestamp, 11);
    broker_log_free(&l);
}

TEST(append_time_of_a_batch_stays) {
    struct broker_log l;
    struct broker_topic_settings s = compacted();
    struct test_batch b = PLAIN_BATCH;
    broker_log_init(&l);
    s.append_time = true;
    s.segment_bytes = 100;
    struct bytes records = test_batch_write(&scratch, &b, (struct test_record[]){{"a", "1", 10}, {"b", "2", 11}}, 2);
    for (int i = 0; i < 2; i++) append_from_client(&l, &s, records, 0, 500 + i);
    l.high_watermark = l.end;
    put_in_segments_of(1);
    put_one(&l, "b", "3", 50);
    put_one(&l, "c", "3", 50);
    put_with.segment_bytes = 0;
    broker_log_clean(&l, &s, NOW);
    EXPECT_INT(l.count, 3);
    EXPECT_INT(broker_log_at(&l, 0)->header.count, 1);
    EXPECT_INT(broker_log_at(&l, 0)->header.max_timestamp, 501);
    EXPECT_INT(broker_log_at(&l, 0)->header.attributes, BATCH_ATTRIBUTE_LOG_APPEND_TIME);
    broker_log_free(&l);
}

TEST(closed_segments_stay_closed) {
    struct broker_log l;
    struct broker_topic_settings s = compacted();
    broker_log_init(&l);
    put_in_segments_of(2);
    for (int i = 0; i < 4; i++) put_one(&l, i < 2 ? "a" : "b", "1", i < 2 ? 1000 : 3000);
    put_with.segment_bytes = 0;
    broker_log_clean(&l, &s, 4000);
    EXPECT_TEXT(contents(&l), "1:a=1 2:b=1 3:b=1 ");
    EXPECT_INT(l.segments_count, 1);
    EXPECT_INT(l.segments[0], 2);
    EXPECT_INT(broker_log_segment_end(&l, 0), 2);
    EXPECT_INT(broker_log_segment_end(&l, 1), 4);
    s.delete = true;
    s.retention_ms = 1500;
    broker_log_clean(&l, &s, 4000);  // what is left of the first is not one with the first batch of the second
    EXPECT_TEXT(contents(&l), "2:b=1 3:b=1 ");
    EXPECT_INT(l.segments_count, 0);
    broker_log_truncate(&l, 3);
    EXPECT_INT(l.active_bytes, l.bytes);
    broker_log_delete_below(&l, 3);
    broker_log_free(&l);
}

TEST(truncation_opens_a_segment_again) {
    struct broker_log l;
    struct broker_topic_settings s = compacted();
    broker_log_init(&l);
    for (int i = 0; i < 4; i++) put_one(&l, "a", "1", 20 * i);
    EXPECT_INT(l.segments_count, 3);
    broker_log_truncate(&l, 2);
    EXPECT_INT(l.segments_count, 2);
    EXPECT_INT(l.active_bytes, 0);
    put_in_segments_of(2);
    put_one(&l, "a", "1", 40);
    put_one(&l, "a", "1", 60);
    put_with.segment_bytes = 0;
    broker_log_clean(&l, &s, NOW);
    EXPECT_TEXT(contents(&l), "1:a=1 2:a=1 3:a=1 ");
    broker_log_free(&l);
}

TEST(marker_stays_while_committed_records_do) {
    struct broker_log l;
    struct broker_topic_settings s = compacted();
    broker_log_init(&l);
    put(&l, in_transaction(7, 0), &(struct test_record){"a", "1", 10}, 1);
    end_transaction(&l, 7, true, 30);
    put_one(&l, "b", "2", 50);
    producer_states_expire(&l.producers, NOW, 1);
    broker_log_clean(&l, &s, NOW);
    broker_log_clean(&l, &s, NOW + 2 * RETENTION);
    EXPECT_TEXT(contents(&l), "0:a=1 1:M=- 2:b=2 ");
    EXPECT_INT(broker_log_at(&l, 1)->header.attributes & BATCH_ATTRIBUTE_DELETE_HORIZON, 0);
    put_one(&l, "a", "3", 70);
    put_one(&l, "c", "4", 90);
    broker_log_clean(&l, &s, NOW);
    broker_log_clean(&l, &s, NOW);
    broker_log_clean(&l, &s, NOW + RETENTION);
    EXPECT_TEXT(contents(&l), "2:b=2 3:a=3 4:c=4 ");
    broker_log_free(&l);
}

TEST(compaction_stops_at_open_transactions_and_young_segments) {
    struct broker_log l;
    struct broker_topic_settings s = compacted();
    broker_log_init(&l);
    put_one(&l, "a", "1", 10);
    put_one(&l, "a", "2", 30);
    put(&l, in_transaction(7, 0), &(struct test_record){"t", "1", 50}, 1);
    put_one(&l, "a", "3", 70);
    put_one(&l, "b", "4", 90);
    broker_log_clean(&l, &s, NOW);
    EXPECT_TEXT(contents(&l), "1:a=2 2:t=1 3:a=3 4:b=4 ");
    end_transaction(&l, 7, true, 110);
    s.compaction_lag_ms_min = 40;
    broker_log_clean(&l, &s, 100);
    EXPECT_TEXT(contents(&l), "1:a=2 2:t=1 3:a=3 4:b=4 5:M=- ");
    s.compaction_lag_ms_min = 0;
    broker_log_clean(&l, &s, 100);
    EXPECT_TEXT(contents(&l), "2:t=1 3:a=3 4:b=4 5:M=- ");
    broker_log_free(&l);
}

TEST(retention_by_time_takes_whole_segments_below_the_high_watermark) {
    struct broker_log l;
    struct broker_topic_settings s = compacted();
    s.compact = false;
    s.delete = true;
    s.retention_ms = 100;
    broker_log_init(&l);
    for (int i = 0; i < 10; i++) put_one(&l, "a", "1", 1000 + 5 * i);  // segments of two: 1000..1005, 1010..1015
    broker_log_clean(&l, &s, 1105);
    EXPECT_INT(l.start, 0);
    broker_log_clean(&l, &s, 1106);
    EXPECT_INT(l.start, 2);
    l.high_watermark = 5;
    broker_log_clean(&l, &s, 5000);
    EXPECT_INT(l.start, 4);
    l.high_watermark = 10;
    broker_log_clean(&l, &s, 5000);
    EXPECT_INT(l.start, 10);
    EXPECT_INT(l.end, 10);
    EXPECT_INT(l.count, 0);
    broker_log_free(&l);
}

TEST(retention_by_size) {
    struct broker_log l;
    struct broker_topic_settings s = compacted();
    s.compact = false;
    s.delete = true;
    broker_log_init(&l);
    for (int i = 0; i < 10; i++) put_one(&l, "a", "1", 1000 + 5 * i);
    int64_t one = l.bytes / 10;
    s.retention_bytes = 7 * one;  // three too many: one segment of two goes, not two
    broker_log_clean(&l, &s, 1000000);
    EXPECT_INT(l.start, 2);
    s.retention_bytes = 6 * one;
    broker_log_clean(&l, &s, 1000000);
    EXPECT_INT(l.start, 4);
    broker_log_free(&l);
}

TEST(retention_by_time_goes_on_behind_what_was_too_much) {
    struct broker_log l;
    struct broker_topic_settings s = compacted();
    s.compact = false;
    s.delete = true;
    s.retention_ms = 100;
    broker_log_init(&l);
    put_in_segments_of(1);
    static const int64_t times[] = {5000, 1000, 1001, 5001, 1002, 5002};
    for (size_t i = 0; i < 6; i++) put_one(&l, "a", "1", times[i]);
    put_with.segment_bytes = 0;
    broker_log_clean(&l, &s, 5050);
    EXPECT_INT(l.start, 0);  // what is young holds what is behind it
    s.retention_bytes = l.bytes / 6 * 5;
    broker_log_clean(&l, &s, 5050);
    EXPECT_TEXT(contents(&l), "3:a=1 4:a=1 5:a=1 ");
    broker_log_free(&l);
}

TEST(segments_by_size) {
    struct broker_log l;
    struct broker_topic_settings s = compacted();
    broker_log_init(&l);
    put_in_segments_of(2);
    for (int i = 0; i < 6; i++) put_one(&l, "a", "1", 1000);
    s.segment_bytes = put_with.segment_bytes;
    put_with.segment_bytes = 0;
    broker_log_clean(&l, &s, NOW);
    EXPECT_TEXT(contents(&l), "3:a=1 4:a=1 5:a=1 ");
    broker_log_clean(&l, &s, NOW);  // the small rest does not become active again
    EXPECT_TEXT(contents(&l), "3:a=1 4:a=1 5:a=1 ");
    EXPECT_INT(l.segments[l.segments_count - 1], 4);
    broker_log_free(&l);
}

TEST(small_segments_become_one) {
    struct broker_log l;
    struct broker_topic_settings s = compacted();
    broker_log_init(&l);
    for (int i = 0; i < 6; i++) put_one(&l, "a", "1", 10 * i);  // one each
    EXPECT_INT(l.segments_count, 5);
    s.segment_bytes = 2 * broker_log_at(&l, 0)->header.size;
    broker_log_clean(&l, &s, NOW);  // five may be cleaned: two, two and one
    EXPECT_INT(l.segments_count, 3);
    EXPECT_INT(l.segments[0], 2);
    EXPECT_INT(l.segments[1], 4);
    EXPECT_INT(l.segments[2], 5);
    EXPECT_TEXT(contents(&l), "4:a=1 5:a=1 ");
    broker_log_free(&l);
}

// Batches that replicas share count once, and each replica's own after compaction.
TEST(what_logs_hold_is_counted) {
    int64_t held = 0, whole;
    struct broker_log a, b;
    broker_log_init(&a);
    broker_log_init(&b);
    a.held = b.held = &held;
    for (int i = 0; i < 4; i++) put_one(&a, i % 2 ? "k" : "other", "value", 100 + 10 * i);
    whole = held;
    EXPECT_INT(whole, a.bytes + 4 * (int64_t)sizeof(struct stored_batch));
    for (size_t i = 0; i < a.count; i++) broker_log_append(&b, broker_log_at(&a, i), NOW);
    b.high_watermark = b.end;
    EXPECT_INT(held, whole);
    struct broker_topic_settings s = compacted();
    broker_log_clean(&a, &s, NOW);
    EXPECT(a.bytes < b.bytes);
    EXPECT(held >= whole);
    broker_log_truncate(&b, 3);
    broker_log_delete_below(&b, 2);
    broker_log_free(&b);
    EXPECT_INT(held, a.bytes + (int64_t)(a.count * sizeof(struct stored_batch)));
    broker_log_restart_at(&a, 7);
    EXPECT_INT(held, 0);
    broker_log_free(&a);
}

int main(void) {
    RUN(newest_of_each_key_stays);
    RUN(whole_batches_go_and_leave_holes);
    RUN(tombstones_stay_for_delete_retention);
    RUN(last_batch_of_an_active_producer_stays_as_an_empty_one);
    RUN(aborted_records_go_and_their_marker_later);
    RUN(aborted_records_below_the_log_start_are_met_once_more);
    RUN(aborted_records_in_a_deleted_file_are_not_met);
    RUN(last_batch_of_a_pass_stays_empty);
    RUN(aborted_batch_of_an_active_producer_stays_empty);
    RUN(newest_marker_of_an_active_producer_stays);
    RUN(horizon_stays_when_the_batch_is_thinned_again);
    RUN(append_time_of_a_batch_stays);
    RUN(closed_segments_stay_closed);
    RUN(truncation_opens_a_segment_again);
    RUN(marker_stays_while_committed_records_do);
    RUN(compaction_stops_at_open_transactions_and_young_segments);
    RUN(retention_by_time_takes_whole_segments_below_the_high_watermark);
    RUN(retention_by_size);
    RUN(retention_by_time_goes_on_behind_what_was_too_much);
    RUN(segments_by_size);
    RUN(small_segments_become_one);
    RUN(what_logs_hold_is_counted);
    buffer_free(&scratch);
    return test_result();
}
