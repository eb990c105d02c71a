// A broker has nothing, or answers nothing: who does not need it is not late because of it, and memory does not grow.
#include "base/limits.h"
#include "sim/scenario/scenario.h"

#define AT_ONCE_US (100 * MS)  // much less than a long poll
#define ROUNDS 30
#define SILENCE_US (2 * APPENDER_SILENT_US)  // there are two connections, each found silent by itself

static struct flow *flow_of(struct world *w) {
    return w->instances[0].flow;
}

// Of the first topic.
static const struct partition *partition_of(struct world *w, int32_t k) {
    const struct flow *f = flow_of(w);
    size_t i = 0;
    while (f->partitions[i]->index != k || tap_topic(f->partitions[i]) != 0) i++;
    return f->partitions[i];
}

static void write(struct world *w, int32_t k, int count) {
    for (int i = 0; i < count; i++) load_write(w, &w->ledger.topics[0], k);
}

static void lead(struct world *w, enum side side, int32_t k, int32_t node) {
    broker_leader_move(w->clusters[side], w->ledger.topics[0].name, k, node, false);
}

// Each partition is led by another broker of the source, and there is nothing to do.
static struct world *begin_spread(struct plan *plan, struct outcome *out) {
    plan->nodes[SOURCE] = 3;
    plan->topics[0].partitions = 3;
    struct world *w = world_begin(plan, NULL, false, out);
    world_run(w, 10 * SECOND);
    load_stop(w);
    for (int32_t k = 0; k < 3; k++) lead(w, SOURCE, k, k + 1);
    world_run(w, 10 * SECOND);
    return w;
}

static bool polls(struct world *w, int32_t k) {
    const struct fetch_session *s = partition_of(w, k)->fetch.session;
    return s && s->fetching && s->link.node_id == k + 1;
}

// What is asked of brokers that have nothing is room that the third one could use.
static const char *tell_idle(struct plan *plan, int64_t moment_us, struct outcome *out) {
    struct world *w = begin_spread(plan, out);
    bool idle = true, late = false;
    for (int n = 0; n < ROUNDS; n++) {
        world_run(w, (37 + n * 131 % 400) * MS + moment_us);
        idle &= polls(w, (n + 1) % 3) || polls(w, (n + 2) % 3);
        write(w, n % 3, 1);
        late |= !scenario_comes(w, n % 3, AT_ONCE_US);
    }
    w->plan.batch_sizes = 2;
    write(w, 0, 200);
    late |= !scenario_comes(w, 0, 2 * SECOND);
    const char *said = scenario_end(w);
    if (!said && late) said = "brokers that have nothing kept the room of another one";
    return said || idle ? said : "nobody waited for what the others have";
}

const char *idle_brokers(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(301 + (uint64_t)moment_us);
    plan.fetch_sessions = plan.fetch_bytes_max = 0;
    plan.buffer_memory = 8 * MiB;
    plan.latency_us_max = plan.service_us_max = 50;
    plan.replica_fetch_us_max = 500;
    return tell_idle(&plan, moment_us, out);
}

// The same over a long line, with a fetch.max.bytes that fits once.
const char *idle_brokers_far(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(306 + (uint64_t)moment_us);
    plan.fetch_bytes_max = 256 * KiB;
    plan.buffer_memory = 512 * KiB;
    plan.latency_us_max = 5 * MS;
    return tell_idle(&plan, moment_us, out);
}

static int32_t not_coordinator(const struct world *w) {
    return scenario_coordinator(&w->instances[0]) % 3 + 1;
}

// The first partition is led by the group's coordinator, and all others by another broker of the destination.
static struct world *begin_two(struct plan *plan, struct outcome *out) {
    struct world *w = world_begin(plan, NULL, false, out);
    world_run(w, 10 * SECOND);
    load_stop(w);
    for (int32_t i = 0; i < w->ledger.topics_count; i++)
        for (int32_t k = 0; k < w->ledger.topics[i].partitions; k++) {
            broker_leader_move(w->clusters[DESTINATION], w->ledger.topics[i].name, k, not_coordinator(w), false);
            load_write(w, &w->ledger.topics[i], k);  // a first one would wait for replicas
        }
    lead(w, DESTINATION, 0, scenario_coordinator(&w->instances[0]));
    world_run(w, 10 * SECOND);
    return w;
}

static void freeze(struct world *w, enum side side, int32_t node, bool on) {
    broker_node_freeze(w->clusters[side], node, on);
}

