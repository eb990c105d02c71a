// Compaction: of each key the newest record stays, and of what goes the offsets stay
// (org.apache.kafka.storage.internals.log.{Cleaner, CleanedTransactionMetadata}, MemoryRecords.filterTo).
#include "base/limits.h"
#include "base/map.h"
#include "base/memory.h"
#include "broker/append_private.h"
#include "broker/log_private.h"
#include "wire/codec.h"
#include "wire/records.h"

#include <assert.h>
#include <stdlib.h>

#define NO_TIMESTAMP (-1)  // RecordBatch.NO_TIMESTAMP

// Whose transactions a walk over the log is in (CleanedTransactionMetadata).
struct walk {
    struct walked_abort {
        struct aborted_transaction transaction;
        bool observed;  // a batch of it is still there
        bool ended;     // its marker was met
    } * aborted;        // by first offset
    size_t aborted_count, next;
    struct map in_aborted;    // by producer id: struct walked_abort
    struct map in_committed;  // by producer id
};

struct compaction {
    struct broker_log *log;
    int64_t end, delete_retention_ms, wall_ms;
    struct map latest;  // of each key: the newest record's offset + 1, as a pointer
    struct buffer plain, kept, out;
};

static int by_first_offset(const void *a, const void *b) {
    int64_t x = ((const struct walked_abort *)a)->transaction.first_offset;
    int64_t y = ((const struct walked_abort *)b)->transaction.first_offset;
    return (x > y) - (x < y);
}

static void walk_begin(struct walk *w, const struct producer_states *s) {
    *w = (struct walk){.aborted_count = s->aborted_count};
    map_init(&w->in_aborted);
    map_init(&w->in_committed);
    w->aborted = memory_alloc_zeroed(s->aborted_count, sizeof *w->aborted);
    for (size_t i = 0; i < s->aborted_count; i++)
        w->aborted[i] = (struct walked_abort){.transaction = s->aborted[i], .observed = s->aborted[i].cut};
    if (w->aborted_count) qsort(w->aborted, w->aborted_count, sizeof *w->aborted, by_first_offset);
}

static void walk_end(struct walk *w) {
    map_free(&w->in_aborted);
    map_free(&w->in_committed);
    memory_free(w->aborted);
}

static void enter_aborted(struct walk *w, int64_t last_offset) {
    for (; w->next < w->aborted_count && w->aborted[w->next].transaction.first_offset <= last_offset; w->next++) {
        struct walked_abort *a = &w->aborted[w->next];
        map_put_number(&w->in_aborted, (uint64_t)a->transaction.producer_id, a);
    }
}

// Of a data batch: it was aborted. Of a marker: nothing of its transaction is left.
static bool walk_batch(struct walk *w, const struct stored_batch *b) {
    const struct batch_header *h = &b->header;
    struct producer_marker m;
    int64_t timestamp_ms;
    enter_aborted(w, batch_last_offset(h));
    if (!(h->attributes & BATCH_ATTRIBUTE_CONTROL)) {
        if (!(h->attributes & BATCH_ATTRIBUTE_TRANSACTIONAL)) return false;
        struct walked_abort *a = map_get_number(&w->in_aborted, (uint64_t)h->producer_id);
        if (a) a->observed = true;
        else map_put_number(&w->in_committed, (uint64_t)h->producer_id, w);
        return a != NULL;
    }
    if (h->count == 0) return true;  // cleaned before
    if (!log_read_marker(b, &m, &timestamp_ms)) return false;
    if (m.commit) return !map_remove_number(&w->in_committed, (uint64_t)h->producer_id);
    struct walked_abort *a = map_remove_number(&w->in_aborted, (uint64_t)h->producer_id);
    if (a) a->ended = true;
    return !(a && a->observed);
}

static struct bytes batch_bytes(const struct stored_batch *b) {
    return (struct bytes){b->at, (size_t)b->header.size};
}

static void note_keys(struct compaction *c, const struct stored_batch *b) {
    struct records records;
    struct record r;
    struct error err = records_open(&records, batch_bytes(b), &b->header, &c->plain);
    while (!error_is(&err) && records_next(&records, &r)) {
        if (r.key.size < 0) continue;
        map_put_text(&c->latest, (const char *)r.key.at, (size_t)r.key.size, (void *)(uintptr_t)(r.offset + 1));
    }
}

