// IncrementalAlterConfigs and AlterConfigs: after kafka.server.ConfigAdminManager (what the asked broker refuses
// itself) and org.apache.kafka.controller.ConfigurationControlManager.
#include "broker/asked_partitions.h"
#include "broker/config_view.h"
#include "broker/handlers.h"
#include "broker/setting_rules.h"
#include "broker/topic_names.h"
#include "wire/error_codes.h"

#include <assert.h>

enum { OP_SET, OP_DELETE, OP_APPEND, OP_SUBTRACT };

#define MESSAGE_MAX 1024
#define VALUE_SIZE_MAX INT16_MAX  // Short.MAX_VALUE

// One resource of either request.
struct change {
    struct wire_text name, value;
    int8_t operation;
};

struct alteration {
    struct broker_request *request;
    int8_t resource_type;
    struct wire_text resource_name;
    const struct change *changes;
    int32_t count;
    bool replace;  // AlterConfigs: what is not named goes
    bool validate_only;
    struct setting_values none;  // of a resource that nothing was set of
    int16_t error_code;
    struct wire_text error_message;
};

#define REFUSE(alteration, code, ...)                                                                                  \
    broker_refuse(&(alteration)->error_code, &(alteration)->error_message, code,                                       \
                  broker_request_say((alteration)->request, __VA_ARGS__))

static bool is_named(const struct alteration *a) {  // with settings though there may be nothing of that name
    return a->resource_type == RESOURCE_GROUP || a->resource_type == RESOURCE_METRICS;
}

static enum setting_scope scope_of(const struct alteration *a) {
    switch (a->resource_type) {
    case RESOURCE_TOPIC:
        return SETTING_OF_TOPIC;
    case RESOURCE_GROUP:
        return SETTING_OF_GROUP;
    case RESOURCE_METRICS:
        return SETTING_OF_METRICS;
    default:
        return SETTING_OF_BROKER;
    }
}

static bool changes_are_sound(struct alteration *a) {
    const int32_t *times =
        asked_names_times(a->request, a->changes, sizeof *a->changes, offsetof(struct change, name), a->count);
    for (int32_t i = 0; i < a->count; i++) {
        if (times[i] != 1) return REFUSE(a, KAFKA_INVALID_REQUEST, "Error due to duplicate config keys");
    }
    for (int32_t i = 0; i < a->count; i++) {
        const struct change *c = &a->changes[i];
        if (c->operation == OP_DELETE || c->value.size >= 0) continue;
        return REFUSE(a, KAFKA_INVALID_REQUEST, "Null value not supported for : %.*s", c->name.size, c->name.at);
    }
    return true;
}

// ControllerConfigurationValidator.validate.
static bool name_is_right(struct alteration *a) {
    char reason[TOPIC_REASON_MAX];
    if (a->resource_type == RESOURCE_BROKER) return true;
    if (a->resource_name.size == 0) return REFUSE(a, KAFKA_INVALID_REQUEST, "Default resources are not allowed.");
    if (a->resource_type != RESOURCE_TOPIC) return true;
    const char *refusal = topic_name_refusal(a->resource_name, reason, sizeof reason);
    return !refusal || REFUSE(a, KAFKA_INVALID_TOPIC_EXCEPTION, "Topic name is invalid: %s", refusal);
}

// The settings that are to change; NULL: refused, or the topic does not exist, which is looked at last
// (ConfigurationControlManager.validateAlterConfig).
static struct setting_values *resource_of(struct alteration *a) {
    struct broker_node *n = a->request->node;
    struct broker_cluster *c = n->cluster;
    if (a->resource_type == RESOURCE_TOPIC) {
        struct broker_topic *t = broker_find_topic(c, a->resource_name);
        return t ? &t->values : NULL;
    }
    if (is_named(a)) {
        const struct setting_values *named = config_named(c, a->resource_type, a->resource_name);
        return named->count ? (struct setting_values *)named : &a->none;
    }
    if (a->resource_type == RESOURCE_BROKER) {
        if (a->resource_name.size == 0) return &c->settings_dynamic;
        if (wire_text_same(a->resource_name, broker_request_say(a->request, "%d", n->id))) return &n->settings_dynamic;
        return REFUSE(a, KAFKA_INVALID_REQUEST, "Unexpected broker id, expected %d, but received %.*s", n->id,
                      a->resource_name.size, a->resource_name.at),
               NULL;
    }
    return REFUSE(a, KAFKA_INVALID_REQUEST, "Unknown resource type %d", a->resource_type), NULL;
}

