// How nodes hear what the controller has decided: each in its time, and not at all while frozen or isolated.
//
// After org.apache.kafka.image.publisher and kafka.server.metadata.BrokerMetadataPublisher: a node that is late skips
// what was decided in between.
#include "broker/cluster_private.h"

static int64_t notice_us(struct broker_node *n) {
    const struct broker_cluster_config *config = &n->cluster->config;
    return config->notice_us ? config->notice_us(config->timing_context, n->id) : 0;
}

static void hear_partition(struct broker_node *n, struct broker_belief *b) {
    struct broker_partition *p = b->partition;
    bool new_epoch = b->leader_epoch != p->leader_epoch;
    if (!new_epoch && b->partition_epoch == p->partition_epoch) return;
    b->leader = p->leader;
    b->leader_epoch = p->leader_epoch;
    b->partition_epoch = p->partition_epoch;
    memcpy(b->isr, p->isr, sizeof b->isr);
    b->isr_count = p->isr_count;
    memcpy(b->elr, p->elr, sizeof b->elr);
    b->elr_count = p->elr_count;
    b->last_leader = p->last_leader;
    struct broker_replica *r = broker_node_replica(n, p);
    if (!r) return;
    if (!new_epoch) {
        if (r->leader == n->id) {
            broker_replica_raise_high_watermark(r);
            broker_replica_watch_lag(r);
            broker_replica_changed(r);
            broker_follow(p);
        }
    } else if (b->leader == n->id) {
        broker_replica_lead(r, b);
    } else {
        broker_replica_follow(r, b);
    }
}

static void hear_alive(struct broker_node *n) {
    struct broker_cluster *c = n->cluster;
    n->alive_known = 0;
    for (int32_t i = 0; i < c->config.nodes; i++) n->alive_known |= (uint32_t)!c->nodes[i].fenced << i;
}

static void hear(struct broker_node *n, struct broker_belief *b) {
    if (link_linked(&b->link)) list_remove(&b->link);
    // First, as in a metadata image: who is fenced holds the high watermark back no longer when it leaves the ISR.
    hear_alive(n);
    if (b->partition) hear_partition(n, b);
}

static void deliver(struct timer *t, int64_t now_us) {
    struct broker_node *n = CONTAINER_OF(t, struct broker_node, notice);
    struct link *at;
    while (broker_node_hears(n) && (at = list_first(&n->notices))) {
        struct broker_belief *b = CONTAINER_OF(at, struct broker_belief, link);
        if (b->due_us > now_us) {
            timer_set(&n->cluster->timers, t, b->due_us);
            return;
        }
        hear(n, b);
    }
}

void broker_notices_init(struct broker_node *n) {
    timer_init(&n->notice, deliver);
}

static void tell(struct broker_node *n, struct broker_belief *b) {
    struct broker_cluster *c = n->cluster;
    if (!n->running || link_linked(&b->link)) return;  // told at its start; or the older notice will bring it
    if (!c->config.notice_us && broker_node_hears(n) && list_empty(&n->notices)) {
        hear(n, b);
        return;
    }
    struct link *last = list_last(&n->notices);
    int64_t due_us = c->now_us + notice_us(n),
            last_us = last ? CONTAINER_OF(last, struct broker_belief, link)->due_us : 0;
    b->due_us = due_us > last_us ? due_us : last_us;
    list_append(&n->notices, &b->link);
    if (!last && broker_node_hears(n)) timer_set(&c->timers, &n->notice, b->due_us);
}

void broker_tell(struct broker_partition *p) {
    struct broker_cluster *c = p->replicas[0]->node->cluster;
    for (int32_t i = 0; i < c->config.nodes; i++) tell(&c->nodes[i], &p->beliefs[i]);
}

void broker_tell_alive(struct broker_cluster *c) {
    for (int32_t i = 0; i < c->config.nodes; i++) tell(&c->nodes[i], &c->nodes[i].alive);
}

void broker_hear(struct broker_node *n, struct broker_partition *p) {
    hear(n, broker_belief_of(n, p));
}

void broker_tell_now(struct broker_node *n) {
    struct broker_cluster *c = n->cluster;
    hear(n, &n->alive);
    for (size_t i = 0; i < c->topics_count; i++) {
        for (int32_t p = 0; p < c->topics[i]->partitions_count; p++) {
            struct broker_belief *b = broker_belief_of(n, c->topics[i]->partitions[p]);
            b->leader_epoch = -1;
            hear(n, b);
        }
    }
}

void broker_notices_go_on(struct broker_node *n) {
    if (!list_empty(&n->notices) && broker_node_hears(n)) {
        timer_set(&n->cluster->timers, &n->notice, n->cluster->now_us + notice_us(n));
    }
}

void broker_notices_drop(struct broker_node *n) {
    while (list_take_first(&n->notices)) {
    }
    timer_cancel(&n->cluster->timers, &n->notice);
}

void broker_untell(struct broker_partition *p) {
    struct broker_cluster *c = p->replicas[0]->node->cluster;
    for (int32_t i = 0; i < c->config.nodes; i++) {
        if (link_linked(&p->beliefs[i].link)) list_remove(&p->beliefs[i].link);
    }
}
