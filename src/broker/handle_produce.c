// Produce: checks what ReplicaManager.handleProduceAppend and appendRecords check, appends each partition on its own,
// and with acks=all waits for the high watermark (org.apache.kafka.server.purgatory.DelayedProduce).
#include "broker/append.h"
#include "broker/asked_partitions.h"
#include "broker/handlers.h"
#include "broker/transactions.h"
#include "wire/error_codes.h"

#include <assert.h>

#define INTERNAL_TOPICS_CLIENT "__admin_client"  // AdminUtils.ADMIN_CLIENT_ID
#define ZSTD_SINCE_VERSION 7                     // KIP-110
#define LEADER_HINT_SINCE_VERSION 10             // KIP-951
#define ABORTABLE_SINCE_VERSION 11               // KIP-890: knows TRANSACTION_ABORTABLE
#define ADDS_SINCE_VERSION 12                    // KIP-890: adds its partitions to the transaction
#define TOPIC_IDS_SINCE_VERSION 13               // KIP-516

struct produce;

// One partition of the request.
struct produced {
    struct waiter waiter;
    struct produce *of;
    const struct produce_request_topic *topic;
    struct broker_partition *partition;  // NULL: not known
    struct wire_bytes records;
    struct produce_response_partition *answer;
    struct broker_replica *replica;  // that appended
    int64_t required;                // what the high watermark must reach
    int16_t refused;                 // what is answered, though other records for the partition are appended
    bool pending;
    bool transactional;  // and nothing was wrong with it so far
};

struct produce {
    bool lacks_records;  // of a partition that is known: null
    bool throws;         // an exception on a broker, of the whole request
    struct broker_request *request;
    struct produce_response response;
    struct produced *all;
    int32_t count, pending;
    struct transaction_addition addition;  // with version 12
    struct produced **added;               // whose partitions those are
    int64_t add_until_us;
};

static void answer_partition(struct produce_response_partition *a, int32_t index, int16_t error_code) {
    message_defaults(&produce_response_partition_message, a);
    a->index = index;
    a->error_code = error_code;
    a->base_offset = -1;
}

static uint16_t attributes_of(struct bytes batch) {
    return batch.size >= BATCH_AT_ATTRIBUTES + 2 ? load_be16(batch.at + BATCH_AT_ATTRIBUTES) : 0;
}

// ProduceRequest.validateRecords: exactly one batch, of the new format, with a codec that the version knows.
static int16_t validate_records(int16_t version, struct bytes records, size_t *size) {
    int16_t error_code = append_next_batch(records, size);
    if (error_code) return error_code;
    if (*size == 0 || records.at[BATCH_AT_MAGIC] != BATCH_MAGIC) return KAFKA_INVALID_RECORD;
    int codec = attributes_of(records) & BATCH_ATTRIBUTE_CODEC;
    if (version < ZSTD_SINCE_VERSION && codec > CODEC_ZSTD) return KAFKA_UNKNOWN_SERVER_ERROR;  // CompressionType.forId
    if (version < ZSTD_SINCE_VERSION && codec == CODEC_ZSTD) return KAFKA_UNSUPPORTED_COMPRESSION_TYPE;
    size_t second;
    error_code = append_next_batch((struct bytes){records.at + *size, records.size - *size}, &second);
    if (error_code) return error_code;
    return second > 0 ? KAFKA_INVALID_RECORD : KAFKA_NONE;
}

// ReplicaManager.handleProduceAppend reads what is wanted of the producer whether the batch is that long or not.
static bool lacks_producer(struct bytes batch) {
    if (batch.size < BATCH_AT_PRODUCER_EPOCH) return true;
    if (!(attributes_of(batch) & BATCH_ATTRIBUTE_TRANSACTIONAL)) return false;
    return (int64_t)load_be64(batch.at + BATCH_AT_PRODUCER_ID) >= 0 && batch.size < BATCH_AT_COUNT;
}

static struct bytes records_bytes(struct wire_bytes records) {
    return (struct bytes){records.at, records.size > 0 ? (size_t)records.size : 0};
}

static bool is_transactional(struct bytes records) {
    size_t size;
    return append_next_batch(records, &size) == KAFKA_NONE && size > 0 &&
           records.at[BATCH_AT_MAGIC] == BATCH_MAGIC && (attributes_of(records) & BATCH_ATTRIBUTE_TRANSACTIONAL);
}

