// An unclean election at the source loses what was committed, and mirrored: the two logs part, and that is said.
#include "sim/scenario/scenario.h"

static void hold_source(struct world *w, int32_t leader, bool held) {
    for (int32_t node = 1; node <= w->plan.nodes[SOURCE]; node++)
        if (node != leader) broker_replica_hold(w->clusters[SOURCE], "topic-0", 0, node, held);
}

// `again`: the mirror was away, and finds other records where its own end is.
static const char *tell(int64_t moment_us, struct outcome *out, bool again) {
    struct plan plan = scenario_plan(9 + (uint64_t)moment_us);  // other batches each time
    plan.nodes[SOURCE] = 3;
    plan.load_pause_us = 200 * MS;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND + moment_us);
    int32_t leader = scenario_source(w).leader;
    hold_source(w, leader, true);
    world_run(w, 60 * SECOND);  // the followers leave the ISR, and the leader commits alone
    load_stop(w);
    world_run(w, 2 * SECOND);
    int64_t mirrored = scenario_truth(w).log->high_watermark;
    w->ledger.topics[0].truncated[0] = true;
    broker_leader_move(w->clusters[SOURCE], "topic-0", 0, leader % 3 + 1, true);
    if (again) instance_kill(&w->instances[0], false);
    world_run(w, 1 * SECOND);
    bool lost = scenario_source(w).log->end < mirrored;
    hold_source(w, leader, false);
    for (int i = 0; again && scenario_source(w).log->end <= mirrored + 100 && i < 1000; i++)
        load_write(w, &w->ledger.topics[0], 0);
    world_run(w, 5 * SECOND);
    if (again) instance_start(&w->instances[0]);
    world_run(w, 60 * SECOND);
    const char *said = scenario_end(w);
    if (!said && out->halted == 0) said = "the mirror goes on as if nothing had been lost";
    return said || lost ? said : "the source lost nothing that was mirrored";
}

const char *source_truncated(int64_t moment_us, struct outcome *out) {
    return tell(moment_us, out, false);
}

const char *source_grown_again(int64_t moment_us, struct outcome *out) {
    return tell(moment_us, out, true);
}
