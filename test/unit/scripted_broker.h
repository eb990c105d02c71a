// Brokers that do what a test says, and a driver that moves bytes and time: what stands on the other side of
// connections, appenders and fetch sessions in unit tests. Requests wait until the test answers them, or are answered
// by a function of their API; everything happens in virtual time.
#pragma once
#include "base/limits.h"
#include "base/memory.h"
#include "client/broker_link.h"
#include "client/cluster.h"
#include "client/topic_partition.h"
#include "wire/error_codes.h"
#include "wire/frame.h"
#include "wire/messages.h"

#include <assert.h>
#include <stdio.h>

#define SCRIPTED_CHANNELS_MAX 512
#define SCRIPTED_STEPS_MAX 200000
#define SCRIPTED_PARTITIONS_MAX 32
#define SCRIPTED_TOPICS_MAX 4
#define MS 1000LL
#define SECOND 1000000LL

struct scripted;

struct scripted_channel {
    struct connection *connection;  // NULL: closed
    char host[64];
    int32_t node_id;  // "broker-3" is 3; a name without a number is a bootstrap address: 0
    int32_t unacknowledged_ms_max;
    bool opened, aborted;
    struct scripted_request *newest;
    struct buffer in, out;  // from and to the client
    size_t delivered;       // of out
};

struct scripted_request {
    struct scripted_request *next;
    struct scripted_channel *channel;
    struct frame_request_header header;
    const struct api *api;
    struct arena arena;
    uint8_t *bytes;
    void *body;
    bool answered;
    void *parked;  // a script's, for one it answers later
    int64_t parked_until_us;
};

// Answers the request or leaves it for later; `context` is the script's.
typedef void (*scripted_fn)(struct scripted *s, struct scripted_request *r);

struct scripted_topic {
    const char *name;
    uint8_t id;  // 0: no topic ids
    int32_t partitions;
    int32_t leaders[SCRIPTED_PARTITIONS_MAX], epochs[SCRIPTED_PARTITIONS_MAX];
};

struct scripted {
    struct environment env;
    struct scripted_channel channels[SCRIPTED_CHANNELS_MAX];
    int channels_count;
    struct scripted_request *requests, *requests_last;  // in the order of arrival
    int requests_count[API_KEYS_KNOWN];
    scripted_fn serve[API_KEYS_KNOWN];
    int16_t version_max[API_KEYS_KNOWN];  // offered; -1 = not at all
    bool (*idle)(struct scripted *s);     // may be NULL; called when nothing moves any more; true: something was done
    bool unreachable;                     // connections stay half open
    const char *refuses;                  // host to which no new connection is made; NULL: none
    bool silent;                          // nothing arrives at the brokers any more
    bool stalled;                         // nothing is written by the client
    bool in_turn;                         // a request is read when the one before it on its connection is answered
    size_t write_max, read_max;           // bytes at once; 0 = all
    uint64_t bytes_written;
    int wakes;
    struct buffer log;
    void *context;

    // Of the cluster that scripted_cluster() makes.
    int32_t brokers, controller;  // controller 0: the first
    const char *moved_host;  // that of broker 1, when it is not "broker-1"
    struct scripted_topic topics[SCRIPTED_TOPICS_MAX];
    int topics_count;
    struct cluster_address bootstrap;
};

// Transport ----------------------------------------------------------------------------------------------------------

// One that was refused has carried nothing.
static inline struct scripted_channel *scripted_slot(struct scripted *s) {
    for (int i = 0; i < s->channels_count; i++) {
        struct scripted_channel *ch = &s->channels[i];
        if (ch->connection || ch->opened || !s->refuses) continue;
        buffer_free(&ch->in);
        buffer_free(&ch->out);
        return ch;
    }
    assert(s->channels_count < SCRIPTED_CHANNELS_MAX);
    return &s->channels[s->channels_count++];
}

static inline void scripted_open(void *driver, struct connection *c, const struct transport_options *options) {
    struct scripted *s = driver;
    struct scripted_channel *ch = scripted_slot(s);
    *ch = (struct scripted_channel){.connection = c, .unacknowledged_ms_max = options->unacknowledged_ms_max};
    snprintf(ch->host, sizeof ch->host, "%s", options->host);
    if (strchr(ch->host, '-')) ch->node_id = (int32_t)strtol(strchr(ch->host, '-') + 1, NULL, 10);
    buffer_init(&ch->in, REQUEST_SIZE_MAX + MiB);
    buffer_init(&ch->out, FRAME_SIZE_MAX + MiB);
}

