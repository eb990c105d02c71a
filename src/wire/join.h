// Joining: several small batches, contiguous in offsets, written as one. A broker takes one batch of each partition a
// request, so a producer without linger would cost a request for each of its records.
//
// The joined batch is a function of its parts alone, however many are added at a time: the first one's records stand as
// they are, all others get their offset and timestamp deltas anew against the first one's base offset and base
// timestamp, and keep everything else to the byte. So whoever has the parts can make it again and compare (splice.h).
#pragma once
#include "base/buffer.h"
#include "wire/batch.h"

// What any part must be, and what any joined batch is: not compressed (stored bytes are forwarded), with create times,
// of no transaction, no control batch, no delete horizon, and dense.
static inline bool join_possible(const struct batch_header *h) {
    return h->attributes == 0 && h->count > 0 && batch_is_dense(h);
}

// True when the CRC is right and every record can be read: only then may a batch be a part, or damage would get a right
// CRC again. `batch` must be BATCH_WHOLE and join_possible().
bool join_readable(struct bytes batch, const struct batch_header *header);

// Adds the records of `batch`, which follows on what `joined` holds: a batch that is join_readable() or was joined
// before. Count, last offset delta, newest timestamp and length become those of the whole; the CRC is left for
// join_finish(). False: it cannot be read, or does not fit into the buffer's maximum; nothing has changed then.
MUST_USE bool join_add(struct buffer *joined, struct bytes batch, const struct batch_header *header);

void join_finish(uint8_t *joined, size_t size);  // gives it its CRC
