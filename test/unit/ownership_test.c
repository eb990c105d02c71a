// Ownership as stories: instances share a flow's slices over a coordinator's model, and no slice ever has two owners.
#include "unit/test.h"
#include "unit/world.h"

static struct world w;

static int32_t owned_by_all(void) {
    int32_t sum = 0;
    for (int i = 0; i < w.instances_count; i++) sum += instance_owns(&w.instances[i]);
    return sum;
}

static bool run_until_all_owned(int64_t us_max) {
    int64_t end_us = w.now_us + us_max;
    while (owned_by_all() != SLICES_DEFAULT && w.now_us < end_us) world_run(&w, 10 * MS);
    return owned_by_all() == SLICES_DEFAULT;
}

TEST(a_lone_instance_owns_everything_at_once) {
    world_init(&w, 1, 1);
    instance_start(&w.instances[0], NULL);
    world_run(&w, 150 * MS);
    EXPECT_INT(instance_owns(&w.instances[0]), SLICES_DEFAULT);
    EXPECT(w.instances[0].o.fence_us > w.now_us && w.instances[0].o.fence_us <= w.now_us + 600 * MS);
    EXPECT_INT(w.instances[0].o.generation, w.coordinator.group.generation);
    world_run(&w, 10000 * MS);  // and keeps it
    EXPECT_INT(w.instances[0].fenced + w.instances[0].lost + w.instances[0].moved, 0);
    EXPECT(w.instances[0].o.fence_us > w.now_us);
    world_free(&w);
}

TEST(who_joins_gets_its_share_when_the_other_has_let_go) {
    world_init(&w, 2, 2);
    struct instance *a = &w.instances[0], *b = &w.instances[1];
    a->drain_us_max = 300 * MS;
    instance_start(a, NULL);
    world_run(&w, 500 * MS);
    instance_start(b, NULL);
    world_run(&w, 150 * MS);
    EXPECT(a->moved > 10 && instance_owns(b) == 0);  // a is letting go
    EXPECT(instance_owns(a) > 0);                    // and the rest goes on
    world_run(&w, 1000 * MS);
    EXPECT_INT(owned_by_all(), SLICES_DEFAULT);
    EXPECT(instance_owns(b) > 16 && instance_owns(b) == a->moved);
    EXPECT_INT(b->moved + a->fenced + b->fenced, 0);
    EXPECT_INT(w.violations, 0);
    world_free(&w);
}

TEST(who_is_paused_is_fenced_before_anybody_else_begins) {
    world_init(&w, 3, 2);
    struct instance *a = &w.instances[0], *b = &w.instances[1];
    instance_start(a, "a");
    instance_start(b, "b");
    world_run(&w, 3000 * MS);
    int32_t share = instance_owns(a);
    int64_t paused_us = w.now_us;
    a->paused_until_us = w.now_us + 3000 * MS;
    world_run(&w, 650 * MS);
    EXPECT(a->o.fence_us <= w.now_us);                     // a sends nothing any more, though it does not know yet
    EXPECT_INT(instance_owns(b), SLICES_DEFAULT - share);  // and b has not begun
    while (instance_owns(b) < SLICES_DEFAULT && w.now_us < paused_us + 3000 * MS) world_run(&w, 10 * MS);
    EXPECT(w.now_us > paused_us + (SESSION_MS - SESSION_MS / 10) * MS && w.now_us < paused_us + 1500 * MS);
    EXPECT_INT(instance_owns(a), share);  // asleep
    world_run(&w, a->paused_until_us - w.now_us + 20 * MS);
    EXPECT_INT(instance_owns(a), 0);
    EXPECT_INT(a->fenced, share);
    world_run(&w, 3000 * MS);
    EXPECT_INT(instance_owns(a), share);  // its own again
    EXPECT_INT(w.violations, 0);
    world_free(&w);
}

TEST(a_coordinator_that_is_silent_for_longer_than_the_guard_stops_everything) {
    world_init(&w, 4, 1);
    struct instance *a = &w.instances[0];
    instance_start(a, NULL);
    world_run(&w, 1000 * MS);
    w.coordinator.refuse_with = KAFKA_COORDINATOR_LOAD_IN_PROGRESS;
    world_run(&w, 480 * MS);
    EXPECT_INT(instance_owns(a), SLICES_DEFAULT);
    world_run(&w, 150 * MS);
    EXPECT_INT(instance_owns(a), 0);
    EXPECT_INT(a->fenced, SLICES_DEFAULT);
    EXPECT_INT(a->o.fence_us, INT64_MIN);
    w.coordinator.refuse_with = 0;
    EXPECT(run_until_all_owned(2500 * MS));
    world_free(&w);
}

