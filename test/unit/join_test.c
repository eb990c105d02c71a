// Joining: the whole holds what its parts hold and nothing else, is the same however it was made, and damage stays out.
#include "wire/join.h"

#include "base/crc32c.h"
#include "base/prng.h"
#include "unit/batches.h"
#include "unit/guarded.h"
#include "unit/test.h"
#include "wire/records.h"

#define PARTS 6
#define RECORDS_MAX 5

static struct buffer parts[PARTS];
static struct batch_header headers[PARTS];
static int64_t next_offset;

static struct bytes part(int i) {
    return (struct bytes){parts[i].at, parts[i].size};
}

static void write_part(int i, const struct test_batch *b, const struct test_record *records, int32_t count) {
    struct test_batch at = *b;
    at.base_offset = next_offset;
    at.leader_epoch = i;
    test_batch_write(&parts[i], &at, records, count);
    enum batch_look look = batch_look(part(i), &headers[i]);
    assert(look == BATCH_WHOLE);
    (void)look;
    next_offset += count;
}

static int64_t some_time(struct prng *r) {
    static const int64_t times[] = {-1, 0, 1, 1700000000000, INT64_MAX, INT64_MIN, INT64_MIN + 5};
    size_t kind = (size_t)prng_below(r, 20);
    if (kind < sizeof times / sizeof *times) return times[kind];
    return 1700000000000 + prng_between(r, -100000, 100000);
}

static void write_parts(struct prng *r) {
    static const char *const texts[] = {NULL, "", "a", "some key", "a value that is longer than others, by some words"};
    next_offset = prng_between(r, 0, 1000);
    for (int i = 0; i < PARTS; i++) {
        struct test_record records[RECORDS_MAX];
        int32_t count = (int32_t)prng_between(r, 1, RECORDS_MAX);
        for (int32_t k = 0; k < count; k++)
            records[k] = (struct test_record){texts[prng_below(r, 5)], texts[prng_below(r, 5)], some_time(r)};
        struct test_batch b = PLAIN_BATCH;
        b.base_timestamp_back = prng_below(r, 4) == 0 ? 77 : 0;  // (wraps around where it must)
        write_part(i, &b, records, count);
    }
}

// The parts from..to of one batch.
static void join(struct buffer *joined, int from, int to) {
    buffer_clear(joined);
    buffer_append(joined, parts[from].at, parts[from].size);
    for (int i = from + 1; i <= to; i++) {
        bool added = join_add(joined, part(i), &headers[i]);
        EXPECT(added);
    }
    join_finish(joined->at, joined->size);
}

static bool same_record(const struct record *a, const struct record *b) {
    return a->offset == b->offset && a->timestamp == b->timestamp && a->attributes == b->attributes &&
           a->body.size == b->body.size && memcmp(a->body.at, b->body.at, a->body.size) == 0;
}

// Whether `joined` holds the records of the parts, with their offsets and times, and a header that says so.
static bool holds_the_parts(struct bytes joined, int from, int to) {
    struct batch_header h;
    struct records all, of;
    struct record a, b;
    struct buffer none;
    buffer_init(&none, 0);
    int64_t newest = INT64_MIN;
    int32_t count = 0;
    if (batch_look(joined, &h) != BATCH_WHOLE || (size_t)h.size != joined.size || !batch_crc_is_right(joined))
        return false;
    struct error e = records_open(&all, joined, &h, &none);
    for (int i = from; i <= to; i++) {
        struct error f = records_open(&of, part(i), &headers[i], &none);
        if (error_is(&e) || error_is(&f)) return false;
        while (records_next(&of, &b))
            if (!records_next(&all, &a) || !same_record(&a, &b)) return false;
        if (headers[i].max_timestamp > newest) newest = headers[i].max_timestamp;
        count += headers[i].count;
    }
    if (records_next(&all, &a)) return false;
    e = records_result(&all);
    return !error_is(&e) && h.count == count && h.last_offset_delta == count - 1 && h.max_timestamp == newest &&
           h.base_timestamp == headers[from].base_timestamp && h.base_offset == headers[from].base_offset &&
           h.attributes == 0;
}

