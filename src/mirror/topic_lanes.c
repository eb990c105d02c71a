// Bulk requests of the topics reconciler: topics wait in a lane, one request of each lane is under way at a time.
#include "base/limits.h"
#include "base/memory.h"
#include "base/rare.h"
#include "client/topic_partition.h"
#include "mirror/topics_private.h"

#include <assert.h>

#define RESOURCE_TOPIC 2  // ConfigResource.Type

// clang-format off
static const struct {
    int16_t api_key;
    bool at_source;
    int32_t node;        // only the controller changes topics; brokers before KIP-590 do not pass requests on
    const char *name;
} lane_table[LANES] = {
    //                     api                    at source  node                what for
    [LANE_SOURCE]      = { API_DESCRIBE_CONFIGS , true     , CLUSTER_ANY       , "source settings" },
    [LANE_DESTINATION] = { API_DESCRIBE_CONFIGS , false    , CLUSTER_ANY       , "destination settings" },
    [LANE_CREATE]      = { API_CREATE_TOPICS    , false    , CLUSTER_CONTROLLER, "create topics" },
    [LANE_GROW]        = { API_CREATE_PARTITIONS, false    , CLUSTER_CONTROLLER, "create partitions" },
};
// clang-format on

static struct cluster *cluster_of(const struct topic_lane *l) {
    return lane_table[l->kind].at_source ? l->owner->source : l->owner->destination;
}

static const char *name_of(const struct topic_lane *l, const struct topic *t) {
    return l->kind == LANE_SOURCE ? t->t.source_name : t->t.destination_name;
}

static struct topic *topic_of(struct link *k) {
    return CONTAINER_OF(k, struct topic, link);
}

// Queue ---------------------------------------------------------------------------------------------------------------

void topic_ask(struct topic *t, enum topic_lane_kind kind) {
    struct topic_lane *l = &t->owner->lanes[kind];
    struct timers *timers = &t->owner->env->timers;
    timer_cancel(timers, &t->again);
    t->step = STEP_ASKED;
    list_append(&l->waiting, &t->link);
    if (!l->busy && !timer_is_set(&l->soon)) timer_set(timers, &l->soon, t->owner->env->now_us);
}

// Answers come in the order asked, mostly; so the search starts at the front.
struct topic *topic_lane_take(struct topic_lane *l, const struct wire_text *name) {
    for (struct link *k = list_first(&l->asked); k; k = list_next(&l->asked, k)) {
        if (!text_equal(name, name_of(l, topic_of(k)))) continue;
        list_remove(k);
        topic_of(k)->step = STEP_LOOK;
        return topic_of(k);
    }
    return NULL;
}

static void back_off_all(struct topic_lane *l, struct list *topics, const struct error *why) {
    if (list_empty(topics)) return;
    char detail[2 * ERROR_DETAIL_MAX];
    log_line(&l->owner->env->log, LOG_WARN, "request failed", "cluster=%s for=\"%s\" error=%s",
             cluster_of(l)->config.alias, lane_table[l->kind].name, log_quote(why->detail, detail, sizeof detail));
    struct link *k;
    while ((k = list_take_first(topics))) topic_back_off(topic_of(k));
}

// Requests ------------------------------------------------------------------------------------------------------------

static struct error ask_settings(struct topic_lane *l, struct connection *c, struct connection_call *call) {
    struct describe_configs_request request;
    struct describe_configs_request_resource resources[TOPICS_PER_REQUEST_MAX];
    struct wire_text keys[TOPIC_CHECKS];
    topic_setting_keys(keys);
    message_defaults(&describe_configs_request_message, &request);
    request.resources = resources;
    for (struct link *k = list_first(&l->asked); k; k = list_next(&l->asked, k)) {
        struct topic *t = topic_of(k);
        struct describe_configs_request_resource *r = &resources[request.resources_count++];
        message_defaults(&describe_configs_request_resource_message, r);
        r->resource_type = RESOURCE_TOPIC;
        r->resource_name = text_of(name_of(l, t));
        r->configuration_keys = keys;
        r->configuration_keys_count = l->kind == LANE_SOURCE && t->wanted > 0 ? -1 : TOPIC_CHECKS;
    }
    call->request = &request;
    return connection_call(c, call);
}

static struct create_topics_request_config *copy_settings(const struct topic_settings *s) {
    struct create_topics_request_config *configs = memory_alloc_zeroed(s->count + 1, sizeof *configs);
    for (size_t i = 0; i < s->count; i++)
        configs[i] = (struct create_topics_request_config){text_of(s->items[i].name), text_of(s->items[i].value)};
    return configs;
}

static struct error ask_create(struct topic_lane *l, struct connection *c, struct connection_call *call) {
    struct create_topics_request request;
    struct create_topics_request_topic topics[TOPICS_PER_REQUEST_MAX];
    message_defaults(&create_topics_request_message, &request);
    request.topics = topics;
    request.timeout_ms = (int32_t)(l->owner->destination->config.request_timeout_us / 1000);
    for (struct link *k = list_first(&l->asked); k; k = list_next(&l->asked, k)) {
        struct topic *t = topic_of(k);
        struct create_topics_request_topic *n = &topics[request.topics_count++];
        message_defaults(&create_topics_request_topic_message, n);
        n->name = text_of(t->t.destination_name);
        n->num_partitions = t->wanted_next;
        n->replication_factor = l->owner->config.replication_factor;
        n->configs = copy_settings(&t->settings);
        n->configs_count = (int32_t)t->settings.count;
    }
    call->request = &request;
    // Before version 4 a broker does not know -1, its default replication factor (KIP-464); it says so by itself.
    struct error e = connection_call(c, call);
    for (int32_t i = 0; i < request.topics_count; i++) memory_free(topics[i].configs);
    return e;
}

