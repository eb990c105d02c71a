// Zigzag varints, as records carry them (ByteUtils.readVarint, readVarlong).
#pragma once
#include "base/buffer.h"

// Takes one off the front of `in`; false when it is cut off or longer than its type allows.
bool varint_read(struct bytes *in, int32_t *v);
bool varlong_read(struct bytes *in, int64_t *v);

size_t varlong_size(int64_t v);  // of a varint too
void varlong_append(struct buffer *out, int64_t v);
