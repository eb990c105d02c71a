// What a modelled broker answers to ListOffsets, OffsetForLeaderEpoch, DeleteRecords and DescribeProducers.
#include "unit/broker_talk.h"

#define TXN BATCH_ATTRIBUTE_TRANSACTIONAL

static struct talk t;

static void open(void) {
    talk_open(&t, NULL);
    talk_topic(&t, "t", NULL);
}

static void append(struct bytes batch) {
    struct talk_produce how = TALK_PRODUCE;
    talk_produce(&t, 1, &how, "t", batch);
}

static void append_unreplicated(struct bytes batch) {
    struct talk_produce how = TALK_PRODUCE;
    how.acks = 1;
    talk_produce(&t, 1, &how, "t", batch);
}

static int32_t epoch_now(void) {
    struct broker_truth truth;
    broker_partition_truth(t.c, "t", 0, &truth);
    return truth.leader_epoch;
}

// ListOffsets --------------------------------------------------------------------------------------------------------

struct listing {
    int32_t node, replica_id, current_epoch;
    int16_t version;
    int8_t isolation;
};
#define LISTING ((struct listing){.node = 1, .replica_id = -1, .current_epoch = -1, .version = 11})

static struct list_offsets_response_partition *list(struct listing how, int64_t timestamp) {
    struct list_offsets_request_partition p = {0, how.current_epoch, timestamp};
    struct list_offsets_request_topic topic = {client_text("t"), &p, 1};
    struct list_offsets_request r = {how.replica_id, how.isolation, &topic, 1, 0};
    struct list_offsets_response *answer = talk_ask(&t, how.node, API_LIST_OFFSETS, how.version, &r);
    return answer->topics[0].partitions;
}

TEST(latest_is_the_high_watermark) {
    open();
    append(talk_batch(&t, 3));
    broker_replica_hold(t.c, "t", 0, 2, true);
    append_unreplicated(talk_batch(&t, 2));
    struct list_offsets_response_partition *p = list(LISTING, -1);
    EXPECT_INT(p->error_code, KAFKA_NONE);
    EXPECT_INT(p->offset, 3);
    EXPECT_INT(p->timestamp, -1);
    EXPECT_INT(p->leader_epoch, epoch_now());
    struct listing how = LISTING;
    how.replica_id = -2;
    EXPECT_INT(list(how, -1)->offset, 5);
    how.node = 3;  // a tool may ask followers
    EXPECT_INT(list(how, -1)->offset, 5);
    how = LISTING;
    how.node = 3;
    EXPECT_INT(list(how, -1)->error_code, KAFKA_NOT_LEADER_OR_FOLLOWER);
    EXPECT_INT(list(how, -1)->offset, -1);
    talk_close(&t);
}

TEST(earliest_times_and_the_rest) {
    open();
    append(talk_batch(&t, 3));
    append(talk_batch(&t, 3));
    struct list_offsets_response_partition *p = list(LISTING, -2);
    EXPECT_INT(p->offset, 0);
    EXPECT_INT(p->timestamp, -1);
    EXPECT_INT(list(LISTING, -4)->offset, 0);
    p = list(LISTING, TALK_WALL_MS + 2);
    EXPECT_INT(p->offset, 2);
    EXPECT_INT(p->timestamp, TALK_WALL_MS + 2);
    EXPECT_INT(p->leader_epoch, epoch_now());
    p = list(LISTING, TALK_WALL_MS + 3);
    EXPECT_INT(p->error_code, KAFKA_NONE);
    EXPECT_INT(p->offset, -1);
    EXPECT_INT(p->timestamp, -1);
    EXPECT_INT(p->leader_epoch, -1);
    EXPECT_INT(list(LISTING, -3)->offset, 2);
    EXPECT_INT(list(LISTING, -5)->offset, -1);
    EXPECT_INT(list(LISTING, -5)->error_code, KAFKA_NONE);
    EXPECT_INT(list(LISTING, -6)->offset, -1);
    talk_close(&t);
}

