// What producers may append next, and which of their transactions are open or were aborted.
#include "broker/producer_states.h"

#include "base/memory.h"
#include "wire/error_codes.h"

#include <assert.h>

#define EPOCH_NONE (-1)     // RecordBatch.NO_PRODUCER_EPOCH
#define SEQUENCE_NONE (-1)  // RecordBatch.NO_SEQUENCE

void producer_states_init(struct producer_states *s) {
    *s = (struct producer_states){0};
    map_init(&s->by_id);
    map_init(&s->verifications);
}

static void free_states(struct producer_states *s) {
    struct producer_state *p;
    for (size_t i = 0; (p = map_next(&s->by_id, &i));) memory_free(p);
    map_free(&s->by_id);
    map_init(&s->by_id);
}

void producer_states_forget_verifications(struct producer_states *s) {
    struct producer_verification *v;
    for (size_t i = 0; (v = map_next(&s->verifications, &i));) memory_free(v);
    map_free(&s->verifications);
    map_init(&s->verifications);
}

void producer_states_free(struct producer_states *s) {
    free_states(s);
    producer_states_forget_verifications(s);
    memory_free(s->aborted);
    memory_free(s->unstable);
    producer_states_init(s);
}

struct producer_state *producer_states_find(const struct producer_states *s, int64_t producer_id) {
    return map_get_number(&s->by_id, (uint64_t)producer_id);
}

static struct producer_state *find_or_add(struct producer_states *s, int64_t producer_id) {
    struct producer_state *p = producer_states_find(s, producer_id);
    if (p) return p;
    p = NEW(struct producer_state);
    *p = (struct producer_state){.producer_id = producer_id,
                                 .epoch = EPOCH_NONE,
                                 .coordinator_epoch = -1,
                                 .last_timestamp_ms = -1,
                                 .transaction_first_offset = -1};
    map_put_number(&s->by_id, (uint64_t)producer_id, p);
    return p;
}

int32_t producer_state_last_sequence(const struct producer_state *p) {
    return p->batches_count ? p->batches[p->batches_count - 1].last_sequence : SEQUENCE_NONE;
}

static int32_t last_sequence(const struct batch_header *h) {
    return h->base_sequence == SEQUENCE_NONE ? SEQUENCE_NONE : sequence_add(h->base_sequence, h->last_offset_delta);
}

static const struct producer_batch *find_duplicate(const struct producer_state *p, const struct batch_header *h) {
    if (p->epoch != h->producer_epoch) return NULL;
    for (int32_t i = 0; i < p->batches_count; i++) {
        const struct producer_batch *b = &p->batches[i];
        if (b->first_sequence == h->base_sequence && b->last_sequence == last_sequence(h)) return b;
    }
    return NULL;
}

// Verification (KIP-890) ----------------------------------------------------------------------------------------------

static struct producer_verification *find_verification(const struct producer_states *s, int64_t producer_id) {
    return map_get_number(&s->verifications, (uint64_t)producer_id);
}

bool producer_states_is_open(const struct producer_states *s, int64_t producer_id, int16_t epoch) {
    const struct producer_state *p = producer_states_find(s, producer_id);
    return p && p->transaction_first_offset >= 0 && p->epoch == epoch;
}

bool producer_states_is_verified(const struct producer_states *s, int64_t producer_id) {
    return find_verification(s, producer_id) != NULL;
}

void producer_states_verify(struct producer_states *s, const struct batch_header *h, bool bumps, int64_t wall_ms) {
    struct producer_verification *v = find_verification(s, h->producer_id);
    if (!v) {
        v = NEW(struct producer_verification);
        *v = (struct producer_verification){h->producer_id, wall_ms, h->base_sequence, h->producer_epoch, bumps};
        map_put_number(&s->verifications, (uint64_t)h->producer_id, v);
    }
    // VerificationStateEntry.maybeUpdateLowestSequenceAndEpoch
    bool lower = h->producer_epoch == v->epoch && h->base_sequence < v->lowest_sequence;
    if (!lower && h->producer_epoch <= v->epoch) return;
    v->epoch = h->producer_epoch;
    v->lowest_sequence = h->base_sequence;
}

static void end_verification(struct producer_states *s, int64_t producer_id) {
    memory_free(map_remove_number(&s->verifications, (uint64_t)producer_id));
}

// Transactions of the second version begin at 0 where nothing is known of the producer, and nothing overtakes a batch
// that came first and had to wait for the coordinator.
static bool sequence_is_verified(const struct producer_states *s, const struct producer_state *p,
                                 const struct batch_header *h) {
    const struct producer_verification *v = find_verification(s, h->producer_id);
    if (!v) return true;
    if (v->bumps && h->base_sequence != 0 && !(p && p->batches_count)) return false;
    return h->base_sequence <= v->lowest_sequence;
}

