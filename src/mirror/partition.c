// The states of a partition and what leads from one to the next.
#include "mirror/partition.h"

#include "base/limits.h"
#include "base/memory.h"
#include "base/rare.h"
#include "mirror/fetch_lines.h"
#include "mirror/flow.h"
#include "mirror/partition_private.h"
#include "wire/error_codes.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

static void find_leaders(struct partition *p, const struct error *why);
static void ask_position(struct partition *p, const struct error *why);
static void start_copy(struct partition *p, const struct error *why);
static void start_fill(struct partition *p, const struct error *why);
static void wait_out(struct partition *p, const struct error *why);
static void drop_and_locate(struct partition *p, const struct error *why);
static void drop_and_halt(struct partition *p, const struct error *why);
static void drain(struct partition *p, const struct error *why);
static void send_no_more(struct partition *p, const struct error *why);
static void let_go(struct partition *p, const struct error *why);

#define ANY PARTITION_STATES

struct transition {
    enum partition_state in;
    enum partition_event event;
    enum partition_state to;
    void (*doing)(struct partition *p, const struct error *why);
};

// The first line that fits counts.
// clang-format off
static const struct transition transitions[] = {
    // in state          event                      -> state             doing
    { PARTITION_IDLE   , EVENT_OWNED               , PARTITION_LOCATE  , find_leaders    },
    { PARTITION_LOCATE , EVENT_LEADERS_KNOWN       , PARTITION_RESYNC  , ask_position    },
    { PARTITION_RESYNC , EVENT_POSITION_KNOWN      , PARTITION_COPY    , start_copy      },
    { PARTITION_COPY   , EVENT_SOURCE_STARTS_LATER , PARTITION_GAP     , start_fill      },
    { PARTITION_COPY   , EVENT_FIRST_APPENDED      , PARTITION_LOCATE  , drop_and_locate },
    { PARTITION_GAP    , EVENT_FILLED              , PARTITION_LOCATE  , drop_and_locate },
    { PARTITION_COPY   , EVENT_MUST_WAIT           , PARTITION_RESYNC  , wait_out        },
    { PARTITION_DRAIN  , EVENT_DRAINED             , PARTITION_IDLE    , let_go          },
    { PARTITION_DRAIN  , EVENT_SURPRISE            , PARTITION_DRAIN   , send_no_more    },
    { PARTITION_DRAIN  , EVENT_HALT                , PARTITION_DRAIN   , send_no_more    },
    { PARTITION_HALTED , EVENT_LOOK_AGAIN          , PARTITION_LOCATE  , find_leaders    },
    { ANY              , EVENT_REVOKED             , PARTITION_DRAIN   , drain           },
    { ANY              , EVENT_SURPRISE            , PARTITION_LOCATE  , drop_and_locate },
    { ANY              , EVENT_HALT                , PARTITION_HALTED  , drop_and_halt   },
};
// clang-format on

void partition_event(struct partition *p, enum partition_event event, const struct error *why) {
    for (size_t i = 0; i < sizeof transitions / sizeof *transitions; i++) {
        const struct transition *t = &transitions[i];
        if ((t->in != p->state && t->in != ANY) || t->event != event) continue;
        p->state = t->to;
        t->doing(p, why);
        return;
    }
    assert(!"an event that this state does not know");
}

// Ends everything under way, on both sides.
static void drop_all(struct partition *p) {
    timer_cancel(&p->flow->env->timers, &p->timer);
    resync_cancel(p);
    watch_cancel(p);
    fetch_session_remove(&p->fetch);
    fetch_lines_leave(p);
    appender_detach(&p->append);
    copy_release(p);
    fill_end(p);
    p->withheld = p->finish_first = false;
}

static int64_t backoff_us(const struct partition *p) {
    if (p->failures <= 1) return 0;
    int64_t wait = PARTITION_BACKOFF_US_MIN << (p->failures < 10 ? p->failures - 2 : 8);
    return wait < PARTITION_BACKOFF_US_MAX ? wait : PARTITION_BACKOFF_US_MAX;
}

