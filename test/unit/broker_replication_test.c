// Replication in a modelled cluster: high watermarks that lag, ISRs that shrink and grow, tails that are lost when the
// leader changes, leaders that do not know that they are none any more.
#include "broker/request.h"
#include "broker_client.h"
#include "wire/batch.h"

static int64_t now_us;
static int64_t fetch_us_value, notice_us_value;

static int64_t fetch_us(void *context, int32_t follower) {
    (void)context, (void)follower;
    return fetch_us_value;
}

static int64_t notice_us(void *context, int32_t node) {
    (void)context, (void)node;
    return notice_us_value;
}

// fetch and notice -1: at once.
static struct broker_cluster *cluster(int32_t nodes, int64_t fetch, int64_t notice, const char *const *settings) {
    now_us = 0;
    fetch_us_value = fetch;
    notice_us_value = notice;
    struct broker_cluster_config config = {.cluster_id = "AAAAAAAAAAAAAAAAAAAAAA",
                                           .host = "localhost",
                                           .port_first = 9092,
                                           .nodes = nodes,
                                           .seed = 1,
                                           .settings = settings,
                                           .replica_fetch_us = fetch < 0 ? NULL : fetch_us,
                                           .notice_us = notice < 0 ? NULL : notice_us};
    return broker_cluster_new(&config, now_us, CLIENT_WALL_MS);
}

static void run_until(struct broker_cluster *c, int64_t until_us) {
    world_until(c, &now_us, until_us);
}

static int32_t sequence;

// Partition 0 of topic "t" on all nodes, led by node 1.
static void create(struct broker_cluster *c) {
    static const int32_t replicas[] = {1, 2, 3};
    struct broker_topic_plan plan = {
        .name = client_text("t"), .partitions = 1, .replicas_count = c->config.nodes, .replicas = replicas};
    broker_topic_new(c, &plan);
    run_until(c, now_us + 10000);
    sequence = 0;
}

static size_t make_batch(uint8_t *out, size_t capacity, int32_t count) {
    struct batch_stamp stamp = {.producer_id = 7, .producer_epoch = 0, .base_sequence = sequence};
    sequence += count;
    return batch_filler_write(count, CLIENT_WALL_MS, &stamp, out, capacity);
}

static int16_t append(struct broker_cluster *c, int32_t count) {
    static uint8_t batch[4096];
    return broker_append(c, "t", 0, (struct bytes){batch, make_batch(batch, sizeof batch, count)});
}

static const struct broker_log *log_of(const struct broker_cluster *c, int32_t node) {
    return broker_replica_log(c, "t", 0, node);
}

static struct broker_partition *partition(const struct broker_cluster *c) {
    return broker_find_partition(broker_find_topic(c, client_text("t")), 0);
}

// Appends at a node that may only believe to lead, as a producer with acks=1.
static int64_t append_at(struct broker_cluster *c, int32_t node) {
    static uint8_t batch[4096];
    struct client k;
    client_open(&k, c, node, &now_us);
    size_t size = make_batch(batch, sizeof batch, 1);
    struct produce_request_partition p = {.index = 0, .records = {batch, (int32_t)size}};
    struct produce_request_topic t = {.name = client_text("t"), .partition_data = &p, .partition_data_count = 1};
    struct produce_request request;
    message_defaults(api_find(API_PRODUCE)->request, &request);
    request.acks = 1;
    request.timeout_ms = 1000;
    request.topic_data = &t;
    request.topic_data_count = 1;
    struct produce_response response;
    int64_t offset = -1000;
    if (client_ask(&k, API_PRODUCE, 9, &request, &response)) {
        const struct produce_response_partition *answer = &response.responses[0].partition_responses[0];
        offset = answer->error_code ? -answer->error_code : answer->base_offset;
    }
    client_close(&k);
    return offset;
}

TEST(without_delays_replicas_follow_at_once) {
    struct broker_cluster *c = cluster(3, -1, -1, NULL);
    create(c);
    EXPECT_INT(append(c, 3), 0);
    EXPECT_INT(append(c, 2), 0);
    for (int32_t node = 1; node <= 3; node++) {
        EXPECT_INT(log_of(c, node)->end, 5);
        EXPECT_INT(log_of(c, node)->high_watermark, 5);
        EXPECT_INT(log_of(c, node)->count, 2);
    }
    EXPECT(broker_log_at(log_of(c, 1), 1) == broker_log_at(log_of(c, 3), 1));
    broker_cluster_free(c);
}

