// The fetch sessions of a flow: how many there are of each source broker, and which partition is in which.
//
// A partition has a place in the line to its leader, and place modulo sessions is its session: when sessions are
// doubled, each gives half of its partitions to a new one, and gets the same ones back when they are halved. Partitions
// move between two fetches of the session they leave, so nothing that was asked for is lost or asked for twice.
#include "mirror/fetch_lines.h"

#include "base/limits.h"
#include "base/memory.h"
#include "base/rare.h"
#include "client/line.h"
#include "mirror/partition_private.h"

#define PLACES FETCH_SESSIONS_MAX

struct fetch_lane {
    struct fetch_session session;
    struct fetch_line *line;
    int32_t number;
    int32_t sessions;       // of the line, when this one's partitions were last put in order; 0: they may not be
    int64_t began_us;       // the fetch that is under way, or was last
    uint64_t bytes_before;  // received before it
};

struct fetch_line {
    struct flow *flow;
    int32_t node_id;
    struct line line;
    struct fetch_lane *lanes[FETCH_SESSIONS_MAX];  // NULL: not needed so far
    int32_t members, members_at[PLACES];
    int32_t sessions;  // when a partition was last given to one
    struct timer look;
    int64_t bytes, bytes_behind;  // of records since the last look; of partitions that had more to give
    uint64_t received_before;     // by the last look
};

static int32_t at_most(int64_t a, int64_t b) {
    return (int32_t)(a < b ? a : b);
}

// As many as are worth it. Where the round trip is short and one large fetch serves all partitions, one session is:
// each fetch costs its broker a look at every partition, and the more of them one answers, the fuller are requests.
static int32_t sessions_of(const struct fetch_line *l) {
    bool one_serves_all = l->members <= FETCH_BYTES_MANY_MAX / FETCH_BYTES_EACH;
    bool chosen = l->flow->config.fetch_sessions > 0;
    return one_serves_all && !chosen && !line_is_long(&l->line) ? 1 : l->line.sessions;
}

// Partitions --------------------------------------------------------------------------------------------------------

void fetch_lines_leave(struct partition *p) {
    if (!p->line) return;
    p->line->members--;
    p->line->members_at[p->line_place]--;
    p->line = NULL;
}

static void join(struct fetch_line *l, struct partition *p) {
    int32_t place = 0;
    for (int32_t i = 1; i < PLACES; i++)
        if (l->members_at[i] < l->members_at[place]) place = i;
    p->line = l;
    p->line_place = place;
    l->members_at[place]++;
    l->members++;
}

static struct fetch_session *session_of(struct fetch_line *l, const struct partition *p);

// What one session may ask for, so that all of them have room in the budget beside what is not yet acknowledged.
static int64_t share_of_budget(const struct flow *f) {
    struct fetch_line *l;
    size_t i = 0;
    int64_t sessions = 0;
    while ((l = map_next(&f->lines, &i))) sessions += at_most(sessions_of(l), l->members);
    return sessions > 0 ? f->budget.limit / 2 * 3 / 4 / sessions : f->budget.limit;
}

// A batch of each partition, or some: then each request carries all of them. Two sizes only, for buffers are kept.
static int32_t bytes_short(const struct fetch_session *s) {
    return fetch_session_batch_of_each(s) > FETCH_BYTES_SHORT ? FETCH_BYTES_LARGE : FETCH_BYTES_SHORT;
}

static int32_t bytes_wanted(const struct fetch_lane *lane) {
    const struct flow *f = lane->line->flow;
    const struct fetch_session *s = &lane->session;
    if (f->config.fetch_bytes_max > 0) return f->config.fetch_bytes_max;
    if (!line_is_long(&lane->line->line)) return bytes_short(s);
    int64_t wanted = s->bytes_max, received = (int64_t)(s->link.connection.bytes_in - lane->bytes_before);
    if (lane->began_us == 0) wanted = FETCH_BYTES_FIRST;
    else if (received > s->bytes_max / 2)  // else it ended for want of records
        wanted = line_fetch_bytes(&lane->line->line, received, f->env->now_us - lane->began_us,
                                  s->link.connection.round_trip_us);
    wanted = at_most(wanted, at_most(share_of_budget(f), FETCH_BYTES_MAX));
    return (int32_t)(wanted > FETCH_BYTES_MIN ? wanted : FETCH_BYTES_MIN);
}

