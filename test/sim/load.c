// What happens at the source.
#include "sim/load.h"

#include "base/memory.h"
#include "sim/batches.h"
#include "sim/selected.h"
#include "sim/world.h"

#include <assert.h>

static void tell(struct world *w, const char *what, const struct ledger_topic *t) {
    trace_tell(&w->trace, w->now_us, "world", "%s %s, %d partitions", what, t->name, (int)t->partitions);
}

// Topics ------------------------------------------------------------------------------------------------------------

// A log whose beginning is gone by the time somebody reads it, perhaps in the middle of a batch: first it is written,
// then, when it is replicated, deleted.
static void begin_later(struct world *w, struct ledger_topic *t, bool written) {
    struct broker_truth truth;
    if (written) {
        broker_delete_records(w->clusters[SOURCE], t->name, 0, t->plan->starts_at);
        broker_note_log_starts(w->clusters[SOURCE]);  // long ago
    }
    for (int i = 0; !written && i < t->plan->starts_at; i++) {
        if (!broker_partition_truth(w->clusters[SOURCE], t->name, 0, &truth) || truth.log->end >= t->plan->starts_at)
            break;
        load_write(w, t, 0);
    }
}

// What is not selected has records, too, and one has a stranger's topic where it would be mirrored to.
static void create_others(struct world *w) {
    for (size_t i = 0; i < SELECTED_OTHERS; i++) {
        char name[SELECTED_NAME_SIZE], renamed[SELECTED_NAME_SIZE];
        selected_other(&w->plan, i, name);
        selected_destination_name(&w->plan, name, renamed);
        broker_topic_create(w->clusters[SOURCE], name, 2, 1, NULL);
        if (i == 0) broker_topic_create(w->clusters[DESTINATION], renamed, 1, 1, NULL);
    }
}

static void write_others(struct world *w) {
    struct batch_kind kind = {0};
    uint8_t batch[BATCH_SIZE_MAX];
    size_t size = batches_write(&w->load.prng, &kind, world_wall_ms(w), batch);
    struct broker_truth truth;
    for (size_t i = 0; i < SELECTED_OTHERS; i++) {
        char name[SELECTED_NAME_SIZE], renamed[SELECTED_NAME_SIZE];
        selected_other(&w->plan, i, name);
        selected_destination_name(&w->plan, name, renamed);
        broker_append(w->clusters[SOURCE], name, 0, (struct bytes){batch, size});
        if (i > 0) continue;
        broker_append(w->clusters[DESTINATION], renamed, 0, (struct bytes){batch, size});
        if (broker_partition_truth(w->clusters[DESTINATION], renamed, 0, &truth)) w->load.other_end = truth.log->end;
    }
}

static void on_begin(struct timer *timer, int64_t now_us) {
    struct load *l = CONTAINER_OF(timer, struct load, begin);
    struct world *w = l->world;
    for (int32_t i = 0; i < w->ledger.topics_count; i++) {
        struct ledger_topic *t = &w->ledger.topics[i];
        if (t->plan->starts_at > 0 && !t->plan->compacted) begin_later(w, t, l->begun);
    }
    if (l->begun) return;
    if (w->plan.separator) write_others(w);
    l->begun = true;
    timer_set(&w->timers, timer, now_us + LOAD_BEGIN_US / 3);
}

// Some are copied to the destination's topic, others are not (checkers/topics.c).
static const struct {
    const char *name, *value;
} more_settings[SIM_MORE_SETTINGS] = {
    [SIM_LONG_RETENTION] = {"retention.ms", "1209600000"},
    {"flush.messages", "1000"},
    {"max.message.bytes", "300000"},
    {"max.message.bytes", "3000000"},
    {"min.insync.replicas", "1"},
    {"leader.replication.throttled.replicas", "*"},
    [SIM_SHORT_TOMBSTONES] = {"delete.retention.ms", "1"},
    [SIM_SHORT_FILES] = {"segment.ms", "150"},  // a batch is 100 ms younger than the one before, or more
};

