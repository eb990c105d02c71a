// Positions against a scripted broker: state, log end, state, and what makes an answer worth nothing.
#include "unit/test.h"

#include "unit/scripted_broker.h"

#include "mirror/position.h"
#include "mirror/provenance.h"

#define QUERIES 4

static struct scripted s;
static struct cluster c;
static struct appender a;
static struct positions ps;
static int64_t id;

static struct asked {
    struct position_query q;
    struct topic_partition name;
    int answers;
    struct position position;
    struct error error;
    bool again;
} x[QUERIES];

// What the broker says; one set for all partitions, and what is special about partition 1.
static struct {
    int32_t last_sequence, moved_to;  // in the second answer, when not 0
    int16_t epoch;
    int32_t coordinator_epoch, moved_coordinator_epoch;
    int64_t log_end;
    int32_t answered_epoch;
    bool known, forgotten_then;
    int16_t state_error, end_error;  // of partition 1
    int32_t leave_out_end;           // partition, -1 = none
    int state_answers;
} broker;

static void on_answer(struct position_query *q, const struct position *position, const struct error *error) {
    struct asked *me = CONTAINER_OF(q, struct asked, q);
    me->answers++;
    me->error = *error;
    if (position) me->position = *position;
    assert(error_is(error) == !position);
    if (me->again) {
        me->again = false;
        position_ask(&ps, q);
    }
}

static void on_link(struct appender *appender) {
    (void)appender;
}

static void describe_one(struct describe_producers_response_partition *p,
                         struct describe_producers_response_producer *producers, int32_t index) {
    bool second = broker.state_answers % 2 == 1;
    message_defaults(&describe_producers_response_partition_message, p);
    p->partition_index = index;
    if (index == 1) p->error_code = broker.state_error;
    if (p->error_code != 0) return;
    p->active_producers = producers;
    producers[p->active_producers_count++] = (struct describe_producers_response_producer){7, 0, 5, 1, -1, -1};
    if (!broker.known || (second && broker.forgotten_then)) return;
    producers[p->active_producers_count++] = (struct describe_producers_response_producer){
        id, broker.epoch, second && broker.moved_to ? broker.moved_to : broker.last_sequence, 1234,
        second && broker.moved_coordinator_epoch ? broker.moved_coordinator_epoch : broker.coordinator_epoch, -1};
}

static void describe(struct scripted *script, struct scripted_request *r) {
    const struct describe_producers_request *q = r->body;
    struct describe_producers_response d;
    struct describe_producers_response_topic t;
    struct describe_producers_response_partition p[QUERIES];
    struct describe_producers_response_producer producers[QUERIES][2];
    message_defaults(&describe_producers_response_message, &d);
    assert(q->topics_count == 1);
    t = (struct describe_producers_response_topic){q->topics[0].name, p, q->topics[0].partition_indexes_count};
    for (int32_t i = 0; i < t.partitions_count; i++)
        describe_one(&p[i], producers[i], q->topics[0].partition_indexes[i]);
    d.topics = &t;
    d.topics_count = 1;
    scripted_answer(script, r, &d);
    broker.state_answers++;
}

static void tell_ends(struct scripted *script, struct scripted_request *r) {
    const struct offset_for_leader_epoch_request *q = r->body;
    struct offset_for_leader_epoch_response o;
    struct offset_for_leader_epoch_response_topic t = {q->topics[0].topic, NULL, 0};
    struct offset_for_leader_epoch_response_partition p[QUERIES];
    message_defaults(&offset_for_leader_epoch_response_message, &o);
    t.partitions = p;
    for (int32_t i = 0; i < q->topics[0].partitions_count; i++) {
        const struct offset_for_leader_epoch_request_partition *from = &q->topics[0].partitions[i];
        assert(from->current_leader_epoch == from->leader_epoch);
        if (from->partition == broker.leave_out_end) continue;
        p[t.partitions_count++] = (struct offset_for_leader_epoch_response_partition){
            from->partition == 1 ? broker.end_error : 0, from->partition, broker.answered_epoch, broker.log_end};
    }
    o.topics = &t;
    o.topics_count = 1;
    scripted_answer(script, r, &o);
}

