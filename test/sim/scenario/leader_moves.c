// Leaders move, one after the other, and all brokers soon know: for each the mirror looks once, not again and again.
#include "sim/scenario/scenario.h"

#define MOVES 6

const char *leader_moves(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(10);
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND + moment_us);
    int64_t before = w->instances[0].flow->counters.resyncs;
    for (int i = 0; i < MOVES; i++) {
        scenario_move_leader(w);
        world_run(w, 2 * SECOND);
    }
    int64_t looks = w->instances[0].flow->counters.resyncs - before;
    const char *said = scenario_end(w);
    if (said) return said;
    return looks > MOVES ? "too many looks" : looks == 0 ? "nobody noticed that the leader moved" : NULL;
}
