// Connections of clients to a modelled broker: frames in, answers out, one request at a time: see connection.h.
#include "broker/connection.h"

#include "base/memory.h"

#include <assert.h>

#define LENGTH_SIZE 4

// Negative: for ever.
static int64_t idle_us_max(const struct broker_node *n) {
    return broker_setting_number(n->cluster, "connections.max.idle.ms", 600000) * 1000;
}

static void throttle_over(struct timer *t, int64_t now_us);
static void hold_over(struct timer *t, int64_t now_us);

struct broker_connection *broker_connection_new(struct broker_cluster *c, int32_t node,
                                                const struct broker_driver *driver, void *driver_connection) {
    struct broker_node *n = broker_find_node(c, node);
    if (!n || !n->running || n->connections_count >= BROKER_CONNECTIONS_MAX) return NULL;
    struct broker_connection *k = NEW(struct broker_connection);
    k->node = n;
    k->driver = driver;
    k->driver_connection = driver_connection;
    list_init(&k->waiting);
    buffer_init(&k->output, BROKER_CONNECTION_OUTPUT_MAX);
    timer_init(&k->throttle, throttle_over);
    timer_init(&k->hold, hold_over);
    list_append(&n->connections, &k->link);
    n->connections_count++;
    k->active_us = c->now_us;
    if (!timer_is_set(&n->idle) && idle_us_max(n) >= 0) timer_set(&c->timers, &n->idle, c->now_us + idle_us_max(n));
    return k;
}

static void forget_input(struct broker_connection *k) {
    struct link *at;
    while ((at = list_take_first(&k->waiting))) {
        broker_request_release(CONTAINER_OF(at, struct broker_request, link));
    }
    if (k->arriving) broker_request_release(k->arriving);
    k->arriving = NULL;
    k->waiting_bytes = 0;
    k->length_size = 0;
}

void broker_connection_free(struct broker_connection *k) {
    assert(!k->executing);
    forget_input(k);
    timer_cancel(&k->node->cluster->timers, &k->throttle);
    timer_cancel(&k->node->cluster->timers, &k->hold);
    list_remove(&k->link);
    k->node->connections_count--;
    buffer_free(&k->output);
    memory_free(k);
}

static void wake(struct broker_connection *k) {
    if (!k->gone) k->driver->wake(k->driver_connection);
}

static void hang_up(struct broker_connection *k) {
    forget_input(k);
    k->closing = true;
    wake(k);
}

void broker_connection_drop(struct broker_connection *k) {
    k->executing = false;
    buffer_free(&k->output);
    k->sent = 0;
    if (k->gone) broker_connection_free(k);
    else hang_up(k);
}

// The node executes the next request, if the connection is free for it: a broker mutes a connection until it has sent
// the answer (SocketServer.Processor).
static void next(struct broker_connection *k) {
    if (k->executing || k->sent < k->output.size || timer_is_set(&k->throttle)) return;
    struct link *at = list_take_first(&k->waiting);
    if (at) {
        struct broker_request *r = CONTAINER_OF(at, struct broker_request, link);
        k->waiting_bytes -= r->frame_size;
        k->executing = true;
        if (k->refused && k->waiting_bytes < BROKER_CONNECTION_AHEAD_MAX) {
            k->refused = false;
            wake(k);
        }
        broker_request_arrived(r);
    } else if (k->gone) {
        broker_connection_free(k);
    }
}

static void throttle_over(struct timer *t, int64_t now_us) {
    (void)now_us;
    next(CONTAINER_OF(t, struct broker_connection, throttle));
}

static void hold_over(struct timer *t, int64_t now_us) {
    (void)now_us;
    wake(CONTAINER_OF(t, struct broker_connection, hold));
}

void broker_connection_hold(struct broker_connection *k, int64_t until_us) {
    if (until_us > k->node->cluster->now_us && !k->gone) timer_set(&k->node->cluster->timers, &k->hold, until_us);
}

// Keeps the node's connections in the order of their silence.
static void touch(struct broker_connection *k) {
    k->active_us = k->node->cluster->now_us;
    list_remove(&k->link);
    list_append(&k->node->connections, &k->link);
}

