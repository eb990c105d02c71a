// What the parts of the transaction coordinator know of each other.
//
// After kafka.coordinator.transaction.{TransactionCoordinator, TransactionStateManager,
// TransactionMarkerChannelManager} and TransactionMetadata.
#pragma once
#include "broker/coordinator.h"
#include "broker/coordinator_records.h"
#include "broker/transactions.h"
#include "wire/error_codes.h"

#include <string.h>

#define COORDINATOR_REQUEST_TIMEOUT_MS 30000  // request.timeout.ms of a broker
#define TRANSACTION_VERSION_BUMPS 2           // from this version on each transaction has an epoch of its own
#define NO_PRODUCER_ID (-1)
#define NO_PRODUCER_EPOCH (-1)

enum transaction_state {  // numbered as in the log (TransactionState.id)
    TRANSACTION_EMPTY,
    TRANSACTION_ONGOING,
    TRANSACTION_PREPARE_COMMIT,
    TRANSACTION_PREPARE_ABORT,
    TRANSACTION_COMPLETE_COMMIT,
    TRANSACTION_COMPLETE_ABORT,
    TRANSACTION_DEAD,
    TRANSACTION_PREPARE_EPOCH_FENCE,
    TRANSACTION_NO_STATE,  // nothing is pending
};

struct transaction_partition {
    char *topic;
    int32_t index;
};

// What the log says of a transactional id (TxnTransitMetadata).
struct transaction_data {
    enum transaction_state state;
    int64_t producer_id, previous_producer_id, next_producer_id;
    int16_t epoch, last_epoch;
    int32_t timeout_ms;
    int64_t start_ms, update_ms;  // start_ms -1: none has begun
    int16_t client_version;       // transaction.version of who ended it
    struct transaction_partition *partitions;
    int32_t partitions_count, partitions_capacity;
};

struct transaction {
    struct transaction_shard *shard;
    char *id;
    struct transaction_data data;
    enum transaction_state pending;  // on its way into the log
    bool failed_fence;               // the epoch was raised and could not be written
    struct timer timeout;
    // Once prepared: markers on their way, and what is written when all partitions have them.
    bool sending;
    struct transaction_data complete;
    struct list markers;
    struct timer send;
};

struct transaction_shard {
    struct coordinator_shard shard;
    struct broker_transactions *owner;
    struct map by_id;  // struct transaction
    struct timer expiration;
};

struct broker_transactions {
    struct broker_cluster *cluster;
    struct map shards;  // coordinator_shard_key()
    int32_t partitions;
    int64_t timeout_ms_max, timeout_check_ms, expiration_ms, expiration_check_ms;
    struct {
        int64_t next, end;
    } producer_ids[BROKER_NODES_MAX];  // each node's block (RPCProducerIdManager)
    int16_t version;                   // the cluster's transaction.version (KIP-890)
    uint32_t double_per_mille;         // of markers that are sent again though they were written
};

// What a request is told of a transaction, or why not (`d` NULL then).
typedef void (*transaction_answer)(struct broker_request *request, int16_t error_code,
                                   const struct transaction_data *d);

// transactions.c -----------------------------------------------------------------------------------------------------
struct transaction_shard *transaction_shard_find(const struct broker_node *n, struct wire_text id, int16_t *error_code);
struct transaction *transaction_find(const struct transaction_shard *s, struct wire_text id);  // NULL: none
struct transaction *transaction_new(struct transaction_shard *s, struct wire_text id);
int64_t transaction_new_producer_id(const struct broker_node *n);
// Writes `next` (its partitions become the transaction's or go), and calls `done` with NONE when it is the
// transaction's data, else with what a client may be told. `w` is the caller's until then.
struct transaction_transition {
    struct coordinator_write write;
    struct transaction_shard *shard;
    char *id;
    struct transaction_data next;
    bool retries;                    // after COORDINATOR_NOT_AVAILABLE what is pending stays so
    struct broker_request *request;  // parked, or NULL
    transaction_answer answer;
    void *context;  // the caller's, and so is
    int32_t index;
    void (*done)(struct transaction_transition *w, struct transaction *t, int16_t error_code);
};
struct transaction_transition *transaction_transition_new(struct transaction *t, struct transaction_data *next,
                                                          void (*done)(struct transaction_transition *w,
                                                                       struct transaction *t, int16_t error_code));
void transaction_transition_go(struct transaction *t, struct transaction_transition *w);

// transactions_data.c: what follows from the data alone (TransactionMetadata) ----------------------------------------
struct transaction_data transaction_data_copy(const struct transaction_data *d);
struct transaction_data transaction_data_bare(const struct transaction_data *d);  // without partitions
void transaction_data_free(struct transaction_data *d);
bool transaction_data_has(const struct transaction_data *d, struct wire_text topic, int32_t index);
void transaction_data_add(struct transaction_data *d, struct wire_text topic, int32_t index);
void transaction_data_remove(struct transaction_data *d, const char *topic, int32_t index);
bool transaction_epoch_is_exhausted(int16_t epoch);
const char *transaction_state_name(enum transaction_state state);

void record_put_transaction(struct coordinator_records *r, const char *id, const struct transaction_data *d);
void record_put_transaction_tombstone(struct coordinator_records *r, const char *id);
bool record_get_transaction_key(struct wire_bytes key, struct wire_text *id);
bool record_get_transaction(struct wire_bytes value, struct transaction_data *out);

// transactions_end.c -------------------------------------------------------------------------------------------------
// Aborts a transaction whose epoch is raised with it: of a producer that begins anew, or was too slow. `answer` (with a
// request only) is told when that is in the log, or cannot be.
void transaction_fence(struct transaction *t, struct broker_request *request, transaction_answer answer);
void transaction_complete_soon(struct transaction *t);  // it is prepared: markers, then its completion
void transaction_timeout_set(struct transaction *t);
void transaction_timed_out(struct timer *t, int64_t now_us);

// transactions_markers.c ---------------------------------------------------------------------------------------------
void transaction_markers_send(struct transaction *t);  // it has been prepared
void transaction_markers_stop(struct transaction *t);
void transaction_markers_due(struct timer *t, int64_t now_us);

static inline bool transaction_is_prepared(const struct transaction *t) {
    return t->data.state == TRANSACTION_PREPARE_COMMIT || t->data.state == TRANSACTION_PREPARE_ABORT;
}
