// Fills messages by walking their tables: what stands in a field is the test's choice, where it stands is not.
#pragma once
#include "base/arena.h"
#include "wire/message_table.h"

#include <assert.h>

#define FILL_KEEP (-2)  // answer of count(): leave the array as the defaults made it

struct fill {
    // The number of elements of an array; -1 = null.
    int32_t (*count)(struct fill *fill, const struct message_field *field, bool nullable);
    // One value, of a field or of an element of an array. index is that of the element it is (in).
    void (*value)(struct fill *fill, const struct message_field *field, bool nullable, int32_t index, void *at);
    struct arena *arena;
    int16_t version;
};

static void fill_struct(struct fill *fill, const struct message *m, int32_t index, void *out);

static void fill_one(struct fill *fill, const struct message_field *f, bool nullable, int32_t index, void *at) {
    if (f->type == FIELD_STRUCT) fill_struct(fill, f->element, index, at);
    else fill->value(fill, f, nullable, index, at);
}

static size_t fill_value_size(const struct message_field *f) {
    switch ((enum field_type)f->type) {
    case FIELD_INT8:
        return 1;
    case FIELD_INT32:
        return 4;
    case FIELD_INT64:
        return 8;
    case FIELD_STRING:
        return sizeof(struct wire_text);
    case FIELD_STRUCT:
        return message_struct_size(f->element);
    default:
        assert(!"a type that arrays have");
        return 0;
    }
}

static void fill_array(struct fill *fill, const struct message_field *f, bool nullable, void *out) {
    int32_t count = fill->count(fill, f, nullable);
    if (count == FILL_KEEP) return;
    size_t size = fill_value_size(f);
    char *elements = count > 0 ? arena_alloc(fill->arena, size * (size_t)count) : NULL;
    assert(elements || count <= 0);
    memcpy((char *)out + f->offset, &elements, sizeof elements);
    memcpy((char *)out + f->count_offset, &count, sizeof count);
    for (int32_t i = 0; i < count; i++) fill_one(fill, f, false, i, elements + size * (size_t)i);
}

// Every field that the version has; the others get their defaults.
static void fill_struct(struct fill *fill, const struct message *m, int32_t index, void *out) {
    message_defaults(m, out);
    for (size_t i = 0; i < m->fields_count; i++) {
        const struct message_field *f = &m->fields[i];
        bool nullable = field_is_nullable(f, fill->version);
        if (!field_exists(f, fill->version)) continue;
        if (f->array) fill_array(fill, f, nullable, out);
        else fill_one(fill, f, nullable, index, (char *)out + f->offset);
    }
}