// A follower's first fetch brings the batch; its second tells the leader, whose high watermark rises; its third
// brings that high watermark.
TEST(high_watermarks_lag_by_rounds) {
    struct broker_cluster *c = cluster(2, 1000, -1, NULL);
    create(c);
    int64_t start_us = now_us;
    EXPECT_INT(append(c, 4), 0);
    EXPECT_INT(log_of(c, 1)->end, 4);
    EXPECT_INT(log_of(c, 2)->end, 0);
    run_until(c, start_us + 1000);
    EXPECT_INT(log_of(c, 2)->end, 4);
    EXPECT_INT(log_of(c, 1)->high_watermark, 0);
    run_until(c, start_us + 2000);
    EXPECT_INT(log_of(c, 1)->high_watermark, 4);
    EXPECT_INT(log_of(c, 2)->high_watermark, 0);
    run_until(c, start_us + 3000);
    EXPECT_INT(log_of(c, 2)->high_watermark, 4);
    broker_cluster_free(c);
}

// What only A had is gone when leadership went A, B, A; and B's epoch stands in between.
TEST(an_acks_1_tail_is_lost_between_a_b_and_a) {
    struct broker_cluster *c = cluster(2, -1, -1, NULL);
    create(c);
    append(c, 5);
    int32_t epoch = partition(c)->leader_epoch;
    broker_replica_hold(c, "t", 0, 2, true);
    EXPECT_INT(append_at(c, 1), 5);
    EXPECT_INT(log_of(c, 1)->end, 6);
    EXPECT_INT(log_of(c, 1)->high_watermark, 5);
    broker_replica_hold(c, "t", 0, 1, true);
    EXPECT(broker_leader_move(c, "t", 0, 2, false));
    broker_replica_hold(c, "t", 0, 2, false);
    EXPECT_INT(log_of(c, 1)->end, 6);
    EXPECT_INT(append_at(c, 1), -KAFKA_NOT_LEADER_OR_FOLLOWER);
    broker_replica_hold(c, "t", 0, 1, false);
    EXPECT_INT(log_of(c, 1)->end, 5);
    EXPECT_INT(log_of(c, 2)->end, 5);
    EXPECT(broker_leader_move(c, "t", 0, 1, false));
    EXPECT_INT(partition(c)->leader, 1);
    EXPECT_INT(partition(c)->leader_epoch, epoch + 2);
    sequence -= 2;
    EXPECT_INT(append_at(c, 1), 5);
    EXPECT_INT(broker_log_at(log_of(c, 2), 1)->header.leader_epoch, epoch + 2);
    EXPECT_INT(log_of(c, 2)->high_watermark, 6);
    broker_cluster_free(c);
}

// The follower holds a tail of the old epoch, the new leader has other records there: they are replaced.
TEST(a_divergent_tail_is_replaced) {
    struct broker_cluster *c = cluster(2, -1, -1, NULL);
    create(c);
    append(c, 5);
    broker_replica_hold(c, "t", 0, 2, true);
    append_at(c, 1);
    append_at(c, 1);
    broker_replica_hold(c, "t", 0, 1, true);
    broker_leader_move(c, "t", 0, 2, false);
    broker_replica_hold(c, "t", 0, 2, false);
    sequence -= 2;
    EXPECT_INT(append_at(c, 2), 5);
    EXPECT_INT(log_of(c, 1)->end, 7);
    EXPECT_INT(log_of(c, 2)->high_watermark, 5);
    broker_replica_hold(c, "t", 0, 1, false);
    EXPECT_INT(log_of(c, 1)->end, 6);
    EXPECT(broker_log_at(log_of(c, 1), 1) == broker_log_at(log_of(c, 2), 1));
    EXPECT_INT(log_of(c, 2)->high_watermark, 6);
    broker_cluster_free(c);
}

