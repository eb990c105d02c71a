// Topics and settings of a modelled cluster, over the protocol: what is made, shown, changed, refused and deleted.
#include "base/memory.h"
#include "broker/request.h"
#include "broker_client.h"

static int64_t now_us;
static struct broker_cluster *c;
static struct client k;

static void open_cluster(int32_t nodes, const char *const *settings) {
    now_us = 0;
    struct broker_cluster_config config = {.cluster_id = "AAAAAAAAAAAAAAAAAAAAAA",
                                           .host = "localhost",
                                           .port_first = 9092,
                                           .nodes = nodes,
                                           .seed = 1,
                                           .settings = settings};
    c = broker_cluster_new(&config, now_us, CLIENT_WALL_MS);
    client_open(&k, c, 1, &now_us);
}

static void close_cluster(void) {
    client_close(&k);
    broker_cluster_free(c);
}

static bool is(struct wire_text text, const char *wanted) {
    return wire_text_same(text, client_text(wanted));
}

static struct create_topics_request_topic topic(const char *name, int32_t partitions, int16_t factor) {
    struct create_topics_request_topic t;
    message_defaults(&create_topics_request_topic_message, &t);
    t.name = client_text(name);
    t.num_partitions = partitions;
    t.replication_factor = factor;
    return t;
}

static struct create_topics_response_topic create(struct create_topics_request_topic t, bool validate_only) {
    struct create_topics_request request;
    struct create_topics_response response;
    message_defaults(api_find(API_CREATE_TOPICS)->request, &request);
    request.topics = &t;
    request.topics_count = 1;
    request.validate_only = validate_only;
    bool answered = client_ask(&k, API_CREATE_TOPICS, 7, &request, &response);
    assert(answered && response.topics_count == 1);
    (void)answered;
    return response.topics[0];
}

static struct metadata_response metadata(const char *name, bool automatic) {
    struct metadata_request_topic asked = {.name = client_text(name)};
    struct metadata_request request;
    struct metadata_response response;
    message_defaults(api_find(API_METADATA)->request, &request);
    request.topics = name ? &asked : NULL;
    request.topics_count = name ? 1 : -1;
    request.allow_auto_topic_creation = automatic;
    bool answered = client_ask(&k, API_METADATA, 12, &request, &response);
    assert(answered);
    (void)answered;
    return response;
}

TEST(a_topic_is_made_and_shown) {
    open_cluster(3, NULL);
    struct create_topics_response_topic made = create(topic("orders", 4, 2), false);
    EXPECT_INT(made.error_code, 0);
    EXPECT_INT(made.num_partitions, 4);
    EXPECT_INT(made.replication_factor, 2);
    EXPECT(made.configs_count > 25);
    struct metadata_response m = metadata(NULL, false);
    EXPECT_INT(m.topics_count, 1);
    EXPECT(is(m.topics[0].name, "orders"));
    EXPECT(memcmp(m.topics[0].topic_id.at, made.topic_id.at, 16) == 0);
    EXPECT_INT(m.topics[0].partitions_count, 4);
    for (int32_t i = 0; i < 4; i++) {
        const struct metadata_response_partition *p = &m.topics[0].partitions[i];
        EXPECT_INT(p->error_code, 0);
        EXPECT_INT(p->partition_index, i);
        EXPECT_INT(p->replica_nodes_count, 2);
        EXPECT_INT(p->isr_nodes_count, 2);
        EXPECT_INT(p->leader_id, p->replica_nodes[0]);
        EXPECT_INT(p->leader_epoch, 0);
        EXPECT_INT(p->offline_replicas_count, 0);
    }
    EXPECT(m.topics[0].partitions[0].leader_id != m.topics[0].partitions[1].leader_id);
    close_cluster();
}

