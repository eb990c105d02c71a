// A leader is frozen with requests in its queue, and another one leads: whoever lets go of the slice meanwhile waits
// for the answers, for nobody else may append while they can still be executed.
#include "sim/scenario/scenario.h"

struct freeze {
    struct world *world;
    int32_t leader;
};

static struct cluster *destination(struct world *w) {
    return &w->instances[0].flow->destination;
}

// Metadata are asked of another broker than the last time.
static void refresh(struct world *w) {
    instance_enter(&w->instances[0]);
    cluster_connect_others(destination(w));
    cluster_refresh(destination(w));
    instance_leave(&w->instances[0]);
    world_run(w, 300 * MS);
}

static struct freeze freeze_leader(struct world *w) {
    struct freeze f = {w, scenario_truth(w).leader};
    for (int i = 0; i < 100 && (i == 0 || destination(w)->refreshed_by != f.leader); i++) refresh(w);
    for (int i = 0; i < 120; i++) load_write(w, &w->ledger.topics[0], 0);
    broker_node_freeze(w->clusters[DESTINATION], f.leader, true);
    world_run(w, 500 * MS);
    return f;
}

static void thaw(const struct freeze *f) {
    broker_node_freeze(f->world->clusters[DESTINATION], f->leader, false);
}

static const struct append_partition *appends(const struct world *w) {
    return &w->instances[0].flow->partitions[0]->append;
}

// Another one leads, and the mirror knows it. Answers whether something is still under way to the frozen one.
static bool move_on(struct world *w) {
    scenario_move_leader(w);
    world_run(w, 500 * MS);
    refresh(w);
    world_run(w, 2 * SECOND);
    return appends(w)->under_way > appends(w)->unanswered;
}

static const char *finish(struct world *w, const struct freeze *f, int64_t us, bool orphans) {
    thaw(f);
    world_run(w, us);
    const char *said = scenario_end(w);
    return said || orphans ? said : "nothing of an earlier attempt was under way";
}

static struct plan slow_plan(uint64_t seed) {
    struct plan plan = scenario_plan(seed);
    plan.static_members = false;
    plan.latency_us_max = 20 * MS;
    plan.load_pause_us = 100 * MS;
    return plan;
}

// What it had sent is refused when it lets go of the slice: all that was queued behind it is given back.
const char *drain_refused(int64_t moment_us, struct outcome *out) {
    struct plan plan = slow_plan(39 + (uint64_t)moment_us);
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND + moment_us);
    struct freeze f = freeze_leader(w);
    bool waiting = appends(w)->unanswered > 0;
    instance_stop(&w->instances[0]);
    scenario_move_leader(w);
    thaw(&f);
    world_run(w, 5 * SECOND);
    const char *said = scenario_end(w);
    return said || waiting ? said : "nothing was under way";
}

// It has begun anew elsewhere, and lets go then. Or nobody hears any more what became of what it had sent.
const char *drain_orphans(int64_t moment_us, struct outcome *out) {
    struct plan plan = slow_plan(40 + (uint64_t)moment_us);
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND + moment_us);
    struct freeze f = freeze_leader(w);
    bool orphans = move_on(w);
    instance_stop(&w->instances[0]);
    world_run(w, 1 * SECOND);
    if (moment_us % 2 == 0) return finish(w, &f, 5 * SECOND, orphans);
    network_reset(w, DESTINATION, f.leader);
    world_run(w, 5 * SECOND);
    bool gone = !w->instances[0].alive;
    const char *said = finish(w, &f, 5 * SECOND, orphans);
    return said || gone ? said : "a slice was never let go of";
}

// Where the state may be forgotten, nothing is appended elsewhere before.
const char *orphans_of_old(int64_t moment_us, struct outcome *out) {
    struct plan plan = slow_plan(41 + (uint64_t)moment_us);
    plan.topics[0].last_year = true;
    plan.expiration_ms = plan.expiration_check_ms = 2000;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 25 * SECOND + moment_us);
    struct freeze f = freeze_leader(w);
    bool orphans = move_on(w);
    if (moment_us % 2) {  // the connection is lost just before the wait that began meanwhile is over
        world_run(w, 7300 * MS);
        network_reset(w, DESTINATION, f.leader);
    }
    return finish(w, &f, 20 * SECOND, orphans);
}
