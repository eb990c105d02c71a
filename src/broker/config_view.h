// Settings as clients see them: which value is in force, and where it comes from (KIP-226).
#pragma once
#include "broker/cluster_private.h"

enum config_source {  // DescribeConfigsResponse.ConfigSource
    CONFIG_OF_TOPIC = 1,
    CONFIG_OF_BROKER = 2,
    CONFIG_OF_ALL_BROKERS = 3,
    CONFIG_STATIC = 4,
    CONFIG_DEFAULT = 5,
    CONFIG_OF_METRICS = 7,
    CONFIG_OF_GROUP = 8,
};

// What has settings: ConfigResource.Type.
enum { RESOURCE_TOPIC = 2, RESOURCE_BROKER = 4, RESOURCE_LOGGER = 8, RESOURCE_METRICS = 16, RESOURCE_GROUP = 32 };

// A setting of brokers together with its older names: an absent one stands for the next (log.retention.ms, .minutes,
// .hours; DynamicBrokerConfig.brokerConfigSynonyms). Answers how many, the newest first.
#define CONFIG_NAMES_MAX 3
int32_t config_names(const char *name, const char *names[CONFIG_NAMES_MAX]);

// All that is known of a setting of brokers, the strongest first, as DescribeConfigs lists it. `node` may be NULL.
struct config_synonym {
    const char *name, *value;
    int8_t source;
};
#define CONFIG_SYNONYMS_MAX (4 * CONFIG_NAMES_MAX)
int32_t config_synonyms(const struct broker_cluster *c, const struct broker_node *node, const char *broker_name,
                        struct config_synonym synonyms[CONFIG_SYNONYMS_MAX]);

// NULL when `name` may be set to `value`, else the sentence for INVALID_CONFIG (in `text`).
const char *config_refusal(enum setting_scope scope, struct wire_text name, struct wire_text value, char *text,
                           size_t size);

// Settings of groups and of client metrics: kept by name, whether there is such a group or not (named_settings.c).
struct config_named {
    char *name;
    struct setting_values values;  // not empty
};
const struct map *config_named_all(const struct broker_cluster *c, int8_t resource_type);
const struct setting_values *config_named(const struct broker_cluster *c, int8_t resource_type,
                                          struct wire_text name);  // never NULL
void config_named_put(struct broker_cluster *c, int8_t resource_type, struct wire_text name,
                      struct setting_values *values);  // takes them
void config_named_free(struct broker_cluster *c);
