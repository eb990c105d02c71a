// State, log end, state: three requests in a row on the connection that appends.
#include "mirror/position.h"

#include "base/limits.h"
#include "base/memory.h"
#include "client/cluster.h"
#include "mirror/provenance.h"
#include "wire/error_codes.h"
#include "wire/messages.h"

#include <assert.h>

static void answer(struct position_query *q, const struct position *position, const struct error *error) {
    list_remove(&q->link);
    q->answer(q, position, error);
}

static void answer_all(struct list *queries, const struct error *why) {
    struct link *k;
    struct list taken;
    list_init(&taken);
    while ((k = list_take_first(queries))) list_append(&taken, k);
    while ((k = list_first(&taken))) answer(CONTAINER_OF(k, struct position_query, link), NULL, why);
}

static struct position_query *find(struct list *asked, const struct wire_text *name, int32_t index) {
    for (struct link *k = list_first(asked); k; k = list_next(asked, k)) {
        struct position_query *q = CONTAINER_OF(k, struct position_query, link);
        if (q->name->index == index && text_equal(name, q->name->topic)) return q;
    }
    return NULL;
}

static struct error refused(const struct positions *ps, const struct position_query *q, int16_t code,
                            const char *where) {
    return error_make(ERROR_KAFKA, code, where, "%s for %.100s at %s", kafka_error_name(code), q->name->topic,
                      ps->appender->link.cluster->config.alias);
}

static struct error moved(const char *what) {
    return error_make(ERROR_PROTOCOL, 0, "position", "moved: %s", what);
}

// The newest rotation of our id among the partition's producers.
static struct position state_of(const struct describe_producers_response_partition *p, int64_t producer_id) {
    struct position s = {0};
    for (int32_t i = 0; i < p->active_producers_count; i++) {
        const struct describe_producers_response_producer *d = &p->active_producers[i];
        if (!provenance_same_flow(d->producer_id, producer_id)) continue;
        if (s.known && d->producer_id < s.producer_id) continue;
        s = (struct position){.known = true,
                              .producer_id = d->producer_id,
                              .last_sequence = d->last_sequence,
                              .producer_epoch = (int16_t)d->producer_epoch,
                              .coordinator_epoch = d->coordinator_epoch,
                              .last_timestamp = d->last_timestamp};
    }
    return s;
}

static bool same_state(const struct position *a, const struct position *b) {
    if (!a->known || !b->known) return a->known == b->known;
    return a->producer_id == b->producer_id && a->last_sequence == b->last_sequence &&
           a->producer_epoch == b->producer_epoch && a->coordinator_epoch == b->coordinator_epoch &&
           a->last_timestamp == b->last_timestamp;
}

static void take_state(struct positions *ps, struct position_query *q,
                       const struct describe_producers_response_partition *p) {
    struct position now = state_of(p, q->producer_id);
    if (ps->replies == 0) {
        q->first = now;
        q->first_taken = true;
        return;
    }
    struct error e = error_none();
    if (!q->first_taken || !q->end_taken) e = moved("a question was left unanswered");
    else if (!same_state(&q->first, &now)) e = moved("somebody appended meanwhile");
    now.log_end = q->first.log_end;
    answer(q, error_is(&e) ? NULL : &now, &e);
}

static void take_states(struct positions *ps, const struct describe_producers_response *r) {
    for (int32_t i = 0; i < r->topics_count; i++) {
        for (int32_t k = 0; k < r->topics[i].partitions_count; k++) {
            const struct describe_producers_response_partition *p = &r->topics[i].partitions[k];
            struct position_query *q = find(&ps->asked, &r->topics[i].name, p->partition_index);
            if (!q) continue;
            struct error e = refused(ps, q, p->error_code, "DescribeProducers");
            if (p->error_code != 0) answer(q, NULL, &e);
            else take_state(ps, q, p);
        }
    }
}

static void take_ends(struct positions *ps, const struct offset_for_leader_epoch_response *r) {
    for (int32_t i = 0; i < r->topics_count; i++) {
        for (int32_t k = 0; k < r->topics[i].partitions_count; k++) {
            const struct offset_for_leader_epoch_response_partition *p = &r->topics[i].partitions[k];
            struct position_query *q = find(&ps->asked, &r->topics[i].topic, p->partition);
            if (!q) continue;
            struct error e = error_none();
            if (p->error_code != 0) e = refused(ps, q, p->error_code, "OffsetForLeaderEpoch");
            else if (p->leader_epoch != q->leader_epoch || p->end_offset < 0) e = moved("another leader epoch");
            if (error_is(&e)) {
                answer(q, NULL, &e);
                continue;
            }
            q->first.log_end = p->end_offset;
            q->end_taken = true;
        }
    }
}

static void next_round(struct positions *ps);

static void on_reply(struct positions *ps, const struct error *error) {
    ps->replies++;
    if (error_is(error)) answer_all(&ps->asked, error);
    if (ps->replies < ps->sent) return;
    struct error why = moved("a question was left unanswered");
    answer_all(&ps->asked, &why);
    ps->running = false;
    if (error_is(error)) answer_all(&ps->waiting, error);
    else next_round(ps);
}

static void on_states(void *context, const struct error *error, const void *response, struct frame *frame) {
    (void)frame;
    struct positions *ps = context;
    if (!error_is(error)) take_states(ps, response);
    on_reply(ps, error);
}

