// The first batch of a partition has the sequence "offset mod 2^31" (rule 5), and both rise by its records ever since:
// they never part; nor is there a reason for another producer epoch than 0. (Markers will take offsets and no sequence,
// and epochs will rise with them; there are none yet.)
#include "sim/checkers.h"
#include "sim/world.h"

static int32_t sequence_at(int64_t offset) {
    return (int32_t)(offset & 0x7fffffff);
}

static void check_partition(struct world *w, const struct instance *in, const struct partition *p) {
    // Rule 5: an id that the leader did not know when it was asked appends alone.
    if (p->state == PARTITION_COPY && !p->position.known && !p->alone)
        world_fail(w, "sequences", "%s appends to %s-%d in a pipeline, and its leader did not know our id", in->name,
                   p->topic->destination_name, (int)p->index);
    if (p->state != PARTITION_COPY && p->state != PARTITION_GAP) return;
    if (w->ledger.topics[tap_topic(p)].foreign_written[p->index]) return;  // it learns so when it looks
    if (p->next_sequence != sequence_at(p->log_end) || p->producer_epoch != 0)
        world_fail(w, "sequences", "%s would append to %s-%d with sequence %d and epoch %d at offset %lld", in->name,
                   p->topic->destination_name, (int)p->index, (int)p->next_sequence, (int)p->producer_epoch,
                   (long long)p->log_end);
}

void check_sequences(struct world *w) {
    for (int32_t i = 0; i < w->plan.instances; i++) {
        const struct instance *in = &w->instances[i];
        for (size_t k = 0; in->alive && k < in->flow->partitions_count; k++)
            check_partition(w, in, in->flow->partitions[k]);
    }
}

void check_batch_sequence(struct world *w, const struct ledger_topic *t, int32_t partition,
                          const struct stored_batch *b) {
    const struct batch_header *h = &b->header;
    // (What was under way behind a stranger's record lands where it should not.)
    if (!world_is_ours(h->producer_id) || t->foreign_written[partition]) return;
    if (h->base_sequence == sequence_at(h->base_offset) && h->producer_epoch == 0) return;
    world_fail(w, "sequences", "%s-%d: the batch at offset %lld has the sequence %d and the epoch %d", t->name,
               (int)partition, (long long)h->base_offset, (int)h->base_sequence, (int)h->producer_epoch);
}
