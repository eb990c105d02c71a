// The connections that a flow's partitions share: appenders to the destination, fetch sessions to the source.
#include "mirror/flow_lanes.h"

#include "base/limits.h"
#include "base/memory.h"
#include "mirror/partition_private.h"

struct append_lane {
    struct appender appender;
    struct positions positions;
};

static void on_appender_ready(struct appender *a) {
    for (struct link *k = list_first(&a->members); k; k = list_next(&a->members, k)) {
        struct append_partition *ap = CONTAINER_OF(k, struct append_partition, member);
        resync_on_appender_ready(CONTAINER_OF(ap, struct partition, append));
    }
}

static void on_appender_lost(struct appender *a, const struct error *why) {
    (void)why;
    cluster_refresh(a->link.cluster);
}

static void on_detached(struct append_partition *ap, const struct error *why) {
    struct partition *p = CONTAINER_OF(ap, struct partition, append);
    p->unsafe_since_us = p->flow->env->now_us;  // what was sent may still be executed (rule 1)
    partition_surprise(p, why);
}

struct appender *flow_appender(struct flow *f, int32_t node_id, bool alone) {
    uint64_t key = (uint64_t)(uint32_t)node_id * 2 + alone;
    struct append_lane *lane = map_get_number(&f->appenders, key);
    if (!lane) {
        lane = NEW(struct append_lane);
        struct appender *a = &lane->appender;
        appender_init(a, &f->destination, node_id, alone ? -1 : f->config.acks, alone ? 1 : APPENDER_DEPTH_MAX);
        a->on_ready = on_appender_ready;
        a->on_lost = on_appender_lost;
        a->on_detached = on_detached;
        a->link.connection.fence_us = &f->ownership.fence_us;
        // Guard time and this together end before another instance may begin (rule 7).
        a->link.connection.unacknowledged_ms_max = f->config.session_timeout_ms / 3;
        positions_init(&lane->positions, a);
        map_put_number(&f->appenders, key, lane);
    }
    broker_link_start(&lane->appender.link);
    return &lane->appender;
}

struct positions *flow_positions(struct appender *a) {
    return &CONTAINER_OF(a, struct append_lane, appender)->positions;
}

static int64_t on_fetched(struct fetch_session *s, struct fetch_partition *fp, const struct fetch_answer *a) {
    (void)s;
    return copy_on_answer(CONTAINER_OF(fp, struct partition, fetch), a);
}

// Partitions stay in their session: it opens again and goes on at their offsets, unless the metadata says otherwise.
static void on_session_lost(struct fetch_session *s, const struct error *why) {
    (void)why;
    cluster_refresh(s->link.cluster);
}

struct fetch_session *flow_fetch_session(struct flow *f, const struct partition *p) {
    uint64_t number = (hash_bytes(p->topic->source_name, strlen(p->topic->source_name)) + (uint64_t)p->index) %
                      (uint64_t)f->config.fetch_sessions;
    uint64_t key = (uint64_t)(uint32_t)p->source_leader * FETCH_SESSIONS_MAX + number;
    struct fetch_session *s = map_get_number(&f->sessions, key);
    if (!s) {
        s = NEW(struct fetch_session);
        fetch_session_init(s, &f->source, p->source_leader, f->budget);
        s->bytes_max = f->config.fetch_bytes_max;
        s->wait_ms_max = f->config.fetch_wait_ms_max;
        s->on_answer = on_fetched;
        s->on_lost = on_session_lost;
        map_put_number(&f->sessions, key, s);
    }
    fetch_session_start(s);
    return s;
}

void flow_reset_session(struct fetch_session *s, const struct error *why) {
    broker_link_reset(&s->link, why);
}

void lanes_init(struct flow *f) {
    map_init(&f->appenders);
    map_init(&f->sessions);
}

void lanes_on_metadata(struct flow *f) {
    struct append_lane *lane;
    struct fetch_session *s;
    size_t i = 0;
    while ((lane = map_next(&f->appenders, &i))) {
        struct broker_link *l = &lane->appender.link;
        if (list_empty(&lane->appender.members) && !cluster_broker(&f->destination, l->node_id))
            broker_link_stop(l, true);
    }
    i = 0;
    while ((s = map_next(&f->sessions, &i)))
        if (s->partitions_count == 0 && !cluster_broker(&f->source, s->link.node_id)) fetch_session_stop(s);
}

void lanes_abort_orphans(struct flow *f) {
    struct append_lane *lane;
    size_t i = 0;
    struct error why = error_make(ERROR_CLOSED, 0, "ownership", "the slices were lost");
    while ((lane = map_next(&f->appenders, &i)))
        if (list_empty(&lane->appender.members) && lane->appender.depth > 0)
            broker_link_reset(&lane->appender.link, &why);
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
    struct fetch_session *s;
    size_t i = 0;
    while ((lane = map_next(&f->appenders, &i))) appender_stop(&lane->appender, true);
    i = 0;
    while ((s = map_next(&f->sessions, &i))) fetch_session_stop(s);
}

void lanes_free(struct flow *f) {
    struct append_lane *lane;
    struct fetch_session *s;
    size_t i = 0;
    while ((lane = map_next(&f->appenders, &i))) {
        positions_free(&lane->positions);
        appender_free(&lane->appender);
        memory_free(lane);
    }
    i = 0;
    while ((s = map_next(&f->sessions, &i))) {
        fetch_session_free(s);
        memory_free(s);
    }
    map_free(&f->appenders);
    map_free(&f->sessions);
}
