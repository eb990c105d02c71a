// Arenas: zeroed, aligned, separate, and never past their maximum.
#include "base/arena.h"

#include "base/prng.h"
#include "unit/test.h"

#include <stdint.h>

TEST(allocations_are_zeroed_aligned_and_apart) {
    struct arena a;
    struct prng p;
    uint8_t *blocks[2000];
    size_t sizes[2000];
    arena_init(&a, 64 << 20);
    prng_seed(&p, 1);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 2000; i++) {
            sizes[i] = prng_below(&p, i % 100 ? 200 : 100000);
            blocks[i] = arena_alloc(&a, sizes[i]);
            EXPECT(blocks[i] && (uintptr_t)blocks[i] % 16 == 0);
            for (size_t j = 0; j < sizes[i]; j++) EXPECT_INT(blocks[i][j], 0);
            memset(blocks[i], i, sizes[i]);
        }
        for (int i = 0; i < 2000; i++) {
            for (size_t j = 0; j < sizes[i]; j++) EXPECT_INT(blocks[i][j], (uint8_t)i);
        }
        arena_reset(&a);
    }
    arena_free(&a);
}

TEST(the_maximum_is_kept_and_reached) {
    struct arena a;
    arena_init(&a, 100000);
    EXPECT(!arena_alloc(&a, 100001));
    EXPECT(!arena_alloc(&a, SIZE_MAX));
    size_t got = 0;
    while (arena_alloc(&a, 1000)) got += 1000;
    EXPECT(got > 90000 && got <= 100000);
    EXPECT(a.size <= 100000);
    EXPECT(!arena_alloc(&a, 1000));
    arena_reset(&a);
    EXPECT(arena_alloc(&a, 1000) != NULL);
    arena_free(&a);
    EXPECT(arena_alloc(&a, 100000) != NULL);
    EXPECT(!arena_alloc(&a, 1));
    arena_free(&a);
}

TEST(reset_keeps_the_largest_block) {
    struct arena a;
    arena_init(&a, 1 << 20);
    arena_reset(&a);
    EXPECT_INT(a.size, 0);
    EXPECT(arena_alloc(&a, 10) && arena_alloc(&a, 900000) && arena_alloc(&a, 600));
    size_t held = a.size;
    arena_reset(&a);
    EXPECT(a.size >= 900000 && a.size < held);
    held = a.size;
    EXPECT(arena_alloc(&a, 800000));
    EXPECT_INT(a.size, held);
    arena_free(&a);
}

int main(void) {
    RUN(allocations_are_zeroed_aligned_and_apart);
    RUN(the_maximum_is_kept_and_reached);
    RUN(reset_keeps_the_largest_block);
    return test_result();
}
