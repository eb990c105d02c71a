// Records: reading what the Java client wrote with every codec, refusing what is damaged, writing batches again.
#include "wire/records.h"

#include "base/limits.h"
#include "base/memory.h"
#include "base/prng.h"
#include "unit/guarded.h"
#include "unit/test.h"
#include "wire/codec.h"
#include "wire/varint.h"

#include <snappy-c.h>

// What test/vectors/batches/MakeBatches.java puts into its batches.
#define BASE_OFFSET 1000
#define BASE_TIMESTAMP 1700000000000
#define APPEND_TIME 1800000000000
#define MANY 40
#define LARGE 3
#define LARGE_VALUE_SIZE 100000

#define CODECS 5

static int64_t create_time(int i) {
    return BASE_TIMESTAMP + (i % 3 == 2 ? -1000 * i : 1000 * i);
}

static bool is_text(struct wire_bytes b, const char *text) {
    return b.size == (int32_t)strlen(text) && memcmp(b.at, text, (size_t)b.size) == 0;
}

static bool is_value(struct wire_bytes value, int i, bool large) {
    if (!large && i % 7 == 0) return value.size == -1;
    if (value.size != (large ? LARGE_VALUE_SIZE : i % 7 == 1 ? 0 : i * 23)) return false;
    for (int j = 0; j < value.size; j++) {
        if (value.at[j] != (uint8_t)(large ? i + j / 100 : (i * 31 + j * j) % 251)) return false;
    }
    return true;
}

static bool headers_are_right(struct record *record, int i) {
    struct record_header header;
    for (int n = 0; n < i % 4; n++) {
        char key[16], value[16];
        snprintf(key, sizeof key, "h%d", n);
        snprintf(value, sizeof value, "v%d", i * n);
        if (!record_header_next(record, &header)) return false;
        if (!is_text((struct wire_bytes){(const uint8_t *)header.key.at, header.key.size}, key)) return false;
        if (n == 1 ? header.value.size != -1 : !is_text(header.value, value)) return false;
    }
    return !record_header_next(record, &header);
}

// The record that was appended as number `offset - BASE_OFFSET`.
static bool record_is_right(struct record *record, bool large) {
    int i = (int)(record->offset - BASE_OFFSET);
    char key[16];
    snprintf(key, sizeof key, "key-%d", i);
    bool key_is_right = !large && i % 5 == 0 ? record->key.size == -1 : is_text(record->key, key);
    return key_is_right && is_value(record->value, i, large) && headers_are_right(record, i);
}

static struct bytes load(const char *codec, const char *variant) {
    char path[4096];
    const char *slash = strrchr(__FILE__, '/');
    int folder_size = (int)(slash - __FILE__);
    snprintf(path, sizeof path, "%.*s/../vectors/batches/%s%s.batch", folder_size, __FILE__, codec, variant);
    FILE *file = fopen(path, "rb");
    if (!file) return (struct bytes){0};
    uint8_t *at = memory_alloc(1 << 20);
    size_t size = fread(at, 1, 1 << 20, file);
    fclose(file);
    return (struct bytes){at, size};
}

static void unload(struct bytes batch) {
    memory_free((void *)batch.at);
}

// Reads all records and answers how many were right, or -1 when reading failed.
static int read_all(struct bytes batch, bool large, int64_t (*timestamp)(int i)) {
    struct batch_header h;
    struct records r;
    struct record record;
    struct buffer plain;
    int right = 0;
    if (batch_look(batch, &h) != BATCH_WHOLE || !batch_crc_is_right(batch)) return -1;
    buffer_init(&plain, RECORDS_SIZE_MAX);
    struct error err = records_open(&r, batch, &h, &plain);
    while (!error_is(&err) && records_next(&r, &record)) {
        right += record.timestamp == timestamp((int)(record.offset - BASE_OFFSET)) && record_is_right(&record, large);
    }
    if (!error_is(&err)) err = records_result(&r);
    buffer_free(&plain);
    return error_is(&err) ? -1 : right;
}

