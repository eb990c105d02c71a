// One replica's log: batches in the order of their offsets, the leader epochs they were written under, and what
// follows from both: the states of producers, open transactions and the aborted ones.
//
// After org.apache.kafka.storage.internals.log.UnifiedLog, LeaderEpochFileCache and ProducerStateManager. Who may
// append, and what, is append.h's business; this file stores what it is given.
#pragma once
#include "broker/producer_states.h"
#include "broker/stored_batch.h"

#include <stdbool.h>

struct log_epoch {
    int32_t epoch;
    int64_t start;  // offset of the first batch written under it
};

struct broker_log {
    struct stored_batch **batches;  // [first, first + count) are there, ascending offsets
    size_t first, count, capacity;
    int64_t start, end;       // log start offset, log end offset
    int64_t high_watermark;   // start <= high_watermark <= end
    int64_t bytes;            // of all batches
    struct log_epoch *epochs;
    size_t epochs_count, epochs_capacity;
    struct producer_states producers;
};

void broker_log_init(struct broker_log *l);
void broker_log_free(struct broker_log *l);

// The batch's base offset must be >= end (compaction leaves holes on the leader, so a follower may get them), its leader
// epoch >= the newest. Holds the batch. The producer's state, the open transaction and the aborted list follow;
// `wall_ms` dates it.
void broker_log_append(struct broker_log *l, struct stored_batch *b, int64_t wall_ms);

// Offsets >= `offset` go (a batch that holds `offset` in its middle goes too: then end is its base offset). Producer
// states are made again from what is left, as from a snapshot: what stood before the truncated part stays known.
void broker_log_truncate(struct broker_log *l, int64_t offset);

// Everything goes and the log starts again at `offset` (a follower whose end is below its leader's start).
void broker_log_restart_at(struct broker_log *l, int64_t offset);

// Raises the log start; batches wholly below go. Producer states stay (as on a real broker, until they expire).
void broker_log_delete_below(struct broker_log *l, int64_t offset);

// A restart of the broker: producer states come back from the last snapshot and the log, and those whose last record
// timestamp is older than `expiration_ms` before wall_ms are not loaded.
void broker_log_reload(struct broker_log *l, int64_t wall_ms, int64_t expiration_ms);

// Where to read from: index into batches (relative to first) of the first batch whose last offset is >= `offset`; count
// when there is none.
size_t broker_log_find(const struct broker_log *l, int64_t offset);
static inline struct stored_batch *broker_log_at(const struct broker_log *l, size_t i) {
    return l->batches[l->first + i];
}

// LeaderEpochFileCache.endOffsetFor: the largest epoch <= `epoch` that is known, and where it ends; (-1, -1) when none.
struct log_epoch broker_log_end_of_epoch(const struct broker_log *l, int32_t epoch);
int32_t broker_log_newest_epoch(const struct broker_log *l);  // -1: none
void broker_log_start_epoch(struct broker_log *l, int32_t epoch);  // a new leader notes its epoch at the log end

// First unstable offset or the high watermark, whichever is smaller (LogOffsetMetadata; KIP-98).
int64_t broker_log_last_stable_offset(const struct broker_log *l);

// ListOffsets by time: the first record whose timestamp is >= timestamp_ms; and the one with the largest timestamp
// (KIP-734). offset -1 when there is none.
struct log_time_offset {
    int64_t offset, timestamp_ms;
    int32_t leader_epoch;
};
struct log_time_offset broker_log_offset_for_time(const struct broker_log *l, int64_t timestamp_ms);
struct log_time_offset broker_log_offset_of_max_timestamp(const struct broker_log *l);
