// Slices: the hash is for ever, shares follow weights, moves are small and never skip the letting go.
#include "base/memory.h"
#include "base/prng.h"
#include "mirror/slices.h"
#include "unit/test.h"

#define SLICES 64

TEST(the_slice_of_a_partition_never_changes) {
    // Worked out by another program. Any change would make two releases own the same partition.
    EXPECT_INT(slice_of_partition("orders", 6, 0, 64), 36);
    EXPECT_INT(slice_of_partition("orders", 6, 1, 64), 4);
    EXPECT_INT(slice_of_partition("orders", 6, 1, 1024), 69);
    EXPECT_INT(slice_of_partition("eu.orders", 9, 4, 64), 10);
    EXPECT_INT(slice_of_partition("", 0, 0, 1), 0);
}

TEST(partitions_spread_over_all_slices) {
    int counts[SLICES] = {0};
    for (int32_t topic = 0; topic < 100; topic++) {
        char name[16];
        int size = snprintf(name, sizeof name, "topic-%d", topic);
        for (int32_t p = 0; p < 64; p++) counts[slice_of_partition(name, (size_t)size, p, SLICES)]++;
    }
    for (int i = 0; i < SLICES; i++) EXPECT(counts[i] > 50 && counts[i] < 160);
}

// Members a, b, c, ... that hold nothing and knew generation 1.
static void make_members(struct slices_member *members, size_t count) {
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    for (size_t i = 0; i < count; i++) {
        members[i] = (struct slices_member){.name = {(const uint8_t *)names[i], 1}, .readable = true};
        members[i].metadata = (struct slices_metadata){.count = SLICES, .weight = 1, .generation = 1};
    }
}

// Everybody lets go of what was not given back, and takes what was: generation after generation until nothing moves.
static int settle(struct slices_member *members, size_t count, int32_t *generation) {
    for (int rounds = 1; rounds < 10; rounds++) {
        slices_assign(members, count, SLICES, ++*generation);
        bool moved = false;
        for (size_t i = 0; i < count; i++) {
            struct slices_metadata *m = &members[i].metadata;
            moved |= memcmp(&m->held, &members[i].assignment.given, sizeof m->held) != 0;
            m->held = members[i].assignment.given;
            m->generation = *generation;
        }
        if (!moved) return rounds;
    }
    return -1;
}

static int32_t total(const struct slices_member *members, size_t count) {
    int32_t sum = 0;
    for (size_t i = 0; i < count; i++) sum += slices_count(&members[i].metadata.held);
    return sum;
}

TEST(a_lone_member_gets_everything_at_once) {
    struct slices_member a[1];
    make_members(a, 1);
    slices_assign(a, 1, SLICES, 2);
    EXPECT_INT(slices_count(&a[0].assignment.given), SLICES);
    EXPECT(!a[0].assignment.rejoin);
}

TEST(who_joins_takes_only_its_share_and_only_what_was_let_go) {
    struct slices_member m[3];
    make_members(m, 3);
    int32_t generation = 1;
    EXPECT(settle(m, 2, &generation) > 0);
    struct slices before[2] = {m[0].metadata.held, m[1].metadata.held};
    m[2].metadata.generation = generation;
    slices_assign(m, 3, SLICES, generation + 1);
    EXPECT(slices_empty(&m[2].assignment.given));  // nothing has been let go yet
    EXPECT_INT(settle(m, 3, &generation), 3);      // let go, take, nothing more
    EXPECT_INT(total(m, 3), SLICES);
    for (int i = 0; i < 2; i++) {
        EXPECT(slices_count(&m[i].metadata.held) < slices_count(&before[i]));
        for (int32_t s = 0; s < SLICES; s++)
            EXPECT(!slices_has(&m[i].metadata.held, s) || slices_has(&before[i], s));  // a and b exchange nothing
    }
    m[2] = m[1];  // b's share stays, c's falls back to where it came from
    EXPECT(settle(m, 2, &generation) > 0);
    EXPECT(memcmp(&m[0].metadata.held, &before[0], sizeof before[0]) == 0);
    EXPECT(memcmp(&m[1].metadata.held, &before[1], sizeof before[1]) == 0);
}

