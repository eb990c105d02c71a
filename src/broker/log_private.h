// What the files of the log share among themselves.
#pragma once
#include "broker/log.h"

// The log's reference to a batch, and what all logs hold (log.c).
void log_holds(struct broker_log *l, struct stored_batch *b);  // the caller's reference becomes the log's
void log_lets_go(struct broker_log *l, struct stored_batch *b);

// Leader epochs (log_epochs.c): see org.apache.kafka.storage.internals.epoch.LeaderEpochFileCache.
void log_epochs_assign(struct broker_log *l, int32_t epoch, int64_t start);
void log_epochs_truncate_from_end(struct broker_log *l, int64_t end);
void log_epochs_truncate_from_start(struct broker_log *l, int64_t start);

// What a batch does to the states of producers (log_producers.c).
void log_producers_append(struct broker_log *l, const struct stored_batch *b);

// False when the control batch is no marker: of another type, or emptied by compaction.
bool log_read_marker(const struct stored_batch *b, struct producer_marker *m, int64_t *timestamp_ms);

// Makes the states again after a truncation.
void log_producers_rebuild(struct broker_log *l);
void log_producers_drop_snapshots(struct broker_log *l);

// Compacts what stands below `end` (log_compact.c); tombstones and markers get `delete_retention_ms` from now.
void log_compact(struct broker_log *l, int64_t end, int64_t delete_retention_ms, int64_t wall_ms);
