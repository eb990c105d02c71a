// A node's life: its turn to execute requests, start, stop, freezing, and what it does from time to time.
#include "broker/cluster_private.h"

#include "broker/connection.h"

#include <assert.h>

static void turn(struct timer *t, int64_t now_us) {
    (void)now_us;
    struct broker_node *n = CONTAINER_OF(t, struct broker_node, turn);
    broker_requests_execute(n);
    broker_node_requeue(n);
}

void broker_node_requeue(struct broker_node *n) {
    struct link *first = list_first(&n->queue);
    if (!first || !broker_node_works(n)) return;
    int64_t due_us = CONTAINER_OF(first, struct broker_request, link)->due_us;
    if (!timer_is_set(&n->turn) || n->turn.deadline_us > due_us) timer_set(&n->cluster->timers, &n->turn, due_us);
}

// The controller has not heard from the node for broker.session.timeout.ms.
static void session_over(struct timer *t, int64_t now_us) {
    (void)now_us;
    broker_fence(CONTAINER_OF(t, struct broker_node, session));
}

void broker_each_replica(struct broker_node *n, void (*each)(struct broker_replica *r, int32_t argument),
                         int32_t argument) {
    struct broker_cluster *c = n->cluster;
    for (size_t i = 0; i < c->topics_count; i++) {
        for (int32_t p = 0; p < c->topics[i]->partitions_count; p++) {
            struct broker_replica *r = broker_node_replica(n, c->topics[i]->partitions[p]);
            if (r) each(r, argument);
        }
    }
}

static void expire(struct broker_replica *r, int32_t unused) {
    (void)unused;
    producer_states_expire(&r->log.producers, r->node->cluster->wall_ms, r->node->producer_expiration_ms);
}

void broker_expire_producers(struct broker_cluster *c, int32_t node) {
    broker_each_replica(broker_find_node(c, node), expire, 0);
}

static void expiration(struct timer *t, int64_t now_us) {
    struct broker_node *n = CONTAINER_OF(t, struct broker_node, expiration);
    if (broker_node_works(n)) broker_each_replica(n, expire, 0);
    int64_t interval_ms = broker_setting_number(n->cluster, "producer.id.expiration.check.interval.ms", 600000);
    timer_set(&n->cluster->timers, t, now_us + interval_ms * 1000);
}

void broker_node_init(struct broker_node *n, struct broker_cluster *c, int32_t id) {
    n->cluster = c;
    n->id = id;
    n->running = true;
    n->epoch = ++c->broker_epoch_next;
    broker_connections_init(n);
    list_init(&n->queue);
    list_init(&n->parked);
    list_init(&n->notices);
    timer_init(&n->turn, turn);
    timer_init(&n->session, session_over);
    timer_init(&n->expiration, expiration);
    broker_notices_init(n);
    // Each node checks at another time, as real ones do.
    int64_t interval_ms = broker_setting_number(c, "producer.id.expiration.check.interval.ms", 600000);
    int64_t stagger_us = (int64_t)prng_below(&c->prng, (uint64_t)(interval_ms * 1000) + 1);
    timer_set(&c->timers, &n->expiration, c->now_us + stagger_us);
    broker_cleaning_init(n);
}

static void cancel_timers(struct broker_node *n) {
    struct timer *all[] = {&n->turn, &n->notice, &n->session, &n->expiration, &n->cleaning, &n->noting, &n->idle};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) timer_cancel(&n->cluster->timers, all[i]);
}

void broker_node_free(struct broker_node *n) {
    struct link *at;
    while ((at = list_first(&n->connections))) {
        struct broker_connection *k = CONTAINER_OF(at, struct broker_connection, link);
        k->executing = false;
        broker_connection_free(k);
    }
    fetch_sessions_free(n->sessions);
    setting_values_free(&n->settings);
    setting_values_free(&n->settings_dynamic);
    cancel_timers(n);
}

// Its controller side: a node that cannot be reached is fenced after a while, one that can is not.
static void watch_session(struct broker_node *n) {
    struct broker_cluster *c = n->cluster;
    if (!broker_node_hears(n)) {
        if (!n->fenced && !timer_is_set(&n->session)) timer_set(&c->timers, &n->session, c->now_us + c->session_us);
        return;
    }
    timer_cancel(&c->timers, &n->session);
    if (n->fenced) broker_unfence(n);
}

static void stop_leading(struct broker_replica *r, int32_t unused) {
    (void)unused;
    struct broker_cluster *c = r->node->cluster;
    bool led = r->leader == r->node->id;
    r->leader = BROKER_ID_NONE;
    timer_cancel(&c->timers, &r->fetch);
    timer_cancel(&c->timers, &r->lag);
    if (led) broker_coordinators_told(r, false);
}

static void drop_connections(struct broker_node *n) {
    struct link *at = list_first(&n->connections), *next;
    for (; at; at = next) {
        next = list_next(&n->connections, at);
        broker_connection_drop(CONTAINER_OF(at, struct broker_connection, link));
    }
}

