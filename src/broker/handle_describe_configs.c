// DescribeConfigs: after kafka.server.ConfigHelper. Documentation is always null; groups and client metrics have no
// settings here.
#include "broker/asked_partitions.h"
#include "broker/config_view.h"
#include "broker/handlers.h"
#include "broker/request.h"
#include "broker/topic_names.h"
#include "wire/error_codes.h"

#include <stdlib.h>

static bool asked_for(const struct describe_configs_request_resource *asked, const char *name) {
    for (int32_t i = 0; i < asked->configuration_keys_count; i++) {
        if (wire_text_same(asked->configuration_keys[i], config_text(name))) return true;
    }
    return asked->configuration_keys_count <= 0;
}

static void add_synonym(struct describe_configs_response_config *out, const struct config_synonym *s, bool sensitive) {
    out->synonyms[out->synonyms_count++] = (struct describe_configs_response_synonym){
        .name = config_text(s->name), .value = config_text(sensitive ? NULL : s->value), .source = s->source};
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
    *config = (struct describe_configs_response_config){.name = config_text(d->name),
                                                        .is_sensitive = d->sensitive,
                                                        .config_type = (int8_t)d->type,
                                                        .documentation = {NULL, -1}};
    return config;
}

static void describe_topic(struct broker_request *r, const struct describe_configs_request_resource *asked,
                           const struct broker_topic *t, struct describe_configs_response_resource *out) {
    const struct broker_cluster *c = r->node->cluster;
    out->configs = REQUEST_ARRAY(r, setting_table_count, struct describe_configs_response_config);
    for (size_t i = 0; i < setting_table_count; i++) {
        const struct setting_definition *d = &setting_table[i];
        if (d->scope != SETTING_OF_TOPIC || !asked_for(asked, d->name)) continue;
        struct config_synonym own = {d->name, setting_values_get(&t->values, d->name), CONFIG_OF_TOPIC};
        if (d->internal && !own.value) continue;
        struct config_synonym synonyms[CONFIG_SYNONYMS_MAX];
        int32_t count = d->broker_name ? config_synonyms(c, r->node, d->broker_name, synonyms) : 0;
        struct describe_configs_response_config *config = add(out, d);
        char *text = broker_request_alloc(r, SETTING_NUMBER_SIZE);
        config->value =
            config_text(own.value ? own.value : setting_default(d, &r->node->settings, text, SETTING_NUMBER_SIZE));
        add_synonyms(r, config, own.value ? &own : NULL, synonyms, count);
    }
}

// What was set for all brokers and is no setting of theirs may be a plug-in's secret.
static void add_unknown(struct broker_request *r, struct describe_configs_response_resource *out) {
    const struct setting_values *values = &r->node->cluster->settings_dynamic;
    for (size_t i = 0; i < values->count; i++) {
        const struct setting_definition unknown = {.name = values->at[i].name, .sensitive = true};
        if (setting_find(SETTING_OF_BROKER, config_text(unknown.name))) continue;
        struct config_synonym synonym = {unknown.name, NULL, CONFIG_OF_ALL_BROKERS};
        struct describe_configs_response_config *config = add(out, &unknown);
        config->read_only = true;
        config->value = config_text(NULL);
        add_synonyms(r, config, NULL, &synonym, 1);
    }
}

// Of this broker, or, without a name, what was set for all of them at run time.
static void describe_broker(struct broker_request *r, const struct describe_configs_request_resource *asked,
                            struct describe_configs_response_resource *out) {
    const struct broker_cluster *c = r->node->cluster;
    bool of_all = asked->resource_name.size == 0;
    out->configs = REQUEST_ARRAY(r, setting_table_count + (of_all ? c->settings_dynamic.count : 0),
                                 struct describe_configs_response_config);
    for (size_t i = 0; i < setting_table_count; i++) {
        const struct setting_definition *d = &setting_table[i];
        if (d->scope != SETTING_OF_BROKER || !asked_for(asked, d->name)) continue;
        if (of_all && !setting_values_get(&c->settings_dynamic, d->name)) continue;
        struct config_synonym synonyms[CONFIG_SYNONYMS_MAX];
        int32_t count = config_synonyms(c, of_all ? NULL : r->node, d->name, synonyms);
        if (of_all) count = 1;
        struct describe_configs_response_config *config = add(out, d);
        config->read_only = d->read_only;
        config->value = config_text(count > 0 && !d->sensitive ? synonyms[0].value : NULL);
        add_synonyms(r, config, NULL, synonyms, count);
    }
    if (of_all && asked->configuration_keys_count <= 0) add_unknown(r, out);
}

static void refuse(struct broker_request *r, struct describe_configs_response_resource *out, const char *text) {
    out->error_code = KAFKA_INVALID_REQUEST;
    out->error_message = broker_request_say(r, "%s", text);
}

static void describe(struct broker_request *r, const struct describe_configs_request_resource *asked,
                     struct describe_configs_response_resource *out) {
    struct wire_text name = asked->resource_name;
    char reason[TOPIC_REASON_MAX];
    out->resource_type = asked->resource_type;
    out->resource_name = name;
    out->error_message = config_text("");
    switch (asked->resource_type) {
    case RESOURCE_TOPIC: {
        const char *refusal = topic_name_refusal(name, reason, sizeof reason);
        const struct broker_topic *t = broker_known_topic(r->node, name);
        if (refusal) {
            out->error_code = KAFKA_INVALID_TOPIC_EXCEPTION;
            out->error_message = broker_request_say(r, "Topic name is invalid: %s", refusal);
        } else if (t && t->undescribed) {
            out->error_code = KAFKA_TOPIC_AUTHORIZATION_FAILED;
            out->error_message = config_text("Topic authorization failed.");
        } else if (t) {
            describe_topic(r, asked, t, out);
        } else {
            out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        }
        break;
    }
    case RESOURCE_BROKER:
        if (name.size == 0 || wire_text_same(name, broker_request_say(r, "%d", r->node->id))) {
            describe_broker(r, asked, out);
        } else {
            refuse(r, out,
                   broker_request_say(r, "Unexpected broker id, expected %d or empty string, but received %.*s",
                                      r->node->id, name.size, name.at)
                       .at);
        }
        break;
    case RESOURCE_LOGGER:
    case RESOURCE_METRICS:
    case RESOURCE_GROUP:
        if (name.size == 0) refuse(r, out, "Group name must not be empty");
        break;
    default:
        refuse(r, out, "Unsupported resource type: UNKNOWN");
    }
}

void handle_describe_configs(struct broker_request *r) {
    const struct describe_configs_request *request = r->body;
    struct describe_configs_response response;
    message_defaults(r->api->response, &response);
    response.throttle_time_ms = r->node->throttle_ms;
    response.results_count = request->resources_count;
    response.results = REQUEST_ARRAY(r, request->resources_count, struct describe_configs_response_resource);
    for (int32_t i = 0; i < request->resources_count && !broker_request_is_full(r); i++)
        describe(r, &request->resources[i], &response.results[i]);
    broker_answer(r, &response);
}