// The first error of the partition that comes before anything is appended.
static int16_t examine(const struct produce *q, struct produced *p) {
    const struct produce_request_topic *t = p->topic;
    const struct broker_node *n = q->request->node;
    bool by_id = q->request->version >= TOPIC_IDS_SINCE_VERSION;
    struct broker_topic *topic = by_id ? broker_known_topic_by_id(n, &t->topic_id) : broker_known_topic(n, t->name);
    if (!topic && by_id) return KAFKA_UNKNOWN_TOPIC_ID;
    p->partition = broker_known_partition(n, topic, p->answer->index);
    if (!p->partition) return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    size_t size = 0;
    int16_t error_code = validate_records(q->request->version, records_bytes(p->records), &size);
    p->records.size = (int32_t)size;  // what follows is no batch: UnifiedLog.trimInvalidBytes
    if (!error_code && lacks_producer(records_bytes(p->records))) return KAFKA_UNKNOWN_SERVER_ERROR;
    return error_code;
}

// A partition that is named twice gets the last records that could be taken, and hears what was wrong with others
// (KafkaApis.handleProduceRequest keeps both in maps).
static void take_records(struct produce *q, struct produced *p, struct wire_bytes records) {
    struct wire_bytes taken = p->records;
    p->records = records;
    int16_t error_code = examine(q, p);
    answer_partition(p->answer, p->answer->index, error_code);
    if (!error_code) return;
    p->refused = error_code;
    p->records = taken;
    if (taken.at) p->answer->error_code = KAFKA_NONE;
}

// Fills in the answer's shape.
static void shape(struct produce *q, const struct produce_request *body) {
    struct broker_request *r = q->request;
    for (int32_t i = 0; i < body->topic_data_count; i++) q->count += body->topic_data[i].partition_data_count;
    q->all = REQUEST_ARRAY(r, q->count, struct produced);
    struct asked_partitions *asked = asked_partitions_new(r, (size_t)q->count);
    q->response.responses = REQUEST_ARRAY(r, body->topic_data_count, struct produce_response_topic);
    q->count = 0;
    for (int32_t i = 0; i < body->topic_data_count; i++) {
        const struct produce_request_topic *t = &body->topic_data[i];
        if (t->partition_data_count == 0) continue;
        struct produce_response_topic *answer = &q->response.responses[q->response.responses_count++];
        *answer = (struct produce_response_topic){.name = t->name, .topic_id = t->topic_id};
        answer->partition_responses = REQUEST_ARRAY(r, t->partition_data_count, struct produce_response_partition);
        struct bytes key = r->version >= TOPIC_IDS_SINCE_VERSION ? uuid_bytes(&t->topic_id) : text_bytes(t->name);
        for (int32_t j = 0; j < t->partition_data_count; j++) {
            const struct produce_request_partition *p = &t->partition_data[j];
            int32_t place = asked_partitions_place(asked, key, p->index, q->count);
            struct produced *one = &q->all[place];
            if (place == q->count) {
                *one = (struct produced){.of = q,
                                         .answer = &answer->partition_responses[answer->partition_responses_count]};
                answer->partition_responses_count++;
                q->count++;
            }
            one->topic = t;
            one->answer->index = p->index;
            take_records(q, one, p->records);
            q->lacks_records |= p->records.size < 0 && one->partition;
            q->throws |= one->refused == KAFKA_UNKNOWN_SERVER_ERROR;
        }
    }
}

