// The group's coordinator moves, again and again: its members follow, and nobody loses what he holds.
#include "sim/scenario/scenario.h"

static void move_coordinators(struct world *w) {
    struct broker_cluster *c = w->clusters[DESTINATION];
    struct broker_truth truth;
    for (int32_t k = 0; k < 2; k++)
        if (broker_partition_truth(c, "__consumer_offsets", k, &truth))
            broker_leader_move(c, "__consumer_offsets", k, truth.leader % w->plan.nodes[DESTINATION] + 1, false);
}

static const char *tell(int64_t moment_us, struct outcome *out, int64_t load_us_max) {
    struct plan plan = scenario_plan(18);
    plan.load_us_max = load_us_max;
    plan.instances = 2;
    plan.slices = 4;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 20 * SECOND + moment_us * 100);
    int64_t before[2];
    for (int k = 0; k < 2; k++) before[k] = slices_count(&w->instances[k].flow->ownership.owned);
    bool lost = false;
    for (int i = 0; i < 800; i++) {
        if (i % 100 == 0) move_coordinators(w);
        world_run(w, 50 * MS);
        for (int k = 0; k < 2; k++) {
            const struct ownership *o = &w->instances[k].flow->ownership;
            lost |= o->fence_us <= w->now_us || slices_count(&o->owned) != before[k];
        }
    }
    const char *said = scenario_end(w);
    if (!said && before[0] + before[1] != plan.slices) said = "there were slices without an owner";
    return said || !lost ? said : "somebody lost slices because the coordinator moved";
}

const char *coordinator_moves(int64_t moment_us, struct outcome *out) {
    return tell(moment_us, out, 0);
}

// Each new one has much to read first.
const char *coordinator_loads(int64_t moment_us, struct outcome *out) {
    return tell(moment_us, out, 2 * SECOND);
}
