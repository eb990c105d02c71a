// Batches: what batch_look() says of whole, cut and damaged input, restamping, fillers, sequences.
#include "wire/batch.h"

#include "base/buffer.h"
#include "base/crc32c.h"
#include "base/limits.h"
#include "base/memory.h"
#include "base/prng.h"
#include "unit/guarded.h"
#include "unit/test.h"

#include <zstd.h>

static const struct batch_stamp stamp = {.producer_id = 0x4f64000000000001, .producer_epoch = 7, .base_sequence = 99};

static struct batch_header header_of(struct bytes batch) {
    struct batch_header h;
    return batch_look(batch, &h) == BATCH_WHOLE ? h : (struct batch_header){0};
}

// A random but sane batch of `size` bytes.
static void make_batch(struct prng *p, uint8_t *at, size_t size) {
    for (size_t i = 0; i < size; i++) at[i] = (uint8_t)prng_next(p);
    struct batch_header h = {
        .base_offset = prng_between(p, 0, INT64_MAX / 2),
        .leader_epoch = (int32_t)prng_below(p, 1000),
        .attributes = (int16_t)(prng_next(p) & 0x78) | (int16_t)prng_below(p, 5),
        .last_offset_delta = (int32_t)prng_below(p, 1000000),
        .base_timestamp = (int64_t)prng_next(p),
        .max_timestamp = (int64_t)prng_next(p),
        .producer_id = (int64_t)prng_next(p),
        .producer_epoch = (int16_t)prng_next(p),
        .base_sequence = (int32_t)prng_next(p),
    };
    h.count = (int32_t)prng_between(p, 0, h.last_offset_delta + 1);
    batch_header_write(at, &h, (int32_t)size);
}

TEST(look_reads_every_field) {
    // Made by hand from the format's description, so that reading does not only agree with our own writing.
    static const uint8_t bytes[] = {
        0, 0, 0, 0, 0, 0, 0x30, 0x39, 0, 0, 0, 50, 0, 0, 0, 17, 2, 0xde, 0xad, 0xbe, 0xef, 0, 0x3c, 0, 0, 0, 9,
        0, 0, 1, 0x8b, 0, 0, 0, 1, 0, 0, 1, 0x8b, 0, 0, 0, 2, 0x40, 0, 0, 0, 0, 0, 0, 3, 0, 4, 0x7f, 0xff, 0xff, 0xff,
        0, 0, 0, 8, 0xaa};
    struct batch_header h;
    EXPECT_INT(sizeof bytes, 62);
    EXPECT_INT(batch_look((struct bytes){bytes, sizeof bytes}, &h), BATCH_WHOLE);
    EXPECT_INT(h.base_offset, 12345);
    EXPECT_INT(h.size, 62);
    EXPECT_INT(h.leader_epoch, 17);
    EXPECT_INT(h.magic, 2);
    EXPECT_INT(h.crc, 0xdeadbeef);
    EXPECT_INT(h.attributes, CODEC_ZSTD | BATCH_ATTRIBUTE_LOG_APPEND_TIME | BATCH_ATTRIBUTE_TRANSACTIONAL |
                                 BATCH_ATTRIBUTE_CONTROL);
    EXPECT_INT(h.last_offset_delta, 9);
    EXPECT_INT(batch_last_offset(&h), 12354);
    EXPECT_INT(h.base_timestamp, 0x18b00000001);
    EXPECT_INT(h.max_timestamp, 0x18b00000002);
    EXPECT_INT(h.producer_id, 0x4000000000000003);
    EXPECT_INT(h.producer_epoch, 4);
    EXPECT_INT(h.base_sequence, INT32_MAX);
    EXPECT_INT(h.count, 8);
    EXPECT(!batch_is_dense(&h));
}

