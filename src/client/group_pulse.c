// The pulse of a member whose JoinGroup or SyncGroup the coordinator holds back: heartbeats on a second connection.
//
// A rebalance lasts until the slowest member has rejoined; when one is dead, until its session times out. JoinGroup
// blocks its connection that long, and without a sign from the coordinator the owner's guard would stop everybody else
// too. The coordinator answers REBALANCE_IN_PROGRESS and keeps the session alive (classicGroupHeartbeat).
#include "base/rare.h"
#include "client/group_private.h"
#include "wire/error_codes.h"

// The session is not all: a member that does not rejoin is removed when the rebalance time-out, counted from no earlier
// than calm_us, is over, and our JoinGroup may have been lost on its way. So such a sign is worth only so much.
bool group_heard_in_rebalance(struct group *g, int64_t sent_us) {
    int64_t credit_us = (g->config.rebalance_timeout_ms - g->config.session_timeout_ms) * 1000LL;
    int64_t worth_us = sent_us < g->calm_us + credit_us ? sent_us : g->calm_us + credit_us;
    if (worth_us <= g->last_heard_us) return false;
    g->last_heard_us = worth_us;
    g->callbacks.heard(g->context);
    return true;
}

static void on_pulse(void *context, const struct error *error, const void *response, struct frame *frame) {
    struct group *g = context;
    (void)frame;
    if (error_is(error)) return;
    int16_t code = group_heartbeat_code(response);
    // Whatever else it says, the answer to JoinGroup will say it too.
    if (code != KAFKA_NONE && code != KAFKA_REBALANCE_IN_PROGRESS) return;
    if (group_heard_in_rebalance(g, g->pulse_sent_us)) RARE("group: heard beside a rebalance");
}

static void beat(struct group *g) {
    g->pulse_sent_us = g->env->now_us;
    struct error e = group_call_heartbeat(g, &g->pulse, on_pulse);
    if (error_is(&e)) connection_close(&g->pulse, true);
}

static void on_pulse_state(struct connection *c, const struct error *why) {
    (void)why;  // the next beat opens it again
    if (c->state == CONNECTION_READY) beat(CONTAINER_OF(c, struct group, pulse));
}

static void on_pulse_timer(struct timer *t, int64_t now_us) {
    struct group *g = CONTAINER_OF(t, struct group, pulse_timer);
    timer_set(&g->env->timers, t, now_us + g->config.heartbeat_interval_ms * 1000LL);
    if (group_may_say(g, &g->pulse)) beat(g);
}

void group_pulse_init(struct group *g) {
    group_connection_init(g, &g->pulse, on_pulse_state);
    timer_init(&g->pulse_timer, on_pulse_timer);
}

// A JoinGroup that was held back for long was answered just now, but what counts is when it was sent.
void group_pulse_start(struct group *g) {
    if (g->generation == GROUP_GENERATION_NONE || timer_is_set(&g->pulse_timer)) return;
    int64_t due_us = g->last_heard_us + g->config.heartbeat_interval_ms * 1000LL;
    timer_set(&g->env->timers, &g->pulse_timer, due_us > g->env->now_us ? due_us : g->env->now_us);
}

void group_pulse_stop(struct group *g) {
    timer_cancel(&g->env->timers, &g->pulse_timer);
    connection_close(&g->pulse, true);
}
