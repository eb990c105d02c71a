// What a seed decides before anything happens: the size of the world, how fast its parts are, and when which fault
// strikes. The plan can be cut down afterwards (shrink.c): what is left happens as before, as far as it can.
#pragma once
#include "base/prng.h"

#include <stdbool.h>
#include <stdint.h>

#define MS INT64_C(1000)
#define SECOND INT64_C(1000000)

#define SIM_INSTANCES_MAX 3
#define SIM_TOPICS_MAX 3
#define SIM_PARTITIONS_MAX 3
#define SIM_NODES_MAX 3
#define SIM_MORE_SETTINGS 8
#define SIM_LONG_RETENTION 0
#define SIM_SHORT_FILES 6       // of them: the one that ends segment files soon
#define SIM_SHORT_TOMBSTONES 7  // and the one that lets tombstones go soon
#define SIM_FAULTS_MAX 48

enum side { SOURCE, DESTINATION, SIDES };

enum fault_kind {
    FAULT_BROKER_SHUT_DOWN,
    FAULT_BROKER_KILLED,
    FAULT_BROKER_POWER_LOST,
    FAULT_BROKER_FROZEN,
    FAULT_BROKER_ISOLATED,
    FAULT_BROKER_THROTTLES,
    FAULT_REPLICA_HELD,
    FAULT_SESSIONS_FORGOTTEN,
    FAULT_LEADER_MOVES,
    FAULT_LEADER_GOES_AND_RETURNS,
    FAULT_TAIL_LOST,
    FAULT_PRODUCERS_EXPIRE,
    FAULT_CONNECTIONS_RESET,
    FAULT_PARTITION_OUT,
    FAULT_PARTITION_IN,
    FAULT_PARTITION_BOTH,
    FAULT_SLOW_LINKS,
    FAULT_INSTANCE_KILLED,
    FAULT_INSTANCE_SLEEPS,
    FAULT_INSTANCE_STOPS,
    FAULT_BATCH_DAMAGED,
    FAULT_TOPIC_GROWS,
    FAULT_TOPIC_CREATED,
    FAULT_TOPIC_DELETED,
    FAULT_TOPIC_RECREATED,
    FAULT_SOURCE_DELETES_RECORDS,
    FAULT_LOGS_CLEANED,
    FAULT_SOURCE_TRANSACTION,
    FAULT_FOREIGN_RECORD,
    FAULT_CONNECTIONS_STALL,
    FAULT_ANSWERS_LATE,
    FAULT_LINKS_TRICKLE,
    FAULT_CLOCK_SET,
    FAULT_KINDS,
};

struct planned_fault {
    enum fault_kind kind;
    bool off;  // taken out by the shrinker
    int64_t at_us, lasts_us;
    uint64_t pick;  // decides whom it strikes, among those it can strike then
};

struct planned_topic {
    int32_t partitions;
    bool append_time, last_year, compacted;
    bool kept;          // though it is of last year: retention takes nothing
    int64_t starts_at;  // its log start: a log whose beginning retention has taken
    uint32_t more_settings;  // bits: which of the settings in load.c it has
};

enum world_kind {
    WORLD_ANY,        // anything may happen
    WORLD_CALM,       // nothing does: then nothing may happen in the core either (checkers/calm.c)
    WORLD_FORGETFUL,  // old records, a destination that forgets who wrote them, and owners that come and go: rule 14
    WORLD_KINDS,
};

// producer.id.expiration.ms of a destination that forgets even what is of today at once, and of one that does so later.
#define SIM_HOUR_MS 3600000LL
#define FORGETS_MS 2000
#define FORGETS_TODAY_MS 30000

struct plan {
    uint64_t seed;
    enum world_kind kind;
    bool unowned;  // every instance believes to own everything
    int32_t instances, nodes[SIDES], replication_factor, min_insync;
    int32_t topics_count;
    struct planned_topic topics[SIM_TOPICS_MAX];
    int64_t safety_us;  // how long faults strike

    // odraz
    int16_t acks;
    int32_t slices, session_timeout_ms, fetch_sessions, fetch_bytes_max;
    int64_t buffer_memory;
    bool static_members, predecessor_dead;
    bool join_small_batches;
    bool same_id;  // every instance was given the same instance.id, which nobody should do

    const char *separator;  // topics are selected and renamed (selected.h); NULL: all, under their own names
    int32_t names_from;     // which names they have then

    // network and brokers
    int32_t fetch_sessions_kept;  // by a broker of the source
    int64_t latency_us_max, service_us_max, replica_fetch_us_max, notice_us_max;
    int64_t late_us_max;    // how late may come what a closed connection had sent
    bool ends_in_time;      // what a cut-off host holds is gone after TCP_USER_TIMEOUT, or with a reset; else it comes
    int32_t socket_bytes;   // what a socket takes, each way
    int32_t torn_one_in;    // deliveries that come in parts
    int32_t short_one_in;   // writes of which a socket takes all but the last byte; 0: none
    int64_t expiration_ms;  // producer.id.expiration.ms of the destination
    int64_t expiration_check_ms;
    int32_t replica_lag_ms;  // replica.lag.time.max.ms of the destination
    int64_t load_us_max;     // how long a coordinator loads; 0: as long as a service takes

    // load
    int64_t load_pause_us;  // between two batches, on average
    int32_t batch_sizes;    // 0 small .. 2 large
    bool plain;             // nothing is compressed: producers without linger, whose batches are joined

    int32_t lost[SIDES];       // a broker that is gone for good before the logs must become equal, from 1; 0: none
    bool from_zero;            // so the brokers are numbered, not from 1

    struct planned_fault faults[SIM_FAULTS_MAX];
    int32_t faults_count;
};

static inline int32_t plan_first_node(const struct plan *p) {
    return p->from_zero ? 0 : 1;
}
static inline int32_t plan_last_node(const struct plan *p, enum side side) {
    return plan_first_node(p) + p->nodes[side] - 1;
}

// How far an instance's wall clock may be set back: by less than half of the time that the destination remembers, for
// what is older counts as forgotten.
static inline int64_t plan_clock_back_ms(const struct plan *p) {
    return p->expiration_ms >= 24 * SIM_HOUR_MS ? SIM_HOUR_MS : 0;
}

static inline int32_t plan_lost_node(const struct plan *p, enum side side) {  // -1: none
    return p->lost[side] > 0 ? plan_first_node(p) + p->lost[side] - 1 : -1;
}

void plan_make(struct plan *p, uint64_t seed, bool unowned);
const char *fault_name(enum fault_kind kind);
