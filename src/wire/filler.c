// Filler batches: the offsets that stand below the source's log start, as few bytes as zstd makes of them.
#include "base/memory.h"
#include "wire/batch.h"
#include "wire/message_private.h"
#include "wire/varint.h"

#include <assert.h>
#include <zstd.h>

#define KEY_SIZE (sizeof BATCH_FILLER_KEY - 1)

// Length, attributes, timestamp delta, offset delta (at most 3 bytes up to 800,000), key, value, headers.
#define RECORD_SIZE_MAX (1 + 1 + 1 + 3 + 1 + KEY_SIZE + 1 + 1)
#define RECORD_ANY_SIZE_MAX (5 + 1 + 10 + 5 + 1 + KEY_SIZE + 1 + 1)  // with deltas that a cleaner has written
#define RECORDS_AT_ONCE 3000  // about 64 KB
#define WINDOW_LOG_MAX 23     // of a batch that is looked at: 8 MB are all a decoder must hold (RFC 8878)

// Measured: less than one byte a record, and the frame.
size_t batch_filler_bound(int32_t count) {
    assert(count > 0 && count <= BATCH_FILLER_COUNT_MAX);
    return BATCH_HEADER_SIZE + 256 + 2 * (size_t)count;
}

// Varints are zigzag: n >= 0 is written as 2n, -1 as 1 (DefaultRecord).
static size_t record_write(uint8_t *out, int32_t offset_delta) {
    size_t size = 1;
    out[size++] = 0;  // attributes
    out[size++] = 0;  // timestamp delta
    size += uvarint_write(out + size, (uint32_t)offset_delta * 2);
    out[size++] = KEY_SIZE * 2;
    memcpy(out + size, BATCH_FILLER_KEY, KEY_SIZE);
    size += KEY_SIZE;
    out[size++] = 1;  // null value
    out[size++] = 0;  // headers
    out[0] = (uint8_t)((size - 1) * 2);
    return size;
}

// Answers false when `to` is full.
static bool compress(ZSTD_CStream *stream, int32_t count, ZSTD_outBuffer *to) {
    uint8_t records[RECORDS_AT_ONCE * RECORD_SIZE_MAX];
    for (int32_t delta = 0; delta < count;) {
        size_t size = 0;
        for (int32_t i = 0; i < RECORDS_AT_ONCE && delta < count; i++) size += record_write(records + size, delta++);
        ZSTD_inBuffer from = {records, size, 0};
        size_t left;
        do {
            left = ZSTD_compressStream2(stream, to, &from, delta == count ? ZSTD_e_end : ZSTD_e_continue);
            if (ZSTD_isError(left) || to->pos == to->size) return false;
        } while (from.pos < from.size || (delta == count && left > 0));
    }
    return true;
}

size_t batch_filler_write(int32_t count, int64_t timestamp_ms, const struct batch_stamp *stamp, uint8_t *out,
                          size_t capacity) {
    assert(count > 0 && count <= BATCH_FILLER_COUNT_MAX);
    if (capacity <= BATCH_HEADER_SIZE) return 0;
    ZSTD_CStream *stream = memory_check(ZSTD_createCStream());
    ZSTD_outBuffer to = {out, capacity, BATCH_HEADER_SIZE};
    bool fits = compress(stream, count, &to);
    ZSTD_freeCStream(stream);
    if (!fits) return 0;
    struct batch_header header = {
        .leader_epoch = -1,
        .attributes = CODEC_ZSTD,
        .last_offset_delta = count - 1,
        .base_timestamp = timestamp_ms,
        .max_timestamp = timestamp_ms,
        .producer_id = stamp->producer_id,
        .producer_epoch = stamp->producer_epoch,
        .base_sequence = stamp->base_sequence,
        .count = count,
    };
    batch_header_write(out, &header, (int32_t)to.pos);
    return to.pos;
}

// What begins a batch's records, decompressed: no more than its first block.
static struct bytes first_of(struct bytes batch, size_t batch_size, uint8_t *out, size_t capacity) {
    ZSTD_DStream *stream = memory_check(ZSTD_createDStream());
    ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    ZSTD_inBuffer from = {batch.at, batch_size, BATCH_HEADER_SIZE};
    ZSTD_outBuffer to = {out, capacity, 0};
    size_t left;
    do left = ZSTD_decompressStream(stream, &to, &from);
    while (!ZSTD_isError(left) && left > 0 && to.pos < to.size && from.pos < from.size);
    ZSTD_freeDStream(stream);
    return (struct bytes){out, to.pos};
}

// A cleaner leaves the newest records of a key with their offsets, and may write in place of the base time when its
// tombstones may go (KIP-534): then neither delta is what we wrote.
static bool is_filler_record(struct bytes in) {
    int32_t length, offset, key, value, headers;
    int64_t time;
    if (!varint_read(&in, &length) || in.size == 0 || in.at[0] != 0) return false;
    in = (struct bytes){in.at + 1, in.size - 1};
    if (!varlong_read(&in, &time) || !varint_read(&in, &offset) || !varint_read(&in, &key)) return false;
    if (key != (int32_t)KEY_SIZE || in.size < KEY_SIZE || memcmp(in.at, BATCH_FILLER_KEY, KEY_SIZE) != 0) return false;
    in = (struct bytes){in.at + KEY_SIZE, in.size - KEY_SIZE};
    return varint_read(&in, &value) && value == -1 && varint_read(&in, &headers) && headers == 0;
}

bool batch_is_filler(struct bytes batch, const struct batch_header *header) {
    bool cleaned = !batch_is_dense(header) || header->attributes & BATCH_ATTRIBUTE_DELETE_HORIZON;
    if ((header->attributes & BATCH_ATTRIBUTE_CODEC) != CODEC_ZSTD || header->count == 0) return false;
    if (!cleaned && header->base_timestamp != header->max_timestamp) return false;
    uint8_t first[RECORD_ANY_SIZE_MAX];
    return is_filler_record(first_of(batch, (size_t)header->size, first, sizeof first));
}
