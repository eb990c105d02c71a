// DescribeClientQuotas and AlterClientQuotas (KIP-546): see quotas.h. After
// org.apache.kafka.controller.ClientQuotaControlManager and org.apache.kafka.image.ClientQuotasImage.
#include "broker/config_view.h"
#include "broker/handlers.h"
#include "broker/quotas.h"
#include "broker/request.h"
#include "wire/error_codes.h"

#include "base/memory.h"

#define ENTITY_PARTS_MAX 2   // user and client id; an address stands alone
#define TYPES_COUNT 3
#define WHOLE_FROM 9.0e15    // numbers from there on are whole ones
#define FRACTION_MAX 1.0e-6  // getErrorForIntegralQuotaValue

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
        if (wire_text_same(text_of(e->parts[i].type), type)) return &e->parts[i];
    }
    return NULL;
}

// Altering -----------------------------------------------------------------------------------------------------------

// AlterClientQuotasRequest.entries: of a type that is named twice the last name counts.
static int32_t entity_of(const struct alter_client_quotas_request_entry *asked,
                         struct alter_client_quotas_response_entity *entity) {
    int32_t count = 0;
    for (int32_t i = 0; i < asked->entity_count; i++) {
        int32_t at = count > TYPES_COUNT ? count : 0;  // then it is refused
        while (at < count && !wire_text_same(entity[at].entity_type, asked->entity[i].entity_type)) at++;
        entity[at] = (struct alter_client_quotas_response_entity){asked->entity[i].entity_type,
                                                                  asked->entity[i].entity_name};
        if (at == count) count++;
    }
    return count;
}

static struct quota_entry *find_entry(struct broker_quotas *q, const struct alter_client_quotas_response_entry *asked) {
    for (int32_t i = 0; i < q->count; i++) {
        struct quota_entry *e = &q->entries[i];
        int32_t same = 0;
        for (int32_t at = 0; at < asked->entity_count && e->parts_count == asked->entity_count; at++) {
            const struct quota_part *part = part_of(e, asked->entity[at].entity_type);
            same += part && wire_text_same(text_of(part->name), asked->entity[at].entity_name);
        }
        if (same == asked->entity_count) return e;
    }
    return NULL;
}

static struct quota_entry *add_entry(struct broker_quotas *q, const struct alter_client_quotas_response_entry *asked) {
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
    while (at < e->values_count && !wire_text_same(text_of(e->values[at].key), op->key)) at++;
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
    return wire_text_same(t, text_of(text));
}

// ClientQuotaControlManager.validateEntity and configKeysForEntityType; host names are not looked up.
static const char *entity_refusal(const struct alter_client_quotas_response_entry *asked) {
    bool address = false;
    if (asked->entity_count == 0) return "Invalid empty client quota entity";
    for (int32_t i = 0; i < asked->entity_count; i++) {
        struct wire_text type = asked->entity[i].entity_type;
        if (!is(type, "user") && !is(type, "client-id") && !is(type, "ip")) return "Unhandled client quota entity type";
        if (asked->entity[i].entity_name.size == 0) return "Empty quota entity name";
        address |= is(type, "ip");
    }
    return address && asked->entity_count > 1 ? "Invalid client quota entity combination" : NULL;
}

// ClientQuotaControlManager.validateQuotaKeyValue
static const char *value_refusal(const struct alter_client_quotas_request_op *op, bool of_address) {
    static const struct {
        const char *name;
        bool of_address;
        double max;  // of whole numbers; 0: any number
    } keys[] = {{"producer_byte_rate", false, (double)INT64_MAX}, {"consumer_byte_rate", false, (double)INT64_MAX},
                {"request_percentage", false, 0},                 {"controller_mutation_rate", false, 0},
                {"connection_creation_rate", true, INT32_MAX}};
    size_t at = 0;
    while (at < sizeof keys / sizeof *keys && !is(op->key, keys[at].name)) at++;
    if (at == sizeof keys / sizeof *keys || of_address != keys[at].of_address) return "Invalid configuration key";
    if (op->value <= 0) return "Quota value must be greater than 0";
    if (keys[at].max == 0) return NULL;
    if (op->value > keys[at].max) return "Quota value is too large";
    bool may_be_cut = op->value < WHOLE_FROM;
    double cut = may_be_cut ? op->value - (double)(int64_t)op->value : 0;
    return cut > FRACTION_MAX ? "Quota value cannot be fractional" : NULL;
}