TEST(lost_connections_and_a_failover_within_the_guard_disturb_nobody) {
    world_init(&w, 5, 2);
    struct instance *a = &w.instances[0], *b = &w.instances[1];
    instance_start(a, "a");
    instance_start(b, NULL);
    world_run(&w, 3000 * MS);
    EXPECT_INT(owned_by_all(), SLICES_DEFAULT);
    int32_t moved = a->moved + b->moved;
    for (int i = 0; i < 10; i++) {
        world_cut_all(&w, i % 2 ? a : NULL, i % 3 == 0);
        world_run(&w, 700 * MS);
        if (i == 5) world_fail_over(&w);
    }
    EXPECT_INT(owned_by_all(), SLICES_DEFAULT);
    EXPECT_INT(a->moved + b->moved, moved);
    EXPECT_INT(a->fenced + b->fenced + a->lost + b->lost, 0);
    world_free(&w);
}

TEST(who_leaves_hands_over_at_once) {
    world_init(&w, 6, 2);
    struct instance *a = &w.instances[0], *b = &w.instances[1];
    instance_start(a, NULL);
    instance_start(b, NULL);
    EXPECT(run_until_all_owned(3000 * MS));
    world_run(&w, 1000 * MS);
    a->drain_us_max = 50 * MS;
    instance_stop(a);
    EXPECT_INT(a->stopped, 0);  // it still drains
    world_run(&w, 60 * MS);
    EXPECT_INT(a->stopped, 1);
    world_run(&w, 150 * MS);  // b's next heartbeat tells it
    EXPECT_INT(instance_owns(b), SLICES_DEFAULT);
    EXPECT_INT(w.violations, 0);
    world_free(&w);
}

// There is nothing left to wait for.
TEST(who_loses_its_membership_while_it_drains_leaves_at_once) {
    world_init(&w, 15, 2);
    struct instance *a = &w.instances[0], *b = &w.instances[1];
    instance_start(a, "same");
    EXPECT(run_until_all_owned(3000 * MS));
    a->drain_us_max = 100000 * MS;
    instance_stop(a);
    instance_start(b, "same");
    world_run(&w, 1000 * MS);
    EXPECT(a->lost > 0);
    EXPECT_INT(a->stopped, 1);
    world_free(&w);
}

TEST(who_leaves_in_the_middle_of_a_rebalance_leaves_too) {
    world_init(&w, 7, 2);
    struct instance *a = &w.instances[0], *b = &w.instances[1];
    instance_start(a, NULL);
    world_run(&w, 1000 * MS);
    a->paused_until_us = w.now_us + 300 * MS;
    instance_start(b, NULL);
    world_run(&w, 100 * MS);
    EXPECT_INT(b->o.group.state, GROUP_JOINING);
    instance_stop(b);
    world_run(&w, 100 * MS);
    EXPECT_INT(b->stopped, 1);
    EXPECT_INT(w.coordinator.group.members_count, 1);
    world_run(&w, 400 * MS);
    EXPECT_INT(instance_owns(a), SLICES_DEFAULT);
    EXPECT_INT(a->fenced, 0);
    world_free(&w);
}

TEST(a_dead_member_in_a_rebalance_stops_nobody_else) {
    world_init(&w, 13, 4);
    struct instance *a = &w.instances[0], *b = &w.instances[1], *dead = &w.instances[2], *new = &w.instances[3];
    instance_start(a, NULL);
    instance_start(b, NULL);
    instance_start(dead, NULL);
    world_run(&w, 3000 * MS);
    int32_t share = instance_owns(a) + instance_owns(b);
    instance_kill(dead);
    instance_start(new, NULL);
    world_run(&w, 800 * MS);
    EXPECT_INT(a->o.group.state, GROUP_JOINING);  // for longer than the guard
    EXPECT_INT(instance_owns(a) + instance_owns(b), share);
    EXPECT(a->o.fence_us > w.now_us && b->o.fence_us > w.now_us);
    world_run(&w, 2000 * MS);
    EXPECT_INT(owned_by_all(), SLICES_DEFAULT);
    EXPECT_INT(a->fenced + b->fenced + a->lost + b->lost, 0);
    EXPECT_INT(w.violations, 0);
    world_free(&w);
}

