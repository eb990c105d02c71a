// A transaction at the source: while it is open nothing of it crosses, and nobody minds; once it has ended, whichever
// way, its partition halts in front of it (this version copies logs without).
#include "sim/scenario/scenario.h"

const char *transaction(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(29);
    struct world *w = world_begin(&plan, NULL, false, out);
    struct ledger_topic *t = &w->ledger.topics[0];
    world_run(w, 5 * SECOND + moment_us);
    load_stop(w);
    world_run(w, 1 * SECOND);
    int64_t end = scenario_source(w).log->end;
    load_write_transaction(w, t, 0);
    scenario_write(w);
    const struct partition *p = w->instances[0].flow->partitions[0];
    bool waited = p->state == PARTITION_COPY && scenario_truth(w).log->end == end;
    load_end_transaction(w, t, 0, moment_us % 2);
    world_run(w, 2 * SECOND);
    bool halted = p->state == PARTITION_HALTED && p->halt_offset == end && scenario_truth(w).log->end == end;
    const char *said = scenario_end(w);
    if (!said && !waited) said = "an open transaction was not waited for";
    return said || halted ? said : "a transaction crosses";
}

// The source's log starts inside the open one, behind its last stable offset.
const char *transaction_cut(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(30);
    struct world *w = world_begin(&plan, NULL, false, out);
    struct ledger_topic *t = &w->ledger.topics[0];
    world_run(w, 5 * SECOND + moment_us);
    load_stop(w);
    world_run(w, 1 * SECOND);
    int64_t end = scenario_source(w).log->end;
    load_write_transaction(w, t, 0);
    scenario_write(w);
    broker_delete_records(w->clusters[SOURCE], "topic-0", 0, end + 1);
    world_run(w, 1 * SECOND);
    const struct broker_log *log = scenario_source(w).log;
    bool inside = log->start == end + 1 && broker_log_last_stable_offset(log) == end;
    uint64_t steps = w->steps;
    world_run(w, 10 * SECOND);
    steps = w->steps - steps;
    load_end_transaction(w, t, 0, moment_us % 2);
    const char *said = scenario_end(w);
    if (!said && steps > 1000) said = "it is asked in circles";
    return said || inside ? said : "the log does not start inside a transaction";
}