struct parts {
    struct wire_text *at;
    int32_t count;
};

// As String.split(",") cuts it: empty parts at the end are none, but a text without commas is one, empty or not.
static struct parts split(struct broker_request *r, struct wire_text list) {
    int32_t commas = 0;
    for (int32_t i = 0; i < list.size; i++) commas += list.at[i] == ',';
    struct parts parts = {REQUEST_ARRAY(r, commas + 1, struct wire_text), 0};
    for (int32_t i = 0, begin = 0; i <= list.size; i++) {
        if (i < list.size && list.at[i] != ',') continue;
        parts.at[parts.count++] = (struct wire_text){list.at + begin, i - begin};
        begin = i + 1;
    }
    while (commas > 0 && parts.count > 0 && parts.at[parts.count - 1].size == 0) parts.count--;
    return parts;
}

static int32_t place_of(const struct parts *parts, struct wire_text wanted) {
    int32_t i = 0;
    while (i < parts->count && !wire_text_same(parts->at[i], wanted)) i++;
    return i;
}

static void append_part(struct parts *parts, struct wire_text part) {
    if (place_of(parts, part) == parts->count) parts->at[parts->count++] = part;
}

// One of them: what stands there twice stays once.
static void subtract_part(struct parts *parts, struct wire_text part) {
    int32_t i = place_of(parts, part);
    if (i == parts->count) return;
    parts->count--;
    memmove(&parts->at[i], &parts->at[i + 1], (size_t)(parts->count - i) * sizeof *parts->at);
}

static void set_list(struct setting_values *values, const char *name, const struct parts *parts) {
    struct buffer list;
    buffer_init(&list, 4 * VALUE_SIZE_MAX);
    for (int32_t i = 0; i < parts->count; i++) {
        if (i > 0) buffer_append_u8(&list, ',');
        buffer_append(&list, parts->at[i].at, (size_t)parts->at[i].size);
    }
    setting_values_set(values, name, (struct wire_text){(const char *)list.at, (int32_t)list.size});
    buffer_free(&list);
}

static bool change_list(struct alteration *a, struct setting_values *values, const struct change *change) {
    const struct setting_definition *d = setting_find(scope_of(a), change->name);
    if (!d || d->type != SETTING_LIST || is_named(a)) {  // KafkaConfigSchema knows the lists of topics and brokers
        return REFUSE(a, KAFKA_INVALID_CONFIG, "Can't %s to key %.*s because its type is not LIST.",
                      change->operation == OP_APPEND ? "APPEND" : "SUBTRACT", change->name.size, change->name.at);
    }
    const char *now = setting_values_get(values, d->name);
    struct wire_text old =
        text_of(now ? now : d->value_default);  // not the brokers' (KafkaConfigSchema.getDefault)
    struct parts has = split(a->request, old), change_by = split(a->request, change->value);
    struct parts list = {REQUEST_ARRAY(a->request, has.count + change_by.count, struct wire_text), 0};
    for (int32_t i = 0; i < has.count; i++)
        if (has.at[i].size > 0) list.at[list.count++] = has.at[i];
    for (int32_t i = 0; i < change_by.count; i++) {
        if (change->operation == OP_APPEND) append_part(&list, change_by.at[i]);
        else subtract_part(&list, change_by.at[i]);
    }
    set_list(values, d->name, &list);
    return true;
}

