// The source's log starts inside a batch. All of it is mirrored, because offsets must be the same; what the source
// hides is hidden at the destination too, and nothing else.
#include "sim/scenario/scenario.h"

// A batch of three records or more, the first one that begins at `from` or above.
static struct batch_header find_batch(struct world *w, int64_t from) {
    for (int i = 0; i < 60; i++) load_write(w, &w->ledger.topics[0], 0);  // enough to choose from
    const struct broker_log *log = scenario_source(w).log;
    size_t i = broker_log_find(log, from);
    struct batch_header h = broker_log_at(log, i)->header;
    while (h.count < 3 || h.base_offset < from) h = broker_log_at(log, ++i)->header;
    return h;
}

static void start_at(struct world *w, int64_t offset) {
    broker_delete_records(w->clusters[SOURCE], "topic-0", 0, offset);
}

// While it is filled up to the batch nobody hears from the source; then its log starts inside, and what is filled is
// being deleted: more is to be deleted than was asked for.
static void move_on(struct world *w, int64_t start) {
    const struct flow *f = w->instances[0].flow;
    for (int i = 0; i < 1000000; i++) {
        if (f->partitions_count > 0 && f->partitions[0]->state == PARTITION_GAP) break;
        world_run(w, 20);
    }
    network_cut(w, 0, SOURCE, 1, OUT, true);
    struct channel *slow = scenario_stall_deletion(w);
    start_at(w, start);
    network_cut(w, 0, SOURCE, 1, OUT, false);
    world_run(w, 1 * SECOND);
    if (slow) network_stall(slow, false);
}

// The owner dies, and what it said to be deleted is lost.
static void die(struct world *w) {
    scenario_stall_deletion(w);
    world_run(w, 1 * SECOND);
    instance_kill(&w->instances[0], false);
    instance_start(&w->instances[0]);
}

static const char *tell(struct plan *plan, int64_t moment_us, struct outcome *out, int64_t from, bool moves,
                        bool dies) {
    struct world *w = world_begin(plan, NULL, false, out);
    instance_kill(&w->instances[0], false);
    load_stop(w);
    struct batch_header h = find_batch(w, from);
    int64_t start = h.base_offset + 1 + moment_us % (h.count - 1);
    start_at(w, moves ? h.base_offset : start);
    world_run(w, 1 * SECOND);
    instance_start(&w->instances[0]);
    if (moves) move_on(w, start);
    if (dies) die(w);
    world_run(w, 20 * SECOND);
    bool inside = scenario_source(w).log->start == start;
    bool same = scenario_truth(w).log->start == start;
    const char *said = scenario_end(w);
    if (!said && !same) said = "the destination's log starts elsewhere";
    return said || inside ? said : "the source's log did not start inside a batch";
}

// Its first one: there is nothing to be filled. Now and then the owner dies, and the next one looks.
const char *starts_in_first(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(33);
    plan.batch_sizes = 1;
    return tell(&plan, moment_us, out, 0, false, moment_us % 2);
}

const char *starts_in_later(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(34 + (uint64_t)moment_us);
    return tell(&plan, moment_us, out, 40, false, false);
}

const char *start_moves_in(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(36 + (uint64_t)moment_us);
    return tell(&plan, moment_us, out, 40, true, false);
}

// Or just behind all that was mirrored, in a later epoch than the first: of what stood before nobody knows anything.
const char *starts_behind(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(84 + (uint64_t)moment_us);
    plan.nodes[SOURCE] = 3;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND + moment_us);
    broker_leader_move(w->clusters[SOURCE], "topic-0", 0, scenario_source(w).leader % 3 + 1, false);
    world_run(w, 2 * SECOND);
    load_stop(w);
    scenario_write(w);
    world_run(w, 2 * SECOND);
    instance_kill(&w->instances[0], false);
    int64_t end = scenario_source(w).log->end;
    start_at(w, end);
    world_run(w, 1 * SECOND);
    bool behind = scenario_source(w).log->start == end && scenario_truth(w).log->end == end;
    instance_start(&w->instances[0]);
    world_run(w, 5 * SECOND);
    scenario_write(w);
    const char *said = scenario_end(w);
    return said || behind ? said : "the source's log did not start behind what was mirrored";
}
