// EndTxn: transactions commit and abort, by their producers or because those were too slow or are replaced.
#include "broker/handlers.h"
#include "broker/transactions_private.h"

#include <assert.h>

#define FENCED_SINCE 2  // EndTxn: PRODUCER_FENCED instead of INVALID_PRODUCER_EPOCH (KIP-588)
#define BUMPS_SINCE 5   // EndTxn: TransactionVersion.transactionVersionForEndTxn

struct ending {
    int64_t producer_id;
    int16_t epoch;
    bool commit, from_client;
    bool bumps;  // as transactions of the second version end
};

static enum transaction_state prepared_state(const struct ending *e) {
    return e->commit ? TRANSACTION_PREPARE_COMMIT : TRANSACTION_PREPARE_ABORT;
}

// What an end in this state is answered with when it cannot begin anything.
static int16_t check_ended(const struct transaction *t, const struct ending *e) {
    if (t->data.state == prepared_state(e)) return KAFKA_CONCURRENT_TRANSACTIONS;
    return KAFKA_INVALID_TXN_STATE;
}

// TransactionCoordinator.endTransactionWithTV1; *begins: the transaction is to be prepared.
static int16_t check_first_version(struct transaction *t, const struct ending *e, bool *begins) {
    const struct transaction_data *d = &t->data;
    if (d->producer_id != e->producer_id) return KAFKA_INVALID_PRODUCER_ID_MAPPING;
    if ((e->from_client && e->epoch != d->epoch) || e->epoch < d->epoch) return KAFKA_PRODUCER_FENCED;
    if (t->pending != TRANSACTION_NO_STATE && t->pending != TRANSACTION_PREPARE_EPOCH_FENCE)
        return KAFKA_CONCURRENT_TRANSACTIONS;
    if (d->state == (e->commit ? TRANSACTION_COMPLETE_COMMIT : TRANSACTION_COMPLETE_ABORT)) return KAFKA_NONE;
    if (d->state != TRANSACTION_ONGOING) return check_ended(t, e);
    *begins = true;
    return KAFKA_NONE;
}

static bool epoch_is_valid(const struct transaction *t, const struct ending *e, bool fences, bool retries) {
    const struct transaction_data *d = &t->data;
    if (fences) return (!e->from_client || e->epoch == d->epoch) && e->epoch >= d->epoch;
    if (transaction_is_prepared(t)) return e->epoch == d->epoch - 1;
    bool complete = d->state == TRANSACTION_COMPLETE_COMMIT || d->state == TRANSACTION_COMPLETE_ABORT;
    return e->epoch == d->epoch || (complete && retries);
}

// The table of TransactionCoordinator.endTransaction (KIP-890): a transaction that has no partitions may be aborted
// too, and a repeated request is known by the epoch before.
static int16_t check_second_version(struct transaction *t, const struct ending *e, bool *begins) {
    const struct transaction_data *d = &t->data;
    bool fences = t->pending == TRANSACTION_PREPARE_EPOCH_FENCE;
    bool overflown = !fences && d->previous_producer_id == e->producer_id && e->epoch == INT16_MAX - 1 && d->epoch == 0;
    bool retries = overflown || (!fences && d->epoch == e->epoch + 1);
    if (t->pending != TRANSACTION_NO_STATE && !fences) return KAFKA_CONCURRENT_TRANSACTIONS;
    if (d->producer_id != e->producer_id && !overflown) return KAFKA_INVALID_PRODUCER_ID_MAPPING;
    if (!epoch_is_valid(t, e, fences, retries)) return KAFKA_PRODUCER_FENCED;
    switch (d->state) {
    case TRANSACTION_ONGOING:
        *begins = true;
        return KAFKA_NONE;
    case TRANSACTION_EMPTY:
        *begins = !e->commit;
        return e->commit ? KAFKA_INVALID_TXN_STATE : KAFKA_NONE;
    case TRANSACTION_COMPLETE_COMMIT:
        *begins = !e->commit && !retries;
        return e->commit == retries ? KAFKA_NONE : KAFKA_INVALID_TXN_STATE;
    case TRANSACTION_COMPLETE_ABORT:
        *begins = !e->commit && !retries;
        return e->commit ? KAFKA_INVALID_TXN_STATE : KAFKA_NONE;
    default:
        return check_ended(t, e);
    }
}

// TransactionMetadata.prepareAbortOrCommit
static struct transaction_data prepare(struct transaction *t, const struct ending *e) {
    struct broker_cluster *c = t->shard->shard.cluster;
    bool had_begun = t->data.state == TRANSACTION_ONGOING;
    struct transaction_data next = transaction_data_copy(&t->data);
    next.state = prepared_state(e);
    next.previous_producer_id = t->data.producer_id;
    next.client_version = e->bumps ? TRANSACTION_VERSION_BUMPS : 0;
    next.next_producer_id = NO_PRODUCER_ID;
    next.update_ms = c->wall_ms;
    if (!e->bumps) return next;
    if (transaction_epoch_is_exhausted(t->data.epoch))
        next.next_producer_id = transaction_new_producer_id(t->shard->shard.replica->node);
    next.last_epoch = t->data.epoch;
    if (t->data.epoch < INT16_MAX) next.epoch++;
    if (!had_begun) next.start_ms = c->wall_ms;
    return next;
}

