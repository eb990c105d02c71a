// What the codecs share among themselves.
#pragma once
#include "wire/codec.h"

struct error codec_damaged(enum codec codec);
struct error codec_too_large(enum codec codec, const struct buffer *out);

struct error codec_gzip_compress(struct bytes in, struct buffer *out);
struct error codec_lz4_compress(struct bytes in, struct buffer *out);
struct error codec_zstd_compress(struct bytes in, struct buffer *out);
struct error codec_snappy_compress(struct bytes in, struct buffer *out);
struct error codec_snappy_decompress(struct bytes in, struct buffer *out);

// gzip, lz4, zstd
struct error codec_stream_decompress(enum codec codec, struct bytes in, struct buffer *out);
