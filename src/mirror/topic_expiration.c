// producer.id.expiration.ms of the destination: how long its brokers remember where a producer id stands. Each broker
// has its own, and each may lead tomorrow, so all are asked, in turn, and again with each refresh of the topics.
#include "base/limits.h"
#include "base/memory.h"
#include "client/topic_partition.h"
#include "mirror/topics_private.h"
#include "wire/error_codes.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define RESOURCE_BROKER 4  // ConfigResource.Type
#define SETTING "producer.id.expiration.ms"               // since 3.4 (KIP-854)
#define SETTING_BEFORE "transactional.id.expiration.ms"  // what decided it until then
#define EXPIRATION_MS_DEFAULT 86400000  // TransactionLogConfig

struct topic_expiration {  // of one broker
    int64_t ms;
    uint32_t round;        // in which it was said
};

static struct topic_expiration *said_by(const struct topic_expirations *x, int32_t node) {
    return map_get_number(&x->said, (uint32_t)node);
}

static void take(struct topics *ts, int64_t ms) {
    struct topic_expirations *x = &ts->expirations;
    struct topic_expiration *said = said_by(x, x->node);
    if (!said) {
        said = NEW(struct topic_expiration);
        map_put_number(&x->said, (uint32_t)x->node, said);
    }
    *said = (struct topic_expiration){ms, x->round};
    x->failures = 0;
}

// What brokers have said counts though they are gone: they may come back, and lead.
static void find_smallest(struct topics *ts) {
    struct topic_expirations *x = &ts->expirations;
    const struct topic_expiration *said;
    const struct broker *b;
    size_t i = 0, at = 0;
    int64_t before_ms = x->ms_min;
    x->ms_min = INT64_MAX;
    while ((said = map_next(&x->said, &i)))
        if (said->ms < x->ms_min) x->ms_min = said->ms;
    while ((b = map_next(&ts->destination->brokers, &at)))
        if (b->node_id >= 0 && !b->gone && !said_by(x, b->node_id) && EXPIRATION_MS_DEFAULT < x->ms_min)
            x->ms_min = EXPIRATION_MS_DEFAULT;
    if (x->said.count == 0) x->ms_min = EXPIRATION_MS_DEFAULT;
    if (x->ms_min < before_ms && ts->callbacks.forgets_sooner) ts->callbacks.forgets_sooner(ts->context);
}

// What was read before still counts.
static void assume(struct topics *ts, const char *why) {
    char quoted[2 * ERROR_DETAIL_MAX];
    const struct topic_expiration *said = said_by(&ts->expirations, ts->expirations.node);
    take(ts, said ? said->ms : EXPIRATION_MS_DEFAULT);
    if (said || ts->expirations.assumed) return;
    ts->expirations.assumed = true;
    log_line(&ts->env->log, LOG_WARN, SETTING " not read", "cluster=%s assumed=%d broker=%" PRId32 " reason=%s",
             ts->destination->config.alias, EXPIRATION_MS_DEFAULT, ts->expirations.node,
             log_quote(why, quoted, sizeof quoted));
}

// The next one in turn, by id, that has not said it in this round.
static const struct broker *next_broker(const struct topics *ts) {
    const struct topic_expirations *x = &ts->expirations;
    const struct broker *b, *lowest = NULL, *next = NULL;
    size_t i = 0;
    while ((b = map_next(&ts->destination->brokers, &i))) {
        const struct topic_expiration *said = said_by(x, b->node_id);
        if (b->node_id < 0 || b->gone || (said && said->round == x->round)) continue;
        if (!lowest || b->node_id < lowest->node_id) lowest = b;
        if (b->node_id > x->node && (!next || b->node_id < next->node_id)) next = b;
    }
    return next ? next : lowest;
}

static void fail(struct topics *ts) {
    struct topic_expirations *x = &ts->expirations;
    timer_set(&ts->env->timers, &x->again, ts->env->now_us + topic_back_off_us(x->failures++));
}

