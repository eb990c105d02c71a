// The group's coordinator is cut off from its controller: another one is elected, hears of nobody, lets all sessions
// time out, and gives everything to whoever comes to it; but the old one goes on answering heartbeats.
#include "sim/scenario/scenario.h"

static int32_t coordinator_of(const struct instance *in) {
    return in->flow->ownership.group.port - SIM_PORT_FIRST + 1;
}

const char *zombie_coordinator(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(14);
    plan.instances = 2;
    plan.slices = 4;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 20 * SECOND);
    instance_stop(&w->instances[1]);
    world_run(w, 20 * SECOND);  // its session, too
    int32_t zombie = coordinator_of(&w->instances[0]);
    broker_node_isolate(w->clusters[DESTINATION], zombie, true);
    world_run(w, 12 * SECOND + moment_us * 100);
    instance_start(&w->instances[1]);
    world_run(w, 20 * SECOND);
    bool moved = coordinator_of(&w->instances[1]) != zombie;
    broker_node_isolate(w->clusters[DESTINATION], zombie, false);
    world_run(w, 5 * SECOND);
    const char *said = scenario_end(w);
    return said || moved ? said : "nobody else coordinates";
}
