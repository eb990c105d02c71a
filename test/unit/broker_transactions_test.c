// Transactions of a modelled cluster, over the protocol: begun, ended, fenced, timed out, marked.
#include "coordinator_talk.h"
#include "unit/batches.h"

#define ID "payments"  // coordinated by partition 13 of 50
#define ID_PARTITION 13
#define TOPIC "orders"
#define GROUP "copier"
#define TIMEOUT_MS 60000

static struct talk t;
static const char *topic_name = TOPIC;  // of what is added to transactions

struct producer {
    int64_t id;
    int16_t epoch;
};

static void open_world(int32_t nodes) {
    talk_open(&t, nodes, NULL);
    broker_topic_create(t.c, TOPIC, 2, (int16_t)nodes, NULL);
    t.node = talk_find(&t, 0, ID, 1);
    client_close(&t.clients[0]);
}

static int16_t init_again(struct producer *p, const char *id, int16_t version, struct producer as) {
    struct init_producer_id_request r;
    struct init_producer_id_response answer;
    message_defaults(&init_producer_id_request_message, &r);
    r.transactional_id = client_text(id);
    r.transaction_timeout_ms = TIMEOUT_MS;
    r.producer_id = as.id;
    r.producer_epoch = as.epoch;
    talk_ask(&t, 0, API_INIT_PRODUCER_ID, version, &r, &answer);
    *p = (struct producer){answer.producer_id, answer.producer_epoch};
    return answer.error_code;
}

static int16_t init(struct producer *p) {
    return init_again(p, ID, 5, (struct producer){-1, -1});
}

static int16_t add(const struct producer *p, int32_t partition, int16_t version) {
    struct add_partitions_to_txn_request_topic topic = {client_text(topic_name), &partition, 1};
    struct add_partitions_to_txn_request r;
    struct add_partitions_to_txn_response answer;
    message_defaults(&add_partitions_to_txn_request_message, &r);
    r.v3_and_below_transactional_id = client_text(ID);
    r.v3_and_below_producer_id = p->id;
    r.v3_and_below_producer_epoch = p->epoch;
    r.v3_and_below_topics = &topic;
    r.v3_and_below_topics_count = 1;
    talk_ask(&t, 0, API_ADD_PARTITIONS_TO_TXN, version, &r, &answer);
    return answer.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code;
}

static int16_t verify(const struct producer *p, int32_t partition) {
    struct add_partitions_to_txn_request_topic topic = {client_text(topic_name), &partition, 1};
    struct add_partitions_to_txn_request_transaction one = {client_text(ID), p->id, p->epoch, true, &topic, 1};
    struct add_partitions_to_txn_request r;
    struct add_partitions_to_txn_response answer;
    message_defaults(&add_partitions_to_txn_request_message, &r);
    r.transactions = &one;
    r.transactions_count = 1;
    talk_ask(&t, 0, API_ADD_PARTITIONS_TO_TXN, 4, &r, &answer);
    return answer.results_by_transaction[0].topic_results[0].results_by_partition[0].partition_error_code;
}

static int16_t end_version(const struct producer *p, bool commit, int16_t version, struct producer *next) {
    struct end_txn_request r = {client_text(ID), p->id, p->epoch, commit};
    struct end_txn_response answer;
    talk_ask(&t, 0, API_END_TXN, version, &r, &answer);
    if (next) *next = (struct producer){answer.producer_id, answer.producer_epoch};
    return answer.error_code;
}

static int16_t end(const struct producer *p, bool commit) {
    return end_version(p, commit, 4, NULL);
}

static struct describe_transactions_response_transaction_state describe(void) {
    struct wire_text ids[1] = {client_text(ID)};
    struct describe_transactions_request r = {ids, 1};
    struct describe_transactions_response answer;
    talk_ask(&t, 0, API_DESCRIBE_TRANSACTIONS, 0, &r, &answer);
    return answer.transaction_states[0];
}

