// Somebody else writes to a destination that has nothing to mirror: that is seen and said without waiting for the next
// record of ours, also where more partitions are idle than are asked about at a time.
#include "base/limits.h"
#include "sim/scenario/scenario.h"

#include <assert.h>

static_assert(WATCH_IDLE_PARTITIONS_MAX < SIM_PARTITIONS_MAX, "they take turns");

const char *foreign_in_idle(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(12);
    plan.topics[0].partitions = SIM_PARTITIONS_MAX;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND);
    load_stop(w);
    world_run(w, 2 * SECOND + moment_us);
    const struct flow *f = w->instances[0].flow;
    const struct partition *last = f->partitions_count > 0 ? f->partitions[f->partitions_count - 1] : NULL;
    if (last) load_write_foreign(w, &w->ledger.topics[0], last->index);
    world_run(w, (SIM_PARTITIONS_MAX + 1) * WATCH_IDLE_INTERVAL_US);
    bool said_so = last && last->state == PARTITION_HALTED;
    const char *said = scenario_end(w);
    return said || said_so ? said : "nobody noticed";
}
