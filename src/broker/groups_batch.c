// Requests about many groups (DeleteGroups, OffsetFetch): each group is dealt with when its coordinator's turn has
// come, and one answer is sent when all have been.
#include "broker/groups_private.h"

#include "base/memory.h"

static void release(struct group_batch *b) {
    if (--b->waiting) return;
    coordinator_answer_slot(&b->request, b->response);
    memory_free(b);
}

struct group_batch *group_batch_begin(struct broker_request *r, void *response) {
    struct group_batch *b = NEW(struct group_batch);
    b->response = response;
    b->waiting = 1;
    coordinator_park(r, &b->request);
    return b;
}

void group_batch_add(struct group_batch *b, struct group_shard *s, int32_t index,
                     void (*done)(struct coordinator_write *w, int16_t error_code)) {
    struct group_part *p = NEW(struct group_part);
    p->write.done = done;
    p->batch = b;
    p->shard = s;
    p->index = index;
    b->waiting++;
    struct coordinator_append nothing = {.timeout_ms = s->owner->commit_timeout_ms, .drain = true};
    coordinator_write(&s->shard, &nothing, &p->write);
}

void group_part_end(struct group_part *p) {
    release(p->batch);
    memory_free(p);
}

void group_batch_end(struct group_batch *b) {
    release(b);
}
