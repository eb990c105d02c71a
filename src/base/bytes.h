// Borrowed byte ranges, and loads and stores in network byte order (the order of the Kafka protocol).
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// A range somebody else owns. at may be NULL only when size is 0.
struct bytes {
    const uint8_t *at;
    size_t size;
};
static inline struct bytes bytes_of_text(const char *text) {  // without its end
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static inline uint16_t load_be16(const uint8_t *p) {
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap16(v);
}

static inline uint32_t load_be32(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap32(v);
}

static inline uint64_t load_be64(const uint8_t *p) {
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap64(v);
}

static inline void store_be16(uint8_t *p, uint16_t v) {
    v = __builtin_bswap16(v);
    memcpy(p, &v, sizeof v);
}

static inline void store_be32(uint8_t *p, uint32_t v) {
    v = __builtin_bswap32(v);
    memcpy(p, &v, sizeof v);
}

static inline void store_be64(uint8_t *p, uint64_t v) {
    v = __builtin_bswap64(v);
    memcpy(p, &v, sizeof v);
}