static void finish(struct produce *q) {
    struct broker_request *r = q->request;
    const struct produce_request *body = r->body;
    struct leader_endpoints endpoints = {0};
    bool failed = false;
    for (int32_t i = 0; i < q->count; i++) {
        struct produced *p = &q->all[i];
        if (p->refused) answer_partition(p->answer, p->answer->index, p->refused);
        failed |= p->answer->error_code != KAFKA_NONE;
        if (p->answer->error_code != KAFKA_NOT_LEADER_OR_FOLLOWER || r->version < LEADER_HINT_SINCE_VERSION) continue;
        broker_believed_leader(r->node, p->partition, &p->answer->current_leader.leader_id,
                               &p->answer->current_leader.leader_epoch, &endpoints);
    }
    if (body->acks == 0) {
        broker_answer_nothing(r, failed);  // a hang-up is all that can be said
        return;
    }
    q->response.throttle_time_ms = r->node->throttle_produce_ms;
    q->response.node_endpoints_count = endpoints.count;
    q->response.node_endpoints = REQUEST_ARRAY(r, endpoints.count, struct produce_response_node_endpoint);
    for (int32_t i = 0; i < endpoints.count; i++) {
        q->response.node_endpoints[i] = (struct produce_response_node_endpoint){
            endpoints.nodes[i], broker_host(r->node), broker_port(r->node, endpoints.nodes[i]), {NULL, -1}};
    }
    broker_answer(r, &q->response);
}

// Errors that ReplicaManager.appendToLocalLog answers without the log start offset.
static bool hides_log_start(int16_t error_code) {
    return error_code == KAFKA_UNKNOWN_TOPIC_OR_PARTITION || error_code == KAFKA_NOT_LEADER_OR_FOLLOWER ||
           error_code == KAFKA_MESSAGE_TOO_LARGE || error_code == KAFKA_RECORD_LIST_TOO_LARGE ||
           error_code == KAFKA_CORRUPT_MESSAGE || error_code == KAFKA_INVALID_TOPIC_EXCEPTION ||
           error_code == KAFKA_KAFKA_STORAGE_ERROR;
}

static struct wire_text text(const char *t) {
    return (struct wire_text){t, t ? (int32_t)strlen(t) : -1};
}

// record_errors (KIP-467).
static void tell_bad_records(struct broker_request *r, struct produced *p) {
    struct produce_response_partition *a = p->answer;
    const struct broker_topic *t = p->partition->topic;
    struct append_explanation e = append_explain(broker_replica_settings(p->replica), records_bytes(p->records),
                                                 r->node->cluster->wall_ms, t->name, p->partition->index, &r->arena);
    a->error_message = text(e.error_message);
    a->record_errors = REQUEST_ARRAY(r, e.count, struct produce_response_record_error);
    a->record_errors_count = e.count;
    for (int32_t i = 0; i < e.count; i++) {
        a->record_errors[i].batch_index = e.records[i].index;
        a->record_errors[i].batch_index_error_message = text(e.records[i].message);
    }
}

static void tell_result(struct broker_request *r, struct produced *p, const struct append_result *result) {
    struct produce_response_partition *a = p->answer;
    a->error_code = result->error_code;
    if (!hides_log_start(a->error_code)) a->log_start_offset = p->replica->log.start;
    if (a->error_code == KAFKA_NONE) {
        a->base_offset = result->base_offset;
        a->log_append_time_ms = result->append_time_ms;
    }
    if (result->bad_records) tell_bad_records(r, p);
}

// What is behind the last record: of a repeated batch, where that stands.
static int64_t end_of(const struct broker_log *l, const struct append_result *result) {
    if (!result->duplicate) return l->end;
    size_t i = broker_log_find(l, result->base_offset);
    bool gone = i >= l->count || broker_log_at(l, i)->header.base_offset != result->base_offset;
    return gone ? l->high_watermark : batch_last_offset(&broker_log_at(l, i)->header) + 1;
}

static const char *unverified(struct broker_request *r, int16_t error_code) {
    static const char reason[] = "Unable to verify the partition has been added to the transaction. Underlying error: ";
    const char *name = kafka_error_name(error_code);
    char *out = broker_request_alloc(r, sizeof reason + strlen(name));
    memcpy(out, reason, sizeof reason - 1);
    memcpy(out + sizeof reason - 1, name, strlen(name) + 1);
    return out;
}

