// Two clusters of one broker each for tests of the topics reconciler: topics with settings, answers that a test orders,
// and everything that happens as one story, in virtual time.
#pragma once
#include "test.h"

#include "base/limits.h"
#include "base/memory.h"
#include "client/cluster.h"
#include "client/topic_partition.h"
#include "mirror/topics.h"
#include "wire/error_codes.h"
#include "wire/frame.h"
#include "wire/messages.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define MODEL_TOPICS_MAX 256
#define MODEL_SETTINGS_MAX 16
#define MODEL_CHANNELS_MAX 128
#define MODEL_STORY_MAX (256 * KiB)
#define MODEL_STEPS_MAX 100000
#define SECOND 1000000LL
#define MODEL_RECORDS_MAX 10000  // that a controller writes for one request (QuorumController.MAX_RECORDS_PER_USER_OP)

enum { SOURCE_DYNAMIC_TOPIC = 1, SOURCE_DEFAULT = 5 };

struct model_setting {
    char name[64], value[64];
    int8_t source;
};

struct model_topic {
    char name[300];
    uint8_t id;
    int32_t partitions, without_leader;
    int16_t replication_factor;
    bool there, hidden;  // hidden: exists, but metadata do not show it
    int32_t hidden_at;   // nor those of this node, which is cut off from its controller; 0 = none
    struct model_setting settings[MODEL_SETTINGS_MAX];
    int settings_count;
};

// The next answers of an API are this error; -1 = for ever.
struct model_refusal {
    int16_t code;
    const char *message;
    int times;
};

struct model_cluster {
    struct model_topic topics[MODEL_TOPICS_MAX];
    int topics_count;
    uint8_t ids;
    const char *unknown[12];  // settings it does not know
    int brokers;              // for replication factors
    int nodes;                // in metadata, with ids from 1
    int32_t unreachable;      // one of them; 0 = none
    struct model_refusal refusals[API_KEYS_KNOWN];
    int refuses_after;       // so many connections; 0 = never
    int connections;
    bool silent;             // takes requests and does not answer
    bool hides_new;          // topics created are not in metadata
    bool created_meanwhile;  // somebody else creates what is asked for, a moment before
    const char *expiration_ms, *transactional_expiration_ms;
    const char *expiration_ms_of_2;  // what node 2 says; NULL: the same
    int requests[API_KEYS_KNOWN];
    bool forgets_one;        // leaves one topic out of the next answer to DescribeConfigs
    int settings_told;       // in answers to DescribeConfigs
    int64_t mutation_us, mutations_until_us;  // controller_mutation_rate: one takes so long; it is used up until then
};

struct model_channel {
    struct connection *connection;
    struct model_cluster *cluster;
    bool opened;
    struct buffer in;
};

struct world {
    struct environment env;
    struct model_cluster at_source, at_destination;
    struct cluster source, destination;
    struct cluster_address source_address, destination_address;
    struct model_channel channels[MODEL_CHANNELS_MAX];
    int channels_count;
    struct arena arena;  // of the request being served
    struct selection *selection;
    struct topics_config config;
    struct topics *topics;
    bool stops_when_ready, stops_when_halted;  // topics_stop() from inside the callback
    struct buffer story;
};

// The story -----------------------------------------------------------------------------------------------------------

static inline bool world_told(struct world *w, const char *text) {
    buffer_append_u8(&w->story, 0);
    w->story.size--;
    return strstr((const char *)w->story.at, text) != NULL;
}

static inline int world_count(struct world *w, const char *text) {
    buffer_append_u8(&w->story, 0);
    w->story.size--;
    int count = 0;
    for (const char *at = (const char *)w->story.at; (at = strstr(at, text)); at++) count++;
    return count;
}

static inline void world_log(void *context, enum log_level level, const char *line, size_t size) {
    struct world *w = context;
    (void)level;
    buffer_printf(&w->story, "%.*s\n", (int)size, line);
}

static inline void world_ready(void *context, struct mirror_topic *t) {
    struct world *w = context;
    buffer_printf(&w->story, "ready %s %" PRId32 "\n", t->source_name, t->partitions_count);
    if (w->stops_when_ready) topics_stop(w->topics);
}

static inline void world_halted(void *context, struct mirror_topic *t) {
    struct world *w = context;
    buffer_printf(&w->story, "halted %s: %s\n", t->source_name, t->halted);
    if (w->stops_when_halted) topics_stop(w->topics);
}

// Topics of the model -------------------------------------------------------------------------------------------------