static void put_in_order(struct fetch_lane *lane) {
    struct list *all = &lane->session.partitions;
    struct link *k = list_first(all);
    while (k) {
        struct partition *p = CONTAINER_OF(CONTAINER_OF(k, struct fetch_partition, link), struct partition, fetch);
        k = list_next(all, k);
        struct fetch_session *s = session_of(lane->line, p);
        if (s == &lane->session) continue;
        RARE("fetch lines: a partition goes to another session");
        fetch_session_remove(&p->fetch);
        fetch_session_add(s, &p->fetch);
    }
    lane->sessions = sessions_of(lane->line);
}

static void on_turn(struct fetch_session *s) {
    struct fetch_lane *lane = CONTAINER_OF(s, struct fetch_lane, session);
    struct fetch_line *l = lane->line;
    struct connection *c = &s->link.connection;
    int64_t now_us = s->env->now_us;
    l->line.way_us = c->way_us;
    if (c->round_trip_us > 0) line_saw_round_trip(&l->line, c->round_trip_us, now_us);
    if (lane->sessions != sessions_of(l)) put_in_order(lane);
    int32_t bytes = bytes_wanted(lane);
    c->round_trip_us = 0;
    if (bytes != s->bytes_max) fetch_session_set_bytes(s, bytes);
    bool far = line_is_long(&l->line);
    s->room = far ? INT64_MAX : FETCH_ROOM_SHORT;
    s->share_min = far ? FETCH_PARTITION_BYTES_LONG : FETCH_PARTITION_BYTES_MIN;
    lane->began_us = now_us;
    lane->bytes_before = c->bytes_in;
}

// Looks -------------------------------------------------------------------------------------------------------------

static void look_later(struct fetch_line *l) {
    if (!timer_is_set(&l->look))
        timer_set(&l->flow->env->timers, &l->look, l->flow->env->now_us + line_interval_us(&l->line));
}

static int64_t on_fetched(struct fetch_session *s, struct fetch_partition *fp, const struct fetch_answer *a) {
    struct fetch_line *l = CONTAINER_OF(s, struct fetch_lane, session)->line;
    struct partition *p = CONTAINER_OF(fp, struct partition, fetch);
    int64_t kept = copy_on_answer(p, a);
    if (a->records.size > 0) {
        l->bytes += (int64_t)a->records.size;
        if (p->source_end > p->log_end) l->bytes_behind += (int64_t)a->records.size;
        look_later(l);
    }
    return kept;
}

static struct line_seen seen_on(const struct fetch_line *l, int32_t *open) {
    const struct budget *b = &l->flow->budget;
    struct line_seen seen = {.now_us = l->flow->env->now_us, .backlog = l->bytes_behind > l->bytes / 2};
    *open = 0;
    for (int32_t i = 0; i < FETCH_SESSIONS_MAX; i++) {
        const struct fetch_lane *lane = l->lanes[i];
        if (!lane) continue;
        const struct fetch_session *s = &lane->session;
        seen.received += (int64_t)s->link.connection.bytes_in;
        if (!s->link.started) continue;
        ++*open;
        seen.grain += at_most(s->bytes_max, CONNECTION_WANTED_MAX);
        if (s->partitions_count > 0 && lane->sessions != sessions_of(l)) seen.turning = true;
    }
    seen.sessions_max = at_most(l->members, b->limit / 4 / FETCH_BYTES_MIN / (int64_t)l->flow->lines.count);
    return seen;
}

static void close_empty(struct fetch_line *l) {
    for (int32_t i = sessions_of(l); i < FETCH_SESSIONS_MAX; i++) {
        struct fetch_lane *lane = l->lanes[i];
        if (!lane || lane->session.partitions_count > 0 || lane->session.fetching) continue;
        fetch_session_stop(&lane->session);
    }
}

static void tell(const struct fetch_line *l) {
    const struct flow *f = l->flow;
    log_line(&f->env->log, LOG_INFO, "fetch sessions", "flow=%s broker=%d sessions=%d round_trip_ms=%.1f",
             f->config.name, l->node_id, sessions_of(l), (double)line_round_trip_us(&l->line) / 1000);
}

