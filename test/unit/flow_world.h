// A flow between two modelled clusters with one topic, in virtual time: brokers that answer from modelled logs, a
// coordinator, and what a test may let go wrong.
#pragma once
#include "unit/coordinator.h"
#include "unit/log_model.h"
#include "unit/scripted_broker.h"

#include "mirror/flow.h"
#include "mirror/provenance.h"

#define WORLD_PARTITIONS_MAX 129  // one more than share a session on a short line
#define WORLD_SESSIONS_MAX 64
#define WORLD_BROKERS 3  // of each cluster

struct world;

struct model_session {
    int32_t id, epoch;
    bool in[WORLD_PARTITIONS_MAX];
    int64_t offset[WORLD_PARTITIONS_MAX], told[WORLD_PARTITIONS_MAX];  // told: the high watermark
    int32_t leader_epoch[WORLD_PARTITIONS_MAX], bytes_max[WORLD_PARTITIONS_MAX];
};

struct model_cluster {
    const char *name, *id;  // hosts are NAME-1, NAME-2
    struct model_log logs[WORLD_PARTITIONS_MAX];
    struct model_session sessions[WORLD_SESSIONS_MAX];
    int sessions_count;
    uint8_t topic_id;
    int32_t partitions;  // shown in metadata; 0: all
    int damage;  // so many fetches of sessions answer batches with a flipped bit
    bool refuses_start;  // nothing can be read where the log starts
    bool says_nothing;   // but where it ends: as of tiered storage that is slow
    int reads_refused;
};

struct world {
    struct scripted s;
    struct model_cluster source, destination;
    int32_t partitions;
    int32_t fetch_sessions, fetch_bytes_max;  // of each source broker, of a fetch; 0: the core chooses
    struct coordinator coordinator;
    struct timer coordinator_timer, poll_timer;
    struct flow *flow;
    struct budget budget;
    struct selection *selection;
    struct cluster_address addresses[2];
    bool stamps;          // the destination topic has LogAppendTime
    int16_t answer_with;  // the next batch is refused with this code, without being written
    int16_t delete_code;  // DeleteRecords is refused with this code
    int64_t answer_shift;      // the next base offset answered is so much too low, without being written
    int32_t foreign_records;   // appear at the destination right before the next batch
    int appended, refused;     // batches
    int64_t last_append_us;    // when the newest batch came to a broker
    bool stopped;
};

static inline struct model_cluster *world_side(struct world *w, const struct scripted_request *r) {
    return strncmp(r->channel->host, "source", 6) == 0 ? &w->source : &w->destination;
}

// The log a request may be answered from, or NULL and the error code.
static inline struct model_log *world_log(struct world *w, struct scripted_request *r, int32_t index, int32_t epoch,
                                          int16_t *code) {
    struct model_log *l = &world_side(w, r)->logs[index];
    *code = KAFKA_NONE;
    if (index >= w->partitions) *code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    else if (l->leader != r->channel->node_id) *code = KAFKA_NOT_LEADER_OR_FOLLOWER;
    else if (epoch >= 0 && epoch < l->epoch) *code = KAFKA_FENCED_LEADER_EPOCH;
    else if (epoch > l->epoch) *code = KAFKA_UNKNOWN_LEADER_EPOCH;
    return *code ? NULL : l;
}

// Arrays of an answer live as long as its request.
#define WORLD_ARRAY(request, count, type) ((type *)arena_alloc(&(request)->arena, (size_t)(count) * sizeof(type)))

// Metadata, settings -------------------------------------------------------------------------------------------------

