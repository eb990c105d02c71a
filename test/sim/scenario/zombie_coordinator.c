// The group's coordinator is cut off from its controller: another one is elected, hears of nobody, lets all sessions
// time out, and gives everything to whoever comes to it; but the old one goes on answering heartbeats.
#include "sim/scenario/scenario.h"

static const char *run(uint64_t seed, bool far, int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(seed);
    plan.instances = 2;
    plan.slices = 4;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 20 * SECOND + (int64_t)seed % 10 * 300 * MS);  // when the heartbeats of the other one go
    instance_stop(&w->instances[1]);
    world_run(w, 20 * SECOND);  // its session, too
    int32_t zombie = scenario_coordinator(&w->instances[0]), successor = zombie % 3 + 1;
    broker_node_isolate(w->clusters[DESTINATION], zombie, true);
    int64_t moment = moment_us * 100, cut = 5 * SECOND + 3 * moment, starts = 12 * SECOND + moment;
    world_run(w, cut < starts ? cut : starts);
    if (far) scenario_cut(w, 0, DESTINATION, successor, true);
    if (cut < starts) world_run(w, starts - cut);
    instance_start(&w->instances[1]);
    world_run(w, 20 * SECOND);
    bool moved = scenario_coordinator(&w->instances[1]) == successor;
    broker_node_isolate(w->clusters[DESTINATION], zombie, false);
    if (far) scenario_cut(w, 0, DESTINATION, successor, false);
    world_run(w, 5 * SECOND);
    const char *said = scenario_end(w);
    return said || moved ? said : "nobody else coordinates";
}

const char *zombie_coordinator(int64_t moment_us, struct outcome *out) {
    return run(14, false, moment_us, out);
}

// The same, and the owner is cut off from the one that takes the group over: only the third broker can tell. Who is
// asked when goes by lot.
const char *far_coordinator(int64_t moment_us, struct outcome *out) {
    const char *said = NULL;
    for (uint64_t i = 0; i < 10 && !said; i++) said = run(14 + i, true, moment_us, out);
    return said;
}
