// A growable byte buffer with a maximum named at creation. Appending past the maximum sets `overflowed` and drops
// those bytes and all that follow; the writer checks once, at the end.
#pragma once
#include "base/bytes.h"

#include <stdbool.h>

struct buffer {
    uint8_t *at;
    size_t size;
    size_t capacity;
    size_t size_max;
    bool overflowed;
};

void buffer_init(struct buffer *b, size_t size_max);
void buffer_free(struct buffer *b);
void buffer_clear(struct buffer *b);  // size = 0, overflowed = false; keeps the memory

// Makes room for `size` more bytes and counts them as written; the caller fills them. NULL on overflow.
uint8_t *buffer_extend(struct buffer *b, size_t size);
void buffer_append(struct buffer *b, const void *at, size_t size);
void buffer_append_u8(struct buffer *b, uint8_t v);
void buffer_append_be16(struct buffer *b, uint16_t v);
void buffer_append_be32(struct buffer *b, uint32_t v);
void buffer_append_be64(struct buffer *b, uint64_t v);
void buffer_printf(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