// KIP-966: one partition, of which two of three replicas have left one after the other.
TEST(who_may_be_elected_is_told) {
    const char *const settings[] = {"min.insync.replicas", "2", NULL};
    open_cluster(3, settings);
    create(topic("a", 2, 3), false);
    broker_leader_move(c, "a", 0, 1, false);
    broker_node_stop(c, 3, BROKER_SHUT_DOWN, 0);
    broker_node_stop(c, 2, BROKER_SHUT_DOWN, 0);
    struct describe_topic_partitions_request_topic asked[] = {{client_text("a")}, {client_text("b")}};
    struct describe_topic_partitions_request request = {asked, 2, 1, NULL, -1};
    struct describe_topic_partitions_response r;
    EXPECT(client_ask(&k, API_DESCRIBE_TOPIC_PARTITIONS, 0, &request, &r));
    EXPECT_INT(r.topics_count, 1);
    EXPECT_INT(r.topics[0].partitions_count, 1);
    const struct describe_topic_partitions_response_partition *p = r.topics[0].partitions;
    EXPECT_INT(p->leader_id, 1);
    EXPECT_INT(p->isr_nodes_count, 1);
    EXPECT_INT(p->eligible_leader_replicas_count, 1);
    EXPECT_INT(p->eligible_leader_replicas[0], 2);
    EXPECT_INT(p->last_known_elr_count, 0);
    EXPECT_INT(p->offline_replicas_count, 2);
    EXPECT_INT(r.next_cursor_count, 1);
    EXPECT(is(r.next_cursor->topic_name, "a"));
    EXPECT_INT(r.next_cursor->partition_index, 1);
    struct describe_topic_partitions_request_cursor cursor = {client_text("a"), 1};
    request.cursor = &cursor, request.cursor_count = 1, request.response_partition_limit = 9;
    EXPECT(client_ask(&k, API_DESCRIBE_TOPIC_PARTITIONS, 0, &request, &r));
    EXPECT_INT(r.topics_count, 2);
    EXPECT_INT(r.topics[0].partitions[0].partition_index, 1);
    EXPECT_INT(r.topics[1].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    EXPECT_INT(r.next_cursor_count, -1);
    close_cluster();
}

TEST(creations_are_refused_as_kafka_does) {
    open_cluster(3, NULL);
    struct create_topics_request_config bad = {client_text("retention.ms"), client_text("often")};
    struct create_topics_request_config unknown = {client_text("no.such"), client_text("1")};
    struct create_topics_request_topic configured = topic("b", 1, 1), strange = topic("b", 1, 1);
    configured.configs = &bad;
    strange.configs = &unknown;
    configured.configs_count = strange.configs_count = 1;
    EXPECT_INT(create(topic("orders.eu", 1, 1), false).error_code, 0);
    const struct {
        struct create_topics_request_topic topic;
        int16_t code;
        const char *message;
    } cases[] = {
        {topic("orders.eu", 1, 1), KAFKA_TOPIC_ALREADY_EXISTS, "Topic 'orders.eu' already exists."},
        {topic("orders_eu", 1, 1), KAFKA_INVALID_TOPIC_EXCEPTION,
         "Topic 'orders_eu' collides with existing topic: orders.eu"},
        {topic("a/b", 1, 1), KAFKA_INVALID_TOPIC_EXCEPTION,
         "Topic name is invalid: 'a/b' contains one or more characters other than ASCII alphanumerics, '.', '_' and "
         "'-'"},
        {topic("..", 1, 1), KAFKA_INVALID_TOPIC_EXCEPTION, "Topic name is invalid: '..' is not allowed"},
        {topic("b", 1, 4), KAFKA_INVALID_REPLICATION_FACTOR,
         "Unable to replicate the partition 4 time(s): The target replication factor of 4 cannot be reached because "
         "only 3 broker(s) are registered or some brokers have all their log directories cordoned."},
        {topic("b", 1, 0), KAFKA_INVALID_REPLICATION_FACTOR,
         "Replication factor must be larger than 0, or -1 to use the default value."},
        {topic("b", 0, 1), KAFKA_INVALID_PARTITIONS, "Number of partitions was set to an invalid non-positive value."},
        {configured, KAFKA_INVALID_CONFIG,
         "Invalid value often for configuration retention.ms: Not a number of type LONG"},
        {strange, KAFKA_INVALID_CONFIG, "Unknown topic config name: no.such"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct create_topics_response_topic answer = create(cases[i].topic, false);
        EXPECT_INT(answer.error_code, cases[i].code);
        if (!is(answer.error_message, cases[i].message))
            printf("%.*s\n", answer.error_message.size, answer.error_message.at);
        EXPECT(is(answer.error_message, cases[i].message));
    }
    EXPECT_INT(create(topic("b", -1, -1), true).num_partitions, 1);
    EXPECT_INT(broker_topic_partitions(c, "b"), 0);
    close_cluster();
}

// A CreateTopics is refused as a whole when it is too large.
TEST(one_request_makes_up_to_ten_thousand_records) {
    struct create_topics_request_topic two[] = {topic("a", 5000, 1), topic("b", 4998, 1)};
    struct create_topics_request request;
    struct create_topics_response response;
    open_cluster(1, NULL);
    message_defaults(api_find(API_CREATE_TOPICS)->request, &request);
    request.topics = two;
    request.topics_count = 2;
    for (int32_t count = 5001; count >= 4998; count--) {
        two[1].num_partitions = count;
        EXPECT(client_ask(&k, API_CREATE_TOPICS, 7, &request, &response));
        for (int i = 0; i < 2; i++)
            EXPECT_INT(response.topics[i].error_code, count > 4998 ? KAFKA_POLICY_VIOLATION : KAFKA_NONE);
        EXPECT_INT(broker_topic_partitions(c, "a"), count > 4998 ? 0 : 5000);
    }
    EXPECT_INT(create(topic("__cluster_metadata", 1, 1), false).error_code, KAFKA_INVALID_REQUEST);
    close_cluster();
}

TEST(topics_are_placed_by_hand) {
    open_cluster(3, NULL);
    int32_t first[] = {3, 1}, second[] = {2, 3}, twice[] = {2, 2}, nobody[] = {1, 7};
    struct create_topics_request_assignment assignments[] = {{1, second, 2}, {0, first, 2}};
    struct create_topics_request_topic t = topic("placed", -1, -1);
    t.assignments = assignments;
    t.assignments_count = 2;
    EXPECT_INT(create(t, false).num_partitions, 2);
    struct metadata_response m = metadata("placed", false);
    EXPECT_INT(m.topics[0].partitions[0].leader_id, 3);
    EXPECT_INT(m.topics[0].partitions[1].leader_id, 2);
    t.name = client_text("other");
    assignments[0].broker_ids = twice;
    EXPECT_INT(create(t, false).error_code, KAFKA_INVALID_REPLICA_ASSIGNMENT);
    assignments[0].broker_ids = nobody;
    EXPECT_INT(create(t, false).error_code, KAFKA_INVALID_REPLICA_ASSIGNMENT);
    assignments[0].broker_ids = second;
    assignments[0].partition_index = 2;
    EXPECT_INT(create(t, false).error_code, KAFKA_INVALID_REPLICA_ASSIGNMENT);
    t.num_partitions = 2;
    EXPECT_INT(create(t, false).error_code, KAFKA_INVALID_REQUEST);
    close_cluster();
}

TEST(a_topic_made_again_has_another_id) {
    open_cluster(1, NULL);
    struct wire_uuid id = create(topic("t", 1, 1), false).topic_id;
    struct delete_topics_request_topic asked[] = {{client_text(NULL), id}, {client_text("nothing"), {{0}}}};
    struct delete_topics_request request = {.topics = asked, .topics_count = 2};
    struct delete_topics_response response;
    EXPECT(client_ask(&k, API_DELETE_TOPICS, 6, &request, &response));
    EXPECT_INT(response.responses_count, 2);
    EXPECT_INT(response.responses[0].error_code, 0);
    EXPECT(is(response.responses[0].name, "t"));
    EXPECT_INT(response.responses[1].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    EXPECT_INT(metadata("t", false).topics[0].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    EXPECT(client_ask(&k, API_DELETE_TOPICS, 6, &request, &response));
    EXPECT_INT(response.responses[0].error_code, KAFKA_UNKNOWN_TOPIC_ID);
    struct delete_topics_request_topic twice[] = {asked[1], asked[1]};
    request.topics = twice;
    EXPECT(client_ask(&k, API_DELETE_TOPICS, 6, &request, &response));
    EXPECT_INT(response.responses_count, 1);
    EXPECT_INT(response.responses[0].error_code, KAFKA_INVALID_REQUEST);
    struct wire_uuid again = create(topic("t", 1, 1), false).topic_id;
    EXPECT(memcmp(id.at, again.at, sizeof id.at) != 0);
    close_cluster();
}

TEST(a_topic_named_twice_is_not_deleted) {
    open_cluster(1, NULL);
    struct wire_uuid id = create(topic("t", 1, 1), false).topic_id;
    struct delete_topics_request_topic by_id = {client_text(NULL), id}, by_name = {client_text("t"), {{0}}};
    const struct {
        struct delete_topics_request_topic asked[3];
        int32_t count, answers;
    } cases[] = {{{by_id, by_name}, 2, 1},
                 {{by_name, by_id}, 2, 1},
                 {{by_id, by_id, by_name}, 3, 2},
                 {{{client_text("t"), id}, {client_text("t"), id}}, 2, 2}};
    struct delete_topics_response response;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct delete_topics_request_topic asked[3];
        memcpy(asked, cases[i].asked, sizeof asked);
        struct delete_topics_request request = {.topics = asked, .topics_count = cases[i].count};
        EXPECT(client_ask(&k, API_DELETE_TOPICS, 6, &request, &response));
        EXPECT_INT(response.responses_count, cases[i].answers);
        for (int32_t at = 0; at < response.responses_count; at++)
            EXPECT_INT(response.responses[at].error_code, KAFKA_INVALID_REQUEST);
        EXPECT_INT(broker_topic_partitions(c, "t"), 1);
    }
    close_cluster();
}

TEST(nothing_is_deleted_where_that_is_not_allowed) {
    static const char *const never[] = {"delete.topic.enable", "false", NULL};
    open_cluster(1, never);
    create(topic("t", 1, 1), false);
    struct wire_text names[] = {client_text("t"), client_text("t")};
    struct delete_topics_request request = {.topic_names = names, .topic_names_count = 2};
    struct delete_topics_response response;
    for (int16_t version = 2; version <= 3; version++) {
        EXPECT(client_ask(&k, API_DELETE_TOPICS, version, &request, &response));
        EXPECT_INT(response.responses_count, 2);
        EXPECT_INT(response.responses[1].error_code,
                   version < 3 ? KAFKA_INVALID_REQUEST : KAFKA_TOPIC_DELETION_DISABLED);
    }
    EXPECT_INT(broker_topic_partitions(c, "t"), 1);
    close_cluster();
}

TEST(topics_grow) {
    open_cluster(3, NULL);
    create(topic("t", 2, 2), false);
    struct create_partitions_request_topic asked = {.name = client_text("t"), .count = 5, .assignments_count = -1};
    struct create_partitions_request request = {.topics = &asked, .topics_count = 1};
    struct create_partitions_response response;
    EXPECT(client_ask(&k, API_CREATE_PARTITIONS, 3, &request, &response));
    EXPECT_INT(response.results[0].error_code, 0);
    EXPECT_INT(metadata("t", false).topics[0].partitions_count, 5);
    EXPECT(client_ask(&k, API_CREATE_PARTITIONS, 3, &request, &response));
    EXPECT_INT(response.results[0].error_code, KAFKA_INVALID_PARTITIONS);
    EXPECT(is(response.results[0].error_message, "Topic already has 5 partition(s)."));
    asked.count = 3;
    EXPECT(client_ask(&k, API_CREATE_PARTITIONS, 3, &request, &response));
    EXPECT(
        is(response.results[0].error_message, "The topic t currently has 5 partition(s); 3 would not be an increase."));
    asked.name = client_text("nothing");
    EXPECT(client_ask(&k, API_CREATE_PARTITIONS, 3, &request, &response));
    EXPECT_INT(response.results[0].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    close_cluster();
}

// What fits is made though the topic is refused: so the controller does.
TEST(topics_grow_by_up_to_ten_thousand_in_one_request) {
    open_cluster(1, NULL);
    create(topic("a", 1, 1), false);
    create(topic("b", 1, 1), false);
    struct create_partitions_request_topic asked[] = {
        {.name = client_text("a"), .count = 9999, .assignments_count = -1},
        {.name = client_text("b"), .count = INT32_MAX, .assignments_count = -1}};
    struct create_partitions_request request = {.topics = asked, .topics_count = 2};
    struct create_partitions_response response;
    EXPECT(client_ask(&k, API_CREATE_PARTITIONS, 3, &request, &response));
    EXPECT_INT(response.results[0].error_code, 0);
    EXPECT_INT(response.results[1].error_code, KAFKA_UNKNOWN_SERVER_ERROR);
    EXPECT_INT(broker_topic_partitions(c, "a"), 9999);
    EXPECT_INT(broker_topic_partitions(c, "b"), 3);
    close_cluster();
}

TEST(asking_makes_a_topic_where_that_is_allowed) {
    static const char *const never[] = {"auto.create.topics.enable", "false", NULL};
    open_cluster(1, never);
    EXPECT_INT(metadata("t", true).topics[0].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    EXPECT_INT(metadata("t", true).topics[0].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    close_cluster();
    static const char *const three[] = {"num.partitions", "3", NULL};
    open_cluster(1, three);
    EXPECT_INT(metadata("t", false).topics[0].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    EXPECT_INT(broker_topic_partitions(c, "t"), 0);
    EXPECT_INT(metadata("t", true).topics[0].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    EXPECT_INT(metadata("t", true).topics[0].partitions_count, 3);
    EXPECT_INT(metadata("a b", true).topics[0].error_code, KAFKA_INVALID_TOPIC_EXCEPTION);
    metadata("t.u", true);
    metadata("t_u", true);
    EXPECT_INT(broker_topic_partitions(c, "t_u"), 0);
    metadata("__consumer_offsets", true);
    EXPECT_INT(metadata("__consumer_offsets", true).topics[0].partitions_count, 50);
    close_cluster();
    static const char *const many[] = {"num.partitions", "10000", NULL};
    open_cluster(1, many);
    metadata("t", true);
    EXPECT_INT(broker_topic_partitions(c, "t"), 0);
    close_cluster();
}

static struct describe_configs_response_config describe(int8_t type, const char *resource, const char *name) {
    struct wire_text key = client_text(name);
    struct describe_configs_request_resource asked = {type, client_text(resource), &key, 1};
    struct describe_configs_request request = {.resources = &asked, .resources_count = 1, .include_synonyms = true};
    struct describe_configs_response response;
    bool answered = client_ask(&k, API_DESCRIBE_CONFIGS, 4, &request, &response);
    assert(answered && response.results_count == 1 && response.results[0].configs_count == 1);
    (void)answered;
    return response.results[0].configs[0];
}

static int16_t alter(int8_t type, const char *resource, const char *name, int8_t operation, const char *value) {
    struct incremental_alter_configs_request_config config = {client_text(name), operation, client_text(value)};
    struct incremental_alter_configs_request_resource asked = {type, client_text(resource), &config, 1};
    struct incremental_alter_configs_request request = {.resources = &asked, .resources_count = 1};
    struct incremental_alter_configs_response response;
    bool answered = client_ask(&k, API_INCREMENTAL_ALTER_CONFIGS, 1, &request, &response);
    assert(answered && response.responses_count == 1);
    (void)answered;
    return response.responses[0].error_code;
}

TEST(settings_are_described_with_their_sources) {
    static const char *const settings[] = {"message.max.bytes", "2000000", NULL};
    open_cluster(1, settings);
    create(topic("t", 1, 1), false);
    struct describe_configs_response_config v = describe(2, "t", "max.message.bytes");
    EXPECT(is(v.value, "2000000"));
    EXPECT_INT(v.config_source, 4);
    EXPECT_INT(v.config_type, 3);
    EXPECT_INT(v.synonyms_count, 2);
    EXPECT(is(v.synonyms[0].name, "message.max.bytes"));
    EXPECT_INT(v.synonyms[1].source, 5);
    EXPECT(is(v.synonyms[1].value, "1048588"));
    EXPECT_INT(alter(2, "t", "max.message.bytes", 0, "3000000"), 0);
    v = describe(2, "t", "max.message.bytes");
    EXPECT(is(v.value, "3000000"));
    EXPECT_INT(v.config_source, 1);
    EXPECT_INT(v.synonyms_count, 3);
    EXPECT(is(v.synonyms[0].name, "max.message.bytes"));
    v = describe(2, "t", "retention.ms");
    EXPECT(is(v.value, "604800000"));
    EXPECT_INT(v.config_source, 5);
    EXPECT_INT(v.synonyms_count, 0);
    EXPECT_INT(describe(4, "1", "message.max.bytes").config_source, 4);
    EXPECT(describe(4, "1", "num.partitions").read_only);
    close_cluster();
}

TEST(settings_are_changed) {
    open_cluster(1, NULL);
    create(topic("t", 1, 1), false);
    const struct broker_topic *t = broker_find_topic(c, client_text("t"));
    EXPECT_INT(alter(2, "t", "min.insync.replicas", 0, "2"), 0);
    EXPECT_INT(t->settings.insync_replicas_min, 2);
    EXPECT_INT(alter(2, "t", "min.insync.replicas", 1, NULL), 0);
    EXPECT_INT(t->settings.insync_replicas_min, 1);
    EXPECT_INT(alter(2, "t", "cleanup.policy", 2, "compact"), 0);
    EXPECT(t->settings.compact && t->settings.delete);
    EXPECT_INT(alter(2, "t", "cleanup.policy", 3, "delete"), 0);
    EXPECT(t->settings.compact && !t->settings.delete);
    EXPECT_INT(alter(2, "t", "retention.ms", 2, "1"), KAFKA_INVALID_CONFIG);
    EXPECT_INT(alter(2, "t", "retention.ms", 0, "x"), KAFKA_INVALID_CONFIG);
    EXPECT_INT(alter(2, "t", "retention.ms", 0, NULL), KAFKA_INVALID_REQUEST);
    EXPECT_INT(alter(2, "nothing", "retention.ms", 0, "1"), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    EXPECT_INT(alter(4, "", "message.max.bytes", 0, "5000"), 0);
    EXPECT_INT(t->settings.message_bytes_max, 5000);
    EXPECT_INT(describe(2, "t", "max.message.bytes").config_source, 3);
    EXPECT_INT(alter(4, "", "producer.id.expiration.ms", 0, "777"), 0);
    EXPECT_INT(c->nodes[0].producer_expiration_ms, 777);
    EXPECT_INT(alter(4, "1", "producer.id.expiration.ms", 0, "888"), 0);
    EXPECT_INT(c->nodes[0].producer_expiration_ms, 888);
    EXPECT_INT(alter(4, "2", "message.max.bytes", 0, "1"), KAFKA_INVALID_REQUEST);
    EXPECT_INT(alter(4, "1", "num.partitions", 0, "1"), KAFKA_INVALID_REQUEST);
    close_cluster();
}

TEST(a_log_goes_by_the_settings_of_its_broker) {
    static const char *const settings[] = {"log.retention.hours", "2", NULL};
    open_cluster(3, settings);
    broker_topic_create(c, "t", 1, 3, NULL);
    struct broker_topic *t = broker_find_topic(c, (struct wire_text){"t", 1});
    EXPECT_INT(t->settings_at[0].retention_ms, 7200000);
    EXPECT_INT(alter(4, "1", "log.retention.ms", 0, "5000"), 0);
    EXPECT_INT(alter(4, "", "log.retention.ms", 0, "6000"), 0);
    EXPECT_INT(t->settings_at[0].retention_ms, 5000);
    EXPECT_INT(t->settings_at[1].retention_ms, 6000);
    EXPECT_INT(t->settings.retention_ms, 6000);
    EXPECT_INT(alter(4, "1", "log.retention.ms", 1, NULL), 0);
    EXPECT_INT(t->settings_at[0].retention_ms, 6000);
    EXPECT_INT(alter(2, "t", "retention.ms", 0, "7000"), 0);
    EXPECT_INT(t->settings_at[2].retention_ms, 7000);
    EXPECT_INT(alter(4, "1", "log.retention.ms", 0, "0"), KAFKA_INVALID_REQUEST);
    EXPECT_INT(alter(4, "1", "min.insync.replicas", 0, "2"), KAFKA_INVALID_CONFIG);
    close_cluster();
}

TEST(a_wrong_setting_of_the_brokers_is_refused) {
    static const char *const settings[] = {"num.partitions", "many", NULL};
    struct broker_cluster_config config = {
        .cluster_id = "A", .host = "localhost", .port_first = 1, .nodes = 1, .settings = settings};
    EXPECT(!broker_cluster_new(&config, 0, 0));
}

static int16_t elect(int8_t type) {
    int32_t partition = 0;
    struct elect_leaders_request_topic asked = {client_text("t"), &partition, 1};
    struct elect_leaders_request request = {
        .election_type = type, .topic_partitions = &asked, .topic_partitions_count = 1};
    struct elect_leaders_response response;
    bool answered = client_ask(&k, API_ELECT_LEADERS, 2, &request, &response);
    assert(answered);
    (void)answered;
    return response.replica_election_results[0].partition_result[0].error_code;
}

TEST(leaders_are_elected_when_asked) {
    open_cluster(3, NULL);
    int32_t replicas[] = {3, 2};
    struct create_topics_request_assignment assignment = {0, replicas, 2};
    struct create_topics_request_topic t = topic("t", -1, -1);
    t.assignments = &assignment;
    t.assignments_count = 1;
    create(t, false);
    EXPECT_INT(elect(0), KAFKA_ELECTION_NOT_NEEDED);
    EXPECT(broker_leader_move(c, "t", 0, 2, false));
    EXPECT_INT(elect(0), 0);
    EXPECT_INT(metadata("t", false).topics[0].partitions[0].leader_id, 3);
    EXPECT_INT(elect(1), KAFKA_ELECTION_NOT_NEEDED);
    broker_node_stop(c, 3, BROKER_SHUT_DOWN, 0);
    EXPECT_INT(elect(0), KAFKA_PREFERRED_LEADER_NOT_AVAILABLE);
    broker_node_stop(c, 2, BROKER_SHUT_DOWN, 0);
    struct metadata_response m = metadata("t", false);
    EXPECT_INT(m.brokers_count, 1);
    EXPECT_INT(m.topics[0].partitions[0].error_code, KAFKA_LEADER_NOT_AVAILABLE);
    EXPECT_INT(m.topics[0].partitions[0].leader_id, -1);
    EXPECT_INT(m.topics[0].partitions[0].offline_replicas_count, 2);
    EXPECT_INT(elect(1), KAFKA_ELIGIBLE_LEADERS_NOT_AVAILABLE);
    broker_node_start(c, 3);
    EXPECT_INT(elect(1), 0);
    EXPECT_INT(metadata("t", false).topics[0].partitions[0].leader_id, 3);
    close_cluster();
}

TEST(quotas_are_kept) {
    open_cluster(1, NULL);
    struct alter_client_quotas_request_entity entity = {client_text("client-id"), client_text("mirror")};
    struct alter_client_quotas_request_op op = {client_text("producer_byte_rate"), 1000.0, false};
    struct alter_client_quotas_request_entry entry = {&entity, 1, &op, 1};
    struct alter_client_quotas_request request = {.entries = &entry, .entries_count = 1};
    struct alter_client_quotas_response response;
    EXPECT(client_ask(&k, API_ALTER_CLIENT_QUOTAS, 1, &request, &response));
    EXPECT_INT(response.entries[0].error_code, 0);
    struct describe_client_quotas_request all = {.components_count = 0};
    struct describe_client_quotas_response shown;
    EXPECT(client_ask(&k, API_DESCRIBE_CLIENT_QUOTAS, 1, &all, &shown));
    EXPECT_INT(shown.entries_count, 1);
    EXPECT(is(shown.entries[0].values[0].key, "producer_byte_rate"));
    EXPECT_INT((int)shown.entries[0].values[0].value, 1000);
    op.remove = true;
    EXPECT(client_ask(&k, API_ALTER_CLIENT_QUOTAS, 1, &request, &response));
    EXPECT(client_ask(&k, API_DESCRIBE_CLIENT_QUOTAS, 1, &all, &shown));
    EXPECT_INT(shown.entries_count, 0);
    close_cluster();
}

// One small request could ask for gigabytes.
TEST(who_names_the_same_thing_too_often_is_hung_up_on) {
    enum { TIMES = 100000 };
    open_cluster(1, NULL);
    create(topic("t", 1, 1), false);
    struct describe_configs_request_resource *same = memory_alloc_zeroed(TIMES, sizeof *same);
    for (int i = 0; i < TIMES; i++) {
        same[i] = (struct describe_configs_request_resource){
            .resource_type = 2, .resource_name = client_text("t"), .configuration_keys_count = -1};
    }
    struct describe_configs_request request = {.resources = same, .resources_count = 100};
    struct describe_configs_response response;
    EXPECT(client_ask(&k, API_DESCRIBE_CONFIGS, 4, &request, &response));
    EXPECT_INT(response.results_count, 100);
    request.resources_count = TIMES;
    EXPECT(!client_ask(&k, API_DESCRIBE_CONFIGS, 4, &request, &response));
    EXPECT(broker_connection_closing(k.connection));
    memory_free(same);
    close_cluster();
}

// Nor may it keep everybody waiting: looking for a name takes no look at all others.
TEST(many_names_are_told_apart_in_no_time) {
    enum { NAMES = 100000 };
    open_cluster(1, NULL);
    struct delete_topics_request request;
    struct delete_topics_response response;
    message_defaults(api_find(API_DELETE_TOPICS)->request, &request);
    static char text[NAMES][8];
    request.topic_names = memory_alloc_zeroed(NAMES, sizeof *request.topic_names);
    request.topic_names_count = NAMES;
    for (int i = 0; i < NAMES; i++) {
        int size = snprintf(text[i], sizeof text[i], "%x", (unsigned)i / 2);
        request.topic_names[i] = (struct wire_text){text[i], size};
    }
    EXPECT(client_ask(&k, API_DELETE_TOPICS, 5, &request, &response));
    EXPECT_INT(response.responses_count, NAMES / 2);
    EXPECT_INT(response.responses[0].error_code, KAFKA_INVALID_REQUEST);
    memory_free(request.topic_names);
    close_cluster();
}

int main(void) {
    RUN(a_topic_is_made_and_shown);
    RUN(who_may_be_elected_is_told);
    RUN(creations_are_refused_as_kafka_does);
    RUN(one_request_makes_up_to_ten_thousand_records);
    RUN(topics_are_placed_by_hand);
    RUN(a_topic_made_again_has_another_id);
    RUN(a_topic_named_twice_is_not_deleted);
    RUN(nothing_is_deleted_where_that_is_not_allowed);
    RUN(topics_grow);
    RUN(topics_grow_by_up_to_ten_thousand_in_one_request);
    RUN(asking_makes_a_topic_where_that_is_allowed);
    RUN(settings_are_described_with_their_sources);
    RUN(settings_are_changed);
    RUN(a_log_goes_by_the_settings_of_its_broker);
    RUN(a_wrong_setting_of_the_brokers_is_refused);
    RUN(leaders_are_elected_when_asked);
    RUN(quotas_are_kept);
    RUN(who_names_the_same_thing_too_often_is_hung_up_on);
    RUN(many_names_are_told_apart_in_no_time);
    return test_result();
}
