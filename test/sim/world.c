// A world's life: it begins, faults strike while checkers look (safety), then peace is made and the logs must become
// equal within a bounded time (liveness).
#include "sim/world.h"

#include "base/memory.h"
#include "sim/allocations.h"
#include "sim/batches.h"
#include "sim/checkers.h"

#include <assert.h>
#include <stdarg.h>

#define BEGIN_US (2 * SECOND)  // the source alone, before instances start
#define LOOK_US (5 * MS)       // between looks of the checkers, when something happened
#define CONVERGED_LOOK_US (250 * MS)
#define QUIET_ONE_IN 4  // worlds in which it is waited that nothing more happens
#define RECOVERED_US (60 * SECOND)  // all replicas are in sync again

// Failure ------------------------------------------------------------------------------------------------------------

static struct outcome *outcome;  // of the run; one process runs one world at a time

void world_fail(struct world *w, const char *checker, const char *format, ...) {
    if (outcome->failed) return;
    outcome->failed = true;
    outcome->failed_at_us = w->now_us;
    snprintf(outcome->checker, sizeof outcome->checker, "%s", checker);
    va_list args;
    va_start(args, format);
    vsnprintf(outcome->text, sizeof outcome->text, format, args);
    va_end(args);
    trace_tell(&w->trace, w->now_us, "checker", "%s: %s", checker, outcome->text);
}

bool world_failed(const struct world *w) {
    (void)w;
    return outcome->failed;
}

// Clusters -----------------------------------------------------------------------------------------------------------

static int64_t draw(struct pace *p, int64_t most) {
    return prng_between(&p->prng, 0, most);
}

static int64_t service_us(void *context, int32_t node, int16_t api_key) {
    (void)node;
    (void)api_key;
    struct pace *p = context;
    return draw(p, p->world->plan.service_us_max);
}

static int64_t load_us(void *context, int32_t node) {
    (void)node;
    struct pace *p = context;
    return draw(p, p->world->plan.load_us_max);
}

static int64_t replica_fetch_us(void *context, int32_t follower) {
    (void)follower;
    struct pace *p = context;
    return draw(p, p->world->plan.replica_fetch_us_max);
}

static int64_t notice_us(void *context, int32_t node) {
    (void)node;
    struct pace *p = context;
    return draw(p, p->world->plan.notice_us_max);
}

static void on_log(void *context, enum log_level level, const char *line, size_t size) {
    struct pace *p = context;
    (void)level;
    trace_tell(&p->world->trace, p->world->now_us, p->side == SOURCE ? "source" : "destination", "%.*s", (int)size,
               line);
}

static void make_cluster(struct world *w, enum side side) {
    struct pace *pace = &w->pace[side];
    char min_insync[12], factor[12], expiration[24], check[24], sessions[12], lag[12];
    snprintf(min_insync, sizeof min_insync, "%d", (int)w->plan.min_insync);
    snprintf(factor, sizeof factor, "%d", (int)(w->plan.nodes[side] < 3 ? w->plan.nodes[side] : 3));
    snprintf(expiration, sizeof expiration, "%lld", (long long)w->plan.expiration_ms);
    snprintf(check, sizeof check, "%lld", (long long)w->plan.expiration_check_ms);
    snprintf(sessions, sizeof sessions, "%d", (int)w->plan.fetch_sessions_kept);
    snprintf(lag, sizeof lag, "%d", side == DESTINATION ? (int)w->plan.replica_lag_ms : 30000);
    const char *const settings[] = {"replica.lag.time.max.ms",
                                    lag,
                                    "max.incremental.fetch.session.cache.slots",
                                    side == SOURCE ? sessions : "1000",
                                    "min.insync.replicas",
                                    side == DESTINATION ? min_insync : "1",
                                    "offsets.topic.replication.factor",
                                    factor,
                                    "offsets.topic.num.partitions",
                                    "2",
                                    "group.initial.rebalance.delay.ms",
                                    "0",
                                    "producer.id.expiration.ms",
                                    side == DESTINATION ? expiration : "86400000",
                                    "producer.id.expiration.check.interval.ms",
                                    side == DESTINATION ? check : "600000",
                                    NULL};
    pace->world = w;
    pace->side = side;
    prng_seed(&pace->prng, w->plan.seed * 2 + (uint64_t)side);
    struct broker_cluster_config config = {.cluster_id = side == SOURCE ? SIM_CLUSTER_SOURCE : SIM_CLUSTER_DESTINATION,
                                           .host = side == SOURCE ? SIM_HOST_SOURCE : SIM_HOST_DESTINATION,
                                           .port_first = SIM_PORT_FIRST,
                                           .nodes = w->plan.nodes[side],
                                           .from_zero = w->plan.from_zero,
                                           .seed = w->plan.seed + (uint64_t)side,
                                           .settings = settings,
                                           .log = {w->trace.chatty ? LOG_DEBUG : LOG_ERROR, on_log, pace},
                                           .service_us = service_us,
                                           .load_us = w->plan.load_us_max > 0 ? load_us : NULL,
                                           .replica_fetch_us = replica_fetch_us,
                                           .notice_us = notice_us,
                                           .timing_context = pace};
    w->clusters[side] = broker_cluster_new(&config, w->now_us, world_wall_ms(w));
    assert(w->clusters[side]);
}

