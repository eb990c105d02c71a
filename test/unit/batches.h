// Batches with real records, for tests of the broker model's logs.
#pragma once
#include "base/buffer.h"
#include "base/limits.h"
#include "wire/batch.h"
#include "wire/codec.h"
#include "wire/varint.h"

#include <assert.h>

struct test_record {
    const char *key, *value;  // NULL: null
    int64_t timestamp;
};

struct test_batch {
    enum codec codec;
    int16_t attributes;  // without the codec's
    int64_t base_offset, producer_id;
    int16_t producer_epoch;
    int32_t base_sequence, leader_epoch;
    int32_t offset_skip;          // between one record's offset and the next one's, beyond 1
    int64_t base_timestamp_back;  // how much the header's is before the first record's
};

// Of no producer.
#define PLAIN_BATCH                                                                                                    \
    (struct test_batch) {                                                                                              \
        .producer_id = -1, .producer_epoch = -1, .base_sequence = -1, .leader_epoch = -1                               \
    }

static inline void test_append_field(struct buffer *out, const char *text) {
    varlong_append(out, text ? (int64_t)strlen(text) : -1);
    if (text) buffer_append(out, text, strlen(text));
}

static inline void test_append_record(struct buffer *out, const struct test_record *r, int64_t base_timestamp,
                                      int32_t offset_delta) {
    uint8_t at[4096];
    struct buffer body = {.at = at, .capacity = sizeof at, .size_max = sizeof at};
    buffer_append_u8(&body, 0);
    varlong_append(&body, (int64_t)((uint64_t)r->timestamp - (uint64_t)base_timestamp));  // may wrap around
    varlong_append(&body, offset_delta);
    test_append_field(&body, r->key);
    test_append_field(&body, r->value);
    varlong_append(&body, 0);
    assert(!body.overflowed);
    varlong_append(out, (int64_t)body.size);
    buffer_append(out, body.at, body.size);
}

// Clears `out` and writes the batch into it.
static inline struct bytes test_batch_write(struct buffer *out, const struct test_batch *b,
                                            const struct test_record *records, int32_t count) {
    assert(count > 0);
    struct buffer plain;
    int64_t newest = records[0].timestamp;
    int64_t base = (int64_t)((uint64_t)newest - (uint64_t)b->base_timestamp_back);
    buffer_init(&plain, 64 * MiB);
    buffer_clear(out);
    for (int32_t i = 0; i < count; i++) {
        test_append_record(&plain, &records[i], base, i * (1 + b->offset_skip));
        if (records[i].timestamp > newest) newest = records[i].timestamp;
    }
    buffer_extend(out, BATCH_HEADER_SIZE);
    struct error err = codec_compress(b->codec, (struct bytes){plain.at, plain.size}, out);
    assert(!error_is(&err) && !out->overflowed);
    (void)err;
    buffer_free(&plain);
    struct batch_header h = {.base_offset = b->base_offset,
                             .leader_epoch = b->leader_epoch,
                             .attributes = (int16_t)(b->attributes | b->codec),
                             .last_offset_delta = (count - 1) * (1 + b->offset_skip),
                             .base_timestamp = base,
                             .max_timestamp = newest,
                             .producer_id = b->producer_id,
                             .producer_epoch = b->producer_epoch,
                             .base_sequence = b->base_sequence,
                             .count = count};
    batch_header_write(out->at, &h, (int32_t)out->size);
    return (struct bytes){out->at, out->size};
}
