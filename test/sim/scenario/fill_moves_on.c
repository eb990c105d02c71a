// While the offsets below the source's log start are filled its retention takes more: nothing that was mirrored is lost
// by that, and the filling goes on.
#include "sim/scenario/scenario.h"

#define STARTS_AT 200
#define STARTS_THEN 260

const char *fill_moves_on(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(27);
    plan.topics[0].starts_at = STARTS_AT;
    plan.load_pause_us = 500 * MS;
    struct world *w = world_begin(&plan, NULL, false, out);
    for (int i = 0; i < 50; i++) load_write(w, &w->ledger.topics[0], 0);
    int64_t wanted = 30 + moment_us / 300, filled = scenario_run_to(w, wanted);
    broker_delete_records(w->clusters[SOURCE], "topic-0", 0, STARTS_THEN);
    world_run(w, 5 * SECOND);
    bool moved = filled >= wanted && filled < STARTS_AT && scenario_source(w).log->start == STARTS_THEN;
    const char *said = scenario_end(w);
    if (!said && out->halted > 0) said = "only filler was lost, and the mirror halts";
    return said || moved ? said : "the log start did not move while it was filled";
}

// The destination refuses a full filler as too large: smaller ones do.
const char *fill_in_small(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(30);
    plan.topics[0].starts_at = STARTS_AT;
    plan.load_pause_us = 500 * MS;
    struct batch_stamp none = {0};
    uint8_t filler[4096];
    char limit[12];
    size_t full = batch_filler_write(BATCH_FILLER_COUNT_MAX, SIM_WALL_MS, &none, filler, sizeof filler);
    snprintf(limit, sizeof limit, "%d", (int)full - 1);
    const char *const settings[] = {"max.message.bytes", limit, NULL};
    struct world *w = world_begin(&plan, NULL, false, out);
    scenario_create_first(w, settings);
    world_run(w, 1 * SECOND + moment_us);
    instance_start(&w->instances[0]);
    int64_t filled = scenario_run_to(w, STARTS_AT - 60);
    broker_topic_alter(w->clusters[DESTINATION], "topic-0", "max.message.bytes", "1000000");  // for what is not filler
    const char *said = scenario_end(w);
    if (!said && out->halted > 0) said = "what could be filled is halted";
    return said || filled > 0 ? said : "nothing was filled";
}

// The destination's only broker is killed soon after DeleteRecords, each time, and starts where it started before. It
// is not away for long enough that there could be another owner.
const char *forgotten_deletion(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(36);
    plan.nodes[DESTINATION] = plan.replication_factor = 1;
    plan.topics[0].starts_at = 40;
    plan.load_pause_us = 500 * MS;
    struct world *w = world_begin(&plan, NULL, false, out);
    int forgotten = 0;
    for (int i = 0; i < 3; i++) {
        world_run(w, 5 * SECOND + moment_us);
        bool deleted = scenario_truth(w).log->start == 40;
        broker_node_stop(w->clusters[DESTINATION], 1, BROKER_KILLED, 0);
        forgotten += deleted && scenario_truth(w).log->start == 0;
        world_run(w, 100 * MS);
        broker_node_start(w->clusters[DESTINATION], 1);
    }
    const char *said = scenario_end(w);
    return said || forgotten == 3 ? said : "no deletion was forgotten";
}

static bool looks_below(const struct flow *f) {
    const struct leader_query *q = f->partitions_count > 0 ? &f->partitions[0]->delete_query : NULL;
    return q && leader_query_running(q) && q->kind == QUERY_BATCH;
}

static const char *owner_dies(int64_t moment_us, struct outcome *out, bool damaged) {
    struct plan plan = scenario_plan(35 + (uint64_t)moment_us);
    plan.topics[0].starts_at = 40;
    if (damaged) plan.load_pause_us = 3 * SECOND;  // the fewer batches, the likelier it is one of filler that is struck
    plan.latency_us_max = 20 * MS;
    struct world *w = world_begin(&plan, NULL, false, out);
    struct channel *stuck = scenario_stall_deletion(w);
    int64_t filled = scenario_truth(w).log->end;
    scenario_run_to(w, filled + 1);
    bool visible = stuck && filled > 0 && scenario_truth(w).log->start == 0 && scenario_truth(w).log->end > filled;
    if (damaged) load_stop(w);  // the bit is to flip in the answer, not in what is sent
    if (damaged) world_run(w, 1 * SECOND);
    instance_kill(&w->instances[0], false);
    world_run(w, 1 * SECOND);
    instance_start(&w->instances[0]);
    for (int i = 0; damaged && i < 1000000 && !looks_below(w->instances[0].flow); i++) world_run(w, 20);
    w->network.damage[DESTINATION] = damaged;
    world_run(w, 20 * SECOND);
    visible &= w->network.damage[DESTINATION] == 0;
    const char *said = scenario_end(w);
    return said || visible ? said : "nothing was left to the next owner";
}