// KIP-890: the first records of a transaction on a partition are taken only if the coordinator knows the partition as
// part of the transaction (ReplicaManager.maybeSendPartitionsToTransactionCoordinator). True when it is to be asked,
// unless the answer has an error by now.
static bool begins_transaction(const struct produce *q, struct produced *p, struct batch_header *h) {
    const struct broker_request *r = q->request;
    bool whole = batch_look(records_bytes(p->records), h) == BATCH_WHOLE;
    if (!whole || !(h->attributes & BATCH_ATTRIBUTE_TRANSACTIONAL) || h->producer_id < 0) return false;
    struct producer_states *states = &p->replica->log.producers;
    const struct producer_state *state = producer_states_find(states, h->producer_id);
    if (state && h->producer_epoch < state->epoch) {
        p->answer->error_code = KAFKA_INVALID_PRODUCER_EPOCH;
        return false;
    }
    if (producer_states_is_open(states, h->producer_id, h->producer_epoch)) return false;
    producer_states_verify(states, h, r->version >= ADDS_SINCE_VERSION, r->node->cluster->wall_ms);
    return true;
}

// What a client is told of what the coordinator said: errors that it would not retry become one that it does.
static void refuse_unverified(struct broker_request *r, struct produced *p, int16_t error_code) {
    struct produce_response_partition *a = p->answer;
    a->error_code = error_code;
    switch (error_code) {
    case KAFKA_INVALID_TXN_STATE:
        a->error_message = text("Partition was not added to the transaction");
        return;
    case KAFKA_CONCURRENT_TRANSACTIONS:
        if (r->version >= ADDS_SINCE_VERSION) return;
        break;
    case KAFKA_NETWORK_EXCEPTION:
    case KAFKA_COORDINATOR_LOAD_IN_PROGRESS:
    case KAFKA_COORDINATOR_NOT_AVAILABLE:
    case KAFKA_NOT_COORDINATOR:
        break;
    default:
        return;
    }
    a->error_message = text(unverified(r, error_code));
    a->error_code = KAFKA_NOT_ENOUGH_REPLICAS;
}

// False: it is not to be appended.
static bool verify(struct produce *q, struct produced *p) {
    struct broker_request *r = q->request;
    const struct produce_request *body = r->body;
    struct batch_header h;
    bool begins = begins_transaction(q, p, &h);
    if (p->answer->error_code) return false;
    if (!begins) return true;
    struct transaction_claim claim = {body->transactional_id, {h.producer_id, h.producer_epoch}, p->partition};
    int16_t error_code = broker_transactions_verify(r->node->cluster, &claim, r->version >= ABORTABLE_SINCE_VERSION);
    if (error_code) refuse_unverified(r, p, error_code);
    return !error_code;
}

// Since version 12 the coordinator was asked before. A marker may have come in between
// (UnifiedLog.batchMissingRequiredVerification).
static bool is_added(struct produced *p) {
    const struct producer_states *states = &p->replica->log.producers;
    struct bytes records = records_bytes(p->records);
    if (!p->transactional) return true;
    int64_t id = (int64_t)load_be64(records.at + BATCH_AT_PRODUCER_ID);
    int16_t epoch = (int16_t)load_be16(records.at + BATCH_AT_PRODUCER_EPOCH);
    if (producer_states_is_open(states, id, epoch) || producer_states_is_verified(states, id)) return true;
    const struct producer_state *state = producer_states_find(states, id);
    p->answer->error_code = state && epoch < state->epoch ? KAFKA_INVALID_PRODUCER_EPOCH : KAFKA_INVALID_TXN_STATE;
    return false;
}

static void append(struct produce *q, struct produced *p) {
    struct broker_request *r = q->request;
    const struct produce_request *body = r->body;
    const struct broker_topic *t = p->partition->topic;
    bool may_write_internal = r->client_id.size == (int32_t)strlen(INTERNAL_TOPICS_CLIENT) &&
                              memcmp(r->client_id.at, INTERNAL_TOPICS_CLIENT, (size_t)r->client_id.size) == 0;
    if (t->internal && !may_write_internal) {
        p->answer->error_code = KAFKA_INVALID_TOPIC_EXCEPTION;
        return;
    }
    p->replica = broker_asked_replica(r->node, p->partition, -1, true, &p->answer->error_code);
    if (!p->replica) return;
    if (!(r->version >= ADDS_SINCE_VERSION ? is_added(p) : verify(q, p))) return;
    struct append_result result = {.error_code = body->acks == -1 ? broker_replica_enough(p->replica) : KAFKA_NONE};
    if (broker_data_is_full(r->node->cluster)) result.error_code = KAFKA_KAFKA_STORAGE_ERROR;
    if (result.error_code == KAFKA_NONE) {
        result = append_from_client(&p->replica->log, broker_replica_settings(p->replica), records_bytes(p->records),
                                    p->replica->leader_epoch, r->node->cluster->wall_ms);
    }
    tell_result(r, p, &result);
    if (result.error_code != KAFKA_NONE) return;
    p->required = end_of(&p->replica->log, &result);
    if (result.duplicate) return;
    broker_replica_appended(p->replica);
}