TEST(special_times_have_first_versions) {
    open();
    struct listing how = LISTING;
    const struct {
        int64_t time;
        int16_t since;
    } times[] = {{-3, 7}, {-4, 8}, {-5, 9}, {-6, 11}};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        how.version = (int16_t)(times[i].since - 1);
        EXPECT_INT(list(how, times[i].time)->error_code, KAFKA_UNSUPPORTED_VERSION);
        how.version = times[i].since;
        EXPECT_INT(list(how, times[i].time)->error_code, KAFKA_NONE);
    }
    EXPECT_INT(list(LISTING, -7)->error_code, KAFKA_UNSUPPORTED_VERSION);
    talk_close(&t);
}

TEST(latest_of_committed_records_is_the_last_stable_offset) {
    open();
    append(talk_batch(&t, 3));
    broker_append(t.c, "t", 0, talk_producer_batch(&t, TXN, 50, 0, 0, 2));
    talk_run(&t);
    struct listing how = LISTING;
    how.isolation = 1;
    EXPECT_INT(list(how, -1)->offset, 3);
    EXPECT_INT(list(LISTING, -1)->offset, 5);
    talk_close(&t);
}

TEST(epochs_of_list_offsets) {
    open();
    struct listing how = LISTING;
    how.current_epoch = epoch_now() + 1;
    EXPECT_INT(list(how, -1)->error_code, KAFKA_UNKNOWN_LEADER_EPOCH);
    how.current_epoch = epoch_now();
    EXPECT_INT(list(how, -1)->error_code, KAFKA_NONE);
    broker_leader_move(t.c, "t", 0, 2, false);
    talk_run(&t);
    how.node = 2;
    EXPECT_INT(list(how, -1)->error_code, KAFKA_FENCED_LEADER_EPOCH);
    talk_close(&t);
}

// A new leader does not know yet how far the old one's high watermark was (KIP-207).
TEST(a_new_leader_does_not_know_the_latest_offset_yet) {
    open();
    append(talk_batch(&t, 3));
    broker_replica_hold(t.c, "t", 0, 3, true);
    append_unreplicated(talk_batch(&t, 2));
    EXPECT(broker_leader_move(t.c, "t", 0, 2, false));
    talk_run(&t);
    struct listing how = LISTING;
    how.node = 2;
    EXPECT_INT(broker_replica_log(t.c, "t", 0, 2)->high_watermark, 3);
    EXPECT_INT(list(how, -1)->error_code, KAFKA_OFFSET_NOT_AVAILABLE);
    how.version = 4;
    EXPECT_INT(list(how, -1)->error_code, KAFKA_LEADER_NOT_AVAILABLE);
    how.version = 11;
    EXPECT_INT(list(how, -2)->error_code, KAFKA_NONE);
    broker_replica_hold(t.c, "t", 0, 3, false);
    talk_run(&t);
    EXPECT_INT(list(how, -1)->offset, 5);
    talk_close(&t);
}

