// Instances of odraz: an environment, a budget and a flow each. They start, are killed (everything is dropped without a
// word), sleep for minutes and wake with a clock that jumped, or stop as told.
#pragma once
#include "mirror/flow.h"
#include "sim/ledger.h"
#include "sim/plan.h"

struct world;

#define SIM_HOST_SOURCE "source"
#define SIM_HOST_DESTINATION "destination"
#define SIM_PORT_FIRST 9092

// What an owner of a partition waits for, with nothing in his way, and since when.
enum late_for { LATE_FOR_NOTHING, LATE_FOR_RECORDS, LATE_FOR_LEADERS };

struct lateness {
    enum late_for what;
    int64_t since_us;
    int64_t end;  // of the destination's log, when it last moved
};

struct instance {
    struct world *world;
    int32_t number;
    bool alive;
    bool wanted;            // started again after it is gone
    bool stopped;           // told to stop, and done
    bool dying, host_gone;  // while it is killed: what its connections tell
    int64_t sleeps_until_us;
    int64_t wall_ahead_ms;  // of its host's clock (CLOCK_REALTIME), which somebody has set
    int32_t lives;
    struct timer wakes;
    struct environment env;
    struct budget budget;
    struct flow *flow;
    struct selection *selection;
    struct list ready;  // channels to flush
    int64_t lost_us[LEDGER_TOPICS_MAX][2 * SIM_PARTITIONS_MAX];  // when a connection ended with appends on their way
    int64_t committed_us;  // when its newest OffsetCommit left; 0: none did
    int64_t told_us;       // when a broker that hears its controller said something (ownership.c)
    int64_t untold_until_us;
    struct cluster_partition led[SIDES][LEDGER_TOPICS_MAX][2 * SIM_PARTITIONS_MAX];  // as it knew (metadata.c)
    struct wire_uuid led_id[SIDES][LEDGER_TOPICS_MAX];
    struct lateness late[LEDGER_TOPICS_MAX][2 * SIM_PARTITIONS_MAX];  // lateness.c
    struct cluster_address addresses[SIDES][SIM_NODES_MAX];
    char name[8], id[24];
};

void instance_init(struct world *w, int32_t number);
void instance_start(struct instance *in);
void instance_kill(struct instance *in, bool host_gone);
void instance_stop(struct instance *in);
void instance_sleep(struct instance *in, int64_t us);
void instance_wake(struct instance *in);  // before its time
bool instance_sleeps(const struct instance *in);

int64_t instance_next(const struct instance *in);  // its next deadline; TIMER_NEVER
void instance_run(struct instance *in);

// Around every entry into the core.
void instance_enter(struct instance *in);
void instance_leave(struct instance *in);
