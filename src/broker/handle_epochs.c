// OffsetForLeaderEpoch: where an epoch ends in the leader's log; that of the current one is the log end, not the high
// watermark (KIP-101, KIP-320; ReplicaManager.lastOffsetForLeaderEpoch).
#include "broker/asked_partitions.h"
#include "broker/handlers.h"
#include "wire/error_codes.h"

static void answer_partition(const struct broker_request *r, const struct broker_topic *t,
                             const struct offset_for_leader_epoch_request_partition *asked,
                             struct offset_for_leader_epoch_response_partition *a) {
    message_defaults(&offset_for_leader_epoch_response_partition_message, a);
    a->partition = asked->partition;
    const struct broker_partition *p = broker_known_partition(r->node, t, asked->partition);
    const struct broker_replica *replica =
        broker_asked_replica(r->node, p, asked->current_leader_epoch, true, &a->error_code);
    if (!replica) return;
    struct log_epoch end = broker_log_end_of_epoch(&replica->log, asked->leader_epoch);
    a->leader_epoch = end.epoch;
    a->end_offset = end.start;
}

void handle_offset_for_leader_epoch(struct broker_request *r) {
    const struct offset_for_leader_epoch_request *body = r->body;
    struct offset_for_leader_epoch_response response = {.throttle_time_ms = r->node->throttle_ms};
    response.topics = REQUEST_ARRAY(r, body->topics_count, struct offset_for_leader_epoch_response_topic);
    response.topics_count = body->topics_count;
    for (int32_t i = 0; i < body->topics_count; i++) {
        const struct offset_for_leader_epoch_request_topic *t = &body->topics[i];
        const struct broker_topic *topic = broker_known_topic(r->node, t->topic);
        struct offset_for_leader_epoch_response_partition *answers =
            REQUEST_ARRAY(r, t->partitions_count, struct offset_for_leader_epoch_response_partition);
        for (int32_t j = 0; j < t->partitions_count; j++) answer_partition(r, topic, &t->partitions[j], &answers[j]);
        response.topics[i] = (struct offset_for_leader_epoch_response_topic){t->topic, answers, t->partitions_count};
    }
    broker_answer(r, &response);
}
