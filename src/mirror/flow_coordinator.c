// Asks the destination's other brokers who coordinates the group.
//
// A coordinator that is cut off from its controller and was deposed does not know it: it goes on answering heartbeats
// from memory (GroupMetadataManager.classicGroupHeartbeat writes nothing), while another broker has taken the group,
// lets our session time out, and gives our slices away. So others are asked as often as heartbeats go: whoever knows
// better says so before that session is over.
#include "mirror/flow_coordinator.h"

#include "wire/error_codes.h"
#include "wire/messages.h"

#include <stdio.h>

#define ASKED_PER_HEARTBEAT 2

// What is asked there is answered at once: who owes an answer, is being connected to, or reads nothing before a
// throttle is over, is likely to stay silent.
static bool is_silent(const struct broker *b) {
    const struct connection *c = &b->control.connection;
    bool opens = c->state == CONNECTION_OPENING || c->state == CONNECTION_GREETING;
    return b->reported || c->requests_count > 0 || opens || connection_is_muted(c);
}

// Real brokers before bootstrap addresses.
static int worth(const struct broker *b) {
    if (b->node_id < 0) return 0;
    return is_silent(b) ? 1 : 2;
}

struct address {
    const char *host;
    uint16_t port;
};

static bool is_at(const struct broker *b, const struct address *a) {
    return b->port == a->port && strcmp(b->host, a->host) == 0;
}

// One of the best, by lot; neither this one nor that.
static struct broker *draw_broker(struct flow *f, struct address but, struct address nor) {
    struct broker *b, *found = NULL;
    size_t i = 0;
    uint64_t seen = 0;
    while ((b = map_next(&f->destination.brokers, &i))) {
        if (b->gone || is_at(b, &but) || is_at(b, &nor) || (found && worth(b) < worth(found))) continue;
        if (found && worth(b) > worth(found)) seen = 0;
        if (prng_below(&f->env->prng, ++seen) == 0) found = b;
    }
    return found;
}

// Rather not the one that was talked to last: it may be frozen, and the guard does not wait.
bool coordinator_any_broker(void *context, char *host, size_t host_size, uint16_t *port) {
    struct flow *f = context;
    struct address last = {host, *port}, none = {"", 0};
    struct broker *found = draw_broker(f, last, none);
    if (!found) found = draw_broker(f, none, none);
    if (!found) return false;
    snprintf(host, host_size, "%s", found->host);
    *port = found->port;
    return true;
}

static void ask(struct flow *f, const struct broker *b) {
    cluster_withdraw(&f->coordinator_task);  // of a broker that could not be reached
    if (b && b->node_id >= 0) cluster_submit(&f->destination, b->node_id, &f->coordinator_task);
}

// Who names himself may be the deposed one as well as his successor: a third one knows.
static void on_coordinator(void *context, const struct error *error, const void *response, struct frame *frame) {
    const struct broker *asked = context;
    struct flow *f = CONTAINER_OF(asked->cluster, struct flow, destination);
    struct group *g = &f->ownership.group;
    (void)frame;
    const struct find_coordinator_response *r = response;
    if (error_is(error) || r->error_code != KAFKA_NONE) return;
    bool itself = r->port == asked->port && text_equal(&r->host, asked->host);
    struct address talked_to = {g->host, g->port}, claims = {asked->host, asked->port};
    const struct broker *third = itself && !is_at(asked, &talked_to) ? draw_broker(f, talked_to, claims) : NULL;
    if (third && worth(third) > 1) ask(f, third);
    else group_told_coordinator(g, r->host, r->port);
}

static void run(struct cluster_task *t, struct connection *connection, const struct error *failure) {
    struct flow *f = CONTAINER_OF(t, struct flow, coordinator_task);
    (void)failure;
    if (!connection) return;
    struct broker *b = CONTAINER_OF(CONTAINER_OF(connection, struct broker_link, connection), struct broker, control);
    struct error e = group_call_find_coordinator(&f->ownership.group, connection, on_coordinator, b,
                                                 f->destination.config.request_timeout_us);
    (void)e;  // the next one will do
}

static int64_t interval_us(const struct flow *f) {
    return f->config.heartbeat_interval_ms * 1000LL / ASKED_PER_HEARTBEAT;
}

static void on_timer(struct timer *t, int64_t now_us) {
    struct flow *f = CONTAINER_OF(t, struct flow, coordinator_watch);
    const struct group *g = &f->ownership.group;
    timer_set(&f->env->timers, t, now_us + interval_us(f));
    struct address talked_to = {g->host, g->port}, none = {"", 0};
    ask(f, group_has_coordinator(g) ? draw_broker(f, talked_to, none) : NULL);
}

void coordinator_watch_init(struct flow *f) {
    f->coordinator_task.run = run;
    timer_init(&f->coordinator_watch, on_timer);
}

void coordinator_watch_start(struct flow *f) {
    int64_t first_us = prng_between(&f->env->prng, 1, interval_us(f));  // not when all others ask
    timer_set(&f->env->timers, &f->coordinator_watch, f->env->now_us + first_us);
}

void coordinator_watch_stop(struct flow *f) {
    timer_cancel(&f->env->timers, &f->coordinator_watch);
    cluster_withdraw(&f->coordinator_task);
}