// TransactionMetadata.prepareComplete
static void prepare_completion(struct transaction *t) {
    struct transaction_data *d = &t->complete;
    t->failed_fence = false;
    *d = transaction_data_bare(&t->data);
    d->state = t->data.state == TRANSACTION_PREPARE_COMMIT ? TRANSACTION_COMPLETE_COMMIT : TRANSACTION_COMPLETE_ABORT;
    d->previous_producer_id = t->data.producer_id;
    if (t->data.client_version >= TRANSACTION_VERSION_BUMPS && t->data.next_producer_id != NO_PRODUCER_ID) {
        d->producer_id = t->data.next_producer_id;
        d->epoch = 0;
    }
    d->next_producer_id = NO_PRODUCER_ID;
    d->update_ms = t->shard->shard.cluster->wall_ms;
    t->pending = d->state;
}

void transaction_complete_soon(struct transaction *t) {
    prepare_completion(t);
    transaction_markers_send(t);
}

static void tell(struct transaction_transition *w, int16_t error_code, const struct transaction_data *d) {
    struct broker_request *request = w->request;
    w->request = NULL;
    if (request) w->answer(request, error_code, d);
}

static void prepared(struct transaction_transition *w, struct transaction *t, int16_t error_code) {
    bool fences = w->index;
    if (error_code) {
        if (fences) t->failed_fence = true;
        tell(w, error_code, NULL);
        return;
    }
    prepare_completion(t);
    tell(w, KAFKA_NONE, &t->complete);
    transaction_markers_send(t);
}

// Prepares the transaction, which must have been checked; `request` may be NULL.
static void end(struct transaction *t, const struct ending *e, struct broker_request *request,
                transaction_answer answer) {
    bool fences = t->pending == TRANSACTION_PREPARE_EPOCH_FENCE;
    t->pending = TRANSACTION_NO_STATE;
    if (fences && !e->bumps) {
        t->data.epoch = e->epoch;
        t->data.last_epoch = NO_PRODUCER_EPOCH;
    }
    struct transaction_data next = prepare(t, e);
    struct transaction_transition *w = transaction_transition_new(t, &next, prepared);
    w->answer = answer;
    w->index = fences && !e->bumps;
    if (request) coordinator_park(request, &w->request);
    transaction_transition_go(t, w);
}

// TransactionMetadata.prepareFenceProducerEpoch, then the abort under the raised epoch.
void transaction_fence(struct transaction *t, struct broker_request *request, transaction_answer answer) {
    assert(t->data.state == TRANSACTION_ONGOING && t->pending == TRANSACTION_NO_STATE);
    bool keeps = t->failed_fence || t->data.epoch == INT16_MAX;
    struct ending e = {.producer_id = t->data.producer_id,
                       .epoch = (int16_t)(t->data.epoch + !keeps),
                       .bumps = t->shard->owner->version >= TRANSACTION_VERSION_BUMPS};
    t->pending = TRANSACTION_PREPARE_EPOCH_FENCE;
    end(t, &e, request, answer);
}

// Time-outs ---------------------------------------------------------------------------------------------------------

// Kafka looks every so often (transaction.abort.timed.out.transaction.cleanup.interval.ms): at the next such look.
void transaction_timeout_set(struct transaction *t) {
    struct broker_cluster *c = t->shard->shard.cluster;
    if (t->data.state != TRANSACTION_ONGOING) {
        timer_cancel(&c->timers, &t->timeout);
        return;
    }
    int64_t look_us = t->shard->owner->timeout_check_ms * 1000;
    int64_t left_us = (t->data.start_ms + t->data.timeout_ms + 1 - c->wall_ms) * 1000;
    int64_t due_us = c->now_us + (left_us > 0 ? left_us : 0);
    timer_set(&c->timers, &t->timeout, (due_us / look_us + 1) * look_us);
}

void transaction_timed_out(struct timer *timer, int64_t now_us) {
    (void)now_us;
    struct transaction *t = CONTAINER_OF(timer, struct transaction, timeout);
    bool may = broker_node_works(t->shard->shard.replica->node) && t->pending == TRANSACTION_NO_STATE;
    transaction_timeout_set(t);  // again, if this does not work out
    if (may) transaction_fence(t, NULL, NULL);
}

// The request -------------------------------------------------------------------------------------------------------

static void answer_end(struct broker_request *r, int16_t error_code, const struct transaction_data *d) {
    struct end_txn_response response;
    message_defaults(&end_txn_response_message, &response);
    response.error_code = error_code;
    if (error_code == KAFKA_PRODUCER_FENCED && r->version < FENCED_SINCE)
        response.error_code = KAFKA_INVALID_PRODUCER_EPOCH;
    if (d && r->version >= BUMPS_SINCE) {
        response.producer_id = d->producer_id;
        response.producer_epoch = d->epoch;
    }
    broker_answer(r, &response);
}

void handle_end_txn(struct broker_request *r) {
    const struct end_txn_request *body = r->body;
    int16_t error_code = KAFKA_INVALID_REQUEST;
    struct transaction_shard *s = NULL;
    if (body->transactional_id.size > 0) s = transaction_shard_find(r->node, body->transactional_id, &error_code);
    struct transaction *t = s ? transaction_find(s, body->transactional_id) : NULL;
    if (s && !t) error_code = KAFKA_INVALID_PRODUCER_ID_MAPPING;
    if (!t) {
        answer_end(r, error_code, NULL);
        return;
    }
    struct ending e = {.producer_id = body->producer_id,
                       .epoch = body->producer_epoch,
                       .commit = body->committed,
                       .from_client = true,
                       .bumps = r->version >= BUMPS_SINCE};
    bool begins = false;
    error_code = e.bumps ? check_second_version(t, &e, &begins) : check_first_version(t, &e, &begins);
    if (begins) end(t, &e, r, answer_end);
    else answer_end(r, error_code, error_code ? NULL : &t->data);
}
