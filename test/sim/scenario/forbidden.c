// A right is missing on a topic: that topic halts, as long as it is so, and no other one.
#include "base/limits.h"
#include "sim/scenario/scenario.h"

#include <string.h>

#define TOPICS 3

static void forbid_reading(struct world *w, enum side side, int32_t topic, bool forbidden) {
    w->ledger.topics[topic].forbidden = true;
    broker_topic_forbid(w->clusters[side], w->ledger.topics[topic].name, BROKER_READ, forbidden);
}

static int64_t end_of(struct world *w, int32_t topic) {
    struct broker_truth truth;
    bool there = broker_partition_truth(w->clusters[DESTINATION], w->ledger.topics[topic].name, 0, &truth);
    return there ? truth.log->end : 0;
}

static int64_t halted(const struct world *w) {
    const struct flow *f = w->instances[0].flow;
    int64_t count = 0;
    for (size_t i = 0; i < f->partitions_count; i++) count += f->partitions[i]->state == PARTITION_HALTED;
    return count;
}

static void start_again(struct world *w) {
    instance_kill(&w->instances[0], false);
    instance_start(&w->instances[0]);
}

const char *forbidden_topic(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(60 + (uint64_t)moment_us);
    enum side side = moment_us % 2 ? SOURCE : DESTINATION;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND + moment_us);
    forbid_reading(w, side, 0, true);
    if (side == DESTINATION) start_again(w);  // who is at work there reads nothing
    world_run(w, 5 * SECOND);
    bool stopped = halted(w) == 1;
    load_stop(w);
    forbid_reading(w, side, 0, false);
    world_run(w, HALT_LOOK_AGAIN_US);
    bool again = halted(w) == 0;
    const char *said = scenario_end(w);
    if (!said && stopped && !again) said = "what is allowed again halts for ever";
    return said || stopped ? said : "what may not be read was read";
}

// All records are of last year and need a lease, and only one topic's offsets may be committed for it.
const char *lease_of_another(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(61 + (uint64_t)moment_us);
    plan.topics_count = TOPICS;
    for (int i = 0; i < TOPICS; i++) plan.topics[i] = (struct planned_topic){.partitions = 1, .last_year = true};
    plan.expiration_ms = plan.expiration_check_ms = 2000;
    struct world *w = world_begin(&plan, NULL, false, out);
    for (int32_t i = 0; i < TOPICS; i++)  // or it would take what waits
        broker_topic_alter(w->clusters[SOURCE], w->ledger.topics[i].name, "retention.ms", "-1");
    world_run(w, GHOST_WAIT_US + 20 * SECOND + moment_us);
    int32_t allowed = (int32_t)(moment_us / MS % TOPICS);
    int64_t before = end_of(w, allowed);
    for (int32_t i = 0; i < TOPICS; i++)
        if (i != allowed) forbid_reading(w, DESTINATION, i, true);
    start_again(w);
    load_write(w, &w->ledger.topics[allowed], 0);
    world_run(w, GHOST_WAIT_US + 20 * SECOND);
    bool went_on = before > 0 && end_of(w, allowed) > before && halted(w) == TOPICS - 1;
    load_stop(w);
    for (int32_t i = 0; i < TOPICS; i++) forbid_reading(w, DESTINATION, i, false);
    world_run(w, HALT_LOOK_AGAIN_US);
    const char *said = scenario_end(w);
    return said || went_on ? said : "what may be read did not go on";
}

static struct world *without_settings(uint64_t seed, int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(seed + (uint64_t)moment_us);
    struct world *w = world_begin(&plan, NULL, false, out);
    broker_topic_forbid(w->clusters[SOURCE], "topic-0", BROKER_DESCRIBE_CONFIGS, true);
    world_run(w, 20 * SECOND + moment_us);
    return w;
}

// Whether the only topic says why it is not mirrored.
static bool says_why(const struct world *w) {
    size_t i = 0;
    const struct mirror_topic *t = topics_next(w->instances[0].flow->topics, &i);
    return t && strstr(t->halted, "DESCRIBE_CONFIGS is missing");
}

// What is not known is not made: without cleanup.policy=compact the destination would delete what must be kept.
const char *forbidden_settings(int64_t moment_us, struct outcome *out) {
    struct world *w = without_settings(67, moment_us, out);
    bool made = broker_topic_partitions(w->clusters[DESTINATION], "topic-0") > 0, said_why = says_why(w);
    broker_topic_forbid(w->clusters[SOURCE], "topic-0", BROKER_DESCRIBE_CONFIGS, false);
    const char *said = scenario_end(w);
    if (!said && made) said = "the topic was made, and nobody knew how";
    return said || said_why ? said : "nobody says that the right is missing";
}

// But when somebody has made it, nothing of the source's settings is needed.
const char *forbidden_settings_made(int64_t moment_us, struct outcome *out) {
    struct world *w = without_settings(68, moment_us, out);
    bool said_why = says_why(w);
    w->ledger.topics[0].made_by_others = true;
    broker_topic_create(w->clusters[DESTINATION], "topic-0", 1, 3, NULL);
    world_run(w, 70 * SECOND);
    bool mirrored = scenario_truth(w).log->end > 0;
    const char *said = scenario_end(w);
    if (!said && !said_why) said = "nobody says that the right is missing";
    return said || mirrored ? said : "what somebody has made is not mirrored";
}
