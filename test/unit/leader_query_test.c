// Questions to leaders against a scripted broker: what shares a request, and that everybody gets one answer.
#include "unit/test.h"

#include "unit/scripted_broker.h"

#include "client/leader_query.h"

#define QUERIES 8

static struct scripted s;
static struct cluster c;
static struct leader_queries qs;

static struct asked {
    struct leader_query q;
    int answers;
    struct leader_answer last;
    size_t records;
    bool again;                    // asks once more from inside its answer
    struct leader_query *cancels;  // another one, from inside its answer
} x[QUERIES];

static void on_answer(struct leader_query *q, const struct leader_answer *a) {
    struct asked *me = CONTAINER_OF(q, struct asked, q);
    assert(!leader_query_running(q));
    me->answers++;
    me->last = *a;
    me->records = a->records.size;
    if (me->again) {
        me->again = false;
        leader_query_ask(&qs, 1, q);
    }
    if (me->cancels) leader_query_cancel(me->cancels);
    me->cancels = NULL;
}

static void begin(void) {
    scripted_init(&s);
    s.brokers = 2;
    scripted_topic(&s, "t", 4);
    scripted_topic(&s, "u", 4);
    scripted_cluster(&s, &c);
    leader_queries_init(&qs, &c);
    memset(x, 0, sizeof x);
    for (int32_t i = 0; i < QUERIES; i++) {
        x[i].q.partition = (struct topic_partition){i < 4 ? "t" : "u", {{0}}, i % 4};
        x[i].q.partition.topic_id.at[15] = i < 4 ? 1 : 2;
        x[i].q.leader_epoch = 10 + i;
        x[i].q.value = 100 + i;
        x[i].q.size_hint = 1000;
        x[i].q.answer = on_answer;
    }
}

static void end(void) {
    for (int i = 0; i < QUERIES; i++) leader_query_cancel(&x[i].q);
    scripted_cluster_free(&s, &c);
    leader_queries_free(&qs);
    scripted_free(&s);
}

static void ask(int i, enum leader_query_kind kind) {
    x[i].q.kind = kind;
    leader_query_ask(&qs, 1, &x[i].q);
}

static struct scripted_request *under_way(int16_t api_key) {
    scripted_run(&s, MS);
    assert(scripted_unanswered(&s, api_key) <= 1);
    return scripted_next(&s, api_key);
}

// Answers each partition with ten times the asked value; `refuse` with an error; `leave_out` not at all.
static void answer_offsets(struct scripted_request *r, int refuse, int leave_out) {
    const struct list_offsets_request *q = r->body;
    struct list_offsets_response o;
    struct list_offsets_response_topic topics[2];
    struct list_offsets_response_partition p[2][4];
    message_defaults(&list_offsets_response_message, &o);
    o.topics = topics;
    for (; o.topics_count < q->topics_count; o.topics_count++) {
        struct list_offsets_response_topic *t = &topics[o.topics_count];
        *t = (struct list_offsets_response_topic){q->topics[o.topics_count].name, p[o.topics_count], 0};
        for (int32_t i = 0; i < q->topics[o.topics_count].partitions_count; i++) {
            const struct list_offsets_request_partition *from = &q->topics[o.topics_count].partitions[i];
            if (from->timestamp == 100 + leave_out) continue;
            struct list_offsets_response_partition *to = &t->partitions[t->partitions_count++];
            message_defaults(&list_offsets_response_partition_message, to);
            to->partition_index = from->partition_index;
            to->offset = 10 * from->timestamp;
            if (from->timestamp == 100 + refuse) to->error_code = KAFKA_NOT_LEADER_OR_FOLLOWER;
        }
    }
    scripted_answer(&s, r, &o);
    scripted_run(&s, MS);
}