static void find_leaders(struct partition *p, const struct error *why) {
    (void)why;
    memory_free(p->halt_reason);
    p->halt_reason = NULL;
    p->failures = 0;
    p->trouble = (struct trouble){0};
    p->damaged_tries = 0;
    p->doubted = p->refused = 0;
    p->source_doubted_us = 0;
    p->alone = false;
    p->only_filler = false;    // another owner may have mirrored since we filled: of an empty log we know nothing
    p->log_start_wanted = -1;  // of a log that may be another by now
    p->raise_again_us = 0;
    p->looked_below = false;
    p->known_log_start = 0;
    p->join_from = 0;
    p->unsafe_since_us = p->flow->env->now_us;
    p->destination_refreshes_needed = p->source_refreshes_needed = 1;
    p->leaderless_since_us = 0;
    timer_set(&p->flow->env->timers, &p->timer, p->flow->env->now_us);
}

// Who says this does not lead, or knows nothing of the topic: another one does.
static bool says_who_leads(int16_t code) {
    switch (code) {
    case KAFKA_UNKNOWN_TOPIC_OR_PARTITION:
    case KAFKA_LEADER_NOT_AVAILABLE:
    case KAFKA_NOT_LEADER_OR_FOLLOWER:
    case KAFKA_KAFKA_STORAGE_ERROR:
    case KAFKA_FENCED_LEADER_EPOCH:
    case KAFKA_UNKNOWN_LEADER_EPOCH:
    case KAFKA_UNKNOWN_TOPIC_ID:
    case KAFKA_INCONSISTENT_TOPIC_ID:
        return true;
    default:
        return false;
    }
}

// A code that says "you ask the wrong broker": only newer metadata can help. Other codes, or none at all: perhaps they
// can, but a partition without enough replicas stays so for hours. True: they were asked for.
static bool asks_for_metadata(struct partition *p, const struct error *why, struct cluster *c) {
    bool kafka = why->kind == ERROR_KAFKA, wrong = kafka && says_who_leads((int16_t)why->code);
    if (wrong) cluster_refresh(c);
    if (wrong) return true;
    bool may_help = kafka ? kafka_error_is_retriable((int16_t)why->code)
                          : why->kind == ERROR_TRANSPORT || why->kind == ERROR_TIMEOUT;
    return may_help && cluster_refresh_for(c, &p->trouble);
}

static void drop_and_locate(struct partition *p, const struct error *why) {
    drop_all(p);
    p->leaderless_since_us = 0;
    struct flow *f = p->flow;
    if (why) {
        p->failures++;
        char detail[2 * ERROR_DETAIL_MAX];
        log_line(&f->env->log, p->failures == 3 ? LOG_WARN : LOG_DEBUG, "resync",
                 "flow=%s topic=%s partition=%d tries=%u why=%s", f->config.name, p->topic->destination_name, p->index,
                 p->failures, log_quote(why->detail, detail, sizeof detail));
        f->counters.resyncs++;
        if (asks_for_metadata(p, why, &f->destination)) p->destination_refreshes_needed = f->destination.refreshes + 1;
        if (asks_for_metadata(p, why, &f->source)) p->source_refreshes_needed = f->source.refreshes + 1;
    }
    timer_set(&f->env->timers, &p->timer, f->env->now_us + backoff_us(p));
}

static uint64_t refreshes_needed(const struct partition *p, const struct cluster *c) {
    return c == &p->flow->source ? p->source_refreshes_needed : p->destination_refreshes_needed;
}

// The topic, where a leader of this partition is known, by metadata as fresh as needed; else NULL.
static const struct cluster_topic *led_topic(const struct partition *p, struct cluster *c) {
    if (c->refreshes < refreshes_needed(p, c)) return NULL;
    bool source = c == &p->flow->source;
    const struct cluster_topic *t = cluster_topic(c, source ? p->topic->source_name : p->topic->destination_name);
    return t && p->index < t->partitions_count && t->partitions[p->index].leader >= 0 ? t : NULL;
}

// Goes on when leaders are known on both sides.
static bool locate(struct partition *p) {
    struct flow *f = p->flow;
    const struct cluster_topic *d = led_topic(p, &f->destination), *s = led_topic(p, &f->source);
    if (!d || !s) return false;
    if (s->partitions[p->index].leader_epoch != p->fetch.leader_epoch) p->source_doubted_us = 0;
    p->destination_leader = d->partitions[p->index].leader;
    p->destination_epoch = d->partitions[p->index].leader_epoch;
    p->source_leader = s->partitions[p->index].leader;
    p->fetch.leader_epoch = s->partitions[p->index].leader_epoch;
    p->append.name.topic_id = d->id;
    p->fetch.name.topic_id = s->id;
    timer_cancel(&f->env->timers, &p->timer);
    partition_event(p, EVENT_LEADERS_KNOWN, NULL);
    return true;
}

