// GAP: offsets below the source's log start are filled with records no consumer will see, then the destination's log
// start is raised above them (DeleteRecords).
#include "base/limits.h"
#include "base/rare.h"
#include "mirror/flow.h"
#include "mirror/partition_private.h"
#include "mirror/provenance.h"
#include "wire/error_codes.h"

#include <assert.h>

#define FILLER_QUICK_MAX 12500  // records that are written in some milliseconds

static struct frame *filler_new(struct flow *f, int32_t count, size_t *size) {
    struct batch_stamp none = {0};
    struct frame *made = frame_new(&f->env->frames, batch_filler_bound(count));
    *size = batch_filler_write(count, f->env->wall_ms, &none, made->at, made->capacity);
    assert(*size > 0);
    return made;
}

// One of at most `most` records. Writing 800,000 of them takes a third of a second, and many partitions begin at once:
// no heartbeat would go out meanwhile. So large ones have one of few sizes, are made once, and copied.
static struct frame *filler_frame(struct flow *f, int32_t most, int32_t *count, size_t *size) {
    int kept = 0;
    *count = BATCH_FILLER_COUNT_MAX;
    for (; *count > most && most > FILLER_QUICK_MAX; kept++) *count /= 4;
    if (*count > most) {
        *count = most;
        return filler_new(f, most, size);
    }
    assert(kept < FLOW_FILLERS);
    if (!f->fillers[kept]) {
        struct frame *made = filler_new(f, *count, size);
        f->fillers[kept] = frame_copy(&f->env->frames, made->at, *size);
        frame_release(made);
    }
    *size = f->fillers[kept]->size;
    return frame_copy(&f->env->frames, f->fillers[kept]->at, *size);
}

static void fill_next(struct partition *p) {
    int64_t missing = p->fill_to - p->log_end;
    int32_t most = missing < p->fill_count ? (int32_t)missing : p->fill_count, count;
    size_t size;
    struct frame *frame = filler_frame(p->flow, most, &count, &size);
    struct batch_header h;
    enum batch_look look = batch_look((struct bytes){frame->at, size}, &h);
    assert(look == BATCH_WHOLE);
    (void)look;
    // Made now, even if copied: a filler of the past would let the broker forget the producer's state at once.
    h.base_timestamp = h.max_timestamp = p->flow->env->wall_ms;
    h.producer_id = p->producer_id;
    h.producer_epoch = p->producer_epoch;
    h.base_sequence = p->next_sequence;
    batch_header_write(frame->at, &h, h.size);
    struct append a = {.hold = frame,
                       .at = frame->at,
                       .size = h.size,
                       .count = count,
                       .base_offset = p->log_end,
                       .max_timestamp = h.max_timestamp,
                       .leased = true};  // records of old may follow it
    appender_queue(&p->append, &a);
    frame_release(frame);
}

bool fill_has_room(const struct flow *f) {
    return f->filling < FILL_PARTITIONS_MAX;
}

void fill_end(struct partition *p) {
    p->flow->filling -= p->filling;
    p->filling = false;
}

void fill_begin(struct partition *p) {
    fetch_session_remove(&p->fetch);
    p->filling = true;
    p->flow->filling++;
    log_line(&p->flow->env->log, LOG_INFO, "filling up to the source's log start",
             "flow=%s topic=%s partition=%d offset=%lld until=%lld", p->flow->config.name, p->topic->destination_name,
             p->index, (long long)p->log_end, (long long)p->fill_to);
    p->fill_count = BATCH_FILLER_COUNT_MAX;
    p->deleted_at = p->log_end;
    fill_next(p);
}

static void ask_delete(struct partition *p, int64_t below, void (*answer)(struct leader_query *,
                                                                          const struct leader_answer *)) {
    p->delete_query.kind = QUERY_DELETE_RECORDS;
    p->delete_query.partition = p->append.name;
    p->delete_query.leader_epoch = -1;
    p->delete_query.value = below;
    p->delete_query.answer = answer;
    leader_query_ask(&p->flow->destination_queries, p->destination_leader, &p->delete_query);
}

