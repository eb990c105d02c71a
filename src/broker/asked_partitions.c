// What the handlers of partitions share: see asked_partitions.h.
#include "broker/asked_partitions.h"

#include "wire/error_codes.h"

#include <assert.h>

struct broker_topic *broker_known_topic(const struct broker_node *n, struct wire_text name) {
    struct broker_topic *t = name.size > 0 ? broker_find_topic(n->cluster, name) : NULL;
    return broker_known_partition(n, t, 0) ? t : NULL;
}

struct broker_topic *broker_known_topic_by_id(const struct broker_node *n, const struct wire_uuid *id) {
    struct broker_topic *t = broker_find_topic_by_id(n->cluster, id);
    return broker_known_partition(n, t, 0) ? t : NULL;
}

struct broker_partition *broker_known_partition(const struct broker_node *n, const struct broker_topic *t,
                                                int32_t index) {
    struct broker_partition *p = t && !t->deleted ? broker_find_partition(t, index) : NULL;
    return p && broker_belief_of(n, p)->leader_epoch >= 0 ? p : NULL;
}

struct broker_replica *broker_asked_replica(const struct broker_node *n, const struct broker_partition *p,
                                            int32_t current_epoch, bool only_leader, int16_t *error_code) {
    struct broker_replica *r = p ? broker_node_replica(n, p) : NULL;
    *error_code = KAFKA_NONE;
    if (!p) *error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    else if (!r) *error_code = KAFKA_NOT_LEADER_OR_FOLLOWER;
    else if (current_epoch != -1 && current_epoch < r->leader_epoch) *error_code = KAFKA_FENCED_LEADER_EPOCH;
    else if (current_epoch >= 0 && current_epoch > r->leader_epoch) *error_code = KAFKA_UNKNOWN_LEADER_EPOCH;
    else if (only_leader && r->leader != n->id) *error_code = KAFKA_NOT_LEADER_OR_FOLLOWER;
    return *error_code == KAFKA_NONE ? r : NULL;
}

static void add_endpoint(const struct broker_node *n, struct leader_endpoints *e, int32_t node) {
    if (!broker_knows_alive(n, node)) return;
    for (int32_t i = 0; i < e->count; i++)
        if (e->nodes[i] == node) return;
    e->nodes[e->count++] = node;
}

void broker_believed_leader(const struct broker_node *n, const struct broker_partition *p, int32_t *leader,
                            int32_t *leader_epoch, struct leader_endpoints *endpoints) {
    const struct broker_belief *b = p ? broker_belief_of(n, p) : NULL;
    bool known = b && b->leader_epoch >= 0;
    *leader = known ? b->leader : BROKER_ID_NONE;
    *leader_epoch = known ? b->leader_epoch : -1;
    add_endpoint(n, endpoints, *leader);
}

struct wire_text broker_host(const struct broker_node *n) {
    const char *host = n->cluster->config.host;
    return (struct wire_text){host, (int32_t)strlen(host)};
}

struct asked_partitions {
    size_t mask;
    struct asked {
        struct bytes topic;  // at NULL: free
        int32_t partition, place;
    } slots[];
};

struct asked_partitions *asked_partitions_new(struct broker_request *r, size_t count_max) {
    size_t slots = 8;
    while (slots < count_max * 2) slots *= 2;
    struct asked_partitions *a = broker_request_alloc(r, sizeof *a + slots * sizeof(struct asked));
    a->mask = slots - 1;
    return a;
}

int32_t asked_partitions_place(struct asked_partitions *a, struct bytes topic, int32_t partition, int32_t place) {
    static const uint8_t empty[1];
    if (topic.size == 0) topic.at = empty;
    uint64_t hash = hash_bytes(topic.at, topic.size) + (uint64_t)(uint32_t)partition * 0x9e3779b97f4a7c15u;
    for (size_t i = hash ^ hash >> 32;; i++) {
        struct asked *s = &a->slots[i & a->mask];
        if (!s->topic.at) {
            *s = (struct asked){topic, partition, place};
            return place;
        }
        if (s->partition == partition && s->topic.size == topic.size &&
            memcmp(s->topic.at, topic.at, topic.size) == 0) {
            return s->place;
        }
    }
}

int32_t *asked_names_times(struct broker_request *r, const void *structs, size_t size, size_t name_at, int32_t count) {
    if (count < 0) count = 0;
    struct asked_partitions *named = asked_partitions_new(r, (size_t)count);
    int32_t *times = REQUEST_ARRAY(r, count, int32_t);
    for (int32_t i = 0; i < count; i++) {
        const struct wire_text *name = (const void *)((const char *)structs + size * (size_t)i + name_at);
        times[asked_partitions_place(named, text_bytes(*name), 0, i)]++;
    }
    return times;
}

void broker_park_for(struct broker_request *r, int64_t timeout_ms, timer_fn expired,
                     void (*forget)(struct broker_request *r)) {
    struct broker_cluster *c = r->node->cluster;
    broker_park(r, forget);
    timer_init(&r->timer, expired);
    timer_set(&c->timers, &r->timer, c->now_us + (timeout_ms > 0 ? timeout_ms * 1000 : 0));
}

bool broker_parked_frozen(struct broker_request *r) {
    struct broker_cluster *c = r->node->cluster;
    if (!r->node->frozen) return false;
    timer_set(&c->timers, &r->timer, c->now_us + BROKER_FROZEN_LOOK_US);
    return true;
}
