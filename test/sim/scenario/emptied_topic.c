// The destination's topic exists, and somebody else has written to it and deleted that: his producer state is there,
// and no record of his. Only our own state says where we stand.
#include "sim/batches.h"
#include "sim/scenario/scenario.h"

#define STRANGER 4711
#define SEQUENCE 7  // his first: no offset of the log

const char *emptied_topic(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(7);
    struct world *w = world_begin(&plan, NULL, false, out);
    scenario_create_first(w, NULL);
    world_run(w, 1 * SECOND);
    const struct stored_batch *first = broker_log_at(scenario_source(w).log, 0);
    struct batch_header h = first->header;
    uint8_t batch[BATCH_SIZE_MAX];
    memcpy(batch, first->at, (size_t)h.size);
    // A producer's, or those of another mirror.
    int64_t stranger = moment_us % 2 ? provenance_producer_id("other", SIM_CLUSTER_DESTINATION) : STRANGER;
    struct batch_stamp stamp = {stranger, 0, SEQUENCE};
    batch_restamp(batch, &h, &stamp);
    broker_append(w->clusters[DESTINATION], "topic-0", 0, (struct bytes){batch, (size_t)h.size});
    world_run(w, 1 * SECOND);
    broker_delete_records(w->clusters[DESTINATION], "topic-0", 0, h.count);
    world_run(w, 1 * SECOND + moment_us);
    struct broker_truth truth = scenario_truth(w);
    bool emptied = truth.log->start == h.count && producer_states_find(&truth.log->producers, stranger);
    instance_start(&w->instances[0]);
    world_run(w, 10 * SECOND);
    const char *said = scenario_end(w);
    return said || emptied ? said : "there was no state without a record";
}
