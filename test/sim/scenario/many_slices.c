// As many slices as there may be: all of them move to whoever comes, and back when he goes.
#include "base/limits.h"
#include "sim/scenario/scenario.h"

const char *many_slices(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(52 + (uint64_t)moment_us);
    plan.instances = 2;
    plan.slices = SLICES_MAX;
    plan.static_members = false;
    plan.load_pause_us = 200 * MS;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 20 * SECOND + moment_us);
    int32_t shared = slices_count(&w->instances[0].flow->ownership.owned);
    instance_stop(&w->instances[1]);
    world_run(w, 20 * SECOND);
    int32_t alone = slices_count(&w->instances[0].flow->ownership.owned);
    const char *said = scenario_end(w);  // where both run again
    if (!said && shared >= alone) said = "nothing moved";
    return said || alone == SLICES_MAX ? said : "who is alone does not own everything";
}
