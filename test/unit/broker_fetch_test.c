// What a modelled broker answers to Fetch: reads, sessions, the long poll.
#include "broker/cluster_private.h"
#include "broker/fetch_session_cache.h"
#include "unit/broker_talk.h"
#include "unit/test.h"

#define TXN BATCH_ATTRIBUTE_TRANSACTIONAL
#define READ_COMMITTED 1

static struct talk t;

// Fetches of `t`-0, or of all that `topics` says.
struct asking {
    int16_t version;
    int32_t node, wait_ms, min_bytes, max_bytes, partition_bytes, session_id, session_epoch;
    int64_t offset;
    int8_t isolation;
    int32_t current_epoch, last_epoch;
    struct wire_uuid topic_id;
    struct fetch_request_topic *topics;
    int32_t topics_count;
    struct fetch_request_forgotten_topic *forgotten;
    int32_t forgotten_count;
};
#define ASKING                                                                                                         \
    ((struct asking){.version = 12,                                                                                    \
                     .node = 1,                                                                                        \
                     .min_bytes = 1,                                                                                   \
                     .max_bytes = 1 << 20,                                                                             \
                     .partition_bytes = 1 << 20,                                                                       \
                     .session_epoch = -1,                                                                              \
                     .current_epoch = -1,                                                                              \
                     .last_epoch = -1})

static struct fetch_request_partition partition_request(const struct asking *a, int32_t index, int64_t offset) {
    struct fetch_request_partition p;
    message_defaults(&fetch_request_partition_message, &p);
    p.partition = index;
    p.current_leader_epoch = a->current_epoch;
    p.last_fetched_epoch = a->last_epoch;
    p.fetch_offset = offset;
    p.partition_max_bytes = a->partition_bytes;
    return p;
}

static struct fetch_request *request(const struct asking *a) {
    struct fetch_request *r = arena_alloc(&t.arena, sizeof *r);
    struct fetch_request_topic *topic = arena_alloc(&t.arena, sizeof *topic);
    struct fetch_request_partition *partition = arena_alloc(&t.arena, sizeof *partition);
    message_defaults(&fetch_request_message, r);
    *partition = partition_request(a, 0, a->offset);
    *topic = (struct fetch_request_topic){talk_text("t"), a->topic_id, partition, 1};
    r->max_wait_ms = a->wait_ms;
    r->min_bytes = a->min_bytes;
    r->max_bytes = a->max_bytes;
    r->isolation_level = a->isolation;
    r->session_id = a->session_id;
    r->session_epoch = a->session_epoch;
    r->topics = a->topics ? a->topics : topic;
    r->topics_count = a->topics ? a->topics_count : 1;
    r->forgotten_topics_data = a->forgotten;
    r->forgotten_topics_data_count = a->forgotten_count;
    return r;
}

static struct fetch_response *fetch(struct asking a) {
    return talk_ask(&t, a.node, API_FETCH, a.version, request(&a));
}

static struct fetch_response_partition *fetch_one(struct asking a) {
    struct fetch_response *r = fetch(a);
    return r && r->responses_count > 0 ? r->responses[0].partitions : NULL;
}

static struct produce_response_partition *append(struct bytes batch) {
    struct talk_produce how = TALK_PRODUCE;
    return talk_produce(&t, 1, &how, "t", batch);
}

static void open(void) {
    talk_open(&t, NULL);
    talk_topic(&t, "t", NULL);
}

static const struct broker_topic *topic(const char *name) {
    return broker_find_topic(t.c, talk_text(name));
}

