// Record batches: headers and their restamping, the records inside, rewriting, and the codecs.
#include "base/crc32c.h"
#include "base/limits.h"
#include "base/memory.h"
#include "fuzz/fuzz.h"
#include "wire/codec.h"
#include "wire/records.h"

#include <assert.h>

#define PLAIN_MAX (1 * MiB)  // decompressed, of one input: a bomb must not eat the fuzzer's time
#define FLIPS 24             // bits flipped of each whole batch

static const struct batch_stamp stamp = {1LL << 62 | 77, 3, 1000};

static uint8_t *copy_of(struct bytes in) {
    uint8_t *copy = memory_alloc(in.size);
    memcpy(copy, in.at, in.size);
    return copy;
}

// What a mirrored batch must still be, and what it must be now.
static void expect_restamped(const struct batch_header *before, struct bytes batch, bool was_right) {
    struct batch_header h;
    enum batch_look look = batch_look(batch, &h);
    assert(look == BATCH_WHOLE);
    assert(h.base_offset == before->base_offset && h.size == before->size && h.count == before->count);
    assert(h.last_offset_delta == before->last_offset_delta && h.base_timestamp == before->base_timestamp);
    assert(h.max_timestamp == before->max_timestamp && h.leader_epoch == -1);
    assert(h.producer_id == stamp.producer_id && h.producer_epoch == stamp.producer_epoch);
    assert(h.base_sequence == stamp.base_sequence);
    assert(!(h.attributes & (BATCH_ATTRIBUTE_TRANSACTIONAL | BATCH_ATTRIBUTE_DELETE_HORIZON)));
    int16_t kept = ~(BATCH_ATTRIBUTE_TRANSACTIONAL | BATCH_ATTRIBUTE_DELETE_HORIZON);
    assert((h.attributes & kept) == (before->attributes & kept));
    assert(batch_crc_is_right(batch) == was_right);  // damage is not laundered
}

static void restamp(struct bytes batch, const struct batch_header *header) {
    bool right = batch_crc_is_right(batch);
    uint32_t crc = batch_crc_restamped(batch.at, header, &stamp);
    uint8_t *copy = copy_of(batch);
    batch_restamp(copy, header, &stamp);
    assert(load_be32(copy + BATCH_AT_CRC) == crc);
    expect_restamped(header, (struct bytes){copy, batch.size}, right);
    memory_free(copy);
}

// One flipped bit of what the CRC covers: either no batch any more, or one with a wrong CRC, restamped or not.
static void flip(struct bytes batch, uint32_t seed) {
    uint8_t *copy = copy_of(batch);
    struct bytes flipped = {copy, batch.size};
    struct batch_header header;
    size_t bits = 8 * (batch.size - BATCH_AT_ATTRIBUTES);
    for (int i = 0; i < FLIPS; i++) {
        seed = seed * 1664525 + 1013904223;
        size_t bit = (size_t)seed % bits;
        uint8_t *byte = copy + BATCH_AT_ATTRIBUTES + bit / 8;
        *byte ^= (uint8_t)(1 << bit % 8);
        assert(!batch_crc_is_right(flipped));
        if (batch_look(flipped, &header) == BATCH_WHOLE) restamp(flipped, &header);
        *byte ^= (uint8_t)(1 << bit % 8);
    }
    memory_free(copy);
}

void fuzz_batches(struct bytes in) {
    struct batch_header header;
    while (in.size > 0) {
        enum batch_look look = batch_look(in, &header);
        if (look != BATCH_WHOLE) return;
        assert(header.size >= BATCH_HEADER_SIZE && (size_t)header.size <= in.size);
        assert(header.base_offset >= 0 && batch_last_offset(&header) >= header.base_offset && header.count >= 0);
        assert((int64_t)header.count <= (int64_t)header.last_offset_delta + 1);
        struct bytes batch = {in.at, (size_t)header.size};
        (void)batch_is_filler(batch, &header);
        restamp(batch, &header);
        if (batch_crc_is_right(batch)) flip(batch, header.crc);
        in.at += header.size;
        in.size -= (size_t)header.size;
    }
}

// Records ---------------------------------------------------------------------------------------------------------

static bool same_bytes(const struct wire_bytes *a, const struct wire_bytes *b) {
    return a->size == b->size && (a->size <= 0 || memcmp(a->at, b->at, (size_t)a->size) == 0);
}

static void expect_same_record(struct record *a, struct record *b) {
    assert(a->offset == b->offset && a->timestamp == b->timestamp);
    assert(same_bytes(&a->key, &b->key) && same_bytes(&a->value, &b->value));
    struct record_header ha, hb;
    assert(a->headers_count == b->headers_count);
    while (record_header_next(a, &ha)) {
        bool there = record_header_next(b, &hb);
        assert(there && ha.key.size == hb.key.size && memcmp(ha.key.at, hb.key.at, (size_t)ha.key.size) == 0);
        assert(same_bytes(&ha.value, &hb.value));
    }
}

