// An unclean election at the source loses what was committed, and mirrored: the two logs part, and that is said.
#include "sim/batches.h"
#include "sim/scenario/scenario.h"

static void hold_source(struct world *w, int32_t leader, bool held) {
    for (int32_t node = plan_first_node(&w->plan); node <= plan_last_node(&w->plan, SOURCE); node++)
        if (node != leader) broker_replica_hold(w->clusters[SOURCE], "topic-0", 0, node, held);
}

// The leader commits alone, what it commits is mirrored, and another one leads without it. Answers where the mirror
// ends.
static int64_t part_ways(struct world *w, bool mirror_away, int burst) {
    int32_t leader = scenario_source(w).leader;
    hold_source(w, leader, true);
    world_run(w, 60 * SECOND);  // the followers leave the ISR
    load_stop(w);
    for (int i = 0; i < burst; i++) load_write(w, &w->ledger.topics[0], 0);
    world_run(w, 2 * SECOND);
    int64_t mirrored = scenario_truth(w).log->high_watermark;
    w->ledger.topics[0].truncated[0] = true;
    broker_leader_move(w->clusters[SOURCE], "topic-0", 0, leader % 3 + 1, true);
    if (mirror_away) instance_kill(&w->instances[0], false);
    world_run(w, 1 * SECOND);
    return mirrored;
}

static const char *finish(struct world *w, struct outcome *out, bool lost) {
    hold_source(w, 0, false);
    world_run(w, 5 * SECOND);
    if (!w->instances[0].alive) instance_start(&w->instances[0]);
    world_run(w, 60 * SECOND);
    const char *said = scenario_end(w);
    if (!said && out->halted == 0) said = "the mirror goes on as if nothing had been lost";
    return said || lost ? said : "the source lost nothing that was mirrored";
}

// `again`: the mirror was away, and finds other records where its own end is.
static const char *tell(int64_t moment_us, struct outcome *out, bool again) {
    struct plan plan = scenario_plan(9 + (uint64_t)moment_us);  // other batches each time
    plan.nodes[SOURCE] = 3;
    plan.load_pause_us = 200 * MS;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND + moment_us);
    int64_t mirrored = part_ways(w, again, 0);
    bool lost = scenario_source(w).log->end < mirrored;
    for (int i = 0; again && scenario_source(w).log->end <= mirrored + 100 && i < 1000; i++)
        load_write(w, &w->ledger.topics[0], 0);
    return finish(w, out, lost);
}

const char *source_truncated(int64_t moment_us, struct outcome *out) {
    return tell(moment_us, out, false);
}

const char *source_grown_again(int64_t moment_us, struct outcome *out) {
    return tell(moment_us, out, true);
}

// What it holds where the last mirrored batch is.
static bool asks_source(const struct world *w) {
    const struct flow *f = w->instances[0].flow;
    const struct partition *p = f->partitions_count > 0 ? f->partitions[0] : NULL;
    return p && p->state == PARTITION_RESYNC && p->tail.size > 0 && leader_query_running(&p->query) &&
           p->query.kind == QUERY_BATCH && p->query.value == p->tail.base_offset;
}

// It ends before what was mirrored while the mirror asks, and behind it before the answer has arrived.
const char *source_grows_meanwhile(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(83 + (uint64_t)moment_us);
    plan.nodes[SOURCE] = 3;
    plan.load_pause_us = 200 * MS;
    plan.latency_us_max = 20 * MS;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND);
    int64_t mirrored = part_ways(w, true, 0);
    bool lost = scenario_source(w).log->end < mirrored;
    hold_source(w, 0, false);
    world_run(w, 5 * SECOND);
    instance_start(&w->instances[0]);
    for (int i = 0; i < 1000000 && !asks_source(w); i++) world_run(w, 20);
    bool asks = asks_source(w);
    world_run(w, moment_us);
    for (int i = 0; scenario_source(w).log->end <= mirrored + 100 && i < 1000; i++)
        load_write(w, &w->ledger.topics[0], 0);
    return finish(w, out, lost && asks);
}

// A byte of the first record that says nothing: the record is another one, and can be read as well as before.
static void change_record(uint8_t *batch) {
    size_t at = BATCH_HEADER_SIZE;
    while (batch[at] & 0x80) at++;  // behind its length
    batch[at + 1] ^= 1;
}

// What was lost is written once more. All of it is the same but for the last batch: a byte of a record, or (with append
// times) only the time.
static void write_again(struct world *w) {
    const struct ledger_partition *p = &w->ledger.topics[0].lived[0][0];
    int64_t end = scenario_source(w).log->end;
    for (size_t i = 0; i < p->count; i++) {
        uint8_t batch[BATCH_SIZE_MAX];
        struct batch_header h = p->batches[i]->header;
        if (h.base_offset < end) continue;
        memcpy(batch, p->batches[i]->at, (size_t)h.size);
        if (i + 1 == p->count && !w->plan.topics[0].append_time) change_record(batch);
        h.base_offset = 0;  // as producers send it
        h.attributes &= ~BATCH_ATTRIBUTE_LOG_APPEND_TIME;
        batch_header_write(batch, &h, h.size);
        broker_append(w->clusters[SOURCE], "topic-0", 0, (struct bytes){batch, (size_t)h.size});
    }
}

static const char *tell_rewritten(int64_t moment_us, struct outcome *out, bool append_time, bool joined) {
    struct plan plan = scenario_plan(31 + (uint64_t)moment_us);
    plan.nodes[SOURCE] = 3;
    plan.load_pause_us = 200 * MS;
    plan.topics[0].append_time = append_time;
    plan.plain = true;
    plan.join_small_batches = joined;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND + moment_us);
    int64_t mirrored = part_ways(w, true, joined ? 12 : 0);
    const struct broker_log *log = scenario_truth(w).log;
    const struct ledger_partition *p = &w->ledger.topics[0].lived[0][0];
    const struct batch_header *last = &p->batches[p->count - 1]->header;
    bool is_joined = broker_log_at(log, log->count - 1)->header.base_offset < last->base_offset;
    bool lost = scenario_source(w).log->end < mirrored && mirrored == p->end;
    write_again(w);
    lost &= scenario_source(w).log->end == mirrored && is_joined == joined;
    return finish(w, out, lost);
}

const char *source_rewritten(int64_t moment_us, struct outcome *out) {
    return tell_rewritten(moment_us, out, false, false);
}

const char *source_rewritten_times(int64_t moment_us, struct outcome *out) {
    return tell_rewritten(moment_us, out, true, false);
}

const char *source_rewritten_joined(int64_t moment_us, struct outcome *out) {
    return tell_rewritten(moment_us, out, false, true);
}