// ProducerAppendInfo.checkSequence: a new epoch begins at 0.
static bool sequence_is_next(const struct producer_states *s, const struct producer_state *p,
                             const struct batch_header *h) {
    if (!sequence_is_verified(s, p, h)) return false;
    if (!p || p->epoch == EPOCH_NONE) return true;
    if (h->producer_epoch != p->epoch) return h->base_sequence == 0;
    int32_t last = producer_state_last_sequence(p);
    return h->base_sequence == (last == INT32_MAX ? 0 : last + 1);
}

int16_t producer_states_check(const struct producer_states *s, const struct batch_header *h,
                              const struct producer_batch **duplicate_of) {
    *duplicate_of = NULL;
    struct producer_state *p = producer_states_find(s, h->producer_id);
    if (h->producer_id < 0) return KAFKA_NONE;
    if (p) *duplicate_of = find_duplicate(p, h);
    if (*duplicate_of) return KAFKA_NONE;
    if (h->producer_epoch < (p ? p->epoch : EPOCH_NONE)) return KAFKA_INVALID_PRODUCER_EPOCH;
    if (!sequence_is_next(s, p, h)) return KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER;
    bool open = p && p->transaction_first_offset >= 0;
    return open && !(h->attributes & BATCH_ATTRIBUTE_TRANSACTIONAL) ? KAFKA_INVALID_TXN_STATE : KAFKA_NONE;
}

int16_t producer_states_check_marker(const struct producer_states *s, const struct producer_marker *m) {
    static const struct producer_state nothing = {
        .epoch = EPOCH_NONE, .coordinator_epoch = -1, .transaction_first_offset = -1};
    if (m->producer_id < 0) return KAFKA_NONE;  // RecordBatch.hasProducerId: nobody's, and not looked at
    const struct producer_state *p = producer_states_find(s, m->producer_id);
    if (!p) p = &nothing;
    // With transaction version 2 each transaction ends with a new epoch. That of a transaction which has ended
    // already is a repetition, and so is the largest epoch, which cannot rise (ProducerAppendInfo.checkProducerEpoch).
    bool repeated = m->producer_epoch == p->epoch && (p->transaction_first_offset < 0 || p->epoch == INT16_MAX);
    bool old = m->transaction_version >= 2 ? m->producer_epoch <= p->epoch && !repeated : m->producer_epoch < p->epoch;
    if (old) return KAFKA_INVALID_PRODUCER_EPOCH;
    return m->coordinator_epoch < p->coordinator_epoch ? KAFKA_TRANSACTION_COORDINATOR_FENCED : KAFKA_NONE;
}

static void take_epoch(struct producer_state *p, int16_t epoch) {
    if (p->epoch != epoch) p->batches_count = 0;
    p->epoch = epoch;
}

static void add_unstable(struct producer_states *s, int64_t producer_id, int64_t first_offset) {
    if (s->unstable_count == s->unstable_capacity) {
        s->unstable_capacity = s->unstable_capacity ? 2 * s->unstable_capacity : 4;
        s->unstable = memory_resize(s->unstable, s->unstable_capacity * sizeof *s->unstable);
    }
    assert(!s->unstable_count || s->unstable[s->unstable_count - 1].first_offset < first_offset);
    s->unstable[s->unstable_count++] = (struct unstable_transaction){producer_id, first_offset, -1};
}

void producer_states_append_data(struct producer_states *s, const struct batch_header *h) {
    if (h->producer_id < 0) return;
    struct producer_state *p = find_or_add(s, h->producer_id);
    take_epoch(p, h->producer_epoch);
    if (p->batches_count == PRODUCER_BATCHES_KEPT) {
        p->batches_count--;
        memmove(p->batches, p->batches + 1, (size_t)p->batches_count * sizeof *p->batches);
    }
    p->batches[p->batches_count++] = (struct producer_batch){.first_sequence = h->base_sequence,
                                                             .last_sequence = last_sequence(h),
                                                             .base_offset = h->base_offset,
                                                             .last_offset = batch_last_offset(h),
                                                             .timestamp_ms = h->max_timestamp};
    p->last_timestamp_ms = h->max_timestamp;
    if (!(h->attributes & BATCH_ATTRIBUTE_TRANSACTIONAL)) return;
    end_verification(s, h->producer_id);
    if (p->transaction_first_offset < 0) {
        p->transaction_first_offset = h->base_offset;
        add_unstable(s, h->producer_id, h->base_offset);
    }
}

// Marks the producer's transaction as ended, and answers the first offset of the oldest one that is still open
// (ProducerStateManager.lastStableOffset).
static int64_t end_unstable(struct producer_states *s, const struct producer_state *p, int64_t offset) {
    int64_t open = offset + 1;
    for (size_t i = s->unstable_count; i > 0; i--) {
        struct unstable_transaction *t = &s->unstable[i - 1];
        if (t->last_offset >= 0) continue;
        if (t->producer_id == p->producer_id) t->last_offset = offset;
        else open = t->first_offset;
    }
    return open;
}

static void add_aborted(struct producer_states *s, const struct aborted_transaction *t) {
    // A replay comes by transactions whose end stands in the index already.
    if (s->aborted_count && s->aborted[s->aborted_count - 1].last_offset >= t->last_offset) return;
    if (s->aborted_count == s->aborted_capacity) {
        s->aborted_capacity = s->aborted_capacity ? 2 * s->aborted_capacity : 4;
        s->aborted = memory_resize(s->aborted, s->aborted_capacity * sizeof *s->aborted);
    }
    s->aborted[s->aborted_count++] = *t;
}

