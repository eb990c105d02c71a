// Record batches as producers make them: all codecs, few and many records, short and long values, with and without keys
// and headers. Made once for a process; each use gets timestamps of its own, so that no two are equal.
#pragma once
#include "base/prng.h"
#include "wire/batch.h"

#define BATCH_SIZES 3  // small, medium, large
#define BATCH_SIZE_MAX (160 * 1024)

void batches_prepare(void);  // makes them, if they are not made

struct batch_kind {
    int32_t sizes;  // 0 small .. 2 large
    bool keyed;     // every record
    bool plain;     // never compressed
};

// Writes one to `out` (BATCH_SIZE_MAX bytes are enough) and answers its size; its first record is of `timestamp_ms`.
size_t batches_write(struct prng *r, const struct batch_kind *kind, int64_t timestamp_ms, uint8_t *out);
