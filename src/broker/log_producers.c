// What batches do to the states of producers, and how these come back after a truncation or a restart.
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
        producer_states_forget_below(&l->producers, l->start, l->high_watermark);
    }
}

static void drop_snapshot(struct broker_log *l) {
    producer_states_free(&l->snapshot);
    l->snapshot_offset = -1;
}

void log_producers_rebuild(struct broker_log *l) {
    int64_t from = l->start;
    producer_states_clear_above(&l->producers, l->end);
    if (l->snapshot_offset > l->end || l->snapshot_offset <= l->start) drop_snapshot(l);
    if (l->snapshot_offset >= 0) {
        producer_states_copy_snapshot(&l->producers, &l->snapshot);
        from = l->snapshot_offset;
    }
    for (size_t i = broker_log_find(l, from); i < l->count; i++) log_producers_append(l, broker_log_at(l, i));
}

void broker_log_recover(struct broker_log *l, int64_t wall_ms, int64_t expiration_ms) {
    producer_states_expire(&l->snapshot, wall_ms, expiration_ms);
    log_producers_rebuild(l);
}

void broker_log_reload(struct broker_log *l, int64_t wall_ms, int64_t expiration_ms) {
    drop_snapshot(l);
    producer_states_copy_snapshot(&l->snapshot, &l->producers);
    l->snapshot_offset = l->end;
    broker_log_recover(l, wall_ms, expiration_ms);
}
