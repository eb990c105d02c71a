// Remote topic names and what they tell, as ReplicationPolicy and its two implementations do it.
#include "mirror/naming.h"

#include "unit/test.h"

static const struct naming dotted = {REPLICATION_POLICY_DEFAULT, "A", ".", true};
static const struct naming identity = {REPLICATION_POLICY_IDENTITY, "A", ".", true};

static bool source_is(const struct naming *n, const char *topic, const char *wanted) {
    struct bytes alias;
    if (!naming_topic_source(n, topic, &alias)) return !wanted;
    return wanted && alias.size == strlen(wanted) && memcmp(alias.at, wanted, alias.size) == 0;
}

TEST(default_policy_prefixes) {
    char name[TOPIC_NAME_SIZE_MAX + 1];
    struct error e = naming_remote_topic(&dotted, "orders", name);
    EXPECT(!error_is(&e));
    EXPECT_TEXT(name, "A.orders");
    struct naming dashed = {REPLICATION_POLICY_DEFAULT, "us", "--", true};
    e = naming_remote_topic(&dashed, "orders", name);
    EXPECT(!error_is(&e));
    EXPECT_TEXT(name, "us--orders");
}

TEST(identity_policy_keeps_names_but_of_heartbeats) {
    char name[TOPIC_NAME_SIZE_MAX + 1];
    struct error e = naming_remote_topic(&identity, "B.orders", name);
    EXPECT(!error_is(&e));
    EXPECT_TEXT(name, "B.orders");
    e = naming_remote_topic(&identity, "heartbeats", name);
    EXPECT(!error_is(&e));
    EXPECT_TEXT(name, "A.heartbeats");
    EXPECT(source_is(&identity, "B.orders", "A"));
    EXPECT(source_is(&identity, "B.heartbeats", "B"));
    EXPECT_TEXT(naming_upstream_topic(&identity, "B.orders"), "B.orders");
    EXPECT_TEXT(naming_upstream_topic(&identity, "B.heartbeats"), "heartbeats");
}

TEST(names_tell_where_they_came_from) {
    EXPECT(source_is(&dotted, "B.orders", "B"));
    EXPECT(source_is(&dotted, "orders", NULL));
    EXPECT(source_is(&dotted, "B.C.orders", "B"));
    EXPECT_TEXT(naming_upstream_topic(&dotted, "B.C.orders"), "C.orders");
    EXPECT_TEXT(naming_original_topic(&dotted, "B.C.orders"), "orders");
    EXPECT(!naming_upstream_topic(&dotted, "orders"));
    struct naming dashed = {REPLICATION_POLICY_DEFAULT, "us", "--", true};
    EXPECT(source_is(&dashed, "eu--a-b", "eu"));
    EXPECT_TEXT(naming_upstream_topic(&dashed, "eu--a-b"), "a-b");
}

// "a.".split() has one part in Java, "a..b" three.
TEST(empty_parts_count_as_in_java) {
    EXPECT(source_is(&dotted, "a.", NULL));
    EXPECT(source_is(&dotted, "a..", NULL));
    EXPECT(source_is(&dotted, "a..b", "a"));
    EXPECT_TEXT(naming_upstream_topic(&dotted, "a..b"), ".b");
    EXPECT(source_is(&dotted, ".b", ""));
}

TEST(heartbeats_are_known_after_any_number_of_hops) {
    EXPECT(naming_is_heartbeats_topic(&dotted, "heartbeats"));
    EXPECT(naming_is_heartbeats_topic(&dotted, "B.C.heartbeats"));
    EXPECT(!naming_is_heartbeats_topic(&dotted, "my-heartbeats"));
    EXPECT(naming_is_heartbeats_topic(&identity, "B.heartbeats"));
}

TEST(internal_topics) {
    static const char *const internal[] = {"__consumer_offsets", ".hidden", "mm2-offsets.A.internal", "x-internal",
                                           "A.checkpoints.internal"};
    for (size_t i = 0; i < sizeof internal / sizeof internal[0]; i++) {
        EXPECT(naming_is_internal_topic(&dotted, internal[i]));
        EXPECT(naming_is_internal_topic(&identity, internal[i]));
    }
    EXPECT(!naming_is_internal_topic(&dotted, "orders"));
    EXPECT(!naming_is_internal_topic(&dotted, "internal"));
    EXPECT(!naming_is_internal_topic(&dotted, "x_internal"));
    struct naming underscored = {REPLICATION_POLICY_DEFAULT, "A", "_", true};
    EXPECT(naming_is_internal_topic(&underscored, "x_internal"));
    underscored.internal_separator_enabled = false;
    EXPECT(!naming_is_internal_topic(&underscored, "x_internal"));
    EXPECT(naming_is_internal_topic(&underscored, "x.internal"));
}

TEST(names_kafka_refuses_are_refused_with_the_reason) {
    char long_name[TOPIC_NAME_SIZE_MAX + 2], name[TOPIC_NAME_SIZE_MAX + 1];
    memset(long_name, 'x', sizeof long_name);
    long_name[TOPIC_NAME_SIZE_MAX - 2] = '\0';
    struct error e = naming_remote_topic(&dotted, long_name, name);
    EXPECT(!error_is(&e));
    EXPECT_INT(strlen(name), 249);
    long_name[TOPIC_NAME_SIZE_MAX - 2] = 'x';
    long_name[TOPIC_NAME_SIZE_MAX - 1] = '\0';
    e = naming_remote_topic(&dotted, long_name, name);
    EXPECT_INT(e.kind, ERROR_CONFIG);
    EXPECT(strstr(e.detail, "would have 250 characters, Kafka allows 249"));
    e = naming_remote_topic(&identity, long_name, name);
    EXPECT(!error_is(&e));
    e = topic_name_check("a b");
    EXPECT(strstr(e.detail, "allows only"));
    e = topic_name_check("..");
    EXPECT(error_is(&e));
    e = topic_name_check("");
    EXPECT(error_is(&e));
}

int main(void) {
    RUN(default_policy_prefixes);
    RUN(identity_policy_keeps_names_but_of_heartbeats);
    RUN(names_tell_where_they_came_from);
    RUN(empty_parts_count_as_in_java);
    RUN(heartbeats_are_known_after_any_number_of_hops);
    RUN(internal_topics);
    RUN(names_kafka_refuses_are_refused_with_the_reason);
    return test_result();
}