static inline struct scripted_channel *scripted_channel_of(struct scripted *s, const struct connection *c) {
    for (int i = s->channels_count - 1; i >= 0; i--)
        if (s->channels[i].connection == c) return &s->channels[i];
    return NULL;
}

static inline void scripted_close(void *driver, struct connection *c, bool abort) {
    struct scripted_channel *ch = scripted_channel_of(driver, c);
    assert(ch);
    ch->connection = NULL;
    ch->aborted = abort;
}

// Every channel is looked at after each entry.
static inline void scripted_wake(void *driver, struct connection *c) {
    (void)c;
    ((struct scripted *)driver)->wakes++;
}

// Requests and answers -----------------------------------------------------------------------------------------------

static inline void scripted_answer(struct scripted *s, struct scripted_request *r, const void *response) {
    size_t cuts = 0;
    assert(!r->answered);
    for (struct scripted_request *before = s->requests; before != r; before = before->next)
        assert(before->channel != r->channel || before->answered || !r->channel->connection);  // brokers keep the order
    r->answered = true;
    if (!r->channel->connection) return;
    struct error e = frame_encode_response(r->api, r->header.version, r->header.correlation_id, response,
                                           &r->channel->out, NULL, &cuts);
    assert(!error_is(&e) && !r->channel->out.overflowed);
    (void)e;
}

static inline void scripted_greet(struct scripted *s, struct scripted_request *r) {
    struct api_versions_response greeting;
    message_defaults(&api_versions_response_message, &greeting);
    greeting.api_keys = arena_alloc(&r->arena, api_table_count * sizeof *greeting.api_keys);
    for (size_t i = 0; i < api_table_count; i++) {
        const struct api *api = &api_table[i];
        if (s->version_max[api->key] < 0) continue;
        struct api_versions_response_api_key *k = &greeting.api_keys[greeting.api_keys_count++];
        message_defaults(&api_versions_response_api_key_message, k);
        k->api_key = api->key;
        k->min_version = api->version_min;
        k->max_version = s->version_max[api->key];
    }
    scripted_answer(s, r, &greeting);
}

static inline void scripted_take_request(struct scripted *s, struct scripted_channel *ch, struct bytes frame) {
    struct scripted_request *r = NEW(struct scripted_request);
    size_t at, used;
    r->channel = ch;
    r->bytes = memory_alloc(frame.size);
    memcpy(r->bytes, frame.at, frame.size);
    arena_init(&r->arena, DECODE_ARENA_MAX);
    struct error e = frame_decode_request_header((struct bytes){r->bytes, frame.size}, &r->header, &at);
    assert(!error_is(&e));
    r->api = api_find(r->header.api_key);
    r->body = arena_alloc(&r->arena, message_struct_size(r->api->request));
    e = message_decode(r->api->request, r->header.version, (struct bytes){r->bytes + at, frame.size - at}, &r->arena,
                       r->body, &used);
    assert(!error_is(&e) && used == frame.size - at);
    if (s->requests_last) s->requests_last->next = r;
    else s->requests = r;
    s->requests_last = ch->newest = r;
    s->requests_count[r->api->key]++;
    if (s->serve[r->api->key]) s->serve[r->api->key](s, r);
}

// The first request of an API that has no answer and whose connection is still open; NULL when there is none.
static inline struct scripted_request *scripted_next(struct scripted *s, int16_t api_key) {
    for (struct scripted_request *r = s->requests; r; r = r->next)
        if (!r->answered && r->api->key == api_key && r->channel->connection) return r;
    return NULL;
}

static inline int scripted_unanswered(struct scripted *s, int16_t api_key) {
    int count = 0;
    for (struct scripted_request *r = s->requests; r; r = r->next)
        count += !r->answered && r->api->key == api_key && r->channel->connection;
    return count;
}

// Time ---------------------------------------------------------------------------------------------------------------

static inline bool scripted_write(struct scripted *s, struct scripted_channel *ch) {
    struct bytes ranges[8];
    if (!connection_has_output(ch->connection)) return false;
    size_t count = connection_output(ch->connection, ranges, 8), size = 0;
    for (size_t i = 0; i < count && (!s->write_max || size < s->write_max); i++) {
        size_t part = ranges[i].size;
        if (s->write_max && part > s->write_max - size) part = s->write_max - size;
        buffer_append(&ch->in, ranges[i].at, part);
        size += part;
    }
    if (size == 0) return false;
    s->bytes_written += size;
    connection_sent(ch->connection, size);
    return true;
}