static inline struct model_topic *model_find(struct model_cluster *c, const char *name) {
    for (int i = 0; i < c->topics_count; i++)
        if (c->topics[i].there && strcmp(c->topics[i].name, name) == 0) return &c->topics[i];
    return NULL;
}

static inline void model_set(struct model_topic *t, const char *name, const char *value, int8_t source) {
    struct model_setting *s = NULL;
    for (int i = 0; i < t->settings_count; i++)
        if (strcmp(t->settings[i].name, name) == 0) s = &t->settings[i];
    if (!s) {
        assert(t->settings_count < MODEL_SETTINGS_MAX);
        s = &t->settings[t->settings_count++];
    }
    snprintf(s->name, sizeof s->name, "%s", name);
    snprintf(s->value, sizeof s->value, "%s", value);
    s->source = source;
}

static inline bool model_knows(const struct model_cluster *c, const char *name) {
    for (size_t i = 0; i < sizeof c->unknown / sizeof *c->unknown; i++)
        if (c->unknown[i] && strcmp(c->unknown[i], name) == 0) return false;
    return true;
}

static inline struct model_topic *model_add(struct model_cluster *c, const char *name, int32_t partitions) {
    static const char *const defaults[][2] = {{"compression.type", "producer"},
                                              {"message.timestamp.type", "CreateTime"},
                                              {"unclean.leader.election.enable", "false"},
                                              {"max.message.bytes", "1048588"},
                                              {"message.timestamp.before.max.ms", "9223372036854775807"},
                                              {"message.timestamp.after.max.ms", "3600000"},
                                              {"cleanup.policy", "delete"}};
    assert(c->topics_count < MODEL_TOPICS_MAX);
    struct model_topic *t = &c->topics[c->topics_count++];
    *t = (struct model_topic){.partitions = partitions, .id = ++c->ids, .there = true};
    snprintf(t->name, sizeof t->name, "%s", name);
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
        if (model_knows(c, defaults[i][0])) model_set(t, defaults[i][0], defaults[i][1], SOURCE_DEFAULT);
    return t;
}

static inline void model_remove(struct model_cluster *c, const char *name) {
    struct model_topic *t = model_find(c, name);
    assert(t);
    t->there = false;
}

static inline void model_refuse(struct model_cluster *c, int16_t api_key, int16_t code, const char *message,
                                int times) {
    c->refusals[api_key] = (struct model_refusal){code, message, times};
}

static inline int16_t model_refused(struct model_cluster *c, int16_t api_key, struct wire_text *message) {
    struct model_refusal *r = &c->refusals[api_key];
    if (r->times == 0) return 0;
    if (r->times > 0) r->times--;
    if (r->message) *message = text_of(r->message);
    return r->code;
}

// Answers -------------------------------------------------------------------------------------------------------------

static inline const char *world_text(struct world *w, struct wire_text t) {
    char *copy = arena_alloc(&w->arena, (size_t)t.size + 1);
    memcpy(copy, t.at, (size_t)t.size);
    return copy;
}

static inline int32_t world_node(const struct connection *c) {
    return CONTAINER_OF(c, struct broker_link, connection)->node_id;
}

static inline void *world_metadata(struct world *w, struct model_cluster *c, int32_t node) {
    struct metadata_response *r = arena_alloc(&w->arena, sizeof *r);
    message_defaults(&metadata_response_message, r);
    r->brokers = arena_alloc(&w->arena, sizeof *r->brokers * (size_t)c->nodes);
    for (int32_t i = 0; i < c->nodes; i++) {
        message_defaults(&metadata_response_broker_message, &r->brokers[i]);
        r->brokers[i] = (struct metadata_response_broker){.node_id = i + 1, .host = text_of("broker"), .port = 9092,
                                                          .rack = {NULL, -1}};
    }
    r->brokers_count = c->nodes;
    r->controller_id = 1;
    r->topics = arena_alloc(&w->arena, sizeof *r->topics * MODEL_TOPICS_MAX);
    for (int i = 0; i < c->topics_count; i++) {
        struct model_topic *t = &c->topics[i];
        if (!t->there || t->hidden || t->hidden_at == node) continue;
        struct metadata_response_topic *m = &r->topics[r->topics_count++];
        message_defaults(&metadata_response_topic_message, m);
        m->name = text_of(t->name);
        m->topic_id.at[15] = t->id;
        m->partitions_count = t->partitions;
        m->partitions = arena_alloc(&w->arena, sizeof *m->partitions * (size_t)t->partitions);
        for (int32_t k = 0; k < t->partitions; k++) {
            message_defaults(&metadata_response_partition_message, &m->partitions[k]);
            m->partitions[k].partition_index = k;
            m->partitions[k].leader_id = k < t->partitions - t->without_leader ? 1 : -1;
        }
    }
    return r;
}

