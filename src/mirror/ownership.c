// Which slices this instance owns: what the group's assignments, the guard time and the flow's releases mean for them.
#include "mirror/ownership.h"

#include "base/memory.h"
#include "base/rare.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

// Of the session time-out: after so much of it unheard we stop by ourselves. The rest is for clocks that drift and for
// what is still on its way.
#define GUARD_PERCENT 60

// Members have so many session time-outs to rejoin. A dead one is given up after one; who is alive has then still time.
#define REBALANCE_SESSIONS 3

#define COORDINATOR_OPEN_US_MIN 1000000

#define BACKOFF_US 100000  // of a member whose coordinator moves: the guard is not far
#define BACKOFF_MAX_US 1000000
#define BACKOFF_REFUSED_US 30000000

static int64_t guard_us(const struct ownership *o) {
    return o->config.session_timeout_ms * 10LL * GUARD_PERCENT;
}

// A lost answer must leave time for a second attempt before the guard.
static int64_t request_timeout_us(const struct ownership *o) {
    return guard_us(o) / 3;
}

// The same for a broker that is frozen; but a long line needs two round trips.
static int64_t open_timeout_us(const struct ownership *o) {
    int64_t us = request_timeout_us(o) > COORDINATOR_OPEN_US_MIN ? request_timeout_us(o) : COORDINATOR_OPEN_US_MIN;
    return us < o->config.open_timeout_us ? us : o->config.open_timeout_us;
}

static bool holds(const struct ownership *o, int32_t slice) {
    return slices_has(&o->owned, slice) || slices_has(&o->draining, slice);
}

// Nothing may be sent any more.
static void lower_fences(struct ownership *o) {
    o->fence_us = o->lease_us = INT64_MIN;
    timer_cancel(&o->env->timers, &o->fence);
    timer_cancel(&o->env->timers, &o->lease);
}

static void on_stopped(void *context) {
    struct ownership *o = context;
    o->started = o->stopping = false;
    lower_fences(o);
    timer_cancel(&o->env->timers, &o->wait);
    o->callbacks.stopped(o->context);
}

// What is said when all is drained: with less in our hands, or good-bye.
static void go_on_when_drained(struct ownership *o, const char *why) {
    if (!slices_empty(&o->draining)) return;
    if (!o->stopping) group_rejoin(&o->group, why);
    else if (o->group.state == GROUP_OFF) on_stopped(o);
    else group_stop(&o->group);
}

// Revoking ----------------------------------------------------------------------------------------------------------

// `which` is owned. All are draining before the first is told, which may be released at once.
static void revoke_gently(struct ownership *o, struct slices which, enum revoke_reason reason) {
    for (int i = 0; i < SLICES_MAX / 64; i++) {
        assert((which.words[i] & ~o->owned.words[i]) == 0);
        o->owned.words[i] &= ~which.words[i];
        o->draining.words[i] |= which.words[i];
    }
    for (int32_t slice = 0; slice < o->config.slices; slice++)
        if (slices_has(&which, slice)) o->callbacks.slice_revoked(o->context, slice, reason);
}

static void revoke_at_once(struct ownership *o, enum revoke_reason reason) {
    struct slices owned = o->owned, draining = o->draining;
    o->owned = o->draining = (struct slices){0};
    for (int32_t slice = 0; slice < o->config.slices; slice++)
        if (slices_has(&owned, slice) || slices_has(&draining, slice))
            o->callbacks.slice_revoked(o->context, slice, reason);
}

void ownership_released(struct ownership *o, int32_t slice) {
    if (!slices_has(&o->draining, slice)) return;
    slices_remove(&o->draining, slice);
    go_on_when_drained(o, "slices released");
}

// The guard ---------------------------------------------------------------------------------------------------------

static void fence(struct ownership *o) {
    RARE("ownership: fenced by the guard");
    lower_fences(o);
    int32_t held = slices_count(&o->owned) + slices_count(&o->draining);
    // A newcomer that waited long for its first assignment has nothing to lose.
    log_line(&o->env->log, held > 0 ? LOG_WARN : LOG_DEBUG, "fenced: the coordinator was not heard for too long",
             "group=%s guard_ms=%" PRId64 " slices=%" PRId32, o->group_id, guard_us(o) / 1000, held);
    revoke_at_once(o, REVOKE_FENCED);
    go_on_when_drained(o, "fenced by our own guard");
}

