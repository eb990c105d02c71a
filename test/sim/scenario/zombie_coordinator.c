// The group's coordinator is cut off from its controller: another one is elected, hears of nobody, lets all sessions
// time out, and gives everything to whoever comes to it; but the old one goes on answering heartbeats.
#include "sim/scenario/scenario.h"

enum beside { NONE, SUCCESSOR_FAR, WITNESS_FROZEN };

static void set_trouble(struct world *w, enum beside beside, int32_t zombie, bool on) {
    int32_t successor = zombie % 3 + 1, witness = successor % 3 + 1;
    if (beside == SUCCESSOR_FAR) scenario_cut(w, 0, DESTINATION, successor, on);
    if (beside == WITNESS_FROZEN) broker_node_freeze(w->clusters[DESTINATION], witness, on);
}

static const char *run(uint64_t seed, enum beside beside, int64_t moment_us, struct outcome *out) {
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
    if (beside == WITNESS_FROZEN) cut = moment;  // the controller takes who is frozen out of all ISRs after 9 s
    world_run(w, cut < starts ? cut : starts);
    set_trouble(w, beside, zombie, true);
    if (cut < starts) world_run(w, starts - cut);
    instance_start(&w->instances[1]);
    world_run(w, 20 * SECOND);
    bool moved = scenario_coordinator(&w->instances[1]) == successor;
    // With nobody to ask the old one is believed again after a session's time, on its own word, and left again.
    if (beside == WITNESS_FROZEN) moved |= scenario_coordinator(&w->instances[0]) == successor;
    broker_node_isolate(w->clusters[DESTINATION], zombie, false);
    set_trouble(w, beside, zombie, false);
    world_run(w, 5 * SECOND);
    const char *said = scenario_end(w);
    return said || moved ? said : "nobody else coordinates";
}

const char *zombie_coordinator(int64_t moment_us, struct outcome *out) {
    return run(14, NONE, moment_us, out);
}

// The same, and the owner is cut off from the one that takes the group over: only the third broker can tell. Who is
// asked when goes by lot.
const char *far_coordinator(int64_t moment_us, struct outcome *out) {
    const char *said = NULL;
    for (uint64_t i = 0; i < 10 && !said; i++) said = run(14 + i, SUCCESSOR_FAR, moment_us, out);
    return said;
}

// The same, and the third broker is frozen: who asks it for confirmation waits for ever, who asks it again and again
// asks the successor too rarely.
const char *frozen_witness(int64_t moment_us, struct outcome *out) {
    const char *said = NULL;
    for (uint64_t i = 0; i < 10 && !said; i++) said = run(14 + i, WITNESS_FROZEN, moment_us, out);
    return said;
}
