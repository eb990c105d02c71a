// The binary heap of deadlines; each timer knows its place, so that cancelling one needs no search.
#include "base/timer.h"

#include "base/memory.h"

#include <assert.h>
#include <stddef.h>

#define CAPACITY_MIN 16

void timers_init(struct timers *ts) {
    *ts = (struct timers){.running_us = INT64_MIN};
}

void timers_free(struct timers *ts) {
    assert(ts->count == 0);
    memory_free(ts->heap);
    timers_init(ts);
}

void timer_init(struct timer *t, timer_fn fire) {
    *t = (struct timer){.fire = fire};
}

static bool before(const struct timer *a, const struct timer *b) {
    return a->deadline_us != b->deadline_us ? a->deadline_us < b->deadline_us : a->order < b->order;
}

static void put(struct timers *ts, uint32_t index, struct timer *t) {
    ts->heap[index] = t;
    t->place = index + 1;
}

static void sift_up(struct timers *ts, uint32_t index, struct timer *t) {
    while (index > 0) {
        uint32_t parent = (index - 1) / 2;
        if (!before(t, ts->heap[parent])) break;
        put(ts, index, ts->heap[parent]);
        index = parent;
    }
    put(ts, index, t);
}

static void sift_down(struct timers *ts, uint32_t index, struct timer *t) {
    for (;;) {
        uint32_t child = 2 * index + 1;
        if (child >= ts->count) break;
        if (child + 1 < ts->count && before(ts->heap[child + 1], ts->heap[child])) child++;
        if (!before(ts->heap[child], t)) break;
        put(ts, index, ts->heap[child]);
        index = child;
    }
    put(ts, index, t);
}

void timer_cancel(struct timers *ts, struct timer *t) {
    if (!timer_is_set(t)) return;
    uint32_t index = t->place - 1;
    assert(index < ts->count && ts->heap[index] == t);
    t->place = 0;
    struct timer *last = ts->heap[--ts->count];
    if (last == t) return;
    if (index > 0 && before(last, ts->heap[(index - 1) / 2])) sift_up(ts, index, last);
    else sift_down(ts, index, last);
}

void timer_set(struct timers *ts, struct timer *t, int64_t deadline_us) {
    assert(t->fire);
    timer_cancel(ts, t);
    if (ts->count == ts->capacity) {
        ts->capacity = ts->capacity ? ts->capacity * 2 : CAPACITY_MIN;
        ts->heap = memory_resize(ts->heap, ts->capacity * sizeof(struct timer *));
    }
    // Never before the instant being run: it would stand in front of older timers that are still due in this run.
    t->deadline_us = deadline_us < ts->running_us ? ts->running_us : deadline_us;
    t->order = ts->order_next++;
    sift_up(ts, ts->count++, t);
}

int64_t timers_next(const struct timers *ts) {
    return ts->count ? ts->heap[0]->deadline_us : TIMER_NEVER;
}

void timers_run(struct timers *ts, int64_t now_us) {
    assert(ts->running_us == INT64_MIN);
    uint64_t order_end = ts->order_next;
    ts->running_us = now_us;
    while (ts->count && ts->heap[0]->deadline_us <= now_us && ts->heap[0]->order < order_end) {
        struct timer *t = ts->heap[0];
        timer_cancel(ts, t);
        t->fire(t, now_us);
    }
    ts->running_us = INT64_MIN;
}