static void on_fence(struct timer *t, int64_t now_us) {
    (void)now_us;
    fence(CONTAINER_OF(t, struct ownership, fence));
}

static void lease_is_over(struct ownership *o) {
    RARE("ownership: the lease is over");
    o->lease_us = INT64_MIN;
    timer_cancel(&o->env->timers, &o->lease);
    o->callbacks.lease_over(o->context);
}

static void on_lease_over(struct timer *t, int64_t now_us) {
    struct ownership *o = CONTAINER_OF(t, struct ownership, lease);
    if (now_us < o->fence_us) lease_is_over(o);
    else fence(o);
}

// As on_heard(): what was held back when the lease was over does not go when there is one again.
static void move_lease(struct ownership *o) {
    int64_t now_us = o->env->now_us;
    if (o->fence_us == INT64_MIN || o->group.leased_us == INT64_MIN) return;
    int64_t lease_us = o->group.leased_us + guard_us(o);
    if (lease_us > o->fence_us) lease_us = o->fence_us;
    if (lease_us <= o->lease_us || lease_us <= now_us) return;
    if (o->lease_us != INT64_MIN && now_us >= o->lease_us) lease_is_over(o);
    o->lease_us = lease_us;
    timer_set(&o->env->timers, &o->lease, lease_us);
}

static void on_heard(void *context) {
    struct ownership *o = context;
    int64_t fence_us = o->group.last_heard_us + guard_us(o);
    if (fence_us <= o->fence_us) return;
    // An answer that comes after the guard time still says that our session lived when it was asked; but what the guard
    // has taken by then stays taken, and where its timer has not fired yet it fires now.
    if (o->fence_us != INT64_MIN && o->env->now_us >= o->fence_us) fence(o);
    o->fence_us = fence_us;
    timer_set(&o->env->timers, &o->fence, fence_us);
    move_lease(o);
}

static void on_leased(void *context) {
    move_lease(context);
}

static void on_lost(void *context, const struct error *why) {
    struct ownership *o = context;
    RARE("ownership: membership lost");
    char text[ERROR_DETAIL_MAX * 2];
    lower_fences(o);
    log_line(&o->env->log, LOG_WARN, "membership lost", "group=%s slices=%" PRId32 " detail=%s", o->group_id,
             slices_count(&o->owned) + slices_count(&o->draining), log_quote(why->detail, text, sizeof text));
    revoke_at_once(o, REVOKE_LOST);
    go_on_when_drained(o, "membership lost");
}

// Joining -----------------------------------------------------------------------------------------------------------

static int64_t session_us(const struct ownership *o) {
    return o->config.session_timeout_ms * 1000LL;
}

static int64_t wait_over_us(const struct ownership *o) {
    return o->group.member_since_us + session_us(o);
}

// While a predecessor may still run, we know of no generation: the leader keeps back what nobody says to hold.
static bool predecessor_may_run(const struct ownership *o) {
    return o->group.instance_id && !o->config.predecessor_dead && o->env->now_us < wait_over_us(o);
}

static void on_metadata(void *context, struct buffer *out) {
    struct ownership *o = context;
    o->known_generation = predecessor_may_run(o) ? GROUP_GENERATION_NONE : o->group.generation;
    struct slices_metadata m = {.count = o->config.slices,
                                .weight = o->stopping ? 0 : o->config.weight,
                                .generation = o->known_generation,
                                .joins = ++o->joins,
                                .held = o->owned,
                                .rules = o->config.rules};
    snprintf(m.source, sizeof m.source, "%s", o->source_id);
    for (int i = 0; i < SLICES_MAX / 64; i++) m.held.words[i] |= o->draining.words[i];
    slices_encode_metadata(&m, out);
}

// Two settings files may say the same aliases, which name the group, and mean different things.
static void compare_settings(const struct ownership *o, const struct slices_metadata *m, const char *member) {
    if (strncmp(m->source, o->source_id, SLICES_SOURCE_MAX) != 0)
        log_line(&o->env->log, LOG_WARN, "a member of our group mirrors another source cluster",
                 "group=%s member=%s source=%s ours=%s reason=\"its slices are shared apart from ours; another alias "
                 "for one of the sources keeps the two from disturbing each other\"",
                 o->group_id, member, m->source, o->source_id);
    else if (m->rules != o->config.rules)
        log_line(&o->env->log, LOG_ERROR, "a member of our group mirrors other topics, or under other names",
                 "group=%s member=%s reason=\"what is in its slices is mirrored as it says, what is in ours as we say: "
                 "give all instances the same settings, or the source another alias\"",
                 o->group_id, member);
}

