// Segments, their arrival, and who hears of what when.
#include "sim/network.h"

#include "base/memory.h"
#include "client/connection.h"
#include "sim/checkers.h"
#include "sim/world.h"

#include <assert.h>
#include <stdlib.h>

#define TRICKLE_WHOLE_MIN (4 * KiB)  // what is larger would be too many segments byte by byte
#define OUTPUT_RANGES 64
#define SLOW_US (400 * MS)
#define HOST_GONE_US (60 * SECOND)  // until a broker gives up on a host that says nothing any more

enum segment_kind { SEGMENT_OPEN, SEGMENT_DATA, SEGMENT_END };

struct segment {
    struct segment *next;
    enum segment_kind kind;
    int64_t at_us;
    size_t size, done;
    uint8_t at[];
};

static void on_out(struct timer *t, int64_t now_us);
static void on_in(struct timer *t, int64_t now_us);
static void on_unacknowledged(struct timer *t, int64_t now_us);

static bool one_in(struct network *n, int32_t count) {
    return prng_below(&n->prng, (uint64_t)count) == 0;
}

static bool is_cut(const struct channel *ch, enum direction d) {
    const struct world *w = ch->world;
    return ch->stalled || w->network.cut[ch->owner->number][ch->side][ch->node - plan_first_node(&w->plan)][d] > 0;
}

// Pipes -------------------------------------------------------------------------------------------------------------

static void pipe_arm(struct channel *ch, enum direction d) {
    struct pipe *p = &ch->pipes[d];
    if (p->first && !is_cut(ch, d)) timer_set(&ch->world->timers, &p->timer, p->first->at_us);
}

static struct segment *pipe_put(struct channel *ch, enum direction d, enum segment_kind kind, size_t size,
                                int64_t later_us) {
    struct world *w = ch->world;
    struct pipe *p = &ch->pipes[d];
    int64_t slow_us = w->network.slow > 0 ? (int64_t)prng_below(&w->network.prng, SLOW_US) : 0;
    int64_t at_us = w->now_us + ch->latency_us + (int64_t)prng_below(&w->network.prng, (uint64_t)ch->latency_us + 1) +
                    slow_us + later_us;
    if (at_us < p->latest_us) at_us = p->latest_us;
    p->latest_us = at_us;
    struct segment *s = memory_alloc(sizeof *s + size);
    *s = (struct segment){.kind = kind, .at_us = at_us, .size = size};
    if (p->last) p->last->next = s;
    else p->first = s;
    p->last = s;
    p->bytes += size;
    if (!timer_is_set(&p->timer)) pipe_arm(ch, d);
    return s;
}

static void pipe_take_first(struct pipe *p) {
    struct segment *s = p->first;
    p->bytes -= s->size - s->done;
    p->first = s->next;
    if (!p->first) p->last = NULL;
    memory_free(s);
}

static void pipe_clear(struct channel *ch, enum direction d) {
    while (ch->pipes[d].first) pipe_take_first(&ch->pipes[d]);
    timer_cancel(&ch->world->timers, &ch->pipes[d].timer);
}

static void end(struct channel *ch, enum direction d, int64_t later_us) {
    if (ch->ended[d]) return;
    ch->ended[d] = true;
    pipe_put(ch, d, SEGMENT_END, 0, later_us);
}

// What was sent is lost, but for the end.
static void lose(struct channel *ch) {
    pipe_clear(ch, OUT);
    if (!ch->ended[OUT]) return;
    ch->ended[OUT] = false;
    end(ch, OUT, 0);
}

// Channels ----------------------------------------------------------------------------------------------------------

static struct channel *channel_new(struct world *w, struct instance *owner, enum side side, int32_t node) {
    struct channel *ch = NEW(struct channel);
    ch->world = w;
    ch->owner = owner;
    ch->side = side;
    ch->node = node;
    ch->number = ++w->network.channels_made;
    ch->latency_us = prng_between(&w->network.prng, 20, w->plan.latency_us_max);
    timer_init(&ch->pipes[OUT].timer, on_out);
    timer_init(&ch->pipes[IN].timer, on_in);
    timer_init(&ch->unacknowledged, on_unacknowledged);
    tap_init(&ch->tap);
    list_append(&w->network.channels, &ch->link);
    return ch;
}

