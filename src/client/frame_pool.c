// Receive buffers in seven size classes, newest first; larger ones go straight to the allocator.
#include "client/frame_pool.h"

#include "base/limits.h"
#include "base/memory.h"

#include <assert.h>
#include <string.h>

static const size_t class_capacity[FRAME_CLASSES] = {2 * KiB, 16 * KiB, 128 * KiB, MiB + 64 * KiB,
                                                     2 * MiB + 128 * KiB, 4 * MiB + 256 * KiB, 8 * MiB + 512 * KiB};

void frame_pool_init(struct frame_pool *p) {
    *p = (struct frame_pool){0};
}

void frame_pool_free(struct frame_pool *p) {
    assert(p->bytes_lent == 0);
    for (int i = 0; i < FRAME_CLASSES; i++) {
        while (p->free[i]) {
            struct frame *f = p->free[i];
            p->free[i] = f->next_free;
            memory_free(f);
        }
    }
    p->bytes_free = 0;
}

static struct frame *lend(struct frame_pool *p, uint32_t class, size_t capacity) {
    struct frame *f;
    if (class < FRAME_CLASSES && p->free[class]) {
        f = p->free[class];
        p->free[class] = f->next_free;
        p->bytes_free -= f->capacity;
    } else {
        size_t size = class < FRAME_CLASSES ? class_capacity[class] : capacity;
        f = memory_alloc(sizeof *f + size);
        f->pool = p;
        f->capacity = size;
        f->size_class = class;
    }
    f->next_free = NULL;
    f->references = 1;
    f->size = 0;
    p->bytes_lent += f->capacity;
    if (p->bytes_lent > p->bytes_lent_peak) p->bytes_lent_peak = p->bytes_lent;
    return f;
}

static uint32_t class_of(size_t capacity) {
    uint32_t class = 0;
    while (class < FRAME_CLASSES && class_capacity[class] < capacity) class ++;
    return class;
}

struct frame *frame_new(struct frame_pool *p, size_t capacity) {
    return lend(p, class_of(capacity), capacity);
}

bool frame_pool_is_short(const struct frame_pool *p) {
    return p->bytes_lent_much > 0 && p->bytes_lent > p->bytes_lent_much;
}

struct frame *frame_copy(struct frame_pool *p, const void *at, size_t size) {
    struct frame *f = lend(p, frame_pool_is_short(p) ? FRAME_CLASSES : class_of(size), size);
    memcpy(f->at, at, size);
    f->size = size;
    return f;
}

struct frame *frame_hold(struct frame *f) {
    assert(f->references > 0);
    f->references++;
    return f;
}

void frame_release(struct frame *f) {
    if (!f) return;
    assert(f->references > 0);
    if (--f->references > 0) return;
    struct frame_pool *p = f->pool;
    assert(p->bytes_lent >= f->capacity);
    p->bytes_lent -= f->capacity;
    if (f->size_class >= FRAME_CLASSES || p->bytes_free + f->capacity > FRAME_POOL_KEPT_MAX) {
        memory_free(f);
        return;
    }
    f->next_free = p->free[f->size_class];
    p->free[f->size_class] = f;
    p->bytes_free += f->capacity;
}