// Waiting for the high watermark -------------------------------------------------------------------------------------

static void stop_waiting(struct broker_request *r) {
    struct produce *q = r->parked;
    for (int32_t i = 0; i < q->count; i++) broker_wait_end(&q->all[i].waiter);
}

static void expired(struct timer *t, int64_t now_us) {
    (void)now_us;
    struct broker_request *r = CONTAINER_OF(t, struct broker_request, timer);
    if (broker_parked_frozen(r)) return;
    stop_waiting(r);
    finish(r->parked);
}

// True when the partition's fate is known. Until then its error code is REQUEST_TIMED_OUT.
static bool settle(struct produced *p) {
    p->answer->error_code = broker_replica_committed(p->replica, p->required);
    p->pending = p->answer->error_code == KAFKA_REQUEST_TIMED_OUT;
    return !p->pending;
}

static void moved(struct waiter *w) {
    struct produced *p = CONTAINER_OF(w, struct produced, waiter);
    if (p->of->request->node->frozen || !settle(p)) return;
    broker_wait_end(w);
    if (--p->of->pending == 0) finish(p->of);
}

static void wait_or_finish(struct produce *q) {
    for (int32_t i = 0; i < q->count; i++) {
        struct produced *p = &q->all[i];
        if (p->answer->error_code == KAFKA_NONE && !settle(p)) q->pending++;
    }
    if (q->pending == 0) {
        finish(q);
        return;
    }
    q->request->parked = q;
    for (int32_t i = 0; i < q->count; i++) {
        struct produced *p = &q->all[i];
        if (!p->pending) continue;
        p->waiter.ready = moved;
        broker_wait(p->replica, &p->waiter);
    }
    const struct produce_request *body = q->request->body;
    broker_park_for(q->request, body->timeout_ms, expired, stop_waiting);
}

// One error for all partitions (ProduceRequest.getErrorResponse).
static void refuse(struct produce *q, int16_t error_code, const char *message) {
    for (int32_t i = 0; i < q->count; i++) {
        struct produce_response_partition *a = q->all[i].answer;
        q->all[i].refused = KAFKA_NONE;
        answer_partition(a, a->index, error_code);
        a->error_message = text(message);
    }
    finish(q);
}

static void append_all(struct produce *q) {
    struct broker_request *r = q->request;
    const struct produce_request *body = r->body;
    bool valid_acks = body->acks >= -1 && body->acks <= 1;
    broker_calls_hold(r->node->cluster);  // fetches that wait get what all partitions were given
    for (int32_t i = 0; i < q->count; i++) {
        struct produced *p = &q->all[i];
        if (p->answer->error_code != KAFKA_NONE) continue;
        if (valid_acks) append(q, p);
        else p->answer->error_code = KAFKA_INVALID_REQUIRED_ACKS;
    }
    broker_calls_release(r->node->cluster);
    if (body->acks == -1) wait_or_finish(q);
    else finish(q);
}

// Transactions of the second version: partitions join with the first records that are written to them -----------------

static void forget_nothing(struct broker_request *r) {
    (void)r;
}

static void add_again(struct timer *t, int64_t now_us);

// ReplicaManager.handleProduceAppend.maybeRetryOnConcurrentTransactions: the transaction before may still get its
// markers.
static void added(struct broker_request *r, struct transaction_addition *a) {
    struct produce *q = a->context;
    struct broker_cluster *c = r->node->cluster;
    bool concurrent = false;
    for (int32_t i = 0; i < a->count; i++) concurrent |= a->error_codes[i] == KAFKA_CONCURRENT_TRANSACTIONS;
    if (concurrent && c->now_us < q->add_until_us) {
        r->parked = q;
        broker_park_for(r, broker_setting_number(c, "add.partitions.to.txn.retry.backoff.ms", 20), add_again,
                        forget_nothing);
        return;
    }
    for (int32_t i = 0; i < a->count; i++)
        if (a->error_codes[i]) refuse_unverified(r, q->added[i], a->error_codes[i]);
    append_all(q);
}

