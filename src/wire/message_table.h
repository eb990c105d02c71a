// The tables behind messages: what tools/schema.py writes, the interpreter reads and the tests walk.
#pragma once
#include "wire/message.h"

#include <stdbool.h>

enum field_type {
    FIELD_BOOL,
    FIELD_INT8,
    FIELD_INT16,
    FIELD_INT32,
    FIELD_INT64,
    FIELD_FLOAT64,
    FIELD_UUID,
    FIELD_STRING,
    FIELD_BYTES,
    FIELD_RECORDS,
    FIELD_STRUCT,
};

struct message_field {
    const char *name;
    const struct message *element;  // of FIELD_STRUCT
    int64_t default_number;
    uint16_t offset, count_offset;  // of an array: where its pointer and its count are
    int16_t version_min, version_max;
    int16_t nullable_min, nullable_max;  // 1, 0 = never
    int16_t tag;                         // -1 = none
    uint8_t type;                        // enum field_type, of the elements when it is an array
    bool array, default_null, ignorable, secret;
    bool optional;                       // an array of one struct, or null: a byte says which
};

// A message or a struct nested in one.
struct message {
    const char *name;
    const struct message_field *fields;  // the untagged in the order of the wire, then the tagged by tag
    uint16_t untagged_count, fields_count;
    uint16_t struct_size;
    int16_t version_min, version_max, flexible_min;
};

static inline bool field_exists(const struct message_field *f, int16_t version) {
    return version >= f->version_min && version <= f->version_max;
}

static inline bool field_is_nullable(const struct message_field *f, int16_t version) {
    return version >= f->nullable_min && version <= f->nullable_max;
}
