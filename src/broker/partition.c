// A partition's replicas as leader and follower: who believes to lead, high watermark, ISR, and who waits for them.
//
// After kafka.cluster.Partition and org.apache.kafka.server.replica.ReplicaState.
#include "broker/cluster_private.h"

#include "base/memory.h"
#include "wire/error_codes.h"

#include <assert.h>

// Waiting -----------------------------------------------------------------------------------------------------------

void broker_wait(struct broker_replica *r, struct waiter *w) {
    list_append(&r->waiting, &w->link);
}

void broker_wait_end(struct waiter *w) {
    if (link_linked(&w->link)) list_remove(&w->link);
}

// Waiters move through a second list, so that a call may take off whomever it likes.
static void call_waiters(struct broker_replica *r) {
    struct list todo;
    list_init(&todo);
    struct link *at;
    while ((at = list_take_first(&r->waiting))) list_append(&todo, at);
    while ((at = list_take_first(&todo))) {
        list_append(&r->waiting, at);
        struct waiter *w = CONTAINER_OF(at, struct waiter, link);
        w->ready(w);
    }
}

void broker_calls_hold(struct broker_cluster *c) {
    c->calls_held++;
}

void broker_calls_release(struct broker_cluster *c) {
    assert(c->calls_held > 0);
    struct link *at;
    while (c->calls_held == 1 && (at = list_take_first(&c->changed))) {
        call_waiters(CONTAINER_OF(at, struct broker_replica, changed));
    }
    c->calls_held--;
}

void broker_replica_changed(struct broker_replica *r) {
    struct broker_cluster *c = r->node->cluster;
    if (list_empty(&r->waiting) || link_linked(&r->changed)) return;
    broker_calls_hold(c);
    list_append(&c->changed, &r->changed);
    broker_calls_release(c);
}

// Making and ending -------------------------------------------------------------------------------------------------

static void lag_over(struct timer *t, int64_t now_us);

static struct broker_replica *replica_new(struct broker_partition *p, struct broker_node *n) {
    struct broker_replica *r = NEW(struct broker_replica);
    r->partition = p;
    r->node = n;
    r->leader = BROKER_ID_NONE;
    r->leader_epoch = -1;
    broker_log_init(&r->log);
    r->log.held = &n->cluster->data_bytes;
    r->log.wall_ms = &n->cluster->wall_ms;
    r->log.producer_expiration_ms = &n->producer_expiration_ms;
    broker_replica_init_fetch(r);
    timer_init(&r->lag, lag_over);
    list_init(&r->waiting);
    return r;
}

struct broker_partition *broker_partition_new(struct broker_cluster *c, struct broker_topic *t, int32_t index,
                                              const int32_t *replicas, int32_t replicas_count) {
    assert(replicas_count >= 1 && replicas_count <= BROKER_REPLICAS_MAX);
    struct broker_partition *p = NEW(struct broker_partition);
    p->topic = t;
    p->index = index;
    p->leader = p->last_leader = BROKER_ID_NONE;
    p->replicas_count = replicas_count;
    p->beliefs = memory_alloc_zeroed((size_t)c->config.nodes, sizeof *p->beliefs);
    for (int32_t i = 0; i < c->config.nodes; i++) {
        p->beliefs[i].partition = p;
        p->beliefs[i].leader = BROKER_ID_NONE;
        p->beliefs[i].leader_epoch = -1;
    }
    for (int32_t i = 0; i < replicas_count; i++) {
        struct broker_node *n = broker_find_node(c, replicas[i]);
        p->replicas[i] = replica_new(p, n);
        if (n->fenced) continue;
        if (p->leader == BROKER_ID_NONE) p->leader = n->id;
        p->isr[p->isr_count++] = n->id;
    }
    assert(p->isr_count > 0);
    return p;
}

void broker_partition_end(struct broker_partition *p) {
    struct broker_cluster *c = p->replicas[0]->node->cluster;
    broker_untell(p);
    for (int32_t i = 0; i < p->replicas_count; i++) {
        struct broker_replica *r = p->replicas[i];
        timer_cancel(&c->timers, &r->fetch);
        timer_cancel(&c->timers, &r->lag);
        broker_replica_changed(r);
    }
}

void broker_partition_free(struct broker_partition *p) {
    for (int32_t i = 0; i < p->replicas_count; i++) {
        struct broker_replica *r = p->replicas[i];
        while (list_take_first(&r->waiting)) {
        }
        if (link_linked(&r->changed)) list_remove(&r->changed);
        broker_log_free(&r->log);
        memory_free(r);
    }
    memory_free(p->beliefs);
    memory_free(p);
}

// Who leads ---------------------------------------------------------------------------------------------------------

