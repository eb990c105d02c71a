// What a modelled broker answers to Produce and WriteTxnMarkers.
#include "unit/broker_talk.h"

#define TXN BATCH_ATTRIBUTE_TRANSACTIONAL

static struct talk t;

static struct produce_response_partition *produce(int32_t node, struct talk_produce how, struct bytes records) {
    return talk_produce(&t, node, &how, "t", records);
}

static struct talk_produce acks(int16_t n) {
    struct talk_produce how = TALK_PRODUCE;
    how.acks = n;
    return how;
}

static struct talk_produce version(int16_t v) {
    struct talk_produce how = TALK_PRODUCE;
    how.version = v;
    return how;
}

static void open(void) {
    talk_open(&t, NULL);
    talk_topic(&t, "t", NULL);
}

TEST(each_record_gets_its_offset) {
    open();
    struct produce_response_partition *a = produce(1, TALK_PRODUCE, talk_batch(&t, 3));
    EXPECT(a);
    EXPECT_INT(a->error_code, KAFKA_NONE);
    EXPECT_INT(a->base_offset, 0);
    EXPECT_INT(a->log_append_time_ms, -1);
    EXPECT_INT(a->log_start_offset, 0);
    EXPECT_INT(a->record_errors_count, 0);
    EXPECT_INT(a->error_message.size, -1);
    a = produce(1, acks(1), talk_batch(&t, 1));
    EXPECT_INT(a->base_offset, 3);
    struct broker_truth truth;
    EXPECT(broker_partition_truth(t.c, "t", 0, &truth));
    EXPECT_INT(truth.log->end, 4);
    talk_close(&t);
}

TEST(acks_are_none_one_or_all) {
    open();
    struct produce_response_partition *a = produce(1, acks(2), talk_batch(&t, 1));
    EXPECT_INT(a->error_code, KAFKA_INVALID_REQUIRED_ACKS);
    EXPECT_INT(a->base_offset, -1);
    EXPECT_INT(a->log_start_offset, -1);
    EXPECT(!produce(1, acks(0), talk_batch(&t, 1)));
    EXPECT(!broker_connection_closing(talk_client(&t, 1)->connection));
    EXPECT_INT(broker_replica_log(t.c, "t", 0, 1)->end, 1);
    // The only way to tell such a producer that something is wrong.
    EXPECT(!produce(2, acks(0), talk_batch(&t, 1)));
    EXPECT(broker_connection_closing(talk_client(&t, 2)->connection));
    talk_close(&t);
}

// As where a disk is full, until something makes room.
TEST(what_does_not_fit_is_refused) {
    open();
    broker_cluster_limit_data(t.c, 1000);
    EXPECT_INT(produce(1, TALK_PRODUCE, talk_batch(&t, 100))->error_code, KAFKA_NONE);
    struct produce_response_partition *a = produce(1, TALK_PRODUCE, talk_batch(&t, 1));
    EXPECT_INT(a->error_code, KAFKA_KAFKA_STORAGE_ERROR);
    EXPECT_INT(a->log_start_offset, -1);
    EXPECT_INT(broker_replica_log(t.c, "t", 0, 1)->end, 100);
    broker_log_begin(t.c, "t", 0, 100);
    EXPECT_INT(produce(1, TALK_PRODUCE, talk_batch(&t, 1))->error_code, KAFKA_NONE);
    talk_close(&t);
}

