// A slice has one owner at a time, and a partition one instance that works on it. Of all that believe in it and are
// awake at most one has a lease: what only ownership protects only he may send (requests.c watches that). And never do
// two believe in it whose guard time has not passed, unless two of the destination's brokers do not hear their
// controller: then one may go on answering for the group and the other confirm it, and the logs protect. Nor may who
// heard of no broker for some time that could have known better. (Where a broker lost its power it may have lost
// what the group had agreed on: there the logs protect, too.)
#include "sim/checkers.h"
#include "sim/world.h"

#include <stdlib.h>

#define GUARD_PER_MILLE 600  // of a session (ownership.c)

enum right { HEARD, LEASED };

// From when a successor of the coordinator counts our session, until what the deposed one answers may give us a guard
// that lasts longer than that.
static int64_t told_in_time_us(const struct world *w) {
    return w->plan.session_timeout_ms * (1000LL - GUARD_PER_MILLE);
}

void check_told(const struct channel *ch) {
    struct world *w = ch->world;
    struct instance *in = ch->owner;
    if (ch->side != DESTINATION || !broker_node_is_well(w->clusters[DESTINATION], ch->node)) return;
    if (w->now_us >= in->told_us + told_in_time_us(w))
        in->untold_until_us = w->now_us + w->plan.session_timeout_ms * 1000LL;
    in->told_us = w->now_us;
}

// Who reaches only a coordinator that was deposed, and then has not yet had the time to hear of it.
static bool is_deceived(const struct instance *in) {
    int64_t now_us = in->world->now_us;
    return now_us < in->untold_until_us || now_us >= in->told_us + told_in_time_us(in->world);
}

static bool may_act(const struct instance *in, enum right right) {
    if (!in->alive || instance_sleeps(in)) return false;
    const struct ownership *o = &in->flow->ownership;
    return in->world->now_us < (right == LEASED || is_deceived(in) ? o->lease_us : o->fence_us);
}

static bool holds(const struct instance *in, int32_t slice) {
    const struct ownership *o = &in->flow->ownership;
    return slices_has(&o->owned, slice) || slices_has(&o->draining, slice);
}

// Whom the guard or the coordinator has stopped holds nothing any more.
static void check_fenced(struct world *w, const struct instance *in) {
    const struct ownership *o = &in->flow->ownership;
    int64_t lease_us_max = in->committed_us + w->plan.session_timeout_ms * 1LL * GUARD_PER_MILLE;
    if (!w->plan.unowned && o->lease_us > lease_us_max)
        world_fail(w, "ownership", "%s has a lease for longer than since it asked for it", in->name);
    if (o->lease_us > o->fence_us) world_fail(w, "ownership", "%s has a lease for longer than it may act", in->name);
    if (o->fence_us == INT64_MIN && !(slices_empty(&o->owned) && slices_empty(&o->draining)))
        world_fail(w, "ownership", "%s may send nothing, and still holds slices", in->name);
}

// And what it had queued by then does not leave when it may send again.
static void check_orphans(struct world *w, const struct instance *in) {
    if (in->flow->ownership.fence_us != INT64_MIN) return;
    for (struct link *k = list_first(&w->network.channels); k; k = list_next(&w->network.channels, k)) {
        const struct channel *ch = CONTAINER_OF(k, struct channel, link);
        bool appends = ch->side == DESTINATION && ch->unacknowledged_ms_max > 0;
        if (ch->owner != in || !appends || !ch->connection || !connection_has_output(ch->connection)) continue;
        const struct broker_link *l = CONTAINER_OF(ch->connection, struct broker_link, connection);
        if (CONTAINER_OF(l, struct appender, link)->depth > 0)
            world_fail(w, "ownership", "%s may send nothing, and keeps appends for later", in->name);
    }
}

// What is at work belongs to a slice that the others are told to be held.
static void check_held(struct world *w, const struct instance *in) {
    for (size_t k = 0; k < in->flow->partitions_count; k++) {
        const struct partition *p = in->flow->partitions[k];
        if (p->state != PARTITION_IDLE && !holds(in, p->slice))
            world_fail(w, "ownership", "%s works on %s-%d, and does not hold slice %d", in->name, p->topic->source_name,
                       (int)p->index, (int)p->slice);
    }
}

// What was let go of, fenced or drained, has nothing under way on a connection that lives.
static void check_let_go(struct world *w, const struct instance *in) {
    for (size_t k = 0; k < in->flow->partitions_count; k++) {
        const struct partition *p = in->flow->partitions[k];
        if (p->state != PARTITION_IDLE) continue;
        bool under_way = false;
        for (struct link *l = list_first(&w->network.channels); l; l = list_next(&w->network.channels, l)) {
            const struct channel *ch = CONTAINER_OF(l, struct channel, link);
            under_way |= ch->owner == in && tap_unanswered(ch, tap_topic(p), p->index);
        }
        if (under_way)
            world_fail(w, "ownership", "%s has let go of %s-%d, and an append of it is under way", in->name,
                       p->topic->source_name, (int)p->index);
    }
}

static void check_slice(struct world *w, int32_t slice, enum right right) {
    const struct instance *holder = NULL;
    for (int32_t i = 0; i < w->plan.instances; i++) {
        const struct instance *in = &w->instances[i];
        if (!may_act(in, right) || !holds(in, slice)) continue;
        if (holder)
            world_fail(w, "ownership", "%s and %s both hold slice %d%s", holder->name, in->name, (int)slice,
                       right == LEASED ? ", and have a lease" : "");
        holder = in;
    }
}

static void check_partitions(struct world *w, enum right right) {
    const struct instance *works[LEDGER_TOPICS_MAX][2 * SIM_PARTITIONS_MAX] = {{NULL}};
    for (int32_t i = 0; i < w->plan.instances; i++) {
        const struct instance *in = &w->instances[i];
        for (size_t k = 0; may_act(in, right) && k < in->flow->partitions_count; k++) {
            const struct partition *p = in->flow->partitions[k];
            if (p->state == PARTITION_IDLE || p->state == PARTITION_HALTED) continue;
            const struct instance **by = &works[tap_topic(p)][p->index];
            if (*by)
                world_fail(w, "ownership", "%s and %s both work on %s-%d", (*by)->name, in->name, p->topic->source_name,
                           (int)p->index);
            *by = in;
        }
    }
}

void check_ownership(struct world *w) {
    for (int32_t i = 0; i < w->plan.instances; i++)
        if (w->instances[i].alive) check_held(w, &w->instances[i]);
    for (int32_t i = 0; i < w->plan.instances; i++)
        if (w->instances[i].alive) check_fenced(w, &w->instances[i]);
    for (int32_t i = 0; i < w->plan.instances; i++)
        if (w->instances[i].alive) check_orphans(w, &w->instances[i]);
    for (int32_t i = 0; i < w->plan.instances; i++)
        if (w->instances[i].alive) check_let_go(w, &w->instances[i]);
    if (w->plan.unowned || faults_struck(w->faults)[FAULT_BROKER_POWER_LOST] > 0) return;
    enum right right = faults_two_isolated(w->faults) ? LEASED : HEARD;  // who has a lease was heard, too
    for (int32_t slice = 0; slice < w->plan.slices; slice++) check_slice(w, slice, right);
    check_partitions(w, right);
}
