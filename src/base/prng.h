// A small deterministic generator (xoshiro256**): jitter in production, everything in the simulator.
#pragma once
#include <stdint.h>

struct prng {
    uint64_t s[4];
};

void prng_seed(struct prng *p, uint64_t seed);
uint64_t prng_next(struct prng *p);
uint64_t prng_below(struct prng *p, uint64_t limit);                    // 0 .. limit-1; limit > 0
int64_t prng_between(struct prng *p, int64_t low, int64_t high);        // both included
