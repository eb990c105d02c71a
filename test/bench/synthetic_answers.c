// What the synthetic broker says besides records: who it is, where logs end, and a group of one.
#include "synthetic.h"

#include "base/memory.h"
#include "wire/frame.h"

#define MEMBER "member"

static struct wire_text text(const char *at) {
    return (struct wire_text){at, (int32_t)strlen(at)};
}

static void *array(struct peer *p, int32_t count, size_t size) {
    return memory_check(arena_alloc(&p->arena, (size_t)(count > 0 ? count : 1) * size));
}

static const struct synthetic_log *log_of(const struct peer *p, int32_t index) {
    static const struct synthetic_log none = {0};
    return index >= 0 && index < p->world->partitions_count ? &p->world->logs[index] : &none;
}

static void metadata(struct peer *p, const void *request, void *response) {
    (void)request;
    struct synthetic *s = p->world;
    static int32_t node = 1;
    struct metadata_response *r = response;
    r->brokers = array(p, 1, sizeof *r->brokers);
    r->brokers[0] = (struct metadata_response_broker){1, text(s->host), s->port, {NULL, -1}};
    r->brokers_count = 1;
    r->cluster_id = text(s->sink ? "synthetic-sink" : "synthetic-source");
    r->controller_id = node;
    r->topics = array(p, 1, sizeof *r->topics);
    message_defaults(&metadata_response_topic_message, r->topics);
    r->topics_count = 1;
    r->topics->name = text(s->topic);
    r->topics->topic_id = s->topic_id;
    r->topics->partitions = array(p, s->partitions_count, sizeof *r->topics->partitions);
    r->topics->partitions_count = s->partitions_count;
    for (int32_t i = 0; i < s->partitions_count; i++)
        r->topics->partitions[i] = (struct metadata_response_partition){.partition_index = i,
                                                                        .leader_id = node,
                                                                        .replica_nodes = &node,
                                                                        .replica_nodes_count = 1,
                                                                        .isr_nodes = &node,
                                                                        .isr_nodes_count = 1};
}

static void list_offsets(struct peer *p, const void *request, void *response) {
    const struct list_offsets_request *q = request;
    struct list_offsets_response *r = response;
    r->topics = array(p, q->topics_count, sizeof *r->topics);
    r->topics_count = q->topics_count;
    for (int32_t t = 0; t < q->topics_count; t++) {
        const struct list_offsets_request_topic *from = &q->topics[t];
        struct list_offsets_response_partition *to = array(p, from->partitions_count, sizeof *to);
        r->topics[t] = (struct list_offsets_response_topic){from->name, to, from->partitions_count};
        for (int32_t i = 0; i < from->partitions_count; i++) {
            bool latest = from->partitions[i].timestamp == -1;
            int32_t index = from->partitions[i].partition_index;
            to[i] = (struct list_offsets_response_partition){index, 0, -1, latest ? log_of(p, index)->end : 0, 0};
        }
    }
}

static void epoch_ends(struct peer *p, const void *request, void *response) {
    const struct offset_for_leader_epoch_request *q = request;
    struct offset_for_leader_epoch_response *r = response;
    r->topics = array(p, q->topics_count, sizeof *r->topics);
    r->topics_count = q->topics_count;
    for (int32_t t = 0; t < q->topics_count; t++) {
        const struct offset_for_leader_epoch_request_topic *from = &q->topics[t];
        struct offset_for_leader_epoch_response_partition *to = array(p, from->partitions_count, sizeof *to);
        r->topics[t] = (struct offset_for_leader_epoch_response_topic){from->topic, to, from->partitions_count};
        for (int32_t i = 0; i < from->partitions_count; i++) {
            int32_t index = from->partitions[i].partition;
            to[i] = (struct offset_for_leader_epoch_response_partition){0, index, 0, log_of(p, index)->end};
        }
    }
}

static int32_t last_sequence(const struct synthetic_log *log) {
    return sequence_add((int32_t)load_be32(log->newest + BATCH_AT_BASE_SEQUENCE),
                        load_be32(log->newest + BATCH_AT_LAST_OFFSET_DELTA));
}

static void describe_producers(struct peer *p, const void *request, void *response) {
    const struct describe_producers_request *q = request;
    struct describe_producers_response *r = response;
    r->topics = array(p, q->topics_count, sizeof *r->topics);
    r->topics_count = q->topics_count;
    for (int32_t t = 0; t < q->topics_count; t++) {
        const struct describe_producers_request_topic *from = &q->topics[t];
        struct describe_producers_response_partition *to = array(p, from->partition_indexes_count, sizeof *to);
        r->topics[t] = (struct describe_producers_response_topic){from->name, to, from->partition_indexes_count};
        for (int32_t i = 0; i < from->partition_indexes_count; i++) {
            const struct synthetic_log *log = log_of(p, from->partition_indexes[i]);
            message_defaults(&describe_producers_response_partition_message, &to[i]);
            to[i].partition_index = from->partition_indexes[i];
            if (log->end == 0) continue;
            to[i].active_producers = array(p, 1, sizeof *to[i].active_producers);
            to[i].active_producers_count = 1;
            *to[i].active_producers =
                (struct describe_producers_response_producer){(int64_t)load_be64(log->newest + BATCH_AT_PRODUCER_ID),
                                                              load_be16(log->newest + BATCH_AT_PRODUCER_EPOCH),
                                                              last_sequence(log),
                                                              -1,
                                                              0,
                                                              -1};
        }
    }
}

