// Compression in one go: room for the worst case, and what was not needed is given back.
#include "base/limits.h"
#include "base/memory.h"
#include "wire/codec_private.h"

#include <assert.h>
#include <lz4frame.h>
#include <zlib.h>
#include <zstd.h>

struct error codec_gzip_compress(struct bytes in, struct buffer *out) {
    z_stream z = {0};
    assert(in.size <= RECORDS_SIZE_MAX);
    int memory_level = 8;  // zlib's default; + 16: with gzip's header
    int result = deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + 16, memory_level, Z_DEFAULT_STRATEGY);
    memory_check(result == Z_OK ? &z : NULL);
    size_t bound = deflateBound(&z, in.size);
    uint8_t *room = buffer_extend(out, bound);
    if (room) {
        z.next_in = (uint8_t *)in.at;
        z.avail_in = (uInt)in.size;
        z.next_out = room;
        z.avail_out = (uInt)bound;
        result = deflate(&z, Z_FINISH);
        assert(result == Z_STREAM_END);
        out->size -= z.avail_out;
    }
    deflateEnd(&z);
    return room ? error_none() : codec_too_large(CODEC_GZIP, out);
}

struct error codec_lz4_compress(struct bytes in, struct buffer *out) {
    // Lz4BlockInputStream reads independent blocks only; 64 KB is what Lz4BlockOutputStream writes.
    LZ4F_preferences_t preferences = {
        .frameInfo = {.blockMode = LZ4F_blockIndependent, .blockSizeID = LZ4F_max64KB},
    };
    size_t bound = LZ4F_compressFrameBound(in.size, &preferences);
    uint8_t *room = buffer_extend(out, bound);
    if (!room) return codec_too_large(CODEC_LZ4, out);
    size_t size = LZ4F_compressFrame(room, bound, in.at, in.size, &preferences);
    memory_check(LZ4F_isError(size) ? NULL : room);
    out->size -= bound - size;
    return error_none();
}

struct error codec_zstd_compress(struct bytes in, struct buffer *out) {
    size_t bound = ZSTD_compressBound(in.size);
    uint8_t *room = buffer_extend(out, bound);
    if (!room) return codec_too_large(CODEC_ZSTD, out);
    size_t size = ZSTD_compress(room, bound, in.at, in.size, ZSTD_CLEVEL_DEFAULT);
    memory_check(ZSTD_isError(size) ? NULL : room);
    out->size -= bound - size;
    return error_none();
}
