// ListConfigResources: what DescribeConfigs can be asked about (KafkaApis.handleListConfigResources, KIP-1142). Groups
// and client metrics have no settings here.
#include "broker/asked_partitions.h"
#include "broker/config_view.h"
#include "broker/handlers.h"
#include "wire/error_codes.h"

// Answers false when the type is none that can be listed.
static bool add(struct broker_request *r, int8_t type, struct list_config_resources_response *out) {
    const struct broker_cluster *c = r->node->cluster;
    switch (type) {
    case RESOURCE_TOPIC:
        for (size_t i = 0; i < c->topics_count; i++) {
            if (!broker_known_topic(r->node, text_of(c->topics[i]->name))) continue;
            out->config_resources[out->config_resources_count++] =
                (struct list_config_resources_response_config_resource){text_of(c->topics[i]->name), type};
        }
        return true;
    case RESOURCE_BROKER:
    case RESOURCE_LOGGER:
        for (int32_t i = 0; i < c->config.nodes; i++) {
            int32_t id = c->nodes[i].id;
            if (!broker_knows_alive(r->node, id)) continue;
            out->config_resources[out->config_resources_count++] =
                (struct list_config_resources_response_config_resource){broker_request_say(r, "%d", id), type};
        }
        return true;
    case RESOURCE_METRICS:
    case RESOURCE_GROUP:
        return true;
    default:
        return false;
    }
}

void handle_list_config_resources(struct broker_request *r) {
    static const int8_t every[] = {RESOURCE_GROUP, RESOURCE_METRICS, RESOURCE_LOGGER, RESOURCE_BROKER, RESOURCE_TOPIC};
    static const int8_t metrics[] = {RESOURCE_METRICS};
    const struct list_config_resources_request *request = r->body;
    const struct broker_cluster *c = r->node->cluster;
    struct list_config_resources_response response = {.throttle_time_ms = r->node->throttle_ms};
    response.config_resources = REQUEST_ARRAY(r, c->topics_count + 2 * (size_t)c->config.nodes,
                                              struct list_config_resources_response_config_resource);
    const int8_t *types = r->version == 0 ? metrics : every;
    int32_t count = r->version == 0 ? 1 : (int32_t)sizeof every;
    if (request->resource_types_count > 0) {
        types = request->resource_types;
        count = request->resource_types_count;
    }
    bool added[UINT8_MAX + 1] = {false};
    for (int32_t i = 0; i < count && !response.error_code; i++) {
        if (!added[(uint8_t)types[i]] && !add(r, types[i], &response)) response.error_code = KAFKA_UNSUPPORTED_VERSION;
        added[(uint8_t)types[i]] = true;
    }
    if (response.error_code) response.config_resources_count = 0;
    broker_answer(r, &response);
}