static void begin(void) {
    scripted_init(&s);
    scripted_topic(&s, "t", QUERIES);
    scripted_cluster(&s, &c);
    s.serve[API_DESCRIBE_PRODUCERS] = describe;
    s.serve[API_OFFSET_FOR_LEADER_EPOCH] = tell_ends;
    memset(x, 0, sizeof x);
    memset(&broker, 0, sizeof broker);
    id = provenance_producer_id("a", "b");
    broker.known = true;
    broker.last_sequence = 41;
    broker.epoch = 2;
    broker.coordinator_epoch = 9;
    broker.log_end = 1042;
    broker.answered_epoch = 6;
    broker.leave_out_end = -1;
    appender_init(&a, &c, 1, 1, 1);
    a.on_ready = on_link;
    positions_init(&ps, &a);
    broker_link_start(&a.link);
    scripted_run(&s, MS);
    for (int32_t i = 0; i < QUERIES; i++) {
        x[i].name = (struct topic_partition){"t", {{0}}, i};
        x[i].q = (struct position_query){.name = &x[i].name, .leader_epoch = 6, .producer_id = id, .answer = on_answer};
    }
}

static void end(void) {
    for (int i = 0; i < QUERIES; i++) position_cancel(&x[i].q);
    appender_stop(&a, true);
    positions_free(&ps);
    appender_free(&a);
    scripted_cluster_free(&s, &c);
    scripted_free(&s);
}

static void ask(int count) {
    for (int i = 0; i < count; i++) position_ask(&ps, &x[i].q);
    scripted_run(&s, MS);
}

TEST(two_equal_states_around_the_log_end_are_a_position) {
    begin();
    ask(1);
    EXPECT_INT(x[0].answers, 1);
    EXPECT(!error_is(&x[0].error));
    EXPECT(x[0].position.known);
    EXPECT_INT(x[0].position.log_end, 1042);
    EXPECT_INT(x[0].position.producer_id, id);
    EXPECT_INT(x[0].position.last_sequence, 41);
    EXPECT_INT(x[0].position.producer_epoch, 2);
    EXPECT_INT(x[0].position.coordinator_epoch, 9);
    EXPECT_INT(x[0].position.last_timestamp, 1234);
    int16_t order[3];
    int n = 0;
    for (struct scripted_request *r = s.requests; r; r = r->next)
        if (r->channel == scripted_channel_of(&s, &a.link.connection) && r->api->key != API_API_VERSIONS)
            order[n++] = r->api->key;
    EXPECT_INT(n, 3);
    EXPECT(order[0] == API_DESCRIBE_PRODUCERS && order[1] == API_OFFSET_FOR_LEADER_EPOCH && order[2] == order[0]);
    end();
}

TEST(who_asks_together_shares_the_three_requests) {
    begin();
    ask(QUERIES);
    for (int i = 0; i < QUERIES; i++) EXPECT(x[i].answers == 1 && x[i].position.log_end == 1042);
    EXPECT_INT(s.requests_count[API_DESCRIBE_PRODUCERS], 2);
    EXPECT_INT(s.requests_count[API_OFFSET_FOR_LEADER_EPOCH], 1);
    end();
}

TEST(an_unknown_id_is_a_position_too) {
    begin();
    broker.known = false;
    ask(1);
    EXPECT(!error_is(&x[0].error));
    EXPECT(!x[0].position.known);
    EXPECT_INT(x[0].position.log_end, 1042);
    end();
}

TEST(a_state_that_moves_meanwhile_is_worth_nothing) {
    for (int how = 0; how < 3; how++) {
        begin();
        if (how == 0) broker.moved_to = 42;
        if (how == 1) broker.moved_coordinator_epoch = 8;
        if (how == 2) broker.forgotten_then = true;
        ask(1);
        EXPECT_INT(x[0].answers, 1);
        EXPECT_INT(x[0].error.kind, ERROR_PROTOCOL);
        EXPECT(strstr(x[0].error.detail, "moved"));
        end();
    }
}

TEST(the_end_of_another_epoch_is_worth_nothing) {
    for (int how = 0; how < 3; how++) {
        begin();
        if (how == 0) broker.answered_epoch = 5;
        if (how == 1) broker.log_end = -1;
        if (how == 2) broker.leave_out_end = 0;
        ask(1);
        EXPECT_INT(x[0].answers, 1);
        EXPECT_INT(x[0].error.kind, ERROR_PROTOCOL);
        EXPECT(strstr(x[0].error.detail, "moved"));
        end();
    }
}

TEST(an_error_is_one_partitions_own) {
    for (int how = 0; how < 2; how++) {
        begin();
        if (how == 0) broker.state_error = KAFKA_NOT_LEADER_OR_FOLLOWER;
        else broker.end_error = KAFKA_FENCED_LEADER_EPOCH;
        ask(QUERIES);
        for (int i = 0; i < QUERIES; i++) {
            EXPECT_INT(x[i].answers, 1);
            EXPECT_INT(x[i].error.kind, i == 1 ? ERROR_KAFKA : ERROR_NONE);
        }
        EXPECT_INT(x[1].error.code, how == 0 ? KAFKA_NOT_LEADER_OR_FOLLOWER : KAFKA_FENCED_LEADER_EPOCH);
        end();
    }
}