// Asks for a missing leader, unless metadata came lately, for another partition. True: the log says that it is missing.
static bool ask_for_leader(struct partition *p, struct cluster *c, int64_t wait_us) {
    if (led_topic(p, c)) return false;
    struct flow *f = p->flow;
    if (c->refreshed_at_us <= f->env->now_us - wait_us / 2) cluster_refresh(c);
    bool due = !p->leaderless_said && f->env->now_us - p->leaderless_since_us >= TOPIC_LEADERS_US_MAX;
    if (!due || c->refreshes < refreshes_needed(p, c)) return false;  // or it is the cluster that cannot be reached
    RARE("partition: without a leader for long");
    log_line(&f->env->log, LOG_WARN, "partition without leader", "flow=%s topic=%s partition=%d cluster=%s",
             f->config.name, p->topic->destination_name, p->index, c->config.alias);
    return true;
}

// Ever more rarely: metadata are of all topics, and a leader may be missing for days.
static void look_for_leaders(struct partition *p) {
    struct environment *env = p->flow->env;
    if (p->leaderless_since_us == 0) {
        p->leaderless_since_us = env->now_us;
        p->leaderless_said = false;
    }
    int64_t wait_us = env->now_us - p->leaderless_since_us;
    if (wait_us < PARTITION_LOCATE_US_MIN) wait_us = PARTITION_LOCATE_US_MIN;
    if (wait_us > PARTITION_LOCATE_US_MAX) wait_us = PARTITION_LOCATE_US_MAX;
    bool said = ask_for_leader(p, &p->flow->destination, wait_us);
    said |= ask_for_leader(p, &p->flow->source, wait_us);
    p->leaderless_said |= said;
    timer_set(&env->timers, &p->timer, env->now_us + wait_us);
}

static void on_timer(struct timer *t, int64_t now_us) {
    (void)now_us;
    struct partition *p = CONTAINER_OF(t, struct partition, timer);
    if (p->state == PARTITION_RESYNC) {
        resync_begin(p);
        return;
    }
    if (p->state == PARTITION_COPY) {
        fill_raise_log_start(p);
        return;
    }
    if (p->state == PARTITION_HALTED && partition_may_go_on(p)) {
        RARE("partition: halted, looks again");
        partition_event(p, EVENT_LOOK_AGAIN, NULL);
        return;
    }
    if (p->state == PARTITION_LOCATE && !locate(p)) look_for_leaders(p);
}

void partition_on_metadata(struct partition *p) {
    struct flow *f = p->flow;
    if (p->state == PARTITION_LOCATE) {
        if (p->failures <= 1 || p->leaderless_since_us != 0) locate(p);  // else its back-off is not over
        return;
    }
    if (p->state != PARTITION_RESYNC && p->state != PARTITION_COPY && p->state != PARTITION_GAP) return;
    struct cluster_topic *d = cluster_topic(&f->destination, p->topic->destination_name);
    struct cluster_topic *s = cluster_topic(&f->source, p->topic->source_name);
    if (!d || !s || p->index >= d->partitions_count || p->index >= s->partitions_count) return;
    const struct cluster_partition *dp = &d->partitions[p->index], *sp = &s->partitions[p->index];
    // A new leader may not have what the old one acknowledged: look, even if there is nothing to send (rule 13).
    if (dp->leader_epoch > p->destination_epoch || (dp->leader >= 0 && dp->leader != p->destination_leader)) {
        RARE("partition: the destination's leader changed");
        struct error why = error_make(ERROR_PROTOCOL, 0, "metadata", "the destination's leader changed");
        partition_surprise(p, &why);
    } else if (sp->leader_epoch > p->fetch.leader_epoch || (sp->leader >= 0 && sp->leader != p->source_leader)) {
        RARE("partition: the source's leader changed");
        struct error why = error_make(ERROR_PROTOCOL, 0, "metadata", "the source's leader changed");
        partition_surprise(p, &why);
    }
}

static void ask_position(struct partition *p, const struct error *why) {
    (void)why;
    p->waited_since_us = p->flow->env->now_us;
    resync_begin(p);
}

