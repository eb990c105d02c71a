// Leases as stories: an instance that needs one asks the coordinator to write, and believes no heartbeat.
#include "unit/test.h"
#include "unit/world.h"

static struct world w;
static struct instance *a;

static void begin(int instances) {
    world_init(&w, 7, instances);
    a = &w.instances[0];
    for (int i = 0; i < instances; i++) instance_start(&w.instances[i], NULL);
    world_run(&w, 3000 * MS);
}

static void want(struct instance *in) {
    in->env.now_us = w.now_us;
    ownership_want_lease(&in->o);
    instance_entered(in);
}

// So long, with something that needs a lease all the time.
static void run_wanting(int64_t us) {
    for (int64_t end_us = w.now_us + us; w.now_us < end_us;) {
        want(a);
        world_run(&w, 10 * MS);
    }
}

static bool leased(const struct instance *in) {
    return w.now_us < in->o.lease_us;
}

TEST(who_needs_no_lease_asks_for_none) {
    begin(1);
    EXPECT(a->o.fence_us > w.now_us);
    EXPECT_INT(w.coordinator.commits, 0);
    EXPECT_INT(a->o.lease_us, INT64_MIN);
    world_free(&w);
}

TEST(a_lease_comes_at_once_and_is_renewed_with_each_heartbeat) {
    begin(1);
    want(a);
    world_run(&w, 10 * MS);
    EXPECT(leased(a));
    EXPECT_INT(w.coordinator.commits, 1);
    EXPECT_TEXT(w.coordinator.committed_topic, "topic");
    world_run(&w, 2000 * MS);
    EXPECT(leased(a));
    EXPECT(w.coordinator.commits >= 18 && w.coordinator.commits <= 22);
    EXPECT_INT(a->leases_over + a->fenced, 0);
    world_run(&w, LEASE_KEPT_US);  // nobody needs it any more
    int32_t commits = w.coordinator.commits;
    world_run(&w, 1000 * MS);
    EXPECT_INT(w.coordinator.commits, commits);
    EXPECT(!leased(a) && a->o.fence_us > w.now_us);
    EXPECT_INT(instance_owns(a), SLICES_DEFAULT);
    want(a);
    world_run(&w, 10 * MS);
    EXPECT(leased(a));
    world_free(&w);
}

TEST(it_counts_from_when_it_was_asked_for) {
    begin(1);
    w.latency_us_max = 60 * MS;
    for (int i = 0; i < 100; i++) {
        want(a);
        world_run(&w, 20 * MS);
        // The coordinator counts our session from when it was asked, or later.
        struct coordinated *m = coordinator_find(&w.coordinator, a->o.group.member_id);
        EXPECT(a->o.lease_us == INT64_MIN || a->o.lease_us + SESSION_MS * 4 / 10 * MS <= m->session_end_us);
        EXPECT(a->o.group.leased_us <= w.coordinator.commit_us);
        EXPECT(a->o.lease_us <= a->o.fence_us);
    }
    EXPECT(leased(a));
    world_free(&w);
}

TEST(a_coordinator_that_writes_nothing_is_heard_and_gives_no_lease) {
    begin(1);
    run_wanting(500 * MS);
    EXPECT(leased(a));
    w.coordinator.writes_nothing = true;
    run_wanting(400 * MS);
    EXPECT(leased(a) && a->leases_over == 0);  // the guard's time
    run_wanting(300 * MS);
    EXPECT(!leased(a));
    EXPECT_INT(a->leases_over, 1);
    EXPECT(a->o.fence_us > w.now_us);
    EXPECT_INT(instance_owns(a), SLICES_DEFAULT);  // and what needs no lease goes on
    EXPECT_INT(a->fenced, 0);
    w.coordinator.writes_nothing = false;
    run_wanting(800 * MS);
    EXPECT(leased(a));
    world_free(&w);
}

