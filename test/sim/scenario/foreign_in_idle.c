// Somebody else writes to a destination that has nothing to mirror: that is seen and said without waiting for the next
// record of ours.
#include "base/limits.h"
#include "sim/scenario/scenario.h"

const char *foreign_in_idle(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(12);
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND);
    load_stop(w);
    world_run(w, 2 * SECOND + moment_us);
    load_write_foreign(w, &w->ledger.topics[0], 0);
    world_run(w, 2 * WATCH_IDLE_INTERVAL_US);
    const struct flow *f = w->instances[0].flow;
    bool said_so = f->partitions_count == 1 && f->partitions[0]->state == PARTITION_HALTED;
    const char *said = scenario_end(w);
    return said || said_so ? said : "nobody noticed";
}