TEST(the_isr_shrinks_and_grows) {
    static const char *const settings[] = {"min.insync.replicas", "2", NULL};
    struct broker_cluster *c = cluster(2, 1000, -1, settings);
    create(c);
    append(c, 1);
    run_until(c, now_us + 100000000);  // at rest for longer than replica.lag.time.max.ms
    EXPECT_INT(partition(c)->isr_count, 2);
    broker_replica_hold(c, "t", 0, 2, true);
    EXPECT_INT(append(c, 1), 0);
    int64_t start_us = now_us;
    run_until(c, start_us + 29000000);
    EXPECT_INT(partition(c)->isr_count, 2);
    run_until(c, start_us + 31000000);
    EXPECT_INT(partition(c)->isr_count, 1);
    EXPECT_INT(append(c, 1), KAFKA_NOT_ENOUGH_REPLICAS);
    EXPECT_INT(log_of(c, 1)->high_watermark, 1);  // not below min.insync.replicas (KIP-966)
    int16_t code;
    struct broker_replica *leader = broker_leader_replica(broker_find_node(c, 1), partition(c), -1, &code);
    EXPECT_INT(broker_replica_committed(leader, 1), KAFKA_NOT_ENOUGH_REPLICAS_AFTER_APPEND);
    EXPECT_INT(broker_replica_committed(leader, 2), KAFKA_REQUEST_TIMED_OUT);
    broker_replica_hold(c, "t", 0, 2, false);
    run_until(c, now_us + 5000);
    EXPECT_INT(partition(c)->isr_count, 2);
    EXPECT_INT(broker_replica_committed(leader, 2), 0);
    broker_cluster_free(c);
}

// A follower is back in the ISR when it has told that it holds all that is below the high watermark, not before.
TEST(a_follower_that_is_behind_does_not_join_the_isr) {
    struct broker_cluster *c = cluster(2, 1000, -1, NULL);
    create(c);
    broker_replica_hold(c, "t", 0, 2, true);
    append(c, 1);
    run_until(c, now_us + 31000000);
    EXPECT_INT(partition(c)->isr_count, 1);
    append(c, 1);
    EXPECT_INT(log_of(c, 1)->high_watermark, 2);
    broker_replica_hold(c, "t", 0, 2, false);
    run_until(c, now_us + 1000);
    EXPECT_INT(log_of(c, 2)->end, 2);
    EXPECT_INT(partition(c)->isr_count, 1);
    run_until(c, now_us + 1000);
    EXPECT_INT(partition(c)->isr_count, 2);
    broker_cluster_free(c);
}

// Leadership went A, B, A: who still believes in A's older epoch is refused (FENCED_LEADER_EPOCH).
TEST(a_follower_of_an_older_epoch_is_refused) {
    struct broker_cluster *c = cluster(3, -1, -1, NULL);
    create(c);
    broker_node_isolate(c, 3, true);
    broker_leader_move(c, "t", 0, 2, false);
    EXPECT_INT(broker_log_newest_epoch(log_of(c, 2)), partition(c)->leader_epoch);
    broker_leader_move(c, "t", 0, 1, false);
    append(c, 1);
    EXPECT_INT(log_of(c, 2)->end, 1);
    EXPECT_INT(log_of(c, 3)->end, 0);
    broker_node_isolate(c, 3, false);
    run_until(c, now_us);
    EXPECT_INT(log_of(c, 3)->end, 1);
    broker_cluster_free(c);
}

TEST(a_crash_forgets_the_newest_high_watermark) {
    struct broker_cluster *c = cluster(1, -1, -1, NULL);
    create(c);
    for (int i = 0; i < 20; i++) append(c, 1);
    int64_t lowest = 20;
    for (int i = 0; i < 10; i++) {
        broker_node_stop(c, 1, BROKER_KILLED, 0);
        if (log_of(c, 1)->high_watermark < lowest) lowest = log_of(c, 1)->high_watermark;
        EXPECT_INT(log_of(c, 1)->end, 20);
        broker_node_start(c, 1);
        EXPECT_INT(log_of(c, 1)->high_watermark, 20);
    }
    EXPECT(lowest < 20 && lowest >= 12);
    broker_node_stop(c, 1, BROKER_SHUT_DOWN, 0);
    EXPECT_INT(log_of(c, 1)->high_watermark, 20);
    broker_cluster_free(c);
}

