// Record batches for tests: real records of many shapes, the same ones for the same seed.
#pragma once
#include "base/buffer.h"
#include "base/prng.h"
#include "wire/batch.h"

struct made_batch {
    enum codec codec;
    int32_t count;
    int32_t value_size_max;
    int64_t timestamp_ms;  // of the first record; the others follow within a few ms
};

// Appends one batch with base offset 0 and no producer to `out`: random keys (also none), values (also null), headers.
void made_batch_append(struct buffer *out, const struct made_batch *m, struct prng *prng);
