// A pipeline of Produce requests to one broker.
#include "client/appender.h"

#include "base/limits.h"
#include "base/memory.h"
#include "base/rare.h"
#include "client/append_join.h"
#include "client/cluster.h"
#include "wire/error_codes.h"
#include "wire/messages.h"

#include <assert.h>

#define VERSION_BY_NAME 12  // the last one; topics have ids from the next one on (KIP-516)

// A request without an answer, and the batches in it, in the order of the request.
struct append_request {
    struct link link;
    struct appender *appender;
    struct list appends;
};

// While one append needs a lease the whole connection does: its bytes go in order.
static void count_leased(struct appender *a, int count) {
    a->leased += count;
    a->link.connection.fence_us = a->leased > 0 ? a->lease_us : a->fence_us;
}

static void append_drop(struct appender *a, struct append *x) {
    count_leased(a, -x->leased);
    frame_release(x->hold);
    x->hold = NULL;
    list_prepend(&a->free_appends, &x->link);  // newest first: still in the cache
}

static struct append *append_new(struct appender *a) {
    struct link *k = list_take_first(&a->free_appends);
    return k ? CONTAINER_OF(k, struct append, link) : NEW(struct append);
}

void append_partition_init(struct append_partition *p) {
    list_init(&p->queue);
    p->appender = NULL;
}

void appender_attach(struct appender *a, struct append_partition *p) {
    assert(!p->appender && list_empty(&p->queue));
    p->appender = a;
    list_append(&a->members, &p->member);
}

// More than one batch waits, or one that is not small: nothing is gained by waiting.
static bool need_not_wait(const struct append_partition *p) {
    struct link *first = list_first(&p->queue);
    if (!first) return false;
    const struct append *x = CONTAINER_OF(first, struct append, link);
    return list_next(&p->queue, first) || !x->small;
}

static void count_queued(struct append_partition *p, int64_t bytes) {
    p->queued += bytes;
    p->appender->queued += bytes;
    p->appender->pressing -= p->pressing;
    p->pressing = need_not_wait(p);
    p->appender->pressing += p->pressing;
}

void appender_drop_queued(struct append_partition *p) {
    struct appender *a = p->appender;
    if (!a) return;
    struct link *k;
    for (; (k = list_take_first(&p->queue)); p->unanswered--) append_drop(a, CONTAINER_OF(k, struct append, link));
    count_queued(p, -p->queued);
    if (link_linked(&p->ready)) list_remove(&p->ready);
}

void appender_detach(struct append_partition *p) {
    struct appender *a = p->appender;
    if (!a) return;
    appender_drop_queued(p);
    list_remove(&p->member);
    p->appender = NULL;
    p->attempt++;
    p->unanswered = 0;
}

static void flush_soon(struct appender *a) {
    bool soon = timer_is_set(&a->flush) && a->flush.deadline_us <= a->env->now_us;
    if (!soon) timer_set(&a->env->timers, &a->flush, a->env->now_us);
}

// A response stays for as long as one batch of it waits here, however small.
static void hold(struct append *x, struct frame_pool *frames) {
    if (!frame_pool_is_short(frames) || (size_t)x->size >= x->hold->capacity / 2) {
        frame_hold(x->hold);
        return;
    }
    RARE("append: a batch is copied out of a response that many wait in");
    x->hold = frame_copy(frames, x->at, (size_t)x->size);
    x->at = x->hold->at;
}

void appender_queue(struct append_partition *p, const struct append *what) {
    struct appender *a = p->appender;
    assert(a && what->hold);
    struct append *x = append_new(a);
    *x = *what;
    x->link = (struct link){0};
    x->partition = p;
    x->attempt = p->attempt;
    hold(x, &a->env->frames);
    list_append(&p->queue, &x->link);
    count_queued(p, x->size);
    count_leased(a, x->leased);
    if (!link_linked(&p->ready)) list_append(&a->ready, &p->ready);
    p->unanswered++;
    // From a timer: everything one response brought shares requests.
    if (a->depth < a->depth_max) flush_soon(a);
}

bool appender_join(struct append_partition *p, struct bytes batch, const struct batch_header *header, int32_t size_max,
                   bool leased, int32_t *grown) {
    assert(p->appender);
    struct link *last = list_last(&p->queue);
    if (!last) return false;
    struct append *x = CONTAINER_OF(last, struct append, link);
    *grown = append_join(x, &p->appender->env->frames, batch, header, size_max);
    if (*grown == 0) return false;
    count_queued(p, *grown);
    if (leased && !x->leased) {
        x->leased = true;
        count_leased(p->appender, 1);
    }
    if (p->appender->queued >= PRODUCE_SMALL_MAX && p->appender->depth < p->appender->depth_max)
        flush_soon(p->appender);
    return true;
}

