// One connection to one broker: opening, greeting, requests and their answers.
#include "client/connection.h"

#include "base/limits.h"
#include "base/memory.h"
#include "base/rare.h"
#include "client/connection_private.h"
#include "wire/frame.h"
#include "wire/messages.h"

#include <assert.h>

static void connection_fail(struct connection *c, const struct error *why);
static void on_timer(struct timer *t, int64_t now_us);

void connection_init(struct connection *c, struct environment *env) {
    *c = (struct connection){.env = env, .receive_hint = 16 * KiB};
    buffer_init(&c->out, CONNECTION_OUTPUT_MAX);
    timer_init(&c->timer, on_timer);
}

void connection_free(struct connection *c) {
    connection_close(c, true);
    buffer_free(&c->out);
    memory_free(c->pieces);
    memory_free(c->requests);
    c->pieces = NULL;
    c->requests = NULL;
}

void connection_open(struct connection *c) {
    assert(c->state == CONNECTION_CLOSED && c->host && c->on_state && c->client_id);
    if (!c->requests) c->requests = memory_alloc_zeroed(REQUESTS_IN_FLIGHT_MAX, sizeof *c->requests);
    c->state = CONNECTION_OPENING;
    c->muted_until_us = 0;
    c->driver_waits = "to connect";
    for (int i = 0; i < API_KEYS_KNOWN; i++) c->version_max[i] = -1;
    timer_set(&c->env->timers, &c->timer, c->env->now_us + c->open_timeout_us);
    struct transport_options options = {c->host, c->port, c->unacknowledged_ms_max, c->open_timeout_us};
    c->env->transport->open(c->env->driver, c, &options);
}

// Everything but telling the owner: after this the connection is CLOSED and holds nothing but its unanswered requests.
static void let_go(struct connection *c) {
    c->state = CONNECTION_CLOSED;
    c->paused = c->admitted = false;
    timer_cancel(&c->env->timers, &c->timer);
    output_drop(c);
    frame_release(c->in);
    c->in = NULL;
    c->frame_size = 0;
    c->asked_us = 0;
}

static void fail_requests(struct connection *c, const struct error *why) {
    while (c->requests_count > 0) {
        struct connection_request r = c->requests[c->requests_first];
        c->requests_first = (c->requests_first + 1) % REQUESTS_IN_FLIGHT_MAX;
        c->requests_count--;
        if (r.reply) r.reply(r.context, why, NULL, NULL);
    }
}

void connection_close(struct connection *c, bool abort) {
    if (c->state == CONNECTION_CLOSED) return;
    c->env->transport->close(c->env->driver, c, abort);
    let_go(c);
    struct error why = error_make(ERROR_CLOSED, 0, "connection", "closed by us");
    fail_requests(c, &why);
}

static void connection_fail(struct connection *c, const struct error *why) {
    struct error kept = *why;
    c->env->transport->close(c->env->driver, c, true);
    let_go(c);
    fail_requests(c, &kept);
    c->on_state(c, &kept);
}

void connection_failed(struct connection *c, const struct error *why) {
    if (c->state == CONNECTION_CLOSED) return;
    struct error kept = *why;
    let_go(c);
    fail_requests(c, &kept);
    c->on_state(c, &kept);
}

// While an answer comes, however slowly, neither it nor what is behind it is late.
static int64_t earliest_deadline(const struct connection *c) {
    int64_t earliest = INT64_MAX, begins_us = c->muted_until_us;
    if (c->in && c->in->size > 0 && c->received_us > begins_us) begins_us = c->received_us;
    for (uint32_t i = 0; i < c->requests_count; i++) {
        const struct connection_request *r = &c->requests[(c->requests_first + i) % REQUESTS_IN_FLIGHT_MAX];
        int64_t deadline = (r->sent_us > begins_us ? r->sent_us : begins_us) + r->timeout_us;
        if (deadline < earliest) earliest = deadline;
    }
    return earliest;
}

