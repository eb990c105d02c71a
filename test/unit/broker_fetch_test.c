// What a modelled broker answers to Fetch: reads, epochs, the long poll.
#include "unit/fetch_asking.h"

#define TXN BATCH_ATTRIBUTE_TRANSACTIONAL

TEST(batches_come_as_they_stand) {
    open();
    append(talk_batch(&t, 3));
    size_t first = t.batch.size;
    append(talk_batch(&t, 2));
    struct fetch_response_partition *p = fetch_one(ASKING);
    EXPECT(p);
    EXPECT_INT(p->error_code, KAFKA_NONE);
    EXPECT_INT(p->high_watermark, 5);
    EXPECT_INT(p->last_stable_offset, 5);
    EXPECT_INT(p->log_start_offset, 0);
    EXPECT_INT(p->aborted_transactions_count, -1);
    EXPECT_INT(p->preferred_read_replica, -1);
    EXPECT_INT(p->diverging_epoch.epoch, -1);
    EXPECT_INT(p->records.size, first + t.batch.size);
    struct batch_header h;
    EXPECT(batch_look((struct bytes){p->records.at + first, t.batch.size}, &h) == BATCH_WHOLE);
    EXPECT_INT(h.base_offset, 3);
    EXPECT_INT(h.leader_epoch, epoch_now());
    EXPECT(batch_crc_is_right((struct bytes){p->records.at + first, t.batch.size}));
    // From the middle of a batch: the batch.
    struct asking a = ASKING;
    a.offset = 4;
    p = fetch_one(a);
    EXPECT_INT(p->records.size, t.batch.size);
    EXPECT_INT(load_be64(p->records.at), 3);
    talk_close(&t);
}

TEST(sizes_cut_but_one_batch_comes) {
    open();
    append(talk_batch(&t, 3));
    int32_t first = (int32_t)t.batch.size;
    append(talk_batch(&t, 2));
    struct asking a = ASKING;
    a.partition_bytes = 1;
    EXPECT_INT(fetch_one(a)->records.size, first);
    a.partition_bytes = first + 20;  // the second is cut in the middle, as a broker sends a slice of its file
    EXPECT_INT(fetch_one(a)->records.size, first + 20);
    a.max_bytes = first + 10;
    EXPECT_INT(fetch_one(a)->records.size, first + 10);
    talk_close(&t);
}

TEST(only_the_first_partition_may_pass_the_limit) {
    talk_open(&t, NULL);
    broker_topic_create(t.c, "t", 2, TALK_NODES, NULL);
    talk_run(&t);
    struct talk_produce how = TALK_PRODUCE;
    for (how.index = 0; how.index < 2; how.index++) {
        broker_leader_move(t.c, "t", how.index, 1, false);
        talk_run(&t);
        EXPECT_INT(talk_produce(&t, 1, &how, "t", talk_batch(&t, 3))->error_code, KAFKA_NONE);
    }
    struct asking a = ASKING;
    struct fetch_request_partition partitions[] = {partition_request(&a, 0, 0), partition_request(&a, 1, 0)};
    struct fetch_request_topic both = {client_text("t"), {{0}}, partitions, 2};
    a.topics = &both;
    a.topics_count = 1;
    // A first batch is never cut: what is left for the second partition is too little for one.
    int32_t size = (int32_t)t.batch.size, maxima[] = {1, size + 10};
    for (int i = 0; i < 2; i++) {
        a.max_bytes = maxima[i];
        struct fetch_response *r = fetch(a);
        EXPECT_INT(r->responses_count, 1);
        EXPECT_INT(r->responses[0].partitions_count, 2);
        EXPECT_INT(r->responses[0].partitions[0].records.size, size);
        EXPECT_INT(r->responses[0].partitions[1].records.size, 0);
        EXPECT_INT(r->responses[0].partitions[1].high_watermark, 3);
    }
    a.max_bytes = 2 * size;
    EXPECT_INT(fetch(a)->responses[0].partitions[1].records.size, size);
    talk_close(&t);
}

