// How the modelled cluster hangs together, for src/broker only.
#pragma once
#include "base/limits.h"
#include "base/list.h"
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
struct broker_quotas;        // quotas.h

#define BROKER_ID_NONE (-1)  // of a leader: none

// What a node has been told of a partition.
struct broker_belief {
    struct link link;  // in the node's notices
    int64_t due_us;
    struct broker_partition *partition;
    int32_t leader, leader_epoch;  // leader_epoch -1: has not heard of the partition
    int32_t partition_epoch;
    int32_t isr[BROKER_REPLICAS_MAX], isr_count;
    int32_t elr[BROKER_REPLICAS_MAX], elr_count, last_leader;
};

struct broker_node {
    struct broker_cluster *cluster;
    int32_t id;
    bool running, frozen, isolated;
    int64_t epoch;                    // rises with each start (broker epoch, KIP-380)
    int32_t throttle_ms;              // of requests: no more than quota.window.size.seconds (ClientRequestQuotaManager)
    int32_t throttle_produce_ms;      // without a limit (QuotaUtils.throttleTime)
    int32_t throttle_fetch_ms;
    int16_t late_api;                 // whose requests are late;
    int64_t late_us;                  // by so much; 0: none are
    int64_t late_until_us;            // the last of them is answered
    bool late_executed;               // executed late, too, and not only answered
    struct list connections;          // the one that was silent for the longest time first
    int32_t connections_count;
    struct timer idle;                // when it is hung up on (connections.max.idle.ms)
    struct list queue;                // requests that arrived and are not executed, by due time
    struct list parked;               // executed and not answered yet
    struct timer turn;                // when the queue's first is due
    struct fetch_sessions *sessions;  // NULL until the first; freed when the node stops
    struct setting_values settings_dynamic;  // of this broker alone
    struct setting_values settings;          // with those of all brokers: what is in force here
    int64_t producer_expiration_ms;          // producer.id.expiration.ms
    // What the controller has decided and the node has not heard yet.
    struct list notices;              // struct broker_belief, the oldest first
    struct timer notice;
    struct broker_belief alive;       // stands in notices for a change of who runs; partition NULL
    uint32_t alive_known;             // a bit for each node, by place: believed to run
    bool fenced;                      // the controller's truth
    bool crashed;                     // it did not shut down: what it starts with may lack what it had acknowledged
    struct timer session;             // of an unreachable node: when the controller fences it
    struct timer expiration, cleaning;  // of producer states; of logs
    struct timer noting;                // of log starts on the disk
};

// A node's copy of a partition.
struct broker_replica {
    struct broker_partition *partition;
    struct broker_node *node;
    struct broker_log log;
    int32_t leader, leader_epoch;  // believed: the controller's word may be late
    bool held;
    struct timer fetch;            // the follower's next fetch
    // As leader: where each other replica (by its place in partition->replicas) fetched last, and when it was last at
    // the log end (org.apache.kafka.server.replica.ReplicaState); end -1: not yet since we lead.
    struct {
        int64_t start, end, caught_up_us, last_fetch_us, last_fetch_end;
    } followers[BROKER_REPLICAS_MAX];
    int64_t epoch_start;           // as leader: the log end when this leader epoch began
    struct timer lag;              // as leader: when the slowest of the ISR has been behind for too long
    struct list waiting;           // struct waiter
    struct link changed;           // in the cluster's list while waiters are to be called
};

struct broker_partition {
    struct broker_topic *topic;
    int32_t index;
    // The controller's truth.
    int32_t leader, leader_epoch, partition_epoch;
    int32_t isr[BROKER_REPLICAS_MAX], isr_count;
    int32_t elr[BROKER_REPLICAS_MAX], elr_count;  // eligible leader replicas: hold all below the high watermark
    int32_t last_leader;                          // BROKER_ID_NONE, or when nobody was left in the ISR
    struct broker_replica *replicas[BROKER_REPLICAS_MAX];  // the first is preferred
    int32_t replicas_count;
    struct broker_belief *beliefs;  // of each node, by place
};

