// Appends to the partitions one broker leads: a pipeline of Produce requests on one connection, each with at most one
// batch of each partition (two would be refused, error 87).
//
// Nothing is ever sent twice: when the connection goes, everything queued or unanswered is dropped, and the owners find
// out from the log what became of it (design rule 1).
//
// Small batches are joined while they wait in the queue (wire/join.h), and small requests wait while others are without
// an answer (as Nagle's algorithm does): the slower the broker, the more goes into a request. Nothing waits when
// nothing is under way.
#pragma once
#include "client/broker_link.h"
#include "client/topic_partition.h"
#include "wire/batch.h"

struct append_partition;
struct appender;

// One batch on its way. Made by append_new(), owned by the appender once queued.
struct append {
    struct link link;
    struct append_partition *partition;
    uint32_t attempt;  // of the partition when queued: answers of an earlier attempt are nobody's
    struct frame *hold;
    const uint8_t *at;
    int32_t size;
    int32_t count;
    int64_t base_offset;  // where it must land
    int64_t max_timestamp;
    bool small;     // may wait for company while a request is under way
    bool may_grow;  // others may be joined to it until a request takes it
    bool joined;    // several batches: in a frame of its own, its CRC not computed before a request takes it
    bool leased;    // must not be written without a lease
    bool stamped;   // by its answer: the broker gave its records the time of the append (LogAppendTime)
};

struct append_partition {
    struct topic_partition name;  // the owner's
    void (*on_answer)(struct append_partition *p, const struct append *a, int16_t error_code, int64_t base_offset);
    // What an earlier attempt had sent was answered, or was `lost` with its connection: then it may still be executed.
    void (*on_orphan_gone)(struct append_partition *p, bool lost);

    // appender.c
    struct appender *appender;  // NULL: none
    struct link ready;          // in appender->ready while it has something queued
    struct link member;         // in appender->members
    struct list queue;
    int64_t queued;             // bytes in it
    bool pressing;              // what is in it need not wait for more
    uint32_t attempt;
    uint32_t unanswered;        // of this attempt, with what is queued
    uint32_t under_way;         // in requests without an answer, of all attempts
    int64_t unread_until_us;    // of those that were lost with their connection some may lie unread so long
};

struct appender {
    struct broker_link link;
    struct environment *env;
    int16_t acks;               // 1 or -1
    int32_t depth_max;          // requests without an answer
    int32_t depth_now;          // the same, of a connection that was lately throttled
    int64_t throttled_until_us; // the broker reads nothing more of the connection before (KIP-219), though it be lost
    struct list ready, members, requests, free_appends, free_requests;
    struct arena scratch;  // of the request being made
    int32_t depth;
    int32_t pressing;           // of the ready partitions
    int64_t queued;             // bytes, of all of them
    int64_t sent_at_us;         // the newest request
    struct timer flush;
    int64_t heard_at_us;  // the last answer; or the first request, when there was none without one
    bool silent;          // for APPENDER_SILENT_US nothing was answered of what is under way; or it is throttled
    struct timer silence;
    size_t answer_size_min, answer_partition_size_min;
    int64_t leased;             // appends that need a lease, queued or without an answer
    // Set by the owner: until when (environment's clock) the connection may write, and while some need a lease.
    const int64_t *fence_us, *lease_us;

    void (*on_ready)(struct appender *a);
    void (*on_silent)(struct appender *a);  // it has become so, or is no longer
    void (*on_detached)(struct append_partition *p, const struct error *why);
    void *context;
};

void appender_init(struct appender *a, struct cluster *cluster, int32_t node_id, int16_t acks, int32_t depth_max);
void appender_stop(struct appender *a, bool abort);  // detaches nobody: the owner does it first
void appender_free(struct appender *a);

void append_partition_init(struct append_partition *p);
void appender_attach(struct appender *a, struct append_partition *p);

// Drops what is queued and disowns what is unanswered; its answers will not be told. Fine when attached to none.
void appender_detach(struct append_partition *p);

// Whether something disowned is without an answer.
bool appender_has_orphans(const struct appender *a);

// Drops what is queued: nothing of the partition is sent from now on. Fine when attached to none.
void appender_drop_queued(struct append_partition *p);

// Queues the batch at `at` (header already stamped, inside `hold`, which is held until written).
void appender_queue(struct append_partition *p, const struct append *what);

// Joins the batch (as the source has it, WHOLE) to the last one queued, which needs a lease from then on if this one is
// `leased`; false: it has to be queued itself. `grown` is by how many bytes the queue has, never more than the batch
// has.
MUST_USE bool appender_join(struct append_partition *p, struct bytes batch, const struct batch_header *header,
                            int32_t size_max, bool leased, int32_t *grown);
