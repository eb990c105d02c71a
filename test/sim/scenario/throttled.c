// A byte-rate quota mutes connections of the destination for longer than anybody waits for requests of the dead
// (ClientQuotaManager knows no limit), and it forgets our state: what lies unread behind a throttle is executed when it
// is over, though the client is long gone.
#include "sim/scenario/scenario.h"

#define THROTTLE_MS 45000

static void throttle_side(struct world *w, enum side side, int32_t ms) {
    for (int32_t node = plan_first_node(&w->plan); node <= plan_last_node(&w->plan, side); node++)
        broker_throttle(w->clusters[side], node, ms);
}

static void throttle(struct world *w, int32_t ms) {
    throttle_side(w, DESTINATION, ms);
}

static struct plan old_records(uint64_t seed) {
    struct plan plan = scenario_plan(seed);
    plan.topics[0].last_year = true;
    plan.expiration_ms = plan.expiration_check_ms = 2000;
    plan.service_us_max = 60 * MS;
    plan.load_pause_us = 5 * MS;
    return plan;
}

static uint32_t under_way(const struct world *w) {
    const struct flow *f = w->instances[0].flow;
    return f->partitions_count == 1 ? f->partitions[0]->append.under_way : 0;
}

// Its owner's connection is lost while it is muted, and he makes another one.
const char *throttled_reconnects(int64_t moment_us, struct outcome *out) {
    struct plan plan = old_records(301);
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 22 * SECOND);
    for (int i = 0; i < 1000 && under_way(w) < 8; i++) world_run(w, 10 * MS);
    throttle(w, THROTTLE_MS);
    world_run(w, 2 * SECOND + moment_us);
    bool lies = under_way(w) > 0;
    int32_t leader = scenario_truth(w).leader;
    int64_t end = scenario_truth(w).log->end;
    network_reset(w, DESTINATION, leader);
    throttle(w, 0);
    world_run(w, 90 * SECOND);
    bool on = scenario_truth(w).log->end > end;
    const char *said = scenario_end(w);
    if (said) return said;
    if (!on) return "it does not go on";
    return lies ? NULL : "nothing lay behind the throttle";
}

// A consumer's quota of the source: who waits as he is told is served, loses no connection by it, and hears of new
// leaders meanwhile.
const char *throttled_fetches(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(303);
    plan.nodes[SOURCE] = 3;
    plan.load_pause_us = 20 * MS;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 10 * SECOND);
    throttle_side(w, SOURCE, THROTTLE_MS);
    world_run(w, 2 * SECOND + moment_us);
    const struct flow *f = w->instances[0].flow;
    const struct fetch_session *s = f->partitions_count == 1 ? f->partitions[0]->fetch.session : NULL;
    bool muted = s && connection_is_muted(&s->link.connection);
    int64_t ready_us = s ? s->link.ready_us : 0, end = scenario_truth(w).log->end;
    world_run(w, THROTTLE_MS * MS);
    bool stayed = s && s == f->partitions[0]->fetch.session && s->link.ready_us == ready_us;
    bool on = scenario_truth(w).log->end > end;
    // Who looks at the logs meanwhile asks for a batch, and is told the same.
    struct error why = error_make(ERROR_TRANSPORT, 0, "scenario", "looks at the logs again");
    broker_link_reset(&f->partitions[0]->append.appender->link, &why);
    world_run(w, 10 * SECOND);
    bool resync = f->partitions[0]->state == PARTITION_RESYNC;
    world_run(w, THROTTLE_MS * MS);
    bool looked = f->partitions[0]->state == PARTITION_COPY;
    throttle_side(w, SOURCE, 0);
    const char *said = scenario_end(w);
    if (said) return said;
    if (!stayed) return "a throttled connection was lost";
    if (!on) return "who waits as he is told is not served";
    if (!looked) return "a throttled look at the logs does not end";
    return muted && resync ? NULL : "nothing was throttled";
}
