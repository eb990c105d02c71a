// What lies readable at the source comes over soon, whatever becomes of brokers that it does not need: as long as the
// two that lead a partition are well and its owner reaches both, its log at the destination moves, or a new leader is
// found. How soon depends on what the core waits for before it turns to others, and on the slowest of worlds; what is
// late by less is for scenarios to see (scenario/silence.c).
#include "base/limits.h"
#include "sim/checkers.h"
#include "sim/world.h"

#define RECORDS_US (6 * SECOND)   // APPENDER_SILENT_US, FETCH_NO_ROOM_US, a long poll, the rest of a throttled answer
#define LEADERS_US (25 * SECOND)  // WATCH_IDLE_INTERVAL_US for each that knows too little, METADATA_ANSWER_US, notices

static bool leads_well(const struct world *w, const struct instance *in, enum side side, const char *topic,
                       int32_t index, struct broker_truth *truth) {
    const struct broker_cluster *c = w->clusters[side];
    if (!broker_partition_truth(c, topic, index, truth) || truth->leader < 0) return false;
    return broker_node_is_well(c, truth->leader) && network_is_well(w, in->number, side, truth->leader);
}

// Some append with acks=all may wait for replicas, and others of its connection behind it.
static bool somebody_waits_for_replicas(const struct world *w, const struct partition *p) {
    struct broker_truth truth;
    if (w->plan.acks == 1 && !p->alone) return false;
    for (int32_t i = 0; i < w->ledger.topics_count; i++) {
        const struct ledger_topic *t = &w->ledger.topics[i];
        for (int32_t k = 0; k < 2 * SIM_PARTITIONS_MAX; k++)
            if (broker_partition_truth(w->clusters[DESTINATION], t->destination_name, k, &truth) && truth.log &&
                truth.log->end > truth.log->high_watermark)
                return true;
    }
    return false;
}

// Any broker may be asked who leads; who is frozen is passed over, who is not reached may be found out late.
static bool all_are_reached(const struct world *w, const struct instance *in) {
    for (int side = 0; side < SIDES; side++)
        for (int32_t node = plan_first_node(&w->plan); node <= plan_last_node(&w->plan, (enum side)side); node++)
            if (!network_is_well(w, in->number, (enum side)side, node)) return false;
    return true;
}

// What a quota mutes is not read before its time is over, whatever it is: metadata, and questions of a partition that
// does not fetch yet, go over one connection.
static bool is_muted(struct cluster *c, int32_t node) {
    struct broker *b;
    size_t i = 0;
    while ((b = map_next(&c->brokers, &i)))
        if ((node < 0 || b->node_id == node) && connection_is_muted(&b->control.connection)) return true;
    return false;
}

static bool fetch_is_muted(const struct instance *in, const struct partition *p) {
    if (p->fetch.session) return connection_is_muted(&p->fetch.session->link.connection);
    return is_muted(&in->flow->source, p->source_leader);
}

// `end`: of the destination's log.
static enum late_for waits_for(const struct world *w, const struct instance *in, const struct partition *p,
                               int64_t *end) {
    const struct ledger_topic *t = &w->ledger.topics[tap_topic(p)];
    struct broker_truth from, to;
    if (instance_sleeps(in) || in->flow->stopping || !t->there || p->topic->halted[0]) return LATE_FOR_NOTHING;
    if (p->state != PARTITION_COPY && p->state != PARTITION_LOCATE) return LATE_FOR_NOTHING;
    if (!leads_well(w, in, SOURCE, t->name, p->index, &from)) return LATE_FOR_NOTHING;
    if (!leads_well(w, in, DESTINATION, t->destination_name, p->index, &to)) return LATE_FOR_NOTHING;
    if (p->append.appender && p->append.appender->throttled_until_us > w->now_us) return LATE_FOR_NOTHING;
    *end = to.log->end;
    if (broker_log_last_stable_offset(from.log) <= *end) return LATE_FOR_NOTHING;
    if (p->state == PARTITION_LOCATE) {
        bool muted = is_muted(&in->flow->source, -1) || is_muted(&in->flow->destination, -1);
        return all_are_reached(w, in) && !muted ? LATE_FOR_LEADERS : LATE_FOR_NOTHING;
    }
    if (fetch_is_muted(in, p)) return LATE_FOR_NOTHING;
    // (A deposed leader may go on answering; of one that is frozen see scenario/frozen_leader.c.)
    bool knows = p->source_leader == from.leader && p->destination_leader == to.leader;
    return !knows || somebody_waits_for_replicas(w, p) ? LATE_FOR_NOTHING : LATE_FOR_RECORDS;
}

// (What is under way may take long: a socket takes so much each round trip. What others had queued may be over by now.
// And each partition of a session may fill an answer.)
static int64_t patience_us(const struct world *w, const struct instance *in, const struct partition *p) {
    const struct fetch_session *s = p->fetch.session;
    int64_t bytes = in->budget.used_peak + (s ? (int64_t)s->partitions_count * s->asked : 0);
    return 4 * w->plan.latency_us_max * (1 + bytes / w->plan.socket_bytes);
}

static void check_partition(struct world *w, struct instance *in, const struct partition *p) {
    struct lateness *l = &in->late[tap_topic(p)][p->index];
    int64_t end = 0;
    enum late_for what = waits_for(w, in, p, &end);
    if (what == LATE_FOR_NOTHING || l->what != what || l->end != end) {
        *l = (struct lateness){what, w->now_us, end};
        return;
    }
    int64_t late_us = w->now_us - l->since_us - patience_us(w, in, p);
    if (what == LATE_FOR_RECORDS && late_us > RECORDS_US)
        world_fail(w, "lateness", "%s brings nothing to %s-%d though both leaders are well: it ends at %lld since %.3f",
                   in->name, p->topic->source_name, (int)p->index, (long long)end, (double)l->since_us / 1e6);
    if (what == LATE_FOR_LEADERS && late_us > LEADERS_US)
        world_fail(w, "lateness", "%s knows not who leads %s-%d, though both leaders are well, since %.3f s", in->name,
                   p->topic->source_name, (int)p->index, (double)l->since_us / 1e6);
}

void check_lateness(struct world *w, struct instance *in) {
    for (size_t i = 0; i < in->flow->partitions_count; i++) check_partition(w, in, in->flow->partitions[i]);
}
