// What the source has committed.
#include "sim/ledger.h"

#include "base/memory.h"
#include "sim/world.h"

static void add(struct ledger_partition *p, struct stored_batch *b) {
    if (p->count == p->capacity) {
        p->capacity = p->capacity ? p->capacity * 2 : 64;
        p->batches = memory_resize(p->batches, p->capacity * sizeof *p->batches);
    }
    p->batches[p->count++] = stored_batch_hold(b);
    if (b->header.base_offset > p->end) p->holed = true;
    if (b->header.attributes & (BATCH_ATTRIBUTE_TRANSACTIONAL | BATCH_ATTRIBUTE_CONTROL)) p->transactional = true;
    if (provenance_came_from(b->header.producer_id, SIM_CLUSTER_DESTINATION)) p->looped = true;
    p->end = batch_last_offset(&b->header) + 1;
}

// A new leader's high watermark is behind for a moment: what an earlier one gave out up to his own is committed, too.
static int64_t committed_end(struct world *w, const struct ledger_topic *t, int32_t partition) {
    int64_t end = 0;
    for (int32_t node = plan_first_node(&w->plan); node <= plan_last_node(&w->plan, SOURCE); node++) {
        const struct broker_log *log = broker_replica_log(w->clusters[SOURCE], t->name, partition, node);
        if (log && log->high_watermark > end) end = log->high_watermark;
    }
    return end;
}

static void note_partition(struct ledger_partition *p, const struct broker_log *log, int64_t committed_end) {
    if (log->start > p->start) p->start = log->start;
    if (p->count > 0 && log->start > p->end) {
        p->unseen_from = p->end;
        p->unseen_to = p->end = log->start;
    }
    if (committed_end <= p->end) return;
    for (size_t i = broker_log_find(log, p->end); i < log->count; i++) {
        struct stored_batch *b = broker_log_at(log, i);
        if (batch_last_offset(&b->header) >= committed_end) break;
        if (p->count == 0) p->end = p->start_first = b->header.base_offset;
        add(p, b);
    }
}

void ledger_note(struct world *w) {
    for (int32_t i = 0; i < w->ledger.topics_count; i++) {
        struct ledger_topic *t = &w->ledger.topics[i];
        for (int32_t k = 0; t->there && k < t->partitions; k++) {
            struct broker_truth truth;
            if (broker_partition_truth(w->clusters[SOURCE], t->name, k, &truth))
                note_partition(&t->lived[t->lives - 1][k], truth.log, committed_end(w, t, k));
        }
    }
}

// The first batch that begins at the offset or above.
static size_t find(const struct ledger_partition *p, int64_t offset) {
    size_t low = 0, high = p->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (p->batches[middle]->header.base_offset < offset) low = middle + 1;
        else high = middle;
    }
    return low;
}

const struct batch_header *ledger_before(const struct ledger_partition *p, int64_t offset) {
    size_t i = find(p, offset);
    if (i == 0) return NULL;
    const struct batch_header *h = &p->batches[i - 1]->header;
    return batch_last_offset(h) + 1 == offset ? h : NULL;
}

struct ledger_range ledger_range(const struct ledger_partition *p, int64_t first, int64_t last) {
    size_t low = find(p, first);
    struct ledger_range r = {p->batches + low, 0};
    for (int64_t next = first; low + r.count < p->count && next <= last; r.count++) {
        const struct batch_header *h = &r.batches[r.count]->header;
        if (h->base_offset != next) break;
        next = batch_last_offset(h) + 1;
        if (next == last + 1) return (struct ledger_range){r.batches, r.count + 1};
    }
    return (struct ledger_range){0};
}

void ledger_free(struct ledger *l) {
    for (int32_t i = 0; i < l->topics_count; i++) {
        for (int32_t life = 0; life < l->topics[i].lives; life++) {
            for (int32_t k = 0; k < 2 * SIM_PARTITIONS_MAX; k++) {
                struct ledger_partition *p = &l->topics[i].lived[life][k];
                for (size_t b = 0; b < p->count; b++) stored_batch_release(p->batches[b]);
                memory_free(p->batches);
            }
        }
    }
}