static void channel_free(struct channel *ch) {
    pipe_clear(ch, OUT);
    pipe_clear(ch, IN);
    tap_free(&ch->tap);
    timer_cancel(&ch->world->timers, &ch->unacknowledged);
    if (link_linked(&ch->ready)) list_remove(&ch->ready);
    if (link_linked(&ch->woken)) list_remove(&ch->woken);
    list_remove(&ch->link);
    memory_free(ch);
}

static void channel_free_when_over(struct channel *ch) {
    if (!ch->connection && !ch->broker && !ch->pipes[OUT].first) channel_free(ch);
}

static void broker_lets_go(struct channel *ch) {
    if (!ch->broker) return;
    struct broker_connection *k = ch->broker;
    ch->broker = NULL;
    if (link_linked(&ch->woken)) list_remove(&ch->woken);
    broker_connection_gone(k);
}

// TCP_USER_TIMEOUT runs while something sent is not acknowledged.
static void watch_unacknowledged(struct channel *ch) {
    if (ch->unacknowledged_ms_max == 0 || !ch->pipes[OUT].first) return;
    if (!is_cut(ch, OUT) && !is_cut(ch, IN)) return;
    if (!timer_is_set(&ch->unacknowledged))
        timer_set(&ch->world->timers, &ch->unacknowledged, ch->world->now_us + ch->unacknowledged_ms_max * MS);
}

// The instance's side -------------------------------------------------------------------------------------------------

static void transport_open(void *driver, struct connection *c, const struct transport_options *o) {
    struct instance *in = driver;
    enum side side = o->host[0] == 's' ? SOURCE : DESTINATION;
    int32_t node = plan_first_node(&in->world->plan) + o->port - SIM_PORT_FIRST;
    assert(node <= plan_last_node(&in->world->plan, side));
    struct channel *ch = channel_new(in->world, in, side, node);
    ch->connection = c;
    ch->unacknowledged_ms_max = o->unacknowledged_ms_max;
    c->driver_slot = (uint64_t)(uintptr_t)ch;
    pipe_put(ch, OUT, SEGMENT_OPEN, 0, 0);
}

struct channel *network_channel(const struct connection *c) {
    return (struct channel *)(uintptr_t)c->driver_slot;
}

// What is still on its way when a connection is reset: all of it arrives, or its beginning, some of it much later.
static void leave_behind(struct channel *ch, bool abort) {
    struct world *w = ch->world;
    struct network *n = &w->network;
    bool late = w->plan.kind == WORLD_FORGETFUL || one_in(n, w->plan.ends_in_time ? 2 : 4);
    int64_t later_us = late ? (int64_t)prng_below(&n->prng, (uint64_t)w->plan.late_us_max) : 0;
    struct pipe *p = &ch->pipes[OUT];
    bool cut_short = abort && one_in(n, 2);
    for (struct segment *s = p->first; s; s = s->next) {
        s->at_us += later_us;
        if (cut_short && s->kind == SEGMENT_DATA && one_in(n, 2)) {
            s->size = s->done + prng_below(&n->prng, s->size - s->done + 1);
            while (s->next) {
                struct segment *gone = s->next;
                s->next = gone->next;
                memory_free(gone);
            }
            p->last = s;
            break;
        }
    }
    p->bytes = 0;
    for (struct segment *s = p->first; s; s = s->next) p->bytes += s->size - s->done;
    p->latest_us += later_us;
    pipe_arm(ch, OUT);
}

static void transport_close(void *driver, struct connection *c, bool abort) {
    struct instance *in = driver;
    struct channel *ch = network_channel(c);
    if (!ch) return;
    tap_end(ch);
    c->driver_slot = 0;
    ch->connection = NULL;
    ch->timed_out = false;
    if (link_linked(&ch->ready)) list_remove(&ch->ready);
    bool in_time = in->world->plan.ends_in_time;
    if (!in_time) timer_cancel(&in->world->timers, &ch->unacknowledged);
    pipe_clear(ch, IN);
    bool in_vain = ch->stalled || (in_time && abort && is_cut(ch, OUT));
    if (in_vain) pipe_clear(ch, OUT);  // nobody sends it once more
    leave_behind(ch, abort && !in->dying);
    bool host_gone = in->dying && in->host_gone;
    end(ch, OUT, host_gone ? HOST_GONE_US : 0);
}

