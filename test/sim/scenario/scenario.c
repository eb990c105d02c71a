// What the stories have in common.
#include "sim/scenario/scenario.h"

#include "base/buffer.h"
#include "base/limits.h"
#include "wire/records.h"

#include <string.h>

#define TOPIC "topic-0"

struct plan scenario_plan(uint64_t seed) {
    return (struct plan){.seed = seed,
                         .instances = 1,
                         .nodes = {1, 3},
                         .replication_factor = 3,
                         .min_insync = 1,
                         .topics_count = 1,
                         .topics = {{.partitions = 1}},
                         .safety_us = 1 * SECOND,
                         .acks = 1,
                         .slices = 1,
                         .session_timeout_ms = 10000,
                         .fetch_sessions = 1,
                         .fetch_bytes_max = 16 * KiB,
                         .buffer_memory = MiB,
                         .static_members = true,
                         .predecessor_dead = true,
                         .fetch_sessions_kept = 1000,
                         .latency_us_max = 1 * MS,
                         .service_us_max = 1 * MS,
                         .replica_fetch_us_max = 5 * MS,
                         .notice_us_max = 5 * MS,
                         .replica_lag_ms = 30000,
                         .late_us_max = 1 * SECOND,
                         .socket_bytes = MiB,
                         .torn_one_in = 1000,
                         .expiration_ms = 86400000,
                         .expiration_check_ms = 600000,
                         .load_pause_us = 10 * MS};
}

static struct broker_truth truth_at(struct world *w, enum side side) {
    struct broker_truth truth = {0};
    broker_partition_truth(w->clusters[side], TOPIC, 0, &truth);
    return truth;
}

struct broker_truth scenario_truth(struct world *w) {
    return truth_at(w, DESTINATION);
}

struct broker_truth scenario_source(struct world *w) {
    return truth_at(w, SOURCE);
}

void scenario_create_first(struct world *w, const char *const *settings) {
    instance_kill(&w->instances[0], false);
    w->ledger.topics[0].made_by_others = true;
    broker_topic_create(w->clusters[DESTINATION], TOPIC, 1, 3, settings);
}

int64_t scenario_run_to(struct world *w, int64_t end) {
    int64_t at = 0;
    for (int i = 0; i < 500000 && at < end; i++) {
        world_run(w, 100);
        struct broker_truth truth = scenario_truth(w);
        if (truth.log) at = truth.log->end;
    }
    return at;
}

void scenario_hold_followers(struct world *w, bool held) {
    int32_t leader = scenario_truth(w).leader;
    for (int32_t node = plan_first_node(&w->plan); node <= plan_last_node(&w->plan, DESTINATION); node++)
        if (!held || node != leader) broker_replica_hold(w->clusters[DESTINATION], TOPIC, 0, node, held);
}

void scenario_write(struct world *w) {
    for (int i = 0; i < 5; i++) load_write(w, &w->ledger.topics[0], 0);
    world_run(w, 1 * SECOND);
}

static bool deletes(const struct partition *p) {
    return p->state == PARTITION_COPY && leader_query_running(&p->delete_query) &&
           p->delete_query.kind == QUERY_DELETE_RECORDS;
}

void scenario_write_key(struct world *w, char key, int32_t count) {
    const uint8_t body[] = {2, (uint8_t)key, 2, 'v', 0};
    uint8_t batch[BATCH_HEADER_SIZE + 100];
    struct buffer out;
    buffer_init(&out, sizeof batch);
    int64_t now_ms = world_wall_ms(w);
    for (int64_t i = 0; i < count; i++) {
        struct record r = {.offset = i, .timestamp = now_ms, .body = {body, sizeof body}};
        record_append(&out, &r, 0, now_ms);
    }
    memcpy(batch + BATCH_HEADER_SIZE, out.at, out.size);
    struct batch_header h = {.leader_epoch = -1,
                             .last_offset_delta = count - 1,
                             .base_timestamp = now_ms,
                             .max_timestamp = now_ms,
                             .producer_id = -1,
                             .producer_epoch = -1,
                             .base_sequence = -1,
                             .count = count};
    batch_header_write(batch, &h, (int32_t)(BATCH_HEADER_SIZE + out.size));
    broker_append(w->clusters[SOURCE], TOPIC, 0, (struct bytes){batch, BATCH_HEADER_SIZE + out.size});
    buffer_free(&out);
}

struct channel *scenario_stall_deletion(struct world *w) {
    struct flow *f = w->instances[0].flow;
    for (int i = 0; i < 1000000; i++) {
        world_run(w, 20);
        if (f->partitions_count == 0 || !deletes(f->partitions[0])) continue;
        const struct broker *leader = cluster_broker(&f->destination, f->partitions[0]->destination_leader);
        struct channel *ch = network_channel(&leader->control.connection);
        if (ch) network_stall(ch, true);
        return ch;
    }
    return NULL;
}

void scenario_cut(struct world *w, int32_t instance, enum side side, int32_t node, bool on) {
    for (int d = 0; d < DIRECTIONS; d++) network_cut(w, instance, side, node, (enum direction)d, on);
}

void scenario_cut_off(struct world *w, enum side side, int32_t but, bool on) {
    for (int32_t node = plan_first_node(&w->plan); node <= plan_last_node(&w->plan, side); node++)
        if (node != but) scenario_cut(w, 0, side, node, on);
}

bool scenario_comes_now(struct world *w, int32_t instance, int32_t leader) {
    int64_t end = scenario_truth(w).log->end;
    network_cut(w, instance, DESTINATION, leader, OUT, false);
    world_run(w, 200 * MS);
    return scenario_truth(w).log->end > end;
}

void scenario_move_leader(struct world *w) {
    int32_t leader = scenario_truth(w).leader;
    for (int32_t node = plan_first_node(&w->plan); node <= plan_last_node(&w->plan, DESTINATION); node++)
        if (node != leader && broker_leader_move(w->clusters[DESTINATION], TOPIC, 0, node, false)) return;
}

static int64_t end_of(struct world *w, enum side side, int32_t partition) {
    struct broker_truth truth = {0};
    broker_partition_truth(w->clusters[side], TOPIC, partition, &truth);
    return truth.log ? truth.log->end : 0;
}

bool scenario_comes(struct world *w, int32_t partition, int64_t most_us) {
    int64_t end = end_of(w, SOURCE, partition), until_us = w->now_us + most_us;
    while (end_of(w, DESTINATION, partition) < end && w->now_us < until_us && !world_failed(w)) world_run(w, 1 * MS);
    return end_of(w, DESTINATION, partition) >= end;
}

int32_t scenario_coordinator(const struct instance *in) {
    return in->flow->ownership.group.port - SIM_PORT_FIRST + 1;
}

bool scenario_says(const struct world *w, const char *begins) {
    const struct flow *f = w->instances[0].flow;
    if (f->partitions_count != 1 || f->partitions[0]->state != PARTITION_HALTED) return false;
    return strncmp(f->partitions[0]->halt_reason, begins, strlen(begins)) == 0;
}

const char *scenario_end(struct world *w) {
    static char said[500];
    struct outcome *out = world_converge(w);
    world_end(w);
    if (!out->failed) return NULL;
    snprintf(said, sizeof said, "%s: %s", out->checker, out->text);
    return said;
}