static void read_member(struct ownership *o, const struct group_member *from, struct slices_member *to) {
    struct wire_text name = from->instance_id.size > 0 ? from->instance_id : from->member_id;
    to->name = (struct bytes){(const uint8_t *)name.at, (size_t)name.size};
    struct error e = slices_decode_metadata(from->metadata, &to->metadata);
    to->readable = !error_is(&e);
    char id[GROUP_MEMBER_ID_MAX], detail[ERROR_DETAIL_MAX * 2];
    snprintf(id, sizeof id, "%.*s", (int)name.size, name.at);
    char quoted[GROUP_MEMBER_ID_MAX];
    if (!to->readable)
        log_line(&o->env->log, LOG_ERROR, "a member of our group is not an Odraz we understand: free slices stay free",
                 "group=%s member=%s detail=%s", o->group_id, log_quote(id, quoted, sizeof quoted),
                 log_quote(e.detail, detail, sizeof detail));
    else if (to->metadata.count != o->config.slices)
        log_line(&o->env->log, LOG_ERROR, "a member has another number of slices: it gets none",
                 "group=%s member=%s slices=%" PRId32 " ours=%" PRId32, o->group_id,
                 log_quote(id, quoted, sizeof quoted), to->metadata.count, o->config.slices);
    else compare_settings(o, &to->metadata, log_quote(id, quoted, sizeof quoted));
}

static void on_assign(void *context, int32_t generation, struct group_member *members, int32_t count,
                      struct buffer *out) {
    struct ownership *o = context;
    struct slices_member *seen = memory_alloc_zeroed((size_t)count, sizeof *seen);
    for (int32_t i = 0; i < count; i++) read_member(o, &members[i], &seen[i]);
    slices_assign(seen, (size_t)count, o->config.slices, generation);
    for (int32_t i = 0; i < count; i++) {
        size_t before = out->size;
        slices_encode_assignment(&seen[i].assignment, out);
        members[i].assignment_size = out->size - before;
    }
    memory_free(seen);
}

// Being assigned ----------------------------------------------------------------------------------------------------

// An assignment is a permission to gain only when the leader could see what we hold: when our metadata knew the
// generation before. Otherwise (we are new, come back, or it was made for a predecessor) it can only take away.
static void apply(struct ownership *o, int32_t generation, const struct slices_assignment *a) {
    bool current = o->known_generation == generation - 1;
    bool again = a->rejoin;
    struct slices given = a->count == o->config.slices ? a->given : (struct slices){0};
    struct slices taken = o->owned;
    for (int i = 0; i < SLICES_MAX / 64; i++) taken.words[i] &= ~given.words[i];
    revoke_gently(o, taken, REVOKE_MOVED);
    for (int32_t slice = 0; slice < o->config.slices; slice++) {
        if (!slices_has(&given, slice) || holds(o, slice)) continue;
        again |= !current;
        if (!current || o->stopping) continue;
        slices_add(&o->owned, slice);
        o->callbacks.slice_gained(o->context, slice);
    }
    timer_cancel(&o->env->timers, &o->wait);
    if (current) return;
    // An assignment that was made for our predecessor may have told him to let go of slices: they stay free until we
    // say that we do not hold them. A newcomer is asked before that time is over.
    if (again && !predecessor_may_run(o)) group_rejoin(&o->group, "known now");
    else timer_set(&o->env->timers, &o->wait, again ? wait_over_us(o) : o->env->now_us + session_us(o));
}

static void on_wait_over(struct timer *t, int64_t now_us) {
    (void)now_us;
    struct ownership *o = CONTAINER_OF(t, struct ownership, wait);
    group_rejoin(&o->group, "a predecessor's time is over");
}

