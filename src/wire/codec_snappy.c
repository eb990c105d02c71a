// Snappy in the framing of the Java client: org.xerial.snappy.SnappyOutputStream's header, then blocks with a length.
#include "base/limits.h"
#include "wire/codec_private.h"

#include <assert.h>
#include <snappy-c.h>

#define BLOCK_SIZE (32 * KiB)  // SnappyOutputStream's default
#define RATIO_MAX 24           // a copy of 64 bytes takes 3: no input can hold more than 22 times its size

static const uint8_t frame_header[] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1};
#define MAGIC_SIZE 8  // the rest are versions

static struct error decompress_block(struct bytes block, struct buffer *out) {
    size_t size;
    if (snappy_uncompressed_length((const char *)block.at, block.size, &size) != SNAPPY_OK ||
        size > block.size * RATIO_MAX) {
        return codec_damaged(CODEC_SNAPPY);
    }
    size_t before = out->size;
    uint8_t *to = buffer_extend(out, size);
    if (!to) return codec_too_large(CODEC_SNAPPY, out);
    if (snappy_uncompress((const char *)block.at, block.size, (char *)to, &size) != SNAPPY_OK) {
        out->size = before;
        return codec_damaged(CODEC_SNAPPY);
    }
    return error_none();
}

static bool starts_frame(struct bytes in) {
    return in.size >= sizeof frame_header && memcmp(in.at, frame_header, MAGIC_SIZE) == 0;
}

static struct bytes skip(struct bytes in, size_t size) {
    return (struct bytes){in.at + size, in.size - size};
}

struct error codec_snappy_decompress(struct bytes in, struct buffer *out) {
    if (!starts_frame(in)) return decompress_block(in, out);
    while (in.size > 0) {
        if (starts_frame(in)) {  // frames may follow each other
            in = skip(in, sizeof frame_header);
            continue;
        }
        if (in.size < 4) return codec_damaged(CODEC_SNAPPY);
        uint32_t size = load_be32(in.at);
        in = skip(in, 4);
        if (size > in.size) return codec_damaged(CODEC_SNAPPY);
        struct error err = decompress_block((struct bytes){in.at, size}, out);
        if (error_is(&err)) return err;
        in = skip(in, size);
    }
    return error_none();
}

static struct error compress_block(struct bytes block, struct buffer *out) {
    size_t size = snappy_max_compressed_length(block.size), bound = size;
    uint8_t *to = buffer_extend(out, 4 + bound);
    if (!to) return codec_too_large(CODEC_SNAPPY, out);
    snappy_status status = snappy_compress((const char *)block.at, block.size, (char *)to + 4, &size);
    assert(status == SNAPPY_OK);
    store_be32(to, (uint32_t)size);
    out->size -= bound - size;
    return error_none();
}

struct error codec_snappy_compress(struct bytes in, struct buffer *out) {
    buffer_append(out, frame_header, sizeof frame_header);
    while (in.size > 0) {
        struct bytes block = {in.at, in.size < BLOCK_SIZE ? in.size : BLOCK_SIZE};
        struct error err = compress_block(block, out);
        if (error_is(&err)) return err;
        in = skip(in, block.size);
    }
    return out->overflowed ? codec_too_large(CODEC_SNAPPY, out) : error_none();
}
