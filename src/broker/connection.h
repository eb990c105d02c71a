// A connection as the broker sees it, for src/broker only: requests that were read, one at a time being executed, and
// the answer that is being sent.
#pragma once
#include "broker/cluster_private.h"
#include "broker/request.h"

struct broker_connection {
    struct link link;  // in the node's connections
    struct broker_node *node;
    const struct broker_driver *driver;
    void *driver_connection;
    struct list waiting;               // whole requests, read and not begun
    size_t waiting_bytes;
    struct broker_request *arriving;   // incomplete
    uint8_t length[4];                 // of the arriving frame, while it is incomplete itself
    size_t length_size;
    bool executing;                    // one is in the node's queue or parked
    bool fetch_throttled;              // the last fetch was
    struct timer throttle;             // set: nothing is begun before it
    struct timer hold;                 // set: the answer is not sent before it
    int64_t active_us;                 // when something was read or answered
    struct buffer output;
    size_t sent;
    bool refused;                      // input was not taken: it will be welcome
    bool deaf;                         // what came is not Kafka's protocol: nothing more is read
    bool closing;                      // we hang up
    bool gone;                         // the client did: what was read is executed, then the connection ends
};

// Its request is done; the next one is begun when the throttle is over.
void broker_connection_answered(struct broker_connection *k, bool hang_up, int32_t throttle_ms);
void broker_connection_hold(struct broker_connection *k, int64_t until_us);  // its answer; fine when that is over
void broker_connection_drop(struct broker_connection *k);  // the node stops: closed, requests forgotten
void broker_connection_free(struct broker_connection *k);
void broker_connections_init(struct broker_node *n);
void broker_connection_woken(struct broker_connection *k);  // its node runs again: what was held back goes on