// As many heartbeats as are usual: the guard leaves time for two. A JoinGroup that was held back, answered and repeated
// must not begin the interval anew.
TEST(few_heartbeats_are_enough_in_a_rebalance) {
    for (uint64_t seed = 100; seed < 160; seed++) {
        world_init(&w, seed, 4);
        for (int i = 0; i < 4; i++) w.instances[i].config.heartbeat_interval_ms = SESSION_MS * 3 / 10;
        for (int i = 0; i < 3; i++) instance_start(&w.instances[i], NULL);
        world_run(&w, 4000 * MS);
        instance_kill(&w.instances[2]);
        instance_start(&w.instances[3], NULL);
        world_run(&w, 4000 * MS);
        EXPECT_INT(owned_by_all(), SLICES_DEFAULT);
        for (int i = 0; i < 2; i++) EXPECT_INT(w.instances[i].fenced + w.instances[i].lost, 0);
        EXPECT_INT(w.violations, 0);
        world_free(&w);
    }
}

TEST(a_pulse_does_not_outlive_a_join_that_never_arrived) {
    world_init(&w, 14, 2);
    struct instance *a = &w.instances[0], *b = &w.instances[1];
    instance_start(a, NULL);
    world_run(&w, 1000 * MS);
    instance_start(b, NULL);
    while (a->o.group.state != GROUP_JOINING) world_run(&w, 5);
    world_cut(&w, (uint32_t)a->o.group.connection.driver_slot, true);
    world_run(&w, 2000 * MS);
    EXPECT(a->o.fence_us > w.now_us);  // its session lives
    world_run(&w, 900 * MS);
    EXPECT_INT(a->fenced, SLICES_DEFAULT);  // but it has not rejoined
    world_run(&w, 3000 * MS);
    EXPECT_INT(owned_by_all(), SLICES_DEFAULT);
    EXPECT_INT(w.violations, 0);
    world_free(&w);
}

TEST(a_restarted_static_instance_gets_its_own_back_at_once_when_its_predecessor_is_known_dead) {
    world_init(&w, 8, 2);
    struct instance *a = &w.instances[0], *b = &w.instances[1];
    a->config.predecessor_dead = b->config.predecessor_dead = true;
    instance_start(a, "a");
    instance_start(b, "b");
    EXPECT(run_until_all_owned(3000 * MS));
    world_run(&w, 1000 * MS);
    int32_t share = instance_owns(a), gained = b->gained;
    instance_kill(a);
    instance_start(a, "a");
    world_run(&w, 300 * MS);
    EXPECT_INT(instance_owns(a), share);
    EXPECT_INT(b->gained, gained);
    EXPECT_INT(b->moved + b->fenced, 0);
    world_free(&w);
}

TEST(a_predecessor_that_is_only_paused_is_waited_for) {
    world_init(&w, 9, 3);
    struct instance *a = &w.instances[0], *b = &w.instances[1], *again = &w.instances[2];
    instance_start(a, "a");
    instance_start(b, "b");
    EXPECT(run_until_all_owned(4000 * MS));
    world_run(&w, 1000 * MS);
    int32_t share = instance_owns(a);
    a->paused_until_us = w.now_us + 500 * MS;  // still below its fence when it wakes
    instance_start(again, "a");
    world_run(&w, 490 * MS);
    EXPECT_INT(instance_owns(again), 0);
    world_run(&w, 700 * MS);
    EXPECT_INT(a->lost + a->fenced, share);  // the broker told it, or its guard did
    EXPECT(run_until_all_owned(3000 * MS));
    EXPECT_INT(w.violations, 0);
    world_free(&w);
}

TEST(two_instances_under_one_id_are_told_the_setting_and_go_on) {
    world_init(&w, 10, 2);
    struct instance *a = &w.instances[0], *b = &w.instances[1];
    instance_start(a, "same");
    EXPECT(run_until_all_owned(3000 * MS));
    instance_start(b, "same");
    EXPECT(run_until_all_owned(100 * MS));
    world_run(&w, 5000 * MS);
    EXPECT(strstr(w.error_line, "instance.id") && strstr(w.error_line, "FENCED_INSTANCE_ID"));
    EXPECT_INT(a->lost, SLICES_DEFAULT);
    EXPECT(a->o.group.instance_id == NULL && b->o.group.instance_id != NULL);
    EXPECT_INT(owned_by_all(), SLICES_DEFAULT);
    EXPECT(instance_owns(a) > 10 && instance_owns(b) > 10);
    EXPECT_INT(w.violations, 0);
    world_free(&w);
}

