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
    int16_t error_code;
    struct wire_text error_message;
};

#define REFUSE(alteration, code, ...)                                                                                  \
    broker_refuse(&(alteration)->error_code, &(alteration)->error_message, code,                                       \
                  broker_request_say((alteration)->request, __VA_ARGS__))

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
    if (a->resource_type != RESOURCE_TOPIC) return true;
    if (a->resource_name.size == 0) return REFUSE(a, KAFKA_INVALID_REQUEST, "Default topic resources are not allowed.");
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
    if (a->resource_type == RESOURCE_BROKER) {
        if (a->resource_name.size == 0) return &c->settings_dynamic;
        if (wire_text_same(a->resource_name, broker_request_say(a->request, "%d", n->id))) return &n->settings_dynamic;
        return REFUSE(a, KAFKA_INVALID_REQUEST, "Unexpected broker id, expected %d, but received %.*s", n->id,
                      a->resource_name.size, a->resource_name.at),
               NULL;
    }
    return REFUSE(a, KAFKA_INVALID_REQUEST, "Unknown resource type %d", a->resource_type), NULL;
}

static bool take_part(struct wire_text *list, struct wire_text *part) {
    if (list->size < 0) return false;
    const char *comma = list->size > 0 ? memchr(list->at, ',', (size_t)list->size) : NULL;
    part->at = list->at;
    part->size = comma ? (int32_t)(comma - list->at) : list->size;
    list->size = comma ? list->size - part->size - 1 : -1;
    if (comma) list->at = comma + 1;
    return true;
}

static bool list_has(struct wire_text list, struct wire_text wanted) {
    struct wire_text part;
    while (take_part(&list, &part)) {
        if (wire_text_same(part, wanted)) return true;
    }
    return false;
}

// Appends those parts of `from` that are (`there`) or are not in `other`.
static void copy_parts(struct buffer *out, struct wire_text from, struct wire_text other, bool there) {
    struct wire_text part;
    while (take_part(&from, &part)) {
        if (part.size == 0 || list_has(other, part) != there) continue;
        if (out->size > 0) buffer_append_u8(out, ',');
        buffer_append(out, part.at, (size_t)part.size);
    }
}

static bool change_list(struct alteration *a, struct setting_values *values, const struct change *change) {
    bool topic = a->resource_type == RESOURCE_TOPIC;
    const struct setting_definition *d = setting_find(topic ? SETTING_OF_TOPIC : SETTING_OF_BROKER, change->name);
    if (!d || d->type != SETTING_LIST) {
        return REFUSE(a, KAFKA_INVALID_CONFIG, "Can't %s to key %.*s because its type is not LIST.",
                      change->operation == OP_APPEND ? "APPEND" : "SUBTRACT", change->name.size, change->name.at);
    }
    const char *now = setting_values_get(values, d->name);
    struct wire_text old =
        config_text(now ? now : d->value_default);  // not the brokers' (KafkaConfigSchema.getDefault)
    struct buffer list;
    buffer_init(&list, 2 * MiB);
    if (change->operation == OP_SUBTRACT) {
        copy_parts(&list, old, change->value, false);
    } else {
        copy_parts(&list, old, (struct wire_text){NULL, -1}, false);
        copy_parts(&list, change->value, old, false);
        if (change->value.size == 0 && list.size > 0) buffer_append_u8(&list, ',');  // "".split(",") has one part
    }
    setting_values_set(values, d->name, (struct wire_text){(const char *)list.at, (int32_t)list.size});
    buffer_free(&list);
    return true;
}

static bool value_is_right(struct alteration *a, const struct setting_value *v) {
    char text[MESSAGE_MAX];
    bool topic = a->resource_type == RESOURCE_TOPIC;
    enum setting_scope scope = topic ? SETTING_OF_TOPIC : SETTING_OF_BROKER;
    const struct setting_definition *d = setting_find(scope, config_text(v->name));
    if (!topic && !d) return true;  // brokers take settings they do not know, for plug-ins
    if (!topic && d->read_only) {
        return REFUSE(a, KAFKA_INVALID_REQUEST, "Cannot update these configs dynamically: [%s]", v->name);
    }
    const char *refusal = config_refusal(scope, config_text(v->name), config_text(v->value), text, sizeof text);
    if (!refusal) return true;
    return REFUSE(a, topic ? KAFKA_INVALID_CONFIG : KAFKA_INVALID_REQUEST, "%s", refusal);
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

// Eligible leader replicas (KIP-966) need one minimum for all brokers.
static bool controller_agrees(struct alteration *a, const struct setting_values *changed) {
    static const char name[] = "min.insync.replicas";
    if (a->resource_name.size == 0) {
        return setting_values_get(changed, name) ||
               REFUSE(a, KAFKA_INVALID_CONFIG, "Cluster-level %s cannot be removed while ELR is enabled.", name);
    }
    for (int32_t i = 0; i < a->count; i++) {
        if (wire_text_same(a->changes[i].name, config_text(name)))
            return REFUSE(a, KAFKA_INVALID_CONFIG, "Broker-level %s cannot be altered while ELR is enabled.", name);
    }
    return true;
}

static bool apply(struct alteration *a, struct setting_values *values) {
    for (int32_t i = 0; i < a->count; i++) {
        const struct change *c = &a->changes[i];
        const char *name = broker_request_say(a->request, "%.*s", c->name.size, c->name.at).at;
        bool done = true;
        if (c->operation == OP_SET) setting_values_set(values, name, c->value);
        else if (c->operation == OP_DELETE) setting_values_unset(values, name);
        else if (c->operation == OP_APPEND || c->operation == OP_SUBTRACT) done = change_list(a, values, c);
        else done = REFUSE(a, KAFKA_UNKNOWN_SERVER_ERROR, "Unknown operation");
        if (!done) return false;
        if (values->count > BROKER_SETTINGS_OF_RESOURCE_MAX)
            return REFUSE(a, KAFKA_POLICY_VIOLATION, "More than %d settings", BROKER_SETTINGS_OF_RESOURCE_MAX);
    }
    if (!name_is_right(a)) return false;
    for (size_t i = 0; i < values->count; i++) {
        if (!value_is_right(a, &values->at[i])) return false;
    }
    return a->resource_type != RESOURCE_BROKER || (change_is_right(a, values) && controller_agrees(a, values));
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
        a->error_message = config_text("Each resource must appear at most once.");
        return;
    }
    if (!changes_are_sound(a)) return;
    if (a->resource_type == RESOURCE_METRICS || a->resource_type == RESOURCE_GROUP) return;  // accepted, not modelled
    struct setting_values *values = resource_of(a), trial = {0};
    if (a->error_code != KAFKA_NONE) return;
    for (size_t i = 0; values && i < values->count && !a->replace; i++) {
        setting_values_set(&trial, values->at[i].name, config_text(values->at[i].value));
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