static void transport_wake(void *driver, struct connection *c) {
    struct instance *in = driver;
    struct channel *ch = network_channel(c);
    if (ch && !link_linked(&ch->ready)) list_append(&in->ready, &ch->ready);
}

const struct transport network_transport = {transport_open, transport_close, transport_wake};

// On the way to a broker where the CRC must notice. On that from one anywhere, but for the leader epoch: a wrong one is
// only said in the next fetch, which the source refuses.
static size_t flipped_byte(struct network *n, bool sent, size_t size) {
    if (sent) return BATCH_HEADER_SIZE + prng_below(&n->prng, size - BATCH_HEADER_SIZE);
    size_t at = prng_below(&n->prng, size - sizeof(int32_t));
    return at < BATCH_AT_LEADER_EPOCH ? at : at + sizeof(int32_t);
}

// A bit flips in a batch. False: the segment holds no whole one.
static bool damage(struct network *n, bool sent, uint8_t *at, size_t size) {
    size_t chosen = 0, seen = 0;
    for (size_t i = 0; i + BATCH_HEADER_SIZE < size; i++) {
        struct batch_header h;
        if (at[i + BATCH_AT_MAGIC] != BATCH_MAGIC) continue;
        struct bytes batch = {at + i, size - i};
        if (batch_look(batch, &h) != BATCH_WHOLE || !batch_crc_is_right((struct bytes){at + i, (size_t)h.size}))
            continue;
        if (prng_below(&n->prng, ++seen) == 0)  // any of them: what stands behind another may be joined to it
            chosen = i + flipped_byte(n, sent, (size_t)h.size);
        i += (size_t)h.size - 1;
    }
    if (seen > 0) at[chosen] ^= (uint8_t)(1 << prng_below(&n->prng, 8));
    return seen > 0;
}

// How much of so many bytes is read at once.
static size_t torn(struct world *w, size_t size) {
    if (w->network.trickles > 0) return 1;
    if (size > 1 && one_in(&w->network, w->plan.torn_one_in)) return 1 + prng_below(&w->network.prng, size - 1);
    return size;
}

static void send_out(struct channel *ch) {
    struct world *w = ch->world;
    while (ch->connection && !ch->ended[OUT] && ch->pipes[OUT].bytes < (size_t)w->plan.socket_bytes) {
        struct bytes ranges[OUTPUT_RANGES];
        size_t count =
            connection_has_output(ch->connection) ? connection_output(ch->connection, ranges, OUTPUT_RANGES) : 0;
        size_t size = 0, room = (size_t)w->plan.socket_bytes - ch->pipes[OUT].bytes, at = 0;
        for (size_t i = 0; i < count; i++) size += ranges[i].size;
        if (size == 0) return;
        if (size > room) size = room;
        if (w->network.trickles > 0) size = size < TRICKLE_WHOLE_MIN ? 1 : 1 + prng_below(&w->network.prng, size / 8);
        bool all_but_one = size > 1 && w->plan.short_one_in > 0 && one_in(&w->network, w->plan.short_one_in);
        if (all_but_one) size--;
        struct segment *s = pipe_put(ch, OUT, SEGMENT_DATA, size, 0);
        for (size_t i = 0; i < count && at < size; i++) {
            size_t part = ranges[i].size < size - at ? ranges[i].size : size - at;
            memcpy(s->at + at, ranges[i].at, part);
            at += part;
        }
        tap_listen(ch, s->at, size);
        bool damages = ch->side == DESTINATION && w->network.damage[DESTINATION] > 0;
        if (damages && damage(&w->network, true, s->at, size))
            w->network.damage[DESTINATION]--;
        connection_sent(ch->connection, size);
        watch_unacknowledged(ch);
        if (all_but_one) return;  // the rest when what it took has come
    }
}

