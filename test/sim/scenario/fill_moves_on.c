// While the offsets below the source's log start are filled its retention takes more: nothing that was mirrored is lost
// by that, and the filling goes on.
#include "sim/scenario/scenario.h"

#define STARTS_AT 200
#define STARTS_THEN 260

const char *fill_moves_on(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(27);
    plan.topics[0].starts_at = STARTS_AT;
    plan.load_pause_us = 500 * MS;
    struct world *w = world_begin(&plan, NULL, false, out);
    struct broker_truth source;
    for (int i = 0; i < 50; i++) load_write(w, &w->ledger.topics[0], 0);
    int64_t filled = 0, wanted = 30 + moment_us / 300;
    struct broker_truth truth;
    for (int i = 0; i < 100000 && filled < wanted; i++) {
        world_run(w, 100);
        if (broker_partition_truth(w->clusters[DESTINATION], "topic-0", 0, &truth)) filled = truth.log->end;
    }
    broker_delete_records(w->clusters[SOURCE], "topic-0", 0, STARTS_THEN);
    world_run(w, 5 * SECOND);
    broker_partition_truth(w->clusters[SOURCE], "topic-0", 0, &source);
    bool moved = filled >= wanted && filled < STARTS_AT && source.log->start == STARTS_THEN;
    const char *said = scenario_end(w);
    if (!said && out->halted > 0) said = "only filler was lost, and the mirror halts";
    return said || moved ? said : "the log start did not move while it was filled";
}
