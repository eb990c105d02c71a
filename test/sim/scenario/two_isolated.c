// Two of the destination's brokers hear their controller no more, and one of them coordinates the group. The third one
// takes it over, and gives the slices to whoever comes to him; but the old one goes on answering heartbeats, and the
// other one that hears nothing confirms him. So two own a slice, and no log protects it: the records are of last year.
// The deceived owner has had nothing to do for so long that he keeps no lease; now he finds something.
#include "base/limits.h"
#include "sim/scenario/scenario.h"

static bool acts(const struct instance *in) {
    if (!in->alive) return false;
    const struct ownership *o = &in->flow->ownership;
    return slices_count(&o->owned) > 0 && in->world->now_us < o->fence_us;
}

// What the instance asks that broker gets no answer, however often it asks; what it appends there goes through.
static void hear_nothing_of(struct instance *in, int32_t node, bool on) {
    struct list *channels = &in->world->network.channels;
    for (struct link *k = list_first(channels); k; k = list_next(channels, k)) {
        struct channel *ch = CONTAINER_OF(k, struct channel, link);
        bool appends = ch->unacknowledged_ms_max > 0;
        if (ch->owner == in && ch->side == DESTINATION && ch->node == node && !appends && ch->connection)
            network_stall(ch, on);
    }
}

// They are far from the second instance, too.
static void isolate_but(struct world *w, int32_t successor, bool on) {
    for (int32_t node = 1; node <= 3; node++) {
        if (node == successor) continue;
        broker_node_isolate(w->clusters[DESTINATION], node, on);
        scenario_cut(w, 1, DESTINATION, node, on);
    }
    if (on) faults_note_isolated(w->faults);
}

// The coordinator is not who leads the partition: only what is appended there does harm.
static bool begin(struct world *w, int32_t *successor) {
    world_run(w, 30 * SECOND);
    if (world_failed(w)) return false;
    int32_t zombie = scenario_coordinator(&w->instances[0]);
    *successor = zombie % 3 + 1;
    broker_leader_move(w->clusters[DESTINATION], "topic-0", 0, *successor, false);
    instance_stop(&w->instances[1]);
    world_run(w, LEASE_KEPT_US + 30 * SECOND);  // its session, too
    if (world_failed(w)) return false;
    return scenario_truth(w).leader == *successor && scenario_coordinator(&w->instances[0]) == zombie;
}

// The first one's source is far away, until the second one owns what the first one still believes to own.
static bool deceive(struct world *w, int32_t successor, int64_t moment_us) {
    struct instance *a = &w->instances[0], *b = &w->instances[1];
    isolate_but(w, successor, true);
    scenario_cut_off(w, SOURCE, 0, true);
    for (int64_t ms = 0; ms < 36000 + moment_us / MS && !world_failed(w); ms += 4) {
        if (ms > 8000) hear_nothing_of(a, successor, true);  // the session has another second
        if (ms == 12000) instance_start(b);
        if (ms == 33000) load_write(w, &w->ledger.topics[0], 0);
        world_run(w, 4 * MS);
    }
    return acts(a) && acts(b) && !ownership_is_leased(&a->flow->ownership) && ownership_is_leased(&b->flow->ownership);
}

const char *two_isolated(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(15);
    plan.instances = 2;
    plan.topics[0].last_year = true;
    plan.expiration_ms = plan.expiration_check_ms = 2000;
    struct world *w = world_begin(&plan, NULL, false, out);
    int32_t successor = 0;
    if (!begin(w, &successor)) return world_failed(w) ? scenario_end(w) : "another broker coordinates, or leads";
    bool both = deceive(w, successor, moment_us);
    scenario_cut_off(w, SOURCE, 0, false);
    world_run(w, 500 * MS);
    const struct instance *a = &w->instances[0];
    bool would = acts(a) && a->flow->ownership.group.lease_wanted_us > w->now_us - 1 * SECOND;
    hear_nothing_of(&w->instances[0], successor, false);
    isolate_but(w, successor, false);
    world_run(w, 5 * SECOND);
    const char *said = scenario_end(w);
    if (said || (both && would)) return said;
    return both ? "the deceived owner found nothing to append" : "nobody owned a slice twice";
}
