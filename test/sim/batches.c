// Record batches as producers make them.
#include "sim/batches.h"

#include "base/memory.h"
#include "wire/codec.h"
#include "wire/varint.h"

#include <assert.h>

#define SHAPES 16  // of each size and codec
#define CODECS 5
#define BODY_MAX (1024 * 1024)

struct shape {
    uint8_t *at;
    struct batch_header header;
};

static struct shape shapes[BATCH_SIZES][2][CODECS * SHAPES];
static bool made;

static void add_bytes(struct prng *r, struct buffer *body, int64_t size) {
    varlong_append(body, size);
    // Half of it can be compressed.
    for (int64_t i = 0; i < size; i++) buffer_append_u8(body, i % 2 ? (uint8_t)'a' : (uint8_t)prng_next(r));
}

static void add_record(struct prng *r, struct buffer *body, int32_t delta, bool keyed, int64_t value_size) {
    struct buffer record;
    buffer_init(&record, BODY_MAX);
    buffer_append_u8(&record, 0);
    varlong_append(&record, delta);  // timestamp
    varlong_append(&record, delta);
    if (keyed || prng_below(r, 2)) add_bytes(r, &record, prng_between(r, 1, 12));
    else varlong_append(&record, -1);
    if (prng_below(r, 10) > 0) add_bytes(r, &record, value_size);
    else varlong_append(&record, -1);
    int64_t headers = prng_below(r, 3) == 0 ? prng_between(r, 1, 3) : 0;
    varlong_append(&record, headers);
    for (int64_t i = 0; i < headers; i++) {
        add_bytes(r, &record, prng_between(r, 1, 8));
        add_bytes(r, &record, prng_between(r, 0, 20));
    }
    varlong_append(body, (int64_t)record.size);
    buffer_append(body, record.at, record.size);
    buffer_free(&record);
}

static int32_t add_records(struct prng *r, struct buffer *body, int size, bool keyed) {
    static const int64_t counts[BATCH_SIZES] = {5, 40, 3}, values[BATCH_SIZES] = {40, 200, 30000};
    int32_t count = (int32_t)prng_between(r, 1, counts[size]);
    for (int32_t i = 0; i < count; i++) add_record(r, body, i, keyed, prng_between(r, 0, values[size]));
    return count;
}

static void make_shape(struct prng *r, struct shape *s, int size, bool keyed, enum codec codec) {
    struct buffer body, out;
    buffer_init(&body, BODY_MAX);
    buffer_init(&out, BATCH_SIZE_MAX);
    int32_t count = add_records(r, &body, size, keyed);
    uint8_t *header = buffer_extend(&out, BATCH_HEADER_SIZE);
    assert(header);
    (void)header;
    struct error e = codec_compress(codec, (struct bytes){body.at, body.size}, &out);
    assert(!error_is(&e) && !out.overflowed);
    (void)e;
    s->at = memory_alloc(out.size);
    memcpy(s->at, out.at, out.size);
    s->header = (struct batch_header){.size = (int32_t)out.size,
                                      .leader_epoch = -1,
                                      .magic = BATCH_MAGIC,
                                      .attributes = (int16_t)codec,
                                      .last_offset_delta = count - 1,
                                      .producer_id = -1,
                                      .producer_epoch = -1,
                                      .base_sequence = -1,
                                      .count = count};
    buffer_free(&body);
    buffer_free(&out);
}

void batches_prepare(void) {
    if (made) return;
    struct prng r;
    prng_seed(&r, 1);
    for (int size = 0; size < BATCH_SIZES; size++)
        for (int keyed = 0; keyed < 2; keyed++)
            for (int i = 0; i < CODECS * SHAPES; i++)
                make_shape(&r, &shapes[size][keyed][i], size, keyed, (enum codec)(i % CODECS));
    made = true;
}

size_t batches_write(struct prng *r, const struct batch_kind *kind, int64_t timestamp_ms, uint8_t *out) {
    assert(made);
    int size = kind->sizes == 2 && prng_below(r, 8) > 0 ? (int)prng_below(r, 2) : (int)kind->sizes;
    uint64_t number = prng_below(r, CODECS * SHAPES);
    if (kind->plain) number -= number % CODECS;
    const struct shape *s = &shapes[size][kind->keyed][number];
    struct batch_header h = s->header;
    h.base_timestamp = timestamp_ms;
    h.max_timestamp = timestamp_ms + h.last_offset_delta;
    memcpy(out, s->at, (size_t)h.size);
    batch_header_write(out, &h, h.size);
    return (size_t)h.size;
}