TEST(shares_follow_weights) {
    struct slices_member m[2];
    make_members(m, 2);
    m[1].metadata.weight = 3;
    m[0].metadata.count = m[1].metadata.count = SLICES_MAX;
    slices_assign(m, 2, SLICES_MAX, 2);
    int32_t a = slices_count(&m[0].assignment.given), b = slices_count(&m[1].assignment.given);
    EXPECT_INT(a + b, SLICES_MAX);
    EXPECT(a > 200 && a < 310);  // a quarter of 1024
    m[0].metadata.weight = 0;
    slices_assign(m, 2, SLICES_MAX, 2);
    EXPECT_INT(slices_count(&m[0].assignment.given), 0);
}

TEST(metadata_that_is_not_current_keeps_free_slices_back) {
    struct slices_member m[2];
    make_members(m, 2);
    slices_add(&m[0].metadata.held, 7);
    m[1].metadata.generation = SLICES_GENERATION_NONE;  // new, or come back, or a late copy
    slices_assign(m, 2, SLICES, 2);
    EXPECT(slices_count(&m[0].assignment.given) <= 1);  // 7, if it is to stay
    EXPECT(slices_empty(&m[1].assignment.given));
    EXPECT(m[1].assignment.rejoin && !m[0].assignment.rejoin);
}

TEST(a_contested_slice_is_given_to_nobody_or_to_the_member_that_is_current) {
    struct slices_member m[2];
    make_members(m, 2);
    for (int32_t s = 0; s < SLICES; s++) slices_add(&m[0].metadata.held, s), slices_add(&m[1].metadata.held, s);
    slices_assign(m, 2, SLICES, 2);
    EXPECT(slices_empty(&m[0].assignment.given) && slices_empty(&m[1].assignment.given));
    m[1].metadata.generation = 0;
    slices_assign(m, 2, SLICES, 2);
    EXPECT(slices_empty(&m[1].assignment.given));
    EXPECT(!slices_empty(&m[0].assignment.given));
}

TEST(a_member_that_counts_otherwise_gets_nothing_and_blocks_while_it_holds) {
    struct slices_member m[2];
    make_members(m, 2);
    m[1].metadata.count = 128;
    slices_add(&m[1].metadata.held, 100);
    slices_assign(m, 2, SLICES, 2);
    EXPECT(slices_empty(&m[0].assignment.given));
    slices_remove(&m[1].metadata.held, 100);
    slices_assign(m, 2, SLICES, 2);
    EXPECT_INT(slices_count(&m[0].assignment.given), SLICES);
    m[1].readable = false;
    slices_assign(m, 2, SLICES, 2);
    EXPECT(slices_empty(&m[0].assignment.given));
}

TEST(those_who_mirror_one_source_share_all_slices_among_themselves) {
    struct slices_member m[4];
    make_members(m, 4);
    for (int i = 0; i < 4; i++) memcpy(m[i].metadata.source, i % 2 ? "eu" : "us", 3);
    int32_t generation = 1;
    EXPECT(settle(m, 4, &generation) > 0);
    for (int32_t s = 0; s < SLICES; s++) {
        EXPECT(slices_has(&m[0].metadata.held, s) != slices_has(&m[2].metadata.held, s));
        EXPECT(slices_has(&m[1].metadata.held, s) != slices_has(&m[3].metadata.held, s));
    }
    for (int i = 0; i < 4; i++) EXPECT(!slices_empty(&m[i].metadata.held));
    m[0].readable = false;  // it may be one of either
    m[1].metadata.held = (struct slices){0};
    slices_assign(m, 4, SLICES, ++generation);
    EXPECT(slices_empty(&m[0].assignment.given) && slices_empty(&m[1].assignment.given));
}