static inline bool scripted_serve(struct scripted *s, struct scripted_channel *ch) {
    if (s->in_turn && ch->newest && !ch->newest->answered) return false;
    if (ch->in.size < 4 || ch->in.size < 4 + (size_t)load_be32(ch->in.at)) return false;
    size_t frame = 4 + (size_t)load_be32(ch->in.at);
    scripted_take_request(s, ch, (struct bytes){ch->in.at + 4, frame - 4});
    memmove(ch->in.at, ch->in.at + frame, ch->in.size - frame);
    ch->in.size -= frame;
    return true;
}

static inline bool scripted_read(struct scripted *s, struct scripted_channel *ch) {
    size_t size = ch->out.size - ch->delivered;
    if (size == 0) return false;
    struct connection_space space = connection_input(ch->connection);
    if (size > space.size) size = space.size;
    if (s->read_max && size > s->read_max) size = s->read_max;
    if (size == 0) return false;
    memcpy(space.at, ch->out.at + ch->delivered, size);
    ch->delivered += size;
    connection_received(ch->connection, size);
    return true;
}

// The peer is gone.
static inline void scripted_cut(struct scripted *s, struct connection *c) {
    struct scripted_channel *ch = scripted_channel_of(s, c);
    assert(ch);
    ch->connection = NULL;
    struct error why = error_make(ERROR_TRANSPORT, 0, "script", "cut");
    connection_failed(c, &why);
}

static inline bool scripted_move(struct scripted *s, struct scripted_channel *ch) {
    if (!ch->connection) return false;
    if (!ch->opened) {
        if (s->unreachable) return false;
        if (s->refuses && strcmp(ch->host, s->refuses) == 0) {
            scripted_cut(s, ch->connection);
            return true;
        }
        ch->opened = true;
        connection_opened(ch->connection, 0);
        return true;
    }
    if (!s->stalled && scripted_write(s, ch)) return true;
    if (!s->silent && scripted_serve(s, ch)) return true;
    return scripted_read(s, ch);
}

// Everything that can happen until then, and all that follows from it.
static inline void scripted_run(struct scripted *s, int64_t us) {
    int64_t end_us = s->env.now_us + us;
    for (int steps = 0;; steps++) {
        assert(steps < SCRIPTED_STEPS_MAX);  // else something turns in a circle
        bool moved = false;
        for (int i = 0; i < s->channels_count; i++) moved |= scripted_move(s, &s->channels[i]);
        if (moved || (s->idle && s->idle(s))) continue;
        int64_t next_us = timers_next(&s->env.timers);
        if (next_us > end_us) break;
        if (next_us > s->env.now_us) {
            s->env.wall_ms += (next_us - s->env.now_us) / MS;
            s->env.now_us = next_us;
        }
        timers_run(&s->env.timers, s->env.now_us);
    }
    s->env.now_us = end_us;
}

static inline void scripted_cut_node(struct scripted *s, int32_t node_id) {
    for (int i = 0; i < s->channels_count; i++)
        if (s->channels[i].connection && s->channels[i].node_id == node_id)
            scripted_cut(s, s->channels[i].connection);
}

static inline int scripted_open_channels(const struct scripted *s) {
    int count = 0;
    for (int i = 0; i < s->channels_count; i++) count += s->channels[i].connection != NULL;
    return count;
}

// Life ---------------------------------------------------------------------------------------------------------------

static inline void scripted_log(void *context, enum log_level level, const char *line, size_t size) {
    struct scripted *s = context;
    (void)level;
    buffer_printf(&s->log, "%.*s\n", (int)size, line);
}

static inline int scripted_count(struct scripted *s, const char *text) {
    buffer_append_u8(&s->log, 0);
    s->log.size--;
    int count = 0;
    for (const char *at = (const char *)s->log.at; (at = strstr(at, text)); at++) count++;
    return count;
}

static inline bool scripted_told(struct scripted *s, const char *text) {
    return scripted_count(s, text) > 0;
}

static inline void scripted_init(struct scripted *s) {
    static const struct transport transport = {scripted_open, scripted_close, scripted_wake};
    *s = (struct scripted){.brokers = 1};
    s->env = (struct environment){
        .now_us = 100 * SECOND, .wall_ms = 1800000000000, .transport = &transport, .driver = s};
    buffer_init(&s->log, 4 * MiB);
    s->env.log = (struct logger){LOG_DEBUG, scripted_log, s};
    timers_init(&s->env.timers);
    prng_seed(&s->env.prng, 11);
    frame_pool_init(&s->env.frames);
    arena_init(&s->env.arena, DECODE_ARENA_MAX);
    for (int i = 0; i < API_KEYS_KNOWN; i++) s->version_max[i] = -1;
    for (size_t i = 0; i < api_table_count; i++) s->version_max[api_table[i].key] = api_table[i].version_max;
    s->serve[API_API_VERSIONS] = scripted_greet;
}

