// RESYNC: position, last batch of the destination, the same batch at the source; then the partition knows where it
// stands, or halts because the two logs do not fit together.
#include "base/limits.h"
#include "base/rare.h"
#include "mirror/flow.h"
#include "mirror/partition_private.h"
#include "mirror/provenance.h"
#include "mirror/splice.h"
#include "wire/error_codes.h"

#include <assert.h>

static void on_position(struct position_query *q, const struct position *position, const struct error *error);
static void on_tail(struct leader_query *q, const struct leader_answer *a);
static void on_source_batch(struct leader_query *q, const struct leader_answer *a);
static void on_source_start(struct leader_query *q, const struct leader_answer *a);
static void on_start_of_filled(struct leader_query *q, const struct leader_answer *a);
static void on_source_below_end(struct leader_query *q, const struct leader_answer *a);
static void splice_holds(struct partition *p);

void resync_cancel(struct partition *p) {
    position_cancel(&p->position_query);
    leader_query_cancel(&p->query);
    leader_query_cancel(&p->delete_query);
    buffer_free(&p->tail_parts);
}

// LEADERS_KNOWN: attach to the connection that will append and ask there, at once or when it is ready.
void resync_begin(struct partition *p) {
    appender_detach(&p->append);
    struct appender *a = flow_appender(p->flow, p->destination_leader, p->alone ? APPEND_LANE_ALONE : p->lane);
    appender_attach(a, &p->append);
    if (broker_link_ready(&a->link)) resync_on_appender_ready(p);
}

void resync_on_appender_ready(struct partition *p) {
    if (p->state != PARTITION_RESYNC || link_linked(&p->position_query.link)) return;
    p->position_query.name = &p->append.name;
    p->position_query.leader_epoch = p->destination_epoch;
    p->position_query.producer_id = p->flow->producer_id;
    p->position_query.answer = on_position;
    position_ask(flow_positions(p->append.appender), &p->position_query);
}

static void ask(struct partition *p, struct leader_queries *whom, int32_t node_id, enum leader_query_kind kind,
                int64_t value, void (*answer)(struct leader_query *q, const struct leader_answer *a)) {
    bool at_source = whom == &p->flow->source_queries;
    p->query.kind = kind;
    p->query.partition = at_source ? p->fetch.name : p->append.name;
    p->query.leader_epoch = at_source ? p->fetch.leader_epoch : p->destination_epoch;
    p->query.value = value;
    p->query.size_hint = at_source && p->tail.size > 0 ? splice_source_size(&p->tail) : MiB;
    p->query.answer = answer;
    leader_query_ask(whom, node_id, &p->query);
}

// What no CRC covers (a log's end and start, a batch's offset, that nothing is there), and what the verdict rests on. A
// bit may have been flipped on the way: it holds when the next look finds all of it again.
static void hear(struct partition *p, const char *what, struct bytes detail) {
    uint64_t heard[] = {p->hearsay, hash_bytes(what, strlen(what)), hash_bytes(detail.at, detail.size)};
    p->hearsay = hash_bytes(heard, sizeof heard) | 1;
}

static void hear_offset(struct partition *p, const char *what, int64_t offset) {
    hear(p, what, (struct bytes){(const uint8_t *)&offset, sizeof offset});
}

static struct bytes first_header(struct bytes batches) {
    return (struct bytes){batches.at, batches.size < BATCH_HEADER_SIZE ? batches.size : BATCH_HEADER_SIZE};
}

static void on_position(struct position_query *q, const struct position *position, const struct error *error) {
    struct partition *p = CONTAINER_OF(q, struct partition, position_query);
    if (error_is(error)) {
        partition_surprise(p, error);
        return;
    }
    p->position = *position;
    p->tail = (struct batch_header){0};
    buffer_free(&p->tail_parts);
    p->tail_log_start = position->log_end;
    p->look_below = false;
    p->hearsay = 0;
    if (position->log_end == 0) {
        hear_offset(p, "the log is empty", 0);
        splice_holds(p);
        return;
    }
    ask(p, &p->flow->destination_queries, p->destination_leader, QUERY_BATCH, position->log_end - 1, on_tail);
}

