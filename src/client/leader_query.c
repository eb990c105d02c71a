// Questions to leaders, in bulk: a lane for each broker and kind, one request of it under way at a time.
#include "client/leader_query.h"

#include "base/limits.h"
#include "base/memory.h"
#include "base/rare.h"
#include "wire/error_codes.h"
#include "wire/messages.h"

#include <assert.h>

struct lane {
    struct cluster_task task;
    struct leader_queries *owner;
    int32_t node_id;
    enum leader_query_kind kind;
    bool busy;
    struct timer soon;
    struct list waiting, asked;
};

static void lane_send(struct lane *l, struct connection *connection);

static void answer(struct leader_query *q, const struct leader_answer *a) {
    list_remove(&q->link);
    q->answer(q, a);
}

static void answer_all(struct list *queries, const struct error *why) {
    struct leader_answer a = {.error = *why};
    struct list taken;
    list_init(&taken);
    struct link *k;
    while ((k = list_take_first(queries))) list_append(&taken, k);
    while ((k = list_first(&taken))) answer(CONTAINER_OF(k, struct leader_query, link), &a);
}

static void lane_next(struct lane *l) {
    l->busy = false;
    if (!list_empty(&l->waiting)) {
        l->busy = true;
        cluster_submit(l->owner->cluster, l->node_id, &l->task);
    }
}

static void retry_later(struct lane *l) {
    timer_set(&l->owner->cluster->env->timers, &l->soon, l->owner->cluster->env->now_us + 100000);
}

static void run(struct cluster_task *t, struct connection *connection, const struct error *failure) {
    struct lane *l = CONTAINER_OF(t, struct lane, task);
    if (connection) {
        lane_send(l, connection);
        return;
    }
    l->busy = false;
    answer_all(&l->waiting, failure);
}

// A fetch behind a throttle would only lie unread. But one that belongs to a lost connection is nothing to the next.
static bool wait_out_throttle(struct lane *l) {
    const struct broker *b = l->kind == QUERY_BATCH ? cluster_broker(l->owner->cluster, l->node_id) : NULL;
    if (!b || !connection_is_muted(&b->control.connection)) return false;
    struct environment *env = l->owner->cluster->env;
    int64_t over_us = b->control.connection.muted_until_us, look_us = env->now_us + THROTTLE_LOOK_US;
    timer_set(&env->timers, &l->soon, over_us < look_us ? over_us : look_us);
    return true;
}

static void on_soon(struct timer *t, int64_t now_us) {
    (void)now_us;
    struct lane *l = CONTAINER_OF(t, struct lane, soon);
    if (!l->busy && !wait_out_throttle(l)) lane_next(l);
}

// Answers come in the order asked, mostly; so the search starts at the front.
static struct leader_query *find(struct list *asked, const struct wire_text *name, const struct wire_uuid *id,
                                 int32_t index) {
    for (struct link *k = list_first(asked); k; k = list_next(asked, k)) {
        struct leader_query *q = CONTAINER_OF(k, struct leader_query, link);
        if (topic_partition_is(&q->partition, name, id, index)) return q;
    }
    return NULL;
}

// `where` is the API's name; of a partition that was not asked about nobody will read it.
static struct error partition_error(const struct lane *l, const struct leader_query *q, int16_t code,
                                    const char *where) {
    if (code == 0) return error_none();
    return error_make(ERROR_KAFKA, code, where, "%s for %.100s at %s", kafka_error_name(code),
                      q ? q->partition.topic : "", l->owner->cluster->config.alias);
}

static void take_offsets(struct lane *l, const struct list_offsets_response *r) {
    static const struct wire_uuid no_id;
    for (int32_t i = 0; i < r->topics_count; i++) {
        for (int32_t k = 0; k < r->topics[i].partitions_count; k++) {
            const struct list_offsets_response_partition *p = &r->topics[i].partitions[k];
            struct leader_query *q = find(&l->asked, &r->topics[i].name, &no_id, p->partition_index);
            struct leader_answer a = {.error = partition_error(l, q, p->error_code, "ListOffsets"),
                                      .offset = p->offset};
            if (q) answer(q, &a);
        }
    }
}

static void take_deleted(struct lane *l, const struct delete_records_response *r) {
    static const struct wire_uuid no_id;
    for (int32_t i = 0; i < r->topics_count; i++) {
        for (int32_t k = 0; k < r->topics[i].partitions_count; k++) {
            const struct delete_records_response_partition *p = &r->topics[i].partitions[k];
            struct leader_query *q = find(&l->asked, &r->topics[i].name, &no_id, p->partition_index);
            struct leader_answer a = {.error = partition_error(l, q, p->error_code, "DeleteRecords"),
                                      .offset = p->low_watermark};
            if (q) answer(q, &a);
        }
    }
}

