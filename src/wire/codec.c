// Which function does what for which codec.
#include "wire/codec.h"

#include "wire/codec_private.h"

#include <assert.h>

const char *codec_name(enum codec codec) {
    static const char *const names[] = {"none", "gzip", "snappy", "lz4", "zstd"};
    assert(codec <= CODEC_ZSTD);
    return names[codec];
}

struct error codec_damaged(enum codec codec) {
    return error_make(ERROR_PROTOCOL, 0, "codec", "compressed records (%s) are damaged or cut off", codec_name(codec));
}

struct error codec_too_large(enum codec codec, const struct buffer *out) {
    return error_make(ERROR_LIMIT, 0, "codec", "records (%s) would pass %zu bytes", codec_name(codec), out->size_max);
}

static struct error copy(struct bytes in, struct buffer *out) {
    buffer_append(out, in.at, in.size);
    return out->overflowed ? codec_too_large(CODEC_NONE, out) : error_none();
}

struct error codec_decompress(enum codec codec, struct bytes in, struct buffer *out) {
    switch (codec) {
    case CODEC_NONE: return copy(in, out);
    case CODEC_SNAPPY: return codec_snappy_decompress(in, out);
    case CODEC_GZIP:
    case CODEC_LZ4:
    case CODEC_ZSTD: return codec_stream_decompress(codec, in, out);
    }
    assert(!"a codec");
    return error_none();
}

struct error codec_compress(enum codec codec, struct bytes in, struct buffer *out) {
    switch (codec) {
    case CODEC_NONE: return copy(in, out);
    case CODEC_GZIP: return codec_gzip_compress(in, out);
    case CODEC_SNAPPY: return codec_snappy_compress(in, out);
    case CODEC_LZ4: return codec_lz4_compress(in, out);
    case CODEC_ZSTD: return codec_zstd_compress(in, out);
    }
    assert(!"a codec");
    return error_none();
}
