// Metadata, DescribeTopicPartitions and DescribeCluster: brokers, topics and leaders as the asked node believes them to
// be.
//
// After kafka.server.KafkaApis.handleTopicMetadataRequest, KRaftMetadataCache.getPartitionMetadata and
// DescribeTopicPartitionsRequestHandler.
#include "broker/asked_partitions.h"
#include "broker/handlers.h"
#include "broker/topic_names.h"
#include "wire/error_codes.h"

#include <stdlib.h>

#define OPERATIONS_OF_TOPIC 3576  // all that AclEntry.supportedOperations lists, as bits: no authorizer is set
#define OPERATIONS_OF_CLUSTER 8096
#define PARTITIONS_DESCRIBED_MAX 2000  // max.request.partition.size.limit

// KRaft hides its controllers: clients are told of any broker, as each forwards to the controller.
static int32_t some_controller(const struct broker_node *n) {
    for (int32_t i = 0; i < n->cluster->config.nodes; i++) {
        int32_t id = n->cluster->nodes[i].id;
        if (broker_knows_alive(n, id)) return id;
    }
    return -1;
}

static struct wire_text host(const struct broker_cluster *c) {
    return (struct wire_text){c->config.host, (int32_t)strlen(c->config.host)};
}

static int32_t *copy_ids(struct broker_request *r, const int32_t *ids, int32_t count) {
    return memcpy(REQUEST_ARRAY(r, count, int32_t), ids, (size_t)count * sizeof *ids);
}

static int32_t *replicas_of(struct broker_request *r, const struct broker_partition *p, bool only_offline,
                            int32_t *count) {
    int32_t *ids = REQUEST_ARRAY(r, p->replicas_count, int32_t);
    *count = 0;
    for (int32_t i = 0; i < p->replicas_count; i++) {
        int32_t id = p->replicas[i]->node->id;
        if (!only_offline || !broker_knows_alive(r->node, id)) ids[(*count)++] = id;
    }
    return ids;
}

static void fill_partition(struct broker_request *r, const struct broker_partition *p,
                           struct metadata_response_partition *out) {
    const struct broker_belief *b = broker_belief_of(r->node, p);
    *out = (struct metadata_response_partition){
        .error_code = broker_knows_alive(r->node, b->leader) ? KAFKA_NONE : KAFKA_LEADER_NOT_AVAILABLE,
        .partition_index = p->index,
        .leader_id = broker_knows_alive(r->node, b->leader) ? b->leader : BROKER_ID_NONE,
        .leader_epoch = b->leader_epoch,
        .isr_nodes = copy_ids(r, b->isr, b->isr_count),
        .isr_nodes_count = b->isr_count,
    };
    out->replica_nodes = replicas_of(r, p, false, &out->replica_nodes_count);
    out->offline_replicas = replicas_of(r, p, true, &out->offline_replicas_count);
}

static bool known(const struct broker_node *n, const struct broker_topic *t) {
    return t && broker_belief_of(n, t->partitions[0])->leader_epoch >= 0;
}

static void fill_topic(struct broker_request *r, const struct broker_topic *t, struct metadata_response_topic *out) {
    const struct metadata_request *request = r->body;
    out->name = (struct wire_text){t->name, (int32_t)strlen(t->name)};
    out->topic_id = t->id;
    out->is_internal = t->internal;
    out->partitions = REQUEST_ARRAY(r, t->partitions_count, struct metadata_response_partition);
    for (int32_t i = 0; i < t->partitions_count; i++) {
        if (broker_belief_of(r->node, t->partitions[i])->leader_epoch < 0) continue;
        fill_partition(r, t->partitions[i], &out->partitions[out->partitions_count++]);
    }
    if (request->include_topic_authorized_operations) out->topic_authorized_operations = OPERATIONS_OF_TOPIC;
}

