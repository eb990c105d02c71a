// Receive buffers: counted references, reuse of the newest, and a limit on what is kept.
#include "unit/test.h"

#include "base/limits.h"
#include "client/frame_pool.h"

static struct frame_pool pool;

TEST(the_newest_comes_back_first) {
    frame_pool_init(&pool);
    struct frame *a = frame_new(&pool, 1000), *b = frame_new(&pool, 1000);
    EXPECT(a->capacity >= 1000 && a->size == 0 && a->references == 1);
    EXPECT(a->capacity <= 2 * KiB);  // there may be as many joined batches as partitions
    a->size = 7;
    frame_release(a);
    b->size = 8;
    frame_release(b);
    EXPECT_INT(pool.bytes_lent, 0);
    struct frame *again = frame_new(&pool, 500);
    EXPECT(again == b && again->size == 0 && again->references == 1);
    EXPECT(frame_new(&pool, 500) == a);
    EXPECT_INT(pool.bytes_free, 0);
    frame_release(a);
    frame_release(b);
    frame_pool_free(&pool);
}

TEST(the_last_one_to_let_go_returns_it) {
    frame_pool_init(&pool);
    struct frame *f = frame_new(&pool, 200 * KiB);
    EXPECT(frame_hold(f) == f);
    frame_release(f);
    EXPECT_INT(pool.bytes_lent, f->capacity);
    EXPECT_INT(pool.bytes_free, 0);
    frame_release(f);
    EXPECT_INT(pool.bytes_lent, 0);
    EXPECT(pool.bytes_free >= 200 * KiB);
    frame_release(NULL);
    frame_pool_free(&pool);
}

TEST(classes_are_not_mixed_and_the_largest_are_not_kept) {
    frame_pool_init(&pool);
    struct frame *small = frame_new(&pool, 1);
    frame_release(small);
    struct frame *large = frame_new(&pool, MiB + 64 * KiB);
    EXPECT(large != small && large->capacity == MiB + 64 * KiB);
    frame_release(large);
    struct frame *huge = frame_new(&pool, 9 * MiB);
    EXPECT_INT(huge->capacity, 9 * MiB);
    size_t kept = pool.bytes_free;
    frame_release(huge);
    EXPECT_INT(pool.bytes_free, kept);
    EXPECT_INT(pool.bytes_lent, 0);
    frame_pool_free(&pool);
    EXPECT_INT(pool.bytes_free, 0);
}

TEST(what_is_kept_has_a_limit) {
    frame_pool_init(&pool);
    struct frame *frames[40];
    for (int i = 0; i < 40; i++) frames[i] = frame_new(&pool, MiB);
    EXPECT(pool.bytes_lent >= 40 * (size_t)MiB);
    for (int i = 0; i < 40; i++) frame_release(frames[i]);
    EXPECT(pool.bytes_free <= FRAME_POOL_KEPT_MAX);
    EXPECT(pool.bytes_free > FRAME_POOL_KEPT_MAX - 2 * (size_t)MiB);
    EXPECT_INT(pool.bytes_lent, 0);
    EXPECT(pool.bytes_lent_peak >= 40 * (size_t)MiB);
    frame_pool_free(&pool);
}

int main(void) {
    RUN(the_newest_comes_back_first);
    RUN(the_last_one_to_let_go_returns_it);
    RUN(classes_are_not_mixed_and_the_largest_are_not_kept);
    RUN(what_is_kept_has_a_limit);
    return test_result();
}