static void take_in(struct channel *ch, struct segment *s) {
    struct world *w = ch->world;
    while (ch->connection && s->done < s->size) {
        struct connection *c = ch->connection;
        struct connection_space space = connection_input(c);
        if (space.size == 0) return;
        size_t size = s->size - s->done < space.size ? s->size - s->done : space.size;
        size = torn(w, size);
        memcpy(space.at, s->at + s->done, size);
        trace_mix(&w->trace, ch->number);
        trace_bytes(&w->trace, (struct bytes){space.at, size});
        s->done += size;
        ch->pipes[IN].bytes -= size;
        check_told(ch);
        connection_received(c, size);  // may close the connection, which clears the pipe
        if (ch->connection != c) return;
    }
}

static void hear_failure(struct channel *ch, const char *what) {
    struct connection *c = ch->connection;
    tap_end(ch);
    c->driver_slot = 0;
    ch->connection = NULL;
    pipe_clear(ch, IN);
    if (link_linked(&ch->ready)) list_remove(&ch->ready);
    end(ch, OUT, 0);
    struct error why = error_make(ERROR_TRANSPORT, 0, "network", "%s", what);
    connection_failed(c, &why);
}

// Fewer bytes than are wanted wake nobody until more come, unless the connection ends behind them or no more have room.
static bool is_left_lying(struct channel *ch) {
    struct world *w = ch->world;
    size_t wanted = ch->wanted < (size_t)w->plan.socket_bytes ? ch->wanted : (size_t)w->plan.socket_bytes;
    size_t arrived = 0;
    struct segment *s = ch->pipes[IN].first;
    for (; s && s->at_us <= w->now_us; s = s->next) {
        if (s->kind != SEGMENT_DATA) return false;
        arrived += s->size - s->done;
        if (arrived >= wanted) return false;
    }
    if (s) timer_set(&w->timers, &ch->pipes[IN].timer, s->at_us);
    return true;
}

static void await_input(struct channel *ch) {
    ch->wanted = connection_input_wanted(ch->connection);
    pipe_arm(ch, IN);
}

// The instance is awake and has been entered.
static void deliver_in(struct channel *ch) {
    struct world *w = ch->world;
    if (ch->timed_out && ch->connection) {
        ch->timed_out = false;
        hear_failure(ch, "unacknowledged for too long");
        return;
    }
    // The broker may have more to write, into the room that there is now.
    if (ch->broker && !link_linked(&ch->woken)) list_append(&w->network.woken, &ch->woken);
    if (ch->connection && !is_cut(ch, IN) && is_left_lying(ch)) return;
    while (ch->connection && ch->pipes[IN].first && ch->pipes[IN].first->at_us <= w->now_us && !is_cut(ch, IN)) {
        struct segment *s = ch->pipes[IN].first;
        if (s->kind == SEGMENT_END) {
            hear_failure(ch, "closed by the broker");
            return;
        }
        struct connection *c = ch->connection;
        if (s->kind == SEGMENT_OPEN) connection_opened(c, 0);
        else take_in(ch, s);
        if (ch->connection != c || s->done < s->size) return;
        pipe_take_first(&ch->pipes[IN]);
    }
    if (ch->connection) await_input(ch);
}

static void on_in(struct timer *t, int64_t now_us) {
    (void)now_us;
    struct channel *ch = CONTAINER_OF(t, struct channel, pipes[IN].timer);
    struct instance *in = ch->owner;
    if (instance_sleeps(in)) return;  // it comes back to this when it wakes
    instance_enter(in);
    deliver_in(ch);
    instance_leave(in);
}

void network_flush(struct instance *in) {
    struct link *k;
    while ((k = list_take_first(&in->ready))) {
        struct channel *ch = CONTAINER_OF(k, struct channel, ready);
        send_out(ch);
        if (ch->connection) await_input(ch);  // what was not welcome may be so now
    }
}

void network_instance_wakes(struct instance *in) {
    struct network *n = &in->world->network;
    for (struct link *k = list_first(&n->channels), *next; k; k = next) {
        next = list_next(&n->channels, k);
        struct channel *ch = CONTAINER_OF(k, struct channel, link);
        if (ch->owner == in && ch->connection) deliver_in(ch);
        if (ch->owner == in && ch->connection) send_out(ch);  // what it could not write before
    }
}

