// Transaction coordinators: which partitions of __transaction_state a node has loaded, and writing there.
#include "broker/transactions_private.h"

#include "base/memory.h"
#include "broker/faults.h"

#include <assert.h>

#define PRODUCER_ID_BLOCK 1000  // ProducerIdsBlock.PRODUCER_ID_BLOCK_SIZE

struct broker_transactions *broker_transactions_new(struct broker_cluster *c) {
    struct broker_transactions *t = NEW(struct broker_transactions);
    t->cluster = c;
    map_init(&t->shards);
    t->partitions = coordinator_topic_partitions(c, false);
    t->version = broker_feature_finalized("transaction.version");
    t->timeout_ms_max = broker_setting_number(c, "transaction.max.timeout.ms", 900000);
    t->timeout_check_ms =
        broker_setting_number(c, "transaction.abort.timed.out.transaction.cleanup.interval.ms", 10000);
    t->expiration_ms = broker_setting_number(c, "transactional.id.expiration.ms", 604800000);
    t->expiration_check_ms =
        broker_setting_number(c, "transaction.remove.expired.transaction.cleanup.interval.ms", 3600000);
    return t;
}

int64_t transaction_new_producer_id(const struct broker_node *n) {
    struct broker_cluster *c = n->cluster;
    struct broker_transactions *t = c->transactions;
    int32_t i = n->id - 1;
    if (t->producer_ids[i].next == t->producer_ids[i].end) {
        t->producer_ids[i].next = c->producer_id_next;
        t->producer_ids[i].end = c->producer_id_next += PRODUCER_ID_BLOCK;
    }
    return t->producer_ids[i].next++;
}

void broker_double_markers(struct broker_cluster *c, uint32_t chance_per_mille) {
    c->transactions->double_per_mille = chance_per_mille;
}

// A shard's transactions ----------------------------------------------------------------------------------------------

struct transaction *transaction_find(const struct transaction_shard *s, struct wire_text id) {
    return id.size < 0 ? NULL : map_get_text(&s->by_id, id.at, (size_t)id.size);
}

struct transaction *transaction_new(struct transaction_shard *s, struct wire_text id) {
    struct transaction *t = NEW(struct transaction);
    t->shard = s;
    t->id = memory_copy_text(id.at, (size_t)id.size);
    t->pending = TRANSACTION_NO_STATE;
    timer_init(&t->timeout, transaction_timed_out);
    timer_init(&t->send, transaction_markers_due);
    list_init(&t->markers);
    map_put_text(&s->by_id, id.at, (size_t)id.size, t);
    return t;
}

static void transaction_free(struct transaction *t) {
    transaction_markers_stop(t);
    timer_cancel(&t->shard->shard.cluster->timers, &t->timeout);
    transaction_data_free(&t->data);
    memory_free(t->id);
    memory_free(t);
}

static void transaction_remove(struct transaction *t) {
    map_remove_text(&t->shard->by_id, t->id, strlen(t->id));
    transaction_free(t);
}

// Writing -----------------------------------------------------------------------------------------------------------

struct transaction_transition *transaction_transition_new(struct transaction *t, struct transaction_data *next,
                                                          void (*done)(struct transaction_transition *w,
                                                                       struct transaction *t, int16_t error_code)) {
    struct transaction_transition *w = NEW(struct transaction_transition);
    w->shard = t->shard;
    w->id = memory_copy_string(t->id);
    w->next = *next;
    *next = transaction_data_bare(next);
    w->done = done;
    return w;
}

// TransactionStateManager.appendTransactionToLog.updateCacheCallback
static void transition_done(struct coordinator_write *write, int16_t error_code) {
    struct transaction_transition *w = CONTAINER_OF(write, struct transaction_transition, write);
    struct transaction *t = transaction_find(w->shard, text_of(w->id));
    error_code = coordinator_write_error(error_code);
    assert(t);
    if (!error_code) {
        transaction_data_free(&t->data);
        t->data = w->next;
        w->next = transaction_data_bare(&w->next);
        t->pending = TRANSACTION_NO_STATE;
        transaction_timeout_set(t);
    } else if (!w->retries || error_code != KAFKA_COORDINATOR_NOT_AVAILABLE) {
        t->pending = TRANSACTION_NO_STATE;
    }
    w->done(w, t, error_code);
    transaction_data_free(&w->next);
    memory_free(w->id);
    memory_free(w);
}

void transaction_transition_go(struct transaction *t, struct transaction_transition *w) {
    struct transaction_shard *s = t->shard;
    t->pending = w->next.state;
    w->write.done = transition_done;
    int16_t error_code = broker_replica_enough(s->shard.replica);
    if (error_code) {
        transition_done(&w->write, error_code);
        return;
    }
    struct coordinator_records records;
    coordinator_records_init(&records);
    record_put_transaction(&records, t->id, &w->next);
    struct coordinator_append a = {.count = records.count, .timeout_ms = w->next.timeout_ms};
    a.pairs = coordinator_records_pairs(&records);
    coordinator_write(&s->shard, &a, &w->write);
    coordinator_records_free(&records);
}

// Expiration --------------------------------------------------------------------------------------------------------

static bool may_expire(const struct transaction *t, int64_t wall_ms) {
    bool idle = t->data.state == TRANSACTION_EMPTY || t->data.state == TRANSACTION_COMPLETE_COMMIT ||
                t->data.state == TRANSACTION_COMPLETE_ABORT;
    return idle && t->pending == TRANSACTION_NO_STATE && t->data.update_ms <= wall_ms - t->shard->owner->expiration_ms;
}

