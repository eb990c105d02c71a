// The bump allocator: blocks of doubling size, newest first.
#include "base/arena.h"

#include "base/memory.h"

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define BLOCK_MIN 4096
#define BLOCK_DOUBLING_MAX (1024 * 1024)  // from here on blocks stay that big, unless one allocation needs more

struct arena_block {
    struct arena_block *older;
    size_t size;  // of the bytes, without this header
    alignas(max_align_t) uint8_t bytes[];
};

void arena_init(struct arena *a, size_t size_max) {
    *a = (struct arena){.size_max = size_max};
}

static void free_blocks(struct arena_block *block) {
    while (block) {
        struct arena_block *older = block->older;
        memory_free(block);
        block = older;
    }
}

void arena_free(struct arena *a) {
    free_blocks(a->blocks);
    arena_init(a, a->size_max);
}

void arena_reset(struct arena *a) {
    struct arena_block **largest = &a->blocks;
    for (struct arena_block **b = &a->blocks; *b; b = &(*b)->older) {
        if ((*b)->size > (*largest)->size) largest = b;
    }
    struct arena_block *kept = *largest;
    if (kept) {
        *largest = kept->older;
        kept->older = NULL;
    }
    free_blocks(a->blocks);
    a->blocks = kept;
    a->used_in_newest = 0;
    a->size = kept ? kept->size : 0;
}

static bool add_block(struct arena *a, size_t needed) {
    size_t left = a->size_max - a->size;
    if (needed > left) return false;
    size_t size = a->blocks ? a->blocks->size * 2 : BLOCK_MIN;
    if (size > BLOCK_DOUBLING_MAX) size = BLOCK_DOUBLING_MAX;
    if (size > left) size = left;
    if (size < needed) size = needed;
    struct arena_block *block = memory_alloc(sizeof *block + size);
    block->older = a->blocks;
    block->size = size;
    a->blocks = block;
    a->used_in_newest = 0;
    a->size += size;
    return true;
}

void *arena_alloc(struct arena *a, size_t size) {
    assert(a->size <= a->size_max);
    if (size > a->size_max) return NULL;
    size_t alignment = alignof(max_align_t);
    size_t used = (a->used_in_newest + alignment - 1) / alignment * alignment;
    if (!a->blocks || used > a->blocks->size || size > a->blocks->size - used) {
        if (!add_block(a, size)) return NULL;
        used = 0;
    }
    a->used_in_newest = used + size;
    return memset(a->blocks->bytes + used, 0, size);
}
