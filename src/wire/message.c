// What every use of the message tables needs: finding them, and the default values of their fields.
#include "wire/message_private.h"

#include <assert.h>

const struct api *api_find(int16_t key) {
    size_t low = 0, high = api_table_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (api_table[middle].key == key) return &api_table[middle];
        if (api_table[middle].key < key) low = middle + 1;
        else high = middle;
    }
    return NULL;
}

size_t message_struct_size(const struct message *m) {
    return m->struct_size;
}

const char *message_name(const struct message *m) {
    return m->name;
}

int32_t message_throttle_ms(const struct message *response, const void *value) {
    int32_t ms = 0;
    for (size_t i = 0; i < response->fields_count; i++)
        if (strcmp(response->fields[i].name, "throttle_time_ms") == 0)
            memcpy(&ms, field_at_const(&response->fields[i], value), sizeof ms);
    return ms;
}

size_t field_value_size(const struct message_field *f) {
    static const uint8_t sizes[] = {
        [FIELD_BOOL] = sizeof(bool),
        [FIELD_INT8] = sizeof(int8_t),
        [FIELD_INT16] = sizeof(int16_t),
        [FIELD_INT32] = sizeof(int32_t),
        [FIELD_INT64] = sizeof(int64_t),
        [FIELD_FLOAT64] = sizeof(double),
        [FIELD_UUID] = sizeof(struct wire_uuid),
        [FIELD_STRING] = sizeof(struct wire_text),
        [FIELD_BYTES] = sizeof(struct wire_bytes),
        [FIELD_RECORDS] = sizeof(struct wire_bytes),
    };
    return f->type == FIELD_STRUCT ? f->element->struct_size : sizes[f->type];
}

static void set_default_value(const struct message_field *f, void *at) {
    switch ((enum field_type)f->type) {
    case FIELD_BOOL:
        *(bool *)at = f->default_number != 0;
        break;
    case FIELD_INT8:
        *(int8_t *)at = (int8_t)f->default_number;
        break;
    case FIELD_INT16:
        *(int16_t *)at = (int16_t)f->default_number;
        break;
    case FIELD_INT32:
        *(int32_t *)at = (int32_t)f->default_number;
        break;
    case FIELD_INT64:
        *(int64_t *)at = f->default_number;
        break;
    case FIELD_FLOAT64:
        *(double *)at = 0;
        break;
    case FIELD_UUID:
        *(struct wire_uuid *)at = (struct wire_uuid){{0}};
        break;
    case FIELD_STRING:
        *(struct wire_text *)at = (struct wire_text){NULL, f->default_null ? -1 : 0};
        break;
    case FIELD_BYTES:
    case FIELD_RECORDS:
        *(struct wire_bytes *)at = (struct wire_bytes){NULL, f->default_null ? -1 : 0};
        break;
    case FIELD_STRUCT:
        message_defaults(f->element, at);
        break;
    }
}

void field_set_default(const struct message_field *f, void *value) {
    if (f->array) field_set_array(f, value, NULL, f->default_null ? -1 : 0);
    else set_default_value(f, field_at(f, value));
}

void message_defaults(const struct message *m, void *value) {
    for (size_t i = 0; i < m->fields_count; i++) field_set_default(&m->fields[i], value);
}

static bool message_is_default(const struct message *m, const void *value) {
    for (size_t i = 0; i < m->fields_count; i++) {
        if (!field_is_default(&m->fields[i], value)) return false;
    }
    return true;
}

bool field_is_default(const struct message_field *f, const void *value) {
    int32_t size = f->default_null ? -1 : 0;
    if (f->array) return field_count(f, value) == size;
    const void *at = field_at_const(f, value);
    switch ((enum field_type)f->type) {
    case FIELD_BOOL:
        return *(const bool *)at == (f->default_number != 0);
    case FIELD_INT8:
        return *(const int8_t *)at == f->default_number;
    case FIELD_INT16:
        return *(const int16_t *)at == f->default_number;
    case FIELD_INT32:
        return *(const int32_t *)at == f->default_number;
    case FIELD_INT64:
        return *(const int64_t *)at == f->default_number;
    case FIELD_FLOAT64:
        return *(const double *)at == 0;
    case FIELD_UUID:
        return uuid_is_zero(at);
    case FIELD_STRING:
        return ((const struct wire_text *)at)->size == size;
    case FIELD_BYTES:
    case FIELD_RECORDS:
        return ((const struct wire_bytes *)at)->size == size;
    case FIELD_STRUCT:
        return message_is_default(f->element, at);
    }
    assert(!"a type of the table");
    return false;
}
