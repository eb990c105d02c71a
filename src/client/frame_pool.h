// Reference-counted receive buffers. A response is received into one of them and its batches are sent from where they
// lie; the last one to let go returns it. Freed buffers are handed out again newest first: they are still in the cache.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct frame_pool;

struct frame {
    struct frame_pool *pool;
    struct frame *next_free;
    uint32_t references;
    uint32_t size_class;
    size_t capacity;
    size_t size;  // bytes received
    uint8_t at[];
};

#define FRAME_CLASSES 7

struct frame_pool {
    struct frame *free[FRAME_CLASSES];
    size_t bytes_free;      // kept for reuse; at most FRAME_POOL_KEPT_MAX
    size_t bytes_lent;      // capacity of all frames that are out
    size_t bytes_lent_peak;
    size_t bytes_lent_much;  // the owner's: from here on nobody should keep a large frame for something small; 0: never
};

void frame_pool_init(struct frame_pool *p);
void frame_pool_free(struct frame_pool *p);  // asserts that every frame came back

// A frame of at least `capacity` bytes with one reference and size 0.
struct frame *frame_new(struct frame_pool *p, size_t capacity);
// One with these bytes in it; no larger than that where the pool is short.
struct frame *frame_copy(struct frame_pool *p, const void *at, size_t size);
bool frame_pool_is_short(const struct frame_pool *p);
struct frame *frame_hold(struct frame *f);
void frame_release(struct frame *f);  // NULL is allowed
