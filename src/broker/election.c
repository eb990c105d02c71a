// The controller: who leads, who is in sync, who may be elected.
//
// After org.apache.kafka.controller.{ReplicationControlManager, PartitionChangeBuilder}: an ISR never becomes empty,
// every election raises the leader epoch, every change the partition epoch.
#include "broker/cluster_private.h"

static bool isr_remove(struct broker_partition *p, int32_t node) {
    int32_t kept = 0;
    for (int32_t i = 0; i < p->isr_count; i++) {
        if (p->isr[i] != node) p->isr[kept++] = p->isr[i];
    }
    bool removed = kept < p->isr_count;
    p->isr_count = kept;
    return removed;
}

void broker_elect_node(struct broker_partition *p, int32_t node) {
    p->leader = node;
    p->leader_epoch++;
    p->partition_epoch++;
    if (node != BROKER_ID_NONE && !broker_isr_has(p, node)) {  // unclean: what the others hold more does not count
        p->isr[0] = node;
        p->isr_count = 1;
    }
    broker_tell(p);
}

bool broker_elect(struct broker_partition *p, bool unclean) {
    int32_t best = BROKER_ID_NONE;
    for (int32_t i = 0; i < p->replicas_count && best == BROKER_ID_NONE; i++) {
        const struct broker_node *n = p->replicas[i]->node;
        if (!n->fenced && broker_isr_has(p, n->id)) best = n->id;
    }
    for (int32_t i = 0; i < p->replicas_count && best == BROKER_ID_NONE && unclean; i++) {
        if (!p->replicas[i]->node->fenced) best = p->replicas[i]->node->id;
    }
    if (best == p->leader) return false;
    broker_elect_node(p, best);
    return true;
}

static void fence_replica(struct broker_partition *p, int32_t node) {
    bool shrunk = p->isr_count > 1 && isr_remove(p, node);
    if (shrunk) p->partition_epoch++;
    if (p->leader == node) broker_elect(p, p->topic->settings.unclean_election);
    else if (shrunk) broker_tell(p);
}

void broker_fence(struct broker_node *n) {
    struct broker_cluster *c = n->cluster;
    n->fenced = true;
    timer_cancel(&c->timers, &n->session);
    for (size_t i = 0; i < c->topics_count; i++) {
        for (int32_t p = 0; p < c->topics[i]->partitions_count; p++) {
            struct broker_partition *partition = c->topics[i]->partitions[p];
            if (broker_node_replica(n, partition)) fence_replica(partition, n->id);
        }
    }
    broker_tell_alive(c);
}

void broker_unfence(struct broker_node *n) {
    struct broker_cluster *c = n->cluster;
    n->fenced = false;
    broker_tell_alive(c);
    for (size_t i = 0; i < c->topics_count; i++) {
        for (int32_t p = 0; p < c->topics[i]->partitions_count; p++) {
            struct broker_partition *partition = c->topics[i]->partitions[p];
            if (partition->leader != BROKER_ID_NONE || !broker_node_replica(n, partition)) continue;
            broker_elect(partition, c->topics[i]->settings.unclean_election);
        }
    }
}

void broker_prefer_leaders(struct broker_cluster *c) {
    for (size_t i = 0; i < c->topics_count; i++) {
        for (int32_t at = 0; at < c->topics[i]->partitions_count; at++) {
            struct broker_partition *p = c->topics[i]->partitions[at];
            const struct broker_node *preferred = p->replicas[0]->node;
            bool may = !preferred->fenced && broker_isr_has(p, preferred->id);
            if (may && p->leader != preferred->id) broker_elect_node(p, preferred->id);
        }
    }
}

bool broker_alter_isr(struct broker_replica *leader, const int32_t *isr, int32_t isr_count) {
    struct broker_partition *p = leader->partition;
    struct broker_node *n = leader->node;
    if (!broker_node_hears(n) || p->leader != n->id || p->leader_epoch != leader->leader_epoch ||
        broker_belief_of(n, p)->partition_epoch != p->partition_epoch) {
        return false;
    }
    for (int32_t i = 0; i < isr_count; i++) {  // INELIGIBLE_REPLICA
        if (broker_find_node(n->cluster, isr[i])->fenced) return false;
    }
    memcpy(p->isr, isr, (size_t)isr_count * sizeof *isr);
    p->isr_count = isr_count;
    p->partition_epoch++;
    broker_hear(n, p);
    broker_tell(p);
    return true;
}