TEST(offsets_that_are_not_there) {
    open();
    append(talk_batch(&t, 3));
    struct asking a = ASKING;
    a.offset = 4;
    struct fetch_response_partition *p = fetch_one(a);
    EXPECT_INT(p->error_code, KAFKA_OFFSET_OUT_OF_RANGE);
    EXPECT_INT(p->high_watermark, -1);
    EXPECT_INT(p->log_start_offset, -1);
    EXPECT_INT(p->last_stable_offset, -1);
    EXPECT_INT(p->records.size, 0);
    a.offset = -1;
    EXPECT_INT(fetch_one(a)->error_code, KAFKA_OFFSET_OUT_OF_RANGE);
    a.offset = 3;
    EXPECT_INT(fetch_one(a)->error_code, KAFKA_NONE);
    talk_close(&t);
}

TEST(only_what_is_replicated_is_read) {
    open();
    append(talk_batch(&t, 3));
    broker_replica_hold(t.c, "t", 0, 2, true);
    struct talk_produce how = TALK_PRODUCE;
    how.acks = 1;
    talk_produce(&t, 1, &how, "t", talk_batch(&t, 2));
    struct fetch_response_partition *p = fetch_one(ASKING);
    EXPECT_INT(p->high_watermark, 3);
    struct asking a = ASKING;
    a.offset = 3;
    EXPECT_INT(fetch_one(a)->records.size, 0);
    // At the log end nothing is there yet, and nobody waits for it (DelayedFetch, case F) ..
    a.offset = 5;
    a.wait_ms = 1000;
    p = fetch_one(a);
    EXPECT(p);
    EXPECT_INT(p->error_code, KAFKA_NONE);
    EXPECT_INT(p->records.size, 0);
    // .. but in the batch that begins at the high watermark one waits.
    a.offset = 4;
    EXPECT(!fetch(a));
    broker_replica_hold(t.c, "t", 0, 2, false);
    struct fetch_response *r = talk_receive(talk_client(&t, 1), API_FETCH, a.version);
    EXPECT(r);
    EXPECT_INT(r->responses[0].partitions[0].records.size, t.batch.size);
    talk_close(&t);
}

TEST(followers_are_read_by_who_asks_so) {
    open();
    append(talk_batch(&t, 3));
    struct asking a = ASKING;
    a.node = 2;
    EXPECT_INT(fetch_one(a)->error_code, KAFKA_NONE);
    EXPECT_INT(fetch_one(a)->high_watermark, 3);
    a.version = 10;
    EXPECT_INT(fetch_one(a)->error_code, KAFKA_NOT_LEADER_OR_FOLLOWER);
    talk_close(&t);
}

TEST(a_follower_wakes_who_waits_for_it) {
    open();
    struct asking a = ASKING;
    a.node = 2;
    a.wait_ms = 5000;
    EXPECT(!fetch(a));
    append(talk_batch(&t, 3));
    struct fetch_response *r = talk_receive(talk_client(&t, 2), API_FETCH, a.version);
    EXPECT(r);
    EXPECT_INT(r->responses[0].partitions[0].records.size, t.batch.size);
    EXPECT_INT(r->responses[0].partitions[0].high_watermark, 3);
    talk_close(&t);
}

TEST(epochs_of_leaders) {
    open();
    append(talk_batch(&t, 3));
    broker_leader_move(t.c, "t", 0, 2, false);
    broker_leader_move(t.c, "t", 0, 1, false);
    talk_run(&t);
    append(talk_batch(&t, 3));
    int32_t epoch = epoch_now();
    struct asking a = ASKING;
    a.version = 16;
    a.topic_id = topic_id("t");
    a.current_epoch = epoch - 1;
    struct fetch_response *r = fetch(a);
    EXPECT_INT(r->responses[0].partitions[0].error_code, KAFKA_FENCED_LEADER_EPOCH);
    EXPECT_INT(r->responses[0].partitions[0].current_leader.leader_epoch, epoch);
    EXPECT_INT(r->responses[0].partitions[0].current_leader.leader_id, 1);
    EXPECT_INT(r->node_endpoints_count, 1);
    a.current_epoch = epoch + 1;
    EXPECT_INT(fetch_one(a)->error_code, KAFKA_UNKNOWN_LEADER_EPOCH);
    a.current_epoch = INT32_MIN;  // as -1: none
    EXPECT_INT(fetch_one(a)->error_code, KAFKA_NONE);
    // Who read offset 5 under the first epoch has seen records that are gone: it ended at 3.
    a.current_epoch = -1;
    a.offset = 5;
    a.last_epoch = epoch - 2;
    struct fetch_response_partition *p = fetch_one(a);
    EXPECT_INT(p->error_code, KAFKA_NONE);
    EXPECT_INT(p->diverging_epoch.epoch, epoch - 2);
    EXPECT_INT(p->diverging_epoch.end_offset, 3);
    EXPECT_INT(p->records.size, 0);
    EXPECT_INT(p->high_watermark, 6);
    a.last_epoch = epoch;
    EXPECT_INT(fetch_one(a)->diverging_epoch.epoch, -1);
    a.last_epoch = epoch + 1;
    EXPECT_INT(fetch_one(a)->error_code, KAFKA_OFFSET_OUT_OF_RANGE);
    talk_close(&t);
}

