// One replica's log: offsets, leader epochs, truncation, times, and what a restart remembers.
#include "broker/log.h"

#include "broker/topic_settings.h"
#include "unit/batches.h"
#include "unit/test.h"

#define PRODUCER 7000

static struct buffer scratch = {.size_max = 64 * MiB};
static int64_t timestamp_shift;

// Appends `count` records of 1 ms each; offsets from `base` on.
static void put(struct broker_log *l, struct test_batch b, int64_t base, int32_t epoch, int32_t count) {
    struct test_record records[64];
    struct batch_header h;
    assert(count > 0 && count <= 64);
    for (int32_t i = 0; i < count; i++) records[i] = (struct test_record){"k", "v", 1000 + base + i + timestamp_shift};
    b.base_offset = base;
    b.leader_epoch = epoch;
    struct bytes bytes = test_batch_write(&scratch, &b, records, count);
    enum batch_look look = batch_look(bytes, &h);
    assert(look == BATCH_WHOLE);
    (void)look;
    struct stored_batch *stored = stored_batch_new(bytes, &h);
    broker_log_append(l, stored, 5000);
    stored_batch_release(stored);
}

static struct test_batch of_producer(int32_t sequence) {
    struct test_batch b = PLAIN_BATCH;
    b.producer_id = PRODUCER;
    b.producer_epoch = 0;
    b.base_sequence = sequence;
    return b;
}

static int32_t known_ranges(const struct broker_log *l) {
    const struct producer_state *p = producer_states_find(&l->producers, PRODUCER);
    return p ? p->batches_count : -1;
}

TEST(append_and_find) {
    struct broker_log l;
    broker_log_init(&l);
    EXPECT_INT(broker_log_find(&l, 0), 0);
    for (int i = 0; i < 40; i++) put(&l, PLAIN_BATCH, 10 * i, 0, 10);
    EXPECT_INT(l.end, 400);
    EXPECT_INT(l.count, 40);
    EXPECT_INT(broker_log_find(&l, 0), 0);
    EXPECT_INT(broker_log_find(&l, 9), 0);
    EXPECT_INT(broker_log_find(&l, 10), 1);
    EXPECT_INT(broker_log_find(&l, 399), 39);
    EXPECT_INT(broker_log_find(&l, 400), 40);
    EXPECT_INT(l.bytes, 40 * broker_log_at(&l, 0)->header.size);
    broker_log_free(&l);
}

TEST(replicas_share_batches) {
    struct broker_log leader, follower;
    broker_log_init(&leader);
    broker_log_init(&follower);
    put(&leader, PLAIN_BATCH, 0, 0, 3);
    struct stored_batch *b = broker_log_at(&leader, 0);
    broker_log_append(&follower, b, 1);
    EXPECT_INT(b->references, 2);
    broker_log_free(&leader);
    EXPECT_INT(b->references, 1);
    EXPECT_INT(follower.end, 3);
    broker_log_free(&follower);
}

TEST(holes_are_read_over) {
    struct broker_log l;
    broker_log_init(&l);
    put(&l, PLAIN_BATCH, 0, 0, 10);
    put(&l, PLAIN_BATCH, 50, 0, 10);
    EXPECT_INT(broker_log_find(&l, 10), 1);
    EXPECT_INT(broker_log_find(&l, 49), 1);
    EXPECT_INT(l.end, 60);
    broker_log_free(&l);
}

TEST(delete_below_keeps_the_batch_that_holds_the_start) {
    struct broker_log l;
    broker_log_init(&l);
    for (int i = 0; i < 40; i++) put(&l, PLAIN_BATCH, 10 * i, i / 10, 10);
    l.high_watermark = 400;
    broker_log_delete_below(&l, 155);
    EXPECT_INT(l.start, 155);
    EXPECT_INT(broker_log_at(&l, 0)->header.base_offset, 150);
    EXPECT_INT(broker_log_find(&l, 160), 1);
    EXPECT_INT(l.epochs_count, 3);  // epoch 0 is gone, epoch 1 begins at the log start
    EXPECT_INT(l.epochs[0].epoch, 1);
    EXPECT_INT(l.epochs[0].start, 155);
    for (int i = 40; i < 80; i++) put(&l, PLAIN_BATCH, 10 * i, 3, 10);  // past the array's old end
    EXPECT_INT(broker_log_find(&l, 795), 64);
    EXPECT_INT(broker_log_at(&l, 64)->header.base_offset, 790);
    broker_log_delete_below(&l, 800);
    EXPECT_INT(l.count, 0);
    EXPECT_INT(l.bytes, 0);
    EXPECT_INT(l.end, 800);
    EXPECT_INT(broker_log_newest_epoch(&l), 3);
    broker_log_free(&l);
}

