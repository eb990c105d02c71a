// Topics that go: where the source's is gone, or another one of the same name has come, that is said; what somebody
// deletes at the destination is made again from the beginning.
#include "sim/scenario/scenario.h"

static struct world *delete_at_source(uint64_t seed, int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(seed);
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND + moment_us);
    load_delete_topic(w, &w->ledger.topics[0]);
    return w;
}

static const char *wait_for(struct world *w, const char *begins, const char *otherwise) {
    world_run(w, 100 * SECOND);
    bool said_so = scenario_says(w, begins);
    const char *said = scenario_end(w);
    return said || said_so ? said : otherwise;
}

const char *source_topic_goes(int64_t moment_us, struct outcome *out) {
    struct world *w = delete_at_source(19, moment_us, out);
    return wait_for(w, "source topic was deleted", "nobody said that the source's topic is gone");
}

const char *source_topic_comes_again(int64_t moment_us, struct outcome *out) {
    struct world *w = delete_at_source(20, moment_us, out);
    world_run(w, 10 * moment_us);
    load_create_again(w, &w->ledger.topics[0]);
    return wait_for(w, "source topic was re-created", "nobody said that the source's topic is another one");
}

const char *destination_topic_goes(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(21);
    plan.load_pause_us = 200 * MS;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND + moment_us);
    int64_t before = scenario_truth(w).log->end;
    w->ledger.topics[0].destination_deleted = true;
    broker_topic_delete(w->clusters[DESTINATION], "topic-0");
    bool said_so = false;
    for (int i = 0; i < 100; i++) {
        world_run(w, 1 * SECOND);
        said_so |= scenario_says(w, "destination topic was deleted");
    }
    const char *said = scenario_end(w);
    if (!said && !said_so) said = "nobody said that the destination's topic is gone";
    return said || before > 0 ? said : "nothing had been mirrored";
}

// The new one's leader epochs begin anew, below those of the old one.
const char *destination_topic_comes_again(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(37);
    plan.load_pause_us = 200 * MS;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND + moment_us);
    for (int i = 0; i < 3; i++) {
        scenario_move_leader(w);
        world_run(w, 2 * SECOND);
    }
    int32_t epoch = scenario_truth(w).leader_epoch;
    w->ledger.topics[0].destination_deleted = true;
    broker_topic_delete(w->clusters[DESTINATION], "topic-0");
    w->ledger.topics[0].made_by_others = true;
    broker_topic_create(w->clusters[DESTINATION], "topic-0", 1, 3, NULL);
    world_run(w, 100 * SECOND);
    bool anew = scenario_truth(w).leader_epoch < epoch;
    const char *said = scenario_end(w);
    return said || anew ? said : "the leader epochs did not begin anew";
}

// Somebody gives the destination's topic a partition that the source's does not have: that is said, and passes when the
// source's has it, too.
const char *destination_topic_grows(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(53 + (uint64_t)moment_us);
    plan.load_pause_us = 200 * MS;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND + moment_us);
    w->ledger.topics[0].destination_grown = true;
    broker_topic_grow(w->clusters[DESTINATION], "topic-0", 2);
    world_run(w, 70 * SECOND);
    bool halted = w->instances[0].flow->partitions[0]->state == PARTITION_HALTED;
    load_grow(w, &w->ledger.topics[0]);
    const char *said = scenario_end(w);
    return said || halted ? said : "nobody says that there is a partition too many";
}
