// The connections to the destination that a flow's partitions share.
#include "mirror/flow_lanes.h"

#include "base/limits.h"
#include "base/memory.h"
#include "base/rare.h"
#include "mirror/partition_private.h"

struct append_lane {
    struct appender appender;
    struct positions positions;
};

static void tell_partitions(struct appender *a, void (*tell)(struct partition *p)) {
    for (struct link *k = list_first(&a->members); k; k = list_next(&a->members, k))
        tell(CONTAINER_OF(k, struct partition, append.member));
}

static void on_appender_ready(struct appender *a) {
    tell_partitions(a, resync_on_appender_ready);
}

static void on_appender_silent(struct appender *a) {
    tell_partitions(a, copy_on_silence);
}

static void on_detached(struct append_partition *ap, const struct error *why) {
    struct partition *p = CONTAINER_OF(ap, struct partition, append);
    p->unsafe_since_us = p->flow->env->now_us;  // what was sent may still be executed (rule 1)
    partition_surprise(p, why);
}

struct appender *flow_appender(struct flow *f, int32_t node_id, int32_t number) {
    bool alone = number == APPEND_LANE_ALONE;
    uint64_t key = (uint64_t)(uint32_t)node_id * (APPEND_LANE_ALONE + 1) + (uint64_t)number;
    struct append_lane *lane = map_get_number(&f->appenders, key);
    if (!lane) {
        lane = NEW(struct append_lane);
        struct appender *a = &lane->appender;
        appender_init(a, &f->destination, node_id, alone ? -1 : f->config.acks, alone ? 1 : APPENDER_DEPTH_MAX);
        a->on_ready = on_appender_ready;
        a->on_silent = on_appender_silent;
        a->on_detached = on_detached;
        a->link.connection.fence_us = a->fence_us = &f->ownership.fence_us;
        a->lease_us = &f->ownership.lease_us;
        // Guard time and this together end before another instance may begin (rule 7).
        a->link.connection.unacknowledged_ms_max = f->config.session_timeout_ms / 3;
        positions_init(&lane->positions, a);
        map_put_number(&f->appenders, key, lane);
    }
    broker_link_start(&lane->appender.link);
    return &lane->appender;
}

// Among those that append there; of which another instance copies some.
static int32_t place_at_leader(const struct partition *p) {
    int32_t place = 0;
    for (int32_t i = 0; i < p->number; i++) {
        const struct partition *other = p->flow->partitions[i];
        if (other->append.appender && other->destination_leader == p->destination_leader) place++;
    }
    return place;
}

// Requests that are not filled cost the broker more than a second pipeline brings.
int32_t flow_append_lane(const struct partition *p) {
    int32_t filled_by = p->tail.size > 0 ? APPEND_LANE_BYTES / p->tail.size : APPEND_LANE_PARTITIONS;
    if (filled_by >= APPEND_LANE_PARTITIONS || p->flow->partitions_count > APPEND_LANE_PARTITIONS)
        return p->number / APPEND_LANE_PARTITIONS % APPEND_LANES;
    return place_at_leader(p) / (filled_by > 1 ? filled_by : 1) % APPEND_LANES;
}

struct positions *flow_positions(struct appender *a) {
    return &CONTAINER_OF(a, struct append_lane, appender)->positions;
}

void lanes_init(struct flow *f) {
    map_init(&f->appenders);
}

void lanes_on_metadata(struct flow *f) {
    struct append_lane *lane;
    size_t i = 0;
    while ((lane = map_next(&f->appenders, &i))) {
        struct broker_link *l = &lane->appender.link;
        if (list_empty(&lane->appender.members) && !cluster_broker(&f->destination, l->node_id))
            broker_link_stop(l, true);
    }
}

void lanes_abort_orphans(struct flow *f) {
    struct append_lane *lane;
    size_t i = 0;
    struct error why = error_make(ERROR_CLOSED, 0, "ownership", "the slices were lost");
    while ((lane = map_next(&f->appenders, &i)))
        if (list_empty(&lane->appender.members) && lane->appender.depth > 0)
            broker_link_reset(&lane->appender.link, &why);
}

void lanes_abort_leased(struct flow *f) {
    struct append_lane *lane;
    size_t i = 0;
    struct error why = error_make(ERROR_CLOSED, 0, "ownership", "no lease: the group's coordinator does not write");
    while ((lane = map_next(&f->appenders, &i)))
        if (lane->appender.leased > 0) broker_link_reset(&lane->appender.link, &why);
}

static bool has_old(const struct appender *a) {
    if (appender_has_orphans(a)) return true;  // how old the state was that they rely on is not known any more
    for (struct link *k = list_first(&a->members); k; k = list_next(&a->members, k)) {
        const struct partition *p = CONTAINER_OF(k, struct partition, append.member);
        if (p->append.unanswered > 0 && partition_state_may_expire(p, p->oldest_ms)) return true;
    }
    return false;
}

void lanes_abort_old(struct flow *f) {
    struct append_lane *lane;
    size_t i = 0;
    struct error why = error_make(ERROR_CLOSED, 0, "topics", "the destination forgets sooner than was assumed");
    while ((lane = map_next(&f->appenders, &i))) {
        if (!has_old(&lane->appender)) continue;
        RARE("lanes: appends are queued when the destination says that it forgets sooner");
        broker_link_reset(&lane->appender.link, &why);
    }
}

void lanes_wake(struct flow *f) {
    struct append_lane *lane;
    size_t i = 0;
    while ((lane = map_next(&f->appenders, &i))) {
        struct connection *c = &lane->appender.link.connection;
        if (connection_has_output(c)) f->env->transport->wake(f->env->driver, c);
    }
}

void lanes_stop(struct flow *f) {
    struct append_lane *lane;
    size_t i = 0;
    while ((lane = map_next(&f->appenders, &i))) appender_stop(&lane->appender, true);
}

void lanes_free(struct flow *f) {
    struct append_lane *lane;
    size_t i = 0;
    while ((lane = map_next(&f->appenders, &i))) {
        positions_free(&lane->positions);
        appender_free(&lane->appender);
        memory_free(lane);
    }
    map_free(&f->appenders);
}
