// Batches that replicas share, counted by reference.
#include "broker/stored_batch.h"

#include "base/memory.h"

#include <assert.h>

struct stored_batch *stored_batch_new(struct bytes batch, const struct batch_header *header) {
    assert(header->magic == BATCH_MAGIC && header->size >= BATCH_HEADER_SIZE && (size_t)header->size <= batch.size);
    struct stored_batch *b = memory_alloc(sizeof *b + (size_t)header->size);
    b->references = 1;
    b->logs = 0;
    b->header = *header;
    memcpy(b->at, batch.at, (size_t)header->size);
    return b;
}

struct stored_batch *stored_batch_hold(struct stored_batch *b) {
    assert(b->references > 0);
    b->references++;
    return b;
}

void stored_batch_release(struct stored_batch *b) {
    if (!b) return;
    assert(b->references > 0);
    if (--b->references == 0) memory_free(b);
}