TEST(who_does_not_lead_says_who_does) {
    open();
    struct talk_produce how = version(10);
    void *request = talk_produce_request(&t, &how, "t", talk_batch(&t, 1));
    struct produce_response *r = talk_ask(&t, 2, API_PRODUCE, 10, request);
    struct produce_response_partition *a = r->responses[0].partition_responses;
    EXPECT_INT(a->error_code, KAFKA_NOT_LEADER_OR_FOLLOWER);
    EXPECT_INT(a->current_leader.leader_id, 1);
    EXPECT(a->current_leader.leader_epoch >= 0);
    EXPECT_INT(r->node_endpoints_count, 1);
    EXPECT_INT(r->node_endpoints[0].node_id, 1);
    EXPECT_INT(r->node_endpoints[0].port, 19092);
    EXPECT_INT(r->node_endpoints[0].rack.size, -1);
    how = version(9);
    r = talk_ask(&t, 2, API_PRODUCE, 9, talk_produce_request(&t, &how, "t", talk_batch(&t, 1)));
    EXPECT_INT(r->responses[0].partition_responses[0].error_code, KAFKA_NOT_LEADER_OR_FOLLOWER);
    talk_close(&t);
}

TEST(unknown_partitions_topics_and_ids) {
    open();
    struct talk_produce how = TALK_PRODUCE;
    how.index = 9;
    EXPECT_INT(produce(1, how, talk_batch(&t, 1))->error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    how = TALK_PRODUCE;
    EXPECT_INT(talk_produce(&t, 1, &how, "none", talk_batch(&t, 1))->error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    EXPECT_INT(produce(1, version(13), talk_batch(&t, 1))->error_code, KAFKA_UNKNOWN_TOPIC_ID);
    talk_close(&t);
}

TEST(exactly_one_batch_of_the_new_format) {
    open();
    EXPECT_INT(produce(1, TALK_PRODUCE, (struct bytes){NULL, 0})->error_code, KAFKA_INVALID_RECORD);
    struct bytes one = talk_batch(&t, 1);
    uint8_t two[400];
    memcpy(two, one.at, one.size);
    memcpy(two + one.size, one.at, one.size);
    EXPECT_INT(produce(1, TALK_PRODUCE, (struct bytes){two, 2 * one.size})->error_code, KAFKA_INVALID_RECORD);
    EXPECT_INT(produce(1, TALK_PRODUCE, (struct bytes){two, one.size - 1})->error_code, KAFKA_INVALID_RECORD);
    EXPECT_INT(produce(1, TALK_PRODUCE, (struct bytes){two, one.size + 20})->error_code, KAFKA_NONE);
    two[BATCH_AT_MAGIC] = 1;
    EXPECT_INT(produce(1, TALK_PRODUCE, (struct bytes){two, one.size})->error_code, KAFKA_INVALID_RECORD);
    two[BATCH_AT_MAGIC] = 3;
    EXPECT_INT(produce(1, TALK_PRODUCE, (struct bytes){two, one.size})->error_code, KAFKA_CORRUPT_MESSAGE);
    two[BATCH_AT_MAGIC] = 2;
    two[one.size - 1] ^= 1;
    EXPECT_INT(produce(1, TALK_PRODUCE, (struct bytes){two, one.size})->error_code, KAFKA_CORRUPT_MESSAGE);
    talk_close(&t);
}

static void set_attributes(struct bytes batch, int16_t attributes) {
    store_be16((uint8_t *)batch.at + BATCH_AT_ATTRIBUTES, (uint16_t)attributes);
}

// A batch that says it is only so long.
static struct bytes cut(struct bytes batch, size_t size) {
    store_be32((uint8_t *)batch.at + BATCH_AT_LENGTH, (uint32_t)size - BATCH_AT_LEADER_EPOCH);
    return (struct bytes){batch.at, size};
}

TEST(what_a_broker_stumbles_over_is_refused_as_a_whole) {
    open();
    struct bytes one = talk_batch(&t, 1);
    set_attributes(one, 7);  // no codec
    EXPECT_INT(produce(1, version(7), one)->error_code, KAFKA_CORRUPT_MESSAGE);  // of its CRC
    EXPECT_INT(produce(1, version(6), one)->error_code, KAFKA_UNKNOWN_SERVER_ERROR);
    EXPECT_INT(produce(1, TALK_PRODUCE, cut(talk_batch(&t, 1), BATCH_AT_PRODUCER_EPOCH))->error_code,
               KAFKA_CORRUPT_MESSAGE);
    EXPECT_INT(produce(1, TALK_PRODUCE, cut(talk_batch(&t, 1), BATCH_AT_PRODUCER_EPOCH - 1))->error_code,
               KAFKA_UNKNOWN_SERVER_ERROR);
    one = talk_batch(&t, 1);
    set_attributes(one, BATCH_ATTRIBUTE_TRANSACTIONAL);
    EXPECT_INT(produce(1, TALK_PRODUCE, one)->error_code, KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    ((uint8_t *)one.at)[BATCH_AT_MAGIC] = 1;  // which knows no transactions
    EXPECT_INT(produce(1, TALK_PRODUCE, one)->error_code, KAFKA_INVALID_RECORD);
    talk_close(&t);
}

TEST(sequences_and_repeats) {
    open();
    EXPECT_INT(produce(1, TALK_PRODUCE, talk_producer_batch(&t, 0, 5, 0, 10, 4))->base_offset, 0);
    EXPECT_INT(produce(1, TALK_PRODUCE, talk_producer_batch(&t, 0, 5, 0, 15, 1))->error_code,
               KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    struct produce_response_partition *a = produce(1, TALK_PRODUCE, talk_producer_batch(&t, 0, 5, 0, 10, 4));
    EXPECT_INT(a->error_code, KAFKA_NONE);
    EXPECT_INT(a->base_offset, 0);
    EXPECT_INT(broker_replica_log(t.c, "t", 0, 1)->end, 4);
    a = produce(1, TALK_PRODUCE, talk_producer_batch(&t, 0, 5, -1, 14, 1));
    EXPECT(a->error_code != KAFKA_NONE);
    talk_close(&t);
}

TEST(all_acks_wait_for_the_high_watermark) {
    open();
    broker_replica_hold(t.c, "t", 0, 3, true);
    struct talk_produce how = TALK_PRODUCE;
    struct client *k = talk_connect(&t, 1);
    talk_send(&t, k, API_PRODUCE, 9, talk_produce_request(&t, &how, "t", talk_batch(&t, 2)));
    EXPECT(!talk_receive(k, API_PRODUCE, 9));
    talk_pass(&t, 999);
    EXPECT(!talk_receive(k, API_PRODUCE, 9));
    talk_pass(&t, 2);
    struct produce_response *r = talk_receive(k, API_PRODUCE, 9);
    EXPECT(r);
    EXPECT_INT(r->responses[0].partition_responses[0].error_code, KAFKA_REQUEST_TIMED_OUT);
    EXPECT_INT(r->responses[0].partition_responses[0].base_offset, 0);
    // The repeat waits for the same records.
    talk_send(&t, k, API_PRODUCE, 9, talk_produce_request(&t, &how, "t", talk_producer_batch(&t, 0, 5, 0, 0, 2)));
    struct client *other = talk_connect(&t, 1);
    talk_send(&t, other, API_PRODUCE, 9, talk_produce_request(&t, &how, "t", talk_producer_batch(&t, 0, 5, 0, 0, 2)));
    EXPECT(!talk_receive(other, API_PRODUCE, 9));
    broker_replica_hold(t.c, "t", 0, 3, false);
    talk_run(&t);
    r = talk_receive(other, API_PRODUCE, 9);
    EXPECT(r);
    EXPECT_INT(r->responses[0].partition_responses[0].error_code, KAFKA_NONE);
    EXPECT_INT(r->responses[0].partition_responses[0].base_offset, 2);
    EXPECT(talk_receive(k, API_PRODUCE, 9));
    EXPECT_INT(broker_replica_log(t.c, "t", 0, 1)->high_watermark, 4);
    talk_close(&t);
}

TEST(a_deposed_leader_answers_at_once) {
    open();
    broker_replica_hold(t.c, "t", 0, 3, true);
    struct talk_produce how = version(10);
    struct client *k = talk_connect(&t, 1);
    talk_send(&t, k, API_PRODUCE, 10, talk_produce_request(&t, &how, "t", talk_batch(&t, 2)));
    EXPECT(!talk_receive(k, API_PRODUCE, 10));
    EXPECT(broker_leader_move(t.c, "t", 0, 2, false));
    talk_run(&t);
    struct produce_response *r = talk_receive(k, API_PRODUCE, 10);
    EXPECT(r);
    EXPECT_INT(r->responses[0].partition_responses[0].error_code, KAFKA_NOT_LEADER_OR_FOLLOWER);
    EXPECT_INT(r->responses[0].partition_responses[0].base_offset, 0);
    EXPECT_INT(r->responses[0].partition_responses[0].current_leader.leader_id, 2);
    talk_close(&t);
}

TEST(too_few_in_sync) {
    const char *const settings[] = {"min.insync.replicas", "2", NULL};
    talk_open(&t, NULL);
    talk_topic(&t, "t", settings);
    produce(1, TALK_PRODUCE, talk_batch(&t, 1));
    broker_node_stop(t.c, 2, BROKER_SHUT_DOWN, 0);
    broker_node_stop(t.c, 3, BROKER_SHUT_DOWN, 0);
    talk_pass(&t, 60000);
    struct produce_response_partition *a = produce(1, TALK_PRODUCE, talk_batch(&t, 1));
    EXPECT_INT(a->error_code, KAFKA_NOT_ENOUGH_REPLICAS);
    EXPECT_INT(a->log_start_offset, 0);
    EXPECT_INT(a->base_offset, -1);
    EXPECT_INT(produce(1, acks(1), talk_batch(&t, 1))->error_code, KAFKA_NONE);
    talk_close(&t);
}

TEST(transactional_records_need_an_id) {
    open();
    struct produce_response_partition *a = produce(1, TALK_PRODUCE, talk_producer_batch(&t, TXN, 5, 0, 0, 1));
    EXPECT_INT(a->error_code, KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    EXPECT_INT(a->log_append_time_ms, -1);
    EXPECT_INT(broker_replica_log(t.c, "t", 0, 1)->end, 0);
    talk_close(&t);
}

static int16_t add_partition(int64_t producer_id, int16_t epoch) {
    int32_t zero = 0;
    struct add_partitions_to_txn_request r;
    message_defaults(&add_partitions_to_txn_request_message, &r);
    struct add_partitions_to_txn_request_topic of = {client_text("t"), &zero, 1};
    r.v3_and_below_transactional_id = client_text("txn");
    r.v3_and_below_producer_id = producer_id;
    r.v3_and_below_producer_epoch = epoch;
    r.v3_and_below_topics = &of;
    r.v3_and_below_topics_count = 1;
    int16_t error_code = KAFKA_NOT_COORDINATOR;
    for (int32_t node = 1; node <= TALK_NODES && error_code == KAFKA_NOT_COORDINATOR; node++) {
        struct add_partitions_to_txn_response *a = talk_ask(&t, node, API_ADD_PARTITIONS_TO_TXN, 3, &r);
        error_code = a->results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code;
    }
    return error_code;
}

// A producer id for the transactional id "txn", from whichever node coordinates it.
static int64_t init_producer(void) {
    struct find_coordinator_request f;
    message_defaults(&find_coordinator_request_message, &f);
    f.key = client_text("txn");
    f.key_type = 1;
    talk_ask(&t, 1, API_FIND_COORDINATOR, 2, &f);  // makes the coordinators' topic
    talk_pass(&t, 1000);
    struct init_producer_id_request r;
    message_defaults(&init_producer_id_request_message, &r);
    r.transactional_id = client_text("txn");
    r.transaction_timeout_ms = 60000;
    for (int32_t node = 1; node <= TALK_NODES; node++) {
        struct init_producer_id_response *a = talk_ask(&t, node, API_INIT_PRODUCER_ID, 4, &r);
        if (a && a->error_code == KAFKA_NONE) return a->producer_id;
    }
    return -1;
}

// KIP-890.
TEST(the_coordinator_must_know_of_transactional_records) {
    open();
    int64_t id = init_producer();
    EXPECT(id >= 0);
    struct talk_produce how = version(10);
    how.transactional_id = "txn";
    struct produce_response_partition *a = produce(1, how, talk_producer_batch(&t, TXN, id, 0, 0, 1));
    EXPECT_INT(a->error_code, KAFKA_INVALID_TXN_STATE);
    EXPECT(a->error_message.size > 0);
    EXPECT_INT(a->log_start_offset, -1);
    how.version = 11;
    a = produce(1, how, talk_producer_batch(&t, TXN, id, 0, 0, 1));
    EXPECT_INT(a->error_code, KAFKA_TRANSACTION_ABORTABLE);
    EXPECT_INT(add_partition(id, 0), KAFKA_NONE);
    EXPECT_INT(produce(1, how, talk_producer_batch(&t, TXN, id, 0, 0, 1))->error_code, KAFKA_NONE);
    EXPECT_INT(produce(1, how, talk_producer_batch(&t, TXN, id, 0, 1, 1))->base_offset, 1);
    how.transactional_id = "other";
    EXPECT(produce(1, how, talk_producer_batch(&t, TXN, id + 1, 0, 0, 1))->error_code != KAFKA_NONE);
    talk_close(&t);
}

// Markers ------------------------------------------------------------------------------------------------------------

static struct write_txn_markers_response *write_markers(struct write_txn_markers_request_marker *markers,
                                                        int32_t count) {
    struct write_txn_markers_request request = {markers, count};
    return talk_ask(&t, 1, API_WRITE_TXN_MARKERS, 1, &request);
}

static int32_t zero[] = {0}, ninth[] = {9};
static struct write_txn_markers_request_topic topic_t, unknown_partition;

static struct write_txn_markers_request_marker marker(int64_t producer_id, int16_t epoch, int32_t coordinator_epoch) {
    topic_t = (struct write_txn_markers_request_topic){client_text("t"), zero, 1};
    unknown_partition = (struct write_txn_markers_request_topic){client_text("t"), ninth, 1};
    return (struct write_txn_markers_request_marker){.producer_id = producer_id,
                                                     .producer_epoch = epoch,
                                                     .topics = &topic_t,
                                                     .topics_count = 1,
                                                     .coordinator_epoch = coordinator_epoch};
}

TEST(markers_fill_one_offset_each_and_leave_the_sequence) {
    open();
    produce(1, TALK_PRODUCE, talk_producer_batch(&t, 0, 77, 3, 0, 5));
    struct write_txn_markers_request_marker markers[500];
    for (int i = 0; i < 500; i++) markers[i] = marker(77, 3, 0);
    struct write_txn_markers_response *r = write_markers(markers, 500);
    EXPECT(r);
    EXPECT_INT(r->markers_count, 1);
    EXPECT_INT(r->markers[0].producer_id, 77);
    EXPECT_INT(r->markers[0].topics_count, 1);
    EXPECT_INT(r->markers[0].topics[0].partitions_count, 1);
    EXPECT_INT(r->markers[0].topics[0].partitions[0].error_code, KAFKA_NONE);
    EXPECT_INT(broker_replica_log(t.c, "t", 0, 1)->end, 505);
    EXPECT_INT(produce(1, TALK_PRODUCE, talk_producer_batch(&t, 0, 77, 3, 5, 1))->base_offset, 505);
    talk_close(&t);
}

TEST(markers_of_older_epochs_are_refused) {
    open();
    struct write_txn_markers_request_marker m = marker(77, 5, 9);
    EXPECT_INT(write_markers(&m, 1)->markers[0].topics[0].partitions[0].error_code, KAFKA_NONE);
    m = marker(77, 4, 9);
    EXPECT_INT(write_markers(&m, 1)->markers[0].topics[0].partitions[0].error_code, KAFKA_INVALID_PRODUCER_EPOCH);
    m = marker(77, 5, 8);
    EXPECT_INT(write_markers(&m, 1)->markers[0].topics[0].partitions[0].error_code,
               KAFKA_TRANSACTION_COORDINATOR_FENCED);
    EXPECT_INT(broker_replica_log(t.c, "t", 0, 1)->end, 1);
    talk_close(&t);
}

TEST(markers_answer_by_producer_topic_and_partition) {
    open();
    struct write_txn_markers_request_marker markers[] = {marker(9, 0, 0), marker(8, 0, 0), marker(9, 0, 0)};
    markers[0].topics = &unknown_partition;
    struct write_txn_markers_response *r = write_markers(markers, 3);
    EXPECT(r);
    EXPECT_INT(r->markers_count, 2);
    EXPECT_INT(r->markers[0].producer_id, 8);
    EXPECT_INT(r->markers[1].producer_id, 9);
    EXPECT_INT(r->markers[1].topics[0].partitions_count, 2);
    EXPECT_INT(r->markers[1].topics[0].partitions[0].error_code, KAFKA_NONE);
    EXPECT_INT(r->markers[1].topics[0].partitions[1].partition_index, 9);
    EXPECT_INT(r->markers[1].topics[0].partitions[1].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    EXPECT_INT(broker_replica_log(t.c, "t", 0, 1)->end, 2);
    talk_close(&t);
}

// KafkaApis.handleWriteTxnMarkersRequest forgets to answer then.
TEST(a_marker_for_nobody_behind_others_is_never_answered) {
    open();
    struct write_txn_markers_request_marker markers[] = {marker(8, 1, 0), marker(9, 0, 0)};
    markers[1].topics = &unknown_partition;
    EXPECT(write_markers(markers, 2));  // the first waits for replicas, and counts last
    markers[0] = marker(8, 0, 0);       // refused: nothing to wait for
    EXPECT(!write_markers(markers, 2));
    talk_pass(&t, 60000);
    EXPECT_INT(broker_replica_log(t.c, "t", 0, 1)->end, 1);
    talk_close(&t);
}

TEST(markers_wait_for_the_high_watermark) {
    open();
    broker_replica_hold(t.c, "t", 0, 2, true);
    struct write_txn_markers_request_marker m = marker(77, 5, 9);
    EXPECT(!write_markers(&m, 1));
    broker_replica_hold(t.c, "t", 0, 2, false);
    talk_run(&t);
    struct write_txn_markers_response *r = talk_receive(talk_client(&t, 1), API_WRITE_TXN_MARKERS, 1);
    EXPECT(r);
    EXPECT_INT(r->markers[0].topics[0].partitions[0].error_code, KAFKA_NONE);
    talk_close(&t);
}

int main(void) {
    RUN(each_record_gets_its_offset);
    RUN(acks_are_none_one_or_all);
    RUN(what_does_not_fit_is_refused);
    RUN(who_does_not_lead_says_who_does);
    RUN(unknown_partitions_topics_and_ids);
    RUN(exactly_one_batch_of_the_new_format);
    RUN(what_a_broker_stumbles_over_is_refused_as_a_whole);
    RUN(sequences_and_repeats);
    RUN(all_acks_wait_for_the_high_watermark);
    RUN(a_deposed_leader_answers_at_once);
    RUN(too_few_in_sync);
    RUN(transactional_records_need_an_id);
    RUN(the_coordinator_must_know_of_transactional_records);
    RUN(markers_fill_one_offset_each_and_leave_the_sequence);
    RUN(markers_of_older_epochs_are_refused);
    RUN(markers_answer_by_producer_topic_and_partition);
    RUN(a_marker_for_nobody_behind_others_is_never_answered);
    RUN(markers_wait_for_the_high_watermark);
    return test_result();
}