// After everything that was tested is freed: asserts that no timer is set and every frame came back.
static inline void scripted_free(struct scripted *s) {
    for (int i = 0; i < s->channels_count; i++) {
        buffer_free(&s->channels[i].in);
        buffer_free(&s->channels[i].out);
    }
    for (struct scripted_request *r = s->requests, *next; r; r = next) {
        next = r->next;
        arena_free(&r->arena);
        memory_free(r->bytes);
        memory_free(r);
    }
    timers_free(&s->env.timers);
    frame_pool_free(&s->env.frames);
    arena_free(&s->env.arena);
    buffer_free(&s->log);
}

// A cluster of such brokers ------------------------------------------------------------------------------------------

static inline struct scripted_topic *scripted_topic(struct scripted *s, const char *name, int32_t partitions) {
    assert(s->topics_count < SCRIPTED_TOPICS_MAX && partitions <= SCRIPTED_PARTITIONS_MAX);
    struct scripted_topic *t = &s->topics[s->topics_count++];
    *t = (struct scripted_topic){.name = name, .id = (uint8_t)s->topics_count, .partitions = partitions};
    for (int32_t i = 0; i < partitions; i++) t->leaders[i] = 1;
    return t;
}

static inline void scripted_describe_topic(struct scripted_request *r, const struct scripted_topic *t,
                                           struct metadata_response_topic *m) {
    message_defaults(&metadata_response_topic_message, m);
    m->name = text_of(t->name);
    m->topic_id.at[15] = t->id;
    m->partitions = arena_alloc(&r->arena, SCRIPTED_PARTITIONS_MAX * sizeof *m->partitions);
    m->partitions_count = t->partitions;
    for (int32_t i = 0; i < t->partitions; i++) {
        message_defaults(&metadata_response_partition_message, &m->partitions[i]);
        m->partitions[i].partition_index = i;
        m->partitions[i].leader_id = t->leaders[i];
        m->partitions[i].leader_epoch = t->epochs[i];
    }
}

static inline void scripted_metadata(struct scripted *s, struct scripted_request *r) {
    struct metadata_response m;
    message_defaults(&metadata_response_message, &m);
    m.cluster_id = text_of("scripted");
    m.controller_id = s->controller ? s->controller : 1;
    m.brokers = arena_alloc(&r->arena, (size_t)(s->brokers + 1) * sizeof *m.brokers);
    m.brokers_count = s->brokers;
    for (int32_t i = 0; i < s->brokers; i++) {
        char *host = arena_alloc(&r->arena, 32);
        snprintf(host, 32, "broker-%d", i + 1);
        message_defaults(&metadata_response_broker_message, &m.brokers[i]);
        m.brokers[i].node_id = i + 1;
        m.brokers[i].host = text_of(i == 0 && s->moved_host ? s->moved_host : host);
        m.brokers[i].port = 9092;
    }
    m.topics = arena_alloc(&r->arena, SCRIPTED_TOPICS_MAX * sizeof *m.topics);
    m.topics_count = s->topics_count;
    for (int i = 0; i < s->topics_count; i++) scripted_describe_topic(r, &s->topics[i], &m.topics[i]);
    scripted_answer(s, r, &m);
}

static inline struct cluster_config scripted_config(struct scripted *s) {
    s->bootstrap = (struct cluster_address){"bootstrap", 9092};
    return (struct cluster_config){.alias = "a",
                                   .client_id = "test",
                                   .bootstrap = &s->bootstrap,
                                   .bootstrap_count = 1,
                                   .reconnect_backoff_us = 50 * MS,
                                   .reconnect_backoff_max_us = SECOND,
                                   .open_timeout_us = 10 * SECOND,
                                   .request_timeout_us = 30 * SECOND,
                                   .metadata_max_age_us = 300 * SECOND};
}

// Started, and its metadata known.
static inline void scripted_cluster(struct scripted *s, struct cluster *c) {
    struct cluster_config config = scripted_config(s);
    if (!s->serve[API_METADATA]) s->serve[API_METADATA] = scripted_metadata;
    cluster_init(c, &s->env, &config);
    cluster_start(c);
    scripted_run(s, 10 * MS);
    assert(c->refreshes > 0);
}

static inline void scripted_cluster_free(struct scripted *s, struct cluster *c) {
    (void)s;
    cluster_stop(c);
    cluster_free(c);
}
