// The destination's cleaner has thinned what turns out to be the last batch: it stood in a closed file, and all that
// came behind it was only at the leader, and is lost. What is left is still the mirror's own, and it goes on from
// there.
#include "sim/batches.h"
#include "sim/scenario/scenario.h"

#define TOPIC "topic-0"

static struct broker_cluster *destination(struct world *w) {
    return w->clusters[DESTINATION];
}

// Nothing above `end` is replicated. The leader's cleaner runs; the tail is lost; the same leader leads again.
static bool clean_and_lose_tail(struct world *w, int64_t end) {
    struct broker_truth truth = scenario_truth(w);
    int32_t leader = truth.leader;
    bool tail = truth.log->end > end;
    broker_clean_logs(destination(w));
    const struct stored_batch *last = broker_log_at(truth.log, broker_log_find(truth.log, end - 1));
    bool thinned = batch_last_offset(&last->header) == end - 1 && !batch_is_dense(&last->header);
    if (w->instances[0].alive) instance_kill(&w->instances[0], false);
    scenario_move_leader(w);
    world_run(w, 1 * SECOND);
    for (int32_t node = plan_first_node(&w->plan); node <= plan_last_node(&w->plan, DESTINATION); node++)
        broker_replica_hold(destination(w), TOPIC, 0, node, false);
    world_run(w, 3 * SECOND);
    bool back = broker_leader_move(destination(w), TOPIC, 0, leader, false);
    world_run(w, 1 * SECOND);
    return tail && thinned && back && scenario_truth(w).log->end == end;
}

static const char *go_on(struct world *w, bool cut, int64_t moment_us, struct outcome *out) {
    world_run(w, moment_us);
    instance_start(&w->instances[0]);
    world_run(w, 20 * SECOND);
    const char *said = scenario_end(w);
    if (!said && out->halted > 0) said = "the mirror halts";
    return said || cut ? said : "the last batch was not thinned";
}

const char *cleaned_tail(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(15);
    plan.topics[0].compacted = true;
    plan.load_pause_us = 200 * MS;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND);
    load_stop(w);
    scenario_write_key(w, 'k', 2);
    world_run(w, 3 * SECOND);
    int64_t end = scenario_truth(w).log->high_watermark;
    scenario_hold_followers(w, true);
    scenario_write(w);
    return go_on(w, clean_and_lose_tail(w, end), moment_us, out);
}

// The same with filler: he who wrote it died before he had copied anything.
const char *cleaned_filler(int64_t moment_us, struct outcome *out) {
    static const char *const settings[] = {
        "cleanup.policy", "compact,delete", "segment.ms", "500", "min.cleanable.dirty.ratio", "0.01", NULL};
    struct plan plan = scenario_plan(16);
    struct world *w = world_begin(&plan, NULL, false, out);
    scenario_create_first(w, settings);
    int64_t starts_at = scenario_source(w).log->end;
    w->plan.topics[0].compacted = true;  // keys from now on, though the source's cleaner takes nothing
    world_run(w, 3 * SECOND);
    load_stop(w);
    broker_delete_records(w->clusters[SOURCE], TOPIC, 0, starts_at);
    instance_start(&w->instances[0]);
    // The full ones all have one time; the last one, of what is left, has its own.
    int64_t end = starts_at - starts_at % BATCH_FILLER_COUNT_MAX;
    scenario_run_to(w, end);
    instance_sleep(&w->instances[0], 3 * SECOND);
    world_run(w, 1 * SECOND);
    scenario_hold_followers(w, true);
    for (int i = 0; i < 20000 && scenario_truth(w).log->end == end; i++) world_run(w, 1 * MS);
    return go_on(w, end > 0 && end < starts_at && clean_and_lose_tail(w, end), moment_us, out);
}

static const struct stored_batch *last_batch(const struct broker_log *log) {
    return broker_log_at(log, log->count - 1);
}

static bool is_there(const struct broker_log *log, int64_t offset) {
    size_t i = broker_log_find(log, offset);
    return i < log->count && broker_log_at(log, i)->header.base_offset <= offset;
}