static bool value_is_right(struct alteration *a, const struct setting_value *v) {
    char text[MESSAGE_MAX];
    enum setting_scope scope = scope_of(a);
    bool broker = scope == SETTING_OF_BROKER;
    const struct setting_definition *d = setting_find(scope, text_of(v->name));
    if (broker && !d) return true;  // brokers take settings they do not know, for plug-ins
    if (broker && d->read_only) {
        return REFUSE(a, KAFKA_INVALID_REQUEST, "Cannot update these configs dynamically: [%s]", v->name);
    }
    const char *refusal = config_refusal(scope, text_of(v->name), text_of(v->value), text, sizeof text);
    if (!refusal) return true;
    return REFUSE(a, broker ? KAFKA_INVALID_REQUEST : KAFKA_INVALID_CONFIG, "%s", refusal);
}

// Of groups and client metrics all names come before any value.
static bool names_are_known(struct alteration *a, const struct setting_values *values) {
    bool metrics = a->resource_type == RESOURCE_METRICS;
    for (size_t i = 0; i < values->count && is_named(a); i++) {
        if (setting_find(scope_of(a), text_of(values->at[i].name))) continue;
        return REFUSE(a, metrics ? KAFKA_INVALID_REQUEST : KAFKA_INVALID_CONFIG, "Unknown %s: %s",
                      metrics ? "client metrics configuration" : "group config name", values->at[i].name);
    }
    return true;
}

// The asked broker tries what it would go on with.
static bool change_is_right(struct alteration *a, const struct setting_values *changed) {
    const struct broker_node *n = a->request->node;
    const struct broker_cluster *c = n->cluster;
    bool of_all = a->resource_name.size == 0;
    const struct setting_values *from[] = {&c->settings_static, of_all ? changed : &c->settings_dynamic,
                                           of_all ? &n->settings_dynamic : changed};
    struct setting_values then = {0};
    char text[MESSAGE_MAX];
    setting_values_merge(&then, from, sizeof from / sizeof *from);
    const char *refusal = setting_change_refusal(&n->settings, &then, text, sizeof text);
    setting_values_free(&then);
    return !refusal || REFUSE(a, KAFKA_INVALID_REQUEST, "%s", refusal);
}

// DISALLOWED_CONFIG_VALUE_SIZE_ERROR; one request's value cannot be that long, but what is appended to can.
static bool sizes_are_right(struct alteration *a, const struct setting_values *changed) {
    for (int32_t i = 0; i < a->count; i++) {
        const char *value = setting_values_get(changed, broker_request_text(a->request, a->changes[i].name));
        if (value && strlen(value) > VALUE_SIZE_MAX)
            return REFUSE(a, KAFKA_INVALID_CONFIG,
                          "The configuration value cannot be added because it exceeds the maximum value size of %d "
                          "bytes.",
                          VALUE_SIZE_MAX);
    }
    return true;
}

// Eligible leader replicas (KIP-966) need one minimum for all brokers.
static bool controller_agrees(struct alteration *a, const struct setting_values *changed) {
    static const char name[] = "min.insync.replicas";
    if (a->resource_name.size == 0) {
        return setting_values_get(changed, name) ||
               REFUSE(a, KAFKA_INVALID_CONFIG, "Cluster-level %s cannot be removed while ELR is enabled.", name);
    }
    for (int32_t i = 0; i < a->count; i++) {
        if (wire_text_same(a->changes[i].name, text_of(name)))
            return REFUSE(a, KAFKA_INVALID_CONFIG, "Broker-level %s cannot be altered while ELR is enabled.", name);
    }
    return true;
}

static bool together_right(struct alteration *a, const struct setting_values *changed) {
    char text[MESSAGE_MAX];
    int16_t code = KAFKA_INVALID_CONFIG;
    const struct setting_values *of_brokers = &a->request->node->cluster->settings;
    const char *refusal;
    if (a->resource_type == RESOURCE_TOPIC) refusal = topic_settings_refusal(changed, of_brokers, text, sizeof text);
    else if (a->resource_type == RESOURCE_GROUP)
        refusal = group_settings_refusal(changed, of_brokers, text, sizeof text);
    else refusal = metrics_settings_refusal(changed, &code, text, sizeof text);
    return !refusal || REFUSE(a, code, "%s", refusal);
}

