// The destination's limit is lowered behind the mirror's back: what was joined is refused, and goes in its parts.
#include "base/limits.h"
#include "sim/scenario/scenario.h"

#define LIMIT "700"  // enough for each batch, not for two or three in one

const char *joined_refused(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(16);
    plan.plain = plan.join_small_batches = true;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND);
    load_stop(w);
    world_run(w, 2 * SECOND);
    w->ledger.topics[0].made_by_others = true;
    broker_topic_alter(w->clusters[DESTINATION], "topic-0", "max.message.bytes", LIMIT);
    int64_t before = w->instances[0].flow->counters.resyncs;
    for (int i = 0; i < 30; i++) {
        for (int k = 0; k < 5; k++) load_write(w, &w->ledger.topics[0], 0);
        world_run(w, 1 * MS + moment_us / 10);
    }
    world_run(w, 20 * SECOND);
    bool refused = w->instances[0].flow->counters.resyncs > before;
    bool came = scenario_truth(w).log->end == scenario_source(w).log->end;
    const char *said = scenario_end(w);
    if (!said && !refused) said = "nothing was refused";
    return said || came ? said : "the parts of what was refused did not come";
}

// The same limit, known from the beginning: nothing is joined that would be refused.
const char *joined_within_limit(int64_t moment_us, struct outcome *out) {
    static const char *const limit[] = {"max.message.bytes", LIMIT, NULL};
    struct plan plan = scenario_plan(28);
    plan.plain = plan.join_small_batches = true;
    struct world *w = world_begin(&plan, NULL, false, out);
    scenario_create_first(w, limit);
    world_run(w, 1 * SECOND);
    instance_start(&w->instances[0]);
    world_run(w, 5 * SECOND + moment_us);
    int64_t looks = w->instances[0].flow->counters.resyncs;
    bool mirrored = scenario_truth(w).log->end > 0;
    bool joined = scenario_truth(w).log->count < scenario_source(w).log->count / 2;
    const char *said = scenario_end(w);
    if (!said && looks > 0) said = "what was joined is refused";
    if (!said && !joined) said = "next to nothing was joined, and two fit";
    return said || mirrored ? said : "nothing was mirrored";
}

static size_t files_of_last(struct world *w) {
    const struct broker_log *mirror = scenario_truth(w).log, *source = scenario_source(w).log;
    if (mirror->count == 0 || mirror->end != source->end) return 0;
    int64_t begins = broker_log_at(mirror, mirror->count - 1)->header.base_offset;
    size_t files = 1;
    for (size_t i = 0; i < source->segments_count; i++) files += source->segments[i] > begins;
    return files;
}

// More than may be under way: what comes behind waits, and is joined.
static void write_burst(struct world *w) {
    int32_t leader = scenario_truth(w).leader;
    network_cut(w, 0, DESTINATION, leader, IN, true);
    for (int i = 0; i < 16; i++) {
        load_write(w, &w->ledger.topics[0], 0);
        world_run(w, 10 * MS);
    }
    for (int i = 0; i < 8; i++) load_write(w, &w->ledger.topics[0], 0);
    world_run(w, 50 * MS);
    network_cut(w, 0, DESTINATION, leader, IN, false);
    world_run(w, 1 * SECOND);
}

// Segment files of the source end between the parts of a joined batch: who looks at it again gets them one by one.
const char *joined_over_files(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(76 + (uint64_t)moment_us);
    plan.plain = plan.join_small_batches = true;
    plan.topics[0].more_settings = 1u << SIM_SHORT_FILES;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND + moment_us);
    load_stop(w);
    world_run(w, 1 * SECOND);
    for (int i = 0; i < 8 && files_of_last(w) < 2; i++) write_burst(w);
    size_t files = files_of_last(w);
    instance_kill(&w->instances[0], false);
    instance_start(&w->instances[0]);
    world_run(w, 5 * SECOND);
    bool goes_on = w->instances[0].flow->partitions[0]->state == PARTITION_COPY;
    const char *said = scenario_end(w);
    if (!said && !goes_on) said = "what was joined over several files is called another";
    return said || files > 1 ? said : "nothing was joined over several files";
}

// And lowered so far that a single batch is refused: the partition halts, with all that precedes the batch at home; and
// goes on by itself some minutes after the limit is raised again.
const char *halt_passes(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(51 + (uint64_t)moment_us);
    plan.batch_sizes = 1;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND + moment_us);
    w->ledger.topics[0].limit_lowered = true;
    broker_topic_alter(w->clusters[DESTINATION], "topic-0", "max.message.bytes", "300");
    scenario_write(w);
    world_run(w, 5 * SECOND);
    const struct partition *p = w->instances[0].flow->partitions[0];
    bool halted = p->state == PARTITION_HALTED;
    load_stop(w);
    broker_topic_alter(w->clusters[DESTINATION], "topic-0", "max.message.bytes", "1000000");
    world_run(w, HALT_LOOK_AGAIN_US);
    bool again = p->state == PARTITION_COPY;
    const char *said = scenario_end(w);
    if (!said && halted && !again) said = "what has passed halts for ever";
    return said || halted ? said : "nothing was refused";
}
