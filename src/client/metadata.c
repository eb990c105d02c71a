// Metadata of a cluster: asked for when somebody needs it and when it is old, taken in as brokers, topics and leaders.
#include "base/limits.h"
#include "base/memory.h"
#include "base/rare.h"
#include "client/cluster_private.h"
#include "client/topic_partition.h"
#include "wire/error_codes.h"
#include "wire/messages.h"

#include <assert.h>

#define REFRESH_INTERVAL_US_MIN 100000

static void take_brokers(struct cluster *c, const struct metadata_response *r) {
    struct broker *b;
    size_t i = 0;
    while ((b = map_next(&c->brokers, &i)))
        if (b->node_id >= 0) b->gone = true;
    for (int32_t k = 0; k < r->brokers_count && k < BROKERS_MAX; k++) {
        const struct metadata_response_broker *m = &r->brokers[k];
        if (m->node_id >= 0 && m->port > 0 && m->port <= 65535)
            cluster_add_broker(c, m->node_id, m->host.at, (size_t)m->host.size, (uint16_t)m->port);
    }
    i = 0;
    // Real brokers are known now: connections to bootstrap addresses have done their work.
    while ((b = map_next(&c->brokers, &i)))
        if (b->node_id < 0 && list_empty(&b->tasks)) broker_link_stop(&b->control, false);
}

// `same`: the topic is the one that was known under this name, not made anew.
static void take_partitions(struct cluster_topic *t, const struct metadata_response_topic *m, bool same) {
    int32_t count = 0;
    for (int32_t i = 0; i < m->partitions_count; i++) {
        int32_t index = m->partitions[i].partition_index;
        if (index >= PARTITIONS_OF_TOPIC_MAX) return;
        if (index >= count) count = index + 1;
    }
    if (count > t->partitions_count)
        t->partitions = memory_resize(t->partitions, (size_t)count * sizeof *t->partitions);
    for (int32_t i = same ? t->partitions_count : 0; i < count; i++)
        t->partitions[i] = (struct cluster_partition){-1, -1};
    t->partitions_count = count;
    for (int32_t i = 0; i < m->partitions_count; i++) {
        int32_t index = m->partitions[i].partition_index;
        // A broker that lags behind does not take us back to an older leader (Metadata.updateLatestMetadata).
        if (index >= 0 && m->partitions[i].leader_epoch >= t->partitions[index].leader_epoch)
            t->partitions[index] =
                (struct cluster_partition){m->partitions[i].leader_id, m->partitions[i].leader_epoch};
    }
}

static bool is_older(const struct cluster_topic *t, const struct metadata_response_topic *m) {
    for (int32_t i = 0; i < m->partitions_count; i++) {
        int32_t index = m->partitions[i].partition_index;
        if (index >= 0 && index < t->partitions_count &&
            m->partitions[i].leader_epoch < t->partitions[index].leader_epoch)
            return true;
    }
    return false;
}

// Epochs do go back when a cluster is restored from what it was some time ago. Then nobody says anything else any more.
static bool older_is_believed(struct cluster *c, struct cluster_topic *t) {
    if (t->older_since_us == 0) {
        t->older_since_us = c->refreshed_at_us;
        t->older_of = c->refreshed_by;
        t->older_shared = false;
    }
    t->older_shared |= c->refreshed_by != t->older_of;
    int64_t lasts_us = c->refreshed_at_us - t->older_since_us;
    if (lasts_us < METADATA_OLDER_US / 2) return false;
    bool others = cluster_connect_others(c);
    if (lasts_us < METADATA_OLDER_US || (others && !t->older_shared)) return false;
    RARE("metadata: leader epochs went back for good");
    log_line(&c->env->log, LOG_WARN, "leader epochs went back: was the cluster restored?", "cluster=%s topic=%s",
             c->config.alias, t->name);
    return true;
}

static void take_topic(struct cluster *c, const struct metadata_response_topic *m) {
    if (m->name.size <= 0) return;
    struct cluster_topic *t = map_get_text(&c->topics, m->name.at, (size_t)m->name.size);
    if (!t) {
        if (c->topics.count >= TOPICS_MAX) return;
        t = NEW(struct cluster_topic);
        t->name = memory_copy_text(m->name.at, (size_t)m->name.size);
        map_put_text(&c->topics, m->name.at, (size_t)m->name.size, t);
    }
    t->seen = true;
    t->internal = m->is_internal;
    if (m->error_code == KAFKA_NONE || m->partitions_count > 0) {
        bool same = !uuid_is_zero(&t->id) && uuid_equal(&t->id, &m->topic_id);
        t->id = m->topic_id;
        bool older = same && is_older(t, m), believed = older && older_is_believed(c, t);
        if (!older || believed) t->older_since_us = 0;
        take_partitions(t, m, same && !believed);
    }
}

