// Timers: fire in order, at their time, once; and a random history against a plain list.
#include "base/timer.h"

#include "base/list.h"
#include "base/prng.h"
#include "unit/test.h"

struct alarm {
    struct timer timer;
    struct timers *timers;
    char name;
    struct alarm *sets, *cancels;  // what it does to others when it fires
    int64_t sets_for;
};

static char story[64];
static size_t story_size;

static void ring(struct timer *t, int64_t now_us) {
    struct alarm *a = CONTAINER_OF(t, struct alarm, timer);
    story[story_size++] = a->name;
    story[story_size] = 0;
    if (now_us < t->deadline_us || timer_is_set(t)) story[story_size - 1] = '!';
    if (a->sets) timer_set(a->timers, &a->sets->timer, a->sets_for);
    if (a->cancels) timer_cancel(a->timers, &a->cancels->timer);
}

static struct alarm alarm_of(struct timers *ts, char name) {
    struct alarm a = {.timers = ts, .name = name};
    timer_init(&a.timer, ring);
    return a;
}

// Runs and tells what fired.
static const char *run(struct timers *ts, int64_t now_us) {
    story_size = 0;
    story[0] = 0;
    timers_run(ts, now_us);
    return story;
}

TEST(fire_in_order_and_once) {
    struct timers ts;
    timers_init(&ts);
    EXPECT_INT(timers_next(&ts), TIMER_NEVER);
    struct alarm a = alarm_of(&ts, 'a'), b = alarm_of(&ts, 'b'), c = alarm_of(&ts, 'c'), d = alarm_of(&ts, 'd');
    timer_set(&ts, &a.timer, 30);
    timer_set(&ts, &b.timer, 10);
    timer_set(&ts, &c.timer, 30);
    timer_set(&ts, &d.timer, 20);
    EXPECT_INT(timers_next(&ts), 10);
    EXPECT_TEXT(run(&ts, 9), "");
    EXPECT_TEXT(run(&ts, 20), "bd");
    EXPECT_INT(timers_next(&ts), 30);
    timer_set(&ts, &a.timer, 30);  // set again: behind its equals
    EXPECT_TEXT(run(&ts, 1000), "ca");
    EXPECT_TEXT(run(&ts, 2000), "");
    timer_set(&ts, &a.timer, INT64_MIN);
    timer_cancel(&ts, &a.timer);
    timer_cancel(&ts, &a.timer);
    EXPECT(!timer_is_set(&a.timer));
    EXPECT_INT(timers_next(&ts), TIMER_NEVER);
    timers_free(&ts);
}

TEST(what_a_firing_timer_may_do) {
    struct timers ts;
    timers_init(&ts);
    struct alarm a = alarm_of(&ts, 'a'), b = alarm_of(&ts, 'b'), c = alarm_of(&ts, 'c'), n = alarm_of(&ts, 'n');
    // Long due, the new one waits for the next call; older ones behind it don't.
    a.sets = &n, a.sets_for = 1;
    a.cancels = &b;
    timer_set(&ts, &a.timer, 10);
    timer_set(&ts, &b.timer, 20);
    timer_set(&ts, &c.timer, 30);
    EXPECT_TEXT(run(&ts, 30), "ac");
    EXPECT(timers_next(&ts) <= 30);
    EXPECT_TEXT(run(&ts, 30), "n");
    // Itself, for now: once a call.
    a.sets = &a, a.sets_for = 50, a.cancels = NULL;
    timer_set(&ts, &a.timer, 50);
    EXPECT_TEXT(run(&ts, 50), "a");
    EXPECT_TEXT(run(&ts, 50), "a");
    timer_cancel(&ts, &a.timer);
    timers_free(&ts);
}

#define ALARMS 40

// The one that must fire next at `now`, found by looking at all.
static int first_due(const int64_t *deadlines, const uint64_t *orders, int64_t now) {
    int first = -1;
    for (int i = 0; i < ALARMS; i++) {
        if (!orders[i] || deadlines[i] > now) continue;
        bool earlier = first < 0 || deadlines[i] < deadlines[first] ||
                       (deadlines[i] == deadlines[first] && orders[i] < orders[first]);
        if (earlier) first = i;
    }
    return first;
}

TEST(a_long_history_agrees_with_a_list) {
    struct timers ts;
    struct prng p;
    struct alarm alarms[ALARMS];
    int64_t deadlines[ALARMS] = {0}, now = 0;
    uint64_t orders[ALARMS] = {0}, order = 0;  // 0: not set
    timers_init(&ts);
    prng_seed(&p, 1);
    for (int i = 0; i < ALARMS; i++) alarms[i] = alarm_of(&ts, (char)('0' + i));
    for (int round = 0; round < 50000; round++) {
        int i = (int)prng_below(&p, ALARMS);
        uint64_t what = prng_below(&p, 10);
        if (what < 6) {
            deadlines[i] = now + prng_between(&p, -5, 60);
            orders[i] = ++order;
            timer_set(&ts, &alarms[i].timer, deadlines[i]);
        } else if (what < 8) {
            orders[i] = 0;
            timer_cancel(&ts, &alarms[i].timer);
        } else {
            now += (int64_t)prng_below(&p, 30);
            const char *fired = run(&ts, now);
            for (; *fired; fired++) {
                int wanted = first_due(deadlines, orders, now);
                EXPECT_INT(*fired - '0', wanted);
                orders[wanted] = 0;
            }
            EXPECT_INT(first_due(deadlines, orders, now), -1);
        }
        int next = first_due(deadlines, orders, INT64_MAX);
        EXPECT_INT(timers_next(&ts), next < 0 ? TIMER_NEVER : deadlines[next]);
    }
    for (int i = 0; i < ALARMS; i++) timer_cancel(&ts, &alarms[i].timer);
    timers_free(&ts);
}

int main(void) {
    RUN(fire_in_order_and_once);
    RUN(what_a_firing_timer_may_do);
    RUN(a_long_history_agrees_with_a_list);
    return test_result();
}
