// What is refused though each setting is right by itself: of a running broker (DynamicBrokerConfig,
// KafkaConfig.validateValues), of a topic (LogConfig.validateTopicLogConfigValues), of a group
// (GroupConfig.validateValues), of client metrics (ClientMetricsConfigs.validateConfigs).
#pragma once
#include "broker/topic_settings.h"

// NULL when a broker with the settings `now` may go on with `then`, else the sentence for INVALID_REQUEST (static or in
// `text`).
const char *setting_change_refusal(const struct setting_values *now, const struct setting_values *then, char *text,
                                   size_t size);

// The same of a topic, for INVALID_CONFIG.
const char *topic_settings_refusal(const struct setting_values *topic, const struct setting_values *broker, char *text,
                                   size_t size);
const char *group_settings_refusal(const struct setting_values *group, const struct setting_values *broker, char *text,
                                   size_t size);

// Of client metrics: for *error_code.
const char *metrics_settings_refusal(const struct setting_values *metrics, int16_t *error_code, char *text,
                                     size_t size);
