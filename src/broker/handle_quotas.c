// DescribeClientQuotas and AlterClientQuotas (KIP-546): see quotas.h. After
// org.apache.kafka.controller.ClientQuotaControlManager and org.apache.kafka.image.ClientQuotasImage.
#include "broker/config_view.h"
#include "broker/handlers.h"
#include "broker/quotas.h"
#include "broker/request.h"
#include "wire/error_codes.h"

#include "base/memory.h"

#define ENTITY_PARTS_MAX 2  // user and client id; an address stands alone

struct quota_part {
    char *type, *name;  // name NULL: the default of that type
};

struct quota_value {
    char *key;
    double value;
};

struct quota_entry {
    struct quota_part parts[ENTITY_PARTS_MAX];
    int32_t parts_count;
    struct quota_value *values;
    int32_t values_count;
};

struct broker_quotas {
    struct quota_entry *entries;
    int32_t count;
};

static void entry_free(struct quota_entry *e) {
    for (int32_t i = 0; i < e->parts_count; i++) {
        memory_free(e->parts[i].type);
        memory_free(e->parts[i].name);
    }
    for (int32_t i = 0; i < e->values_count; i++) memory_free(e->values[i].key);
    memory_free(e->values);
}

void broker_quotas_free(struct broker_quotas *q) {
    if (!q) return;
    for (int32_t i = 0; i < q->count; i++) entry_free(&q->entries[i]);
    memory_free(q->entries);
    memory_free(q);
}

static const struct quota_part *part_of(const struct quota_entry *e, struct wire_text type) {
    for (int32_t i = 0; i < e->parts_count; i++) {
        if (wire_text_same(config_text(e->parts[i].type), type)) return &e->parts[i];
    }
    return NULL;
}

// Altering -----------------------------------------------------------------------------------------------------------

static struct quota_entry *find_entry(struct broker_quotas *q, const struct alter_client_quotas_request_entry *asked) {
    for (int32_t i = 0; i < q->count; i++) {
        struct quota_entry *e = &q->entries[i];
        int32_t same = 0;
        for (int32_t at = 0; at < asked->entity_count && e->parts_count == asked->entity_count; at++) {
            const struct quota_part *part = part_of(e, asked->entity[at].entity_type);
            same += part && wire_text_same(config_text(part->name), asked->entity[at].entity_name);
        }
        if (same == asked->entity_count) return e;
    }
    return NULL;
}

static struct quota_entry *add_entry(struct broker_quotas *q, const struct alter_client_quotas_request_entry *asked) {
    q->entries = memory_resize(q->entries, (size_t)(q->count + 1) * sizeof *q->entries);
    struct quota_entry *e = &q->entries[q->count++];
    *e = (struct quota_entry){.parts_count = asked->entity_count};
    for (int32_t i = 0; i < asked->entity_count; i++) {
        struct wire_text type = asked->entity[i].entity_type, name = asked->entity[i].entity_name;
        e->parts[i].type = memory_copy_text(type.at, (size_t)type.size);
        e->parts[i].name = name.size < 0 ? NULL : memory_copy_text(name.at, (size_t)name.size);
    }
    return e;
}

static void set_value(struct quota_entry *e, const struct alter_client_quotas_request_op *op) {
    int32_t at = 0;
    while (at < e->values_count && !wire_text_same(config_text(e->values[at].key), op->key)) at++;
    if (op->remove) {
        if (at == e->values_count) return;
        memory_free(e->values[at].key);
        e->values[at] = e->values[--e->values_count];
        return;
    }
    if (at == e->values_count) {
        e->values = memory_resize(e->values, (size_t)(at + 1) * sizeof *e->values);
        e->values[e->values_count++].key = memory_copy_text(op->key.at, (size_t)op->key.size);
    }
    e->values[at].value = op->value;
}

static bool is(struct wire_text t, const char *text) {
    return wire_text_same(t, config_text(text));
}

// ClientQuotaControlManager.validateEntity
static const char *entity_refusal(const struct alter_client_quotas_request_entry *asked) {
    int32_t users = 0, clients = 0, addresses = 0;
    if (asked->entity_count <= 0) return "Invalid empty client quota entity";
    for (int32_t i = 0; i < asked->entity_count; i++) {
        struct wire_text type = asked->entity[i].entity_type;
        if (asked->entity[i].entity_name.size == 0) return "Empty quota entity name";
        if (is(type, "user")) users++;
        else if (is(type, "client-id")) clients++;
        else if (is(type, "ip")) addresses++;
        else return "Unhandled client quota entity type";
    }
    if (users > 1 || clients > 1 || addresses > 1) return "Duplicate client quota entity type";
    return addresses && (users || clients) ? "Invalid client quota entity combination" : NULL;
}

