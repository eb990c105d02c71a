// One cluster as a client sees it: brokers, topics, leaders (Metadata), and a control connection to each broker that is
// needed, for everything that is neither a fetch nor an append.
#pragma once
#include "base/list.h"
#include "base/map.h"
#include "client/broker_link.h"

struct cluster_config {
    const char *alias;
    const char *client_id;
    struct cluster_address {
        const char *host;
        uint16_t port;
    } *bootstrap;
    size_t bootstrap_count;
    int64_t reconnect_backoff_us, reconnect_backoff_max_us;
    int64_t open_timeout_us;
    int64_t request_timeout_us;
    int64_t metadata_max_age_us;
};

#define CLUSTER_ANY (-1)         // any broker
#define CLUSTER_CONTROLLER (-2)  // the broker that metadata names as controller, else any
#define CLUSTER_ANOTHER (-3)     // any, but another one than was asked for metadata last, if more are connected
#define NODE_BOOTSTRAP (-16)     // -16, -17, ...: brokers known by their bootstrap address only

// What newer metadata may mend, and may not. Zero: there is none.
struct trouble {
    int64_t since_us, last_us;
};

struct broker {
    int32_t node_id;
    char *host;
    uint16_t port;
    struct broker_link control;
    struct list tasks;  // waiting for `control`
    struct cluster *cluster;
    bool gone;          // not in the newest metadata
    bool reported;      // its failure was logged, and no control connection has held since
    bool stranger;      // metadata.c: it belongs to another cluster, and that was logged
    struct timer held;  // till one has
    struct trouble unreached;   // of all connections to it
    bool owes_metadata;         // metadata.c
    int64_t metadata_asked_us;
};

struct cluster_partition {
    int32_t leader;        // -1 = none
    int32_t leader_epoch;  // -1 = unknown
};

struct cluster_topic {
    char *name;
    struct wire_uuid id;  // zero when the broker is older than 2.8
    bool internal;
    bool seen;            // in the newest metadata
    bool older_shared;         // another broker said so, too
    int32_t older_of;          // which broker first said that leader epochs are older than known,
    int64_t older_since_us;    // and of when its metadata are; 0: the newest say nothing like it
    struct cluster_partition *partitions;
    int32_t partitions_count;
};

// A conversation waiting for a control connection: `run` is called once, with a READY connection, or with NULL and why.
// It may be called from inside cluster_submit() when the connection is ready.
struct cluster_task {
    struct link link;
    void (*run)(struct cluster_task *t, struct connection *connection, const struct error *failure);
};

struct cluster {
    struct environment *env;
    struct cluster_config config;
    struct map brokers;  // by node id
    struct map topics;   // by name
    struct list waiting; // tasks for any broker while none is ready
    char *cluster_id;
    int32_t controller;
    uint64_t refreshes;  // how often metadata was taken in; 0 = never

    // The owner's; may be NULL. Called after each metadata response; leaders and topics may have changed.
    void (*on_metadata)(void *context);
    void *context;

    // cluster.c and metadata.c
    struct timer refresh;
    bool refresh_wanted, refresh_running;
    int64_t refreshed_at_us;         // the metadata is of then, or newer
    int32_t asked_of, refreshed_by;  // node ids: who was asked last, and who answered the metadata
    struct cluster_task refresh_task;
};

void cluster_init(struct cluster *c, struct environment *env, const struct cluster_config *config);
void cluster_start(struct cluster *c);  // connects to a bootstrap server and keeps the metadata fresh
void cluster_stop(struct cluster *c);   // closes everything; tasks still waiting get ERROR_CLOSED
void cluster_free(struct cluster *c);   // after cluster_stop()

// Asks for new metadata soon (at most every 100 ms); each time another one of the connected brokers, for a broker that
// is cut off from its controller goes on answering what it knew, and one that is frozen answers nothing. Cheap to call
// often.
void cluster_refresh(struct cluster *c);

// The same for a trouble that is met once more. Metadata are of all topics, so what they have not mended before makes
// them be asked for ever more rarely. False: those that are there have to do.
bool cluster_refresh_for(struct cluster *c, struct trouble *t);
// A connection to this broker was lost, or could not be made. `held`: it was a good one.
void cluster_link_lost(struct cluster *c, int32_t node_id, bool held);

// What the metadata says is doubted: connects to the brokers that did not say it, so that they are asked in turn.
// False: no other broker is known.
bool cluster_connect_others(struct cluster *c);

struct broker *cluster_broker(struct cluster *c, int32_t node_id);  // NULL when unknown
size_t cluster_unreachable(struct cluster *c);  // brokers that are wanted, and were not reached the last time
struct cluster_topic *cluster_topic(struct cluster *c, const char *name);

void cluster_submit(struct cluster *c, int32_t node_id, struct cluster_task *task);
void cluster_withdraw(struct cluster_task *task);  // a task that still waits; `run` is not called
