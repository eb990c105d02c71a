// Decompression of the codecs that have a streaming decoder: one loop for all of them.
#include "base/limits.h"
#include "base/memory.h"
#include "wire/codec_private.h"

#include <assert.h>
#include <lz4frame.h>
#include <zlib.h>
#include <zstd.h>

#define STEP_SIZE (64 * KiB)   // the output grows by
#define ZSTD_WINDOW_LOG_MAX 27 // what zstd's own decoders take by default (and so the Java client)

enum step { STEP_MORE, STEP_FRAME_END, STEP_DAMAGED };

// One decoder. step() reads from `in` and writes to `out`, and moves both past what it used.
struct decoder {
    enum step (*step)(struct decoder *d, struct bytes *in, uint8_t **out, size_t *out_size);
    union {
        z_stream gzip;
        LZ4F_dctx *lz4;
        ZSTD_DStream *zstd;
    };
};

static void advance(struct bytes *in, uint8_t **out, size_t *out_size, size_t read, size_t written) {
    in->at += read;
    in->size -= read;
    *out += written;
    *out_size -= written;
}

static enum step gzip_step(struct decoder *d, struct bytes *in, uint8_t **out, size_t *out_size) {
    z_stream *z = &d->gzip;
    assert(in->size <= FRAME_SIZE_MAX);
    z->next_in = (uint8_t *)in->at;
    z->avail_in = (uInt)in->size;
    z->next_out = *out;
    z->avail_out = (uInt)*out_size;
    int result = inflate(z, Z_NO_FLUSH);
    advance(in, out, out_size, in->size - z->avail_in, *out_size - z->avail_out);
    if (result == Z_STREAM_END) return inflateReset(z) == Z_OK ? STEP_FRAME_END : STEP_DAMAGED;
    return result == Z_OK || result == Z_BUF_ERROR ? STEP_MORE : STEP_DAMAGED;
}

static enum step lz4_step(struct decoder *d, struct bytes *in, uint8_t **out, size_t *out_size) {
    size_t read = in->size, written = *out_size;
    size_t hint = LZ4F_decompress(d->lz4, *out, &written, in->at, &read, NULL);
    if (LZ4F_isError(hint)) return STEP_DAMAGED;
    advance(in, out, out_size, read, written);
    return hint == 0 ? STEP_FRAME_END : STEP_MORE;
}

static enum step zstd_step(struct decoder *d, struct bytes *in, uint8_t **out, size_t *out_size) {
    ZSTD_inBuffer from = {in->at, in->size, 0};
    ZSTD_outBuffer to = {*out, *out_size, 0};
    size_t hint = ZSTD_decompressStream(d->zstd, &to, &from);
    if (ZSTD_isError(hint)) return STEP_DAMAGED;
    advance(in, out, out_size, from.pos, to.pos);
    return hint == 0 ? STEP_FRAME_END : STEP_MORE;
}

static void open_decoder(enum codec codec, struct decoder *d) {
    *d = (struct decoder){0};
    if (codec == CODEC_GZIP) {
        d->step = gzip_step;
        memory_check(inflateInit2(&d->gzip, MAX_WBITS + 16) == Z_OK ? d : NULL);  // + 16: with gzip's header
    } else if (codec == CODEC_LZ4) {
        d->step = lz4_step;
        memory_check(LZ4F_isError(LZ4F_createDecompressionContext(&d->lz4, LZ4F_VERSION)) ? NULL : d);
    } else {
        assert(codec == CODEC_ZSTD);
        d->step = zstd_step;
        d->zstd = memory_check(ZSTD_createDStream());
        ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
    }
}

static void close_decoder(enum codec codec, struct decoder *d) {
    if (codec == CODEC_GZIP) inflateEnd(&d->gzip);
    else if (codec == CODEC_LZ4) LZ4F_freeDecompressionContext(d->lz4);
    else ZSTD_freeDStream(d->zstd);
}

static struct error run_decoder(enum codec codec, struct decoder *d, struct bytes in, struct buffer *out) {
    enum step step = STEP_MORE;
    while (in.size > 0 || step != STEP_FRAME_END) {
        // At the maximum the decoder gets no room, as it may need none: a frame's end has still to be read.
        size_t room = out->size_max - out->size < STEP_SIZE ? out->size_max - out->size : STEP_SIZE;
        size_t in_before = in.size, room_before = room;
        uint8_t *to = buffer_extend(out, room);
        assert(to);
        step = d->step(d, &in, &to, &room);
        out->size -= room;
        if (step == STEP_DAMAGED) return codec_damaged(codec);
        bool stands_still = in.size == in_before && room == room_before;
        if (stands_still && step != STEP_FRAME_END) {
            return room ? codec_damaged(codec) : codec_too_large(codec, out);
        }
    }
    return error_none();
}

struct error codec_stream_decompress(enum codec codec, struct bytes in, struct buffer *out) {
    if (out->overflowed) return codec_too_large(codec, out);
    if (in.size == 0) return codec_damaged(codec);  // not even a frame
    struct decoder d;
    open_decoder(codec, &d);
    struct error err = run_decoder(codec, &d, in, out);
    close_decoder(codec, &d);
    return err;
}
