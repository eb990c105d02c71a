// Many seeds on all cores, and what they add up to.
#pragma once
#include "sim/world.h"

struct sweep_order {
    uint64_t first, count;
    int jobs;
    int64_t seconds;  // no seed begins after so long; 0: no limit
    bool unowned;
    bool brief;        // one line, for tests
    int failures_max;  // then it ends
};

// Answers the number of seeds that failed.
int sweep(const struct sweep_order *order);
