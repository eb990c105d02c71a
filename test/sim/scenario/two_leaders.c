// Sequence and log end are read while leadership moves: from two leaders they would not belong together.
#include "sim/scenario/scenario.h"

const char *two_leaders(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(1);
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND);
    scenario_hold_followers(w, true);
    scenario_write(w);
    struct broker_truth truth = scenario_truth(w);
    bool tail = truth.log->end > truth.log->high_watermark;
    network_reset(w, DESTINATION, truth.leader);  // now it asks where it stands
    world_run(w, moment_us);
    scenario_move_leader(w);
    scenario_hold_followers(w, false);
    world_run(w, 2 * SECOND);
    const char *said = scenario_end(w);
    return said || tail ? said : "the leader had no tail to lose";
}