// The batch of one run: dense, without the bits that go, its records the next ones of the old batch.
static void expect_run(struct bytes batch, const struct batch_header *wanted, struct records *old) {
    struct batch_header h;
    enum batch_look look = batch_look(batch, &h);
    assert(look == BATCH_WHOLE && (size_t)h.size == batch.size && batch_crc_is_right(batch) && h.crc == wanted->crc);
    assert(batch_is_dense(&h) && h.count > 0 && !(h.attributes & BATCH_ATTRIBUTE_LOG_APPEND_TIME));
    struct buffer plain;
    struct records r;
    struct record a, b;
    buffer_init(&plain, RECORDS_SIZE_MAX);
    struct error e = records_open(&r, batch, &h, &plain);
    assert(!error_is(&e));
    int64_t newest = INT64_MIN;
    while (records_next(&r, &b)) {
        bool there = records_next(old, &a);
        assert(there);
        expect_same_record(&a, &b);
        if (b.timestamp > newest) newest = b.timestamp;
    }
    e = records_result(&r);
    assert(!error_is(&e) && h.max_timestamp == newest);
    buffer_free(&plain);
}

static void rewrite(struct bytes batch, const struct batch_header *header) {
    struct rewriter w;
    struct records old;
    struct record record;
    struct buffer plain, out;
    struct batch_header run;
    bool written = true;
    buffer_init(&plain, RECORDS_SIZE_MAX);
    buffer_init(&out, RECORDS_SIZE_MAX);
    struct error e = records_open(&old, batch, header, &plain);
    assert(!error_is(&e));
    e = rewriter_open(&w, batch, header);
    assert(!error_is(&e));
    while (written) {
        size_t start = out.size;
        e = rewriter_next(&w, &out, &run, &written);
        assert(!error_is(&e));
        if (written) expect_run((struct bytes){out.at + start, out.size - start}, &run, &old);
    }
    bool more = records_next(&old, &record);
    assert(!more);
    rewriter_close(&w);
    buffer_free(&plain);
    buffer_free(&out);
}

// Whether every record could be read.
static bool readable(struct bytes batch, const struct batch_header *header) {
    struct records r;
    struct record record;
    struct record_header h;
    struct buffer plain;
    buffer_init(&plain, PLAIN_MAX);
    struct error e = records_open(&r, batch, header, &plain);
    if (!error_is(&e)) {
        int64_t previous = header->base_offset - 1;
        while (records_next(&r, &record)) {
            assert(record.offset > previous && record.offset <= batch_last_offset(header));
            previous = record.offset;
            while (record_header_next(&record, &h)) assert(h.key.size >= 0);
        }
        e = records_result(&r);
    }
    assert(!error_is(&e) || e.kind == ERROR_PROTOCOL || e.kind == ERROR_LIMIT);
    buffer_free(&plain);
    return !error_is(&e);
}

void fuzz_records(struct bytes in) {
    struct batch_header header;
    if (batch_look(in, &header) != BATCH_WHOLE) return;
    struct bytes batch = {copy_of(in), (size_t)header.size};
    struct rewriter w;
    header.crc = crc32c(batch.at + BATCH_AT_ATTRIBUTES, batch.size - BATCH_AT_ATTRIBUTES);
    store_be32((uint8_t *)batch.at + BATCH_AT_CRC, header.crc);
    if (readable(batch, &header)) rewrite(batch, &header);
    store_be32((uint8_t *)batch.at + BATCH_AT_CRC, ~header.crc);
    struct error e = rewriter_open(&w, batch, &header);
    assert(error_is(&e));  // or damage would be written again under a right CRC
    memory_free((void *)batch.at);
}

// Codecs ----------------------------------------------------------------------------------------------------------

static void codec(enum codec codec, struct bytes in) {
    struct buffer plain, packed, again;
    buffer_init(&plain, PLAIN_MAX);
    struct error e = codec_decompress(codec, in, &plain);
    assert(!error_is(&e) || e.kind == ERROR_PROTOCOL || e.kind == ERROR_LIMIT);
    if (!error_is(&e)) {
        buffer_init(&packed, 2 * PLAIN_MAX);
        buffer_init(&again, plain.size);
        e = codec_compress(codec, (struct bytes){plain.at, plain.size}, &packed);
        assert(!error_is(&e));
        e = codec_decompress(codec, (struct bytes){packed.at, packed.size}, &again);
        assert(!error_is(&e) && again.size == plain.size);
        assert(plain.size == 0 || memcmp(plain.at, again.at, plain.size) == 0);
        buffer_free(&packed);
        buffer_free(&again);
    }
    buffer_free(&plain);
}

void fuzz_codec_gzip(struct bytes in) {
    codec(CODEC_GZIP, in);
}

void fuzz_codec_snappy(struct bytes in) {
    codec(CODEC_SNAPPY, in);
}

void fuzz_codec_lz4(struct bytes in) {
    codec(CODEC_LZ4, in);
}

void fuzz_codec_zstd(struct bytes in) {
    codec(CODEC_ZSTD, in);
}