static void begin(void) {
    for (int i = 0; i < PARTS; i++) buffer_init(&parts[i], MiB);
}

static void end(void) {
    for (int i = 0; i < PARTS; i++) buffer_free(&parts[i]);
}

TEST(the_whole_holds_what_its_parts_hold) {
    struct prng r;
    prng_seed(&r, 11);
    begin();
    for (int run = 0; run < 2000; run++) {
        struct buffer joined, again;
        buffer_init(&joined, MiB);
        buffer_init(&again, MiB);
        write_parts(&r);
        int from = (int)prng_below(&r, PARTS), to = (int)prng_between(&r, from, PARTS - 1);
        join(&joined, from, to);
        EXPECT(holds_the_parts((struct bytes){joined.at, joined.size}, from, to));
        EXPECT(memcmp(joined.at + BATCH_HEADER_SIZE, parts[from].at + BATCH_HEADER_SIZE,
                      parts[from].size - BATCH_HEADER_SIZE) == 0);
        for (int i = from; i <= to; i++) EXPECT(join_possible(&headers[i]) && join_readable(part(i), &headers[i]));
        if (to > from) {  // however many at a time: what was joined before is a first part, too
            join(&again, from, to - 1);
            EXPECT(join_add(&again, part(to), &headers[to]));
            join_finish(again.at, again.size);
            EXPECT(again.size == joined.size && memcmp(again.at, joined.at, joined.size) == 0);
        }
        buffer_free(&joined);
        buffer_free(&again);
    }
    end();
}

TEST(kinds_that_are_never_joined) {
    struct batch_header h = {.count = 3, .last_offset_delta = 2};
    EXPECT(join_possible(&h));
    for (int bit = 0; bit < 15; bit++) {
        h.attributes = (int16_t)(1 << bit);
        EXPECT(!join_possible(&h));
    }
    h.attributes = 0;
    h.count = 2;  // thinned
    EXPECT(!join_possible(&h));
    h = (struct batch_header){.count = 0, .last_offset_delta = -1};
    EXPECT(!join_possible(&h));
}

// Whether the part is taken, placed so that a read past its end traps; a refusal changes nothing.
static bool taken(const struct guard_page *g, const uint8_t *at, size_t size) {
    struct buffer joined;
    struct batch_header h;
    buffer_init(&joined, MiB);
    buffer_append(&joined, parts[0].at, parts[0].size);
    struct bytes placed = {guard_page_place(g, at, size), size};
    enum batch_look look = batch_look(placed, &h);
    bool possible = look == BATCH_WHOLE && join_possible(&h);
    bool readable = possible && join_readable(placed, &h), added = possible && join_add(&joined, placed, &h);
    assert(added == readable && !joined.overflowed);
    assert(added || (joined.size == parts[0].size && memcmp(joined.at, parts[0].at, joined.size) == 0));
    buffer_free(&joined);
    return added;
}

static void seal(uint8_t *at, size_t size) {
    store_be32(at + BATCH_AT_LENGTH, (uint32_t)(size - BATCH_LENGTH_EXTRA));
    store_be32(at + BATCH_AT_CRC, crc32c(at + BATCH_AT_ATTRIBUTES, size - BATCH_AT_ATTRIBUTES));
}

TEST(damage_stays_out) {
    struct prng r;
    prng_seed(&r, 12);
    begin();
    write_parts(&r);
    struct guard_page g = guard_page_open(4 * KiB);
    uint8_t bad[4 * KiB];
    size_t size = parts[1].size;
    EXPECT(taken(&g, parts[1].at, size));
    for (size_t i = BATCH_AT_ATTRIBUTES; i < size; i++) {
        memcpy(bad, parts[1].at, size);
        bad[i] ^= 0x20;
        EXPECT(!taken(&g, bad, size));  // under the old CRC
    }
    for (size_t cut = BATCH_HEADER_SIZE; cut < size; cut++) {
        memcpy(bad, parts[1].at, size);
        seal(bad, cut);
        EXPECT(!taken(&g, bad, cut));  // records end too early, under a right CRC
    }
    memcpy(bad, parts[1].at, size);
    bad[size] = 0;
    seal(bad, size + 1);
    EXPECT(!taken(&g, bad, size + 1));  // and too late
    guard_page_close(&g);
    end();
}