// Not there yet, but it should come: look again, for a while, ever more rarely. It may be a cluster that is in trouble.
static void again(struct partition *p, const char *what) {
    struct flow *f = p->flow;
    int64_t waited_us = f->env->now_us - p->waited_since_us;
    if (waited_us > REPLICATION_WAIT_US_MAX) {
        struct error why = error_make(ERROR_TIMEOUT, 0, "resync", "%s", what);
        partition_surprise(p, &why);
        return;
    }
    int64_t wait_us = waited_us / RESYNC_PATIENT_PART;
    if (wait_us < PARTITION_BACKOFF_US_MIN) wait_us = PARTITION_BACKOFF_US_MIN;
    if (wait_us > PARTITION_BACKOFF_US_MAX) wait_us = PARTITION_BACKOFF_US_MAX;
    timer_set(&f->env->timers, &p->timer, f->env->now_us + wait_us);
}

static bool seen_twice(struct partition *p, const char *what, struct bytes detail) {
    if (partition_saw(&p->doubted, detail)) return true;
    struct error why = error_make(ERROR_PROTOCOL, 0, "resync", "looks again: %s", what);
    partition_surprise(p, &why);
    return false;
}

static void damaged(struct partition *p, const char *whose) {
    RARE("resync: a batch is damaged");
    partition_found_damage(p, p->tail.base_offset, whose, "its CRC or that of one behind it is wrong");
}

// What the destination's last batch says about who wrote it. False: the partition is halted or looks again.
static bool tail_is_ours(struct partition *p) {
    struct flow *f = p->flow;
    const struct batch_header *t = &p->tail;
    if (!provenance_same_flow(t->producer_id, f->producer_id) || (t->attributes & BATCH_ATTRIBUTE_CONTROL)) {
        RARE("resync: a foreign last batch");
        // (Its offset may be another each time: a stranger goes on writing.)
        if (!seen_twice(p, "foreign records", bytes_of_text("foreign records"))) return false;
        bool mirrored = provenance_is_ours(t->producer_id) && !provenance_same_flow(t->producer_id, f->producer_id);
        partition_halt(p, t->base_offset,
                       "foreign records: offsets %lld..%lld of the destination were %s; the mirror must be the only "
                       "writer of %s (diverged)",
                       (long long)t->base_offset, (long long)batch_last_offset(t),
                       mirrored ? "mirrored from another cluster, or from this one's predecessor"
                                : "not written by this flow",
                       p->topic->destination_name);
        return false;
    }
    // Not the count: the destination's cleaner may have thinned it (DefaultRecordBatch.lastSequence).
    int32_t last_sequence = sequence_add(t->base_sequence, t->last_offset_delta);
    if (!p->position.known) {  // the broker forgot (producer.id.expiration.ms); the batch remembers
        RARE("resync: the broker forgot the state, the batch remembers");
        p->position.producer_id = t->producer_id;
        p->position.producer_epoch = t->producer_epoch;
        p->position.last_sequence = last_sequence;
    } else if (p->position.last_sequence != last_sequence || p->position.producer_epoch != t->producer_epoch) {
        RARE("resync: state and last batch differ");
        struct error why = error_make(ERROR_PROTOCOL, 0, "resync", "the last batch and the producer state differ");
        partition_surprise(p, &why);
        return false;
    }
    return true;
}

// Nothing is left to compare. Whether it was filler or records that went, nobody can say but who saw the filler, up to
// there; so where the source starts later, copy halts: those records were never mirrored.
static void nothing_below(struct partition *p) {
    if (p->position.log_end != p->filled_end) p->only_filler = false;
    hear_offset(p, "nothing is below the end", p->position.log_end);
    if (p->position.known)
        ask(p, &p->flow->source_queries, p->source_leader, QUERY_BATCH, p->position.log_end - 1, on_source_below_end);
    else splice_holds(p);
}

