// A Kafka cluster in memory: some brokers, their controller, topics, groups and transactions. Pure: the driver brings
// bytes and time and takes bytes and deadlines; one seed and one history of calls give the same run again.
//
// It answers as Apache Kafka 4.3 does, rough edges included: docs/BROKER.md lists what is deliberately not modelled.
// The driver is `odraz broker` (sockets) or the simulator (virtual network and time, and the faults of faults.h).
#pragma once
#include "base/log.h"
#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

struct broker_cluster;
struct broker_connection;

struct broker_cluster_config {
    const char *cluster_id;       // 22 characters, as Kafka makes them
    const char *host;             // what metadata says
    uint16_t port_first;          // where the node with the lowest id listens; the next one, at the next port
    int32_t nodes;                // 1 .. BROKER_NODES_MAX
    bool from_zero;               // the lowest id is 0, not 1
    uint64_t seed;                // of topic ids, member ids and jitter
    const char *const *settings;  // pairs name, value of server.properties, NULL-terminated; NULL: none
    struct logger log;            // without a sink: none
    // Optional: how long things take, in microseconds; NULL: no time at all. Asked once for each occasion, in the order
    // in which they happen.
    int64_t (*service_us)(void *context, int32_t node, int16_t api_key);  // from a request's arrival to its execution
    int64_t (*load_us)(void *context, int32_t node);  // of a coordinator's shard; NULL: as a service takes
    int64_t (*replica_fetch_us)(void *context, int32_t follower);         // between two fetches of a follower
    int64_t (*notice_us)(void *context, int32_t node);  // until a node hears what the controller has decided
    void *timing_context;
};

// Texts are copied. Errors of settings: NULL, and the reason in the log.
struct broker_cluster *broker_cluster_new(const struct broker_cluster_config *config, int64_t now_us, int64_t wall_ms);
void broker_cluster_free(struct broker_cluster *c);  // connections included

// Producers' records are refused (KAFKA_STORAGE_ERROR, as where a disk is full) while the logs hold more; 0: no limit.
void broker_cluster_limit_data(struct broker_cluster *c, int64_t bytes_max);

// The driver sets the clocks before each entry: broker_cluster_run() does what is due until then.
void broker_cluster_run(struct broker_cluster *c, int64_t now_us, int64_t wall_ms);
int64_t broker_cluster_next(const struct broker_cluster *c);  // when run() is due again; TIMER_NEVER

// Connections -------------------------------------------------------------------------------------------------------
// `wake` is called when a connection has output (again), or input is welcome again, or `closing` became true (the
// broker hangs up: after output is written). It must not call back.

struct broker_driver {
    void (*wake)(void *driver_connection);
};

// NULL when the node does not run (connection refused). `driver_connection` is handed to wake.
struct broker_connection *broker_connection_new(struct broker_cluster *c, int32_t node,
                                                const struct broker_driver *driver, void *driver_connection);

// The client is gone, or the driver gives up: requests read so far are still executed (a broker finishes what is in its
// queue), their answers go nowhere. The connection is not to be used after this call.
void broker_connection_gone(struct broker_connection *k);

// Bytes from the client. Answers how many were taken: fewer when enough requests wait (a broker reads one request of a
// connection at a time; the rest stays in the socket).
size_t broker_connection_input(struct broker_connection *k, struct bytes in);

// Ranges to write, in order; answers how many. Then broker_connection_sent() with what was written.
size_t broker_connection_output(struct broker_connection *k, struct bytes *out, size_t max);
void broker_connection_sent(struct broker_connection *k, size_t size);
bool broker_connection_closing(const struct broker_connection *k);