// No setting is told: what a broker does not know, it does not limit.
static void describe_configs(struct peer *p, const void *request, void *response) {
    const struct describe_configs_request *q = request;
    struct describe_configs_response *r = response;
    r->results = array(p, q->resources_count, sizeof *r->results);
    r->results_count = q->resources_count;
    for (int32_t i = 0; i < q->resources_count; i++) {
        message_defaults(&describe_configs_response_resource_message, &r->results[i]);
        r->results[i].resource_type = q->resources[i].resource_type;
        r->results[i].resource_name = q->resources[i].resource_name;
    }
}

static void find_coordinator(struct peer *p, const void *request, void *response) {
    (void)request;
    struct find_coordinator_response *r = response;
    r->node_id = 1;
    r->host = text(p->world->host);
    r->port = p->world->port;
}

static void join_group(struct peer *p, const void *request, void *response) {
    const struct join_group_request *q = request;
    struct join_group_response *r = response;
    pthread_mutex_lock(&p->world->lock);
    r->generation_id = ++p->world->generation;
    pthread_mutex_unlock(&p->world->lock);
    r->protocol_type = q->protocol_type;
    r->protocol_name = q->protocols_count > 0 ? q->protocols[0].name : text("");
    r->leader = r->member_id = text(MEMBER);
    r->members = array(p, 1, sizeof *r->members);
    r->members_count = 1;
    r->members[0] = (struct join_group_response_member){
        text(MEMBER), q->group_instance_id, q->protocols_count > 0 ? q->protocols[0].metadata : (struct wire_bytes){0}};
}

static void sync_group(struct peer *p, const void *request, void *response) {
    (void)p;
    const struct sync_group_request *q = request;
    struct sync_group_response *r = response;
    r->protocol_type = q->protocol_type;
    r->protocol_name = q->protocol_name;
    if (q->assignments_count > 0) r->assignment = q->assignments[0].assignment;
}

static void nothing(struct peer *p, const void *request, void *response) {
    (void)p;
    (void)request;
    (void)response;
}

static void api_versions(struct peer *p, const void *request, void *response);

// clang-format off
static const struct known {
    int16_t key, version_min, version_max;
    void (*fill)(struct peer *p, const void *request, void *response);
} known[] = {
    // api                       versions  answered by
    { API_PRODUCE                , 13, 13, NULL               },  // produce_take()
    { API_FETCH                  , 13, 17, NULL               },  // fetch_answer()
    { API_LIST_OFFSETS           ,  1,  8, list_offsets       },
    { API_METADATA               ,  0, 13, metadata           },
    { API_FIND_COORDINATOR       ,  0,  3, find_coordinator   },
    { API_JOIN_GROUP             ,  0,  9, join_group         },
    { API_HEARTBEAT              ,  0,  4, nothing            },
    { API_LEAVE_GROUP            ,  0,  2, nothing            },
    { API_SYNC_GROUP             ,  0,  5, sync_group         },
    { API_API_VERSIONS           ,  0,  4, api_versions       },
    { API_OFFSET_FOR_LEADER_EPOCH,  2,  4, epoch_ends         },
    { API_DESCRIBE_CONFIGS       ,  1,  4, describe_configs   },
    { API_DESCRIBE_PRODUCERS     ,  0,  0, describe_producers },
};
// clang-format on
#define KNOWN_COUNT ((int32_t)(sizeof known / sizeof *known))

static void api_versions(struct peer *p, const void *request, void *response) {
    (void)request;
    struct api_versions_response *r = response;
    r->api_keys = array(p, KNOWN_COUNT, sizeof *r->api_keys);
    r->api_keys_count = KNOWN_COUNT;
    for (int32_t i = 0; i < KNOWN_COUNT; i++) {
        r->api_keys[i].api_key = known[i].key;
        r->api_keys[i].min_version = known[i].version_min;
        r->api_keys[i].max_version = known[i].version_max;
    }
}

static const struct known *find(int16_t key) {
    for (int32_t i = 0; i < KNOWN_COUNT; i++)
        if (known[i].key == key) return &known[i];
    return NULL;
}

bool answer_is_known(int16_t api_key, int16_t version) {
    const struct known *k = find(api_key);
    return k && version >= k->version_min && version <= k->version_max;
}

bool answer(struct peer *p, const struct peer_call *call, const void *request) {
    if (call->api->key == API_FETCH) return fetch_answer(p, call, request);
    void *response = array(p, 1, message_struct_size(call->api->response));
    message_defaults(call->api->response, response);
    find(call->api->key)->fill(p, request, response);
    buffer_clear(&p->out);
    struct error e =
        frame_encode_response(call->api, call->version, call->correlation_id, response, &p->out, NULL, NULL);
    return !error_is(&e) && peer_send(p, NULL, 0);
}
