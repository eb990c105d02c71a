// A flow: everything between one source cluster and one destination cluster. It owns its clients of both, the topics,
// the partitions, the connections they share, and its membership in the group that says which slices are its own.
#pragma once
#include "client/budget.h"
#include "client/cluster.h"
#include "client/fetch_session.h"
#include "client/leader_query.h"
#include "mirror/ownership.h"
#include "mirror/partition.h"
#include "mirror/position.h"
#include "mirror/topics.h"

// Texts are borrowed until flow_free().
struct flow_config {
    const char *name;  // "A->B"
    const char *source_alias, *destination_alias;
    const char *client_id;
    const char *instance_id;  // NULL: a dynamic member of the group
    bool predecessor_dead;    // whoever had instance_id before is known to have ended
    struct cluster_config source, destination;
    struct topics_config topics;
    int16_t acks;  // 1 or -1
    int32_t slices;
    int32_t session_timeout_ms, heartbeat_interval_ms;
    int32_t fetch_sessions;   // of each source broker; 0: as many as are worth it
    int32_t fetch_bytes_max;  // 0: as many as are worth it
    int32_t fetch_wait_ms_max;
    bool join_small_batches;
};

struct flow_counters {
    int64_t records, bytes;  // acknowledged by the destination
    int64_t resyncs;
};

struct flow_status {
    size_t partitions, owned;
    size_t copying, caught_up, halted, busy;  // of the owned ones; busy: locating, resyncing, filling, draining
    size_t topics, topics_halted;
    size_t unreachable;  // brokers: of what they lead the rest may be old
    size_t not_joined;   // 1: nothing is owned because the group's coordinator is not heard; no lag is known
    int64_t lag_records;
    int64_t lag_ms;  // how long ago the oldest batch that is behind was newest; 0 when nothing is behind
};

#define FLOW_FILLERS 4

struct flow {
    struct environment *env;
    struct budget budget;  // a part of the shard's
    struct flow_config config;
    void (*stopped)(struct flow *f);  // after flow_stop(); flow_free() from a later entry
    void *owner;                      // whoever set `stopped`

    struct cluster source, destination;
    struct leader_queries source_queries, destination_queries;
    struct topics *topics;
    struct ownership ownership;
    int64_t producer_id;  // 0 until both clusters' ids are known
    bool refused;         // it would mirror a cluster into itself, which was said
    struct partition **partitions;
    size_t partitions_count, partitions_capacity;
    int32_t *draining;  // of each slice: partitions that still have to let go, 0 = not draining

    struct map appenders;  // struct append_lane, by node and kind (flow_lanes.c)
    struct map lines;      // struct fetch_line, by node (fetch_lines.c)
    struct list unreplicated;
    struct timer watch, watch_idle;
    size_t watch_turn;               // which idle partition is asked about next
    size_t lease_turn;               // which topic's offset is committed for a lease
    struct timer coordinator_watch;  // flow_coordinator.c
    struct cluster_task coordinator_task;
    int32_t filling;                      // partitions that do
    struct frame *fillers[FLOW_FILLERS];  // fill.c: large ones, each a quarter of the one before; NULL: not made yet
    struct flow_counters counters;
    bool stopping;
};

struct flow *flow_new(struct environment *env, struct budget *budget, const struct flow_config *config);
void flow_start(struct flow *f);

// Drains: fetches nothing more, waits for what is under way, leaves the group, calls `stopped`.
void flow_stop(struct flow *f);
// Without draining, at once; `stopped` is not called. Also right after flow_stop() took too long.
void flow_free(struct flow *f);

void flow_status(struct flow *f, struct flow_status *out);

// For the flow's parts --------------------------------------------------------------------------------------------

// The appender to a broker: one of the APPEND_LANES pipelines, or the one behind them, for first appends that go alone
// with acks=all (rule 5).
#define APPEND_LANE_ALONE APPEND_LANES
struct appender *flow_appender(struct flow *f, int32_t node_id, int32_t lane);
int32_t flow_append_lane(const struct partition *p);  // the one for it, as far as its batches' size is known by now
struct positions *flow_positions(struct appender *a);
// The session a partition belongs to now, of its source's leader.
struct fetch_session *flow_fetch_session(struct flow *f, struct partition *p);
void flow_reset_session(struct fetch_session *s, const struct error *why);
void flow_partition_released(struct flow *f, struct partition *p);

// watch.c
void watch_on_timer(struct timer *t, int64_t now_us);
void watch_idle_on_timer(struct timer *t, int64_t now_us);
