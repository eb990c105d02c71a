// The splice check: is the last batch of the destination the very batch the source holds at the same offsets, or made
// of the batches that it holds there (wire/join.h)?
// It needs no memory, and finds every shift, foreign record, truncation and re-creation (design rule 3).
#pragma once
#include "wire/batch.h"

enum splice_verdict {
    SPLICE_SAME,
    SPLICE_REWRITTEN,  // the same offsets, but the source (or the mirror, for LogAppendTime) rewrote the records since
    SPLICE_COMPACTED,  // the source holds nothing at these offsets any more
    SPLICE_DIFFERENT,
    SPLICE_CUT,        // as far as it goes it fits, but `source` ends before the destination's batch does
    SPLICE_DAMAGED,    // the source's answer is: a header makes no sense, or a part of a joined batch has a wrong CRC
};

// `source` is what the source answered for the destination batch's base offset: at least one whole batch. Sets
// *leader_epoch, where the verdict says that it holds, to that of the source's batch that ends where the destination
// does; -1: it is gone, and nobody knows.
enum splice_verdict splice_compare(const struct batch_header *destination, struct bytes source, int32_t *leader_epoch);

// How many bytes to ask of the source: more than the destination's batch has where it may be joined.
int32_t splice_source_size(const struct batch_header *destination);

// No joined batch is made of more bytes than this (nor was, before the destination's cleaner thinned it).
int64_t splice_parts_size_max(const struct batch_header *destination);
