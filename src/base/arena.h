// A bump allocator for decoded messages: many small allocations, freed all at once by arena_reset(), which keeps the
// memory for the next message. Bounded: arena_alloc() answers NULL past size_max.
#pragma once
#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *blocks;   // newest first
    size_t used_in_newest;
    size_t size;                  // bytes held in all blocks
    size_t size_max;
};

void arena_init(struct arena *a, size_t size_max);
void arena_free(struct arena *a);
void arena_reset(struct arena *a);  // keeps the largest block

// Zeroed, aligned for any type. NULL when size_max would be passed: the input is refused, not the process.
void *arena_alloc(struct arena *a, size_t size);
