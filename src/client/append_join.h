// Joins a batch to one that waits to be appended.
#pragma once
#include "client/appender.h"
#include "wire/join.h"

// By how many bytes `x` has grown: 0 when it stayed as it was, because it or the batch cannot be read or is not of the
// kind, or because it would have more than `size_max` bytes or grow by more than the batch has.
int32_t append_join(struct append *x, struct frame_pool *frames, struct bytes batch, const struct batch_header *header,
                    int32_t size_max);
