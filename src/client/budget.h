// Bytes in flight of a shard, as one number with a limit: what has been asked of the sources or received from them and
// is not yet acknowledged by a destination. Back-pressure is nothing else: what isn't acknowledged isn't fetched.
//
// Usual fetches take from the first half of the limit. The second half is kept for responses larger than what was asked
// for (a broker answers with at least one whole batch, KIP-74), one at a time: so a batch of up to half the budget gets
// through whatever else goes on. A larger one is received, but not kept: its partition halts. What waits for brokers
// that answer nothing is set aside: of what it leaves the others have half, again.
//
// Each flow has a part of it, with the same limits: how much of the half a fetch may use is counted in the part, so
// that a flow over a long line, or to a slow cluster, does not keep what the others need.
#pragma once
#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct budget_waiter {
    struct link link;
    void (*room)(struct budget_waiter *w);  // called once, from inside budget_release(): try again
};

struct budget {
    struct budget *whole;  // of which it is a part; NULL: it is the whole
    int64_t limit, used, used_peak;
    int64_t aside;   // of what is used: waits for brokers that answer nothing, and leaves room for the others
    // Of the whole.
    bool oversized;  // the one oversized response is under way
    struct list waiting;
};

void budget_init(struct budget *b, int64_t limit);
void budget_init_part(struct budget *part, struct budget *whole);

// Takes from the first `most` bytes of the limit, at most the half of what is not set aside; in a part, where the
// whole's half has room, too. False: no room now; the waiter is called when there may be.
bool budget_take(struct budget *b, int64_t bytes, int64_t most, struct budget_waiter *waiter);
bool budget_take_oversized(struct budget *b, int64_t bytes, struct budget_waiter *waiter);
void budget_oversized_done(struct budget *b);

// What of the whole's half is not used, by others neither; below 0 where more is.
int64_t budget_rest(const struct budget *b);

// What is in flight already has become larger (records were written anew): counted, whatever there is room for.
void budget_grow(struct budget *b, int64_t bytes);
void budget_release(struct budget *b, int64_t bytes);
// Of what is used, so much more (or less) does not count against the first half, until it is released or taken back.
void budget_set_aside(struct budget *b, int64_t bytes);
void budget_withdraw(struct budget_waiter *waiter);
