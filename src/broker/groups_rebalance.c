// The states of a group and the time-outs that drive them: the rebalance of the classic protocol, after
// org.apache.kafka.coordinator.group.GroupMetadataManager.
#include "broker/groups_private.h"

#include "base/memory.h"

#define SESSION_NEW_MEMBER_MS 300000  // GroupCoordinatorConfig.CLASSIC_GROUP_NEW_MEMBER_JOIN_TIMEOUT_MS

static struct broker_cluster *cluster_of(const struct group *g) {
    return g->shard->shard.cluster;
}

static bool is_frozen(const struct group *g, struct timer *t) {
    return coordinator_frozen(g->shard->shard.replica->node, t);
}

static void set_timer(struct group *g, struct timer *t, int64_t delay_ms) {
    timer_set(&cluster_of(g)->timers, t, cluster_of(g)->now_us + delay_ms * 1000);
}

void group_enter(struct group *g, enum group_state state) {
    g->previous_state = g->state;
    g->state = state;
    g->state_ms = cluster_of(g)->wall_ms;
}

void group_session_renew(struct group_member *m) {
    set_timer(m->group, &m->session, m->session_timeout_ms);
}

void group_session_begin(struct group_member *m) {
    set_timer(m->group, &m->session, SESSION_NEW_MEMBER_MS);
}

void group_member_remove(struct group_member *m) {
    group_answer_join_error(&m->join, text_of(""), KAFKA_UNKNOWN_MEMBER_ID);
    group_drop_sync(m);
    group_member_free(m);
}

// ClassicGroup.maybeElectNewJoinedLeader
static bool elect_joined_leader(struct group *g) {
    if (!g->leader) return false;
    if (g->leader->join) return true;
    for (EACH_MEMBER(g, m)) {
        if (!m->join) continue;
        g->leader = m;
        return true;
    }
    return false;
}

static void remove_not_rejoined(struct group *g) {
    struct group_member *next;
    for (struct group_member *m = group_member_at(list_first(&g->members)); m; m = next) {
        next = group_member_at(list_next(&g->members, &m->link));
        if (!m->join && !m->instance_id) group_member_remove(m);
    }
}

static void end_sync_wait(struct group *g) {
    for (EACH_MEMBER(g, m)) m->sync_awaited = false;
    g->former_awaited = false;
    timer_cancel(&cluster_of(g)->timers, &g->sync);
}

// ClassicGroup.initNextGeneration
static void next_generation(struct group *g) {
    g->generation++;
    const char *protocol = g->members_count ? group_select_protocol(g) : NULL;
    char *copy = protocol ? memory_copy_string(protocol) : NULL;
    memory_free(g->protocol);
    g->protocol = copy;
    group_enter(g, g->members_count ? GROUP_COMPLETING_REBALANCE : GROUP_EMPTY);
    end_sync_wait(g);
}

static void complete_join(struct group *g) {
    timer_cancel(&cluster_of(g)->timers, &g->join);
    g->initial = false;
    remove_not_rejoined(g);
    if (!elect_joined_leader(g) &&
        g->members_count) {  // only static members, none of them back: wait for their sessions
        set_timer(g, &g->join, group_rebalance_timeout_ms(g));
        return;
    }
    next_generation(g);
    if (g->state == GROUP_EMPTY) {
        group_write(g, group_write_unattended());
        return;
    }
    for (EACH_MEMBER(g, m)) {
        group_answer_join(m);
        group_session_renew(m);
        m->is_new = false;
        m->sync_awaited = true;
    }
    set_timer(g, &g->sync, group_rebalance_timeout_ms(g));
}

// tryCompleteInitialRebalanceElseSchedule (KIP-134)
static void initial_delay_over(struct group *g) {
    if (!g->new_member_added || g->initial_remaining_ms == 0) {
        complete_join(g);
        return;
    }
    g->new_member_added = false;
    int64_t delay_ms = g->initial_delay_ms;
    int64_t left_ms = g->initial_remaining_ms;
    g->initial_delay_ms = g->shard->owner->initial_delay_ms < left_ms ? g->shard->owner->initial_delay_ms : left_ms;
    g->initial_remaining_ms = left_ms > delay_ms ? left_ms - delay_ms : 0;
    set_timer(g, &g->join, g->initial_delay_ms);
}

