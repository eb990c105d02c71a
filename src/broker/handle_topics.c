// DeleteTopics, CreatePartitions and ElectLeaders: after kafka.server.ControllerApis and
// org.apache.kafka.controller.ReplicationControlManager.
#include "broker/asked_partitions.h"
#include "broker/config_view.h"
#include "broker/handlers.h"
#include "wire/error_codes.h"

// DeleteTopics -------------------------------------------------------------------------------------------------------

#define TOPIC_DELETION_DISABLED_SINCE 3

struct deletion {
    struct broker_request *request;
    struct delete_topics_request_topic *topics;  // by name in every version, or by id
    int32_t count;
    struct asked_partitions *asked;  // names and ids: at which place first
    int32_t *times;                  // by that place
};

enum { BY_ID, BY_NAME, BY_NEITHER_OR_BOTH };

static int32_t asked_by(const struct delete_topics_request_topic *t) {
    bool by_name = t->name.size >= 0;
    if (by_name != uuid_is_zero(&t->topic_id)) return BY_NEITHER_OR_BOTH;
    return by_name ? BY_NAME : BY_ID;
}

static void read_deletion(struct deletion *d) {
    const struct delete_topics_request *request = d->request->body;
    int32_t names = request->topic_names_count > 0 ? request->topic_names_count : 0;
    d->topics = REQUEST_ARRAY(d->request, request->topics_count + names, struct delete_topics_request_topic);
    for (int32_t i = 0; i < request->topics_count; i++) d->topics[d->count++] = request->topics[i];
    for (int32_t i = 0; i < names; i++) d->topics[d->count++].name = request->topic_names[i];
    d->asked = asked_partitions_new(d->request, 2 * (size_t)d->count);  // ids that belong to names, too
    d->times = REQUEST_ARRAY(d->request, d->count, int32_t);
    for (int32_t i = 0; i < d->count; i++) {
        const struct delete_topics_request_topic *t = &d->topics[i];
        int32_t by = asked_by(t);
        if (by == BY_NEITHER_OR_BOTH) continue;
        struct bytes key = by == BY_NAME ? text_bytes(t->name) : uuid_bytes(&t->topic_id);
        d->times[asked_partitions_place(d->asked, key, by, i)]++;
    }
}

static void delete_refused(struct delete_topics_response_topic *out, int16_t code, const char *text) {
    out->error_code = code;
    out->error_message = text_of(text);
}

static void delete_by_name(struct deletion *d, struct delete_topics_response_topic *out) {
    struct broker_topic *t = broker_find_topic(d->request->node->cluster, out->name);
    if (!t) {
        delete_refused(out, KAFKA_UNKNOWN_TOPIC_OR_PARTITION, "This server does not host this topic-partition.");
        return;
    }
    out->topic_id = t->id;
    if (asked_partitions_place(d->asked, uuid_bytes(&t->id), BY_ID, -1) >= 0) {
        delete_refused(out, KAFKA_INVALID_REQUEST, "The provided topic name maps to an ID that was already supplied.");
        return;
    }
    broker_topic_remove(d->request->node->cluster, t);
}

// False: no answer of its own, as the name was asked for as well, and hears of it.
static bool delete_by_id(struct deletion *d, struct delete_topics_response_topic *out) {
    struct broker_topic *t = broker_find_topic_by_id(d->request->node->cluster, &out->topic_id);
    if (!t) {
        delete_refused(out, KAFKA_UNKNOWN_TOPIC_ID, "This server does not host this topic ID.");
        return true;
    }
    out->name = broker_request_say(d->request, "%s", t->name);
    int32_t place = asked_partitions_place(d->asked, text_bytes(out->name), BY_NAME, -1);
    if (place >= 0 && d->times[place] == 1) return false;
    broker_topic_remove(d->request->node->cluster, t);
    return true;
}