static inline bool model_asked(const struct describe_configs_request_resource *q, const char *name) {
    for (int32_t i = 0; i < q->configuration_keys_count; i++)
        if (text_equal(&q->configuration_keys[i], name)) return true;
    return q->configuration_keys_count < 0;
}

static inline void world_describe_one(struct world *w, struct model_cluster *c,
                                      const struct describe_configs_request_resource *q,
                                      struct describe_configs_response_resource *r) {
    message_defaults(&describe_configs_response_resource_message, r);
    r->resource_type = q->resource_type;
    r->resource_name = q->resource_name;
    r->configs = arena_alloc(&w->arena, sizeof *r->configs * MODEL_SETTINGS_MAX);
    struct model_topic broker = {0};
    const char *expiration_ms = c->expiration_ms;
    if (c->expiration_ms_of_2 && strcmp(world_text(w, q->resource_name), "2") == 0)
        expiration_ms = c->expiration_ms_of_2;
    if (expiration_ms) model_set(&broker, "producer.id.expiration.ms", expiration_ms, SOURCE_DEFAULT);
    if (c->transactional_expiration_ms)
        model_set(&broker, "transactional.id.expiration.ms", c->transactional_expiration_ms, SOURCE_DEFAULT);
    struct model_topic *t = q->resource_type == 2 ? model_find(c, world_text(w, q->resource_name)) : &broker;
    r->error_code = model_refused(c, API_DESCRIBE_CONFIGS, &r->error_message);
    if (!t && r->error_code == 0) r->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    for (int i = 0; r->error_code == 0 && i < t->settings_count; i++) {
        if (!model_asked(q, t->settings[i].name)) continue;
        struct describe_configs_response_config *s = &r->configs[r->configs_count++];
        message_defaults(&describe_configs_response_config_message, s);
        s->name = text_of(world_text(w, text_of(t->settings[i].name)));
        s->value = text_of(world_text(w, text_of(t->settings[i].value)));
        s->config_source = t->settings[i].source;
        c->settings_told++;
    }
}

static inline void *world_describe(struct world *w, struct model_cluster *c, const struct describe_configs_request *q) {
    struct describe_configs_response *r = arena_alloc(&w->arena, sizeof *r);
    message_defaults(&describe_configs_response_message, r);
    r->results_count = q->resources_count;
    r->results = arena_alloc(&w->arena, sizeof *r->results * (size_t)q->resources_count);
    for (int32_t i = 0; i < q->resources_count; i++) world_describe_one(w, c, &q->resources[i], &r->results[i]);
    if (c->forgets_one) r->results_count--;
    c->forgets_one = false;
    return r;
}

static inline void world_create_one(struct world *w, struct model_cluster *c,
                                    const struct create_topics_request_topic *q,
                                    struct create_topics_response_topic *r) {
    const char *name = world_text(w, q->name);
    message_defaults(&create_topics_response_topic_message, r);
    r->name = q->name;
    if (c->created_meanwhile && !model_find(c, name)) model_add(c, name, q->num_partitions);
    r->error_code = model_refused(c, API_CREATE_TOPICS, &r->error_message);
    if (r->error_code == 0 && model_find(c, name)) r->error_code = KAFKA_TOPIC_ALREADY_EXISTS;
    if (r->error_code == 0 && q->replication_factor > c->brokers) r->error_code = KAFKA_INVALID_REPLICATION_FACTOR;
    if (r->error_code == 0 && q->num_partitions + q->configs_count >= MODEL_RECORDS_MAX)
        r->error_code = KAFKA_POLICY_VIOLATION;
    for (int32_t i = 0; r->error_code == 0 && i < q->configs_count; i++) {
        const char *setting = world_text(w, q->configs[i].name);
        if (model_knows(c, setting)) continue;
        char *message = arena_alloc(&w->arena, 200);
        snprintf(message, 200, "Unknown topic config name: %s", setting);
        r->error_message = text_of(message);
        r->error_code = KAFKA_INVALID_CONFIG;
    }
    if (r->error_code == 0 && w->env.now_us < c->mutations_until_us) r->error_code = KAFKA_THROTTLING_QUOTA_EXCEEDED;
    if (r->error_code != 0) return;
    c->mutations_until_us = w->env.now_us + c->mutation_us;
    struct model_topic *t = model_add(c, name, q->num_partitions);
    t->hidden = c->hides_new;
    t->replication_factor = q->replication_factor;
    for (int32_t i = 0; i < q->configs_count; i++)
        model_set(t, world_text(w, q->configs[i].name), world_text(w, q->configs[i].value), SOURCE_DYNAMIC_TOPIC);
}

