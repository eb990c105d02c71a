// A fetch session with one source broker: requests that say what changed, and responses handed over partition by
// partition.
#include "client/fetch_session.h"

#include "base/limits.h"
#include "base/memory.h"
#include "base/rare.h"
#include "client/cluster.h"
#include "wire/batch.h"
#include "wire/error_codes.h"
#include "wire/messages.h"

#include <assert.h>

// A removed partition the broker must still be told to forget.
struct forgotten {
    struct link link;
    char *topic;
    struct wire_uuid topic_id;
    int32_t index;
};

static void fetch_at(struct fetch_session *s, int64_t at_us) {
    bool sooner = !timer_is_set(&s->next) || s->next.deadline_us > at_us;
    if (!s->fetching && sooner) timer_set(&s->env->timers, &s->next, at_us);
}

static void fetch_soon(struct fetch_session *s) {
    fetch_at(s, s->env->now_us);
}

static void forgotten_free(struct forgotten *f) {
    memory_free(f->topic);
    memory_free(f);
}

// The next request opens a new session: everything is sent, nothing need be forgotten.
static void start_over(struct fetch_session *s) {
    s->session_id = 0;
    s->session_epoch = 0;
    struct link *k;
    while ((k = list_take_first(&s->forgotten))) forgotten_free(CONTAINER_OF(k, struct forgotten, link));
    for (k = list_first(&s->partitions); k; k = list_next(&s->partitions, k)) {
        struct fetch_partition *p = CONTAINER_OF(k, struct fetch_partition, link);
        p->known = false;
        if (link_linked(&p->changed)) list_remove(&p->changed);
        list_append(&s->changed, &p->changed);  // in turn: who came back lately behind those that waited
    }
}

// True: the broker still has it. It forgets after it adds (FetchSession.update()): what is in both lists of a request
// would be gone.
static bool remember(struct fetch_session *s, const struct topic_partition *name) {
    for (struct link *k = list_first(&s->forgotten); k; k = list_next(&s->forgotten, k)) {
        struct forgotten *f = CONTAINER_OF(k, struct forgotten, link);
        if (f->index != name->index || !uuid_equal(&f->topic_id, &name->topic_id) || strcmp(f->topic, name->topic) != 0)
            continue;
        list_remove(k);
        forgotten_free(f);
        return true;
    }
    return false;
}

void fetch_session_add(struct fetch_session *s, struct fetch_partition *p) {
    assert(!p->session);
    p->session = s;
    p->known = remember(s, &p->name);
    p->unasked = true;
    s->unasked++;
    list_append(&s->partitions, &p->link);
    list_append(&s->changed, &p->changed);
    s->partitions_count++;
    fetch_soon(s);
}

void fetch_session_remove(struct fetch_partition *p) {
    struct fetch_session *s = p->session;
    if (!s) return;
    p->session = NULL;
    list_remove(&p->link);
    if (link_linked(&p->changed)) list_remove(&p->changed);
    s->partitions_count--;
    s->unasked -= p->unasked;
    s->left_at_us = s->env->now_us;
    if (!p->known) return;
    struct forgotten *f = NEW(struct forgotten);
    f->topic = memory_copy_string(p->name.topic);
    f->topic_id = p->name.topic_id;
    f->index = p->name.index;
    list_append(&s->forgotten, &f->link);
}

// Request -----------------------------------------------------------------------------------------------------------

static int64_t usual_size(int64_t bytes_max) {
    return bytes_max + (bytes_max / 16 > 4 * KiB ? bytes_max / 16 : 4 * KiB);
}

// How many partitions may share the next response: of those never asked for nobody knows that they have nothing. A
// share stays a partition's until another one is sent, so a few that begin must not take what all of them could use.
static int32_t sharing(const struct fetch_session *s) {
    int32_t n = s->active > s->unasked ? s->active : s->unasked;
    return n > 0 ? n : 1;
}

int64_t fetch_session_batch_of_each(const struct fetch_session *s) {
    return (int64_t)sharing(s) * s->batch_bytes;
}

