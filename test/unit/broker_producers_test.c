// What a log knows of its producers: sequences, epochs, repeats, transactions, expiry.
#include "broker/producer_states.h"

#include "unit/test.h"
#include "wire/error_codes.h"

#define PRODUCER 7000

static struct batch_header data_at(int64_t offset, int16_t epoch, int32_t sequence, int32_t count) {
    return (struct batch_header){.base_offset = offset,
                                 .last_offset_delta = count - 1,
                                 .count = count,
                                 .max_timestamp = 1000 + offset,
                                 .producer_id = PRODUCER,
                                 .producer_epoch = epoch,
                                 .base_sequence = sequence};
}

static void append(struct producer_states *s, int64_t offset, int16_t epoch, int32_t sequence, int32_t count) {
    struct batch_header h = data_at(offset, epoch, sequence, count);
    producer_states_append_data(s, &h);
}

static void append_transactional(struct producer_states *s, int64_t producer_id, int64_t offset) {
    struct batch_header h = data_at(offset, 0, 0, 1);
    h.producer_id = producer_id;
    h.attributes = BATCH_ATTRIBUTE_TRANSACTIONAL;
    producer_states_append_data(s, &h);
}

// The error code, or -2 for a repeat.
static int check(const struct producer_states *s, int16_t epoch, int32_t sequence, int32_t count) {
    const struct producer_batch *duplicate_of;
    struct batch_header h = data_at(0, epoch, sequence, count);
    int16_t code = producer_states_check(s, &h, &duplicate_of);
    return duplicate_of ? -2 : code;
}

static void end(struct producer_states *s, int64_t producer_id, int64_t offset, bool commit) {
    struct producer_marker m = {.producer_id = producer_id, .coordinator_epoch = 3, .commit = commit};
    producer_states_append_marker(s, &m, offset, 1000 + offset);
}

