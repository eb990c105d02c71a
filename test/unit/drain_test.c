// A slice goes only when nothing of it is under way any more, whatever goes wrong meanwhile.
#include "unit/flow_story.h"

// With appends under way that nobody answers but a test.
static void begin_unanswered(int32_t partitions) {
    begin_copied(partitions);
    world_write(w, 0, 30);
    w->s.serve[API_PRODUCE] = NULL;
}

TEST(stopping_waits_for_what_is_under_way) {
    begin_unanswered(2);
    world_run(w, 100 * MS);
    EXPECT(scripted_unanswered(&w->s, API_PRODUCE) > 0);
    flow_stop(w->flow);
    world_run(w, SECOND);
    EXPECT(!w->stopped);
    EXPECT_INT(state(), PARTITION_DRAIN);
    struct scripted_request *r;
    while ((r = scripted_next(&w->s, API_PRODUCE))) {
        world_produce(&w->s, r);
        world_run(w, MS);
    }
    world_run(w, SECOND);
    EXPECT(w->stopped);
    EXPECT_INT(state(), PARTITION_IDLE);
    EXPECT(to->end == from->end && equal());
    end();
}

static bool answer_one(int16_t code) {
    struct scripted_request *r = scripted_next(&w->s, API_PRODUCE);
    if (!r) return false;
    w->answer_with = code;
    world_produce(&w->s, r);
    return true;
}

// What is in requests may come to the broker late: nobody else may have the slice before it is answered.
TEST(a_refusal_while_stopping_ends_no_other_wait) {
    begin_unanswered(1);
    world_run(w, 100 * MS);
    EXPECT(scripted_unanswered(&w->s, API_PRODUCE) > 2);
    flow_stop(w->flow);
    EXPECT(answer_one(KAFKA_NOT_ENOUGH_REPLICAS));
    world_run(w, SECOND);
    EXPECT_INT(state(), PARTITION_DRAIN);
    EXPECT(!w->stopped);
    while (answer_one(KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER)) continue;
    world_run(w, SECOND);
    EXPECT(w->stopped);
    EXPECT_INT(w->budget.used, 0);
    end();
}

TEST(what_an_earlier_attempt_sent_is_waited_for_when_stopping) {
    begin_unanswered(1);
    w->s.serve[API_DESCRIBE_PRODUCERS] = w->s.serve[API_OFFSET_FOR_LEADER_EPOCH] = NULL;
    world_run(w, 100 * MS);
    EXPECT(answer_one(KAFKA_NOT_ENOUGH_REPLICAS));
    world_run(w, MS);
    EXPECT_INT(state(), PARTITION_RESYNC);
    EXPECT(scripted_unanswered(&w->s, API_PRODUCE) > 1);
    flow_stop(w->flow);
    world_run(w, SECOND);
    EXPECT(!w->stopped);
    while (answer_one(KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER)) continue;
    world_run(w, SECOND);
    EXPECT(w->stopped);
    end();
}

// What it would say is for the next owner to hear.
TEST(a_look_at_the_logs_ends_with_the_slice) {
    begin_unanswered(1);
    world_run(w, 100 * MS);
    w->s.serve[API_DESCRIBE_PRODUCERS] = w->s.serve[API_OFFSET_FOR_LEADER_EPOCH] = NULL;
    world_change_leader(w, &w->destination, 0);
    world_run(w, 2 * SECOND);
    EXPECT_INT(state(), PARTITION_RESYNC);
    EXPECT(world_partition(w, 0)->append.under_way > 0);
    flow_stop(w->flow);
    world_describe_producers(&w->s, scripted_next(&w->s, API_DESCRIBE_PRODUCERS));
    world_epoch_ends(&w->s, scripted_next(&w->s, API_OFFSET_FOR_LEADER_EPOCH));
    world_describe_producers(&w->s, scripted_next(&w->s, API_DESCRIBE_PRODUCERS));
    world_run(w, SECOND);
    EXPECT_INT(state(), PARTITION_DRAIN);
    EXPECT(!w->stopped);
    while (answer_one(KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER)) continue;
    world_run(w, SECOND);
    EXPECT(w->stopped);
    end();
}

// Nobody hears any more what became of its requests; they may be executed as long after that as rule 14 says.
TEST(what_was_sent_counts_from_when_its_connection_is_lost) {
    begin_unanswered(1);
    world_run(w, 2 * SECOND);
    EXPECT(world_partition(w, 0)->append.under_way > 0);
    scripted_cut(&w->s, scripted_next(&w->s, API_PRODUCE)->channel->connection);
    EXPECT_INT(world_partition(w, 0)->append.under_way, 0);
    EXPECT_INT(world_partition(w, 0)->unsafe_since_us, w->s.env.now_us);
    end();
}

TEST(what_an_earlier_attempt_sent_counts_from_when_its_connection_is_lost) {
    begin_unanswered(1);
    world_run(w, 100 * MS);
    w->s.serve[API_DESCRIBE_PRODUCERS] = w->s.serve[API_OFFSET_FOR_LEADER_EPOCH] = NULL;
    struct connection *old = scripted_next(&w->s, API_PRODUCE)->channel->connection;
    world_change_leader(w, &w->destination, 0);
    world_run(w, 2 * SECOND);
    EXPECT_INT(state(), PARTITION_RESYNC);
    EXPECT(world_partition(w, 0)->append.under_way > 0);
    scripted_cut(&w->s, old);
    EXPECT_INT(world_partition(w, 0)->append.under_way, 0);
    EXPECT_INT(world_partition(w, 0)->unsafe_since_us, w->s.env.now_us);
    end();
}

// Whose source was never reached.
TEST(a_flow_that_has_not_begun_stops_at_once) {
    begin(1);
    w->s.serve[API_METADATA] = NULL;
    world_start(w);
    EXPECT_INT(w->flow->producer_id, 0);
    EXPECT_INT(w->s.requests_count[API_JOIN_GROUP], 0);  // who has nothing to give away takes no slices
    flow_stop(w->flow);
    EXPECT(w->stopped);
    end();
}

int main(void) {
    RUN(stopping_waits_for_what_is_under_way);
    RUN(a_refusal_while_stopping_ends_no_other_wait);
    RUN(what_an_earlier_attempt_sent_is_waited_for_when_stopping);
    RUN(a_look_at_the_logs_ends_with_the_slice);
    RUN(what_was_sent_counts_from_when_its_connection_is_lost);
    RUN(what_an_earlier_attempt_sent_counts_from_when_its_connection_is_lost);
    RUN(a_flow_that_has_not_begun_stops_at_once);
    return test_result();
}
