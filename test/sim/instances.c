// Instances of odraz, from start to end.
#include "sim/instances.h"

#include "base/limits.h"
#include "sim/checkers.h"
#include "sim/selected.h"
#include "sim/world.h"

#include <assert.h>

#define WOKEN_FIRST_HEARS 2  // one in: a waking process finds its sockets before its timers, or the other way round

bool instance_sleeps(const struct instance *in) {
    return in->sleeps_until_us > in->world->now_us;
}

void instance_enter(struct instance *in) {
    assert(in->alive && !instance_sleeps(in));
    in->env.now_us = in->world->now_us;
    in->env.wall_ms = world_wall_ms(in->world) + in->wall_ahead_ms;
}

static void tell(struct instance *in, const char *what) {
    trace_tell(&in->world->trace, in->world->now_us, in->name, "%s", what);
}

static void let_go(struct instance *in) {
    struct world *w = in->world;
    check_budget(w, in);
    in->dying = true;
    flow_free(in->flow);
    in->flow = NULL;
    check_given_back(w, in);
    selection_free(in->selection);
    timers_free(&in->env.timers);
    frame_pool_free(&in->env.frames);
    arena_free(&in->env.arena);
    assert(list_empty(&in->ready));
    timer_cancel(&w->timers, &in->wakes);
    in->dying = in->alive = in->stopped = false;
    in->sleeps_until_us = 0;
}

void instance_leave(struct instance *in) {
    network_flush(in);
    if (!in->stopped) return;
    tell(in, "stopped");
    let_go(in);
}

static void on_stopped(struct flow *f) {
    ((struct instance *)f->owner)->stopped = true;
}

static void on_log(void *context, enum log_level level, const char *line, size_t size) {
    struct instance *in = context;
    (void)level;
    trace_tell(&in->world->trace, in->world->now_us, in->name, "%.*s", (int)size, line);
}

static struct cluster_config cluster_config(struct instance *in, enum side side) {
    const struct plan *p = &in->world->plan;
    for (int32_t i = 0; i < p->nodes[side]; i++)
        in->addresses[side][i] = (struct cluster_address){side == SOURCE ? SIM_HOST_SOURCE : SIM_HOST_DESTINATION,
                                                          (uint16_t)(SIM_PORT_FIRST + i)};
    return (struct cluster_config){.alias = side == SOURCE ? "a" : "b",
                                   .client_id = in->name,
                                   .bootstrap = in->addresses[side],
                                   .bootstrap_count = (size_t)p->nodes[side],
                                   .reconnect_backoff_us = 50 * MS,
                                   .reconnect_backoff_max_us = 1 * SECOND,
                                   .open_timeout_us = CONNECTION_OPEN_US_MAX,
                                   .request_timeout_us = 40 * SECOND,
                                   .metadata_max_age_us = 300 * SECOND};
}

static void start_flow(struct instance *in) {
    const struct plan *p = &in->world->plan;
    struct selection_rules rules = selected_rules(p);
    struct topics_config topics = {NULL, rules.naming, (int16_t)p->replication_factor, true, 30 * SECOND, NULL};
    struct error e = selection_create(&rules, &in->selection);
    topics.selection = in->selection;
    assert(!error_is(&e));
    (void)e;
    struct flow_config config = {.name = "a->b",
                                 .source_alias = "a",
                                 .destination_alias = "b",
                                 .client_id = in->name,
                                 .instance_id = p->static_members ? in->id : NULL,
                                 .predecessor_dead = p->predecessor_dead,
                                 .source = cluster_config(in, SOURCE),
                                 .destination = cluster_config(in, DESTINATION),
                                 .topics = topics,
                                 .acks = p->acks,
                                 .slices = p->slices,
                                 .session_timeout_ms = p->session_timeout_ms,
                                 .heartbeat_interval_ms = p->session_timeout_ms * 3 / 10,
                                 .fetch_sessions = p->fetch_sessions,
                                 .fetch_bytes_max = p->fetch_bytes_max,
                                 .fetch_wait_ms_max = 500,
                                 .join_small_batches = p->join_small_batches};
    in->flow = flow_new(&in->env, &in->budget, &config);
    in->flow->stopped = on_stopped;
    in->flow->owner = in;
    flow_start(in->flow);
}

void instance_start(struct instance *in) {
    struct world *w = in->world;
    assert(!in->alive);
    in->alive = in->wanted = true;
    in->stopped = in->host_gone = false;
    in->lives++;
    in->told_us = w->now_us;
    memset(in->led_id, 0, sizeof in->led_id);
    memset(in->late, 0, sizeof in->late);
    in->env = (struct environment){.transport = &network_transport, .driver = in};
    in->env.log = (struct logger){w->trace.chatty ? LOG_DEBUG : LOG_ERROR, on_log, in};
    timers_init(&in->env.timers);
    prng_seed(&in->env.prng, prng_next(&w->prng));
    frame_pool_init(&in->env.frames);
    arena_init(&in->env.arena, DECODE_ARENA_MAX);
    budget_init(&in->budget, w->plan.buffer_memory);
    tell(in, "starts");
    instance_enter(in);
    start_flow(in);
    instance_leave(in);
}

void instance_kill(struct instance *in, bool host_gone) {
    assert(in->alive);
    tell(in, host_gone ? "its host is gone" : "killed");
    in->host_gone = host_gone;
    let_go(in);
}

void instance_stop(struct instance *in) {
    assert(in->alive);
    tell(in, "told to stop");
    in->wanted = false;
    instance_enter(in);
    if (!in->flow->stopping) flow_stop(in->flow);
    instance_leave(in);
}

void instance_sleep(struct instance *in, int64_t us) {
    assert(in->alive);
    in->sleeps_until_us = in->world->now_us + us;
    timer_set(&in->world->timers, &in->wakes, in->sleeps_until_us);
    trace_tell(&in->world->trace, in->world->now_us, in->name, "sleeps for %.3f s", (double)us / 1e6);
}

static void wake_up(struct instance *in) {
    in->sleeps_until_us = 0;
    in->told_us = in->world->now_us;
    tell(in, "wakes");
    bool hears_first = prng_below(&in->world->prng, WOKEN_FIRST_HEARS) == 0;
    if (!hears_first) instance_run(in);
    if (!in->alive) return;
    instance_enter(in);
    network_instance_wakes(in);
    instance_leave(in);
}

static void on_wakes(struct timer *t, int64_t now_us) {
    (void)now_us;
    wake_up(CONTAINER_OF(t, struct instance, wakes));
}

void instance_wake(struct instance *in) {
    timer_cancel(&in->world->timers, &in->wakes);
    wake_up(in);
}

int64_t instance_next(const struct instance *in) {
    if (!in->alive || instance_sleeps(in)) return TIMER_NEVER;
    return timers_next(&in->env.timers);
}

void instance_run(struct instance *in) {
    instance_enter(in);
    timers_run(&in->env.timers, in->env.now_us);
    instance_leave(in);
}

void instance_init(struct world *w, int32_t number) {
    struct instance *in = &w->instances[number];
    *in = (struct instance){.world = w, .number = number};
    list_init(&in->ready);
    timer_init(&in->wakes, on_wakes);
    snprintf(in->name, sizeof in->name, "%c", 'a' + (char)number);
    snprintf(in->id, sizeof in->id, "instance-%d", w->plan.same_id ? 0 : number);
}
