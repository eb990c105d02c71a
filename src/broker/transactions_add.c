// AddPartitionsToTxn and AddOffsetsToTxn: what belongs to a transaction, and whether something does (KIP-890).
#include "broker/asked_partitions.h"
#include "broker/handlers.h"
#include "broker/transactions_private.h"

#include "base/memory.h"

#define FENCED_SINCE 2        // both: PRODUCER_FENCED instead of INVALID_PRODUCER_EPOCH (KIP-588)
#define TRANSACTIONS_SINCE 4  // AddPartitionsToTxn: many transactions, of brokers and second-version producers

// What all checks of a producer begin with (TransactionCoordinator.handleAddPartitionsToTransaction).
static int16_t check_producer(const struct transaction *t, const struct append_producer *p) {
    if (!t || t->data.producer_id != p->id) return KAFKA_INVALID_PRODUCER_ID_MAPPING;
    if (t->data.epoch != p->epoch) return KAFKA_PRODUCER_FENCED;
    return transaction_is_prepared(t) ? KAFKA_CONCURRENT_TRANSACTIONS : KAFKA_NONE;
}

struct asked {
    struct wire_text id;
    struct append_producer producer;
    bool verify_only;
    const struct add_partitions_to_txn_request_topic *topics;
    int32_t topics_count;
};

// One request, which may ask about many transactions.
struct adding {
    struct broker_request *request;  // NULL: forgotten, with the response
    struct add_partitions_to_txn_response *response;
    int32_t waiting;
};

static int16_t told(const struct broker_request *r, int16_t error_code) {
    return error_code == KAFKA_PRODUCER_FENCED && r->version < FENCED_SINCE ? KAFKA_INVALID_PRODUCER_EPOCH : error_code;
}

static void set_errors(const struct adding *a, int32_t index, int16_t error_code) {
    if (!a->request) return;
    struct add_partitions_to_txn_response_transaction *out = &a->response->results_by_transaction[index];
    for (int32_t i = 0; i < out->topic_results_count; i++)
        for (int32_t k = 0; k < out->topic_results[i].results_by_partition_count; k++)
            out->topic_results[i].results_by_partition[k].partition_error_code = told(a->request, error_code);
}

static void release(struct adding *a) {
    if (--a->waiting) return;
    struct add_partitions_to_txn_response *response = a->response;
    if (a->request && a->request->version < TRANSACTIONS_SINCE) {
        response->results_by_topic_v3_and_below = response->results_by_transaction[0].topic_results;
        response->results_by_topic_v3_and_below_count = response->results_by_transaction[0].topic_results_count;
        response->results_by_transaction_count = 0;
    }
    coordinator_answer_slot(&a->request, response);
    memory_free(a);
}

static void added(struct transaction_transition *w, struct transaction *t, int16_t error_code) {
    (void)t;
    set_errors(w->context, w->index, error_code);
    release(w->context);
}

// prepareAddPartitions
static struct transaction_data next_data(const struct transaction *t, int16_t client_version) {
    struct transaction_data next = transaction_data_copy(&t->data);
    next.update_ms = t->shard->shard.cluster->wall_ms;
    if (t->data.state != TRANSACTION_ONGOING) next.start_ms = next.update_ms;
    next.state = TRANSACTION_ONGOING;
    next.previous_producer_id = t->data.producer_id;
    next.client_version = client_version;
    return next;
}

static bool has_all(const struct transaction *t, const struct asked *asked) {
    if (t->data.state != TRANSACTION_ONGOING) return false;
    for (int32_t i = 0; i < asked->topics_count; i++)
        for (int32_t k = 0; k < asked->topics[i].partitions_count; k++)
            if (!transaction_data_has(&t->data, asked->topics[i].name, asked->topics[i].partitions[k])) return false;
    return true;
}

