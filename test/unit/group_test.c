// A member of a group and its coordinator, conversation by conversation, and what each error code makes it do.
#include "unit/test.h"
#include "unit/world.h"

static struct world w;
static struct instance *a;

// One instance that is a stable member.
static void begin(const char *instance_id) {
    world_init(&w, 1, 1);
    a = &w.instances[0];
    a->config.predecessor_dead = true;
    instance_start(a, instance_id);
    world_run(&w, 1000 * MS);
}

static struct coordinated *member(void) {
    return coordinator_find(&w.coordinator, a->o.group.member_id);
}

TEST(it_joins_with_the_id_the_broker_chose) {
    begin(NULL);
    EXPECT_INT(a->o.group.state, GROUP_STABLE);
    EXPECT_INT(w.coordinator.ids, 1);  // one id for two JoinGroups (KIP-394)
    EXPECT_INT(w.coordinator.group.members_count, 1);
    EXPECT_INT(w.coordinator.pending_count, 0);
    EXPECT_TEXT(a->o.group.host, "coordinator");
    EXPECT(member() != NULL && member()->rebalance_ms > member()->session_ms);
    world_free(&w);
}

TEST(heartbeats_come_in_time_and_only_their_sending_counts) {
    begin(NULL);
    w.latency_us_max = 60 * MS;
    for (int i = 0; i < 50; i++) {
        world_run(&w, 100 * MS);
        EXPECT(member()->session_end_us > w.now_us + (SESSION_MS - 300) * MS);
        // Heard at the coordinator after it was sent: its session outlives what we count from.
        EXPECT(a->o.group.last_heard_us + SESSION_MS * MS <= member()->session_end_us);
    }
    world_free(&w);
}

TEST(another_coordinator_that_others_name_is_looked_for) {
    begin(NULL);
    struct group *g = &a->o.group;
    struct wire_text host = {g->host, (int32_t)strlen(g->host)};
    group_told_coordinator(g, host, g->port);
    EXPECT_INT(g->state, GROUP_STABLE);
    group_told_coordinator(g, host, g->port + 1);
    EXPECT_INT(g->state, GROUP_PAUSING);
    group_told_coordinator(g, host, g->port + 1);  // is being looked for
    world_run(&w, 550 * MS);
    EXPECT_INT(g->state, GROUP_STABLE);
    EXPECT_INT(instance_owns(a), SLICES_DEFAULT);
    EXPECT_INT(a->fenced + a->lost, 0);
    world_free(&w);
}

TEST(codes_that_pass_cost_no_membership) {
    static const int16_t codes[] = {
        KAFKA_COORDINATOR_LOAD_IN_PROGRESS, KAFKA_COORDINATOR_NOT_AVAILABLE, KAFKA_NOT_COORDINATOR,
        KAFKA_ILLEGAL_GENERATION,           KAFKA_REBALANCE_IN_PROGRESS,     KAFKA_REQUEST_TIMED_OUT};
    static const int16_t keys[] = {API_HEARTBEAT, API_JOIN_GROUP, API_SYNC_GROUP, API_FIND_COORDINATOR};
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
            begin(NULL);
            struct group *g = &a->o.group;
            w.coordinator.refuse_once_with[keys[k]] = codes[i];
            if (keys[k] == API_FIND_COORDINATOR) world_cut_all(&w, a, false);
            else if (keys[k] != API_HEARTBEAT) group_rejoin(g, "test");
            world_run(&w, 550 * MS);
            EXPECT_INT(w.coordinator.refuse_once_with[keys[k]], 0);
            EXPECT_INT(g->state, GROUP_STABLE);
            EXPECT_INT(w.coordinator.ids, 1);
            EXPECT_INT(instance_owns(a), SLICES_DEFAULT);
            EXPECT_INT(a->lost + a->fenced + a->moved, 0);
            world_free(&w);
        }
    }
}

TEST(a_rejoin_that_is_due_is_not_lost_with_the_connection) {
    begin(NULL);
    int32_t generation = w.coordinator.group.generation;
    struct group *g = &a->o.group;
    group_rejoin(g, "test");
    group_told_coordinator(g, (struct wire_text){g->host, (int32_t)strlen(g->host)}, g->port + 1);
    EXPECT_INT(g->state, GROUP_PAUSING);
    world_run(&w, 550 * MS);
    EXPECT_INT(g->state, GROUP_STABLE);
    EXPECT_INT(w.coordinator.group.generation, generation + 1);
    world_free(&w);
}

// Each JoinGroup makes all members join.
TEST(who_lost_only_his_connection_joins_nobody_anew) {
    begin(NULL);
    int32_t generation = w.coordinator.group.generation;
    world_cut_all(&w, a, false);
    world_run(&w, 550 * MS);
    EXPECT_INT(a->o.group.state, GROUP_STABLE);
    EXPECT_INT(w.coordinator.group.generation, generation);
    EXPECT_INT(instance_owns(a), SLICES_DEFAULT);
    world_free(&w);
}

TEST(a_forgotten_member_loses_everything_and_joins_as_a_new_one) {
    static const int16_t keys[] = {API_HEARTBEAT, API_JOIN_GROUP, API_SYNC_GROUP};
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        begin(NULL);
        w.coordinator.refuse_once_with[keys[k]] = KAFKA_UNKNOWN_MEMBER_ID;
        group_rejoin(&a->o.group, "test");
        world_run(&w, 110 * MS);
        EXPECT_INT(a->lost, SLICES_DEFAULT);
        EXPECT_INT(instance_owns(a), 0);
        EXPECT_INT(a->o.fence_us, INT64_MIN);
        world_run(&w, 2500 * MS);  // the old member's session has to time out
        EXPECT_INT(w.coordinator.ids, 2);
        EXPECT_INT(instance_owns(a), SLICES_DEFAULT);
        world_free(&w);
    }
}