static int16_t missing_topic(struct wire_text name) {
    char reason[TOPIC_REASON_MAX];
    return topic_name_refusal(name, reason, sizeof reason) ? KAFKA_INVALID_TOPIC_EXCEPTION
                                                           : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
}

// Topics are made by being asked for (auto.create.topics.enable), all together. The answer does not say so: nobody
// waits for the controller.
static void create_missing(struct broker_request *r, const struct metadata_response *response) {
    const struct metadata_request *request = r->body;
    struct broker_cluster *c = r->node->cluster;
    struct wire_text *names = REQUEST_ARRAY(r, response->topics_count, struct wire_text);
    int32_t count = 0;
    bool allowed = r->version < 4 || request->allow_auto_topic_creation;
    if (!allowed || !broker_setting_is_true(c, "auto.create.topics.enable", true)) return;
    for (int32_t i = 0; i < response->topics_count; i++) {
        const struct metadata_response_topic *t = &response->topics[i];
        bool missing = t->error_code == KAFKA_UNKNOWN_TOPIC_OR_PARTITION && !broker_find_topic(c, t->name);
        if (missing) names[count++] = t->name;
    }
    broker_topics_create_automatically(c, names, count);
}

static bool has_id(const struct metadata_request_topic *t) {
    return !uuid_is_zero(&t->topic_id);
}

static void fill_asked(struct broker_request *r, const struct metadata_request_topic *asked,
                       struct metadata_response_topic *out) {
    static const struct wire_uuid zero;
    struct broker_cluster *c = r->node->cluster;
    bool by_id = asked->name.size < 0 || has_id(asked);
    const struct broker_topic *t =
        by_id ? broker_find_topic_by_id(c, &asked->topic_id) : broker_find_topic(c, asked->name);
    if (known(r->node, t)) {
        fill_topic(r, t, out);
    } else if (by_id) {
        out->error_code = KAFKA_UNKNOWN_TOPIC_ID;
        out->topic_id = asked->topic_id;
        out->name.size = -1;
    } else {
        out->error_code = missing_topic(asked->name);
        out->name = asked->name;
        out->topic_id = zero;
        out->is_internal = topic_name_is_internal(asked->name);
    }
}

static void fill_topics(struct broker_request *r, struct metadata_response *response) {
    const struct metadata_request *request = r->body;
    const struct broker_cluster *c = r->node->cluster;
    // Version 0 has no null: an empty list is everything there.
    bool all = request->topics_count < 0 || (r->version == 0 && request->topics_count == 0);
    int32_t count = all ? (int32_t)c->topics_count : request->topics_count;
    response->topics = REQUEST_ARRAY(r, count, struct metadata_response_topic);
    struct asked_partitions *asked = asked_partitions_new(r, all ? 0 : (size_t)count);
    bool by_ids = false;  // then those without one are not looked at
    for (int32_t i = 0; i < count && !all; i++) by_ids |= has_id(&request->topics[i]);
    for (int32_t i = 0; i < count; i++) {  // the first of equal names or ids answers; Kafka keeps a set
        const struct metadata_request_topic *t = all ? NULL : &request->topics[i];
        if (t && by_ids && !has_id(t)) continue;
        if (t ? asked_topic_again(asked, t->name, &t->topic_id, i) : !known(r->node, c->topics[i])) continue;
        struct metadata_response_topic *out = &response->topics[response->topics_count++];
        message_defaults(&metadata_response_topic_message, out);
        if (all) fill_topic(r, c->topics[i], out);
        else fill_asked(r, &request->topics[i], out);
    }
    create_missing(r, response);
}

// Versions 10 and 11 have topic ids and nullable names in their schema, but may not use them (KafkaApis).
static bool asks_too_early(const struct broker_request *r) {
    const struct metadata_request *request = r->body;
    for (int32_t i = 0; r->version < 12 && i < request->topics_count; i++) {
        const struct metadata_request_topic *t = &request->topics[i];
        if (t->name.size < 0 || has_id(t)) return true;
    }
    return false;
}