TEST(metadata_and_assignments_come_back_as_they_were) {
    struct prng prng;
    prng_seed(&prng, 1);
    struct buffer out;
    buffer_init(&out, GROUP_METADATA_MAX);
    for (int i = 0; i < 200; i++) {
        int32_t count = (int32_t)prng_between(&prng, 1, SLICES_MAX);
        struct slices_metadata m = {.count = count,
                                    .weight = (int32_t)prng_between(&prng, 0, SLICES_WEIGHT_MAX),
                                    .generation = (int32_t)prng_between(&prng, -1, INT32_MAX),
                                    .joins = i,
                                    .rules = prng_next(&prng)},
                               m2;
        for (int k = i % (SLICES_SOURCE_MAX + 1); k > 0; k--) m.source[k - 1] = (char)('a' + k % 26);
        for (int32_t s = 0; s < count; s++)
            if (prng_below(&prng, 2)) slices_add(&m.held, s);
        buffer_clear(&out);
        slices_encode_metadata(&m, &out);
        EXPECT_INT(out.size, 13 + (count + 7) / 8 + 9 + (int)strlen(m.source));
        struct error e = slices_decode_metadata((struct bytes){out.at, out.size}, &m2);
        EXPECT(!error_is(&e) && m2.count == m.count && m2.weight == m.weight && m2.generation == m.generation &&
               m2.joins == i && m2.rules == m.rules && strcmp(m2.source, m.source) == 0);
        EXPECT(memcmp(&m.held, &m2.held, sizeof m.held) == 0);

        struct slices_assignment a = {.count = count, .rejoin = prng_below(&prng, 2), .given = m.held}, a2;
        buffer_clear(&out);
        slices_encode_assignment(&a, &out);
        e = slices_decode_assignment((struct bytes){out.at, out.size}, &a2);
        EXPECT(!error_is(&e) && a2.count == count && a2.rejoin == a.rejoin);
        EXPECT(memcmp(&a.given, &a2.given, sizeof a.given) == 0);
    }
    buffer_free(&out);
}

TEST(garbage_is_an_error_value) {
    struct slices_metadata m;
    struct slices_assignment a;
    static const uint8_t other_version[] = {1, 0, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t no_slices[] = {2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t too_many[] = {2, 4, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t cut_off[] = {2, 0, 64, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3};
    static const uint8_t past_the_count[] = {2, 0, 3, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 8};
    static const uint8_t no_source[] = {2, 0, 3, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 9};
    static const uint8_t cut_source[] = {2, 0, 3, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 9, 2, 'e'};
    static const uint8_t long_source[23 + 64] = {2, 0, 3, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 9, 64};
    static const uint8_t longer[] = {2, 0, 3, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 9, 1, 'e', 99, 99};
    struct error e = slices_decode_metadata((struct bytes){NULL, 0}, &m);
    EXPECT_INT(e.kind, ERROR_PROTOCOL);
#define REFUSED(at) (e = slices_decode_metadata((struct bytes){at, sizeof at}, &m), e.kind == ERROR_PROTOCOL)
    EXPECT(REFUSED(other_version) && REFUSED(no_slices) && REFUSED(too_many) && REFUSED(cut_off));
    EXPECT(REFUSED(past_the_count) && REFUSED(no_source) && REFUSED(cut_source) && REFUSED(long_source));
    EXPECT(!REFUSED(longer));  // a later version says more
    EXPECT_INT(slices_count(&m.held), 3);
    EXPECT_INT(m.rules, 9);
    EXPECT_TEXT(m.source, "e");
    e = slices_decode_assignment((struct bytes){NULL, 0}, &a);
    EXPECT(!error_is(&e) && a.count == 0);

    struct prng prng;
    prng_seed(&prng, 2);
    for (int i = 0; i < 20000; i++) {
        size_t size = prng_below(&prng, 40);
        uint8_t *at = memory_alloc(size ? size : 1);  // exactly: the sanitizer sees a read behind it
        for (size_t k = 0; k < size; k++) at[k] = (uint8_t)prng_next(&prng);
        if (size > 0) at[0] = 2;
        if (size > 1) at[1] &= 1;
        e = slices_decode_metadata((struct bytes){at, size}, &m);
        EXPECT(error_is(&e) || (m.count > 0 && m.count <= SLICES_MAX && slices_count(&m.held) <= m.count));
        e = slices_decode_assignment((struct bytes){at, size}, &a);
        EXPECT(error_is(&e) || a.count <= SLICES_MAX);
        memory_free(at);
    }
}

int main(void) {
    RUN(the_slice_of_a_partition_never_changes);
    RUN(partitions_spread_over_all_slices);
    RUN(a_lone_member_gets_everything_at_once);
    RUN(who_joins_takes_only_its_share_and_only_what_was_let_go);
    RUN(shares_follow_weights);
    RUN(metadata_that_is_not_current_keeps_free_slices_back);
    RUN(a_contested_slice_is_given_to_nobody_or_to_the_member_that_is_current);
    RUN(a_member_that_counts_otherwise_gets_nothing_and_blocks_while_it_holds);
    RUN(those_who_mirror_one_source_share_all_slices_among_themselves);
    RUN(metadata_and_assignments_come_back_as_they_were);
    RUN(garbage_is_an_error_value);
    return test_result();
}
