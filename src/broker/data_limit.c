// How much data the cluster may hold: what a broker's disk limits, memory must too.
#include "broker/cluster_private.h"

#include <inttypes.h>

void broker_cluster_limit_data(struct broker_cluster *c, int64_t bytes_max) {
    c->data_bytes_max = bytes_max;
}

bool broker_data_is_full(struct broker_cluster *c) {
    bool full = c->data_bytes_max > 0 && c->data_bytes >= c->data_bytes_max;
    if (full && !c->data_full) {
        log_line(&c->config.log, LOG_ERROR, "full",
                 "held_mib=%" PRId64 " allowed_mib=%" PRId64 " refused=\"records of producers, until retention, "
                 "DeleteRecords or deleted topics make room\"",
                 c->data_bytes / MiB, c->data_bytes_max / MiB);
    }
    c->data_full = full;
    return full;
}