// Each fetch costs the broker a look at every partition of the session (FetchContext), whatever it brings: the more
// there are, the more one fetch should bring.
static int64_t bytes_worth_asking(const struct fetch_session *s) {
    if (sharing(s) <= FETCH_PARTITIONS_FEW) return s->bytes_max;
    int64_t most = FETCH_BYTES_MANY_MAX;
    int64_t worth = s->bytes_max + (int64_t)s->partitions_count * FETCH_BYTES_EACH;
    while (most > s->bytes_max && usual_size(most) > s->budget->limit / 6) most /= 2;
    if (worth > most) worth = most;
    return worth > s->bytes_max ? worth : s->bytes_max;
}

// A fair share of the response, so that one request's answer serves many partitions: the produce requests made of it
// then carry many partitions each. But at least a batch: of a smaller share only the response's first one is of use,
// which the broker gives whole (KIP-74).
static int32_t bytes_max_of(const struct fetch_session *s, const struct fetch_partition *p) {
    int32_t share = s->shared / sharing(s), batch = p->batch_bytes < s->shared ? p->batch_bytes : s->shared;
    if (share < s->share_min) share = s->share_min;
    bool size_known = p->batch_bytes > 0;
    if (p->first_only && (size_known || sharing(s) > FETCH_PARTITIONS_FEW)) share = FETCH_FIRST_BATCH_BYTES;
    return share > batch ? share : batch;
}

struct request_parts {
    struct fetch_request request;
    struct fetch_request_topic *topics;
    struct fetch_request_partition *partitions;
    struct fetch_request_forgotten_topic *forgotten;
    int32_t *forgotten_indexes;
    bool names_only;
};

static void *scratch_alloc(struct fetch_session *s, size_t size) {
    return memory_check(arena_alloc(&s->scratch, size));
}

static size_t count_links(const struct list *l) {
    size_t n = 0;
    for (const struct link *k = list_first(l); k; k = list_next(l, k)) n++;
    return n;
}

static void add_changed(struct fetch_session *s, struct request_parts *r) {
    size_t count = count_links(&s->changed), n = 0;
    r->topics = scratch_alloc(s, count * sizeof *r->topics);
    r->partitions = scratch_alloc(s, count * sizeof *r->partitions);
    r->request.topics = r->topics;
    const char *topic = NULL;
    for (struct link *k = list_first(&s->changed); k; k = list_next(&s->changed, k), n++) {
        struct fetch_partition *p = CONTAINER_OF(k, struct fetch_partition, changed);
        if (uuid_is_zero(&p->name.topic_id)) r->names_only = true;
        if (!topic || strcmp(topic, p->name.topic) != 0)
            r->topics[r->request.topics_count++] =
                (struct fetch_request_topic){text_of(p->name.topic), p->name.topic_id, &r->partitions[n], 0};
        topic = p->name.topic;
        struct fetch_request_partition *q = &r->partitions[n];
        message_defaults(&fetch_request_partition_message, q);
        q->partition = p->name.index;
        q->current_leader_epoch = p->leader_epoch;
        q->fetch_offset = p->fetch_offset;
        q->last_fetched_epoch = p->last_fetched_epoch;
        q->partition_max_bytes = bytes_max_of(s, p);
        r->topics[r->request.topics_count - 1].partitions_count++;
    }
}

static void add_forgotten(struct fetch_session *s, struct request_parts *r) {
    size_t count = count_links(&s->forgotten), n = 0;
    r->forgotten = scratch_alloc(s, count * sizeof *r->forgotten);
    r->forgotten_indexes = scratch_alloc(s, count * sizeof *r->forgotten_indexes);
    r->request.forgotten_topics_data = r->forgotten;
    for (struct link *k = list_first(&s->forgotten); k; k = list_next(&s->forgotten, k), n++) {
        struct forgotten *f = CONTAINER_OF(k, struct forgotten, link);
        if (uuid_is_zero(&f->topic_id)) r->names_only = true;
        r->forgotten_indexes[n] = f->index;
        r->forgotten[r->request.forgotten_topics_data_count++] =
            (struct fetch_request_forgotten_topic){text_of(f->topic), f->topic_id, &r->forgotten_indexes[n], 1};
    }
}

