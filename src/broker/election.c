// The controller: who leads, who is in sync, who may be elected.
//
// After org.apache.kafka.controller.{ReplicationControlManager, PartitionChangeBuilder} with eligible leader replicas
// (KIP-966, on since 4.1): every election raises the leader epoch, every change the partition epoch.
#include "broker/cluster_private.h"

static bool has(const int32_t *ids, int32_t count, int32_t id) {
    for (int32_t i = 0; i < count; i++) {
        if (ids[i] == id) return true;
    }
    return false;
}

static int32_t remove_id(int32_t *ids, int32_t count, int32_t id) {
    int32_t kept = 0;
    for (int32_t i = 0; i < count; i++) {
        if (ids[i] != id) ids[kept++] = ids[i];
    }
    return kept;
}

// Who leaves an ISR that is smaller than min.insync.replicas then stays eligible: no high watermark rises meanwhile.
static void set_isr(struct broker_partition *p, const int32_t *isr, int32_t isr_count) {
    int32_t min = p->topic->settings.insync_replicas_min;
    if (min > p->replicas_count) min = p->replicas_count;
    for (int32_t i = 0; i < p->isr_count; i++) {
        if (!has(p->elr, p->elr_count, p->isr[i])) p->elr[p->elr_count++] = p->isr[i];
    }
    for (int32_t i = 0; i < isr_count; i++) p->elr_count = remove_id(p->elr, p->elr_count, isr[i]);
    if (isr_count >= min) p->elr_count = 0;
    memmove(p->isr, isr, (size_t)isr_count * sizeof *isr);
    p->isr_count = isr_count;
    p->last_leader = isr_count == 0 ? p->leader : BROKER_ID_NONE;
    p->partition_epoch++;
}

void broker_elect_node(struct broker_partition *p, int32_t node) {
    if (node != BROKER_ID_NONE && !broker_isr_has(p, node)) {
        bool eligible = has(p->elr, p->elr_count, node);
        set_isr(p, &node, 1);
        if (!eligible) p->elr_count = 0;  // unclean: what others hold more does not count
    } else {
        p->partition_epoch++;
    }
    p->leader = node;
    p->leader_epoch++;
    broker_tell(p);
}

static bool may_lead(const struct broker_partition *p, const struct broker_node *n) {
    return !n->fenced && (broker_isr_has(p, n->id) || has(p->elr, p->elr_count, n->id));
}

bool broker_elect(struct broker_partition *p, bool unclean) {
    int32_t best = BROKER_ID_NONE;
    for (int32_t i = 0; i < p->replicas_count && best == BROKER_ID_NONE; i++) {
        if (may_lead(p, p->replicas[i]->node)) best = p->replicas[i]->node->id;
    }
    // Nobody is left but the last leader, though it has crashed: PartitionChangeBuilder.canElectLastKnownLeader.
    bool nobody = best == BROKER_ID_NONE && p->isr_count == 0 && p->elr_count == 0 && p->last_leader != BROKER_ID_NONE;
    const struct broker_node *last = broker_find_node(p->replicas[0]->node->cluster, p->last_leader);
    if (nobody && !last->fenced) best = last->id;
    for (int32_t i = 0; i < p->replicas_count && best == BROKER_ID_NONE && unclean; i++) {
        if (!p->replicas[i]->node->fenced) best = p->replicas[i]->node->id;
    }
    if (best == p->leader) return false;
    broker_elect_node(p, best);
    return true;
}

static void fence_replica(struct broker_partition *p, int32_t node) {
    bool shrunk = broker_isr_has(p, node);
    if (shrunk) {
        int32_t isr[BROKER_REPLICAS_MAX];
        memcpy(isr, p->isr, sizeof isr);
        set_isr(p, isr, remove_id(isr, p->isr_count, node));
    }
    if (p->leader == node) broker_elect(p, p->topic->settings.unclean_election);
    else if (shrunk) broker_tell(p);
}

// Runs `each` for the partitions of which the node has a replica.
static void each_partition(struct broker_node *n, void (*each)(struct broker_partition *p, int32_t node)) {
    struct broker_cluster *c = n->cluster;
    for (size_t i = 0; i < c->topics_count; i++) {
        for (int32_t p = 0; p < c->topics[i]->partitions_count; p++) {
            struct broker_partition *partition = c->topics[i]->partitions[p];
            if (broker_node_replica(n, partition)) each(partition, n->id);
        }
    }
}

void broker_fence(struct broker_node *n) {
    n->fenced = true;
    timer_cancel(&n->cluster->timers, &n->session);
    each_partition(n, fence_replica);
    broker_tell_alive(n->cluster);
}

static void distrust_replica(struct broker_partition *p, int32_t node) {
    p->elr_count = remove_id(p->elr, p->elr_count, node);
}

void broker_distrust(struct broker_node *n) {
    each_partition(n, distrust_replica);
}

static void elect_if_none(struct broker_partition *p, int32_t node) {
    (void)node;
    if (p->leader == BROKER_ID_NONE) broker_elect(p, p->topic->settings.unclean_election);
}

void broker_unfence(struct broker_node *n) {
    n->fenced = false;
    broker_tell_alive(n->cluster);
    each_partition(n, elect_if_none);
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
    if (!broker_node_hears(n) || broker_belief_of(n, p)->partition_epoch != p->partition_epoch) return false;
    for (int32_t i = 0; i < isr_count; i++) {  // INELIGIBLE_REPLICA
        if (broker_find_node(n->cluster, isr[i])->fenced) return false;
    }
    set_isr(p, isr, isr_count);
    broker_hear(n, p);
    broker_tell(p);
    return true;
}
