// The broker that is named for CreateTopics runs, but the mirror does not reach it; later another one is named, which
// it does reach: it must not wait for the first one.
#include "sim/scenario/scenario.h"

const char *controller_unreachable(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(59 + (uint64_t)moment_us);
    struct world *w = world_begin(&plan, NULL, false, out);
    instance_kill(&w->instances[0], false);
    broker_node_stop(w->clusters[DESTINATION], 1, BROKER_SHUT_DOWN, 0);
    world_run(w, 2 * SECOND);
    scenario_cut(w, 0, DESTINATION, 2, true);
    instance_start(&w->instances[0]);
    world_run(w, 20 * SECOND + moment_us);
    const struct cluster *c = &w->instances[0].flow->destination;
    bool named = c->controller == 2;
    bool before = broker_topic_partitions(w->clusters[DESTINATION], "topic-0") > 0;
    broker_node_start(w->clusters[DESTINATION], 1);
    world_run(w, 100 * SECOND);
    bool made = broker_topic_partitions(w->clusters[DESTINATION], "topic-0") > 0;
    scenario_cut(w, 0, DESTINATION, 2, false);
    const char *said = scenario_end(w);
    if (!said && (!named || before)) said = "who was not reached was not asked";
    return said || made ? said : "the topic is not made while a broker is not reached that nobody needs";
}
