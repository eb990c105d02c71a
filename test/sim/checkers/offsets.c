// Offsets are identical: each batch of the destination stands where the source has committed it, or
// those it is made of.
#include "sim/checkers.h"
#include "sim/world.h"

struct ledger_range check_offsets(struct world *w, const struct ledger_topic *t, int32_t partition,
                                  const struct ledger_partition *truth, const struct stored_batch *b) {
    struct ledger_range source = ledger_range(truth, b->header.base_offset, batch_last_offset(&b->header));
    bool unseen = b->header.base_offset >= truth->unseen_from && batch_last_offset(&b->header) < truth->unseen_to;
    if (source.count == 0 && !unseen)
        world_fail(w, "offsets", "%s-%d: offsets %lld..%lld of the destination are no batches of the source%s", t->name,
                   (int)partition, (long long)b->header.base_offset, (long long)batch_last_offset(&b->header),
                   b->header.base_offset >= truth->end ? " (which does not reach so far)" : "");
    return source;
}
