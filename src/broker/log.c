// The batches of one replica: append, truncate, delete from the start, find.
#include "broker/log_private.h"

#include "base/memory.h"

#include <assert.h>

void broker_log_init(struct broker_log *l) {
    *l = (struct broker_log){0};
    producer_states_init(&l->producers);
}

static int64_t held_bytes(const struct stored_batch *b) {
    return (int64_t)sizeof *b + b->header.size;
}

void log_holds(struct broker_log *l, struct stored_batch *b) {
    if (b->logs++ == 0 && l->held) *l->held += held_bytes(b);
}

static void hides(struct broker_log *l, struct stored_batch *b) {
    assert(b->logs > 0);
    if (--b->logs == 0 && l->held) *l->held -= held_bytes(b);
}

void log_lets_go(struct broker_log *l, struct stored_batch *b) {
    hides(l, b);
    stored_batch_release(b);
}

static void release_all(struct broker_log *l) {
    broker_log_note_start(l);
    for (size_t i = 0; i < l->count; i++) log_lets_go(l, broker_log_at(l, i));
    l->first = l->count = 0;
    l->bytes = 0;
}

void broker_log_free(struct broker_log *l) {
    release_all(l);
    memory_free(l->batches);
    memory_free(l->epochs);
    memory_free(l->segments);
    producer_states_free(&l->producers);
    log_producers_drop_snapshots(l);
    memory_free(l->snapshots);
    broker_log_init(l);
}

static void make_room(struct broker_log *l) {
    if (l->first + l->count < l->capacity) return;
    size_t unused = l->first - l->hidden;
    if (unused > l->capacity / 2) {
        memmove(l->batches, l->batches + unused, (l->hidden + l->count) * sizeof *l->batches);
        l->first = l->hidden;
        return;
    }
    l->capacity = l->capacity ? 2 * l->capacity : 16;
    l->batches = memory_resize(l->batches, l->capacity * sizeof *l->batches);
}

void broker_log_append(struct broker_log *l, struct stored_batch *b, int64_t wall_ms) {
    assert(b->header.base_offset >= l->end);
    make_room(l);
    l->batches[l->first + l->count++] = stored_batch_hold(b);
    log_holds(l, b);
    l->end = batch_last_offset(&b->header) + 1;
    l->bytes += b->header.size;
    l->appended_ms = wall_ms;
    log_segments_append(l, &b->header);
    log_epochs_assign(l, b->header.leader_epoch, b->header.base_offset);
    log_producers_append(l, b);
}

void broker_log_truncate(struct broker_log *l, int64_t offset) {
    if (offset >= l->end) {  // who led an epoch and got no records in it forgets the epoch all the same
        log_epochs_truncate_from_end(l, l->end);
        return;
    }
    if (offset < l->start) {  // UnifiedLog.truncateTo
        broker_log_restart_at(l, offset);
        return;
    }
    l->end = offset;
    while (l->count && batch_last_offset(&broker_log_at(l, l->count - 1)->header) >= offset) {
        struct stored_batch *b = broker_log_at(l, --l->count);
        if (b->header.base_offset < l->end) l->end = b->header.base_offset;
        l->bytes -= b->header.size;
        log_lets_go(l, b);
    }
    if (l->start > l->end) l->start = l->end;
    if (l->start_noted > l->start) l->start_noted = l->start;
    if (l->high_watermark > l->end) l->high_watermark = l->end;
    if (l->cleaned_end > l->end) l->cleaned_end = l->end;
    log_segments_truncate(l);
    log_epochs_truncate_from_end(l, l->end);
    log_producers_rebuild(l);
}

void broker_log_restart_at(struct broker_log *l, int64_t offset) {
    release_all(l);
    l->start = l->end = l->high_watermark = l->start_noted = offset;
    l->cleaned_end = 0;
    log_segments_restart(l);
    l->epochs_count = 0;
    producer_states_free(&l->producers);
    log_producers_drop_snapshots(l);
}

void broker_log_delete_below(struct broker_log *l, int64_t offset) {
    if (offset <= l->start) return;
    assert(offset <= l->end);
    l->start = offset;
    if (l->high_watermark < offset) l->high_watermark = offset;
    while (l->count && batch_last_offset(&broker_log_at(l, 0)->header) < offset) {
        struct stored_batch *b = broker_log_at(l, 0);
        producer_states_cut(&l->producers, &b->header);
        l->first++;
        l->count--;
        l->hidden++;
        l->bytes -= b->header.size;
        hides(l, b);
    }
    log_segments_delete_below(l);
    log_epochs_truncate_from_start(l, offset);
    producer_states_forget_below(&l->producers, l->start_noted, l->high_watermark);
}

void broker_log_note_start(struct broker_log *l) {
    for (; l->hidden > 0; l->hidden--) stored_batch_release(l->batches[l->first - l->hidden]);
    l->start_noted = l->start;
    producer_states_forget_below(&l->producers, l->start, l->high_watermark);
}

void broker_log_forget_start(struct broker_log *l) {
    for (; l->hidden > 0; l->hidden--) {
        struct stored_batch *b = l->batches[--l->first];
        log_holds(l, b);
        l->bytes += b->header.size;
        l->count++;
    }
    l->start = l->start_noted;
}

void broker_log_set_high_watermark(struct broker_log *l, int64_t offset) {
    l->high_watermark = offset;
    producer_states_forget_below(&l->producers, l->start_noted, offset);
}

size_t broker_log_find(const struct broker_log *l, int64_t offset) {
    // Most readers stand at the end.
    if (!l->count || offset > batch_last_offset(&broker_log_at(l, l->count - 1)->header)) return l->count;
    size_t low = 0, high = l->count - 1;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (batch_last_offset(&broker_log_at(l, middle)->header) < offset) low = middle + 1;
        else high = middle;
    }
    return low;
}

int64_t broker_log_last_stable_offset(const struct broker_log *l) {
    int64_t unstable = producer_states_first_unstable(&l->producers, l->high_watermark);
    if (unstable >= 0 && unstable < l->start) {
        // Where the batch begins that holds the log start: Kafka 4.3 takes the offset from its position in the file.
        size_t i = broker_log_find(l, l->start);
        unstable = i < l->count ? broker_log_at(l, i)->header.base_offset : l->start;
    }
    return unstable < 0 || unstable > l->high_watermark ? l->high_watermark : unstable;
}