// What is removed need not be known.
static const char *ops_refusal(const struct alter_client_quotas_request_entry *asked, bool of_address) {
    struct map keys;
    bool twice = false;
    map_init(&keys);
    for (int32_t i = 0; i < asked->ops_count; i++) {
        const struct alter_client_quotas_request_op *op = &asked->ops[i];
        twice |= map_put_text(&keys, op->key.at, (size_t)op->key.size, &keys) != NULL;
    }
    map_free(&keys);
    if (twice) return "Duplicate quota key";
    for (int32_t i = 0; i < asked->ops_count; i++) {
        const char *refusal = asked->ops[i].remove ? NULL : value_refusal(&asked->ops[i], of_address);
        if (refusal) return refusal;
    }
    return NULL;
}

static void drop_if_empty(struct broker_quotas *q, struct quota_entry *e) {
    if (e->values_count > 0) return;
    entry_free(e);
    *e = q->entries[--q->count];
}

// The same for the same parts in any order.
static uint64_t hash_of(const struct alter_client_quotas_response_entry *a) {
    uint64_t hash = (uint64_t)a->entity_count;
    for (int32_t i = 0; i < a->entity_count; i++) {
        struct wire_text type = a->entity[i].entity_type, name = a->entity[i].entity_name;
        uint64_t of_name = name.size < 0 ? 0 : 1 + hash_bytes(name.at, (size_t)name.size);
        hash += of_name ^ (hash_bytes(type.at, (size_t)type.size) << 1);
    }
    return hash;
}

static void refuse(struct alter_client_quotas_response_entry *out, const char *refusal) {
    out->error_code = refusal ? KAFKA_INVALID_REQUEST : KAFKA_NONE;
    out->error_message = text_of(refusal);
}

static void alter(struct broker_quotas *q, const struct alter_client_quotas_request_entry *asked,
                  struct alter_client_quotas_response_entry *out, bool validate_only) {
    const char *refusal = entity_refusal(out);
    if (!refusal) refusal = ops_refusal(asked, is(out->entity[0].entity_type, "ip"));
    refuse(out, refusal);
    if (refusal || validate_only) return;
    struct quota_entry *e = find_entry(q, out);
    if (!e) e = add_entry(q, out);
    for (int32_t at = 0; at < asked->ops_count; at++) set_value(e, &asked->ops[at]);
    drop_if_empty(q, e);
}

// An entity that comes again is answered once, as refused, though what it said first is in force
// (ClientQuotaControlManager.alterClientQuotas).
void handle_alter_client_quotas(struct broker_request *r) {
    const struct alter_client_quotas_request *request = r->body;
    struct broker_cluster *c = r->node->cluster;
    if (!c->quotas) c->quotas = NEW(struct broker_quotas);
    struct alter_client_quotas_response response;
    message_defaults(r->api->response, &response);
    response.throttle_time_ms = r->node->throttle_ms;
    response.entries_count = 0;
    response.entries = REQUEST_ARRAY(r, request->entries_count, struct alter_client_quotas_response_entry);
    struct map answered;
    map_init(&answered);
    for (int32_t i = 0; i < request->entries_count; i++) {
        const struct alter_client_quotas_request_entry *asked = &request->entries[i];
        struct alter_client_quotas_response_entry *out = &response.entries[response.entries_count];
        out->entity = REQUEST_ARRAY(r, asked->entity_count, struct alter_client_quotas_response_entity);
        out->entity_count = entity_of(asked, out->entity);
        struct alter_client_quotas_response_entry *earlier = map_put_number(&answered, hash_of(out), out);
        if (earlier) {
            map_put_number(&answered, hash_of(out), earlier);
            refuse(earlier, "Ignoring duplicate entity");
            continue;
        }
        alter(c->quotas, asked, out, request->validate_only);
        response.entries_count++;
    }
    map_free(&answered);
    broker_answer(r, &response);
}

