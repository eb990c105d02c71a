// Reads and writes zigzag varints.
#include "wire/varint.h"

static bool read_unsigned(struct bytes *in, size_t size_max, uint64_t *v) {
    *v = 0;
    for (size_t i = 0; i < size_max && i < in->size; i++) {
        *v |= (uint64_t)(in->at[i] & 0x7f) << (7 * i);
        if (in->at[i] & 0x80) continue;
        in->at += i + 1;
        in->size -= i + 1;
        return true;
    }
    return false;
}

bool varint_read(struct bytes *in, int32_t *v) {
    uint64_t raw;
    if (!read_unsigned(in, 5, &raw)) return false;
    uint32_t folded = (uint32_t)raw;  // bits past the 32nd are dropped, as Java does
    *v = (int32_t)((folded >> 1) ^ -(folded & 1));
    return true;
}

bool varlong_read(struct bytes *in, int64_t *v) {
    uint64_t folded;
    if (!read_unsigned(in, 10, &folded)) return false;
    *v = (int64_t)((folded >> 1) ^ -(folded & 1));
    return true;
}

static uint64_t fold(int64_t v) {
    return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

size_t varlong_size(int64_t v) {
    size_t size = 1;
    for (uint64_t folded = fold(v); folded >= 0x80; folded >>= 7) size++;
    return size;
}

void varlong_append(struct buffer *out, int64_t v) {
    uint64_t folded = fold(v);
    for (; folded >= 0x80; folded >>= 7) buffer_append_u8(out, (uint8_t)(folded | 0x80));
    buffer_append_u8(out, (uint8_t)folded);
}
