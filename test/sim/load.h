// What happens at the source: producers write, topics come, grow, go and come again.
#pragma once
#include "base/prng.h"
#include "base/timer.h"
#include "sim/plan.h"

struct world;
struct ledger_topic;

#define LOAD_BATCHES_MAX 1000       // of one run
#define LOAD_BEGIN_US (6 * SECOND)  // brokers hear of their topics, logs get their beginnings; nobody reads yet

struct load {
    struct world *world;
    struct prng prng;
    struct timer timer, begin;
    int32_t left;
    int64_t timestamp_ms;  // rises with each batch
    bool begun, stopped;
    int64_t other_end;  // of the stranger's topic at the destination
};

void load_start(struct world *w);  // with the planned topics
void load_stop(struct world *w);

// False: there are as many as there may be.
bool load_create_topic(struct world *w);
bool load_create_again(struct world *w, struct ledger_topic *t);
bool load_grow(struct world *w, struct ledger_topic *t);
void load_delete_topic(struct world *w, struct ledger_topic *t);
void load_write(struct world *w, struct ledger_topic *t, int32_t partition);
void load_write_transaction(struct world *w, struct ledger_topic *t, int32_t partition);  // that stays open
void load_end_transaction(struct world *w, struct ledger_topic *t, int32_t partition, bool commit);
void load_write_foreign(struct world *w, struct ledger_topic *t, int32_t partition);      // to the destination
// What another flow has brought to the source from the cluster `from`.
void load_write_mirrored(struct world *w, struct ledger_topic *t, int32_t partition, const char *from);
