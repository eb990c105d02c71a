// Old records are appended one after the other by a slow broker, and wait longer than a lease is kept that nobody
// needs: what waits needs it, and is not thrown away to be fetched once more.
#include "sim/scenario/scenario.h"

#define BATCHES 400
#define SERVICE_US_MAX (600 * MS)  // of each: all together take two minutes

const char *leased_backlog(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(190 + (uint64_t)moment_us);
    plan.expiration_ms = plan.expiration_check_ms = 2000;
    plan.service_us_max = SERVICE_US_MAX;
    plan.fetch_bytes_max = 256 * KiB;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 60 * SECOND);
    instance_kill(&w->instances[0], false);
    load_stop(w);
    for (int i = 0; i < BATCHES; i++) load_write(w, &w->ledger.topics[0], 0);
    world_run(w, 30 * SECOND);  // its session, and they are old
    instance_start(&w->instances[0]);
    const struct flow *f = w->instances[0].flow;
    bool queued = false;
    for (int i = 0; i < 100 && !queued; i++) {
        world_run(w, 1 * SECOND);
        queued = f->partitions_count == 1 && f->partitions[0]->append.unanswered > BATCHES * 3 / 4;
    }
    world_run(w, moment_us);
    int64_t looked = f->counters.resyncs;
    world_run(w, 100 * SECOND);
    bool again = f->counters.resyncs > looked;
    const char *said = scenario_end(w);
    if (!said && again) said = "what waited for its turn was thrown away with the lease";
    return said || queued ? said : "nothing waited";
}