TEST(an_idle_follower_stays_in_the_isr) {
    struct broker_cluster *c = cluster(3, 1000, -1, NULL);
    create(c);
    append(c, 1);
    run_until(c, now_us + 300000000);
    EXPECT_INT(partition(c)->isr_count, 3);
    append(c, 1);
    run_until(c, now_us + 10);
    EXPECT_INT(partition(c)->isr_count, 3);
    run_until(c, now_us + 60000000);
    EXPECT_INT(partition(c)->isr_count, 3);
    EXPECT_INT(log_of(c, 3)->high_watermark, 2);
    broker_cluster_free(c);
}

TEST(a_killed_leader_is_replaced_when_its_session_ends) {
    struct broker_cluster *c = cluster(3, 1000, -1, NULL);
    create(c);
    append(c, 1);
    run_until(c, now_us + 10000);
    int32_t epoch = partition(c)->leader_epoch;
    broker_node_stop(c, 1, BROKER_KILLED, 0);
    run_until(c, now_us + 8900000);
    EXPECT_INT(partition(c)->leader, 1);
    EXPECT_INT(append(c, 1), KAFKA_NOT_LEADER_OR_FOLLOWER);
    run_until(c, now_us + 200000);
    EXPECT_INT(partition(c)->leader, 2);
    EXPECT_INT(partition(c)->leader_epoch, epoch + 1);
    EXPECT_INT(partition(c)->isr_count, 2);
    sequence--;
    EXPECT_INT(append(c, 1), 0);
    broker_node_start(c, 1);
    run_until(c, now_us + 10000);
    EXPECT_INT(log_of(c, 1)->end, 2);
    EXPECT_INT(log_of(c, 1)->high_watermark, 2);
    EXPECT_INT(partition(c)->isr_count, 3);
    EXPECT_INT(partition(c)->leader, 2);
    run_until(c, now_us + 301000000);  // auto.leader.rebalance.enable
    EXPECT_INT(partition(c)->leader, 1);
    broker_cluster_free(c);
}

TEST(a_clean_shutdown_hands_over_at_once) {
    struct broker_cluster *c = cluster(2, -1, -1, NULL);
    create(c);
    append(c, 1);
    broker_node_stop(c, 1, BROKER_SHUT_DOWN, 0);
    EXPECT_INT(partition(c)->leader, 2);
    EXPECT_INT(append(c, 1), 0);
    broker_cluster_free(c);
}

TEST(power_loss_takes_a_tail_that_comes_back_from_the_leader) {
    struct broker_cluster *c = cluster(2, -1, -1, NULL);
    create(c);
    for (int i = 0; i < 4; i++) append(c, 1);
    broker_node_stop(c, 2, BROKER_POWER_LOST, 3);
    EXPECT_INT(log_of(c, 2)->end, 1);
    EXPECT(log_of(c, 2)->high_watermark <= 1);
    broker_node_start(c, 2);
    EXPECT_INT(log_of(c, 2)->end, 4);
    EXPECT_INT(log_of(c, 2)->high_watermark, 4);
    EXPECT_INT(partition(c)->isr_count, 2);
    broker_cluster_free(c);
}

// KIP-966: who left an ISR that was too small to acknowledge anything holds all that was acknowledged.
TEST(who_left_a_small_isr_may_lead) {
    static const char *const settings[] = {"min.insync.replicas", "2", NULL};
    struct broker_cluster *c = cluster(3, -1, -1, settings);
    create(c);
    append(c, 3);
    broker_node_stop(c, 3, BROKER_SHUT_DOWN, 0);
    append(c, 1);
    broker_node_stop(c, 2, BROKER_SHUT_DOWN, 0);
    EXPECT_INT(partition(c)->isr_count, 1);
    EXPECT_INT(append_at(c, 1), 4);
    EXPECT_INT(log_of(c, 1)->high_watermark, 4);
    broker_node_stop(c, 1, BROKER_SHUT_DOWN, 0);
    broker_node_start(c, 3);
    EXPECT_INT(partition(c)->leader, BROKER_ID_NONE);
    broker_node_start(c, 2);
    EXPECT_INT(partition(c)->leader, 2);
    EXPECT_INT(log_of(c, 2)->end, 4);
    EXPECT_INT(partition(c)->isr_count, 2);
    broker_node_start(c, 1);
    EXPECT_INT(log_of(c, 1)->end, 4);
    EXPECT_INT(log_of(c, 3)->high_watermark, 4);
    broker_cluster_free(c);
}

