// A request's way through a node: read, queued until it is due, executed, answered.
#include "broker/request.h"

#include "base/memory.h"
#include "broker/connection.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#define MESSAGE_MAX 1024  // of an error

struct broker_request *broker_request_take(struct broker_connection *k, size_t size) {
    struct broker_cluster *c = k->node->cluster;
    struct link *spare = list_take_first(&c->requests_spare);
    struct broker_request *r;
    if (spare) {
        c->requests_spare_count--;
        r = CONTAINER_OF(spare, struct broker_request, link);
    } else {
        r = NEW(struct broker_request);
        arena_init(&r->arena, BROKER_ARENA_MAX);
        buffer_init(&r->frame, REQUEST_SIZE_MAX);
    }
    r->node = k->node;
    r->connection = k;
    r->frame_size = size;
    r->throttle_ms = 0;
    r->answer_us = 0;
    r->serial = c->request_serial++;
    return r;
}

static void request_free(struct broker_request *r) {
    arena_free(&r->arena);
    buffer_free(&r->frame);
    memory_free(r);
}

void broker_request_release(struct broker_request *r) {
    struct broker_cluster *c = r->node->cluster;
    timer_cancel(&c->timers, &r->timer);
    if (link_linked(&r->link)) list_remove(&r->link);
    if (c->requests_spare_count >= BROKER_REQUESTS_SPARE_MAX) {
        request_free(r);
        return;
    }
    if (r->arena.size > BROKER_BUFFER_KEPT_MAX) arena_free(&r->arena);
    else arena_reset(&r->arena);
    if (r->frame.capacity > BROKER_BUFFER_KEPT_MAX) buffer_free(&r->frame);
    else buffer_clear(&r->frame);
    *r = (struct broker_request){.arena = r->arena, .frame = r->frame};
    list_prepend(&c->requests_spare, &r->link);
    c->requests_spare_count++;
}

void broker_requests_free(struct broker_cluster *c) {
    struct link *at;
    while ((at = list_take_first(&c->requests_spare))) request_free(CONTAINER_OF(at, struct broker_request, link));
    c->requests_spare_count = 0;
}

// api NULL: the broker will hang up (SocketServer closes a connection whose request it cannot parse). ApiVersions of a
// version we do not know is read as version 0 without its body (KIP-511).
static void decode(struct broker_request *r) {
    struct frame_request_header header;
    size_t consumed;
    struct bytes in = {r->frame.at, r->frame.size};
    struct error e = frame_decode_request_header(in, &header, &consumed);
    if (error_is(&e)) return;
    const struct api *api = api_find(header.api_key);
    r->version = header.version;
    r->correlation_id = header.correlation_id;
    r->client_id = header.client_id;
    if (!api || !broker_api_find(header.api_key)) return;
    bool known = header.version >= api->version_min && header.version <= api->version_max;
    if (!known && header.api_key != API_API_VERSIONS) return;
    void *body = arena_alloc(&r->arena, message_struct_size(api->request));
    message_defaults(api->request, body);
    in = (struct bytes){in.at + consumed, in.size - consumed};
    if (known) {
        r->arena.size_max = BROKER_DECODE_MAX;
        e = message_decode(api->request, header.version, in, &r->arena, body, &consumed);
        r->arena.size_max = BROKER_ARENA_MAX;
        if (error_is(&e)) return;  // bytes behind the body do no harm (librdkafka's Metadata 13 has some)
    }
    r->body = body;
    r->api = api;
}

static void be_late(struct broker_request *r) {
    struct broker_node *n = r->node;
    if (n->late_executed) r->due_us += n->late_us;
    else r->answer_us = r->arrived_us + n->late_us;
    int64_t until_us = r->arrived_us + n->late_us;
    if (n->late_until_us < until_us) n->late_until_us = until_us;  // of another API one may take longer
}

void broker_request_arrived(struct broker_request *r) {
    struct broker_node *n = r->node;
    struct broker_cluster *c = n->cluster;
    decode(r);
    r->arrived_us = r->due_us = c->now_us;
    if (r->api && c->config.service_us) {
        r->due_us += c->config.service_us(c->config.timing_context, n->id, r->api->key);
    }
    if (r->api && n->late_us > 0 && r->api->key == n->late_api) be_late(r);
    struct link *before = n->queue.head.prev;
    while (before != &n->queue.head && CONTAINER_OF(before, struct broker_request, link)->due_us > r->due_us) {
        before = before->prev;
    }
    link_insert_behind(before, &r->link);
    broker_node_requeue(n);
}

static void execute(struct broker_request *r) {
    if (!r->api) broker_answer_nothing(r, true);
    else broker_api_find(r->api->key)->handle(r);
}