TEST(who_asks_at_the_same_time_shares_a_request) {
    begin();
    for (int i = 0; i < QUERIES; i++) ask(i, QUERY_OFFSET);
    EXPECT_INT(x[0].answers, 0);
    struct scripted_request *r = under_way(API_LIST_OFFSETS);
    const struct list_offsets_request *q = r->body;
    EXPECT_INT(q->topics_count, 2);
    EXPECT_INT(q->topics[0].partitions_count, 4);
    EXPECT_INT(q->topics[1].partitions[3].timestamp, 107);
    EXPECT_INT(q->topics[1].partitions[3].current_leader_epoch, 17);
    answer_offsets(r, 2, 5);
    for (int i = 0; i < QUERIES; i++) {
        EXPECT_INT(x[i].answers, 1);
        if (i == 2) EXPECT_INT(x[i].last.error.code, KAFKA_NOT_LEADER_OR_FOLLOWER);
        else if (i == 5) EXPECT_INT(x[i].last.error.kind, ERROR_PROTOCOL);
        else EXPECT(!error_is(&x[i].last.error) && x[i].last.offset == 10 * (100 + i));
    }
    EXPECT_INT(s.requests_count[API_LIST_OFFSETS], 1);
    end();
}

TEST(one_request_of_a_kind_at_a_time_and_the_kinds_do_not_wait_for_each_other) {
    begin();
    ask(0, QUERY_OFFSET);
    scripted_run(&s, MS);
    ask(1, QUERY_OFFSET);
    ask(2, QUERY_DELETE_RECORDS);
    scripted_run(&s, MS);
    EXPECT_INT(scripted_unanswered(&s, API_LIST_OFFSETS), 1);
    EXPECT_INT(scripted_unanswered(&s, API_DELETE_RECORDS), 1);
    const struct delete_records_request *d = scripted_next(&s, API_DELETE_RECORDS)->body;
    EXPECT_INT(d->topics[0].partitions[0].offset, 102);
    answer_offsets(under_way(API_LIST_OFFSETS), -1, -1);
    EXPECT_INT(x[0].answers, 1);
    EXPECT_INT(x[1].answers, 0);
    struct delete_records_response nothing;
    message_defaults(&delete_records_response_message, &nothing);
    scripted_answer(&s, scripted_next(&s, API_DELETE_RECORDS), &nothing);
    answer_offsets(under_way(API_LIST_OFFSETS), -1, -1);
    EXPECT_INT(x[1].answers, 1);
    EXPECT_INT(x[1].last.offset, 1010);
    EXPECT_INT(x[2].answers, 1);
    EXPECT_INT(x[2].last.error.kind, ERROR_PROTOCOL);  // left out
    end();
}

TEST(a_cancelled_question_is_not_answered) {
    begin();
    for (int i = 0; i < 4; i++) ask(i, QUERY_OFFSET);
    leader_query_cancel(&x[0].q);  // waits
    struct scripted_request *r = under_way(API_LIST_OFFSETS);
    leader_query_cancel(&x[1].q);  // under way
    ask(1, QUERY_OFFSET);          // and asked again: the answer of before is not this one's
    x[2].cancels = &x[3].q;        // inside an answer
    answer_offsets(r, -1, -1);
    EXPECT_INT(x[0].answers + x[1].answers + x[3].answers, 0);
    EXPECT_INT(x[2].answers, 1);
    answer_offsets(under_way(API_LIST_OFFSETS), -1, -1);
    EXPECT_INT(x[1].answers, 1);
    end();
}

TEST(a_failure_is_everybodys_and_who_asks_again_does_not_spin) {
    begin();
    ask(0, QUERY_OFFSET);
    scripted_run(&s, MS);
    for (int i = 1; i < 4; i++) ask(i, QUERY_OFFSET);  // these wait for their turn
    x[0].again = true;
    s.unreachable = true;
    scripted_cut_node(&s, 1);
    EXPECT_INT(x[0].last.error.kind, ERROR_TRANSPORT);
    scripted_run(&s, 11 * SECOND);
    EXPECT_INT(x[0].answers, 2);  // it asked twice
    for (int i = 1; i < 4; i++) EXPECT(x[i].answers == 1 && error_is(&x[i].last.error));
    s.unreachable = false;
    ask(1, QUERY_OFFSET);
    scripted_run(&s, SECOND);
    answer_offsets(under_way(API_LIST_OFFSETS), -1, -1);
    EXPECT(!error_is(&x[1].last.error));
    end();
}

static void on_task(struct cluster_task *t, struct connection *connection, const struct error *failure) {
    (void)t, (void)connection, (void)failure;
}