static void on_assigned(void *context, int32_t generation, struct bytes assignment) {
    struct ownership *o = context;
    struct slices_assignment a;
    struct error e = slices_decode_assignment(assignment, &a);
    char detail[ERROR_DETAIL_MAX * 2];
    if (error_is(&e)) {
        log_line(&o->env->log, LOG_ERROR, "an assignment that is none: we keep what we have",
                 "group=%s generation=%" PRId32 " detail=%s", o->group_id, generation,
                 log_quote(e.detail, detail, sizeof detail));
        return;
    }
    if (a.count == 0) return;  // the leader gave up; what we hold stays ours
    if (a.count != o->config.slices)
        log_line(&o->env->log, LOG_ERROR, "the group's leader has another number of slices: we own nothing",
                 "group=%s slices=%" PRId32 " leader=%" PRId32, o->group_id, o->config.slices, a.count);
    // The answer may have lain in the socket while this process was stopped.
    if (o->env->now_us >= o->fence_us) {
        RARE("ownership: an assignment came after the guard");
        fence(o);
        return;
    }
    o->generation = generation;
    apply(o, generation, &a);
    log_line(&o->env->log, LOG_INFO, "slices assigned",
             "group=%s generation=%" PRId32 " owned=%" PRId32 " draining=%" PRId32, o->group_id, generation,
             slices_count(&o->owned), slices_count(&o->draining));
}

static bool on_any_broker(void *context, char *host, size_t host_size, uint16_t *port) {
    struct ownership *o = context;
    return o->callbacks.any_broker(o->context, host, host_size, port);
}

static const char *on_any_topic(void *context, bool another) {
    struct ownership *o = context;
    return o->callbacks.any_topic(o->context, another);
}

// The owner's calls -------------------------------------------------------------------------------------------------

static const struct group_callbacks group_callbacks = {.any_broker = on_any_broker,
                                                       .metadata = on_metadata,
                                                       .assign = on_assign,
                                                       .assigned = on_assigned,
                                                       .heard = on_heard,
                                                       .any_topic = on_any_topic,
                                                       .leased = on_leased,
                                                       .lost = on_lost,
                                                       .stopped = on_stopped};

void ownership_init(struct ownership *o, struct environment *env, const struct ownership_config *config,
                    const struct ownership_callbacks *callbacks, void *context) {
    assert(config->slices > 0 && config->slices <= SLICES_MAX);
    assert(config->weight >= 0 && config->weight <= SLICES_WEIGHT_MAX);
    *o = (struct ownership){.env = env, .config = *config, .callbacks = *callbacks, .context = context};
    o->fence_us = o->lease_us = INT64_MIN;
    o->generation = o->known_generation = GROUP_GENERATION_NONE;
    int size = snprintf(o->group_id, sizeof o->group_id, "odraz.%s->%s", config->source_alias, config->target_alias);
    assert(size > 0 && (size_t)size < sizeof o->group_id);
    (void)size;
    struct group_config group = {
        .client_id = config->client_id,
        .group_id = o->group_id,
        .protocol_type = SLICES_PROTOCOL_TYPE,
        .protocol_name = SLICES_PROTOCOL_NAME,
        .instance_id = config->instance_id,
        .session_timeout_ms = config->session_timeout_ms,
        .rebalance_timeout_ms = config->session_timeout_ms * REBALANCE_SESSIONS,
        .heartbeat_interval_ms = config->heartbeat_interval_ms,
        .open_timeout_us = open_timeout_us(o),
        .request_timeout_us = request_timeout_us(o),
        .lease_timeout_us = guard_us(o),  // a later answer is worth nothing
        .backoff_us = BACKOFF_US,
        .backoff_max_us = BACKOFF_MAX_US,
        .backoff_refused_us = BACKOFF_REFUSED_US,
    };
    group_init(&o->group, env, &group, &group_callbacks, o);
    timer_init(&o->fence, on_fence);
    timer_init(&o->lease, on_lease_over);
    timer_init(&o->wait, on_wait_over);
}

void ownership_free(struct ownership *o) {
    timer_cancel(&o->env->timers, &o->fence);
    timer_cancel(&o->env->timers, &o->lease);
    timer_cancel(&o->env->timers, &o->wait);
    group_free(&o->group);
}

void ownership_start(struct ownership *o, const char *source_cluster_id) {
    assert(!o->started);
    o->source_id = source_cluster_id;
    o->started = true;
#ifdef ODRAZ_TEST_NO_OWNERSHIP
    o->fence_us = o->lease_us = INT64_MAX;
    for (int32_t slice = 0; slice < o->config.slices; slice++) {
        slices_add(&o->owned, slice);
        o->callbacks.slice_gained(o->context, slice);
    }
#else
    group_start(&o->group);
#endif
}

void ownership_stop(struct ownership *o) {
    if (!o->started || o->stopping) return;
    o->stopping = true;
    bool drained = slices_empty(&o->owned) && slices_empty(&o->draining);
    revoke_gently(o, o->owned, REVOKE_STOPPED);
    if (drained) go_on_when_drained(o, "stops");
}