// As MetadataRequest.getErrorResponse() does: no brokers, and the error with each topic.
static void refuse_topics(struct broker_request *r, int16_t error_code) {
    const struct metadata_request *request = r->body;
    struct metadata_response response;
    message_defaults(r->api->response, &response);
    response.throttle_time_ms = r->node->throttle_ms;
    response.error_code = error_code;
    response.topics = REQUEST_ARRAY(r, request->topics_count, struct metadata_response_topic);
    for (; response.topics_count < request->topics_count; response.topics_count++) {
        struct metadata_response_topic *out = &response.topics[response.topics_count];
        const struct wire_text *name = &request->topics[response.topics_count].name;
        message_defaults(&metadata_response_topic_message, out);
        out->error_code = error_code;
        if (name->size >= 0) out->name = *name;
        out->topic_id = request->topics[response.topics_count].topic_id;
    }
    broker_answer(r, &response);
}

// Neither names nor ids: KafkaApis falls over it.
static bool names_nothing(const struct broker_request *r) {
    const struct metadata_request *request = r->body;
    bool nothing = false;
    for (int32_t i = 0; i < request->topics_count; i++) {
        if (has_id(&request->topics[i])) return false;
        nothing |= request->topics[i].name.size < 0;
    }
    return nothing;
}

void handle_metadata(struct broker_request *r) {
    const struct metadata_request *request = r->body;
    if (asks_too_early(r)) {
        refuse_topics(r, KAFKA_INVALID_REQUEST);
        return;
    }
    if (names_nothing(r)) {
        refuse_topics(r, KAFKA_UNKNOWN_SERVER_ERROR);
        return;
    }
    const struct broker_cluster *c = r->node->cluster;
    struct metadata_response response;
    message_defaults(r->api->response, &response);
    response.throttle_time_ms = r->node->throttle_ms;
    response.brokers = REQUEST_ARRAY(r, c->config.nodes, struct metadata_response_broker);
    for (int32_t i = 0; i < c->config.nodes; i++) {
        int32_t id = c->nodes[i].id;
        if (!broker_knows_alive(r->node, id)) continue;
        response.brokers[response.brokers_count++] = (struct metadata_response_broker){
            .node_id = id, .host = host(c), .port = broker_port(r->node, id), .rack = {NULL, -1}};
    }
    response.cluster_id = (struct wire_text){c->config.cluster_id, (int32_t)strlen(c->config.cluster_id)};
    response.controller_id = some_controller(r->node);
    if (request->include_cluster_authorized_operations) response.cluster_authorized_operations = OPERATIONS_OF_CLUSTER;
    fill_topics(r, &response);
    broker_answer(r, &response);
}

// DescribeTopicPartitions (KIP-966) ----------------------------------------------------------------------------------

struct description {
    struct broker_request *request;
    struct describe_topic_partitions_response response;
    bool all;      // the request names none
    int32_t left;  // partitions that the answer may still have
};

static void describe_partition(struct broker_request *r, const struct broker_partition *p,
                               struct describe_topic_partitions_response_partition *out) {
    const struct broker_belief *b = broker_belief_of(r->node, p);
    bool last = b->last_leader != BROKER_ID_NONE;
    *out = (struct describe_topic_partitions_response_partition){
        .partition_index = p->index,
        .leader_id = broker_knows_alive(r->node, b->leader) ? b->leader : BROKER_ID_NONE,
        .leader_epoch = b->leader_epoch,
        .isr_nodes = copy_ids(r, b->isr, b->isr_count),
        .isr_nodes_count = b->isr_count,
        .eligible_leader_replicas = copy_ids(r, b->elr, b->elr_count),
        .eligible_leader_replicas_count = b->elr_count,
        .last_known_elr = copy_ids(r, &b->last_leader, last),
        .last_known_elr_count = last,
    };
    out->replica_nodes = replicas_of(r, p, false, &out->replica_nodes_count);
    out->offline_replicas = replicas_of(r, p, true, &out->offline_replicas_count);
}