static inline void world_metadata(struct scripted *s, struct scripted_request *r) {
    struct world *w = s->context;
    struct model_cluster *c = world_side(w, r);
    struct metadata_response m;
    struct metadata_response_topic t;
    message_defaults(&metadata_response_message, &m);
    message_defaults(&metadata_response_topic_message, &t);
    m.cluster_id = text_of(c->id);
    m.controller_id = 1;
    m.brokers = WORLD_ARRAY(r, WORLD_BROKERS, struct metadata_response_broker);
    for (m.brokers_count = 0; m.brokers_count < WORLD_BROKERS; m.brokers_count++) {
        struct metadata_response_broker *b = &m.brokers[m.brokers_count];
        char *host = WORLD_ARRAY(r, 32, char);
        snprintf(host, 32, "%s-%d", c->name, m.brokers_count + 1);
        message_defaults(&metadata_response_broker_message, b);
        *b = (struct metadata_response_broker){m.brokers_count + 1, text_of(host), 9092, {NULL, -1}};
    }
    t.name = text_of("t");
    t.topic_id.at[0] = c->topic_id;
    t.partitions = WORLD_ARRAY(r, WORLD_PARTITIONS_MAX, struct metadata_response_partition);
    t.partitions_count = c->partitions ? c->partitions : w->partitions;
    for (int32_t i = 0; i < t.partitions_count; i++) {
        message_defaults(&metadata_response_partition_message, &t.partitions[i]);
        t.partitions[i].partition_index = i;
        t.partitions[i].leader_id = c->logs[i].leader;
        t.partitions[i].leader_epoch = c->logs[i].epoch;
    }
    m.topics = &t;
    m.topics_count = 1;
    scripted_answer(s, r, &m);
}

static inline void world_describe_configs(struct scripted *s, struct scripted_request *r) {
    static const char *const topic[][2] = {{"compression.type", "producer"},
                                           {"message.timestamp.type", "CreateTime"},
                                           {"unclean.leader.election.enable", "false"},
                                           {"max.message.bytes", "1048588"},
                                           {"message.timestamp.before.max.ms", "9223372036854775807"},
                                           {"message.timestamp.after.max.ms", "9223372036854775807"},
                                           {"cleanup.policy", "delete"}};
    static const char *const broker[][2] = {{"producer.id.expiration.ms", "86400000"}};
    const struct describe_configs_request *q = r->body;
    struct describe_configs_response d;
    message_defaults(&describe_configs_response_message, &d);
    d.results = WORLD_ARRAY(r, q->resources_count, struct describe_configs_response_resource);
    for (d.results_count = 0; d.results_count < q->resources_count; d.results_count++) {
        struct describe_configs_response_resource *to = &d.results[d.results_count];
        bool of_topic = q->resources[d.results_count].resource_type == 2;
        message_defaults(&describe_configs_response_resource_message, to);
        to->resource_type = q->resources[d.results_count].resource_type;
        to->resource_name = q->resources[d.results_count].resource_name;
        to->configs_count = of_topic ? sizeof topic / sizeof *topic : sizeof broker / sizeof *broker;
        to->configs = WORLD_ARRAY(r, to->configs_count, struct describe_configs_response_config);
        for (int32_t i = 0; i < to->configs_count; i++) {
            message_defaults(&describe_configs_response_config_message, &to->configs[i]);
            to->configs[i].name = text_of(of_topic ? topic[i][0] : broker[i][0]);
            to->configs[i].value = text_of(of_topic ? topic[i][1] : broker[i][1]);
            to->configs[i].config_source = 5;  // DEFAULT_CONFIG
        }
    }
    scripted_answer(s, r, &d);
}

// Fetch --------------------------------------------------------------------------------------------------------------

static inline bool world_fetch_one(struct world *w, struct scripted_request *r, int32_t index, struct model_session *ss,
                                   struct fetch_response_partition *p) {
    int16_t code;
    struct model_log *l = world_log(w, r, index, ss->leader_epoch[index], &code);
    message_defaults(&fetch_response_partition_message, p);
    p->partition_index = index;
    p->error_code = code;
    if (!l) return true;
    p->high_watermark = p->last_stable_offset = model_high_watermark(l);
    p->log_start_offset = l->start;
    struct model_cluster *c = world_side(w, r);
    bool refused = c->refuses_start && ss->offset[index] == l->start;
    c->reads_refused += refused;
    if (ss->offset[index] < l->start || ss->offset[index] > l->end || refused) {
        p->error_code = KAFKA_OFFSET_OUT_OF_RANGE;
        p->high_watermark = -1;
        return true;
    }
    struct bytes records = model_read(l, ss->offset[index], ss->bytes_max[index]);
    if (c->says_nothing) records.size = 0;
    p->records = (struct wire_bytes){records.at, (int32_t)records.size};
    bool news = records.size > 0 || ss->told[index] != p->high_watermark;
    ss->told[index] = p->high_watermark;
    if (records.size > 0 && c->damage > 0 && ss->id != 0) {
        uint8_t *copy = WORLD_ARRAY(r, records.size, uint8_t);
        memcpy(copy, records.at, records.size);
        copy[records.size - 1] ^= 1;
        p->records.at = copy;
        c->damage--;
    }
    return news;
}

