// The splice check: is the last batch of the destination the very batch the source holds at the same offsets?
// It needs no memory, and finds every shift, foreign record, truncation and re-creation (design rule 3).
#pragma once
#include "wire/batch.h"

enum splice_verdict {
    SPLICE_SAME,
    SPLICE_REWRITTEN,  // the same offsets, but the source (or the mirror, for LogAppendTime) rewrote the records since
    SPLICE_COMPACTED,  // the source holds nothing at these offsets any more
    SPLICE_DIFFERENT,
};

// `source` is what the source answered for the destination batch's base offset: at least one whole batch.
enum splice_verdict splice_compare(const struct batch_header *destination, struct bytes source);
