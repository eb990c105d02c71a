// One member of a group: where it stands, and what each event and error code means for it.
#include "client/group.h"

#include "base/rare.h"
#include "client/group_private.h"
#include "client/topic_partition.h"
#include "wire/error_codes.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

static void on_state(struct connection *c, const struct error *why);
static void on_timer(struct timer *t, int64_t now_us);

void group_connection_init(struct group *g, struct connection *c,
                           void (*told)(struct connection *c, const struct error *why)) {
    connection_init(c, g->env);
    c->client_id = g->config.client_id;
    c->open_timeout_us = g->config.open_timeout_us;
    c->on_state = told;
}

void group_init(struct group *g, struct environment *env, const struct group_config *config,
                const struct group_callbacks *callbacks, void *context) {
    assert(config->rebalance_timeout_ms >= 2 * config->session_timeout_ms);
    assert(config->heartbeat_interval_ms > 0 && config->heartbeat_interval_ms < config->session_timeout_ms);
    *g = (struct group){.env = env, .config = *config, .callbacks = *callbacks, .context = context};
    g->instance_id = config->instance_id;
    g->generation = GROUP_GENERATION_NONE;
    g->last_heard_us = INT64_MIN;
    g->backoff_us = config->backoff_us;
    group_connection_init(g, &g->connection, on_state);
    timer_init(&g->timer, on_timer);
    group_pulse_init(g);
    group_lease_init(g);
}

void group_free(struct group *g) {
    g->state = GROUP_OFF;
    timer_cancel(&g->env->timers, &g->timer);
    group_pulse_stop(g);
    group_lease_stop(g);
    connection_free(&g->connection);
    connection_free(&g->pulse);
    connection_free(&g->lease);
}

// Talking to one broker after another -------------------------------------------------------------------------------

// To g->host; the connection must be CLOSED.
static void reach(struct group *g, struct connection *c) {
    c->host = g->host;
    c->port = g->port;
    connection_open(c);
}

static void group_open(struct group *g, enum group_state state) {
    g->state = state;
    reach(g, &g->connection);
}

bool group_may_say(struct group *g, struct connection *c) {
    if (c->state == CONNECTION_CLOSED) {
        reach(g, c);
        return false;
    }
    return c->state == CONNECTION_READY && c->requests_count == 0;
}

static void seek(struct group *g) {
    if (g->callbacks.any_broker(g->context, g->host, sizeof g->host, &g->port)) {
        group_open(g, GROUP_SEEKING);
    } else {
        struct error none = error_make(ERROR_TRANSPORT, 0, "group", "no broker of the cluster is known yet");
        group_pause(g, &none, g->config.backoff_us);
    }
}

// The same trouble is told once, until things go well again.
static void report(struct group *g, const struct error *why, enum log_level level) {
    if (g->reported_kind == why->kind && g->reported_code == why->code) return;
    g->reported_kind = why->kind;
    g->reported_code = why->code;
    char text[ERROR_DETAIL_MAX * 2];
    log_line(&g->env->log, level, "group membership", "group=%s error=%s code=%" PRId32 " at=%s detail=%s",
             g->config.group_id, error_kind_name(why->kind), why->code, why->where,
             log_quote(why->detail, text, sizeof text));
}

void group_pause(struct group *g, const struct error *why, int64_t pause_us) {
    report(g, why, why->kind == ERROR_KAFKA && pause_us >= g->config.backoff_refused_us ? LOG_ERROR : LOG_WARN);
    g->state = GROUP_PAUSING;
    g->in_flight = false;
    group_pulse_stop(g);
    group_lease_stop(g);
    connection_close(&g->connection, true);
    int64_t jitter_us = pause_us / 5;
    timer_set(&g->env->timers, &g->timer,
              g->env->now_us + prng_between(&g->env->prng, pause_us - jitter_us, pause_us + jitter_us));
}

void group_pause_longer(struct group *g, const struct error *why) {
    int64_t pause_us = g->backoff_us;
    g->backoff_us = pause_us * 2 < g->config.backoff_max_us ? pause_us * 2 : g->config.backoff_max_us;
    group_pause(g, why, pause_us);
}

