// What a running broker refuses to be changed to (DynamicBrokerConfig, KafkaConfig.validateValues).
#pragma once
#include "broker/topic_settings.h"

// NULL when a broker with the settings `now` may go on with `then`, else the sentence for INVALID_REQUEST (static or in
// `text`).
const char *setting_change_refusal(const struct setting_values *now, const struct setting_values *then, char *text,
                                   size_t size);
