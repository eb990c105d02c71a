// producer.id.expiration.ms of the destination, asked once: how long its brokers remember where a producer id stands.
#include "base/limits.h"
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

static void assume(struct topics *ts, const char *why) {
    char quoted[2 * ERROR_DETAIL_MAX];
    ts->expiration_known = true;
    log_line(&ts->env->log, LOG_WARN, SETTING " not read", "cluster=%s assumed=%d reason=%s",
             ts->destination->config.alias, EXPIRATION_MS_DEFAULT, log_quote(why, quoted, sizeof quoted));
}

static void on_response(void *context, const struct error *error, const void *response, struct frame *frame) {
    (void)frame;
    struct topics *ts = context;
    ts->expiration_asked = false;
    if (error_is(error)) return;  // the next metadata asks again
    const struct describe_configs_response *r = response;
    int16_t code = r->results_count > 0 ? r->results[0].error_code : KAFKA_UNKNOWN_SERVER_ERROR;
    if (code != KAFKA_NONE) {
        assume(ts, code == KAFKA_CLUSTER_AUTHORIZATION_FAILED ? "the right DESCRIBE_CONFIGS on the cluster is missing"
                                                              : kafka_error_name(code));
        return;
    }
    int64_t ms = topic_setting_number(&r->results[0], SETTING, 0);
    if (ms <= 0) ms = topic_setting_number(&r->results[0], SETTING_BEFORE, 0);
    if (ms <= 0) {
        assume(ts, "the broker does not name it");
        return;
    }
    ts->expiration_ms = ms;
    ts->expiration_known = true;
}

static void run(struct cluster_task *task, struct connection *connection, const struct error *failure) {
    (void)failure;
    struct topics *ts = CONTAINER_OF(task, struct topics, expiration_task);
    assert(!ts->stopped);
    ts->expiration_asked = false;
    if (!connection) return;
    char node[12];
    struct wire_text keys[] = {text_of(SETTING), text_of(SETTING_BEFORE)};
    struct describe_configs_request request;
    struct describe_configs_request_resource resource;
    message_defaults(&describe_configs_request_message, &request);
    message_defaults(&describe_configs_request_resource_message, &resource);
    snprintf(node, sizeof node, "%" PRId32, ts->expiration_node);
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
    if (error_is(&e)) assume(ts, e.detail);
    else ts->expiration_asked = true;
}

void topic_expiration_init(struct topics *ts) {
    ts->expiration_ms = EXPIRATION_MS_DEFAULT;
    ts->expiration_task.run = run;
}

// A broker's settings are known to that broker only.
void topic_expiration_ask(struct topics *ts) {
    if (ts->expiration_known || ts->expiration_asked) return;
    struct broker *b;
    size_t i = 0;
    while ((b = map_next(&ts->destination->brokers, &i)))
        if (b->node_id >= 0 && !b->gone) break;
    if (!b) return;
    ts->expiration_node = b->node_id;
    ts->expiration_asked = true;
    cluster_submit(ts->destination, b->node_id, &ts->expiration_task);
}