// The newest batch of the partition's leader; count of batches with it.
static struct batch_header newest(int32_t partition, size_t *count) {
    struct broker_truth truth;
    bool there = broker_partition_truth(t.c, TOPIC, partition, &truth);
    assert(there);
    (void)there;
    *count = truth.log->count;
    return *count ? broker_log_at(truth.log, *count - 1)->header : (struct batch_header){0};
}

TEST(producer_ids_without_a_transaction) {
    open_world(3);
    struct producer a, b;
    EXPECT_INT(init_again(&a, NULL, 5, (struct producer){-1, -1}), 0);
    EXPECT_INT(init_again(&b, NULL, 0, (struct producer){-1, -1}), 0);
    EXPECT_INT(a.epoch, 0);
    EXPECT_INT(b.id, a.id + 1);
    EXPECT_INT(init_again(&a, "", 5, (struct producer){-1, -1}), KAFKA_INVALID_REQUEST);
    EXPECT_INT(a.epoch, -1);
    EXPECT_INT(init_again(&a, ID, 5, (struct producer){4, -1}), KAFKA_INVALID_REQUEST);
    t.node = t.node % 3 + 1;
    client_close(&t.clients[0]);
    EXPECT_INT(init(&a), KAFKA_NOT_COORDINATOR);
    talk_close(&t);
}

