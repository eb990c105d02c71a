// A partition stops for a reason that is true. Each sentence that the core can say is listed here, with what must have
// happened for it to be the truth.
#include "base/limits.h"
#include "sim/checkers.h"
#include "sim/world.h"

struct said {
    struct world *world;
    const struct ledger_topic *topic;
    int32_t partition;
    int64_t offset;
};

static bool parted(const struct said *s) {
    return s->topic->foreign_written[s->partition] || s->topic->ever_deleted || s->topic->truncated[s->partition];
}

static bool foreign(const struct said *s) {
    return s->topic->foreign_written[s->partition];
}

// In one of the topic's lives: the instance may not know yet that there is another one.
static bool in_any_life(const struct said *s, bool (*holds)(const struct said *s, const struct ledger_partition *p)) {
    for (int32_t life = 0; life < s->topic->lives; life++)
        if (holds(s, &s->topic->lived[life][s->partition])) return true;
    return false;
}

static bool transactional(const struct said *s, const struct ledger_partition *p) {
    (void)s;
    return p->transactional;
}

static bool has_transaction(const struct said *s) {
    return in_any_life(s, transactional);
}

static bool is_compacted(const struct said *s) {
    return s->topic->plan->compacted;
}

static bool base_time_differs(const struct said *s, const struct ledger_partition *p) {
    struct broker_truth truth;
    if (!broker_partition_truth(s->world->clusters[DESTINATION], s->topic->destination_name, s->partition, &truth))
        return false;
    size_t i = broker_log_find(truth.log, s->offset);
    if (i == truth.log->count) return false;
    const struct batch_header *ours = &broker_log_at(truth.log, i)->header;
    struct ledger_range source = ledger_range(p, ours->base_offset, batch_last_offset(ours));
    return source.count == 1 && source.batches[0]->header.base_timestamp != ours->base_timestamp;
}

// A cleaner wrote down in place of the base time when tombstones may go. Where that is no later than the records
// themselves (whose clock is ahead), nobody knows it for what it is when it was copied, and another replica leads.
static bool parted_or_horizon(const struct said *s) {
    return parted(s) || (is_compacted(s) && in_any_life(s, base_time_differs));
}

static bool starts_later(const struct said *s, const struct ledger_partition *p) {
    return p->start > s->offset;
}

static bool all_was_deleted(const struct said *s, const struct ledger_partition *p) {
    return p->start >= s->offset;
}

// What was deleted below filler may come back: a killed broker's log starts where its checkpoint says
// (log.flush.start.offset.checkpoint.interval.ms).
static bool deleted_came_back(const struct said *s) {
    const uint32_t *struck = faults_struck(s->world->faults);
    return struck[FAULT_BROKER_KILLED] + struck[FAULT_BROKER_POWER_LOST] > 0 && in_any_life(s, all_was_deleted);
}

// Of the source's replicas one cleaner may have taken the batch that another log still begins with, behind the filler.
static bool ends_without(const struct said *s) {
    return parted(s) || is_compacted(s) || deleted_came_back(s);
}

static bool source_starts_later(const struct said *s) {
    return in_any_life(s, starts_later);
}

static bool looped(const struct said *s, const struct ledger_partition *p) {
    (void)s;
    return p->looped;
}

static bool has_loop(const struct said *s) {
    return in_any_life(s, looped);
}

static bool often_damaged(const struct said *s) {
    return s->topic->damaged[s->partition] ||
           faults_struck(s->world->faults)[FAULT_BATCH_DAMAGED] * 2 > DAMAGED_TRIES_MAX;
}

static bool grew(const struct said *s) {
    return s->topic->partitions > s->topic->plan->partitions || s->topic->destination_grown;
}

static bool other_topic(const struct said *s) {
    return s->topic->ever_deleted;
}

// A broker that hears nothing from its controller does not know of topics and partitions that are new.
static bool somebody_heard_nothing(const struct said *s) {
    const uint32_t *struck = faults_struck(s->world->faults);
    return struck[FAULT_BROKER_ISOLATED] + struck[FAULT_BROKER_FROZEN] > 0;
}

static bool brokers_were_away(const struct said *s) {
    const uint32_t *struck = faults_struck(s->world->faults);
    return somebody_heard_nothing(s) ||
           struck[FAULT_BROKER_SHUT_DOWN] + struck[FAULT_BROKER_KILLED] + struck[FAULT_BROKER_POWER_LOST] > 0;
}

static bool destination_deleted(const struct said *s) {
    return s->topic->destination_deleted || somebody_heard_nothing(s);
}

static bool gone_or_unheard_of(const struct said *s) {
    return s->topic->ever_deleted || somebody_heard_nothing(s);
}