// Where the next request should begin.
static void point_to(struct description *d, struct wire_text name, int32_t index) {
    d->response.next_cursor = REQUEST_ARRAY(d->request, 1, struct describe_topic_partitions_response_cursor);
    *d->response.next_cursor = (struct describe_topic_partitions_response_cursor){name, index};
    d->response.next_cursor_count = 1;
}

static int32_t partitions_known(const struct broker_node *n, const struct broker_topic *t) {
    int32_t count = 0;
    while (broker_known_partition(n, t, count)) count++;
    return count;
}

// One topic from the partition `from` on; false when the answer is full.
static bool describe_topic(struct description *d, struct wire_text name, int32_t from) {
    struct broker_request *r = d->request;
    const struct broker_topic *t = broker_known_topic(r->node, name);
    if (d->left == 0) {
        point_to(d, name, 0);
        return false;
    }
    if (!t && d->all) return true;
    struct describe_topic_partitions_response_topic *out = &d->response.topics[d->response.topics_count++];
    message_defaults(&describe_topic_partitions_response_topic_message, out);
    out->name = name;
    out->is_internal = topic_name_is_internal(name);
    out->topic_authorized_operations = OPERATIONS_OF_TOPIC;
    if (!t) {
        out->error_code = missing_topic(name);
        return true;
    }
    int32_t count = partitions_known(r->node, t);
    int32_t end = (int32_t)((uint32_t)from + (uint32_t)d->left);  // Java's sum: may become negative
    if (end > count) end = count;
    out->topic_id = t->id;
    out->partitions = REQUEST_ARRAY(r, count, struct describe_topic_partitions_response_partition);
    for (int32_t i = from; i < end; i++) describe_partition(r, t->partitions[i], &out->partitions[i - from]);
    out->partitions_count = end > from ? end - from : 0;
    d->left -= out->partitions_count;
    if (end < count) point_to(d, name, end);
    return end >= count;
}

static int by_name(const void *a, const void *b) {
    const struct wire_text *x = a, *y = b;
    int32_t shorter = x->size < y->size ? x->size : y->size;
    int order = shorter > 0 ? memcmp(x->at, y->at, (size_t)shorter) : 0;
    return order ? order : x->size - y->size;
}

// The names that are asked for, or all, sorted.
static struct wire_text *names_asked(struct description *d, int32_t *count) {
    const struct describe_topic_partitions_request *request = d->request->body;
    const struct broker_cluster *c = d->request->node->cluster;
    *count = d->all ? (int32_t)c->topics_count : request->topics_count;
    struct wire_text *names = REQUEST_ARRAY(d->request, *count, struct wire_text);
    for (int32_t i = 0; i < *count; i++) {
        names[i] = d->all ? (struct wire_text){c->topics[i]->name, (int32_t)strlen(c->topics[i]->name)}
                          : request->topics[i].name;
    }
    if (*count > 0) qsort(names, (size_t)*count, sizeof *names, by_name);
    return names;
}

static bool cursor_fits(const struct describe_topic_partitions_request *request) {
    bool named = request->topics_count == 0;
    for (int32_t i = 0; i < request->topics_count && !named; i++)
        named = wire_text_same(request->topics[i].name, request->cursor->topic_name);
    return named && request->cursor->partition_index >= 0;
}

static void refuse_description(struct description *d, int16_t error_code) {
    const struct describe_topic_partitions_request *request = d->request->body;
    d->response.topics_count = 0;
    d->response.next_cursor_count = -1;
    for (int32_t i = 0; i < request->topics_count; i++) {
        struct describe_topic_partitions_response_topic *out = &d->response.topics[d->response.topics_count++];
        message_defaults(&describe_topic_partitions_response_topic_message, out);
        out->name = request->topics[i].name;
        out->error_code = error_code;
    }
}

