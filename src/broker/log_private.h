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
void log_producers_take_snapshot(struct broker_log *l);  // at the log end
void log_producers_drop_snapshot(struct broker_log *l, int64_t offset);  // its file's, which is gone
void log_producers_drop_snapshots(struct broker_log *l);

// Segment files (log_segments.c), after the batches have come or gone.
void log_segments_append(struct broker_log *l, const struct batch_header *h);
void log_segments_truncate(struct broker_log *l);
void log_segments_restart(struct broker_log *l);
void log_segments_delete_below(struct broker_log *l);

int64_t log_segment_begin(const struct broker_log *l, int64_t offset);  // of the file that holds it
bool log_segments_begin_at(const struct broker_log *l, int64_t offset);

struct log_segment {
    size_t number, batches_end;  // behind its last batch
    int64_t end;                 // offset
    int64_t bytes;
    int64_t timestamp;           // LogSegment.largestTimestamp
    bool active;                 // the last one
};
struct log_segment log_segment_next(const struct broker_log *l, const struct log_segment *before);  // NULL: the first

// What is cleaned together becomes one file, where it fits into one: Cleaner.groupSegmentsBySize. Before it is cleaned.
void log_segments_merge(struct broker_log *l, int64_t end, int64_t bytes_max);

// Compacts what stands below `end` (log_compact.c); tombstones and markers get `delete_retention_ms` from now.
void log_compact(struct broker_log *l, int64_t end, int64_t delete_retention_ms, int64_t wall_ms);