// False: the source's controller refuses, there are no brokers.
static bool create_at_source(struct world *w, struct ledger_topic *t) {
    const char *settings[11 + 2 * SIM_MORE_SETTINGS] = {NULL};
    size_t n = 0;
    if (t->plan->append_time) settings[n++] = "message.timestamp.type", settings[n++] = "LogAppendTime";
    if (t->plan->compacted) settings[n++] = "cleanup.policy", settings[n++] = "compact";
    if (t->plan->compacted) settings[n++] = "segment.ms", settings[n++] = "500";
    if (t->plan->compacted) settings[n++] = "min.cleanable.dirty.ratio", settings[n++] = "0.01";
    if (t->plan->kept) settings[n++] = "retention.ms", settings[n++] = "-1";
    for (size_t i = 0; i < SIM_MORE_SETTINGS; i++) {
        if (!(t->plan->more_settings & 1u << i) || (t->plan->kept && i == SIM_LONG_RETENTION)) continue;
        settings[n++] = more_settings[i].name;
        settings[n++] = more_settings[i].value;
    }
    settings[n] = NULL;
    broker_topic_create(w->clusters[SOURCE], t->name, t->partitions, (int16_t)w->plan.nodes[SOURCE], settings);
    if (broker_topic_partitions(w->clusters[SOURCE], t->name) == 0) return false;
    t->there = true;
    t->lives++;
    return true;
}

bool load_create_topic(struct world *w) {
    struct ledger *l = &w->ledger;
    if (l->topics_count == LEDGER_TOPICS_MAX) return false;
    struct ledger_topic *t = &l->topics[l->topics_count];
    t->plan = &w->plan.topics[l->topics_count % SIM_TOPICS_MAX];
    t->partitions = t->plan->partitions;
    selected_name(&w->plan, l->topics_count, t->name);
    selected_destination_name(&w->plan, t->name, t->destination_name);
    for (int32_t k = 0; k < 2 * SIM_PARTITIONS_MAX; k++) {
        t->life_at_destination[k] = -1;
        t->checked[k].foreign_at = -1;
    }
    if (!create_at_source(w, t)) return false;
    l->topics_count++;
    tell(w, "creates", t);
    return true;
}

bool load_create_again(struct world *w, struct ledger_topic *t) {
    if (t->there || t->lives == LEDGER_LIVES_MAX) return false;
    if (!create_at_source(w, t)) return false;
    tell(w, "creates again", t);
    return true;
}

bool load_grow(struct world *w, struct ledger_topic *t) {
    if (!t->there || t->partitions == 2 * SIM_PARTITIONS_MAX) return false;
    broker_topic_grow(w->clusters[SOURCE], t->name, t->partitions + 1);
    if (broker_topic_partitions(w->clusters[SOURCE], t->name) == t->partitions) return false;
    t->partitions++;
    tell(w, "grows", t);
    return true;
}

void load_delete_topic(struct world *w, struct ledger_topic *t) {
    ledger_note(w);
    t->there = false;
    t->ever_deleted = true;
    broker_topic_delete(w->clusters[SOURCE], t->name);
    tell(w, "deletes", t);
}

// Records -----------------------------------------------------------------------------------------------------------

static int64_t next_timestamp(struct world *w, const struct ledger_topic *t) {
    int64_t ms = w->load.timestamp_ms + 100;  // more than a batch has records
    if (world_wall_ms(w) > ms) ms = world_wall_ms(w);
    w->load.timestamp_ms = ms;
    return t->plan->last_year ? ms - SIM_YEAR_MS : ms;
}

static size_t make(struct world *w, const struct ledger_topic *t, uint8_t *out) {
    struct batch_kind kind = {w->plan.batch_sizes, t->plan->compacted, w->plan.plain};
    return batches_write(&w->load.prng, &kind, next_timestamp(w, t), out);
}

void load_write(struct world *w, struct ledger_topic *t, int32_t partition) {
    uint8_t batch[BATCH_SIZE_MAX];
    size_t size = make(w, t, batch);
    int16_t code = broker_append(w->clusters[SOURCE], t->name, partition, (struct bytes){batch, size});
    trace_mix(&w->trace, (uint64_t)(uint16_t)code);
}