struct broker_topic {
    char *name;
    struct wire_uuid id;
    bool internal;
    bool unreadable;          // the right READ is missing
    bool undescribed;         // the right DESCRIBE_CONFIGS
    bool deleted;             // kept for those who wait for it: broker_find_* does not find it any more
    uint64_t deleted_serial;  // requests that began before may still hold pointers to it
    struct setting_values values;
    struct broker_topic_settings settings;      // by the defaults of all brokers: the controller's
    struct broker_topic_settings *settings_at;  // by those of each node, by place
    struct broker_partition **partitions;
    int32_t partitions_count;
};

struct broker_cluster {
    struct broker_cluster_config config;  // texts are copies
    int64_t now_us, wall_ms;
    struct timers timers;
    struct prng prng;
    struct broker_node nodes[BROKER_NODES_MAX];  // by id, from the lowest
    struct setting_values settings;              // of all brokers: static, then dynamic defaults
    struct setting_values settings_static, settings_dynamic;  // what they are made of
    struct map settings_of_groups, settings_of_metrics;       // struct config_named, by name
    struct map scram_users;                                   // struct scram_user, by name (handle_scram.c)
    struct map topics_by_name, topics_by_id;
    struct broker_topic **topics;                // sorted by name; metadata answers in this order
    size_t topics_count, topics_capacity;
    struct broker_topic **deleted;
    size_t deleted_count, deleted_capacity;
    int64_t producer_id_next;
    int64_t broker_epoch_next;
    uint64_t request_serial;
    struct list changed;  // replicas whose waiters are to be called
    int32_t calls_held;
    struct list requests_spare;  // kept for reuse
    int32_t requests_spare_count;
    struct timer rebalance;      // auto.leader.rebalance.enable
    struct broker_groups *groups;
    struct broker_transactions *transactions;
    struct broker_quotas *quotas;
    int32_t mutation_ms;         // a partition more takes so long of controller_mutation_rate; 0: no such quota
    int64_t mutations_until_us;  // it is used up
    // Settings read often.
    int64_t lag_us_max, session_us;
    int64_t data_bytes, data_bytes_max;  // of all logs, what replicas share counted once; max 0: no limit
    bool data_full;                      // and it was said
};

void broker_scram_free(struct broker_cluster *c);
bool broker_data_is_full(struct broker_cluster *c);  // data_limit.c: no room for a producer's records

// Settings of brokers (cluster.c): the cluster's dynamic value, else server.properties', else `value_default`. What one
// broker alone may be told at run time is in force at that broker only.
int64_t broker_setting_number(const struct broker_cluster *c, const char *name, int64_t value_default);
bool broker_setting_is_true(const struct broker_cluster *c, const char *name, bool value_default);
void broker_settings_changed(struct broker_cluster *c);  // what follows from them is made again

// Topics (topics.c) --------------------------------------------------------------------------------------------------
struct broker_topic *broker_find_topic(const struct broker_cluster *c, struct wire_text name);
struct broker_topic *broker_find_topic_by_id(const struct broker_cluster *c, const struct wire_uuid *id);
struct broker_partition *broker_find_partition(const struct broker_topic *t, int32_t index);  // NULL allowed for t
struct broker_topic_plan {
    struct wire_text name;
    struct wire_uuid id;
    int32_t partitions, replicas_count;
    const int32_t *replicas;       // node ids: replicas_count for each partition
    struct setting_values values;  // the topic takes them
};
struct wire_uuid broker_topic_id_new(struct broker_cluster *c);
struct broker_topic *broker_topic_new(struct broker_cluster *c, const struct broker_topic_plan *plan);
void broker_topic_add_partition(struct broker_topic *t, struct broker_cluster *c, const int32_t *replicas,
                                int32_t replicas_count);
void broker_topic_remove(struct broker_cluster *c, struct broker_topic *t);  // waiters hear of it
void broker_topics_free(struct broker_cluster *c);
void broker_topics_sweep(struct broker_cluster *c);  // frees deleted topics nobody can point to any more
void broker_topic_settings_changed(struct broker_cluster *c, struct broker_topic *t);
// StripedReplicaPlacer without racks: where the replicas of new partitions go. False: there are fewer nodes, or none
// runs.
bool broker_place(struct broker_cluster *c, int32_t partitions, int32_t replication_factor, int32_t *replicas);