TEST(a_broker_that_is_gone_leaves_nobody_waiting) {
    begin();
    struct cluster_task tasks[2] = {{.run = on_task}, {.run = on_task}};
    s.brokers = 3;
    cluster_refresh(&c);
    scripted_run(&s, SECOND);
    for (int32_t i = 0; i < 2; i++) cluster_submit(&c, i + 1, &tasks[i]);  // metadata come from there
    scripted_run(&s, MS);
    for (int i = 0; i < 2; i++) {
        x[i].q.kind = QUERY_OFFSET;
        leader_query_ask(&qs, 3, &x[i].q);
        scripted_run(&s, MS);  // the second one waits behind the first
    }
    EXPECT_INT(s.requests_count[API_LIST_OFFSETS], 1);
    s.brokers = 2;
    cluster_refresh(&c);
    scripted_run(&s, SECOND);
    EXPECT(!cluster_broker(&c, 3));
    for (int i = 0; i < 2; i++) {
        EXPECT_INT(x[i].answers, 1);
        EXPECT(error_is(&x[i].last.error));
    }
    end();
}

TEST(a_broker_that_lacks_the_api_is_an_answer_too) {
    begin();
    s.version_max[API_DELETE_RECORDS] = -1;
    ask(0, QUERY_DELETE_RECORDS);
    scripted_run(&s, MS);
    EXPECT_INT(x[0].answers, 1);
    EXPECT_INT(x[0].last.error.kind, ERROR_PROTOCOL);
    end();
}

// Batches ------------------------------------------------------------------------------------------------------------

static uint8_t batch[2000];

// Like a broker (KIP-74): the first partition gets its batch whatever its size, the others only when it fits.
static void answer_batches(int32_t size) {
    struct scripted_request *r = under_way(API_FETCH);
    const struct fetch_request *q = r->body;
    struct fetch_response f;
    struct fetch_response_topic topics[4];
    struct fetch_response_partition p[4];
    message_defaults(&fetch_response_message, &f);
    f.responses = topics;
    for (; f.responses_count < q->topics_count; f.responses_count++) {
        struct fetch_response_topic *t = &topics[f.responses_count];
        const struct fetch_request_topic *from = &q->topics[f.responses_count];
        message_defaults(&fetch_response_topic_message, t);
        t->topic = from->topic;
        t->topic_id = from->topic_id;
        t->partitions = &p[f.responses_count];
        t->partitions_count = 1;
        message_defaults(&fetch_response_partition_message, t->partitions);
        t->partitions->partition_index = from->partitions[0].partition;
        t->partitions->high_watermark = 1000;
        t->partitions->log_start_offset = 50;
        if (f.responses_count == 0 || size <= from->partitions[0].partition_max_bytes)
            t->partitions->records = (struct wire_bytes){batch, size};
    }
    scripted_answer(&s, r, &f);
    scripted_run(&s, MS);
}

// And whoever did not fit into the request that could not be made.
TEST(what_cannot_be_asked_is_told_to_all) {
    enum { MANY = 2 * QUERY_BATCHES_MAX + 1 };
    static struct asked many[MANY];
    begin();
    s.version_max[API_FETCH] = -1;
    for (int i = 0; i < MANY; i++) {
        many[i] = (struct asked){.q = x[0].q};
        many[i].q.kind = QUERY_BATCH;
        leader_query_ask(&qs, 1, &many[i].q);
    }
    scripted_run(&s, SECOND);
    for (int i = 0; i < MANY; i++) EXPECT(many[i].answers == 1 && many[i].last.error.kind == ERROR_PROTOCOL);
    end();
}

TEST(a_batch_that_did_not_fit_is_asked_for_again_in_front) {
    begin();
    ask(0, QUERY_BATCH);
    ask(4, QUERY_BATCH);
    const struct fetch_request *q = under_way(API_FETCH)->body;
    EXPECT_INT(q->session_id, 0);
    EXPECT_INT(q->session_epoch, -1);  // no session
    EXPECT_INT(q->max_wait_ms, 0);
    EXPECT_INT(q->max_bytes, QUERY_FETCH_BYTES_MAX);  // no budget counts it
    EXPECT_INT(q->topics_count, 2);
    EXPECT_INT(q->topics[1].partitions[0].fetch_offset, 104);
    EXPECT_INT(q->topics[1].partitions[0].current_leader_epoch, 14);
    ask(1, QUERY_BATCH);
    answer_batches(2000);
    EXPECT_INT(x[0].answers, 1);
    EXPECT_INT(x[0].records, 2000);
    EXPECT_INT(x[0].last.high_watermark, 1000);
    EXPECT_INT(x[0].last.log_start, 50);
    EXPECT_INT(x[4].answers, 0);
    q = under_way(API_FETCH)->body;
    EXPECT_INT(q->topics[0].partitions[0].fetch_offset, 104);  // in front of who waited
    EXPECT_INT(q->topics[1].partitions[0].fetch_offset, 101);
    answer_batches(500);
    EXPECT_INT(x[4].records, 500);
    EXPECT_INT(x[1].records, 500);
    EXPECT_INT(x[1].answers, 1);
    end();
}