// Of a killed broker only the checkpoint of some seconds ago is left (replica.high.watermark.checkpoint.interval.ms).
static void forget_high_watermark(struct broker_replica *r, int32_t unused) {
    (void)unused;
    struct broker_log *l = &r->log;
    size_t above = broker_log_find(l, l->high_watermark), back = (size_t)prng_below(&r->node->cluster->prng, 8);
    if (back == 0 || above == 0) return;
    int64_t offset = broker_log_at(l, above > back ? above - back : 0)->header.base_offset;
    if (offset < l->start) offset = l->start;
    if (offset < l->high_watermark) l->high_watermark = offset;
}

static void forget_start(struct broker_replica *r, int32_t unused) {
    (void)unused;
    broker_log_forget_start(&r->log);
}

static void lose_batches(struct broker_log *l, size_t at_risk, int32_t batches) {
    size_t lost = at_risk < (size_t)batches ? at_risk : (size_t)batches;
    if (lost > 0) broker_log_truncate(l, broker_log_at(l, l->count - lost)->header.base_offset);
}

// What the cleaner has written is on the disk (Cleaner.cleanSegments).
static void lose_tail(struct broker_replica *r, int32_t batches) {
    lose_batches(&r->log, r->log.count - broker_log_find(&r->log, r->log.cleaned_end), batches);
}

static void lose_more(struct broker_replica *r, int32_t batches) {
    lose_batches(&r->log, r->log.count, batches);
}

void broker_node_stop(struct broker_cluster *c, int32_t node, enum broker_stop how, int32_t lost) {
    struct broker_node *n = broker_find_node(c, node);
    if (!n->running) return;
    if (how == BROKER_SHUT_DOWN && broker_node_hears(n)) broker_fence(n);
    n->running = n->frozen = n->isolated = false;
    broker_requests_drop(n);
    drop_connections(n);
    broker_each_replica(n, stop_leading, 0);
    fetch_sessions_free(n->sessions);
    n->sessions = NULL;
    broker_notices_drop(n);
    timer_cancel(&c->timers, &n->turn);
    n->crashed = how != BROKER_SHUT_DOWN;
    broker_each_replica(n, n->crashed ? forget_start : broker_replica_note_start, 0);
    if (n->crashed) broker_each_replica(n, forget_high_watermark, 0);
    if (how == BROKER_POWER_LOST) broker_each_replica(n, lose_tail, lost);
    if (how == BROKER_DISK_LIED) broker_each_replica(n, lose_more, lost);
    watch_session(n);
}

static void load_log(struct broker_replica *r, int32_t crashed) {
    const struct broker_node *n = r->node;
    if (crashed) {
        int64_t noted = prng_between(&n->cluster->prng, r->log.start, r->log.end);
        broker_log_recover(&r->log, noted, n->cluster->wall_ms, n->producer_expiration_ms);
    } else {
        broker_log_reload(&r->log, n->cluster->wall_ms, n->producer_expiration_ms);
    }
    r->leader_epoch = -1;  // it acts on what it is told, as if for the first time
}

void broker_node_start(struct broker_cluster *c, int32_t node) {
    struct broker_node *n = broker_find_node(c, node);
    if (n->running) return;
    n->running = true;
    n->epoch = ++c->broker_epoch_next;
    // A new incarnation: whatever its predecessor led is led by others first (a real broker's registration waits for
    // the end of the old session).
    if (!n->fenced) broker_fence(n);
    if (n->crashed) broker_distrust(n);
    broker_each_replica(n, load_log, n->crashed);
    n->crashed = false;
    watch_session(n);
    broker_tell_now(n);
}

bool broker_node_runs(const struct broker_cluster *c, int32_t node) {
    const struct broker_node *n = broker_find_node(c, node);
    return n && n->running;
}

bool broker_node_is_well(const struct broker_cluster *c, int32_t node) {
    const struct broker_node *n = broker_find_node(c, node);
    return n && broker_node_hears(n) && n->throttle_ms == 0 && n->late_until_us < c->now_us;
}

static void end_rest(struct broker_replica *r, int32_t unused) {
    (void)unused;
    broker_end_rest(r);
}

static void follow(struct broker_replica *r, int32_t unused) {
    (void)unused;
    broker_follow(r->partition);
}

static void wake(struct broker_node *n) {
    struct link *at = list_first(&n->connections);
    for (; at; at = list_next(&n->connections, at)) {
        broker_connection_woken(CONTAINER_OF(at, struct broker_connection, link));
    }
    broker_node_requeue(n);  // before the notices: what it finds in its queue it executes in the old belief
    broker_notices_go_on(n);
}

void broker_node_freeze(struct broker_cluster *c, int32_t node, bool frozen) {
    struct broker_node *n = broker_find_node(c, node);
    if (n->frozen == frozen || !n->running) return;
    if (frozen) broker_each_replica(n, end_rest, 0);
    n->frozen = frozen;
    if (!frozen) wake(n);
    watch_session(n);
    if (!frozen) broker_each_replica(n, follow, 0);
}

void broker_node_isolate(struct broker_cluster *c, int32_t node, bool isolated) {
    struct broker_node *n = broker_find_node(c, node);
    if (n->isolated == isolated || !n->running) return;
    n->isolated = isolated;
    if (!isolated) broker_notices_go_on(n);
    watch_session(n);
    if (!isolated) broker_each_replica(n, follow, 0);
}