TEST(an_instance_that_counts_otherwise_owns_nothing_and_is_told) {
    world_init(&w, 11, 2);
    struct instance *a = &w.instances[0], *b = &w.instances[1];
    instance_start(a, NULL);
    world_run(&w, 500 * MS);
    b->config.slices = 128;
    instance_start(b, NULL);
    world_run(&w, 3000 * MS);
    EXPECT_INT(instance_owns(a), SLICES_DEFAULT);
    EXPECT_INT(instance_owns(b), 0);
    EXPECT(strstr(w.error_line, "number of slices"));
    instance_kill(a);
    world_run(&w, 3000 * MS);
    EXPECT_INT(instance_owns(b), 128);
    world_free(&w);
}

// Two regions whose settings files say the same aliases.
TEST(instances_that_mirror_another_source_own_all_of_theirs) {
    world_init(&w, 16, 4);
    for (int i = 0; i < 4; i++) {
        w.instances[i].source_id = i % 2 ? "eu" : "us";
        instance_start(&w.instances[i], NULL);
        world_run(&w, 500 * MS);
    }
    world_run(&w, 3000 * MS);
    EXPECT_INT(instance_owns(&w.instances[0]) + instance_owns(&w.instances[2]), SLICES_DEFAULT);
    EXPECT_INT(instance_owns(&w.instances[1]) + instance_owns(&w.instances[3]), SLICES_DEFAULT);
    EXPECT(instance_owns(&w.instances[3]) > 0);
    instance_kill(&w.instances[1]);
    world_run(&w, 3000 * MS);
    EXPECT_INT(instance_owns(&w.instances[3]), SLICES_DEFAULT);
    EXPECT_INT(w.violations, 0);
    world_free(&w);
}

// Two teams' topics, and one pair of aliases: what one has in its slices the other does not mirror.
TEST(instances_that_mirror_other_topics_are_named) {
    world_init(&w, 17, 2);
    w.instances[1].config.rules = 2;
    for (int i = 0; i < 2; i++) instance_start(&w.instances[i], NULL);
    EXPECT(run_until_all_owned(3000 * MS));
    EXPECT(strstr(w.error_line, "mirrors other topics"));
    EXPECT_INT(w.violations, 0);
    world_free(&w);
}

TEST(a_foreign_member_with_garbage_blocks_nothing_that_is_owned) {
    world_init(&w, 12, 1);
    struct instance *a = &w.instances[0];
    instance_start(a, NULL);
    world_run(&w, 500 * MS);
    struct join_group_request_protocol protocol = {model_text("slices"), {(const uint8_t *)"\1garbage", 8}};
    struct join_group_request r;
    message_defaults(&join_group_request_message, &r);
    r.group_instance_id = model_text("stranger");
    r.protocols = &protocol;
    r.protocols_count = 1;
    r.session_timeout_ms = r.rebalance_timeout_ms = 500;
    struct waiting nobody = {.set = true, .channel = 0, .version = 9};  // the first connection, long closed
    coordinator_add(&w.coordinator, "stranger-1", &r, &nobody);
    world_run(&w, 1500 * MS);
    EXPECT(strstr(w.error_line, "stranger"));
    EXPECT_INT(instance_owns(a), SLICES_DEFAULT);
    EXPECT_INT(a->moved + a->lost, 0);
    world_free(&w);
}

// The random world; one seed alone is told as a story.
static uint64_t seed_first = 1, seeds = 1000;

// The random world ---------------------------------------------------------------------------------------------------

