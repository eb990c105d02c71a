// What the parts of the interpreter share: access to values in structs, and reading unsigned varints and tags.
#pragma once
#include "wire/message_table.h"

#define UVARINT_SIZE_MAX 5

// Bytes of one value of the field in its struct; of an array, of one element.
size_t field_value_size(const struct message_field *f);
void field_set_default(const struct message_field *f, void *value);
bool field_is_default(const struct message_field *f, const void *value);

static inline void *field_at(const struct message_field *f, void *value) {
    return (char *)value + f->offset;
}

static inline const void *field_at_const(const struct message_field *f, const void *value) {
    return (const char *)value + f->offset;
}

static inline int32_t field_count(const struct message_field *f, const void *value) {
    int32_t count;
    memcpy(&count, (const char *)value + f->count_offset, sizeof count);
    return count;
}

static inline void field_set_array(const struct message_field *f, void *value, void *elements, int32_t count) {
    memcpy(field_at(f, value), &elements, sizeof elements);
    memcpy((char *)value + f->count_offset, &count, sizeof count);
}

static inline const char *field_elements(const struct message_field *f, const void *value) {
    const char *elements;
    memcpy(&elements, field_at_const(f, value), sizeof elements);
    return elements;
}

// Unsigned varint as in org.apache.kafka.common.utils.ByteUtils; false when cut short or longer than 32 bits.
static inline bool uvarint_read(const uint8_t **at, const uint8_t *end, uint32_t *out) {
    uint32_t v = 0;
    const uint8_t *p = *at;
    for (int shift = 0; shift < 7 * UVARINT_SIZE_MAX && p < end; shift += 7) {
        uint8_t byte = *p++;
        if (shift == 28 && byte > 0x0f) return false;
        v |= (uint32_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *at = p;
            *out = v;
            return true;
        }
    }
    return false;
}

// Writes up to UVARINT_SIZE_MAX bytes and answers how many.
static inline size_t uvarint_write(uint8_t *out, uint32_t v) {
    size_t n = 0;
    while (v >= 0x80) {
        out[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    out[n++] = (uint8_t)v;
    return n;
}

// The head of one tagged field (KIP-482): tag and size, the size checked against what is left.
static inline bool tag_read(const uint8_t **at, const uint8_t *end, uint32_t *tag, uint32_t *size) {
    return uvarint_read(at, end, tag) && uvarint_read(at, end, size) && *size <= (size_t)(end - *at);
}