// An owner dies when what he has filled is not deleted yet, because his word never arrives: the next one looks what the
// log begins with.
const char *fill_owner_dies(int64_t moment_us, struct outcome *out) {
    return owner_dies(moment_us, out, false);
}

// And what he is told of it is damaged on its way.
const char *fill_damaged_below(int64_t moment_us, struct outcome *out) {
    return owner_dies(moment_us, out, true);
}

// The destination's topic is only compacted, so it refuses to delete the filler; and says so when what comes behind, of
// old, has to wait: it does not wait for that, too.
const char *deletion_refused(int64_t moment_us, struct outcome *out) {
    static const char *const settings[] = {"cleanup.policy", "compact", NULL};
    struct plan plan = scenario_plan(50 + (uint64_t)moment_us);
    plan.topics[0].last_year = true;
    plan.expiration_ms = 30000;  // filler, which is of today, needs not wait
    struct world *w = world_begin(&plan, NULL, false, out);
    scenario_create_first(w, settings);
    int64_t starts_at = scenario_source(w).log->end;
    w->plan.topics[0].compacted = true;  // keys from now on, though the source's cleaner takes nothing
    world_run(w, 2 * SECOND);
    load_stop(w);
    scenario_write(w);
    broker_delete_records(w->clusters[SOURCE], "topic-0", 0, starts_at);
    instance_start(&w->instances[0]);
    struct channel *stuck = scenario_stall_deletion(w);
    world_run(w, 1 * SECOND + moment_us);
    bool waits = w->instances[0].flow->partitions[0]->state == PARTITION_RESYNC;
    if (stuck) network_stall(stuck, false);
    world_run(w, 40 * SECOND);
    bool came = scenario_truth(w).log->end == scenario_source(w).log->end;
    const char *said = scenario_end(w);
    if (!said && !came) said = "what was to wait for some seconds waits for minutes";
    return said || (stuck && waits) ? said : "nothing waited when the deletion was refused";
}

// A retention takes what was not mirrored yet, when the very first batch is: that is lost, and never filled.
const char *lost_behind_first(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(70 + (uint64_t)moment_us);
    plan.load_pause_us = 1 * SECOND;
    struct world *w = world_begin(&plan, NULL, false, out);
    int64_t end = scenario_run_to(w, 1);
    instance_kill(&w->instances[0], false);
    scenario_write(w);
    ledger_note(w);
    int64_t starts_at = scenario_source(w).log->high_watermark;
    broker_delete_records(w->clusters[SOURCE], "topic-0", 0, starts_at);
    end = scenario_truth(w).log->end;
    world_run(w, 5 * SECOND + moment_us);
    instance_start(&w->instances[0]);
    world_run(w, 20 * SECOND);
    const char *said = scenario_end(w);
    if (!said && end > 0 && end < starts_at && out->halted == 0) said = "a lost range was filled";
    return said || (end > 0 && end < starts_at) ? said : "nothing was lost";
}

static bool first_under_way(struct world *w) {
    const struct flow *f = w->instances[0].flow;
    for (int i = 0; i < 20000; i++) {
        world_run(w, 1 * MS);
        const struct partition *p = f->partitions_count > 0 ? f->partitions[0] : NULL;
        if (p && p->state == PARTITION_COPY && p->only_filler && p->append.unanswered > 0 && p->log_end > 0)
            return true;
    }
    return false;
}

// Answers where the source's log starts now.
static int64_t lose_at_once(struct world *w) {
    load_stop(w);
    ledger_note(w);
    int64_t starts_at = scenario_source(w).log->high_watermark;
    broker_delete_records(w->clusters[SOURCE], "topic-0", 0, starts_at);
    return starts_at;
}

