// COPY: batches come from the source, are checked and stamped where they lie, and go to the destination.
#include "base/limits.h"
#include "base/rare.h"
#include "mirror/flow.h"
#include "mirror/partition_private.h"
#include "mirror/provenance.h"
#include "wire/error_codes.h"
#include "wire/join.h"
#include "wire/records.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

static void on_source_start(struct leader_query *q, const struct leader_answer *a);
static void on_first_batch(struct leader_query *q, const struct leader_answer *a);

// What comes next; a log may start inside the batch that it begins with.
static void fetch_what_comes_next(struct partition *p) {
    p->fetch.fetch_offset = p->source_start > p->log_end ? p->source_start : p->log_end;
}

void copy_begin(struct partition *p) {
    fetch_what_comes_next(p);
    if (p->log_end == 0 || p->tail.size == 0 || p->only_filler) p->fetch.last_fetched_epoch = -1;
    p->withheld = false;
    p->fill_to = 0;
    p->fetch.first_only = p->alone || p->failures > 1;  // what comes behind what is refused again comes in vain
    fetch_session_add(flow_fetch_session(p->flow, p), &p->fetch);
    if (p->log_start_wanted >= 0) fill_raise_log_start(p);
}

static void set_aside(struct partition *p, int64_t bytes) {
    if (bytes == p->bytes_aside) return;
    int64_t more = bytes - p->bytes_aside;
    p->bytes_aside = bytes;
    budget_set_aside(&p->flow->budget, more);
}

void copy_give_back(struct partition *p, int64_t bytes) {
    set_aside(p, 0);
    p->bytes_in_flight -= bytes;
    if (bytes > 0) budget_release(&p->flow->budget, bytes);
}

void copy_release(struct partition *p) {
    copy_give_back(p, p->bytes_in_flight);
}

// Source side -------------------------------------------------------------------------------------------------------

static bool under_way_beyond(const struct partition *p, int64_t part) {
    return p->bytes_in_flight > PARTITION_IN_FLIGHT_MAX / part || p->append.queued > PARTITION_QUEUED_MAX / part;
}

static void withhold(struct partition *p) {
    p->withheld = true;
    fetch_session_remove(&p->fetch);
}

static void go_on(struct partition *p) {
    p->withheld = p->finish_first = false;
    fetch_session_add(flow_fetch_session(p->flow, p), &p->fetch);
}

// What waits for a broker that answers nothing must not keep the records of others from being fetched, and more of it
// would only wait, too.
void copy_on_silence(struct partition *p) {
    if (p->append.appender->silent) {
        RARE("copy: a silent broker's partitions leave room for the others");
        if (p->fetch.session) withhold(p);
        set_aside(p, p->bytes_in_flight);
    } else if (p->state == PARTITION_COPY && p->withheld && p->append.unanswered == 0) {
        go_on(p);
    }
}

// Fetching stops until all that is under way is answered; then what comes next is fetched again.
static bool finish_what_precedes(struct partition *p) {
    if (p->append.unanswered == 0) return false;
    p->finish_first = true;
    withhold(p);
    return true;
}

