// As late_requests, with the very first append of a partition: no record tells the next owner how old the records are,
// nor that somebody has begun.
#include "base/limits.h"
#include "sim/scenario/scenario.h"

static struct partition *owned(struct world *w, int32_t *by) {
    for (*by = 0; *by < w->plan.instances; ++*by) {
        const struct flow *f = w->instances[*by].flow;
        if (f && f->partitions_count > 0 && f->partitions[0]->state != PARTITION_IDLE) return f->partitions[0];
    }
    return NULL;
}

// He dies while his first append is on its way, which stops there. Answers the leader, 0: nobody began.
static int32_t dies_beginning(struct world *w, int32_t *by) {
    struct partition *p = NULL;
    for (int i = 0; i < 300000 && !(p && p->append.unanswered > 0); i++) {
        world_run(w, 100);
        p = owned(w, by);
    }
    if (!p) return 0;
    int32_t leader = p->destination_leader;
    network_cut(w, *by, DESTINATION, leader, OUT, true);
    instance_kill(&w->instances[*by], false);
    return leader;
}

const char *late_first_request(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(11);
    plan.topics[0].last_year = true;
    plan.expiration_ms = plan.expiration_check_ms = 2000;
    plan.instances = 2;
    plan.latency_us_max = 5 * MS;  // time to cut the line behind it
    struct world *w = world_begin(&plan, NULL, false, out);
    int32_t by = 0, leader = dies_beginning(w, &by);
    if (leader == 0) return "nobody began";
    world_run(w, 5 * SECOND);
    bool empty = scenario_truth(w).log->end == 0;
    // The next owner begins 10 s after the session time-out, no earlier.
    world_run(w, 10 * SECOND + moment_us * 100);
    bool came = scenario_comes_now(w, by, leader);
    world_run(w, 30 * SECOND);
    const char *said = scenario_end(w);
    return said || (empty && came) ? said : empty ? "the first request did not come late" : "it came at once";
}

// The same with filler, which is of today, where the destination forgets within seconds.
const char *late_filler(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(14);
    plan.topics[0].starts_at = 200;
    plan.expiration_ms = 6000;
    plan.expiration_check_ms = 500;
    plan.session_timeout_ms = 6000;
    plan.instances = 2;
    plan.latency_us_max = 5 * MS;
    struct world *w = world_begin(&plan, NULL, false, out);
    for (int i = 0; i < 5; i++) load_write(w, &w->ledger.topics[0], 0);
    load_stop(w);
    int32_t by = 0, next = 0, leader = dies_beginning(w, &by);
    if (leader == 0) return "nobody began";
    for (int i = 0; i < 100 && !owned(w, &next); i++) world_run(w, 100 * MS);
    bool empty = scenario_truth(w).log->end == 0;
    world_run(w, 8200 * MS + moment_us * 20);
    bool came = scenario_comes_now(w, by, leader);
    world_run(w, 60 * SECOND);
    const char *said = scenario_end(w);
    return said || (empty && came) ? said : "no filler came late";
}
