// Followers fetch from the leaders they believe in: batches, high watermark, log start, and truncation where they
// differ.
//
// After kafka.server.{ReplicaFetcherThread, AbstractFetcherThread} with truncation on fetch (KIP-595): a follower says
// the epoch of its last batch, and the leader answers where its own log leaves that history.
#include "broker/cluster_private.h"

#include "base/limits.h"

// The leader's replica, when this follower can fetch from it now: both run and believe in the same epoch (a leader
// refuses FENCED_LEADER_EPOCH and UNKNOWN_LEADER_EPOCH).
static struct broker_replica *leader_of(const struct broker_replica *f) {
    if (f->held || !broker_node_works(f->node) || f->leader == f->node->id) return NULL;
    struct broker_node *n = broker_find_node(f->node->cluster, f->leader);
    if (!n || !broker_node_works(n)) return NULL;
    struct broker_replica *leader = broker_node_replica(n, f->partition);
    return leader->leader == n->id && leader->leader_epoch == f->leader_epoch ? leader : NULL;
}

static int32_t place_of(const struct broker_replica *f) {
    int32_t i = 0;
    while (f->partition->replicas[i] != f) i++;
    return i;
}

static bool settled(const struct broker_replica *leader, const struct broker_replica *f, int32_t i) {
    const struct broker_belief *b = broker_belief_of(leader->node, leader->partition);
    bool in_sync = false;
    for (int32_t at = 0; at < b->isr_count; at++) in_sync |= b->isr[at] == f->node->id;
    return in_sync && leader->followers[i].end == f->log.end && f->log.end == leader->log.end &&
           f->log.high_watermark == leader->log.high_watermark && leader->followers[i].start == f->log.start &&
           f->log.start >= leader->log.start;
}

// True when the follower's log does not continue the leader's: it has been cut (AbstractFetcherThread
// .getOffsetTruncationState, fetchOffsetAndTruncate), and the next fetch goes on from there.
static bool truncated(struct broker_replica *f, const struct broker_log *leader) {
    struct broker_log *l = &f->log;
    int32_t epoch = broker_log_newest_epoch(l);
    struct log_epoch known = epoch >= 0 ? broker_log_end_of_epoch(leader, epoch) : (struct log_epoch){-1, -1};
    if (known.epoch >= 0 && (known.epoch < epoch || known.start < l->end)) {
        struct log_epoch own = broker_log_end_of_epoch(l, known.epoch);
        int64_t to = known.start < l->end ? known.start : l->end;
        if (own.epoch >= 0 && own.epoch != known.epoch) to = own.start < l->end ? own.start : l->end;
        else if (own.epoch >= 0 && own.start < to) to = own.start;
        broker_log_truncate(l, to);
        return true;
    }
    if (l->end > leader->end) {
        broker_log_truncate(l, leader->end);
        return true;
    }
    if (l->end < leader->start) {
        broker_log_restart_at(l, leader->start);
        return true;
    }
    return false;
}

// Behind the last batch that one fetch brings.
static size_t fetched_end(const struct broker_log *leader, size_t first, struct log_coming *c) {
    int64_t file_end = broker_log_segment_end(leader, first);
    size_t i = first;
    *c = (struct log_coming){.base_offset = broker_log_at(leader, first)->header.base_offset, .max_timestamp = -1};
    for (; i < leader->count; i++) {
        const struct batch_header *h = &broker_log_at(leader, i)->header;
        bool enough = c->bytes + h->size > BROKER_REPLICA_FETCH_BYTES_MAX || h->base_offset >= file_end;
        if (enough && i > first) break;
        c->bytes += h->size;
        c->last_offset = batch_last_offset(h);
        if (h->max_timestamp > c->max_timestamp) c->max_timestamp = h->max_timestamp;
    }
    return i;
}

static void copy_batches(struct broker_replica *f, const struct broker_log *leader) {
    size_t i = broker_log_find(leader, f->log.end);
    if (i == leader->count) return;
    struct log_coming coming;
    size_t end = fetched_end(leader, i, &coming);
    if (coming.base_offset >= f->log.end) broker_log_roll(&f->log, broker_replica_settings(f), &coming);
    for (; i < end; i++) {
        struct stored_batch *b = broker_log_at(leader, i);
        // The leader's log start lies inside a batch, and the follower began there (Partition.appendRecordsToFollower);
        // or it ends there, with another history that the leader has deleted its own of. (Kafka gives such a follower
        // up until it is restarted or led by another.)
        if (b->header.base_offset < f->log.end && leader->start > b->header.base_offset)
            broker_log_restart_at(&f->log, b->header.base_offset);
        broker_log_append(&f->log, b, f->node->cluster->wall_ms);
    }
}

