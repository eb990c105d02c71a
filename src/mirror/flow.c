// A flow: start, stop, and who owns what.
#include "mirror/flow.h"

#include "base/limits.h"
#include "base/memory.h"
#include "mirror/fetch_lines.h"
#include "mirror/flow_coordinator.h"
#include "mirror/flow_lanes.h"
#include "mirror/provenance.h"

#include <assert.h>

// Ownership ---------------------------------------------------------------------------------------------------------

static void start_partition(struct partition *p) {
    struct flow *f = p->flow;
    if (p->state == PARTITION_IDLE && !f->stopping && partition_may_go_on(p) && ownership_owns(&f->ownership, p->slice))
        partition_event(p, EVENT_OWNED, NULL);
}

static void on_slice_gained(void *context, int32_t slice) {
    struct flow *f = context;
    lanes_wake(f);
    for (size_t i = 0; i < f->partitions_count; i++)
        if (f->partitions[i]->slice == slice) start_partition(f->partitions[i]);
}

static void released_one(struct flow *f, int32_t slice) {
    if (--f->draining[slice] == 0) ownership_released(&f->ownership, slice);
}

void flow_partition_released(struct flow *f, struct partition *p) {
    if (f->draining[p->slice] > 0) released_one(f, p->slice);
}

static void on_slice_revoked(void *context, int32_t slice, enum revoke_reason reason) {
    struct flow *f = context;
    bool at_once = reason == REVOKE_FENCED || reason == REVOKE_LOST;
    f->draining[slice] = 1;
    for (size_t i = 0; i < f->partitions_count; i++)
        if (f->partitions[i]->slice == slice && f->partitions[i]->state != PARTITION_IDLE) f->draining[slice]++;
    for (size_t i = 0; i < f->partitions_count; i++) {
        struct partition *p = f->partitions[i];
        if (p->slice != slice || p->state == PARTITION_IDLE) continue;
        if (at_once) partition_abandon(p);
        else partition_event(p, EVENT_REVOKED, NULL);
    }
    if (at_once) {
        f->draining[slice] = 0;
        lanes_abort_orphans(f);
    } else {
        released_one(f, slice);
    }
}

static void on_lease_over(void *context) {
    lanes_abort_leased(context);
}

// By turns: of one that the destination does not know yet, or that we may not read, it takes no offsets.
static const char *on_any_topic(void *context, bool another) {
    struct flow *f = context;
    if (another) f->lease_turn++;
    struct mirror_topic *t, *first = NULL;
    size_t i = 0, turn = f->lease_turn;
    while ((t = topics_next(f->topics, &i))) {
        if (!t->ready) continue;
        if (!first) first = t;
        if (turn-- == 0) return t->destination_name;
    }
    f->lease_turn = 0;
    return first ? first->destination_name : NULL;
}

static void on_ownership_stopped(void *context) {
    struct flow *f = context;
    f->stopped(f);
}

// Topics ------------------------------------------------------------------------------------------------------------

static void add_partition(struct flow *f, struct mirror_topic *t, int32_t index) {
    int32_t slice = ownership_slice(&f->ownership, t->destination_name, strlen(t->destination_name), index);
    if (f->partitions_count == f->partitions_capacity) {
        f->partitions_capacity = f->partitions_capacity ? f->partitions_capacity * 2 : 64;
        f->partitions = memory_resize(f->partitions, f->partitions_capacity * sizeof(struct partition *));
    }
    struct partition *p = partition_new(f, t, index, slice);
    p->number = (int32_t)f->partitions_count;
    p->lane = flow_append_lane(p);
    f->partitions[f->partitions_count++] = p;
}

