// What was allocated is given back.
#include "sim/checkers.h"
#include "sim/world.h"

void check_allocations(struct world *w, int64_t left) {
    if (left != 0) world_fail(w, "allocations", "%lld blocks were not given back", (long long)left);
}
