// Record batches, format v2 (KIP-98): the 61-byte header by hand, because it is read and patched for every batch.
// See org.apache.kafka.common.record.DefaultRecordBatch.
#pragma once
#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define BATCH_HEADER_SIZE 61
#define BATCH_MAGIC 2

// Where the fields stand.
#define BATCH_AT_LENGTH 8
#define BATCH_AT_LEADER_EPOCH 12
#define BATCH_AT_MAGIC 16
#define BATCH_AT_CRC 17
#define BATCH_AT_ATTRIBUTES 21  // from here on the CRC covers
#define BATCH_AT_LAST_OFFSET_DELTA 23
#define BATCH_AT_BASE_TIMESTAMP 27
#define BATCH_AT_MAX_TIMESTAMP 35
#define BATCH_AT_PRODUCER_ID 43
#define BATCH_AT_PRODUCER_EPOCH 51
#define BATCH_AT_BASE_SEQUENCE 53
#define BATCH_AT_COUNT 57
#define BATCH_LENGTH_EXTRA 12  // the length field counts what follows it

#define BATCH_ATTRIBUTE_CODEC 0x07
#define BATCH_ATTRIBUTE_LOG_APPEND_TIME 0x08
#define BATCH_ATTRIBUTE_TRANSACTIONAL 0x10
#define BATCH_ATTRIBUTE_CONTROL 0x20
#define BATCH_ATTRIBUTE_DELETE_HORIZON 0x40

enum codec { CODEC_NONE, CODEC_GZIP, CODEC_SNAPPY, CODEC_LZ4, CODEC_ZSTD };

struct batch_header {
    int64_t base_offset;
    int32_t size;  // of the whole batch: the length field + 12
    int32_t leader_epoch;
    int8_t magic;
    uint32_t crc;
    int16_t attributes;
    int32_t last_offset_delta;
    int64_t base_timestamp, max_timestamp;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t count;
};

enum batch_look {
    BATCH_WHOLE,      // the header is sane and all of the batch's bytes are there
    BATCH_PARTIAL,    // sane as far as it goes, but cut off (a fetch may end in the middle of a batch)
    BATCH_OLD_MAGIC,  // message format 0 or 1; header->magic and base_offset are set
    BATCH_DAMAGED,    // cannot be a batch
};

// Reads the header at the front of `in`. Sane: size at least the header's and at most FRAME_SIZE_MAX, base_offset >= 0,
// last_offset_delta >= 0, last offset not past INT64_MAX, known codec, count >= 0 and <= last_offset_delta + 1.
// Of a BATCH_PARTIAL with fewer bytes than a header, the fields that are missing are 0 (size too: not known yet).
enum batch_look batch_look(struct bytes in, struct batch_header *header);

static inline int64_t batch_last_offset(const struct batch_header *h) {
    return h->base_offset + h->last_offset_delta;
}

// True when every offset of the batch's range holds a record (compaction has not thinned it).
static inline bool batch_is_dense(const struct batch_header *h) {
    return (int64_t)h->count == (int64_t)h->last_offset_delta + 1;
}

// Writes all 61 bytes, `header`'s but for size, which is `size`, and the CRC, which is computed over `size` bytes.
void batch_header_write(uint8_t *batch, const struct batch_header *header, int32_t size);

bool batch_crc_is_right(struct bytes batch);  // reads all of it: for tests and suspicions, not for the copy path

// Rewrites in place what a mirrored batch carries of its own: base_offset (header's), partition leader epoch -1,
// producer id, epoch, sequence, and the attributes without transactional and delete-horizon bits (rule 11).
// The CRC is adjusted from the changed bytes; a wrong CRC stays wrong. `batch` must be BATCH_WHOLE.
struct batch_stamp {
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
};
void batch_restamp(uint8_t *batch, const struct batch_header *header, const struct batch_stamp *stamp);

// The CRC `header`'s batch would have after batch_restamp() with `stamp`: what the splice check compares.
uint32_t batch_crc_restamped(const uint8_t *batch, const struct batch_header *header, const struct batch_stamp *stamp);

// A batch of `count` records (1 .. 800,000), each with key BATCH_FILLER_KEY and a null value, zstd, all with the same
// timestamp: fills offsets below the source's log start (DeleteRecords removes them at once; KIP-107). Deterministic:
// equal arguments give equal bytes, which is how a filler is recognised. Answers the batch's size, or 0 when `capacity`
// is too small (batch_filler_bound(count) is always enough).
#define BATCH_FILLER_KEY "odraz.filler"
#ifndef BATCH_FILLER_COUNT_MAX  // of one that we write; the simulator's is small
#define BATCH_FILLER_COUNT_MAX 800000
#endif
size_t batch_filler_bound(int32_t count);
size_t batch_filler_write(int32_t count, int64_t timestamp_ms, const struct batch_stamp *stamp, uint8_t *out,
                          size_t capacity);

// True for a filler, and for what the destination's cleaner has left of one, as long as it is a record: zstd, the first
// record's key and value a filler's, and unless a cleaner was there base_timestamp == max_timestamp. `batch` must be
// BATCH_WHOLE.
bool batch_is_filler(struct bytes batch, const struct batch_header *header);

// Sequence arithmetic: 31 bits, wrapping to 0 after 2^31-1 (DefaultRecordBatch.incrementSequence).
static inline int32_t sequence_add(int32_t sequence, int64_t n) {
    return (int32_t)(((int64_t)sequence + n) & 0x7fffffff);
}
