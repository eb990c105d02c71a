// The budget: two halves, one oversized response at a time, and waiters in turn.
#include "unit/test.h"

#include "base/prng.h"
#include "client/budget.h"

static struct budget b;
static char story[64];

struct waiter {
    struct budget_waiter waiter;
    char name;
    int64_t wants;  // taken when there is room; 0 = only looks
    int64_t has;
    bool oversized;
};

static bool try_to_take(struct waiter *w) {
    bool taken = w->oversized ? budget_take_oversized(&b, w->wants, &w->waiter)
                              : budget_take(&b, w->wants, INT64_MAX, &w->waiter);
    if (!taken) return false;
    w->has += w->wants;
    return true;
}

static void on_room(struct budget_waiter *bw) {
    struct waiter *w = CONTAINER_OF(bw, struct waiter, waiter);
    size_t used = strlen(story);
    snprintf(story + used, sizeof story - used, "%c", w->name);
    if (w->wants > 0) try_to_take(w);
}

static struct waiter waiter(char name, int64_t wants) {
    return (struct waiter){.waiter.room = on_room, .name = name, .wants = wants};
}

static void begin(int64_t limit) {
    budget_init(&b, limit);
    story[0] = '\0';
}

TEST(usual_fetches_share_the_first_half) {
    begin(100);
    struct waiter a = waiter('a', 30), c = waiter('c', 20), d = waiter('d', 1);
    EXPECT(try_to_take(&a));
    EXPECT(try_to_take(&c));
    EXPECT(!try_to_take(&d));
    EXPECT_INT(b.used, 50);
    budget_release(&b, 20);
    EXPECT_TEXT(story, "d");
    EXPECT_INT(d.has, 1);
    EXPECT_INT(b.used, 31);
    EXPECT(list_empty(&b.waiting));
}

TEST(who_is_content_with_less_leaves_the_rest_to_others) {
    begin(100);
    struct waiter a = waiter('a', 20);
    EXPECT(try_to_take(&a));
    EXPECT(!budget_take(&b, 11, 30, &a.waiter));
    EXPECT(!list_empty(&b.waiting));
    budget_withdraw(&a.waiter);
    EXPECT(budget_take(&b, 10, 30, &a.waiter));
    EXPECT(budget_take(&b, 20, 60, &a.waiter));
    EXPECT(!budget_take(&b, 1, 60, &a.waiter));  // the other half is for no usual fetch
    budget_withdraw(&a.waiter);
}

TEST(an_empty_budget_lets_anything_through) {
    begin(100);
    struct waiter large = waiter('l', 1000), small = waiter('s', 1);
    EXPECT(try_to_take(&large));
    EXPECT(!try_to_take(&small));
    budget_release(&b, 1000);
    EXPECT_INT(small.has, 1);
    EXPECT(!try_to_take(&large));  // not empty now
    budget_withdraw(&large.waiter);
}

TEST(the_other_half_is_for_one_oversized_response) {
    begin(100);
    struct waiter usual = waiter('u', 50), one = waiter('1', 30), two = waiter('2', 10), large = waiter('l', 51);
    one.oversized = two.oversized = large.oversized = true;
    EXPECT(try_to_take(&usual));
    EXPECT(!try_to_take(&large));  // past the limit
    budget_withdraw(&large.waiter);
    EXPECT(try_to_take(&one));
    EXPECT(!try_to_take(&two));  // there is room, but one is under way
    budget_release(&b, 1);
    EXPECT_TEXT(story, "2");
    EXPECT_INT(two.has, 0);
    budget_oversized_done(&b);
    budget_release(&b, 1);
    EXPECT_TEXT(story, "22");
    EXPECT_INT(two.has, 10);
    EXPECT(b.oversized);
    EXPECT_INT(b.used_peak, 88);
}

TEST(waiters_are_asked_in_turn_once_each) {
    begin(100);
    struct waiter holder = waiter('h', 50), w[4] = {waiter('a', 20), waiter('b', 20), waiter('c', 20), waiter('d', 5)};
    EXPECT(try_to_take(&holder));
    for (int i = 0; i < 4; i++) {
        EXPECT(!try_to_take(&w[i]));
        EXPECT(!try_to_take(&w[i]));  // asking again does not link it twice
    }
    budget_release(&b, 20);
    EXPECT_TEXT(story, "abcd");
    EXPECT_INT(w[0].has, 20);
    EXPECT_INT(w[1].has + w[2].has + w[3].has, 0);
    budget_release(&b, 25);
    EXPECT_TEXT(story, "abcdbcd");
    EXPECT_INT(w[1].has, 20);
    EXPECT_INT(w[3].has, 5);  // fits where c does not
    budget_withdraw(&w[2].waiter);
    budget_release(&b, 50);
    EXPECT_TEXT(story, "abcdbcd");
}

TEST(who_withdraws_inside_a_call_of_another_is_not_asked) {
    begin(100);
    struct waiter holder = waiter('h', 50), w = waiter('w', 10);
    EXPECT(try_to_take(&holder));
    EXPECT(!try_to_take(&w));
    budget_withdraw(&w.waiter);
    budget_withdraw(&w.waiter);
    budget_release(&b, 50);
    EXPECT_TEXT(story, "");
    EXPECT_INT(b.used, 0);
}