// The brokers' side --------------------------------------------------------------------------------------------------

static void wake(void *driver_connection) {
    struct channel *ch = driver_connection;
    struct list *woken = &ch->world->network.woken;
    if (!link_linked(&ch->woken)) list_append(woken, &ch->woken);
}

static void accept(struct channel *ch) {
    static const struct broker_driver driver = {wake};
    struct world *w = ch->world;
    ch->broker = broker_connection_new(w->clusters[ch->side], ch->node, &driver, ch);
    if (!ch->connection) return;
    if (ch->broker) pipe_put(ch, IN, SEGMENT_OPEN, 0, 0);
    else end(ch, IN, 0);
}

// False: the broker takes no more for now; it says when.
static bool give(struct channel *ch, struct segment *s) {
    struct world *w = ch->world;
    while (ch->broker && s->done < s->size) {
        size_t size = s->size - s->done;
        size = torn(w, size);
        size_t taken = broker_connection_input(ch->broker, (struct bytes){s->at + s->done, size});
        trace_mix(&w->trace, ch->number);
        trace_bytes(&w->trace, (struct bytes){s->at + s->done, taken});
        s->done += taken;
        ch->pipes[OUT].bytes -= taken;
        ch->tap.delivered += taken;
        if (taken == 0) return false;
    }
    return true;
}

static void deliver_out(struct channel *ch) {
    struct world *w = ch->world;
    struct pipe *p = &ch->pipes[OUT];
    while (p->first && p->first->at_us <= w->now_us && !is_cut(ch, OUT)) {
        struct segment *s = p->first;
        if (s->kind == SEGMENT_OPEN) accept(ch);
        else if (s->kind == SEGMENT_END) broker_lets_go(ch);
        else if (!give(ch, s)) return;
        pipe_take_first(p);
    }
    pipe_arm(ch, OUT);
    if (!p->first) timer_cancel(&w->timers, &ch->unacknowledged);
    struct instance *in = ch->owner;
    if (ch->connection && !instance_sleeps(in) && connection_has_output(ch->connection)) {
        instance_enter(in);
        send_out(ch);
        instance_leave(in);
    }
}

static void on_out(struct timer *t, int64_t now_us) {
    (void)now_us;
    struct channel *ch = CONTAINER_OF(t, struct channel, pipes[OUT].timer);
    deliver_out(ch);
    channel_free_when_over(ch);
}

static void take_output(struct channel *ch) {
    struct world *w = ch->world;
    while (ch->broker && ch->pipes[IN].bytes < (size_t)w->plan.socket_bytes) {
        struct bytes ranges[OUTPUT_RANGES];
        size_t count = broker_connection_output(ch->broker, ranges, OUTPUT_RANGES);
        size_t size = 0, at = 0;
        for (size_t i = 0; i < count; i++) size += ranges[i].size;
        if (size == 0) break;
        if (size > (size_t)w->plan.socket_bytes) size = (size_t)w->plan.socket_bytes;
        if (ch->connection) {
            struct segment *s = pipe_put(ch, IN, SEGMENT_DATA, size, 0);
            for (size_t i = 0; i < count && at < size; i++) {
                size_t part = ranges[i].size < size - at ? ranges[i].size : size - at;
                memcpy(s->at + at, ranges[i].at, part);
                at += part;
            }
            if (w->network.damage[ch->side] > 0 && damage(&w->network, false, s->at, size))
                w->network.damage[ch->side]--;
        }
        broker_connection_sent(ch->broker, size);
    }
    struct bytes range;
    if (ch->broker && broker_connection_closing(ch->broker) && broker_connection_output(ch->broker, &range, 1) == 0) {
        broker_lets_go(ch);
        if (ch->connection) end(ch, IN, 0);
    }
}

void network_take_woken(struct network *n) {
    struct link *k;
    while ((k = list_take_first(&n->woken))) {
        struct channel *ch = CONTAINER_OF(k, struct channel, woken);
        take_output(ch);
        if (ch->pipes[OUT].first && !timer_is_set(&ch->pipes[OUT].timer)) pipe_arm(ch, OUT);
        channel_free_when_over(ch);
    }
}