void broker_requests_execute(struct broker_node *n) {
    struct link *at;
    while (broker_node_works(n) && (at = list_first(&n->queue))) {
        struct broker_request *r = CONTAINER_OF(at, struct broker_request, link);
        if (r->due_us > n->cluster->now_us) break;
        list_remove(at);
        execute(r);
    }
}

void broker_requests_drop(struct broker_node *n) {
    struct link *at;
    while ((at = list_first(&n->queue))) broker_request_release(CONTAINER_OF(at, struct broker_request, link));
    while ((at = list_first(&n->parked))) {
        struct broker_request *r = CONTAINER_OF(at, struct broker_request, link);
        timer_cancel(&n->cluster->timers, &r->timer);
        r->forget(r);
        broker_request_release(r);
    }
}

void broker_park(struct broker_request *r, void (*forget)(struct broker_request *r)) {
    assert(!link_linked(&r->link));
    r->forget = forget;
    list_append(&r->node->parked, &r->link);
}

void broker_unpark(struct broker_request *r) {
    timer_cancel(&r->node->cluster->timers, &r->timer);
    list_remove(&r->link);
    r->parked = NULL;
}

void *broker_request_alloc(struct broker_request *r, size_t size) {
    void *at = arena_alloc(&r->arena, size);
    assert(at);
    return at;
}

struct wire_text broker_request_say(struct broker_request *r, const char *format, ...) {
    char text[MESSAGE_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    size_t size = strlen(text);
    return (struct wire_text){memcpy(broker_request_alloc(r, size + 1), text, size), (int32_t)size};
}

bool broker_request_mutates(struct broker_request *r, int32_t partitions) {
    struct broker_cluster *c = r->node->cluster;
    if (c->mutation_ms == 0) return true;
    if (c->now_us < c->mutations_until_us) {
        r->throttle_ms = (int32_t)((c->mutations_until_us - c->now_us + 999) / 1000);
        return false;
    }
    c->mutations_until_us = c->now_us + (int64_t)partitions * c->mutation_ms * 1000;
    return true;
}

int32_t broker_request_throttle_ms(const struct broker_request *r) {
    return r->throttle_ms > r->node->throttle_ms ? r->throttle_ms : r->node->throttle_ms;
}

static int32_t throttle_ms(const struct broker_request *r) {
    int16_t key = r->api ? r->api->key : -1;
    if (key == API_PRODUCE) return r->node->throttle_produce_ms;
    if (key == API_FETCH) return r->connection->fetch_throttled ? r->node->throttle_fetch_ms : 0;
    return broker_request_throttle_ms(r);
}

static void done(struct broker_request *r, bool hang_up) {
    struct broker_connection *k = r->connection;
    int32_t muted_ms = throttle_ms(r);
    broker_connection_hold(k, r->answer_us);
    broker_request_release(r);
    broker_connection_answered(k, hang_up, muted_ms);
}

// False when it became too large; `out` is then what it was before.
static bool encode(struct broker_request *r, const void *response, struct buffer *out, struct wire_cut *cuts,
                   size_t *cuts_count) {
    size_t before = out->size;
    bool known = r->version >= r->api->version_min && r->version <= r->api->version_max;
    struct error e =
        frame_encode_response(r->api, known ? r->version : 0, r->correlation_id, response, out, cuts, cuts_count);
    if (!error_is(&e)) return true;
    log_line(&r->node->cluster->config.log, LOG_ERROR, "answer", "api=%s error=\"%s\"", r->api->name, e.detail);
    out->size = before;
    out->overflowed = false;
    return false;
}

void broker_answer(struct broker_request *r, const void *response) {
    bool right =
        r->connection->gone || (!broker_request_is_full(r) && encode(r, response, &r->connection->output, NULL, NULL));
    done(r, !right);
}

void broker_answer_records(struct broker_request *r, const void *response, size_t fields_max,
                           void (*write)(const void *source, struct buffer *out)) {
    struct broker_connection *k = r->connection;
    if (!k->gone) {
        struct wire_cut *cuts = REQUEST_ARRAY(r, fields_max, struct wire_cut);
        struct buffer frame;  // without the records
        buffer_init(&frame, BROKER_CONNECTION_OUTPUT_MAX);
        bool right = encode(r, response, &frame, cuts, &fields_max);
        assert(right);
        size_t at = 0;
        for (size_t i = 0; i < fields_max; i++) {
            buffer_append(&k->output, frame.at + at, cuts[i].offset - at);
            at = cuts[i].offset;
            size_t before = k->output.size;
            write(cuts[i].payload.at, &k->output);
            assert(k->output.size - before == (size_t)cuts[i].payload.size);
        }
        buffer_append(&k->output, frame.at + at, frame.size - at);
        assert(!k->output.overflowed);
        buffer_free(&frame);
    }
    done(r, false);
}

void broker_answer_nothing(struct broker_request *r, bool hang_up) {
    done(r, hang_up);
}