static void mark_sent(struct fetch_session *s) {
    struct link *k;
    while ((k = list_take_first(&s->changed))) {
        struct fetch_partition *p = CONTAINER_OF(k, struct fetch_partition, changed);
        p->known = true;
        p->unasked = false;
    }
    s->unasked = 0;  // they were in `changed`
    while ((k = list_take_first(&s->forgotten))) forgotten_free(CONTAINER_OF(k, struct forgotten, link));
}

// Who left because too much was under way comes back within milliseconds, and should not wait for the long poll of the
// idle ones.
static int32_t wait_ms(const struct fetch_session *s) {
    bool left_lately = s->left_at_us > 0 && s->env->now_us - s->left_at_us < s->wait_ms_max * 1000LL;
    return left_lately && s->wait_ms_max > FETCH_SHORT_WAIT_MS ? FETCH_SHORT_WAIT_MS : s->wait_ms_max;
}

static void on_response(void *context, const struct error *error, const void *response, struct frame *frame);

static struct error send_fetch(struct fetch_session *s) {
    struct request_parts r = {0};
    message_defaults(&fetch_request_message, &r.request);
    r.request.max_wait_ms = wait_ms(s);
    s->waits_until_us = s->env->now_us + r.request.max_wait_ms * 1000LL;
    r.request.min_bytes = 1;
    r.request.max_bytes = s->asked;
    r.request.isolation_level = 1;  // read_committed: undecided data never crosses
    r.request.session_id = s->session_id;
    r.request.session_epoch = s->session_epoch;
    add_changed(s, &r);
    add_forgotten(s, &r);
    struct connection_call call = {.api_key = API_FETCH,
                                   .version_max = r.names_only ? 12 : INT16_MAX,
                                   .request = &r.request,
                                   .reply = on_response,
                                   .context = s,
                                   .timeout_us = s->link.cluster->config.request_timeout_us + s->wait_ms_max * 1000};
    struct error e = connection_call(&s->link.connection, &call);
    arena_reset(&s->scratch);
    return e;
}

// Room for a response to that many bytes; false when there is none, and the session waits for it.
static bool reserve(struct fetch_session *s, int64_t bytes) {
    int64_t room = s->room / FETCH_ROOM_FETCHES > bytes ? s->room : FETCH_ROOM_FETCHES * bytes;
    if (!budget_take(s->budget, usual_size(bytes), room, &s->waiter)) return false;
    budget_withdraw(&s->waiter);
    s->asked = (int32_t)bytes;
    s->reserved = usual_size(bytes);
    // What is larger than was reserved asks for room; what is usual comes into buffers of one size.
    connection_set_receive_hint(&s->link.connection, (size_t)usual_size(bytes < s->bytes_max ? bytes : s->bytes_max));
    return true;
}

// Whether another one like it would not find room.
static bool crowds_out(const struct fetch_session *s, int64_t worth) {
    return 2 * usual_size(worth) > budget_rest(s->budget);
}

// What is asked for has its room for as long as the broker waits for records, and others could use it. So where the
// last response was not half full, it is twice as much as came then. (Over a long line what comes next would begin
// slowly then, so there only where room is scarce.)
static bool reserve_expected(struct fetch_session *s, int64_t worth) {
    bool little = s->unasked == 0 && s->asked > 0 && s->received < s->asked / 2;
    bool quiet = little && (s->room < INT64_MAX || crowds_out(s, worth));
    int64_t expected = 2 * (int64_t)s->received > FETCH_BYTES_MIN ? 2 * (int64_t)s->received : FETCH_BYTES_MIN;
    s->shared = (int32_t)worth;
    return reserve(s, quiet && expected < worth ? expected : worth);
}