static void mishap(void) {
    struct instance *in = &w.instances[prng_below(&w.prng, (uint64_t)w.instances_count)];
    static const char *const ids[] = {NULL, NULL, "x", "y", "z"};
    switch (prng_below(&w.prng, 12)) {
    case 0:
    case 1:
    case 2:
        if (in->alive) in->paused_until_us = w.now_us + prng_between(&w.prng, 0, SESSION_MS * MS * 2);
        break;
    case 3:
        world_cut_all(&w, in, false);
        break;
    case 4:
        world_cut_all(&w, in, true);
        break;
    case 5:
        world_fail_over(&w);
        break;
    case 6:
        if (in->alive && !instance_paused(in)) instance_stop(in);
        break;
    case 7:
        if (in->alive) instance_kill(in);
        break;
    case 8:
        w.coordinator.refuse_with = prng_below(&w.prng, 2) ? KAFKA_NOT_COORDINATOR : 0;
        break;
    case 9:
        w.coordinator.refuse_once_with[API_SYNC_GROUP] = KAFKA_REBALANCE_IN_PROGRESS;
        break;
    default:
        break;
    }
    if (in->alive && in->stopped) instance_kill(in);
    if (!in->alive) instance_start(in, ids[prng_below(&w.prng, 5)]);
}

// Whatever happened: once the world is quiet, every slice has one owner, and nobody waits for anything.
static bool comes_to_rest(void) {
    w.coordinator.refuse_with = 0;
    w.late_us_max = 0;
    world_run(&w, 4 * SESSION_MS * MS);
    for (int i = 0; i < w.instances_count; i++) {
        if (w.instances[i].stopped) instance_kill(&w.instances[i]);
        if (!w.instances[i].alive) instance_start(&w.instances[i], NULL);
    }
    world_run(&w, 8 * SESSION_MS * MS);
    for (int i = 0; i < w.instances_count; i++)
        if (w.instances[i].alive && !slices_empty(&w.instances[i].o.draining)) return false;
    return owned_by_all() == SLICES_DEFAULT;
}

static bool live_through(uint64_t seed) {
    world_init(&w, seed, (int)(2 + seed % 4));
    w.verbose = seeds == 1;
    w.coordinator.old_brokers = prng_below(&w.prng, 4) == 0;
    w.late_us_max = prng_below(&w.prng, 2) ? 2000 * MS : 0;
    w.latency_us_max = prng_between(&w.prng, 1, 40) * MS;
    for (int i = 0; i < w.instances_count; i++) {
        w.instances[i].drain_us_max = prng_below(&w.prng, 3) ? prng_between(&w.prng, 0, 500) * MS : 0;
        instance_start(&w.instances[i], NULL);
    }
    for (int i = 0; i < 25; i++) {
        world_run(&w, prng_between(&w.prng, 1, 400) * MS);
        mishap();
    }
    bool fine = comes_to_rest() && w.violations == 0;
    if (!fine)
        printf("seed %llu: %d violations, %d slices owned\n", (unsigned long long)seed, w.violations, owned_by_all());
    world_free(&w);
    return fine;
}

TEST(no_slice_has_two_owners_whatever_happens) {
    for (uint64_t seed = seed_first; seed < seed_first + seeds; seed++) EXPECT(live_through(seed));
}

int main(int argc, char **argv) {
    if (argc > 1) seed_first = strtoull(argv[1], NULL, 10);
    if (argc > 2) seeds = strtoull(argv[2], NULL, 10);
    RUN(a_lone_instance_owns_everything_at_once);
    RUN(who_joins_gets_its_share_when_the_other_has_let_go);
    RUN(who_is_paused_is_fenced_before_anybody_else_begins);
    RUN(a_coordinator_that_is_silent_for_longer_than_the_guard_stops_everything);
    RUN(lost_connections_and_a_failover_within_the_guard_disturb_nobody);
    RUN(who_leaves_hands_over_at_once);
    RUN(who_loses_its_membership_while_it_drains_leaves_at_once);
    RUN(who_leaves_in_the_middle_of_a_rebalance_leaves_too);
    RUN(a_dead_member_in_a_rebalance_stops_nobody_else);
    RUN(few_heartbeats_are_enough_in_a_rebalance);
    RUN(a_pulse_does_not_outlive_a_join_that_never_arrived);
    RUN(a_restarted_static_instance_gets_its_own_back_at_once_when_its_predecessor_is_known_dead);
    RUN(a_predecessor_that_is_only_paused_is_waited_for);
    RUN(two_instances_under_one_id_are_told_the_setting_and_go_on);
    RUN(an_instance_that_counts_otherwise_owns_nothing_and_is_told);
    RUN(instances_that_mirror_another_source_own_all_of_theirs);
    RUN(instances_that_mirror_other_topics_are_named);
    RUN(a_foreign_member_with_garbage_blocks_nothing_that_is_owned);
    RUN(no_slice_has_two_owners_whatever_happens);
    return test_result();
}