static void on_tail(struct leader_query *q, const struct leader_answer *a) {
    struct partition *p = CONTAINER_OF(q, struct partition, query);
    if (a->error.kind == ERROR_KAFKA && a->error.code == KAFKA_OFFSET_OUT_OF_RANGE) {
        RARE("resync: the destination's log is empty above its start");
        nothing_below(p);
        return;
    }
    if (error_is(&a->error)) {
        partition_surprise(p, &a->error);
        return;
    }
    if (a->high_watermark < p->position.log_end) {  // rule 13
        RARE("resync: the high watermark is below the log end");
        again(p, "the destination's followers do not catch up with its leader");
        return;
    }
    if (a->records.size == 0) {
        // A cleaner took what is below, for records behind it that a crash has lost since.
        RARE("resync: the destination's log has nothing below its end");
        nothing_below(p);
        return;
    }
    if (batch_look(a->records, &p->tail) != BATCH_WHOLE ||
        batch_last_offset(&p->tail) != p->position.log_end - 1) {
        RARE("resync: the last batch was not answered");
        struct error why =
            error_make(ERROR_PROTOCOL, 0, "resync", "the batch that ends at the log end was not answered");
        partition_surprise(p, &why);
        return;
    }
    if (!batch_crc_is_right((struct bytes){a->records.at, (size_t)p->tail.size})) {
        damaged(p, "destination's");
        return;
    }
    p->tail_log_start = a->log_start;
    if (!tail_is_ours(p)) return;
    p->max_timestamp = p->tail.max_timestamp;
    p->only_filler = batch_is_filler((struct bytes){a->records.at, (size_t)p->tail.size}, &p->tail);
    if (p->only_filler) {
        RARE("resync: only filler at the destination");
        p->filled_end = p->position.log_end;
        // And no consumer should see it; nor what the source hides behind it.
        if (p->log_start_wanted < p->position.log_end) p->log_start_wanted = p->position.log_end;
        ask(p, &p->flow->source_queries, p->source_leader, QUERY_OFFSET, QUERY_EARLIEST, on_start_of_filled);
        return;
    }
    ask(p, &p->flow->source_queries, p->source_leader, QUERY_BATCH, p->tail.base_offset, on_source_batch);
}

// A leader may show what others have deleted already; but when it goes on, what it has there was never mirrored.
static void not_mirrored(struct partition *p, const char *why) {
    RARE("resync: the source has what was never mirrored");
    if (!partition_believes_source(p)) {
        again(p, "the source has what was never mirrored");
        return;
    }
    partition_halt(p, p->position.log_end,
                   "diverged: the destination ends at offset %lld without what the source holds below (%s): was the "
                   "topic made anew?",
                   (long long)p->position.log_end, why);
    partition_halt_may_pass(p);
}

// The source may be a mirror, too, and show its own filler.
static void on_batch_of_filled(struct leader_query *q, const struct leader_answer *a) {
    struct partition *p = CONTAINER_OF(q, struct partition, query);
    bool starts_later = a->error.kind == ERROR_KAFKA && a->error.code == KAFKA_OFFSET_OUT_OF_RANGE;
    int32_t leader_epoch;
    if (error_is(&a->error) && !starts_later) {
        partition_surprise(p, &a->error);
        return;
    }
    enum splice_verdict found =
        starts_later ? SPLICE_DIFFERENT : splice_compare(&p->tail, a->records, &leader_epoch);
    if (found != SPLICE_SAME && found != SPLICE_REWRITTEN) {
        not_mirrored(p, "its log starts where filler stands");
        return;
    }
    hear(p, "the source has filler, too", first_header(a->records));
    splice_holds(p);
}

// Filler stands for what the source's log does not have: it cannot start below its end.
static void on_start_of_filled(struct leader_query *q, const struct leader_answer *a) {
    struct partition *p = CONTAINER_OF(q, struct partition, query);
    if (error_is(&a->error)) {
        partition_surprise(p, &a->error);
    } else if (a->offset < p->position.log_end) {
        ask(p, &p->flow->source_queries, p->source_leader, QUERY_BATCH, p->tail.base_offset, on_batch_of_filled);
    } else {
        splice_holds(p);
    }
}

// Nothing is left to compare but when the newest record was that we wrote, or our filler: the source's cannot be newer.
static void on_source_below_end(struct leader_query *q, const struct leader_answer *a) {
    struct partition *p = CONTAINER_OF(q, struct partition, query);
    struct batch_header h;
    bool starts_later = a->error.kind == ERROR_KAFKA && a->error.code == KAFKA_OFFSET_OUT_OF_RANGE;  // or ends earlier
    if (error_is(&a->error) && !starts_later) {
        partition_surprise(p, &a->error);
        return;
    }
    bool there = !starts_later && batch_look(a->records, &h) == BATCH_WHOLE && h.base_offset <= q->value;
    if (!there || h.max_timestamp <= p->position.last_timestamp) {
        splice_holds(p);
    } else if (!batch_crc_is_right((struct bytes){a->records.at, (size_t)h.size})) {
        partition_found_damage(p, q->value, "source's", "its CRC is wrong");
    } else {
        not_mirrored(p, "it is newer than what was written last");
    }
}

