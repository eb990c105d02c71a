// Record batches made of random records: see made_batch.h.
#include "traffic/made_batch.h"

#include "base/limits.h"
#include "wire/codec.h"
#include "wire/varint.h"

#include <assert.h>

static void append_random(struct buffer *out, int64_t size, struct prng *prng) {
    // Text of few letters: compressible, as most payloads are.
    for (int64_t i = 0; i < size; i += 8) {
        uint64_t letters = (prng_next(prng) & UINT64_C(0x0707070707070707)) + UINT64_C(0x6161616161616161);
        buffer_append(out, &letters, (size_t)(size - i < 8 ? size - i : 8));
    }
}

static void append_sized(struct buffer *out, int64_t size, struct prng *prng) {
    varlong_append(out, size);
    if (size > 0) append_random(out, size, prng);
}

static void append_record(struct buffer *out, struct buffer *body, const struct made_batch *m, int32_t index,
                          struct prng *prng) {
    buffer_clear(body);
    buffer_append_u8(body, 0);  // attributes
    varlong_append(body, index / 3);
    varlong_append(body, index);
    append_sized(body, prng_below(prng, 4) == 0 ? -1 : prng_between(prng, 0, 24), prng);
    append_sized(body, prng_below(prng, 50) == 0 ? -1 : prng_between(prng, 0, m->value_size_max), prng);
    int64_t headers = prng_below(prng, 8) == 0 ? prng_between(prng, 1, 3) : 0;
    varlong_append(body, headers);
    for (int64_t i = 0; i < headers; i++) {
        append_sized(body, prng_between(prng, 1, 9), prng);
        append_sized(body, prng_between(prng, -1, 20), prng);
    }
    varlong_append(out, (int64_t)body->size);
    buffer_append(out, body->at, body->size);
}

void made_batch_append(struct buffer *out, const struct made_batch *m, struct prng *prng) {
    struct buffer records, body;
    buffer_init(&records, RECORDS_SIZE_MAX);
    buffer_init(&body, RECORDS_SIZE_MAX);
    for (int32_t i = 0; i < m->count; i++) append_record(&records, &body, m, i, prng);
    size_t start = out->size;
    buffer_extend(out, BATCH_HEADER_SIZE);
    struct error e = codec_compress(m->codec, (struct bytes){records.at, records.size}, out);
    assert(!error_is(&e) && !out->overflowed);
    (void)e;
    struct batch_header header = {.leader_epoch = -1,
                                  .attributes = (int16_t)m->codec,
                                  .last_offset_delta = m->count - 1,
                                  .base_timestamp = m->timestamp_ms,
                                  .max_timestamp = m->timestamp_ms + (m->count - 1) / 3,
                                  .producer_id = -1,
                                  .producer_epoch = -1,
                                  .base_sequence = -1,
                                  .count = m->count};
    batch_header_write(out->at + start, &header, (int32_t)(out->size - start));
    buffer_free(&records);
    buffer_free(&body);
}
