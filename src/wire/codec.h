// The compression codecs of record batches, as the Java client writes and reads them.
// See org.apache.kafka.common.compress.Compression.
#pragma once
#include "base/buffer.h"
#include "wire/batch.h"

// Appends the decompressed form of all of `in`. Snappy is read in the framing of the Java client (xerial) and raw;
// gzip, lz4 and zstd may be several frames.
// Errors: ERROR_PROTOCOL when `in` is damaged or cut off, ERROR_LIMIT when `out` would pass its maximum.
MUST_USE struct error codec_decompress(enum codec codec, struct bytes in, struct buffer *out);

// Appends the compressed form of `in`. Errors: ERROR_LIMIT.
MUST_USE struct error codec_compress(enum codec codec, struct bytes in, struct buffer *out);

const char *codec_name(enum codec codec);