static void raised_to(struct partition *p, int64_t log_start) {
    if (p->tail_log_start < log_start) p->tail_log_start = p->known_log_start = log_start;
}

static void on_deleted_behind(struct leader_query *q, const struct leader_answer *a) {
    if (!error_is(&a->error)) raised_to(CONTAINER_OF(q, struct partition, delete_query), q->value);
}

static void on_replicated(struct leader_query *q, const struct leader_answer *a) {
    struct partition *p = CONTAINER_OF(q, struct partition, delete_query);
    if (p->state != PARTITION_GAP || error_is(&a->error)) return;
    int64_t filled = a->offset < p->log_end ? a->offset : p->log_end;  // another owner may have gone on to the records
    int64_t below = filled - BATCH_FILLER_COUNT_MAX;
    if (below <= p->tail_log_start) return;
    RARE("fill: what is filled is deleted meanwhile");
    ask_delete(p, below, on_deleted_behind);
}

// Billions of offsets are gigabytes: the destination's disks need not hold all of them until the end. But something
// that is replicated is left at the log's end, for what stands there tells that it was filler.
static void delete_behind(struct partition *p) {
    if (p->log_end - p->deleted_at < FILL_DELETE_OFFSETS || leader_query_running(&p->delete_query)) return;
    p->deleted_at = p->log_end;
    watch_ask(p, &p->delete_query, on_replicated);
}

// One at a time: the next is made when the last one stands.
void fill_on_append(struct partition *p, const struct append *a) {
    p->log_end += a->count;
    p->next_sequence = sequence_add(p->next_sequence, a->count);
    p->only_filler = true;
    p->filled_end = p->log_end;
    delete_behind(p);
    ownership_want_lease(&p->flow->ownership);
    if (p->log_end < p->fill_to && ownership_is_leased(&p->flow->ownership)) fill_next(p);
    else partition_event(p, EVENT_FILLED, NULL);  // the logs tell what is left
}

void fill_too_large(struct partition *p) {
    RARE("fill: a filler was too large");
    p->fill_count /= 4;
    if (p->fill_count > 0) {
        fill_next(p);
        return;
    }
    partition_halt(p, p->log_end, "the destination refuses even the smallest filler batch as too large");
    partition_halt_may_pass(p);
}

// What only a person can change, or the destination's log cleaner makes needless; NULL for all else.
static const char *refusal_text(const struct error *e) {
    if (e->kind != ERROR_KAFKA) return NULL;
    if (e->code == KAFKA_TOPIC_AUTHORIZATION_FAILED)
        return "the right DELETE on the topic is missing: consumers see filler records below this offset";
    if (e->code == KAFKA_POLICY_VIOLATION)  // ReplicaManager.deleteRecordsOnLocalLog
        return "the topic is only compacted, so the broker deletes no records: consumers see tombstones of filler "
               "below this offset until its log cleaner takes them (delete.retention.ms)";
    return NULL;
}

static void on_raised(struct leader_query *q, const struct leader_answer *a) {
    struct partition *p = CONTAINER_OF(q, struct partition, delete_query);
    struct flow *f = p->flow;
    if (!error_is(&a->error)) {
        p->raise_again_us = 0;
        raised_to(p, q->value);
        if (p->log_start_wanted <= q->value) p->log_start_wanted = -1;
        fill_raise_log_start(p);  // more may be wanted by now
        // What we filled ourselves is gone; what a dead owner's late requests have filled above it is to be looked for.
        if (p->look_below && !p->looked_below && p->state == PARTITION_COPY) fill_look_below(p);
        return;
    }
    const char *refusal = refusal_text(&a->error);
    if (refusal && p->raise_again_us == 0)
        log_line(&f->env->log, LOG_WARN, "log start not raised", "flow=%s topic=%s partition=%d offset=%lld why=\"%s\"",
                 f->config.name, p->topic->destination_name, p->index, (long long)p->log_start_wanted, refusal);
    if (refusal) p->raise_again_us = f->env->now_us + HALT_LOOK_AGAIN_US;
    timer_set(&f->env->timers, &p->timer, refusal ? p->raise_again_us : f->env->now_us + PARTITION_BACKOFF_US_MAX);
}