// NULL: nothing is to be written, and *error_code says why.
static struct transaction_transition *addition(struct transaction *t, const struct asked *asked, int16_t client_version,
                                               void (*done)(struct transaction_transition *w, struct transaction *t,
                                                            int16_t error_code),
                                               int16_t *error_code) {
    *error_code = t && t->pending != TRANSACTION_NO_STATE ? KAFKA_CONCURRENT_TRANSACTIONS : KAFKA_NONE;
    if (!*error_code) *error_code = check_producer(t, &asked->producer);
    if (*error_code || has_all(t, asked)) return NULL;
    struct transaction_data next = next_data(t, client_version);
    for (int32_t i = 0; i < asked->topics_count; i++)
        for (int32_t k = 0; k < asked->topics[i].partitions_count; k++)
            transaction_data_add(&next, asked->topics[i].name, asked->topics[i].partitions[k]);
    return transaction_transition_new(t, &next, done);
}

static void add(struct adding *a, int32_t index, struct transaction *t, const struct asked *asked) {
    int16_t error_code, version = a->request->version >= TRANSACTIONS_SINCE ? TRANSACTION_VERSION_BUMPS : 0;
    struct transaction_transition *w = addition(t, asked, version, added, &error_code);
    if (!w) {
        set_errors(a, index, error_code);
        return;
    }
    w->context = a;
    w->index = index;
    a->waiting++;
    transaction_transition_go(t, w);
}

static void verify(struct adding *a, int32_t index, const struct transaction *t, const struct asked *asked) {
    struct add_partitions_to_txn_response_transaction *out = &a->response->results_by_transaction[index];
    int16_t error_code = check_producer(t, &asked->producer);
    if (error_code) {
        set_errors(a, index, error_code);
        return;
    }
    for (int32_t i = 0; i < asked->topics_count; i++)
        for (int32_t k = 0; k < asked->topics[i].partitions_count; k++)
            if (!transaction_data_has(&t->data, asked->topics[i].name, asked->topics[i].partitions[k]))
                out->topic_results[i].results_by_partition[k].partition_error_code = KAFKA_TRANSACTION_ABORTABLE;
}

// Fills the answer's partitions; false when one of them is not known, which the answer says then.
static bool look_up(struct broker_request *r, const struct asked *asked,
                    struct add_partitions_to_txn_response_transaction *out) {
    bool all_known = true;
    out->transactional_id = asked->id;
    out->topic_results = REQUEST_ARRAY(r, asked->topics_count, struct add_partitions_to_txn_response_topic);
    out->topic_results_count = asked->topics_count;
    for (int32_t i = 0; i < asked->topics_count; i++) {
        const struct add_partitions_to_txn_request_topic *from = &asked->topics[i];
        struct add_partitions_to_txn_response_topic *to = &out->topic_results[i];
        const struct broker_topic *topic = broker_known_topic(r->node, from->name);
        to->name = from->name;
        to->results_by_partition =
            REQUEST_ARRAY(r, from->partitions_count, struct add_partitions_to_txn_response_partition);
        to->results_by_partition_count = from->partitions_count;
        for (int32_t k = 0; k < from->partitions_count; k++) {
            bool known = broker_known_partition(r->node, topic, from->partitions[k]);
            to->results_by_partition[k].partition_index = from->partitions[k];
            to->results_by_partition[k].partition_error_code =
                known ? KAFKA_OPERATION_NOT_ATTEMPTED : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
            if (!known) all_known = false;
        }
    }
    return all_known;
}

// This answer is made from errors of partitions, others from the request.
static void drop_empty_topics(struct add_partitions_to_txn_response_transaction *out) {
    int32_t kept = 0;
    for (int32_t i = 0; i < out->topic_results_count; i++)
        if (out->topic_results[i].results_by_partition_count > 0) out->topic_results[kept++] = out->topic_results[i];
    out->topic_results_count = kept;
}

static void handle_one(struct adding *a, int32_t index, const struct asked *asked) {
    struct add_partitions_to_txn_response_transaction *out = &a->response->results_by_transaction[index];
    if (!look_up(a->request, asked, out)) {
        drop_empty_topics(out);
        return;
    }
    set_errors(a, index, KAFKA_NONE);
    int16_t error_code = KAFKA_INVALID_REQUEST;
    struct transaction_shard *s = NULL;
    if (asked->id.size > 0) s = transaction_shard_find(a->request->node, asked->id, &error_code);
    struct transaction *t = s ? transaction_find(s, asked->id) : NULL;
    if (!s) set_errors(a, index, error_code);
    else if (asked->verify_only) verify(a, index, t, asked), drop_empty_topics(out);
    else add(a, index, t, asked);
}