static bool apply(struct alteration *a, struct setting_values *values) {
    for (int32_t i = 0; i < a->count; i++) {
        const struct change *c = &a->changes[i];
        const char *name = broker_request_text(a->request, c->name);
        bool done = true;
        if (c->operation == OP_SET) setting_values_set(values, name, c->value);
        else if (c->operation == OP_DELETE) setting_values_unset(values, name);
        else if (c->operation == OP_APPEND || c->operation == OP_SUBTRACT) done = change_list(a, values, c);
        else done = REFUSE(a, KAFKA_UNKNOWN_SERVER_ERROR, "Unknown operation");
        if (!done) return false;
        if (values->count > BROKER_SETTINGS_OF_RESOURCE_MAX)
            return REFUSE(a, KAFKA_POLICY_VIOLATION, "More than %d settings", BROKER_SETTINGS_OF_RESOURCE_MAX);
    }
    bool broker = a->resource_type == RESOURCE_BROKER;
    if (!broker && !sizes_are_right(a, values)) return false;
    if (!name_is_right(a) || !names_are_known(a, values)) return false;
    for (size_t i = 0; i < values->count; i++) {
        if (!value_is_right(a, &values->at[i])) return false;
    }
    if (!broker) return together_right(a, values);
    return change_is_right(a, values) && controller_agrees(a, values) && sizes_are_right(a, values);
}

// RuntimeLoggerManager, of a node that has no loggers.
static void alter_loggers(struct alteration *a) {
    int32_t id = a->request->node->id;
    if (!wire_text_same(a->resource_name, broker_request_say(a->request, "%d", id))) {
        REFUSE(a, KAFKA_INVALID_REQUEST, "Unexpected node id. Expected %d, but received %.*s", id,
               a->resource_name.size, a->resource_name.at);
    } else if (a->count > 0 && (a->changes->operation < OP_SET || a->changes->operation > OP_SUBTRACT)) {
        REFUSE(a, KAFKA_UNKNOWN_SERVER_ERROR, "Unknown operation");
    } else if (a->count > 0 && a->changes->operation >= OP_APPEND) {
        REFUSE(a, KAFKA_INVALID_REQUEST, "This operation is not allowed for the BROKER_LOGGER resource");
    } else if (a->count > 0) {
        REFUSE(a, KAFKA_INVALID_CONFIG, "Logger %.*s does not exist!", a->changes->name.size, a->changes->name.at);
    }
}

static void in_force(struct alteration *a) {
    struct broker_cluster *c = a->request->node->cluster;
    if (a->resource_type == RESOURCE_TOPIC) {
        broker_topic_settings_changed(c, broker_find_topic(c, a->resource_name));
        return;
    }
    broker_settings_changed(c);
}

static void alter(struct alteration *a) {
    a->error_message = (struct wire_text){NULL, -1};
    if (a->error_code != KAFKA_NONE) {
        a->error_message = text_of("Each resource must appear at most once.");
        return;
    }
    if (!changes_are_sound(a)) return;
    if (a->resource_type == RESOURCE_LOGGER && !a->replace) {
        alter_loggers(a);
        return;
    }
    struct setting_values *values = resource_of(a), trial = {0};
    if (a->error_code != KAFKA_NONE) return;
    for (size_t i = 0; values && i < values->count && !a->replace; i++) {
        setting_values_set(&trial, values->at[i].name, text_of(values->at[i].value));
    }
    bool right = apply(a, &trial);
    if (right && !values) {
        REFUSE(a, KAFKA_UNKNOWN_TOPIC_OR_PARTITION, "The topic '%.*s' does not exist.", a->resource_name.size,
               a->resource_name.at);
    }
    if (!right || !values || a->validate_only) {
        setting_values_free(&trial);
        return;
    }
    if (is_named(a)) {
        config_named_put(a->request->node->cluster, a->resource_type, a->resource_name, &trial);
        return;
    }
    setting_values_free(values);
    *values = trial;
    in_force(a);
}