TEST(who_is_alone_and_gets_nothing_is_told_so) {
    begin();
    ask(0, QUERY_BATCH);
    answer_batches(0);
    EXPECT_INT(x[0].answers, 1);
    EXPECT_INT(x[0].records, 0);
    EXPECT(!error_is(&x[0].last.error));
    end();
}

TEST(a_throttled_batch_is_asked_for_when_the_time_is_over) {
    begin();
    ask(0, QUERY_BATCH);
    ask(4, QUERY_BATCH);
    struct fetch_response r;
    message_defaults(&fetch_response_message, &r);
    r.throttle_time_ms = 45000;
    scripted_answer(&s, under_way(API_FETCH), &r);
    ask(1, QUERY_BATCH);
    EXPECT(!under_way(API_FETCH));
    scripted_run(&s, 44 * SECOND);
    EXPECT(!under_way(API_FETCH));
    EXPECT_INT(x[0].answers, 0);
    scripted_run(&s, 2 * SECOND);
    const struct fetch_request *q = under_way(API_FETCH)->body;
    EXPECT_INT(q->topics_count, 3);  // those that waited in front
    EXPECT_INT(q->topics[0].partitions[0].fetch_offset, 100);
    EXPECT_INT(q->topics[1].partitions[0].fetch_offset, 104);
    EXPECT_INT(q->topics[2].partitions[0].fetch_offset, 101);
    end();
}

TEST(a_new_connection_is_not_throttled) {
    begin();
    ask(0, QUERY_BATCH);
    struct fetch_response r;
    message_defaults(&fetch_response_message, &r);
    r.throttle_time_ms = 45000;
    scripted_answer(&s, under_way(API_FETCH), &r);
    EXPECT(!under_way(API_FETCH));
    struct error why = error_make(ERROR_TRANSPORT, 0, "test", "lost");
    broker_link_reset(&cluster_broker(&c, 1)->control, &why);
    scripted_run(&s, 3 * SECOND);
    EXPECT(under_way(API_FETCH));
    EXPECT_INT(x[0].answers, 0);
    end();
}

TEST(batches_are_asked_for_by_name_where_an_id_is_unknown) {
    begin();
    memset(&x[4].q.partition.topic_id, 0, sizeof x[4].q.partition.topic_id);
    ask(0, QUERY_BATCH);
    EXPECT_INT(under_way(API_FETCH)->header.version, api_find(API_FETCH)->version_max);
    answer_batches(100);
    ask(0, QUERY_BATCH);
    ask(4, QUERY_BATCH);
    EXPECT_INT(under_way(API_FETCH)->header.version, 12);
    answer_batches(100);
    EXPECT_INT(x[0].answers, 2);
    EXPECT_INT(x[4].answers, 1);
    end();
}

int main(void) {
    RUN(who_asks_at_the_same_time_shares_a_request);
    RUN(one_request_of_a_kind_at_a_time_and_the_kinds_do_not_wait_for_each_other);
    RUN(a_cancelled_question_is_not_answered);
    RUN(a_failure_is_everybodys_and_who_asks_again_does_not_spin);
    RUN(a_broker_that_is_gone_leaves_nobody_waiting);
    RUN(a_broker_that_lacks_the_api_is_an_answer_too);
    RUN(what_cannot_be_asked_is_told_to_all);
    RUN(a_batch_that_did_not_fit_is_asked_for_again_in_front);
    RUN(who_is_alone_and_gets_nothing_is_told_so);
    RUN(a_throttled_batch_is_asked_for_when_the_time_is_over);
    RUN(a_new_connection_is_not_throttled);
    RUN(batches_are_asked_for_by_name_where_an_id_is_unknown);
    return test_result();
}
