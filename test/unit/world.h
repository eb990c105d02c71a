// A world for instances that share a flow: virtual time, a network that delays, cuts and delivers late, a model of the
// coordinator behind it, and an eye on the one rule: a slice has never two owners at one time.
#pragma once
#include "base/prng.h"
#include "mirror/ownership.h"
#include "unit/coordinator.h"

#define INSTANCES_MAX 8
#define CHANNEL_QUEUE_MAX 8
#define SESSION_MS 1000
#define MS 1000LL

struct world;

struct instance {
    struct world *world;
    int number;
    bool alive;
    uint32_t life;  // counts restarts, so that what was scheduled for an earlier life is ignored
    int64_t paused_until_us;
    struct environment env;
    struct ownership o;
    char instance_id[16];
    const char *source_id;  // the cluster it mirrors
    struct ownership_config config;
    int64_t drain_us_max;  // a revoked slice is released after at most this
    int32_t gained, moved, fenced, lost, stopped, leases_over, topic_turn;
};

struct channel {
    struct instance *owner;
    struct connection *connection;
    bool open;                  // seen from the client
    bool silent;                // nothing arrives any more, and nobody is told
    bool served;                // seen from the broker
    bool busy;                  // a request is being served: a broker serves one at a time
    int64_t there_us, back_us;  // when the newest bytes in each direction arrive: order is kept
    struct buffer output;
    struct buffer queue[CHANNEL_QUEUE_MAX];
    int queued;
};

enum happening { CONNECTED, CUT, REQUEST, RESPONSE, DRAINED };

struct event {
    enum happening what;
    int64_t at_us;
    uint64_t order;
    uint32_t channel;
    struct buffer bytes;
    struct instance *instance;  // DRAINED
    uint32_t life;
    int32_t slice;
};

struct world {
    int64_t now_us;
    struct prng prng;
    struct coordinator coordinator;
    struct instance instances[INSTANCES_MAX];
    int instances_count;
    struct channel **channels;
    uint32_t channels_count, channels_capacity;
    struct event *events;
    size_t events_count, events_capacity;
    uint64_t order;
    int64_t latency_us_max;
    int64_t late_us_max;            // what an aborted connection still delivers may come so late
    char error_line[LOG_LINE_MAX];  // the newest
    int violations;
    bool verbose;
};

// Events -------------------------------------------------------------------------------------------------------------

static inline struct event *world_schedule(struct world *w, enum happening what, uint32_t channel, int64_t at_us) {
    if (w->events_count == w->events_capacity) {
        w->events_capacity = w->events_capacity ? w->events_capacity * 2 : 64;
        w->events = memory_resize(w->events, w->events_capacity * sizeof *w->events);
    }
    struct event *e = &w->events[w->events_count++];
    *e = (struct event){.what = what, .channel = channel, .at_us = at_us, .order = w->order++};
    buffer_init(&e->bytes, 1 << 16);
    return e;
}

static inline int64_t world_latency(struct world *w) {
    return prng_between(&w->prng, 10, w->latency_us_max);
}

static inline int64_t max_us(int64_t a, int64_t b) {
    return a > b ? a : b;
}

static inline struct channel *channel_at(struct world *w, uint32_t i) {
    return w->channels[i];
}

// The transport of an instance ---------------------------------------------------------------------------------------

static inline void world_open(void *driver, struct connection *c, const struct transport_options *options) {
    (void)options;
    struct instance *in = driver;
    struct world *w = in->world;
    if (w->channels_count == w->channels_capacity) {
        w->channels_capacity = w->channels_capacity ? w->channels_capacity * 2 : 64;
        w->channels = memory_resize(w->channels, w->channels_capacity * sizeof *w->channels);
    }
    struct channel *ch = w->channels[w->channels_count] = NEW(struct channel);
    *ch = (struct channel){.owner = in, .connection = c, .open = true, .served = true};
    buffer_init(&ch->output, 1 << 20);
    c->driver_slot = w->channels_count++;
    world_schedule(w, CONNECTED, (uint32_t)c->driver_slot, w->now_us + world_latency(w));
}

// What is on its way may still arrive, even much later; nobody waits for the answers.
static inline void world_close(void *driver, struct connection *c, bool abort) {
    (void)abort;
    struct world *w = ((struct instance *)driver)->world;
    struct channel *ch = channel_at(w, (uint32_t)c->driver_slot);
    ch->open = false;
    int64_t late_us = w->late_us_max && prng_below(&w->prng, 4) == 0 ? prng_between(&w->prng, 0, w->late_us_max) : 0;
    for (size_t i = 0; i < w->events_count; i++)
        if (w->events[i].channel == c->driver_slot && w->events[i].what == REQUEST) w->events[i].at_us += late_us;
}

