// An id that the leader knows only from an uncommitted tail: whoever believes it goes on behind what will be lost.
#include "sim/scenario/scenario.h"

const char *uncommitted_tail(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(2);
    plan.load_pause_us = 200 * MS;
    struct world *w = world_begin(&plan, NULL, false, out);
    struct broker_truth truth;
    while (!broker_partition_truth(w->clusters[DESTINATION], "topic-0", 0, &truth)) world_run(w, 1 * MS);
    scenario_hold_followers(w, true);
    for (int i = 0; i < 5000 && scenario_truth(w).log->end == 0; i++) world_run(w, 1 * MS);
    truth = scenario_truth(w);
    bool tail = truth.log->end > 0 && truth.log->high_watermark == 0;
    instance_kill(&w->instances[0], false);
    instance_start(&w->instances[0]);
    world_run(w, moment_us);
    scenario_move_leader(w);
    scenario_hold_followers(w, false);
    world_run(w, 2 * SECOND);
    const char *said = scenario_end(w);
    return said || tail ? said : "the first batch was replicated, or never came";
}
