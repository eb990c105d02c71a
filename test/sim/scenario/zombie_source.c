// A leader of the source was deposed and does not know it. Who takes over, and hears of nobody else for a while, finds
// that it ends before what was mirrored since: that is no divergence.
#include "sim/scenario/scenario.h"

// `one_batch`: no more than that was mirrored since.
static const char *tell(uint64_t seed, int64_t moment_us, struct outcome *out, bool one_batch) {
    struct plan plan = scenario_plan(seed + (uint64_t)moment_us);
    plan.nodes[SOURCE] = 3;
    plan.load_pause_us = 200 * MS;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND);
    if (one_batch) load_stop(w);
    world_run(w, 2 * SECOND);
    int32_t zombie = scenario_source(w).leader;
    broker_node_isolate(w->clusters[SOURCE], zombie, true);
    broker_leader_move(w->clusters[SOURCE], "topic-0", 0, zombie % 3 + 1, false);
    world_run(w, 30 * SECOND);
    if (one_batch) load_write(w, &w->ledger.topics[0], 0);
    world_run(w, 30 * SECOND + moment_us);
    const struct broker_log *its = broker_replica_log(w->clusters[SOURCE], "topic-0", 0, zombie);
    bool behind = its->end < scenario_truth(w).log->end;
    instance_kill(&w->instances[0], false);
    scenario_cut_off(w, SOURCE, zombie, true);
    instance_start(&w->instances[0]);
    world_run(w, 20 * SECOND);
    behind &= w->instances[0].flow->partitions_count > 0;
    scenario_cut_off(w, SOURCE, zombie, false);
    world_run(w, 20 * SECOND);
    broker_node_isolate(w->clusters[SOURCE], zombie, false);
    const char *said = scenario_end(w);
    if (!said && out->halted > 0) said = "a deposed leader was believed";
    return said || behind ? said : "the deposed leader was not behind, or not asked";
}

const char *zombie_source(int64_t moment_us, struct outcome *out) {
    return tell(32, moment_us, out, false);
}

// It ends where the last batch that was mirrored begins: asked for that batch it has nothing to answer.
const char *zombie_source_just_behind(int64_t moment_us, struct outcome *out) {
    return tell(69, moment_us, out, true);
}

static void restart_others(struct world *w, int32_t leader) {
    struct broker_cluster *c = w->clusters[SOURCE];
    for (int32_t node = 1; node <= 3; node++)
        if (node != leader) broker_node_stop(c, node, BROKER_SHUT_DOWN, 0);
    world_run(w, 40 * SECOND);
    for (int32_t node = 1; node <= 3; node++)
        if (node != leader) broker_node_start(c, node);
    world_run(w, 40 * SECOND);
}

// The same for who had nothing to do for so long that he is connected to none of the others: they were away since. He
// must go and ask them.
const char *zombie_source_alone(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(63 + (uint64_t)moment_us);
    plan.instances = 2;
    plan.nodes[SOURCE] = 3;
    plan.load_pause_us = 300 * MS;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 20 * SECOND);
    int owner = slices_count(&w->instances[0].flow->ownership.owned) > 0 ? 0 : 1;
    struct instance *a = &w->instances[owner], *b = &w->instances[!owner];
    int32_t zombie = scenario_source(w).leader;
    restart_others(w, zombie);
    instance_kill(a, false);
    instance_start(a);  // and is connected to all
    world_run(w, 10 * SECOND);
    broker_node_isolate(w->clusters[SOURCE], zombie, true);
    broker_leader_move(w->clusters[SOURCE], "topic-0", 0, zombie % 3 + 1, false);
    world_run(w, 60 * SECOND + moment_us);
    const struct broker_log *its = broker_replica_log(w->clusters[SOURCE], "topic-0", 0, zombie);
    bool behind = its->end < scenario_truth(w).log->end;
    instance_kill(a, false);
    world_run(w, 60 * SECOND);
    const struct partition *p = b->flow->partitions_count > 0 ? b->flow->partitions[0] : NULL;
    bool heard = p && p->state == PARTITION_COPY && p->source_leader != zombie;
    broker_node_isolate(w->clusters[SOURCE], zombie, false);
    const char *said = scenario_end(w);
    if (!said && behind && !heard) said = "a deposed leader was believed, or nobody else asked";
    return said || behind ? said : "the deposed leader was not behind";
}
