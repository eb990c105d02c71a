// In peace every slice has an owner: the one that it should have, who holds nothing else. The core's own function says
// who that is, asked as if nobody held anything.
#include "base/memory.h"
#include "mirror/slices.h"
#include "sim/checkers.h"
#include "sim/world.h"

#include <string.h>

static char wrong[160];

static void introduce(const struct instance *in, struct slices_member *m) {
    const struct group *g = &in->flow->ownership.group;
    const char *name = g->instance_id ? g->instance_id : g->member_id;
    *m = (struct slices_member){.name = {(const uint8_t *)name, strlen(name)},
                                .readable = true,
                                .metadata = {.count = in->world->plan.slices, .weight = 1, .generation = 0}};
}

static const char *compare(const struct instance *in, const struct slices *given) {
    const struct ownership *o = &in->flow->ownership;
    for (int32_t slice = 0; slice < in->world->plan.slices; slice++) {
        if (slices_has(given, slice) == slices_has(&o->owned, slice) && !slices_has(&o->draining, slice)) continue;
        snprintf(wrong, sizeof wrong, "slice %d: %s %s", (int)slice, in->name,
                 slices_has(given, slice) ? "should own it, and does not" : "holds it, and should not");
        return wrong;
    }
    return NULL;
}

const char *check_shares(const struct world *w) {
    struct slices_member members[SIM_INSTANCES_MAX];
    const char *what = NULL;
    if (w->plan.unowned) return NULL;
    for (int32_t i = 0; i < w->plan.instances; i++) {
        if (!w->instances[i].alive) return "an instance does not run";
        introduce(&w->instances[i], &members[i]);
    }
    slices_assign(members, (size_t)w->plan.instances, w->plan.slices, 1);
    for (int32_t i = 0; i < w->plan.instances && !what; i++)
        what = compare(&w->instances[i], &members[i].assignment.given);
    return what;
}