static void on_look(struct timer *t, int64_t now_us) {
    (void)now_us;
    struct fetch_line *l = CONTAINER_OF(t, struct fetch_line, look);
    int32_t open;
    struct line_seen seen = seen_on(l, &open);
    uint64_t received = (uint64_t)seen.received - l->received_before;
    l->received_before = (uint64_t)seen.received;
    bool quiet = received < (uint64_t)open * LINE_QUIET_BYTES;
    if (l->bytes > 0 || quiet) {  // else answers are still on their way
        bool changed = l->flow->config.fetch_sessions == 0 && line_look(&l->line, &seen);
        if (changed) tell(l);
        l->bytes = l->bytes_behind = 0;
    }
    close_empty(l);
    // More sessions than a quiet line needs go when it has been quiet for long, open or about to be.
    int32_t needed = at_most(l->line.sessions_min, sessions_of(l));
    if (!quiet || open > needed || sessions_of(l) > needed) look_later(l);
}

// Life --------------------------------------------------------------------------------------------------------------

static struct fetch_lane *lane_new(struct fetch_line *l, int32_t number) {
    struct flow *f = l->flow;
    struct fetch_lane *lane = NEW(struct fetch_lane);
    struct fetch_session *s = &lane->session;
    lane->line = l;
    lane->number = number;
    fetch_session_init(s, &f->source, l->node_id, &f->budget);
    s->bytes_max = f->config.fetch_bytes_max > 0 ? f->config.fetch_bytes_max : FETCH_BYTES_FIRST;
    s->wait_ms_max = f->config.fetch_wait_ms_max;
    s->on_answer = on_fetched;
    s->on_turn = on_turn;
    return lane;
}

static struct fetch_session *session_of(struct fetch_line *l, const struct partition *p) {
    int32_t sessions = sessions_of(l);
    if (l->sessions != sessions) {  // it may be as before when a lane looks the next time
        for (int32_t i = 0; i < FETCH_SESSIONS_MAX; i++)
            if (l->lanes[i]) l->lanes[i]->sessions = 0;
        l->sessions = sessions;
    }
    int32_t number = p->line_place % sessions;
    if (!l->lanes[number]) l->lanes[number] = lane_new(l, number);
    fetch_session_start(&l->lanes[number]->session);
    return &l->lanes[number]->session;
}

static struct fetch_line *line_to(struct flow *f, int32_t node_id) {
    struct fetch_line *l = map_get_number(&f->lines, (uint32_t)node_id);
    if (l) return l;
    l = NEW(struct fetch_line);
    l->flow = f;
    l->node_id = node_id;
    line_init(&l->line, f->config.fetch_sessions > 0 ? f->config.fetch_sessions : FETCH_SESSIONS_SHORT);
    timer_init(&l->look, on_look);
    map_put_number(&f->lines, (uint32_t)node_id, l);
    return l;
}

struct fetch_session *flow_fetch_session(struct flow *f, struct partition *p) {
    struct fetch_line *l = line_to(f, p->source_leader);
    if (p->line != l) {
        fetch_lines_leave(p);
        join(l, p);
    }
    return session_of(l, p);
}

void flow_reset_session(struct fetch_session *s, const struct error *why) {
    broker_link_reset(&s->link, why);
}

void fetch_lines_init(struct flow *f) {
    map_init(&f->lines);
}

void fetch_lines_on_metadata(struct flow *f) {
    struct fetch_line *l;
    size_t i = 0;
    while ((l = map_next(&f->lines, &i))) {
        if (cluster_broker(&f->source, l->node_id)) continue;
        for (int32_t k = 0; k < FETCH_SESSIONS_MAX; k++)
            if (l->lanes[k] && l->lanes[k]->session.partitions_count == 0) fetch_session_stop(&l->lanes[k]->session);
    }
}

void fetch_lines_stop(struct flow *f) {
    struct fetch_line *l;
    size_t i = 0;
    while ((l = map_next(&f->lines, &i))) {
        timer_cancel(&f->env->timers, &l->look);
        for (int32_t k = 0; k < FETCH_SESSIONS_MAX; k++)
            if (l->lanes[k]) fetch_session_stop(&l->lanes[k]->session);
    }
}

void fetch_lines_free(struct flow *f) {
    struct fetch_line *l;
    size_t i = 0;
    while ((l = map_next(&f->lines, &i))) {
        for (int32_t k = 0; k < FETCH_SESSIONS_MAX; k++) {
            if (!l->lanes[k]) continue;
            fetch_session_free(&l->lanes[k]->session);
            memory_free(l->lanes[k]);
        }
        memory_free(l);
    }
    map_free(&f->lines);
}
