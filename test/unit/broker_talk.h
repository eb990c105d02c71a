// Talking to a modelled cluster as a client, for tests: a request over a connection, the answer decoded.
#pragma once
#include "base/memory.h"
#include "broker/cluster.h"
#include "broker/faults.h"
#include "unit/batches.h"
#include "unit/test.h"
#include "wire/error_codes.h"
#include "wire/frame.h"
#include "wire/messages.h"

#define TALK_NODES 3
#define TALK_WALL_MS 1700000000000

struct talk {
    struct broker_cluster *c;
    int64_t now_us;
    struct broker_connection *connections[TALK_NODES];  // of talk_ask
    struct arena arena;                                 // answers live until talk_close()
    struct buffer batch;
    bool closing;  // of the connection received from last
};

static inline void talk_no_wake(void *driver_connection) {
    (void)driver_connection;
}

static inline void talk_run(struct talk *t) {
    for (int turns = 0; turns < 1000 && broker_cluster_next(t->c) <= t->now_us; turns++) {
        broker_cluster_run(t->c, t->now_us, TALK_WALL_MS + t->now_us / 1000);
    }
}

static inline void talk_pass(struct talk *t, int64_t ms) {
    for (int64_t end = t->now_us + ms * 1000; t->now_us < end;) {
        int64_t next = broker_cluster_next(t->c);
        t->now_us = next < end ? (next > t->now_us ? next : t->now_us) : end;
        broker_cluster_run(t->c, t->now_us, TALK_WALL_MS + t->now_us / 1000);
    }
    talk_run(t);
}

static inline struct broker_connection *talk_connect(struct talk *t, int32_t node) {
    static const struct broker_driver driver = {talk_no_wake};
    return broker_connection_new(t->c, node, &driver, t);
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
    arena_init(&t->arena, 256 * MiB);
    buffer_init(&t->batch, 64 * MiB);
    t->c = broker_cluster_new(&config, t->now_us, TALK_WALL_MS + t->now_us / 1000);
    talk_run(t);
}

static inline void talk_close(struct talk *t) {
    broker_cluster_free(t->c);
    arena_free(&t->arena);
    buffer_free(&t->batch);
}

static inline void talk_send(struct talk *t, struct broker_connection *k, int16_t key, int16_t version,
                             const void *request) {
    struct buffer out;
    buffer_init(&out, 64 * MiB);
    struct error e = frame_encode_request(api_find(key), version, 7, "test", request, &out, NULL, NULL);
    if (error_is(&e)) printf("%s\n", e.detail), abort();
    for (size_t at = 0; at < out.size;) {
        at += broker_connection_input(k, (struct bytes){out.at + at, out.size - at});
        talk_run(t);
    }
    buffer_free(&out);
}

// The answer that has come, or NULL.
static inline void *talk_receive(struct talk *t, struct broker_connection *k, int16_t key, int16_t version) {
    struct buffer in;
    buffer_init(&in, 128 * MiB);
    struct bytes ranges[16];
    size_t count;
    while ((count = broker_connection_output(k, ranges, 16)) > 0) {
        size_t size = 0;
        for (size_t i = 0; i < count; i++) buffer_append(&in, ranges[i].at, ranges[i].size), size += ranges[i].size;
        broker_connection_sent(k, size);
    }
    t->closing = broker_connection_closing(k);
    if (in.size == 0) return NULL;
    uint8_t *frame = arena_alloc(&t->arena, in.size);  // the answer points into it
    memcpy(frame, in.at, in.size);
    struct bytes body = {frame + 4, in.size - 4};
    buffer_free(&in);
    void *response = arena_alloc(&t->arena, message_struct_size(api_find(key)->response));
    struct error e = frame_decode_response(api_find(key), version, 7, body, &t->arena, response);
    if (error_is(&e)) printf("%s\n", e.detail), abort();
    talk_run(t);
    return response;
}

static inline void *talk_ask(struct talk *t, int32_t node, int16_t key, int16_t version, const void *request) {
    struct broker_connection **k = &t->connections[node - 1];
    if (!*k) *k = talk_connect(t, node);
    talk_send(t, *k, key, version, request);
    return talk_receive(t, *k, key, version);
}

static inline struct wire_text talk_text(const char *text) {
    return (struct wire_text){text, (int32_t)strlen(text)};
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
    *topic = (struct produce_request_topic){talk_text(name), how->topic_id, partition, 1};
    if (how->transactional_id) request->transactional_id = talk_text(how->transactional_id);
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
