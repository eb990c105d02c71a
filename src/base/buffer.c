// The growable byte buffer: grows by doubling, never past its maximum.
#include "base/buffer.h"

#include "base/memory.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#define CAPACITY_MIN 256

void buffer_init(struct buffer *b, size_t size_max) {
    assert(size_max < SIZE_MAX / 2);
    *b = (struct buffer){.size_max = size_max};
}

void buffer_free(struct buffer *b) {
    memory_free(b->at);
    *b = (struct buffer){.size_max = b->size_max};
}

void buffer_clear(struct buffer *b) {
    b->size = 0;
    b->overflowed = false;
}

static void grow(struct buffer *b, size_t needed) {
    size_t capacity = b->capacity ? b->capacity : CAPACITY_MIN;
    while (capacity < needed) capacity *= 2;
    if (capacity > b->size_max) capacity = b->size_max;
    b->at = memory_resize(b->at, capacity + 1);  // one more than counted: vsnprintf() wants to write its closing zero
    b->capacity = capacity;
}

uint8_t *buffer_extend(struct buffer *b, size_t size) {
    assert(b->size <= b->size_max);
    if (b->overflowed || size > b->size_max - b->size) {
        b->overflowed = true;
        return NULL;
    }
    if (b->size + size > b->capacity || !b->at) grow(b, b->size + size);
    uint8_t *added = b->at + b->size;
    b->size += size;
    return added;
}

void buffer_append(struct buffer *b, const void *at, size_t size) {
    uint8_t *to = buffer_extend(b, size);
    if (to && size) memcpy(to, at, size);
}

void buffer_append_u8(struct buffer *b, uint8_t v) {
    uint8_t *to = buffer_extend(b, sizeof v);
    if (to) *to = v;
}

void buffer_append_be16(struct buffer *b, uint16_t v) {
    uint8_t *to = buffer_extend(b, sizeof v);
    if (to) store_be16(to, v);
}

void buffer_append_be32(struct buffer *b, uint32_t v) {
    uint8_t *to = buffer_extend(b, sizeof v);
    if (to) store_be32(to, v);
}

void buffer_append_be64(struct buffer *b, uint64_t v) {
    uint8_t *to = buffer_extend(b, sizeof v);
    if (to) store_be64(to, v);
}

void buffer_printf(struct buffer *b, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    assert(size >= 0);
    uint8_t *to = buffer_extend(b, (size_t)size);
    if (to) vsnprintf((char *)to, (size_t)size + 1, format, again);
    va_end(again);
}
