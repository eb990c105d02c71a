// The broker has forgotten our state (records of last year), or will before they come, and requests of a dead owner are
// executed late: only time protects, the session's and the guard's.
#include "base/limits.h"
#include "sim/scenario/scenario.h"

static struct instance *owner(struct world *w) {
    return &w->instances[slices_count(&w->instances[0].flow->ownership.owned) > 0 ? 0 : 1];
}

const char *late_requests(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(6);
    plan.topics[0].last_year = true;
    plan.expiration_ms = plan.expiration_check_ms = 2000;
    plan.instances = 2;
    plan.slices = 1;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 15 * SECOND);
    struct instance *in = owner(w);
    int32_t leader = scenario_truth(w).leader;
    network_cut(w, in->number, DESTINATION, leader, OUT, true);
    scenario_write(w);  // what it appends now is on its way
    instance_kill(in, false);
    world_run(w, 8 * SECOND + moment_us * 100);
    bool came = scenario_comes_now(w, in->number, leader);
    world_run(w, 30 * SECOND);
    const char *said = scenario_end(w);
    return said || came ? said : "no request came late";
}

static int64_t end_of_other(struct world *w) {
    struct broker_truth truth = {0};
    broker_partition_truth(w->clusters[DESTINATION], "topic-0", 2, &truth);
    return truth.log ? truth.log->end : 0;
}

// With acks=all they wait behind one that waits for a replica.
const char *late_behind_replica(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(12);
    plan.nodes[DESTINATION] = 2;
    plan.replication_factor = 2;
    plan.replica_lag_ms = 120000;  // they stay in the ISR
    plan.topics[0].partitions = APPEND_LANE_PARTITIONS + 1;  // the first and the third have one leader and one pipeline
    plan.topics[0].last_year = true;
    plan.expiration_ms = plan.expiration_check_ms = 2000;
    plan.acks = -1;
    plan.instances = 2;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 60 * SECOND);
    struct instance *in = owner(w);
    scenario_hold_followers(w, true);
    load_stop(w);
    for (int i = 0; i < 5; i++) load_write(w, &w->ledger.topics[0], 0);
    world_run(w, 700 * MS);
    for (int i = 0; i < 5; i++) load_write(w, &w->ledger.topics[0], 2);
    world_run(w, 700 * MS + moment_us);
    instance_kill(in, false);
    world_run(w, 25 * SECOND);  // the next owner begins after 10, and would append after 10 more
    int64_t end = end_of_other(w);
    scenario_hold_followers(w, false);
    world_run(w, 200 * MS);
    bool came = end_of_other(w) > end;
    world_run(w, 60 * SECOND);
    const char *said = scenario_end(w);
    return said || came ? said : "no request came late";
}

// Whoever takes over does so a session time-out later, not sooner.
static void run_to_heartbeat(struct world *w, const struct instance *in) {
    const struct group *g = &in->flow->ownership.group;
    for (int i = 0; i < 60000 && w->now_us - g->last_heard_us > 20 * MS; i++) world_run(w, 100);
}

// Records of today, and the destination remembers that for some seconds only: the next owner comes while it still does.
const char *late_of_today(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(13);
    plan.expiration_ms = 13200;
    plan.expiration_check_ms = 500;
    plan.session_timeout_ms = 6000;
    plan.load_pause_us = 500 * MS;  // or the records would be of the future
    plan.instances = 2;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 15 * SECOND);
    struct instance *in = owner(w);
    int32_t leader = scenario_truth(w).leader;
    run_to_heartbeat(w, in);
    load_stop(w);
    load_write(w, &w->ledger.topics[0], 0);
    world_run(w, 100 * MS);
    network_cut(w, in->number, DESTINATION, leader, OUT, true);
    load_write(w, &w->ledger.topics[0], 0);
    world_run(w, 300 * MS);
    instance_kill(in, false);
    world_run(w, 14700 * MS + moment_us * 20);
    bool came = scenario_comes_now(w, in->number, leader);
    world_run(w, 30 * SECOND);
    const char *said = scenario_end(w);
    return said || came ? said : "no request came late";
}