struct broker_replica *broker_node_replica(const struct broker_node *n, const struct broker_partition *p) {
    for (int32_t i = 0; i < p->replicas_count; i++) {
        if (p->replicas[i]->node == n) return p->replicas[i];
    }
    return NULL;
}

struct broker_replica *broker_leader_replica(const struct broker_node *n, struct broker_partition *p,
                                             int32_t current_epoch, int16_t *error_code) {
    *error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    if (!p || p->topic->deleted) return NULL;
    const struct broker_belief *b = broker_belief_of(n, p);
    struct broker_replica *r = broker_node_replica(n, p);
    if (b->leader_epoch < 0) return NULL;
    *error_code = KAFKA_NOT_LEADER_OR_FOLLOWER;
    if (!r) return NULL;
    if (current_epoch != -1 && current_epoch < r->leader_epoch) *error_code = KAFKA_FENCED_LEADER_EPOCH;
    else if (current_epoch > r->leader_epoch) *error_code = KAFKA_UNKNOWN_LEADER_EPOCH;
    else if (r->leader == n->id) *error_code = KAFKA_NONE;
    return *error_code == KAFKA_NONE ? r : NULL;
}

void broker_coordinators_told(struct broker_replica *r, bool leads) {
    if (!r->partition->topic->internal) return;
    broker_groups_on_leader(r->node->cluster, r, leads);
    broker_transactions_on_leader(r->node->cluster, r, leads);
}

void broker_replica_lead(struct broker_replica *r, const struct broker_belief *b) {
    struct broker_cluster *c = r->node->cluster;
    struct broker_partition *p = r->partition;
    bool led = r->leader == r->node->id;
    timer_cancel(&c->timers, &r->fetch);
    r->leader = b->leader;
    r->leader_epoch = b->leader_epoch;
    r->epoch_start = r->log.end;
    broker_log_start_epoch(&r->log, r->leader_epoch);
    for (int32_t i = 0; i < p->replicas_count; i++) {  // ReplicaState.resetReplicaState
        bool in_sync = false;
        for (int32_t at = 0; at < b->isr_count; at++) in_sync |= b->isr[at] == p->replicas[i]->node->id;
        r->followers[i].caught_up_us = in_sync ? c->now_us : INT64_MIN / 2;
        r->followers[i].last_fetch_us = led && in_sync ? c->now_us : INT64_MIN / 2;
        r->followers[i].last_fetch_end = led ? r->log.end : -1;
        if (!led) r->followers[i].end = r->followers[i].start = -1;
    }
    broker_coordinators_told(r, true);  // of each epoch: it is theirs (TopicDelta.localChanges, electedLeaders)
    broker_replica_raise_high_watermark(r);
    broker_replica_watch_lag(r);
    broker_replica_changed(r);
    broker_follow(p);
}

void broker_replica_follow(struct broker_replica *r, const struct broker_belief *b) {
    struct broker_cluster *c = r->node->cluster;
    bool led = r->leader == r->node->id;
    timer_cancel(&c->timers, &r->fetch);
    timer_cancel(&c->timers, &r->lag);
    r->leader = b->leader;
    r->leader_epoch = b->leader_epoch;
    if (led) broker_coordinators_told(r, false);
    broker_replica_changed(r);
    broker_follow(r->partition);
}

// High watermark ----------------------------------------------------------------------------------------------------

static bool believed_in_sync(const struct broker_replica *leader, int32_t node) {
    const struct broker_belief *b = broker_belief_of(leader->node, leader->partition);
    for (int32_t i = 0; i < b->isr_count; i++) {
        if (b->isr[i] == node) return true;
    }
    return false;
}

static bool caught_up(const struct broker_replica *leader, int32_t i) {
    const struct broker_cluster *c = leader->node->cluster;
    return leader->followers[i].end == leader->log.end ||
           c->now_us - leader->followers[i].caught_up_us <= c->lag_us_max;
}

static bool under_min_isr(const struct broker_replica *r) {
    int32_t min = broker_replica_settings(r)->insync_replicas_min, replicas = r->partition->replicas_count;
    return broker_belief_of(r->node, r->partition)->isr_count < (min < replicas ? min : replicas);
}

int16_t broker_replica_enough(const struct broker_replica *r) {
    int32_t min = broker_replica_settings(r)->insync_replicas_min, replicas = r->partition->replicas_count;
    int32_t isr = broker_belief_of(r->node, r->partition)->isr_count;
    return isr < (min < replicas ? min : replicas) ? KAFKA_NOT_ENOUGH_REPLICAS : KAFKA_NONE;
}

