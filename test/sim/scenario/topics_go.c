// Topics that go: where the source's is gone, or another one of the same name has come, that is said; what somebody
// deletes at the destination is made again from the beginning.
#include "sim/scenario/scenario.h"

#include <string.h>

static bool says(const struct world *w, const char *begins) {
    const struct flow *f = w->instances[0].flow;
    if (f->partitions_count != 1 || f->partitions[0]->state != PARTITION_HALTED) return false;
    return strncmp(f->partitions[0]->halt_reason, begins, strlen(begins)) == 0;
}

static struct world *delete_at_source(uint64_t seed, int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(seed);
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND + moment_us);
    load_delete_topic(w, &w->ledger.topics[0]);
    return w;
}

static const char *wait_for(struct world *w, const char *begins, const char *otherwise) {
    world_run(w, 100 * SECOND);
    bool said_so = says(w, begins);
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

// The new one came while nobody looked, and its cleaner was where the old one ended: what is left there is no part of
// what was mirrored.
const char *cleaned_topic_comes_again(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(180 + (uint64_t)moment_us);
    plan.load_pause_us = 200 * MS;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND);
    load_stop(w);
    int64_t ended = scenario_source(w).log->end;
    scenario_write_key(w, 'k', 3);
    world_run(w, 5 * SECOND);
    bool mirrored = scenario_truth(w).log->end == ended + 3;
    instance_kill(&w->instances[0], false);
    load_delete_topic(w, &w->ledger.topics[0]);
    world_run(w, 1 * SECOND);
    w->plan.topics[0].compacted = true;
    load_create_again(w, &w->ledger.topics[0]);
    world_run(w, 1 * SECOND);
    world_run(w, moment_us);
    while (scenario_source(w).log->end < ended) scenario_write_key(w, 'l', 1);
    scenario_write_key(w, 'm', 1);
    scenario_write_key(w, 'n', 2);
    for (int i = 0; i < 2; i++) {  // and one that stays open
        world_run(w, 2 * SECOND);
        scenario_write_key(w, 'm', 1);
    }
    broker_clean_logs(w->clusters[SOURCE]);
    size_t i = broker_log_find(scenario_source(w).log, ended);
    mirrored &= broker_log_at(scenario_source(w).log, i)->header.base_offset == ended + 1;
    instance_start(&w->instances[0]);
    const char *said = wait_for(w, "diverged", "nobody said that the source's topic is another one");
    return said || mirrored ? said : "the cleaner left nothing where the old one ended";
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
        said_so |= says(w, "destination topic was deleted");
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