TEST(look_refuses_what_cannot_be_a_batch) {
    struct prng p;
    prng_seed(&p, 1);
    static const struct {
        size_t at;
        uint8_t bytes[8];
        size_t size;
        enum batch_look wanted;
    } changes[] = {
        // at                         bytes                              n  wanted
        {0,                          {0x80},                             1, BATCH_DAMAGED},    // negative base offset
        {0,                          {0x7f, 255, 255, 255, 255, 255, 255, 255}, 8, BATCH_DAMAGED},  // last past 2^63-1
        {BATCH_AT_LENGTH,            {0xff, 255, 255, 255},              4, BATCH_DAMAGED},
        {BATCH_AT_LENGTH,            {0x7f, 255, 255, 255},              4, BATCH_DAMAGED},
        {BATCH_AT_LENGTH,            {0, 0, 0, 48},                      4, BATCH_DAMAGED},    // less than a header
        {BATCH_AT_LENGTH,            {0, 0, 0, 240},                     4, BATCH_PARTIAL},
        {BATCH_AT_MAGIC,             {0},                                1, BATCH_OLD_MAGIC},
        {BATCH_AT_MAGIC,             {1},                                1, BATCH_OLD_MAGIC},
        {BATCH_AT_MAGIC,             {3},                                1, BATCH_DAMAGED},
        {BATCH_AT_MAGIC,             {0xff},                             1, BATCH_DAMAGED},
        {BATCH_AT_ATTRIBUTES,        {0, 5},                             2, BATCH_DAMAGED},    // no such codec
        {BATCH_AT_LAST_OFFSET_DELTA, {0x80, 0, 0, 0},                    4, BATCH_DAMAGED},
        {BATCH_AT_COUNT,             {0xff, 255, 255, 255},              4, BATCH_DAMAGED},
        {BATCH_AT_COUNT,             {0x7f, 255, 255, 255},              4, BATCH_DAMAGED},    // > last delta + 1
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        uint8_t batch[200];
        make_batch(&p, batch, sizeof batch);
        store_be32(batch + BATCH_AT_LAST_OFFSET_DELTA, 10);
        store_be32(batch + BATCH_AT_COUNT, 11);
        memcpy(batch + changes[i].at, changes[i].bytes, changes[i].size);
        struct batch_header h;
        enum batch_look look = batch_look((struct bytes){batch, sizeof batch}, &h);
        if (look != changes[i].wanted) printf("change %zu\n", i);
        EXPECT_INT(look, changes[i].wanted);
    }
    // Less than any format needs shows before the magic byte does.
    static const uint8_t too_short[] = {0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 13};
    static const uint8_t shortest[] = {0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 14};
    struct batch_header h;
    EXPECT_INT(batch_look((struct bytes){too_short, sizeof too_short}, &h), BATCH_DAMAGED);
    EXPECT_INT(batch_look((struct bytes){shortest, sizeof shortest}, &h), BATCH_PARTIAL);
}

TEST(every_truncation_is_partial) {
    struct prng p;
    prng_seed(&p, 2);
    struct guard_page guard = guard_page_open(4096);
    for (int round = 0; round < 20; round++) {
        uint8_t batch[300];
        make_batch(&p, batch, sizeof batch);
        for (size_t size = 0; size <= sizeof batch; size++) {
            struct bytes in = {guard_page_place(&guard, batch, size), size};
            struct batch_header h;
            EXPECT_INT(batch_look(in, &h), size < sizeof batch ? BATCH_PARTIAL : BATCH_WHOLE);
            EXPECT_INT(h.size, size < BATCH_AT_LENGTH + 4 ? 0 : sizeof batch);
        }
        batch[0] |= 0x80;
        for (size_t size = 1; size <= sizeof batch; size++) {
            struct batch_header h;
            EXPECT_INT(batch_look((struct bytes){guard_page_place(&guard, batch, size), size}, &h), BATCH_DAMAGED);
        }
    }
    guard_page_close(&guard);
}

// What a receiver accepts of a batch that it asked for at offset `wanted_offset`. The two fields outside the CRC are
// caught elsewhere: the base offset by comparing it with the position that is fetched (a lower last offset or a higher
// base is a surprise), the leader epoch by being overwritten with -1.
static bool accepted(uint8_t *batch, size_t size, int64_t wanted_offset) {
    struct batch_header h;
    if (batch_look((struct bytes){batch, size}, &h) != BATCH_WHOLE) return false;
    if ((size_t)h.size != size || h.base_offset != wanted_offset) return false;
    batch_restamp(batch, &h, &stamp);
    return batch_crc_is_right((struct bytes){batch, size});
}

TEST(no_flipped_bit_passes) {
    struct prng p;
    prng_seed(&p, 3);
    for (int round = 0; round < 50; round++) {
        uint8_t batch[150], flipped[150], restamped[150];
        make_batch(&p, batch, sizeof batch);
        int64_t offset = (int64_t)load_be64(batch);
        memcpy(restamped, batch, sizeof batch);
        EXPECT(accepted(restamped, sizeof batch, offset));
        for (size_t bit = 0; bit < sizeof batch * 8; bit++) {
            memcpy(flipped, batch, sizeof batch);
            flipped[bit / 8] ^= (uint8_t)(1 << bit % 8);
            bool in_epoch = bit / 8 >= BATCH_AT_LEADER_EPOCH && bit / 8 < BATCH_AT_MAGIC;
            EXPECT_INT(accepted(flipped, sizeof batch, offset), in_epoch);
            if (in_epoch) EXPECT(memcmp(flipped, restamped, sizeof batch) == 0);
        }
    }
}