// Which resources are named more than once.
struct repeats {
    struct asked_partitions *named;
    bool *twice;  // by their place in the request
};

static struct repeats repeats_new(struct broker_request *r, int32_t count) {
    return (struct repeats){asked_partitions_new(r, (size_t)count), REQUEST_ARRAY(r, count, bool)};
}

static void see_resource(struct repeats *s, int8_t type, struct wire_text name, int32_t place) {
    int32_t first = asked_partitions_place(s->named, text_bytes(name), type, place);
    if (first != place) s->twice[first] = s->twice[place] = true;
}

void handle_incremental_alter_configs(struct broker_request *r) {
    const struct incremental_alter_configs_request *request = r->body;
    int32_t count = request->resources_count;
    struct incremental_alter_configs_response response;
    message_defaults(r->api->response, &response);
    response.throttle_time_ms = r->node->throttle_ms;
    response.responses = REQUEST_ARRAY(r, count, struct incremental_alter_configs_response_resource);
    response.responses_count = count;
    struct repeats seen = repeats_new(r, count);
    for (int32_t i = 0; i < count; i++)
        see_resource(&seen, request->resources[i].resource_type, request->resources[i].resource_name, i);
    for (int32_t i = 0; i < count; i++) {
        const struct incremental_alter_configs_request_resource *from = &request->resources[i];
        struct change *changes = REQUEST_ARRAY(r, from->configs_count, struct change);
        for (int32_t at = 0; at < from->configs_count; at++) {
            changes[at] =
                (struct change){from->configs[at].name, from->configs[at].value, from->configs[at].config_operation};
        }
        struct alteration a = {.request = r,
                               .resource_type = from->resource_type,
                               .resource_name = from->resource_name,
                               .changes = changes,
                               .count = from->configs_count,
                               .validate_only = request->validate_only,
                               .error_code = seen.twice[i] ? KAFKA_INVALID_REQUEST : KAFKA_NONE};
        alter(&a);
        response.responses[i] = (struct incremental_alter_configs_response_resource){
            a.error_code, a.error_message, from->resource_type, from->resource_name};
    }
    broker_answer(r, &response);
}

void handle_alter_configs(struct broker_request *r) {
    const struct alter_configs_request *request = r->body;
    int32_t count = request->resources_count;
    struct alter_configs_response response;
    message_defaults(r->api->response, &response);
    response.throttle_time_ms = r->node->throttle_ms;
    response.responses = REQUEST_ARRAY(r, count, struct alter_configs_response_resource);
    response.responses_count = count;
    struct repeats seen = repeats_new(r, count);
    for (int32_t i = 0; i < count; i++)
        see_resource(&seen, request->resources[i].resource_type, request->resources[i].resource_name, i);
    for (int32_t i = 0; i < count; i++) {
        const struct alter_configs_request_resource *from = &request->resources[i];
        struct change *changes = REQUEST_ARRAY(r, from->configs_count, struct change);
        for (int32_t at = 0; at < from->configs_count; at++) {
            changes[at] = (struct change){from->configs[at].name, from->configs[at].value, OP_SET};
        }
        struct alteration a = {.request = r,
                               .resource_type = from->resource_type,
                               .resource_name = from->resource_name,
                               .changes = changes,
                               .count = from->configs_count,
                               .replace = true,
                               .validate_only = request->validate_only,
                               .error_code = seen.twice[i] ? KAFKA_INVALID_REQUEST : KAFKA_NONE};
        alter(&a);
        response.responses[i] = (struct alter_configs_response_resource){a.error_code, a.error_message,
                                                                         from->resource_type, from->resource_name};
    }
    broker_answer(r, &response);
}