static inline void world_wake(void *driver, struct connection *c) {
    (void)driver, (void)c;  // all channels are looked at after each entry
}

static const struct transport world_transport = {world_open, world_close, world_wake};

static inline void channel_write(struct world *w, uint32_t i) {
    struct channel *ch = channel_at(w, i);
    struct bytes ranges[16];
    while (ch->open && connection_has_output(ch->connection)) {
        size_t count = connection_output(ch->connection, ranges, 16), size = 0;
        if (count == 0) break;
        for (size_t k = 0; k < count; k++) {
            buffer_append(&ch->output, ranges[k].at, ranges[k].size);
            size += ranges[k].size;
        }
        connection_sent(ch->connection, size);
    }
    size_t at = 0;
    while (ch->output.size - at >= 4) {
        size_t size = load_be32(ch->output.at + at);
        assert(ch->output.size - at >= 4 + size);
        ch->there_us = max_us(ch->there_us, w->now_us + world_latency(w));
        struct event *e = world_schedule(w, REQUEST, i, ch->there_us);
        buffer_append(&e->bytes, ch->output.at + at + 4, size);
        at += 4 + size;
    }
    buffer_clear(&ch->output);
}

// The rule: acting for a slice is holding it before the fence.
static inline void world_check(struct world *w) {
    for (int i = 0; i < w->instances_count; i++) {
        struct instance *in = &w->instances[i];
        if (!in->alive || w->now_us >= in->o.fence_us) continue;
        for (int j = 0; j < i; j++) {
            struct instance *other = &w->instances[j];
            if (!other->alive || w->now_us >= other->o.fence_us || in->source_id != other->source_id) continue;
            for (int k = 0; k < SLICES_MAX / 64; k++)
                if ((in->o.owned.words[k] | in->o.draining.words[k]) &
                    (other->o.owned.words[k] | other->o.draining.words[k]))
                    w->violations++;
        }
    }
}

static inline void instance_entered(struct instance *in) {
    struct world *w = in->world;
    for (uint32_t i = 0; i < w->channels_count; i++)
        if (channel_at(w, i)->owner == in && channel_at(w, i)->open) channel_write(w, i);
    world_check(w);
}

static inline bool instance_paused(const struct instance *in) {
    return in->paused_until_us > in->world->now_us;
}

// Instances ----------------------------------------------------------------------------------------------------------

static inline bool instance_any_broker(void *context, char *host, size_t host_size, uint16_t *port) {
    (void)context;
    snprintf(host, host_size, "bootstrap");
    *port = 9092;
    return true;
}

static inline void instance_tell(struct instance *in, const char *what, int32_t slice) {
    if (in->world->verbose)
        fprintf(stderr, "[%8.3f] %d: slice %d %s\n", (double)in->world->now_us / 1e6, in->number, slice, what);
}

static inline void instance_gained(void *context, int32_t slice) {
    struct instance *in = context;
    in->gained++;
    instance_tell(in, "gained", slice);
}

static inline void instance_revoked(void *context, int32_t slice, enum revoke_reason reason) {
    struct instance *in = context;
    struct world *w = in->world;
    instance_tell(in, reason == REVOKE_FENCED ? "fenced" : reason == REVOKE_LOST ? "lost" : "revoked", slice);
    if (reason == REVOKE_FENCED) in->fenced++;
    else if (reason == REVOKE_LOST) in->lost++;
    else in->moved++;
    if (reason == REVOKE_FENCED || reason == REVOKE_LOST) return;
    if (in->drain_us_max == 0) {
        ownership_released(&in->o, slice);
        return;
    }
    struct event *e = world_schedule(w, DRAINED, UINT32_MAX, w->now_us + prng_between(&w->prng, 0, in->drain_us_max));
    e->instance = in;
    e->life = in->life;
    e->slice = slice;
}

static inline const char *instance_any_topic(void *context, bool another) {
    struct instance *in = context;
    in->topic_turn += another;
    return in->topic_turn % 2 ? "other" : "topic";
}

static inline void instance_lease_over(void *context) {
    ((struct instance *)context)->leases_over++;
}

static inline void instance_stopped(void *context) {
    ((struct instance *)context)->stopped++;
}

static inline void instance_log(void *context, enum log_level level, const char *line, size_t size) {
    struct instance *in = context;
    if (in->world->verbose)
        fprintf(stderr, "[%8.3f] %d: %.*s\n", (double)in->world->now_us / 1e6, in->number, (int)size, line);
    if (level == LOG_ERROR || !in->world->verbose)
        snprintf(in->world->error_line, LOG_LINE_MAX, "%.*s", (int)size, line);
}