static struct error ask_grow(struct topic_lane *l, struct connection *c, struct connection_call *call) {
    struct create_partitions_request request;
    struct create_partitions_request_topic topics[TOPICS_PER_REQUEST_MAX];
    message_defaults(&create_partitions_request_message, &request);
    request.topics = topics;
    request.timeout_ms = (int32_t)(l->owner->destination->config.request_timeout_us / 1000);
    for (struct link *k = list_first(&l->asked); k; k = list_next(&l->asked, k)) {
        struct create_partitions_request_topic *n = &topics[request.topics_count++];
        message_defaults(&create_partitions_request_topic_message, n);
        n->name = text_of(topic_of(k)->t.destination_name);
        n->count = topic_of(k)->wanted_next;
        n->assignments_count = -1;
    }
    call->request = &request;
    return connection_call(c, call);
}

// One request at a time -----------------------------------------------------------------------------------------------

// Settings are asked of the broker whose metadata showed the topics: another one may not have heard of them yet.
static int32_t node_of(const struct topic_lane *l) {
    struct cluster *c = cluster_of(l);
    const struct broker *b = cluster_broker(c, c->refreshed_by);
    if (lane_table[l->kind].node != CLUSTER_ANY || !b || !broker_link_ready(&b->control))
        return lane_table[l->kind].node;
    return b->node_id;
}

static void lane_next(struct topic_lane *l) {
    l->busy = !list_empty(&l->waiting);
    if (l->busy) cluster_submit(cluster_of(l), node_of(l), &l->task);
}

// Nothing is asked at once, for what failed is perhaps being closed right now. Those who still wait back off too: who
// comes back from his back-off may find that he has nothing to ask any more, and would not take them along.
static void lane_failed(struct topic_lane *l, struct list *topics, const struct error *why) {
    struct link *k;
    l->busy = false;
    while (topics != &l->waiting && (k = list_take_first(&l->waiting))) list_append(topics, k);
    back_off_all(l, topics, why);
}

// Controller mutations have a quota of their own (KIP-599): nothing is accepted before the time told is over.
static bool wait_out_throttle(struct topic_lane *l, const void *response) {
    int64_t us = message_throttle_ms(api_find(lane_table[l->kind].api_key)->response, response) * 1000LL;
    if (us <= 0) return false;
    RARE("topics: throttled");
    l->busy = false;
    timer_set(&l->owner->env->timers, &l->soon, l->owner->env->now_us + (us < THROTTLE_US_MAX ? us : THROTTLE_US_MAX));
    return true;
}

static void on_response(void *context, const struct error *error, const void *response, struct frame *frame) {
    (void)frame;
    struct topic_lane *l = context;
    if (l->owner->stopped) return;
    if (error_is(error)) {
        lane_failed(l, &l->asked, error);
        return;
    }
    if (l->kind == LANE_CREATE) topic_take_created(l, response);
    else if (l->kind == LANE_GROW) topic_take_grown(l, response);
    else topic_take_settings(l, response);
    if (l->owner->stopped) return;
    struct error why = error_make(ERROR_PROTOCOL, 0, "topics", "the broker left a topic unanswered");
    back_off_all(l, &l->asked, &why);
    if (!wait_out_throttle(l, response)) lane_next(l);
}

static void take_waiting(struct topic_lane *l) {
    int64_t partitions = 0;
    struct link *k;
    for (int count = 0; count < TOPICS_PER_REQUEST_MAX && (k = list_first(&l->waiting)); count++) {
        partitions += topic_of(k)->wanted_next;
        if (count > 0 && partitions > PARTITIONS_PER_REQUEST_MAX && l->kind >= LANE_CREATE) break;
        list_remove(k);
        list_append(&l->asked, k);
    }
}

static void run(struct cluster_task *task, struct connection *connection, const struct error *failure) {
    struct topic_lane *l = CONTAINER_OF(task, struct topic_lane, task);
    assert(!l->owner->stopped);
    if (!connection) {
        lane_failed(l, &l->waiting, failure);
        return;
    }
    take_waiting(l);
    struct connection_call call = {.api_key = lane_table[l->kind].api_key,
                                   .version_max = INT16_MAX,
                                   .reply = on_response,
                                   .context = l,
                                   .timeout_us = cluster_of(l)->config.request_timeout_us};
    struct error e = l->kind == LANE_CREATE ? ask_create(l, connection, &call)
                     : l->kind == LANE_GROW ? ask_grow(l, connection, &call)
                                            : ask_settings(l, connection, &call);
    if (error_is(&e)) lane_failed(l, &l->asked, &e);
}

static void on_soon(struct timer *timer, int64_t now_us) {
    (void)now_us;
    struct topic_lane *l = CONTAINER_OF(timer, struct topic_lane, soon);
    if (!l->busy) lane_next(l);
}

void topic_lanes_init(struct topics *ts) {
    for (int kind = 0; kind < LANES; kind++) {
        struct topic_lane *l = &ts->lanes[kind];
        l->owner = ts;
        l->kind = (enum topic_lane_kind)kind;
        l->task.run = run;
        timer_init(&l->soon, on_soon);
        list_init(&l->waiting);
        list_init(&l->asked);
    }
}

void topic_lanes_stop(struct topics *ts) {
    for (int kind = 0; kind < LANES; kind++) {
        timer_cancel(&ts->env->timers, &ts->lanes[kind].soon);
        cluster_withdraw(&ts->lanes[kind].task);
    }
}