static inline void *world_create(struct world *w, struct model_cluster *c, const struct create_topics_request *q) {
    struct create_topics_response *r = arena_alloc(&w->arena, sizeof *r);
    message_defaults(&create_topics_response_message, r);
    r->topics_count = q->topics_count;
    r->topics = arena_alloc(&w->arena, sizeof *r->topics * (size_t)q->topics_count);
    for (int32_t i = 0; i < q->topics_count; i++) {
        world_create_one(w, c, &q->topics[i], &r->topics[i]);
        if (r->topics[i].error_code == KAFKA_THROTTLING_QUOTA_EXCEEDED)
            r->throttle_time_ms = (int32_t)((c->mutations_until_us - w->env.now_us) / 1000);
    }
    return r;
}

static inline void *world_grow(struct world *w, struct model_cluster *c, const struct create_partitions_request *q) {
    struct create_partitions_response *r = arena_alloc(&w->arena, sizeof *r);
    message_defaults(&create_partitions_response_message, r);
    r->results_count = q->topics_count;
    r->results = arena_alloc(&w->arena, sizeof *r->results * (size_t)q->topics_count);
    for (int32_t i = 0; i < q->topics_count; i++) {
        message_defaults(&create_partitions_response_topic_message, &r->results[i]);
        r->results[i].name = q->topics[i].name;
        struct model_topic *t = model_find(c, world_text(w, q->topics[i].name));
        int16_t code = model_refused(c, API_CREATE_PARTITIONS, &r->results[i].error_message);
        if (code == 0 && t && t->partitions >= q->topics[i].count) code = KAFKA_INVALID_PARTITIONS;
        if (code == 0 && !t) code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        if (code == 0 && q->topics[i].count - t->partitions > MODEL_RECORDS_MAX) code = KAFKA_UNKNOWN_SERVER_ERROR;
        if (code == 0) t->partitions = q->topics[i].count;
        r->results[i].error_code = code;
    }
    return r;
}

static inline void *world_greet(struct world *w) {
    static const int16_t keys[] = {API_METADATA, API_DESCRIBE_CONFIGS, API_CREATE_TOPICS, API_CREATE_PARTITIONS};
    struct api_versions_response *r = arena_alloc(&w->arena, sizeof *r);
    message_defaults(&api_versions_response_message, r);
    r->api_keys_count = sizeof keys / sizeof *keys;
    r->api_keys = arena_alloc(&w->arena, sizeof *r->api_keys * (size_t)r->api_keys_count);
    for (int32_t i = 0; i < r->api_keys_count; i++) {
        message_defaults(&api_versions_response_api_key_message, &r->api_keys[i]);
        r->api_keys[i].api_key = keys[i];
        r->api_keys[i].min_version = api_find(keys[i])->version_min;
        r->api_keys[i].max_version = api_find(keys[i])->version_max;
    }
    return r;
}

static inline void *world_answer(struct world *w, struct model_channel *ch, int16_t api_key, const void *request) {
    struct model_cluster *c = ch->cluster;
    switch (api_key) {
    case API_API_VERSIONS: return world_greet(w);
    case API_METADATA: return world_metadata(w, c, world_node(ch->connection));
    case API_DESCRIBE_CONFIGS: return world_describe(w, c, request);
    case API_CREATE_TOPICS: return world_create(w, c, request);
    case API_CREATE_PARTITIONS: return world_grow(w, c, request);
    default: abort();
    }
}

// Transport -----------------------------------------------------------------------------------------------------------

static inline void world_open(void *driver, struct connection *c, const struct transport_options *options) {
    struct world *w = driver;
    (void)options;
    assert(w->channels_count < MODEL_CHANNELS_MAX);
    struct model_channel *ch = &w->channels[w->channels_count++];
    struct broker_link *l = CONTAINER_OF(c, struct broker_link, connection);
    *ch = (struct model_channel){c, l->cluster == &w->source ? &w->at_source : &w->at_destination, false, {0}};
    buffer_init(&ch->in, MiB);
}