static inline struct ownership_config instance_defaults(void) {
    return (struct ownership_config){.client_id = "odraz",
                                     .source_alias = "a",
                                     .target_alias = "b",
                                     .slices = SLICES_DEFAULT,
                                     .weight = 1,
                                     .session_timeout_ms = SESSION_MS,
                                     .heartbeat_interval_ms = SESSION_MS / 10,
                                     .open_timeout_us = SESSION_MS * MS / 5};
}

// Starts a process with in->config; instance_id is copied, NULL is dynamic.
static inline void instance_start(struct instance *in, const char *instance_id) {
    static const struct ownership_callbacks callbacks = {.any_broker = instance_any_broker,
                                                         .slice_gained = instance_gained,
                                                         .slice_revoked = instance_revoked,
                                                         .any_topic = instance_any_topic,
                                                         .lease_over = instance_lease_over,
                                                         .stopped = instance_stopped};
    assert(!in->alive);
    in->alive = true;
    in->life++;
    in->paused_until_us = 0;
    in->gained = in->moved = in->fenced = in->lost = in->stopped = in->leases_over = in->topic_turn = 0;
    in->env = (struct environment){.now_us = in->world->now_us, .transport = &world_transport, .driver = in};
    in->env.log = (struct logger){in->world->verbose ? LOG_DEBUG : LOG_ERROR, instance_log, in};
    timers_init(&in->env.timers);
    prng_seed(&in->env.prng, prng_next(&in->world->prng));
    frame_pool_init(&in->env.frames);
    arena_init(&in->env.arena, DECODE_ARENA_MAX);
    snprintf(in->instance_id, sizeof in->instance_id, "%s", instance_id ? instance_id : "");
    in->config.instance_id = instance_id ? in->instance_id : NULL;
    ownership_init(&in->o, &in->env, &in->config, &callbacks, in);
    ownership_start(&in->o, in->source_id);
    instance_entered(in);
}

// The process is gone from one instruction to the next (kill -9).
static inline void instance_kill(struct instance *in) {
    assert(in->alive);
    in->alive = false;
    ownership_free(&in->o);
    timers_free(&in->env.timers);
    frame_pool_free(&in->env.frames);
    arena_free(&in->env.arena);
}

static inline void instance_stop(struct instance *in) {
    in->env.now_us = in->world->now_us;
    ownership_stop(&in->o);
    instance_entered(in);
}

static inline int32_t instance_owns(const struct instance *in) {
    return in->alive ? slices_count(&in->o.owned) : 0;
}

// The broker's side --------------------------------------------------------------------------------------------------

static inline void world_serve(struct world *w, uint32_t i) {
    struct channel *ch = channel_at(w, i);
    while (!ch->busy && ch->queued > 0 && ch->served) {
        struct buffer frame = ch->queue[0];
        memmove(ch->queue, ch->queue + 1, (size_t)--ch->queued * sizeof *ch->queue);
        ch->busy = true;
        coordinator_request(&w->coordinator, w->now_us, i, (struct bytes){frame.at, frame.size});
        buffer_free(&frame);
    }
}

static inline void world_answer(void *context, const struct waiting *to, const struct api *api, const void *response) {
    struct world *w = context;
    struct channel *ch = channel_at(w, to->channel);
    ch->busy = false;
    if (!ch->open || ch->silent || !ch->served) return;
    ch->back_us = max_us(ch->back_us, w->now_us + world_latency(w));
    struct event *e = world_schedule(w, RESPONSE, to->channel, ch->back_us);
    size_t cuts = 0;
    struct error error = frame_encode_response(api, to->version, to->correlation_id, response, &e->bytes, NULL, &cuts);
    assert(!error_is(&error) && !e->bytes.overflowed);
    (void)error;
}

static inline void world_cut(struct world *w, uint32_t i, bool silently) {
    struct channel *ch = channel_at(w, i);
    if (!ch->open) return;
    ch->silent = true;
    if (!silently) world_schedule(w, CUT, i, w->now_us + world_latency(w));
}

// All connections of an instance, or of everybody (NULL).
static inline void world_cut_all(struct world *w, struct instance *in, bool silently) {
    for (uint32_t i = 0; i < w->channels_count; i++)
        if (!in || channel_at(w, i)->owner == in) world_cut(w, i, silently);
}

static inline void world_fail_over(struct world *w) {
    for (uint32_t i = 0; i < w->channels_count; i++) channel_at(w, i)->served = false;
    world_cut_all(w, NULL, false);
    coordinator_fail_over(&w->coordinator, w->now_us);
}

// Time ---------------------------------------------------------------------------------------------------------------

static inline void channel_receive(struct channel *ch, const struct buffer *bytes) {
    for (size_t at = 0; at < bytes->size && ch->open;) {
        struct connection_space space = connection_input(ch->connection);
        size_t size = bytes->size - at < space.size ? bytes->size - at : space.size;
        memcpy(space.at, bytes->at + at, size);
        at += size;
        connection_received(ch->connection, size);
    }
}