// Others who ask for little, again and again, may never leave room for more: then it is what there is room for.
static bool reserve_any(struct fetch_session *s) {
    if (reserve_expected(s, bytes_worth_asking(s)) || reserve_expected(s, s->bytes_max)) {
        s->no_room_since_us = 0;
        return true;
    }
    int64_t now_us = s->env->now_us;
    if (s->no_room_since_us == 0) s->no_room_since_us = now_us;
    if (now_us - s->no_room_since_us < FETCH_NO_ROOM_US) return false;
    for (int64_t bytes = s->bytes_max / 2; bytes >= FETCH_BYTES_MIN; bytes /= 2)
        if (reserve_expected(s, bytes)) return true;
    return false;
}

static void fetch_now(struct fetch_session *s) {
    if (s->fetching || !broker_link_ready(&s->link) || s->partitions_count == 0) return;
    // A fetch behind a throttle would only lie unread, and keep the room of others.
    if (connection_is_muted(&s->link.connection)) {
        fetch_at(s, s->link.connection.muted_until_us);
        return;
    }
    if (s->on_turn) s->on_turn(s);
    if (s->partitions_count == 0) return;
    if (!reserve_any(s)) {
        // Perhaps nobody gives anything back until then.
        int64_t less_us = s->no_room_since_us + FETCH_NO_ROOM_US;
        if (less_us > s->env->now_us) fetch_at(s, less_us);
        return;
    }
    struct error e = send_fetch(s);
    if (error_is(&e)) {
        budget_release(s->budget, s->reserved);
        s->reserved = 0;
        broker_link_reset(&s->link, &e);
        return;
    }
    s->fetching = true;
    s->heard_bytes = s->link.connection.bytes_in;
    timer_set(&s->env->timers, &s->next, s->waits_until_us + FETCH_SILENT_US);
    mark_sent(s);
}

static void leave_oversized_place(struct fetch_session *s) {
    if (s->in_oversized_place) budget_oversized_done(s->budget);
    s->in_oversized_place = false;
}

// What a broker was asked for that answers nothing, or no more, must not keep the room of others.
static void look_for_silence(struct fetch_session *s, int64_t now_us) {
    const struct connection *c = &s->link.connection;
    timer_set(&s->env->timers, &s->next, now_us + FETCH_SILENT_US);
    bool heard = c->paused || c->bytes_in != s->heard_bytes;
    s->heard_bytes = c->bytes_in;
    int64_t more = s->reserved + s->oversized - s->aside;
    if (heard || more <= 0) return;
    RARE("fetch: a silent broker leaves room for the others");
    leave_oversized_place(s);
    s->aside += more;
    budget_set_aside(s->budget, more);
}

static void on_next(struct timer *t, int64_t now_us) {
    struct fetch_session *s = CONTAINER_OF(t, struct fetch_session, next);
    if (s->fetching) look_for_silence(s, now_us);
    else fetch_now(s);
}

static void on_room(struct budget_waiter *w) {
    struct fetch_session *s = CONTAINER_OF(w, struct fetch_session, waiter);
    if (s->link.connection.paused) connection_resume(&s->link.connection);
    else fetch_soon(s);
}

static bool admit(struct connection *c, size_t frame_size) {
    struct fetch_session *s = CONTAINER_OF(CONTAINER_OF(c, struct broker_link, connection), struct fetch_session, link);
    if (!s->fetching) return true;  // a large greeting; an answer to nothing will not be taken
    int64_t more = (int64_t)(sizeof(int32_t) + frame_size) - s->reserved;
    if (more <= 0) return true;  // many partitions share it, and room for it was reserved
    if (more > s->budget->limit / 2) more = s->budget->limit / 2;  // what is beyond it is not handed over
    if (!budget_take_oversized(s->budget, more, &s->waiter)) return false;
    RARE("fetch: a response larger than what was asked for");
    s->oversized = more;
    s->in_oversized_place = true;
    return true;
}

// Response ----------------------------------------------------------------------------------------------------------

static void give_back(struct fetch_session *s, int64_t kept) {
    int64_t taken = s->reserved + s->oversized;
    budget_set_aside(s->budget, -s->aside);
    s->aside = 0;
    leave_oversized_place(s);
    s->reserved = s->oversized = 0;
    if (kept > taken) budget_grow(s->budget, kept - taken);
    else budget_release(s->budget, taken - kept);
}

