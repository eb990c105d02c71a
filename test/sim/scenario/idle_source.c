// A tail that was acknowledged with acks=1 is lost, and the source has nothing new: nobody would look again.
#include "sim/scenario/scenario.h"

const char *idle_source(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(5);
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND);
    scenario_hold_followers(w, true);
    load_stop(w);
    scenario_write(w);
    world_run(w, moment_us);
    struct broker_truth truth = scenario_truth(w);
    bool tail = truth.log->end > truth.log->high_watermark;
    scenario_move_leader(w);
    scenario_hold_followers(w, false);
    const char *said = scenario_end(w);
    return said || tail ? said : "nothing was acknowledged that could be lost";
}
