// How the modelled cluster hangs together, for src/broker only.
#pragma once
#include "base/list.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/prng.h"
#include "base/timer.h"
#include "broker/cluster.h"
#include "broker/faults.h"
#include "broker/log.h"
#include "broker/topic_settings.h"

struct broker_groups;        // group coordinators (groups.h)
struct broker_transactions;  // transaction coordinators (transactions.h)
struct fetch_sessions;       // fetch_session_cache.h

struct broker_node {
    struct broker_cluster *cluster;
    int32_t id;
    bool running, frozen, isolated;
    int64_t epoch;                    // rises with each start (broker epoch, KIP-380)
    int32_t throttle_ms;
    struct list connections;
    struct list queue;                // requests that arrived and are not executed, in order of arrival
    struct fetch_sessions *sessions;
    struct setting_values settings;   // dynamic, of this broker
};

// A node's copy of a partition, and what that node believes about who leads.
struct broker_replica {
    struct broker_partition *partition;
    struct broker_node *node;
    struct broker_log log;
    int32_t leader, leader_epoch;  // believed: the controller's word may be late
    bool held;
    struct timer fetch;            // the follower's next fetch
    // As leader: where each other replica (by its place in partition->replicas) fetched last, and when it was last at
    // the log end.
    struct {
        int64_t end, caught_up_us;
    } followers[BROKER_REPLICAS_MAX];
    struct list waiting;           // requests that wait for the log end or the high watermark (struct waiter)
};

struct broker_partition {
    struct broker_topic *topic;
    int32_t index;
    // The controller's truth.
    int32_t leader, leader_epoch, partition_epoch;
    int32_t isr[BROKER_REPLICAS_MAX], isr_count;
    struct broker_replica *replicas[BROKER_REPLICAS_MAX];  // the first is preferred
    int32_t replicas_count;
};

struct broker_topic {
    char *name;
    struct wire_uuid id;
    bool internal;
    struct setting_values values;
    struct broker_topic_settings settings;
    struct broker_partition **partitions;
    int32_t partitions_count;
};

struct broker_cluster {
    struct broker_cluster_config config;  // texts are copies
    int64_t now_us, wall_ms;
    struct timers timers;
    struct prng prng;
    struct broker_node nodes[BROKER_NODES_MAX];  // id - 1
    struct setting_values settings;              // of all brokers: static, then dynamic defaults
    struct map topics_by_name, topics_by_id;
    struct broker_topic **topics;                // sorted by name; metadata answers in this order
    size_t topics_count, topics_capacity;
    int32_t controller;
    int64_t producer_id_next;
    struct broker_groups *groups;
    struct broker_transactions *transactions;
};

// Topics (topics.c) --------------------------------------------------------------------------------------------------
struct broker_topic *broker_find_topic(const struct broker_cluster *c, struct wire_text name);
struct broker_topic *broker_find_topic_by_id(const struct broker_cluster *c, const struct wire_uuid *id);
struct broker_partition *broker_find_partition(const struct broker_topic *t, int32_t index);  // NULL allowed for t
// An internal topic (__consumer_offsets, __transaction_state), made when first needed: settings are pairs.
struct broker_topic *broker_internal_topic(struct broker_cluster *c, const char *name, int32_t partitions,
                                           const char *const *settings);

// Partitions (partition.c, replication.c, election.c) --------------------------------------------------------------------------------------
// The node's replica if it believes to lead, else NULL and the error code (NOT_LEADER_OR_FOLLOWER,
// UNKNOWN_TOPIC_OR_PARTITION, and with current_epoch >= 0 FENCED_LEADER_EPOCH or UNKNOWN_LEADER_EPOCH: KIP-320).
struct broker_replica *broker_leader_replica(const struct broker_node *n, struct broker_partition *p,
                                             int32_t current_epoch, int16_t *error_code);
struct broker_replica *broker_node_replica(const struct broker_node *n, const struct broker_partition *p);

// After every append, marker or delete on a leader: waiters for the log end are looked at, followers fetch.
void broker_replica_appended(struct broker_replica *r);

// Waiting for a replica: `ready` is called when its log end, high watermark, start or leadership has changed, until the
// waiter is taken off. It may take itself off, not others.
struct waiter {
    struct link link;
    void (*ready)(struct waiter *w);
};
void broker_wait(struct broker_replica *r, struct waiter *w);
void broker_wait_end(struct waiter *w);  // fine when not waiting

// acks=all: has the high watermark passed `offset`, and is the ISR large enough? KAFKA_NONE: yes. REQUEST_TIMED_OUT
// stands for "not yet", NOT_ENOUGH_REPLICAS_AFTER_APPEND and NOT_LEADER_OR_FOLLOWER end it (Partition.checkEnoughReplicasReachOffset).
int16_t broker_replica_committed(const struct broker_replica *r, int64_t offset);

// Called when a node begins or stops to lead a partition of an internal topic (coordinators load and unload).
void broker_groups_on_leader(struct broker_cluster *c, struct broker_replica *r, bool leads);
void broker_transactions_on_leader(struct broker_cluster *c, struct broker_replica *r, bool leads);