// The last batch was joined of two, and the source's cleaner has taken the second, which was written under a later
// leader epoch than the first. Under which the batch before the next one was written, nobody knows any more: the
// first one's epoch had ended by then.
const char *cleaned_part(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(47 + (uint64_t)moment_us);
    plan.nodes[SOURCE] = 3;
    plan.topics[0].compacted = plan.join_small_batches = true;
    plan.load_pause_us = 200 * MS;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND);
    load_stop(w);
    world_run(w, 3 * SECOND);
    instance_kill(&w->instances[0], false);
    scenario_write_key(w, 'k', 1);
    world_run(w, 100 * MS);  // they stand in one file, or they would come with two answers
    broker_leader_move(w->clusters[SOURCE], TOPIC, 0, scenario_source(w).leader % 3 + 1, false);
    world_run(w, 100 * MS + moment_us);
    scenario_write_key(w, 'l', 1);
    world_run(w, 1 * SECOND);
    int64_t part = scenario_source(w).log->end - 1;
    instance_start(&w->instances[0]);
    world_run(w, 5 * SECOND);
    const struct batch_header *joined = &last_batch(scenario_truth(w).log)->header;
    bool cut = joined->base_offset < part && batch_last_offset(joined) == part;
    instance_kill(&w->instances[0], false);
    scenario_write_key(w, 'l', 1);
    world_run(w, 1 * SECOND);
    scenario_write_key(w, 'm', 1);
    world_run(w, 1 * SECOND);
    broker_clean_logs(w->clusters[SOURCE]);
    cut &= !is_there(scenario_source(w).log, part) && is_there(scenario_source(w).log, part - 1);
    return go_on(w, cut, 0, out);
}

// The cleaner took all that a crash has left, for records that the crash took, though the disk had said it had them:
// nothing is below the log's end. (An unclean election leaves such a log, too; and before Kafka 3.9 a cleaner did not
// leave the last batch of its round, KAFKA-17076.)
const char *cleaned_below(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(17);
    plan.nodes[DESTINATION] = plan.replication_factor = 1;
    plan.topics[0].compacted = true;
    plan.load_pause_us = 60 * SECOND;
    struct world *w = world_begin(&plan, NULL, false, out);
    load_stop(w);
    world_run(w, 5 * SECOND);
    int64_t start = scenario_truth(w).log->end;  // what has other keys goes with the log's start
    for (int i = 0; i < 5; i++) {
        scenario_write_key(w, 'k', 2);
        world_run(w, 2 * SECOND);
    }
    broker_delete_records(destination(w), TOPIC, 0, start);
    broker_clean_logs(destination(w));
    const struct broker_log *log = scenario_truth(w).log;
    int32_t left = (int32_t)log->count;
    world_run(w, 60 * SECOND + moment_us);  // until the disk knows the log's start
    broker_node_stop(destination(w), 1, BROKER_DISK_LIED, left);
    world_run(w, 1 * SECOND);
    broker_node_start(destination(w), 1);
    world_run(w, 1 * MS);
    log = scenario_truth(w).log;
    bool nothing = log->start == start && log->end > start && log->count == 0;
    world_run(w, 20 * SECOND);
    const char *said = scenario_end(w);
    return said || nothing ? said : "something was below the log's end";
}

// The same at the source: of what was mirrored last it has nothing left, though its log goes on. That is no divergence.
const char *cleaned_source(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(18);
    plan.topics[0].compacted = true;
    plan.load_pause_us = 200 * MS;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND + moment_us);
    load_stop(w);
    scenario_write_key(w, 'k', 2);
    world_run(w, 2 * SECOND);
    int64_t end = scenario_truth(w).log->end;
    instance_kill(&w->instances[0], false);
    for (int i = 0; i < 2; i++) {  // the cleaner looks at what is behind in closed files only
        scenario_write_key(w, 'k', 2);
        world_run(w, 2 * SECOND);
    }
    broker_clean_logs(w->clusters[SOURCE]);
    w->ledger.topics[0].truncated[0] = true;
    broker_node_stop(w->clusters[SOURCE], 1, BROKER_DISK_LIED, 2);
    world_run(w, 1 * SECOND);
    broker_node_start(w->clusters[SOURCE], 1);
    world_run(w, 1 * SECOND);
    const struct broker_log *log = scenario_source(w).log;
    bool nothing = log->end == end && broker_log_find(log, end - 2) == log->count;
    instance_start(&w->instances[0]);
    world_run(w, 60 * SECOND);
    bool works = w->instances[0].flow->partitions[0]->state == PARTITION_COPY;
    const char *said = scenario_end(w);
    if (!said && !works) said = "what a cleaner took is called another";
    return said || nothing ? said : "the source has something at the last offsets";
}