static int64_t append_time(int i) {
    (void)i;
    return APPEND_TIME;
}

TEST(reads_what_java_wrote) {
    for (enum codec codec = 0; codec < CODECS; codec++) {
        struct bytes batch = load(codec_name(codec), "");
        EXPECT_INT(read_all(batch, false, create_time), MANY);
        unload(batch);
        batch = load(codec_name(codec), "-append-time");
        EXPECT_INT(read_all(batch, false, append_time), MANY);
        unload(batch);
        batch = load(codec_name(codec), "-thinned");
        EXPECT_INT(read_all(batch, false, create_time), MANY / 8 * 6);
        unload(batch);
        if (codec == CODEC_NONE) continue;
        batch = load(codec_name(codec), "-large");
        EXPECT_INT(read_all(batch, true, create_time), LARGE);
        unload(batch);
    }
    struct bytes emptied = load("zstd", "-emptied");
    EXPECT_INT(emptied.size, BATCH_HEADER_SIZE);
    EXPECT_INT(read_all(emptied, false, create_time), 0);
    unload(emptied);
}

// Answers whether records_open() or reading refuses `batch` of that header.
static enum error_kind refusal(struct bytes batch, const struct batch_header *h, size_t plain_max) {
    struct records r;
    struct record record;
    struct buffer plain;
    buffer_init(&plain, plain_max);
    struct error err = records_open(&r, batch, h, &plain);
    if (!error_is(&err)) {
        while (records_next(&r, &record)) continue;
        err = records_result(&r);
    }
    buffer_free(&plain);
    return err.kind;
}

TEST(every_truncation_is_damage) {
    struct guard_page guard = guard_page_open(1 << 16);
    for (enum codec codec = 0; codec < CODECS; codec++) {
        struct bytes batch = load(codec_name(codec), "");
        struct batch_header h;
        EXPECT_INT(batch_look(batch, &h), BATCH_WHOLE);
        for (size_t size = BATCH_HEADER_SIZE; size < batch.size; size += size < 200 || size % 7 ? 1 : 13) {
            h.size = (int32_t)size;
            struct bytes cut = {guard_page_place(&guard, batch.at, size), size};
            EXPECT_INT(refusal(cut, &h, RECORDS_SIZE_MAX), ERROR_PROTOCOL);
        }
        h.size = (int32_t)batch.size;
        EXPECT_INT(refusal(batch, &h, RECORDS_SIZE_MAX), ERROR_NONE);
        unload(batch);
    }
    guard_page_close(&guard);
}

