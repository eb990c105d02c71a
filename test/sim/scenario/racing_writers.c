// Two owners of one partition, both knowing the same state: one's batches are exact repeats of the other's ranges.
#include "sim/scenario/scenario.h"

const char *racing_writers(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(4);
    plan.instances = 2;
    plan.unowned = true;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 4 * SECOND);
    for (int i = 0; i < 10; i++) {
        network_reset(w, DESTINATION, scenario_truth(w).leader);  // both ask, both go on from there
        for (int k = 0; k < 8; k++) load_write(w, &w->ledger.topics[0], 0);
        world_run(w, 100 * MS + moment_us);
    }
    return scenario_end(w);
}