// Takes the request's changes into its session (KIP-227); a session of its own when it wants none.
static inline struct model_session *world_session(struct world *w, struct scripted_request *r) {
    const struct fetch_request *q = r->body;
    struct model_cluster *c = world_side(w, r);
    struct model_session *ss = NULL;
    if (q->session_id == 0) {
        assert(c->sessions_count < WORLD_SESSIONS_MAX);
        ss = &c->sessions[q->session_epoch < 0 ? WORLD_SESSIONS_MAX - 1 : c->sessions_count++];
        *ss = (struct model_session){.id = q->session_epoch < 0 ? 0 : c->sessions_count};
    } else {
        ss = &c->sessions[q->session_id - 1];
    }
    assert(q->session_epoch < 0 || q->session_epoch == ss->epoch);
    ss->epoch++;
    for (int32_t i = 0; i < q->topics_count; i++) {
        for (int32_t k = 0; k < q->topics[i].partitions_count; k++) {
            const struct fetch_request_partition *p = &q->topics[i].partitions[k];
            ss->in[p->partition] = true;
            ss->offset[p->partition] = p->fetch_offset;
            ss->leader_epoch[p->partition] = p->current_leader_epoch;
            ss->bytes_max[p->partition] = p->partition_max_bytes;
            ss->told[p->partition] = -1;
        }
    }
    for (int32_t i = 0; i < q->forgotten_topics_data_count; i++)  // after what was added, as FetchSession.update() does
        for (int32_t k = 0; k < q->forgotten_topics_data[i].partitions_count; k++)
            ss->in[q->forgotten_topics_data[i].partitions[k]] = false;
    return ss;
}

static inline bool world_answer_fetch(struct world *w, struct scripted_request *r, struct model_session *ss,
                                      bool whatever) {
    struct fetch_response f;
    struct fetch_response_topic t;
    struct fetch_response_partition p[WORLD_PARTITIONS_MAX];
    message_defaults(&fetch_response_message, &f);
    message_defaults(&fetch_response_topic_message, &t);
    t.topic = text_of("t");
    t.topic_id.at[0] = world_side(w, r)->topic_id;
    t.partitions = p;
    for (int32_t i = 0; i < w->partitions; i++)
        if (ss->in[i] && world_fetch_one(w, r, i, ss, &p[t.partitions_count])) t.partitions_count++;
    if (t.partitions_count == 0 && !whatever) return false;
    f.session_id = ss->id;
    f.responses = &t;
    f.responses_count = t.partitions_count > 0;
    scripted_answer(&w->s, r, &f);
    return true;
}

// Answered when there is something to say, or when its time is over: looked at whenever nothing else moves.
static inline void world_fetch(struct scripted *s, struct scripted_request *r) {
    struct world *w = s->context;
    const struct fetch_request *q = r->body;
    struct model_session *ss = world_session(w, r);
    if (world_answer_fetch(w, r, ss, q->max_wait_ms == 0)) return;
    r->parked = ss;
    r->parked_until_us = s->env.now_us + q->max_wait_ms * MS;
}

static inline bool world_idle(struct scripted *s) {
    struct world *w = s->context;
    bool moved = false;
    int64_t next_us = TIMER_NEVER;
    for (struct scripted_request *r = s->requests; r; r = r->next) {
        if (!r->parked || r->answered || !r->channel->connection) continue;
        if (world_answer_fetch(w, r, r->parked, s->env.now_us >= r->parked_until_us)) moved = true;
        else if (r->parked_until_us < next_us) next_us = r->parked_until_us;
    }
    if (next_us < TIMER_NEVER) timer_set(&s->env.timers, &w->poll_timer, next_us);
    return moved;
}

static inline void world_on_poll(struct timer *t, int64_t now_us) {
    (void)t, (void)now_us;  // the run looks at what is parked
}

// Questions to leaders -----------------------------------------------------------------------------------------------