void handle_describe_topic_partitions(struct broker_request *r) {
    const struct describe_topic_partitions_request *request = r->body;
    struct broker_cluster *c = r->node->cluster;
    struct description d = {.request = r, .all = request->topics_count == 0};
    message_defaults(r->api->response, &d.response);
    d.response.throttle_time_ms = r->node->throttle_ms;
    int64_t most = broker_setting_number(c, "max.request.partition.size.limit", PARTITIONS_DESCRIBED_MAX);
    d.left = request->response_partition_limit < most ? request->response_partition_limit : (int32_t)most;
    if (d.left < 1) d.left = 1;
    int32_t count;
    const struct wire_text *names = names_asked(&d, &count);
    d.response.topics = REQUEST_ARRAY(r, count, struct describe_topic_partitions_response_topic);
    const struct describe_topic_partitions_request_cursor *cursor = request->cursor;
    bool fits = !cursor || cursor_fits(request);
    for (int32_t i = 0; i < count && fits; i++) {
        int order = cursor ? by_name(&names[i], &cursor->topic_name) : 1;
        if (order < 0 || (i > 0 && by_name(&names[i], &names[i - 1]) == 0)) continue;
        if (!describe_topic(&d, names[i], order == 0 ? cursor->partition_index : 0)) break;
    }
    // KafkaApis falls over a name that is empty; it comes first.
    bool nameless = fits && d.response.topics_count > 0 && d.response.topics[0].name.size == 0;
    if (!fits || nameless) refuse_description(&d, fits ? KAFKA_UNKNOWN_SERVER_ERROR : KAFKA_INVALID_REQUEST);
    broker_answer(r, &d.response);
}

// DescribeCluster (KIP-700) ------------------------------------------------------------------------------------------

#define ENDPOINT_BROKERS 1

void handle_describe_cluster(struct broker_request *r) {
    const struct describe_cluster_request *request = r->body;
    const struct broker_cluster *c = r->node->cluster;
    struct describe_cluster_response response;
    message_defaults(r->api->response, &response);
    response.throttle_time_ms = r->node->throttle_ms;
    response.cluster_id = (struct wire_text){c->config.cluster_id, (int32_t)strlen(c->config.cluster_id)};
    if (request->endpoint_type != ENDPOINT_BROKERS) {
        bool controllers = request->endpoint_type == 2;
        response.error_code = controllers ? KAFKA_MISMATCHED_ENDPOINT_TYPE : KAFKA_UNSUPPORTED_ENDPOINT_TYPE;
        static const char mismatched[] =
            "The request was sent to an endpoint of type BROKER, but we wanted an endpoint "
            "of type CONTROLLER";
        static const char unsupported[] = "Unsupported endpoint type";
        response.error_message = controllers ? (struct wire_text){mismatched, sizeof mismatched - 1}
                                             : (struct wire_text){unsupported, sizeof unsupported - 1};
        response.cluster_id.size = 0;
        broker_answer(r, &response);
        return;
    }
    response.controller_id = some_controller(r->node);
    if (request->include_cluster_authorized_operations) response.cluster_authorized_operations = OPERATIONS_OF_CLUSTER;
    response.brokers = REQUEST_ARRAY(r, c->config.nodes, struct describe_cluster_response_broker);
    for (int32_t i = 0; i < c->config.nodes; i++) {
        int32_t id = c->nodes[i].id;
        bool fenced = !broker_knows_alive(r->node, id);
        if (fenced && !request->include_fenced_brokers) continue;
        response.brokers[response.brokers_count++] =
            (struct describe_cluster_response_broker){.broker_id = id,
                                                      .host = host(c),
                                                      .port = broker_port(r->node, id),
                                                      .rack = {NULL, -1},
                                                      .is_fenced = fenced};
    }
    broker_answer(r, &response);
}