static void fetch(struct broker_replica *f, struct broker_replica *leader, int32_t i) {
    if (truncated(f, &leader->log)) return;
    int64_t high_watermark = leader->log.high_watermark, end = f->log.end;
    copy_batches(f, &leader->log);
    broker_replica_heard(leader, i, &f->log, end);
    // The leader's, though one's own may have been higher (UnifiedLog.maybeUpdateHighWatermark).
    if (high_watermark > f->log.end) high_watermark = f->log.end;
    if (high_watermark < f->log.start) high_watermark = f->log.start;
    if (high_watermark != f->log.high_watermark) {
        broker_log_set_high_watermark(&f->log, high_watermark);
        broker_replica_changed(f);  // who reads from the follower waits for this (KIP-392)
    }
    int64_t start = leader->log.start;
    if (start > f->log.start && start <= f->log.high_watermark) broker_log_delete_below(&f->log, start);
}

static int64_t fetch_us(const struct broker_replica *f) {
    const struct broker_cluster_config *config = &f->node->cluster->config;
    return config->replica_fetch_us(config->timing_context, f->node->id);
}

static void fetch_again(struct timer *t, int64_t now_us) {
    (void)now_us;
    struct broker_replica *f = CONTAINER_OF(t, struct broker_replica, fetch);
    struct broker_replica *leader = leader_of(f);
    if (!leader) return;
    int32_t i = place_of(f);
    fetch(f, leader, i);
    broker_follow(f->partition);  // this one again, and others if the high watermark has moved
}

void broker_replica_init_fetch(struct broker_replica *r) {
    timer_init(&r->fetch, fetch_again);
}

struct progress {
    int64_t start, end, epoch, high_watermark, known_start, known_end;
};

static struct progress progress_of(const struct broker_replica *leader, const struct broker_replica *f, int32_t i) {
    return (struct progress){f->log.start,
                             f->log.end,
                             broker_log_newest_epoch(&f->log),
                             f->log.high_watermark,
                             leader->followers[i].start,
                             leader->followers[i].end};
}

// True: something has changed.
static bool fetch_once(struct broker_replica *f, struct broker_replica *leader, int32_t i) {
    struct progress before = progress_of(leader, f, i);
    fetch(f, leader, i);
    struct progress after = progress_of(leader, f, i);
    return memcmp(&before, &after, sizeof before) != 0;
}

// Without delays: as many rounds as change something.
static void fetch_at_once(struct broker_partition *p) {
    bool changed = true;
    while (changed) {
        changed = false;
        for (int32_t i = 0; i < p->replicas_count; i++) {
            struct broker_replica *f = p->replicas[i], *leader = leader_of(f);
            if (leader && !settled(leader, f, i)) changed |= fetch_once(f, leader, i);
        }
    }
}

void broker_follow(struct broker_partition *p) {
    struct broker_cluster *c = p->replicas[0]->node->cluster;
    if (p->topic->deleted) return;
    if (!c->config.replica_fetch_us) {
        broker_calls_hold(c);
        fetch_at_once(p);
        broker_calls_release(c);
        return;
    }
    for (int32_t i = 0; i < p->replicas_count; i++) {
        struct broker_replica *f = p->replicas[i], *leader = leader_of(f);
        if (!leader || timer_is_set(&f->fetch) || settled(leader, f, i)) continue;
        timer_set(&c->timers, &f->fetch, c->now_us + fetch_us(f));
    }
}

void broker_end_rest(struct broker_replica *f) {
    struct broker_replica *leader = leader_of(f);
    if (!leader || timer_is_set(&f->fetch)) return;
    int32_t i = place_of(f);
    if (leader->followers[i].end == f->log.end) leader->followers[i].caught_up_us = f->node->cluster->now_us;
}

void broker_replica_appended(struct broker_replica *r) {
    struct broker_partition *p = r->partition;
    struct broker_cluster *c = r->node->cluster;
    broker_calls_hold(c);
    for (int32_t i = 0; i < p->replicas_count; i++) broker_end_rest(p->replicas[i]);
    broker_replica_raise_high_watermark(r);
    broker_replica_changed(r);
    broker_follow(p);
    broker_replica_watch_lag(r);
    broker_calls_release(c);
}
