// Walks what the destination has committed since the last look.
#include "sim/checkers.h"
#include "sim/world.h"

static bool holds(const struct ledger_partition *p, const struct stored_batch *b) {
    struct ledger_range r = ledger_range(p, b->header.base_offset, batch_last_offset(&b->header));
    for (size_t i = 0; i < r.count; i++)
        if (r.batches[i]->header.max_timestamp == b->header.max_timestamp) return true;
    return false;
}

// Whose records stand there: those of the life of the source's topic to which the first batch belongs.
static int32_t find_life(const struct ledger_topic *t, int32_t partition, const struct stored_batch *b) {
    for (int32_t life = t->lives - 1; life > 0; life--)
        if (holds(&t->lived[life][partition], b)) return life;
    return 0;
}

// Where the log of a later life starts just behind what was mirrored of an earlier one, nobody can tell them apart
// (docs/ARCHITECTURE.md): what comes then is of the later one.
static void begin_later_life(struct ledger_topic *t, int32_t partition, const struct stored_batch *b) {
    for (int32_t life = t->life_at_destination[partition] + 1; life < t->lives; life++) {
        const struct ledger_partition *later = &t->lived[life][partition];
        if (later->start >= b->header.base_offset && holds(later, b)) t->life_at_destination[partition] = life;
    }
}

// Also what the destination's cleaner has left of one: thinned, below what the source has, and none of its batches.
static bool is_filler(const struct ledger_topic *t, int32_t partition, const struct stored_batch *b) {
    const struct batch_header *h = &b->header;
    int64_t last = batch_last_offset(h);
    int32_t life = t->life_at_destination[partition] < 0 ? t->lives - 1 : t->life_at_destination[partition];
    const struct ledger_partition *truth = &t->lived[life][partition];
    if (!batch_is_dense(h) && last < truth->start && ledger_range(truth, h->base_offset, last).count == 0) return true;
    return batch_is_filler((struct bytes){b->at, (size_t)h->size}, h);
}

static void look_at(struct world *w, struct ledger_topic *t, int32_t partition, const struct stored_batch *b) {
    struct ledger_checked *c = &t->checked[partition];
    check_order(w, t, partition, c->checked_end, b);
    check_batch_sequence(w, t, partition, b);
    c->checked_end = batch_last_offset(&b->header) + 1;
    if (is_filler(t, partition, b)) {
        c->filler_end = c->checked_end;
        if (b->header.max_timestamp < SIM_WALL_MS - plan_clock_back_ms(&w->plan))
            world_fail(w, "filler", "%s-%d: filler of the past lets the broker forget who wrote it", t->name,
                       (int)partition);
        if (c->has_records) world_fail(w, "order", "%s-%d: filled after records", t->name, (int)partition);
        return;
    }
    c->has_records = true;
    if (t->life_at_destination[partition] < 0) t->life_at_destination[partition] = find_life(t, partition, b);
    else begin_later_life(t, partition, b);
    const struct ledger_partition *truth = &t->lived[t->life_at_destination[partition]][partition];
    struct ledger_range source = check_offsets(w, t, partition, truth, b);
    if (source.count > 0) check_payload(w, t, partition, &source, b);
}

static void look_at_partition(struct world *w, struct ledger_topic *t, int32_t partition) {
    struct broker_truth truth;
    if (!broker_partition_truth(w->clusters[DESTINATION], t->destination_name, partition, &truth)) return;
    struct ledger_checked *c = &t->checked[partition];
    const struct broker_log *log = truth.log;
    // The stranger's record may be among what the destination's retention took: what came behind it is shifted.
    if (t->foreign_written[partition] && c->checked_end < log->start) c->foreign_at = c->checked_end;
    if (c->foreign_at >= 0 && t->foreign_written[partition]) return;
    if (c->leader_epoch != truth.leader_epoch || c->checked_end < log->start || log->end < c->checked_end) {
        c->leader_epoch = truth.leader_epoch;  // another log, perhaps
        c->checked_end = log->start;
        c->foreign_at = -1;
        c->has_records = false;
        c->filler_end = 0;
        t->life_at_destination[partition] = -1;  // those of before may be lost, all of them
    }
    if (c->foreign_at >= 0 || log->high_watermark <= c->checked_end) return;
    for (size_t i = broker_log_find(log, c->checked_end); i < log->count && !world_failed(w); i++) {
        const struct stored_batch *b = broker_log_at(log, i);
        if (batch_last_offset(&b->header) >= log->high_watermark) break;
        if (t->foreign_written[partition] && !world_is_ours(b->header.producer_id)) {
            c->foreign_at = b->header.base_offset;
            break;
        }
        look_at(w, t, partition, b);
    }
}

void check_logs(struct world *w) {
    for (int32_t i = 0; i < w->ledger.topics_count; i++)
        for (int32_t k = 0; k < w->ledger.topics[i].partitions; k++) look_at_partition(w, &w->ledger.topics[i], k);
}
