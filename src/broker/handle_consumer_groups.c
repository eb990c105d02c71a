// ConsumerGroupHeartbeat and ConsumerGroupDescribe (KIP-848) as brokers answer them where only the classic protocol is
// switched on (group.coordinator.rebalance.protocols): offered and refused (kafka.server.KafkaApis). Were they not
// offered, librdkafka's consumers would wait for ever instead of failing.
#include "broker/handlers.h"
#include "broker/request.h"
#include "wire/error_codes.h"

void handle_consumer_group_heartbeat(struct broker_request *r) {
    struct consumer_group_heartbeat_response response;
    message_defaults(r->api->response, &response);
    response.throttle_time_ms = r->node->throttle_ms;
    response.error_code = KAFKA_UNSUPPORTED_VERSION;
    broker_answer(r, &response);
}

void handle_consumer_group_describe(struct broker_request *r) {
    const struct consumer_group_describe_request *request = r->body;
    struct consumer_group_describe_response response = {.throttle_time_ms = r->node->throttle_ms};
    response.groups = REQUEST_ARRAY(r, request->group_ids_count, struct consumer_group_describe_response_group);
    for (; response.groups_count < request->group_ids_count; response.groups_count++) {
        struct consumer_group_describe_response_group *out = &response.groups[response.groups_count];
        message_defaults(&consumer_group_describe_response_group_message, out);
        out->group_id = request->group_ids[response.groups_count];
        out->error_code = KAFKA_UNSUPPORTED_VERSION;
    }
    broker_answer(r, &response);
}