static void forget_nothing(struct broker_request *r) {
    (void)r;
}

void handle_add_partitions_to_txn(struct broker_request *r) {
    const struct add_partitions_to_txn_request *body = r->body;
    bool many = r->version >= TRANSACTIONS_SINCE;
    int32_t count = many ? body->transactions_count : 1;
    if (count == 0) {  // KafkaApis answers with the last of the transactions
        broker_park(r, forget_nothing);
        return;
    }
    struct adding *a = NEW(struct adding);
    a->response = REQUEST_ARRAY(r, 1, struct add_partitions_to_txn_response);
    a->response->results_by_transaction = REQUEST_ARRAY(r, count, struct add_partitions_to_txn_response_transaction);
    a->response->results_by_transaction_count = count;
    a->waiting = 1;
    coordinator_park(r, &a->request);
    for (int32_t i = 0; i < count; i++) {
        struct asked asked = {.id = body->v3_and_below_transactional_id,
                              .producer = {body->v3_and_below_producer_id, body->v3_and_below_producer_epoch},
                              .topics = body->v3_and_below_topics,
                              .topics_count = body->v3_and_below_topics_count};
        if (many) {
            const struct add_partitions_to_txn_request_transaction *from = &body->transactions[i];
            asked = (struct asked){.id = from->transactional_id,
                                   .producer = {from->producer_id, from->producer_epoch},
                                   .verify_only = from->verify_only,
                                   .topics = from->topics,
                                   .topics_count = from->topics_count};
        }
        handle_one(a, i, &asked);
    }
    release(a);
}

// AddOffsetsToTxn: the partition that has the group's offsets --------------------------------------------------------

static void answer_offsets(struct broker_request *r, int16_t error_code) {
    struct add_offsets_to_txn_response response;
    message_defaults(&add_offsets_to_txn_response_message, &response);
    response.error_code = told(r, error_code);
    broker_answer(r, &response);
}

static void offsets_added(struct transaction_transition *w, struct transaction *t, int16_t error_code) {
    (void)t;
    struct broker_request *request = w->request;
    w->request = NULL;
    if (request) answer_offsets(request, error_code);
}

void handle_add_offsets_to_txn(struct broker_request *r) {
    const struct add_offsets_to_txn_request *body = r->body;
    const struct append_producer producer = {body->producer_id, body->producer_epoch};
    int16_t error_code = KAFKA_INVALID_REQUEST;
    struct transaction_shard *s = NULL;
    if (body->transactional_id.size > 0) s = transaction_shard_find(r->node, body->transactional_id, &error_code);
    struct transaction *t = s ? transaction_find(s, body->transactional_id) : NULL;
    if (t && t->pending != TRANSACTION_NO_STATE) error_code = KAFKA_CONCURRENT_TRANSACTIONS;
    else if (s) error_code = check_producer(t, &producer);
    struct wire_text topic = text_of(GROUP_TOPIC);
    int32_t index = coordinator_partition(body->group_id, coordinator_topic_partitions(r->node->cluster, true));
    if (error_code || (t->data.state == TRANSACTION_ONGOING && transaction_data_has(&t->data, topic, index))) {
        answer_offsets(r, error_code);
        return;
    }
    struct transaction_data next = next_data(t, 0);
    transaction_data_add(&next, topic, index);
    struct transaction_transition *w = transaction_transition_new(t, &next, offsets_added);
    coordinator_park(r, &w->request);
    transaction_transition_go(t, w);
}

// What leaders ask --------------------------------------------------------------------------------------------------