static int32_t epoch_now(void) {
    struct broker_truth truth;
    broker_partition_truth(t.c, "t", 0, &truth);
    return truth.leader_epoch;
}

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
    struct fetch_request_topic both = {talk_text("t"), {{0}}, partitions, 2};
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
    // Between high watermark and log end nothing is there yet, and nobody waits for it (DelayedFetch, case F).
    a.offset = 4;
    a.wait_ms = 1000;
    p = fetch_one(a);
    EXPECT(p);
    EXPECT_INT(p->error_code, KAFKA_NONE);
    EXPECT_INT(p->records.size, 0);
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
    a.topic_id = topic("t")->id;
    a.current_epoch = epoch - 1;
    struct fetch_response *r = fetch(a);
    EXPECT_INT(r->responses[0].partitions[0].error_code, KAFKA_FENCED_LEADER_EPOCH);
    EXPECT_INT(r->responses[0].partitions[0].current_leader.leader_epoch, epoch);
    EXPECT_INT(r->responses[0].partitions[0].current_leader.leader_id, 1);
    EXPECT_INT(r->node_endpoints_count, 1);
    a.current_epoch = epoch + 1;
    EXPECT_INT(fetch_one(a)->error_code, KAFKA_UNKNOWN_LEADER_EPOCH);
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
    struct write_txn_markers_request_topic where = {talk_text("t"), &zero, 1};
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
    a.topic_id = topic("t")->id;
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

// The long poll ------------------------------------------------------------------------------------------------------

TEST(a_fetch_waits_for_bytes_or_time) {
    open();
    struct asking a = ASKING;
    a.wait_ms = 500;
    struct broker_connection *k = talk_connect(&t, 1);
    talk_send(&t, k, API_FETCH, 12, request(&a));
    EXPECT(!talk_receive(&t, k, API_FETCH, 12));
    append(talk_batch(&t, 1));
    struct fetch_response *r = talk_receive(&t, k, API_FETCH, 12);
    EXPECT(r);
    EXPECT_INT(r->responses[0].partitions[0].records.size, t.batch.size);
    a.offset = 1;
    a.min_bytes = (int32_t)t.batch.size + 1;
    talk_send(&t, k, API_FETCH, 12, request(&a));
    append(talk_batch(&t, 1));
    EXPECT(!talk_receive(&t, k, API_FETCH, 12));
    talk_pass(&t, 499);
    EXPECT(!talk_receive(&t, k, API_FETCH, 12));
    talk_pass(&t, 1);
    r = talk_receive(&t, k, API_FETCH, 12);
    EXPECT(r);
    EXPECT_INT(r->responses[0].partitions[0].records.size, t.batch.size);
    a.offset = 2;
    talk_send(&t, k, API_FETCH, 12, request(&a));
    append(talk_batch(&t, 1));
    append(talk_batch(&t, 1));
    r = talk_receive(&t, k, API_FETCH, 12);
    EXPECT(r);
    EXPECT_INT(r->responses[0].partitions[0].records.size, 2 * t.batch.size);
    talk_close(&t);
}

