// FindCoordinator: which node leads the partition that a group or a transactional id belongs to.
#include "broker/asked_partitions.h"
#include "broker/coordinator.h"
#include "broker/handlers.h"
#include "broker/topic_names.h"
#include "wire/error_codes.h"

#define KEYS_SINCE 4  // KIP-699
#define KEY_GROUP 0
#define KEY_TRANSACTION 1
#define MESSAGE_NONE "NONE"  // Errors.NONE.message()
#define MESSAGE_NOT_AVAILABLE "The coordinator is not available."
#define MESSAGE_INVALID                                                                                                \
    "This most likely occurs because of a request being malformed by the client library or the message was sent to "   \
    "an incompatible broker. See the broker logs for more details."

static int16_t find(struct broker_request *r, int8_t key_type, struct wire_text key,
                    struct find_coordinator_response_coordinator *out) {
    struct broker_cluster *c = r->node->cluster;
    out->key = key;
    out->node_id = out->port = -1;
    out->host = out->error_message = text_of("");
    if (key_type != KEY_GROUP && key_type != KEY_TRANSACTION) return KAFKA_INVALID_REQUEST;
    struct wire_text name = text_of(key_type == KEY_GROUP ? GROUP_TOPIC : TRANSACTION_TOPIC);
    const struct broker_topic *t = broker_find_topic(c, name);
    if (!t) {
        broker_topics_create_automatically(c, &name, 1);
        return KAFKA_COORDINATOR_NOT_AVAILABLE;  // it is being made: the client comes again
    }
    struct broker_partition *p = broker_find_partition(t, coordinator_partition(key, t->partitions_count));
    struct leader_endpoints endpoints = {.count = 0};
    int32_t leader, leader_epoch;
    broker_believed_leader(r->node, p, &leader, &leader_epoch, &endpoints);
    if (!endpoints.count) return KAFKA_COORDINATOR_NOT_AVAILABLE;
    out->node_id = leader;
    out->host = broker_host(r->node);
    out->port = broker_port(r->node, leader);
    return KAFKA_NONE;
}

void handle_find_coordinator(struct broker_request *r) {
    const struct find_coordinator_request *body = r->body;
    bool many = r->version >= KEYS_SINCE;
    struct find_coordinator_response response;
    message_defaults(&find_coordinator_response_message, &response);
    response.coordinators_count = many ? body->coordinator_keys_count : 1;
    response.coordinators = REQUEST_ARRAY(r, response.coordinators_count, struct find_coordinator_response_coordinator);
    for (int32_t i = 0; i < response.coordinators_count; i++) {
        struct find_coordinator_response_coordinator *k = &response.coordinators[i];
        k->error_code = find(r, body->key_type, many ? body->coordinator_keys[i] : body->key, k);
        if (k->error_code == KAFKA_INVALID_REQUEST && many) k->error_message = text_of(MESSAGE_INVALID);
    }
    if (!many) {
        const struct find_coordinator_response_coordinator *k = &response.coordinators[0];
        response.error_code = k->error_code;
        const char *message = k->error_code == KAFKA_INVALID_REQUEST ? MESSAGE_INVALID : MESSAGE_NOT_AVAILABLE;
        response.error_message = text_of(k->error_code ? message : MESSAGE_NONE);
        response.node_id = k->node_id;
        response.host = k->host;
        response.port = k->port;
        response.coordinators_count = 0;
    }
    broker_answer(r, &response);
}
