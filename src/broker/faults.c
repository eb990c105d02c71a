// The faults and views that are about partitions: see faults.h. Nodes' are in node.c, topics' in topics.c.
#include "broker/faults.h"

#include "broker/append.h"
#include "broker/cluster_private.h"
#include "broker/fetch_session_cache.h"
#include "wire/error_codes.h"

#define REQUEST_THROTTLE_MS_MAX 1000  // quota.window.size.seconds

static struct broker_partition *find(const struct broker_cluster *c, const char *topic, int32_t partition) {
    return broker_find_partition(broker_find_topic(c, (struct wire_text){topic, (int32_t)strlen(topic)}), partition);
}

static struct broker_replica *find_replica(const struct broker_cluster *c, const char *topic, int32_t partition,
                                           int32_t node) {
    struct broker_partition *p = find(c, topic, partition);
    const struct broker_node *n = broker_find_node(c, node);
    return p && n ? broker_node_replica(n, p) : NULL;
}

void broker_replica_hold(struct broker_cluster *c, const char *topic, int32_t partition, int32_t node, bool held) {
    struct broker_replica *r = find_replica(c, topic, partition, node);
    if (!r || r->held == held) return;
    if (held) broker_end_rest(r);
    r->held = held;
    if (held) timer_cancel(&c->timers, &r->fetch);
    else broker_follow(r->partition);
}

bool broker_leader_move(struct broker_cluster *c, const char *topic, int32_t partition, int32_t node, bool unclean) {
    struct broker_replica *r = find_replica(c, topic, partition, node);
    if (!r || !r->node->running || r->node->fenced) return false;
    struct broker_partition *p = r->partition;
    if (!unclean && !broker_isr_has(p, node)) return false;
    if (p->leader != node) broker_elect_node(p, node);
    return true;
}

void broker_throttle(struct broker_cluster *c, int32_t node, int32_t throttle_ms) {
    struct broker_node *n = broker_find_node(c, node);
    n->throttle_produce_ms = throttle_ms;
    n->throttle_fetch_ms = throttle_ms;
    n->throttle_ms = throttle_ms < REQUEST_THROTTLE_MS_MAX ? throttle_ms : REQUEST_THROTTLE_MS_MAX;
}

void broker_be_late(struct broker_cluster *c, int32_t node, int16_t api_key, int64_t us, bool executed) {
    struct broker_node *n = broker_find_node(c, node);
    n->late_api = api_key;
    n->late_us = us;
    n->late_executed = executed;
}

void broker_throttle_mutations(struct broker_cluster *c, int32_t partition_ms) {
    c->mutation_ms = partition_ms;
    c->mutations_until_us = 0;
}

void broker_forget_sessions(struct broker_cluster *c, int32_t node) {
    fetch_sessions_clear(broker_find_node(c, node)->sessions);
}

bool broker_partition_truth(const struct broker_cluster *c, const char *topic, int32_t partition,
                            struct broker_truth *truth) {
    const struct broker_partition *p = find(c, topic, partition);
    if (!p) return false;
    *truth = (struct broker_truth){.leader = p->leader, .leader_epoch = p->leader_epoch};
    for (int32_t i = 0; i < p->replicas_count; i++) {
        const struct broker_replica *r = p->replicas[i];
        if (r->node->id == p->leader) {
            truth->log = &r->log;
            break;
        }
        bool longest = !truth->log || r->log.end > truth->log->end;
        bool eligible = broker_isr_has(p, r->node->id) || r->node->id == p->last_leader;
        for (int32_t at = 0; at < p->elr_count; at++) eligible |= p->elr[at] == r->node->id;
        if (eligible && longest) truth->log = &r->log;
    }
    return true;
}

const struct broker_log *broker_replica_log(const struct broker_cluster *c, const char *topic, int32_t partition,
                                            int32_t node) {
    const struct broker_replica *r = find_replica(c, topic, partition, node);
    return r ? &r->log : NULL;
}

int32_t broker_topic_partitions(const struct broker_cluster *c, const char *topic) {
    const struct broker_topic *t = broker_find_topic(c, (struct wire_text){topic, (int32_t)strlen(topic)});
    return t ? t->partitions_count : 0;
}

const char *broker_topic_setting(const struct broker_cluster *c, const char *topic, const char *setting) {
    const struct broker_topic *t = broker_find_topic(c, (struct wire_text){topic, (int32_t)strlen(topic)});
    return t ? setting_values_get(&t->values, setting) : NULL;
}

// NULL: nobody leads, or too few follow.
static struct broker_replica *appendable(struct broker_cluster *c, const char *topic, int32_t partition,
                                         int16_t *refused) {
    struct broker_partition *p = find(c, topic, partition);
    struct broker_replica *r = p ? find_replica(c, topic, partition, p->leader) : NULL;
    *refused = p ? KAFKA_NOT_LEADER_OR_FOLLOWER : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    if (!r || !broker_node_works(r->node) || r->leader != r->node->id) return NULL;
    *refused = broker_replica_enough(r);
    return *refused ? NULL : r;
}

static int16_t appended(struct broker_replica *r, const struct append_result *a) {
    if (a->error_code == KAFKA_NONE && !a->duplicate) broker_replica_appended(r);
    return a->error_code;
}

int16_t broker_append(struct broker_cluster *c, const char *topic, int32_t partition, struct bytes batch) {
    int16_t refused;
    struct broker_replica *r = appendable(c, topic, partition, &refused);
    if (!r) return refused;
    struct append_result a =
        append_from_client(&r->log, broker_replica_settings(r), batch, r->leader_epoch, c->wall_ms);
    return appended(r, &a);
}

int16_t broker_append_marker(struct broker_cluster *c, const char *topic, int32_t partition, int64_t producer_id,
                             bool commit) {
    int16_t refused;
    struct broker_replica *r = appendable(c, topic, partition, &refused);
    if (!r) return refused;
    struct producer_marker m = {.producer_id = producer_id, .commit = commit};
    struct append_result a = append_marker(&r->log, broker_replica_settings(r), &m, r->leader_epoch, c->wall_ms);
    return appended(r, &a);
}

int16_t broker_delete_records(struct broker_cluster *c, const char *topic, int32_t partition, int64_t offset) {
    struct broker_partition *p = find(c, topic, partition);
    if (!p) return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    struct broker_replica *r = find_replica(c, topic, partition, p->leader);
    if (!r || !broker_node_works(r->node) || r->leader != r->node->id) return KAFKA_NOT_LEADER_OR_FOLLOWER;
    if (offset > r->log.high_watermark) return KAFKA_OFFSET_OUT_OF_RANGE;
    if (offset <= r->log.start) return KAFKA_NONE;
    broker_log_delete_below(&r->log, offset);
    broker_replica_appended(r);
    return KAFKA_NONE;
}

void broker_log_begin(struct broker_cluster *c, const char *topic, int32_t partition, int64_t offset) {
    struct broker_partition *p = find(c, topic, partition);
    for (int32_t i = 0; p && i < p->replicas_count; i++) {
        broker_log_restart_at(&p->replicas[i]->log, offset);
        broker_log_start_epoch(&p->replicas[i]->log, p->leader_epoch);
    }
}