// The timer is set lazily: one for the connection, not moved when an answer comes, re-set when it fires early.
static void on_timer(struct timer *t, int64_t now_us) {
    struct connection *c = CONTAINER_OF(t, struct connection, timer);
    if (c->state == CONNECTION_READY) {
        if (c->requests_count == 0) return;
        int64_t deadline = earliest_deadline(c);
        if (deadline > now_us) {
            timer_set(&c->env->timers, &c->timer, deadline);
            return;
        }
    }
    RARE("connection: no answer in time");
    const char *waiting = c->state == CONNECTION_OPENING ? c->driver_waits
                          : c->requests_count > 0        ? c->requests[c->requests_first].api->name
                                                         : "for API versions";
    struct error why =
        error_make(ERROR_TIMEOUT, 0, "connection", "%s:%u: no answer in time (%s)", c->host, c->port, waiting);
    connection_fail(c, &why);
}

int16_t connection_version(const struct connection *c, const struct api *api, int16_t version_max_wanted) {
    assert(api->key >= 0 && api->key < API_KEYS_KNOWN);
    int16_t low = api->version_min > c->version_min[api->key] ? api->version_min : c->version_min[api->key];
    int16_t high = api->version_max < c->version_max[api->key] ? api->version_max : c->version_max[api->key];
    if (high > version_max_wanted) high = version_max_wanted;
    return low <= high ? high : -1;
}

static struct error send_request(struct connection *c, const struct connection_call *call, const struct api *api,
                                 int16_t version) {
    struct connection_request r = {.api = api,
                                   .version = version,
                                   .correlation_id = c->correlation_id_next,
                                   .sent_us = c->env->now_us,
                                   .timeout_us = call->timeout_us,
                                   .answer_size_min = call->answer_size_min,
                                   .reply = call->reply,
                                   .context = call->context};
    struct error e = output_add_request(c, &r, call);
    if (error_is(&e)) return e;
    c->correlation_id_next = (c->correlation_id_next + 1) & 0x7fffffff;
    c->asked_us = c->requests_count == 0 ? c->env->now_us : 0;
    uint32_t place = (c->requests_first + c->requests_count) % REQUESTS_IN_FLIGHT_MAX;
    c->requests[place] = r;
    c->requests_count++;
    int64_t deadline_us = r.sent_us + r.timeout_us;
    if (!timer_is_set(&c->timer) || deadline_us < c->timer.deadline_us)
        timer_set(&c->env->timers, &c->timer, deadline_us);
    c->env->transport->wake(c->env->driver, c);
    return error_none();
}

struct error connection_call(struct connection *c, const struct connection_call *call) {
    assert(c->state == CONNECTION_READY && call->reply);
    const struct api *api = api_find(call->api_key);
    assert(api);
    int16_t version = connection_version(c, api, call->version_max);
    if (version < 0)
        return error_make(ERROR_PROTOCOL, 0, "connection",
                          "%s:%u does not offer %s in a version we speak (%d to %d; it has %d to %d)", c->host, c->port,
                          api->name, api->version_min, api->version_max, c->version_min[api->key],
                          c->version_max[api->key]);
    if (c->requests_count == REQUESTS_IN_FLIGHT_MAX)
        return error_make(ERROR_LIMIT, 0, "connection", "%d requests without an answer", REQUESTS_IN_FLIGHT_MAX);
    return send_request(c, call, api, version);
}

// Greeting ----------------------------------------------------------------------------------------------------------

static void on_greeting(void *context, const struct error *error, const void *response, struct frame *frame) {
    struct connection *c = context;
    (void)frame;
    if (error_is(error)) return;  // the connection is failing already
    const struct api_versions_response *r = response;
    if (r->error_code != 0) {
        struct error why =
            error_make(ERROR_KAFKA, r->error_code, "ApiVersions",
                       "%s:%u refused our greeting: brokers from 2.8 on are supported", c->host, c->port);
        connection_fail(c, &why);
        return;
    }
    for (int32_t i = 0; i < r->api_keys_count; i++) {
        const struct api_versions_response_api_key *k = &r->api_keys[i];
        if (k->api_key < 0 || k->api_key >= API_KEYS_KNOWN) continue;
        c->version_min[k->api_key] = k->min_version;
        c->version_max[k->api_key] = k->max_version;
    }
    c->state = CONNECTION_READY;
    timer_cancel(&c->env->timers, &c->timer);
    struct error fine = error_none();
    c->on_state(c, &fine);
}

