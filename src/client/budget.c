// Bytes in flight of a shard.
#include "client/budget.h"

#include <assert.h>

void budget_init(struct budget *b, int64_t limit) {
    *b = (struct budget){.limit = limit};
    list_init(&b->waiting);
}

static bool wait_for_room(struct budget *b, struct budget_waiter *waiter) {
    if (!link_linked(&waiter->link)) list_append(&b->waiting, &waiter->link);
    return false;
}

static void take(struct budget *b, int64_t bytes) {
    b->used += bytes;
    if (b->used > b->used_peak) b->used_peak = b->used;
}

bool budget_take(struct budget *b, int64_t bytes, int64_t most, struct budget_waiter *waiter) {
    assert(bytes >= 0);
    if (most > b->limit / 2) most = b->limit / 2;
    int64_t used = b->used - b->aside;
    // An empty budget lets anything through, or a small limit would mean no progress at all.
    if (used > 0 && used + bytes > most) return wait_for_room(b, waiter);
    if (b->aside > 0 && b->used + bytes > b->limit) return wait_for_room(b, waiter);
    take(b, bytes);
    return true;
}

bool budget_take_oversized(struct budget *b, int64_t bytes, struct budget_waiter *waiter) {
    if (b->oversized || b->used + bytes > b->limit) return wait_for_room(b, waiter);
    b->oversized = true;
    take(b, bytes);
    return true;
}

void budget_oversized_done(struct budget *b) {
    assert(b->oversized);
    b->oversized = false;
}

void budget_grow(struct budget *b, int64_t bytes) {
    assert(bytes >= 0);
    take(b, bytes);
}

void budget_release(struct budget *b, int64_t bytes) {
    assert(bytes >= 0 && bytes <= b->used);
    b->used -= bytes;
    // Each waiter is asked once; one that still finds no room links itself again, at the end.
    struct list asked;
    list_init(&asked);
    struct link *k;
    while ((k = list_take_first(&b->waiting))) list_append(&asked, k);
    while ((k = list_take_first(&asked))) {
        struct budget_waiter *w = CONTAINER_OF(k, struct budget_waiter, link);
        w->room(w);
    }
}

void budget_set_aside(struct budget *b, int64_t bytes) {
    b->aside += bytes;
    assert(b->aside >= 0);  // more than is used, until the response is counted that has become larger
    if (bytes > 0) budget_release(b, 0);
}

void budget_withdraw(struct budget_waiter *waiter) {
    if (link_linked(&waiter->link)) list_remove(&waiter->link);
}