TEST(commit_marks_every_partition) {
    open_world(3);
    struct producer p;
    EXPECT_INT(init(&p), 0);
    EXPECT_INT(p.epoch, 0);
    EXPECT(talk_is(describe().transaction_state, "Empty"));
    EXPECT_INT(end(&p, true), KAFKA_INVALID_TXN_STATE);
    EXPECT_INT(add(&p, 0, 3), 0);
    EXPECT_INT(add(&p, 1, 3), 0);
    EXPECT_INT(add(&p, 1, 3), 0);
    EXPECT_INT(add(&p, 2, 3), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    struct describe_transactions_response_transaction_state d = describe();
    EXPECT(talk_is(d.transaction_state, "Ongoing"));
    EXPECT_INT(d.topics[0].partitions_count, 2);
    EXPECT_INT(d.transaction_timeout_ms, TIMEOUT_MS);
    EXPECT_INT(end(&p, true), 0);
    talk_pass(&t, 1000);
    EXPECT(talk_is(describe().transaction_state, "CompleteCommit"));
    size_t count;
    for (int32_t partition = 0; partition < 2; partition++) {
        struct batch_header h = newest(partition, &count);
        EXPECT_INT(count, 1);
        EXPECT_INT(h.producer_id, p.id);
        EXPECT_INT(h.producer_epoch, 0);
        EXPECT(h.attributes & BATCH_ATTRIBUTE_CONTROL);
    }
    EXPECT_INT(end(&p, true), 0);  // the answer was lost
    EXPECT_INT(end(&p, false), KAFKA_INVALID_TXN_STATE);
    talk_close(&t);
}

TEST(new_producer_fences_the_former) {
    open_world(3);
    struct producer a, b;
    EXPECT_INT(init(&a), 0);
    EXPECT_INT(add(&a, 0, 3), 0);
    EXPECT_INT(init(&b), KAFKA_CONCURRENT_TRANSACTIONS);  // the former transaction is aborted first
    talk_pass(&t, 1000);
    EXPECT(talk_is(describe().transaction_state, "CompleteAbort"));
    size_t count;
    EXPECT_INT(newest(0, &count).producer_epoch, 1);
    EXPECT_INT(init(&b), 0);
    EXPECT_INT(b.id, a.id);
    EXPECT_INT(b.epoch, 2);
    EXPECT_INT(add(&a, 0, 3), KAFKA_PRODUCER_FENCED);
    EXPECT_INT(add(&a, 0, 1), KAFKA_INVALID_PRODUCER_EPOCH);
    EXPECT_INT(end(&a, true), KAFKA_PRODUCER_FENCED);
    EXPECT_INT(end_version(&a, true, 1, NULL), KAFKA_INVALID_PRODUCER_EPOCH);
    EXPECT_INT(verify(&a, 0), KAFKA_PRODUCER_FENCED);
    EXPECT_INT(verify(&b, 0), KAFKA_TRANSACTION_ABORTABLE);
    EXPECT_INT(add(&b, 0, 3), 0);
    EXPECT_INT(verify(&b, 0), 0);
    struct producer stranger = {a.id + 1, 0};
    EXPECT_INT(end(&stranger, true), KAFKA_INVALID_PRODUCER_ID_MAPPING);
    talk_close(&t);
}

TEST(producer_that_goes_on_says_who_it_was) {
    open_world(1);
    struct producer a, b, c;
    EXPECT_INT(init(&a), 0);
    EXPECT_INT(init_again(&b, ID, 5, a), 0);
    EXPECT_INT(b.epoch, a.epoch + 1);
    EXPECT_INT(init_again(&c, ID, 5, a), 0);  // had not heard the answer
    EXPECT_INT(c.epoch, b.epoch);
    EXPECT_INT(init_again(&c, ID, 5, b), 0);
    EXPECT_INT(init_again(&a, ID, 5, a), KAFKA_PRODUCER_FENCED);
    EXPECT_INT(init_again(&a, ID, 3, (struct producer){b.id, 0}), KAFKA_INVALID_PRODUCER_EPOCH);
    struct init_producer_id_request r;
    struct init_producer_id_response answer;
    message_defaults(&init_producer_id_request_message, &r);
    r.transactional_id = client_text(ID);
    r.transaction_timeout_ms = 900001;
    talk_ask(&t, 0, API_INIT_PRODUCER_ID, 5, &r, &answer);
    EXPECT_INT(answer.error_code, KAFKA_INVALID_TRANSACTION_TIMEOUT);
    talk_close(&t);
}

TEST(exhausted_epoch_gets_a_new_id) {
    open_world(1);
    struct producer p, next = {-1, -1};
    EXPECT_INT(init(&p), 0);
    for (int epoch = 1; epoch < INT16_MAX; epoch++) EXPECT_INT(init(&next), 0);
    EXPECT_INT(next.id, p.id);
    EXPECT_INT(next.epoch, INT16_MAX - 1);
    struct producer former = {p.id, INT16_MAX - 2};
    EXPECT_INT(init_again(&former, ID, 5, former), KAFKA_UNKNOWN_SERVER_ERROR);
    EXPECT_INT(init(&next), 0);
    EXPECT(next.id != p.id);
    EXPECT_INT(next.epoch, 0);
    talk_close(&t);
}

TEST(slow_transaction_is_aborted) {
    open_world(3);
    struct producer p;
    EXPECT_INT(init(&p), 0);
    EXPECT_INT(add(&p, 0, 3), 0);
    talk_pass(&t, TIMEOUT_MS - 1000);
    EXPECT(talk_is(describe().transaction_state, "Ongoing"));
    talk_pass(&t, 12000);
    EXPECT(talk_is(describe().transaction_state, "CompleteAbort"));
    EXPECT_INT(describe().producer_epoch, 1);
    EXPECT_INT(end(&p, true), KAFKA_PRODUCER_FENCED);
    EXPECT_INT(add(&p, 0, 3), KAFKA_PRODUCER_FENCED);
    talk_close(&t);
}

TEST(marker_that_is_not_replicated_holds_the_end_back) {
    open_world(3);
    struct broker_truth truth;
    EXPECT(broker_partition_truth(t.c, TOPIC, 0, &truth));
    struct producer p;
    EXPECT_INT(init(&p), 0);
    EXPECT_INT(add(&p, 0, 3), 0);
    for (int32_t n = 1; n <= 3; n++)
        if (n != truth.leader) broker_replica_hold(t.c, TOPIC, 0, n, true);
    EXPECT_INT(end(&p, true), 0);
    talk_pass(&t, 2000);
    EXPECT(talk_is(describe().transaction_state, "PrepareCommit"));
    EXPECT_INT(add(&p, 1, 3), KAFKA_CONCURRENT_TRANSACTIONS);
    EXPECT_INT(end(&p, true), KAFKA_CONCURRENT_TRANSACTIONS);
    EXPECT_INT(init(&p), KAFKA_CONCURRENT_TRANSACTIONS);
    for (int32_t n = 1; n <= 3; n++) broker_replica_hold(t.c, TOPIC, 0, n, false);
    talk_pass(&t, 1000);
    EXPECT(talk_is(describe().transaction_state, "CompleteCommit"));
    talk_close(&t);
}

TEST(partition_without_a_leader_holds_the_end_back) {
    open_world(3);
    broker_topic_create(t.c, "lonely", 3, 1, NULL);  // one partition on each node
    topic_name = "lonely";
    struct broker_truth truth;
    struct producer p;
    int32_t partition = -1;
    do {
        bool there = broker_partition_truth(t.c, "lonely", ++partition, &truth);
        EXPECT(there);
    } while (truth.leader == t.node);
    int32_t gone = truth.leader;
    EXPECT_INT(init(&p), 0);
    EXPECT_INT(add(&p, partition, 3), 0);
    broker_node_stop(t.c, gone, BROKER_SHUT_DOWN, 0);
    talk_pass(&t, 1000);
    EXPECT_INT(end(&p, true), 0);
    talk_pass(&t, 30000);
    EXPECT(talk_is(describe().transaction_state, "PrepareCommit"));
    broker_node_start(t.c, gone);
    talk_pass(&t, 2000);
    EXPECT(talk_is(describe().transaction_state, "CompleteCommit"));
    topic_name = TOPIC;
    talk_close(&t);
}

TEST(next_coordinator_ends_what_was_prepared_once_more) {
    open_world(3);
    struct broker_truth truth;
    struct producer p;
    size_t count;
    EXPECT_INT(init(&p), 0);
    EXPECT_INT(add(&p, 0, 3), 0);
    EXPECT(broker_partition_truth(t.c, TOPIC, 0, &truth));
    for (int32_t n = 1; n <= 3; n++)
        if (n != truth.leader) broker_replica_hold(t.c, TOPIC, 0, n, true);
    EXPECT_INT(end(&p, false), 0);
    talk_pass(&t, 100);
    newest(0, &count);
    EXPECT_INT(count, 1);  // written, not replicated: the coordinator has no answer
    int32_t other = t.node % 3 + 1;
    EXPECT(broker_leader_move(t.c, "__transaction_state", ID_PARTITION, other, false));
    talk_pass(&t, 100);
    for (int32_t n = 1; n <= 3; n++) broker_replica_hold(t.c, TOPIC, 0, n, false);
    talk_pass(&t, 1000);
    client_close(&t.clients[0]);
    t.node = other;
    EXPECT(talk_is(describe().transaction_state, "CompleteAbort"));
    newest(0, &count);
    EXPECT_INT(count, 2);
    EXPECT_INT(add(&p, 0, 3), 0);
    talk_close(&t);
}

TEST(markers_are_doubled_on_request) {
    open_world(1);
    broker_double_markers(t.c, 1000);
    struct producer p;
    size_t count;
    EXPECT_INT(init(&p), 0);
    EXPECT_INT(add(&p, 0, 3), 0);
    EXPECT_INT(end(&p, true), 0);
    talk_pass(&t, 1050);
    newest(0, &count);
    EXPECT(count >= 3);
    EXPECT(talk_is(describe().transaction_state, "PrepareCommit"));
    broker_double_markers(t.c, 0);
    talk_pass(&t, 200);
    EXPECT(talk_is(describe().transaction_state, "CompleteCommit"));
    talk_close(&t);
}

// A batch of one record to a partition of TOPIC, by a client of its leader.
static void send_records(const struct producer *p, int32_t partition, int16_t version) {
    static struct buffer scratch = {.size_max = MiB};
    struct broker_truth truth;
    bool there = broker_partition_truth(t.c, TOPIC, partition, &truth);
    assert(there);
    (void)there;
    struct test_batch b = PLAIN_BATCH;
    b.attributes = BATCH_ATTRIBUTE_TRANSACTIONAL;
    b.producer_id = p->id;
    b.producer_epoch = p->epoch;
    b.base_sequence = 0;
    struct bytes records = test_batch_write(&scratch, &b, &(struct test_record){"k", "v", CLIENT_WALL_MS}, 1);
    struct produce_request_partition one = {partition, {records.at, (int32_t)records.size}};
    struct produce_request_topic topic = {.name = client_text(TOPIC), .partition_data = &one};
    topic.partition_data_count = 1;
    struct produce_request r;
    message_defaults(&produce_request_message, &r);
    r.transactional_id = client_text(ID);
    r.acks = -1;
    r.timeout_ms = 1000;
    r.topic_data = &topic;
    r.topic_data_count = 1;
    int32_t node = t.node;
    if (t.clients[2].connection) client_close(&t.clients[2]);
    t.node = truth.leader;
    talk_send(&t, 2, API_PRODUCE, version, &r);
    t.node = node;
}

// The error code; -1: no answer yet.
static int16_t records_taken(int16_t version) {
    struct produce_response answer;
    if (!talk_take(&t, 2, API_PRODUCE, version, &answer)) return -1;
    return answer.responses[0].partition_responses[0].error_code;
}

static int16_t write_records(const struct producer *p, int32_t partition, int16_t version) {
    send_records(p, partition, version);
    talk_pass(&t, 10);
    return records_taken(version);
}

TEST(second_version_adds_what_is_written_to) {
    open_world(3);
    struct producer p, former;
    EXPECT_INT(init(&p), 0);
    EXPECT_INT(write_records(&p, 0, 10), KAFKA_INVALID_TXN_STATE);
    EXPECT_INT(write_records(&p, 0, 11), KAFKA_TRANSACTION_ABORTABLE);
    EXPECT_INT(write_records(&p, 0, 12), 0);
    EXPECT_INT(write_records(&p, 1, 12), 0);
    EXPECT_INT(describe().topics[0].partitions_count, 2);
    former = p;
    EXPECT_INT(end_version(&former, true, 5, &p), 0);
    talk_pass(&t, 1000);
    size_t count;
    EXPECT_INT(newest(1, &count).producer_epoch, 1);
    EXPECT_INT(count, 2);
    EXPECT_INT(write_records(&former, 0, 12), KAFKA_INVALID_PRODUCER_EPOCH);
    talk_close(&t);
}

// ReplicaManager.handleProduceAppend asks again for 100 ms.
TEST(next_transaction_waits_for_the_markers_of_the_last) {
    open_world(3);
    struct broker_truth truth;
    EXPECT(broker_partition_truth(t.c, TOPIC, 0, &truth));
    struct producer p;
    EXPECT_INT(init(&p), 0);
    EXPECT_INT(write_records(&p, 0, 12), 0);
    for (int32_t n = 1; n <= 3; n++)
        if (n != truth.leader) broker_replica_hold(t.c, TOPIC, 0, n, true);
    EXPECT_INT(end_version(&p, true, 5, &p), 0);
    send_records(&p, 1, 12);
    talk_pass(&t, 90);
    EXPECT_INT(records_taken(12), -1);
    talk_pass(&t, 30);
    EXPECT_INT(records_taken(12), KAFKA_CONCURRENT_TRANSACTIONS);
    send_records(&p, 1, 12);
    talk_pass(&t, 50);
    for (int32_t n = 1; n <= 3; n++) broker_replica_hold(t.c, TOPIC, 0, n, false);
    talk_pass(&t, 45);
    EXPECT_INT(records_taken(12), 0);
    talk_close(&t);
}

TEST(broker_that_stops_forgets_who_waits_for_the_coordinator) {
    open_world(3);
    struct broker_truth truth;
    struct producer p;
    int32_t partition = -1;
    do EXPECT(broker_partition_truth(t.c, TOPIC, ++partition, &truth));
    while (truth.leader == t.node);
    EXPECT_INT(init(&p), 0);
    for (int32_t n = 1; n <= 3; n++)
        if (n != t.node) broker_replica_hold(t.c, "__transaction_state", ID_PARTITION, n, true);
    send_records(&p, partition, 12);
    talk_pass(&t, 50);
    EXPECT_INT(records_taken(12), -1);
    broker_node_stop(t.c, truth.leader, BROKER_SHUT_DOWN, 0);
    for (int32_t n = 1; n <= 3; n++) broker_replica_hold(t.c, "__transaction_state", ID_PARTITION, n, false);
    talk_pass(&t, 1000);
    EXPECT(talk_is(describe().transaction_state, "Ongoing"));
    talk_close(&t);
}

TEST(second_version_raises_the_epoch_with_each_end) {
    open_world(1);
    struct producer p, next;
    EXPECT_INT(init(&p), 0);
    EXPECT_INT(add(&p, 0, 3), 0);
    EXPECT_INT(end_version(&p, true, 5, &next), 0);
    EXPECT_INT(next.epoch, 1);
    talk_pass(&t, 10);
    struct producer again;
    EXPECT_INT(end_version(&p, true, 5, &again), 0);  // the answer was lost
    EXPECT_INT(again.epoch, 1);
    EXPECT_INT(end_version(&p, false, 5, &again), KAFKA_INVALID_TXN_STATE);
    EXPECT_INT(end_version(&next, true, 5, &again), KAFKA_INVALID_TXN_STATE);
    EXPECT_INT(end_version(&next, false, 5, &again), 0);  // nothing was begun: raises it all the same
    EXPECT_INT(again.epoch, 2);
    size_t count;
    EXPECT_INT(newest(0, &count).producer_epoch, 1);
    talk_close(&t);
}

static int16_t commit_offset(const struct producer *p, int64_t offset, int16_t version) {
    struct txn_offset_commit_request_partition partition = {0, offset, -1, client_text("")};
    struct txn_offset_commit_request_topic topic = {client_text(TOPIC), &partition, 1};
    struct txn_offset_commit_request r;
    struct txn_offset_commit_response answer;
    message_defaults(&txn_offset_commit_request_message, &r);
    r.transactional_id = client_text(ID);
    r.group_id = client_text(GROUP);
    r.producer_id = p->id;
    r.producer_epoch = p->epoch;
    r.topics = &topic;
    r.topics_count = 1;
    talk_ask(&t, 1, API_TXN_OFFSET_COMMIT, version, &r, &answer);
    return answer.topics[0].partitions[0].error_code;
}

static int64_t fetch_offset(bool stable) {
    int32_t index = 0;
    struct offset_fetch_request_topic topic = {client_text(TOPIC), &index, 1};
    struct offset_fetch_request r;
    struct offset_fetch_response answer;
    message_defaults(&offset_fetch_request_message, &r);
    r.group_id = client_text(GROUP);
    r.topics = &topic;
    r.topics_count = 1;
    r.require_stable = stable;
    talk_ask(&t, 1, API_OFFSET_FETCH, 7, &r, &answer);
    int16_t error_code = answer.topics[0].partitions[0].error_code;
    return error_code ? -1000 - error_code : answer.topics[0].partitions[0].committed_offset;
}

static int16_t add_offsets(const struct producer *p) {
    struct add_offsets_to_txn_request r = {client_text(ID), p->id, p->epoch, client_text(GROUP)};
    struct add_offsets_to_txn_response answer;
    talk_ask(&t, 0, API_ADD_OFFSETS_TO_TXN, 3, &r, &answer);
    return answer.error_code;
}

TEST(offsets_count_when_their_transaction_commits) {
    open_world(1);
    talk_find(&t, 1, GROUP, 0);
    struct producer p;
    EXPECT_INT(init(&p), 0);
    EXPECT_INT(commit_offset(&p, 5, 3), KAFKA_INVALID_TXN_STATE);
    EXPECT_INT(commit_offset(&p, 5, 4), KAFKA_TRANSACTION_ABORTABLE);
    EXPECT_INT(add_offsets(&p), 0);
    EXPECT_INT(commit_offset(&p, 5, 3), 0);
    EXPECT_INT(fetch_offset(false), -1);
    EXPECT_INT(fetch_offset(true), -1000 - KAFKA_UNSTABLE_OFFSET_COMMIT);
    EXPECT_INT(end(&p, true), 0);
    talk_pass(&t, 10);
    EXPECT_INT(fetch_offset(true), 5);
    EXPECT_INT(add_offsets(&p), 0);
    EXPECT_INT(commit_offset(&p, 6, 3), 0);
    EXPECT_INT(end(&p, false), 0);
    talk_pass(&t, 10);
    EXPECT_INT(fetch_offset(true), 5);
    struct producer former = p;
    EXPECT_INT(init(&p), 0);
    EXPECT_INT(add_offsets(&p), 0);
    EXPECT_INT(commit_offset(&p, 7, 3), 0);
    EXPECT_INT(commit_offset(&former, 8, 3), KAFKA_INVALID_PRODUCER_EPOCH);
    talk_close(&t);
}

TEST(offsets_join_a_transaction_of_the_second_version) {
    open_world(1);
    talk_find(&t, 1, GROUP, 0);
    struct producer p, former;
    EXPECT_INT(init(&p), 0);
    EXPECT_INT(commit_offset(&p, 5, 5), 0);
    EXPECT_INT(fetch_offset(true), -1000 - KAFKA_UNSTABLE_OFFSET_COMMIT);
    former = p;
    EXPECT_INT(end_version(&former, true, 5, &p), 0);
    talk_pass(&t, 10);
    EXPECT_INT(fetch_offset(true), 5);
    EXPECT_INT(commit_offset(&former, 6, 5), KAFKA_INVALID_PRODUCER_EPOCH);
    EXPECT_INT(commit_offset(&p, 7, 5), 0);
    talk_close(&t);
}

TEST(offsets_of_a_deleted_topic_do_not_come_back) {
    open_world(1);
    talk_find(&t, 1, GROUP, 0);
    struct producer p, former;
    EXPECT_INT(init(&former), 0);
    EXPECT_INT(commit_offset(&former, 5, 5), 0);
    broker_topic_delete(t.c, TOPIC);
    talk_pass(&t, 10);
    EXPECT_INT(fetch_offset(true), -1);
    EXPECT_INT(end_version(&former, true, 5, &p), 0);
    talk_pass(&t, 10);
    EXPECT_INT(fetch_offset(true), -1);
    talk_close(&t);
}

TEST(listing) {
    open_world(1);
    struct producer p;
    EXPECT_INT(init(&p), 0);
    struct wire_text states[2] = {client_text("Ongoing"), client_text("Wonderful")};
    struct list_transactions_request r;
    struct list_transactions_response answer;
    message_defaults(&list_transactions_request_message, &r);
    talk_ask(&t, 0, API_LIST_TRANSACTIONS, 1, &r, &answer);
    EXPECT_INT(answer.transaction_states_count, 1);
    EXPECT(talk_is(answer.transaction_states[0].transaction_state, "Empty"));
    r.state_filters = states;
    r.state_filters_count = 2;
    talk_ask(&t, 0, API_LIST_TRANSACTIONS, 1, &r, &answer);
    EXPECT_INT(answer.transaction_states_count, 0);
    EXPECT_INT(answer.unknown_state_filters_count, 1);
    EXPECT(talk_is(answer.unknown_state_filters[0], "Wonderful"));
    talk_close(&t);
}

int main(void) {
    RUN(producer_ids_without_a_transaction);
    RUN(commit_marks_every_partition);
    RUN(new_producer_fences_the_former);
    RUN(producer_that_goes_on_says_who_it_was);
    RUN(exhausted_epoch_gets_a_new_id);
    RUN(slow_transaction_is_aborted);
    RUN(marker_that_is_not_replicated_holds_the_end_back);
    RUN(partition_without_a_leader_holds_the_end_back);
    RUN(next_coordinator_ends_what_was_prepared_once_more);
    RUN(markers_are_doubled_on_request);
    RUN(second_version_adds_what_is_written_to);
    RUN(next_transaction_waits_for_the_markers_of_the_last);
    RUN(broker_that_stops_forgets_who_waits_for_the_coordinator);
    RUN(second_version_raises_the_epoch_with_each_end);
    RUN(offsets_count_when_their_transaction_commits);
    RUN(offsets_join_a_transaction_of_the_second_version);
    RUN(offsets_of_a_deleted_topic_do_not_come_back);
    RUN(listing);
    return test_result();
}