// Partition.maybeIncrementLeaderHW: the ISR's smallest log end, and of those about to join it.
void broker_replica_raise_high_watermark(struct broker_replica *r) {
    const struct broker_partition *p = r->partition;
    if (under_min_isr(r)) return;
    int64_t end = r->log.end;
    for (int32_t i = 0; i < p->replicas_count; i++) {
        const struct broker_node *n = p->replicas[i]->node;
        if (n == r->node || r->followers[i].end >= end) continue;
        bool alive = broker_knows_alive(r->node, n->id);
        if (believed_in_sync(r, n->id) || (alive && caught_up(r, i))) end = r->followers[i].end;
    }
    if (end <= r->log.high_watermark) return;
    broker_log_set_high_watermark(&r->log, end);
    broker_replica_changed(r);
}

int16_t broker_replica_committed(const struct broker_replica *r, int64_t offset) {
    if (r->partition->topic->deleted) return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    if (r->leader != r->node->id) return KAFKA_NOT_LEADER_OR_FOLLOWER;
    if (r->log.high_watermark < offset) return KAFKA_REQUEST_TIMED_OUT;
    return under_min_isr(r) ? KAFKA_NOT_ENOUGH_REPLICAS_AFTER_APPEND : KAFKA_NONE;
}

int64_t broker_replica_low_watermark(const struct broker_replica *r) {
    int64_t low = r->log.start;
    for (int32_t i = 0; i < r->partition->replicas_count; i++) {
        const struct broker_node *n = r->partition->replicas[i]->node;
        bool alive = broker_knows_alive(r->node, n->id);
        if (n != r->node && alive && r->followers[i].start < low) low = r->followers[i].start;
    }
    return low;
}

// ISR ---------------------------------------------------------------------------------------------------------------

static void expand_isr(struct broker_replica *r, int32_t i) {
    int32_t node = r->partition->replicas[i]->node->id;
    int64_t end = r->followers[i].end;
    if (believed_in_sync(r, node) || end < r->log.high_watermark || end < r->epoch_start) return;
    const struct broker_belief *b = broker_belief_of(r->node, r->partition);
    int32_t isr[BROKER_REPLICAS_MAX];
    memcpy(isr, b->isr, sizeof isr);
    isr[b->isr_count] = node;
    broker_alter_isr(r, isr, b->isr_count + 1);
}

void broker_replica_heard(struct broker_replica *r, int32_t i, const struct broker_log *follower,
                          int64_t follower_end) {
    int64_t now_us = r->node->cluster->now_us;
    bool start_moved = r->followers[i].start != follower->start;
    r->followers[i].start = follower->start;
    if (follower_end >= r->log.end) r->followers[i].caught_up_us = now_us;
    else if (follower_end >= r->followers[i].last_fetch_end && r->followers[i].last_fetch_end >= 0 &&
             r->followers[i].last_fetch_us > r->followers[i].caught_up_us)
        r->followers[i].caught_up_us = r->followers[i].last_fetch_us;
    r->followers[i].end = follower_end;
    r->followers[i].last_fetch_end = r->log.end;
    r->followers[i].last_fetch_us = now_us;
    expand_isr(r, i);
    broker_replica_raise_high_watermark(r);
    if (start_moved) broker_replica_changed(r);
}

void broker_replica_watch_lag(struct broker_replica *r) {
    struct broker_cluster *c = r->node->cluster;
    if (timer_is_set(&r->lag) || r->leader != r->node->id) return;
    int64_t first_us = INT64_MAX;
    for (int32_t i = 0; i < r->partition->replicas_count; i++) {
        const struct broker_node *n = r->partition->replicas[i]->node;
        if (n == r->node || !believed_in_sync(r, n->id) || r->followers[i].end == r->log.end) continue;
        if (r->followers[i].caught_up_us < first_us) first_us = r->followers[i].caught_up_us;
    }
    if (first_us == INT64_MAX) return;
    int64_t due_us = first_us + c->lag_us_max + 1;
    // A leader that could not tell the controller tries again.
    timer_set(&c->timers, &r->lag, due_us > c->now_us ? due_us : c->now_us + c->lag_us_max / 2);
}

static void lag_over(struct timer *t, int64_t now_us) {
    (void)now_us;
    struct broker_replica *r = CONTAINER_OF(t, struct broker_replica, lag);
    const struct broker_belief *b = broker_belief_of(r->node, r->partition);
    int32_t isr[BROKER_REPLICAS_MAX], count = 0;
    for (int32_t at = 0; at < b->isr_count; at++) {
        bool in_sync = b->isr[at] == r->node->id;
        for (int32_t i = 0; i < r->partition->replicas_count && !in_sync; i++) {
            in_sync = r->partition->replicas[i]->node->id == b->isr[at] && caught_up(r, i);
        }
        if (in_sync) isr[count++] = b->isr[at];
    }
    if (broker_node_works(r->node) && count < b->isr_count) broker_alter_isr(r, isr, count);
    broker_replica_watch_lag(r);
}
