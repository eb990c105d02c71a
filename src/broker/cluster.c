// A modelled cluster as a whole: made, run, freed; and the settings of its brokers.
#include "broker/cluster_private.h"

#include "base/memory.h"
#include "broker/config_view.h"
#include "broker/quotas.h"
#include "broker/request.h"
#include "wire/message.h"

#include <assert.h>
#include <stdlib.h>

#define REBALANCE_S_DEFAULT 300  // leader.imbalance.check.interval.seconds
#define EXPIRATION_MS_DEFAULT 86400000  // producer.id.expiration.ms
#define RUN_ROUNDS_MAX 10000     // without time passing: more would be a loop of ours

int64_t broker_setting_number(const struct broker_cluster *c, const char *name, int64_t value_default) {
    const char *value = setting_values_get(&c->settings, name);
    return value ? strtoll(value, NULL, 10) : value_default;
}

bool broker_setting_is_true(const struct broker_cluster *c, const char *name, bool value_default) {
    const char *value = setting_values_get(&c->settings, name);
    return value ? strcmp(value, "true") == 0 : value_default;
}

void broker_settings_changed(struct broker_cluster *c) {
    const struct setting_values *from[] = {&c->settings_static, &c->settings_dynamic, NULL};
    setting_values_merge(&c->settings, from, 2);
    for (int32_t i = 0; i < c->config.nodes; i++) {
        struct broker_node *n = &c->nodes[i];
        from[2] = &n->settings_dynamic;
        setting_values_merge(&n->settings, from, 3);
        const char *expiration = setting_values_get(&n->settings, "producer.id.expiration.ms");
        n->producer_expiration_ms = expiration ? strtoll(expiration, NULL, 10) : EXPIRATION_MS_DEFAULT;
    }
    c->lag_us_max = broker_setting_number(c, "replica.lag.time.max.ms", 30000) * 1000;
    c->session_us = broker_setting_number(c, "broker.session.timeout.ms", 9000) * 1000;
    for (size_t i = 0; i < c->topics_count; i++) broker_topic_settings_changed(c, c->topics[i]);
}

static bool read_settings(struct broker_cluster *c, const char *const *pairs) {
    for (; pairs && pairs[0]; pairs += 2) {
        struct wire_text name = {pairs[0], (int32_t)strlen(pairs[0])}, value = {pairs[1], (int32_t)strlen(pairs[1])};
        const struct setting_definition *d = setting_find(SETTING_OF_BROKER, name);
        char text[256];
        const char *refusal = d ? setting_refusal(d, value, text, sizeof text) : NULL;
        if (refusal) {
            char quoted[2 * sizeof text];
            log_line(&c->config.log, LOG_ERROR, "setting", "name=%s reason=%s", pairs[0],
                     log_quote(refusal, quoted, sizeof quoted));
            return false;
        }
        setting_values_set(&c->settings_static, pairs[0], value);
    }
    return true;
}

static void rebalance(struct timer *t, int64_t now_us) {
    struct broker_cluster *c = CONTAINER_OF(t, struct broker_cluster, rebalance);
    if (broker_setting_is_true(c, "auto.leader.rebalance.enable", true)) broker_prefer_leaders(c);
    int64_t interval_s = broker_setting_number(c, "leader.imbalance.check.interval.seconds", REBALANCE_S_DEFAULT);
    timer_set(&c->timers, t, now_us + interval_s * 1000000);
}

// A cluster of 4.1 or later keeps what its controller was started with as a dynamic default (eligible leader replicas,
// KIP-966), and shows it so.
static void keep_minimum_insync(struct broker_cluster *c) {
    static const char name[] = "min.insync.replicas";
    const char *value = setting_values_get(&c->settings_static, name);
    if (!value) value = setting_find(SETTING_OF_BROKER, (struct wire_text){name, sizeof name - 1})->value_default;
    setting_values_set(&c->settings_dynamic, name, (struct wire_text){value, (int32_t)strlen(value)});
}

static void say_nothing(void *context, enum log_level level, const char *line, size_t size) {
    (void)context, (void)level, (void)line, (void)size;
}

struct broker_cluster *broker_cluster_new(const struct broker_cluster_config *config, int64_t now_us, int64_t wall_ms) {
    assert(config->nodes >= 1 && config->nodes <= BROKER_NODES_MAX);
    struct broker_cluster *c = NEW(struct broker_cluster);
    c->config = *config;
    c->config.cluster_id = memory_copy_string(config->cluster_id);
    c->config.host = memory_copy_string(config->host);
    c->config.settings = NULL;
    if (!c->config.log.sink) c->config.log = (struct logger){.level = LOG_ERROR, .sink = say_nothing};
    c->now_us = now_us;
    c->wall_ms = wall_ms;
    timers_init(&c->timers);
    prng_seed(&c->prng, config->seed);
    map_init(&c->topics_by_name);
    map_init(&c->topics_by_id);
    map_init(&c->settings_of_groups);
    map_init(&c->settings_of_metrics);
    map_init(&c->scram_users);
    list_init(&c->changed);
    list_init(&c->requests_spare);
    timer_init(&c->rebalance, rebalance);
    bool right = read_settings(c, config->settings);
    keep_minimum_insync(c);
    broker_settings_changed(c);
    c->groups = broker_groups_new(c);
    c->transactions = broker_transactions_new(c);
    for (int32_t i = 0; i < config->nodes; i++) broker_node_init(&c->nodes[i], c, broker_node_first(c) + i);
    broker_tell_alive(c);
    for (int32_t i = 0; i < config->nodes; i++) broker_tell_now(&c->nodes[i]);
    rebalance(&c->rebalance, now_us);
    if (right) return c;
    broker_cluster_free(c);
    return NULL;
}

void broker_cluster_free(struct broker_cluster *c) {
    for (int32_t i = 0; i < c->config.nodes; i++) broker_requests_drop(&c->nodes[i]);
    broker_groups_free(c->groups);
    broker_transactions_free(c->transactions);
    broker_quotas_free(c->quotas);
    for (int32_t i = 0; i < c->config.nodes; i++) broker_node_free(&c->nodes[i]);
    broker_topics_free(c);
    broker_requests_free(c);
    timer_cancel(&c->timers, &c->rebalance);
    timers_free(&c->timers);
    setting_values_free(&c->settings);
    setting_values_free(&c->settings_static);
    setting_values_free(&c->settings_dynamic);
    config_named_free(c);
    broker_scram_free(c);
    memory_free((char *)c->config.cluster_id);
    memory_free((char *)c->config.host);
    memory_free(c);
}

void broker_cluster_run(struct broker_cluster *c, int64_t now_us, int64_t wall_ms) {
    assert(now_us >= c->now_us);
    c->now_us = now_us;
    c->wall_ms = wall_ms;
    int rounds = 0;
    for (; timers_next(&c->timers) <= now_us; rounds++) {
        assert(rounds < RUN_ROUNDS_MAX);
        timers_run(&c->timers, now_us);
    }
}

int64_t broker_cluster_next(const struct broker_cluster *c) {
    return timers_next(&c->timers);
}
