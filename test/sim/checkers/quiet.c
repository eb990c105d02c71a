// When all is mirrored and nothing happens any more, nothing happens in the core either, whatever went before: nobody
// looks at the logs again, opens connections or asks for metadata in circles, or wakes up without end.
#include "base/limits.h"
#include "sim/checkers.h"
#include "sim/world.h"

#define SETTLE_US (70 * SECOND)  // leases are renewed for a minute after they were needed
#define QUIET_US (30 * SECOND)
#define LATER_US (30 * SECOND)  // for a member that was fenced by a late word to be one again
#define MUTED_US_MAX (100 * SECOND)  // faults.c
#define SETTLES_MAX 4
#define ELECTIONS_US (300 * SECOND)  // leader.imbalance.check.interval.seconds: then leaders may move back

// Of one instance in that time. Its topics are refreshed once or twice.
#define REFRESHES_MAX 3
#define STEPS_MAX 2000
#define SESSIONS_ENOUGH 100  // that a broker keeps; where it keeps few they push each other out

struct seen {
    int64_t resyncs;
    uint64_t refreshes[SIDES];
};

static struct seen see(const struct instance *in) {
    const struct flow *f = in->flow;
    return (struct seen){f->counters.resyncs, {f->source.refreshes, f->destination.refreshes}};
}

// What its source shows is doubted for half a minute each time (partition_believes_source).
static bool looks_again_at_a_halt(const struct flow *f) {
    for (size_t i = 0; i < f->partitions_count; i++) {
        const struct partition *p = f->partitions[i];
        bool looks = p->state == PARTITION_RESYNC && p->source_doubted_us > 0;
        if (looks || (p->state == PARTITION_HALTED && timer_is_set(&p->timer))) return true;
    }
    return false;
}

static void check_instance(struct world *w, const struct instance *in, const struct seen *before) {
    struct seen now = see(in);
    if (now.resyncs > before->resyncs)
        world_fail(w, "quiet", "all is mirrored, and yet %s looked at the logs again, %lld times", in->name,
                   (long long)(now.resyncs - before->resyncs));
    if (looks_again_at_a_halt(in->flow)) return;
    for (int side = 0; side < SIDES; side++)
        if (now.refreshes[side] > before->refreshes[side] + REFRESHES_MAX)
            world_fail(w, "quiet", "all is mirrored, and yet %s asked for metadata %llu times", in->name,
                       (unsigned long long)(now.refreshes[side] - before->refreshes[side]));
}

static void check_watched(struct world *w, const struct instance *in) {
    for (size_t i = 0; i < in->flow->partitions_count; i++) {
        const struct partition *p = in->flow->partitions[i];
        if (link_linked(&p->watched))
            world_fail(w, "quiet", "all is mirrored, and yet %s asks how far %s-%d is replicated", in->name,
                       p->topic->source_name, (int)p->index);
    }
}

static int32_t connections(const struct world *w, const struct instance *in, enum side side, int32_t node) {
    int32_t count = 0;
    for (struct link *k = list_first(&w->network.channels); k; k = list_next(&w->network.channels, k)) {
        const struct channel *ch = CONTAINER_OF(k, struct channel, link);
        count += ch->owner == in && ch->connection && ch->side == side && ch->node == node;
    }
    return count;
}

// To a broker of the source one for questions and the sessions it needs without a backlog; of the destination one for
// questions, two that append, and three of the group. To one that is gone, none.
static void check_connections(struct world *w, const struct instance *in) {
    int32_t sessions = w->plan.fetch_sessions > 0 ? w->plan.fetch_sessions : FETCH_SESSIONS_SHORT;
    for (int side = 0; side < SIDES; side++)
        for (int32_t node = plan_first_node(&w->plan); node <= plan_last_node(&w->plan, (enum side)side); node++) {
            int32_t most = node == plan_lost_node(&w->plan, (enum side)side) ? 0 : side == SOURCE ? 1 + sessions : 6;
            int32_t count = connections(w, in, (enum side)side, node);
            if (count > most)
                world_fail(w, "quiet", "all is mirrored, and yet %s keeps %d connections to %d of the %s", in->name,
                           (int)count, (int)node, side == SOURCE ? "source" : "destination");
        }
}

static int64_t source_starts(const struct world *w) {
    int64_t sum = 0;
    for (int32_t i = 0; i < w->ledger.topics_count; i++) {
        const struct ledger_topic *t = &w->ledger.topics[i];
        struct broker_truth truth = {0};
        for (int32_t k = 0; k < t->partitions; k++)
            if (broker_partition_truth(w->clusters[SOURCE], t->name, k, &truth) && truth.log) sum += truth.log->start;
    }
    return sum;
}

static bool somebody_doubts(const struct world *w) {
    for (int32_t i = 0; i < w->plan.instances; i++)
        if (w->instances[i].alive && check_doubts(&w->instances[i])) return true;
    return false;
}

// Words that arrive late, of the dead or behind a quota's mute that was told before it ended.
static int64_t latest_word_us(const struct world *w) {
    bool muted = faults_struck(w->faults)[FAULT_BROKER_THROTTLES] > 0;
    return muted && w->plan.late_us_max < MUTED_US_MAX ? MUTED_US_MAX : w->plan.late_us_max;
}

// What moves leaders is no quiet time, nor is what late words do, or what retention took.
static void settle(struct world *w) {
    int64_t late_us = latest_word_us(w), settle_us = SETTLE_US > late_us ? SETTLE_US : late_us + LATER_US;
    for (int tries = 0; tries < SETTLES_MAX && !world_failed(w) && (tries == 0 || somebody_doubts(w)); tries++) {
        int64_t left_us = ELECTIONS_US - w->now_us % ELECTIONS_US;
        if (left_us <= settle_us + QUIET_US) world_run(w, left_us);
        if (!world_failed(w)) world_run(w, settle_us);
    }
}

void check_quiet(struct world *w) {
    struct seen before[SIM_INSTANCES_MAX];
    uint64_t passed[SIM_RARE_MAX];
    settle(w);
    if (world_failed(w)) return;
    for (int32_t i = 0; i < w->plan.instances; i++)
        if (w->instances[i].alive) before[i] = see(&w->instances[i]);
    uint64_t channels = w->network.channels_made, steps = w->steps;
    int64_t starts = source_starts(w);
    accidents_note(passed);
    world_run(w, QUIET_US);
    if (world_failed(w) || source_starts(w) != starts) return;  // a new leader had not heard of it: now it is filled
    for (int32_t i = 0; i < w->plan.instances; i++) {
        if (!w->instances[i].alive) continue;  // told to stop before peace, with appends that a quota held back
        check_instance(w, &w->instances[i], &before[i]);
        check_connections(w, &w->instances[i]);
        check_watched(w, &w->instances[i]);
    }
    if (w->plan.fetch_sessions_kept >= SESSIONS_ENOUGH) check_accidents(w, "quiet", passed);
    if (w->network.channels_made > channels)
        world_fail(w, "quiet", "all is mirrored, and yet %llu connections were made",
                   (unsigned long long)(w->network.channels_made - channels));
    uint64_t torn = w->plan.torn_one_in <= 2 ? 2 : 1;  // what comes in two pieces makes two steps
    if (w->steps - steps > torn * STEPS_MAX * (uint64_t)w->plan.instances)
        world_fail(w, "quiet", "all is mirrored, and yet there were %llu steps in %d s",
                   (unsigned long long)(w->steps - steps), (int)(QUIET_US / SECOND));
    const char *missing = check_converged(w);
    if (missing) world_fail(w, "quiet", "all was mirrored, and is not any more: %s", missing);
}
