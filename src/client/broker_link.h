// A connection that is kept open to one broker: it looks the address up in the cluster's metadata each time it opens,
// and waits longer after each failure (reconnect.backoff.ms to reconnect.backoff.max.ms, with jitter).
#pragma once
#include "client/connection.h"

struct cluster;

struct broker_link {
    struct connection connection;
    struct cluster *cluster;
    int32_t node_id;
    char *host;  // as it was when the connection opened; the metadata's may change meanwhile
    bool started;
    struct timer retry;
    int64_t backoff_us;
    int64_t ready_us;  // when the connection became ready; 0: not since it was opened. It stays while on_lost is called
    void (*on_ready)(struct broker_link *l);
    void (*on_lost)(struct broker_link *l, const struct error *why);  // was READY, or could not become it
};

void broker_link_init(struct broker_link *l, struct cluster *cluster, int32_t node_id);
void broker_link_free(struct broker_link *l);

void broker_link_start(struct broker_link *l);  // fine when started
void broker_link_stop(struct broker_link *l, bool abort);  // no callback; requests without an answer get ERROR_CLOSED

// Closes a READY connection and opens it again, as if it had been lost with `why`; on_lost is called.
void broker_link_reset(struct broker_link *l, const struct error *why);

static inline bool broker_link_ready(const struct broker_link *l) {
    return l->connection.state == CONNECTION_READY;
}
