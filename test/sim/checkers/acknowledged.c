// What an instance counts as acknowledged stands in the log of the leader that acknowledged it, and a batch of ours
// ends there; and what it counts as replicated is.
#include "sim/checkers.h"
#include "sim/world.h"

// (Where only a cleaner knows what stands there, nobody can say.)
static bool ends_with_ours(const struct broker_log *log, int64_t end) {
    size_t i = broker_log_find(log, end - 1);
    if (end <= log->start || i == log->count) return true;
    const struct stored_batch *b = broker_log_at(log, i);
    return world_is_ours(b->header.producer_id) && batch_last_offset(&b->header) + 1 == end;
}

static void check_partition(struct world *w, const struct instance *in, const struct partition *p) {
    struct broker_truth truth;
    const char *name = p->topic->destination_name;
    // (Who drains with nothing of this attempt under way may have been looking where the log ends now.)
    if (p->state != PARTITION_COPY && (p->state != PARTITION_DRAIN || p->append.unanswered == 0)) return;
    if (!broker_partition_truth(w->clusters[DESTINATION], name, p->index, &truth)) return;
    // Another epoch is another history, and a broker that lost its power is no longer the one that spoke.
    if (truth.leader_epoch != p->destination_epoch || truth.leader != p->destination_leader) return;
    if (!broker_node_runs(w->clusters[DESTINATION], truth.leader)) return;
    if (p->acked_end > truth.log->end)
        world_fail(w, "acknowledged", "%s counts offsets up to %lld of %s-%d, its leader's log ends at %lld", in->name,
                   (long long)p->acked_end, name, (int)p->index, (long long)truth.log->end);
    else if (p->replicated_end > truth.log->high_watermark)
        world_fail(w, "acknowledged", "%s counts offsets up to %lld of %s-%d as replicated, the high watermark is %lld",
                   in->name, (long long)p->replicated_end, name, (int)p->index, (long long)truth.log->high_watermark);
    else if (!w->ledger.topics[tap_topic(p)].plan->compacted && !ends_with_ours(truth.log, p->acked_end))
        world_fail(w, "acknowledged", "%s counts offsets up to %lld of %s-%d, and no batch of ours ends there",
                   in->name, (long long)p->acked_end, name, (int)p->index);
}

void check_acknowledged(struct world *w) {
    for (int32_t i = 0; i < w->plan.instances; i++) {
        const struct instance *in = &w->instances[i];
        for (size_t k = 0; in->alive && k < in->flow->partitions_count; k++)
            check_partition(w, in, in->flow->partitions[k]);
    }
}