static void on_again(struct timer *timer, int64_t now_us) {
    (void)now_us;
    topic_expiration_ask(CONTAINER_OF(timer, struct topics, expirations.again));
}

static void on_response(void *context, const struct error *error, const void *response, struct frame *frame) {
    (void)frame;
    struct topics *ts = context;
    ts->expirations.asked = false;
    if (ts->stopped) return;
    if (error_is(error)) {
        fail(ts);
        return;
    }
    const struct describe_configs_response *r = response;
    int16_t code = r->results_count > 0 ? r->results[0].error_code : KAFKA_UNKNOWN_SERVER_ERROR;
    int64_t ms = code == KAFKA_NONE ? topic_setting_number(&r->results[0], SETTING, 0) : 0;
    if (code == KAFKA_NONE && ms <= 0) ms = topic_setting_number(&r->results[0], SETTING_BEFORE, 0);
    if (code == KAFKA_CLUSTER_AUTHORIZATION_FAILED) assume(ts, "the right DESCRIBE_CONFIGS on the cluster is missing");
    else if (code != KAFKA_NONE) assume(ts, kafka_error_name(code));
    else if (ms <= 0) assume(ts, "the broker does not name it");
    else take(ts, ms);
    topic_expiration_ask(ts);
}

static void run(struct cluster_task *task, struct connection *connection, const struct error *failure) {
    (void)failure;
    struct topics *ts = CONTAINER_OF(task, struct topics, expirations.task);
    assert(!ts->stopped);
    ts->expirations.asked = false;
    if (!connection) {
        fail(ts);
        return;
    }
    char node[12];
    struct wire_text keys[] = {text_of(SETTING), text_of(SETTING_BEFORE)};
    struct describe_configs_request request;
    struct describe_configs_request_resource resource;
    message_defaults(&describe_configs_request_message, &request);
    message_defaults(&describe_configs_request_resource_message, &resource);
    snprintf(node, sizeof node, "%" PRId32, ts->expirations.node);
    resource.resource_type = RESOURCE_BROKER;
    resource.resource_name = text_of(node);
    resource.configuration_keys = keys;
    resource.configuration_keys_count = sizeof keys / sizeof *keys;
    request.resources = &resource;
    request.resources_count = 1;
    struct connection_call call = {.api_key = API_DESCRIBE_CONFIGS,
                                   .version_max = INT16_MAX,
                                   .request = &request,
                                   .reply = on_response,
                                   .context = ts,
                                   .timeout_us = ts->destination->config.request_timeout_us};
    struct error e = connection_call(connection, &call);
    ts->expirations.asked = !error_is(&e);
    if (ts->expirations.asked) return;
    assume(ts, e.detail);
    topic_expiration_ask(ts);
}

void topic_expiration_init(struct topics *ts) {
    struct topic_expirations *x = &ts->expirations;
    map_init(&x->said);
    timer_init(&x->again, on_again);
    x->task.run = run;
    x->node = -1;
    x->ms_min = EXPIRATION_MS_DEFAULT;
}

void topic_expiration_stop(struct topics *ts) {
    timer_cancel(&ts->env->timers, &ts->expirations.again);
    cluster_withdraw(&ts->expirations.task);
}

void topic_expiration_free(struct topics *ts) {
    struct topic_expiration *said;
    size_t i = 0;
    while ((said = map_next(&ts->expirations.said, &i))) memory_free(said);
    map_free(&ts->expirations.said);
}

void topic_expiration_ask(struct topics *ts) {
    struct topic_expirations *x = &ts->expirations;
    find_smallest(ts);
    if (x->asked || timer_is_set(&x->again)) return;
    const struct broker *b = next_broker(ts);
    if (!b) return;
    x->node = b->node_id;
    x->asked = true;
    cluster_submit(ts->destination, b->node_id, &x->task);
}

void topic_expiration_ask_anew(struct topics *ts) {
    ts->expirations.round++;
}