static void start_copy(struct partition *p, const struct error *why) {
    (void)why;
    p->source_start = 0;  // what an earlier attempt learned may not fit the log end of now
    copy_begin(p);
    if (p->look_below) fill_look_below(p);
}

static void start_fill(struct partition *p, const struct error *why) {
    (void)why;
    fill_begin(p);
}

static void wait_out(struct partition *p, const struct error *why) {
    (void)why;
    fetch_session_remove(&p->fetch);
    resync_cancel(p);  // a look below (fill.c) would stand beside RESYNC's own question in one Fetch
    timer_set(&p->flow->env->timers, &p->timer, p->wait_until_us);
}

void partition_wait(struct partition *p, int64_t until_us) {
    assert(p->append.unanswered == 0);
    p->wait_until_us = until_us;
    partition_event(p, EVENT_MUST_WAIT, NULL);
}

static void drain(struct partition *p, const struct error *why) {
    (void)why;
    fetch_session_remove(&p->fetch);
    resync_cancel(p);
    partition_drained_yet(p);
}

// What is queued would only follow what went wrong; but what is in requests must not outlive the slice: it may wait in
// the connection, and come to the broker when somebody else appends already.
static void send_no_more(struct partition *p, const struct error *why) {
    (void)why;
    int64_t bytes = p->append.queued < p->bytes_in_flight ? p->append.queued : p->bytes_in_flight;  // filler: none
    appender_drop_queued(&p->append);
    copy_give_back(p, bytes);
    partition_drained_yet(p);
}

void partition_drained_yet(struct partition *p) {
    if (p->append.unanswered > 0) return;
    copy_release(p);  // of what was refused
    if (p->append.under_way == 0) partition_event(p, EVENT_DRAINED, NULL);
}

static void on_orphan_gone(struct append_partition *ap, bool lost) {
    struct partition *p = CONTAINER_OF(ap, struct partition, append);
    if (lost) p->unsafe_since_us = p->flow->env->now_us;
    if (p->state == PARTITION_DRAIN) partition_drained_yet(p);
}

static void let_go(struct partition *p, const struct error *why) {
    (void)why;
    drop_all(p);
    memory_free(p->halt_reason);
    p->halt_reason = NULL;
    flow_partition_released(p->flow, p);
}

static void drop_and_halt(struct partition *p, const struct error *why) {
    (void)why;
    drop_all(p);
}

// clang-format off
static const struct { const char *where, *allow; } rights[] = {
    // refused               what it takes
    { "Produce"             , "WRITE"    },
    { "DescribeProducers"   , "READ"     },
    { "Fetch"               , "READ"     },
    { "OffsetForLeaderEpoch", "DESCRIBE" },
    { "ListOffsets"         , "DESCRIBE" },
};
// clang-format on

// NULL when it is not a missing right that stands in the way.
static const char *missing_right(const struct error *why) {
    if (why->kind != ERROR_KAFKA || why->code != KAFKA_TOPIC_AUTHORIZATION_FAILED) return NULL;
    for (size_t i = 0; i < sizeof rights / sizeof *rights; i++)
        if (strcmp(rights[i].where, why->where) == 0) return rights[i].allow;
    return NULL;
}

void partition_surprise(struct partition *p, const struct error *why) {
    if (p->state == PARTITION_IDLE || p->state == PARTITION_HALTED) return;
    const char *right = missing_right(why);
    if (right) {
        partition_halt(p, p->acked_end, "the right %s on the topic is missing: %s was answered %s", right, why->where,
                       why->detail);
        partition_halt_may_pass(p);
        return;
    }
    partition_event(p, EVENT_SURPRISE, why);
}