static void end_transaction(int64_t producer_id, bool commit) {
    int32_t zero = 0;
    struct write_txn_markers_request_topic where = {client_text("t"), &zero, 1};
    struct write_txn_markers_request_marker m = {producer_id, 0, commit, &where, 1, 0, 0};
    struct write_txn_markers_request r = {&m, 1};
    talk_ask(&t, 1, API_WRITE_TXN_MARKERS, 1, &r);
}

TEST(committed_reads_stop_at_open_transactions_and_list_aborted_ones) {
    open();
    broker_append(t.c, "t", 0, talk_producer_batch(&t, TXN, 50, 0, 0, 2));
    broker_append(t.c, "t", 0, talk_producer_batch(&t, TXN, 51, 0, 0, 1));
    talk_run(&t);
    struct asking a = ASKING;
    a.isolation = READ_COMMITTED;
    struct fetch_response_partition *p = fetch_one(a);
    EXPECT_INT(p->records.size, 0);
    EXPECT_INT(p->last_stable_offset, 0);
    EXPECT_INT(p->high_watermark, 3);
    EXPECT_INT(p->aborted_transactions_count, 0);
    end_transaction(50, false);
    p = fetch_one(a);
    EXPECT_INT(p->last_stable_offset, 2);
    EXPECT(p->records.size > 0);
    EXPECT_INT(p->aborted_transactions_count, 1);
    EXPECT_INT(p->aborted_transactions[0].producer_id, 50);
    EXPECT_INT(p->aborted_transactions[0].first_offset, 0);
    end_transaction(51, true);
    a.offset = 4;
    p = fetch_one(a);
    EXPECT_INT(p->last_stable_offset, 5);
    EXPECT_INT(p->aborted_transactions_count, 0);
    talk_close(&t);
}

TEST(topics_by_id) {
    open();
    append(talk_batch(&t, 3));
    struct asking a = ASKING;
    a.version = 13;
    a.topic_id = topic_id("t");
    struct fetch_response *r = fetch(a);
    EXPECT_INT(r->responses[0].partitions[0].high_watermark, 3);
    EXPECT(memcmp(&r->responses[0].topic_id, &a.topic_id, sizeof a.topic_id) == 0);
    a.topic_id.at[3] ^= 1;
    struct fetch_response_partition *p = fetch_one(a);
    EXPECT_INT(p->error_code, KAFKA_UNKNOWN_TOPIC_ID);
    EXPECT_INT(p->high_watermark, -1);
    EXPECT_INT(p->aborted_transactions_count, 0);
    talk_close(&t);
}

TEST(the_topic_without_an_id_comes_last_or_is_an_exception) {
    open();
    struct asking a = ASKING;
    a.version = 13;
    EXPECT_INT(fetch_one(a)->error_code, KAFKA_UNKNOWN_TOPIC_ID);
    struct fetch_request_partition two[2] = {partition_request(&a, 0, 0), partition_request(&a, 1, 0)};
    struct fetch_request_topic none = {client_text(""), a.topic_id, two, 2};
    a.topics = &none;
    a.topics_count = 1;
    struct fetch_response *r = fetch(a);
    EXPECT_INT(r->error_code, KAFKA_UNKNOWN_SERVER_ERROR);
    EXPECT_INT(r->responses_count, 0);
    // Ids that nobody knows are told before partitions that are not there.
    two[0].partition = 9;
    struct fetch_request_topic topics[2] = {{client_text(""), topic_id("t"), two, 1}, none};
    topics[1].partitions_count = 1;
    a.topics = topics;
    a.topics_count = 2;
    EXPECT_INT(fetch(a)->error_code, KAFKA_UNKNOWN_SERVER_ERROR);
    talk_close(&t);
}