static bool was_forbidden(const struct said *s) {
    return s->topic->forbidden;
}

static bool limit_lowered(const struct said *s) {
    return s->topic->limit_lowered;
}

static bool made_unfit(const struct said *s) {
    return s->topic->made_unfit;
}

// clang-format off
static const struct sentence {
    const char *begins;
    bool (*true_when)(const struct said *s);
    bool passes;    // in peace nobody says it any more
    bool complete;  // what precedes the offset is at the destination
} sentences[] = {
    { "diverged: the destination ends" , ends_without         , false, false },
    { "diverged: "                    , parted_or_horizon     , false, false },
    { "foreign records: "             , foreign               , false, false },
    { "transaction: "                 , has_transaction       , false, true },
    { "compaction: "                  , is_compacted          , false, true },
    { "lost range: "                  , source_starts_later   , false, true },
    { "the source's batch at "        , often_damaged         , false, false },
    { "the destination's batch at "   , often_damaged         , false, false },
    { "source topic was deleted"      , gone_or_unheard_of    , true, false  },
    { "source topic was re-created"   , other_topic           , false, false },
    { "destination topic was deleted" , destination_deleted   , true, false  },
    { "destination topic was re-cr"   , destination_deleted   , true, false  },
    { "the destination refused a bat" , limit_lowered         , true, true   },
    { "the right READ on the topic is" , was_forbidden        , true, false  },
    { "compression.type of the dest"  , made_unfit            , true, false  },
    { "message.timestamp.type of th"  , made_unfit            , true, false  },
    { "loop: "                        , has_loop              , false, true },
    { "too few brokers for more "     , brokers_were_away     , true, false  },
    { "replication.factor cannot be " , brokers_were_away     , true, false  },
    { "destination topic has "        , grew                  , true, false  },
};
// clang-format on

static const struct sentence *sentence_of(const char *reason) {
    for (size_t i = 0; i < sizeof sentences / sizeof *sentences; i++)
        if (strncmp(reason, sentences[i].begins, strlen(sentences[i].begins)) == 0) return &sentences[i];
    return NULL;
}

static const struct ledger_topic *topic_of(const struct world *w, const char *name) {
    for (int32_t i = 0; i < w->ledger.topics_count; i++)
        if (strcmp(w->ledger.topics[i].name, name) == 0) return &w->ledger.topics[i];
    return NULL;
}

// As long as the leader is the one that acknowledged it.
static bool incomplete(struct world *w, const struct partition *p) {
    struct broker_truth truth;
    return broker_partition_truth(w->clusters[DESTINATION], p->topic->destination_name, p->index, &truth) &&
           truth.leader_epoch == p->destination_epoch && truth.leader == p->destination_leader &&
           broker_node_runs(w->clusters[DESTINATION], truth.leader) && truth.log->end < p->halt_offset;
}

static void check_instance(struct world *w, const struct instance *in) {
    for (size_t i = 0; i < in->flow->partitions_count; i++) {
        const struct partition *p = in->flow->partitions[i];
        if (p->state != PARTITION_HALTED) continue;
        struct said s = {w, topic_of(w, p->topic->source_name), p->index, p->halt_offset};
        const struct sentence *sentence = sentence_of(p->halt_reason);
        if (!s.topic || !sentence || !sentence->true_when(&s))
            world_fail(w, "halts", "%s halted %s-%d at offset %lld for no true reason: %s", in->name,
                       p->topic->source_name, (int)p->index, (long long)p->halt_offset, p->halt_reason);
        else if (sentence->complete && incomplete(w, p))
            world_fail(w, "halts", "%s halted %s-%d at offset %lld, and what precedes it is missing: %s", in->name,
                       p->topic->source_name, (int)p->index, (long long)p->halt_offset, p->halt_reason);
    }
}

void check_halts(struct world *w) {
    for (int32_t i = 0; i < w->plan.instances; i++)
        if (w->instances[i].alive) check_instance(w, &w->instances[i]);
}

static bool passes(const char *reason) {
    const struct sentence *sentence = sentence_of(reason);
    return sentence && sentence->passes;
}

const char *halt_reason(const struct world *w, const char *topic, int32_t partition) {
    for (int32_t i = 0; i < w->plan.instances; i++) {
        const struct instance *in = &w->instances[i];
        for (size_t k = 0; in->alive && k < in->flow->partitions_count; k++) {
            const struct partition *p = in->flow->partitions[k];
            if (p->state == PARTITION_HALTED && p->index == partition && !passes(p->halt_reason) &&
                strcmp(p->topic->source_name, topic) == 0)
                return p->halt_reason;
        }
    }
    return NULL;
}
