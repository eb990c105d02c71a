// Deadlines as a binary heap. The core never reads a clock: the driver passes the time in, runs what is due, and sleeps
// until timers_next(). Equal deadlines fire in the order they were set, so that a simulation replays exactly.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define TIMER_NEVER INT64_MAX

struct timer;
typedef void (*timer_fn)(struct timer *t, int64_t now_us);

struct timer {
    int64_t deadline_us;
    uint64_t order;
    uint32_t place;  // 1 + index in the heap; 0 = not set
    timer_fn fire;
};

struct timers {
    struct timer **heap;
    uint32_t count, capacity;
    uint64_t order_next;
    int64_t running_us;  // the time of timers_run() while it runs, else INT64_MIN
};

void timers_init(struct timers *ts);
void timers_free(struct timers *ts);  // asserts that no timer is set

void timer_init(struct timer *t, timer_fn fire);
void timer_set(struct timers *ts, struct timer *t, int64_t deadline_us);  // moves it when already set
void timer_cancel(struct timers *ts, struct timer *t);                    // fine when not set
static inline bool timer_is_set(const struct timer *t) {
    return t->place != 0;
}

int64_t timers_next(const struct timers *ts);  // TIMER_NEVER when none is set

// Fires every timer due at now_us; a timer set by a firing one for now_us or earlier fires at the next call.
void timers_run(struct timers *ts, int64_t now_us);
