// Two partitions have a question for the same broker, one behind the other. The first one's leader moves, and its
// answer never comes; who waited behind it is asked for all the same.
#include "base/limits.h"
#include "sim/scenario/scenario.h"

#define TOPIC "topic-0"

static struct broker_cluster *destination(struct world *w) {
    return w->clusters[DESTINATION];
}

static int32_t leader_of(struct world *w, int32_t index) {
    struct broker_truth truth = {0};
    broker_partition_truth(destination(w), TOPIC, index, &truth);
    return truth.leader;
}

static void hold_followers(struct world *w, int32_t index, int32_t leader, bool held) {
    for (int32_t node = plan_first_node(&w->plan); node <= plan_last_node(&w->plan, DESTINATION); node++)
        if (node != leader) broker_replica_hold(destination(w), TOPIC, index, node, held);
}

static bool asks_tail(const struct world *w, size_t index, int32_t node) {
    const struct partition *p = w->instances[0].flow->partitions[index];
    return p->state == PARTITION_RESYNC && p->destination_leader == node && leader_query_running(&p->query);
}

// The mirror notices, because what it appends is refused.
static void move(struct world *w, int32_t index, int32_t node) {
    broker_leader_move(destination(w), TOPIC, index, node, false);
    load_write(w, &w->ledger.topics[0], index);
}

// The second one looks at its log again and again, because what it appended is not replicated.
static void begin_looking(struct world *w, int32_t node) {
    if (leader_of(w, 0) == node) move(w, 0, node % 3 + 1);
    world_run(w, 2 * SECOND);
    hold_followers(w, 1, node, true);
    load_write(w, &w->ledger.topics[0], 1);
    world_run(w, 3 * SECOND);
    network_reset(w, DESTINATION, node);
    world_run(w, 2 * SECOND);
}

const char *asked_behind(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(48 + (uint64_t)moment_us);
    plan.topics[0].partitions = 2;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND);
    load_stop(w);
    int32_t node = leader_of(w, 1);
    begin_looking(w, node);
    world_run(w, moment_us);
    move(w, 0, node);
    for (int i = 0; i < 500000 && !(asks_tail(w, 0, node) && !asks_tail(w, 1, node)); i++) world_run(w, 20);
    const struct broker *asked = cluster_broker(&w->instances[0].flow->destination, node);
    struct channel *ch = network_channel(&asked->control.connection);
    if (ch) network_stall(ch, true);
    world_run(w, PARTITION_BACKOFF_US_MAX);  // until it looks again
    bool behind = ch && asks_tail(w, 0, node) && asks_tail(w, 1, node);
    broker_leader_move(destination(w), TOPIC, 0, node % 3 + 1, false);
    hold_followers(w, 1, node, false);
    world_run(w, 60 * SECOND);  // until the question is given up
    const char *said = scenario_end(w);
    return said || behind ? said : "nobody waited behind another";
}
