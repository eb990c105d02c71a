// A slice has one owner at a time: never do two instances believe in it that are awake and whose guard time has not
// passed. (Where a broker lost its power it may have lost what the group had agreed on: there the logs protect.)
#include "sim/checkers.h"
#include "sim/world.h"

static bool holds(const struct instance *in, int32_t slice) {
    if (!in->alive || instance_sleeps(in)) return false;
    const struct ownership *o = &in->flow->ownership;
    return in->world->now_us < o->fence_us && (slices_has(&o->owned, slice) || slices_has(&o->draining, slice));
}

void check_ownership(struct world *w) {
    if (w->plan.unowned || faults_struck(w->faults)[FAULT_BROKER_POWER_LOST] > 0) return;
    for (int32_t slice = 0; slice < w->plan.slices; slice++) {
        const struct instance *holder = NULL;
        for (int32_t i = 0; i < w->plan.instances; i++) {
            const struct instance *in = &w->instances[i];
            if (!holds(in, slice)) continue;
            if (holder) world_fail(w, "ownership", "%s and %s both hold slice %d", holder->name, in->name, (int)slice);
            holder = in;
        }
    }
}