static int64_t lose_all(struct world *w) {
    load_stop(w);
    scenario_cut_off(w, SOURCE, 0, true);
    scenario_write(w);
    int64_t starts_at = lose_at_once(w);
    scenario_cut_off(w, SOURCE, 0, false);
    return starts_at;
}

static struct plan filler_plan(uint64_t seed) {
    struct plan plan = scenario_plan(seed);
    plan.topics[0].starts_at = 40;
    plan.latency_us_max = 20 * MS;
    plan.fetch_bytes_max = KiB;
    return plan;
}

// The same while the first records behind his own filler are under way.
const char *lost_behind_filler(int64_t moment_us, struct outcome *out) {
    struct plan plan = filler_plan(72 + (uint64_t)moment_us);
    struct world *w = world_begin(&plan, NULL, false, out);
    bool under_way = first_under_way(w);
    int32_t leader = scenario_truth(w).leader;
    broker_node_freeze(w->clusters[DESTINATION], leader, true);
    int64_t starts_at = lose_at_once(w);  // before the leader is called silent: then nothing is fetched
    world_run(w, APPENDER_SILENT_US / 2 + moment_us);
    broker_node_freeze(w->clusters[DESTINATION], leader, false);
    world_run(w, 20 * SECOND);
    bool lost = scenario_truth(w).log->end < starts_at;
    const char *said = scenario_end(w);
    return said || (under_way && lost) ? said : "nothing was lost behind what was under way";
}

// Or when they have arrived without his hearing of it, and the destination is emptied.
const char *emptied_behind_filler(int64_t moment_us, struct outcome *out) {
    struct plan plan = filler_plan(73 + (uint64_t)moment_us);
    struct world *w = world_begin(&plan, NULL, false, out);
    bool under_way = first_under_way(w);
    int32_t leader = scenario_truth(w).leader;
    int64_t filled = scenario_truth(w).log->end;
    network_cut(w, 0, DESTINATION, leader, IN, true);
    world_run(w, 5 * SECOND);
    int64_t starts_at = lose_all(w), end = scenario_truth(w).log->end;
    broker_delete_records(w->clusters[DESTINATION], "topic-0", 0, end);
    world_run(w, 60 * SECOND + moment_us);  // until he gives the connection up
    network_cut(w, 0, DESTINATION, leader, IN, false);
    world_run(w, 60 * SECOND);  // until the loss is believed
    bool emptied = filled > 0 && end > filled && end < starts_at;
    const struct partition *p = w->instances[0].flow->partitions[0];
    bool filled_again = p->state != PARTITION_HALTED;
    const char *said = scenario_end(w);
    if (!said && under_way && emptied && filled_again) said = "a lost range was filled";
    return said || (under_way && emptied) ? said : "nothing had arrived unheard";
}

// Who filled has to let go before he mirrors anything; another one mirrors, the destination is emptied, and the source
// loses more. Who comes back must not take it for what he filled himself.
const char *filled_before(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(71 + (uint64_t)moment_us);
    plan.instances = 2;
    struct world *w = world_begin(&plan, NULL, false, out);
    instance_kill(&w->instances[0], false);
    instance_kill(&w->instances[1], false);
    load_stop(w);
    scenario_write(w);
    broker_delete_records(w->clusters[SOURCE], "topic-0", 0, scenario_source(w).log->high_watermark);
    instance_start(&w->instances[0]);
    int64_t filled = scenario_run_to(w, 1);
    world_run(w, 3 * SECOND + moment_us);
    instance_sleep(&w->instances[0], 300 * SECOND);
    instance_start(&w->instances[1]);
    scenario_write(w);
    int64_t end = scenario_run_to(w, filled + 1);
    world_run(w, 10 * SECOND);
    instance_kill(&w->instances[1], false);
    scenario_write(w);
    ledger_note(w);
    broker_delete_records(w->clusters[SOURCE], "topic-0", 0, scenario_source(w).log->high_watermark);
    broker_delete_records(w->clusters[DESTINATION], "topic-0", 0, scenario_truth(w).log->high_watermark);
    world_run(w, 5 * SECOND);
    instance_wake(&w->instances[0]);
    world_run(w, 60 * SECOND);
    struct broker_truth truth = scenario_truth(w);
    bool emptied = filled > 0 && end > filled && truth.log->start == truth.log->end;
    const char *said = scenario_end(w);
    if (!said && out->halted == 0) said = "a lost range was filled";
    return said || emptied ? said : "the log was not emptied";
}
