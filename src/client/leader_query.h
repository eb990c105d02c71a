// Questions to the leaders of partitions that are not appends, asked in bulk: partitions that wonder about the same
// broker at the same time share one request.
#pragma once
#include "client/cluster.h"
#include "client/topic_partition.h"

enum leader_query_kind {
    QUERY_OFFSET,          // ListOffsets: `value` = timestamp, QUERY_LATEST (high watermark) or QUERY_EARLIEST
    QUERY_BATCH,           // Fetch: the batch that holds offset `value`
    QUERY_DELETE_RECORDS,  // DeleteRecords: raises the log start to `value` (KIP-107)
    QUERY_KINDS,
};

#define QUERY_LATEST (-1)
#define QUERY_EARLIEST (-2)

struct leader_answer {
    struct error error;                 // ERROR_KAFKA with the partition's code, or what went wrong with the connection
    int64_t offset;                     // QUERY_OFFSET: the offset; QUERY_DELETE_RECORDS: the low watermark
    int64_t high_watermark, log_start;  // QUERY_BATCH
    struct bytes records;               // QUERY_BATCH: starts with the batch, if there is one; valid in the callback
};

struct leader_query {
    struct link link;
    enum leader_query_kind kind;
    struct topic_partition partition;
    int32_t leader_epoch;  // -1: do not check
    int64_t value;
    int32_t size_hint;  // QUERY_BATCH: how large the batch is believed to be
    bool alone;         // leader_query.c: was first in a request
    void (*answer)(struct leader_query *q, const struct leader_answer *a);
};

struct leader_queries {
    struct cluster *cluster;
    struct map lanes;  // by node id and kind
};

void leader_queries_init(struct leader_queries *qs, struct cluster *cluster);
void leader_queries_free(struct leader_queries *qs);  // after cluster_stop()

// `q` is the caller's and must stay until answered or cancelled. The answer never comes from inside this call.
void leader_query_ask(struct leader_queries *qs, int32_t node_id, struct leader_query *q);
void leader_query_cancel(struct leader_query *q);  // fine when it is not under way; no answer comes
static inline bool leader_query_running(const struct leader_query *q) {
    return link_linked(&q->link);
}