TEST(truncate_takes_whole_batches) {
    struct broker_log l;
    broker_log_init(&l);
    for (int i = 0; i < 5; i++) put(&l, PLAIN_BATCH, 10 * i, i, 10);
    l.high_watermark = 45;
    broker_log_truncate(&l, 50);
    EXPECT_INT(l.end, 50);
    broker_log_truncate(&l, 35);
    EXPECT_INT(l.end, 30);
    EXPECT_INT(l.high_watermark, 30);
    EXPECT_INT(l.bytes, 3 * broker_log_at(&l, 0)->header.size);
    EXPECT_INT(broker_log_newest_epoch(&l), 2);
    broker_log_truncate(&l, 20);
    EXPECT_INT(l.end, 20);
    EXPECT_INT(l.count, 2);
    EXPECT_INT(broker_log_newest_epoch(&l), 1);
    broker_log_free(&l);
}

TEST(truncation_may_take_the_batch_that_holds_the_start) {
    struct broker_log l;
    broker_log_init(&l);
    put(&l, PLAIN_BATCH, 0, 0, 10);
    broker_log_delete_below(&l, 5);
    EXPECT_INT(l.high_watermark, 5);
    broker_log_truncate(&l, 7);
    EXPECT_INT(l.end, 0);
    EXPECT_INT(l.start, 0);
    EXPECT_INT(l.high_watermark, 0);
    broker_log_free(&l);
}

TEST(epochs_that_contradict_go) {
    struct broker_log l;
    broker_log_init(&l);
    put(&l, PLAIN_BATCH, 0, 0, 10);
    put(&l, PLAIN_BATCH, 10, 1, 10);
    broker_log_start_epoch(&l, 5);
    broker_log_start_epoch(&l, 1);  // an older leader after all
    EXPECT_INT(l.epochs_count, 2);
    EXPECT_INT(l.epochs[1].epoch, 1);
    EXPECT_INT(l.epochs[1].start, 20);
    broker_log_delete_below(&l, 20);
    EXPECT_INT(l.epochs_count, 1);
    EXPECT_INT(l.epochs[0].epoch, 1);
    broker_log_free(&l);
}

TEST(truncate_below_the_start_starts_again) {
    struct broker_log l;
    broker_log_init(&l);
    for (int i = 0; i < 5; i++) put(&l, of_producer(10 * i), 10 * i, 0, 10);
    broker_log_delete_below(&l, 20);
    broker_log_truncate(&l, 15);
    EXPECT_INT(l.start, 15);
    EXPECT_INT(l.end, 15);
    EXPECT_INT(l.count, 0);
    EXPECT_INT(known_ranges(&l), -1);
    EXPECT_INT(broker_log_newest_epoch(&l), -1);
    broker_log_free(&l);
}

TEST(truncation_makes_states_again_from_the_log) {
    struct broker_log l;
    broker_log_init(&l);
    for (int i = 0; i < 8; i++) put(&l, of_producer(10 * i), 10 * i, 0, 10);
    broker_log_truncate(&l, 60);
    const struct producer_state *p = producer_states_find(&l.producers, PRODUCER);
    EXPECT_INT(producer_state_last_sequence(p), 59);
    EXPECT_INT(known_ranges(&l), 5);
    EXPECT_INT(p->batches[0].base_offset, 10);
    EXPECT_INT(p->last_timestamp_ms, 1059);
    broker_log_truncate(&l, 10);
    EXPECT_INT(known_ranges(&l), 1);
    broker_log_free(&l);
}

// UnifiedLog.rebuildProducerState begins at the log start: this is how a mirror's filler is forgotten.
TEST(truncation_forgets_who_wrote_below_the_start_only) {
    struct broker_log l;
    broker_log_init(&l);
    put(&l, of_producer(0), 0, 0, 10);
    put(&l, PLAIN_BATCH, 10, 0, 10);
    broker_log_delete_below(&l, 10);
    EXPECT_INT(known_ranges(&l), 1);
    broker_log_truncate(&l, 15);
    EXPECT_INT(l.end, 10);
    EXPECT_INT(known_ranges(&l), -1);
    broker_log_free(&l);
}

