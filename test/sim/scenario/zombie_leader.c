// A leader that does not know that it was deposed is read, and written to, by an instance that takes over.
#include "sim/scenario/scenario.h"

const char *zombie_leader(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(3);
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND);
    int32_t zombie = scenario_truth(w).leader;
    broker_node_isolate(w->clusters[DESTINATION], zombie, true);
    world_run(w, 8 * SECOND + moment_us * 100);  // about when the controller gives it up
    instance_kill(&w->instances[0], false);
    instance_start(&w->instances[0]);
    world_run(w, 6 * SECOND);
    bool deposed = scenario_truth(w).leader != zombie;
    broker_node_isolate(w->clusters[DESTINATION], zombie, false);
    world_run(w, 2 * SECOND);
    const char *said = scenario_end(w);
    return said || deposed ? said : "nobody else leads";
}