// Describing ---------------------------------------------------------------------------------------------------------

enum { MATCH_EXACT, MATCH_DEFAULT, MATCH_SPECIFIED };

// ClientQuotasImage.describe: what a filter may say.
static int16_t filter_refusal(const struct describe_client_quotas_request *request) {
    bool address = false;
    for (int32_t i = 0; i < request->components_count; i++) {
        const struct describe_client_quotas_request_component *wanted = &request->components[i];
        if (wanted->entity_type.size == 0) return KAFKA_INVALID_REQUEST;
        for (int32_t before = 0; before < i; before++)
            if (wire_text_same(request->components[before].entity_type, wanted->entity_type))
                return KAFKA_INVALID_REQUEST;
        bool known = is(wanted->entity_type, "user") || is(wanted->entity_type, "client-id");
        if (!known && !is(wanted->entity_type, "ip")) return KAFKA_UNSUPPORTED_VERSION;
        if (wanted->match_type < MATCH_EXACT || wanted->match_type > MATCH_SPECIFIED) return KAFKA_INVALID_REQUEST;
        if ((wanted->match_type == MATCH_EXACT) == (wanted->match.size < 0)) return KAFKA_INVALID_REQUEST;
        address |= !known;
    }
    return address && request->components_count > 1 ? KAFKA_INVALID_REQUEST : KAFKA_NONE;
}

static bool matches(const struct quota_entry *e, const struct describe_client_quotas_request *request) {
    if (request->strict && e->parts_count != request->components_count) return false;
    for (int32_t i = 0; i < request->components_count; i++) {
        const struct describe_client_quotas_request_component *wanted = &request->components[i];
        const struct quota_part *part = part_of(e, wanted->entity_type);
        if (!part) return false;
        if (wanted->match_type == MATCH_EXACT && !wire_text_same(text_of(part->name), wanted->match)) return false;
        if (wanted->match_type == MATCH_DEFAULT && part->name) return false;
    }
    return true;
}

static void show(struct broker_request *r, const struct quota_entry *e,
                 struct describe_client_quotas_response_entry *out) {
    out->entity_count = e->parts_count;
    out->entity = REQUEST_ARRAY(r, e->parts_count, struct describe_client_quotas_response_entity);
    for (int32_t i = 0; i < e->parts_count; i++) {
        out->entity[i] = (struct describe_client_quotas_response_entity){text_of(e->parts[i].type),
                                                                         text_of(e->parts[i].name)};
    }
    out->values_count = e->values_count;
    out->values = REQUEST_ARRAY(r, e->values_count, struct describe_client_quotas_response_value);
    for (int32_t i = 0; i < e->values_count; i++) {
        out->values[i] =
            (struct describe_client_quotas_response_value){text_of(e->values[i].key), e->values[i].value};
    }
}

void handle_describe_client_quotas(struct broker_request *r) {
    const struct describe_client_quotas_request *request = r->body;
    const struct broker_quotas *q = r->node->cluster->quotas;
    struct describe_client_quotas_response response;
    message_defaults(r->api->response, &response);
    response.throttle_time_ms = r->node->throttle_ms;
    response.error_message = (struct wire_text){NULL, -1};
    response.error_code = filter_refusal(request);
    if (response.error_code) {
        response.entries_count = -1;
        broker_answer(r, &response);
        return;
    }
    response.entries_count = 0;
    response.entries = REQUEST_ARRAY(r, q ? q->count : 0, struct describe_client_quotas_response_entry);
    for (int32_t i = 0; q && i < q->count; i++) {
        if (matches(&q->entries[i], request)) show(r, &q->entries[i], &response.entries[response.entries_count++]);
    }
    broker_answer(r, &response);
}
