// Hash maps from text or a 64-bit number to a pointer. Open addressing; deterministic iteration order for one history
// of calls (the simulator relies on it). Keys of a text map are copied.
#pragma once
#include <stddef.h>
#include <stdint.h>

struct map_slot;

struct map {
    struct map_slot *slots;
    size_t count, used, capacity;  // used = count + tombstones
};

void map_init(struct map *m);
void map_free(struct map *m);  // frees the keys, not the values

// put answers the value that was there before, or NULL. value must not be NULL.
void *map_put_text(struct map *m, const char *at, size_t size, void *value);
void *map_get_text(const struct map *m, const char *at, size_t size);
void *map_remove_text(struct map *m, const char *at, size_t size);
void *map_put_number(struct map *m, uint64_t key, void *value);
void *map_get_number(const struct map *m, uint64_t key);
void *map_remove_number(struct map *m, uint64_t key);

// Walks all values: size_t i = 0; while ((v = map_next(m, &i))) ... Removing the value just answered is allowed.
void *map_next(const struct map *m, size_t *i);

uint64_t hash_bytes(const void *at, size_t size);  // the same on every machine and run
