// Joins a batch to one that waits to be appended.
#include "client/append_join.h"

#include <assert.h>

// It may be joined at all; what was joined before may. Looked at when the first one comes that could be joined to it.
static bool can_begin(struct append *x) {
    struct batch_header h;
    struct bytes batch = {x->at, (size_t)x->size};
    enum batch_look look = batch_look(batch, &h);
    assert(look == BATCH_WHOLE && h.size == x->size);
    (void)look;
    x->may_grow = join_possible(&h) && join_readable(batch, &h);
    return x->may_grow;
}

int32_t append_join(struct append *x, struct frame_pool *frames, struct bytes batch, const struct batch_header *header,
                    int32_t size_max) {
    int64_t room = (int64_t)x->size + header->size;
    if (!x->may_grow || !join_possible(header) || room > size_max) return 0;
    if (!x->joined && !can_begin(x)) return 0;
    struct frame *f = x->hold;
    if (!x->joined || (int64_t)f->capacity < room) {
        f = frame_new(frames, (size_t)room);
        memcpy(f->at, x->at, (size_t)x->size);
    }
    struct buffer out = {.at = f->at, .size = (size_t)x->size, .capacity = (size_t)room, .size_max = (size_t)room};
    bool added = join_add(&out, batch, header);
    if (f != x->hold) frame_release(added ? x->hold : f);
    if (!added) return 0;
    int32_t grown = (int32_t)out.size - x->size;
    x->hold = f;
    x->at = f->at;
    x->size += grown;
    x->count += header->count;
    if (header->max_timestamp > x->max_timestamp) x->max_timestamp = header->max_timestamp;
    x->joined = true;
    return grown;
}
