// The lease of a member: an OffsetCommit beside each heartbeat, on a connection of its own.
//
// A heartbeat is answered from memory, by a coordinator that was deposed and does not know it just as well. A commit is
// not: it is appended to __consumer_offsets, and answered only when all in-sync replicas have it; and only one of these
// can lead next. So whoever succeeds the broker that answered had read it before he led, and began to count our session
// later than it was sent. The offset that is committed is -1: brokers answer it where nothing is committed.
//
// Only while a lease is wanted: since Kafka 4 a heartbeat, too, waits for what was written before it
// (CoordinatorRuntime completes an operation without records when the last written offset is committed), so that a slow
// follower would cost those their heartbeats who need no lease.
#include "base/rare.h"
#include "client/group_private.h"
#include "client/topic_partition.h"
#include "wire/error_codes.h"
#include "wire/messages.h"

#define VERSION_BY_NAME 9  // the last one; topics have ids from the next one on (KIP-848)
#define NO_OFFSET (-1)

// What a heartbeat is told, too, or passes by itself.
static bool goes_without_saying(int16_t code) {
    switch (code) {
    case KAFKA_COORDINATOR_LOAD_IN_PROGRESS:
    case KAFKA_NOT_COORDINATOR:
    case KAFKA_ILLEGAL_GENERATION:
    case KAFKA_REBALANCE_IN_PROGRESS:
    case KAFKA_UNKNOWN_MEMBER_ID:
    case KAFKA_FENCED_INSTANCE_ID:
    case KAFKA_GROUP_AUTHORIZATION_FAILED:
    case KAFKA_UNKNOWN_TOPIC_OR_PARTITION:
        return true;
    default:
        return false;
    }
}

static void refused(struct group *g, int16_t code) {
    bool missing = code == KAFKA_TOPIC_AUTHORIZATION_FAILED;
    g->lease_topic_refused = missing || code == KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    if (g->lease_topic_refused) RARE("group: another topic for the lease");
    if (g->lease_refusal_reported || goes_without_saying(code)) return;
    g->lease_refusal_reported = true;
    log_line(&g->env->log, missing ? LOG_ERROR : LOG_WARN, "no lease of the group: old records may have to wait",
             "group=%s reason=\"%s%s\"", g->config.group_id, missing ? "READ on a mirrored topic is missing: " : "",
             kafka_error_name(code));
}

static void on_commit(void *context, const struct error *error, const void *response, struct frame *frame) {
    struct group *g = context;
    (void)frame;
    if (error_is(error)) return;
    const struct offset_commit_response *r = response;
    if (r->topics_count != 1 || r->topics[0].partitions_count != 1) return;
    int16_t code = r->topics[0].partitions[0].error_code;
    if (code != KAFKA_NONE) {
        refused(g, code);
        return;
    }
    g->lease_refusal_reported = false;
    g->leased_us = g->lease_sent_us;
    g->callbacks.leased(g->context);
}

static void commit(struct group *g) {
    const char *topic = g->callbacks.any_topic(g->context, g->lease_topic_refused);
    g->lease_topic_refused = false;
    if (!topic) return;
    struct offset_commit_request request;
    struct offset_commit_request_topic of_topic;
    struct offset_commit_request_partition of_partition;
    message_defaults(&offset_commit_request_message, &request);
    message_defaults(&offset_commit_request_topic_message, &of_topic);
    message_defaults(&offset_commit_request_partition_message, &of_partition);
    request.group_id = text_of(g->config.group_id);
    request.generation_id_or_member_epoch = g->generation;
    request.member_id = text_of(g->member_id);
    if (g->instance_id) request.group_instance_id = text_of(g->instance_id);
    of_topic.name = text_of(topic);
    of_partition.committed_offset = NO_OFFSET;
    of_topic.partitions = &of_partition;
    request.topics = &of_topic;
    of_topic.partitions_count = request.topics_count = 1;
    struct connection_call call = {.api_key = API_OFFSET_COMMIT,
                                   .version_max = VERSION_BY_NAME,
                                   .request = &request,
                                   .reply = on_commit,
                                   .context = g,
                                   .timeout_us = g->config.lease_timeout_us};
    g->lease_sent_us = g->env->now_us;
    struct error e = connection_call(&g->lease, &call);
    if (error_is(&e)) connection_close(&g->lease, true);
}

static void on_state(struct connection *c, const struct error *why) {
    (void)why;  // the next beat opens it again
    if (c->state == CONNECTION_READY) commit(CONTAINER_OF(c, struct group, lease));
}

static bool is_wanted(const struct group *g) {
    return g->env->now_us < g->lease_wanted_us + LEASE_KEPT_US;
}

static void on_timer(struct timer *t, int64_t now_us) {
    struct group *g = CONTAINER_OF(t, struct group, lease_timer);
    if (!is_wanted(g)) {
        group_lease_stop(g);
        return;
    }
    timer_set(&g->env->timers, t, now_us + g->config.heartbeat_interval_ms * 1000LL);
    if (group_may_say(g, &g->lease)) commit(g);
}

void group_lease_init(struct group *g) {
    group_connection_init(g, &g->lease, on_state);
    g->leased_us = INT64_MIN;
    timer_init(&g->lease_timer, on_timer);
}

void group_want_lease(struct group *g) {
    g->lease_wanted_us = g->env->now_us;
    if (group_has_coordinator(g) && g->generation != GROUP_GENERATION_NONE && !timer_is_set(&g->lease_timer))
        timer_set(&g->env->timers, &g->lease_timer, g->env->now_us);
}

void group_lease_stop(struct group *g) {
    timer_cancel(&g->env->timers, &g->lease_timer);
    connection_close(&g->lease, true);
}