static inline void world_list_offsets(struct scripted *s, struct scripted_request *r) {
    struct world *w = s->context;
    const struct list_offsets_request *q = r->body;
    struct list_offsets_response o;
    message_defaults(&list_offsets_response_message, &o);
    o.topics = WORLD_ARRAY(r, q->topics_count, struct list_offsets_response_topic);
    for (o.topics_count = 0; o.topics_count < q->topics_count; o.topics_count++) {
        const struct list_offsets_request_topic *from = &q->topics[o.topics_count];
        struct list_offsets_response_topic *to = &o.topics[o.topics_count];
        to->name = from->name;
        to->partitions_count = from->partitions_count;
        to->partitions = WORLD_ARRAY(r, from->partitions_count, struct list_offsets_response_partition);
        for (int32_t i = 0; i < from->partitions_count; i++) {
            struct list_offsets_response_partition *p = &to->partitions[i];
            message_defaults(&list_offsets_response_partition_message, p);
            p->partition_index = from->partitions[i].partition_index;
            struct model_log *l =
                world_log(w, r, p->partition_index, from->partitions[i].current_leader_epoch, &p->error_code);
            if (l) p->offset = from->partitions[i].timestamp == -2 ? l->start : model_high_watermark(l);
        }
    }
    scripted_answer(s, r, &o);
}

static inline void world_delete_records(struct scripted *s, struct scripted_request *r) {
    struct world *w = s->context;
    const struct delete_records_request *q = r->body;
    struct delete_records_response d;
    message_defaults(&delete_records_response_message, &d);
    d.topics = WORLD_ARRAY(r, q->topics_count, struct delete_records_response_topic);
    for (d.topics_count = 0; d.topics_count < q->topics_count; d.topics_count++) {
        const struct delete_records_request_topic *from = &q->topics[d.topics_count];
        struct delete_records_response_topic *to = &d.topics[d.topics_count];
        to->name = from->name;
        to->partitions_count = from->partitions_count;
        to->partitions = WORLD_ARRAY(r, from->partitions_count, struct delete_records_response_partition);
        for (int32_t i = 0; i < from->partitions_count; i++) {
            struct delete_records_response_partition *p = &to->partitions[i];
            p->partition_index = from->partitions[i].partition_index;
            struct model_log *l = world_log(w, r, p->partition_index, -1, &p->error_code);
            if (w->delete_code != KAFKA_NONE) p->error_code = w->delete_code;
            else if (l && from->partitions[i].offset > model_high_watermark(l))
                p->error_code = KAFKA_OFFSET_OUT_OF_RANGE;
            else if (l && from->partitions[i].offset > l->start) model_delete_below(l, from->partitions[i].offset);
            p->low_watermark = l ? l->start : -1;
        }
    }
    scripted_answer(s, r, &d);
}

static inline void world_epoch_ends(struct scripted *s, struct scripted_request *r) {
    struct world *w = s->context;
    const struct offset_for_leader_epoch_request *q = r->body;
    struct offset_for_leader_epoch_response o;
    message_defaults(&offset_for_leader_epoch_response_message, &o);
    o.topics = WORLD_ARRAY(r, q->topics_count, struct offset_for_leader_epoch_response_topic);
    for (o.topics_count = 0; o.topics_count < q->topics_count; o.topics_count++) {
        const struct offset_for_leader_epoch_request_topic *from = &q->topics[o.topics_count];
        struct offset_for_leader_epoch_response_topic *to = &o.topics[o.topics_count];
        to->topic = from->topic;
        to->partitions_count = from->partitions_count;
        to->partitions = WORLD_ARRAY(r, from->partitions_count, struct offset_for_leader_epoch_response_partition);
        for (int32_t i = 0; i < from->partitions_count; i++) {
            struct offset_for_leader_epoch_response_partition *p = &to->partitions[i];
            message_defaults(&offset_for_leader_epoch_response_partition_message, p);
            p->partition = from->partitions[i].partition;
            struct model_log *l =
                world_log(w, r, p->partition, from->partitions[i].current_leader_epoch, &p->error_code);
            if (l) p->leader_epoch = l->epoch, p->end_offset = l->end;
        }
    }
    scripted_answer(s, r, &o);
}

