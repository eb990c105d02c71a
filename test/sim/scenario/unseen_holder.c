// Two processes run under one instance.id. The second one has taken the first one's place in the group, and the first
// one has not heard of it: what he holds nobody says to hold, and nobody gets it until his guard time is over.
#include "sim/scenario/scenario.h"

const char *unseen_holder(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(42 + (uint64_t)moment_us);
    plan.instances = 3;
    plan.slices = 16;
    struct world *w = world_begin(&plan, NULL, false, out);
    instance_kill(&w->instances[1], false);
    instance_kill(&w->instances[2], false);
    world_run(w, 20 * SECOND);
    const struct instance *first = &w->instances[0];
    int64_t heard_us = first->flow->ownership.group.last_heard_us;
    while (!world_failed(w) && first->flow->ownership.group.last_heard_us == heard_us) world_run(w, 1 * MS);
    bool held = slices_count(&first->flow->ownership.owned) == plan.slices;
    scenario_cut_off(w, DESTINATION, 0, true);
    memcpy(w->instances[2].id, first->id, sizeof first->id);
    w->plan.predecessor_dead = false;
    instance_start(&w->instances[2]);
    w->plan.predecessor_dead = true;
    world_run(w, 5 * moment_us);
    instance_start(&w->instances[1]);
    world_run(w, 8 * SECOND);
    scenario_cut_off(w, DESTINATION, 0, false);
    world_run(w, 10 * SECOND);
    held &= first->flow->ownership.group.instance_id == NULL;
    const char *said = scenario_end(w);
    return said || held ? said : "nobody took the first one's place";
}