// Nodes (node.c, notices.c) ------------------------------------------------------------------------------------------
static inline int32_t broker_node_first(const struct broker_cluster *c) {
    return c->config.from_zero ? 0 : 1;
}
static inline struct broker_node *broker_find_node(const struct broker_cluster *c, int32_t id) {
    int32_t place = id - broker_node_first(c);
    return place >= 0 && place < c->config.nodes ? (struct broker_node *)&c->nodes[place] : NULL;
}
static inline int32_t broker_node_place(const struct broker_node *n) {
    return n->id - broker_node_first(n->cluster);
}
// Whether the node believes that one runs.
static inline bool broker_knows_alive(const struct broker_node *n, int32_t id) {
    const struct broker_node *other = broker_find_node(n->cluster, id);
    return other && (n->alive_known >> broker_node_place(other) & 1) != 0;
}
void broker_node_init(struct broker_node *n, struct broker_cluster *c, int32_t id);
void broker_node_free(struct broker_node *n);
static inline bool broker_node_works(const struct broker_node *n) {
    return n->running && !n->frozen;
}
static inline bool broker_node_hears(const struct broker_node *n) {  // the controller, and the controller it
    return n->running && !n->frozen && !n->isolated;
}
// The controller has changed a partition, or which nodes are alive: every node is told, each in its time.
void broker_tell(struct broker_partition *p);
void broker_tell_alive(struct broker_cluster *c);
void broker_tell_now(struct broker_node *n);  // everything: at its start
void broker_notices_init(struct broker_node *n);
void broker_notices_drop(struct broker_node *n);
void broker_notices_go_on(struct broker_node *n);  // it hears again
void broker_hear(struct broker_node *n, struct broker_partition *p);  // this, now: the answer to its own AlterPartition
void broker_untell(struct broker_partition *p);  // it is deleted
void broker_node_requeue(struct broker_node *n);  // sets the turn to the queue's first
void broker_each_replica(struct broker_node *n, void (*each)(struct broker_replica *r, int32_t argument),
                         int32_t argument);
void broker_cleaning_init(struct broker_node *n);
void broker_replica_note_start(struct broker_replica *r, int32_t unused);

// The controller (election.c) ----------------------------------------------------------------------------------------
bool broker_elect(struct broker_partition *p, bool unclean);  // a new leader if there can be one; true: changed
void broker_elect_node(struct broker_partition *p, int32_t node);  // or BROKER_ID_NONE
void broker_fence(struct broker_node *n);     // leads nothing, is in no ISR
void broker_distrust(struct broker_node *n);  // has crashed: is eligible nowhere
void broker_unfence(struct broker_node *n);   // may lead again
void broker_prefer_leaders(struct broker_cluster *c);
// AlterPartition (KIP-497): false when the leader's epochs are not the controller's.
bool broker_alter_isr(struct broker_replica *leader, const int32_t *isr, int32_t isr_count);
static inline bool broker_isr_has(const struct broker_partition *p, int32_t node) {
    for (int32_t i = 0; i < p->isr_count; i++)
        if (p->isr[i] == node) return true;
    return false;
}

// Partitions (partition.c) -------------------------------------------------------------------------------------------
struct broker_partition *broker_partition_new(struct broker_cluster *c, struct broker_topic *t, int32_t index,
                                              const int32_t *replicas, int32_t replicas_count);
void broker_partition_free(struct broker_partition *p);
void broker_partition_end(struct broker_partition *p);  // its topic is deleted: timers stop, waiters are called
static inline const struct broker_topic_settings *broker_replica_settings(const struct broker_replica *r) {
    return &r->partition->topic->settings_at[broker_node_place(r->node)];
}
// The node's replica if it believes to lead, else NULL and the error code (NOT_LEADER_OR_FOLLOWER,
// UNKNOWN_TOPIC_OR_PARTITION, and with current_epoch >= 0 FENCED_LEADER_EPOCH or UNKNOWN_LEADER_EPOCH: KIP-320).
struct broker_replica *broker_leader_replica(const struct broker_node *n, struct broker_partition *p,
                                             int32_t current_epoch, int16_t *error_code);