static void take_batch(struct lane *l, struct leader_query *q, const struct fetch_response_partition *p) {
    struct leader_answer a = {.error = partition_error(l, q, p->error_code, "Fetch"),
                              .high_watermark = p->high_watermark,
                              .log_start = p->log_start_offset};
    if (p->records.size > 0) a.records = (struct bytes){p->records.at, (size_t)p->records.size};
    // Only the first partition of a fetch is sure to get a batch larger than asked for (KIP-74): once more, in front.
    if (p->error_code == 0 && p->records.size <= 0 && p->high_watermark > q->value && !q->alone) {
        list_remove(&q->link);
        list_prepend(&l->waiting, &q->link);
        return;
    }
    answer(q, &a);
}

static void take_batches(struct lane *l, const struct fetch_response *r) {
    for (int32_t i = 0; i < r->responses_count; i++) {
        const struct fetch_response_topic *t = &r->responses[i];
        for (int32_t k = 0; k < t->partitions_count; k++) {
            struct leader_query *q = find(&l->asked, &t->topic, &t->topic_id, t->partitions[k].partition_index);
            if (q) take_batch(l, q, &t->partitions[k]);
        }
    }
}

// A consumer's quota is used up: the answer is empty, and there will be one when the time told is over. (The other
// kinds are answered all the same.)
static bool is_put_off(struct lane *l, const void *response) {
    const struct fetch_response *r = response;
    if (l->kind != QUERY_BATCH || r->throttle_time_ms <= 0 || r->responses_count > 0) return false;
    RARE("leader query: throttled");
    struct link *k;
    while ((k = list_last(&l->asked))) {
        list_remove(k);
        list_prepend(&l->waiting, k);
    }
    l->busy = false;
    if (!wait_out_throttle(l)) retry_later(l);
    return true;
}

static void on_response(void *context, const struct error *error, const void *response, struct frame *frame) {
    (void)frame;
    struct lane *l = context;
    if (!error_is(error) && is_put_off(l, response)) return;
    if (error_is(error)) {
        answer_all(&l->asked, error);
    } else {
        if (l->kind == QUERY_OFFSET) take_offsets(l, response);
        else if (l->kind == QUERY_BATCH) take_batches(l, response);
        else take_deleted(l, response);
        struct error why = error_make(ERROR_PROTOCOL, 0, "leader query", "the broker left a partition unanswered");
        answer_all(&l->asked, &why);
    }
    if (error->kind != ERROR_CLOSED) {
        lane_next(l);
        return;
    }
    // Closed by us, because the broker is gone or everything ends: who still waits is told from a timer.
    l->busy = false;
    if (!list_empty(&l->waiting)) retry_later(l);
}

// Requests ----------------------------------------------------------------------------------------------------------

// The questions asked, cut into runs of the same topic: run t is asked[first[t]] .. asked[first[t + 1] - 1].
struct runs {
    struct leader_query **asked;
    size_t *first;
    size_t count, topics;
};

static struct runs runs_new(struct lane *l, size_t count) {
    struct runs r = {.asked = memory_alloc(count * sizeof *r.asked),
                     .first = memory_alloc((count + 1) * sizeof *r.first),
                     .count = count};
    size_t n = 0;
    for (struct link *k = list_first(&l->asked); k; k = list_next(&l->asked, k), n++) {
        r.asked[n] = CONTAINER_OF(k, struct leader_query, link);
        bool same = n > 0 && strcmp(r.asked[n - 1]->partition.topic, r.asked[n]->partition.topic) == 0;
        if (!same) r.first[r.topics++] = n;
    }
    assert(n == count);
    r.first[r.topics] = count;
    return r;
}

static void runs_free(struct runs *r) {
    memory_free(r->asked);
    memory_free(r->first);
}

static const struct topic_partition *run_name(const struct runs *r, size_t t) {
    return &r->asked[r->first[t]]->partition;
}

static int32_t run_size(const struct runs *r, size_t t) {
    return (int32_t)(r->first[t + 1] - r->first[t]);
}

static struct error ask_offsets(const struct runs *r, struct connection *c, struct connection_call *call) {
    struct list_offsets_request request;
    message_defaults(&list_offsets_request_message, &request);
    struct list_offsets_request_topic *topics = memory_alloc_zeroed(r->topics, sizeof *topics);
    struct list_offsets_request_partition *partitions = memory_alloc_zeroed(r->count, sizeof *partitions);
    for (size_t t = 0; t < r->topics; t++)
        topics[t] = (struct list_offsets_request_topic){text_of(run_name(r, t)->topic), &partitions[r->first[t]],
                                                        run_size(r, t)};
    for (size_t n = 0; n < r->count; n++)
        partitions[n] = (struct list_offsets_request_partition){r->asked[n]->partition.index,
                                                                r->asked[n]->leader_epoch, r->asked[n]->value};
    request.replica_id = -1;
    request.topics = topics;
    request.topics_count = (int32_t)r->topics;
    request.timeout_ms = (int32_t)(call->timeout_us / 1000);
    call->api_key = API_LIST_OFFSETS;
    call->request = &request;
    struct error e = connection_call(c, call);
    memory_free(topics);
    memory_free(partitions);
    return e;
}