TEST(a_partition_named_twice_is_refused_once) {
    open();
    struct list_offsets_request_partition p[] = {{0, -1, -1}, {0, -1, -1}, {7, -1, -1}};
    struct list_offsets_request_topic topic = {client_text("t"), p, 3};
    struct list_offsets_request r = {-1, 0, &topic, 1, 0};
    struct list_offsets_response *answer = talk_ask(&t, 1, API_LIST_OFFSETS, 7, &r);
    EXPECT_INT(answer->topics[0].partitions_count, 2);
    EXPECT_INT(answer->topics[0].partitions[0].error_code, KAFKA_INVALID_REQUEST);
    EXPECT_INT(answer->topics[0].partitions[1].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    talk_close(&t);
}

// OffsetForLeaderEpoch -----------------------------------------------------------------------------------------------

static struct offset_for_leader_epoch_response_partition *end_of(int32_t node, int32_t current_epoch, int32_t epoch) {
    struct offset_for_leader_epoch_request_partition p = {0, current_epoch, epoch};
    struct offset_for_leader_epoch_request_topic topic = {client_text("t"), &p, 1};
    struct offset_for_leader_epoch_request r = {-1, &topic, 1};
    struct offset_for_leader_epoch_response *answer = talk_ask(&t, node, API_OFFSET_FOR_LEADER_EPOCH, 4, &r);
    return answer->topics[0].partitions;
}

TEST(epochs_end_at_the_log_end) {
    open();
    append(talk_batch(&t, 3));
    int32_t first = epoch_now();
    broker_leader_move(t.c, "t", 0, 2, false);
    broker_leader_move(t.c, "t", 0, 1, false);
    talk_run(&t);
    append(talk_batch(&t, 1));
    broker_replica_hold(t.c, "t", 0, 2, true);
    append_unreplicated(talk_batch(&t, 2));
    struct offset_for_leader_epoch_response_partition *p = end_of(1, first + 2, first + 2);
    EXPECT_INT(p->error_code, KAFKA_NONE);
    EXPECT_INT(p->leader_epoch, first + 2);
    EXPECT_INT(p->end_offset, 6);
    p = end_of(1, -1, first);
    EXPECT_INT(p->leader_epoch, first);
    EXPECT_INT(p->end_offset, 3);
    p = end_of(1, -1, first + 1);
    EXPECT_INT(p->leader_epoch, first);
    EXPECT_INT(p->end_offset, 3);
    p = end_of(1, -1, first + 3);
    EXPECT_INT(p->error_code, KAFKA_NONE);
    EXPECT_INT(p->leader_epoch, -1);
    EXPECT_INT(p->end_offset, -1);
    EXPECT_INT(end_of(1, first, first)->error_code, KAFKA_FENCED_LEADER_EPOCH);
    EXPECT_INT(end_of(1, first + 3, first)->error_code, KAFKA_UNKNOWN_LEADER_EPOCH);
    EXPECT_INT(end_of(3, -1, first)->error_code, KAFKA_NOT_LEADER_OR_FOLLOWER);
    EXPECT_INT(end_of(3, -1, first)->end_offset, -1);
    talk_close(&t);
}

// DeleteRecords ------------------------------------------------------------------------------------------------------

static void *delete_request(const char *topic, int64_t offset) {
    struct delete_records_request *r = arena_alloc(&t.arena, sizeof *r);
    struct delete_records_request_topic *of = arena_alloc(&t.arena, sizeof *of);
    struct delete_records_request_partition *p = arena_alloc(&t.arena, sizeof *p);
    *p = (struct delete_records_request_partition){0, offset};
    *of = (struct delete_records_request_topic){client_text(topic), p, 1};
    *r = (struct delete_records_request){of, 1, 1000};
    return r;
}

static struct delete_records_response_partition *delete_below(int32_t node, const char *topic, int64_t offset) {
    struct delete_records_response *answer = talk_ask(&t, node, API_DELETE_RECORDS, 2, delete_request(topic, offset));
    return answer ? answer->topics[0].partitions : NULL;
}

TEST(records_below_an_offset_go) {
    open();
    append(talk_batch(&t, 3));
    append(talk_batch(&t, 3));
    struct delete_records_response_partition *p = delete_below(1, "t", 4);
    EXPECT(p);
    EXPECT_INT(p->error_code, KAFKA_NONE);
    EXPECT_INT(p->low_watermark, 4);
    for (int32_t node = 1; node <= TALK_NODES; node++) EXPECT_INT(broker_replica_log(t.c, "t", 0, node)->start, 4);
    EXPECT_INT(list(LISTING, -2)->offset, 4);
    EXPECT_INT(delete_below(1, "t", 2)->low_watermark, 4);
    EXPECT_INT(delete_below(1, "t", 7)->error_code, KAFKA_OFFSET_OUT_OF_RANGE);
    EXPECT_INT(delete_below(1, "t", 7)->low_watermark, -1);
    EXPECT_INT(delete_below(1, "t", -2)->error_code, KAFKA_OFFSET_OUT_OF_RANGE);
    EXPECT_INT(delete_below(2, "t", 5)->error_code, KAFKA_NOT_LEADER_OR_FOLLOWER);
    EXPECT_INT(delete_below(1, "none", 5)->error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    EXPECT_INT(delete_below(1, "t", -1)->low_watermark, 6);
    talk_close(&t);
}

TEST(compacted_topics_keep_their_records) {
    const char *const settings[] = {"cleanup.policy", "compact", NULL};
    talk_open(&t, NULL);
    talk_topic(&t, "t", settings);
    append(talk_batch(&t, 3));
    EXPECT_INT(delete_below(1, "t", 2)->error_code, KAFKA_POLICY_VIOLATION);
    talk_close(&t);
}

TEST(a_deletion_waits_for_the_followers) {
    open();
    append(talk_batch(&t, 3));
    broker_replica_hold(t.c, "t", 0, 3, true);
    EXPECT(!delete_below(1, "t", 2));
    talk_pass(&t, 1000);
    struct delete_records_response *r = talk_receive(talk_client(&t, 1), API_DELETE_RECORDS, 2);
    EXPECT(r);
    EXPECT_INT(r->topics[0].partitions[0].error_code, KAFKA_REQUEST_TIMED_OUT);
    EXPECT_INT(r->topics[0].partitions[0].low_watermark, 0);
    EXPECT(!delete_below(1, "t", 3));
    broker_replica_hold(t.c, "t", 0, 3, false);
    talk_run(&t);
    r = talk_receive(talk_client(&t, 1), API_DELETE_RECORDS, 2);
    EXPECT(r);
    EXPECT_INT(r->topics[0].partitions[0].error_code, KAFKA_NONE);
    EXPECT_INT(r->topics[0].partitions[0].low_watermark, 3);
    talk_close(&t);
}

static struct delete_records_response_partition *deleted_now(void) {
    struct delete_records_response *r = talk_receive(talk_client(&t, 1), API_DELETE_RECORDS, 2);
    return r ? r->topics[0].partitions : NULL;
}

// Nobody looks at what waits when the leader is none any more: its time runs out, as on a real broker.
TEST(a_deletion_is_not_told_that_the_leadership_is_gone) {
    open();
    append(talk_batch(&t, 3));
    broker_replica_hold(t.c, "t", 0, 3, true);
    EXPECT(!delete_below(1, "t", 2));
    EXPECT(broker_leader_move(t.c, "t", 0, 2, false));
    talk_pass(&t, 900);
    EXPECT(!deleted_now());
    talk_pass(&t, 100);
    EXPECT(deleted_now());
    EXPECT_INT(deleted_now()->error_code, KAFKA_REQUEST_TIMED_OUT);
    EXPECT_INT(deleted_now()->low_watermark, 0);
    talk_close(&t);
}

TEST(a_deletion_is_not_told_that_the_topic_is_gone) {
    open();
    append(talk_batch(&t, 3));
    broker_replica_hold(t.c, "t", 0, 3, true);
    EXPECT(!delete_below(1, "t", 2));
    broker_topic_delete(t.c, "t");
    talk_pass(&t, 900);
    EXPECT(!deleted_now());
    talk_pass(&t, 100);
    EXPECT(deleted_now());
    EXPECT_INT(deleted_now()->error_code, KAFKA_REQUEST_TIMED_OUT);
    talk_close(&t);
}

// Of a broker that is gone no fetch is heard: what waited for it is looked at when the high watermark rises.
TEST(a_deletion_is_not_told_that_a_follower_is_gone) {
    open();
    append(talk_batch(&t, 3));
    broker_replica_hold(t.c, "t", 0, 3, true);
    EXPECT(!delete_below(1, "t", 2));
    broker_node_stop(t.c, 3, BROKER_SHUT_DOWN, 0);
    talk_pass(&t, 500);
    EXPECT(!deleted_now());
    broker_append(t.c, "t", 0, talk_batch(&t, 1));
    talk_pass(&t, 1);
    EXPECT(deleted_now());
    EXPECT_INT(deleted_now()->error_code, KAFKA_NONE);
    EXPECT_INT(deleted_now()->low_watermark, 2);
    talk_close(&t);
}

// DescribeProducers --------------------------------------------------------------------------------------------------

static struct describe_producers_response_partition *describe(int32_t node, const char *topic, int32_t index) {
    struct describe_producers_request_topic of = {client_text(topic), &index, 1};
    struct describe_producers_request r = {&of, 1};
    struct describe_producers_response *answer = talk_ask(&t, node, API_DESCRIBE_PRODUCERS, 0, &r);
    return answer->topics[0].partitions;
}

TEST(any_replica_tells_what_it_knows_of_producers) {
    open();
    append(talk_producer_batch(&t, 0, 70, 4, 10, 3));
    broker_append(t.c, "t", 0, talk_producer_batch(&t, TXN, 50, 0, 0, 2));
    talk_run(&t);
    broker_replica_hold(t.c, "t", 0, 2, true);
    append_unreplicated(talk_producer_batch(&t, 0, 70, 4, 13, 3));
    struct describe_producers_response_partition *p = describe(1, "t", 0);
    EXPECT_INT(p->error_code, KAFKA_NONE);
    EXPECT_INT(p->error_message.size, -1);
    EXPECT_INT(p->active_producers_count, 2);
    EXPECT_INT(p->active_producers[0].producer_id, 50);
    EXPECT_INT(p->active_producers[0].current_txn_start_offset, 3);
    EXPECT_INT(p->active_producers[1].producer_id, 70);
    EXPECT_INT(p->active_producers[1].producer_epoch, 4);
    EXPECT_INT(p->active_producers[1].last_sequence, 15);
    EXPECT_INT(p->active_producers[1].last_timestamp, TALK_WALL_MS + 2);
    EXPECT_INT(p->active_producers[1].coordinator_epoch, -1);
    EXPECT_INT(p->active_producers[1].current_txn_start_offset, -1);
    EXPECT_INT(describe(2, "t", 0)->active_producers[1].last_sequence, 12);
    EXPECT_INT(describe(1, "t", 5)->error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    EXPECT_INT(describe(1, "t", 5)->error_message.size, -1);
    p = describe(1, "none", 0);
    EXPECT_INT(p->error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    EXPECT(p->error_message.size > 0 && memcmp(p->error_message.at, "This server does not host", 25) == 0);
    talk_close(&t);
}

int main(void) {
    RUN(latest_is_the_high_watermark);
    RUN(earliest_times_and_the_rest);
    RUN(special_times_have_first_versions);
    RUN(latest_of_committed_records_is_the_last_stable_offset);
    RUN(epochs_of_list_offsets);
    RUN(a_new_leader_does_not_know_the_latest_offset_yet);
    RUN(a_partition_named_twice_is_refused_once);
    RUN(epochs_end_at_the_log_end);
    RUN(records_below_an_offset_go);
    RUN(compacted_topics_keep_their_records);
    RUN(a_deletion_waits_for_the_followers);
    RUN(a_deletion_is_not_told_that_the_leadership_is_gone);
    RUN(a_deletion_is_not_told_that_the_topic_is_gone);
    RUN(a_deletion_is_not_told_that_a_follower_is_gone);
    RUN(any_replica_tells_what_it_knows_of_producers);
    return test_result();
}
