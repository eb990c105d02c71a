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

// The destination refuses a full filler as too large: smaller ones do.
const char *fill_in_small(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(30);
    plan.topics[0].starts_at = STARTS_AT;
    plan.load_pause_us = 500 * MS;
    struct batch_stamp none = {0};
    uint8_t filler[4096];
    char limit[12];
    size_t full = batch_filler_write(BATCH_FILLER_COUNT_MAX, SIM_WALL_MS, &none, filler, sizeof filler);
    snprintf(limit, sizeof limit, "%d", (int)full - 1);
    const char *const settings[] = {"max.message.bytes", limit, NULL};
    struct world *w = world_begin(&plan, NULL, false, out);
    instance_kill(&w->instances[0], false);
    broker_topic_create(w->clusters[DESTINATION], "topic-0", 1, 3, settings);
    world_run(w, 1 * SECOND + moment_us);
    instance_start(&w->instances[0]);
    int64_t filled = 0;
    for (int i = 0; i < 500000 && filled < STARTS_AT - 60; i++) {
        world_run(w, 100);
        filled = scenario_truth(w).log->end;
    }
    broker_topic_alter(w->clusters[DESTINATION], "topic-0", "max.message.bytes", "1000000");  // for what is not filler
    const char *said = scenario_end(w);
    if (!said && out->halted > 0) said = "what could be filled is halted";
    return said || filled > 0 ? said : "nothing was filled";
}
