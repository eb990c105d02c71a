// What can go wrong with a modelled cluster, for the simulator: brokers stop, replicas fall behind, leaders move
// without everybody knowing. And what a checker may look at, behind the protocol's back.
#pragma once
#include "broker/cluster.h"
#include "broker/log.h"

enum broker_stop {
    BROKER_SHUT_DOWN,   // SIGTERM: leadership is handed over first
    BROKER_KILLED,      // SIGKILL: the log is as it was, requests in its queue are gone
    BROKER_POWER_LOST,  // the log's tail that was not yet on the disk is gone too
    BROKER_DISK_LIED,   // the same, and of what the disk said it had (what a cleaner wrote)
};

// `lost` (BROKER_POWER_LOST, BROKER_DISK_LIED): how many of the newest batches of each of its logs are gone.
void broker_node_stop(struct broker_cluster *c, int32_t node, enum broker_stop how, int32_t lost);
void broker_node_start(struct broker_cluster *c, int32_t node);
bool broker_node_runs(const struct broker_cluster *c, int32_t node);
// It runs, works, hears its controller, and lets nobody wait.
bool broker_node_is_well(const struct broker_cluster *c, int32_t node);

// A frozen node (SIGSTOP, a long pause) executes nothing and fetches nothing; connections stay open. The controller
// fences it after broker.session.timeout.ms, and it does not know until it wakes.
void broker_node_freeze(struct broker_cluster *c, int32_t node, bool frozen);

// The node hears nothing from the controller (its followers still fetch, or are fenced): a deposed leader goes on
// taking acks=1 appends.
void broker_node_isolate(struct broker_cluster *c, int32_t node, bool isolated);

// The replica stops fetching (a full disk, a slow network) until told otherwise; it leaves the ISR after
// replica.lag.time.max.ms as on a real broker.
void broker_replica_hold(struct broker_cluster *c, const char *topic, int32_t partition, int32_t node, bool held);

// The controller makes `node` leader, if it is a running replica in the ISR, or, with `unclean`, any running replica.
// False: it may not.
bool broker_leader_move(struct broker_cluster *c, const char *topic, int32_t partition, int32_t node, bool unclean);

void broker_expire_producers(struct broker_cluster *c, int32_t node);  // the periodic check, now, on this node only
void broker_clean_logs(struct broker_cluster *c);                      // compaction and retention, now
void broker_note_log_starts(struct broker_cluster *c);                 // a kill takes none of them back any more
// A node's fetch sessions are pushed out of its cache by others', that are not there (KIP-227).
void broker_forget_sessions(struct broker_cluster *c, int32_t node);
void broker_throttle(struct broker_cluster *c, int32_t node, int32_t throttle_ms);  // what quotas answer; 0: ends
// Requests of one API are answered so late; `executed`: and executed no sooner. 0: no more of them.
void broker_be_late(struct broker_cluster *c, int32_t node, int16_t api_key, int64_t us, bool executed);
// controller_mutation_rate: a partition more takes so long of it; 0: there is no such quota.
void broker_throttle_mutations(struct broker_cluster *c, int32_t partition_ms);

// A transaction coordinator takes a marker that was written for lost, with this chance, and sends it again (what
// disconnects and time-outs do to a real one).
void broker_double_markers(struct broker_cluster *c, uint32_t chance_per_mille);

// Looking -----------------------------------------------------------------------------------------------------------

struct broker_truth {
    int32_t leader, leader_epoch;        // as the controller knows; leader -1: none
    const struct broker_log *log;        // the leader's, or without one the ISR's longest
};
// False: there is no such partition.
bool broker_partition_truth(const struct broker_cluster *c, const char *topic, int32_t partition,
                            struct broker_truth *truth);
const struct broker_log *broker_replica_log(const struct broker_cluster *c, const char *topic, int32_t partition,
                                            int32_t node);  // NULL: not a replica
int32_t broker_topic_partitions(const struct broker_cluster *c, const char *topic);  // 0: no such topic
// What was set for the topic itself; NULL: nothing, or no such topic.
const char *broker_topic_setting(const struct broker_cluster *c, const char *topic, const char *setting);

// A group's committed offset as its coordinator has it, -1: none.
int64_t broker_group_offset(const struct broker_cluster *c, const char *group, const char *topic, int32_t partition);

// Doing what a client would, without one (the simulator's own topics and load).
void broker_topic_create(struct broker_cluster *c, const char *topic, int32_t partitions, int16_t replication_factor,
                         const char *const *settings);
void broker_topic_delete(struct broker_cluster *c, const char *topic);
void broker_topic_grow(struct broker_cluster *c, const char *topic, int32_t partitions);
void broker_topic_alter(struct broker_cluster *c, const char *topic, const char *setting, const char *value);
// A right on the topic is missing.
enum broker_right {
    BROKER_READ,              // nobody fetches it, sees its producers, or commits offsets of it
    BROKER_DESCRIBE_CONFIGS,  // nobody sees its settings
};
void broker_topic_forbid(struct broker_cluster *c, const char *topic, enum broker_right right, bool forbidden);
// A partition that nobody has written to begins at `offset`, as if all below had been there and was gone.
void broker_log_begin(struct broker_cluster *c, const char *topic, int32_t partition, int64_t offset);
// Appends as a producer with acks=all at the leader, if there is one; 0 or Kafka's error code.
int16_t broker_append(struct broker_cluster *c, const char *topic, int32_t partition, struct bytes batch);
// Ends a producer's transaction there (WriteTxnMarkers), as broker_append().
int16_t broker_append_marker(struct broker_cluster *c, const char *topic, int32_t partition, int64_t producer_id,
                             bool commit);
// DeleteRecords (KIP-107) at the leader: its log start moves to `offset`, if the high watermark has passed it; the
// followers' follow. 0 or Kafka's error code.
int16_t broker_delete_records(struct broker_cluster *c, const char *topic, int32_t partition, int64_t offset);