static inline void world_close(void *driver, struct connection *c, bool abort) {
    struct world *w = driver;
    (void)abort;
    for (int i = 0; i < w->channels_count; i++)
        if (w->channels[i].connection == c) w->channels[i].connection = NULL;
}

static inline void world_wake(void *driver, struct connection *c) {
    (void)driver;
    (void)c;
}

static inline void world_send(struct model_channel *ch, const struct buffer *bytes) {
    for (size_t at = 0; at < bytes->size && ch->connection;) {
        struct connection_space space = connection_input(ch->connection);
        size_t size = bytes->size - at < space.size ? bytes->size - at : space.size;
        memcpy(space.at, bytes->at + at, size);
        at += size;
        connection_received(ch->connection, size);
    }
}

static inline void world_serve(struct world *w, struct model_channel *ch, struct bytes frame) {
    struct frame_request_header header;
    size_t at, used, cuts = 0;
    struct error e = frame_decode_request_header(frame, &header, &at);
    assert(!error_is(&e));
    const struct api *api = api_find(header.api_key);
    void *request = arena_alloc(&w->arena, message_struct_size(api->request));
    e = message_decode(api->request, header.version, (struct bytes){frame.at + at, frame.size - at}, &w->arena, request,
                       &used);
    assert(!error_is(&e));
    ch->cluster->requests[header.api_key]++;
    if (ch->cluster->silent && header.api_key != API_API_VERSIONS) return;
    const void *response = world_answer(w, ch, header.api_key, request);
    struct buffer out;
    buffer_init(&out, 16 * MiB);
    e = frame_encode_response(api, header.version, header.correlation_id, response, &out, NULL, &cuts);
    assert(!error_is(&e) && !out.overflowed);
    world_send(ch, &out);
    buffer_free(&out);
}

// Moves what one connection has to say. True: something moved.
static inline bool world_move(struct world *w, struct model_channel *ch) {
    if (!ch->connection) return false;
    struct model_cluster *c = ch->cluster;
    if (!ch->opened && c->unreachable > 0 && world_node(ch->connection) == c->unreachable) return false;
    if (!ch->opened && c->refuses_after > 0 && c->connections >= c->refuses_after) return false;
    if (!ch->opened) {
        c->connections++;
        ch->opened = true;
        connection_opened(ch->connection, 0);
        return true;
    }
    struct bytes ranges[8];
    size_t count = connection_output(ch->connection, ranges, 8), size = 0;
    for (size_t i = 0; i < count; i++) {
        buffer_append(&ch->in, ranges[i].at, ranges[i].size);
        size += ranges[i].size;
    }
    if (size > 0) connection_sent(ch->connection, size);
    if (ch->in.size < 4 || ch->in.size < 4 + (size_t)load_be32(ch->in.at)) return size > 0;
    size_t frame = 4 + (size_t)load_be32(ch->in.at);
    world_serve(w, ch, (struct bytes){ch->in.at + 4, frame - 4});
    arena_reset(&w->arena);
    memmove(ch->in.at, ch->in.at + frame, ch->in.size - frame);
    ch->in.size -= frame;
    return true;
}

static inline void world_run(struct world *w, int64_t us) {
    int64_t end_us = w->env.now_us + us;
    for (int steps = 0;; steps++) {
        assert(steps < MODEL_STEPS_MAX);  // else something turns in a circle
        bool moved = false;
        for (int i = 0; i < w->channels_count; i++) moved |= world_move(w, &w->channels[i]);
        if (moved) continue;
        int64_t next_us = timers_next(&w->env.timers);
        if (next_us > end_us) break;
        if (next_us > w->env.now_us) w->env.now_us = next_us;
        timers_run(&w->env.timers, w->env.now_us);
    }
    w->env.now_us = end_us;
}

// Life ----------------------------------------------------------------------------------------------------------------

static inline void world_on_metadata(void *context) {
    struct world *w = context;
    if (w->topics) topics_on_metadata(w->topics);
}

static inline void world_cluster(struct world *w, struct cluster *c, struct cluster_address *address,
                                 const char *alias) {
    *address = (struct cluster_address){alias, 9092};
    struct cluster_config config = {.alias = alias,
                                    .client_id = "test",
                                    .bootstrap = address,
                                    .bootstrap_count = 1,
                                    .reconnect_backoff_us = 50000,
                                    .reconnect_backoff_max_us = 1000000,
                                    .open_timeout_us = 10 * SECOND,
                                    .request_timeout_us = 30 * SECOND,
                                    .metadata_max_age_us = 300 * SECOND};
    cluster_init(c, &w->env, &config);
    c->on_metadata = world_on_metadata;
    c->context = w;
}