// False: no answer; those asked for several times are refused once.
static bool delete_asked(struct deletion *d, int32_t i, struct delete_topics_response_topic *out) {
    const struct delete_topics_request_topic *asked = &d->topics[i];
    int32_t by = asked_by(asked);
    message_defaults(&delete_topics_response_topic_message, out);
    out->name = asked->name;
    out->topic_id = asked->topic_id;
    if (by == BY_NEITHER_OR_BOTH) {
        delete_refused(out, KAFKA_INVALID_REQUEST,
                       asked->name.size < 0 ? "Neither topic name nor id were specified."
                                            : "You may not specify both topic name and topic id.");
    } else if (d->times[i] > 1) {
        delete_refused(out, KAFKA_INVALID_REQUEST, by == BY_ID ? "Duplicate topic id." : "Duplicate topic name.");
    } else if (d->times[i] == 1 && by == BY_NAME) {
        delete_by_name(d, out);
    } else {
        return d->times[i] == 1 && delete_by_id(d, out);
    }
    return true;
}

// As DeleteTopicsRequest.getErrorResponse() does: without a message.
static void refuse_deletion(const struct deletion *d, struct delete_topics_response *response) {
    bool has_code = d->request->version >= TOPIC_DELETION_DISABLED_SINCE;
    for (int32_t i = 0; i < d->count; i++) {
        struct delete_topics_response_topic *out = &response->responses[response->responses_count++];
        message_defaults(&delete_topics_response_topic_message, out);
        out->name = d->topics[i].name;
        out->topic_id = d->topics[i].topic_id;
        delete_refused(out, has_code ? KAFKA_TOPIC_DELETION_DISABLED : KAFKA_INVALID_REQUEST, NULL);
    }
}

void handle_delete_topics(struct broker_request *r) {
    struct deletion d = {.request = r};
    struct delete_topics_response response;
    message_defaults(r->api->response, &response);
    response.throttle_time_ms = r->node->throttle_ms;
    read_deletion(&d);
    response.responses = REQUEST_ARRAY(r, d.count, struct delete_topics_response_topic);
    if (!broker_setting_is_true(r->node->cluster, "delete.topic.enable", true)) {
        refuse_deletion(&d, &response);
        broker_answer(r, &response);
        return;
    }
    for (int32_t i = 0; i < d.count; i++) {
        response.responses_count += delete_asked(&d, i, &response.responses[response.responses_count]);
    }
    broker_answer(r, &response);
}

// CreatePartitions ---------------------------------------------------------------------------------------------------

struct growth {
    struct broker_request *request;
    const struct create_partitions_request_topic *asked;
    struct create_partitions_response_topic *answer;
    struct broker_topic *topic;
    int32_t *records_left;  // that the controller may write for this request
};

#define REFUSE(growth, code, ...)                                                                                      \
    broker_refuse(&(growth)->answer->error_code, &(growth)->answer->error_message, code,                               \
                  broker_request_say((growth)->request, __VA_ARGS__))

static bool count_is_right(struct growth *g) {
    struct wire_text name = g->asked->name;
    int32_t now = g->topic->partitions_count, count = g->asked->count;
    if (count == now) return REFUSE(g, KAFKA_INVALID_PARTITIONS, "Topic already has %d partition(s).", now);
    if (count < now) {
        return REFUSE(g, KAFKA_INVALID_PARTITIONS,
                      "The topic %.*s currently has %d partition(s); %d would not be an increase.", name.size, name.at,
                      now, count);
    }
    if (g->asked->assignments_count >= 0 && g->asked->assignments_count != count - now) {
        return REFUSE(g, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                      "Attempted to add %d additional partition(s), but only %d assignment(s) were specified.",
                      count - now, g->asked->assignments_count);
    }
    return true;
}

static bool take_assignment(struct growth *g, int32_t i, int32_t *replicas, int32_t factor) {
    const struct create_partitions_request_assignment *a = &g->asked->assignments[i];
    bool alive = false;
    if (a->broker_ids_count <= 0) {
        return REFUSE(g, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                      "The manual partition assignment includes an empty replica list.");
    }
    for (int32_t at = 0; at < a->broker_ids_count; at++) {
        const struct broker_node *n = broker_find_node(g->request->node->cluster, a->broker_ids[at]);
        if (!n) {
            return REFUSE(g, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                          "The manual partition assignment includes broker %d, but no such broker is registered.",
                          a->broker_ids[at]);
        }
        alive |= !n->fenced;
        for (int32_t other = 0; other < at; other++) {
            if (a->broker_ids[other] != a->broker_ids[at]) continue;
            return REFUSE(g, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                          "The manual partition assignment includes the broker %d more than once.", a->broker_ids[at]);
        }
    }
    if (a->broker_ids_count != factor) {
        return REFUSE(g, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                      "The manual partition assignment includes a partition with %d replica(s), but this is not "
                      "consistent with previous partitions, which have %d replica(s).",
                      a->broker_ids_count, factor);
    }
    memcpy(replicas, a->broker_ids, (size_t)factor * sizeof *replicas);
    if (alive) return true;
    return REFUSE(g, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                  "All brokers specified in the manual partition assignment for partition %d are fenced or in "
                  "controlled shutdown.",
                  g->topic->partitions_count + i);
}