// The end of what can be copied. What precedes it is brought home first: fetching stops until all of it is answered,
// then the same batch comes again, and halts the partition.
static void __attribute__((format(printf, 3, 4)))
stop_before(struct partition *p, int64_t offset, const char *format, ...) {
    if (finish_what_precedes(p)) {
        RARE("copy: a halt waits for what precedes it");
        return;
    }
    char reason[HALT_REASON_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    if (!partition_saw(&p->refused, bytes_of_text(reason))) {
        struct error why = error_make(ERROR_PROTOCOL, 0, "copy", "looks again at what cannot be copied");
        partition_surprise(p, &why);
        return;
    }
    partition_halt(p, offset, "%s", reason);
}

#define OVERSIZED \
    "the batch at offset %lld has %d bytes, more than half of buffer.memory (%lld): set it to at least %lld"

static int64_t __attribute__((format(printf, 3, 4)))
because(char reason[HALT_REASON_MAX], int64_t offset, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(reason, HALT_REASON_MAX, format, args);
    va_end(args);
    return offset;
}

// Why it cannot be copied, for a person, and from which offset on; -1: it can.
static int64_t reason_against(const struct partition *p, const struct batch_header *h, char reason[HALT_REASON_MAX]) {
    const char *topic = p->topic->source_name;
    long long base = h->base_offset, last = batch_last_offset(h), end = p->log_end, limit = p->flow->budget.limit;
    if (base < end)
        return because(reason, end, "diverged: the destination ends inside the source's batch %lld..%lld", base, last);
    if (h->attributes & (BATCH_ATTRIBUTE_TRANSACTIONAL | BATCH_ATTRIBUTE_CONTROL))
        return because(reason, base,
                       "transaction: offsets %lld..%lld of %s belong to one; this version copies logs without", base,
                       last, topic);
    if (base > end)
        return because(reason, end,
                       "compaction: offsets %lld..%lld of %s are gone from the source's log, and this version "
                       "cannot fill holes",
                       end, base - 1, topic);
    if (!batch_is_dense(h))
        return because(reason, base,
                       "compaction: only %d of the offsets %lld..%lld of %s are left, and this version cannot "
                       "fill holes",
                       h->count, base, last, topic);
    if (provenance_came_from(h->producer_id, p->flow->destination.cluster_id))
        return because(reason, base,
                       "loop: offsets %lld..%lld of %s were mirrored from the destination cluster itself", base, last,
                       topic);
    if (h->size > limit / 2) return because(reason, base, OVERSIZED, base, h->size, limit, 2LL * h->size);
    if (h->size > REQUEST_SIZE_MAX - 64 * KiB)
        return because(reason, base, "the batch at offset %lld of %s is larger than a request may be (%d bytes)", base,
                       topic, h->size);
    return -1;
}

// Only time protects this batch, or what comes behind it: the destination may forget our state before it comes, or
// because of it. The state is as old as what stands there last: of a topic that was quiet it may be gone, however new
// this batch is.
static bool is_unprotected(const struct partition *p, const struct batch_header *h) {
    return partition_state_may_expire(p, h->max_timestamp < p->oldest_ms ? h->max_timestamp : p->oldest_ms);
}

// Such a batch waits until what others have sent is executed or gone, and for a lease (rule 14).
static bool too_early(struct partition *p) {
    struct flow *f = p->flow;
    ownership_want_lease(&f->ownership);
    bool goes_on = p->append.unanswered > 0 && partition_state_may_expire(p, p->oldest_ms);  // the first one has waited
    if (goes_on && ownership_is_leased(&f->ownership)) return false;
    if (finish_what_precedes(p)) {
        RARE("copy: an old batch waits for what precedes it");
        return true;
    }
    int64_t until_us = partition_safe_at_us(p);
    if (f->env->now_us >= until_us) return false;
    RARE("copy: an old batch waits for requests of dead connections, or for a lease");
    partition_wait(p, until_us);
    return true;
}

// Filler is of today, but what comes behind it may be old.
static bool may_fill(struct partition *p) {
    struct flow *f = p->flow;
    if (!fill_has_room(f)) {
        partition_wait(p, f->env->now_us + FILL_LOOK_US);
        return false;
    }
    if (partition_state_may_expire(p, f->env->wall_ms)) return !too_early(p);
    ownership_want_lease(&f->ownership);
    if (ownership_is_leased(&f->ownership)) return true;
    partition_wait(p, f->env->now_us + LEASE_LOOK_US);
    return false;
}

void copy_damaged(struct partition *p, int64_t offset, const char *what) {
    RARE("copy: a damaged batch");
    struct fetch_session *s = p->fetch.session;
    struct error why = error_make(ERROR_PROTOCOL, 0, "fetch", "what came from the source is damaged");
    if (partition_found_damage(p, offset, "source's", what) && s) flow_reset_session(s, &why);
}

static bool refuse(struct partition *p, const struct batch_header *h, const uint8_t *at) {
    char reason[HALT_REASON_MAX];
    int64_t offset = reason_against(p, h, reason);
    if (offset < 0) return false;
    if (batch_crc_is_right((struct bytes){at, (size_t)h->size})) stop_before(p, offset, "%s", reason);
    else copy_damaged(p, h->base_offset, "its CRC is wrong");
    return true;
}

// The append time is what consumers of the source see, and only the source's own setting makes them see it: the batch
// is written anew with that time in each record. Answers a frame with it, or NULL when that cannot be done.
static struct frame *with_append_time(struct partition *p, struct batch_header *h, const uint8_t *at) {
    struct rewriter w;
    struct buffer out;
    struct frame *f = NULL;
    bool written = false;
    buffer_init(&out, REQUEST_SIZE_MAX);
    struct error e = rewriter_open(&w, (struct bytes){at, (size_t)h->size}, h);
    if (!error_is(&e)) {
        e = rewriter_next(&w, &out, h, &written);
        rewriter_close(&w);
    }
    if (!error_is(&e) && written) {
        f = frame_copy(&p->flow->env->frames, out.at, out.size);
    } else if (!batch_crc_is_right((struct bytes){at, (size_t)h->size})) {
        copy_damaged(p, p->log_end, "its CRC is wrong");
    } else {
        stop_before(p, p->log_end, "the batch at offset %lld of %s cannot be read: %.100s", (long long)p->log_end,
                    p->topic->source_name, e.detail);
        partition_halt_may_pass(p);
    }
    buffer_free(&out);
    return f;
}

// A request of its own would cost more than waiting for company, and than being copied.
static bool is_small(const struct partition *p, const struct batch_header *h) {
    return p->flow->config.join_small_batches && h->size <= JOIN_PART_MAX && !p->alone;
}

// What is written anew for its append times is not: the splice check could not make it again.
static bool may_join(const struct partition *p, const struct batch_header *h) {
    return is_small(p, h) && join_possible(h) && p->log_end >= p->join_from;
}

// Answers the bytes that it takes; 0: the batch cannot be written, and the partition went elsewhere.
static int64_t queue_alone(struct partition *p, struct batch_header *h, uint8_t *at, struct frame *frame, bool leased) {
    struct frame *own = NULL;
    bool small = is_small(p, h), may_grow = may_join(p, h);
    if (h->attributes & BATCH_ATTRIBUTE_LOG_APPEND_TIME) {
        own = with_append_time(p, h, at);
        if (!own) return 0;
        at = own->at;
        frame = own;
    }
    struct batch_stamp stamp = {p->producer_id, p->producer_epoch, p->next_sequence};
    // As producers send it: the broker gives the offsets, and wants the records' own to count from 0 (LogValidator).
    h->base_offset = 0;
    batch_restamp(at, h, &stamp);
    struct append a = {.hold = frame,
                       .at = at,
                       .size = h->size,
                       .count = h->count,
                       .base_offset = p->log_end,
                       .max_timestamp = h->max_timestamp,
                       .small = small,
                       .may_grow = may_grow,
                       .leased = leased};
    appender_queue(&p->append, &a);
    frame_release(own);
    return h->size;
}

static int64_t queue_batch(struct partition *p, struct batch_header *h, uint8_t *at, struct frame *frame, bool leased) {
    int32_t epoch = h->leader_epoch, grown = 0;
    int32_t size_max = p->topic->max_message_bytes < JOINED_SIZE_MAX ? p->topic->max_message_bytes : JOINED_SIZE_MAX;
    struct bytes batch = {at, (size_t)h->size};
    bool joined = may_join(p, h) && appender_join(&p->append, batch, h, size_max, leased, &grown);
    int64_t kept = joined ? grown : queue_alone(p, h, at, frame, leased);
    if (kept == 0) return 0;
    if (h->max_timestamp < p->oldest_ms) p->oldest_ms = h->max_timestamp;
    if (joined) RARE("copy: small batches are joined");
    p->next_sequence = sequence_add(p->next_sequence, h->count);
    p->log_end += h->count;
    p->fetch.last_fetched_epoch = epoch;
    return kept;
}

// Walks the batches of a response. Answers the bytes that stay counted in the budget.
static int64_t take_records(struct partition *p, const struct fetch_answer *a) {
    int64_t kept = 0;
    size_t done = 0;
    while (p->state == PARTITION_COPY && done < a->records.size) {
        struct batch_header h;
        struct bytes rest = {a->records.at + done, a->records.size - done};
        enum batch_look look = batch_look(rest, &h);
        if (look == BATCH_PARTIAL) {
            long long limit = p->flow->budget.limit;
            if (h.size > limit / 2)
                stop_before(p, h.base_offset, OVERSIZED, (long long)h.base_offset, h.size, limit, 2LL * h.size);
            break;
        }
        if (look == BATCH_DAMAGED) {
            copy_damaged(p, p->log_end, "its header makes no sense");
            return 0;
        }
        if (look == BATCH_OLD_MAGIC) {
            stop_before(p, h.base_offset, "message format %d of before Kafka 0.11 at offset %lld of %s", h.magic,
                        (long long)h.base_offset, p->topic->source_name);
            break;
        }
        done += (size_t)h.size;
        __builtin_prefetch(rest.at + h.size);  // the next header, while this batch is at work
        if (batch_last_offset(&h) < p->log_end) continue;
        bool unprotected = is_unprotected(p, &h);
        // A refusal in the middle of the pipeline: without the state, which what stands or is queued before it may have
        // taken away, what comes behind it would be taken in its place. Nor should a flipped bit make anyone wait.
        int64_t oldest = h.max_timestamp < p->max_timestamp ? h.max_timestamp : p->max_timestamp;
        bool forgets = unprotected || partition_state_may_expire(p, oldest);
        if (forgets && !batch_crc_is_right((struct bytes){rest.at, (size_t)h.size})) {
            copy_damaged(p, h.base_offset, "its CRC is wrong");
            return 0;
        }
        if (refuse(p, &h, rest.at) || (unprotected && too_early(p))) break;
        kept += queue_batch(p, &h, (uint8_t *)rest.at, a->frame, unprotected);
        if (p->alone) break;
    }
    return p->state == PARTITION_COPY ? kept : 0;
}

static void fetch_error(struct partition *p, int16_t code) {
    if (code == KAFKA_OFFSET_OUT_OF_RANGE) {
        RARE("copy: the offset is not in the source's log");
        fetch_session_remove(&p->fetch);
        p->query.kind = QUERY_OFFSET;
        p->query.partition = p->fetch.name;
        p->query.leader_epoch = p->fetch.leader_epoch;
        p->query.value = QUERY_EARLIEST;
        p->query.answer = on_source_start;
        leader_query_ask(&p->flow->source_queries, p->source_leader, &p->query);
        return;
    }
    struct error why = error_make(ERROR_KAFKA, code, "Fetch", "%s for %.100s at %s", kafka_error_name(code),
                                  p->topic->source_name, p->flow->config.source_alias);
    partition_surprise(p, &why);
}

int64_t copy_on_answer(struct partition *p, const struct fetch_answer *a) {
    if (p->state != PARTITION_COPY) return 0;
    if (a->error_code != KAFKA_NONE) {
        fetch_error(p, a->error_code);
        return 0;
    }
    if (a->diverging_end >= 0) {
        RARE("copy: the source says that our epoch ended");
        struct error why = error_make(ERROR_PROTOCOL, 0, "Fetch", "the source's epoch ended at %lld: it was truncated",
                                      (long long)a->diverging_end);
        partition_surprise(p, &why);
        return 0;
    }
    if (partition_source_grew_past_us(p)) {
        RARE("copy: the source has grown past the destination's end");
        partition_halt(p, p->log_end,
                       "diverged: the source ended before offset %lld, where the destination ends and has nothing left "
                       "to compare, and goes on there now: was the topic made anew?",
                       (long long)p->log_end);
        return 0;
    }
    p->source_doubted_us = 0;
    p->source_end = a->last_stable_offset >= 0 ? a->last_stable_offset : a->high_watermark;
    int64_t kept = take_records(p, a);
    if (p->state != PARTITION_COPY) return 0;
    p->bytes_in_flight += kept;  // only now: a partition that left COPY meanwhile keeps nothing of this answer
    fetch_what_comes_next(p);
    if (p->fetch.first_only ? kept > 0 : under_way_beyond(p, 1)) withhold(p);
    if (p->append.appender->silent) copy_on_silence(p);
    return kept;
}

static void ask_first_batch(struct partition *p) {
    p->query.kind = QUERY_BATCH;
    p->query.value = p->source_start;
    p->query.size_hint = MiB;
    p->query.answer = on_first_batch;
    leader_query_ask(&p->flow->source_queries, p->source_leader, &p->query);
}

// The offset to fetch is not in the source's log: it starts later, or ends earlier.
static void on_source_start(struct leader_query *q, const struct leader_answer *a) {
    struct partition *p = CONTAINER_OF(q, struct partition, query);
    if (p->state != PARTITION_COPY) return;
    if (error_is(&a->error)) {
        partition_surprise(p, &a->error);
        return;
    }
    if (a->offset <= p->log_end) {
        RARE("copy: the source ends before the destination");
        // RESYNC compares the ends; where there is nothing to compare, the destination is simply ahead.
        if (partition_believes_source(p)) {
            partition_halt(p, p->log_end, "diverged: the source ends before offset %lld, where the destination ends",
                           (long long)p->log_end);
            return;
        }
        struct error why =
            error_make(ERROR_PROTOCOL, 0, "Fetch", "offset %lld is beyond the source's log", (long long)p->log_end);
        partition_surprise(p, &why);
        return;
    }
    p->source_start = a->offset;
    p->first_begins = -1;
    ask_first_batch(p);
}

// No CRC covers a batch's offset, and filler that reaches into the batch cannot be taken back. So it is asked for until
// it says the same twice.
static bool first_is_doubtful(struct partition *p, const struct batch_header *first) {
    if (first->base_offset == p->first_begins) return false;
    if (p->first_begins >= 0) RARE("copy: the first batch says something else each time");
    p->first_begins = first->base_offset;
    return true;
}

// A deposed leader that does not know it may have deleted what its successor still has.
static void lost_range(struct partition *p, int64_t begins) {
    if (!partition_believes_source(p)) {
        partition_wait(p, p->flow->env->now_us + LOSS_LOOK_US);
        return;
    }
    stop_before(p, p->log_end,
                "lost range: offsets %lld..%lld are gone from the source (retention or DeleteRecords) before they were "
                "mirrored: %lld records",
                (long long)p->log_end, (long long)begins - 1, (long long)(begins - p->log_end));
}

// What the source hides of its first batch. Not what was mirrored before it began there: that stays.
static void hide_what_source_hides(struct partition *p) {
    bool nothing_below = p->log_end == 0 || (p->only_filler && p->append.unanswered == 0);
    if (nothing_below && p->log_start_wanted < p->source_start) p->log_start_wanted = p->source_start;
}

// Of tiered storage that is slow a broker answers nothing (DelayedRemoteFetch), as where a cleaner and a crash left
// nothing: so it is asked again for a while.
static bool says_nothing(struct partition *p, const struct leader_answer *a) {
    if (a->records.size > 0 || a->high_watermark <= p->source_start || partition_believes_source(p)) return false;
    RARE("copy: the source answers nothing where its log starts");
    if (!finish_what_precedes(p)) partition_wait(p, p->flow->env->now_us + LOSS_LOOK_US);
    return true;
}

// The log start may lie inside a batch: what counts is where that batch begins.
static void on_first_batch(struct leader_query *q, const struct leader_answer *a) {
    struct partition *p = CONTAINER_OF(q, struct partition, query);
    if (p->state != PARTITION_COPY) return;
    if (error_is(&a->error)) {
        partition_surprise(p, &a->error);
        return;
    }
    if (a->log_start != p->source_start) {
        RARE("copy: where the source starts is not said twice");  // what lies between would be filled
        struct error why = error_make(ERROR_PROTOCOL, 0, "Fetch", "the source's log starts at %lld, and at %lld",
                                      (long long)p->source_start, (long long)a->log_start);
        partition_surprise(p, &why);
        return;
    }
    if (says_nothing(p, a)) return;
    struct batch_header first;
    int64_t begins = p->source_start;
    enum batch_look look = batch_look(a->records, &first);
    if (a->records.size > 0 && look != BATCH_WHOLE && look != BATCH_OLD_MAGIC) {
        copy_damaged(p, begins, "its header makes no sense");
        return;
    }
    if (look == BATCH_WHOLE && first_is_doubtful(p, &first)) {
        ask_first_batch(p);
        return;
    }
    if (look == BATCH_WHOLE && first.base_offset < begins) {
        RARE("copy: the source's log start lies inside a batch");
        begins = first.base_offset;
        hide_what_source_hides(p);
    }
    if (begins <= p->log_end) {
        copy_begin(p);
    } else if (finish_what_precedes(p)) {
        RARE("copy: the source starts later, and what precedes is under way");  // of filler, perhaps the first records
    } else if (p->log_end > 0 && !p->only_filler) {
        lost_range(p, begins);
    } else {
        RARE("copy: the source starts later");
        if (!may_fill(p)) return;
        p->fill_to = begins;
        partition_event(p, EVENT_SOURCE_STARTS_LATER, NULL);
    }
}

// Destination side --------------------------------------------------------------------------------------------------

static void landed(struct partition *p, const struct append *a) {
    struct flow *f = p->flow;
    p->failures = 0;
    p->fetch.first_only = p->alone;
    p->trouble = (struct trouble){0};
    p->damaged_tries = 0;
    p->refused = 0;
    p->acked_end = a->base_offset + a->count;
    p->acked_at_us = f->env->now_us;
    p->max_timestamp = a->max_timestamp;
    if (p->append.unanswered == 0) p->oldest_ms = a->max_timestamp;
    if (a->leased) ownership_want_lease(&f->ownership);  // what waits behind it may take long
    if (a->base_offset < p->fill_to) {  // a filler; not counted, neither as mirrored nor in the budget
        if (p->state == PARTITION_GAP) fill_on_append(p, a);
        else partition_drained_yet(p);
        return;
    }
    f->counters.records += a->count;
    f->counters.bytes += a->size;
    p->only_filler = false;
    copy_give_back(p, a->size);
    watch_acked(p);
    if (p->state == PARTITION_DRAIN) {
        partition_drained_yet(p);
    } else if (p->alone) {
        p->alone = false;
        partition_event(p, EVENT_FIRST_APPENDED, NULL);
    } else if (p->withheld && !(p->finish_first ? p->bytes_in_flight > 0 : under_way_beyond(p, 2))) {
        RARE("copy: a withheld partition goes on");
        go_on(p);
    }
}

void copy_on_append(struct append_partition *ap, const struct append *a, int16_t error_code, int64_t base_offset) {
    struct partition *p = CONTAINER_OF(ap, struct partition, append);
    if (error_code != KAFKA_NONE) {
        append_refused(p, a, error_code);
    } else if (a->stamped && a->base_offset >= p->fill_to) {  // (another owner's filler, repeated, has another time)
        append_stamped(p, a);
    } else if (base_offset == a->base_offset) {
        landed(p, a);
    } else if (base_offset < a->base_offset || p->alone) {
        RARE("copy: taken for a repeat");
        // The broker took it for a repeat, or we did not know the log: the splice check decides (rule 4).
        struct error why = error_make(ERROR_PROTOCOL, 0, "Produce", "landed at %lld, expected %lld",
                                      (long long)base_offset, (long long)a->base_offset);
        partition_surprise(p, &why);
    } else {
        partition_halt(
            p, a->base_offset,
            "diverged: foreign records at offsets %lld..%lld of the destination; the mirror must be the only writer "
            "of %s",
            (long long)a->base_offset, (long long)base_offset - 1, p->topic->destination_name);
    }
}
