// Settings of topics and brokers: what is refused, with which sentence, and what the values mean.
#include "broker/setting_rules.h"

#include "unit/test.h"
#include "wire/batch.h"

// "" when the value is right.
static const char *refusal(const char *name, const char *value) {
    static char text[300];
    const struct setting_definition *d = setting_find(SETTING_OF_TOPIC, text_of(name));
    if (!d) return "unknown";
    const char *said = setting_refusal(d, text_of(value), text, sizeof text);
    return said ? said : "";
}

static void set(struct setting_values *v, const char *name, const char *value) {
    setting_values_set(v, name, text_of(value));
}

TEST(values_are_set_replaced_and_unset) {
    struct setting_values v = {0};
    EXPECT(!setting_values_get(&v, "a"));
    for (char name[2] = "a"; *name < 'k'; ++*name) set(&v, name, "1");
    set(&v, "c", "2");
    EXPECT_INT(v.count, 10);
    EXPECT_TEXT(setting_values_get(&v, "c"), "2");
    setting_values_unset(&v, "c");
    setting_values_unset(&v, "nothing");
    EXPECT_INT(v.count, 9);
    EXPECT(!setting_values_get(&v, "c"));
    EXPECT_TEXT(setting_values_get(&v, "j"), "1");
    setting_values_free(&v);
    EXPECT_INT(v.count, 0);
}

static const char *const no_replicas[] = {"-1:-2", "0", "0:", ":1", "0:1:2", "a:b", "*,0:1", "**", "+0:1", "0 :1"};

// Each sentence was said by LogConfig.validate of Kafka 4.3.1.
TEST(wrong_values_get_kafkas_sentences) {
    EXPECT_TEXT(refusal("retention.ms", "-5"),
                "Invalid value -5 for configuration retention.ms: Value must be at least -1");
    EXPECT_TEXT(refusal("retention.ms", "abc"),
                "Invalid value abc for configuration retention.ms: Not a number of type LONG");
    EXPECT_TEXT(refusal("retention.ms", ""),
                "Invalid value  for configuration retention.ms: Not a number of type LONG");
    EXPECT_TEXT(refusal("retention.ms", "99999999999999999999"),
                "Invalid value 99999999999999999999 for configuration retention.ms: Not a number of type LONG");
    EXPECT_TEXT(refusal("max.message.bytes", "3000000000"),
                "Invalid value 3000000000 for configuration max.message.bytes: Not a number of type INT");
    EXPECT_TEXT(refusal("segment.bytes", "10"),
                "Invalid value 10 for configuration segment.bytes: Value must be at least 1048576");
    EXPECT_TEXT(refusal("compression.zstd.level", "99"),
                "Invalid value 99 for configuration compression.zstd.level: Value must be no more than 22");
    EXPECT_TEXT(
        refusal("compression.gzip.level", "0"),
        "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1");
    EXPECT_TEXT(refusal("preallocate", "maybe"),
                "Invalid value maybe for configuration preallocate: Expected value to be either true or false");
    EXPECT_TEXT(refusal("min.cleanable.dirty.ratio", "2"),
                "Invalid value 2.0 for configuration min.cleanable.dirty.ratio: Value must be no more than 1");
    EXPECT_TEXT(refusal("min.cleanable.dirty.ratio", "-0.5"),
                "Invalid value -0.5 for configuration min.cleanable.dirty.ratio: Value must be at least 0");
    EXPECT_TEXT(refusal("message.timestamp.type", "foo"), "Invalid value foo for configuration message.timestamp.type: "
                                                          "String must be one of: CreateTime, LogAppendTime");
    EXPECT_TEXT(refusal("cleanup.policy", "foo"),
                "Invalid value foo for configuration cleanup.policy: String must be one of: compact, delete");
    EXPECT_TEXT(refusal("cleanup.policy", "compact,,delete"),
                "Configuration 'cleanup.policy' values must not be empty.");
    EXPECT_TEXT(refusal("compression.type", "LZ4"),
                "Invalid value LZ4 for configuration compression.type: String must be "
                "one of: uncompressed, zstd, lz4, snappy, gzip, producer");
    EXPECT_TEXT(
        refusal("follower.replication.throttled.replicas", "x"),
        "Invalid value [x] for configuration follower.replication.throttled.replicas: "
        "follower.replication.throttled.replicas must be the literal '*' or a list of replicas in the following "
        "format: [partitionId]:[brokerId],[partitionId]:[brokerId],...");
    for (size_t i = 0; i < sizeof no_replicas / sizeof *no_replicas; i++)
        EXPECT(*refusal("follower.replication.throttled.replicas", no_replicas[i]));
    EXPECT_TEXT(refusal("no.such.thing", "1"), "unknown");
}