static struct error ask_deletes(const struct runs *r, struct connection *c, struct connection_call *call) {
    struct delete_records_request request;
    message_defaults(&delete_records_request_message, &request);
    struct delete_records_request_topic *topics = memory_alloc_zeroed(r->topics, sizeof *topics);
    struct delete_records_request_partition *partitions = memory_alloc_zeroed(r->count, sizeof *partitions);
    for (size_t t = 0; t < r->topics; t++)
        topics[t] = (struct delete_records_request_topic){text_of(run_name(r, t)->topic), &partitions[r->first[t]],
                                                          run_size(r, t)};
    for (size_t n = 0; n < r->count; n++)
        partitions[n] = (struct delete_records_request_partition){r->asked[n]->partition.index, r->asked[n]->value};
    request.topics = topics;
    request.topics_count = (int32_t)r->topics;
    request.timeout_ms = (int32_t)(call->timeout_us / 1000);
    call->api_key = API_DELETE_RECORDS;
    call->request = &request;
    struct error e = connection_call(c, call);
    memory_free(topics);
    memory_free(partitions);
    return e;
}

static void batch_wanted(struct fetch_request_partition *p, const struct leader_query *q) {
    message_defaults(&fetch_request_partition_message, p);
    p->partition = q->partition.index;
    p->current_leader_epoch = q->leader_epoch;
    p->fetch_offset = q->value;
    p->partition_max_bytes = q->size_hint;
}

static struct error ask_batches(const struct runs *r, struct connection *c, struct connection_call *call) {
    struct fetch_request request;
    message_defaults(&fetch_request_message, &request);
    struct fetch_request_topic *topics = memory_alloc_zeroed(r->topics, sizeof *topics);
    struct fetch_request_partition *partitions = memory_alloc_zeroed(r->count, sizeof *partitions);
    for (size_t t = 0; t < r->topics; t++) {
        const struct topic_partition *name = run_name(r, t);
        topics[t] = (struct fetch_request_topic){text_of(name->topic), name->topic_id, &partitions[r->first[t]],
                                                 run_size(r, t)};
        if (uuid_is_zero(&name->topic_id)) call->version_max = 12;  // the last one that goes by name
    }
    for (size_t n = 0; n < r->count; n++) {
        r->asked[n]->alone = n == 0;
        batch_wanted(&partitions[n], r->asked[n]);
    }
    request.min_bytes = 1;
    request.max_bytes = QUERY_FETCH_BYTES_MAX;
    request.topics = topics;
    request.topics_count = (int32_t)r->topics;
    call->api_key = API_FETCH;
    call->request = &request;
    struct error e = connection_call(c, call);
    memory_free(topics);
    memory_free(partitions);
    return e;
}

static void lane_send(struct lane *l, struct connection *connection) {
    size_t limit = l->kind == QUERY_BATCH ? QUERY_BATCHES_MAX : QUERY_PARTITIONS_MAX, count = 0;
    for (; count < limit && !list_empty(&l->waiting); count++)
        list_append(&l->asked, list_take_first(&l->waiting));
    if (count == 0) {
        l->busy = false;
        return;
    }
    struct connection_call call = {.version_max = INT16_MAX,
                                   .reply = on_response,
                                   .context = l,
                                   .timeout_us = l->owner->cluster->config.request_timeout_us};
    struct runs r = runs_new(l, count);
    struct error e = l->kind == QUERY_OFFSET  ? ask_offsets(&r, connection, &call)
                     : l->kind == QUERY_BATCH ? ask_batches(&r, connection, &call)
                                              : ask_deletes(&r, connection, &call);
    runs_free(&r);
    if (!error_is(&e)) return;
    l->busy = false;
    answer_all(&l->asked, &e);
    if (!list_empty(&l->waiting)) retry_later(l);  // more of them than one request takes
}

void leader_query_ask(struct leader_queries *qs, int32_t node_id, struct leader_query *q) {
    uint64_t key = (uint64_t)(uint32_t)node_id * QUERY_KINDS + q->kind;
    struct lane *l = map_get_number(&qs->lanes, key);
    if (!l) {
        l = NEW(struct lane);
        l->owner = qs;
        l->node_id = node_id;
        l->kind = q->kind;
        l->task.run = run;
        timer_init(&l->soon, on_soon);
        list_init(&l->waiting);
        list_init(&l->asked);
        map_put_number(&qs->lanes, key, l);
    }
    list_append(&l->waiting, &q->link);
    // From a timer, so that all who ask in this turn share the request.
    if (!l->busy && !timer_is_set(&l->soon)) timer_set(&qs->cluster->env->timers, &l->soon, qs->cluster->env->now_us);
}

void leader_query_cancel(struct leader_query *q) {
    if (link_linked(&q->link)) list_remove(&q->link);
}

void leader_queries_init(struct leader_queries *qs, struct cluster *cluster) {
    qs->cluster = cluster;
    map_init(&qs->lanes);
}

void leader_queries_free(struct leader_queries *qs) {
    struct lane *l;
    size_t i = 0;
    while ((l = map_next(&qs->lanes, &i))) {
        assert(list_empty(&l->waiting) && list_empty(&l->asked));
        timer_cancel(&qs->cluster->env->timers, &l->soon);
        memory_free(l);
    }
    map_free(&qs->lanes);
}