// Time ---------------------------------------------------------------------------------------------------------------

static int64_t earlier(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t next_us(const struct world *w) {
    int64_t next = timers_next(&w->timers);
    for (int side = 0; side < SIDES; side++) next = earlier(next, broker_cluster_next(w->clusters[side]));
    for (int32_t i = 0; i < w->plan.instances; i++) next = earlier(next, instance_next(&w->instances[i]));
    return next;
}

static void look(struct world *w) {
    w->looked_us = w->now_us;
    ledger_note(w);
    check_logs(w);
    check_halts(w);
    check_acknowledged(w);
    check_sequences(w);
    check_waiting(w);
    if (w->faults) check_ownership(w);
    for (int32_t i = 0; i < w->plan.instances; i++) {
        if (!w->instances[i].alive) continue;
        check_budget(w, &w->instances[i]);
        check_frames(w, &w->instances[i]);
        check_metadata(w, &w->instances[i]);
        check_lateness(w, &w->instances[i]);
    }
}

// Everything that is due at the next instant at which something is.
static void step(struct world *w, int64_t end_us) {
    int64_t next = earlier(next_us(w), end_us);
    if (next > w->now_us) w->now_us = next;
    trace_mix(&w->trace, (uint64_t)w->now_us);
    // What was committed may have been fetched, and be gone when we look: a retention needs no fault to strike.
    if (broker_cluster_next(w->clusters[SOURCE]) <= w->now_us) ledger_note(w);
    for (int side = 0; side < SIDES; side++) broker_cluster_run(w->clusters[side], w->now_us, world_wall_ms(w));
    network_take_woken(&w->network);
    timers_run(&w->timers, w->now_us);
    for (int32_t i = 0; i < w->plan.instances; i++)
        if (instance_next(&w->instances[i]) <= w->now_us) instance_run(&w->instances[i]);
    network_take_woken(&w->network);
    if (w->now_us - w->looked_us >= LOOK_US) look(w);
    if (++w->steps > SIM_STEPS_MAX) world_fail(w, "progress", "%d steps, and no end", SIM_STEPS_MAX);
}

// Peace --------------------------------------------------------------------------------------------------------------

static void start_all(struct world *w) {
    for (int32_t i = 0; i < w->plan.instances; i++)
        if (!w->instances[i].alive) instance_start(&w->instances[i]);
}

static void make_peace(struct world *w) {
    trace_tell(&w->trace, w->now_us, "world", "peace");
    load_stop(w);
    faults_end_all(w->faults);
    network_heal(w);
    w->peace = true;
    for (int32_t i = 0; i < w->plan.instances; i++)
        if (w->instances[i].alive && instance_sleeps(&w->instances[i])) instance_wake(&w->instances[i]);
    start_all(w);
}

// Once all is well again a broker of each side may go for good, and something is written that must get past it.
static void lose_nodes(struct world *w) {
    if (!w->plan.lost[SOURCE] && !w->plan.lost[DESTINATION]) return;
    world_run(w, RECOVERED_US);
    ledger_note(w);
    for (int side = 0; side < SIDES; side++) {
        int32_t node = plan_lost_node(&w->plan, (enum side)side);
        if (node >= 0 && broker_node_runs(w->clusters[side], node))
            broker_node_stop(w->clusters[side], node, BROKER_KILLED, 0);
    }
    trace_tell(&w->trace, w->now_us, "world", "brokers %d of the source and %d of the destination are gone for good",
               (int)plan_lost_node(&w->plan, SOURCE), (int)plan_lost_node(&w->plan, DESTINATION));
    world_run(w, RECOVERED_US);
    for (int32_t i = 0; i < w->ledger.topics_count; i++) {
        struct ledger_topic *t = &w->ledger.topics[i];
        for (int32_t k = 0; t->there && k < t->partitions; k++) load_write(w, t, k);
    }
}

// Life ---------------------------------------------------------------------------------------------------------------

struct world *world_begin(const struct plan *plan, FILE *story, bool chatty, struct outcome *out) {
    batches_prepare();
    int64_t allocated = allocations_live();
    struct world *w = NEW(struct world);
    outcome = out;
    *out = (struct outcome){0};
    w->allocated_before = allocated;
    w->plan = *plan;
    w->now_us = 1 * SECOND;
    w->trace = (struct trace){.story = story, .chatty = chatty};
    timers_init(&w->timers);
    prng_seed(&w->prng, w->plan.seed ^ 0x5eed);
    network_init(&w->network, w->plan.seed ^ 0x2e7);
    for (int side = 0; side < SIDES; side++) make_cluster(w, (enum side)side);
    for (int32_t i = 0; i < SIM_INSTANCES_MAX; i++) instance_init(w, i);
    accidents_note(w->rare_before);
    load_start(w);
    world_run(w, LOAD_BEGIN_US);
    w->faults = faults_new(w);
    for (int32_t i = 0; i < w->plan.instances; i++) instance_start(&w->instances[i]);
    return w;
}

void world_run(struct world *w, int64_t us) {
    int64_t end_us = w->now_us + us;
    network_take_woken(&w->network);  // by what a scenario did itself
    while (!world_failed(w) && (w->now_us < end_us || next_us(w) <= end_us)) step(w, end_us);
}

// Where replicas fetch slowly a long tail takes its time; who stands still does not get more.
static int64_t more_time(struct world *w, int64_t *records) {
    struct outcome now = {0};
    count_records(w, &now);
    bool goes_on = now.records > *records;
    *records = now.records;
    return goes_on ? SIM_MORE_US : 0;
}

struct outcome *world_converge(struct world *w) {
    if (world_failed(w)) return outcome;
    make_peace(w);
    lose_nodes(w);
    int64_t end_us = w->now_us + SIM_CONVERGENCE_US - SIM_MORE_US, records = 0;
    const char *missing = "";
    while (missing && !world_failed(w)) {
        world_run(w, CONVERGED_LOOK_US);
        start_all(w);  // one may have been draining
        missing = check_converged(w);
        if (!missing) missing = check_shares(w);
        if (!missing) missing = check_replicas(w);  // a deposed leader may have a tail to give up
        if (missing && w->now_us >= end_us) end_us += more_time(w, &records);
        if (missing && w->now_us >= end_us) world_fail(w, "convergence", "%s", missing);
    }
    const char *wrong = check_topics(w);
    if (wrong) world_fail(w, "topics", "%s", wrong);
    if (!world_failed(w) && w->plan.seed % QUIET_ONE_IN == 0) check_quiet(w);
    if (!world_failed(w)) check_calm(w);
    return outcome;
}

static void take_outcome(struct world *w) {
    outcome->virtual_us = w->now_us;
    outcome->hash = w->trace.hash;
    outcome->steps = w->steps;
    count_records(w, outcome);
    memcpy(outcome->struck, faults_struck(w->faults), sizeof outcome->struck);
}

void world_end(struct world *w) {
    take_outcome(w);
    for (int32_t i = 0; i < w->plan.instances; i++) {
        if (!w->instances[i].alive) continue;
        w->instances[i].sleeps_until_us = 0;
        instance_kill(&w->instances[i], false);
    }
    load_stop(w);
    faults_free(w->faults);
    for (int side = 0; side < SIDES; side++) broker_cluster_free(w->clusters[side]);
    network_free(&w->network);
    ledger_free(&w->ledger);
    timers_free(&w->timers);
    if (!world_failed(w)) check_allocations(w, allocations_live() - w->allocated_before - 1);  // the world itself
    memory_free(w);
}

void world_live(const struct plan *plan, FILE *story, bool chatty, struct outcome *out) {
    struct world *w = world_begin(plan, story, chatty, out);
    world_run(w, w->plan.safety_us);
    world_converge(w);
    world_end(w);
}
