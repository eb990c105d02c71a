// DescribeConfigs: after kafka.server.ConfigHelper. Documentation is always null.
#include "broker/asked_partitions.h"
#include "broker/config_view.h"
#include "broker/handlers.h"
#include "broker/request.h"
#include "broker/topic_names.h"
#include "wire/error_codes.h"

#include <stdlib.h>

static bool asked_for(const struct describe_configs_request_resource *asked, const char *name) {
    for (int32_t i = 0; i < asked->configuration_keys_count; i++) {
        if (wire_text_same(asked->configuration_keys[i], text_of(name))) return true;
    }
    return asked->configuration_keys_count <= 0;
}

static void add_synonym(struct describe_configs_response_config *out, const struct config_synonym *s, bool sensitive) {
    out->synonyms[out->synonyms_count++] = (struct describe_configs_response_synonym){
        .name = text_of(s->name), .value = text_of(sensitive ? NULL : s->value), .source = s->source};
}

// Takes the synonyms' first as the source, and shows them when asked.
static void add_synonyms(struct broker_request *r, struct describe_configs_response_config *out,
                         const struct config_synonym *own, const struct config_synonym *synonyms, int32_t count) {
    const struct describe_configs_request *request = r->body;
    out->config_source = own ? own->source : count > 0 ? synonyms[0].source : CONFIG_DEFAULT;
    out->synonyms = REQUEST_ARRAY(r, count + 1, struct describe_configs_response_synonym);
    if (!request->include_synonyms) return;
    if (own) add_synonym(out, own, out->is_sensitive);
    for (int32_t i = 0; i < count; i++) add_synonym(out, &synonyms[i], out->is_sensitive);
}

static struct describe_configs_response_config *add(struct describe_configs_response_resource *out,
                                                    const struct setting_definition *d) {
    struct describe_configs_response_config *config = &out->configs[out->configs_count++];
    *config = (struct describe_configs_response_config){.name = text_of(d->name),
                                                        .is_sensitive = d->sensitive,
                                                        .config_type = (int8_t)d->type,
                                                        .documentation = {NULL, -1}};
    return config;
}

static const char *shown(struct broker_request *r, const struct setting_definition *d, const char *value) {
    return value ? setting_shown(d, value, broker_request_alloc(r, strlen(value) + SETTING_NUMBER_SIZE)) : NULL;
}

// What counts where a topic or a group sets nothing. What brokers may change at run time is not looked at for groups
// (GroupCoordinatorConfig.extractGroupConfigMap), though it is named as the source.
static const char *default_of(struct broker_request *r, const struct setting_definition *d) {
    const struct setting_definition *of_broker =
        d->broker_name ? setting_find(SETTING_OF_BROKER, text_of(d->broker_name)) : NULL;
    if (d->scope == SETTING_OF_GROUP && of_broker && !of_broker->read_only) return d->value_default;
    char *text = broker_request_alloc(r, SETTING_NUMBER_SIZE);
    return setting_default(d, &r->node->settings, text, SETTING_NUMBER_SIZE);
}

// Of what is no broker: `values` are those that were set of it.
static void describe_values(struct broker_request *r, const struct describe_configs_request_resource *asked,
                            enum setting_scope scope, const struct setting_values *values,
                            struct describe_configs_response_resource *out) {
    static const int8_t source[] = {[SETTING_OF_TOPIC] = CONFIG_OF_TOPIC,
                                    [SETTING_OF_GROUP] = CONFIG_OF_GROUP,
                                    [SETTING_OF_METRICS] = CONFIG_OF_METRICS};
    const struct broker_cluster *c = r->node->cluster;
    out->configs = REQUEST_ARRAY(r, setting_table_count, struct describe_configs_response_config);
    for (size_t i = 0; i < setting_table_count; i++) {
        const struct setting_definition *d = &setting_table[i];
        if (d->scope != scope || !asked_for(asked, d->name)) continue;
        struct config_synonym own = {d->name, setting_values_get(values, d->name), source[scope]};
        if (d->internal && !own.value) continue;
        own.value = shown(r, d, own.value);
        struct config_synonym synonyms[CONFIG_SYNONYMS_MAX];
        int32_t count = d->broker_name ? config_synonyms(c, r->node, d->broker_name, synonyms) : 0;
        if (!d->broker_name && scope == SETTING_OF_GROUP)
            synonyms[count++] = (struct config_synonym){d->name, d->value_default, CONFIG_DEFAULT};
        struct describe_configs_response_config *config = add(out, d);
        const char *by_default = default_of(r, d);
        config->value = text_of(own.value ? own.value : shown(r, d, by_default));
        add_synonyms(r, config, own.value ? &own : NULL, synonyms, count);
    }
}

// What was set and is no setting of brokers may be a plug-in's secret. `node` NULL: what was set for all of them.
static void add_unknown(struct broker_request *r, const struct describe_configs_request_resource *asked,
                        const struct broker_node *node, struct describe_configs_response_resource *out) {
    const struct broker_cluster *c = r->node->cluster;
    const struct setting_values *own = node ? &node->settings_dynamic : NULL;
    size_t own_count = own ? own->count : 0;
    for (size_t i = 0; i < own_count + c->settings_dynamic.count; i++) {
        const char *name = i < own_count ? own->at[i].name : c->settings_dynamic.at[i - own_count].name;
        const struct setting_definition unknown = {.name = name, .sensitive = true};
        bool twice = i >= own_count && own && setting_values_get(own, name);
        if (twice || setting_find(SETTING_OF_BROKER, text_of(name)) || !asked_for(asked, name)) continue;
        struct config_synonym synonyms[CONFIG_SYNONYMS_MAX];
        int32_t count = config_synonyms(c, node, name, synonyms);
        struct describe_configs_response_config *config = add(out, &unknown);
        config->read_only = true;
        config->value = text_of(NULL);
        add_synonyms(r, config, NULL, synonyms, node ? count : 1);
    }
}

