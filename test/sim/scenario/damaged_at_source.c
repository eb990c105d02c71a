// A batch stands damaged at the source, and comes so as often as it is fetched: its partition halts there, and what
// precedes it is mirrored.
#include "sim/scenario/scenario.h"

const char *damaged_at_source(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(14);
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND + moment_us);
    load_stop(w);
    world_run(w, 2 * SECOND);
    instance_kill(&w->instances[0], false);
    for (int i = 0; i < 5; i++) load_write(w, &w->ledger.topics[0], 0);
    const struct broker_log *log = scenario_source(w).log;
    const struct stored_batch *b = broker_log_at(log, log->count - 2);
    ((uint8_t *)b->at)[b->header.size - 1] ^= 1;
    w->ledger.topics[0].damaged[0] = true;
    instance_start(&w->instances[0]);
    world_run(w, 60 * SECOND);
    const struct flow *f = w->instances[0].flow;
    const struct partition *p = f->partitions_count == 1 ? f->partitions[0] : NULL;
    bool halted = p && p->state == PARTITION_HALTED && p->halt_offset == b->header.base_offset;
    bool complete = scenario_truth(w).log->end == b->header.base_offset;
    const char *said = scenario_end(w);
    if (!said && !complete) said = "what precedes the damage was not mirrored";
    return said || halted ? said : "nobody said where the damage is";
}

// It is mended while its partition is halted, and damaged once more on the way when that is looked at again: the tries
// begin anew, so it comes with the next one, and not minutes later.
const char *damage_mended(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(58 + (uint64_t)moment_us);
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND + moment_us);
    load_stop(w);
    world_run(w, 2 * SECOND);
    instance_kill(&w->instances[0], false);
    for (int i = 0; i < 5; i++) load_write(w, &w->ledger.topics[0], 0);
    const struct broker_log *log = scenario_source(w).log;
    const struct stored_batch *b = broker_log_at(log, log->count - 2);
    uint8_t *last = (uint8_t *)b->at + b->header.size - 1;
    *last ^= 1;
    w->ledger.topics[0].damaged[0] = true;
    instance_start(&w->instances[0]);
    world_run(w, 60 * SECOND);
    const struct flow *f = w->instances[0].flow;
    const struct partition *p = f->partitions_count == 1 ? f->partitions[0] : NULL;
    bool halted = p && p->state == PARTITION_HALTED;
    *last ^= 1;
    for (int i = 0; i < 1000000 && halted && p->state == PARTITION_HALTED; i++) world_run(w, 1 * MS);
    for (int i = 0; i < 1000000 && halted && p->state != PARTITION_COPY; i++) world_run(w, 20);
    w->network.damage[SOURCE] = 1;
    world_run(w, 10 * SECOND);
    bool damaged = w->network.damage[SOURCE] == 0;
    bool came = scenario_truth(w).log->end == scenario_source(w).log->end;
    const char *said = scenario_end(w);
    if (!said && !halted) said = "nothing was halted";
    if (!said && !damaged) said = "nothing was damaged on the way";
    return said || came ? said : "tries of long ago halt a partition again";
}
