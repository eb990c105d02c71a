// Joining what a source may hold, and the splice check of what was joined: it must know it again, and nothing else.
#include "base/crc32c.h"
#include "base/limits.h"
#include "base/memory.h"
#include "fuzz/fuzz.h"
#include "mirror/splice.h"
#include "wire/join.h"
#include "wire/records.h"

#include <assert.h>

static const struct batch_stamp stamp = {1LL << 62 | 77, 3, 1000};

// The first batch of `rest` as part of a log: at this offset, with the CRC that fits. False: there is none.
static bool take_part(struct bytes *rest, int64_t offset, struct bytes *part, struct batch_header *h) {
    if (batch_look(*rest, h) != BATCH_WHOLE) return false;
    uint8_t *at = (uint8_t *)rest->at;
    *part = (struct bytes){at, (size_t)h->size};
    store_be64(at, (uint64_t)offset);
    store_be32(at + BATCH_AT_CRC, crc32c(at + BATCH_AT_ATTRIBUTES, part->size - BATCH_AT_ATTRIBUTES));
    rest->at += h->size;
    rest->size -= (size_t)h->size;
    return batch_look(*part, h) == BATCH_WHOLE;
}

static void expect_records(struct bytes part, const struct batch_header *h, struct records *joined) {
    struct records r;
    struct record a, b;
    struct buffer none;
    buffer_init(&none, 0);
    struct error e = records_open(&r, part, h, &none);
    assert(!error_is(&e));
    while (records_next(&r, &a)) {
        bool there = records_next(joined, &b);
        assert(there && a.offset == b.offset && a.timestamp == b.timestamp && a.attributes == b.attributes);
        assert(a.body.size == b.body.size && memcmp(a.body.at, b.body.at, a.body.size) == 0);
    }
    e = records_result(&r);
    assert(!error_is(&e));
}

// Joins the log's batches from the front as long as that works; answers how many bytes of the log they are.
static size_t join_all(struct bytes rest, struct buffer *joined, int64_t *next) {
    size_t done = 0;
    for (;;) {
        struct bytes part, all = rest;
        struct batch_header h;
        if (!take_part(&rest, *next, &part, &h) || !join_possible(&h)) return done;
        bool readable = join_readable(part, &h);
        if (joined->size > 0) {
            size_t before = joined->size;
            bool added = join_add(joined, part, &h);
            assert(added == readable && (added || joined->size == before));
        } else if (readable) {
            buffer_append(joined, part.at, part.size);
        }
        if (!readable) return done;
        *next += h.count;
        done += all.size - rest.size;
    }
}

static void expect_all_records(struct bytes log, const struct buffer *joined) {
    struct batch_header h;
    struct records all;
    struct record beyond;
    struct buffer none;
    buffer_init(&none, 0);
    enum batch_look look = batch_look((struct bytes){joined->at, joined->size}, &h);
    assert(look == BATCH_WHOLE && (size_t)h.size == joined->size);
    struct error e = records_open(&all, (struct bytes){joined->at, joined->size}, &h, &none);
    assert(!error_is(&e));
    while (log.size > 0) {
        struct batch_header part;
        look = batch_look(log, &part);
        assert(look == BATCH_WHOLE);
        expect_records((struct bytes){log.at, (size_t)part.size}, &part, &all);
        log = (struct bytes){log.at + part.size, log.size - (size_t)part.size};
    }
    bool more = records_next(&all, &beyond);
    assert(!more);
}

static void splice(struct bytes log, struct buffer *joined, uint32_t seed) {
    struct batch_header h;
    int32_t leader_epoch;
    batch_look((struct bytes){joined->at, joined->size}, &h);
    int64_t base = h.base_offset;
    batch_restamp(joined->at, &h, &stamp);
    join_finish(joined->at, joined->size);
    batch_look((struct bytes){joined->at, joined->size}, &h);
    assert(h.base_offset == base && splice_compare(&h, log, &leader_epoch) == SPLICE_SAME);
    uint8_t *at = (uint8_t *)log.at + seed % log.size;
    *at ^= (uint8_t)(1 << seed % 8);
    (void)splice_compare(&h, log, &leader_epoch);
    *at ^= (uint8_t)(1 << seed % 8);
    // Another producer, count or time is another batch; so is any other CRC.
    h.crc ^= 1 + seed % 1000;
    assert(splice_compare(&h, log, &leader_epoch) == SPLICE_DIFFERENT);
}

void fuzz_joined(struct bytes in) {
    if (in.size < 2) return;
    uint8_t *log = memory_alloc(in.size);
    memcpy(log, in.at, in.size);
    struct buffer joined;
    buffer_init(&joined, 4 * MiB);
    int64_t base = log[0] * 1000LL, next = base;
    size_t size = join_all((struct bytes){log + 1, in.size - 1}, &joined, &next);
    if (size > 0) {
        struct bytes parts = {log + 1, size};
        expect_all_records(parts, &joined);
        splice(parts, &joined, (uint32_t)in.size * 2654435761U);
    }
    buffer_free(&joined);
    memory_free(log);
}