static const char *op_refusal(const struct alter_client_quotas_request_entry *asked) {
    static const char *const keys[] = {"producer_byte_rate", "consumer_byte_rate", "request_percentage",
                                       "controller_mutation_rate", "connection_creation_rate"};
    for (int32_t i = 0; i < asked->ops_count; i++) {
        size_t at = 0;
        while (at < sizeof keys / sizeof *keys && !is(asked->ops[i].key, keys[at])) at++;
        bool of_address = is(asked->entity[0].entity_type, "ip");
        if (at == sizeof keys / sizeof *keys || of_address != (at == 4)) return "Invalid configuration key";
        if (!asked->ops[i].remove && !(asked->ops[i].value > 0)) return "Quota value must be greater than 0";
    }
    return NULL;
}

static void drop_if_empty(struct broker_quotas *q, struct quota_entry *e) {
    if (e->values_count > 0) return;
    entry_free(e);
    *e = q->entries[--q->count];
}

void handle_alter_client_quotas(struct broker_request *r) {
    const struct alter_client_quotas_request *request = r->body;
    struct broker_cluster *c = r->node->cluster;
    if (!c->quotas) c->quotas = NEW(struct broker_quotas);
    struct alter_client_quotas_response response;
    message_defaults(r->api->response, &response);
    response.throttle_time_ms = r->node->throttle_ms;
    response.entries_count = request->entries_count;
    response.entries = REQUEST_ARRAY(r, request->entries_count, struct alter_client_quotas_response_entry);
    for (int32_t i = 0; i < request->entries_count; i++) {
        const struct alter_client_quotas_request_entry *asked = &request->entries[i];
        struct alter_client_quotas_response_entry *out = &response.entries[i];
        const char *refusal = entity_refusal(asked);
        if (!refusal) refusal = op_refusal(asked);
        out->error_code = refusal ? KAFKA_INVALID_REQUEST : KAFKA_NONE;
        out->error_message = config_text(refusal);
        out->entity_count = asked->entity_count;
        out->entity = REQUEST_ARRAY(r, asked->entity_count, struct alter_client_quotas_response_entity);
        for (int32_t at = 0; at < asked->entity_count; at++) {
            out->entity[at] = (struct alter_client_quotas_response_entity){asked->entity[at].entity_type,
                                                                           asked->entity[at].entity_name};
        }
        if (refusal || request->validate_only) continue;
        struct quota_entry *e = find_entry(c->quotas, asked);
        if (!e) e = add_entry(c->quotas, asked);
        for (int32_t at = 0; at < asked->ops_count; at++) set_value(e, &asked->ops[at]);
        drop_if_empty(c->quotas, e);
    }
    broker_answer(r, &response);
}

// Describing ---------------------------------------------------------------------------------------------------------

enum { MATCH_EXACT, MATCH_DEFAULT, MATCH_SPECIFIED };

static bool matches(const struct quota_entry *e, const struct describe_client_quotas_request *request) {
    if (request->strict && e->parts_count != request->components_count) return false;
    for (int32_t i = 0; i < request->components_count; i++) {
        const struct describe_client_quotas_request_component *wanted = &request->components[i];
        const struct quota_part *part = part_of(e, wanted->entity_type);
        if (!part) return false;
        if (wanted->match_type == MATCH_EXACT && !wire_text_same(config_text(part->name), wanted->match)) return false;
        if (wanted->match_type == MATCH_DEFAULT && part->name) return false;
    }
    return true;
}

static void show(struct broker_request *r, const struct quota_entry *e,
                 struct describe_client_quotas_response_entry *out) {
    out->entity_count = e->parts_count;
    out->entity = REQUEST_ARRAY(r, e->parts_count, struct describe_client_quotas_response_entity);
    for (int32_t i = 0; i < e->parts_count; i++) {
        out->entity[i] = (struct describe_client_quotas_response_entity){config_text(e->parts[i].type),
                                                                         config_text(e->parts[i].name)};
    }
    out->values_count = e->values_count;
    out->values = REQUEST_ARRAY(r, e->values_count, struct describe_client_quotas_response_value);
    for (int32_t i = 0; i < e->values_count; i++) {
        out->values[i] =
            (struct describe_client_quotas_response_value){config_text(e->values[i].key), e->values[i].value};
    }
}

void handle_describe_client_quotas(struct broker_request *r) {
    const struct describe_client_quotas_request *request = r->body;
    const struct broker_quotas *q = r->node->cluster->quotas;
    struct describe_client_quotas_response response;
    message_defaults(r->api->response, &response);
    response.throttle_time_ms = r->node->throttle_ms;
    response.error_message = (struct wire_text){NULL, -1};
    response.entries_count = 0;
    response.entries = REQUEST_ARRAY(r, q ? q->count : 0, struct describe_client_quotas_response_entry);
    for (int32_t i = 0; q && i < q->count; i++) {
        if (matches(&q->entries[i], request)) show(r, &q->entries[i], &response.entries[response.entries_count++]);
    }
    broker_answer(r, &response);
}
