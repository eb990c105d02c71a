// A modelled cluster of three nodes and its clients, for tests of the data APIs: topics that node 1 leads, batches for
// them, answers that may be looked at before they are due.
#pragma once
#include "unit/batches.h"
#include "unit/broker_client.h"

#define TALK_NODES 3
#define TALK_WALL_MS CLIENT_WALL_MS

struct talk {
    struct broker_cluster *c;
    int64_t now_us;
    struct client clients[16];
    int clients_count;
    struct client *of_node[TALK_NODES];  // of talk_ask
    struct arena arena;                  // of requests, until talk_close()
    struct buffer batch;
};

static inline void talk_run(struct talk *t) {
    world_until(t->c, &t->now_us, t->now_us);
}

static inline void talk_pass(struct talk *t, int64_t ms) {
    world_until(t->c, &t->now_us, t->now_us + ms * 1000);
}

static inline struct client *talk_connect(struct talk *t, int32_t node) {
    assert(t->clients_count < (int)(sizeof t->clients / sizeof *t->clients));
    struct client *k = &t->clients[t->clients_count++];
    client_open(k, t->c, node, &t->now_us);
    return k;
}

static inline void talk_open(struct talk *t, const char *const *settings) {
    *t = (struct talk){.now_us = 1000000};
    struct broker_cluster_config config = {.cluster_id = "abcdefghijklmnopqrstuv",
                                           .host = "127.0.0.1",
                                           .port_first = 19092,
                                           .nodes = TALK_NODES,
                                           .seed = 1,
                                           .settings = settings,
                                           .log.level = LOG_ERROR};
    arena_init(&t->arena, 16 * MiB);
    buffer_init(&t->batch, 16 * MiB);
    t->c = broker_cluster_new(&config, t->now_us, TALK_WALL_MS + t->now_us / 1000);
    talk_run(t);
}

static inline void talk_close(struct talk *t) {
    for (int i = 0; i < t->clients_count; i++) client_close(&t->clients[i]);
    broker_cluster_free(t->c);
    arena_free(&t->arena);
    buffer_free(&t->batch);
}

static inline void talk_send(struct talk *t, struct client *k, int16_t key, int16_t version, const void *request) {
    buffer_clear(&k->in);
    client_send(k, key, version, request);
    talk_run(t);
}

// The answer to what was sent last, or NULL while there is none. It lives until the client is used again.
static inline void *talk_receive(struct client *k, int16_t key, int16_t version) {
    void *response = arena_alloc(&k->arena, message_struct_size(api_find(key)->response));
    return client_take(k, key, version, response) ? response : NULL;
}

static inline struct client *talk_client(struct talk *t, int32_t node) {
    struct client **k = &t->of_node[node - 1];
    if (!*k) *k = talk_connect(t, node);
    return *k;
}

// Sends and does not wait: NULL when the answer is not there at once.
static inline void *talk_ask(struct talk *t, int32_t node, int16_t key, int16_t version, const void *request) {
    talk_send(t, talk_client(t, node), key, version, request);
    return talk_receive(talk_client(t, node), key, version);
}

// A topic of one partition, replicated to all nodes and led by node 1.
static inline void talk_topic(struct talk *t, const char *name, const char *const *settings) {
    broker_topic_create(t->c, name, 1, TALK_NODES, settings);
    talk_run(t);
    broker_leader_move(t->c, name, 0, 1, false);
    talk_run(t);
}

// One batch for `name`-0 by Produce; the answer's partition.
struct talk_produce {
    int16_t version, acks;
    int32_t index, timeout_ms;
    const char *transactional_id;
    struct wire_uuid topic_id;
};
#define TALK_PRODUCE ((struct talk_produce){.version = 9, .acks = -1, .timeout_ms = 1000})

static inline void *talk_produce_request(struct talk *t, const struct talk_produce *how, const char *name,
                                         struct bytes records) {
    struct produce_request *request = arena_alloc(&t->arena, sizeof *request);
    struct produce_request_topic *topic = arena_alloc(&t->arena, sizeof *topic);
    struct produce_request_partition *partition = arena_alloc(&t->arena, sizeof *partition);
    message_defaults(&produce_request_message, request);
    *partition = (struct produce_request_partition){how->index, {records.at, (int32_t)records.size}};
    *topic = (struct produce_request_topic){client_text(name), how->topic_id, partition, 1};
    if (how->transactional_id) request->transactional_id = client_text(how->transactional_id);
    request->acks = how->acks;
    request->timeout_ms = how->timeout_ms;
    request->topic_data = topic;
    request->topic_data_count = 1;
    return request;
}

static inline struct produce_response_partition *
talk_produce(struct talk *t, int32_t node, const struct talk_produce *how, const char *name, struct bytes records) {
    void *request = talk_produce_request(t, how, name, records);
    struct produce_response *response = talk_ask(t, node, API_PRODUCE, how->version, request);
    return response ? response->responses[0].partition_responses : NULL;
}

// `count` records without a producer.
static inline struct bytes talk_batch(struct talk *t, int32_t count) {
    struct test_record records[100];
    for (int32_t i = 0; i < count; i++) records[i] = (struct test_record){"key", "value", TALK_WALL_MS + i};
    return test_batch_write(&t->batch, &PLAIN_BATCH, records, count);
}

static inline struct bytes talk_producer_batch(struct talk *t, int16_t attributes, int64_t producer_id, int16_t epoch,
                                               int32_t sequence, int32_t count) {
    struct test_record records[100];
    for (int32_t i = 0; i < count; i++) records[i] = (struct test_record){"key", "value", TALK_WALL_MS + i};
    struct test_batch b = {.attributes = attributes,
                           .producer_id = producer_id,
                           .producer_epoch = epoch,
                           .base_sequence = sequence,
                           .leader_epoch = -1};
    return test_batch_write(&t->batch, &b, records, count);
}