static inline void world_describe_partition(struct world *w, struct scripted_request *r, int32_t index,
                                            struct describe_producers_response_partition *p) {
    struct model_log *l = world_log(w, r, index, -1, &(int16_t){0});
    message_defaults(&describe_producers_response_partition_message, p);
    p->partition_index = index;
    if (!l) p->error_code = KAFKA_NOT_LEADER_OR_FOLLOWER;
    if (!l) return;
    p->active_producers = WORLD_ARRAY(r, MODEL_PRODUCERS_MAX, struct describe_producers_response_producer);
    p->active_producers_count = l->producers_count;
    for (int i = 0; i < l->producers_count; i++)
        p->active_producers[i] = (struct describe_producers_response_producer){
            l->producers[i].id, l->producers[i].epoch, l->producers[i].last_sequence, l->producers[i].last_timestamp,
            -1, -1};
}

static inline void world_describe_producers(struct scripted *s, struct scripted_request *r) {
    struct world *w = s->context;
    const struct describe_producers_request *q = r->body;
    struct describe_producers_response d;
    message_defaults(&describe_producers_response_message, &d);
    d.topics = WORLD_ARRAY(r, q->topics_count, struct describe_producers_response_topic);
    for (d.topics_count = 0; d.topics_count < q->topics_count; d.topics_count++) {
        const struct describe_producers_request_topic *from = &q->topics[d.topics_count];
        struct describe_producers_response_topic *to = &d.topics[d.topics_count];
        to->name = from->name;
        to->partitions_count = from->partition_indexes_count;
        to->partitions =
            WORLD_ARRAY(r, from->partition_indexes_count, struct describe_producers_response_partition);
        for (int32_t i = 0; i < from->partition_indexes_count; i++)
            world_describe_partition(w, r, from->partition_indexes[i], &to->partitions[i]);
    }
    scripted_answer(s, r, &d);
}

// Produce ------------------------------------------------------------------------------------------------------------

static inline void world_produce_one(struct world *w, struct scripted_request *r,
                                     const struct produce_request_partition *q, struct produce_response_partition *p) {
    message_defaults(&produce_response_partition_message, p);
    p->index = q->index;
    p->base_offset = -1;
    struct model_log *l = world_log(w, r, q->index, -1, &p->error_code);
    w->last_append_us = w->s.env.now_us;
    if (!l) return;
    struct bytes batch = {q->records.at, (size_t)q->records.size};
    if (w->foreign_records > 0) model_write(l, &(struct model_batch){.count = w->foreign_records, .producer_id = 7});
    w->foreign_records = 0;
    if (w->answer_with != 0) {
        p->error_code = w->answer_with;
    } else if (w->answer_shift != 0) {
        p->base_offset = l->end - w->answer_shift;
    } else {
        p->error_code = model_append(l, batch, &p->base_offset);
        if (w->stamps) p->log_append_time_ms = w->s.env.wall_ms + 1;
    }
    w->answer_with = 0;
    w->answer_shift = 0;
    if (p->error_code) w->refused++;
    else w->appended++;
}

static inline void world_produce(struct scripted *s, struct scripted_request *r) {
    struct world *w = s->context;
    const struct produce_request *q = r->body;
    struct produce_response a;
    message_defaults(&produce_response_message, &a);
    a.responses = WORLD_ARRAY(r, q->topic_data_count, struct produce_response_topic);
    for (a.responses_count = 0; a.responses_count < q->topic_data_count; a.responses_count++) {
        const struct produce_request_topic *from = &q->topic_data[a.responses_count];
        struct produce_response_topic *to = &a.responses[a.responses_count];
        to->name = from->name;
        to->topic_id = from->topic_id;
        to->partition_responses_count = from->partition_data_count;
        to->partition_responses = WORLD_ARRAY(r, from->partition_data_count, struct produce_response_partition);
        for (int32_t i = 0; i < from->partition_data_count; i++) {
            world_produce_one(w, r, &from->partition_data[i], &to->partition_responses[i]);
            struct model_log *l = &w->destination.logs[from->partition_data[i].index];
            if (q->acks == -1) l->safe_end = l->end;
        }
    }
    scripted_answer(s, r, &a);
}

// The coordinator ----------------------------------------------------------------------------------------------------

