// The hash map: open addressing with linear probing; a removed slot stays as a tombstone until the table is rebuilt.
#include "base/map.h"

#include "base/memory.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#define CAPACITY_MIN 16  // a power of two, as every capacity

struct map_slot {
    uint64_t hash;  // of a number it is a bijection: equal hashes are equal numbers
    char *text;     // NULL in a map of numbers
    size_t text_size;
    void *value;  // NULL = never used
};

struct key {
    uint64_t hash;
    const char *text;
    size_t text_size;
};

static char tombstone;

// The finalizer of MurmurHash3, a bijection that spreads every bit.
static uint64_t mix(uint64_t h) {
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccdULL;
    h ^= h >> 33;
    h *= 0xc4ceb9fe1a85ec53ULL;
    return h ^ (h >> 33);
}

// FNV-1a, then mixed: FNV alone leaves the low bits of short names poor.
uint64_t hash_bytes(const void *at, size_t size) {
    const unsigned char *p = at;
    uint64_t h = 0xcbf29ce484222325ULL;
    for (size_t i = 0; i < size; i++) h = (h ^ p[i]) * 0x100000001b3ULL;
    return mix(h);
}

static struct key key_of_text(const char *at, size_t size) {
    return (struct key){.hash = hash_bytes(at, size), .text = size ? at : "", .text_size = size};
}

static struct key key_of_number(uint64_t number) {
    return (struct key){.hash = mix(number)};
}

void map_init(struct map *m) {
    *m = (struct map){0};
}

void map_free(struct map *m) {
    for (size_t i = 0; i < m->capacity; i++) memory_free(m->slots[i].text);
    memory_free(m->slots);
    map_init(m);
}

static bool is_live(const struct map_slot *slot) {
    return slot->value && slot->value != &tombstone;
}

static bool holds(const struct map_slot *slot, const struct key *key) {
    if (!is_live(slot) || slot->hash != key->hash) return false;
    assert(!slot->text == !key->text);  // a map has texts or numbers, not both
    if (!key->text) return true;
    return slot->text_size == key->text_size && memcmp(slot->text, key->text, key->text_size) == 0;
}

static struct map_slot *find(const struct map *m, const struct key *key) {
    if (!m->capacity) return NULL;
    for (size_t i = key->hash & (m->capacity - 1);; i = (i + 1) & (m->capacity - 1)) {
        if (!m->slots[i].value) return NULL;
        if (holds(&m->slots[i], key)) return &m->slots[i];
    }
}

static struct map_slot *unused_slot(struct map *m, uint64_t hash) {
    size_t i = hash & (m->capacity - 1);
    while (m->slots[i].value) i = (i + 1) & (m->capacity - 1);
    return &m->slots[i];
}

// Makes a table that is at most half full, without tombstones.
static void rebuild(struct map *m) {
    struct map old = *m;
    m->capacity = CAPACITY_MIN;
    while (m->capacity < 2 * (m->count + 1)) m->capacity *= 2;
    m->slots = memory_alloc_zeroed(m->capacity, sizeof *m->slots);
    for (size_t i = 0; i < old.capacity; i++) {
        if (is_live(&old.slots[i])) *unused_slot(m, old.slots[i].hash) = old.slots[i];
    }
    m->used = m->count;
    memory_free(old.slots);
}

static void *put(struct map *m, const struct key *key, void *value) {
    assert(value);
    struct map_slot *slot = find(m, key);
    if (slot) {
        void *before = slot->value;
        slot->value = value;
        return before;
    }
    if ((m->used + 1) * 4 > m->capacity * 3) rebuild(m);
    slot = unused_slot(m, key->hash);
    *slot = (struct map_slot){.hash = key->hash, .value = value, .text_size = key->text_size};
    if (key->text) slot->text = memory_copy_text(key->text, key->text_size);
    m->count++;
    m->used++;
    return NULL;
}

static void *get(const struct map *m, const struct key *key) {
    struct map_slot *slot = find(m, key);
    return slot ? slot->value : NULL;
}

static void *take(struct map *m, const struct key *key) {
    struct map_slot *slot = find(m, key);
    if (!slot) return NULL;
    void *value = slot->value;
    memory_free(slot->text);
    *slot = (struct map_slot){.value = &tombstone};
    m->count--;
    return value;
}

void *map_put_text(struct map *m, const char *at, size_t size, void *value) {
    struct key key = key_of_text(at, size);
    return put(m, &key, value);
}

void *map_get_text(const struct map *m, const char *at, size_t size) {
    struct key key = key_of_text(at, size);
    return get(m, &key);
}

void *map_remove_text(struct map *m, const char *at, size_t size) {
    struct key key = key_of_text(at, size);
    return take(m, &key);
}

void *map_put_number(struct map *m, uint64_t number, void *value) {
    struct key key = key_of_number(number);
    return put(m, &key, value);
}

void *map_get_number(const struct map *m, uint64_t number) {
    struct key key = key_of_number(number);
    return get(m, &key);
}

void *map_remove_number(struct map *m, uint64_t number) {
    struct key key = key_of_number(number);
    return take(m, &key);
}

void *map_next(const struct map *m, size_t *i) {
    while (*i < m->capacity) {
        struct map_slot *slot = &m->slots[(*i)++];
        if (is_live(slot)) return slot->value;
    }
    return NULL;
}