TEST(right_values) {
    static const char *const right[][2] = {
        {"retention.ms", " 7 "},
        {"retention.ms", "+7"},
        {"retention.bytes", "-7"},
        {"cleanup.policy", ""},
        {"cleanup.policy", "compact"},
        {"cleanup.policy", "compact, delete"},
        {"compression.gzip.level", "-1"},
        {"preallocate", "TRUE"},
        {"compression.type", "zstd"},
        {"message.timestamp.type", " CreateTime "},
        {"min.insync.replicas", "2"},
        {"follower.replication.throttled.replicas", "*"},
        {"leader.replication.throttled.replicas", "0:1,1:2"},
    };
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) EXPECT_TEXT(refusal(right[i][0], right[i][1]), "");
}

static const char *shown(const char *name, const char *value) {
    static char text[100 + SETTING_NUMBER_SIZE];
    return setting_shown(setting_find(SETTING_OF_TOPIC, text_of(name)), value, text);
}

// Each was shown so by DescribeConfigs of Kafka 4.3.1 (test/conformance/configs.py).
TEST(values_are_shown_as_they_are_understood) {
    EXPECT_TEXT(shown("retention.ms", " +0100000 "), "100000");
    EXPECT_TEXT(shown("retention.bytes", "-0"), "0");
    EXPECT_TEXT(shown("max.message.bytes", "0500"), "500");
    EXPECT_TEXT(shown("preallocate", " TRUE"), "true");
    EXPECT_TEXT(shown("preallocate", "False"), "false");
    EXPECT_TEXT(shown("cleanup.policy", " compact ,  delete "), "compact,delete");
    EXPECT_TEXT(shown("cleanup.policy", " "), "");
    EXPECT_TEXT(shown("cleanup.policy", "delete,compact, delete"), "delete,compact");
    EXPECT_TEXT(shown("leader.replication.throttled.replicas", "0:1, 0:1"), "0:1,0:1");
    EXPECT_TEXT(shown("leader.replication.throttled.replicas", ", 0:1,"), ",0:1,");
    EXPECT_TEXT(shown("message.timestamp.type", " LogAppendTime "), "LogAppendTime");
    EXPECT_TEXT(shown("min.cleanable.dirty.ratio", "1"), "1.0");
    EXPECT_TEXT(shown("min.cleanable.dirty.ratio", "0"), "0.0");
    EXPECT_TEXT(shown("min.cleanable.dirty.ratio", "0.50"), "0.5");
    EXPECT_TEXT(shown("min.cleanable.dirty.ratio", " .125"), "0.125");
    EXPECT_TEXT(shown("min.cleanable.dirty.ratio", "1e-1"), "0.1");
    EXPECT_TEXT(shown("min.cleanable.dirty.ratio", "0.00012"), "1.2E-4");
    EXPECT_TEXT(shown("min.cleanable.dirty.ratio", "12345678.5"), "1.23456785E7");
    EXPECT_TEXT(shown("min.cleanable.dirty.ratio", "1000000"), "1000000.0");
    EXPECT_TEXT(shown("min.cleanable.dirty.ratio", "1.7976931348623157E308"), "1.7976931348623157E308");
}

static const char *refused_together(const char *name, const char *value, const char *other, const char *other_value) {
    static char text[300];
    struct setting_values topic = {0}, none = {0};
    set(&topic, name, value);
    set(&topic, other, other_value);
    const char *said = topic_settings_refusal(&topic, &none, text, sizeof text);
    setting_values_free(&topic);
    return said ? said : "";
}

TEST(settings_that_do_not_go_together) {
    EXPECT_TEXT(refused_together("min.compaction.lag.ms", "10", "max.compaction.lag.ms", "10"), "");
    EXPECT_TEXT(refused_together("min.compaction.lag.ms", "11", "max.compaction.lag.ms", "10"),
                "conflict topic config setting min.compaction.lag.ms (11) > max.compaction.lag.ms (10)");
    EXPECT_TEXT(refused_together("remote.storage.enable", "false", "retention.ms", "1"), "");
    EXPECT_TEXT(refused_together("remote.storage.enable", " True", "retention.ms", "1"),
                "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log "
                "storage.");
}

