// Reads, checks and restamps the header of record batches.
#include "wire/batch.h"

#include "base/crc32c.h"
#include "base/limits.h"

#include <assert.h>

// What the CRC covers of the header.
#define COVERED_SIZE (BATCH_HEADER_SIZE - BATCH_AT_ATTRIBUTES)

// Of formats 0 and 1: CRC, magic, attributes, key length, value length (LegacyRecord.RECORD_OVERHEAD_V0).
#define OLD_LENGTH_MIN 14

static void header_read(const uint8_t *front, struct batch_header *h) {
    *h = (struct batch_header){
        .base_offset = (int64_t)load_be64(front),
        .leader_epoch = (int32_t)load_be32(front + BATCH_AT_LEADER_EPOCH),
        .magic = (int8_t)front[BATCH_AT_MAGIC],
        .crc = load_be32(front + BATCH_AT_CRC),
        .attributes = (int16_t)load_be16(front + BATCH_AT_ATTRIBUTES),
        .last_offset_delta = (int32_t)load_be32(front + BATCH_AT_LAST_OFFSET_DELTA),
        .base_timestamp = (int64_t)load_be64(front + BATCH_AT_BASE_TIMESTAMP),
        .max_timestamp = (int64_t)load_be64(front + BATCH_AT_MAX_TIMESTAMP),
        .producer_id = (int64_t)load_be64(front + BATCH_AT_PRODUCER_ID),
        .producer_epoch = (int16_t)load_be16(front + BATCH_AT_PRODUCER_EPOCH),
        .base_sequence = (int32_t)load_be32(front + BATCH_AT_BASE_SEQUENCE),
        .count = (int32_t)load_be32(front + BATCH_AT_COUNT),
    };
}

static bool fields_are_sane(const struct batch_header *h) {
    return h->size >= BATCH_HEADER_SIZE && (h->attributes & BATCH_ATTRIBUTE_CODEC) <= CODEC_ZSTD &&
           h->last_offset_delta >= 0 && h->base_offset <= INT64_MAX - h->last_offset_delta && h->count >= 0 &&
           (int64_t)h->count <= (int64_t)h->last_offset_delta + 1;
}

enum batch_look batch_look(struct bytes in, struct batch_header *header) {
    // Missing bytes read as 0, which is sane in every field but length and magic: those are asked for explicitly.
    uint8_t padded[BATCH_HEADER_SIZE] = {0};
    const uint8_t *front = in.at;
    if (in.size < BATCH_HEADER_SIZE) {
        if (in.size) memcpy(padded, in.at, in.size);
        front = padded;
    }
    header_read(front, header);
    if (header->base_offset < 0) return BATCH_DAMAGED;
    if (in.size < BATCH_AT_LENGTH + sizeof(int32_t)) return BATCH_PARTIAL;
    int32_t length = (int32_t)load_be32(front + BATCH_AT_LENGTH);
    if (length < OLD_LENGTH_MIN || length > FRAME_SIZE_MAX - BATCH_LENGTH_EXTRA) return BATCH_DAMAGED;
    header->size = length + BATCH_LENGTH_EXTRA;
    if (in.size <= BATCH_AT_MAGIC) return BATCH_PARTIAL;
    if (header->magic == 0 || header->magic == 1) return BATCH_OLD_MAGIC;
    if (header->magic != BATCH_MAGIC || !fields_are_sane(header)) return BATCH_DAMAGED;
    return in.size < (size_t)header->size ? BATCH_PARTIAL : BATCH_WHOLE;
}

void batch_header_write(uint8_t *batch, const struct batch_header *h, int32_t size) {
    assert(size >= BATCH_HEADER_SIZE);
    store_be64(batch, (uint64_t)h->base_offset);
    store_be32(batch + BATCH_AT_LENGTH, (uint32_t)(size - BATCH_LENGTH_EXTRA));
    store_be32(batch + BATCH_AT_LEADER_EPOCH, (uint32_t)h->leader_epoch);
    batch[BATCH_AT_MAGIC] = BATCH_MAGIC;
    store_be16(batch + BATCH_AT_ATTRIBUTES, (uint16_t)h->attributes);
    store_be32(batch + BATCH_AT_LAST_OFFSET_DELTA, (uint32_t)h->last_offset_delta);
    store_be64(batch + BATCH_AT_BASE_TIMESTAMP, (uint64_t)h->base_timestamp);
    store_be64(batch + BATCH_AT_MAX_TIMESTAMP, (uint64_t)h->max_timestamp);
    store_be64(batch + BATCH_AT_PRODUCER_ID, (uint64_t)h->producer_id);
    store_be16(batch + BATCH_AT_PRODUCER_EPOCH, (uint16_t)h->producer_epoch);
    store_be32(batch + BATCH_AT_BASE_SEQUENCE, (uint32_t)h->base_sequence);
    store_be32(batch + BATCH_AT_COUNT, (uint32_t)h->count);
    store_be32(batch + BATCH_AT_CRC, crc32c(batch + BATCH_AT_ATTRIBUTES, (size_t)size - BATCH_AT_ATTRIBUTES));
}

bool batch_crc_is_right(struct bytes batch) {
    assert(batch.size >= BATCH_HEADER_SIZE);
    uint32_t crc = crc32c(batch.at + BATCH_AT_ATTRIBUTES, batch.size - BATCH_AT_ATTRIBUTES);
    return crc == load_be32(batch.at + BATCH_AT_CRC);
}

// Makes `after` the covered header bytes of `batch` with the stamp, and answers the CRC that goes with them.
static uint32_t stamp_covered(const uint8_t *batch, const struct batch_header *header, const struct batch_stamp *stamp,
                              uint8_t *after) {
    const int16_t cleared = BATCH_ATTRIBUTE_TRANSACTIONAL | BATCH_ATTRIBUTE_DELETE_HORIZON;
    assert(header->magic == BATCH_MAGIC && header->size >= BATCH_HEADER_SIZE && stamp->base_sequence >= 0);
    const uint8_t *before = batch + BATCH_AT_ATTRIBUTES;
    memcpy(after, before, COVERED_SIZE);
    store_be16(after, (uint16_t)(header->attributes & ~cleared));
    store_be64(after + BATCH_AT_PRODUCER_ID - BATCH_AT_ATTRIBUTES, (uint64_t)stamp->producer_id);
    store_be16(after + BATCH_AT_PRODUCER_EPOCH - BATCH_AT_ATTRIBUTES, (uint16_t)stamp->producer_epoch);
    store_be32(after + BATCH_AT_BASE_SEQUENCE - BATCH_AT_ATTRIBUTES, (uint32_t)stamp->base_sequence);
    return crc32c_adjust(header->crc, before, after, COVERED_SIZE, (size_t)header->size - BATCH_HEADER_SIZE);
}

void batch_restamp(uint8_t *batch, const struct batch_header *header, const struct batch_stamp *stamp) {
    uint8_t after[COVERED_SIZE];
    uint32_t crc = stamp_covered(batch, header, stamp, after);
    memcpy(batch + BATCH_AT_ATTRIBUTES, after, COVERED_SIZE);
    store_be32(batch + BATCH_AT_CRC, crc);
    store_be64(batch, (uint64_t)header->base_offset);
    store_be32(batch + BATCH_AT_LEADER_EPOCH, (uint32_t)-1);  // RecordBatch.NO_PARTITION_LEADER_EPOCH
}

uint32_t batch_crc_restamped(const uint8_t *batch, const struct batch_header *header, const struct batch_stamp *stamp) {
    uint8_t after[COVERED_SIZE];
    return stamp_covered(batch, header, stamp, after);
}
