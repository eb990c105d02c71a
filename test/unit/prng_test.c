// Random numbers: the published sequence, bounds, and no favourite.
#include "base/prng.h"

#include "unit/test.h"

TEST(the_sequence_is_xoshiro256_starstar) {
    // The first numbers of the authors' own code from this state.
    struct prng p = {{1, 2, 3, 4}};
    EXPECT_INT(prng_next(&p), 11520);
    EXPECT_INT(prng_next(&p), 0);
    EXPECT_INT(prng_next(&p), 1509978240);
    EXPECT_INT(prng_next(&p), 1215971899390074240);
}

TEST(equal_seeds_are_equal_sequences) {
    struct prng a, b, c;
    prng_seed(&a, 7);
    prng_seed(&b, 7);
    prng_seed(&c, 8);
    EXPECT(a.s[0] && a.s[1] && a.s[2] && a.s[3]);
    for (int i = 0; i < 100; i++) {
        uint64_t v = prng_next(&a);
        EXPECT(v == prng_next(&b) && v != prng_next(&c));
    }
}

TEST(bounds_are_kept_and_reached) {
    struct prng p;
    int seen[7] = {0};
    prng_seed(&p, 1);
    for (int i = 0; i < 7000; i++) {
        int64_t v = prng_between(&p, -3, 3);
        EXPECT(v >= -3 && v <= 3);
        seen[v + 3]++;
    }
    for (int i = 0; i < 7; i++) EXPECT(seen[i] > 850 && seen[i] < 1150);
    EXPECT_INT(prng_below(&p, 1), 0);
    EXPECT_INT(prng_between(&p, INT64_MAX, INT64_MAX), INT64_MAX);
    bool low = false, high = false;
    for (int i = 0; i < 100; i++) {
        int64_t v = prng_between(&p, INT64_MIN, INT64_MAX);
        low = low || v < 0;
        high = high || v > 0;
    }
    EXPECT(low && high);
    // Two thirds of 2^64: without rejection the lower half would come twice as often as the upper.
    uint64_t limit = UINT64_MAX / 3 * 2, lower = 0;
    for (int i = 0; i < 10000; i++) lower += prng_below(&p, limit) < limit / 2;
    EXPECT(lower > 4800 && lower < 5200);
}

int main(void) {
    RUN(the_sequence_is_xoshiro256_starstar);
    RUN(equal_seeds_are_equal_sequences);
    RUN(bounds_are_kept_and_reached);
    return test_result();
}