// Without the CRC's protection: anything may come out, but nothing may be read or written outside.
TEST(damage_stays_inside) {
    struct prng p;
    prng_seed(&p, 1);
    struct guard_page guard = guard_page_open(1 << 16);
    int refused = 0;
    for (int round = 0; round < 3000; round++) {
        struct bytes batch = load(codec_name((enum codec)(round % CODECS)), round / 10 % 2 ? "" : "-thinned");
        struct batch_header h;
        EXPECT_INT(batch_look(batch, &h), BATCH_WHOLE);
        uint8_t *at = guard_page_place(&guard, batch.at, batch.size);
        for (int n = 0; n < 1 + round % 3; n++) {
            uint64_t bit = prng_below(&p, (batch.size - BATCH_HEADER_SIZE) * 8);
            at[BATCH_HEADER_SIZE + bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        refused += refusal((struct bytes){at, batch.size}, &h, 1 * MiB) != ERROR_NONE;
        unload(batch);
    }
    EXPECT(refused > 300);
    guard_page_close(&guard);
}

TEST(decompression_is_bounded) {
    for (enum codec codec = CODEC_GZIP; codec < CODECS; codec++) {
        struct bytes batch = load(codec_name(codec), "-large");
        struct batch_header h;
        EXPECT_INT(batch_look(batch, &h), BATCH_WHOLE);
        struct buffer plain;
        buffer_init(&plain, RECORDS_SIZE_MAX);
        struct records r;
        struct error err = records_open(&r, batch, &h, &plain);
        EXPECT(!error_is(&err) && plain.size > LARGE * LARGE_VALUE_SIZE);
        EXPECT_INT(refusal(batch, &h, plain.size), ERROR_NONE);
        EXPECT_INT(refusal(batch, &h, plain.size - 1), ERROR_LIMIT);
        EXPECT_INT(refusal(batch, &h, 100), ERROR_LIMIT);
        buffer_free(&plain);
        unload(batch);
    }
}

TEST(wrong_records_are_named) {
    static const struct {
        uint8_t records[16];
        size_t size;
        const char *wanted;  // NULL: nothing wrong
    } cases[] = {
        // length attr  time  offset key  value headers                  size  wanted
        {{12,     0,    0,    0,     1,   1,    0},                      7,  NULL},
        {{14,     0,    0,    2,     2,   'k',  1,   0},                 8,  NULL},
        {{22,     0,    0,    0,     1,   1,    4, 2, 'a', 1, 0, 0},     12, NULL},
        {{12,     0,    0,    0,     3,   5,    0},                      7,  NULL},     // any negative length is null
        {{0x80,   0x80, 0x80, 0x80,  0x80},                              5,  "bad length"},
        {{1},                                                            1,  "bad length"},  // -1
        {{14,     0,    0,    0,     1,   1,    0},                      7,  "bad length"},
        {{0},                                                            1,  "no attributes"},
        {{4,      0,    0x80},                                           3,  "bad timestamp"},
        {{6,      0,    0,    0x80},                                     4,  "bad offset"},
        {{12,     0,    0,    1,     1,   1,    0},                      7,  "offset outside the batch"},  // -1
        {{12,     0,    0,    4,     1,   1,    0},                      7,  "offset outside the batch"},  // 2
        {{12,     0,    0,    0,     8,   1,    0},                      7,  "bad key"},
        {{12,     0,    0,    0,     1,   4,    0},                      7,  "bad value"},
        {{12,     0,    0,    0,     1,   1,    1},                      7,  "bad count of headers"},
        {{10,     0,    0,    0,     1,   1},                            6,  "bad count of headers"},
        {{12,     0,    0,    0,     1,   1,    2},                      7,  "bad header"},
        {{16,     0,    0,    0,     1,   1,    2,   1,   1},            9,  "bad header"},  // null key
        {{16,     0,    0,    0,     1,   1,    2,   0,   2},            9,  "bad header"},
        {{14,     0,    0,    0,     1,   1,    0,   0},                 8,  "bytes left over"},
        {{12,     0,    0,    0,     1,   1,    0,   0},                 8,  "bytes follow the last record"},
    };
    struct guard_page guard = guard_page_open(4096);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t batch[BATCH_HEADER_SIZE + 16];
        size_t size = BATCH_HEADER_SIZE + cases[i].size;
        memcpy(batch + BATCH_HEADER_SIZE, cases[i].records, cases[i].size);
        struct batch_header h = {.magic = BATCH_MAGIC, .last_offset_delta = 1, .count = 1, .size = (int32_t)size};
        struct buffer plain;
        buffer_init(&plain, 0);
        struct records r;
        struct record record;
        struct error err = records_open(&r, (struct bytes){guard_page_place(&guard, batch, size), size}, &h, &plain);
        EXPECT(!error_is(&err));
        while (records_next(&r, &record)) continue;
        err = records_result(&r);
        buffer_free(&plain);
        if (!cases[i].wanted) {
            EXPECT_TEXT(err.detail, "");
            continue;
        }
        char wanted[ERROR_DETAIL_MAX];
        int read = strcmp(cases[i].wanted, "bytes follow the last record") == 0;
        snprintf(wanted, sizeof wanted, "batch at offset 0, record %d: %s", read, cases[i].wanted);
        EXPECT_TEXT(err.detail, wanted);
    }
    guard_page_close(&guard);
}

TEST(offsets_must_rise) {
    static const uint8_t records[] = {12, 0, 0, 2, 1, 1, 0, 12, 0, 0, 2, 1, 1, 0};
    uint8_t batch[BATCH_HEADER_SIZE + sizeof records] = {0};
    memcpy(batch + BATCH_HEADER_SIZE, records, sizeof records);
    struct batch_header h = {.magic = BATCH_MAGIC, .last_offset_delta = 5, .count = 2, .size = sizeof batch};
    EXPECT_INT(refusal((struct bytes){batch, sizeof batch}, &h, 0), ERROR_PROTOCOL);
    batch[BATCH_HEADER_SIZE + 10] = 4;
    EXPECT_INT(refusal((struct bytes){batch, sizeof batch}, &h, 0), ERROR_NONE);
}

static bool header_stands(const struct batch_header *h, const struct buffer *batch) {
    uint8_t *copy = memory_alloc(batch->size);
    memcpy(copy, batch->at, batch->size);
    batch_header_write(copy, h, (int32_t)batch->size);
    bool same = memcmp(copy, batch->at, batch->size) == 0;
    memory_free(copy);
    return same;
}

TEST(append_time_becomes_create_time) {
    for (enum codec codec = 0; codec < CODECS; codec++) {
        struct bytes batch = load(codec_name(codec), "-append-time");
        struct batch_header h, written;
        EXPECT_INT(batch_look(batch, &h), BATCH_WHOLE);
        EXPECT(h.attributes & BATCH_ATTRIBUTE_LOG_APPEND_TIME);
        struct rewriter w;
        struct buffer out;
        bool more;
        buffer_init(&out, 1 * MiB);
        struct error err = rewriter_open(&w, batch, &h);
        EXPECT(!error_is(&err));
        err = rewriter_next(&w, &out, &written, &more);
        EXPECT(!error_is(&err) && more);
        struct batch_header wanted = h;
        wanted.attributes = (int16_t)codec;
        wanted.base_timestamp = APPEND_TIME;
        EXPECT(header_stands(&wanted, &out));
        EXPECT(header_stands(&written, &out));
        EXPECT_INT(written.size, out.size);
        EXPECT_INT(written.crc, load_be32(out.at + BATCH_AT_CRC));
        EXPECT_INT(read_all((struct bytes){out.at, out.size}, false, append_time), MANY);
        err = rewriter_next(&w, &out, &written, &more);
        EXPECT(!error_is(&err) && !more);
        rewriter_close(&w);
        buffer_free(&out);
        unload(batch);
    }
}

TEST(thinned_batches_become_dense_runs) {
    for (enum codec codec = 0; codec < CODECS; codec++) {
        struct bytes batch = load(codec_name(codec), "-thinned");
        struct batch_header h, written;
        EXPECT_INT(batch_look(batch, &h), BATCH_WHOLE);
        EXPECT(h.attributes & BATCH_ATTRIBUTE_DELETE_HORIZON);
        struct rewriter w;
        struct buffer out;
        bool more;
        int64_t next = BASE_OFFSET;
        int count = 0;
        buffer_init(&out, 1 * MiB);
        struct error err = rewriter_open(&w, batch, &h);
        while (!error_is(&err)) {
            size_t start = out.size;
            err = rewriter_next(&w, &out, &written, &more);
            if (error_is(&err) || !more) break;
            // 1000 is a multiple of 8, and of each eight offsets the fourth and the fifth are gone.
            EXPECT_INT(written.base_offset, next);
            EXPECT_INT(written.count, next == BASE_OFFSET ? 3 : next + 6 > BASE_OFFSET + MANY ? 3 : 6);
            EXPECT(batch_is_dense(&written));
            EXPECT_INT(written.attributes, codec);
            EXPECT_INT(read_all((struct bytes){out.at + start, out.size - start}, false, create_time), written.count);
            int64_t newest = 0;
            for (int64_t o = next; o < next + written.count; o++) {
                int64_t timestamp = create_time((int)(o - BASE_OFFSET));
                if (timestamp > newest) newest = timestamp;
            }
            EXPECT_INT(written.max_timestamp, newest);
            next += written.count + 2;
            count += written.count;
        }
        EXPECT(!error_is(&err));
        EXPECT_INT(count, MANY / 8 * 6);
        rewriter_close(&w);
        buffer_free(&out);
        unload(batch);
    }
}

TEST(rewriting_refuses_damage_and_limits) {
    struct bytes batch = load("none", "-append-time");
    struct batch_header h, written;
    EXPECT_INT(batch_look(batch, &h), BATCH_WHOLE);
    struct rewriter w;
    struct buffer out;
    bool more = true;
    buffer_init(&out, 500);
    buffer_append(&out, "before", 6);
    struct error err = rewriter_open(&w, batch, &h);
    EXPECT(!error_is(&err));
    err = rewriter_next(&w, &out, &written, &more);
    EXPECT_INT(err.kind, ERROR_LIMIT);
    EXPECT(!more && out.size == 6);
    rewriter_close(&w);
    buffer_free(&out);
    buffer_init(&out, BATCH_HEADER_SIZE - 1);  // not even a header fits
    err = rewriter_open(&w, batch, &h);
    EXPECT(!error_is(&err));
    err = rewriter_next(&w, &out, &written, &more);
    EXPECT_INT(err.kind, ERROR_LIMIT);
    EXPECT(!more && out.size == 0);
    rewriter_close(&w);
    buffer_free(&out);
    ((uint8_t *)batch.at)[batch.size - 3] ^= 1;
    err = rewriter_open(&w, batch, &h);
    EXPECT_INT(err.kind, ERROR_PROTOCOL);
    unload(batch);
}

TEST(emptied_batches_have_no_runs) {
    struct bytes batch = load("zstd", "-emptied");
    struct batch_header h;
    EXPECT_INT(batch_look(batch, &h), BATCH_WHOLE);
    h.attributes |= CODEC_ZSTD;  // others than the cleaner of today kept the codec
    struct rewriter w;
    struct buffer out;
    bool more = true;
    buffer_init(&out, 1 * MiB);
    struct error err = rewriter_open(&w, batch, &h);
    EXPECT(!error_is(&err));
    err = rewriter_next(&w, &out, &h, &more);
    EXPECT(!error_is(&err) && !more && out.size == 0);
    rewriter_close(&w);
    unload(batch);
}

TEST(codecs_give_back_what_they_took) {
    static const size_t sizes[] = {0, 1, 100, 32767, 32768, 32769, 65536, 65537, 300000};
    struct prng p;
    prng_seed(&p, 3);
    uint8_t *data = memory_alloc(300000);
    for (size_t i = 0; i < 300000; i++) data[i] = (uint8_t)(i % 5000 < 2500 ? prng_next(&p) : i / 100);
    struct buffer packed, plain;
    buffer_init(&packed, 1 * MiB);
    buffer_init(&plain, 1 * MiB);
    for (enum codec codec = 0; codec < CODECS; codec++) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            buffer_clear(&packed);
            buffer_clear(&plain);
            buffer_append(&plain, "before", 6);
            struct error err = codec_compress(codec, (struct bytes){data, sizes[i]}, &packed);
            EXPECT(!error_is(&err));
            err = codec_decompress(codec, (struct bytes){packed.at, packed.size}, &plain);
            EXPECT(!error_is(&err));
            EXPECT_INT(plain.size, 6 + sizes[i]);
            EXPECT(memcmp(plain.at + 6, data, sizes[i]) == 0);
            if (codec != CODEC_NONE && sizes[i] > 10000) EXPECT(packed.size < sizes[i]);
            // Lz4BlockInputStream refuses blocks that depend on each other: bit 5 of the frame's flags.
            if (codec == CODEC_LZ4) EXPECT(packed.at[4] & 0x20);
        }
    }
    buffer_free(&packed);
    buffer_free(&plain);
    memory_free(data);
}

