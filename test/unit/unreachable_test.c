// What a broker costs that stands in the metadata and cannot be reached, or hangs up on everybody: metadata are of all
// topics, and the line may be paid for by the byte.
#include "unit/flow_story.h"

#define MINUTES 10
#define ASKED_MAX 60  // in that time; each second would be 600

static void begin_led_by_three(void) {
    begin(24);
    for (int32_t i = 0; i < w->partitions; i++) {
        w->source.logs[i].leader = w->destination.logs[i].leader = i % WORLD_BROKERS + 1;
        world_write(w, i, 5);
    }
    world_start(w);
    assert(equal());
}

// One broker of each cluster loses its connections, and one of them makes no new ones.
static void stay_away(const char *host) {
    w->s.refuses = host;
    scripted_cut_node(&w->s, 2);
    world_run(w, MINUTES * 60 * SECOND);
}

TEST(a_broker_that_cannot_be_reached_costs_few_metadata) {
    static const char *const hosts[] = {"source-2", "destination-2"};
    for (int side = 0; side < 2; side++) {
        begin_led_by_three();
        uint64_t source = w->flow->source.refreshes, destination = w->flow->destination.refreshes;
        stay_away(hosts[side]);
        EXPECT(w->flow->source.refreshes - source < ASKED_MAX);
        EXPECT(w->flow->destination.refreshes - destination < ASKED_MAX);
        w->s.refuses = NULL;
        world_write(w, 1, 5);
        world_run(w, 3 * SECOND);
        EXPECT(equal());
        end();
    }
}

static size_t unreachable(void) {
    struct flow_status s;
    flow_status(w->flow, &s);
    return s.unreachable;
}

// What its partitions were when they were heard of last looks well for ever.
TEST(a_broker_that_cannot_be_reached_stands_in_the_status) {
    static const char *const hosts[] = {"source-2", "destination-2"};
    for (int side = 0; side < 2; side++) {
        begin_led_by_three();
        EXPECT_INT(unreachable(), 0);
        stay_away(hosts[side]);
        EXPECT_INT(unreachable(), 1);
        w->s.refuses = NULL;
        world_run(w, 3 * SECOND);
        EXPECT_INT(unreachable(), 0);
        end();
    }
}

// Its successor is known long before who waits has been patient: what is asked for rarely is asked for soon at first.
TEST(a_new_leader_is_found_within_an_eighth_of_the_time) {
    static const char *const hosts[] = {"source-2", "destination-2"};
    for (int side = 0; side < 2; side++) {
        begin_led_by_three();
        w->s.refuses = hosts[side];
        scripted_cut_node(&w->s, 2);
        world_run(w, 9 * SECOND);  // broker.session.timeout.ms
        struct model_cluster *c = side == 0 ? &w->source : &w->destination;
        for (int32_t i = 1; i < w->partitions; i += WORLD_BROKERS) c->logs[i].leader = 3, c->logs[i].epoch++;
        world_write(w, 1, 5);
        world_run(w, 9 * SECOND / METADATA_TROUBLE_PART + 2 * PARTITION_BACKOFF_US_MAX);
        EXPECT(equal());
        end();
    }
}

static void answer_nothing(struct scripted *s, struct scripted_request *r) {
    struct scripted_channel *ch = r->channel;
    if (ch->node_id == 2 && world_side(w, r) == &w->source && ch->connection) scripted_cut(s, ch->connection);
    else world_fetch(s, r);
}

// It greets, and hangs up when it is asked for something.
TEST(a_broker_that_hangs_up_is_not_called_in_a_circle) {
    begin_led_by_three();
    w->s.serve[API_FETCH] = answer_nothing;
    scripted_cut_node(&w->s, 2);
    int before = w->s.channels_count;
    uint64_t source = w->flow->source.refreshes;
    world_run(w, 60 * SECOND);
    EXPECT(w->s.channels_count - before < 3 * 60);
    EXPECT(w->flow->source.refreshes - source < ASKED_MAX);
    w->s.serve[API_FETCH] = world_fetch;
    world_write(w, 1, 5);
    world_run(w, 3 * SECOND);
    EXPECT(equal());
    end();
}