static inline void world_set_coordinator_timer(struct world *w) {
    int64_t next_us = coordinator_next(&w->coordinator);
    if (next_us < TIMER_NEVER) timer_set(&w->s.env.timers, &w->coordinator_timer, next_us);
    else timer_cancel(&w->s.env.timers, &w->coordinator_timer);
}

static inline void world_on_coordinator(struct timer *t, int64_t now_us) {
    struct world *w = CONTAINER_OF(t, struct world, coordinator_timer);
    coordinator_run(&w->coordinator, now_us);
    world_set_coordinator_timer(w);
}

static inline void world_group(struct scripted *s, struct scripted_request *r) {
    struct world *w = s->context;
    struct waiting from = {true, (uint32_t)(r->channel - s->channels), r->header.version, r->header.correlation_id};
    w->coordinator.now_us = s->env.now_us;
    coordinator_serve(&w->coordinator, r->header.api_key, r->body, &from);
    world_set_coordinator_timer(w);
}

static inline void world_group_answer(void *context, const struct waiting *to, const struct api *api,
                                      const void *response) {
    struct world *w = context;
    for (struct scripted_request *r = w->s.requests; r; r = r->next)
        if (r->channel == &w->s.channels[to->channel] && r->header.correlation_id == to->correlation_id &&
            r->api == api && !r->answered)
            scripted_answer(&w->s, r, response);
}

// Life ---------------------------------------------------------------------------------------------------------------

static inline void world_run(struct world *w, int64_t us) {
    scripted_run(&w->s, us);
}

static inline void world_stopped(struct flow *f) {
    ((struct world *)f->owner)->stopped = true;
}

static inline void world_serve(struct scripted *s) {
    s->serve[API_METADATA] = world_metadata;
    s->serve[API_DESCRIBE_CONFIGS] = world_describe_configs;
    s->serve[API_FETCH] = world_fetch;
    s->serve[API_LIST_OFFSETS] = world_list_offsets;
    s->serve[API_DELETE_RECORDS] = world_delete_records;
    s->serve[API_OFFSET_FOR_LEADER_EPOCH] = world_epoch_ends;
    s->serve[API_DESCRIBE_PRODUCERS] = world_describe_producers;
    s->serve[API_PRODUCE] = world_produce;
    s->serve[API_FIND_COORDINATOR] = s->serve[API_JOIN_GROUP] = s->serve[API_SYNC_GROUP] = world_group;
    s->serve[API_HEARTBEAT] = s->serve[API_LEAVE_GROUP] = s->serve[API_OFFSET_COMMIT] = world_group;
}

static inline struct world *world_new(int32_t partitions) {
    static const char *const all[] = {".*"};
    struct world *w = NEW(struct world);
    scripted_init(&w->s);
    w->s.context = w;
    w->s.idle = world_idle;
    world_serve(&w->s);
    w->partitions = partitions;
    w->fetch_sessions = 1;
    w->fetch_bytes_max = MiB;
    w->source.topic_id = w->destination.topic_id = 1;
    w->source.name = "source";
    w->source.id = "cluster of the source";
    w->destination.name = "destination";
    w->destination.id = "cluster of the destination";
    for (int i = 0; i < WORLD_PARTITIONS_MAX; i++) {
        model_log_init(&w->source.logs[i]);
        model_log_init(&w->destination.logs[i]);
    }
    coordinator_init(&w->coordinator);
    w->coordinator.context = w;
    w->coordinator.answer = world_group_answer;
    timer_init(&w->coordinator_timer, world_on_coordinator);
    timer_init(&w->poll_timer, world_on_poll);
    budget_init(&w->budget, 64 * MiB);
    struct selection_rules rules = {.topics = all, .topics_count = 1, .target_alias = "b",
                                    .naming = {REPLICATION_POLICY_IDENTITY, "a", ".", true}};
    struct error e = selection_create(&rules, &w->selection);
    assert(!error_is(&e));
    (void)e;
    return w;
}

static inline struct cluster_config world_cluster_config(struct world *w, int i) {
    struct cluster_config config = scripted_config(&w->s);
    w->addresses[i] = (struct cluster_address){i ? "destination" : "source", 9092};
    config.alias = i ? "b" : "a";
    config.bootstrap = &w->addresses[i];
    return config;
}