TEST(unknown_id_may_begin_anywhere) {
    struct producer_states s;
    producer_states_init(&s);
    EXPECT_INT(check(&s, 4, 123456, 10), KAFKA_NONE);
    append(&s, 50, 4, 123456, 10);
    EXPECT_INT(check(&s, 4, 123467, 1), KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    EXPECT_INT(check(&s, 4, 123465, 1), KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    EXPECT_INT(check(&s, 4, 123466, 1), KAFKA_NONE);
    EXPECT_INT(producer_state_last_sequence(producer_states_find(&s, PRODUCER)), 123465);
    producer_states_free(&s);
}

TEST(sequence_wraps) {
    struct producer_states s;
    producer_states_init(&s);
    append(&s, 0, 0, INT32_MAX - 1, 2);
    EXPECT_INT(check(&s, 0, 0, 1), KAFKA_NONE);
    EXPECT_INT(check(&s, 0, 1, 1), KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    append(&s, 2, 0, 0, 1);
    append(&s, 3, 0, INT32_MAX, 3);  // a range that wraps inside
    EXPECT_INT(producer_state_last_sequence(producer_states_find(&s, PRODUCER)), 1);
    EXPECT_INT(check(&s, 0, INT32_MAX, 3), -2);
    EXPECT_INT(check(&s, 0, 2, 3), KAFKA_NONE);
    producer_states_free(&s);
}

TEST(five_ranges_are_known_and_come_before_the_sequence) {
    struct producer_states s;
    producer_states_init(&s);
    for (int32_t i = 0; i < 6; i++) append(&s, 10 * i, 0, 10 * i, 10);
    EXPECT_INT(check(&s, 0, 0, 10), KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    for (int32_t i = 1; i < 6; i++) EXPECT_INT(check(&s, 0, 10 * i, 10), -2);
    EXPECT_INT(check(&s, 0, 50, 9), KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    const struct producer_batch *duplicate_of;
    struct batch_header h = data_at(0, 0, 20, 10);
    EXPECT_INT(producer_states_check(&s, &h, &duplicate_of), KAFKA_NONE);
    EXPECT_INT(duplicate_of->base_offset, 20);
    EXPECT_INT(duplicate_of->last_offset, 29);
    producer_states_free(&s);
}

TEST(epochs) {
    struct producer_states s;
    producer_states_init(&s);
    append(&s, 0, 5, 0, 10);
    EXPECT_INT(check(&s, 4, 10, 1), KAFKA_INVALID_PRODUCER_EPOCH);
    EXPECT_INT(check(&s, 4, 0, 10), KAFKA_INVALID_PRODUCER_EPOCH);  // not a repeat: another epoch's
    EXPECT_INT(check(&s, 6, 10, 1), KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    EXPECT_INT(check(&s, 6, 0, 1), KAFKA_NONE);
    append(&s, 10, 6, 0, 1);
    EXPECT_INT(producer_states_find(&s, PRODUCER)->batches_count, 1);
    producer_states_free(&s);
}

TEST(marker_moves_epoch_and_sequence_begins_again) {
    struct producer_states s;
    struct producer_marker m = {.producer_id = PRODUCER, .producer_epoch = 2, .coordinator_epoch = 9};
    producer_states_init(&s);
    append(&s, 0, 1, 0, 10);
    producer_states_append_marker(&s, &m, 10, 77);
    const struct producer_state *p = producer_states_find(&s, PRODUCER);
    EXPECT_INT(p->epoch, 2);
    EXPECT_INT(p->batches_count, 0);
    EXPECT_INT(p->coordinator_epoch, 9);
    EXPECT_INT(p->last_timestamp_ms, 77);
    EXPECT_INT(producer_state_last_sequence(p), -1);
    EXPECT_INT(check(&s, 2, 10, 1), KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    EXPECT_INT(check(&s, 2, 0, 1), KAFKA_NONE);
    producer_states_free(&s);
}

TEST(marker_of_same_epoch_keeps_sequence) {
    struct producer_states s;
    producer_states_init(&s);
    append(&s, 0, 0, 0, 10);
    end(&s, PRODUCER, 10, true);
    EXPECT_INT(check(&s, 0, 10, 1), KAFKA_NONE);
    EXPECT_INT(check(&s, 0, 0, 10), -2);
    EXPECT_INT(s.aborted_count, 0);
    producer_states_free(&s);
}

TEST(markers_are_checked_by_epoch_and_coordinator_epoch) {
    struct producer_states s;
    struct producer_marker m = {.producer_id = PRODUCER, .producer_epoch = 2, .coordinator_epoch = 9};
    producer_states_init(&s);
    EXPECT_INT(producer_states_check_marker(&s, &m), KAFKA_NONE);
    producer_states_append_marker(&s, &m, 0, 1);
    EXPECT_INT(producer_states_check_marker(&s, &m), KAFKA_NONE);
    m.coordinator_epoch = 8;
    EXPECT_INT(producer_states_check_marker(&s, &m), KAFKA_TRANSACTION_COORDINATOR_FENCED);
    m.producer_epoch = 1;
    EXPECT_INT(producer_states_check_marker(&s, &m), KAFKA_INVALID_PRODUCER_EPOCH);
    producer_states_free(&s);
}

TEST(markers_of_an_unknown_producer_are_checked_as_after_none) {
    struct producer_states s;
    struct producer_marker m = {.producer_id = PRODUCER, .coordinator_epoch = -2};
    producer_states_init(&s);
    EXPECT_INT(producer_states_check_marker(&s, &m), KAFKA_TRANSACTION_COORDINATOR_FENCED);
    m.coordinator_epoch = -1;
    EXPECT_INT(producer_states_check_marker(&s, &m), KAFKA_NONE);
    m.producer_epoch = -2;
    EXPECT_INT(producer_states_check_marker(&s, &m), KAFKA_INVALID_PRODUCER_EPOCH);
    m.producer_id = -2;  // nobody
    m.coordinator_epoch = -2;
    EXPECT_INT(producer_states_check_marker(&s, &m), KAFKA_NONE);
    producer_states_free(&s);
}

TEST(second_version_of_transactions_wants_a_higher_epoch) {
    struct producer_states s;
    struct producer_marker m = {.producer_id = PRODUCER, .transaction_version = 2, .coordinator_epoch = 3};
    producer_states_init(&s);
    append_transactional(&s, PRODUCER, 0);
    EXPECT_INT(producer_states_check_marker(&s, &m), KAFKA_INVALID_PRODUCER_EPOCH);
    m.transaction_version = 1;
    EXPECT_INT(producer_states_check_marker(&s, &m), KAFKA_NONE);
    m.transaction_version = 2;
    m.producer_epoch = 1;
    EXPECT_INT(producer_states_check_marker(&s, &m), KAFKA_NONE);
    producer_states_append_marker(&s, &m, 1, 1);
    EXPECT_INT(producer_states_check_marker(&s, &m), KAFKA_NONE);  // a repetition: the transaction has ended
    producer_states_free(&s);
}

static void verify(struct producer_states *s, int16_t epoch, int32_t sequence, bool bumps) {
    struct batch_header h = data_at(0, epoch, sequence, 1);
    producer_states_verify(s, &h, bumps, 1000);
}

// VerificationStateEntry: what had to wait for the coordinator is not overtaken by what came behind it.
TEST(verification_remembers_the_lowest_sequence) {
    struct producer_states s;
    producer_states_init(&s);
    verify(&s, 0, 5, false);
    verify(&s, 0, 3, false);
    verify(&s, 0, 7, false);
    EXPECT_INT(check(&s, 0, 5, 1), KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    EXPECT_INT(check(&s, 0, 3, 1), KAFKA_NONE);
    verify(&s, 1, 9, false);  // of a new epoch it begins anew
    EXPECT_INT(check(&s, 1, 9, 1), KAFKA_NONE);
    append_transactional(&s, PRODUCER, 0);
    EXPECT(!producer_states_is_verified(&s, PRODUCER));
    EXPECT(producer_states_is_open(&s, PRODUCER, 0));
    EXPECT(!producer_states_is_open(&s, PRODUCER, 1));
    verify(&s, 1, 0, false);
    producer_states_expire(&s, 1000 + 500, 500);
    EXPECT(!producer_states_is_verified(&s, PRODUCER));
    producer_states_free(&s);
}

TEST(second_version_begins_at_0_where_nothing_is_known) {
    struct producer_states s;
    struct producer_marker m = {.producer_id = PRODUCER, .producer_epoch = 1, .transaction_version = 2};
    producer_states_init(&s);
    verify(&s, 0, 1, true);
    EXPECT_INT(check(&s, 0, 1, 1), KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    verify(&s, 0, 0, true);
    EXPECT_INT(check(&s, 0, 0, 1), KAFKA_NONE);
    append_transactional(&s, PRODUCER, 0);
    verify(&s, 1, 0, true);  // the next transaction asks before the marker of this one is written
    producer_states_append_marker(&s, &m, 1, 1000);
    EXPECT(producer_states_is_verified(&s, PRODUCER));
    m.producer_epoch = 2;
    producer_states_append_marker(&s, &m, 2, 1000);
    EXPECT(!producer_states_is_verified(&s, PRODUCER));
    producer_states_free(&s);
}

TEST(open_transaction_takes_nothing_else) {
    struct producer_states s;
    producer_states_init(&s);
    append_transactional(&s, PRODUCER, 0);
    EXPECT_INT(check(&s, 0, 1, 1), KAFKA_INVALID_TXN_STATE);
    end(&s, PRODUCER, 1, true);
    EXPECT_INT(check(&s, 0, 1, 1), KAFKA_NONE);
    producer_states_free(&s);
}

TEST(first_unstable_offset_waits_for_the_marker_to_be_replicated) {
    struct producer_states s;
    producer_states_init(&s);
    EXPECT_INT(producer_states_first_unstable(&s, 0), -1);
    append_transactional(&s, 1, 10);
    append_transactional(&s, 2, 20);
    EXPECT_INT(producer_states_first_unstable(&s, 21), 10);
    end(&s, 1, 30, true);
    EXPECT_INT(producer_states_first_unstable(&s, 30), 10);  // the marker is above the high watermark
    EXPECT_INT(producer_states_first_unstable(&s, 31), 20);
    producer_states_forget_below(&s, 0, 30);
    EXPECT_INT(s.unstable_count, 2);
    producer_states_forget_below(&s, 0, 31);
    EXPECT_INT(s.unstable_count, 1);
    end(&s, 2, 40, false);
    EXPECT_INT(producer_states_first_unstable(&s, 41), -1);
    producer_states_free(&s);
}

TEST(aborted_transactions_of_a_range) {
    struct producer_states s;
    struct aborted_transaction found[4];
    producer_states_init(&s);
    append_transactional(&s, 1, 10);
    append_transactional(&s, 2, 20);
    end(&s, 2, 30, false);  // [20, 30], last stable offset 10: producer 1 is open
    end(&s, 1, 40, false);  // [10, 40], last stable offset 41
    append_transactional(&s, 3, 50);
    end(&s, 3, 60, true);
    append_transactional(&s, 4, 70);
    end(&s, 4, 80, false);
    EXPECT_INT(s.aborted_count, 3);
    EXPECT_INT(s.aborted[0].last_stable_offset, 10);
    EXPECT_INT(s.aborted[1].last_stable_offset, 41);
    EXPECT_INT(producer_states_aborted(&s, 0, 15, found, 4), 1);
    EXPECT_INT(found[0].producer_id, 1);
    EXPECT_INT(producer_states_aborted(&s, 25, 100, found, 4), 3);
    EXPECT_INT(found[0].producer_id, 2);
    EXPECT_INT(found[0].first_offset, 20);
    EXPECT_INT(producer_states_aborted(&s, 30, 100, found, 4), 3);
    EXPECT_INT(producer_states_aborted(&s, 31, 70, found, 4), 1);
    EXPECT_INT(producer_states_aborted(&s, 41, 70, found, 4), 0);
    EXPECT_INT(producer_states_aborted(&s, 0, 100, found, 2), 2);
    producer_states_forget_below(&s, 30, 100);
    EXPECT_INT(s.aborted_count, 3);
    producer_states_forget_below(&s, 31, 100);
    EXPECT_INT(s.aborted_count, 2);
    producer_states_free(&s);
}

TEST(states_expire_by_the_last_batch_unless_a_transaction_is_open) {
    struct producer_states s;
    producer_states_init(&s);
    append(&s, 0, 0, 0, 1);  // timestamp 1000
    append_transactional(&s, 8, 1);
    producer_states_expire(&s, 1999, 1000);
    EXPECT(producer_states_find(&s, PRODUCER));
    producer_states_expire(&s, 2000, 1000);
    EXPECT(!producer_states_find(&s, PRODUCER));
    EXPECT(producer_states_find(&s, 8));
    producer_states_expire(&s, 200000, 1000);
    EXPECT(producer_states_find(&s, 8));
    producer_states_free(&s);
}

TEST(snapshot_keeps_the_last_range_alone) {
    struct producer_states s, copy;
    producer_states_init(&s);
    producer_states_init(&copy);
    append(&s, 0, 0, 0, 10);
    append(&s, 10, 0, 10, 10);
    append_transactional(&s, 8, 20);
    producer_states_copy_snapshot(&copy, &s);
    EXPECT_INT(check(&copy, 0, 0, 10), KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    EXPECT_INT(check(&copy, 0, 10, 10), -2);
    EXPECT_INT(check(&copy, 0, 20, 1), KAFKA_NONE);
    EXPECT_INT(producer_states_first_unstable(&copy, 100), 20);
    producer_states_free(&copy);
    producer_states_free(&s);
}

int main(void) {
    RUN(unknown_id_may_begin_anywhere);
    RUN(sequence_wraps);
    RUN(five_ranges_are_known_and_come_before_the_sequence);
    RUN(epochs);
    RUN(marker_moves_epoch_and_sequence_begins_again);
    RUN(marker_of_same_epoch_keeps_sequence);
    RUN(markers_are_checked_by_epoch_and_coordinator_epoch);
    RUN(markers_of_an_unknown_producer_are_checked_as_after_none);
    RUN(second_version_of_transactions_wants_a_higher_epoch);
    RUN(verification_remembers_the_lowest_sequence);
    RUN(second_version_begins_at_0_where_nothing_is_known);
    RUN(open_transaction_takes_nothing_else);
    RUN(first_unstable_offset_waits_for_the_marker_to_be_replicated);
    RUN(aborted_transactions_of_a_range);
    RUN(states_expire_by_the_last_batch_unless_a_transaction_is_open);
    RUN(snapshot_keeps_the_last_range_alone);
    return test_result();
}
