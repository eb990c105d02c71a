// A leader is frozen: its connections stay, and it answers nothing, until its controller names another one. Who has
// something else to do goes on, and what it led is copied soon after.
#include "base/limits.h"
#include "sim/scenario/scenario.h"

#define ELECTION_US (11 * SECOND)  // broker.session.timeout.ms, and notices
#define NEWS_US (6 * SECOND)

struct logs {
    int64_t source_end, end;
    int32_t source_leader, leader;
};

static struct logs look(struct world *w, int32_t k) {
    struct broker_truth from = {0}, to = {0};
    broker_partition_truth(w->clusters[SOURCE], "topic-0", k, &from);
    broker_partition_truth(w->clusters[DESTINATION], "topic-0", k, &to);
    return (struct logs){from.log ? from.log->end : 0, to.log ? to.log->end : 0, from.leader, to.leader};
}

static const char *tell(enum side side, uint64_t seed, int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(seed + (uint64_t)moment_us);
    plan.nodes[SOURCE] = 3;
    plan.load_pause_us = 300 * MS;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 10 * SECOND);
    int32_t coordinator = scenario_coordinator(&w->instances[0]);
    int32_t leader = side == SOURCE ? look(w, 0).source_leader : coordinator % 3 + 1;
    broker_leader_move(w->clusters[side], "topic-0", 0, leader, false);
    world_run(w, 5 * SECOND + moment_us);
    broker_node_freeze(w->clusters[side], leader, true);
    world_run(w, ELECTION_US);
    load_stop(w);
    load_write(w, &w->ledger.topics[0], 0);
    struct logs now = look(w, 0);
    bool moved = (side == SOURCE ? now.source_leader : now.leader) != leader && now.end < now.source_end;
    bool late = !scenario_comes(w, 0, NEWS_US);
    broker_node_freeze(w->clusters[side], leader, false);
    const char *said = scenario_end(w);
    if (!said && late) said = "nobody heard that another one leads than who is frozen";
    return said || moved ? said : "nobody else led, or nothing was left to do";
}

const char *frozen_source_leader(int64_t moment_us, struct outcome *out) {
    return tell(SOURCE, 320, moment_us, out);
}

const char *frozen_destination_leader(int64_t moment_us, struct outcome *out) {
    return tell(DESTINATION, 321, moment_us, out);
}

static struct fetch_session *session_of(struct world *w, int32_t k) {
    struct flow *f = w->instances[0].flow;
    for (size_t i = 0; i < f->partitions_count; i++)
        if (f->partitions[i]->index == k) return f->partitions[i]->fetch.session;
    return NULL;
}

// The source's broker of one partition freezes when much is asked of it: what it was asked for keeps no room from who
// copies a backlog from another one.
const char *frozen_with_backlog(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(322 + (uint64_t)moment_us);
    plan.nodes[SOURCE] = 3;
    plan.topics[0].partitions = 2;
    plan.fetch_sessions = plan.fetch_bytes_max = 0;
    plan.latency_us_max = plan.service_us_max = 50;
    plan.batch_sizes = 2;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 10 * SECOND);
    load_stop(w);
    for (int32_t k = 0; k < 2; k++) broker_leader_move(w->clusters[SOURCE], "topic-0", k, k + 1, false);
    world_run(w, 10 * SECOND + moment_us);
    for (int i = 0; i < 200; i++) load_write(w, &w->ledger.topics[0], 1);
    const struct fetch_session *s = session_of(w, 1);
    for (int i = 0; i < 10000 && s && !(s->fetching && s->reserved > w->plan.buffer_memory / 4); i++) world_run(w, 100);
    broker_node_freeze(w->clusters[SOURCE], 2, true);
    world_run(w, 10 * MS);
    bool holds = s && s->fetching && s->reserved > w->plan.buffer_memory / 4;
    world_run(w, ELECTION_US);
    for (int i = 0; i < 200; i++) load_write(w, &w->ledger.topics[0], 0);
    bool late = !scenario_comes(w, 0, 5 * SECOND);
    broker_node_freeze(w->clusters[SOURCE], 2, false);
    const char *said = scenario_end(w);
    if (!said && late) said = "what a frozen broker was asked for kept the room of another one";
    return said || holds ? said : "nothing much was asked of the frozen broker";
}