static void topic_free(struct cluster_topic *t) {
    memory_free(t->name);
    memory_free(t->partitions);
    memory_free(t);
}

static void take_topics(struct cluster *c, const struct metadata_response *r) {
    struct cluster_topic *t;
    size_t i = 0;
    while ((t = map_next(&c->topics, &i))) t->seen = false;
    for (int32_t k = 0; k < r->topics_count; k++) take_topic(c, &r->topics[k]);
    i = 0;
    while ((t = map_next(&c->topics, &i))) {
        if (t->seen) continue;
        map_remove_text(&c->topics, t->name, strlen(t->name));
        topic_free(t);
    }
}

static void refresh_at(struct cluster *c, int64_t when_us) {
    if (!timer_is_set(&c->refresh) || c->refresh.deadline_us > when_us)
        timer_set(&c->env->timers, &c->refresh, when_us);
}

static void schedule_next(struct cluster *c) {
    c->refresh_running = false;
    cluster_withdraw(&c->refresh_task);
    int64_t wait = c->refresh_wanted ? REFRESH_INTERVAL_US_MIN : c->config.metadata_max_age_us;
    timer_set(&c->env->timers, &c->refresh, c->env->now_us + wait);
}

static void take(struct cluster *c, const struct metadata_response *r) {
    if (r->cluster_id.size > 0 && !c->cluster_id)
        c->cluster_id = memory_copy_text(r->cluster_id.at, (size_t)r->cluster_id.size);
    c->controller = r->controller_id;
    take_brokers(c, r);
    take_topics(c, r);
    c->refreshes++;
}

// A broker that has just been started knows nobody before its controller tells it (NetworkClient ignores that, too).
static bool knows_nobody(const struct metadata_response *r) {
    if (r->brokers_count > 0) return false;
    RARE("metadata: of a broker that knows nobody yet");
    return true;
}

// An address may come to be that of another cluster's broker: of one that was made anew, or names and addresses were
// given to others. Its topics are not those of the cluster that we mean, and what is said there is nothing to us.
static bool is_of_another_cluster(const struct cluster *c, const struct metadata_response *r) {
    return c->cluster_id && r->cluster_id.size > 0 && !text_equal(&r->cluster_id, c->cluster_id);
}

static void let_go_of_stranger(struct broker *b, const struct metadata_response *r) {
    RARE("metadata: of another cluster");
    struct cluster *c = b->cluster;
    struct error why = error_make(ERROR_PROTOCOL, 0, "metadata", "it belongs to the cluster %.*s",
                                  (int)r->cluster_id.size, r->cluster_id.at);
    if (!b->stranger)
        log_line(&c->env->log, LOG_ERROR, "broker of another cluster",
                 "cluster=%s broker=%s:%u id=%.*s expected=%s reason=\"its address leads to another cluster now; if "
                 "that one is meant, start anew\"",
                 c->config.alias, b->host, b->port, (int)r->cluster_id.size, r->cluster_id.at, c->cluster_id);
    b->stranger = b->reported = true;
    broker_link_reset(&b->control, &why);
}

static void on_response(void *context, const struct error *error, const void *response, struct frame *frame) {
    (void)frame;
    struct broker *b = context;
    struct cluster *c = b->cluster;
    bool newest = c->refresh_running && b->node_id == c->asked_of;
    b->owes_metadata = false;
    bool stranger = !error_is(error) && is_of_another_cluster(c, response);
    if (error_is(error) || stranger || knows_nobody(response)) {
        c->refresh_wanted |= newest;
        if (newest) schedule_next(c);
        if (stranger) let_go_of_stranger(b, response);
        return;
    }
    if (b->stranger) timer_set(&c->env->timers, &b->held, c->env->now_us);  // to be said
    b->stranger = false;
    if (b->metadata_asked_us < c->refreshed_at_us) {  // another broker was asked later, and answered sooner
        RARE("metadata: an answer came too late");
        return;
    }
    c->refreshed_by = b->node_id;
    c->refreshed_at_us = b->metadata_asked_us;  // an answer may come late, and says nothing of what happened meanwhile
    take(c, response);
    cluster_let_go_of_gone(c);
    if (newest) schedule_next(c);
    if (c->on_metadata) c->on_metadata(c->context);
}

