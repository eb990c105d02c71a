// The network between instances and brokers: every connection is two pipes of segments with a time of arrival. Bytes
// come in parts and late, connections overtake each other, hosts are cut off in one direction or both, and what a
// client has sent is still delivered after it closed, was killed or was cut off.
#pragma once
#include "base/list.h"
#include "base/prng.h"
#include "base/timer.h"
#include "broker/cluster.h"
#include "client/environment.h"
#include "sim/plan.h"
#include "sim/tap.h"

struct world;
struct instance;
struct segment;

enum direction { OUT, IN, DIRECTIONS };  // as the instance sees it

struct pipe {
    struct segment *first, *last;
    size_t bytes;
    int64_t latest_us;  // arrivals keep their order
    struct timer timer;
};

struct channel {
    struct world *world;
    struct link link;   // in network->channels
    struct link ready;  // in instance->ready: to be flushed when the entry ends
    struct link woken;  // in network->woken: the broker has something for it
    uint64_t number;
    struct instance *owner;
    struct connection *connection;     // NULL: the instance has closed it, or is gone
    struct broker_connection *broker;  // NULL: not accepted yet, or not any more
    enum side side;
    int32_t node;
    int64_t latency_us;
    int32_t unacknowledged_ms_max;
    struct timer unacknowledged;  // TCP_USER_TIMEOUT
    bool timed_out;               // and the instance has not heard of it
    bool stalled;                 // nothing gets through, though others do; what it holds when it ends is lost
    bool ended[DIRECTIONS];       // nothing more comes into this pipe
    size_t wanted;                // bytes that make it readable, as the instance last said (SO_RCVLOWAT)
    struct pipe pipes[DIRECTIONS];
    struct tap tap;
};

struct network {
    struct prng prng;
    struct list channels, woken;
    uint64_t channels_made;
    int32_t cut[SIM_INSTANCES_MAX][SIDES][SIM_NODES_MAX][DIRECTIONS];  // how many faults cut it
    int32_t slow;                                                      // how many faults slow it down
    int32_t trickles;  // how many faults make each read bring one byte, and each write take little
    int32_t damage[SIDES];  // so many batches on the way from it, or to the destination, get a flipped bit
};

extern const struct transport network_transport;  // driver: struct instance

void network_init(struct network *n, uint64_t seed);
void network_free(struct network *n);  // after the clusters

// The end of an entry into an instance: what it has to write goes on its way.
void network_flush(struct instance *in);

// After a cluster ran: what brokers have to write goes on its way.
void network_take_woken(struct network *n);

void network_instance_wakes(struct instance *in);  // what came while it slept
void network_cut(struct world *w, int32_t instance, enum side side, int32_t node, enum direction d, bool on);
void network_stall(struct channel *ch, bool on);
struct channel *network_channel(const struct connection *c);        // NULL: it is closed
void network_reset(struct world *w, enum side side, int32_t node);  // all connections of a broker
void network_heal(struct world *w);
// Whether nothing on the way between them is cut, stalled, or slow.
bool network_is_well(const struct world *w, int32_t instance, enum side side, int32_t node);
