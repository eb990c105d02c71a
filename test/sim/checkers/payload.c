// Records are the source's, to the byte: compressed payload, count and times; and of a topic with append times each
// record, with that time.
#include "base/limits.h"
#include "sim/checkers.h"
#include "sim/world.h"
#include "wire/records.h"

static struct bytes whole(const struct stored_batch *b) {
    return (struct bytes){b->at, (size_t)b->header.size};
}

static bool same_bytes(const struct stored_batch *a, const struct stored_batch *b) {
    const struct batch_header *x = &a->header, *y = &b->header;
    int16_t kept = (int16_t) ~(BATCH_ATTRIBUTE_TRANSACTIONAL | BATCH_ATTRIBUTE_DELETE_HORIZON);
    return x->size == y->size && x->count == y->count && x->base_timestamp == y->base_timestamp &&
           x->max_timestamp == y->max_timestamp && (x->attributes & kept) == y->attributes &&
           memcmp(a->at + BATCH_HEADER_SIZE, b->at + BATCH_HEADER_SIZE, (size_t)x->size - BATCH_HEADER_SIZE) == 0;
}

static bool same_record(const struct record *a, const struct record *b) {
    return a->timestamp == b->timestamp && a->body.size == b->body.size &&
           memcmp(a->body.at, b->body.at, a->body.size) == 0;
}

// Record for record, times included.
static bool same_records(const struct stored_batch *a, const struct stored_batch *b) {
    struct buffer plain[2];
    struct records x, y;
    struct record r, s;
    bool same = a->header.count == b->header.count;
    for (int i = 0; i < 2; i++) buffer_init(&plain[i], RECORDS_SIZE_MAX);
    struct error e = records_open(&x, whole(a), &a->header, &plain[0]);
    struct error f = records_open(&y, whole(b), &b->header, &plain[1]);
    if (error_is(&e) || error_is(&f)) same = false;
    while (same && records_next(&x, &r)) same = records_next(&y, &s) && same_record(&r, &s);
    for (int i = 0; i < 2; i++) buffer_free(&plain[i]);
    return same;
}

void check_payload(struct world *w, const struct ledger_topic *t, int32_t partition, const struct stored_batch *source,
                   const struct stored_batch *b) {
    if (t->plan->compacted && b->header.count < source->header.count) return;  // the destination's cleaner was here
    // A cleaner notes in a batch when its tombstones may go, and writes all its times anew.
    bool rewritten = t->plan->compacted || (source->header.attributes & BATCH_ATTRIBUTE_LOG_APPEND_TIME);
    bool same = rewritten ? same_records(source, b) : same_bytes(source, b);
    if (!same)
        world_fail(w, "payload", "%s-%d: the batch at offset %lld differs from the source's", t->name, (int)partition,
                   (long long)b->header.base_offset);
    else if (!batch_crc_is_right(whole(b)))
        world_fail(w, "payload", "%s-%d: the batch at offset %lld has a wrong CRC", t->name, (int)partition,
                   (long long)b->header.base_offset);
}
