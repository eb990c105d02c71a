// Offsets are identical: each batch of the destination stands where the source has committed it.
#include "sim/checkers.h"
#include "sim/world.h"

const struct stored_batch *check_offsets(struct world *w, const struct ledger_topic *t, int32_t partition,
                                         const struct ledger_partition *truth, const struct stored_batch *b) {
    const struct stored_batch *source = ledger_batch(truth, b->header.base_offset);
    if (source && batch_last_offset(&source->header) == batch_last_offset(&b->header)) return source;
    world_fail(w, "offsets", "%s-%d: offsets %lld..%lld of the destination are no batch of the source%s", t->name,
               (int)partition, (long long)b->header.base_offset, (long long)batch_last_offset(&b->header),
               b->header.base_offset >= truth->end ? " (which does not reach so far)" : "");
    return NULL;
}