// `detail`: what in the source's answer makes the difference to `ours`.
static void diverged(struct partition *p, const struct batch_header *ours, const char *what, struct bytes detail) {
    if (!seen_twice(p, what, detail)) return;
    partition_halt(p, ours->base_offset,
                   "diverged: the destination's records %lld..%lld are not what the source holds at these offsets (%s)",
                   (long long)ours->base_offset, (long long)batch_last_offset(ours), what);
}

// Whether the destination's log begins with something that the source's does not have: once for each owner, because
// what he fills himself he remembers to delete. But a broker that is killed may forget what was deleted
// (log.flush.start.offset.checkpoint.interval.ms).
static void look_below(struct partition *p, int64_t source_log_start) {
    p->source_log_start = source_log_start;
    if (p->tail_log_start < p->known_log_start) {
        RARE("resync: the destination's log start went back");
        p->looked_below = false;
    }
    p->known_log_start = p->tail_log_start;
    bool earlier = p->tail_log_start < source_log_start && p->tail_log_start <= p->tail.base_offset;
    p->look_below = !p->looked_below && earlier;
    if (!p->look_below) return;  // else both decide what is deleted
    hear_offset(p, "the destination starts", p->tail_log_start);
    hear_offset(p, "the source starts", source_log_start);
}

static void source_ends_before(struct partition *p) {
    RARE("resync: the source ends before what was mirrored");
    static const char before[] = "the source ends before them";
    if (partition_believes_source(p)) diverged(p, &p->tail, before, bytes_of_text(before));
    else again(p, "the source ends before what was mirrored");
}

// Keeps the whole batches of an answer; query.value is the offset behind them then.
static void keep_parts(struct partition *p, struct bytes records) {
    struct batch_header h;
    if (!p->tail_parts.at) buffer_init(&p->tail_parts, (size_t)splice_parts_size_max(&p->tail) + FRAME_SIZE_MAX);
    while (batch_look(records, &h) == BATCH_WHOLE) {
        buffer_append(&p->tail_parts, records.at, (size_t)h.size);
        p->query.value = batch_last_offset(&h) + 1;
        records = (struct bytes){records.at + h.size, records.size - (size_t)h.size};
    }
}

// The batches that ours may be made of did not come with one answer: it was too short, or a segment file of the
// source's ends between them (a fetch reads from one file: LocalLog.read).
static void ask_for_more(struct partition *p, int64_t asked) {
    RARE("resync: the parts of a joined batch do not come at once");
    if ((int64_t)p->tail_parts.size > splice_parts_size_max(&p->tail)) {
        diverged(p, &p->tail, "they are more", bytes_of_text("they are more"));
        return;
    }
    if (p->query.value == asked) {
        struct error why = error_make(ERROR_PROTOCOL, 0, "resync", "no whole batch was answered for offset %lld",
                                      (long long)asked);
        partition_surprise(p, &why);
        return;
    }
    ask(p, &p->flow->source_queries, p->source_leader, QUERY_BATCH, p->query.value, on_source_batch);
}

static bool holds_damage(struct bytes batches) {
    struct batch_header h;
    while (batch_look(batches, &h) == BATCH_WHOLE) {
        if (!batch_crc_is_right((struct bytes){batches.at, (size_t)h.size})) return true;
        batches = (struct bytes){batches.at + h.size, batches.size - (size_t)h.size};
    }
    return false;
}

static void differs(struct partition *p, const struct batch_header *ours, struct bytes source) {
    if (holds_damage(source)) damaged(p, "source's");
    else diverged(p, ours, "they differ", first_header(source));
}

static void source_fits(struct partition *p, int64_t source_log_start) {
    p->source_doubted_us = 0;
    buffer_free(&p->tail_parts);
    look_below(p, source_log_start);
    splice_holds(p);
}

