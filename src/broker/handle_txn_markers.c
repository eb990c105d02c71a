// WriteTxnMarkers: control records straight to the partition leaders, for coordinators and for whoever may
// (KafkaApis.handleWriteTxnMarkersRequest). Each marker is an append of its own with acks=all; the answer has one entry
// for each producer and partition, whatever the number of markers.
#include "broker/append.h"
#include "broker/asked_partitions.h"
#include "broker/handlers.h"
#include "wire/error_codes.h"

#include <stdlib.h>

#define REQUEST_TIMEOUT_MS 30000  // request.timeout.ms of a broker

struct marking;

// One marker on one partition.
struct marked {
    struct waiter waiter;
    struct marking *of;
    int64_t producer_id;
    struct wire_text topic;
    int32_t partition, order, marker;
    struct broker_replica *replica;
    int64_t required;
    int16_t error_code;
    bool pending;
};

struct marking {
    struct broker_request *request;
    struct marked *all;
    int32_t count;
    int32_t *pending;      // of each marker: its partitions that wait
    int32_t markers_left;  // see write_markers()
    bool failed;           // at a marker that cannot be written: what precedes it is, and the answer knows only that
};

// The answer ---------------------------------------------------------------------------------------------------------

static int compare_text(const struct wire_text *a, const struct wire_text *b) {
    int32_t common = a->size < b->size ? a->size : b->size;
    int order = common > 0 ? memcmp(a->at, b->at, (size_t)common) : 0;
    return order ? order : a->size - b->size;
}

// By producer, topic and partition; the one that was written last comes first of its kind.
static int in_answer_order(const void *a, const void *b) {
    const struct marked *x = *(struct marked *const *)a, *y = *(struct marked *const *)b;
    if (x->producer_id != y->producer_id) return x->producer_id < y->producer_id ? -1 : 1;
    int order = compare_text(&x->topic, &y->topic);
    if (order) return order;
    if (x->partition != y->partition) return x->partition < y->partition ? -1 : 1;
    return y->order - x->order;
}

static void answer(struct marking *k) {
    struct broker_request *r = k->request;
    struct marked **sorted = REQUEST_ARRAY(r, k->count, struct marked *);
    for (int32_t i = 0; i < k->count; i++) sorted[i] = &k->all[i];
    qsort(sorted, (size_t)k->count, sizeof *sorted, in_answer_order);
    struct write_txn_markers_response response = {
        .markers = REQUEST_ARRAY(r, k->count, struct write_txn_markers_response_marker)};
    struct write_txn_markers_response_topic *topic =
        REQUEST_ARRAY(r, k->count + 1, struct write_txn_markers_response_topic);
    struct write_txn_markers_response_partition *partition =
        REQUEST_ARRAY(r, k->count, struct write_txn_markers_response_partition);
    for (int32_t i = 0; i < k->count; i++) {
        const struct marked *m = sorted[i], *before = i > 0 ? sorted[i - 1] : NULL;
        bool same_producer = before && before->producer_id == m->producer_id;
        bool same_topic = same_producer && compare_text(&before->topic, &m->topic) == 0;
        if (same_topic && before->partition == m->partition) continue;
        if (!same_topic) {
            if (i > 0) topic++;
            *topic = (struct write_txn_markers_response_topic){m->topic, partition, 0};
        }
        if (!same_producer) {
            response.markers[response.markers_count++] =
                (struct write_txn_markers_response_marker){m->producer_id, topic, 0};
        }
        if (!same_topic) response.markers[response.markers_count - 1].topics_count++;
        *partition++ = (struct write_txn_markers_response_partition){m->partition, m->error_code};
        topic->partitions_count++;
    }
    broker_answer(r, &response);
}

// Waiting for the high watermark -------------------------------------------------------------------------------------

static void stop_waiting(struct broker_request *r) {
    struct marking *k = r->parked;
    for (int32_t i = 0; i < k->count; i++) broker_wait_end(&k->all[i].waiter);
}

// True when the partition's fate is known. Until then its error code is REQUEST_TIMED_OUT.
static bool settle(struct marked *m) {
    m->error_code = broker_replica_committed(m->replica, m->required);
    m->pending = m->error_code == KAFKA_REQUEST_TIMED_OUT;
    return !m->pending;
}

static void moved(struct waiter *w) {
    struct marked *m = CONTAINER_OF(w, struct marked, waiter);
    struct marking *k = m->of;
    if (k->request->node->frozen || !settle(m)) return;
    broker_wait_end(w);
    if (--k->pending[m->marker] == 0 && --k->markers_left == 0) answer(k);
}

static void expired(struct timer *t, int64_t now_us) {
    (void)now_us;
    struct broker_request *r = CONTAINER_OF(t, struct broker_request, timer);
    if (broker_parked_frozen(r)) return;
    struct marking *k = r->parked;
    bool told = false;
    stop_waiting(r);
    for (int32_t i = 0; i < k->count; i++) {
        struct marked *m = &k->all[i];
        if (!m->pending) continue;
        m->pending = false;
        if (--k->pending[m->marker] == 0) told |= --k->markers_left == 0;
    }
    if (told) answer(k);
}

// The appends --------------------------------------------------------------------------------------------------------

