// A member's JoinGroup is lost on its way, while heartbeats on another connection get through: they keep its session
// alive, but not its place in the group. It lets go of what it holds before others get it.
#include "sim/scenario/scenario.h"

// Until the instance has just said that it joins again.
static struct channel *find_join(struct world *w, const struct group *g) {
    for (int i = 0; i < 1000000; i++) {
        struct channel *ch = network_channel(&g->connection);
        if (ch && g->state == GROUP_JOINING && ch->pipes[OUT].bytes > 0) return ch;
        world_run(w, 20);
    }
    return NULL;
}

const char *lost_join(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(38 + (uint64_t)moment_us);
    plan.instances = 3;
    plan.slices = 16;
    plan.static_members = false;
    plan.latency_us_max = 20 * MS;
    struct world *w = world_begin(&plan, NULL, false, out);
    instance_kill(&w->instances[2], false);
    world_run(w, 20 * SECOND + moment_us * 100);
    const struct ownership *o = &w->instances[0].flow->ownership;
    bool held = slices_count(&o->owned) > 0;
    instance_start(&w->instances[2]);
    struct channel *join = find_join(w, &o->group);
    if (join) network_stall(join, true);
    bool fenced = false, alone = false;
    for (int i = 0; join && i < 45 * 20; i++) {
        world_run(w, 50 * MS);
        fenced |= slices_empty(&o->owned);
        int32_t others = 0;
        for (int k = 1; k < 3; k++) others += slices_count(&w->instances[k].flow->ownership.owned);
        alone |= others == plan.slices;
    }
    network_heal(w);
    const char *said = scenario_end(w);
    return said || (held && fenced && alone) ? said : "nobody lost his place in the group";
}