// Though much more would be allowed.
TEST(little_takes_little_memory) {
    for (enum codec codec = CODEC_NONE + 1; codec < CODECS; codec++) {
        struct buffer packed, plain;
        buffer_init(&packed, MiB);
        buffer_init(&plain, 64 * MiB);
        struct error err = codec_compress(codec, (struct bytes){(const uint8_t *)"abc", 3}, &packed);
        EXPECT(!error_is(&err));
        err = codec_decompress(codec, (struct bytes){packed.at, packed.size}, &plain);
        EXPECT(!error_is(&err) && plain.size == 3);
        EXPECT(plain.capacity <= MiB);
        buffer_free(&packed);
        buffer_free(&plain);
    }
}

// Some clients write raw snappy, and frames may follow each other.
TEST(snappy_is_read_raw_and_chained) {
    struct buffer packed, plain;
    buffer_init(&packed, 1000);
    buffer_init(&plain, 1000);
    char raw[100];
    size_t size = sizeof raw;
    EXPECT_INT(snappy_compress("hello hello hello", 17, raw, &size), SNAPPY_OK);
    struct error err = codec_decompress(CODEC_SNAPPY, (struct bytes){(uint8_t *)raw, size}, &plain);
    EXPECT(!error_is(&err) && plain.size == 17 && memcmp(plain.at, "hello hello hello", 17) == 0);
    for (int i = 0; i < 2; i++) {
        err = codec_compress(CODEC_SNAPPY, (struct bytes){(const uint8_t *)"abc", 3}, &packed);
        EXPECT(!error_is(&err));
    }
    buffer_clear(&plain);
    err = codec_decompress(CODEC_SNAPPY, (struct bytes){packed.at, packed.size}, &plain);
    EXPECT(!error_is(&err) && plain.size == 6 && memcmp(plain.at, "abcabc", 6) == 0);
    buffer_free(&packed);
    buffer_free(&plain);
}