TEST(restart_keeps_the_last_range_and_drops_the_expired) {
    struct broker_log l;
    broker_log_init(&l);
    for (int i = 0; i < 3; i++) put(&l, of_producer(10 * i), 10 * i, 0, 10);  // newest timestamp 1029
    broker_log_start_epoch(&l, 7);
    broker_log_reload(&l, 1500, 1000);
    EXPECT_INT(known_ranges(&l), 1);
    EXPECT_INT(broker_log_newest_epoch(&l), 0);  // nothing was written under 7
    put(&l, of_producer(30), 30, 0, 10);
    put(&l, of_producer(40), 40, 0, 10);
    broker_log_truncate(&l, 40);  // from the snapshot at 30 on
    EXPECT_INT(known_ranges(&l), 2);
    broker_log_truncate(&l, 35);
    EXPECT_INT(known_ranges(&l), 1);
    broker_log_truncate(&l, 20);  // no snapshot as old as that: all from the log
    EXPECT_INT(known_ranges(&l), 2);
    EXPECT_INT(producer_state_last_sequence(producer_states_find(&l.producers, PRODUCER)), 19);
    broker_log_reload(&l, 1019 + 1000, 1000);
    EXPECT_INT(known_ranges(&l), -1);
    broker_log_free(&l);
}

TEST(truncations_leave_snapshots_and_drop_what_has_expired) {
    struct broker_log l;
    int64_t wall_ms = 1030, expiration_ms = 50;
    broker_log_init(&l);
    l.wall_ms = &wall_ms;
    l.producer_expiration_ms = &expiration_ms;
    for (int i = 0; i < 3; i++) put(&l, of_producer(10 * i), 10 * i, 0, 10);
    for (int i = 3; i < 9; i++) put(&l, PLAIN_BATCH, 10 * i, 0, 10);
    for (int i = 8; i > 3; i--) broker_log_truncate(&l, 10 * i);
    EXPECT_INT(l.snapshots_count, 1);  // those above the end are gone
    EXPECT_INT(l.snapshots[0].offset, 40);
    EXPECT_INT(known_ranges(&l), 3);
    for (int i = 4; i < 14; i++) {
        put(&l, PLAIN_BATCH, 10 * i, 0, 10);
        put(&l, PLAIN_BATCH, 10 * i + 10, 0, 1);
        broker_log_truncate(&l, 10 * i + 10);
    }
    EXPECT_INT(l.snapshots_count, LOG_SNAPSHOTS_MAX);
    EXPECT_INT(known_ranges(&l), 1);
    wall_ms = 1029 + 50;
    put(&l, PLAIN_BATCH, 140, 0, 1);
    broker_log_truncate(&l, 140);
    EXPECT_INT(known_ranges(&l), -1);
    broker_log_free(&l);
}

// UnifiedLog.rebuildProducerState: where nobody was known, the log is not read again.
TEST(truncation_does_not_bring_back_the_expired_alone) {
    struct broker_log l;
    broker_log_init(&l);
    put(&l, of_producer(0), 0, 0, 10);
    put(&l, PLAIN_BATCH, 10, 0, 10);
    producer_states_expire(&l.producers, 1000000, 1);
    broker_log_truncate(&l, 10);
    EXPECT_INT(known_ranges(&l), -1);
    broker_log_free(&l);
}

// ProducerStateManager.truncateAndReload drops snapshots that are not above the log start.
TEST(restart_of_an_emptied_log_forgets) {
    struct broker_log l;
    broker_log_init(&l);
    put(&l, of_producer(0), 0, 0, 10);
    broker_log_delete_below(&l, 10);
    EXPECT_INT(known_ranges(&l), 1);
    broker_log_reload(&l, 1010, 1000000);
    EXPECT_INT(known_ranges(&l), -1);
    broker_log_free(&l);
}

// A killed broker reads its log again, whatever had expired, and then drops what has expired by now.
TEST(recovery_reads_the_log) {
    struct broker_log l;
    broker_log_init(&l);
    put(&l, of_producer(0), 0, 0, 10);  // newest timestamp 1009
    put(&l, of_producer(10), 10, 0, 10);
    producer_states_expire(&l.producers, 1000000, 10);
    EXPECT_INT(known_ranges(&l), -1);
    broker_log_recover(&l, 0, 1028, 10);
    EXPECT_INT(known_ranges(&l), 1);
    broker_log_recover(&l, 0, 1029, 10);
    EXPECT_INT(known_ranges(&l), -1);
    broker_log_free(&l);
}

