// The destination's high watermark: what is acknowledged counts as mirrored once it has passed it, and a log that is
// longer than what we appended has another writer.
#include "base/limits.h"
#include "base/rare.h"
#include "mirror/flow.h"
#include "mirror/partition_private.h"

static void on_answer(struct leader_query *q, const struct leader_answer *a) {
    struct partition *p = CONTAINER_OF(q, struct partition, watch_query);
    if (p->state != PARTITION_COPY && p->state != PARTITION_DRAIN) return;
    if (error_is(&a->error)) {
        partition_surprise(p, &a->error);
        return;
    }
    // What is queued or under way may have landed already.
    if (a->offset > p->log_end) {
        RARE("watch: the destination grew without us");
        struct error why = error_make(ERROR_PROTOCOL, 0, "watch", "the destination has grown to %lld without us",
                                      (long long)a->offset);
        partition_surprise(p, &why);
        return;
    }
    int64_t now_us = p->flow->env->now_us;
    p->replicated_end = a->offset < p->acked_end ? a->offset : p->acked_end;
    if (p->replicated_end == p->acked_end) {
        if (link_linked(&p->watched)) list_remove(&p->watched);
    } else if (now_us - p->acked_at_us > REPLICATION_WAIT_US_MAX) {
        RARE("watch: the high watermark does not come");
        struct error why =
            error_make(ERROR_TIMEOUT, 0, "watch", "the high watermark does not reach what was acknowledged");
        partition_surprise(p, &why);
        return;
    }
    fill_raise_log_start(p);
}

void watch_ask(struct partition *p, struct leader_query *q,
               void (*answer)(struct leader_query *, const struct leader_answer *)) {
    q->kind = QUERY_OFFSET;
    q->partition = p->append.name;
    q->leader_epoch = p->destination_epoch;
    q->value = QUERY_LATEST;
    q->answer = answer;
    leader_query_ask(&p->flow->destination_queries, p->destination_leader, q);
}

static void ask(struct partition *p) {
    if (!leader_query_running(&p->watch_query)) watch_ask(p, &p->watch_query, on_answer);
}

void watch_acked(struct partition *p) {
    struct flow *f = p->flow;
    if (!link_linked(&p->watched)) list_append(&f->unreplicated, &p->watched);
    if (!timer_is_set(&f->watch)) timer_set(&f->env->timers, &f->watch, f->env->now_us + WATCH_INTERVAL_US);
}

void watch_cancel(struct partition *p) {
    leader_query_cancel(&p->watch_query);
    if (link_linked(&p->watched)) list_remove(&p->watched);
}

void watch_on_timer(struct timer *t, int64_t now_us) {
    struct flow *f = CONTAINER_OF(t, struct flow, watch);
    for (struct link *k = list_first(&f->unreplicated); k; k = list_next(&f->unreplicated, k))
        ask(CONTAINER_OF(k, struct partition, watched));
    if (!list_empty(&f->unreplicated)) timer_set(&f->env->timers, t, now_us + WATCH_INTERVAL_US);
}

// Who answers nothing may be frozen, and deposed meanwhile: he tells nobody, but others know who leads.
static void doubt_silent(struct partition *p) {
    struct flow *f = p->flow;
    bool asked = p->state == PARTITION_RESYNC && !timer_is_set(&p->timer) &&
                 f->env->now_us - p->waited_since_us >= WATCH_IDLE_INTERVAL_US;
    bool appends = p->append.appender && p->append.appender->silent;
    bool fetches = p->fetch.session && p->fetch.session->aside > 0;
    if (asked || appends) cluster_refresh_for(&f->destination, &p->trouble);
    if (asked || fetches) cluster_refresh_for(&f->source, &p->trouble);
}

static bool idle(const struct partition *p) {
    return p->state == PARTITION_COPY && !link_linked(&p->watched) && p->append.unanswered == 0;
}

// Now and then the idle ones too: a foreign record in a quiet partition should not wait for the next of ours. They take
// turns where there are many: ten thousand of them, each five seconds, would be 100 kB/s on a line that may be dear.
void watch_idle_on_timer(struct timer *t, int64_t now_us) {
    struct flow *f = CONTAINER_OF(t, struct flow, watch_idle);
    size_t n = f->partitions_count, looked = 0;
    for (int32_t asked = 0; looked < n && asked < WATCH_IDLE_PARTITIONS_MAX; looked++) {
        struct partition *p = f->partitions[(f->watch_turn + looked) % n];
        if (!idle(p)) continue;
        ask(p);
        asked++;
    }
    if (n > 0) f->watch_turn = (f->watch_turn + looked) % n;
    for (size_t i = 0; i < n; i++) doubt_silent(f->partitions[i]);
    timer_set(&f->env->timers, t, now_us + WATCH_IDLE_INTERVAL_US);
}