static inline struct world *world_new(const char *const *patterns, size_t patterns_count) {
    static const struct transport transport = {world_open, world_close, world_wake};
    struct world *w = NEW(struct world);
    w->env = (struct environment){.now_us = SECOND, .transport = &transport, .driver = w};
    w->env.log = (struct logger){LOG_INFO, world_log, w};
    timers_init(&w->env.timers);
    prng_seed(&w->env.prng, 7);
    frame_pool_init(&w->env.frames);
    arena_init(&w->env.arena, DECODE_ARENA_MAX);
    arena_init(&w->arena, DECODE_ARENA_MAX);
    buffer_init(&w->story, MODEL_STORY_MAX);
    w->at_source.brokers = w->at_destination.brokers = 3;
    w->at_source.nodes = w->at_destination.nodes = 1;
    w->at_destination.expiration_ms = "3600000";
    w->at_destination.transactional_expiration_ms = "604800000";
    struct selection_rules rules = {.topics = patterns,
                                    .topics_count = patterns_count,
                                    .target_alias = "b",
                                    .naming = {REPLICATION_POLICY_DEFAULT, "a", ".", true}};
    struct error e = selection_create(&rules, &w->selection);
    assert(!error_is(&e));
    w->config = (struct topics_config){w->selection, rules.naming, 2, true, 60 * SECOND, "a->b"};
    world_cluster(w, &w->source, &w->source_address, "a");
    world_cluster(w, &w->destination, &w->destination_address, "b");
    return w;
}

// Everything mirrored.
static inline struct world *world_of_all(void) {
    static const char *const all[] = {".*"};
    return world_new(all, 1);
}

static inline void world_start_topics(struct world *w) {
    static const struct topics_callbacks callbacks = {.ready = world_ready, .halted = world_halted};
    w->topics = topics_new(&w->source, &w->destination, &w->config, &callbacks, w);
    topics_start(w->topics);
}

static inline void world_start(struct world *w) {
    world_start_topics(w);
    cluster_start(&w->source);
    cluster_start(&w->destination);
    world_run(w, SECOND);
}

static inline struct mirror_topic *world_topic(struct world *w, const char *source_name) {
    size_t i = 0;
    struct mirror_topic *t;
    while ((t = topics_next(w->topics, &i)))
        if (strcmp(t->source_name, source_name) == 0) return t;
    return NULL;
}

// A setting the topic was created with; "" when there is none.
static inline const char *world_setting(struct model_topic *t, const char *name) {
    for (int i = 0; t && i < t->settings_count; i++)
        if (strcmp(t->settings[i].name, name) == 0 && t->settings[i].source == SOURCE_DYNAMIC_TOPIC)
            return t->settings[i].value;
    return "";
}

static inline void world_free(struct world *w) {
    topics_stop(w->topics);
    cluster_stop(&w->source);
    cluster_stop(&w->destination);
    topics_free(w->topics);
    cluster_free(&w->source);
    cluster_free(&w->destination);
    selection_free(w->selection);
    for (int i = 0; i < w->channels_count; i++) buffer_free(&w->channels[i].in);
    timers_free(&w->env.timers);
    frame_pool_free(&w->env.frames);
    arena_free(&w->env.arena);
    arena_free(&w->arena);
    buffer_free(&w->story);
    memory_free(w);
}

// What tests say most ------------------------------------------------------------------------------------------------

static inline struct model_topic *source_topic(struct world *w, const char *name, int32_t partitions) {
    return model_add(&w->at_source, name, partitions);
}

static inline struct model_topic *destination_topic(struct world *w, const char *name, int32_t partitions) {
    return model_add(&w->at_destination, name, partitions);
}

static inline void expect_halted(struct world *w, const char *name, const char *reason) {
    struct mirror_topic *t = world_topic(w, name);
    EXPECT(t != NULL);
    EXPECT(!t->ready);
    if (!strstr(t->halted, reason)) printf("halted: \"%s\"\n", t->halted);
    EXPECT(strstr(t->halted, reason) != NULL);
}

static inline void expect_ready(struct world *w, const char *name, int32_t partitions) {
    struct mirror_topic *t = world_topic(w, name);
    EXPECT(t != NULL);
    if (!t->ready) printf("%.*s", (int)w->story.size, (const char *)w->story.at);
    EXPECT(t->ready);
    EXPECT_TEXT(t->halted, "");
    EXPECT_INT(t->partitions_count, partitions);
}
