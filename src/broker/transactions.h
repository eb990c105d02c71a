// Transaction coordinators of a modelled cluster (KIP-98, KIP-360, KIP-890): producer ids, the states of transactions,
// and the markers that end them.
#pragma once
#include "broker/append.h"
#include "broker/cluster_private.h"
#include "broker/request.h"

struct broker_transactions *broker_transactions_new(struct broker_cluster *c);  // after the settings are known
void broker_transactions_free(struct broker_transactions *t);                   // before replicas and requests are

// Is the partition part of the producer's open transaction (AddPartitionsToTxn with verify_only)? What the leader asks
// the coordinator before it takes the first transactional records of a transaction. The model asks without delay.
// 0, or what the leader answers: INVALID_TXN_STATE (TRANSACTION_ABORTABLE when the client knows that), and so on.
struct transaction_claim {
    struct wire_text transactional_id;
    struct append_producer producer;
    const struct broker_partition *partition;
};
int16_t broker_transactions_verify(struct broker_cluster *c, const struct transaction_claim *claim,
                                   bool abortable_known);

// Produce 12 and TxnOffsetCommit 5 need no AddPartitionsToTxn before them: the leader has the coordinator add what is
// written to (transaction.version 2). Lives as long as its request.
struct transaction_addition {
    struct wire_text transactional_id;
    struct append_producer producer;
    struct broker_partition **partitions;  // looked at in this call alone: they may be deleted while it is written
    int16_t *error_codes;                  // of each, filled in before `done`
    int32_t count;
    void *context;
    void (*done)(struct broker_request *r, struct transaction_addition *a);
};
// Calls `done`, perhaps before it returns; the request is parked meanwhile, and forgotten with its node.
void broker_transactions_add(struct broker_request *r, struct transaction_addition *a);