TEST(restamp_writes_the_stamp_and_nothing_else) {
    struct prng p;
    prng_seed(&p, 4);
    for (int round = 0; round < 2000; round++) {
        size_t size = BATCH_HEADER_SIZE + prng_below(&p, round % 10 ? 300 : 40000);
        uint8_t *batch = memory_alloc(size), *wanted = memory_alloc(size);
        make_batch(&p, batch, size);
        memcpy(wanted, batch, size);
        struct batch_header h = header_of((struct bytes){batch, size}), after = h;
        struct batch_stamp any = {(int64_t)prng_next(&p), (int16_t)prng_next(&p), (int32_t)prng_below(&p, 1U << 31)};
        after.leader_epoch = -1;
        after.attributes &= ~(BATCH_ATTRIBUTE_TRANSACTIONAL | BATCH_ATTRIBUTE_DELETE_HORIZON);
        after.producer_id = any.producer_id;
        after.producer_epoch = any.producer_epoch;
        after.base_sequence = any.base_sequence;
        batch_header_write(wanted, &after, (int32_t)size);
        EXPECT_INT(batch_crc_restamped(batch, &h, &any), load_be32(wanted + BATCH_AT_CRC));
        batch_restamp(batch, &h, &any);
        EXPECT(memcmp(batch, wanted, size) == 0);
        EXPECT(batch_crc_is_right((struct bytes){batch, size}));
        memory_free(batch);
        memory_free(wanted);
    }
}

TEST(damage_is_not_laundered) {
    struct prng p;
    prng_seed(&p, 5);
    uint8_t batch[5000];
    make_batch(&p, batch, sizeof batch);
    batch[4000] ^= 1;
    struct batch_header h = header_of((struct bytes){batch, sizeof batch});
    batch_restamp(batch, &h, &stamp);
    EXPECT(!batch_crc_is_right((struct bytes){batch, sizeof batch}));
    batch[4000] ^= 1;
    EXPECT(batch_crc_is_right((struct bytes){batch, sizeof batch}));
}

TEST(sequences_wrap_at_31_bits) {
    EXPECT_INT(sequence_add(0, 1), 1);
    EXPECT_INT(sequence_add(INT32_MAX, 1), 0);
    EXPECT_INT(sequence_add(INT32_MAX - 4, 10), 5);
    EXPECT_INT(sequence_add(5, -10), INT32_MAX - 4);
    EXPECT_INT(sequence_add(0, 57000000003), 57000000003 % (1LL << 31));
}

// Reads the filler as its records were meant, with nothing of the writer's own code.
static bool filler_records_are_right(struct bytes batch, int32_t count) {
    size_t raw_max = (size_t)count * 22;
    uint8_t *raw = memory_alloc(raw_max), *r = raw;
    size_t size = ZSTD_decompress(raw, raw_max, batch.at + BATCH_HEADER_SIZE, batch.size - BATCH_HEADER_SIZE);
    bool right = !ZSTD_isError(size);
    for (int32_t i = 0; right && i < count; i++) {
        uint8_t record[32], *w = record;
        *w++ = (uint8_t)(2 * (18 + (i >= 64) + (i >= 8192)));
        *w++ = 0, *w++ = 0;
        if (i < 64) *w++ = (uint8_t)(2 * i);
        else if (i < 8192) *w++ = (uint8_t)(2 * i | 0x80), *w++ = (uint8_t)(i >> 6);
        else *w++ = (uint8_t)(2 * i | 0x80), *w++ = (uint8_t)(i >> 6 | 0x80), *w++ = (uint8_t)(i >> 13);
        *w++ = 24;
        memcpy(w, "odraz.filler\1\0", 14);
        w += 14;
        size_t record_size = (size_t)(w - record);
        right = (size_t)(r - raw) + record_size <= size && memcmp(r, record, record_size) == 0;
        r += record_size;
    }
    right = right && (size_t)(r - raw) == size;
    memory_free(raw);
    return right;
}

TEST(fillers_are_small_whole_and_recognised) {
    static const int32_t counts[] = {1, 2, 63, 64, 65, 1000, 2999, 3000, 3001, 8192, 8193, 100000, 799999, 800000};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        size_t capacity = batch_filler_bound(counts[i]);
        uint8_t *out = memory_alloc(capacity), *again = memory_alloc(capacity);
        size_t size = batch_filler_write(counts[i], 1700000000000, &stamp, out, capacity);
        EXPECT(size > 0 && size < 1000000);
        struct bytes batch = {out, size};
        struct batch_header h = header_of(batch);
        EXPECT_INT(h.size, size);
        EXPECT_INT(h.count, counts[i]);
        EXPECT_INT(h.base_offset, 0);
        EXPECT_INT(h.producer_id, stamp.producer_id);
        EXPECT_INT(h.base_sequence, stamp.base_sequence);
        EXPECT_INT(h.max_timestamp, 1700000000000);
        EXPECT(batch_is_dense(&h) && batch_crc_is_right(batch) && batch_is_filler(batch, &h));
        EXPECT(filler_records_are_right(batch, counts[i]));
        EXPECT_INT(batch_filler_write(counts[i], 1700000000000, &stamp, again, size + 1), size);
        EXPECT(memcmp(out, again, size) == 0);
        EXPECT_INT(batch_filler_write(counts[i], 1700000000000, &stamp, again, size - 1), 0);
        memory_free(out);
        memory_free(again);
    }
    EXPECT_INT(batch_filler_write(1, 0, &stamp, (uint8_t[BATCH_HEADER_SIZE]){0}, BATCH_HEADER_SIZE), 0);
}