void producer_states_append_marker(struct producer_states *s, const struct producer_marker *m, int64_t offset,
                                   int64_t timestamp_ms) {
    struct producer_state *p = find_or_add(s, m->producer_id);
    // A marker without a transaction leaves no trace in the index.
    if (p->transaction_first_offset >= 0) {
        struct aborted_transaction t = {p->producer_id, p->transaction_first_offset, offset,
                                        end_unstable(s, p, offset), false};
        if (!m->commit) add_aborted(s, &t);
    }
    // The next transaction, of the marker's epoch, may have asked already (UnifiedLog.updateProducers).
    const struct producer_verification *v = find_verification(s, m->producer_id);
    if (v && !(v->bumps && v->epoch == m->producer_epoch)) end_verification(s, m->producer_id);
    take_epoch(p, m->producer_epoch);
    p->coordinator_epoch = m->coordinator_epoch;
    p->transaction_first_offset = -1;
    p->last_timestamp_ms = timestamp_ms;
}

void producer_states_copy_snapshot(struct producer_states *to, const struct producer_states *from) {
    const struct producer_state *p;
    producer_states_clear_above(to, INT64_MAX);
    for (size_t i = 0; (p = map_next(&from->by_id, &i));) {
        struct producer_state *copy = find_or_add(to, p->producer_id);
        *copy = *p;
        copy->batches_count = p->batches_count ? 1 : 0;
        if (!p->batches_count) continue;
        copy->batches[0] = p->batches[p->batches_count - 1];
        copy->batches[0].timestamp_ms = p->last_timestamp_ms;  // the file has one timestamp, of a marker too
    }
    for (size_t i = 0; i < from->unstable_count; i++) {
        const struct unstable_transaction *t = &from->unstable[i];
        if (t->last_offset < 0) add_unstable(to, t->producer_id, t->first_offset);
    }
}

void producer_states_clear_above(struct producer_states *s, int64_t offset) {
    free_states(s);
    s->unstable_count = 0;
    while (s->aborted_count && s->aborted[s->aborted_count - 1].last_offset >= offset) s->aborted_count--;
}

void producer_states_expire(struct producer_states *s, int64_t wall_ms, int64_t expiration_ms) {
    struct producer_state *p;
    for (size_t i = 0; (p = map_next(&s->by_id, &i));) {
        if (p->transaction_first_offset >= 0 || wall_ms - p->last_timestamp_ms < expiration_ms) continue;
        map_remove_number(&s->by_id, (uint64_t)p->producer_id);
        memory_free(p);
    }
    struct producer_verification *v;
    for (size_t i = 0; (v = map_next(&s->verifications, &i));)
        if (wall_ms - v->asked_ms >= expiration_ms) end_verification(s, v->producer_id);
}

int64_t producer_states_first_unstable(const struct producer_states *s, int64_t high_watermark) {
    for (size_t i = 0; i < s->unstable_count; i++) {
        const struct unstable_transaction *t = &s->unstable[i];
        if (t->last_offset < 0 || t->last_offset >= high_watermark) return t->first_offset;
    }
    return -1;
}

void producer_states_forget_below(struct producer_states *s, int64_t log_start, int64_t high_watermark) {
    size_t kept = 0, gone = 0;
    for (size_t i = 0; i < s->unstable_count; i++) {
        const struct unstable_transaction t = s->unstable[i];
        if (t.last_offset < 0 || t.last_offset >= high_watermark) s->unstable[kept++] = t;
    }
    s->unstable_count = kept;
    while (gone < s->aborted_count && s->aborted[gone].last_offset < log_start) gone++;
    s->aborted_count -= gone;
    if (gone) memmove(s->aborted, s->aborted + gone, s->aborted_count * sizeof *s->aborted);
}

void producer_states_cut(struct producer_states *s, const struct batch_header *h) {
    bool data = (h->attributes & BATCH_ATTRIBUTE_TRANSACTIONAL) && !(h->attributes & BATCH_ATTRIBUTE_CONTROL);
    for (size_t i = 0; data && i < s->aborted_count; i++) {
        struct aborted_transaction *t = &s->aborted[i];
        bool within = t->first_offset <= h->base_offset && h->base_offset < t->last_offset;
        if (t->producer_id == h->producer_id && within) t->cut = true;
    }
}

size_t producer_states_aborted(const struct producer_states *s, int64_t from, int64_t to,
                               struct aborted_transaction *out, size_t max) {
    size_t low = 0, high = s->aborted_count, count = 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->aborted[middle].last_offset < from) low = middle + 1;
        else high = middle;
    }
    for (; low < s->aborted_count && count < max; low++) {
        const struct aborted_transaction *t = &s->aborted[low];
        if (t->first_offset < to) out[count++] = *t;
        if (t->last_stable_offset >= to) break;
    }
    return count;
}
