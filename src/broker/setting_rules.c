// Rules between settings: see setting_rules.h.
#include "broker/setting_rules.h"

#include "base/limits.h"
#include "broker/config_view.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

// What another number of threads is measured by: DynamicThreadPool, LogCleaner.validateReconfiguration.
static const char *const pools[] = {"background.threads",  "log.cleaner.threads",
                                    "num.io.threads",      "num.network.threads",
                                    "num.replica.fetchers", "num.recovery.threads.per.data.dir"};

// Dynamic in Kafka, if the listeners stay that brokers use among themselves; the model has one, and nothing else.
static const char *const fixed[] = {"listener.security.protocol.map", "listeners"};

static int64_t number(const struct setting_values *values, const char *name) {
    const char *value = setting_values_get(values, name);
    return strtoll(value ? value : setting_find(SETTING_OF_BROKER, text_of(name))->value_default, NULL, 10);
}

static int64_t retention_ms(const struct setting_values *values) {  // log.retention.ms, or .minutes, or .hours
    char text[SETTING_NUMBER_SIZE];
    const struct setting_definition *d = setting_find(SETTING_OF_TOPIC, text_of("retention.ms"));
    return strtoll(setting_default(d, values, text, sizeof text), NULL, 10);
}

// DynamicLogConfig.validateLogLocalRetentionMs, validateLogLocalRetentionBytes: -2 is as much as of the whole log.
static bool local_is_more(int64_t local, int64_t whole) {
    return whole >= 0 && local != -2 && (local == -1 || local > whole);
}

static const char *pool_refusal(const struct setting_values *now, const struct setting_values *then, char *text,
                                size_t size) {
    for (size_t i = 0; i < sizeof pools / sizeof *pools; i++) {
        int64_t before = number(now, pools[i]), after = number(then, pools[i]);
        const char *why = after < 1            ? "value should be at least 1"
                          : after < before / 2 ? "value should be at least half the current value"
                          : after > before * 2 ? "value should not be greater than double the current value"
                                               : NULL;
        if (!why) continue;
        snprintf(text, size, "Dynamic thread count update validation failed for %s=%" PRId64 ": %s", pools[i], after,
                 why);
        return text;
    }
    return NULL;
}

const char *setting_change_refusal(const struct setting_values *now, const struct setting_values *then, char *text,
                                   size_t size) {
    const char *refusal = pool_refusal(now, then, text, size);
    if (refusal) return refusal;
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        const char *before = setting_values_get(now, fixed[i]), *after = setting_values_get(then, fixed[i]);
        if (after && (!before || strcmp(before, after) != 0)) return "The listener of this cluster cannot be changed.";
    }
    if (number(then, "log.cleaner.dedupe.buffer.size") / number(then, "log.cleaner.threads") <= MiB)
        return "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.";
    if (retention_ms(then) == 0) return "log.retention.ms must be unlimited (-1) or, equal or greater than 1";
    if (local_is_more(number(then, "log.local.retention.ms"), retention_ms(then)))
        return "log.local.retention.ms must not be more than log.retention.ms";
    if (local_is_more(number(then, "log.local.retention.bytes"), number(then, "log.retention.bytes")))
        return "log.local.retention.bytes must not be more than log.retention.bytes";
    return NULL;
}

const char *topic_settings_refusal(const struct setting_values *topic, const struct setting_values *broker, char *text,
                                   size_t size) {
    struct broker_topic_settings s;
    broker_topic_settings_parse(&s, topic, broker);
    if (s.compaction_lag_ms_min > s.compaction_lag_ms_max) {
        snprintf(text, size,
                 "conflict topic config setting min.compaction.lag.ms (%" PRId64 ") > max.compaction.lag.ms (%" PRId64
                 ")",
                 s.compaction_lag_ms_min, s.compaction_lag_ms_max);
        return text;
    }
    if (s.remote_storage)
        return "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log "
               "storage.";
    return NULL;
}
