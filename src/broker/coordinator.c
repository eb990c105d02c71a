// Loading, writing and waiting of coordinators: see coordinator.h.
#include "broker/coordinator.h"

#include "base/memory.h"
#include "wire/error_codes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define FROZEN_LOOK_US 100000  // between looks whether a node has woken

bool coordinator_frozen(const struct broker_node *n, struct timer *t) {
    if (n->frozen) timer_set(&n->cluster->timers, t, n->cluster->now_us + FROZEN_LOOK_US);
    return n->frozen;
}

static void write_end(struct coordinator_write *w, int16_t error_code) {
    list_remove(&w->link);
    w->done(w, error_code);
}

static struct coordinator_write *write_first(const struct coordinator_shard *s) {
    struct link *k = list_first(&s->writes);
    return k ? CONTAINER_OF(k, struct coordinator_write, link) : NULL;
}

// KAFKA_REQUEST_TIMED_OUT: not yet.
static int16_t write_state(const struct coordinator_shard *s, const struct coordinator_write *w) {
    if (s->kind->all_acks) return broker_replica_committed(s->replica, w->offset);
    return s->replica->log.high_watermark >= w->offset ? KAFKA_NONE : KAFKA_REQUEST_TIMED_OUT;
}

static void set_timeout(struct coordinator_shard *s) {
    int64_t deadline_us = TIMER_NEVER;
    for (struct link *k = list_first(&s->writes); k; k = list_next(&s->writes, k)) {
        const struct coordinator_write *w = CONTAINER_OF(k, struct coordinator_write, link);
        if (w->deadline_us < deadline_us) deadline_us = w->deadline_us;
    }
    if (deadline_us == TIMER_NEVER) timer_cancel(&s->cluster->timers, &s->timeout);
    else timer_set(&s->cluster->timers, &s->timeout, deadline_us);
}

// A write that ends may bring others: the list is looked at anew each time.
static void shard_advance(struct coordinator_shard *s) {
    if (s->loading) return;
    s->kind->replicated(s);
    struct coordinator_write *w;
    int16_t state;
    bool ended = false;
    while ((w = write_first(s)) && (state = write_state(s, w)) != KAFKA_REQUEST_TIMED_OUT) {
        write_end(w, state);
        ended = true;
    }
    if (ended) set_timeout(s);
}

static void on_ready(struct waiter *w) {
    shard_advance(CONTAINER_OF(w, struct coordinator_shard, waiter));
}

static struct coordinator_write *write_due(const struct coordinator_shard *s, int64_t now_us) {
    for (struct link *k = list_first(&s->writes); k; k = list_next(&s->writes, k)) {
        struct coordinator_write *w = CONTAINER_OF(k, struct coordinator_write, link);
        if (w->deadline_us <= now_us) return w;
    }
    return NULL;
}

static void on_timeout(struct timer *t, int64_t now_us) {
    struct coordinator_shard *s = CONTAINER_OF(t, struct coordinator_shard, timeout);
    struct coordinator_write *w;
    if (coordinator_frozen(s->replica->node, t)) return;
    while ((w = write_due(s, now_us))) write_end(w, KAFKA_REQUEST_TIMED_OUT);
    set_timeout(s);
}

static void on_load(struct timer *t, int64_t now_us) {
    (void)now_us;
    struct coordinator_shard *s = CONTAINER_OF(t, struct coordinator_shard, load);
    if (coordinator_frozen(s->replica->node, t)) return;
    s->loading = false;
    s->kind->load(s);
    shard_advance(s);
}

void coordinator_shard_open(struct coordinator_shard *s, const struct coordinator_kind *kind,
                            struct broker_replica *r) {
    struct broker_cluster *c = r->node->cluster;
    s->kind = kind;
    s->cluster = c;
    s->replica = r;
    s->epoch = r->leader_epoch;
    s->loading = true;
    s->waiter.ready = on_ready;
    list_init(&s->writes);
    timer_init(&s->load, on_load);
    timer_init(&s->timeout, on_timeout);
    broker_wait(r, &s->waiter);
    int64_t load_us = 0;
    if (c->config.load_us) load_us = c->config.load_us(c->config.timing_context, r->node->id);
    else if (c->config.service_us)
        load_us = c->config.service_us(c->config.timing_context, r->node->id, API_FIND_COORDINATOR);
    if (load_us > 0) timer_set(&c->timers, &s->load, c->now_us + load_us);
    else on_load(&s->load, c->now_us);
}

void coordinator_shard_close(struct coordinator_shard *s) {
    broker_wait_end(&s->waiter);
    timer_cancel(&s->cluster->timers, &s->load);
    timer_cancel(&s->cluster->timers, &s->timeout);
    struct coordinator_write *w;
    while ((w = write_first(s))) write_end(w, KAFKA_NOT_LEADER_OR_FOLLOWER);
}

static bool fits(const struct coordinator_shard *s, const struct coordinator_append *a) {
    if (!a->pairs) return false;
    int64_t size = BATCH_HEADER_SIZE;
    for (int32_t i = 0; i < a->count; i++) size += (int64_t)a->pairs[i].key.size + a->pairs[i].value.size;
    return size <= broker_replica_settings(s->replica)->message_bytes_max;
}

