// ListConfigResources: what DescribeConfigs can be asked about (KafkaApis.handleListConfigResources, KIP-1142).
#include "broker/asked_partitions.h"
#include "broker/config_view.h"
#include "broker/handlers.h"
#include "wire/error_codes.h"

// The order of the answer.
static const int8_t kinds[] = {RESOURCE_GROUP, RESOURCE_METRICS, RESOURCE_LOGGER, RESOURCE_BROKER, RESOURCE_TOPIC};
static const int8_t kinds_before_1[] = {RESOURCE_METRICS};

static void add(struct list_config_resources_response *out, struct wire_text name, int8_t type) {
    out->config_resources[out->config_resources_count++] =
        (struct list_config_resources_response_config_resource){name, type};
}

static void add_all(struct broker_request *r, int8_t type, struct list_config_resources_response *out) {
    const struct broker_cluster *c = r->node->cluster;
    if (type == RESOURCE_TOPIC) {
        for (size_t i = 0; i < c->topics_count; i++) {
            struct wire_text name = text_of(c->topics[i]->name);
            if (broker_known_topic(r->node, name)) add(out, name, type);
        }
    } else if (type == RESOURCE_BROKER || type == RESOURCE_LOGGER) {
        for (int32_t i = 0; i < c->config.nodes; i++) {
            int32_t id = c->nodes[i].id;
            if (broker_knows_alive(r->node, id)) add(out, broker_request_say(r, "%d", id), type);
        }
    } else {
        const struct config_named *n;
        for (size_t i = 0; (n = map_next(config_named_all(c, type), &i));) add(out, text_of(n->name), type);
    }
}

static bool has(const int8_t *types, int32_t count, int8_t type) {
    for (int32_t i = 0; i < count; i++)
        if (types[i] == type) return true;
    return false;
}

void handle_list_config_resources(struct broker_request *r) {
    const struct list_config_resources_request *request = r->body;
    const struct broker_cluster *c = r->node->cluster;
    struct list_config_resources_response response = {.throttle_time_ms = r->node->throttle_ms};
    const int8_t *known = r->version == 0 ? kinds_before_1 : kinds;
    int32_t known_count = r->version == 0 ? (int32_t)sizeof kinds_before_1 : (int32_t)sizeof kinds;
    int32_t asked = request->resource_types_count;
    for (int32_t i = 0; i < asked; i++)
        if (!has(known, known_count, request->resource_types[i])) response.error_code = KAFKA_UNSUPPORTED_VERSION;
    size_t count = c->topics_count + 2 * (size_t)c->config.nodes + c->settings_of_groups.count;
    response.config_resources = REQUEST_ARRAY(r, count + c->settings_of_metrics.count,
                                              struct list_config_resources_response_config_resource);
    for (int32_t i = 0; i < known_count && !response.error_code; i++)
        if (asked <= 0 || has(request->resource_types, asked, known[i])) add_all(r, known[i], &response);
    broker_answer(r, &response);
}
