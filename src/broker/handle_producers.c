// DescribeProducers: what any replica, a lagging follower too, has in its producer states (KIP-664;
// ReplicaManager.activeProducerState).
#include "broker/asked_partitions.h"
#include "broker/handlers.h"
#include "broker/topic_names.h"
#include "wire/error_codes.h"

#include <stdlib.h>

#define UNKNOWN_TOPIC_TEXT "This server does not host this topic-partition."

static int by_id(const void *a, const void *b) {
    const struct describe_producers_response_producer *x = a, *y = b;
    return (x->producer_id > y->producer_id) - (x->producer_id < y->producer_id);
}

static void list_producers(struct broker_request *r, const struct producer_states *s,
                           struct describe_producers_response_partition *a) {
    a->active_producers = REQUEST_ARRAY(r, s->by_id.count, struct describe_producers_response_producer);
    const struct producer_state *p;
    for (size_t i = 0; (p = map_next(&s->by_id, &i));) {
        a->active_producers[a->active_producers_count++] = (struct describe_producers_response_producer){
            .producer_id = p->producer_id,
            .producer_epoch = p->epoch,
            .last_sequence = producer_state_last_sequence(p),
            .last_timestamp = p->last_timestamp_ms,
            .coordinator_epoch = p->coordinator_epoch,
            .current_txn_start_offset = p->transaction_first_offset,
        };
    }
    qsort(a->active_producers, (size_t)a->active_producers_count, sizeof *a->active_producers, by_id);
}

// Why nothing can be said of any of the topic's partitions; message size -1: something can.
struct refusal {
    int16_t error_code;
    struct wire_text message;
};

static struct refusal refuse_topic(struct broker_request *r, struct wire_text name, const struct broker_topic *t) {
    static const char prefix[] = "Topic name is invalid: ";
    if (t) return (struct refusal){t->unreadable ? KAFKA_TOPIC_AUTHORIZATION_FAILED : KAFKA_NONE, {NULL, -1}};
    char text[TOPIC_REASON_MAX];
    const char *reason = topic_name_refusal(name, text, sizeof text);
    if (!reason) {
        return (struct refusal){KAFKA_UNKNOWN_TOPIC_OR_PARTITION, {UNKNOWN_TOPIC_TEXT, sizeof UNKNOWN_TOPIC_TEXT - 1}};
    }
    size_t size = sizeof prefix - 1 + strlen(reason);
    char *message = broker_request_alloc(r, size + 1);
    memcpy(message, prefix, sizeof prefix - 1);
    memcpy(message + sizeof prefix - 1, reason, strlen(reason));
    return (struct refusal){KAFKA_INVALID_TOPIC_EXCEPTION, {message, (int32_t)size}};
}

static void answer_partition(struct broker_request *r, const struct broker_topic *t, int32_t index,
                             const struct refusal *refusal, struct describe_producers_response_partition *a) {
    message_defaults(&describe_producers_response_partition_message, a);
    a->partition_index = index;
    a->error_code = refusal->error_code;
    a->error_message = refusal->message;
    if (a->error_code != KAFKA_NONE || broker_request_is_full(r)) return;
    const struct broker_partition *p = broker_known_partition(r->node, t, index);
    const struct broker_replica *replica = broker_asked_replica(r->node, p, -1, false, &a->error_code);
    if (replica) list_producers(r, &replica->log.producers, a);
}

void handle_describe_producers(struct broker_request *r) {
    const struct describe_producers_request *body = r->body;
    struct describe_producers_response response = {.throttle_time_ms = r->node->throttle_ms};
    response.topics = REQUEST_ARRAY(r, body->topics_count, struct describe_producers_response_topic);
    response.topics_count = body->topics_count;
    for (int32_t i = 0; i < body->topics_count; i++) {
        const struct describe_producers_request_topic *t = &body->topics[i];
        const struct broker_topic *topic = broker_known_topic(r->node, t->name);
        struct refusal refusal = refuse_topic(r, t->name, topic);
        struct describe_producers_response_partition *answers =
            REQUEST_ARRAY(r, t->partition_indexes_count, struct describe_producers_response_partition);
        for (int32_t j = 0; j < t->partition_indexes_count; j++) {
            answer_partition(r, topic, t->partition_indexes[j], &refusal, &answers[j]);
        }
        response.topics[i] = (struct describe_producers_response_topic){t->name, answers, t->partition_indexes_count};
    }
    broker_answer(r, &response);
}