static void append(struct marking *k, const struct write_txn_markers_request_marker *marker, struct marked *m,
                   struct broker_partition *p) {
    const struct broker_node *n = k->request->node;
    m->replica = broker_asked_replica(n, p, -1, true, &m->error_code);
    if (!m->replica) return;
    m->error_code = broker_replica_enough(m->replica);
    if (m->error_code != KAFKA_NONE) return;
    struct producer_marker written = {
        .producer_id = marker->producer_id,
        .producer_epoch = marker->producer_epoch,
        .transaction_version = marker->transaction_version,
        .coordinator_epoch = marker->coordinator_epoch,
        .commit = marker->transaction_result,
    };
    m->error_code = append_marker(&m->replica->log, broker_replica_settings(m->replica), &written,
                                  m->replica->leader_epoch, n->cluster->wall_ms)
            .error_code;
    if (m->error_code != KAFKA_NONE) return;
    m->required = m->replica->log.end;
    broker_replica_appended(m->replica);
    if (settle(m)) return;
    k->pending[m->marker]++;
}

static void collect(struct marking *k, int32_t index, const struct write_txn_markers_request_marker *marker) {
    for (int32_t i = 0; i < marker->topics_count; i++) {
        const struct write_txn_markers_request_topic *t = &marker->topics[i];
        for (int32_t j = 0; j < t->partition_indexes_count; j++) {
            k->all[k->count] = (struct marked){
                .of = k,
                .producer_id = marker->producer_id,
                .topic = t->name,
                .partition = t->partition_indexes[j],
                .order = k->count,
                .marker = index,
                .error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION,
                .waiter.ready = moved,
            };
            k->count++;
        }
    }
}

// What MemoryRecords.withEndTransactionMarker throws at.
static bool is_unwritable(const struct write_txn_markers_request_marker *marker) {
    return marker->producer_id == -1 || marker->producer_epoch == -1;
}

// Writes one marker to its partitions; false when the node has a replica of none of them, or it is unwritable.
static bool write_marker(struct marking *k, int32_t index, const struct write_txn_markers_request_marker *marker) {
    const struct broker_node *n = k->request->node;
    bool any = false;
    for (int32_t i = 0; i < k->count; i++) {
        struct marked *m = &k->all[i];
        if (m->marker != index) continue;
        struct broker_partition *p = broker_known_partition(n, broker_known_topic(n, m->topic), m->partition);
        if (!p || !broker_node_replica(n, p)) continue;  // of other nodes' partitions no more is said than that
        any = true;
        if (!is_unwritable(marker)) append(k, marker, m, p);
        else k->failed = true;
    }
    return any;
}

static bool is_replicated(const struct marking *k, int32_t index) {
    for (int32_t i = 0; i < k->count; i++) {
        const struct marked *m = &k->all[i];
        if (m->marker != index || m->error_code != KAFKA_NONE || !m->replica) continue;
        if (broker_belief_of(m->replica->node, m->replica->partition)->isr_count > 1) return true;
    }
    return false;
}

static void fail_all(struct marking *k) {
    for (int32_t i = 0; i < k->count; i++) {
        k->all[i].error_code = KAFKA_UNKNOWN_SERVER_ERROR;
        k->all[i].pending = false;
    }
}

// Kafka counts the markers that are not through. One without a partition of this node is taken off the count without a
// look whether it was the last: when it is, and the others did not have to wait, nobody ever answers. (What others hold
// too has to wait on a real broker, be it a moment.)
static bool write_markers(struct marking *k, const struct write_txn_markers_request *body) {
    bool answered = false, any = false;
    int32_t waited = 0;
    k->markers_left = body->markers_count;
    for (int32_t i = 0; i < body->markers_count; i++) collect(k, i, &body->markers[i]);
    for (int32_t i = 0; i < body->markers_count; i++) {
        bool written = write_marker(k, i, &body->markers[i]);
        if (k->failed) {
            fail_all(k);
            return true;
        }
        any |= written;
        if (k->pending[i] > 0) continue;
        if (is_replicated(k, i)) {
            waited++;
            continue;
        }
        k->markers_left--;
        answered |= written && k->markers_left == 0;
    }
    for (; waited > 0; waited--) answered |= --k->markers_left == 0;
    return answered || !any;
}

void handle_write_txn_markers(struct broker_request *r) {
    const struct write_txn_markers_request *body = r->body;
    struct marking *k = broker_request_alloc(r, sizeof *k);
    k->request = r;
    k->pending = REQUEST_ARRAY(r, body->markers_count, int32_t);
    size_t count = 0;
    for (int32_t i = 0; i < body->markers_count; i++) {
        const struct write_txn_markers_request_marker *m = &body->markers[i];
        for (int32_t j = 0; j < m->topics_count; j++) count += (size_t)m->topics[j].partition_indexes_count;
    }
    k->all = REQUEST_ARRAY(r, count, struct marked);
    if (write_markers(k, body)) {
        answer(k);
        return;
    }
    for (int32_t i = 0; i < k->count; i++)
        if (k->all[i].pending) broker_wait(k->all[i].replica, &k->all[i].waiter);
    r->parked = k;
    broker_park_for(r, REQUEST_TIMEOUT_MS, expired, stop_waiting);
}
