// What a log knows of its producers: epoch, the last five sequence ranges, open transaction, when they expire.
//
// After org.apache.kafka.storage.internals.log.{ProducerStateEntry, ProducerAppendInfo, ProducerStateManager}. Kafka's
// rough edges are kept: an exact repeat of one of the last five ranges is found before the sequence is looked at,
// whatever the records are (ProducerStateEntry.findDuplicateBatch); an id that is not known may begin with any
// sequence; states expire by the timestamp of the last batch's newest *record*; a snapshot keeps only the last of the
// five ranges.
#pragma once
#include "base/map.h"
#include "wire/batch.h"

#include <stdbool.h>

#define PRODUCER_BATCHES_KEPT 5  // ProducerStateEntry.NUM_BATCHES_TO_RETAIN

struct producer_batch {
    int32_t first_sequence, last_sequence;
    int64_t base_offset, last_offset, timestamp_ms;
};

struct producer_state {
    int64_t producer_id;
    int16_t epoch;
    int32_t coordinator_epoch;         // -1: no marker yet
    int64_t last_timestamp_ms;         // of the newest record in the last batch: by it the state expires
    int64_t transaction_first_offset;  // -1: none is open
    struct producer_batch batches[PRODUCER_BATCHES_KEPT];  // oldest first
    int32_t batches_count;                                 // 0 with a state that only a marker made
};

struct aborted_transaction {
    int64_t producer_id, first_offset, last_offset, last_stable_offset;
    bool cut;  // a file still holds records of it below the log start
};

// A transaction that holds the last stable offset back: open, or ended by a marker above the high watermark.
struct unstable_transaction {
    int64_t producer_id, first_offset;
    int64_t last_offset;  // of the marker; -1: open
};

// The leader has asked the transaction coordinator about this producer and has not taken records since (KIP-890).
struct producer_verification {
    int64_t producer_id, asked_ms;
    int32_t lowest_sequence;  // that was tried with `epoch`
    int16_t epoch;
    bool bumps;  // each transaction has an epoch of its own (transaction.version 2)
};

struct producer_states {
    struct map by_id;                     // struct producer_state
    struct map verifications;             // struct producer_verification, by producer id; not replicated
    struct aborted_transaction *aborted;  // in the order of their markers
    size_t aborted_count, aborted_capacity;
    struct unstable_transaction *unstable;  // in the order of their first offsets
    size_t unstable_count, unstable_capacity;
};

void producer_states_init(struct producer_states *s);
void producer_states_free(struct producer_states *s);

struct producer_state *producer_states_find(const struct producer_states *s, int64_t producer_id);

// The last sequence, -1 when none is known (DescribeProducers shows it).
int32_t producer_state_last_sequence(const struct producer_state *p);

// What the leader answers to a batch of a client: error code 0 and *duplicate_of NULL: append it; *duplicate_of set:
// answer its base offset without appending. Codes: see ProducerAppendInfo.checkProducerEpoch / checkSequence.
int16_t producer_states_check(const struct producer_states *s, const struct batch_header *h,
                              const struct producer_batch **duplicate_of);

// Is this the epoch of the producer's open transaction? If not, records begin one, and the coordinator is asked first.
bool producer_states_is_open(const struct producer_states *s, int64_t producer_id, int16_t epoch);
// Before it is asked (ProducerStateManager.maybeCreateVerificationStateEntry). It ends with the records that are taken.
void producer_states_verify(struct producer_states *s, const struct batch_header *h, bool bumps, int64_t wall_ms);
bool producer_states_is_verified(const struct producer_states *s, int64_t producer_id);
void producer_states_forget_verifications(struct producer_states *s);  // they are not in the log

// A transaction's end as the log has it (EndTransactionMarker).
struct producer_marker {
    int64_t producer_id;
    int16_t producer_epoch;
    int8_t transaction_version;  // 2: the marker's epoch must be above the state's (KIP-1228)
    int32_t coordinator_epoch;
    bool commit;
};

// The same for a marker: INVALID_PRODUCER_EPOCH, TRANSACTION_COORDINATOR_FENCED, or 0.
int16_t producer_states_check_marker(const struct producer_states *s, const struct producer_marker *m);

// What was appended, on leaders and followers alike; nothing is checked.
void producer_states_append_data(struct producer_states *s, const struct batch_header *h);
void producer_states_append_marker(struct producer_states *s, const struct producer_marker *m, int64_t offset,
                                   int64_t timestamp_ms);

// What a snapshot file holds: each state with its last range alone, and the open transactions.
void producer_states_copy_snapshot(struct producer_states *to, const struct producer_states *from);

// Forgets all states and unstable transactions; the aborted ones below `offset` stay (they stand in segments' indexes).
void producer_states_clear_above(struct producer_states *s, int64_t offset);

// Where the last stable offset stands back, -1: nowhere.
int64_t producer_states_first_unstable(const struct producer_states *s, int64_t high_watermark);

// Transactions whose markers are replicated no longer hold anything back, and the aborted ones that end below the log
// start are no longer asked for.
void producer_states_forget_below(struct producer_states *s, int64_t log_start, int64_t high_watermark);

// A batch below the log start is no longer read, though the cleaner will meet it once more.
void producer_states_cut(struct producer_states *s, const struct batch_header *h);

// Forgets states whose newest record is `expiration_ms` old and that have no open transaction.
void producer_states_expire(struct producer_states *s, int64_t wall_ms, int64_t expiration_ms);

// The aborted transactions that a read_committed reader of [from, to) must know (TransactionIndex.collectAbortedTxns).
// Answers how many were written to `out`, at most `max`.
size_t producer_states_aborted(const struct producer_states *s, int64_t from, int64_t to,
                               struct aborted_transaction *out, size_t max);