// What waits for a broker that answers nothing would stop all others until its request time-out.
const char *silent_broker(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(302 + (uint64_t)moment_us);
    plan.topics_count = 3;
    for (int i = 0; i < 3; i++) plan.topics[i].partitions = 3;
    plan.batch_sizes = 2;
    plan.buffer_memory = 384 * KiB;
    plan.fetch_bytes_max = 64 * KiB;
    struct world *w = begin_two(&plan, out);
    int32_t silent = not_coordinator(w);
    const struct fetch_session *s = partition_of(w, 0)->fetch.session;
    world_run(w, moment_us);
    freeze(w, DESTINATION, silent, true);
    for (int32_t i = 0; i < 180; i++)
        if (i % 9 > 0) load_write(w, &w->ledger.topics[i % 9 / 3], i % 3);
    world_run(w, 200 * MS);
    bool full = s && link_linked(&s->waiter.link), late = false;
    for (int n = 0; n < 5; n++) {
        write(w, 0, 1);
        late |= !scenario_comes(w, 0, SILENCE_US + AT_ONCE_US);
    }
    freeze(w, DESTINATION, silent, false);
    const char *said = scenario_end(w);
    if (!said && late) said = "what waits for a silent broker stopped the others";
    return said || full ? said : "what waits for the silent broker left room anyway";
}

// Small batches that wait, and come beside large ones of another partition, do not keep what they came in.
const char *small_among_large(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(303 + (uint64_t)moment_us);
    plan.topics[0].partitions = 2;
    plan.buffer_memory = 512 * KiB;
    plan.fetch_bytes_max = 64 * KiB;
    struct world *w = begin_two(&plan, out);
    int32_t silent = not_coordinator(w);
    world_run(w, moment_us);
    freeze(w, DESTINATION, silent, true);
    bool come = true;
    for (int n = 0; n < 2 * ROUNDS; n++) {
        w->plan.batch_sizes = 2;
        write(w, 0, 1);  // ends the long poll: the rest comes together
        w->plan.batch_sizes = 0;
        write(w, 1, 1);
        w->plan.batch_sizes = 2;
        write(w, 0, 2);
        come &= scenario_comes(w, 0, AT_ONCE_US);
    }
    bool queued = partition_of(w, 1)->append.unanswered > 2 * APPENDER_DEPTH_MAX;
    freeze(w, DESTINATION, silent, false);
    const char *said = scenario_end(w);
    return said || (queued && come) ? said : "no small batches waited beside large ones";
}

static struct cluster *cluster_of(struct world *w, enum side side) {
    return side == SOURCE ? &flow_of(w)->source : &flow_of(w)->destination;
}

static void refresh(struct world *w, struct cluster *c) {
    instance_enter(&w->instances[0]);
    cluster_connect_others(c);
    cluster_refresh(c);
    instance_leave(&w->instances[0]);
}

static bool owes(struct cluster *c, int32_t node) {
    const struct broker *b = cluster_broker(c, node);
    return b && b->owes_metadata;
}

// Its metadata are awaited, and it is frozen.
static bool freeze_asked(struct world *w, enum side side, int32_t node) {
    struct cluster *c = cluster_of(w, side);
    for (int i = 0; i < 5000 && !owes(c, node); i++) {  // the answer may have been on its way
        freeze(w, side, node, false);
        if (!c->refresh_running) refresh(w, c);
        world_run(w, 100);
        if (!owes(c, node)) continue;
        freeze(w, side, node, true);
        world_run(w, 20 * MS);
    }
    return owes(c, node);
}

static int32_t another(int32_t first, int32_t second) {
    int32_t node = 1;
    while (node == first || node == second) node++;
    return node;
}

static int32_t without_replica(struct world *w) {
    int32_t node = 1;
    while (broker_replica_log(w->clusters[DESTINATION], "topic-0", 0, node)) node++;
    return node;
}

// The news that another one leads do not wait for a broker that has nothing to do with it.
static const char *tell_owed(enum side side, uint64_t seed, int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(seed + (uint64_t)moment_us);
    plan.nodes[SOURCE] = 3;
    plan.replication_factor = 2;
    plan.load_pause_us = 300 * MS;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND);
    refresh(w, cluster_of(w, side));
    world_run(w, 1 * SECOND + moment_us);
    int32_t leader = (side == SOURCE ? scenario_source(w) : scenario_truth(w)).leader;
    int32_t silent = side == SOURCE ? another(leader, leader) : without_replica(w);
    if (side == DESTINATION && silent == scenario_coordinator(&w->instances[0])) return scenario_end(w);  // needed, too
    bool asked = freeze_asked(w, side, silent);
    if (side == SOURCE) world_run(w, 11 * SECOND);  // its controller has noticed: the others need not wait for it
    lead(w, side, 0, another(leader, silent));
    world_run(w, 50 * MS);
    write(w, 0, 1);
    bool late = !scenario_comes(w, 0, METADATA_ANSWER_US + 500 * MS);
    freeze(w, side, silent, false);
    const char *said = scenario_end(w);
    if (!said && late) said = "a broker that owes metadata kept news of leaders back";
    return said || asked ? said : "the frozen broker owed no metadata";
}

const char *owed_at_source(int64_t moment_us, struct outcome *out) {
    return tell_owed(SOURCE, 304, moment_us, out);
}

const char *owed_at_destination(int64_t moment_us, struct outcome *out) {
    return tell_owed(DESTINATION, 305, moment_us, out);
}
