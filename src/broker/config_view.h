// Settings as clients see them: which value is in force, and where it comes from (KIP-226).
#pragma once
#include "broker/cluster_private.h"

enum config_source {  // DescribeConfigsResponse.ConfigSource
    CONFIG_OF_TOPIC = 1,
    CONFIG_OF_BROKER = 2,
    CONFIG_OF_ALL_BROKERS = 3,
    CONFIG_STATIC = 4,
    CONFIG_DEFAULT = 5,
};

struct config_value {
    const char *value;  // NULL: none
    int8_t source;
};

struct config_value config_of_topic(const struct broker_cluster *c, const struct setting_values *topic,
                                    const struct setting_definition *d);

// NULL when `name` may be set to `value`, else the sentence for INVALID_CONFIG (in `text`).
const char *config_refusal(enum setting_scope scope, struct wire_text name, struct wire_text value, char *text,
                           size_t size);

static inline struct wire_text config_text(const char *text) {  // NULL: null
    return (struct wire_text){text, text ? (int32_t)strlen(text) : -1};
}
