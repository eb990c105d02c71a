// One simulated world: two clusters, a network, some instances of odraz, a load, and a clock that jumps to the next
// thing that happens. One plan makes one history, to the last bit.
#pragma once
#include "base/timer.h"
#include "broker/cluster.h"
#include "broker/faults.h"
#include "mirror/provenance.h"
#include "sim/faults.h"
#include "sim/instances.h"
#include "sim/ledger.h"
#include "sim/load.h"
#include "sim/network.h"
#include "sim/plan.h"
#include "sim/trace.h"

#define SIM_WALL_MS INT64_C(1790000000000)  // what clocks show when a world begins
#define SIM_CLUSTER_SOURCE "sourceAAAAAAAAAAAAAAAA"
#define SIM_CLUSTER_DESTINATION "destinationBBBBBBBBBBB"
#define SIM_YEAR_MS (INT64_C(365) * 86400000)
#define SIM_CONVERGENCE_US (300 * SECOND)  // after peace was made, and
#define SIM_MORE_US (30 * SECOND)          // as often as more has come in so long
#define SIM_RARE_MAX 256
#define SIM_STEPS_MAX 5000000  // of one run: more is going round in circles

// How fast a cluster's brokers are.
struct pace {
    struct world *world;
    enum side side;
    struct prng prng;
};

struct world {
    struct plan plan;
    int64_t now_us;
    uint64_t steps;
    struct timers timers;
    struct prng prng;  // of the world's own choices; network and brokers have theirs
    struct broker_cluster *clusters[SIDES];
    struct pace pace[SIDES];
    int64_t looked_us;  // when the checkers looked last
    bool peace;         // the liveness phase
    struct network network;
    struct instance instances[SIM_INSTANCES_MAX];
    struct load load;
    struct ledger ledger;
    struct faults *faults;
    struct trace trace;
    int64_t allocated_before;
    uint64_t rare_before[SIM_RARE_MAX];  // how often each rare branch had been passed
};

// What a run came to.
struct outcome {
    bool failed;
    char checker[32];
    char text[400];
    int64_t failed_at_us, virtual_us;
    uint64_t hash, steps;
    int64_t records;  // that stood at the destination in the end
    int32_t halted;   // partitions and topics, with a true reason
    uint32_t struck[FAULT_KINDS];
};

// Runs a plan. `story`: where to tell what happens (NULL: nowhere).
void world_live(const struct plan *plan, FILE *story, bool chatty, struct outcome *out);

// The same in steps, for scenarios.
struct world *world_begin(const struct plan *plan, FILE *story, bool chatty, struct outcome *out);
void world_run(struct world *w, int64_t us);
struct outcome *world_converge(struct world *w);  // peace: faults end, and the logs must become equal
void world_end(struct world *w);

// A checker's word: the first one counts, and ends the run.
void world_fail(struct world *w, const char *checker, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool world_failed(const struct world *w);

// Whether the simulated flow has written a batch with this id: not a stranger, nor another flow.
static inline bool world_is_ours(int64_t producer_id) {
    return provenance_same_flow(producer_id, provenance_producer_id(SIM_CLUSTER_SOURCE, SIM_CLUSTER_DESTINATION));
}

static inline int64_t world_wall_ms(const struct world *w) {
    return SIM_WALL_MS + w->now_us / 1000;
}
