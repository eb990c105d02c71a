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

// One of those that are good enough, by lot: real brokers before bootstrap addresses.
static struct broker *draw_broker(struct flow *f, const char *avoided_host, uint16_t avoided_port) {
    struct broker *b, *found = NULL;
    size_t i = 0;
    uint64_t seen = 0;
    while ((b = map_next(&f->destination.brokers, &i))) {
        if (b->gone || (found && found->node_id >= 0 && b->node_id < 0)) continue;
        if (b->port == avoided_port && strcmp(b->host, avoided_host) == 0) continue;
        if (found && found->node_id < 0 && b->node_id >= 0) seen = 0;
        if (prng_below(&f->env->prng, ++seen) == 0) found = b;
    }
    return found;
}

// Rather not the one that was talked to last: it may be frozen, and the guard does not wait.
bool coordinator_any_broker(void *context, char *host, size_t host_size, uint16_t *port) {
    struct flow *f = context;
    struct broker *found = draw_broker(f, host, *port);
    if (!found) found = draw_broker(f, "", 0);
    if (!found) return false;
    snprintf(host, host_size, "%s", found->host);
    *port = found->port;
    return true;
}

static void on_coordinator(void *context, const struct error *error, const void *response, struct frame *frame) {
    struct flow *f = context;
    (void)frame;
    const struct find_coordinator_response *r = response;
    if (!error_is(error) && r->error_code == KAFKA_NONE) group_told_coordinator(&f->ownership.group, r->host, r->port);
}

static void run(struct cluster_task *t, struct connection *connection, const struct error *failure) {
    struct flow *f = CONTAINER_OF(t, struct flow, coordinator_task);
    (void)failure;
    if (!connection) return;
    struct error e = group_call_find_coordinator(&f->ownership.group, connection, on_coordinator, f,
                                                 f->destination.config.request_timeout_us);
    (void)e;  // the next one will do
}

static void on_timer(struct timer *t, int64_t now_us) {
    struct flow *f = CONTAINER_OF(t, struct flow, coordinator_watch);
    const struct group *g = &f->ownership.group;
    timer_set(&f->env->timers, t, now_us + f->config.heartbeat_interval_ms * 1000LL);
    cluster_withdraw(&f->coordinator_task);  // of a broker that could not be reached
    struct broker *b = group_has_coordinator(g) ? draw_broker(f, g->host, g->port) : NULL;
    if (b && b->node_id >= 0) cluster_submit(&f->destination, b->node_id, &f->coordinator_task);
}

void coordinator_watch_init(struct flow *f) {
    f->coordinator_task.run = run;
    timer_init(&f->coordinator_watch, on_timer);
}

void coordinator_watch_start(struct flow *f) {
    timer_set(&f->env->timers, &f->coordinator_watch, f->env->now_us + f->config.heartbeat_interval_ms * 1000LL);
}

void coordinator_watch_stop(struct flow *f) {
    timer_cancel(&f->env->timers, &f->coordinator_watch);
    cluster_withdraw(&f->coordinator_task);
}
