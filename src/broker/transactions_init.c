// InitProducerId: new producers get an id, transactional ones the next epoch of theirs, which fences the former.
#include "broker/handlers.h"
#include "broker/transactions_private.h"

#define FENCED_SINCE 4  // InitProducerId: PRODUCER_FENCED instead of INVALID_PRODUCER_EPOCH (KIP-588)

static void answer_init(struct broker_request *r, int16_t error_code, const struct transaction_data *d) {
    struct init_producer_id_response response;
    message_defaults(&init_producer_id_response_message, &response);
    response.error_code = error_code;
    if (error_code == KAFKA_PRODUCER_FENCED && r->version < FENCED_SINCE)
        response.error_code = KAFKA_INVALID_PRODUCER_EPOCH;
    response.producer_id = d ? d->producer_id : NO_PRODUCER_ID;
    response.producer_epoch = d ? d->epoch : NO_PRODUCER_EPOCH;
    broker_answer(r, &response);
}

// The producer comes again when its former transaction has been aborted.
static void answer_fenced(struct broker_request *r, int16_t error_code, const struct transaction_data *d) {
    (void)d;
    answer_init(r, error_code ? error_code : KAFKA_CONCURRENT_TRANSACTIONS, NULL);
}

static void initialized(struct transaction_transition *w, struct transaction *t, int16_t error_code) {
    struct broker_request *request = w->request;
    w->request = NULL;
    if (request) answer_init(request, error_code, error_code ? NULL : &t->data);
}

// KIP-360: a producer that goes on says who it was.
static bool is_expected(const struct transaction_data *d, const struct init_producer_id_request *body) {
    if (body->producer_id == NO_PRODUCER_ID || d->epoch == NO_PRODUCER_EPOCH) return true;
    return body->producer_id == d->producer_id ||
           (body->producer_id == d->previous_producer_id && transaction_epoch_is_exhausted(body->producer_epoch));
}

// TransactionMetadata.prepareIncrementProducerEpoch
static int16_t next_epoch(const struct transaction_data *d, const struct init_producer_id_request *body,
                          struct transaction_data *next) {
    next->epoch = (int16_t)(d->epoch + 1);
    if (body->producer_id == NO_PRODUCER_ID) {
        next->last_epoch = NO_PRODUCER_EPOCH;
    } else if (d->epoch == NO_PRODUCER_EPOCH || body->producer_epoch == d->epoch) {
        next->last_epoch = d->epoch;
    } else if (body->producer_epoch == d->last_epoch) {  // it did not get the answer before
        next->epoch = d->epoch;
        next->last_epoch = d->last_epoch;
    } else {
        return KAFKA_PRODUCER_FENCED;
    }
    return KAFKA_NONE;
}

static int16_t begin(struct transaction *t, const struct init_producer_id_request *body,
                     struct transaction_data *next) {
    const struct transaction_data *d = &t->data;
    bool expects = body->producer_id != NO_PRODUCER_ID;
    *next = transaction_data_bare(d);
    next->state = TRANSACTION_EMPTY;
    next->timeout_ms = body->transaction_timeout_ms;
    next->start_ms = -1;
    next->update_ms = t->shard->shard.cluster->wall_ms;
    next->previous_producer_id = d->producer_id;
    if (!transaction_epoch_is_exhausted(d->epoch)) return next_epoch(d, body, next);
    if (expects && body->producer_epoch != d->epoch) return KAFKA_UNKNOWN_SERVER_ERROR;  // IllegalStateException
    next->producer_id = transaction_new_producer_id(t->shard->shard.replica->node);
    next->epoch = 0;
    next->last_epoch = expects ? d->epoch : NO_PRODUCER_EPOCH;
    return KAFKA_NONE;
}

static void init_transaction(struct broker_request *r, struct transaction *t) {
    const struct init_producer_id_request *body = r->body;
    struct transaction_data next;
    int16_t error_code = KAFKA_NONE;
    if (t->pending != TRANSACTION_NO_STATE) error_code = KAFKA_CONCURRENT_TRANSACTIONS;
    else if (!is_expected(&t->data, body)) error_code = KAFKA_PRODUCER_FENCED;
    else if (transaction_is_prepared(t)) error_code = KAFKA_CONCURRENT_TRANSACTIONS;
    if (!error_code && t->data.state == TRANSACTION_ONGOING) {
        transaction_fence(t, r, answer_fenced);
        return;
    }
    if (!error_code) error_code = begin(t, body, &next);
    if (error_code) {
        answer_init(r, error_code, NULL);
        return;
    }
    struct transaction_transition *w = transaction_transition_new(t, &next, initialized);
    coordinator_park(r, &w->request);
    transaction_transition_go(t, w);
}

static struct transaction *find_or_make(struct transaction_shard *s, const struct init_producer_id_request *body) {
    struct transaction *t = transaction_find(s, body->transactional_id);
    if (t) return t;
    t = transaction_new(s, body->transactional_id);
    t->data = (struct transaction_data){.state = TRANSACTION_EMPTY,
                                        .producer_id = transaction_new_producer_id(s->shard.replica->node),
                                        .previous_producer_id = NO_PRODUCER_ID,
                                        .next_producer_id = NO_PRODUCER_ID,
                                        .epoch = NO_PRODUCER_EPOCH,
                                        .last_epoch = NO_PRODUCER_EPOCH,
                                        .timeout_ms = body->transaction_timeout_ms,
                                        .start_ms = -1,
                                        .update_ms = s->shard.cluster->wall_ms};
    return t;
}

void handle_init_producer_id(struct broker_request *r) {
    const struct init_producer_id_request *body = r->body;
    int64_t timeout_ms_max = r->node->cluster->transactions->timeout_ms_max;
    int16_t error_code = KAFKA_NONE;
    if ((body->producer_id == NO_PRODUCER_ID) != (body->producer_epoch == NO_PRODUCER_EPOCH)) {
        answer_init(r, KAFKA_INVALID_REQUEST, NULL);
    } else if (body->transactional_id.size < 0) {
        struct transaction_data d = {.producer_id = transaction_new_producer_id(r->node), .epoch = 0};
        answer_init(r, KAFKA_NONE, &d);
    } else if (body->transactional_id.size == 0) {
        answer_init(r, KAFKA_INVALID_REQUEST, NULL);
    } else if (body->transaction_timeout_ms > timeout_ms_max || body->transaction_timeout_ms <= 0) {
        answer_init(r, KAFKA_INVALID_TRANSACTION_TIMEOUT, NULL);
    } else {
        struct transaction_shard *s = transaction_shard_find(r->node, body->transactional_id, &error_code);
        if (s) init_transaction(r, find_or_make(s, body));
        else answer_init(r, error_code, NULL);
    }
}