static void on_join_timer(struct timer *t, int64_t now_us) {
    (void)now_us;
    struct group *g = CONTAINER_OF(t, struct group, join);
    if (is_frozen(g, t)) return;
    if (g->initial) initial_delay_over(g);
    else complete_join(g);
}

// expirePendingSync: who has not sent SyncGroup within the rebalance time-out is out, but for who replaced one.
static void on_sync_timer(struct timer *t, int64_t now_us) {
    (void)now_us;
    struct group *g = CONTAINER_OF(t, struct group, sync);
    if (is_frozen(g, t)) return;
    bool rebalances = g->former_awaited;
    struct group_member *next;
    for (struct group_member *m = group_member_at(list_first(&g->members)); m; m = next) {
        next = group_member_at(list_next(&g->members, &m->link));
        if (!m->sync_awaited) continue;
        group_member_remove(m);
        rebalances = true;
    }
    if (rebalances) group_prepare_rebalance(g);
}

void group_timers_init(struct group *g) {
    timer_init(&g->join, on_join_timer);
    timer_init(&g->sync, on_sync_timer);
}

void group_timers_cancel(struct group *g) {
    timer_cancel(&cluster_of(g)->timers, &g->join);
    timer_cancel(&cluster_of(g)->timers, &g->sync);
}

void group_sync_arrived(struct group_member *m) {
    m->sync_awaited = false;
    if (m->group->former_awaited) return;
    for (EACH_MEMBER(m->group, other))
        if (other->sync_awaited) return;
    timer_cancel(&cluster_of(m->group)->timers, &m->group->sync);
}

void group_reset_assignments(struct group *g, int16_t error_code) {
    for (EACH_MEMBER(g, m)) {
        group_member_set_assignment(m, (struct wire_bytes){NULL, 0});
        if (!m->sync) continue;
        group_answer_sync(m, error_code);
        group_session_renew(m);
    }
}

void group_prepare_rebalance(struct group *g) {
    if (g->state == GROUP_COMPLETING_REBALANCE) group_reset_assignments(g, KAFKA_REBALANCE_IN_PROGRESS);
    end_sync_wait(g);
    g->initial = g->state == GROUP_EMPTY;
    group_enter(g, GROUP_PREPARING_REBALANCE);
    int64_t timeout_ms = group_rebalance_timeout_ms(g);
    if (g->initial) {
        g->initial_delay_ms = g->shard->owner->initial_delay_ms;
        g->initial_remaining_ms = timeout_ms > g->initial_delay_ms ? timeout_ms - g->initial_delay_ms : 0;
        set_timer(g, &g->join, g->initial_delay_ms);
    } else if (group_all_joined(g)) complete_join(g);
    else set_timer(g, &g->join, timeout_ms);
}

void group_complete_if_joined(struct group *g) {
    if (g->state == GROUP_PREPARING_REBALANCE && g->previous_state != GROUP_EMPTY && group_all_joined(g))
        complete_join(g);
}

void group_rebalance_or_complete(struct group *g) {
    if (g->state == GROUP_PREPARING_REBALANCE) group_complete_if_joined(g);
    else group_prepare_rebalance(g);
}

// ClassicGroupMember.hasSatisfiedHeartbeat
static bool heartbeat_satisfied(const struct group_member *m) {
    return !m->is_new && (m->join || m->sync);
}

void group_member_expired(struct timer *t, int64_t now_us) {
    (void)now_us;
    struct group_member *m = CONTAINER_OF(t, struct group_member, session);
    struct group *g = m->group;
    if (is_frozen(g, t) || heartbeat_satisfied(m)) return;
    group_member_remove(m);
    if (g->state == GROUP_STABLE || g->state == GROUP_COMPLETING_REBALANCE) group_rebalance_or_complete(g);
    else if (g->state == GROUP_PREPARING_REBALANCE && group_all_joined(g)) complete_join(g);
}

void group_pending_expired(struct timer *t, int64_t now_us) {
    (void)now_us;
    struct group_pending_member *p = CONTAINER_OF(t, struct group_pending_member, session);
    struct group *g = p->group;
    if (is_frozen(g, t)) return;
    group_pending_remove(p);
    if (g->state == GROUP_PREPARING_REBALANCE && group_all_joined(g)) complete_join(g);
}

void group_unload(struct group *g) {
    for (EACH_MEMBER(g, m)) {
        group_answer_join_error(&m->join, text_of(m->id), KAFKA_NOT_COORDINATOR);
        group_answer_sync(m, KAFKA_NOT_COORDINATOR);
    }
}