// One instance of the flow, until it owns everything (an earlier one must be forgotten first) and has settled.
static inline void world_start(struct world *w) {
    struct flow_config config = {.name = "a->b",
                                 .source_alias = "a",
                                 .destination_alias = "b",
                                 .client_id = "test",
                                 .source = world_cluster_config(w, 0),
                                 .destination = world_cluster_config(w, 1),
                                 .topics = {w->selection, {REPLICATION_POLICY_IDENTITY, "a", ".", true}, -1, true,
                                            60 * SECOND, NULL},
                                 .acks = 1,
                                 .slices = 4,
                                 .session_timeout_ms = 10000,
                                 .heartbeat_interval_ms = 1000,
                                 .fetch_sessions = w->fetch_sessions,
                                 .fetch_bytes_max = w->fetch_bytes_max,
                                 .fetch_wait_ms_max = 500,
                                 .join_small_batches = true};
    w->flow = flow_new(&w->s.env, &w->budget, &config);
    w->flow->stopped = world_stopped;
    w->flow->owner = w;
    w->stopped = false;
    flow_start(w->flow);
    for (int i = 0; i < 600 && slices_count(&w->flow->ownership.owned) < 4; i++) world_run(w, 100 * MS);
    world_run(w, 2 * SECOND);
}

// The process is gone; the logs stay.
static inline void world_kill(struct world *w) {
    if (w->flow) flow_free(w->flow);
    w->flow = NULL;
}

static inline void world_free(struct world *w) {
    world_kill(w);
    timer_cancel(&w->s.env.timers, &w->coordinator_timer);
    timer_cancel(&w->s.env.timers, &w->poll_timer);
    selection_free(w->selection);
    coordinator_free(&w->coordinator);
    for (int i = 0; i < WORLD_PARTITIONS_MAX; i++) {
        buffer_free(&w->source.logs[i].bytes);
        buffer_free(&w->destination.logs[i].bytes);
    }
    scripted_free(&w->s);
    memory_free(w);
}

// What tests say most ------------------------------------------------------------------------------------------------

static inline struct partition *world_partition(struct world *w, int32_t index) {
    for (size_t i = 0; w->flow && i < w->flow->partitions_count; i++)
        if (w->flow->partitions[i]->index == index) return w->flow->partitions[i];
    return NULL;
}

// Batches of 1 to 10 records each, of now.
static inline void world_write(struct world *w, int32_t index, int batches) {
    struct model_log *l = &w->source.logs[index];
    for (int i = 0; i < batches; i++)
        model_write(l, &(struct model_batch){.count = (int32_t)(l->end % 10 + 1), .timestamp = w->s.env.wall_ms});
}

// As a leader with too few followers in sync.
static inline void world_refuse_all(struct scripted *s, struct scripted_request *r) {
    const struct produce_request *q = r->body;
    struct produce_response a;
    message_defaults(&produce_response_message, &a);
    a.responses = WORLD_ARRAY(r, q->topic_data_count, struct produce_response_topic);
    for (; a.responses_count < q->topic_data_count; a.responses_count++) {
        const struct produce_request_topic *from_topic = &q->topic_data[a.responses_count];
        struct produce_response_topic *t = &a.responses[a.responses_count];
        *t = (struct produce_response_topic){.name = from_topic->name, .topic_id = from_topic->topic_id};
        t->partition_responses =
            WORLD_ARRAY(r, from_topic->partition_data_count, struct produce_response_partition);
        for (; t->partition_responses_count < from_topic->partition_data_count; t->partition_responses_count++) {
            struct produce_response_partition *p = &t->partition_responses[t->partition_responses_count];
            message_defaults(&produce_response_partition_message, p);
            p->index = from_topic->partition_data[t->partition_responses_count].index;
            p->error_code = KAFKA_NOT_ENOUGH_REPLICAS;
        }
    }
    scripted_answer(s, r, &a);
}

static inline void world_change_leader(struct world *w, struct model_cluster *c, int32_t index) {
    struct model_log *l = &c->logs[index];
    l->leader = l->leader % WORLD_BROKERS + 1;
    l->epoch++;
    cluster_refresh(c == &w->source ? &w->flow->source : &w->flow->destination);
}