void connection_opened(struct connection *c, int64_t way_us) {
    assert(c->state == CONNECTION_OPENING);
    c->way_us = way_us;
    c->state = CONNECTION_GREETING;
    struct api_versions_request greeting;
    message_defaults(&api_versions_request_message, &greeting);
    greeting.client_software_name = (struct wire_text){"odraz", 5};
    greeting.client_software_version = (struct wire_text){ODRAZ_VERSION, sizeof ODRAZ_VERSION - 1};
    struct connection_call call = {
        .request = &greeting, .reply = on_greeting, .context = c, .timeout_us = c->open_timeout_us};
    // Version 3 is known to every broker since 2.4 (KIP-511); a lower one would hide what newer brokers offer.
    struct error e = send_request(c, &call, api_find(API_API_VERSIONS), 3);
    assert(!error_is(&e));
    (void)e;
}

// Input -------------------------------------------------------------------------------------------------------------

struct connection_space connection_input(struct connection *c) {
    if (c->paused || c->state < CONNECTION_GREETING) return (struct connection_space){0};
    if (!c->in) c->in = frame_new(&c->env->frames, c->receive_hint);
    size_t end = c->admitted ? c->in->capacity : c->receive_hint;
    assert(c->in->size < end && end <= c->in->capacity);
    return (struct connection_space){c->in->at + c->in->size, end - c->in->size};
}

static struct error check_frame_size(const struct connection *c, const uint8_t *prefix) {
    uint32_t size = load_be32(prefix);
    if (memcmp(prefix, "HTTP", 4) == 0)
        return error_make(ERROR_PROTOCOL, 0, "frame", "%s:%u is not a Kafka listener: it answers in HTTP", c->host,
                          c->port);
    if (prefix[0] == 0x15 && prefix[1] == 3)
        return error_make(ERROR_PROTOCOL, 0, "frame", "%s:%u is a TLS listener; this one was asked in plain text",
                          c->host, c->port);
    if (size < 4 || size > FRAME_SIZE_MAX)
        return error_make(ERROR_PROTOCOL, 0, "frame", "%s:%u announced a response of %u bytes: not a Kafka broker?",
                          c->host, c->port, size);
    return error_none();
}

// A mirror that lags because of a quota should say so; not for each connection, nor each time.
static void say_throttle(const struct connection *c, const struct api *api, int64_t us) {
    struct environment *env = c->env;
    bool lately = env->throttle_said_us > 0 && env->now_us - env->throttle_said_us < THROTTLE_SAID_INTERVAL_US;
    if (us < THROTTLE_SAID_US_MIN || lately) return;
    env->throttle_said_us = env->now_us;
    log_line(&env->log, LOG_WARN, "throttled by a quota", "broker=%s:%u request=%s throttle_ms=%lld", c->host, c->port,
             api->name, (long long)(us / 1000));
}

// The broker reads nothing of this connection before that. (Appenders look after theirs: what they have sent is to be
// known for lost in time.)
static void obey_throttle(struct connection *c, const struct api *api, const void *response) {
    int64_t us = message_throttle_ms(api->response, response) * 1000LL;
    if (us <= 0) return;
    say_throttle(c, api, us);
    if (api->key == API_PRODUCE) return;
    c->muted_until_us = c->env->now_us + (us < THROTTLE_US_MAX ? us : THROTTLE_US_MAX);
}

// Hands one whole response to its request. False when the connection is closed afterwards.
static bool deliver(struct connection *c, struct frame *frame) {
    struct bytes body = {frame->at + 4, c->frame_size};
    if (c->requests_count == 0) {
        struct error why =
            error_make(ERROR_PROTOCOL, 0, "frame", "%s:%u sent a response to no request", c->host, c->port);
        connection_fail(c, &why);
        return false;
    }
    struct connection_request r = c->requests[c->requests_first];
    void *response = arena_alloc(&c->env->arena, message_struct_size(r.api->response));
    assert(response);
    struct error e = frame_decode_response(r.api, r.version, r.correlation_id, body, &c->env->arena, response);
    if (error_is(&e)) {
        struct error why = error_make(ERROR_PROTOCOL, e.code, "response", "%s:%u: damaged %s response: %.80s", c->host,
                                      c->port, r.api->name, e.detail);
        arena_reset(&c->env->arena);
        connection_fail(c, &why);
        return false;
    }
    c->requests_first = (c->requests_first + 1) % REQUESTS_IN_FLIGHT_MAX;
    c->requests_count--;
    c->frame_size = 0;
    c->admitted = false;
    // The broker begins with the next one now.
    if (c->env->now_us > r.sent_us + r.timeout_us && !connection_is_muted(c)) c->muted_until_us = c->env->now_us;
    obey_throttle(c, r.api, response);
    r.reply(r.context, &e, response, frame);
    arena_reset(&c->env->arena);
    return c->state >= CONNECTION_GREETING;
}