// What the source's cleaner has left further below is compared with what the destination has there.
static void on_ours_below(struct leader_query *q, const struct leader_answer *a) {
    struct partition *p = CONTAINER_OF(q, struct partition, query);
    if (error_is(&a->error)) {
        partition_surprise(p, &a->error);
        return;
    }
    struct batch_header ours;
    int32_t leader_epoch;
    struct bytes source = {p->tail_parts.at, p->tail_parts.size};
    // Else the destination's cleaner took it.
    bool there = batch_look(a->records, &ours) == BATCH_WHOLE && ours.base_offset <= q->value;
    if (there && !batch_crc_is_right((struct bytes){a->records.at, (size_t)ours.size})) {
        damaged(p, "destination's");
        return;
    }
    if (there && !batch_is_filler((struct bytes){a->records.at, (size_t)ours.size}, &ours) &&
        splice_compare(&ours, source, &leader_epoch) == SPLICE_DIFFERENT) {
        RARE("resync: what the source has left below is another topic's");
        differs(p, &ours, source);
        return;
    }
    hear(p, "ours below", first_header(a->records));
    source_fits(p, p->source_log_start);
}

static void on_source_below(struct leader_query *q, const struct leader_answer *a) {
    struct partition *p = CONTAINER_OF(q, struct partition, query);
    if (error_is(&a->error)) {
        partition_surprise(p, &a->error);
        return;
    }
    struct batch_header first;
    enum batch_look look = batch_look(a->records, &first);
    if (look == BATCH_DAMAGED) {
        damaged(p, "source's");
        return;
    }
    hear(p, "the source's below", first_header(a->records));
    if (look != BATCH_WHOLE || batch_last_offset(&first) >= p->tail.base_offset) {
        source_fits(p, p->source_log_start);
        return;
    }
    int64_t at = first.base_offset > q->value ? first.base_offset : q->value;
    buffer_init(&p->tail_parts, a->records.size);
    buffer_append(&p->tail_parts, a->records.at, a->records.size);
    ask(p, &p->flow->destination_queries, p->destination_leader, QUERY_BATCH, at, on_ours_below);
}

// A cleaner took what stood at the offsets of our last batch. That alone would fit a topic that was made anew, too: so
// the first batch is looked at that both may still have.
static void source_has_nothing(struct partition *p, const struct leader_answer *a) {
    RARE("resync: the source's log has nothing left at the last offsets");
    hear(p, "nothing at the source", first_header(a->records));
    p->fetch.last_fetched_epoch = -1;
    p->source_log_start = a->log_start;
    int64_t from = a->log_start > p->tail_log_start ? a->log_start : p->tail_log_start;
    buffer_free(&p->tail_parts);
    if (from < p->tail.base_offset)
        ask(p, &p->flow->source_queries, p->source_leader, QUERY_BATCH, from, on_source_below);
    else source_fits(p, a->log_start);
}

static void on_source_batch(struct leader_query *q, const struct leader_answer *a) {
    struct partition *p = CONTAINER_OF(q, struct partition, query);
    if (a->error.kind == ERROR_KAFKA && a->error.code == KAFKA_OFFSET_OUT_OF_RANGE) {
        if (p->query.value > p->tail.base_offset) again(p, "the source's log start moves while it is compared");
        else ask(p, &p->flow->source_queries, p->source_leader, QUERY_OFFSET, QUERY_EARLIEST, on_source_start);
        return;
    }
    if (error_is(&a->error)) {
        partition_surprise(p, &a->error);
        return;
    }
    bool complete = a->high_watermark > batch_last_offset(&p->tail);
    if (a->records.size == 0) {
        if (complete) source_has_nothing(p, a);
        else source_ends_before(p);
        return;
    }
    int64_t asked = p->query.value;
    bool more = p->tail_parts.size > 0;
    if (more) keep_parts(p, a->records);
    struct bytes source = more ? (struct bytes){p->tail_parts.at, p->tail_parts.size} : a->records;
    switch (splice_compare(&p->tail, source, &p->fetch.last_fetched_epoch)) {
    case SPLICE_DIFFERENT:
        differs(p, &p->tail, source);
        return;
    case SPLICE_DAMAGED:
        damaged(p, "source's");
        return;
    case SPLICE_CUT:
        if (!more) keep_parts(p, a->records);
        if (complete) ask_for_more(p, asked);
        else source_ends_before(p);
        return;
    case SPLICE_COMPACTED:
        source_has_nothing(p, a);
        return;
    case SPLICE_REWRITTEN:
        hear(p, "rewritten", first_header(source));
        source_fits(p, a->log_start);
        return;
    case SPLICE_SAME:
        source_fits(p, a->log_start);
    }
}

