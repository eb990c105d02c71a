// Settings of topics: who is asked about a topic that he has not heard of has said nothing about its settings; and a
// destination topic that somebody makes unfit is halted, until it is fit again.
#include "sim/scenario/scenario.h"

#include <string.h>

static void refresh(struct world *w) {
    instance_enter(&w->instances[0]);
    cluster_refresh(&w->instances[0].flow->source);
    cluster_refresh(&w->instances[0].flow->destination);
    instance_leave(&w->instances[0]);
}

// A topic is new, and one broker of the source, or of the destination, hears of it late.
const char *unheard_settings(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(70 + (uint64_t)moment_us);
    plan.nodes[SOURCE] = 3;
    plan.topics[1] = (struct planned_topic){.partitions = 1, .compacted = true};
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND + moment_us);
    load_stop(w);
    int32_t deaf = 1 + (int32_t)(moment_us / MS % 3);
    for (int side = 0; side < SIDES; side++) broker_node_isolate(w->clusters[side], deaf, true);
    load_create_topic(w);
    for (int i = 0; i < 20; i++) {  // so that it is found before the deaf one is fenced
        refresh(w);
        world_run(w, 300 * MS);
    }
    world_run(w, 14 * SECOND);  // somebody else leads by then
    load_write(w, &w->ledger.topics[1], 0);
    world_run(w, 70 * SECOND);
    struct broker_truth truth;
    bool mirrored =
        broker_partition_truth(w->clusters[DESTINATION], "topic-1", 0, &truth) && truth.log->high_watermark > 0;
    for (int side = 0; side < SIDES; side++) broker_node_isolate(w->clusters[side], deaf, false);
    const char *said = scenario_end(w);
    return said || mirrored ? said : "only who knows nothing of the topic is asked for its settings";
}

static bool halted_for(const struct world *w, const char *begins) {
    const struct partition *p = w->instances[0].flow->partitions[0];
    return p->state == PARTITION_HALTED && strncmp(p->halt_reason, begins, strlen(begins)) == 0;
}

const char *unfit_settings(int64_t moment_us, struct outcome *out) {
    bool codec = moment_us % 2;
    const char *setting = codec ? "compression.type" : "message.timestamp.type";
    struct plan plan = scenario_plan(71 + (uint64_t)moment_us);
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND);
    load_stop(w);
    world_run(w, 2 * SECOND);
    w->ledger.topics[0].made_unfit = true;
    broker_topic_alter(w->clusters[DESTINATION], "topic-0", setting, codec ? "gzip" : "LogAppendTime");
    world_run(w, 40 * SECOND);
    bool halted = halted_for(w, setting);
    load_write(w, &w->ledger.topics[0], 0);
    world_run(w, 10 * SECOND);
    bool silent = scenario_truth(w).log->end < scenario_source(w).log->end;
    broker_topic_alter(w->clusters[DESTINATION], "topic-0", setting, codec ? "producer" : "CreateTime");
    const char *said = scenario_end(w);
    if (!said && !silent) said = "what is unfit was written to";
    return said || halted ? said : "nobody says that the topic is unfit";
}
