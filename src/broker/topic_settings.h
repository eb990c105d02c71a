// The settings of topics, brokers, groups and client metrics that the model obeys or at least knows: one table with
// Kafka's names, defaults, types and bounds (org.apache.kafka.storage.internals.log.LogConfig,
// org.apache.kafka.server.config, GroupConfig, ClientMetricsConfigs). The table makes parser, DescribeConfigs, and the
// errors of CreateTopics and IncrementalAlterConfigs.
#pragma once
#include "base/bytes.h"
#include "wire/message.h"

#include <stdbool.h>

// What the engine reads, parsed; filled from the table's defaults, then from what was set.
struct broker_topic_settings {
    bool compact, delete;       // cleanup.policy
    int8_t codec;               // compression.type: -1 producer, else enum codec (uncompressed = CODEC_NONE)
    bool append_time;           // message.timestamp.type
    int32_t message_bytes_max;  // max.message.bytes
    int64_t timestamp_before_ms_max, timestamp_after_ms_max;
    int32_t insync_replicas_min;
    int64_t retention_ms, retention_bytes, segment_bytes, segment_ms;
    int64_t delete_retention_ms;
    int64_t compaction_lag_ms_min, compaction_lag_ms_max;
    bool unclean_election;
    bool remote_storage;
};

struct setting_value {  // one that was set, of a topic, a broker or the cluster's default
    char *name, *value;
};

struct setting_values {
    struct setting_value *at;
    size_t count, capacity;
};

void setting_values_free(struct setting_values *v);
const char *setting_values_get(const struct setting_values *v, const char *name);  // NULL: not set
void setting_values_set(struct setting_values *v, const char *name, struct wire_text value);
void setting_values_merge(struct setting_values *v, const struct setting_values *const *from, size_t count);  // anew
void setting_values_unset(struct setting_values *v, const char *name);

enum setting_scope { SETTING_OF_TOPIC, SETTING_OF_BROKER, SETTING_OF_GROUP, SETTING_OF_METRICS };

// As DescribeConfigs numbers them (org.apache.kafka.clients.admin.ConfigEntry.ConfigType, DescribeConfigsResponse).
enum setting_type {
    SETTING_BOOLEAN = 1,
    SETTING_STRING,
    SETTING_INT,
    SETTING_SHORT,
    SETTING_LONG,
    SETTING_DOUBLE,
    SETTING_LIST,
    SETTING_CLASS,
    SETTING_PASSWORD,
};

// `allowed` of the lists of throttled replicas (ThrottledReplicaListValidator).
#define SETTING_REPLICAS "[partitionId]:[brokerId],[partitionId]:[brokerId],..."
#define SETTING_GZIP_LEVEL "[1,...,9] or -1"
#define SETTING_NAMES "any names"                                     // but empty ones (ConfigDef.ValidList)
#define SETTING_RESET "earliest, latest, by_duration:PnDTnHnMn.nS"  // ShareGroupAutoOffsetResetStrategy

struct setting_definition {
    const char *name;         // of the topic's setting, e.g. retention.ms
    const char *broker_name;  // its default's name at the broker, e.g. log.retention.ms; NULL: none
    enum setting_scope scope;
    enum setting_type type;
    const char *value_default;  // NULL: none
    int64_t min, max;           // of numbers
    const char *allowed;        // names with ", " between them; NULL: any
    bool read_only, sensitive;
    bool internal;  // for tests: of a topic described only when set, of a broker never
};
extern const struct setting_definition setting_table[];
extern const size_t setting_table_count;

const struct setting_definition *setting_find(enum setting_scope scope, struct wire_text name);

// Lists as ConfigDef cuts them: takes the next element off, without the spaces around it; one of nothing is one, empty.
bool setting_list_take(struct wire_text *list, struct wire_text *element);
// Whether a name stands in `list`, with ", " between them.
bool setting_list_has(const char *list, struct wire_text name);

// NULL when the value is right, else Kafka's kind of sentence for INVALID_CONFIG (static or in `text`).
const char *setting_refusal(const struct setting_definition *d, struct wire_text value, char *text, size_t size);

// As DescribeConfigs shows it: understood and written again (ConfigDef.convertToString). Static, `value` itself, or in
// `text`, which has room for the value and SETTING_NUMBER_SIZE more.
#define SETTING_NUMBER_SIZE 48
const char *setting_shown(const struct setting_definition *d, const char *value, char *text);

// What a topic's setting stands at when the topic does not set it: the broker's under its own name or one of its older
// synonyms (log.retention.hours), else the default; NULL for those without any. `text`: for values that are converted.
const char *setting_default(const struct setting_definition *d, const struct setting_values *broker, char *text,
                            size_t size);

// What a topic's settings mean, given those of the topic and of the broker (the static and the dynamic ones in one).
void broker_topic_settings_parse(struct broker_topic_settings *s, const struct setting_values *topic,
                                 const struct setting_values *broker);
