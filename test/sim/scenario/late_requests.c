// The broker has forgotten our state (records of last year), and requests of a dead owner are executed late: only time
// protects, the session's and the guard's.
#include "sim/scenario/scenario.h"

const char *late_requests(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(6);
    plan.topics[0].last_year = true;
    plan.expiration_ms = plan.expiration_check_ms = 2000;
    plan.instances = 2;
    plan.slices = 1;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 15 * SECOND);
    struct instance *in = &w->instances[slices_count(&w->instances[0].flow->ownership.owned) > 0 ? 0 : 1];
    int32_t leader = scenario_truth(w).leader;
    network_cut(w, in->number, DESTINATION, leader, OUT, true);
    scenario_write(w);  // what it appends now is on its way
    instance_kill(in, false);
    int64_t end = scenario_truth(w).log->end;
    world_run(w, 8 * SECOND + moment_us * 100);
    network_cut(w, in->number, DESTINATION, leader, OUT, false);
    world_run(w, 200 * MS);
    bool came = scenario_truth(w).log->end > end;
    world_run(w, 30 * SECOND);
    const char *said = scenario_end(w);
    return said || came ? said : "no request came late";
}