// Cleaner.buildOffsetMap.
static void build_map(struct compaction *c, size_t count) {
    struct walk w;
    walk_begin(&w, &c->log->producers);
    for (size_t i = 0; i < count; i++) {
        const struct stored_batch *b = broker_log_at(c->log, i);
        bool useless = walk_batch(&w, b) || (b->header.attributes & BATCH_ATTRIBUTE_CONTROL);
        if (!useless) note_keys(c, b);
    }
    walk_end(&w);
}

static bool has_horizon(const struct batch_header *h) {
    return h->attributes & BATCH_ATTRIBUTE_DELETE_HORIZON;
}

static bool horizon_has_passed(const struct compaction *c, const struct batch_header *h) {
    return has_horizon(h) && h->base_timestamp <= c->wall_ms;
}

// Cleaner.shouldRetainRecord.
static bool retains(const struct compaction *c, const struct batch_header *h, const struct record *r) {
    if (h->attributes & BATCH_ATTRIBUTE_CONTROL) return true;
    if (r->key.size < 0) return false;
    int64_t latest = (int64_t)(uintptr_t)map_get_text(&c->latest, (const char *)r->key.at, (size_t)r->key.size) - 1;
    return r->offset >= latest && (r->value.size >= 0 || !horizon_has_passed(c, h));
}

// The batch that keeps an active producer's last sequence or epoch (Cleaner.isBatchLastRecordOfProducer).
static bool is_last_of_producer(const struct compaction *c, const struct batch_header *h) {
    const struct producer_state *p =
        h->producer_id >= 0 ? producer_states_find(&c->log->producers, h->producer_id) : NULL;
    if (!p) return false;
    if (p->batches_count) return batch_last_offset(h) == p->batches[p->batches_count - 1].last_offset;
    return (h->attributes & BATCH_ATTRIBUTE_CONTROL) && h->producer_epoch == p->epoch;
}

struct thinned {
    int32_t count;
    int64_t first_timestamp, max_timestamp;
    bool changed, tombstones;
};

// One look at all the records: how many stay, and what is special about them.
static struct thinned look_through(struct compaction *c, const struct stored_batch *b) {
    struct thinned t = {.max_timestamp = NO_TIMESTAMP};
    struct records records;
    struct record r;
    struct error err = records_open(&records, batch_bytes(b), &b->header, &c->plain);
    assert(!error_is(&err));
    while (records_next(&records, &r)) {
        if (!retains(c, &b->header, &r)) {
            t.changed = true;
            continue;
        }
        if (t.count++ == 0) t.first_timestamp = r.timestamp;
        if (r.timestamp > t.max_timestamp) t.max_timestamp = r.timestamp;
        t.tombstones |= r.value.size < 0;
    }
    return t;
}

// `h`: what is to be written but for the size; `c->out` has room for the header and then the records.
static struct stored_batch *write_batch(struct compaction *c, struct batch_header h) {
    assert(!c->out.overflowed);
    h.size = (int32_t)c->out.size;
    batch_header_write(c->out.at, &h, h.size);
    h.crc = load_be32(c->out.at + BATCH_AT_CRC);
    return stored_batch_new((struct bytes){c->out.at, c->out.size}, &h);
}

// DefaultRecordBatch.writeEmptyHeader.
static struct stored_batch *write_empty(struct compaction *c, struct batch_header h) {
    h.attributes &= BATCH_ATTRIBUTE_LOG_APPEND_TIME | BATCH_ATTRIBUTE_TRANSACTIONAL | BATCH_ATTRIBUTE_CONTROL;
    h.base_timestamp = NO_TIMESTAMP;
    h.count = 0;
    buffer_clear(&c->out);
    buffer_extend(&c->out, BATCH_HEADER_SIZE);
    return write_batch(c, h);
}