// Cuts the finished response off c->in. What follows it moves to a new frame; a small response in a large frame is
// copied instead, so that a few held bytes do not pin a megabyte.
static struct frame *take_frame(struct connection *c) {
    struct frame *whole = c->in;
    size_t used = 4 + c->frame_size, rest = whole->size - used;
    if (whole->capacity > 64 * KiB && used < whole->capacity / 8) {
        struct frame *small = frame_copy(&c->env->frames, whole->at, used);
        memmove(whole->at, whole->at + used, rest);
        whole->size = rest;
        if (rest == 0) {
            frame_release(whole);
            c->in = NULL;
        }
        return small;
    }
    c->in = NULL;
    if (rest > 0) {
        c->in = frame_new(&c->env->frames, rest > c->receive_hint ? rest : c->receive_hint);
        memcpy(c->in->at, whole->at + used, rest);
        c->in->size = rest;
        whole->size = used;
    }
    return whole;
}

// Makes room for an announced response that is larger than usual; false when the owner wants to wait.
static bool grow_frame(struct connection *c) {
    size_t whole = 4 + c->frame_size;
    if (whole <= c->receive_hint || c->admitted) return true;
    if (c->admit && !c->admit(c, c->frame_size)) {
        c->paused = true;
        return false;
    }
    c->admitted = true;
    if (c->in->capacity >= whole) return true;
    struct frame *larger = frame_new(&c->env->frames, whole);
    memcpy(larger->at, c->in->at, c->in->size);
    larger->size = c->in->size;
    frame_release(c->in);
    c->in = larger;
    return true;
}

static void parse_input(struct connection *c) {
    while (c->in && c->in->size >= 4) {
        if (c->frame_size == 0) {
            struct error e = check_frame_size(c, c->in->at);
            if (error_is(&e)) {
                connection_fail(c, &e);
                return;
            }
            c->frame_size = load_be32(c->in->at);
        }
        if (c->in->size < 4 + c->frame_size) {
            grow_frame(c);
            return;
        }
        struct frame *frame = take_frame(c);
        bool open = deliver(c, frame);
        frame_release(frame);
        if (!open) return;
    }
}

static void note_round_trip(struct connection *c) {
    int64_t took = c->env->now_us - c->asked_us;
    if (took < 1) took = 1;
    if (c->round_trip_us == 0 || took < c->round_trip_us) c->round_trip_us = took;
    c->asked_us = 0;
}

void connection_received(struct connection *c, size_t size) {
    assert(c->in && size > 0 && c->in->size + size <= c->in->capacity);
    if (c->asked_us > 0) note_round_trip(c);
    c->in->size += size;
    c->bytes_in += size;
    c->received_us = c->env->now_us;
    parse_input(c);
}

// While half of the answers of a pipeline are still to come, the broker has enough to do. Of a slow one each is news.
static size_t answers_wanted(const struct connection *c) {
    size_t wanted = 0;
    if (c->requests_count > 0 && c->env->now_us - c->requests[c->requests_first].sent_us >= ANSWER_ALONE_US) return 0;
    for (uint32_t i = 0; i < (c->requests_count + 1) / 2; i++) {
        size_t size = c->requests[(c->requests_first + i) % REQUESTS_IN_FLIGHT_MAX].answer_size_min;
        if (size == 0) return 0;
        wanted += 4 + size;
    }
    return wanted;
}

size_t connection_input_wanted(const struct connection *c) {
    size_t have = c->in ? c->in->size : 0;
    size_t wanted = c->frame_size > 0 ? 4 + c->frame_size : answers_wanted(c);
    if (wanted <= have) return 1;
    return wanted - have < CONNECTION_WANTED_MAX ? wanted - have : CONNECTION_WANTED_MAX;
}

void connection_resume(struct connection *c) {
    if (!c->paused) return;
    c->paused = false;
    if (grow_frame(c)) c->env->transport->wake(c->env->driver, c);
}

void connection_set_receive_hint(struct connection *c, size_t hint) {
    if (hint == c->receive_hint) return;
    if (c->in && c->in->size > 0) return;  // bytes that nobody asked for: the connection will not last
    frame_release(c->in);
    c->in = NULL;
    c->receive_hint = hint;
}