static void ask(struct cluster *c, struct connection *connection) {
    struct broker *b = CONTAINER_OF(CONTAINER_OF(connection, struct broker_link, connection), struct broker, control);
    struct metadata_request request;
    message_defaults(&metadata_request_message, &request);
    request.topics_count = -1;  // all of them
    request.allow_auto_topic_creation = false;
    struct connection_call call = {.api_key = API_METADATA,
                                   .version_max = INT16_MAX,
                                   .request = &request,
                                   .reply = on_response,
                                   .context = b,
                                   .timeout_us = c->config.request_timeout_us};
    c->refresh_wanted = false;
    c->asked_of = b->node_id;
    struct error e = connection_call(connection, &call);
    if (!error_is(&e)) {
        b->owes_metadata = true;
        b->metadata_asked_us = c->env->now_us;
        timer_set(&c->env->timers, &c->refresh, c->env->now_us + METADATA_ANSWER_US);
        return;
    }
    log_line(&c->env->log, LOG_WARN, "metadata not asked", "cluster=%s error=\"%s\"", c->config.alias, e.detail);
    c->refresh_wanted = true;
    schedule_next(c);
}

static void run(struct cluster_task *t, struct connection *connection, const struct error *failure) {
    struct cluster *c = CONTAINER_OF(t, struct cluster, refresh_task);
    if (connection) {
        ask(c, connection);
    } else if (failure->kind != ERROR_CLOSED) {
        c->refresh_wanted = true;
        schedule_next(c);
    }
}

// Rather one that was not found to be unreachable; and a bootstrap address where no other broker is known: who answered
// last may have seen nobody else. (But a quota is not got around that way.)
static struct broker *unconnected(struct cluster *c) {
    struct broker *b, *found = NULL;
    int found_worth = -1;
    bool muted = false;
    size_t i = 0;
    while ((b = map_next(&c->brokers, &i))) {
        muted |= broker_link_ready(&b->control) && connection_is_muted(&b->control.connection);
        int worth = 2 * (b->node_id >= 0) + !b->reported;
        if (b->gone || broker_link_ready(&b->control) || worth <= found_worth) continue;
        found = b;
        found_worth = worth;
    }
    return found && found->node_id < 0 && muted ? NULL : found;
}

// It owes an answer, or reads nothing of what is asked for longer than that may take.
static bool would_keep_us_waiting(const struct broker *b) {
    return b->owes_metadata || b->control.connection.muted_until_us > b->cluster->env->now_us + METADATA_ANSWER_US;
}

// Nobody is asked twice at a time: when all that are connected owe an answer, another one is connected to.
static void on_refresh(struct timer *t, int64_t now_us) {
    struct cluster *c = CONTAINER_OF(t, struct cluster, refresh);
    c->refresh_running = true;
    const struct broker *b = cluster_ready_broker(c, c->asked_of);
    if (!b || !would_keep_us_waiting(b)) {
        cluster_submit(c, CLUSTER_ANOTHER, &c->refresh_task);
        return;
    }
    RARE("metadata: all that are connected owe an answer, or are muted");
    b = unconnected(c);
    if (b) cluster_submit(c, b->node_id, &c->refresh_task);
    else timer_set(&c->env->timers, t, now_us + METADATA_ANSWER_US);
}

void cluster_refresh(struct cluster *c) {
    c->refresh_wanted = true;
    if (c->refresh_running) return;
    int64_t earliest = c->refreshes ? c->refreshed_at_us + REFRESH_INTERVAL_US_MIN : c->env->now_us;
    refresh_at(c, earliest > c->env->now_us ? earliest : c->env->now_us);
}

bool cluster_refresh_for(struct cluster *c, struct trouble *t) {
    int64_t now_us = c->env->now_us;
    bool anew = t->since_us == 0 || now_us - t->last_us > 2 * METADATA_TROUBLE_US_MAX;
    if (anew) t->since_us = now_us;
    t->last_us = now_us;
    int64_t wait_us = (now_us - t->since_us) / METADATA_TROUBLE_PART;
    if (wait_us > METADATA_TROUBLE_US_MAX) wait_us = METADATA_TROUBLE_US_MAX;
    if (c->refreshes > 0 && now_us - c->refreshed_at_us < wait_us) return false;
    cluster_refresh(c);
    return true;
}

void metadata_init(struct cluster *c) {
    c->refresh_task.run = run;
    timer_init(&c->refresh, on_refresh);
}

void metadata_stop(struct cluster *c) {
    timer_cancel(&c->env->timers, &c->refresh);
    cluster_withdraw(&c->refresh_task);
    c->refresh_running = false;
}

void metadata_free(struct cluster *c) {
    struct cluster_topic *t;
    size_t i = 0;
    while ((t = map_next(&c->topics, &i))) topic_free(t);
    map_free(&c->topics);
}
