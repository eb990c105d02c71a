// When the destination forgets a producer its brokers say late, because the first that is asked hears nothing. Until
// then a day is assumed; what is queued when they say two seconds, and is older, does not leave as if they remembered.
#include "mirror/topics.h"
#include "sim/scenario/scenario.h"

#define ASKED_FIRST 1  // the lowest id
#define LEADS 2

static const struct append_partition *appends(const struct world *w) {
    return &w->instances[0].flow->partitions[0]->append;
}

static bool assumes(const struct world *w) {
    return topics_producer_expiration_ms(w->instances[0].flow->topics) != w->plan.expiration_ms;
}

static void lead(struct world *w, const char *topic) {
    int32_t count = broker_topic_partitions(w->clusters[DESTINATION], topic);
    for (int32_t i = 0; i < count; i++) broker_leader_move(w->clusters[DESTINATION], topic, i, LEADS, false);
}

const char *told_late(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(160 + (uint64_t)moment_us);
    plan.expiration_ms = plan.expiration_check_ms = 2000;
    plan.latency_us_max = 20 * MS;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 10 * SECOND);
    lead(w, "topic-0");
    lead(w, "__consumer_offsets");
    world_run(w, 1 * SECOND);
    instance_kill(&w->instances[0], false);
    load_stop(w);
    for (int i = 0; i < 400; i++) load_write(w, &w->ledger.topics[0], 0);
    scenario_cut(w, 0, DESTINATION, ASKED_FIRST, true);
    world_run(w, 30 * SECOND);  // its session, and they are old
    instance_start(&w->instances[0]);
    bool queued = false;
    for (int i = 0; i < 30000 && !queued; i++) {
        world_run(w, 1 * MS);
        queued = w->instances[0].flow->partitions_count > 0 && appends(w)->queued > 0;
    }
    world_run(w, moment_us);
    queued &= assumes(w);
    scenario_cut(w, 0, DESTINATION, ASKED_FIRST, false);
    for (int i = 0; i < 1000 && queued && assumes(w); i++) {
        world_run(w, 1 * MS);
        if (appends(w)->queued == 0) load_write(w, &w->ledger.topics[0], 0);
    }
    queued &= !assumes(w);
    world_run(w, 20 * SECOND);
    const char *said = scenario_end(w);
    return said || queued ? said : "nothing was queued when it was told";
}