struct expiration {
    struct coordinator_write write;
    struct transaction_shard *shard;
    char *id;
};

static void expiration_done(struct coordinator_write *write, int16_t error_code) {
    struct expiration *e = CONTAINER_OF(write, struct expiration, write);
    struct transaction *t = transaction_find(e->shard, text_of(e->id));
    if (t && t->pending == TRANSACTION_DEAD && !error_code) transaction_remove(t);
    else if (t) t->pending = TRANSACTION_NO_STATE;
    memory_free(e->id);
    memory_free(e);
}

static void expire(struct transaction *t) {
    struct expiration *e = NEW(struct expiration);
    e->write.done = expiration_done;
    e->shard = t->shard;
    e->id = memory_copy_string(t->id);
    t->pending = TRANSACTION_DEAD;
    struct coordinator_records records;
    coordinator_records_init(&records);
    record_put_transaction_tombstone(&records, t->id);
    struct coordinator_append a = {.count = records.count, .timeout_ms = COORDINATOR_REQUEST_TIMEOUT_MS};
    a.pairs = coordinator_records_pairs(&records);
    coordinator_write(&t->shard->shard, &a, &e->write);
    coordinator_records_free(&records);
}

static void on_expiration(struct timer *timer, int64_t now_us) {
    struct transaction_shard *s = CONTAINER_OF(timer, struct transaction_shard, expiration);
    timer_set(&s->shard.cluster->timers, timer, now_us + s->owner->expiration_check_ms * 1000);
    bool may = broker_node_works(s->shard.replica->node) && !s->shard.loading;
    if (!may || broker_replica_enough(s->shard.replica)) return;
    struct transaction *t;
    for (size_t i = 0; (t = map_next(&s->by_id, &i));)
        if (may_expire(t, s->shard.cluster->wall_ms)) expire(t);
}

// Loading -----------------------------------------------------------------------------------------------------------

static void see_transaction(void *context, const struct coordinator_seen *seen) {
    struct transaction_shard *s = context;
    struct wire_text id;
    if (seen->control || !record_get_transaction_key(seen->key, &id)) return;
    struct transaction *t = transaction_find(s, id);
    if (seen->value.size < 0) {
        if (t) transaction_remove(t);
        return;
    }
    struct transaction_data data;
    if (!record_get_transaction(seen->value, &data)) return;
    if (!t) t = transaction_new(s, id);
    transaction_data_free(&t->data);
    t->data = data;
}

// Prepared transactions get their markers once more: nobody knows which ones they have.
static void load(struct coordinator_shard *shard) {
    struct transaction_shard *s = CONTAINER_OF(shard, struct transaction_shard, shard);
    const struct broker_log *log = &shard->replica->log;
    int64_t next = log->start;
    coordinator_read(log, &next, log->end, see_transaction, s);
    struct transaction *t;
    for (size_t i = 0; (t = map_next(&s->by_id, &i));) {
        transaction_timeout_set(t);
        if (transaction_is_prepared(t)) transaction_complete_soon(t);
    }
    timer_set(&shard->cluster->timers, &s->expiration, shard->cluster->now_us + s->owner->expiration_check_ms * 1000);
}

static void replicated(struct coordinator_shard *shard) {
    (void)shard;  // transactions change with the writes that wait
}

static const struct coordinator_kind transactions_kind = {.all_acks = true, .load = load, .replicated = replicated};

static void shard_new(struct broker_transactions *owner, struct broker_replica *r, uint64_t key) {
    struct transaction_shard *s = NEW(struct transaction_shard);
    s->owner = owner;
    map_init(&s->by_id);
    timer_init(&s->expiration, on_expiration);
    map_put_number(&owner->shards, key, s);
    coordinator_shard_open(&s->shard, &transactions_kind, r);
}

static void shard_free(struct transaction_shard *s) {
    struct transaction *t;
    coordinator_shard_close(&s->shard);
    timer_cancel(&s->shard.cluster->timers, &s->expiration);
    for (size_t i = 0; (t = map_next(&s->by_id, &i));) transaction_free(t);
    map_free(&s->by_id);
    memory_free(s);
}

void broker_transactions_on_leader(struct broker_cluster *c, struct broker_replica *r, bool leads) {
    if (strcmp(r->partition->topic->name, TRANSACTION_TOPIC) != 0) return;
    uint64_t key = coordinator_shard_key(r->node->id, r->partition->index);
    struct transaction_shard *s = map_remove_number(&c->transactions->shards, key);
    if (s) shard_free(s);  // a new epoch of the same leader loads anew
    if (leads) shard_new(c->transactions, r, key);
}

void broker_transactions_free(struct broker_transactions *t) {
    if (!t) return;
    struct transaction_shard *s;
    for (size_t i = 0; (s = map_next(&t->shards, &i));) shard_free(s);
    map_free(&t->shards);
    memory_free(t);
}

struct transaction_shard *transaction_shard_find(const struct broker_node *n, struct wire_text id,
                                                 int16_t *error_code) {
    struct broker_transactions *t = n->cluster->transactions;
    int32_t partition = coordinator_partition(id, t->partitions);
    struct transaction_shard *s = map_get_number(&t->shards, coordinator_shard_key(n->id, partition));
    *error_code = !s ? KAFKA_NOT_COORDINATOR : s->shard.loading ? KAFKA_COORDINATOR_LOAD_IN_PROGRESS : KAFKA_NONE;
    return *error_code ? NULL : s;
}
