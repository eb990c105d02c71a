// All replicas of the destination hold the same batches (each compacts in its own time: those topics are left out);
// that they have the same ends is lost.c's to say.
#include "sim/checkers.h"
#include "sim/world.h"

static char differ[120];

static bool same(const struct ledger_topic *t, int32_t k, const struct broker_log *leader,
                 const struct broker_log *other) {
    int64_t from = leader->start > other->start ? leader->start : other->start;
    size_t i = broker_log_find(leader, from), j = broker_log_find(other, from);
    for (; i < leader->count && j < other->count; i++, j++) {
        const struct stored_batch *a = broker_log_at(leader, i), *b = broker_log_at(other, j);
        if (a == b) continue;
        if (a->header.size != b->header.size || memcmp(a->at, b->at, (size_t)a->header.size) != 0) {
            snprintf(differ, sizeof differ, "%s-%d: replicas differ at offset %lld", t->name, (int)k,
                     (long long)a->header.base_offset);
            return false;
        }
    }
    return true;
}

const char *check_replicas(const struct world *w) {
    for (int32_t i = 0; i < w->ledger.topics_count; i++) {
        const struct ledger_topic *t = &w->ledger.topics[i];
        for (int32_t k = 0; t->there && !t->ever_deleted && !t->plan->compacted && k < t->partitions; k++) {
            struct broker_truth truth;
            if (!broker_partition_truth(w->clusters[DESTINATION], t->destination_name, k, &truth)) continue;
            for (int32_t node = plan_first_node(&w->plan); node <= plan_last_node(&w->plan, DESTINATION); node++) {
                if (node == plan_lost_node(&w->plan, DESTINATION)) continue;
                const struct broker_log *log =
                    broker_replica_log(w->clusters[DESTINATION], t->destination_name, k, node);
                if (log && log != truth.log && !same(t, k, truth.log, log)) return differ;
            }
        }
    }
    return NULL;
}