static void on_ends(void *context, const struct error *error, const void *response, struct frame *frame) {
    (void)frame;
    struct positions *ps = context;
    if (!error_is(error)) take_ends(ps, response);
    on_reply(ps, error);
}

// Requests ----------------------------------------------------------------------------------------------------------

static struct error ask_states(struct positions *ps, size_t count) {
    struct describe_producers_request request;
    message_defaults(&describe_producers_request_message, &request);
    struct describe_producers_request_topic *topics = memory_alloc_zeroed(count, sizeof *topics);
    int32_t *indexes = memory_alloc_zeroed(count, sizeof *indexes);
    request.topics = topics;
    const char *topic = NULL;
    size_t n = 0;
    for (struct link *k = list_first(&ps->asked); k; k = list_next(&ps->asked, k), n++) {
        const struct topic_partition *name = CONTAINER_OF(k, struct position_query, link)->name;
        if (!topic || strcmp(topic, name->topic) != 0)
            topics[request.topics_count++] = (struct describe_producers_request_topic){text_of(name->topic),
                                                                                       &indexes[n], 0};
        topic = name->topic;
        indexes[n] = name->index;
        topics[request.topics_count - 1].partition_indexes_count++;
    }
    struct connection_call call = {.api_key = API_DESCRIBE_PRODUCERS,
                                   .version_max = INT16_MAX,
                                   .request = &request,
                                   .reply = on_states,
                                   .context = ps,
                                   .timeout_us = ps->appender->link.cluster->config.request_timeout_us};
    struct error e = connection_call(&ps->appender->link.connection, &call);
    memory_free(topics);
    memory_free(indexes);
    return e;
}

static struct error ask_ends(struct positions *ps, size_t count) {
    struct offset_for_leader_epoch_request request;
    message_defaults(&offset_for_leader_epoch_request_message, &request);
    struct offset_for_leader_epoch_request_topic *topics = memory_alloc_zeroed(count, sizeof *topics);
    struct offset_for_leader_epoch_request_partition *partitions = memory_alloc_zeroed(count, sizeof *partitions);
    request.replica_id = -1;
    request.topics = topics;
    const char *topic = NULL;
    size_t n = 0;
    for (struct link *k = list_first(&ps->asked); k; k = list_next(&ps->asked, k), n++) {
        struct position_query *q = CONTAINER_OF(k, struct position_query, link);
        if (!topic || strcmp(topic, q->name->topic) != 0)
            topics[request.topics_count++] = (struct offset_for_leader_epoch_request_topic){text_of(q->name->topic),
                                                                                            &partitions[n], 0};
        topic = q->name->topic;
        partitions[n] =
            (struct offset_for_leader_epoch_request_partition){q->name->index, q->leader_epoch, q->leader_epoch};
        topics[request.topics_count - 1].partitions_count++;
    }
    struct connection_call call = {.api_key = API_OFFSET_FOR_LEADER_EPOCH,
                                   .version_max = INT16_MAX,
                                   .request = &request,
                                   .reply = on_ends,
                                   .context = ps,
                                   .timeout_us = ps->appender->link.cluster->config.request_timeout_us};
    struct error e = connection_call(&ps->appender->link.connection, &call);
    memory_free(topics);
    memory_free(partitions);
    return e;
}

static void next_round(struct positions *ps) {
    size_t count = 0;
    for (; count < POSITION_PARTITIONS_MAX && !list_empty(&ps->waiting); count++) {
        struct link *k = list_take_first(&ps->waiting);
        struct position_query *q = CONTAINER_OF(k, struct position_query, link);
        q->first_taken = q->end_taken = false;
        list_append(&ps->asked, k);
    }
    if (count == 0) return;
    ps->running = true;
    ps->replies = ps->sent = 0;
    struct error e = ask_states(ps, count);
    if (!error_is(&e)) ps->sent++, e = ask_ends(ps, count);
    if (!error_is(&e)) ps->sent++, e = ask_states(ps, count);
    if (!error_is(&e)) {
        ps->sent++;
        return;
    }
    // A part of a round is worth nothing: begin anew on a new connection, which also ends what was asked.
    if (ps->sent == 0) {
        ps->running = false;
        answer_all(&ps->asked, &e);
    }
    broker_link_reset(&ps->appender->link, &e);
}

static void on_soon(struct timer *t, int64_t now_us) {
    (void)now_us;
    struct positions *ps = CONTAINER_OF(t, struct positions, soon);
    if (ps->running) return;
    if (broker_link_ready(&ps->appender->link)) {
        next_round(ps);
        return;
    }
    struct error why = error_make(ERROR_TRANSPORT, 0, "position", "connection lost");
    answer_all(&ps->waiting, &why);
}

void positions_init(struct positions *ps, struct appender *appender) {
    *ps = (struct positions){.appender = appender};
    list_init(&ps->waiting);
    list_init(&ps->asked);
    timer_init(&ps->soon, on_soon);
}

void positions_free(struct positions *ps) {
    timer_cancel(&ps->appender->env->timers, &ps->soon);
    assert(list_empty(&ps->waiting) && list_empty(&ps->asked));
}

void position_ask(struct positions *ps, struct position_query *q) {
    list_append(&ps->waiting, &q->link);
    // From a timer: those who ask in the same turn share a round.
    if (!ps->running && !timer_is_set(&ps->soon))
        timer_set(&ps->appender->env->timers, &ps->soon, ps->appender->env->now_us);
}

void position_cancel(struct position_query *q) {
    if (link_linked(&q->link)) list_remove(&q->link);
}
