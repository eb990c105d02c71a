// Markers: each partition of a prepared transaction gets one from its leader, then the transaction is complete. They
// are written at least once: whoever does not hear that one was written sends it again
// (TransactionMarkerChannelManager, TransactionMarkerRequestCompletionHandler).
#include "broker/transactions_private.h"

#include "base/memory.h"

#include <assert.h>

#define RETRY_US 100000  // a coordinator asks again as fast as it can; the model not quite

struct marker {
    struct link link;
    struct transaction *transaction;
    struct transaction_partition partition;
    struct broker_replica *replica;
    int64_t offset;
    struct waiter waiter;
    struct timer timeout;
};

static struct broker_cluster *cluster_of(const struct transaction *t) {
    return t->shard->shard.cluster;
}

static const struct broker_node *coordinator_of(const struct transaction *t) {
    return t->shard->shard.replica->node;
}

static struct marker *marker_at(struct link *k) {
    return k ? CONTAINER_OF(k, struct marker, link) : NULL;
}

static void marker_free(struct marker *m) {
    broker_wait_end(&m->waiter);
    timer_cancel(&cluster_of(m->transaction)->timers, &m->timeout);
    list_remove(&m->link);
    memory_free(m->partition.topic);
    memory_free(m);
}

static void send_again(struct transaction *t) {
    if (t->sending && !timer_is_set(&t->send))
        timer_set(&cluster_of(t)->timers, &t->send, cluster_of(t)->now_us + RETRY_US);
}

static void write_completion(struct transaction *t);

static void completed(struct transaction_transition *w, struct transaction *t, int16_t error_code) {
    if (error_code != KAFKA_COORDINATOR_NOT_AVAILABLE) return;
    t->complete = w->next;
    w->next = transaction_data_bare(&w->next);
    t->sending = true;
    send_again(t);
}

static void write_completion(struct transaction *t) {
    t->sending = false;
    struct transaction_transition *w = transaction_transition_new(t, &t->complete, completed);
    w->retries = true;
    transaction_transition_go(t, w);
}

static void complete_if_marked(struct transaction *t) {
    if (t->sending && !t->data.partitions_count && list_empty(&t->markers)) write_completion(t);
}

// What became of a marker that was sent, or could not be.
static void marker_over(struct transaction *t, const struct transaction_partition *p, int16_t error_code) {
    struct prng *prng = &cluster_of(t)->prng;
    uint32_t double_per_mille = t->shard->owner->double_per_mille;
    bool unheard = !error_code && double_per_mille && prng_below(prng, 1000) < double_per_mille;
    if (!error_code && !unheard) {
        transaction_data_remove(&t->data, p->topic, p->index);
    } else if (error_code == KAFKA_INVALID_PRODUCER_EPOCH || error_code == KAFKA_TRANSACTION_COORDINATOR_FENCED) {
        t->sending = false;  // somebody else has taken over: the transaction stays as it is
    } else {
        send_again(t);
    }
}

static void marker_end(struct marker *m, int16_t error_code) {
    struct transaction *t = m->transaction;
    struct transaction_partition p = {memory_copy_string(m->partition.topic), m->partition.index};
    marker_free(m);
    marker_over(t, &p, error_code);
    memory_free(p.topic);
    complete_if_marked(t);
}

static void on_ready(struct waiter *w) {
    struct marker *m = CONTAINER_OF(w, struct marker, waiter);
    int16_t error_code = broker_replica_committed(m->replica, m->offset);
    if (error_code == KAFKA_REQUEST_TIMED_OUT || coordinator_frozen(coordinator_of(m->transaction), &m->timeout))
        return;
    marker_end(m, error_code);
}

static void on_timeout(struct timer *t, int64_t now_us) {
    (void)now_us;
    struct marker *m = CONTAINER_OF(t, struct marker, timeout);
    if (coordinator_frozen(coordinator_of(m->transaction), t)) return;
    marker_end(m, broker_replica_committed(m->replica, m->offset));
}

static bool is_on_its_way(const struct transaction *t, const struct transaction_partition *p) {
    for (struct marker *m = marker_at(list_first(&t->markers)); m; m = marker_at(list_next(&t->markers, &m->link)))
        if (m->partition.index == p->index && !strcmp(m->partition.topic, p->topic)) return true;
    return false;
}

