// Transaction coordinators of a modelled cluster (KIP-98, KIP-360, KIP-890): producer ids, the states of transactions,
// and the markers that end them.
#pragma once
#include "broker/append.h"
#include "broker/cluster_private.h"

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