TEST(no_refusal_gives_a_lease) {
    static const int16_t codes[] = {KAFKA_COORDINATOR_NOT_AVAILABLE,  KAFKA_COORDINATOR_LOAD_IN_PROGRESS,
                                    KAFKA_NOT_COORDINATOR,            KAFKA_REQUEST_TIMED_OUT,
                                    KAFKA_ILLEGAL_GENERATION,         KAFKA_REBALANCE_IN_PROGRESS,
                                    KAFKA_UNKNOWN_MEMBER_ID,          KAFKA_FENCED_INSTANCE_ID,
                                    KAFKA_UNKNOWN_TOPIC_OR_PARTITION, KAFKA_TOPIC_AUTHORIZATION_FAILED,
                                    KAFKA_GROUP_AUTHORIZATION_FAILED, KAFKA_UNKNOWN_SERVER_ERROR};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        begin(1);
        w.coordinator.refuse_once_with[API_OFFSET_COMMIT] = codes[i];
        want(a);
        world_run(&w, 20 * MS);
        EXPECT_INT(w.coordinator.refuse_once_with[API_OFFSET_COMMIT], 0);
        EXPECT(!leased(a));
        EXPECT_INT(a->o.group.state, GROUP_STABLE);  // a heartbeat will tell, if there is something to tell
        world_run(&w, 200 * MS);
        EXPECT(leased(a));
        EXPECT_INT(a->fenced + a->lost + a->moved, 0);
        world_free(&w);
    }
}

TEST(an_answer_that_names_no_topic_gives_no_lease) {
    begin(1);
    w.coordinator.commits_unnamed = true;
    want(a);
    world_run(&w, 20 * MS);
    EXPECT_INT(w.coordinator.commits, 1);
    EXPECT(!leased(a));
    w.coordinator.commits_unnamed = false;
    world_run(&w, 200 * MS);
    EXPECT(leased(a));
    world_free(&w);
}

TEST(a_topic_that_may_not_be_read_is_told_once_and_another_one_is_tried) {
    begin(1);
    w.coordinator.refuse_once_with[API_OFFSET_COMMIT] = KAFKA_TOPIC_AUTHORIZATION_FAILED;
    want(a);
    world_run(&w, 20 * MS);
    EXPECT(strstr(w.error_line, "READ on a mirrored topic is missing"));
    w.error_line[0] = '\0';
    w.coordinator.refuse_once_with[API_OFFSET_COMMIT] = KAFKA_TOPIC_AUTHORIZATION_FAILED;
    world_run(&w, 100 * MS);
    EXPECT_TEXT(w.error_line, "");
    EXPECT(!leased(a));
    world_run(&w, 100 * MS);
    EXPECT(leased(a));
    EXPECT_INT(a->topic_turn, 2);
    world_free(&w);
}

TEST(replicas_that_do_not_come_are_told_once) {
    begin(1);
    a->env.log.level = LOG_WARN;
    for (int i = 0; i < 3; i++) {
        int16_t code = i < 2 ? KAFKA_REQUEST_TIMED_OUT : KAFKA_REBALANCE_IN_PROGRESS;
        w.coordinator.refuse_once_with[API_OFFSET_COMMIT] = code;
        w.error_line[0] = '\0';
        want(a);
        world_run(&w, i == 0 ? 20 * MS : 100 * MS);
        EXPECT_INT(w.coordinator.refuse_once_with[API_OFFSET_COMMIT], 0);
        EXPECT_INT(strstr(w.error_line, "REQUEST_TIMED_OUT") != NULL, i == 0);
        EXPECT_INT(w.error_line[0] != '\0', i == 0);
    }
    world_free(&w);
}

TEST(a_rebalance_that_waits_for_a_dead_member_ends_no_lease) {
    begin(3);
    instance_kill(&w.instances[2]);
    struct instance *b = &w.instances[1];
    b->env.now_us = w.now_us;
    group_rejoin(&b->o.group, "test");
    instance_entered(b);
    run_wanting(800 * MS);
    EXPECT_INT(a->o.group.state, GROUP_JOINING);  // for longer than the guard
    EXPECT(leased(a));
    run_wanting(2000 * MS);
    EXPECT(leased(a));
    EXPECT_INT(a->leases_over + a->fenced + a->lost, 0);
    EXPECT_INT(w.violations, 0);
    world_free(&w);
}