TEST(who_asks_during_a_round_gets_the_next_one) {
    begin();
    s.serve[API_OFFSET_FOR_LEADER_EPOCH] = NULL;
    s.serve[API_DESCRIBE_PRODUCERS] = NULL;
    ask(1);
    position_ask(&ps, &x[1].q);
    scripted_run(&s, MS);
    EXPECT_INT(scripted_unanswered(&s, API_DESCRIBE_PRODUCERS), 2);  // of one round
    describe(&s, scripted_next(&s, API_DESCRIBE_PRODUCERS));
    scripted_run(&s, MS);
    position_cancel(&x[0].q);  // and asks anew: the rest of this round is not for it
    position_ask(&ps, &x[0].q);
    tell_ends(&s, scripted_next(&s, API_OFFSET_FOR_LEADER_EPOCH));
    describe(&s, scripted_next(&s, API_DESCRIBE_PRODUCERS));
    s.serve[API_OFFSET_FOR_LEADER_EPOCH] = tell_ends;
    s.serve[API_DESCRIBE_PRODUCERS] = describe;
    scripted_run(&s, MS);
    for (int i = 0; i < 2; i++) EXPECT(x[i].answers == 1 && !error_is(&x[i].error));
    EXPECT_INT(s.requests_count[API_DESCRIBE_PRODUCERS], 4);
    end();
}

TEST(a_lost_connection_answers_everybody) {
    for (int answered = 0; answered < 3; answered++) {
        begin();
        s.serve[API_OFFSET_FOR_LEADER_EPOCH] = NULL;
        s.serve[API_DESCRIBE_PRODUCERS] = NULL;
        ask(2);
        position_ask(&ps, &x[2].q);
        if (answered > 0) describe(&s, scripted_next(&s, API_DESCRIBE_PRODUCERS));
        if (answered > 1) tell_ends(&s, scripted_next(&s, API_OFFSET_FOR_LEADER_EPOCH));
        scripted_run(&s, MS);
        x[0].again = true;  // while its failure is told
        scripted_cut(&s, &a.link.connection);
        EXPECT(x[0].answers >= 1);
        for (int i = 1; i < 3; i++) EXPECT(x[i].answers == 1 && x[i].error.kind == ERROR_TRANSPORT);
        s.serve[API_OFFSET_FOR_LEADER_EPOCH] = tell_ends;
        s.serve[API_DESCRIBE_PRODUCERS] = describe;
        broker.state_answers = 0;
        scripted_run(&s, SECOND);
        int before = x[0].answers;
        if (!link_linked(&x[0].q.link)) position_ask(&ps, &x[0].q);
        scripted_run(&s, MS);
        EXPECT_INT(x[0].answers, before + 1);
        EXPECT(!error_is(&x[0].error));
        end();
    }
}

TEST(a_broker_that_lacks_a_question_answers_nobody_for_ever) {
    static const int16_t lacks[] = {API_DESCRIBE_PRODUCERS, API_OFFSET_FOR_LEADER_EPOCH};
    for (size_t i = 0; i < 2; i++) {
        begin();
        s.version_max[lacks[i]] = -1;
        scripted_cut(&s, &a.link.connection);
        scripted_run(&s, SECOND);
        ask(2);
        scripted_run(&s, SECOND);
        for (int k = 0; k < 2; k++) EXPECT(x[k].answers == 1 && error_is(&x[k].error));
        s.version_max[lacks[i]] = api_find(lacks[i])->version_max;
        scripted_run(&s, 5 * SECOND);
        scripted_cut(&s, &a.link.connection);
        scripted_run(&s, 5 * SECOND);
        broker.state_answers = 0;
        ask(2);
        for (int k = 0; k < 2; k++) EXPECT(x[k].answers == 2 && !error_is(&x[k].error));
        end();
    }
}

int main(void) {
    RUN(two_equal_states_around_the_log_end_are_a_position);
    RUN(who_asks_together_shares_the_three_requests);
    RUN(an_unknown_id_is_a_position_too);
    RUN(a_state_that_moves_meanwhile_is_worth_nothing);
    RUN(the_end_of_another_epoch_is_worth_nothing);
    RUN(an_error_is_one_partitions_own);
    RUN(who_asks_during_a_round_gets_the_next_one);
    RUN(a_lost_connection_answers_everybody);
    RUN(a_broker_that_lacks_a_question_answers_nobody_for_ever);
    return test_result();
}