TEST(a_part_is_not_kept_small_by_what_others_use) {
    struct budget near, far;
    begin(100);
    budget_init_part(&near, &b);
    budget_init_part(&far, &b);
    struct waiter w = waiter('w', 0);
    EXPECT(budget_take(&far, 40, INT64_MAX, &w.waiter));
    EXPECT(budget_take(&near, 4, 8, &w.waiter));
    EXPECT(!budget_take(&near, 5, 8, &w.waiter));  // its own room is used up
    budget_withdraw(&w.waiter);
    EXPECT(budget_take(&near, 4, 8, &w.waiter));
    EXPECT(!budget_take(&near, 3, INT64_MAX, &w.waiter));  // the half of the whole is
    EXPECT_INT(b.used, 48);
    EXPECT_INT(near.used, 8);
    budget_set_aside(&far, 30);
    EXPECT_TEXT(story, "w");
    EXPECT_INT(b.aside, 30);
    EXPECT(budget_take(&near, 17, INT64_MAX, &w.waiter));
    EXPECT(!budget_take_oversized(&far, 36, &w.waiter));
    budget_withdraw(&w.waiter);
    EXPECT(budget_take_oversized(&far, 35, &w.waiter));
    EXPECT(!budget_take_oversized(&near, 0, &w.waiter));  // one of all
    budget_oversized_done(&far);
    budget_set_aside(&far, -30);
    budget_release(&far, 75);
    EXPECT_TEXT(story, "ww");
    EXPECT_INT(b.used, near.used);
    EXPECT_INT(far.used + far.aside + b.aside, 0);
}

TEST(who_falls_silent_next_leaves_room_too) {
    begin(100);
    struct waiter a = waiter('a', 50), c = waiter('c', 20), d = waiter('d', 10);
    EXPECT(try_to_take(&a));
    EXPECT(!try_to_take(&c));
    budget_set_aside(&b, 50);
    EXPECT_TEXT(story, "c");
    EXPECT_INT(c.has, 20);
    EXPECT_INT(budget_rest(&b), 30);
    EXPECT(!try_to_take(&d));  // half of what was left
    budget_set_aside(&b, 20);
    EXPECT_TEXT(story, "cd");
    EXPECT_INT(d.has, 10);
    budget_set_aside(&b, -70);
    EXPECT(!try_to_take(&a));
    budget_withdraw(&a.waiter);
    budget_release(&b, 80);
}

// An empty budget lets anything through, but it is not empty while a silent broker has some of it.
TEST(beside_a_silent_one_nothing_passes_the_limit) {
    begin(100);
    struct waiter a = waiter('a', 50), c = waiter('c', 51);
    EXPECT(try_to_take(&a));
    budget_set_aside(&b, 50);
    EXPECT(!try_to_take(&c));
    c.wants = 50;
    EXPECT(try_to_take(&c));
    budget_withdraw(&c.waiter);
    budget_set_aside(&b, -50);
    budget_release(&b, 100);
}

// A batch that is written anew, and grows, for a broker that is silent.
TEST(what_is_set_aside_may_be_counted_later) {
    begin(100);
    struct waiter a = waiter('a', 50);
    EXPECT(try_to_take(&a));
    budget_set_aside(&b, 60);
    budget_grow(&b, 10);
    EXPECT_INT(b.used, 60);
    EXPECT_INT(b.aside, 60);
    budget_set_aside(&b, -60);
    budget_release(&b, 60);
    EXPECT_INT(b.used + b.aside, 0);
}

TEST(never_above_the_limit_whatever_is_taken_and_given_back) {
    struct prng prng;
    prng_seed(&prng, 5);
    begin(1000);
    struct waiter w[8];
    for (int i = 0; i < 8; i++) w[i] = waiter((char)('a' + i), 0);
    for (int round = 0; round < 20000; round++) {
        struct waiter *x = &w[prng_below(&prng, 8)];
        story[0] = '\0';
        if (x->has > 0) {
            int64_t had = x->has;
            x->has = 0;
            if (x->oversized) budget_oversized_done(&b);
            budget_release(&b, had);
        } else if (!link_linked(&x->waiter.link)) {
            x->oversized = prng_below(&prng, 4) == 0;
            x->wants = prng_between(&prng, 1, x->oversized ? 500 : 200);
            try_to_take(x);
        }
        int64_t sum = 0;
        for (int i = 0; i < 8; i++) sum += w[i].has;
        EXPECT_INT(b.used, sum);
        EXPECT(b.used <= b.limit);
    }
    EXPECT(b.used_peak > 600);
}

int main(void) {
    RUN(usual_fetches_share_the_first_half);
    RUN(who_is_content_with_less_leaves_the_rest_to_others);
    RUN(an_empty_budget_lets_anything_through);
    RUN(the_other_half_is_for_one_oversized_response);
    RUN(waiters_are_asked_in_turn_once_each);
    RUN(who_withdraws_inside_a_call_of_another_is_not_asked);
    RUN(a_part_is_not_kept_small_by_what_others_use);
    RUN(who_falls_silent_next_leaves_room_too);
    RUN(beside_a_silent_one_nothing_passes_the_limit);
    RUN(what_is_set_aside_may_be_counted_later);
    RUN(never_above_the_limit_whatever_is_taken_and_given_back);
    return test_result();
}