// Whatever stands in the records: what is taken can be read, and holds the same.
TEST(nonsense_under_a_right_crc_is_refused_or_kept_as_it_is) {
    struct prng r;
    prng_seed(&r, 13);
    begin();
    struct guard_page g = guard_page_open(4 * KiB);
    int took = 0;
    for (int run = 0; run < 20000; run++) {
        if (run % 100 == 0) write_parts(&r);
        struct buffer kept = parts[1];
        uint8_t bad[4 * KiB];
        memcpy(bad, kept.at, kept.size);
        for (int64_t n = prng_between(&r, 1, 3); n > 0; n--)
            bad[BATCH_HEADER_SIZE + prng_below(&r, kept.size - BATCH_HEADER_SIZE)] = (uint8_t)prng_next(&r);
        seal(bad, kept.size);
        if (!taken(&g, bad, kept.size)) continue;
        took++;
        struct buffer joined;
        buffer_init(&joined, MiB);
        parts[1].at = bad;
        join(&joined, 0, 1);
        EXPECT(holds_the_parts((struct bytes){joined.at, joined.size}, 0, 1));
        parts[1] = kept;
        buffer_free(&joined);
    }
    EXPECT(took > 100 && took < 19900);
    guard_page_close(&g);
    end();
}

TEST(a_varint_that_is_longer_than_it_need_be) {
    begin();
    next_offset = 7;
    const struct test_record plain = {"k", "v", 5};
    struct test_batch b = PLAIN_BATCH;
    write_part(0, &b, &plain, 1);
    write_part(1, &b, &plain, 1);
    // length 10, attributes, timestamp 0 and offset 0 in three and two bytes, "k", "v", no headers
    static const uint8_t record[] = {20, 0, 0x80, 0x80, 0, 0x80, 0, 2, 'k', 2, 'v'};
    buffer_clear(&parts[1]);
    buffer_extend(&parts[1], BATCH_HEADER_SIZE);
    buffer_append(&parts[1], record, sizeof record);
    buffer_append_u8(&parts[1], 0);
    parts[1].at[BATCH_HEADER_SIZE] = 22;
    batch_header_write(parts[1].at, &headers[1], (int32_t)parts[1].size);
    batch_look(part(1), &headers[1]);
    struct buffer joined;
    buffer_init(&joined, MiB);
    join(&joined, 0, 1);
    EXPECT(holds_the_parts((struct bytes){joined.at, joined.size}, 0, 1));
    EXPECT_INT(joined.size, parts[0].size + sizeof record + 1 - 3);
    buffer_free(&joined);
    end();
}

TEST(no_room_and_too_many_change_nothing) {
    struct prng r;
    prng_seed(&r, 14);
    begin();
    write_parts(&r);
    struct buffer joined;
    buffer_init(&joined, parts[0].size + 8);
    buffer_append(&joined, parts[0].at, parts[0].size);
    EXPECT(!join_add(&joined, part(1), &headers[1]));
    EXPECT(!joined.overflowed && joined.size == parts[0].size && memcmp(joined.at, parts[0].at, joined.size) == 0);
    buffer_free(&joined);
    // (No batch has so many records; but a header can say so.)
    buffer_init(&joined, MiB);
    buffer_append(&joined, parts[0].at, parts[0].size);
    store_be32(joined.at + BATCH_AT_COUNT, INT32_MAX);
    store_be32(joined.at + BATCH_AT_LAST_OFFSET_DELTA, INT32_MAX - 1);
    store_be64(joined.at, 0);
    EXPECT(!join_add(&joined, part(1), &headers[1]));
    buffer_free(&joined);
    end();
}

int main(void) {
    RUN(the_whole_holds_what_its_parts_hold);
    RUN(kinds_that_are_never_joined);
    RUN(damage_stays_out);
    RUN(nonsense_under_a_right_crc_is_refused_or_kept_as_it_is);
    RUN(a_varint_that_is_longer_than_it_need_be);
    RUN(no_room_and_too_many_change_nothing);
    return test_result();
}
