// Two mirrors in opposite directions under the same names: what came from the destination does not go back, and what
// came from elsewhere does go on.
#include "sim/scenario/scenario.h"

const char *loop(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(15);
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND + moment_us);
    load_stop(w);
    load_write_mirrored(w, &w->ledger.topics[0], 0, "elsewhere");
    world_run(w, 2 * SECOND);
    int64_t end = scenario_source(w).log->end;
    bool went_on = scenario_truth(w).log->end == end;
    load_write_mirrored(w, &w->ledger.topics[0], 0, SIM_CLUSTER_DESTINATION);
    scenario_write(w);
    world_run(w, 100 * MS);  // what halted is looked at anew with each refresh of the topics: not within that
    const struct partition *p = w->instances[0].flow->partitions[0];
    bool halted = p->state == PARTITION_HALTED && p->halt_offset == end;
    const char *said = scenario_end(w);
    if (!said && !went_on) said = "what another mirror brought was not mirrored";
    return said || halted ? said : "what came from the destination goes back there";
}