// Responses name partitions in the order of the session; a small map would cost more than this walk saves.
static struct fetch_partition *find(struct fetch_session *s, struct link **hint, const struct fetch_response_topic *t,
                                    int32_t index) {
    struct link *from = *hint ? *hint : list_first(&s->partitions);
    for (struct link *k = from; k; k = list_next(&s->partitions, k)) {
        struct fetch_partition *p = CONTAINER_OF(k, struct fetch_partition, link);
        if (topic_partition_is(&p->name, &t->topic, &t->topic_id, index)) return p;
    }
    for (struct link *k = list_first(&s->partitions); k && k != from; k = list_next(&s->partitions, k)) {
        struct fetch_partition *p = CONTAINER_OF(k, struct fetch_partition, link);
        if (topic_partition_is(&p->name, &t->topic, &t->topic_id, index)) return p;
    }
    return NULL;
}

// Hands over what a partition got, but no more than there is `room` for in the budget, whatever the broker sent.
static int64_t take_partition(struct fetch_session *s, struct fetch_partition *p,
                              const struct fetch_response_partition *r, struct frame *frame, int64_t room) {
    struct fetch_answer a = {.error_code = r->error_code,
                             .high_watermark = r->high_watermark,
                             .last_stable_offset = r->last_stable_offset,
                             .log_start = r->log_start_offset,
                             .diverging_end = r->diverging_epoch.epoch >= 0 ? r->diverging_epoch.end_offset : -1,
                             .frame = frame};
    int64_t size = r->records.size < room ? r->records.size : room;
    if (size > 0) a.records = (struct bytes){r->records.at, (size_t)size};
    struct batch_header first = {0};
    if (batch_look(a.records, &first) != BATCH_DAMAGED && first.size > 0) p->batch_bytes = first.size;
    int64_t before = p->fetch_offset, kept = s->on_answer(s, p, &a);
    if (p->session != s) return kept;
    bool in_part = size > 0 && first.size > size;
    if (p->fetch_offset != before) {
        // To the end of the list, as the broker does with it: the others get their turn first.
        list_remove(&p->link);
        list_append(&s->partitions, &p->link);
    }
    if ((p->fetch_offset != before || in_part) && !link_linked(&p->changed)) list_append(&s->changed, &p->changed);
    return kept;
}

// How many partitions share the next response: a full one may have kept others out.
static void count_active(struct fetch_session *s, int32_t active, int64_t bytes) {
    if (active == 0) return;
    int32_t most = 2 * active < s->partitions_count ? 2 * active : s->partitions_count;
    s->active = bytes > s->asked / 4 * 3 && most > active ? most : active;
}

static void take_topics(struct fetch_session *s, const struct fetch_response *r, struct frame *frame) {
    int64_t kept = 0, taken = s->reserved + s->oversized, bytes = 0;
    int32_t active = 0, largest = 0;
    struct link *hint = NULL;
    for (int32_t i = 0; i < r->responses_count; i++) {
        for (int32_t k = 0; k < r->responses[i].partitions_count; k++) {
            const struct fetch_response_partition *rp = &r->responses[i].partitions[k];
            struct fetch_partition *p = find(s, &hint, &r->responses[i], rp->partition_index);
            if (!p || p->unasked) continue;  // removed while the fetch was under way, perhaps added again
            struct link *after = list_next(&s->partitions, &p->link);
            kept += take_partition(s, p, rp, frame, taken - kept);
            hint = after && link_linked(after) ? after : NULL;
            if (rp->records.size <= 0) continue;
            active++;
            bytes += rp->records.size;
            if (p->batch_bytes > largest) largest = p->batch_bytes;
        }
    }
    count_active(s, active, bytes);
    s->received = (int32_t)(bytes < s->asked ? bytes : s->asked);
    if (active > 0) s->batch_bytes = largest;
    give_back(s, kept);
}