static void on_topic_ready(void *context, struct mirror_topic *t) {
    struct flow *f = context;
    int32_t known = 0;
    for (size_t i = 0; i < f->partitions_count; i++) {
        struct partition *p = f->partitions[i];
        if (p->topic != t) continue;
        known++;
        // The topic was halted and is fit again: from the start.
        if (p->state == PARTITION_HALTED && partition_may_go_on(p)) partition_abandon(p);
        start_partition(p);
    }
    for (int32_t index = known; index < t->partitions_count; index++) {
        add_partition(f, t, index);
        start_partition(f->partitions[f->partitions_count - 1]);
    }
}

static void on_topic_halted(void *context, struct mirror_topic *t) {
    struct flow *f = context;
    for (size_t i = 0; i < f->partitions_count; i++) {
        struct partition *p = f->partitions[i];
        if (p->topic == t && p->state != PARTITION_IDLE && p->state != PARTITION_HALTED)
            partition_halt(p, p->acked_end, "%s", t->halted);
    }
}

static void on_forgets_sooner(void *context) {
    lanes_abort_old(context);
}

// Clusters ----------------------------------------------------------------------------------------------------------

// Under their own names the records of a cluster would come back to it as new ones.
static bool mirrors_itself(const struct flow *f) {
    return f->config.topics.naming.policy == REPLICATION_POLICY_IDENTITY &&
           strcmp(f->source.cluster_id, f->destination.cluster_id) == 0;
}

static void refuse_to_begin(struct flow *f) {
    if (f->refused) return;
    f->refused = true;
    log_line(&f->env->log, LOG_ERROR, "flow not started",
             "flow=%s reason=\"%s and %s are the same cluster (%s), and the topics would have the same names\"",
             f->config.name, f->config.source_alias, f->config.destination_alias, f->source.cluster_id);
}

static void begin(struct flow *f) {
    f->producer_id = provenance_producer_id(f->source.cluster_id, f->destination.cluster_id);
    log_line(&f->env->log, LOG_INFO, "flow started", "flow=%s source=%s destination=%s producer_id=%lld",
             f->config.name, f->source.cluster_id, f->destination.cluster_id, (long long)f->producer_id);
    ownership_start(&f->ownership, f->source.cluster_id);
    topics_start(f->topics);
}

static void on_metadata(void *context) {
    struct flow *f = context;
    if (f->stopping) return;
    if (f->producer_id == 0) {
        if (!f->source.cluster_id || !f->destination.cluster_id) return;
        if (mirrors_itself(f)) {
            refuse_to_begin(f);
            return;
        }
        begin(f);
    }
    lanes_on_metadata(f);
    fetch_lines_on_metadata(f);
    topics_on_metadata(f->topics);
    for (size_t i = 0; i < f->partitions_count; i++) partition_on_metadata(f->partitions[i]);
}

// Life --------------------------------------------------------------------------------------------------------------

static void init_ownership(struct flow *f) {
    struct ownership_config config = {.client_id = f->config.client_id,
                                      .source_alias = f->config.source_alias,
                                      .target_alias = f->config.destination_alias,
                                      .instance_id = f->config.instance_id,
                                      .predecessor_dead = f->config.predecessor_dead,
                                      .slices = f->config.slices,
                                      .weight = 1,
                                      .rules = selection_digest(f->config.topics.selection),
                                      .session_timeout_ms = f->config.session_timeout_ms,
                                      .heartbeat_interval_ms = f->config.heartbeat_interval_ms,
                                      .open_timeout_us = f->config.destination.open_timeout_us};
    struct ownership_callbacks callbacks = {.any_broker = coordinator_any_broker,
                                            .slice_gained = on_slice_gained,
                                            .slice_revoked = on_slice_revoked,
                                            .any_topic = on_any_topic,
                                            .lease_over = on_lease_over,
                                            .stopped = on_ownership_stopped};
    ownership_init(&f->ownership, f->env, &config, &callbacks, f);
}

