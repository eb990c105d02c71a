// What a node does from time to time with its logs: retention and compaction, log starts are noted on the disk; and
// deleted topics are let go.
#include "broker/cluster_private.h"
#include "broker/log_cleaner.h"

#define CLEANING_MS_DEFAULT 300000  // log.retention.check.interval.ms
#define NOTING_MS_DEFAULT 60000     // log.flush.start.offset.checkpoint.interval.ms

static int64_t interval_us(const struct broker_cluster *c) {
    return broker_setting_number(c, "log.retention.check.interval.ms", CLEANING_MS_DEFAULT) * 1000;
}

static void clean_log(struct broker_replica *r, int32_t unused) {
    (void)unused;
    int64_t start = r->log.start;
    broker_log_clean(&r->log, broker_replica_settings(r), r->node->cluster->wall_ms);
    if (r->log.start > start && r->leader == r->node->id) broker_replica_appended(r);
}

void broker_clean_logs(struct broker_cluster *c) {
    for (int32_t i = 0; i < c->config.nodes; i++) {
        if (broker_node_works(&c->nodes[i])) broker_each_replica(&c->nodes[i], clean_log, 0);
    }
}

static void clean(struct timer *t, int64_t now_us) {
    struct broker_node *n = CONTAINER_OF(t, struct broker_node, cleaning);
    broker_topics_sweep(n->cluster);
    if (broker_node_works(n)) broker_each_replica(n, clean_log, 0);
    timer_set(&n->cluster->timers, t, now_us + interval_us(n->cluster));
}

void broker_replica_note_start(struct broker_replica *r, int32_t unused) {
    (void)unused;
    broker_log_note_start(&r->log);
}

void broker_note_log_starts(struct broker_cluster *c) {
    for (int32_t i = 0; i < c->config.nodes; i++) broker_each_replica(&c->nodes[i], broker_replica_note_start, 0);
}

static int64_t noting_us(const struct broker_cluster *c) {
    return broker_setting_number(c, "log.flush.start.offset.checkpoint.interval.ms", NOTING_MS_DEFAULT) * 1000;
}

static void note(struct timer *t, int64_t now_us) {
    struct broker_node *n = CONTAINER_OF(t, struct broker_node, noting);
    if (broker_node_works(n)) broker_each_replica(n, broker_replica_note_start, 0);
    if (noting_us(n->cluster) > 0) timer_set(&n->cluster->timers, t, now_us + noting_us(n->cluster));
}

void broker_cleaning_init(struct broker_node *n) {
    struct broker_cluster *c = n->cluster;
    timer_init(&n->cleaning, clean);
    timer_init(&n->noting, note);
    // Each node at another time, so that replicas differ in what they still hold.
    timer_set(&c->timers, &n->cleaning, c->now_us + (int64_t)prng_below(&c->prng, (uint64_t)interval_us(c) + 1));
    timer_set(&c->timers, &n->noting, c->now_us + (int64_t)prng_below(&c->prng, (uint64_t)noting_us(c) + 1));
}
