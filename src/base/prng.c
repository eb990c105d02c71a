// xoshiro256** by Blackman and Vigna, seeded by splitmix64 as they advise.
#include "base/prng.h"

#include <assert.h>

static uint64_t splitmix(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

void prng_seed(struct prng *p, uint64_t seed) {
    for (int i = 0; i < 4; i++) p->s[i] = splitmix(&seed);
}

static uint64_t rotate(uint64_t v, int by) {
    return (v << by) | (v >> (64 - by));
}

uint64_t prng_next(struct prng *p) {
    uint64_t *s = p->s;
    uint64_t answer = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return answer;
}

uint64_t prng_below(struct prng *p, uint64_t limit) {
    assert(limit > 0);
    uint64_t surplus = -limit % limit;  // 2^64 mod limit: the draws that would make small answers likelier
    uint64_t v;
    do v = prng_next(p);
    while (v < surplus);
    return v % limit;
}

int64_t prng_between(struct prng *p, int64_t low, int64_t high) {
    assert(low <= high);
    uint64_t span = (uint64_t)high - (uint64_t)low + 1;
    uint64_t draw = span ? prng_below(p, span) : prng_next(p);  // 0: all of the 2^64 numbers
    return (int64_t)((uint64_t)low + draw);
}
