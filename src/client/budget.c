// Bytes in flight of a shard.
#include "client/budget.h"

#include <assert.h>

void budget_init(struct budget *b, int64_t limit) {
    *b = (struct budget){.limit = limit};
    list_init(&b->waiting);
}

void budget_init_part(struct budget *part, struct budget *whole) {
    budget_init(part, whole->limit);
    part->whole = whole;
}

static struct budget *whole_of(struct budget *b) {
    return b->whole ? b->whole : b;
}

int64_t budget_rest(const struct budget *b) {
    const struct budget *whole = b->whole ? b->whole : b;
    return whole->limit / 2 - (whole->used - whole->aside);
}

static bool wait_for_room(struct budget *b, struct budget_waiter *waiter) {
    if (!link_linked(&waiter->link)) list_append(&whole_of(b)->waiting, &waiter->link);
    return false;
}

static void take(struct budget *b, int64_t bytes) {
    for (; b; b = b->whole) {
        b->used += bytes;
        if (b->used > b->used_peak) b->used_peak = b->used;
    }
}

static bool has_room(const struct budget *b, int64_t bytes, int64_t most) {
    int64_t half = (b->limit - b->aside) / 2;  // who falls silent next must leave some room, too
    if (most > half) most = half;
    int64_t used = b->used - b->aside;
    // An empty budget lets anything through, or a small limit would mean no progress at all.
    return used <= 0 || used + bytes <= most;
}

bool budget_take(struct budget *b, int64_t bytes, int64_t most, struct budget_waiter *waiter) {
    assert(bytes >= 0);
    const struct budget *whole = whole_of(b);
    if (!has_room(b, bytes, most) || !has_room(whole, bytes, INT64_MAX)) return wait_for_room(b, waiter);
    if (whole->aside > 0 && whole->used + bytes > whole->limit) return wait_for_room(b, waiter);
    take(b, bytes);
    return true;
}

bool budget_take_oversized(struct budget *b, int64_t bytes, struct budget_waiter *waiter) {
    struct budget *whole = whole_of(b);
    if (whole->oversized || whole->used + bytes > whole->limit) return wait_for_room(b, waiter);
    whole->oversized = true;
    take(b, bytes);
    return true;
}

void budget_oversized_done(struct budget *b) {
    assert(whole_of(b)->oversized);
    whole_of(b)->oversized = false;
}

void budget_grow(struct budget *b, int64_t bytes) {
    assert(bytes >= 0);
    take(b, bytes);
}

void budget_release(struct budget *b, int64_t bytes) {
    assert(bytes >= 0 && bytes <= b->used);
    struct list *waiting = &whole_of(b)->waiting;
    for (; b; b = b->whole) b->used -= bytes;
    // Each waiter is asked once; one that still finds no room links itself again, at the end.
    struct list asked;
    list_init(&asked);
    struct link *k;
    while ((k = list_take_first(waiting))) list_append(&asked, k);
    while ((k = list_take_first(&asked))) {
        struct budget_waiter *w = CONTAINER_OF(k, struct budget_waiter, link);
        w->room(w);
    }
}

void budget_set_aside(struct budget *b, int64_t bytes) {
    for (struct budget *i = b; i; i = i->whole) {
        i->aside += bytes;  // of what has grown, more than is used yet: budget_grow() follows
        assert(i->aside >= 0);
    }
    if (bytes > 0) budget_release(b, 0);
}

void budget_withdraw(struct budget_waiter *waiter) {
    if (link_linked(&waiter->link)) list_remove(&waiter->link);
}