// Of this broker, or, without a name, what was set for all of them at run time.
static void describe_broker(struct broker_request *r, const struct describe_configs_request_resource *asked,
                            struct describe_configs_response_resource *out) {
    const struct broker_cluster *c = r->node->cluster;
    bool of_all = asked->resource_name.size == 0;
    const struct broker_node *node = of_all ? NULL : r->node;
    out->configs =
        REQUEST_ARRAY(r, setting_table_count + c->settings_dynamic.count + r->node->settings_dynamic.count,
                      struct describe_configs_response_config);
    for (size_t i = 0; i < setting_table_count; i++) {
        const struct setting_definition *d = &setting_table[i];
        if (d->scope != SETTING_OF_BROKER || d->internal || !asked_for(asked, d->name)) continue;
        if (of_all && !setting_values_get(&c->settings_dynamic, d->name)) continue;
        struct config_synonym synonyms[CONFIG_SYNONYMS_MAX];
        int32_t count = config_synonyms(c, node, d->name, synonyms);
        if (of_all) count = 1;
        struct describe_configs_response_config *config = add(out, d);
        config->read_only = d->read_only;
        const char *value = count > 0 && !d->sensitive ? synonyms[0].value : NULL;
        config->value = text_of(of_all ? value : shown(r, d, value));
        add_synonyms(r, config, NULL, synonyms, count);
    }
    add_unknown(r, asked, node, out);
}

static void refuse(struct describe_configs_response_resource *out, struct wire_text text) {
    out->error_code = KAFKA_INVALID_REQUEST;
    out->error_message = text;
}

static bool is_own_id(struct broker_request *r, struct describe_configs_response_resource *out) {
    int32_t id = r->node->id;
    if (wire_text_same(out->resource_name, broker_request_say(r, "%d", id))) return true;
    refuse(out, broker_request_say(r, "Unexpected broker id, expected %d, but received %.*s", id,
                                   out->resource_name.size, out->resource_name.at));
    return false;
}

static void describe(struct broker_request *r, const struct describe_configs_request_resource *asked,
                     struct describe_configs_response_resource *out) {
    struct wire_text name = asked->resource_name;
    char reason[TOPIC_REASON_MAX];
    out->resource_type = asked->resource_type;
    out->resource_name = name;
    out->error_message = text_of("");
    switch (asked->resource_type) {
    case RESOURCE_TOPIC: {
        const char *refusal = topic_name_refusal(name, reason, sizeof reason);
        const struct broker_topic *t = broker_known_topic(r->node, name);
        if (refusal) {
            out->error_code = KAFKA_INVALID_TOPIC_EXCEPTION;
            out->error_message = broker_request_say(r, "Topic name is invalid: %s", refusal);
        } else if (t && t->undescribed) {
            out->error_code = KAFKA_TOPIC_AUTHORIZATION_FAILED;
            out->error_message = text_of("Topic authorization failed.");
        } else if (t) {
            describe_values(r, asked, SETTING_OF_TOPIC, &t->values, out);
        } else {
            out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        }
        break;
    }
    case RESOURCE_BROKER:
        if (name.size == 0 || is_own_id(r, out)) describe_broker(r, asked, out);
        break;
    case RESOURCE_LOGGER:
        is_own_id(r, out);
        break;
    default: {
        const struct setting_values *values = config_named(r->node->cluster, asked->resource_type, name);
        bool group = asked->resource_type == RESOURCE_GROUP;
        if (name.size == 0) refuse(out, text_of("The name must not be empty"));
        else describe_values(r, asked, group ? SETTING_OF_GROUP : SETTING_OF_METRICS, values, out);
    }
    }
}

static bool type_is_known(int8_t type) {
    return type == RESOURCE_TOPIC || type == RESOURCE_BROKER || type == RESOURCE_LOGGER || type == RESOURCE_METRICS ||
           type == RESOURCE_GROUP;
}

// One of a type that nobody knows, and the whole request is refused: who may ask about it cannot be told.
static bool types_are_known(struct broker_request *r, struct describe_configs_response *response) {
    const struct describe_configs_request *request = r->body;
    int32_t known = 0;
    while (known < request->resources_count && type_is_known(request->resources[known].resource_type)) known++;
    if (known == request->resources_count) return true;
    const struct describe_configs_request_resource *bad = &request->resources[known];
    struct wire_text text = broker_request_say(r, "Unexpected resource type UNKNOWN for resource %.*s",
                                               bad->resource_name.size, bad->resource_name.at);
    for (int32_t i = 0; i < request->resources_count; i++) {
        response->results[i].resource_type = request->resources[i].resource_type;
        response->results[i].resource_name = request->resources[i].resource_name;
        refuse(&response->results[i], text);
    }
    return false;
}

void handle_describe_configs(struct broker_request *r) {
    const struct describe_configs_request *request = r->body;
    struct describe_configs_response response;
    message_defaults(r->api->response, &response);
    response.throttle_time_ms = r->node->throttle_ms;
    response.results_count = request->resources_count;
    response.results = REQUEST_ARRAY(r, request->resources_count, struct describe_configs_response_resource);
    bool known = types_are_known(r, &response);
    for (int32_t i = 0; i < request->resources_count && known && !broker_request_is_full(r); i++)
        describe(r, &request->resources[i], &response.results[i]);
    broker_answer(r, &response);
}