struct broker_replica *broker_node_replica(const struct broker_node *n, const struct broker_partition *p);
static inline struct broker_belief *broker_belief_of(const struct broker_node *n, const struct broker_partition *p) {
    return &p->beliefs[broker_node_place(n)];
}
void broker_replica_lead(struct broker_replica *r, const struct broker_belief *b);    // a new leader epoch
void broker_replica_follow(struct broker_replica *r, const struct broker_belief *b);
void broker_replica_raise_high_watermark(struct broker_replica *r);  // as leader, if it may move
// As leader: the follower at place `i` has asked for what is behind its end (Partition.updateFollowerFetchState).
void broker_replica_heard(struct broker_replica *r, int32_t i, const struct broker_log *follower, int64_t follower_end);
void broker_replica_watch_lag(struct broker_replica *r);
// The lowest log start of the replicas that are alive, as the leader knows it (DeleteRecords waits for it).
int64_t broker_replica_low_watermark(const struct broker_replica *r);

// After every append, marker or delete on a leader: waiters are looked at, followers fetch.
void broker_replica_appended(struct broker_replica *r);

// Waiting for a replica: `ready` is called when its log end, high watermark, start or leadership has changed, or its
// topic is gone (partition->topic->deleted, broker_replica_committed() says so), until the waiter is taken off. Calls
// are never nested.
struct waiter {
    struct link link;
    void (*ready)(struct waiter *w);
};
void broker_wait(struct broker_replica *r, struct waiter *w);
void broker_wait_end(struct waiter *w);  // fine when not waiting
void broker_replica_changed(struct broker_replica *r);  // calls the waiters
void broker_calls_hold(struct broker_cluster *c);       // not before as many calls of release
void broker_calls_release(struct broker_cluster *c);
// To the coordinators, if the topic is theirs.
void broker_coordinators_told(struct broker_replica *r, bool leads);

// acks=all: has the high watermark reached `offset` (the end of what was appended), and is the ISR large enough?
// KAFKA_NONE: yes. REQUEST_TIMED_OUT stands for "not yet"; NOT_ENOUGH_REPLICAS_AFTER_APPEND, NOT_LEADER_OR_FOLLOWER and
// UNKNOWN_TOPIC_OR_PARTITION (deleted) end it (Partition.checkEnoughReplicasReachOffset).
int16_t broker_replica_committed(const struct broker_replica *r, int64_t offset);
// Before an append with acks=all: NOT_ENOUGH_REPLICAS or 0 (Partition.appendRecordsToLeader).
int16_t broker_replica_enough(const struct broker_replica *r);

// The level of a feature that the cluster runs with (handle_api_versions.c); 0: none.
int16_t broker_feature_finalized(const char *name);

// Replication (replication.c) ----------------------------------------------------------------------------------------
void broker_replica_init_fetch(struct broker_replica *r);
// A follower without anything to fetch was at its leader's log end until now: its fetch was waiting there. To be called
// before that ends, by an append or because it stops fetching.
void broker_end_rest(struct broker_replica *f);
void broker_follow(struct broker_partition *p);  // what kept followers from fetching may have gone

// Called when a node begins or stops to lead a partition of an internal topic (coordinators load and unload), and when
// such a replica stops with its node. Not for replicas of deleted topics.
void broker_groups_on_leader(struct broker_cluster *c, struct broker_replica *r, bool leads);
void broker_transactions_on_leader(struct broker_cluster *c, struct broker_replica *r, bool leads);
struct broker_groups *broker_groups_new(struct broker_cluster *c);
void broker_groups_free(struct broker_groups *g);
struct broker_transactions *broker_transactions_new(struct broker_cluster *c);
void broker_transactions_free(struct broker_transactions *t);
void fetch_sessions_free(struct fetch_sessions *s);