// A broker that crashed may have lost what it acknowledged; only as the very last leader it is trusted again.
TEST(who_crashed_is_not_eligible_but_as_the_last_leader) {
    static const char *const settings[] = {"min.insync.replicas", "2", NULL};
    struct broker_cluster *c = cluster(2, -1, -1, settings);
    create(c);
    append(c, 1);
    broker_node_stop(c, 2, BROKER_KILLED, 0);
    run_until(c, now_us + 10000000);
    broker_node_stop(c, 1, BROKER_POWER_LOST, 0);
    run_until(c, now_us + 10000000);
    EXPECT_INT(partition(c)->leader, BROKER_ID_NONE);
    broker_node_start(c, 2);
    EXPECT_INT(partition(c)->leader, BROKER_ID_NONE);
    broker_node_start(c, 1);
    EXPECT_INT(partition(c)->leader, 1);
    EXPECT_INT(partition(c)->isr_count, 2);
    broker_cluster_free(c);
}

TEST(only_an_unclean_election_passes_the_last_of_the_isr) {
    struct broker_cluster *c = cluster(2, -1, -1, NULL);
    create(c);
    append(c, 1);
    broker_node_stop(c, 2, BROKER_SHUT_DOWN, 0);
    append(c, 1);
    EXPECT_INT(log_of(c, 1)->high_watermark, 2);
    broker_node_stop(c, 1, BROKER_SHUT_DOWN, 0);
    EXPECT_INT(partition(c)->leader, BROKER_ID_NONE);
    EXPECT_INT(partition(c)->isr_count, 0);
    broker_node_start(c, 2);
    EXPECT_INT(partition(c)->leader, BROKER_ID_NONE);
    EXPECT_INT(append(c, 1), KAFKA_NOT_LEADER_OR_FOLLOWER);
    EXPECT(!broker_leader_move(c, "t", 0, 2, false));
    EXPECT(broker_leader_move(c, "t", 0, 2, true));
    EXPECT_INT(partition(c)->leader, 2);
    EXPECT_INT(log_of(c, 2)->end, 1);
    broker_node_start(c, 1);
    EXPECT_INT(log_of(c, 1)->end, 1);  // what was acknowledged is gone: that is what unclean means
    EXPECT_INT(partition(c)->isr_count, 2);
    broker_cluster_free(c);
}

// Isolated from the controller, A goes on as the leader of its epoch; its followers have left it.
TEST(a_deposed_leader_goes_on_until_it_is_told) {
    struct broker_cluster *c = cluster(3, -1, -1, NULL);
    create(c);
    append(c, 1);
    int32_t epoch = partition(c)->leader_epoch;
    broker_node_isolate(c, 1, true);
    EXPECT(broker_leader_move(c, "t", 0, 2, false));
    EXPECT_INT(append_at(c, 1), 1);
    sequence--;
    EXPECT_INT(append_at(c, 2), 1);
    EXPECT_INT(log_of(c, 1)->high_watermark, 1);
    int16_t code;
    struct broker_node *a = broker_find_node(c, 1), *b = broker_find_node(c, 2);
    EXPECT(broker_leader_replica(a, partition(c), epoch, &code));
    EXPECT(!broker_leader_replica(a, partition(c), epoch + 1, &code));
    EXPECT_INT(code, KAFKA_UNKNOWN_LEADER_EPOCH);
    EXPECT(!broker_leader_replica(b, partition(c), epoch, &code));
    EXPECT_INT(code, KAFKA_FENCED_LEADER_EPOCH);
    EXPECT_INT(log_of(c, 3)->end, 2);
    EXPECT(broker_log_at(log_of(c, 3), 1) == broker_log_at(log_of(c, 2), 1));
    broker_node_isolate(c, 1, false);
    run_until(c, now_us);
    EXPECT(broker_log_at(log_of(c, 1), 1) == broker_log_at(log_of(c, 2), 1));
    EXPECT_INT(log_of(c, 2)->high_watermark, 2);
    EXPECT(!broker_leader_replica(a, partition(c), -1, &code));
    EXPECT_INT(code, KAFKA_NOT_LEADER_OR_FOLLOWER);
    broker_cluster_free(c);
}

