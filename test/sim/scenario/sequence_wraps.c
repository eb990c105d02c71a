// Sequence numbers have 31 bits: where offsets reach 2^31 they begin again at 0, in an old log whose beginning is gone.
#include "sim/scenario/scenario.h"

#define NAME "topic-1"
#define WRAPS_AT (INT64_C(1) << 31)

const char *sequence_wraps(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(13);
    plan.topics[1].partitions = 1;
    struct world *w = world_begin(&plan, NULL, false, out);
    instance_kill(&w->instances[0], false);
    load_create_topic(w);
    w->ledger.topics[1].made_by_others = true;
    broker_topic_create(w->clusters[DESTINATION], NAME, 1, 3, NULL);
    for (int side = 0; side < SIDES; side++) broker_log_begin(w->clusters[side], NAME, 0, WRAPS_AT - 40);
    world_run(w, 1 * SECOND);
    instance_start(&w->instances[0]);
    world_run(w, 12 * SECOND);  // nobody knows how old the records were that stood there: it waits (rule 14)
    struct broker_truth truth = {0};
    for (int i = 0; i < 30; i++) {
        load_write(w, &w->ledger.topics[1], 0);
        broker_partition_truth(w->clusters[DESTINATION], NAME, 0, &truth);
        // Somebody asks where it stands just then.
        if (truth.log->end >= WRAPS_AT - 10 && truth.log->end < WRAPS_AT + 10)
            network_reset(w, DESTINATION, truth.leader);
        world_run(w, 100 * MS + moment_us);
    }
    world_run(w, 2 * SECOND);
    broker_partition_truth(w->clusters[DESTINATION], NAME, 0, &truth);
    bool wrapped = truth.log->end > WRAPS_AT;
    const char *said = scenario_end(w);
    return said || wrapped ? said : "2^31 was not reached";
}