static void grow(struct growth *g) {
    const struct create_partitions_request *request = g->request->body;
    struct broker_cluster *c = g->request->node->cluster;
    g->answer->name = g->asked->name;
    g->topic = broker_find_topic(c, g->asked->name);
    if (!g->topic) {
        g->answer->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        return;
    }
    if (!count_is_right(g)) return;
    int32_t added = g->asked->count - g->topic->partitions_count;
    int32_t factor = g->topic->partitions[0]->replicas_count;
    bool by_hand = g->asked->assignments_count >= 0, fits = added <= *g->records_left;
    if (!fits && !by_hand) added = *g->records_left;  // no need to place more
    int32_t *replicas = REQUEST_ARRAY(g->request, added * factor, int32_t);
    for (int32_t i = 0; i < g->asked->assignments_count; i++) {
        if (!take_assignment(g, i, replicas + i * factor, factor)) return;
    }
    if (!by_hand && !broker_place(c, added, factor, replicas)) {
        REFUSE(g, KAFKA_INVALID_REPLICATION_FACTOR, "All brokers are currently fenced.");
        return;
    }
    if (!broker_request_mutates(g->request, added)) {
        REFUSE(g, KAFKA_THROTTLING_QUOTA_EXCEEDED, "The throttling quota has been exceeded.");
        return;
    }
    // What was written down before the list of records was full stays there, and is made.
    if (!fits) {
        added = *g->records_left;
        g->answer->error_code = KAFKA_UNKNOWN_SERVER_ERROR;
    }
    *g->records_left -= added;
    for (int32_t i = 0; i < added && !request->validate_only; i++) {
        broker_topic_add_partition(g->topic, c, replicas + i * factor, factor);
    }
}

void handle_create_partitions(struct broker_request *r) {
    const struct create_partitions_request *request = r->body;
    struct create_partitions_response response;
    int32_t records_left = BROKER_RECORDS_PER_REQUEST_MAX;
    message_defaults(r->api->response, &response);
    response.results = REQUEST_ARRAY(r, request->topics_count, struct create_partitions_response_topic);
    const int32_t *times =
        asked_names_times(r, request->topics, sizeof *request->topics,
                          offsetof(struct create_partitions_request_topic, name), request->topics_count);
    for (int32_t i = 0; i < request->topics_count; i++) {
        if (times[i] == 0) continue;
        struct create_partitions_response_topic *out = &response.results[response.results_count++];
        message_defaults(&create_partitions_response_topic_message, out);
        struct growth g = {.request = r, .asked = &request->topics[i], .answer = out, .records_left = &records_left};
        if (times[i] == 1) {
            grow(&g);
        } else {
            out->name = g.asked->name;
            REFUSE(&g, KAFKA_INVALID_REQUEST, "Duplicate topic name.");
        }
    }
    response.throttle_time_ms = broker_request_throttle_ms(r);
    broker_answer(r, &response);
}

// ElectLeaders -------------------------------------------------------------------------------------------------------

enum { ELECTION_PREFERRED, ELECTION_UNCLEAN };

static int16_t elect(struct broker_partition *p, bool unclean) {
    const struct broker_node *preferred = p->replicas[0]->node;
    if (unclean) {
        if (p->leader != BROKER_ID_NONE) return KAFKA_ELECTION_NOT_NEEDED;
        return broker_elect(p, true) ? KAFKA_NONE : KAFKA_ELIGIBLE_LEADERS_NOT_AVAILABLE;
    }
    if (p->leader == preferred->id) return KAFKA_ELECTION_NOT_NEEDED;
    if (preferred->fenced || !broker_isr_has(p, preferred->id)) return KAFKA_PREFERRED_LEADER_NOT_AVAILABLE;
    broker_elect_node(p, preferred->id);
    return KAFKA_NONE;
}

