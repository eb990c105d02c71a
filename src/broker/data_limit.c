// How much data the cluster may hold: what a broker's disk limits, memory must too.
#include "broker/cluster_private.h"

#include <inttypes.h>

// Replicas share batches, so the largest log of a partition stands for all of them.
static int64_t partition_bytes(const struct broker_partition *p) {
    int64_t most = 0;
    for (int32_t i = 0; i < p->replicas_count; i++) {
        const struct broker_log *l = &p->replicas[i]->log;
        int64_t bytes = l->bytes + (int64_t)(l->count * sizeof(struct stored_batch));
        if (bytes > most) most = bytes;
    }
    return most;
}

static int64_t count_all(const struct broker_cluster *c) {
    int64_t sum = 0;
    for (size_t i = 0; i < c->topics_count; i++) {
        for (int32_t at = 0; at < c->topics[i]->partitions_count; at++)
            sum += partition_bytes(c->topics[i]->partitions[at]);
    }
    return sum;
}

void broker_cluster_limit_data(struct broker_cluster *c, int64_t bytes_max) {
    c->data_bytes_max = bytes_max;
}

void broker_data_added(struct broker_cluster *c, int64_t bytes) {
    c->data_bytes += bytes + (int64_t)sizeof(struct stored_batch);
}

void broker_data_count(struct broker_cluster *c) {
    if (c->data_bytes_max > 0) c->data_bytes = count_all(c);
}

bool broker_data_is_full(struct broker_cluster *c) {
    if (c->data_bytes_max == 0 || c->data_bytes < c->data_bytes_max) return false;
    broker_data_count(c);
    bool full = c->data_bytes >= c->data_bytes_max;
    if (full && !c->data_full) {
        log_line(&c->config.log, LOG_ERROR, "full",
                 "held_mib=%" PRId64 " allowed_mib=%" PRId64 " refused=\"records of producers, until retention, "
                 "DeleteRecords or deleted topics make room\"",
                 c->data_bytes / MiB, c->data_bytes_max / MiB);
    }
    c->data_full = full;
    return full;
}