bool group_went_well(struct group *g) {
    g->backoff_us = g->config.backoff_us;
    g->reported_kind = ERROR_NONE;
    if (g->sent_us > g->last_heard_us) g->last_heard_us = g->sent_us;
    g->calm_us = g->sent_us;
    g->callbacks.heard(g->context);
    return g->state != GROUP_LEAVING;
}

void group_off(struct group *g) {
    connection_close(&g->connection, true);
    timer_cancel(&g->env->timers, &g->timer);
    g->state = GROUP_OFF;
    g->member_id[0] = '\0';
    g->generation = GROUP_GENERATION_NONE;
    g->callbacks.stopped(g->context);
}

// One JoinGroup follows another at some distance: each makes all members rejoin.
void group_schedule(struct group *g) {
    int64_t due_us =
        g->rejoin_why ? g->joined_us + g->config.backoff_us : g->sent_us + g->config.heartbeat_interval_ms * 1000LL;
    timer_set(&g->env->timers, &g->timer, due_us > g->env->now_us ? due_us : g->env->now_us);
}

static void on_state(struct connection *c, const struct error *why) {
    struct group *g = CONTAINER_OF(c, struct group, connection);
    bool ready = c->state == CONNECTION_READY;
    if (g->state == GROUP_LEAVING) {
        if (ready) group_say_leave(g);
        else group_off(g);  // the session time-out does the rest
    } else if (!ready) {
        group_pause_longer(g, why);
    } else if (g->state == GROUP_SEEKING) {
        group_find_coordinator(g);
    } else if (g->synced && !g->rejoin_why) {
        g->state = GROUP_STABLE;
        group_say_heartbeat(g);
    } else {
        group_join(g);
    }
}

static void on_timer(struct timer *t, int64_t now_us) {
    struct group *g = CONTAINER_OF(t, struct group, timer);
    (void)now_us;
    switch (g->state) {
    case GROUP_PAUSING:
        seek(g);
        break;
    case GROUP_REACHING:
        group_open(g, GROUP_REACHING);
        break;
    case GROUP_STABLE:
        if (g->rejoin_why) group_join(g);
        else group_say_heartbeat(g);
        break;
    case GROUP_LEAVING:
        if (g->member_id[0]) group_open(g, GROUP_LEAVING);
        else group_off(g);
        break;
    default:
        assert(!"a timer without a purpose");
    }
}

// What error codes mean ---------------------------------------------------------------------------------------------

enum action {
    SEEK_AGAIN,  // the coordinator moved or is not ready
    JOIN_AGAIN,  // as the member we are; nothing is lost
    JOIN_NEW,    // the coordinator has forgotten us
    GO_DYNAMIC,  // another instance has taken our place
    WAIT_LONG,   // only a person can put it right
};

// clang-format off
static const struct verdict {
    int16_t code;
    enum action action;
    const char *advice;
} verdicts[] = {
//    code                                action       what a person should know
    { KAFKA_COORDINATOR_LOAD_IN_PROGRESS, SEEK_AGAIN,  "the coordinator is loading" },
    { KAFKA_COORDINATOR_NOT_AVAILABLE,    SEEK_AGAIN,  "no coordinator yet" },
    { KAFKA_NOT_COORDINATOR,              SEEK_AGAIN,  "the coordinator has moved" },
    { KAFKA_ILLEGAL_GENERATION,           JOIN_AGAIN,  "the group went on without us" },
    { KAFKA_REBALANCE_IN_PROGRESS,        JOIN_AGAIN,  "the group rebalances" },
    { KAFKA_UNKNOWN_MEMBER_ID,            JOIN_NEW,    "our session timed out" },
    { KAFKA_FENCED_INSTANCE_ID,           GO_DYNAMIC,  "another instance runs under our instance.id, not its own: "
                                                       "going on as a dynamic member" },
    { KAFKA_GROUP_AUTHORIZATION_FAILED,   WAIT_LONG,   "we may not use this group: allow READ on it" },
    { KAFKA_INVALID_SESSION_TIMEOUT,      WAIT_LONG,   "session.timeout.ms is below the broker's "
                                                       "group.min.session.timeout.ms or above its maximum" },
    { KAFKA_INCONSISTENT_GROUP_PROTOCOL,  WAIT_LONG,   "something that is not Odraz uses a group of this name" },
    { KAFKA_GROUP_MAX_SIZE_REACHED,       WAIT_LONG,   "the broker's group.max.size is reached" },
};
// clang-format on