TEST(varints_keep_every_number) {
    static const int64_t numbers[] = {0, -1, 1, 63, -64, 64, -65, 8191, 8192,
                                      INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
    struct buffer b;
    buffer_init(&b, 100);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        int64_t n = numbers[i], back;
        int32_t narrow = 0;
        buffer_clear(&b);
        varlong_append(&b, n);
        EXPECT_INT(b.size, varlong_size(n));
        struct bytes in = {b.at, b.size};
        EXPECT(varlong_read(&in, &back) && in.size == 0);
        EXPECT_INT(back, n);
        in = (struct bytes){b.at, b.size};
        bool fits = n >= INT32_MIN && n <= INT32_MAX;
        EXPECT_INT(varint_read(&in, &narrow), fits);
        if (fits) EXPECT_INT(narrow, n);
        in = (struct bytes){b.at, b.size - 1};
        EXPECT(!varlong_read(&in, &back));
    }
    EXPECT_INT(varlong_size(INT64_MIN), 10);
    buffer_free(&b);
}

int main(void) {
    RUN(reads_what_java_wrote);
    RUN(every_truncation_is_damage);
    RUN(damage_stays_inside);
    RUN(decompression_is_bounded);
    RUN(wrong_records_are_named);
    RUN(offsets_must_rise);
    RUN(append_time_becomes_create_time);
    RUN(thinned_batches_become_dense_runs);
    RUN(rewriting_refuses_damage_and_limits);
    RUN(emptied_batches_have_no_runs);
    RUN(codecs_give_back_what_they_took);
    RUN(little_takes_little_memory);
    RUN(snappy_is_read_raw_and_chained);
    RUN(varints_keep_every_number);
    return test_result();
}