void partition_halt(struct partition *p, int64_t offset, const char *format, ...) {
    assert(p->state != PARTITION_HALTED && p->state != PARTITION_IDLE);
    if (p->state == PARTITION_DRAIN) {  // its next owner will see for himself, and it is he who says so
        partition_event(p, EVENT_HALT, NULL);
        return;
    }
    char reason[HALT_REASON_MAX], quoted[2 * HALT_REASON_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    p->halt_offset = offset;
    log_line(&p->flow->env->log, LOG_ERROR, "partition halted", "flow=%s topic=%s partition=%d offset=%lld reason=%s",
             p->flow->config.name, p->topic->destination_name, p->index, (long long)offset,
             log_quote(reason, quoted, sizeof quoted));
    memory_free(p->halt_reason);
    p->halt_reason = memory_copy_string(reason);
    partition_event(p, EVENT_HALT, NULL);
}

// Until what dead connections have sent is executed or gone. A broker executes a connection's requests one after the
// other, and the first one with acks=all may have to wait for a replica that hangs.
static int64_t ghost_wait_us(const struct flow *f) {
    return GHOST_WAIT_US + (f->config.acks == 1 ? 0 : f->destination.config.request_timeout_us);
}

bool partition_saw(uint64_t *before, struct bytes what) {
    uint64_t digest = hash_bytes(what.at, what.size) | 1;
    bool again = *before == digest;
    *before = digest;
    return again;
}

bool partition_found_damage(struct partition *p, int64_t offset, const char *whose, const char *what) {
    bool again = ++p->damaged_tries <= DAMAGED_TRIES_MAX;
    if (again) {
        struct error why =
            error_make(ERROR_PROTOCOL, 0, "damage", "damaged batch at offset %lld: %s", (long long)offset, what);
        partition_surprise(p, &why);
    } else {
        partition_halt(p, offset, "the %s batch at offset %lld is damaged (%s), %d times in a row", whose,
                       (long long)offset, what, DAMAGED_TRIES_MAX);
        partition_halt_may_pass(p);
    }
    return again;
}

bool partition_state_may_expire(const struct partition *p, int64_t newest_ms) {
    const struct flow *f = p->flow;
    int64_t young_ms = topics_producer_expiration_ms(f->topics) / 2 - ghost_wait_us(f) / 1000;
    return newest_ms <= f->env->wall_ms - young_ms;  // any number may stand there
}

bool partition_believes_source(struct partition *p) {
    struct cluster *source = &p->flow->source;
    int64_t now_us = p->flow->env->now_us;
    bool anew = p->source_doubted_us == 0 || now_us - p->source_asked_us > REPLICATION_WAIT_US_MAX;
    if (anew) p->source_doubted_us = now_us;
    p->source_asked_us = now_us;
    bool others = cluster_connect_others(source);
    bool confirmed = !others || source->refreshed_by != p->source_leader;
    if (confirmed && now_us - p->source_doubted_us > REPLICATION_WAIT_US_MAX) return true;
    cluster_refresh(source);
    return false;
}

bool partition_source_grew_past_us(const struct partition *p) {
    bool seen_twice = p->source_doubted_us != 0 && p->source_asked_us > p->source_doubted_us;
    return seen_twice && p->log_end > 0 && p->tail.size == 0;
}

int64_t partition_safe_at_us(struct partition *p) {
    ownership_want_lease(&p->flow->ownership);
    int64_t now_us = p->flow->env->now_us;
    int64_t since_us = p->append.under_way > 0 ? now_us : p->unsafe_since_us;
    if (p->append.unread_until_us > since_us) since_us = p->append.unread_until_us;
    int64_t at_us = since_us + ghost_wait_us(p->flow);
    if (at_us < now_us + LEASE_LOOK_US && !ownership_is_leased(&p->flow->ownership)) at_us = now_us + LEASE_LOOK_US;
    return at_us;
}

void partition_halt_may_pass(struct partition *p) {
    struct environment *env = p->flow->env;
    if (p->state == PARTITION_HALTED) timer_set(&env->timers, &p->timer, env->now_us + HALT_LOOK_AGAIN_US);
}

void partition_abandon(struct partition *p) {
    drop_all(p);
    memory_free(p->halt_reason);
    p->halt_reason = NULL;
    p->state = PARTITION_IDLE;
}

struct partition *partition_new(struct flow *flow, struct mirror_topic *topic, int32_t index, int32_t slice) {
    struct partition *p = NEW(struct partition);
    p->flow = flow;
    p->topic = topic;
    p->index = index;
    p->slice = slice;
    p->append.name = (struct topic_partition){topic->destination_name, topic->destination_id, index};
    p->append.on_answer = copy_on_append;
    p->append.on_orphan_gone = on_orphan_gone;
    append_partition_init(&p->append);
    p->fetch.name = (struct topic_partition){topic->source_name, topic->source_id, index};
    p->log_start_wanted = -1;
    timer_init(&p->timer, on_timer);
    return p;
}

void partition_free(struct partition *p) {
    assert(!p->append.appender && !p->fetch.session);
    timer_cancel(&p->flow->env->timers, &p->timer);
    memory_free(p->halt_reason);
    memory_free(p);
}