// Selector.maybeCloseOldestConnection: clients find out when they next write.
static void idle(struct timer *t, int64_t now_us) {
    struct broker_node *n = CONTAINER_OF(t, struct broker_node, idle);
    int64_t max_us = idle_us_max(n);
    struct link *at;
    while ((at = list_first(&n->connections))) {
        struct broker_connection *k = CONTAINER_OF(at, struct broker_connection, link);
        if (k->active_us + max_us > now_us) {
            timer_set(&n->cluster->timers, t, k->active_us + max_us);
            return;
        }
        touch(k);
        if (broker_node_works(n) && !k->executing && !k->gone && !k->closing && list_empty(&k->waiting)) hang_up(k);
    }
}

void broker_connections_init(struct broker_node *n) {
    list_init(&n->connections);
    timer_init(&n->idle, idle);
}

void broker_connection_answered(struct broker_connection *k, bool hanging_up, int32_t throttle_ms) {
    assert(k->executing);
    k->executing = false;
    touch(k);
    // The client is told to wait, and is made to: ClientQuotaManager.throttle mutes the channel.
    if (throttle_ms > 0) timer_set(&k->node->cluster->timers, &k->throttle, k->active_us + throttle_ms * 1000LL);
    // Its end is noticed when it is not muted any more: one request is read then, and its answer finds nobody.
    if (throttle_ms > 0 && k->gone) forget_input(k);
    if (!k->gone && (hanging_up || k->output.size > 0)) wake(k);
    if (hanging_up && k->gone) forget_input(k);
    else if (hanging_up) hang_up(k);
    next(k);
}

void broker_connection_gone(struct broker_connection *k) {
    assert(!k->gone);
    k->gone = true;
    buffer_free(&k->output);
    k->sent = 0;
    if (k->arriving) broker_request_release(k->arriving);
    k->arriving = NULL;
    next(k);
}

// The frame's length has come. One that cannot be (an HTTP client's) becomes an empty request, so that what came before
// it is answered before we hang up.
static void begin_request(struct broker_connection *k) {
    uint32_t size = load_be32(k->length);
    k->deaf = size < LENGTH_SIZE || size > REQUEST_SIZE_MAX;
    k->arriving = broker_request_take(k, k->deaf ? 0 : size);
    k->length_size = 0;
}

static void end_request(struct broker_connection *k) {
    struct broker_request *r = k->arriving;
    k->arriving = NULL;
    k->waiting_bytes += r->frame_size;
    list_append(&k->waiting, &r->link);
    next(k);
}

size_t broker_connection_input(struct broker_connection *k, struct bytes in) {
    size_t taken = 0;
    touch(k);
    while (taken < in.size && !k->closing && !k->deaf && k->waiting_bytes < BROKER_CONNECTION_AHEAD_MAX) {
        if (!k->arriving) {
            k->length[k->length_size++] = in.at[taken++];
            if (k->length_size == LENGTH_SIZE) begin_request(k);
        } else {
            struct broker_request *r = k->arriving;
            size_t size = r->frame_size - r->frame.size, left = in.size - taken;
            if (size > left) size = left;
            buffer_append(&r->frame, in.at + taken, size);
            taken += size;
        }
        if (k->arriving && k->arriving->frame.size == k->arriving->frame_size) end_request(k);
    }
    if (k->closing || k->deaf) return in.size;
    k->refused = taken < in.size;
    return taken;
}

size_t broker_connection_output(struct broker_connection *k, struct bytes *out, size_t max) {
    if (max == 0 || k->node->frozen || timer_is_set(&k->hold) || k->sent == k->output.size) return 0;
    out[0] = (struct bytes){k->output.at + k->sent, k->output.size - k->sent};
    return 1;
}

void broker_connection_sent(struct broker_connection *k, size_t size) {
    assert(size <= k->output.size - k->sent);
    k->sent += size;
    if (k->sent < k->output.size) return;
    k->sent = 0;
    if (k->output.capacity > BROKER_BUFFER_KEPT_MAX) {
        buffer_free(&k->output);
    } else {
        buffer_clear(&k->output);
    }
    next(k);
}

bool broker_connection_closing(const struct broker_connection *k) {
    return k->closing;
}

void broker_connection_woken(struct broker_connection *k) {
    if (k->sent < k->output.size) wake(k);
}