// The coordinator of a transactional id, as a leader finds it; NULL: *error_code says why.
static struct transaction_shard *find_coordinator(const struct broker_cluster *c, struct wire_text transactional_id,
                                                  int16_t *error_code) {
    const struct broker_topic *topic = broker_find_topic(c, text_of(TRANSACTION_TOPIC));
    int32_t index = coordinator_partition(transactional_id, c->transactions->partitions);
    const struct broker_partition *p = broker_find_partition(topic, index);
    const struct broker_node *n = p ? broker_find_node(c, p->leader) : NULL;
    if (!n) *error_code = KAFKA_COORDINATOR_NOT_AVAILABLE;
    else if (!broker_node_works(n)) *error_code = KAFKA_NETWORK_EXCEPTION;
    else if (transactional_id.size <= 0) *error_code = KAFKA_INVALID_REQUEST;
    else return transaction_shard_find(n, transactional_id, error_code);
    return NULL;
}

int16_t broker_transactions_verify(struct broker_cluster *c, const struct transaction_claim *claim,
                                   bool abortable_known) {
    int16_t error_code;
    const struct transaction_shard *s = find_coordinator(c, claim->transactional_id, &error_code);
    if (!s) return error_code;
    const struct transaction *t = transaction_find(s, claim->transactional_id);
    error_code = check_producer(t, &claim->producer);
    if (error_code == KAFKA_PRODUCER_FENCED) return KAFKA_INVALID_PRODUCER_EPOCH;
    if (error_code) return error_code;
    const struct broker_partition *asked = claim->partition;
    if (transaction_data_has(&t->data, text_of(asked->topic->name), asked->index)) return KAFKA_NONE;
    return abortable_known ? KAFKA_TRANSACTION_ABORTABLE : KAFKA_INVALID_TXN_STATE;
}

static void addition_end(struct broker_request *r, struct transaction_addition *a, int16_t error_code) {
    if (error_code == KAFKA_PRODUCER_FENCED) error_code = KAFKA_INVALID_PRODUCER_EPOCH;
    for (int32_t i = 0; i < a->count; i++) a->error_codes[i] = error_code;
    a->done(r, a);
}

static void addition_written(struct transaction_transition *w, struct transaction *t, int16_t error_code) {
    (void)t;
    struct broker_request *request = w->request;
    w->request = NULL;
    if (!request) return;
    broker_unpark(request);
    addition_end(request, w->context, error_code);
}

// Each partition as the coordinator's node knows it; false when it does not know one of them, which errors say then.
static bool addition_look_up(const struct broker_node *n, struct transaction_addition *a) {
    bool all_known = true;
    for (int32_t i = 0; i < a->count; i++) {
        const struct broker_partition *p = a->partitions[i];
        bool known = broker_known_partition(n, broker_known_topic(n, text_of(p->topic->name)), p->index);
        a->error_codes[i] = known ? KAFKA_OPERATION_NOT_ATTEMPTED : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        if (!known) all_known = false;
    }
    return all_known;
}

static struct transaction_transition *addition_transition(struct transaction *t, const struct transaction_addition *a,
                                                          int16_t *error_code) {
    struct add_partitions_to_txn_request_topic *topics = memory_alloc_zeroed((size_t)a->count, sizeof *topics);
    struct asked asked = {.producer = a->producer, .topics = topics, .topics_count = a->count};
    for (int32_t i = 0; i < a->count; i++) {
        struct broker_partition *p = a->partitions[i];
        topics[i] = (struct add_partitions_to_txn_request_topic){text_of(p->topic->name), &p->index, 1};
    }
    struct transaction_transition *w = addition(t, &asked, TRANSACTION_VERSION_BUMPS, addition_written, error_code);
    memory_free(topics);
    return w;
}

void broker_transactions_add(struct broker_request *r, struct transaction_addition *a) {
    int16_t error_code;
    struct transaction_shard *s = find_coordinator(r->node->cluster, a->transactional_id, &error_code);
    if (!s) {
        addition_end(r, a, error_code);
        return;
    }
    if (!addition_look_up(s->shard.replica->node, a)) {
        a->done(r, a);
        return;
    }
    struct transaction *t = transaction_find(s, a->transactional_id);
    struct transaction_transition *w = addition_transition(t, a, &error_code);
    if (!w) {
        addition_end(r, a, error_code);
        return;
    }
    w->context = a;
    coordinator_park(r, &w->request);
    transaction_transition_go(t, w);
}
