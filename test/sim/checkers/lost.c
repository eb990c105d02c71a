// Nothing is lost: in peace, the destination comes to hold everything the source has committed.
#include "sim/checkers.h"
#include "sim/world.h"

static char missing[200];

// NULL: there is nothing to complain about.
static const char *look_at(struct world *w, const struct ledger_topic *t, int32_t k) {
    struct broker_truth source, destination;
    if (halt_reason(w, t->name, k)) return NULL;
    if (!broker_partition_truth(w->clusters[SOURCE], t->name, k, &source) || source.leader < 0) return "no source";
    if (!broker_partition_truth(w->clusters[DESTINATION], t->destination_name, k, &destination)) {
        snprintf(missing, sizeof missing, "%s-%d is not at the destination", t->name, (int)k);
        return missing;
    }
    // From the beginning of a transaction without an end on there is nothing to mirror.
    int64_t wanted = broker_log_last_stable_offset(source.log), have = destination.log->high_watermark;
    if (have != wanted || destination.log->end != have) {
        snprintf(missing, sizeof missing,
                 "%s-%d: the source has offsets up to %lld, the destination %lld (log end %lld)", t->name, (int)k,
                 (long long)wanted, (long long)have, (long long)destination.log->end);
        return missing;
    }
    // Of a compacted topic nothing may be deleted: its cleaner takes filler away. And where the log starts inside the
    // batch of a transaction without an end, the filler below goes with what the source hides of that batch.
    bool hidden_later = source.log->start > wanted;
    if (!t->plan->compacted && !hidden_later && t->checked[k].filler_end > destination.log->start) {
        snprintf(missing, sizeof missing, "%s-%d: consumers see filler from offset %lld up to %lld", t->name, (int)k,
                 (long long)destination.log->start, (long long)t->checked[k].filler_end);
        return missing;
    }
    int32_t replicas = 0;
    for (int32_t node = plan_first_node(&w->plan); node <= plan_last_node(&w->plan, DESTINATION); node++) {
        const struct broker_log *log = broker_replica_log(w->clusters[DESTINATION], t->destination_name, k, node);
        if (log) replicas++;
        if (!log || log->end == have || node == plan_lost_node(&w->plan, DESTINATION)) continue;
        snprintf(missing, sizeof missing, "%s-%d: the replica on %d ends at %lld, the leader's log at %lld", t->name,
                 (int)k, (int)node, (long long)log->end, (long long)have);
        return missing;
    }
    if (replicas == w->plan.replication_factor) return NULL;
    snprintf(missing, sizeof missing, "%s-%d has %d replicas, %d were asked for", t->name, (int)k, (int)replicas,
             (int)w->plan.replication_factor);
    return missing;
}

// And what comes next would be brought: who waits for an answer that never comes has perhaps all there is now.
static const char *look_at_work(const struct world *w, const struct ledger_topic *t, int32_t index) {
    bool copied = false;
    for (int32_t i = 0; i < w->plan.instances; i++) {
        const struct instance *in = &w->instances[i];
        for (size_t k = 0; in->alive && k < in->flow->partitions_count; k++) {
            const struct partition *p = in->flow->partitions[k];
            if (p->index != index || strcmp(p->topic->source_name, t->name) != 0) continue;
            if (p->state == PARTITION_IDLE) continue;
            copied |= p->state == PARTITION_HALTED || (p->state == PARTITION_COPY && p->fetch.session);
            if (copied) continue;
            snprintf(missing, sizeof missing, "%s-%d is equal, and %s is not ready for more", t->name, (int)index,
                     in->name);
            return missing;
        }
    }
    if (copied) return NULL;
    snprintf(missing, sizeof missing, "%s-%d is equal, and nobody works on it", t->name, (int)index);
    return missing;
}

// Who works on a topic that is gone says so.
static const char *look_at_gone(const struct world *w, const struct ledger_topic *t) {
    for (int32_t i = 0; i < w->plan.instances; i++) {
        const struct instance *in = &w->instances[i];
        for (size_t k = 0; in->alive && k < in->flow->partitions_count; k++) {
            const struct partition *p = in->flow->partitions[k];
            if (strcmp(p->topic->source_name, t->name) != 0 || p->state == PARTITION_IDLE) continue;
            if (p->state == PARTITION_HALTED) continue;
            snprintf(missing, sizeof missing, "%s-%d was deleted, and %s does not say so", t->name, (int)p->index,
                     in->name);
            return missing;
        }
    }
    return NULL;
}

const char *check_converged(struct world *w) {
    for (int32_t i = 0; i < w->ledger.topics_count; i++) {
        const struct ledger_topic *t = &w->ledger.topics[i];
        // What was deleted, and what came again under the same name, is not mirrored: that is said, and checked, there.
        for (int32_t k = 0; t->there && !t->ever_deleted && k < t->partitions; k++) {
            const char *what = look_at(w, t, k);
            if (!what) what = look_at_work(w, t, k);
            if (what) return what;
        }
        const char *what = t->there ? NULL : look_at_gone(w, t);
        if (what) return what;
    }
    return NULL;
}

void count_records(struct world *w, struct outcome *out) {
    for (int32_t i = 0; i < w->ledger.topics_count; i++) {
        const struct ledger_topic *t = &w->ledger.topics[i];
        for (int32_t k = 0; k < t->partitions; k++) {
            struct broker_truth truth;
            if (!broker_partition_truth(w->clusters[DESTINATION], t->destination_name, k, &truth)) continue;
            out->records += truth.log->high_watermark;
            if (halt_reason(w, t->name, k)) out->halted++;
        }
    }
}