static void stamp(uint8_t *batch, int64_t producer_id, int16_t attributes) {
    struct batch_header h;
    enum batch_look look = batch_look((struct bytes){batch, BATCH_SIZE_MAX}, &h);
    assert(look == BATCH_WHOLE);
    (void)look;
    h.producer_id = producer_id;
    h.producer_epoch = 0;
    h.base_sequence = 0;
    h.attributes |= attributes;
    batch_header_write(batch, &h, h.size);
}

void load_write_transaction(struct world *w, struct ledger_topic *t, int32_t partition) {
    uint8_t batch[BATCH_SIZE_MAX];
    size_t size = make(w, t, batch);
    t->transaction_of[partition] = 1000 + (int64_t)prng_below(&w->load.prng, 1000000);
    stamp(batch, t->transaction_of[partition], BATCH_ATTRIBUTE_TRANSACTIONAL);
    broker_append(w->clusters[SOURCE], t->name, partition, (struct bytes){batch, size});
}

void load_end_transaction(struct world *w, struct ledger_topic *t, int32_t partition, bool commit) {
    broker_append_marker(w->clusters[SOURCE], t->name, partition, t->transaction_of[partition], commit);
}

void load_write_mirrored(struct world *w, struct ledger_topic *t, int32_t partition, const char *from) {
    uint8_t batch[BATCH_SIZE_MAX];
    size_t size = make(w, t, batch);
    stamp(batch, provenance_producer_id(from, SIM_CLUSTER_SOURCE), 0);
    broker_append(w->clusters[SOURCE], t->name, partition, (struct bytes){batch, size});
}

void load_write_foreign(struct world *w, struct ledger_topic *t, int32_t partition) {
    uint8_t batch[BATCH_SIZE_MAX];
    size_t size = make(w, t, batch);
    // A producer's, or those of another mirror.
    if (prng_below(&w->load.prng, 2)) stamp(batch, provenance_producer_id("other", SIM_CLUSTER_DESTINATION), 0);
    broker_append(w->clusters[DESTINATION], t->destination_name, partition, (struct bytes){batch, size});
    t->foreign_written[partition] = true;
}

static void write_some(struct world *w) {
    struct load *l = &w->load;
    struct ledger_topic *t = &w->ledger.topics[prng_below(&l->prng, (uint64_t)w->ledger.topics_count)];
    int32_t partition = (int32_t)prng_below(&l->prng, (uint64_t)t->partitions);
    if (!t->there) return;
    int64_t count = prng_below(&l->prng, 10) == 0 ? prng_between(&l->prng, 2, 20) : 1;
    for (; count > 0 && l->left > 0; count--, l->left--) load_write(w, t, partition);
}

static void on_timer(struct timer *timer, int64_t now_us) {
    struct load *l = CONTAINER_OF(timer, struct load, timer);
    struct world *w = l->world;
    write_some(w);
    bool quiet = prng_below(&l->prng, 60) == 0;
    int64_t pause_us = prng_between(&l->prng, 0, quiet ? 20 * SECOND : 2 * w->plan.load_pause_us);
    if (l->left > 0) timer_set(&w->timers, timer, now_us + pause_us);
}

void load_start(struct world *w) {
    struct load *l = &w->load;
    *l = (struct load){.world = w, .left = LOAD_BATCHES_MAX};
    prng_seed(&l->prng, w->plan.seed ^ 0x10ad);
    timer_init(&l->timer, on_timer);
    timer_init(&l->begin, on_begin);
    for (int32_t i = 0; i < w->plan.topics_count; i++) load_create_topic(w);
    if (w->plan.separator) create_others(w);
    timer_set(&w->timers, &l->begin, w->now_us + LOAD_BEGIN_US / 2);
    timer_set(&w->timers, &l->timer, w->now_us + LOAD_BEGIN_US / 2);
}

void load_stop(struct world *w) {
    timer_cancel(&w->timers, &w->load.timer);
    timer_cancel(&w->timers, &w->load.begin);
    w->load.stopped = true;
}