// Request -----------------------------------------------------------------------------------------------------------

// Takes the first batch of each ready partition, as long as they fit. The partitions that have more go to the end.
static size_t gather(struct appender *a, struct append_request *r) {
    size_t count = 0;
    int64_t bytes = 0;
    struct list again;
    list_init(&again);
    struct link *k;
    while (count < REQUEST_PAYLOADS_MAX && (k = list_first(&a->ready))) {
        struct append_partition *p = CONTAINER_OF(k, struct append_partition, ready);
        struct append *x = CONTAINER_OF(list_first(&p->queue), struct append, link);
        if (count > 0 && bytes + x->size > PRODUCE_BYTES_MAX) break;
        list_remove(&x->link);
        count_queued(p, -(int64_t)x->size);
        if (x->joined) join_finish(x->hold->at, (size_t)x->size);
        list_append(&r->appends, &x->link);
        p->under_way++;
        list_remove(&p->ready);
        if (!list_empty(&p->queue)) list_append(&again, &p->ready);
        bytes += x->size;
        count++;
    }
    while ((k = list_take_first(&again))) list_append(&a->ready, k);
    return count;
}

static bool is_orphan(const struct appender *a, const struct append *x) {
    return x->partition->appender != a || x->partition->attempt != x->attempt;
}

bool appender_has_orphans(const struct appender *a) {
    for (struct link *k = list_first(&a->requests); k; k = list_next(&a->requests, k)) {
        const struct append_request *r = CONTAINER_OF(k, struct append_request, link);
        for (struct link *i = list_first(&r->appends); i; i = list_next(&r->appends, i))
            if (is_orphan(a, CONTAINER_OF(i, struct append, link))) return true;
    }
    return false;
}

// Batches still in it are dropped: their partitions are told by on_detached, and what became of them only the log
// knows.
static void request_free(struct append_request *r) {
    struct link *k;
    while ((k = list_take_first(&r->appends))) {
        struct append *x = CONTAINER_OF(k, struct append, link);
        struct append_partition *p = x->partition;
        bool orphan = is_orphan(r->appender, x);
        append_drop(r->appender, x);
        p->under_way--;
        int64_t until_us = r->appender->throttled_until_us;
        if (until_us > p->unread_until_us) p->unread_until_us = until_us;
        if (orphan) p->on_orphan_gone(p, true);
    }
    list_remove(&r->link);
    if (--r->appender->depth == 0) r->appender->silent = false;  // nothing is awaited any more
    list_prepend(&r->appender->free_requests, &r->link);
}

static struct append_request *request_new(struct appender *a) {
    struct link *k = list_take_first(&a->free_requests);
    struct append_request *r = k ? CONTAINER_OF(k, struct append_request, link) : NEW(struct append_request);
    r->appender = a;
    list_init(&r->appends);
    list_append(&a->requests, &r->link);
    if (a->depth++ == 0) a->heard_at_us = a->env->now_us;
    if (!timer_is_set(&a->silence)) timer_set(&a->env->timers, &a->silence, a->env->now_us + ANSWER_ALONE_US);
    return r;
}

static void on_response(void *context, const struct error *error, const void *response, struct frame *frame);

static struct error send_produce(struct appender *a, struct append_request *r, size_t count) {
    struct produce_request request;
    message_defaults(&produce_request_message, &request);
    struct produce_request_topic *topics = memory_check(arena_alloc(&a->scratch, count * sizeof *topics));
    struct produce_request_partition *partitions = memory_check(arena_alloc(&a->scratch, count * sizeof *partitions));
    struct frame **holds = memory_check(arena_alloc(&a->scratch, count * sizeof *holds));
    request.acks = a->acks;
    request.timeout_ms = (int32_t)(a->link.cluster->config.request_timeout_us / 1000);
    request.topic_data = topics;
    bool names_only = false;
    const char *topic = NULL;
    size_t n = 0;
    for (struct link *k = list_first(&r->appends); k; k = list_next(&r->appends, k), n++) {
        struct append *x = CONTAINER_OF(k, struct append, link);
        const struct topic_partition *name = &x->partition->name;
        if (uuid_is_zero(&name->topic_id)) names_only = true;
        if (!topic || strcmp(topic, name->topic) != 0)
            topics[request.topic_data_count++] =
                (struct produce_request_topic){text_of(name->topic), name->topic_id, &partitions[n], 0};
        topic = name->topic;
        partitions[n] = (struct produce_request_partition){name->index, {x->at, x->size}};
        topics[request.topic_data_count - 1].partition_data_count++;
        holds[n] = x->hold;
    }
    struct connection_call call = {.api_key = API_PRODUCE,
                                   .version_max = names_only ? VERSION_BY_NAME : INT16_MAX,
                                   .request = &request,
                                   .reply = on_response,
                                   .context = r,
                                   .timeout_us = a->link.cluster->config.request_timeout_us,
                                   .answer_size_min = a->answer_size_min + count * a->answer_partition_size_min,
                                   .holds = holds,
                                   .holds_count = count};
    struct error e = connection_call(&a->link.connection, &call);
    arena_reset(&a->scratch);
    return e;
}