TEST(an_isolated_leader_is_fenced_when_its_session_ends) {
    struct broker_cluster *c = cluster(3, 1000, -1, NULL);
    create(c);
    broker_node_isolate(c, 1, true);
    run_until(c, now_us + 9100000);
    EXPECT(partition(c)->leader != 1);
    EXPECT(!broker_isr_has(partition(c), 1));
    broker_node_isolate(c, 1, false);
    run_until(c, now_us + 10000);
    EXPECT(broker_isr_has(partition(c), 1));
    broker_cluster_free(c);
}

// What stood in a frozen leader's queue is executed when it wakes, minutes later, in its old belief; then it hears.
TEST(a_frozen_leader_wakes_as_a_zombie) {
    static uint8_t batch[4096];
    struct broker_cluster *c = cluster(3, 1000, -1, NULL);
    create(c);
    append(c, 1);
    run_until(c, now_us + 10000);
    struct client k;
    client_open(&k, c, 1, &now_us);
    broker_node_freeze(c, 1, true);
    struct produce_request_partition p = {.records = {batch, (int32_t)make_batch(batch, sizeof batch, 1)}};
    struct produce_request_topic t = {.name = client_text("t"), .partition_data = &p, .partition_data_count = 1};
    struct produce_request request;
    message_defaults(api_find(API_PRODUCE)->request, &request);
    request.acks = 1;
    request.timeout_ms = 1000;
    request.topic_data = &t;
    request.topic_data_count = 1;
    client_send(&k, API_PRODUCE, 9, &request);
    client_close(&k);
    run_until(c, now_us + 120000000);
    EXPECT_INT(partition(c)->leader, 2);
    EXPECT_INT(log_of(c, 1)->end, 1);
    broker_node_freeze(c, 1, false);
    broker_cluster_run(c, now_us, CLIENT_WALL_MS + now_us / 1000);
    EXPECT_INT(log_of(c, 1)->end, 2);
    EXPECT_INT(log_of(c, 2)->end, 1);
    run_until(c, now_us + 10000);
    EXPECT_INT(log_of(c, 1)->end, 1);
    EXPECT_INT(partition(c)->isr_count, 3);
    broker_cluster_free(c);
}