// The source does not have the first offset of our last batch: it is below its log start, or beyond its end.
static void on_source_start(struct leader_query *q, const struct leader_answer *a) {
    struct partition *p = CONTAINER_OF(q, struct partition, query);
    if (error_is(&a->error)) {
        partition_surprise(p, &a->error);
        return;
    }
    if (a->offset <= p->tail.base_offset) {
        source_ends_before(p);
        return;
    }
    if (a->offset <= batch_last_offset(&p->tail)) {
        RARE("resync: the source starts inside the last batch");
        ask(p, &p->flow->source_queries, p->source_leader, QUERY_BATCH, a->offset, on_source_batch);
        return;
    }
    p->fetch.last_fetched_epoch = -1;  // of the batch before the next one nothing is known
    hear_offset(p, "the source starts later", a->offset);
    look_below(p, a->offset);
    splice_holds(p);  // what lies between is copy's to judge
}

// Rule 14: where the broker may have forgotten our state, nothing but time protects against a request of an earlier
// connection or owner that is still on its way, or against another owner.
static bool must_wait(struct partition *p) {
    struct flow *f = p->flow;
    if (p->position.log_end == 0) return false;  // the first batch will tell (copy.c)
    int64_t newest = p->position.known && p->position.last_timestamp > p->max_timestamp ? p->position.last_timestamp
                                                                                        : p->max_timestamp;
    if (!partition_state_may_expire(p, newest)) return false;
    int64_t until = partition_safe_at_us(p);
    if (f->env->now_us >= until) return false;
    RARE("resync: waits for requests of dead connections, or for a lease");
    timer_set(&f->env->timers, &p->timer, until);
    return true;
}

// Only here: what was under way in the old pipeline was executed before its position was told.
static bool goes_to_another_lane(struct partition *p) {
    int32_t lane = flow_append_lane(p);
    if (p->alone || lane == p->lane) return false;
    RARE("resync: batches of this size have a pipeline of their own");
    p->lane = lane;
    resync_begin(p);
    return true;
}

static bool is_heard(struct partition *p) {
    struct bytes heard = {(const uint8_t *)&p->hearsay, sizeof p->hearsay};
    return p->hearsay == 0 || partition_saw(&p->doubted, heard);
}

// A leader that follows another one and comes back may have cut its log back to where that begins, and knows no
// producer any more then (ProducerStateManager.truncateAndReload): where nothing stands, or filler, to be deleted.
static bool leader_stays_aware(const struct partition *p) {
    return p->position.known && p->tail.size > 0 && !p->only_filler;
}

static void splice_holds(struct partition *p) {
    struct position *at = &p->position;
    bool heard = is_heard(p), aware = leader_stays_aware(p);
    if (must_wait(p)) return;
    if (aware && p->alone) {  // somebody wrote the first batch meanwhile: on with the pipeline
        RARE("resync: somebody else wrote the first batch");
        p->alone = false;
        resync_begin(p);
        return;
    }
    if (!aware && !p->alone) {  // rule 5
        p->alone = true;
        resync_begin(p);
        return;
    }
    if (goes_to_another_lane(p)) return;
    if (!heard) {
        RARE("resync: what no CRC proves is looked at again");
        resync_begin(p);
        return;
    }
    bool remembered = at->known || p->tail.size > 0;
    if (!remembered) {
        at->producer_id = p->flow->producer_id;
        at->producer_epoch = 0;
        at->last_sequence = sequence_add((int32_t)(at->log_end & 0x7fffffff), 0x7fffffff);  // next: log end mod 2^31
    }
    p->oldest_ms = p->tail.size > 0 ? p->tail.max_timestamp : at->known ? at->last_timestamp : INT64_MAX;
    p->producer_id = at->producer_id;
    p->producer_epoch = at->producer_epoch;
    p->next_sequence = sequence_add(at->last_sequence, 1);
    p->log_end = p->acked_end = p->replicated_end = at->log_end;
    p->doubted = 0;
    partition_event(p, EVENT_POSITION_KNOWN, NULL);
}
