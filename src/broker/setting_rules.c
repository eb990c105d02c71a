// Rules between settings: see setting_rules.h.
#include "broker/setting_rules.h"

#include "base/limits.h"
#include "base/pattern.h"
#include "broker/config_view.h"
#include "wire/error_codes.h"

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

// Groups -------------------------------------------------------------------------------------------------------------

// Between which settings of the brokers one of a group has to be.
static const struct {
    const char *name, *min, *max;
} group_bounds[] = {
#define BOUNDS(kind, what) {kind "." what, "group." kind ".min." what, "group." kind ".max." what}
    BOUNDS("consumer", "heartbeat.interval.ms"),
    BOUNDS("consumer", "session.timeout.ms"),
    BOUNDS("consumer", "assignment.interval.ms"),
    BOUNDS("share", "heartbeat.interval.ms"),
    BOUNDS("share", "session.timeout.ms"),
    BOUNDS("share", "record.lock.duration.ms"),
    BOUNDS("share", "delivery.count.limit"),
    BOUNDS("share", "partition.max.record.locks"),
    BOUNDS("share", "assignment.interval.ms"),
    BOUNDS("streams", "heartbeat.interval.ms"),
    BOUNDS("streams", "session.timeout.ms"),
    {"streams.num.standby.replicas", NULL, "group.streams.max.standby.replicas"},
    BOUNDS("streams", "assignment.interval.ms"),
#undef BOUNDS
};

static const char *const group_kinds[] = {"consumer", "share", "streams"};

static int64_t group_number(const struct setting_values *group, const struct setting_values *broker, const char *kind,
                            const char *what) {
    char name[SETTING_NUMBER_SIZE], text[SETTING_NUMBER_SIZE];
    snprintf(name, sizeof name, "%s.%s", kind, what);
    const char *value = setting_values_get(group, name);
    const struct setting_definition *d = setting_find(SETTING_OF_GROUP, text_of(name));
    return strtoll(value ? value : setting_default(d, broker, text, sizeof text), NULL, 10);
}

const char *group_settings_refusal(const struct setting_values *group, const struct setting_values *broker, char *text,
                                   size_t size) {
    for (size_t i = 0; i < sizeof group_bounds / sizeof *group_bounds; i++) {
        const char *value = setting_values_get(group, group_bounds[i].name);
        int64_t v = value ? strtoll(value, NULL, 10) : 0;
        const char *min = group_bounds[i].min, *max = group_bounds[i].max;
        bool low = value && min && v < number(broker, min), high = value && v > number(broker, max);
        if (!low && !high) continue;
        snprintf(text, size, "%s must be %s than or equal to %s", group_bounds[i].name, low ? "greater" : "less",
                 low ? min : max);
        return text;
    }
    for (size_t i = 0; i < sizeof group_kinds / sizeof *group_kinds; i++) {
        const char *kind = group_kinds[i];
        if (group_number(group, broker, kind, "session.timeout.ms") >
            group_number(group, broker, kind, "heartbeat.interval.ms"))
            continue;
        snprintf(text, size, "%s.session.timeout.ms must be greater than %s.heartbeat.interval.ms", kind, kind);
        return text;
    }
    return NULL;
}

// Client metrics -----------------------------------------------------------------------------------------------------

#define MATCHES                                                                                                        \
    "client_instance_id, client_id, client_software_name, client_software_version, client_source_address, "            \
    "client_source_port"
#define INTERVAL_MS_MIN 100
#define INTERVAL_MS_MAX 3600000

static bool is_pattern(struct wire_text t) {
    char text[INT16_MAX + 1];  // longer values are refused before
    const char *part = text;
    struct pattern *compiled;
    snprintf(text, sizeof text, "%.*s", (int)t.size, t.at);
    struct error e = pattern_compile(&part, 1, &compiled);
    pattern_free(compiled);
    return !error_is(&e);
}

// name=pattern (String.split: what is empty at the end does not count).
static bool is_match(struct wire_text element) {
    while (element.size > 0 && element.at[element.size - 1] == '=') element.size--;
    const char *equals = element.size > 0 ? memchr(element.at, '=', (size_t)element.size) : NULL;
    if (!equals || memchr(equals + 1, '=', (size_t)(element.at + element.size - equals - 1))) return false;
    struct wire_text name = {element.at, (int32_t)(equals - element.at)};
    while (name.size > 0 && name.at[name.size - 1] == ' ') name.size--;
    int32_t size = (int32_t)(element.at + element.size - equals - 1);
    return setting_list_has(MATCHES, name) && is_pattern((struct wire_text){equals + 1, size});
}

const char *metrics_settings_refusal(const struct setting_values *metrics, int16_t *error_code, char *text,
                                     size_t size) {
    const char *interval = setting_values_get(metrics, "interval.ms"), *match = setting_values_get(metrics, "match");
    int64_t ms = interval ? strtoll(interval, NULL, 10) : INTERVAL_MS_MIN;
    if (ms < INTERVAL_MS_MIN || ms > INTERVAL_MS_MAX) {
        *error_code = KAFKA_INVALID_REQUEST;
        snprintf(text, size, "Invalid value %" PRId64 " for interval.ms, interval must be between %d and %d (1 hour)",
                 ms, INTERVAL_MS_MIN, INTERVAL_MS_MAX);
        return text;
    }
    struct wire_text list = text_of(match), element;
    bool none = !match || strspn(match, " ") == strlen(match);
    while (!none && setting_list_take(&list, &element)) {
        if (is_match(element)) continue;
        *error_code = KAFKA_INVALID_CONFIG;
        snprintf(text, size, "Illegal client matching pattern: %.*s", (int)element.size, element.at);
        return text;
    }
    return NULL;
}
