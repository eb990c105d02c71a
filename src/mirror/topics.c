// The topics reconciler: finds topics, compares both clusters' metadata, and decides what each topic needs next.
#include "mirror/topics.h"

#include "base/limits.h"
#include "base/memory.h"
#include "client/topic_partition.h"
#include "mirror/topics_private.h"
#include "wire/error_codes.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define REFUSED_TEXT_MAX 512

// Steps ---------------------------------------------------------------------------------------------------------------

static void set_step(struct topic *t, enum topic_step step) {
    timer_cancel(&t->owner->env->timers, &t->again);
    t->step = step;
}

// Until the cluster's metadata show more.
static void await(struct topic *t, struct cluster *c) {
    t->step = STEP_AWAIT;
    t->awaited = c;
    if (!timer_is_set(&t->again))
        timer_set(&t->owner->env->timers, &t->again, t->owner->env->now_us + TOPIC_AWAIT_INTERVAL_US);
}

int64_t topic_back_off_us(int failures) {
    int64_t wait_us = TOPIC_BACKOFF_US_MIN;
    for (int i = 0; i < failures && wait_us < TOPIC_BACKOFF_US_MAX; i++) wait_us *= 2;
    return wait_us < TOPIC_BACKOFF_US_MAX ? wait_us : TOPIC_BACKOFF_US_MAX;
}

void topic_back_off(struct topic *t) {
    int64_t wait_us = topic_back_off_us(t->failures++);
    set_step(t, STEP_BACKOFF);
    timer_set(&t->owner->env->timers, &t->again, t->owner->env->now_us + wait_us);
}

void topic_forget_settings(struct topic *t) {
    t->settings_known = false;
    t->tries = 0;
    topic_settings_free(&t->settings);
    buffer_clear(&t->refused);
}

// One for all topics, because metadata are of all topics. Each time it waits longer, until the refresh does it.
static void schedule_recheck(struct topics *ts, int64_t wait_us) {
    if (wait_us >= ts->config.refresh_interval_us) return;
    ts->recheck_wait_us = wait_us;
    timer_set(&ts->env->timers, &ts->recheck, ts->env->now_us + wait_us);
}

static void on_recheck(struct timer *timer, int64_t now_us) {
    (void)now_us;
    struct topics *ts = CONTAINER_OF(timer, struct topics, recheck);
    struct topic *t;
    size_t i = 0;
    bool any = false;
    while ((t = map_next(&ts->topics, &i))) any |= t->step == STEP_HALTED && t->doubt != NO_DOUBT;
    if (!any) return;
    cluster_refresh(ts->source);
    cluster_refresh(ts->destination);
    schedule_recheck(ts, 2 * ts->recheck_wait_us);
}