// MemoryRecords.buildRetainedRecordsInto: base offset, last offset delta and sequence stay; the base timestamp is the
// delete horizon where there is one (KIP-534).
static struct stored_batch *write_thinned(struct compaction *c, const struct stored_batch *b, const struct thinned *t,
                                          bool sets_horizon) {
    struct batch_header h = b->header;
    struct records records;
    struct record r;
    if (sets_horizon) h.base_timestamp = c->wall_ms + c->delete_retention_ms;
    else if (!has_horizon(&h)) h.base_timestamp = t->first_timestamp;
    if (sets_horizon) h.attributes |= BATCH_ATTRIBUTE_DELETE_HORIZON;
    h.max_timestamp = t->max_timestamp;  // the append time is each record's
    h.count = t->count;
    struct error err = records_open(&records, batch_bytes(b), &b->header, &c->plain);
    buffer_clear(&c->kept);
    while (records_next(&records, &r)) {
        if (!retains(c, &b->header, &r)) continue;
        append_write_record(&c->kept, r.timestamp - h.base_timestamp, (int32_t)(r.offset - h.base_offset), r.body);
    }
    buffer_clear(&c->out);
    buffer_extend(&c->out, BATCH_HEADER_SIZE);
    enum codec codec = (enum codec)(h.attributes & BATCH_ATTRIBUTE_CODEC);
    if (!error_is(&err)) err = codec_compress(codec, (struct bytes){c->kept.at, c->kept.size}, &c->out);
    assert(!error_is(&err) && !c->kept.overflowed);
    return write_batch(c, h);
}

// The batch as it stands after compaction, with a reference for the log; NULL: it goes.
static struct stored_batch *compact_batch(struct compaction *c, struct walk *w, struct stored_batch *b) {
    const struct batch_header *h = &b->header;
    bool control = h->attributes & BATCH_ATTRIBUTE_CONTROL;
    bool useless = walk_batch(w, b);
    bool discards = useless && (!control || horizon_has_passed(c, h));
    bool last = is_last_of_producer(c, h) || batch_last_offset(h) + 1 == c->end;  // it stays, if need be empty
    if (last && h->count == 0) return stored_batch_hold(b);
    if (discards && !last) return NULL;
    struct thinned t = {0};
    if (!discards) t = look_through(c, b);
    if (!t.count) return last ? write_empty(c, *h) : NULL;
    bool sets_horizon = (t.tombstones || (useless && control)) && !has_horizon(h);
    return t.changed || sets_horizon ? write_thinned(c, b, &t, sets_horizon) : stored_batch_hold(b);
}

// Aborted transactions of which nothing was met are no longer in a segment's index.
static void thin_aborted(struct broker_log *l, const struct walk *w) {
    size_t kept = 0;
    for (size_t i = 0; i < w->aborted_count; i++) {
        const struct walked_abort *a = &w->aborted[i];
        for (size_t j = 0; a->ended && !a->observed && j < l->producers.aborted_count; j++) {
            struct aborted_transaction *t = &l->producers.aborted[j];
            if (t->last_offset == a->transaction.last_offset) t->producer_id = -1;
        }
    }
    for (size_t j = 0; j < l->producers.aborted_count; j++) {
        if (l->producers.aborted[j].producer_id < 0) continue;
        l->producers.aborted[j].cut = false;  // what lay below the log start is gone from the file
        l->producers.aborted[kept++] = l->producers.aborted[j];
    }
    l->producers.aborted_count = kept;
}

static void compact_batches(struct compaction *c, size_t count) {
    struct broker_log *l = c->log;
    struct walk w;
    size_t kept = 0;
    walk_begin(&w, &l->producers);
    for (size_t i = 0; i < count; i++) {
        struct stored_batch *b = broker_log_at(l, i), *after = compact_batch(c, &w, b);
        l->bytes += (after ? after->header.size : 0) - b->header.size;
        if (after) log_holds(l, after);
        log_lets_go(l, b);
        if (after) l->batches[l->first + kept++] = after;
    }
    memmove(l->batches + l->first + kept, l->batches + l->first + count, (l->count - count) * sizeof *l->batches);
    l->count -= count - kept;
    thin_aborted(l, &w);
    walk_end(&w);
}

void log_compact(struct broker_log *l, int64_t end, int64_t delete_retention_ms, int64_t wall_ms) {
    struct compaction c = {.log = l, .end = end, .delete_retention_ms = delete_retention_ms, .wall_ms = wall_ms};
    size_t count = broker_log_find(l, end);
    if (!count) return;
    map_init(&c.latest);
    buffer_init(&c.plain, RECORDS_SIZE_MAX);
    buffer_init(&c.kept, RECORDS_SIZE_MAX);
    buffer_init(&c.out, FRAME_SIZE_MAX);
    build_map(&c, count);
    compact_batches(&c, count);
    map_free(&c.latest);
    buffer_free(&c.plain);
    buffer_free(&c.kept);
    buffer_free(&c.out);
}