TEST(bound_is_enough_for_every_small_count) {
    uint8_t *out = memory_alloc(batch_filler_bound(BATCH_FILLER_COUNT_MAX));
    for (int32_t count = 1; count <= 4000; count += 1 + count / 50) {
        EXPECT(batch_filler_write(count, 5, &stamp, out, batch_filler_bound(count)) > 0);
    }
    memory_free(out);
}

// The cleaner leaves the newest record of the key (its offset and, with a horizon, its time count from elsewhere).
TEST(what_a_cleaner_leaves_of_a_filler_is_one) {
    uint8_t out[2000];
    struct bytes batch = {out, batch_filler_write(1000, 5, &stamp, out, sizeof out)};
    struct batch_header h = header_of(batch);
    // 1,299,136 ms earlier, offset 999.
    static const uint8_t left[] = "\x2c\0\xff\xb5\x9d\1\xce\xf\x18odraz.filler\1";
    size_t size = ZSTD_compress(out + BATCH_HEADER_SIZE, sizeof out - BATCH_HEADER_SIZE, left, sizeof left, 3);
    h.size = (int32_t)(BATCH_HEADER_SIZE + size);
    h.count = 1;
    EXPECT(batch_is_filler(batch, &h));
    h.attributes |= BATCH_ATTRIBUTE_DELETE_HORIZON;
    h.base_timestamp = 1299141;
    EXPECT(batch_is_filler(batch, &h));
    h.last_offset_delta = 0;  // a filler of one record
    EXPECT(batch_is_filler(batch, &h));
    h.attributes &= ~BATCH_ATTRIBUTE_DELETE_HORIZON;  // as no cleaner writes it
    EXPECT(!batch_is_filler(batch, &h));
}

TEST(others_are_not_fillers) {
    uint8_t out[2000];
    struct bytes batch = {out, batch_filler_write(10, 5, &stamp, out, sizeof out)};
    struct batch_header right = header_of(batch), h = right;
    EXPECT(batch_is_filler(batch, &h));
    h.attributes = CODEC_LZ4;
    EXPECT(!batch_is_filler(batch, &h));
    h = right, h.count = 0;  // a cleaner took all: nobody can say what it was
    EXPECT(!batch_is_filler(batch, &h));
    h = right, h.max_timestamp = 6;
    EXPECT(!batch_is_filler(batch, &h));
    // Same length, another key.
    static const uint8_t records[] = "\x24\0\0\0\x18odraz.killer\1";
    size_t size = ZSTD_compress(out + BATCH_HEADER_SIZE, sizeof out - BATCH_HEADER_SIZE, records, sizeof records, 3);
    h = right, h.size = (int32_t)(BATCH_HEADER_SIZE + size);
    EXPECT(!batch_is_filler((struct bytes){out, (size_t)h.size}, &h));
    // A filler's record without its last byte; then no zstd at all.
    static const uint8_t cut[] = "\x24\0\0\0\x18odraz.filler\1";
    size = ZSTD_compress(out + BATCH_HEADER_SIZE, sizeof out - BATCH_HEADER_SIZE, cut, sizeof cut - 1, 3);
    h.size = (int32_t)(BATCH_HEADER_SIZE + size);
    EXPECT(!batch_is_filler((struct bytes){out, (size_t)h.size}, &h));
    memset(out + BATCH_HEADER_SIZE, 0x55, size);
    EXPECT(!batch_is_filler((struct bytes){out, (size_t)h.size}, &h));
    h.size = BATCH_HEADER_SIZE;
    EXPECT(!batch_is_filler((struct bytes){out, (size_t)h.size}, &h));
}

int main(void) {
    RUN(look_reads_every_field);
    RUN(look_refuses_what_cannot_be_a_batch);
    RUN(every_truncation_is_partial);
    RUN(no_flipped_bit_passes);
    RUN(restamp_writes_the_stamp_and_nothing_else);
    RUN(damage_is_not_laundered);
    RUN(sequences_wrap_at_31_bits);
    RUN(fillers_are_small_whole_and_recognised);
    RUN(bound_is_enough_for_every_small_count);
    RUN(what_a_cleaner_leaves_of_a_filler_is_one);
    RUN(others_are_not_fillers);
    return test_result();
}