void coordinator_write(struct coordinator_shard *s, const struct coordinator_append *a, struct coordinator_write *w) {
    assert(!s->loading);
    if (a->count && !fits(s, a)) {
        w->done(w, KAFKA_MESSAGE_TOO_LARGE);
        return;
    }
    if (a->count) {
        struct append_result result =
            append_own(&s->replica->log, a->pairs, a->count, a->producer, s->epoch, s->cluster->wall_ms);
        if (result.error_code) {  // an older epoch of a transactional producer
            w->done(w, result.error_code);
            return;
        }
    }
    w->offset = s->replica->log.end;
    w->deadline_us = s->cluster->now_us + a->timeout_ms * 1000;
    const struct coordinator_write *last = NULL;
    if (!list_empty(&s->writes)) last = CONTAINER_OF(list_last(&s->writes), struct coordinator_write, link);
    if (!a->count && !a->drain) w->offset = last ? last->offset : 0;  // nothing is being written: nothing to wait for
    list_append(&s->writes, &w->link);
    if (a->count) broker_replica_appended(s->replica);  // may have called `done`
    shard_advance(s);
    if (!list_empty(&s->writes)) set_timeout(s);
}

// What a parked request is kept in.
static void forget_request(struct broker_request *request) {
    struct broker_request **slot = request->parked;
    *slot = NULL;
}

void coordinator_park(struct broker_request *request, struct broker_request **slot) {
    assert(!*slot);
    *slot = request;
    request->parked = slot;
    broker_park(request, forget_request);
}

void coordinator_answer_slot(struct broker_request **slot, const void *response) {
    struct broker_request *request = *slot;
    *slot = NULL;
    if (request) broker_answer(request, response);
}

struct answer_write {
    struct coordinator_write write;
    struct broker_request *request;  // NULL: forgotten
    void *response;
    coordinator_fail fail;
};

static void answer_done(struct coordinator_write *w, int16_t error_code) {
    struct answer_write *a = CONTAINER_OF(w, struct answer_write, write);
    if (a->request && !error_code) coordinator_answer_slot(&a->request, a->response);
    else if (a->request) a->fail(a->request, a->response, coordinator_write_error(error_code));
    memory_free(a);
}

void coordinator_answer(struct coordinator_shard *s, const struct coordinator_append *append,
                        struct broker_request *request, void *response, coordinator_fail fail) {
    if (!append->count && list_empty(&s->writes)) {  // the usual heartbeat
        broker_answer(request, response);
        return;
    }
    struct answer_write *a = NEW(struct answer_write);
    a->write.done = answer_done;
    a->response = response;
    a->fail = fail;
    coordinator_park(request, &a->request);
    coordinator_write(s, append, &a->write);
}

int16_t coordinator_write_error(int16_t error_code) {
    switch (error_code) {
    case KAFKA_NETWORK_EXCEPTION:
        return KAFKA_COORDINATOR_LOAD_IN_PROGRESS;
    case KAFKA_UNKNOWN_TOPIC_OR_PARTITION:
    case KAFKA_NOT_ENOUGH_REPLICAS:
    case KAFKA_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
    case KAFKA_REQUEST_TIMED_OUT:
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    case KAFKA_NOT_LEADER_OR_FOLLOWER:
    case KAFKA_KAFKA_STORAGE_ERROR:
        return KAFKA_NOT_COORDINATOR;
    case KAFKA_MESSAGE_TOO_LARGE:
    case KAFKA_RECORD_LIST_TOO_LARGE:
        return KAFKA_UNKNOWN_SERVER_ERROR;
    default:
        return error_code;
    }
}

// One code point of UTF-8 off the front; damaged text counts byte by byte.
static uint32_t take_code_point(const uint8_t **at, const uint8_t *end) {
    uint32_t v = *(*at)++;
    int more = v >= 0xf0 ? 3 : v >= 0xe0 ? 2 : v >= 0xc0 ? 1 : 0;
    if (more > end - *at) return v;
    v &= more == 3 ? 0x07 : more == 2 ? 0x0f : more == 1 ? 0x1f : 0xff;
    while (more--) v = v << 6 | (*(*at)++ & 0x3f);
    return v;
}

// java.lang.String.hashCode: over UTF-16 units.
static int32_t java_hash(struct wire_text text) {
    uint32_t hash = 0;
    const uint8_t *at = (const uint8_t *)text.at, *end = at + text.size;
    while (at < end) {
        uint32_t v = take_code_point(&at, end);
        if (v >= 0x10000) {
            hash = hash * 31 + (0xd800 + ((v - 0x10000) >> 10));
            v = 0xdc00 + ((v - 0x10000) & 0x3ff);
        }
        hash = hash * 31 + v;
    }
    return (int32_t)hash;
}

int32_t coordinator_partition(struct wire_text key, int32_t partitions) {
    int32_t hash = java_hash(key);
    return hash == INT32_MIN ? 0 : abs(hash) % partitions;
}

int32_t coordinator_topic_partitions(const struct broker_cluster *c, bool of_groups) {
    const char *setting = of_groups ? "offsets.topic.num.partitions" : "transaction.state.log.num.partitions";
    return (int32_t)broker_setting_number(c, setting, INTERNAL_TOPIC_PARTITIONS);
}