// LogConfig.maxSegmentMs
TEST(what_must_be_compacted_in_time_closes_its_file_in_time) {
    struct setting_values topic = {0}, none = {0};
    struct broker_topic_settings s;
    set(&topic, "max.compaction.lag.ms", "100");
    broker_topic_settings_parse(&s, &topic, &none);
    EXPECT_INT(s.segment_ms, 604800000);
    set(&topic, "cleanup.policy", "compact,delete");
    broker_topic_settings_parse(&s, &topic, &none);
    EXPECT_INT(s.segment_ms, 100);
    set(&topic, "segment.ms", "40");
    broker_topic_settings_parse(&s, &topic, &none);
    EXPECT_INT(s.segment_ms, 40);
    setting_values_free(&topic);
}

TEST(each_default_is_right) {
    char text[300];
    for (size_t i = 0; i < setting_table_count; i++) {
        const struct setting_definition *d = &setting_table[i];
        EXPECT(setting_find(d->scope, text_of(d->name)) == d);
        if (!d->value_default) continue;
        const char *said = setting_refusal(d, text_of(d->value_default), text, sizeof text);
        EXPECT_TEXT(said ? said : "", "");
    }
}

TEST(defaults_are_kafkas) {
    struct setting_values none = {0};
    struct broker_topic_settings s;
    broker_topic_settings_parse(&s, &none, &none);
    EXPECT(s.delete &&!s.compact && !s.append_time && !s.unclean_election);
    EXPECT_INT(s.codec, -1);
    EXPECT_INT(s.message_bytes_max, 1048588);
    EXPECT_INT(s.timestamp_before_ms_max, INT64_MAX);
    EXPECT_INT(s.timestamp_after_ms_max, 3600000);
    EXPECT_INT(s.insync_replicas_min, 1);
    EXPECT_INT(s.retention_ms, 604800000);
    EXPECT_INT(s.retention_bytes, -1);
    EXPECT_INT(s.segment_bytes, 1 << 30);
    EXPECT_INT(s.segment_ms, 604800000);
    EXPECT_INT(s.delete_retention_ms, 86400000);
    EXPECT_INT(s.compaction_lag_ms_min, 0);
}

TEST(the_topics_value_then_the_brokers_then_the_default) {
    struct setting_values topic = {0}, broker = {0};
    struct broker_topic_settings s;
    set(&broker, "log.retention.hours", "2");
    set(&broker, "message.max.bytes", "5000");
    set(&broker, "log.cleanup.policy", "compact,delete");
    set(&broker, "compression.type", "gzip");
    broker_topic_settings_parse(&s, &topic, &broker);
    EXPECT_INT(s.retention_ms, 2 * 3600 * 1000);
    EXPECT_INT(s.message_bytes_max, 5000);
    EXPECT(s.compact && s.delete);
    EXPECT_INT(s.codec, CODEC_GZIP);
    set(&broker, "log.retention.minutes", "3");
    set(&topic, "message.timestamp.type", "LogAppendTime");
    set(&topic, "cleanup.policy", " compact ");
    set(&topic, "compression.type", "uncompressed");
    set(&topic, "unclean.leader.election.enable", "true");
    broker_topic_settings_parse(&s, &topic, &broker);
    EXPECT_INT(s.retention_ms, 3 * 60 * 1000);
    EXPECT(s.append_time && s.unclean_election && s.compact && !s.delete);
    EXPECT_INT(s.codec, CODEC_NONE);
    set(&broker, "log.retention.ms", "77");
    broker_topic_settings_parse(&s, &topic, &broker);
    EXPECT_INT(s.retention_ms, 77);
    set(&topic, "retention.ms", "-1");
    set(&topic, "internal.segment.bytes", "1000");
    broker_topic_settings_parse(&s, &topic, &broker);
    EXPECT_INT(s.retention_ms, -1);
    EXPECT_INT(s.segment_bytes, 1000);
    setting_values_free(&topic);
    setting_values_free(&broker);
}

int main(void) {
    RUN(values_are_set_replaced_and_unset);
    RUN(wrong_values_get_kafkas_sentences);
    RUN(right_values);
    RUN(values_are_shown_as_they_are_understood);
    RUN(settings_that_do_not_go_together);
    RUN(what_must_be_compacted_in_time_closes_its_file_in_time);
    RUN(each_default_is_right);
    RUN(defaults_are_kafkas);
    RUN(the_topics_value_then_the_brokers_then_the_default);
    return test_result();
}