static void session_error(struct fetch_session *s, int16_t code) {
    give_back(s, 0);
    if (code == KAFKA_FETCH_SESSION_ID_NOT_FOUND || code == KAFKA_INVALID_FETCH_SESSION_EPOCH ||
        code == KAFKA_FETCH_SESSION_TOPIC_ID_ERROR) {
        RARE("fetch: the broker forgot the session");
        start_over(s);  // the broker has forgotten it, or topic ids have become known: normal (KIP-227, KIP-516)
        fetch_soon(s);
        return;
    }
    struct error why = error_make(ERROR_KAFKA, code, "Fetch", "%s:%u refused a fetch: %s", s->link.connection.host,
                                  s->link.connection.port, kafka_error_name(code));
    broker_link_reset(&s->link, &why);
}

static void on_response(void *context, const struct error *error, const void *response, struct frame *frame) {
    struct fetch_session *s = context;
    s->fetching = false;
    if (error_is(error)) {
        give_back(s, 0);
        return;  // on_lost follows, or fetch_session_stop() is at work
    }
    const struct fetch_response *r = response;
    if (r->error_code != KAFKA_NONE) {
        session_error(s, r->error_code);
        return;
    }
    if (s->session_id == 0) s->session_id = r->session_id;
    if (s->session_id != 0) s->session_epoch = s->session_epoch == INT32_MAX ? 1 : s->session_epoch + 1;
    if (r->throttle_time_ms > 0 && r->responses_count == 0) {
        RARE("fetch: throttled");
        give_back(s, 0);  // it does not say that there is little to come
    } else {
        take_topics(s, r, frame);
    }
    if (s->session_id == 0) start_over(s);  // the broker's session cache is full: every fetch is a full one
    bool news = r->responses_count > 0 || !list_empty(&s->changed) || !list_empty(&s->forgotten);
    if (news || s->env->now_us >= s->waits_until_us) fetch_soon(s);  // behind those that waited for what was given back
    else fetch_at(s, s->waits_until_us);
}

static void on_ready(struct broker_link *l) {
    struct fetch_session *s = CONTAINER_OF(l, struct fetch_session, link);
    start_over(s);
    fetch_now(s);
}

// Partitions stay: it opens again and goes on at their offsets, unless the metadata says otherwise.
static void on_link_lost(struct broker_link *l, const struct error *why) {
    (void)why;
    budget_withdraw(&CONTAINER_OF(l, struct fetch_session, link)->waiter);
}

void fetch_session_init(struct fetch_session *s, struct cluster *cluster, int32_t node_id, struct budget *budget) {
    *s = (struct fetch_session){.env = cluster->env,
                                .budget = budget,
                                .bytes_max = MiB,
                                .room = INT64_MAX,
                                .wait_ms_max = 500,
                                .share_min = FETCH_PARTITION_BYTES_MIN};
    broker_link_init(&s->link, cluster, node_id);
    s->link.on_ready = on_ready;
    s->link.on_lost = on_link_lost;
    s->link.connection.admit = admit;
    s->waiter.room = on_room;
    list_init(&s->partitions);
    list_init(&s->changed);
    list_init(&s->forgotten);
    timer_init(&s->next, on_next);
    arena_init(&s->scratch, FETCH_REQUEST_SCRATCH_MAX);
}

void fetch_session_set_bytes(struct fetch_session *s, int32_t bytes_max) {
    while (bytes_max > KiB && usual_size(bytes_max) > s->budget->limit / 2) bytes_max /= 2;
    s->bytes_max = bytes_max;
    connection_set_receive_hint(&s->link.connection, (size_t)usual_size(bytes_max));
}

void fetch_session_start(struct fetch_session *s) {
    if (s->link.started) return;
    fetch_session_set_bytes(s, s->bytes_max);
    broker_link_start(&s->link);
}

void fetch_session_stop(struct fetch_session *s) {
    timer_cancel(&s->env->timers, &s->next);
    budget_withdraw(&s->waiter);
    broker_link_stop(&s->link, true);
}

void fetch_session_free(struct fetch_session *s) {
    assert(s->partitions_count == 0);
    fetch_session_stop(s);
    start_over(s);
    arena_free(&s->scratch);
    broker_link_free(&s->link);
}