TEST(what_only_a_person_can_put_right_is_said_and_retried_slowly) {
    static const struct {
        int16_t code;
        const char *word;
    } refusals[] = {{KAFKA_GROUP_AUTHORIZATION_FAILED, "READ"},
                    {KAFKA_INVALID_SESSION_TIMEOUT, "session.timeout.ms"},
                    {KAFKA_INCONSISTENT_GROUP_PROTOCOL, "not Odraz"},
                    {KAFKA_GROUP_MAX_SIZE_REACHED, "group.max.size"},
                    {KAFKA_UNKNOWN_SERVER_ERROR, "UNKNOWN_SERVER_ERROR"}};
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        world_init(&w, 1, 1);
        a = &w.instances[0];
        w.coordinator.refuse_with = refusals[i].code;
        instance_start(a, NULL);
        world_run(&w, 20000 * MS);
        EXPECT(strstr(w.error_line, refusals[i].word));
        EXPECT_INT(w.channels_count, 2);  // to some broker, to the coordinator; then silence
        w.coordinator.refuse_with = 0;
        world_run(&w, 20000 * MS);
        EXPECT_INT(instance_owns(a), SLICES_DEFAULT);
        world_free(&w);
    }
}

TEST(a_static_leader_that_comes_back_is_told_to_skip_the_assignment) {
    for (int old = 0; old < 2; old++) {  // KIP-814, and before
        begin("a");
        w.coordinator.old_brokers = old;
        int32_t generation = w.coordinator.group.generation;
        instance_kill(a);
        instance_start(a, "a");
        world_run(&w, 50 * MS);
        EXPECT_INT(w.coordinator.group.generation, generation);  // no rebalance: it took its own place
        EXPECT_INT(instance_owns(a), 0);                         // what it was told is its predecessor's
        EXPECT_INT(w.coordinator.assignments_unasked, 0);
        world_run(&w, 150 * MS);
        EXPECT_INT(instance_owns(a), SLICES_DEFAULT);
        EXPECT(w.coordinator.group.generation > generation);
        EXPECT_INT(w.coordinator.group.members_count, 1);
        world_free(&w);
    }
}

TEST(only_a_dynamic_member_says_that_it_leaves) {
    for (int is_static = 0; is_static < 2; is_static++) {
        begin(is_static ? "a" : NULL);
        instance_stop(a);
        world_run(&w, 50 * MS);
        EXPECT_INT(a->stopped, 1);
        EXPECT_INT(a->o.group.state, GROUP_OFF);
        EXPECT_INT(w.coordinator.group.members_count, is_static);
        EXPECT_INT(timers_next(&a->env.timers), TIMER_NEVER);
        world_free(&w);
    }
}

TEST(whatever_it_does_it_can_be_stopped) {
    for (int64_t us = 0; us < 20 * MS; us += 50) {
        world_init(&w, (uint64_t)us, 1);
        a = &w.instances[0];
        instance_start(a, us % 100 ? "a" : NULL);
        world_run(&w, us);
        instance_stop(a);
        world_run(&w, 2000 * MS);
        EXPECT_INT(a->stopped, 1);
        EXPECT_INT(a->o.group.state, GROUP_OFF);
        EXPECT_INT(timers_next(&a->env.timers), TIMER_NEVER);
        EXPECT(us % 100 || w.coordinator.group.members_count == 0);
        world_free(&w);
    }
}

TEST(an_answer_is_worth_only_as_much_as_its_question_is_young) {
    // Asleep with the answer to SyncGroup in the socket for longer than the session: it must not begin on waking up.
    world_init(&w, 1, 2);
    a = &w.instances[0];
    struct instance *b = &w.instances[1];
    w.latency_us_max = 11;  // b's heartbeats are not in step with a's naps
    instance_start(a, NULL);
    while (a->o.group.state != GROUP_SYNCING || a->o.known_generation == SLICES_GENERATION_NONE) world_run(&w, 5);
    a->paused_until_us = w.now_us + 2 * SESSION_MS * MS;
    world_run(&w, 10 * MS);
    EXPECT(member()->assignment_size > 0);  // it was handed out
    instance_start(b, NULL);
    world_run(&w, a->paused_until_us - w.now_us - 1);
    EXPECT_INT(instance_owns(b), SLICES_DEFAULT);
    world_run(&w, 5000 * MS);
    EXPECT_INT(a->fenced, 0);  // it never began
    EXPECT_INT(w.violations, 0);
    EXPECT_INT(instance_owns(a) + instance_owns(b), SLICES_DEFAULT);
    world_free(&w);
}

int main(void) {
    RUN(it_joins_with_the_id_the_broker_chose);
    RUN(heartbeats_come_in_time_and_only_their_sending_counts);
    RUN(another_coordinator_that_others_name_is_looked_for);
    RUN(codes_that_pass_cost_no_membership);
    RUN(a_rejoin_that_is_due_is_not_lost_with_the_connection);
    RUN(who_lost_only_his_connection_joins_nobody_anew);
    RUN(a_forgotten_member_loses_everything_and_joins_as_a_new_one);
    RUN(what_only_a_person_can_put_right_is_said_and_retried_slowly);
    RUN(a_static_leader_that_comes_back_is_told_to_skip_the_assignment);
    RUN(only_a_dynamic_member_says_that_it_leaves);
    RUN(whatever_it_does_it_can_be_stopped);
    RUN(an_answer_is_worth_only_as_much_as_its_question_is_young);
    return test_result();
}