void fill_raise_log_start(struct partition *p) {
    struct flow *f = p->flow;
    if (p->state != PARTITION_COPY || p->log_start_wanted < 0 || p->replicated_end < p->log_start_wanted ||
        leader_query_running(&p->delete_query))
        return;
    if (f->env->now_us < p->raise_again_us) {
        timer_set(&f->env->timers, &p->timer, p->raise_again_us);
        return;
    }
    ask_delete(p, p->log_start_wanted, on_raised);
}

// What an earlier owner left ------------------------------------------------------------------------------------------

static void on_below(struct leader_query *q, const struct leader_answer *a);

static void ask_below(struct partition *p, int64_t offset) {
    p->delete_query.kind = QUERY_BATCH;
    p->delete_query.partition = p->append.name;
    p->delete_query.leader_epoch = p->destination_epoch;
    p->delete_query.value = offset;
    p->delete_query.size_hint = MiB;
    p->delete_query.answer = on_below;
    leader_query_ask(&p->flow->destination_queries, p->destination_leader, &p->delete_query);
}

// He may have died between the first batch he copied and DeleteRecords: then consumers still see his filler, and
// records of the first batch that the source hides. The log's end does not show it, only its beginning does.
void fill_look_below(struct partition *p) {
    if (leader_query_running(&p->delete_query)) return;
    p->below_doubted = false;  // an earlier look may have ended in doubt
    ask_below(p, p->tail_log_start);
}

static const char *below_damaged(const struct leader_answer *a, const struct batch_header *h, enum batch_look look) {
    if (a->records.size == 0 || look == BATCH_OLD_MAGIC) return NULL;
    if (look != BATCH_WHOLE) return "its header makes no sense";
    return batch_crc_is_right((struct bytes){a->records.at, (size_t)h->size}) ? NULL : "its CRC is wrong";
}

static void on_below(struct leader_query *q, const struct leader_answer *a) {
    struct partition *p = CONTAINER_OF(q, struct partition, delete_query);
    struct batch_header h = {0};
    if (error_is(&a->error)) {  // or the log begins elsewhere by now, perhaps with filler still
        partition_surprise(p, &a->error);
        return;
    }
    enum batch_look look = batch_look(a->records, &h);
    const char *damage = below_damaged(a, &h, look);
    if (damage) {  // what is said of it decides what is deleted
        struct error why =
            error_make(ERROR_PROTOCOL, 0, "fill", "damaged batch at offset %lld: %s", (long long)q->value, damage);
        partition_surprise(p, &why);
        return;
    }
    bool whole = look == BATCH_WHOLE, hole = whole && h.base_offset > q->value;
    if (hole && !p->below_doubted) {  // a cleaner was here; or a bit was flipped, no CRC covers the offset
        p->below_doubted = true;
        ask_below(p, q->value);
        return;
    }
    p->below_doubted = false;
    int64_t begins = -1;
    if (whole && provenance_same_flow(h.producer_id, p->flow->producer_id) && batch_is_filler(a->records, &h))
        begins = batch_last_offset(&h) + 1;
    if (begins > p->log_start_wanted) {
        RARE("fill: an earlier owner's filler is visible");
        p->log_start_wanted = begins;
    }
    if (begins >= 0 && begins < p->log_end) {
        ask_below(p, begins);
        return;
    }
    if (whole && h.base_offset < p->source_log_start && p->source_log_start <= batch_last_offset(&h) &&
        p->log_start_wanted < p->source_log_start)
        p->log_start_wanted = p->source_log_start;
    p->looked_below = true;
    fill_raise_log_start(p);
}