TEST(a_connection_lost_in_such_a_rebalance_ends_no_lease) {
    begin(2);
    instance_kill(&w.instances[1]);
    a->env.now_us = w.now_us;
    group_rejoin(&a->o.group, "test");
    instance_entered(a);
    run_wanting(200 * MS);
    EXPECT_INT(a->o.group.state, GROUP_JOINING);
    world_cut_all(&w, a, false);
    run_wanting(700 * MS);
    EXPECT_INT(a->o.group.state, GROUP_JOINING);
    EXPECT(leased(a));
    EXPECT_INT(a->leases_over + a->fenced + a->lost, 0);
    EXPECT_INT(w.violations, 0);
    world_free(&w);
}

TEST(who_is_fenced_or_lost_has_no_lease) {
    begin(1);
    run_wanting(100 * MS);
    w.coordinator.refuse_with = KAFKA_COORDINATOR_LOAD_IN_PROGRESS;
    run_wanting(700 * MS);
    EXPECT_INT(a->fenced, SLICES_DEFAULT);
    EXPECT_INT(a->o.lease_us, INT64_MIN);
    w.coordinator.refuse_with = 0;
    run_wanting(3000 * MS);
    EXPECT(leased(a));
    w.coordinator.refuse_once_with[API_HEARTBEAT] = KAFKA_UNKNOWN_MEMBER_ID;
    run_wanting(110 * MS);
    EXPECT_INT(a->lost, SLICES_DEFAULT);
    EXPECT_INT(a->o.lease_us, INT64_MIN);
    world_free(&w);
}

// Woken up late, with an answer that comes before the timer: what was held back for the old lease is let go of.
TEST(a_lease_that_comes_after_the_end_of_the_last_one_is_another) {
    begin(1);
    run_wanting(100 * MS);
    EXPECT(leased(a));
    a->o.fence_us = a->o.lease_us + 1000 * MS;
    a->env.now_us = a->o.lease_us + 10 * MS;
    a->o.group.leased_us = a->env.now_us - MS;
    a->o.group.callbacks.leased(&a->o);
    EXPECT_INT(a->leases_over, 1);
    EXPECT(a->o.lease_us > a->env.now_us);
    world_free(&w);
}

TEST(who_was_replaced_asks_under_no_name) {
    world_init(&w, 7, 2);
    a = &w.instances[0];
    instance_start(a, "a");
    world_run(&w, 3000 * MS);
    run_wanting(100 * MS);
    EXPECT(leased(a));
    instance_start(&w.instances[1], "a");
    run_wanting(5000 * MS);
    EXPECT(!a->o.group.instance_id && w.instances[1].o.group.instance_id);
    EXPECT(leased(a));
    world_free(&w);
}

int main(void) {
    RUN(who_needs_no_lease_asks_for_none);
    RUN(a_lease_comes_at_once_and_is_renewed_with_each_heartbeat);
    RUN(it_counts_from_when_it_was_asked_for);
    RUN(a_coordinator_that_writes_nothing_is_heard_and_gives_no_lease);
    RUN(no_refusal_gives_a_lease);
    RUN(an_answer_that_names_no_topic_gives_no_lease);
    RUN(a_topic_that_may_not_be_read_is_told_once_and_another_one_is_tried);
    RUN(replicas_that_do_not_come_are_told_once);
    RUN(a_rebalance_that_waits_for_a_dead_member_ends_no_lease);
    RUN(a_connection_lost_in_such_a_rebalance_ends_no_lease);
    RUN(who_is_fenced_or_lost_has_no_lease);
    RUN(a_lease_that_comes_after_the_end_of_the_last_one_is_another);
    RUN(who_was_replaced_asks_under_no_name);
    return test_result();
}