static void freeze_two(struct scripted *s, struct scripted_request *r) {
    bool frozen = r->channel->node_id == 2;
    if (!frozen && r->api->key == API_PRODUCE) world_produce(s, r);
    if (!frozen && r->api->key == API_FETCH) world_fetch(s, r);
}

// Connections to it are made, and it answers nothing that matters.
TEST(a_broker_that_is_frozen_costs_few_metadata) {
    static const int16_t apis[] = {API_PRODUCE, API_FETCH};
    for (int i = 0; i < 2; i++) {
        begin_led_by_three();
        uint64_t source = w->flow->source.refreshes, destination = w->flow->destination.refreshes;
        w->s.serve[apis[i]] = freeze_two;
        world_write(w, 1, 5);
        world_run(w, MINUTES * 60 * SECOND);
        EXPECT(w->flow->source.refreshes - source < ASKED_MAX);
        EXPECT(w->flow->destination.refreshes - destination < ASKED_MAX);
        end();
    }
}

// Fewer brokers run than min.insync.replicas: each append is refused, for hours.
TEST(a_destination_without_enough_replicas_costs_few_metadata) {
    begin_led_by_three();
    uint64_t source = w->flow->source.refreshes, destination = w->flow->destination.refreshes;
    w->s.serve[API_PRODUCE] = world_refuse_all;
    for (int32_t i = 0; i < w->partitions; i++) world_write(w, i, 5);
    world_run(w, 60 * SECOND);
    EXPECT(w->flow->source.refreshes - source < ASKED_MAX);
    EXPECT(w->flow->destination.refreshes - destination < ASKED_MAX);
    w->s.serve[API_PRODUCE] = world_produce;
    world_run(w, 3 * SECOND);
    EXPECT(equal());
    end();
}

static uint64_t fetched(void) {
    return flow_fetch_session(w->flow, world_partition(w, 0))->link.connection.bytes_in;
}

// Nor does it cost the line: what comes behind a batch that is refused again and again would be thrown away.
TEST(what_is_refused_again_is_tried_with_little) {
    begin_copied(1);
    for (int i = 0; i < 100; i++)
        model_write(&w->source.logs[0],
                    &(struct model_batch){.count = 50, .timestamp = w->s.env.wall_ms, .size = 100 * KiB});
    w->s.serve[API_PRODUCE] = world_refuse_all;
    world_run(w, 5 * SECOND);
    uint64_t before = fetched();
    world_run(w, 5 * SECOND);
    EXPECT(fetched() > before);
    EXPECT(fetched() - before < 5 * (FETCH_FIRST_BATCH_BYTES + 2 * 100 * KiB));
    w->s.serve[API_PRODUCE] = world_produce;
    int fetches = w->s.requests_count[API_FETCH];
    for (int i = 0; i < 3000 && !equal(); i++) world_run(w, MS);
    EXPECT(equal());
    EXPECT(w->s.requests_count[API_FETCH] - fetches < 25);  // with what comes after that it is as it was before
    end();
}

// And a leader whose followers hang is asked ever more rarely whether they do not any more.
TEST(followers_that_hang_cost_few_questions) {
    begin_copied(1);
    to->followers_stuck = true;
    to->replicated = to->end;
    world_write(w, 0, 5);
    world_run(w, 40 * SECOND);
    int before = w->s.requests_count[API_DESCRIBE_PRODUCERS];
    world_run(w, 60 * SECOND);
    int asked = w->s.requests_count[API_DESCRIBE_PRODUCERS] - before;
    EXPECT(asked > 0 && asked < 2 * 2 * 60);
    to->followers_stuck = false;
    world_run(w, 3 * SECOND);
    EXPECT(equal());
    end();
}

int main(void) {
    RUN(a_broker_that_cannot_be_reached_costs_few_metadata);
    RUN(a_broker_that_cannot_be_reached_stands_in_the_status);
    RUN(a_new_leader_is_found_within_an_eighth_of_the_time);
    RUN(a_broker_that_hangs_up_is_not_called_in_a_circle);
    RUN(a_broker_that_is_frozen_costs_few_metadata);
    RUN(a_destination_without_enough_replicas_costs_few_metadata);
    RUN(what_is_refused_again_is_tried_with_little);
    RUN(followers_that_hang_cost_few_questions);
    return test_result();
}