static struct verdict judge(int16_t code) {
    for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++)
        if (verdicts[i].code == code) return verdicts[i];
    enum action action = kafka_error_is_retriable(code) ? SEEK_AGAIN : WAIT_LONG;
    return (struct verdict){code, action, "not expected here"};
}

static void forget_membership(struct group *g, const struct error *why) {
    g->member_id[0] = '\0';
    g->generation = GROUP_GENERATION_NONE;
    g->synced = false;
    g->callbacks.lost(g->context, why);
}

void group_refused(struct group *g, const char *where, int16_t code) {
    struct verdict v = judge(code);
    struct error why = error_make(ERROR_KAFKA, code, where, "%s: %s", kafka_error_name(code), v.advice);
    switch (v.action) {
    case SEEK_AGAIN:
        group_pause_longer(g, &why);
        break;
    case JOIN_AGAIN:
        if (!g->rejoin_why) g->rejoin_why = v.advice;
        if (g->state == GROUP_STABLE || g->state == GROUP_SYNCING) group_join(g);
        else group_pause_longer(g, &why);
        break;
    case JOIN_NEW:
        group_pause_longer(g, &why);
        forget_membership(g, &why);
        break;
    case GO_DYNAMIC:
        report(g, &why, LOG_ERROR);
        RARE("group: another instance took the place");
        g->instance_id = NULL;
        group_pause_longer(g, &why);
        forget_membership(g, &why);
        break;
    case WAIT_LONG:
        group_pause(g, &why, g->config.backoff_refused_us);
        break;
    }
}

// The owner's calls -------------------------------------------------------------------------------------------------

void group_start(struct group *g) {
    assert(g->state == GROUP_OFF);
    g->host[0] = '\0';
    g->rejoin_why = "starts";
    g->synced = false;
    g->state = GROUP_PAUSING;
    timer_set(&g->env->timers, &g->timer, g->env->now_us);
}

void group_leave_unsaid(struct group *g) {
    g->member_id[0] = '\0';
    connection_close(&g->connection, true);
    timer_set(&g->env->timers, &g->timer, g->env->now_us);
}

void group_stop(struct group *g) {
    if (g->state == GROUP_OFF || g->state == GROUP_LEAVING) return;
    bool stable = g->state == GROUP_STABLE;
    bool known = stable || g->state == GROUP_REACHING || g->state == GROUP_JOINING || g->state == GROUP_SYNCING;
    timer_cancel(&g->env->timers, &g->timer);
    group_pulse_stop(g);
    group_lease_stop(g);
    g->state = GROUP_LEAVING;
    if (!known || !g->member_id[0] || g->instance_id) group_leave_unsaid(g);
    else if (stable) group_say_leave(g);
    else {
        // Behind a JoinGroup nothing is heard on this connection: the next entry opens another one.
        connection_close(&g->connection, true);
        timer_set(&g->env->timers, &g->timer, g->env->now_us);
    }
}

static bool is_talked_to(const struct group *g, const struct wire_text *host, int32_t port) {
    return port == g->port && text_equal(host, g->host);
}

static bool is_deposed(const struct group *g, const struct wire_text *host, int32_t port) {
    return g->env->now_us < g->deposed_until_us && port == g->deposed_port && text_equal(host, g->deposed_host);
}

bool group_claims_in_vain(const struct group *g, const struct wire_text *host, int32_t port) {
    return is_talked_to(g, host, port) && is_deposed(g, host, port);
}

void group_told_coordinator(struct group *g, struct wire_text host, int32_t port) {
    if (!group_has_coordinator(g) || is_talked_to(g, &host, port) || is_deposed(g, &host, port)) return;
    RARE("group: another broker names another coordinator");
    memcpy(g->deposed_host, g->host, sizeof g->host);
    g->deposed_port = g->port;
    g->deposed_until_us = g->env->now_us + g->config.session_timeout_ms * 1000LL;
    group_refused(g, "FindCoordinator", KAFKA_NOT_COORDINATOR);
}

void group_rejoin(struct group *g, const char *why) {
    if (g->state == GROUP_OFF || g->state == GROUP_LEAVING) return;
    g->rejoin_why = why;
    if (g->state == GROUP_STABLE && !g->in_flight) group_schedule(g);
}
