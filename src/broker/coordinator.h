// What group and transaction coordinators share: a partition of an internal topic that its leader has loaded, and what
// waits until what was written there is replicated.
//
// After org.apache.kafka.coordinator.common.runtime.CoordinatorRuntime (groups) and TransactionStateManager.
#pragma once
#include "broker/append.h"
#include "broker/cluster_private.h"
#include "broker/request.h"

struct coordinator_shard;

struct coordinator_kind {
    bool all_acks;  // a write ends as acks=all does (transactions); false: by the high watermark alone (groups)
    void (*load)(struct coordinator_shard *s);        // reads the log
    void (*replicated)(struct coordinator_shard *s);  // the high watermark may have moved
};

struct coordinator_shard {
    const struct coordinator_kind *kind;
    struct broker_cluster *cluster;
    struct broker_replica *replica;
    int32_t epoch;  // the partition's leader epoch
    bool loading;
    struct timer load;
    struct waiter waiter;
    struct list writes;    // struct coordinator_write, ascending offsets
    struct timer timeout;  // of the first to time out
};

// Something that goes on when all that the shard has written so far is replicated.
struct coordinator_write {
    struct link link;
    int64_t offset;  // the log end after it
    int64_t deadline_us;
    void (*done)(struct coordinator_write *w, int16_t error_code);  // once; frees `w`
};

// Loads at once, or after the time that loading or a service takes (config.load_us, service_us).
void coordinator_shard_open(struct coordinator_shard *s, const struct coordinator_kind *kind, struct broker_replica *r);
// What waits ends with NOT_LEADER_OR_FOLLOWER.
void coordinator_shard_close(struct coordinator_shard *s);

// Appends, and calls `done` when that is replicated, perhaps before this function returns, or with
// REQUEST_TIMED_OUT after timeout_ms, MESSAGE_TOO_LARGE at once, or NOT_LEADER_OR_FOLLOWER. With count 0 nothing is
// appended: `done` follows what is being written, at once when there is nothing.
struct coordinator_append {
    const struct append_pair *pairs;
    int32_t count;
    const struct append_producer *producer;  // of a transactional batch; NULL: none
    int64_t timeout_ms;
    bool drain;  // with count 0: wait for all that is in the log, not only for what this coordinator has written
};
void coordinator_write(struct coordinator_shard *s, const struct coordinator_append *a, struct coordinator_write *w);

// The same for a request with its answer ready, which must live as long as the request. `fail` answers what became of
// a failed write, with that response or another.
typedef void (*coordinator_fail)(struct broker_request *request, void *response, int16_t error_code);
void coordinator_answer(struct coordinator_shard *s, const struct coordinator_append *a, struct broker_request *request,
                        void *response, coordinator_fail fail);

// Parks the request where `*slot` keeps it: a node that stops sets *slot to NULL.
void coordinator_park(struct broker_request *request, struct broker_request **slot);
// Answers what `*slot` keeps, if anything, and empties it.
void coordinator_answer_slot(struct broker_request **slot, const void *response);

// For what a timer does on a node: true when the node is frozen and nothing may happen yet; the timer is set again.
bool coordinator_frozen(const struct broker_node *n, struct timer *t);

// CoordinatorOperationExceptionHelper.handleOperationException: what a client is told of a failed write.
int16_t coordinator_write_error(int16_t error_code);

// Which partition of its internal topic coordinates `key` (Utils.abs of the Java hash).
int32_t coordinator_partition(struct wire_text key, int32_t partitions);

// Shards are kept by node and partition.
static inline uint64_t coordinator_shard_key(int32_t node, int32_t partition) {
    return (uint64_t)(uint32_t)node << 32 | (uint32_t)partition;
}

#define GROUP_TOPIC "__consumer_offsets"
#define TRANSACTION_TOPIC "__transaction_state"
#define INTERNAL_TOPIC_PARTITIONS 50  // by default: of these two, and of share groups' state
// How many partitions such a topic gets.
int32_t coordinator_topic_partitions(const struct broker_cluster *c, bool of_groups);

static inline bool text_equal(struct wire_text text, const char *other) {
    return text.size == (int32_t)strlen(other) && !memcmp(text.at, other, (size_t)text.size);
}