// Each file begins with a snapshot (UnifiedLog.roll): by it a producer is known whose batches are gone, if the broker
// noted in time that the files before it were on the disk.
TEST(a_file_begins_with_a_snapshot) {
    const struct broker_topic_settings settings = {.segment_bytes = 1, .segment_ms = INT64_MAX};
    const struct log_coming next = {10, 19, 100, 0}, last = {20, 29, 100, 0};
    for (int64_t noted = 10; noted <= 20; noted += 5) {
        struct broker_log l;
        broker_log_init(&l);
        put(&l, of_producer(0), 0, 0, 10);
        broker_log_roll(&l, &settings, &next);
        put(&l, PLAIN_BATCH, 10, 0, 10);
        broker_log_roll(&l, &settings, &last);
        put(&l, PLAIN_BATCH, 20, 0, 10);
        EXPECT_INT(l.snapshots_count, 2);
        broker_log_delete_below(&l, 15);
        broker_log_recover(&l, noted, 0, INT64_MAX);
        EXPECT_INT(known_ranges(&l), noted < 20 ? -1 : 1);
        broker_log_free(&l);
    }
}

static struct log_epoch end_of(const struct broker_log *l, int32_t epoch) {
    return broker_log_end_of_epoch(l, epoch);
}

TEST(ends_of_epochs) {
    struct broker_log l;
    broker_log_init(&l);
    EXPECT_INT(end_of(&l, 0).start, -1);
    put(&l, PLAIN_BATCH, 0, 2, 10);
    put(&l, PLAIN_BATCH, 10, 2, 10);
    put(&l, PLAIN_BATCH, 20, 5, 10);
    EXPECT_INT(end_of(&l, 5).start, 30);
    EXPECT_INT(end_of(&l, 5).epoch, 5);
    EXPECT_INT(end_of(&l, 2).start, 20);
    EXPECT_INT(end_of(&l, 4).epoch, 2);
    EXPECT_INT(end_of(&l, 4).start, 20);
    EXPECT_INT(end_of(&l, 6).epoch, -1);
    EXPECT_INT(end_of(&l, 6).start, -1);
    EXPECT_INT(end_of(&l, 1).epoch, 1);  // below all that is known: where the oldest begins
    EXPECT_INT(end_of(&l, 1).start, 0);
    EXPECT_INT(end_of(&l, -1).start, -1);
    broker_log_start_epoch(&l, 7);
    EXPECT_INT(end_of(&l, 5).start, 30);
    EXPECT_INT(end_of(&l, 7).start, 30);
    EXPECT_INT(broker_log_epoch_at(&l, 19), 2);
    EXPECT_INT(broker_log_epoch_at(&l, 20), 5);
    EXPECT_INT(broker_log_epoch_at(&l, 29), 5);
    broker_log_start_epoch(&l, 8);  // nothing was written under 7
    EXPECT_INT(l.epochs_count, 3);
    EXPECT_INT(end_of(&l, 7).epoch, 5);
    broker_log_free(&l);
}

TEST(offsets_by_time) {
    struct broker_log l;
    broker_log_init(&l);
    EXPECT_INT(broker_log_offset_for_time(&l, 0).offset, -1);
    EXPECT_INT(broker_log_offset_of_max_timestamp(&l).offset, -1);
    struct test_batch lz4 = PLAIN_BATCH;
    lz4.codec = CODEC_LZ4;
    put(&l, PLAIN_BATCH, 0, 0, 10);  // timestamps 1000 + offset
    put(&l, lz4, 10, 1, 10);
    EXPECT_INT(broker_log_offset_for_time(&l, 0).offset, 0);
    EXPECT_INT(broker_log_offset_for_time(&l, 1013).offset, 13);
    EXPECT_INT(broker_log_offset_for_time(&l, 1013).timestamp_ms, 1013);
    EXPECT_INT(broker_log_offset_for_time(&l, 1013).leader_epoch, 1);
    EXPECT_INT(broker_log_offset_for_time(&l, 1020).offset, -1);
    EXPECT_INT(broker_log_offset_of_max_timestamp(&l).offset, 19);
    broker_log_delete_below(&l, 5);
    EXPECT_INT(broker_log_offset_for_time(&l, 0).offset, 5);
    timestamp_shift = -20;
    put(&l, PLAIN_BATCH, 30, 1, 10);  // as new as the batch before: the first counts
    timestamp_shift = 0;
    EXPECT_INT(broker_log_offset_of_max_timestamp(&l).offset, 19);
    broker_log_free(&l);
}