// A small request would only keep the broker from answering those before it. One more may go: what came in one burst is
// often told in two answers.
static bool better_wait(const struct appender *a) {
    return a->depth >= PRODUCE_SMALL_DEPTH && a->pressing == 0 && a->queued < PRODUCE_SMALL_MAX &&
           a->env->now_us < a->sent_at_us + PRODUCE_SMALL_PACE_US;
}

// Behind a throttle requests would only lie unread: with our connection gone one of them would be executed when it is
// over. So they wait here, and go one at a time first.
static void obey_throttle(struct appender *a, int32_t throttle_ms) {
    if (throttle_ms <= 0) {
        a->depth_now = 2 * a->depth_now < a->depth_max ? 2 * a->depth_now : a->depth_max;
        return;
    }
    RARE("append: throttled");
    int64_t us = throttle_ms * 1000LL;
    a->throttled_until_us = a->env->now_us + (us < THROTTLE_US_MAX ? us : THROTTLE_US_MAX);
    a->depth_now = 1;
}

// What waits for long leaves room for others, as behind a broker that answers nothing.
static void wait_out_throttle(struct appender *a) {
    timer_set(&a->env->timers, &a->flush, a->throttled_until_us);
    if (a->silent || a->throttled_until_us - a->env->now_us < APPENDER_SILENT_US) return;
    a->silent = true;
    a->on_silent(a);
}

static void flush(struct appender *a) {
    while (broker_link_ready(&a->link) && a->depth < a->depth_now && !list_empty(&a->ready)) {
        if (a->env->now_us < a->throttled_until_us) {
            wait_out_throttle(a);
            return;
        }
        if (better_wait(a)) {
            timer_set(&a->env->timers, &a->flush, a->sent_at_us + PRODUCE_SMALL_PACE_US);
            return;
        }
        a->sent_at_us = a->env->now_us;
        struct append_request *r = request_new(a);
        size_t count = gather(a, r);
        struct error e = send_produce(a, r, count);
        // The connection holds the payloads from here on; ours are not sent twice.
        for (struct link *k = list_first(&r->appends); k; k = list_next(&r->appends, k)) {
            struct append *x = CONTAINER_OF(k, struct append, link);
            frame_release(x->hold);
            x->hold = NULL;
        }
        if (error_is(&e)) {
            request_free(r);
            broker_link_reset(&a->link, &e);
            return;
        }
    }
}

static void on_flush(struct timer *t, int64_t now_us) {
    struct appender *a = CONTAINER_OF(t, struct appender, flush);
    flush(a);
    // What waited for the end of a throttle may be gone, and no answer will say that the broker is not silent.
    if (!a->silent || a->depth > 0 || now_us < a->throttled_until_us) return;
    a->silent = false;
    a->on_silent(a);
}

static void on_silence(struct timer *t, int64_t now_us) {
    struct appender *a = CONTAINER_OF(t, struct appender, silence);
    if (a->depth == 0) return;
    int64_t alone_us = a->heard_at_us + ANSWER_ALONE_US, due_us = a->heard_at_us + APPENDER_SILENT_US;
    bool due = now_us >= due_us, news = due && !a->silent;
    // It goes on while something is under way: after one answer the broker may fall silent again.
    timer_set(&a->env->timers, t, now_us < alone_us ? alone_us : due ? now_us + APPENDER_SILENT_US : due_us);
    // An answer may be there that waits for others (connection.c).
    if (now_us >= alone_us) a->env->transport->wake(a->env->driver, &a->link.connection);
    a->silent |= due;
    if (news) a->on_silent(a);
}

// Response ----------------------------------------------------------------------------------------------------------

static struct append *take_append(struct append_request *r, const struct produce_response_topic *t, int32_t index) {
    for (struct link *k = list_first(&r->appends); k; k = list_next(&r->appends, k)) {
        struct append *x = CONTAINER_OF(k, struct append, link);
        if (!topic_partition_is(&x->partition->name, &t->name, &t->topic_id, index)) continue;
        list_remove(&x->link);
        return x;
    }
    return NULL;
}

static void answer(struct appender *a, struct append *x, int16_t error_code, int64_t base_offset) {
    struct append_partition *p = x->partition;
    p->under_way--;
    if (is_orphan(a, x)) {
        p->on_orphan_gone(p, false);
    } else {
        assert(p->unanswered > 0);
        p->unanswered--;
        p->on_answer(p, x, error_code, base_offset);
    }
    append_drop(a, x);
}