static const char *election_message(int16_t code) {
    switch (code) {
    case KAFKA_ELECTION_NOT_NEEDED:
        return "Leader election not needed for topic partition.";
    case KAFKA_PREFERRED_LEADER_NOT_AVAILABLE:
        return "The preferred leader was not available.";
    case KAFKA_ELIGIBLE_LEADERS_NOT_AVAILABLE:
        return "Eligible topic partition leaders are not available.";
    default:
        return NULL;
    }
}

static bool election_is_known(const struct broker_request *r) {  // ElectionType.valueOf
    const struct elect_leaders_request *request = r->body;
    return r->version < 1 || request->election_type == ELECTION_PREFERRED || request->election_type == ELECTION_UNCLEAN;
}

static void elect_asked(struct broker_request *r, const struct elect_leaders_request_topic *asked, bool unclean,
                        struct elect_leaders_response_topic *out) {
    struct wire_text name = asked->topic;
    struct broker_topic *t = broker_find_topic(r->node->cluster, name);
    bool known = election_is_known(r);
    out->topic = name;
    out->partition_result_count = asked->partitions_count;
    out->partition_result = REQUEST_ARRAY(r, asked->partitions_count, struct elect_leaders_response_partition);
    for (int32_t i = 0; i < asked->partitions_count && !broker_request_is_full(r); i++) {
        struct broker_partition *p = broker_find_partition(t, asked->partitions[i]);
        struct elect_leaders_response_partition *result = &out->partition_result[i];
        result->partition_id = asked->partitions[i];
        result->error_code = !p ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION : known ? elect(p, unclean) : KAFKA_NONE;
        result->error_message = text_of(election_message(result->error_code));
        if (!known) {
            result->error_code = KAFKA_INVALID_REQUEST;
            result->error_message = text_of("Unknown election type");
        } else if (!t) {
            result->error_message = broker_request_say(r, "No such topic as %.*s", name.size, name.at);
        } else if (!p) {
            result->error_message = broker_request_say(r, "No such partition as %s-%d", t->name, asked->partitions[i]);
        }
    }
}

// All partitions: those that had nothing to elect are left out.
static void elect_all(struct broker_request *r, struct broker_topic *t, bool unclean,
                      struct elect_leaders_response_topic *out) {
    out->topic = text_of(t->name);
    out->partition_result_count = 0;
    out->partition_result = REQUEST_ARRAY(r, t->partitions_count, struct elect_leaders_response_partition);
    for (int32_t i = 0; i < t->partitions_count; i++) {
        int16_t code = elect(t->partitions[i], unclean);
        if (code == KAFKA_ELECTION_NOT_NEEDED) continue;
        out->partition_result[out->partition_result_count++] = (struct elect_leaders_response_partition){
            .partition_id = i, .error_code = code, .error_message = text_of(election_message(code))};
    }
}

void handle_elect_leaders(struct broker_request *r) {
    const struct elect_leaders_request *request = r->body;
    const struct broker_cluster *c = r->node->cluster;
    struct elect_leaders_response response;
    message_defaults(r->api->response, &response);
    response.throttle_time_ms = r->node->throttle_ms;
    bool unclean = r->version >= 1 && request->election_type == ELECTION_UNCLEAN;
    bool all = request->topic_partitions_count < 0;
    if (!election_is_known(r)) response.error_code = KAFKA_INVALID_REQUEST;
    int32_t count = all ? (int32_t)c->topics_count : request->topic_partitions_count;
    response.replica_election_results = REQUEST_ARRAY(r, count, struct elect_leaders_response_topic);
    response.replica_election_results_count = count;
    for (int32_t i = 0; i < count; i++) {
        struct elect_leaders_response_topic *out = &response.replica_election_results[i];
        if (broker_request_is_full(r)) break;
        if (all) elect_all(r, c->topics[i], unclean, out);
        else elect_asked(r, &request->topic_partitions[i], unclean, out);
    }
    broker_answer(r, &response);
}