void topic_halt(struct topic *t, const char *format, ...) {
    char reason[TOPIC_REASON_MAX], quoted[2 * TOPIC_REASON_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    struct topics *ts = t->owner;
    bool news = t->t.ready || strcmp(reason, t->t.halted) != 0;
    set_step(t, STEP_HALTED);
    memcpy(t->t.halted, reason, sizeof reason);
    t->t.ready = false;
    t->provided = 0;
    t->leaders_until_us = 0;
    t->failures = 0;
    topic_forget_settings(t);
    if (!news) return;
    if (t->doubt != NO_DOUBT) schedule_recheck(ts, TOPIC_RECHECK_US_MIN);
    log_line(&ts->env->log, LOG_ERROR, "topic halted", "flow=%s topic=%s destination=%s reason=%s", ts->config.flow,
             t->t.source_name, t->t.destination_name, log_quote(reason, quoted, sizeof quoted));
    if (ts->callbacks.halted) ts->callbacks.halted(ts->context, &t->t);
}

static void become_ready(struct topic *t, int32_t partitions) {
    struct topics *ts = t->owner;
    bool news = !t->t.ready || partitions > t->t.partitions_count;
    set_step(t, STEP_READY);
    t->failures = 0;
    t->provided = 0;
    t->leaders_until_us = 0;
    t->t.halted[0] = '\0';
    t->t.ready = true;
    t->t.partitions_count = partitions;
    if (!news) return;
    log_line(&ts->env->log, LOG_INFO, "topic ready", "flow=%s topic=%s destination=%s partitions=%" PRId32,
             ts->config.flow, t->t.source_name, t->t.destination_name, partitions);
    if (ts->callbacks.ready) ts->callbacks.ready(ts->context, &t->t);
}

// Looking -------------------------------------------------------------------------------------------------------------

static const struct cluster_topic *visible(struct cluster *c, const char *name) {
    const struct cluster_topic *found = cluster_topic(c, name);
    return found && found->partitions_count > 0 ? found : NULL;
}

static bool is_other(const struct wire_uuid *known, const struct wire_uuid *now) {
    return !uuid_is_zero(known) && !uuid_is_zero(now) && !uuid_equal(known, now);
}

// True: the doubt is not yet confirmed, and the topic waits for newer metadata.
static bool doubtful(struct topic *t, enum topic_doubt doubt, struct cluster *c) {
    if (t->doubt != doubt) {
        t->doubt = doubt;
        t->doubt_since_us = t->owner->env->now_us;
        t->doubt_of = c->refreshed_by;
        t->doubt_shared = false;
    }
    if (c->refreshed_by != t->doubt_of) t->doubt_shared = true;
    bool alone = !cluster_connect_others(c) || c->refreshed_at_us >= t->doubt_since_us + TOPIC_DOUBT_ALONE_US;
    if (c->refreshed_at_us >= t->doubt_since_us + TOPIC_DOUBT_US && (t->doubt_shared || alone)) return false;
    await(t, c);
    return true;
}

// Whether metadata still say what a topic was halted for.
static bool doubt_stands(const struct topic *t, const struct cluster_topic *s, const struct cluster_topic *d) {
    switch (t->doubt) {
    case NO_DOUBT:
        return true;  // metadata has nothing to do with it
    case DOUBT_SOURCE_GONE:
        return !s;
    case DOUBT_SOURCE_OTHER:
        return !s || is_other(&t->t.source_id, &s->id);
    case DOUBT_DESTINATION_GONE:
        return !d;
    case DOUBT_MORE_PARTITIONS:
        return !s || !d || d->partitions_count > s->partitions_count;
    }
    return true;
}

// The source's side: there, the same as ever, with a legal name at the destination. No two topics get the same name:
// every policy either puts the alias in front or leaves the name as it is, and sees at its end which.
static bool source_fits(struct topic *t, const struct cluster_topic *s, const struct cluster_topic *d) {
    struct topics *ts = t->owner;
    if (!*t->t.destination_name) {
        char refused[TOPIC_NAME_SIZE_MAX + 1];
        struct error e = naming_remote_topic(&ts->config.naming, t->t.source_name, refused);
        topic_halt(t, "no legal name at the destination: %s", e.detail);
        return false;
    }
    if (!s) {
        if (!doubtful(t, DOUBT_SOURCE_GONE, ts->source))
            topic_halt(t, "source topic was deleted, or may not be described");
        return false;
    }
    if (is_other(&t->t.source_id, &s->id)) {
        if (!d && !t->t.ready) {  // somebody has deleted the copy of the other one, so that this one be mirrored
            if (doubtful(t, DOUBT_DESTINATION_GONE, ts->destination)) return false;
        } else {
            t->doubt = DOUBT_SOURCE_OTHER;
            topic_halt(t, "source topic was re-created: under the same name it is another topic");
            return false;
        }
    }
    t->t.source_id = s->id;
    return true;
}

static bool destination_fits(struct topic *t, const struct cluster_topic *s, const struct cluster_topic *d) {
    struct topics *ts = t->owner;
    if (!d && t->t.ready) {
        if (doubtful(t, DOUBT_DESTINATION_GONE, ts->destination)) return false;
        topic_halt(t, "destination topic was deleted");
        return false;
    }
    if (!d) return true;
    bool other = is_other(&t->t.destination_id, &d->id);
    t->t.destination_id = d->id;
    if (other && t->t.ready) {
        t->doubt = NO_DOUBT;  // it is made from scratch, with the next refresh
        topic_halt(t, "destination topic was re-created");
        return false;
    }
    if (other) t->checked = false;
    // A topic never shrinks: fewer than we have seen is what a broker says that lags behind.
    if (d->partitions_count <= s->partitions_count || d->partitions_count <= t->t.partitions_count) return true;
    if (!doubtful(t, DOUBT_MORE_PARTITIONS, ts->source))
        topic_halt(t, "destination topic has %" PRId32 " partitions, more than the %" PRId32 " of the source topic",
                   d->partitions_count, s->partitions_count);
    return false;
}

// The destination has too few partitions, or does not have the topic.
static void provide(struct topic *t, int32_t wanted, int32_t have) {
    struct topics *ts = t->owner;
    int32_t next = wanted - have > PARTITIONS_AT_ONCE_MAX ? have + PARTITIONS_AT_ONCE_MAX : wanted;
    if (have == 0 ? t->provided > 0 : t->provided >= next) {
        if (ts->env->now_us < t->visible_until_us) {
            await(t, ts->destination);
            return;
        }
        if (have == 0) {
            topic_halt(t, "destination topic exists but does not show in metadata: is the right DESCRIBE missing?");
            return;
        }
    }
    t->wanted = wanted;
    t->wanted_next = next;
    if (have == 0) {
        topic_ask(t, t->settings_known ? LANE_CREATE : LANE_SOURCE);
        return;
    }
    log_line(&ts->env->log, LOG_INFO, "destination topic has fewer partitions",
             "flow=%s topic=%s destination=%s source_partitions=%" PRId32 " destination_partitions=%" PRId32,
             ts->config.flow, t->t.source_name, t->t.destination_name, wanted, have);
    topic_ask(t, LANE_GROW);
}

// New partitions get leaders soon. When some do not, the topic goes on: a partition without a leader is looked after
// by itself.
static bool has_leaders(struct topic *t, const struct cluster_topic *d, int32_t wanted) {
    struct topics *ts = t->owner;
    int32_t missing = 0;
    for (int32_t i = t->t.ready ? t->t.partitions_count : 0; i < wanted; i++)
        if (d->partitions[i].leader < 0) missing++;
    if (missing == 0) return true;
    if (t->leaders_until_us == 0) t->leaders_until_us = ts->env->now_us + TOPIC_LEADERS_US_MAX;
    if (ts->env->now_us < t->leaders_until_us) {
        await(t, ts->destination);
        return false;
    }
    log_line(&ts->env->log, LOG_WARN, "partitions without leader",
             "flow=%s topic=%s destination=%s partitions=%" PRId32, ts->config.flow, t->t.source_name,
             t->t.destination_name, missing);
    return true;
}

static int32_t wanted_partitions(const struct topic *t, const struct cluster_topic *s) {
    if (!t->t.ready) return s->partitions_count;
    bool more = s->partitions_count > t->t.partitions_count;
    return more && t->owner->config.refresh ? s->partitions_count : t->t.partitions_count;
}

// To go on without what is missing: none of those that are mirrored already.
static bool has_enough(const struct topic *t, const struct cluster_topic *d) {
    return d && d->partitions_count >= (t->t.ready ? t->t.partitions_count : 1);
}

// Compares what is there with what should be, and takes the next step. Every answer and metadata ends here.
void topic_look(struct topic *t) {
    struct topics *ts = t->owner;
    assert(t->step != STEP_ASKED);
    const struct cluster_topic *s = visible(ts->source, t->t.source_name);
    const struct cluster_topic *d = visible(ts->destination, t->t.destination_name);
    if (!source_fits(t, s, d) || !destination_fits(t, s, d)) return;
    t->doubt = NO_DOUBT;
    int32_t wanted = wanted_partitions(t, s), have = d ? d->partitions_count : 0;
    if (t->growth_refused && has_enough(t, d) && have < wanted) wanted = have;
    t->wanted = 0;
    if (have < wanted) provide(t, wanted, have);
    else if (!t->limits_known) topic_ask(t, LANE_SOURCE);
    else if (!t->checked) topic_ask(t, LANE_DESTINATION);
    else if (has_leaders(t, d, wanted)) become_ready(t, wanted);
}

// Somebody must put it right; until the next refresh the topic does without the partitions that are missing. A broker
// that lags behind may show fewer than are mirrored: then it is looked at later.
void topic_growth_refused(struct topic *t, const char *reason) {
    char quoted[2 * TOPIC_REASON_MAX];
    if (!t->growth_refused)
        log_line(&t->owner->env->log, LOG_ERROR, "destination topic not grown: its new partitions are not mirrored",
                 "flow=%s topic=%s destination=%s source_partitions=%" PRId32 " reason=%s", t->owner->config.flow,
                 t->t.source_name, t->t.destination_name, t->wanted, log_quote(reason, quoted, sizeof quoted));
    t->growth_refused = true;
    t->wanted = 0;
    if (has_enough(t, visible(t->owner->destination, t->t.destination_name))) topic_look(t);
    else topic_back_off(t);
}

static void on_again(struct timer *timer, int64_t now_us) {
    (void)now_us;
    struct topic *t = CONTAINER_OF(timer, struct topic, again);
    if (t->step == STEP_AWAIT) cluster_refresh(t->awaited);
    topic_look(t);
}

// Finding -------------------------------------------------------------------------------------------------------------

static void add(struct topics *ts, const struct cluster_topic *s) {
    char name[TOPIC_NAME_SIZE_MAX + 1];
    struct error e = naming_remote_topic(&ts->config.naming, s->name, name);
    if (error_is(&e)) name[0] = '\0';
    struct topic *t = NEW(struct topic);
    t->owner = ts;
    t->t.source_name = memory_copy_string(s->name);
    t->t.destination_name = memory_copy_string(name);
    timer_init(&t->again, on_again);
    buffer_init(&t->refused, REFUSED_TEXT_MAX);
    map_put_text(&ts->topics, s->name, strlen(s->name), t);
    log_line(&ts->env->log, LOG_INFO, "topic found", "flow=%s topic=%s destination=%s partitions=%" PRId32,
             ts->config.flow, s->name, name, s->partitions_count);
}

static void consider(struct topics *ts, const struct cluster_topic *s) {
    size_t size = strlen(s->name);
    bool known = map_get_text(&ts->topics, s->name, size) || map_get_text(&ts->rejected, s->name, size);
    if (known || s->partitions_count == 0) return;
    enum selection_verdict verdict = selection_judge(ts->config.selection, s->name);
    if (verdict != SELECTION_MIRROR) {
        map_put_text(&ts->rejected, s->name, size, ts);
        if (verdict == SELECTION_GAVE_UP)
            log_line(&ts->env->log, LOG_WARN, "topic not mirrored", "flow=%s topic=%s reason=\"%s\"", ts->config.flow,
                     s->name, selection_verdict_text(verdict));
    } else if (ts->topics.count < TOPICS_MAX) {
        add(ts, s);
    } else if (!ts->full_reported) {
        ts->full_reported = true;
        log_line(&ts->env->log, LOG_ERROR, "too many topics: further ones are not mirrored", "flow=%s limit=%d",
                 ts->config.flow, TOPICS_MAX);
    }
}

static void discover(struct topics *ts) {
    if (ts->discovered && !ts->config.refresh) return;
    bool first = !ts->discovered;
    ts->discovered = true;
    if (ts->rejected.count > ts->source->topics.count) {  // most of them are gone from the source
        map_free(&ts->rejected);
        map_init(&ts->rejected);
    }
    const struct cluster_topic *s;
    size_t i = 0;
    while ((s = map_next(&ts->source->topics, &i))) consider(ts, s);
    if (first && ts->topics.count == 0)
        log_line(&ts->env->log, LOG_WARN, "no topic to mirror yet",
                 "flow=%s source_topics=%zu reason=\"none of the topics that may be described at the source is "
                 "selected by topics and topics.exclude\"",
                 ts->config.flow, ts->source->topics.count);
}

// Refreshing ----------------------------------------------------------------------------------------------------------

static void on_refresh(struct timer *timer, int64_t now_us) {
    struct topics *ts = CONTAINER_OF(timer, struct topics, refresh);
    ts->refresh_pending = true;
    ts->source_refreshes = ts->source->refreshes;
    ts->destination_refreshes = ts->destination->refreshes;
    cluster_refresh(ts->source);
    cluster_refresh(ts->destination);
    timer_set(&ts->env->timers, &ts->refresh, now_us + ts->config.refresh_interval_us);
}

static void look_anew(struct topic *t) {
    t->limits_known = t->checked = t->growth_refused = false;
    t->step = STEP_LOOK;
}

// The metadata a refresh asked for are there: halted topics get another chance, settings are read again.
static void look_again(struct topics *ts) {
    ts->refresh_pending = false;
    topic_expiration_ask_anew(ts);
    struct topic *t;
    size_t i = 0;
    while ((t = map_next(&ts->topics, &i))) {
        if (t->step != STEP_READY && t->step != STEP_HALTED) continue;
        look_anew(t);
    }
}

void topics_on_metadata(struct topics *ts) {
    if (!ts->started || ts->stopped || ts->source->refreshes == 0 || ts->destination->refreshes == 0) return;
    discover(ts);
    if (ts->refresh_pending && ts->source->refreshes > ts->source_refreshes &&
        ts->destination->refreshes > ts->destination_refreshes)
        look_again(ts);
    topic_expiration_ask(ts);
    struct topic *t;
    size_t i = 0;
    while (!ts->stopped && (t = map_next(&ts->topics, &i))) {
        if (t->step == STEP_HALTED && !doubt_stands(t, visible(ts->source, t->t.source_name),
                                                    visible(ts->destination, t->t.destination_name)))
            look_anew(t);
        if (t->step == STEP_LOOK || t->step == STEP_AWAIT || t->step == STEP_READY) topic_look(t);
    }
}

// Life ----------------------------------------------------------------------------------------------------------------

struct topics *topics_new(struct cluster *source, struct cluster *destination, const struct topics_config *config,
                          const struct topics_callbacks *callbacks, void *context) {
    assert(source->env == destination->env && config->refresh_interval_us > 0);
    struct topics *ts = NEW(struct topics);
    ts->source = source;
    ts->destination = destination;
    ts->config = *config;
    ts->callbacks = *callbacks;
    ts->context = context;
    ts->env = source->env;
    map_init(&ts->topics);
    map_init(&ts->rejected);
    timer_init(&ts->refresh, on_refresh);
    timer_init(&ts->recheck, on_recheck);
    topic_lanes_init(ts);
    topic_expiration_init(ts);
    return ts;
}

void topics_start(struct topics *ts) {
    assert(!ts->started);
    ts->started = true;
    timer_set(&ts->env->timers, &ts->refresh, ts->env->now_us + ts->config.refresh_interval_us);
    topics_on_metadata(ts);
}

void topics_stop(struct topics *ts) {
    ts->stopped = true;
    timer_cancel(&ts->env->timers, &ts->refresh);
    timer_cancel(&ts->env->timers, &ts->recheck);
    topic_lanes_stop(ts);
    topic_expiration_stop(ts);
    struct topic *t;
    size_t i = 0;
    while ((t = map_next(&ts->topics, &i))) timer_cancel(&ts->env->timers, &t->again);
}

void topics_free(struct topics *ts) {
    assert(ts->stopped || !ts->started);
    struct topic *t;
    size_t i = 0;
    while ((t = map_next(&ts->topics, &i))) {
        topic_settings_free(&t->settings);
        buffer_free(&t->refused);
        memory_free(t->t.source_name);
        memory_free(t->t.destination_name);
        memory_free(t);
    }
    map_free(&ts->topics);
    map_free(&ts->rejected);
    topic_expiration_free(ts);
    memory_free(ts);
}

struct mirror_topic *topics_next(const struct topics *ts, size_t *i) {
    struct topic *t = map_next(&ts->topics, i);
    return t ? &t->t : NULL;
}

int64_t topics_producer_expiration_ms(const struct topics *ts) {
    return ts->expirations.ms_min;
}
