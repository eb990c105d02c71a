// Nothing twice, nothing in between, nothing left out: each batch begins where the one before it ended.
#include "sim/checkers.h"
#include "sim/world.h"

void check_order(struct world *w, const struct ledger_topic *t, int32_t partition, int64_t expected,
                 const struct stored_batch *b) {
    // The log start may lie inside the first batch that is left.
    if (b->header.base_offset == expected ||
        (b->header.base_offset < expected && batch_last_offset(&b->header) >= expected))
        return;
    if (t->plan->compacted && b->header.base_offset > expected) return;  // the destination compacts, too
    world_fail(w, "order", "%s-%d: a batch at offset %lld, expected %lld", t->name, (int)partition,
               (long long)b->header.base_offset, (long long)expected);
}
