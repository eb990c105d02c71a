// Leaders move, one after the other, and all brokers soon know: for each the mirror looks once, not again and again.
#include "sim/scenario/scenario.h"

#define MOVES 6
#define MOVES_MANY 12

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

// Each time with records to be sent: he goes on at once, for what failed before is over.
const char *leader_moves_on(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(82 + (uint64_t)moment_us);
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND + moment_us);
    load_stop(w);
    int late = 0;
    for (int i = 0; i < MOVES_MANY; i++) {
        scenario_move_leader(w);
        scenario_write(w);
        late += scenario_truth(w).log->end < scenario_source(w).log->high_watermark;
        world_run(w, 2 * SECOND);
    }
    const char *said = scenario_end(w);
    return said || late < MOVES_MANY / 4 ? said : "what failed long ago delayed it";
}