TEST(a_waiting_fetch_ends_with_its_leader_topic_or_node) {
    open();
    struct asking a = ASKING;
    a.wait_ms = 5000;
    a.current_epoch = epoch_now();
    struct broker_connection *k = talk_connect(&t, 1);
    talk_send(&t, k, API_FETCH, 12, request(&a));
    broker_leader_move(t.c, "t", 0, 2, false);
    talk_run(&t);
    struct fetch_response *r = talk_receive(&t, k, API_FETCH, 12);
    EXPECT(r);
    EXPECT_INT(r->responses[0].partitions[0].error_code, KAFKA_FENCED_LEADER_EPOCH);
    broker_leader_move(t.c, "t", 0, 1, false);
    talk_run(&t);
    a.current_epoch = -1;
    talk_send(&t, k, API_FETCH, 12, request(&a));
    broker_topic_delete(t.c, "t");
    talk_run(&t);
    r = talk_receive(&t, k, API_FETCH, 12);
    EXPECT(r);
    EXPECT_INT(r->responses[0].partitions[0].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    talk_topic(&t, "t", NULL);
    talk_send(&t, k, API_FETCH, 12, request(&a));
    EXPECT(!talk_receive(&t, k, API_FETCH, 12));
    broker_node_stop(t.c, 1, BROKER_KILLED, 0);
    talk_pass(&t, 10000);
    EXPECT(!talk_receive(&t, k, API_FETCH, 12));
    talk_close(&t);
}

// Sessions -----------------------------------------------------------------------------------------------------------

// Five topics of one partition, all on node 1.
static struct fetch_request_topic many[5];
static struct fetch_request_partition many_partitions[5];
static const char *const many_names[5] = {"a", "b", "c", "d", "e"};

static struct asking ask_many(void) {
    struct asking a = ASKING;
    for (int i = 0; i < 5; i++) {
        talk_topic(&t, many_names[i], NULL);
        many_partitions[i] = partition_request(&a, 0, 0);
        many[i] =
            (struct fetch_request_topic){talk_text(many_names[i]), topic(many_names[i])->id, &many_partitions[i], 1};
    }
    a.topics = many;
    a.topics_count = 5;
    a.session_epoch = 0;
    return a;
}

static void append_to(const char *name) {
    struct talk_produce how = TALK_PRODUCE;
    talk_produce(&t, 1, &how, name, talk_batch(&t, 1));
}

static bool is_topic(const struct fetch_response *r, int32_t i, const char *name) {
    return i < r->responses_count && r->responses[i].topic.size == (int32_t)strlen(name) &&
           memcmp(r->responses[i].topic.at, name, strlen(name)) == 0;
}

TEST(a_session_tells_what_has_changed) {
    open();
    struct asking a = ask_many();
    struct fetch_response *r = fetch(a);
    EXPECT_INT(r->error_code, KAFKA_NONE);
    EXPECT(r->session_id > 0);
    EXPECT_INT(r->responses_count, 5);
    a.session_id = r->session_id;
    a.session_epoch = 1;
    a.topics_count = 0;
    r = fetch(a);
    EXPECT_INT(r->session_id, a.session_id);
    EXPECT_INT(r->responses_count, 0);
    append_to("b");
    a.session_epoch = 2;
    r = fetch(a);
    EXPECT_INT(r->responses_count, 1);
    EXPECT(is_topic(r, 0, "b"));
    // b has not moved on: it comes again, behind the others.
    append_to("d");
    a.session_epoch = 3;
    r = fetch(a);
    EXPECT_INT(r->responses_count, 2);
    EXPECT(is_topic(r, 0, "d"));
    EXPECT(is_topic(r, 1, "b"));
    // Moved on, one forgotten, one added.
    many_partitions[0] = partition_request(&a, 0, 1);
    many[0].topic = talk_text("b");
    a.topics_count = 1;
    int32_t zero = 0;
    struct fetch_request_forgotten_topic forgotten = {talk_text("d"), {{0}}, &zero, 1};
    a.forgotten = &forgotten;
    a.forgotten_count = 1;
    a.session_epoch = 4;
    r = fetch(a);
    EXPECT_INT(r->responses_count, 0);
    talk_close(&t);
}

TEST(a_session_tells_of_watermarks_without_records) {
    open();
    broker_replica_hold(t.c, "t", 0, 2, true);
    struct talk_produce how = TALK_PRODUCE;
    how.acks = 1;
    talk_produce(&t, 1, &how, "t", talk_batch(&t, 2));
    struct asking a = ASKING;
    a.session_epoch = 0;
    a.offset = 2;
    a.session_id = fetch(a)->session_id;
    struct fetch_request_topic none;
    a.topics = &none;
    a.topics_count = 0;
    a.session_epoch = 1;
    EXPECT_INT(fetch(a)->responses_count, 0);
    broker_replica_hold(t.c, "t", 0, 2, false);
    talk_run(&t);
    a.session_epoch = 2;
    struct fetch_response *r = fetch(a);
    EXPECT_INT(r->responses_count, 1);
    EXPECT_INT(r->responses[0].partitions[0].high_watermark, 2);
    EXPECT_INT(r->responses[0].partitions[0].records.size, 0);
    struct delete_records_request_partition below = {0, 1};
    struct delete_records_request_topic of = {talk_text("t"), &below, 1};
    struct delete_records_request deletion = {&of, 1, 1000};
    EXPECT(talk_ask(&t, 1, API_DELETE_RECORDS, 2, &deletion));
    a.session_epoch = 3;
    r = fetch(a);
    EXPECT_INT(r->responses_count, 1);
    EXPECT_INT(r->responses[0].partitions[0].log_start_offset, 1);
    talk_close(&t);
}

TEST(a_session_has_an_epoch_and_an_end) {
    open();
    struct asking a = ask_many();
    a.session_id = fetch(a)->session_id;
    a.topics_count = 0;
    a.session_epoch = 2;
    struct fetch_response *r = fetch(a);
    EXPECT_INT(r->error_code, KAFKA_INVALID_FETCH_SESSION_EPOCH);
    EXPECT_INT(r->session_id, 0);
    a.session_epoch = 1;
    a.session_id++;
    EXPECT_INT(fetch(a)->error_code, KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    a.session_id--;
    a.version = 13;
    EXPECT_INT(fetch(a)->error_code, KAFKA_FETCH_SESSION_TOPIC_ID_ERROR);
    a.version = 12;
    EXPECT_INT(fetch(a)->error_code, KAFKA_NONE);
    a.session_epoch = -1;
    a.topics_count = 1;
    r = fetch(a);
    EXPECT_INT(r->session_id, 0);
    EXPECT_INT(r->responses_count, 1);
    a.session_epoch = 2;
    EXPECT_INT(fetch(a)->error_code, KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    talk_close(&t);
}

TEST(a_session_without_partitions_ends) {
    open();
    struct asking a = ASKING;
    a.session_epoch = 0;
    a.session_id = fetch(a)->session_id;
    struct fetch_request_topic none;
    a.topics = &none;
    a.topics_count = 0;
    int32_t zero = 0;
    struct fetch_request_forgotten_topic forgotten = {talk_text("t"), {{0}}, &zero, 1};
    a.forgotten = &forgotten;
    a.forgotten_count = 1;
    a.session_epoch = 1;
    struct fetch_response *r = fetch(a);
    EXPECT_INT(r->error_code, KAFKA_NONE);
    EXPECT_INT(r->session_id, 0);
    a.session_epoch = 2;
    EXPECT_INT(fetch(a)->error_code, KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    talk_close(&t);
}

TEST(errors_are_told_until_they_end_and_then_the_answer_once) {
    open();
    struct asking a = ask_many();
    a.session_id = fetch(a)->session_id;
    a.topics_count = 0;
    broker_leader_move(t.c, "c", 0, 2, false);
    talk_run(&t);
    a.version = 10;  // who may not read from followers
    for (a.session_epoch = 1; a.session_epoch < 3; a.session_epoch++) {
        struct fetch_response *r = fetch(a);
        EXPECT_INT(r->responses_count, 1);
        EXPECT(is_topic(r, 0, "c"));
        EXPECT_INT(r->responses[0].partitions[0].error_code, KAFKA_NOT_LEADER_OR_FOLLOWER);
    }
    broker_leader_move(t.c, "c", 0, 1, false);
    talk_run(&t);
    struct fetch_response *r = fetch(a);
    EXPECT_INT(r->responses_count, 1);
    EXPECT_INT(r->responses[0].partitions[0].error_code, KAFKA_NONE);
    a.session_epoch++;
    EXPECT_INT(fetch(a)->responses_count, 0);
    talk_close(&t);
}

TEST(a_session_of_ids_notices_that_the_topic_is_another) {
    open();
    append(talk_batch(&t, 3));
    struct asking a = ASKING;
    a.version = 13;
    a.topic_id = topic("t")->id;
    a.session_epoch = 0;
    struct fetch_response *r = fetch(a);
    EXPECT_INT(r->responses[0].partitions[0].error_code, KAFKA_NONE);
    a.session_id = r->session_id;
    a.session_epoch = 1;
    broker_topic_delete(t.c, "t");
    talk_run(&t);
    EXPECT_INT(fetch_one(a)->error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    talk_topic(&t, "t", NULL);
    a.session_epoch = 2;
    EXPECT_INT(fetch_one(a)->error_code, KAFKA_INCONSISTENT_TOPIC_ID);
    talk_close(&t);
}

TEST(a_waiting_session_is_overtaken) {
    open();
    struct asking a = ask_many();
    a.session_id = fetch(a)->session_id;
    a.session_epoch = 1;
    a.topics_count = 0;
    a.wait_ms = 500;
    struct broker_connection *k = talk_connect(&t, 1);
    talk_send(&t, k, API_FETCH, 12, request(&a));
    a.session_epoch = 2;
    a.wait_ms = 0;
    EXPECT_INT(fetch(a)->error_code, KAFKA_NONE);
    talk_pass(&t, 500);
    struct fetch_response *r = talk_receive(&t, k, API_FETCH, 12);
    EXPECT(r);
    EXPECT_INT(r->error_code, KAFKA_INVALID_FETCH_SESSION_EPOCH);
    EXPECT_INT(r->session_id, a.session_id);
    talk_close(&t);
}

TEST(sessions_are_evicted_when_they_are_stale_or_small) {
    struct prng prng;
    prng_seed(&prng, 1);
    struct fetch_sessions *s = fetch_sessions_new(2);
    struct fetch_request_partition p;
    message_defaults(&fetch_request_partition_message, &p);
    struct fetch_session *a = fetch_sessions_add(s, 1, false, &prng, 0);
    fetch_session_ask(a, (struct bytes){(const uint8_t *)"t", 1}, &p);
    fetch_session_used(a, 0);
    struct fetch_session *b = fetch_sessions_add(s, 1, false, &prng, 0);
    fetch_session_used(b, 60000000);
    EXPECT(!fetch_sessions_add(s, 1, false, &prng, 100000000));  // nobody has been here long enough
    int32_t gone = a->id;
    struct fetch_session *c = fetch_sessions_add(s, 1, false, &prng, 121000000);
    EXPECT(c);
    EXPECT(!fetch_sessions_find(s, gone));
    // b is old, in use and without partitions: any other is worth more.
    fetch_session_used(b, 130000000);
    gone = b->id;
    fetch_session_used(c, 130000000);
    EXPECT(fetch_sessions_add(s, 1, false, &prng, 131000000));
    EXPECT(!fetch_sessions_find(s, gone));
    EXPECT(fetch_sessions_find(s, c->id));
    fetch_sessions_free(s);
}

TEST(throttled_fetches_are_empty) {
    open();
    append(talk_batch(&t, 1));
    broker_throttle(t.c, 1, 250);
    struct fetch_response *r = fetch(ASKING);
    EXPECT_INT(r->throttle_time_ms, 250);
    EXPECT_INT(r->responses_count, 0);
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
    RUN(epochs_of_leaders);
    RUN(committed_reads_stop_at_open_transactions_and_list_aborted_ones);
    RUN(topics_by_id);
    RUN(a_fetch_waits_for_bytes_or_time);
    RUN(a_waiting_fetch_ends_with_its_leader_topic_or_node);
    RUN(a_session_tells_what_has_changed);
    RUN(a_session_tells_of_watermarks_without_records);
    RUN(a_session_has_an_epoch_and_an_end);
    RUN(a_session_without_partitions_ends);
    RUN(errors_are_told_until_they_end_and_then_the_answer_once);
    RUN(a_session_of_ids_notices_that_the_topic_is_another);
    RUN(a_waiting_session_is_overtaken);
    RUN(sessions_are_evicted_when_they_are_stale_or_small);
    RUN(throttled_fetches_are_empty);
    return test_result();
}
