// A client of a modelled cluster, for tests: one connection, one request at a time, in virtual time.
#pragma once
#include "base/timer.h"
#include "broker/cluster.h"
#include "broker/faults.h"
#include "wire/error_codes.h"
#include "wire/frame.h"
#include "wire/messages.h"

#include "unit/test.h"

#include <assert.h>

#define CLIENT_WALL_MS 1700000000000

struct client {
    struct broker_cluster *cluster;
    struct broker_connection *connection;
    int64_t *now_us;
    int32_t correlation_id;
    struct arena arena;
    struct buffer out, in;
    int wakes;
};

static inline void client_wake(void *driver_connection) {
    ((struct client *)driver_connection)->wakes++;
}
static const struct broker_driver client_driver = {client_wake};

static inline void client_open(struct client *k, struct broker_cluster *c, int32_t node, int64_t *now_us) {
    *k = (struct client){.cluster = c, .now_us = now_us};
    arena_init(&k->arena, 1 << 24);
    buffer_init(&k->out, 1 << 24);
    buffer_init(&k->in, 1 << 24);
    k->connection = broker_connection_new(c, node, &client_driver, k);
}

static inline void client_close(struct client *k) {
    if (k->connection) broker_connection_gone(k->connection);
    arena_free(&k->arena);
    buffer_free(&k->out);
    buffer_free(&k->in);
    k->connection = NULL;
}

static inline void world_run(struct broker_cluster *c, int64_t now_us) {
    broker_cluster_run(c, now_us, CLIENT_WALL_MS + now_us / 1000);
}

// Runs event by event until `until_us`.
static inline void world_until(struct broker_cluster *c, int64_t *now_us, int64_t until_us) {
    while (broker_cluster_next(c) <= until_us) {
        if (broker_cluster_next(c) > *now_us) *now_us = broker_cluster_next(c);
        world_run(c, *now_us);
    }
    *now_us = until_us;
    world_run(c, until_us);
}

static inline void client_send(struct client *k, int16_t key, int16_t version, const void *request) {
    buffer_clear(&k->out);
    struct error e =
        frame_encode_request(api_find(key), version, ++k->correlation_id, "test", request, &k->out, NULL, NULL);
    assert(!error_is(&e));
    size_t taken = broker_connection_input(k->connection, (struct bytes){k->out.at, k->out.size});
    assert(taken == k->out.size);
}

static inline void client_read(struct client *k) {
    struct bytes range;
    while (broker_connection_output(k->connection, &range, 1)) {
        buffer_append(&k->in, range.at, range.size);
        broker_connection_sent(k->connection, range.size);
    }
}

// The answer to the newest request, if it is there.
static inline bool client_take(struct client *k, int16_t key, int16_t version, void *response) {
    client_read(k);
    if (k->in.size < 4 || k->in.size < 4 + load_be32(k->in.at)) return false;
    struct bytes frame = {k->in.at + 4, load_be32(k->in.at)};
    struct error e = frame_decode_response(api_find(key), version, k->correlation_id, frame, &k->arena, response);
    if (error_is(&e)) printf("%s\n", e.detail);
    assert(!error_is(&e));
    return true;
}

// Sends and waits at most a minute; false: no answer. What `response` points to lives until the next call.
static inline bool client_ask(struct client *k, int16_t key, int16_t version, const void *request, void *response) {
    arena_reset(&k->arena);
    buffer_clear(&k->in);
    client_send(k, key, version, request);
    int64_t end_us = *k->now_us + 60000000;
    for (;;) {
        world_run(k->cluster, *k->now_us);
        if (client_take(k, key, version, response)) return true;
        if (broker_connection_closing(k->connection) || broker_cluster_next(k->cluster) > end_us) return false;
        if (broker_cluster_next(k->cluster) > *k->now_us) *k->now_us = broker_cluster_next(k->cluster);
    }
}

static inline struct wire_text client_text(const char *text) {
    return (struct wire_text){text, text ? (int32_t)strlen(text) : -1};
}