struct flow *flow_new(struct environment *env, struct budget *budget, const struct flow_config *config) {
    struct flow *f = NEW(struct flow);
    f->env = env;
    budget_init_part(&f->budget, budget);
    env->frames.bytes_lent_much = (size_t)budget->limit;
    f->config = *config;
    f->config.topics.flow = config->name;
    cluster_init(&f->source, env, &config->source);
    cluster_init(&f->destination, env, &config->destination);
    f->source.on_metadata = f->destination.on_metadata = on_metadata;
    f->source.context = f->destination.context = f;
    leader_queries_init(&f->source_queries, &f->source);
    leader_queries_init(&f->destination_queries, &f->destination);
    struct topics_callbacks callbacks = {
        .ready = on_topic_ready, .halted = on_topic_halted, .forgets_sooner = on_forgets_sooner};
    f->topics = topics_new(&f->source, &f->destination, &f->config.topics, &callbacks, f);
    f->draining = memory_alloc_zeroed((size_t)config->slices, sizeof *f->draining);
    lanes_init(f);
    fetch_lines_init(f);
    list_init(&f->unreplicated);
    timer_init(&f->watch, watch_on_timer);
    timer_init(&f->watch_idle, watch_idle_on_timer);
    init_ownership(f);
    coordinator_watch_init(f);
    return f;
}

void flow_start(struct flow *f) {
    cluster_start(&f->source);
    cluster_start(&f->destination);
    coordinator_watch_start(f);
    timer_set(&f->env->timers, &f->watch_idle, f->env->now_us + WATCH_IDLE_INTERVAL_US);
}

void flow_stop(struct flow *f) {
    assert(!f->stopping && f->stopped);
    f->stopping = true;
    topics_stop(f->topics);
    if (f->ownership.started) ownership_stop(&f->ownership);
    else f->stopped(f);  // not begun yet
}

void flow_free(struct flow *f) {
    f->stopping = true;
    topics_stop(f->topics);
    for (size_t i = 0; i < f->partitions_count; i++) partition_abandon(f->partitions[i]);
    timer_cancel(&f->env->timers, &f->watch);
    timer_cancel(&f->env->timers, &f->watch_idle);
    coordinator_watch_stop(f);
    ownership_free(&f->ownership);
    lanes_stop(f);
    fetch_lines_stop(f);
    cluster_stop(&f->source);
    cluster_stop(&f->destination);
    for (size_t i = 0; i < f->partitions_count; i++) partition_free(f->partitions[i]);
    memory_free(f->partitions);
    lanes_free(f);
    fetch_lines_free(f);
    topics_free(f->topics);
    leader_queries_free(&f->source_queries);
    leader_queries_free(&f->destination_queries);
    cluster_free(&f->source);
    cluster_free(&f->destination);
    for (int i = 0; i < FLOW_FILLERS; i++) frame_release(f->fillers[i]);
    memory_free(f->draining);
    memory_free(f);
}

static void count_partition(const struct partition *p, int64_t wall_ms, struct flow_status *out) {
    if (p->state == PARTITION_IDLE) return;
    out->owned++;
    int64_t lag = partition_lag(p);
    if (p->state == PARTITION_HALTED) out->halted++;
    else if (p->state != PARTITION_COPY) out->busy++;
    else if (lag == 0) out->caught_up++;
    else out->copying++;
    out->lag_records += lag;
    if (lag > 0 && p->max_timestamp > 0 && wall_ms - p->max_timestamp > out->lag_ms)
        out->lag_ms = wall_ms - p->max_timestamp;
}

void flow_status(struct flow *f, struct flow_status *out) {
    *out = (struct flow_status){.partitions = f->partitions_count,
                                .unreachable = cluster_unreachable(&f->source) + cluster_unreachable(&f->destination),
                                .not_joined = f->ownership.fence_us == INT64_MIN && !f->refused};
    for (size_t i = 0; i < f->partitions_count; i++) count_partition(f->partitions[i], f->env->wall_ms, out);
    struct mirror_topic *t;
    size_t i = 0;
    while ((t = topics_next(f->topics, &i))) {
        out->topics++;
        if (t->halted[0]) out->topics_halted++;
    }
}