TEST(nodes_hear_late) {
    struct broker_cluster *c = cluster(2, -1, 5000, NULL);
    static const int32_t replicas[] = {1, 2};
    struct broker_topic_plan plan = {
        .name = client_text("t"), .partitions = 1, .replicas_count = 2, .replicas = replicas};
    broker_topic_new(c, &plan);
    int16_t code;
    struct broker_node *a = broker_find_node(c, 1), *b = broker_find_node(c, 2);
    EXPECT(!broker_leader_replica(a, partition(c), -1, &code));
    EXPECT_INT(code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    run_until(c, now_us + 5000);
    EXPECT(broker_leader_replica(a, partition(c), -1, &code));
    EXPECT(broker_leader_move(c, "t", 0, 2, false));
    EXPECT_INT(partition(c)->leader, 2);
    run_until(c, now_us + 4999);
    EXPECT(broker_leader_replica(a, partition(c), -1, &code));
    EXPECT(!broker_leader_replica(b, partition(c), -1, &code));
    run_until(c, now_us + 1);
    EXPECT(!broker_leader_replica(a, partition(c), -1, &code));
    EXPECT(broker_leader_replica(b, partition(c), -1, &code));
    broker_leader_move(c, "t", 0, 1, false);
    broker_node_isolate(c, 1, true);  // what is on its way does not arrive either
    run_until(c, now_us + 6000);
    EXPECT(!broker_leader_replica(a, partition(c), -1, &code));
    EXPECT(!broker_leader_replica(b, partition(c), -1, &code));
    broker_node_isolate(c, 1, false);
    run_until(c, now_us + 5000);
    EXPECT(broker_leader_replica(a, partition(c), -1, &code));
    broker_cluster_free(c);
}

struct heard {
    struct waiter waiter;
    const struct broker_replica *replica;
    int calls;
    int16_t last;
};

static void heard(struct waiter *w) {
    struct heard *h = CONTAINER_OF(w, struct heard, waiter);
    h->calls++;
    h->last = broker_replica_committed(h->replica, 1);
    if (h->last != KAFKA_REQUEST_TIMED_OUT) broker_wait_end(w);
}

TEST(waiters_hear_of_the_high_watermark_and_of_the_end) {
    struct broker_cluster *c = cluster(2, 1000, -1, NULL);
    create(c);
    int16_t code;
    struct broker_replica *leader = broker_leader_replica(broker_find_node(c, 1), partition(c), -1, &code);
    struct heard first = {.waiter = {.ready = heard}, .replica = leader}, second = first;
    broker_wait(leader, &first.waiter);
    append(c, 1);
    EXPECT_INT(first.last, KAFKA_REQUEST_TIMED_OUT);
    run_until(c, now_us + 5000);
    EXPECT_INT(first.last, KAFKA_NONE);
    EXPECT(!link_linked(&first.waiter.link));
    broker_wait(leader, &second.waiter);
    broker_topic_delete(c, "t");
    EXPECT_INT(second.last, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    EXPECT_INT(broker_topic_partitions(c, "t"), 0);
    broker_cluster_free(c);
}

// A follower that lacks what the leader deleted begins anew at its log start.
TEST(log_starts_are_followed) {
    struct broker_cluster *c = cluster(2, -1, -1, NULL);
    create(c);
    for (int i = 0; i < 5; i++) append(c, 1);
    int16_t code;
    struct broker_replica *leader = broker_leader_replica(broker_find_node(c, 1), partition(c), -1, &code);
    EXPECT_INT(broker_replica_low_watermark(leader), 0);
    broker_log_delete_below(&leader->log, 3);
    broker_replica_appended(leader);
    EXPECT_INT(log_of(c, 2)->start, 3);
    EXPECT_INT(broker_replica_low_watermark(leader), 3);
    broker_replica_hold(c, "t", 0, 2, true);
    for (int i = 0; i < 5; i++) append_at(c, 1);
    leader->log.high_watermark = 10;  // as if it had been the only one in sync
    broker_log_delete_below(&leader->log, 8);
    broker_replica_appended(leader);
    broker_replica_hold(c, "t", 0, 2, false);
    EXPECT_INT(log_of(c, 2)->start, 8);
    EXPECT_INT(log_of(c, 2)->end, 10);
    broker_cluster_free(c);
}

// Its own may have been higher, if the new leader had not heard of that one yet.
TEST(a_follower_has_its_leaders_high_watermark) {
    static const char *const settings[] = {"min.insync.replicas", "3", NULL};
    struct broker_cluster *c = cluster(3, 1000, -1, settings);
    create(c);
    append(c, 1);
    run_until(c, now_us + 2500);
    broker_replica_hold(c, "t", 0, 3, true);
    run_until(c, now_us + 10000);
    EXPECT_INT(log_of(c, 2)->high_watermark, 1);
    EXPECT(broker_leader_move(c, "t", 0, 3, false));
    broker_node_stop(c, 1, BROKER_SHUT_DOWN, 0);
    run_until(c, now_us + 10000);
    for (int32_t node = 2; node <= 3; node++) EXPECT_INT(log_of(c, node)->high_watermark, 0);
    broker_cluster_free(c);
}

int main(void) {
    RUN(without_delays_replicas_follow_at_once);
    RUN(high_watermarks_lag_by_rounds);
    RUN(an_acks_1_tail_is_lost_between_a_b_and_a);
    RUN(a_divergent_tail_is_replaced);
    RUN(the_isr_shrinks_and_grows);
    RUN(a_follower_that_is_behind_does_not_join_the_isr);
    RUN(a_follower_of_an_older_epoch_is_refused);
    RUN(a_crash_forgets_the_newest_high_watermark);
    RUN(an_idle_follower_stays_in_the_isr);
    RUN(a_killed_leader_is_replaced_when_its_session_ends);
    RUN(a_clean_shutdown_hands_over_at_once);
    RUN(power_loss_takes_a_tail_that_comes_back_from_the_leader);
    RUN(who_left_a_small_isr_may_lead);
    RUN(who_crashed_is_not_eligible_but_as_the_last_leader);
    RUN(only_an_unclean_election_passes_the_last_of_the_isr);
    RUN(a_deposed_leader_goes_on_until_it_is_told);
    RUN(an_isolated_leader_is_fenced_when_its_session_ends);
    RUN(a_frozen_leader_wakes_as_a_zombie);
    RUN(nodes_hear_late);
    RUN(waiters_hear_of_the_high_watermark_and_of_the_end);
    RUN(log_starts_are_followed);
    RUN(a_follower_has_its_leaders_high_watermark);
    return test_result();
}
