// A new topic of two partitions, one of which gets no leader: the other one is mirrored all the same.
#include "base/limits.h"
#include "sim/scenario/scenario.h"

const char *leaderless(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(57 + (uint64_t)moment_us);
    plan.topics[0].partitions = 2;
    plan.replication_factor = 1;
    struct world *w = world_begin(&plan, NULL, false, out);
    instance_kill(&w->instances[0], false);
    w->ledger.topics[0].made_by_others = true;
    broker_topic_create(w->clusters[DESTINATION], "topic-0", 2, 1, NULL);
    world_run(w, 1 * SECOND + moment_us);
    struct broker_truth other;
    broker_partition_truth(w->clusters[DESTINATION], "topic-0", 1, &other);
    int32_t gone = other.leader;
    broker_node_stop(w->clusters[DESTINATION], gone, BROKER_SHUT_DOWN, 0);
    world_run(w, 1 * SECOND);
    broker_partition_truth(w->clusters[DESTINATION], "topic-0", 1, &other);
    bool without = other.leader < 0;
    instance_start(&w->instances[0]);
    world_run(w, TOPIC_LEADERS_US_MAX + 20 * SECOND);
    bool mirrored = scenario_truth(w).log->end > 0;
    broker_node_start(w->clusters[DESTINATION], gone);
    const char *said = scenario_end(w);
    if (!said && !without) said = "the partition had a leader";
    return said || mirrored ? said : "a partition without leader keeps its topic waiting";
}
