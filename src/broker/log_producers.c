// What batches do to the states of producers, and how these come back after a truncation or a restart.
#include "base/limits.h"
#include "base/memory.h"
#include "broker/log_private.h"
#include "wire/records.h"

#define CONTROL_KEY_SIZE 4  // version, type (ControlRecordType)
#define CONTROL_ABORT 0
#define CONTROL_COMMIT 1
#define MARKER_VALUE_SIZE 6  // version, coordinator epoch (EndTransactionMarker)

bool log_read_marker(const struct stored_batch *b, struct producer_marker *m, int64_t *timestamp_ms) {
    struct buffer plain;
    struct records records;
    struct record record;
    buffer_init(&plain, 0);  // control batches are not compressed
    struct error err = records_open(&records, (struct bytes){b->at, (size_t)b->header.size}, &b->header, &plain);
    bool found = !error_is(&err) && records_next(&records, &record) && record.key.size >= CONTROL_KEY_SIZE &&
                 record.value.size >= MARKER_VALUE_SIZE;
    int type = found ? (int16_t)load_be16(record.key.at + 2) : -1;
    if (type != CONTROL_ABORT && type != CONTROL_COMMIT) return false;
    *m = (struct producer_marker){.producer_id = b->header.producer_id,
                                  .producer_epoch = b->header.producer_epoch,
                                  .coordinator_epoch = (int32_t)load_be32(record.value.at + 2),
                                  .commit = type == CONTROL_COMMIT};
    *timestamp_ms = record.timestamp;
    return true;
}

void log_producers_append(struct broker_log *l, const struct stored_batch *b) {
    struct producer_marker m;
    int64_t timestamp_ms;
    if (b->header.producer_id < 0) return;
    if (!(b->header.attributes & BATCH_ATTRIBUTE_CONTROL)) {
        producer_states_append_data(&l->producers, &b->header);
    } else if (log_read_marker(b, &m, &timestamp_ms)) {
        producer_states_append_marker(&l->producers, &m, b->header.base_offset, timestamp_ms);
        producer_states_forget_below(&l->producers, l->start_noted, l->high_watermark);
    }
}

static void drop_snapshot(struct broker_log *l, size_t i) {
    producer_states_free(&l->snapshots[i].states);
    l->snapshots_count--;
    memmove(l->snapshots + i, l->snapshots + i + 1, (l->snapshots_count - i) * sizeof *l->snapshots);
}

void log_producers_drop_snapshot(struct broker_log *l, int64_t offset) {
    for (size_t i = 0; i < l->snapshots_count; i++)
        if (l->snapshots[i].offset == offset) drop_snapshot(l, i--);
}

void log_producers_drop_snapshots(struct broker_log *l) {
    while (l->snapshots_count) drop_snapshot(l, l->snapshots_count - 1);
}

static struct log_snapshot *newest_snapshot(const struct broker_log *l) {
    return l->snapshots_count ? &l->snapshots[l->snapshots_count - 1] : NULL;
}

// ProducerStateManager.takeSnapshot: none where one stands, or where the log begins.
void log_producers_take_snapshot(struct broker_log *l) {
    const struct log_snapshot *newest = newest_snapshot(l);
    if (l->end <= (newest ? newest->offset : l->start)) return;
    if (!l->snapshots) l->snapshots = memory_alloc_zeroed(LOG_SNAPSHOTS_MAX, sizeof *l->snapshots);
    if (l->snapshots_count == LOG_SNAPSHOTS_MAX) drop_snapshot(l, 0);
    struct log_snapshot *s = &l->snapshots[l->snapshots_count++];
    s->offset = l->end;
    producer_states_init(&s->states);
    producer_states_copy_snapshot(&s->states, &l->producers);
}

// ProducerStateManager.truncateAndReload, then what UnifiedLog.rebuildProducerState reads from the log.
static void rebuild(struct broker_log *l, bool nobody_known, int64_t wall_ms, int64_t expiration_ms) {
    int64_t from = l->start;
    for (size_t i = l->snapshots_count; i > 0; i--)
        if (l->snapshots[i - 1].offset > l->end || l->snapshots[i - 1].offset <= l->start) drop_snapshot(l, i - 1);
    producer_states_clear_above(&l->producers, l->end);
    struct log_snapshot *s = newest_snapshot(l);
    if (s) {
        producer_states_expire(&s->states, wall_ms, expiration_ms);
        producer_states_copy_snapshot(&l->producers, &s->states);
        from = s->offset;
    }
    for (size_t i = nobody_known ? l->count : broker_log_find(l, from); i < l->count; i++)
        log_producers_append(l, broker_log_at(l, i));
    log_producers_take_snapshot(l);
}

void log_producers_rebuild(struct broker_log *l) {
    bool nobody_known = !l->producers.by_id.count && !l->producers.unstable_count;  // then the log is not read at all
    bool expire = l->wall_ms && l->producer_expiration_ms;
    rebuild(l, nobody_known, expire ? *l->wall_ms : 0, expire ? *l->producer_expiration_ms : INT64_MAX);
}

void broker_log_reload(struct broker_log *l, int64_t wall_ms, int64_t expiration_ms) {
    log_producers_take_snapshot(l);
    producer_states_forget_verifications(&l->producers);
    for (size_t i = l->snapshots_count; i > 1; i--)  // removeStraySnapshots
        if (!log_segments_begin_at(l, l->snapshots[i - 2].offset)) drop_snapshot(l, i - 2);
    log_epochs_truncate_from_end(l, l->end);             // an epoch without records is forgotten (LogLoader.load)
    rebuild(l, false, wall_ms, expiration_ms);
}

// LogLoader.recoverSegment reads the files from the recovery point on as if nothing were known of them, and leaves a
// snapshot for the start.
void broker_log_recover(struct broker_log *l, int64_t recovery_point, int64_t wall_ms, int64_t expiration_ms) {
    int64_t from = log_segment_begin(l, recovery_point);
    while (l->snapshots_count > 0 && newest_snapshot(l)->offset > from) drop_snapshot(l, l->snapshots_count - 1);
    rebuild(l, false, wall_ms, expiration_ms);
    broker_log_reload(l, wall_ms, expiration_ms);
}