static void put_marker(struct broker_log *l, int64_t producer_id, bool commit) {
    struct buffer out;
    uint8_t record[] = {0, 0, 0, 8, 0, 0, 0, commit, 12, 0, 0, 0, 0, 0, 4, 0};
    uint8_t size = sizeof record * 2;
    struct batch_header h = {.base_offset = l->end,
                             .magic = BATCH_MAGIC,
                             .size = BATCH_HEADER_SIZE + 1 + (int32_t)sizeof record,
                             .attributes = BATCH_ATTRIBUTE_CONTROL | BATCH_ATTRIBUTE_TRANSACTIONAL,
                             .producer_id = producer_id,
                             .base_sequence = -1,
                             .count = 1};
    buffer_init(&out, 1000);
    buffer_extend(&out, BATCH_HEADER_SIZE);
    buffer_append(&out, &size, 1);
    buffer_append(&out, record, sizeof record);
    batch_header_write(out.at, &h, h.size);
    struct stored_batch *b = stored_batch_new((struct bytes){out.at, out.size}, &h);
    broker_log_append(l, b, 1);
    stored_batch_release(b);
    buffer_free(&out);
}

TEST(last_stable_offset_and_aborted_list_follow_markers) {
    struct broker_log l;
    struct aborted_transaction aborted;
    struct test_batch b = of_producer(0);
    b.attributes = BATCH_ATTRIBUTE_TRANSACTIONAL;
    broker_log_init(&l);
    put(&l, PLAIN_BATCH, 0, 0, 10);
    put(&l, b, 10, 0, 10);
    l.high_watermark = 20;
    EXPECT_INT(broker_log_last_stable_offset(&l), 10);
    l.high_watermark = 5;
    EXPECT_INT(broker_log_last_stable_offset(&l), 5);
    put_marker(&l, PRODUCER, false);
    l.high_watermark = 20;
    EXPECT_INT(broker_log_last_stable_offset(&l), 10);  // the marker is not replicated
    l.high_watermark = 21;
    EXPECT_INT(broker_log_last_stable_offset(&l), 21);
    EXPECT_INT(producer_states_aborted(&l.producers, 0, 21, &aborted, 1), 1);
    EXPECT_INT(aborted.first_offset, 10);
    EXPECT_INT(aborted.last_offset, 20);
    EXPECT_INT(producer_states_find(&l.producers, PRODUCER)->coordinator_epoch, 4);
    broker_log_truncate(&l, 20);  // the marker is lost: the transaction is open again
    EXPECT_INT(l.producers.aborted_count, 0);
    EXPECT_INT(broker_log_last_stable_offset(&l), 10);
    put_marker(&l, PRODUCER, true);
    l.high_watermark = 21;
    EXPECT_INT(l.producers.aborted_count, 0);
    EXPECT_INT(broker_log_last_stable_offset(&l), 21);
    b.base_sequence = 10;
    put(&l, b, 21, 0, 10);
    b.base_sequence = 20;
    put(&l, b, 31, 0, 10);                      // goes on with it
    EXPECT_INT(l.producers.unstable_count, 2);  // and the one before
    put_marker(&l, PRODUCER, false);
    put(&l, PLAIN_BATCH, 42, 0, 10);
    broker_log_truncate(&l, 42);  // what stands in the index is not added again
    EXPECT_INT(l.producers.aborted_count, 1);
    EXPECT_INT(l.producers.aborted[0].first_offset, 21);
    broker_log_delete_below(&l, 35);
    EXPECT_INT(broker_log_last_stable_offset(&l), 31);  // the batch that holds the start: no marker is replicated yet
    broker_log_free(&l);
}

int main(void) {
    RUN(append_and_find);
    RUN(replicas_share_batches);
    RUN(holes_are_read_over);
    RUN(delete_below_keeps_the_batch_that_holds_the_start);
    RUN(truncate_takes_whole_batches);
    RUN(truncation_may_take_the_batch_that_holds_the_start);
    RUN(epochs_that_contradict_go);
    RUN(truncate_below_the_start_starts_again);
    RUN(truncation_makes_states_again_from_the_log);
    RUN(truncation_forgets_who_wrote_below_the_start_only);
    RUN(restart_keeps_the_last_range_and_drops_the_expired);
    RUN(restart_of_an_emptied_log_forgets);
    RUN(truncations_leave_snapshots_and_drop_what_has_expired);
    RUN(truncation_does_not_bring_back_the_expired_alone);
    RUN(recovery_reads_the_log);
    RUN(a_file_begins_with_a_snapshot);
    RUN(ends_of_epochs);
    RUN(offsets_by_time);
    RUN(last_stable_offset_and_aborted_list_follow_markers);
    buffer_free(&scratch);
    return test_result();
}
