// What the handlers of partitions share: what a node knows of topics and leaders, and what one request named before.
#pragma once
#include "broker/request.h"

// As the node's metadata cache has it: NULL when it has not heard of it, or the topic is gone.
struct broker_topic *broker_known_topic(const struct broker_node *n, struct wire_text name);
struct broker_topic *broker_known_topic_by_id(const struct broker_node *n, const struct wire_uuid *id);
struct broker_partition *broker_known_partition(const struct broker_node *n, const struct broker_topic *t,
                                                int32_t index);  // NULL allowed for t

// The node's replica, whether it leads or not, in Partition.getLocalLog's order: the epoch (when it is >= 0), then the
// leadership (when it is wanted). `p` NULL: UNKNOWN_TOPIC_OR_PARTITION.
struct broker_replica *broker_asked_replica(const struct broker_node *n, const struct broker_partition *p,
                                            int32_t current_epoch, bool only_leader, int16_t *error_code);

// A node in the `node_endpoints` of an answer (KIP-951).
struct leader_endpoints {
    int32_t nodes[BROKER_NODES_MAX];
    int32_t count;
};
// What the node believes of the leader (KafkaApis.getCurrentLeader); one that is alive is added to `endpoints`.
void broker_believed_leader(const struct broker_node *n, const struct broker_partition *p, int32_t *leader,
                            int32_t *leader_epoch, struct leader_endpoints *endpoints);
struct wire_text broker_host(const struct broker_node *n);
static inline int32_t broker_port(const struct broker_node *n, int32_t node) {
    return n->cluster->config.port_first + node - broker_node_first(n->cluster);
}

// The partitions that a request has named so far: a broker keeps them in maps, so a repeated one counts once.
struct asked_partitions;
struct asked_partitions *asked_partitions_new(struct broker_request *r, size_t count_max);
// The place that was given when `topic` (name or id) and `partition` were named first; `place` when it is now.
int32_t asked_partitions_place(struct asked_partitions *a, struct bytes topic, int32_t partition, int32_t place);

// How often each name is there, of `count` structs of `size` bytes with a wire_text at `name_at`: told at the place
// where it stands first, 0 at the others. Of any number of names it takes one look at each.
int32_t *asked_names_times(struct broker_request *r, const void *structs, size_t size, size_t name_at, int32_t count);

static inline struct bytes text_bytes(struct wire_text t) {
    return (struct bytes){(const uint8_t *)t.at, t.size > 0 ? (size_t)t.size : 0};
}
static inline struct bytes uuid_bytes(const struct wire_uuid *id) {
    return (struct bytes){id->at, sizeof id->at};
}

// Of topics alone, each by its name or, where that is NULL, by its id: whether this one was asked for before.
static inline bool asked_topic_again(struct asked_partitions *a, struct wire_text name, const struct wire_uuid *id,
                                     int32_t place) {
    bool by_name = name.size >= 0;
    return asked_partitions_place(a, by_name ? text_bytes(name) : uuid_bytes(id), by_name, place) != place;
}

// Parks a request until `expired` at the latest, timeout_ms from now (a negative one is over at once). `expired` may be
// called earlier only by the handler's own waiters.
void broker_park_for(struct broker_request *r, int64_t timeout_ms, timer_fn expired,
                     void (*forget)(struct broker_request *r));
// For `expired`: true when the node is frozen and nothing may happen yet; the timer is set again.
bool broker_parked_frozen(struct broker_request *r);
