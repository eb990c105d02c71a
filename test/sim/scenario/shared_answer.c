// Many partitions look at their last batches at the same time, all of them joined of many parts: what the source's
// answer has no room for because others share it is asked for once more, and is no divergence.
#include "base/limits.h"
#include "sim/scenario/scenario.h"

#define PARTS 60

static bool all_copy(const struct world *w) {
    const struct flow *f = w->instances[0].flow;
    size_t copying = 0;
    for (size_t i = 0; i < f->partitions_count; i++) copying += f->partitions[i]->state == PARTITION_COPY;
    return copying == SIM_TOPICS_MAX * SIM_PARTITIONS_MAX;
}

const char *shared_answer(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(49 + (uint64_t)moment_us);
    plan.topics_count = SIM_TOPICS_MAX;
    for (int i = 0; i < SIM_TOPICS_MAX; i++) plan.topics[i].partitions = SIM_PARTITIONS_MAX;
    plan.plain = plan.join_small_batches = true;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 2 * SECOND);
    load_stop(w);
    world_run(w, 3 * SECOND);
    instance_kill(&w->instances[0], false);
    for (int i = 0; i < SIM_TOPICS_MAX * SIM_PARTITIONS_MAX * PARTS; i++)
        load_write(w, &w->ledger.topics[i % SIM_TOPICS_MAX], i / SIM_TOPICS_MAX % SIM_PARTITIONS_MAX);
    bool looked = true;
    for (int i = 0; i < 3; i++) {
        if (w->instances[0].alive) instance_kill(&w->instances[0], false);
        instance_start(&w->instances[0]);
        world_run(w, 20 * SECOND + moment_us);
        looked &= all_copy(w);
    }
    const char *said = scenario_end(w);
    if (!said && out->halted > 0) said = "a shared answer is taken for all there is";
    return said || looked ? said : "not all were mirrored";
}