// The long poll ------------------------------------------------------------------------------------------------------

TEST(a_fetch_waits_for_bytes_or_time) {
    open();
    struct asking a = ASKING;
    a.wait_ms = 500;
    struct client *k = talk_connect(&t, 1);
    talk_send(&t, k, API_FETCH, 12, request(&a));
    EXPECT(!talk_receive(k, API_FETCH, 12));
    append(talk_batch(&t, 1));
    struct fetch_response *r = talk_receive(k, API_FETCH, 12);
    EXPECT(r);
    EXPECT_INT(r->responses[0].partitions[0].records.size, t.batch.size);
    a.offset = 1;
    a.min_bytes = (int32_t)t.batch.size + 1;
    talk_send(&t, k, API_FETCH, 12, request(&a));
    append(talk_batch(&t, 1));
    EXPECT(!talk_receive(k, API_FETCH, 12));
    talk_pass(&t, 499);
    EXPECT(!talk_receive(k, API_FETCH, 12));
    talk_pass(&t, 1);
    r = talk_receive(k, API_FETCH, 12);
    EXPECT(r);
    EXPECT_INT(r->responses[0].partitions[0].records.size, t.batch.size);
    a.offset = 2;
    talk_send(&t, k, API_FETCH, 12, request(&a));
    append(talk_batch(&t, 1));
    append(talk_batch(&t, 1));
    r = talk_receive(k, API_FETCH, 12);
    EXPECT(r);
    EXPECT_INT(r->responses[0].partitions[0].records.size, 2 * t.batch.size);
    talk_close(&t);
}

TEST(a_waiting_fetch_ends_with_its_leader_topic_or_node) {
    open();
    struct asking a = ASKING;
    a.wait_ms = 5000;
    a.current_epoch = epoch_now();
    struct client *k = talk_connect(&t, 1);
    talk_send(&t, k, API_FETCH, 12, request(&a));
    broker_leader_move(t.c, "t", 0, 2, false);
    talk_run(&t);
    struct fetch_response *r = talk_receive(k, API_FETCH, 12);
    EXPECT(r);
    EXPECT_INT(r->responses[0].partitions[0].error_code, KAFKA_FENCED_LEADER_EPOCH);
    broker_leader_move(t.c, "t", 0, 1, false);
    talk_run(&t);
    a.current_epoch = -1;
    talk_send(&t, k, API_FETCH, 12, request(&a));
    broker_topic_delete(t.c, "t");
    talk_run(&t);
    r = talk_receive(k, API_FETCH, 12);
    EXPECT(r);
    EXPECT_INT(r->responses[0].partitions[0].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    talk_topic(&t, "t", NULL);
    talk_send(&t, k, API_FETCH, 12, request(&a));
    EXPECT(!talk_receive(k, API_FETCH, 12));
    broker_node_stop(t.c, 1, BROKER_KILLED, 0);
    talk_pass(&t, 10000);
    EXPECT(!talk_receive(k, API_FETCH, 12));
    talk_close(&t);
}

TEST(throttled_fetches_are_empty) {
    open();
    append(talk_batch(&t, 1));
    broker_throttle(t.c, 1, 250);
    struct fetch_response *r = fetch(ASKING);
    EXPECT_INT(r->throttle_time_ms, 250);
    EXPECT_INT(r->responses_count, 0);
    talk_pass(&t, 250);
    r = fetch(ASKING);
    EXPECT(r);
    EXPECT_INT(r->responses_count, 1);
    talk_close(&t);
}

int main(void) {
    RUN(batches_come_as_they_stand);
    RUN(sizes_cut_but_one_batch_comes);
    RUN(only_the_first_partition_may_pass_the_limit);
    RUN(offsets_that_are_not_there);
    RUN(only_what_is_replicated_is_read);
    RUN(followers_are_read_by_who_asks_so);
    RUN(a_follower_wakes_who_waits_for_it);
    RUN(epochs_of_leaders);
    RUN(committed_reads_stop_at_open_transactions_and_list_aborted_ones);
    RUN(topics_by_id);
    RUN(the_topic_without_an_id_comes_last_or_is_an_exception);
    RUN(a_fetch_waits_for_bytes_or_time);
    RUN(a_waiting_fetch_ends_with_its_leader_topic_or_node);
    RUN(throttled_fetches_are_empty);
    return test_result();
}
