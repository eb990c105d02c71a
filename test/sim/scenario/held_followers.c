// Followers fetch no more, and the source has nothing new: who waits for the high watermark in vain looks again.
#include "base/limits.h"
#include "sim/scenario/scenario.h"

#define WAIT (REPLICATION_WAIT_US_MAX + 2 * SECOND)

const char *held_followers(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(8);
    plan.nodes[DESTINATION] = 2;
    plan.replication_factor = 2;
    plan.replica_lag_ms = 120000;  // they stay in the ISR
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND + moment_us);
    scenario_hold_followers(w, true);
    load_stop(w);
    scenario_write(w);  // a follower may have waited for just this
    scenario_write(w);
    struct broker_truth truth = scenario_truth(w);
    bool tail = truth.log->end > truth.log->high_watermark;
    int64_t before = w->instances[0].flow->counters.resyncs;
    world_run(w, WAIT);
    bool looked = w->instances[0].flow->counters.resyncs > before;
    scenario_write(w);  // which must wait: what it would stand on is not replicated
    scenario_hold_followers(w, false);
    const char *said = scenario_end(w);
    if (!said && !looked) said = "nobody looked again";
    return said || tail ? said : "the leader had no tail";
}
