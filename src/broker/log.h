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
    size_t hidden;           // below the log start, just before `first`: what a kill brings back
    int64_t start_noted;     // on the disk: at most the log start
    int64_t start, end;      // log start offset, log end offset
    int64_t high_watermark;  // start <= high_watermark <= end
    int64_t bytes;           // of all batches
    struct log_epoch *epochs;
    size_t epochs_count, epochs_capacity;
    struct producer_states producers;
    struct log_snapshot {  // a snapshot file: the states when the log ended at `offset`
        int64_t offset;
        struct producer_states states;
    } * snapshots;  // by offset, at most LOG_SNAPSHOTS_MAX; each new segment file begins with one
    size_t snapshots_count;
    int64_t *held;  // of all logs together, what they share counted once; NULL: nobody wants to know
    const int64_t *wall_ms, *producer_expiration_ms;  // the broker's, for truncations; NULL: nothing expires
    int64_t appended_ms;  // when the newest batch came: a segment file's time of modification
    int64_t *segments;    // where each segment file but the first begins, ascending
    size_t segments_count, segments_capacity;
    int64_t active_bytes, active_timestamp;  // of the last one: that of its first batch
    int64_t cleaned_end;  // what stands below was compacted, and is on the disk
};

void broker_log_init(struct broker_log *l);
void broker_log_free(struct broker_log *l);

// The batch's base offset must be >= end (compaction leaves holes on the leader, so a follower may get them), its
// leader epoch >= the newest. Takes a reference of its own. The producer's state, the open transaction and the
// aborted list follow. The high watermark does not.
void broker_log_append(struct broker_log *l, struct stored_batch *b, int64_t wall_ms);

// Begins a new segment file where what comes next does not fit into the active one any more (LogSegment.shouldRoll).
// A leader asks for each batch, a follower for all that one fetch has brought; so their files differ.
struct log_coming {
    int64_t base_offset, last_offset, bytes, max_timestamp;
};
static inline struct log_coming log_coming_of(const struct batch_header *h) {
    return (struct log_coming){h->base_offset, batch_last_offset(h), h->size, h->max_timestamp};
}
struct broker_topic_settings;
void broker_log_roll(struct broker_log *l, const struct broker_topic_settings *settings, const struct log_coming *c);

// The offset where the file ends that holds batch `i`: a fetch reads from one file (LocalLog.read).
int64_t broker_log_segment_end(const struct broker_log *l, size_t i);

// Offsets >= `offset` go (a batch that holds `offset` in its middle goes too: then end is its base offset). Producer
// states are made again from the last snapshot and the log, as ProducerStateManager.truncateAndReload does: a producer
// whose batches are all below the log start is forgotten, unless a snapshot above the log start knows it. Then a
// snapshot is taken. Of an `offset` that is not below the end only the leader epochs hear.
void broker_log_truncate(struct broker_log *l, int64_t offset);

// Everything goes and the log starts again at `offset` (a follower whose end is below its leader's start).
void broker_log_restart_at(struct broker_log *l, int64_t offset);

// Raises the log start; batches wholly below go. Producer states stay (as on a real broker, until they expire).
// `offset` is at most the end; a high watermark below it follows.
void broker_log_delete_below(struct broker_log *l, int64_t offset);

// The disk is told the log start now and then (LogManager.checkpointLogStartOffsets). A broker that is killed before
// starts where it was told last, and has again what DeleteRecords had hidden.
void broker_log_note_start(struct broker_log *l);
void broker_log_forget_start(struct broker_log *l);

// Moves the high watermark, back as well. Transactions that end below it hold nothing back any more.
void broker_log_set_high_watermark(struct broker_log *l, int64_t offset);

// A broker that was shut down starts again: states come back from the snapshot taken at the log end, each with its last
// range alone; those whose last record timestamp is older than `expiration_ms` before wall_ms are not loaded, and with
// log start == log end none are (truncateAndReload drops that snapshot).
void broker_log_reload(struct broker_log *l, int64_t wall_ms, int64_t expiration_ms);

// A broker that was killed starts again: as reload, but the states are first made again from the log alone, from the
// file on that holds the recovery point (what was on the disk for sure when that was last noted).
void broker_log_recover(struct broker_log *l, int64_t recovery_point, int64_t wall_ms, int64_t expiration_ms);

// Where to read from: index into batches (relative to first) of the first batch whose last offset is >= `offset`; count
// when there is none.
size_t broker_log_find(const struct broker_log *l, int64_t offset);
static inline struct stored_batch *broker_log_at(const struct broker_log *l, size_t i) {
    return l->batches[l->first + i];
}

// LeaderEpochFileCache.endOffsetFor: the largest epoch <= `epoch` that is known, and where it ends (`start`). (-1, -1)
// for an epoch above all that are known; the asked epoch and the start of the oldest for one below all.
struct log_epoch broker_log_end_of_epoch(const struct broker_log *l, int32_t epoch);
int32_t broker_log_newest_epoch(const struct broker_log *l);              // -1: none
int32_t broker_log_epoch_at(const struct broker_log *l, int64_t offset);  // under which it was written; -1: not known
void broker_log_start_epoch(struct broker_log *l, int32_t epoch);         // a new leader notes its epoch at the log end

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
