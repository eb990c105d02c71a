// Records are the source's, to the byte: compressed payload, count and times; and of a topic with append times each
// record, with that time. Of a joined batch each record, too, and that only what is not compressed was joined.
#include "base/limits.h"
#include "base/rare.h"
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
    return a->offset == b->offset && a->timestamp == b->timestamp && a->body.size == b->body.size &&
           memcmp(a->body.at, b->body.at, a->body.size) == 0;
}

// Record for record, offsets and times included. `b` goes on behind the records of `a`.
static bool same_records_of(const struct stored_batch *a, struct records *b) {
    struct buffer plain;
    struct records x;
    struct record r, s;
    buffer_init(&plain, RECORDS_SIZE_MAX);
    struct error e = records_open(&x, whole(a), &a->header, &plain);
    bool same = !error_is(&e);
    while (same && records_next(&x, &r)) same = records_next(b, &s) && same_record(&r, &s);
    buffer_free(&plain);
    return same;
}

static bool same_records(const struct ledger_range *source, const struct stored_batch *b) {
    struct buffer plain;
    struct records y;
    struct record beyond;
    buffer_init(&plain, RECORDS_SIZE_MAX);
    struct error e = records_open(&y, whole(b), &b->header, &plain);
    bool same = !error_is(&e);
    for (size_t i = 0; same && i < source->count; i++) same = same_records_of(source->batches[i], &y);
    same = same && !records_next(&y, &beyond);
    buffer_free(&plain);
    return same;
}

// Whether the mirror may have made one batch of these.
static bool may_be_joined(const struct ledger_range *source, const struct stored_batch *b) {
    int64_t newest = INT64_MIN, count = 0;
    int16_t attributes = b->header.attributes;
    for (size_t i = 0; i < source->count; i++) {
        const struct batch_header *h = &source->batches[i]->header;
        if (h->max_timestamp > newest) newest = h->max_timestamp;
        count += h->count;
        attributes |= h->attributes;
    }
    return attributes == 0 && count == b->header.count && newest == b->header.max_timestamp &&
           b->header.base_timestamp == source->batches[0]->header.base_timestamp;
}

static bool is_same(const struct ledger_topic *t, const struct ledger_range *source, const struct stored_batch *b) {
    const struct stored_batch *first = source->batches[0];
    if (source->count > 1) {
        RARE("checkers: a joined batch");
        return (t->plan->compacted || may_be_joined(source, b)) && same_records(source, b);
    }
    // A cleaner notes in a batch when its tombstones may go, and writes all its times anew.
    bool rewritten = t->plan->compacted || (first->header.attributes & BATCH_ATTRIBUTE_LOG_APPEND_TIME);
    return rewritten ? same_records(source, b) : same_bytes(first, b);
}

void check_payload(struct world *w, const struct ledger_topic *t, int32_t partition, const struct ledger_range *source,
                   const struct stored_batch *b) {
    int64_t count = 0;
    for (size_t i = 0; i < source->count; i++) count += source->batches[i]->header.count;
    if (t->plan->compacted && b->header.count < count) return;  // the destination's cleaner was here
    if (!is_same(t, source, b))
        world_fail(w, "payload", "%s-%d: the batch at offset %lld differs from the source's", t->name, (int)partition,
                   (long long)b->header.base_offset);
    else if (!batch_crc_is_right(whole(b)))
        world_fail(w, "payload", "%s-%d: the batch at offset %lld has a wrong CRC", t->name, (int)partition,
                   (long long)b->header.base_offset);
}