static void add_partitions(struct produce *q) {
    struct broker_request *r = q->request;
    struct transaction_addition *a = &q->addition;
    a->count = 0;
    for (int32_t i = 0; i < q->count; i++) {
        struct produced *p = &q->all[i];
        struct batch_header h;
        if (!p->transactional) continue;
        p->answer->error_code = examine(q, p);  // anew each time: a topic may be deleted meanwhile
        if (p->answer->error_code) continue;
        p->replica = broker_asked_replica(r->node, p->partition, -1, true, &p->answer->error_code);
        if (!p->replica || !begins_transaction(q, p, &h)) continue;
        q->added[a->count] = p;
        a->partitions[a->count++] = p->partition;
    }
    if (a->count) broker_transactions_add(r, a);
    else append_all(q);
}

static void add_again(struct timer *t, int64_t now_us) {
    (void)now_us;
    struct broker_request *r = CONTAINER_OF(t, struct broker_request, timer);
    if (broker_parked_frozen(r)) return;
    struct produce *q = r->parked;
    broker_unpark(r);
    add_partitions(q);
}

static void add_first(struct produce *q, const struct append_producer *producer) {
    struct broker_request *r = q->request;
    struct broker_cluster *c = r->node->cluster;
    const struct produce_request *body = r->body;
    int64_t retry_ms = broker_setting_number(c, "add.partitions.to.txn.retry.backoff.max.ms", 100);
    q->add_until_us = c->now_us + retry_ms * 1000;
    q->added = REQUEST_ARRAY(r, q->count, struct produced *);
    q->addition = (struct transaction_addition){.transactional_id = body->transactional_id,
                                                .producer = *producer,
                                                .partitions = REQUEST_ARRAY(r, q->count, struct broker_partition *),
                                                .error_codes = REQUEST_ARRAY(r, q->count, int16_t),
                                                .context = q,
                                                .done = added};
    add_partitions(q);
}

// The producer of transactional records; false when there are several. `*found` says whether there is one at all.
static bool find_producer(const struct produce *q, bool *found, struct append_producer *producer) {
    *found = false;
    *producer = (struct append_producer){-1, -1};
    for (int32_t i = 0; i < q->count; i++) {
        struct produced *p = &q->all[i];
        if (p->answer->error_code != KAFKA_NONE || !is_transactional(records_bytes(p->records))) continue;
        struct append_producer its = {(int64_t)load_be64(p->records.at + BATCH_AT_PRODUCER_ID),
                                      (int16_t)load_be16(p->records.at + BATCH_AT_PRODUCER_EPOCH)};
        if (its.id < 0) continue;
        if (*found && (its.id != producer->id || its.epoch != producer->epoch)) return false;
        *found = p->transactional = true;
        *producer = its;
    }
    return true;
}

void handle_produce(struct broker_request *r) {
    const struct produce_request *body = r->body;
    struct produce *q = broker_request_alloc(r, sizeof *q);
    message_defaults(&produce_response_message, &q->response);
    q->request = r;
    shape(q, body);
    if (q->lacks_records) {  // ProduceRequest.validateRecords throws, getErrorResponse() once more: nobody answers
        broker_park(r, forget_nothing);
        return;
    }
    for (int32_t i = 0; i < body->topic_data_count && body->transactional_id.size < 0; i++) {
        for (int32_t j = 0; j < body->topic_data[i].partition_data_count; j++) {
            if (!is_transactional(records_bytes(body->topic_data[i].partition_data[j].records))) continue;
            refuse(q, KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, NULL);
            return;
        }
    }
    if (q->throws) {
        refuse(q, KAFKA_UNKNOWN_SERVER_ERROR, NULL);
        return;
    }
    bool transactional;
    struct append_producer producer;
    if (!find_producer(q, &transactional, &producer)) {
        refuse(q, KAFKA_INVALID_PRODUCER_ID_MAPPING, "Transactional records contained more than one producer ID");
        return;
    }
    if (transactional && r->version >= ADDS_SINCE_VERSION) add_first(q, &producer);
    else append_all(q);
}