// A repeat is answered with the batch's own time (UnifiedLog.append), and -1 with its sign flipped is no time.
static bool is_stamped(const struct produce_response_partition *q, const struct append *x) {
    int64_t ms = q->log_append_time_ms;
    return ms >= 0 && ms != INT64_MAX && ms != x->max_timestamp && q->base_offset == x->base_offset;
}

static void on_response(void *context, const struct error *error, const void *response, struct frame *frame) {
    (void)frame;
    struct append_request *r = context;
    struct appender *a = r->appender;
    if (error_is(error)) {
        request_free(r);
        return;
    }
    bool was_silent = a->silent;
    a->heard_at_us = a->env->now_us;
    a->silent = false;
    const struct produce_response *p = response;
    obey_throttle(a, p->throttle_time_ms);
    for (int32_t i = 0; i < p->responses_count; i++) {
        for (int32_t k = 0; k < p->responses[i].partition_responses_count; k++) {
            const struct produce_response_partition *q = &p->responses[i].partition_responses[k];
            struct append *x = take_append(r, &p->responses[i], q->index);
            if (!x) continue;
            x->stamped = is_stamped(q, x);
            answer(a, x, q->error_code, q->base_offset);
        }
    }
    struct link *k;
    while ((k = list_take_first(&r->appends)))  // left out of the answer
        answer(a, CONTAINER_OF(k, struct append, link), KAFKA_UNKNOWN_SERVER_ERROR, -1);
    request_free(r);
    if (was_silent) a->on_silent(a);
    flush(a);
}

// Learns from the codec how many bytes an answer has at least: with names, which may be short, instead of ids.
static void measure_answers(struct appender *a) {
    int16_t version = connection_version(&a->link.connection, api_find(API_PRODUCE), VERSION_BY_NAME);
    a->answer_size_min = a->answer_partition_size_min = 0;
    if (version < 0) return;
    struct produce_response response;
    struct produce_response_topic topic;
    struct produce_response_partition partitions[2];
    message_defaults(&produce_response_message, &response);
    message_defaults(&produce_response_topic_message, &topic);
    for (int i = 0; i < 2; i++) message_defaults(&produce_response_partition_message, &partitions[i]);
    response.responses = &topic;
    response.responses_count = 1;
    topic.partition_responses = partitions;
    size_t sizes[2] = {0};
    for (int i = 0; i < 2; i++) {
        topic.partition_responses_count = i + 1;
        struct error e = message_size(&produce_response_message, version, &response, &sizes[i]);
        assert(!error_is(&e));
        (void)e;
    }
    a->answer_partition_size_min = sizes[1] - sizes[0];
    a->answer_size_min = sizeof(int32_t) + sizes[0] - a->answer_partition_size_min;  // behind the correlation id
}

static void on_link_ready(struct broker_link *l) {
    struct appender *a = CONTAINER_OF(l, struct appender, link);
    measure_answers(a);
    a->on_ready(a);
}

static void on_link_lost(struct broker_link *l, const struct error *why) {
    struct appender *a = CONTAINER_OF(l, struct appender, link);
    struct error kept = *why;
    struct link *k;
    a->silent = false;
    while ((k = list_first(&a->members))) {
        struct append_partition *p = CONTAINER_OF(k, struct append_partition, member);
        appender_detach(p);
        a->on_detached(p, &kept);
    }
}

void appender_init(struct appender *a, struct cluster *cluster, int32_t node_id, int16_t acks, int32_t depth_max) {
    *a = (struct appender){.env = cluster->env, .acks = acks, .depth_max = depth_max, .depth_now = depth_max};
    broker_link_init(&a->link, cluster, node_id);
    a->link.on_ready = on_link_ready;
    a->link.on_lost = on_link_lost;
    list_init(&a->ready);
    list_init(&a->members);
    list_init(&a->requests);
    list_init(&a->free_appends);
    list_init(&a->free_requests);
    arena_init(&a->scratch, PRODUCE_REQUEST_SCRATCH_MAX);
    timer_init(&a->flush, on_flush);
    timer_init(&a->silence, on_silence);
}

void appender_stop(struct appender *a, bool abort) {
    timer_cancel(&a->env->timers, &a->flush);
    timer_cancel(&a->env->timers, &a->silence);
    broker_link_stop(&a->link, abort);
}

void appender_free(struct appender *a) {
    appender_stop(a, true);
    assert(list_empty(&a->members) && list_empty(&a->requests));
    struct link *k;
    while ((k = list_take_first(&a->free_appends))) memory_free(CONTAINER_OF(k, struct append, link));
    while ((k = list_take_first(&a->free_requests))) memory_free(CONTAINER_OF(k, struct append_request, link));
    arena_free(&a->scratch);
    broker_link_free(&a->link);
}