static void wait_for_replicas(struct transaction *t, const struct transaction_partition *p, struct broker_replica *r) {
    struct marker *m = NEW(struct marker);
    m->transaction = t;
    m->partition = (struct transaction_partition){memory_copy_string(p->topic), p->index};
    m->replica = r;
    m->offset = r->log.end;
    m->waiter.ready = on_ready;
    timer_init(&m->timeout, on_timeout);
    list_append(&t->markers, &m->link);
    timer_set(&cluster_of(t)->timers, &m->timeout, cluster_of(t)->now_us + COORDINATOR_REQUEST_TIMEOUT_MS * 1000);
    broker_wait(r, &m->waiter);
    broker_replica_appended(r);
    if (is_on_its_way(t, p)) on_ready(&m->waiter);  // alone in its ISR, it is replicated already
}

// The leader's answer as the coordinator would get it; *waits: it comes later.
static int16_t mark(struct transaction *t, const struct transaction_partition *p, struct broker_partition *partition,
                    bool *waits) {
    struct broker_cluster *c = cluster_of(t);
    struct broker_node *leader = broker_find_node(c, partition->leader);
    if (!leader || !broker_node_works(leader)) return KAFKA_NETWORK_EXCEPTION;
    int16_t error_code;
    struct broker_replica *r = broker_leader_replica(leader, partition, -1, &error_code);
    if (!r) return error_code;
    error_code = broker_replica_enough(r);
    if (error_code) return error_code;
    struct producer_marker marker = {.producer_id = t->data.producer_id,
                                     .producer_epoch = t->data.epoch,
                                     .transaction_version = (int8_t)t->data.client_version,
                                     .coordinator_epoch = t->shard->shard.epoch,
                                     .commit = t->data.state == TRANSACTION_PREPARE_COMMIT};
    error_code = append_marker(&r->log, broker_replica_settings(r), &marker, r->leader_epoch, c->wall_ms).error_code;
    if (error_code) return error_code;
    *waits = true;
    wait_for_replicas(t, p, r);
    return KAFKA_NONE;
}

// Sends what has no marker on its way; a partition that is gone needs none.
static void send_all(struct transaction *t) {
    struct broker_cluster *c = cluster_of(t);
    struct transaction_data todo = transaction_data_copy(&t->data);
    for (int32_t i = 0; i < todo.partitions_count && t->sending; i++) {
        const struct transaction_partition *p = &todo.partitions[i];
        if (is_on_its_way(t, p) || !transaction_data_has(&t->data, text_of(p->topic), p->index)) continue;
        struct broker_topic *topic = broker_find_topic(c, text_of(p->topic));
        struct broker_partition *partition = broker_find_partition(topic, p->index);
        bool waits = false;
        int16_t error_code = partition ? mark(t, p, partition, &waits) : KAFKA_NONE;
        if (!partition) transaction_data_remove(&t->data, p->topic, p->index);
        else if (!waits) marker_over(t, p, error_code);
    }
    transaction_data_free(&todo);
    complete_if_marked(t);
}

void transaction_markers_due(struct timer *timer, int64_t now_us) {
    (void)now_us;
    struct transaction *t = CONTAINER_OF(timer, struct transaction, send);
    if (coordinator_frozen(coordinator_of(t), timer)) return;
    if (t->sending) send_all(t);
}

void transaction_markers_send(struct transaction *t) {
    struct broker_cluster *c = cluster_of(t);
    assert(!t->sending && list_empty(&t->markers));
    t->sending = true;
    int64_t delay_us = 0;
    if (c->config.service_us)
        delay_us =
            c->config.service_us(c->config.timing_context, t->shard->shard.replica->node->id, API_WRITE_TXN_MARKERS);
    timer_set(&c->timers, &t->send, c->now_us + delay_us);
}

void transaction_markers_stop(struct transaction *t) {
    struct link *k;
    while ((k = list_first(&t->markers))) marker_free(marker_at(k));
    timer_cancel(&cluster_of(t)->timers, &t->send);
    t->sending = false;
    transaction_data_free(&t->complete);
}