static inline void channel_happens(struct world *w, struct event *e) {
    struct channel *ch = channel_at(w, e->channel);
    if (e->what == REQUEST) {
        if (!ch->served || (ch->silent && ch->open) || ch->queued == CHANNEL_QUEUE_MAX) return;
        ch->queue[ch->queued++] = e->bytes;
        e->bytes.at = NULL;
        world_serve(w, e->channel);
        return;
    }
    if (!ch->open) return;
    ch->owner->env.now_us = w->now_us;
    if (e->what == CUT) {
        ch->open = false;
        struct error why = error_make(ERROR_TRANSPORT, 0, "world", "cut");
        connection_failed(ch->connection, &why);
    } else if (!ch->silent && e->what == CONNECTED) {
        connection_opened(ch->connection, 0);
    } else if (!ch->silent) {
        channel_receive(ch, &e->bytes);
    }
    instance_entered(ch->owner);
}

static inline void world_happens(struct world *w, size_t i) {
    struct event e = w->events[i];
    w->events[i] = w->events[--w->events_count];
    struct instance *in = e.what == DRAINED ? e.instance : channel_at(w, e.channel)->owner;
    if (e.what != REQUEST && in->alive && instance_paused(in)) {
        e.at_us = in->paused_until_us;  // keeps its place among those of then
        world_schedule(w, e.what, e.channel, e.at_us);
        w->events[w->events_count - 1] = e;
        return;
    }
    if (e.what != DRAINED) {
        channel_happens(w, &e);
    } else if (in->alive && in->life == e.life) {
        in->env.now_us = w->now_us;
        ownership_released(&in->o, e.slice);
        instance_entered(in);
    }
    buffer_free(&e.bytes);
}

// The next thing that happens, when it happens until `end_us`.
static inline bool world_step(struct world *w, int64_t end_us) {
    size_t first = SIZE_MAX;
    int64_t next_us = end_us;
    for (size_t i = 0; i < w->events_count; i++) {
        const struct event *e = &w->events[i];
        if (e->at_us > next_us || (first != SIZE_MAX && e->at_us == next_us && e->order > w->events[first].order))
            continue;
        next_us = e->at_us;
        first = i;
    }
    struct instance *timed = NULL;
    for (int i = 0; i < w->instances_count; i++) {
        struct instance *in = &w->instances[i];
        if (!in->alive) continue;
        int64_t due_us = max_us(timers_next(&in->env.timers), in->paused_until_us);
        if (due_us >= next_us) continue;
        next_us = due_us;
        timed = in;
    }
    int64_t coordinator_us = coordinator_next(&w->coordinator);
    if (next_us >= end_us && coordinator_us >= end_us && first == SIZE_MAX) return false;
    if (coordinator_us <= next_us) {
        w->now_us = max_us(w->now_us, coordinator_us);
        coordinator_run(&w->coordinator, w->now_us);
        return true;
    }
    w->now_us = max_us(w->now_us, next_us);
    if (timed) {
        timed->env.now_us = w->now_us;
        timers_run(&timed->env.timers, w->now_us);
        instance_entered(timed);
    } else {
        world_happens(w, first);
    }
    return true;
}

static inline void world_run(struct world *w, int64_t us) {
    int64_t end_us = w->now_us + us;
    while (world_step(w, end_us)) continue;
    w->now_us = end_us;
    world_check(w);
}

static inline void world_init(struct world *w, uint64_t seed, int instances) {
    assert(instances <= INSTANCES_MAX);
    *w = (struct world){.now_us = 1000000, .instances_count = instances, .latency_us_max = 1 * MS};
    prng_seed(&w->prng, seed);
    coordinator_init(&w->coordinator);
    w->coordinator.context = w;
    w->coordinator.answer = world_answer;
    for (int i = 0; i < instances; i++)
        w->instances[i] = (struct instance){.world = w, .number = i, .source_id = "one", .config = instance_defaults()};
}

static inline void world_free(struct world *w) {
    for (int i = 0; i < w->instances_count; i++)
        if (w->instances[i].alive) instance_kill(&w->instances[i]);
    for (size_t i = 0; i < w->events_count; i++) buffer_free(&w->events[i].bytes);
    for (uint32_t i = 0; i < w->channels_count; i++) {
        struct channel *ch = channel_at(w, i);
        for (int k = 0; k < ch->queued; k++) buffer_free(&ch->queue[k]);
        buffer_free(&ch->output);
        memory_free(ch);
    }
    memory_free(w->channels);
    memory_free(w->events);
    coordinator_free(&w->coordinator);
}
