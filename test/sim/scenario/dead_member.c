// A rebalance waits for a member that is dead, longer than the guard: the living go on meanwhile.
#include "sim/scenario/scenario.h"

const char *dead_member(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(17);
    plan.instances = 3;
    plan.slices = 4;
    plan.static_members = false;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 20 * SECOND + moment_us * 100);
    instance_kill(&w->instances[2], false);
    world_run(w, 1 * SECOND);
    instance_start(&w->instances[2]);  // as a new member
    bool stopped = false;
    for (int i = 0; i < 400; i++) {
        world_run(w, 50 * MS);
        for (int k = 0; k < 2; k++) stopped |= w->instances[k].flow->ownership.fence_us <= w->now_us;
    }
    const char *said = scenario_end(w);
    return said || !stopped ? said : "a dead member's rebalance stopped a living one";
}