// Faults --------------------------------------------------------------------------------------------------------------

static void on_unacknowledged(struct timer *t, int64_t now_us) {
    (void)now_us;
    struct channel *ch = CONTAINER_OF(t, struct channel, unacknowledged);
    if (!is_cut(ch, OUT) && !is_cut(ch, IN)) return;
    if (is_cut(ch, OUT)) lose(ch);
    if (!ch->connection) return;
    ch->timed_out = true;
    struct instance *in = ch->owner;
    if (instance_sleeps(in)) return;
    instance_enter(in);
    deliver_in(ch);
    instance_leave(in);
}

void network_cut(struct world *w, int32_t instance, enum side side, int32_t node, enum direction d, bool on) {
    struct network *n = &w->network;
    int32_t *cut = &n->cut[instance][side][node - plan_first_node(&w->plan)][d];
    *cut += on ? 1 : -1;
    assert(*cut >= 0);
    for (struct link *k = list_first(&n->channels); k; k = list_next(&n->channels, k)) {
        struct channel *ch = CONTAINER_OF(k, struct channel, link);
        if (ch->owner->number != instance || ch->side != side || ch->node != node) continue;
        if (*cut > 0) {
            timer_cancel(&w->timers, &ch->pipes[d].timer);
            watch_unacknowledged(ch);
        } else {
            if (!is_cut(ch, OUT) && !is_cut(ch, IN)) timer_cancel(&w->timers, &ch->unacknowledged);
            pipe_arm(ch, d);
        }
    }
}

// Something between the two has forgotten this one connection (a firewall, one of several paths).
void network_stall(struct channel *ch, bool on) {
    ch->stalled = on;
    for (int d = 0; d < DIRECTIONS; d++) {
        timer_cancel(&ch->world->timers, &ch->pipes[d].timer);
        pipe_arm(ch, (enum direction)d);
    }
    if (!is_cut(ch, OUT) && !is_cut(ch, IN)) timer_cancel(&ch->world->timers, &ch->unacknowledged);
    else watch_unacknowledged(ch);
}

void network_reset(struct world *w, enum side side, int32_t node) {
    struct network *n = &w->network;
    for (struct link *k = list_first(&n->channels); k; k = list_next(&n->channels, k)) {
        struct channel *ch = CONTAINER_OF(k, struct channel, link);
        if (ch->side != side || ch->node != node || !ch->broker) continue;
        broker_lets_go(ch);
        if (ch->connection) end(ch, IN, 0);
    }
}

void network_heal(struct world *w) {
    struct network *n = &w->network;
    n->damage[SOURCE] = n->damage[DESTINATION] = 0;
    n->slow = 0;
    n->trickles = 0;
    for (struct link *k = list_first(&n->channels); k; k = list_next(&n->channels, k)) {
        struct channel *ch = CONTAINER_OF(k, struct channel, link);
        if (ch->stalled) network_stall(ch, false);
    }
}

bool network_is_well(const struct world *w, int32_t instance, enum side side, int32_t node) {
    const struct network *n = &w->network;
    const int32_t *cut = n->cut[instance][side][node - plan_first_node(&w->plan)];
    bool well = n->slow == 0 && cut[OUT] == 0 && cut[IN] == 0;
    for (struct link *k = list_first(&n->channels); well && k; k = list_next(&n->channels, k)) {
        const struct channel *ch = CONTAINER_OF(k, struct channel, link);
        well = !ch->stalled || ch->owner->number != instance || ch->side != side || ch->node != node;
    }
    return well;
}

void network_init(struct network *n, uint64_t seed) {
    *n = (struct network){0};
    prng_seed(&n->prng, seed);
    list_init(&n->channels);
    list_init(&n->woken);
}

void network_free(struct network *n) {
    struct link *k;
    while ((k = list_first(&n->channels))) {
        struct channel *ch = CONTAINER_OF(k, struct channel, link);
        ch->broker = NULL;
        channel_free(ch);
    }
}
