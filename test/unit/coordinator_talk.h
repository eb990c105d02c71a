// Members, producers and administrators that talk to a modelled cluster's coordinators, for tests.
#pragma once
#include "broker/cluster.h"
#include "broker_client.h"

#define TALK_CLIENTS_MAX 8

struct talk {
    struct broker_cluster *c;
    int64_t now_us;
    struct client clients[TALK_CLIENTS_MAX];  // opened when first used, to the node they were given
    int32_t node;                             // of clients that are opened from now on
};

static inline void talk_open(struct talk *t, int32_t nodes, const char *const *settings) {
    *t = (struct talk){.node = 1, .now_us = 1000000};
    struct broker_cluster_config config = {.cluster_id = "AAAAAAAAAAAAAAAAAAAAAA",
                                           .host = "localhost",
                                           .port_first = 9092,
                                           .nodes = nodes,
                                           .seed = 1,
                                           .settings = settings,
                                           .log.level = LOG_ERROR};
    t->c = broker_cluster_new(&config, t->now_us, CLIENT_WALL_MS + t->now_us / 1000);
}

static inline void talk_close(struct talk *t) {
    for (int i = 0; i < TALK_CLIENTS_MAX; i++)
        if (t->clients[i].connection) client_close(&t->clients[i]);
    broker_cluster_free(t->c);
}

static inline struct client *talk_client(struct talk *t, int who) {
    struct client *k = &t->clients[who];
    // A broker hangs up on who was silent for ten minutes.
    if (k->connection && broker_connection_closing(k->connection)) client_close(k);
    if (!k->connection) client_open(k, t->c, t->node, &t->now_us);
    return k;
}

static inline void talk_pass(struct talk *t, int64_t ms) {
    world_until(t->c, &t->now_us, t->now_us + ms * 1000);
}

// Sends; the answer may come later (talk_take).
static inline void talk_send(struct talk *t, int who, int16_t key, int16_t version, const void *request) {
    struct client *k = talk_client(t, who);
    arena_reset(&k->arena);
    buffer_clear(&k->in);
    client_send(k, key, version, request);
    world_run(t->c, t->now_us);
}

static inline bool talk_take(struct talk *t, int who, int16_t key, int16_t version, void *response) {
    return client_take(&t->clients[who], key, version, response);
}

static inline void talk_ask(struct talk *t, int who, int16_t key, int16_t version, const void *request,
                            void *response) {
    bool answered = client_ask(talk_client(t, who), key, version, request, response);
    if (!answered) printf("no answer to %s\n", api_find(key)->name);
    assert(answered);
}

// The node that coordinates, for clients that are opened afterwards too.
static inline int32_t talk_find(struct talk *t, int who, const char *key, int8_t type) {
    struct find_coordinator_request request;
    struct find_coordinator_response response;
    struct wire_text keys[1] = {client_text(key)};
    for (int tries = 0; tries < 20; tries++) {
        message_defaults(&find_coordinator_request_message, &request);
        request.key_type = type;
        request.coordinator_keys = keys;
        request.coordinator_keys_count = 1;
        talk_ask(t, who, API_FIND_COORDINATOR, 4, &request, &response);
        assert(response.coordinators_count == 1);
        if (!response.coordinators[0].error_code) return response.coordinators[0].node_id;
        talk_pass(t, 100);
    }
    return -1;
}

static inline bool talk_is(struct wire_text text, const char *wanted) {
    return text.size == (int32_t)strlen(wanted) && !memcmp(text.at, wanted, (size_t)text.size);
}

static inline char *talk_copy(struct wire_text text, char *out) {
    memcpy(out, text.at, (size_t)text.size);
    out[text.size] = 0;
    return out;
}
