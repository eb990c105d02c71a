// A modelled broker's connections: frames in any pieces, one request at a time, hang-ups, clients that are gone.
#include "broker_client.h"

static int64_t now_us;
static int64_t service_us_value;

static int64_t service_us(void *context, int32_t node, int16_t api_key) {
    (void)context, (void)node, (void)api_key;
    return service_us_value;
}

static struct broker_cluster *cluster(int32_t nodes) {
    now_us = 0;
    service_us_value = 0;
    struct broker_cluster_config config = {.cluster_id = "AAAAAAAAAAAAAAAAAAAAAA",
                                           .host = "localhost",
                                           .port_first = 9092,
                                           .nodes = nodes,
                                           .seed = 1,
                                           .service_us = service_us};
    return broker_cluster_new(&config, now_us, CLIENT_WALL_MS);
}

static bool metadata(struct client *k, struct metadata_response *response) {
    struct metadata_request request;
    message_defaults(api_find(API_METADATA)->request, &request);
    request.topics_count = -1;
    return client_ask(k, API_METADATA, 12, &request, response);
}

TEST(api_versions_are_those_of_the_schema) {
    struct broker_cluster *c = cluster(1);
    struct client k;
    client_open(&k, c, 1, &now_us);
    struct api_versions_request request = {.client_software_name = client_text("test"),
                                           .client_software_version = client_text("1.0")};
    struct api_versions_response response;
    EXPECT(client_ask(&k, API_API_VERSIONS, 4, &request, &response));
    EXPECT_INT(response.error_code, 0);
    EXPECT(response.api_keys_count > 30);
    EXPECT_INT(response.api_keys[0].api_key, API_PRODUCE);
    EXPECT_INT(response.api_keys[0].min_version, 0);
    EXPECT_INT(response.api_keys[1].min_version, 4);
    for (int32_t i = 1; i < response.api_keys_count; i++) {
        EXPECT(response.api_keys[i].api_key > response.api_keys[i - 1].api_key);
        EXPECT_INT(response.api_keys[i].max_version, api_find(response.api_keys[i].api_key)->version_max);
    }
    EXPECT(response.finalized_features_count >= 1);
    client_close(&k);
    broker_cluster_free(c);
}

TEST(an_unknown_version_of_api_versions_is_answered_in_version_0) {
    struct broker_cluster *c = cluster(1);
    struct client k;
    client_open(&k, c, 1, &now_us);
    static const uint8_t request[] = {0, 0, 0, 11, 0, 18, 0, 77, 0, 0, 0, 1, 0xff, 0xff, 0};
    EXPECT_INT(broker_connection_input(k.connection, (struct bytes){request, sizeof request}), sizeof request);
    world_run(c, now_us);
    k.correlation_id = 1;
    struct api_versions_response response;
    EXPECT(client_take(&k, API_API_VERSIONS, 0, &response));
    EXPECT_INT(response.error_code, KAFKA_UNSUPPORTED_VERSION);
    EXPECT_INT(response.api_keys_count, 1);
    EXPECT_INT(response.api_keys[0].api_key, API_API_VERSIONS);
    EXPECT_INT(response.api_keys[0].max_version, 4);
    EXPECT(!broker_connection_closing(k.connection));
    client_close(&k);
    broker_cluster_free(c);
}

static bool hangs_up_on(const uint8_t *bytes, size_t size) {
    struct broker_cluster *c = cluster(1);
    struct client k;
    client_open(&k, c, 1, &now_us);
    broker_connection_input(k.connection, (struct bytes){bytes, size});
    world_run(c, now_us);
    bool closing = broker_connection_closing(k.connection) && k.wakes > 0;
    client_close(&k);
    broker_cluster_free(c);
    return closing;
}

TEST(what_cannot_be_read_hangs_up) {
    static const char http[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    static const uint8_t unknown_api[] = {0, 0, 0, 10, 3, 0xe7, 0, 0, 0, 0, 0, 1, 0xff, 0xff};
    static const uint8_t unknown_version[] = {0, 0, 0, 10, 0, 3, 0, 99, 0, 0, 0, 1, 0xff, 0xff};
    static const uint8_t too_short[] = {0, 0, 0, 9, 0, 18, 0, 0, 0, 0, 0, 1, 0xff};
    static const uint8_t bytes_left_over[] = {0, 0, 0, 12, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 1, 2};  // fine, too
    static const uint8_t fine[] = {0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff};
    EXPECT(hangs_up_on((const uint8_t *)http, sizeof http - 1));
    EXPECT(hangs_up_on(unknown_api, sizeof unknown_api));
    EXPECT(hangs_up_on(unknown_version, sizeof unknown_version));
    EXPECT(hangs_up_on(too_short, sizeof too_short));
    EXPECT(!hangs_up_on(bytes_left_over, sizeof bytes_left_over));
    EXPECT(!hangs_up_on(fine, sizeof fine));
}

TEST(what_came_before_damage_is_answered) {
    struct broker_cluster *c = cluster(1);
    struct client k;
    client_open(&k, c, 1, &now_us);
    static const uint8_t bytes[] = {0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 'G', 'E', 'T', ' ', '/'};
    broker_connection_input(k.connection, (struct bytes){bytes, sizeof bytes});
    world_run(c, now_us);
    k.correlation_id = 1;
    struct api_versions_response response;
    EXPECT(client_take(&k, API_API_VERSIONS, 0, &response));
    world_run(c, now_us);
    EXPECT(broker_connection_closing(k.connection));
    client_close(&k);
    broker_cluster_free(c);
}

TEST(requests_arrive_byte_by_byte) {
    struct broker_cluster *c = cluster(3);
    struct client k;
    client_open(&k, c, 2, &now_us);
    struct metadata_request request;
    message_defaults(api_find(API_METADATA)->request, &request);
    request.topics_count = -1;
    struct error e = frame_encode_request(api_find(API_METADATA), 12, 7, "x", &request, &k.out, NULL, NULL);
    EXPECT(!error_is(&e));
    for (size_t i = 0; i < k.out.size; i++) {
        client_read(&k);
        EXPECT_INT(k.in.size, 0);
        EXPECT_INT(broker_connection_input(k.connection, (struct bytes){k.out.at + i, 1}), 1);
        world_run(c, now_us);
    }
    k.correlation_id = 7;
    struct metadata_response response;
    EXPECT(client_take(&k, API_METADATA, 12, &response));
    EXPECT_INT(response.brokers_count, 3);
    EXPECT_INT(response.brokers[2].port, 9094);
    client_close(&k);
    broker_cluster_free(c);
}

// Two requests in one piece: the second is not begun before the first answer has been written (KafkaChannel.mute).
TEST(one_request_of_a_connection_at_a_time) {
    struct broker_cluster *c = cluster(1);
    struct client k;
    client_open(&k, c, 1, &now_us);
    service_us_value = 100;
    static const uint8_t two[] = {0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff,
                                  0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 2, 0xff, 0xff};
    EXPECT_INT(broker_connection_input(k.connection, (struct bytes){two, sizeof two}), sizeof two);
    world_until(c, &now_us, 100);
    struct bytes range;
    EXPECT_INT(broker_connection_output(k.connection, &range, 1), 1);
    EXPECT_INT(load_be32(range.at + 4), 1);
    world_until(c, &now_us, 1000);
    EXPECT_INT(broker_cluster_next(c) > 1000, 1);
    size_t first = range.size;
    broker_connection_output(k.connection, &range, 1);
    EXPECT_INT(range.size, first);
    broker_connection_sent(k.connection, first);
    world_until(c, &now_us, 1099);
    EXPECT_INT(broker_connection_output(k.connection, &range, 1), 0);
    world_until(c, &now_us, 1100);
    EXPECT_INT(broker_connection_output(k.connection, &range, 1), 1);
    EXPECT_INT(load_be32(range.at + 4), 2);
    client_close(&k);
    broker_cluster_free(c);
}

static void create_topic(struct client *k, const char *name) {
    struct create_topics_request_topic topic;
    message_defaults(&create_topics_request_topic_message, &topic);
    topic.name = client_text(name);
    topic.num_partitions = 1;
    topic.replication_factor = 1;
    struct create_topics_request request;
    message_defaults(api_find(API_CREATE_TOPICS)->request, &request);
    request.topics = &topic;
    request.topics_count = 1;
    client_send(k, API_CREATE_TOPICS, 7, &request);
}

TEST(what_was_read_is_executed_when_the_client_is_gone) {
    struct broker_cluster *c = cluster(1);
    struct client k;
    client_open(&k, c, 1, &now_us);
    service_us_value = 1000;
    create_topic(&k, "a");
    create_topic(&k, "b");
    client_close(&k);
    EXPECT_INT(broker_topic_partitions(c, "a"), 0);
    world_until(c, &now_us, 1000);
    EXPECT_INT(broker_topic_partitions(c, "a"), 1);
    EXPECT_INT(broker_topic_partitions(c, "b"), 0);
    world_until(c, &now_us, 2000);
    EXPECT_INT(broker_topic_partitions(c, "b"), 1);
    broker_cluster_free(c);
}

TEST(a_frozen_node_executes_when_it_wakes) {
    struct broker_cluster *c = cluster(1);
    struct client k;
    client_open(&k, c, 1, &now_us);
    service_us_value = 1000;
    create_topic(&k, "late");
    broker_node_freeze(c, 1, true);
    client_close(&k);
    world_until(c, &now_us, 5000000);
    EXPECT_INT(broker_topic_partitions(c, "late"), 0);
    broker_node_freeze(c, 1, false);
    world_until(c, &now_us, 5000000);
    EXPECT_INT(broker_topic_partitions(c, "late"), 1);
    broker_cluster_free(c);
}

TEST(a_frozen_node_sends_nothing) {
    struct broker_cluster *c = cluster(1);
    struct client k;
    client_open(&k, c, 1, &now_us);
    create_topic(&k, "t");
    world_run(c, now_us);
    broker_node_freeze(c, 1, true);
    client_read(&k);
    EXPECT_INT(k.in.size, 0);
    k.wakes = 0;
    broker_node_freeze(c, 1, false);
    EXPECT_INT(k.wakes, 1);
    client_read(&k);
    EXPECT(k.in.size > 0);
    client_close(&k);
    broker_cluster_free(c);
}

TEST(a_silent_connection_is_hung_up_on) {
    struct broker_cluster *c = cluster(1);
    struct client k, other;
    struct metadata_response response;
    client_open(&k, c, 1, &now_us);
    client_open(&other, c, 1, &now_us);
    world_until(c, &now_us, 400000000);
    EXPECT(metadata(&other, &response));
    world_until(c, &now_us, 599000000);
    EXPECT(!broker_connection_closing(k.connection));
    world_until(c, &now_us, 601000000);
    EXPECT(broker_connection_closing(k.connection));
    EXPECT(!broker_connection_closing(other.connection));
    world_until(c, &now_us, 1001000000);
    EXPECT(broker_connection_closing(other.connection));
    client_close(&k);
    client_close(&other);
    broker_cluster_free(c);
}

TEST(a_throttled_client_waits) {
    struct broker_cluster *c = cluster(1);
    struct client k;
    struct metadata_response response;
    client_open(&k, c, 1, &now_us);
    broker_throttle(c, 1, 500);
    EXPECT(metadata(&k, &response));
    EXPECT_INT(now_us, 0);
    EXPECT_INT(response.throttle_time_ms, 500);
    EXPECT(metadata(&k, &response));
    EXPECT_INT(now_us, 500000);
    create_topic(&k, "t");
    client_close(&k);
    world_until(c, &now_us, 1000000);
    EXPECT_INT(broker_topic_partitions(c, "t"), 1);
    broker_cluster_free(c);
}

TEST(a_late_request_is_executed_at_once_or_late_too) {
    for (int executed = 0; executed < 2; executed++) {
        struct broker_cluster *c = cluster(1);
        struct client k, other;
        struct metadata_response response;
        client_open(&k, c, 1, &now_us);
        client_open(&other, c, 1, &now_us);
        broker_be_late(c, 1, API_CREATE_TOPICS, 41000000, executed);
        create_topic(&k, "t");
        world_until(c, &now_us, 40000000);
        EXPECT_INT(broker_topic_partitions(c, "t"), executed ? 0 : 1);
        client_read(&k);
        EXPECT_INT(k.in.size, 0);
        EXPECT(metadata(&other, &response));  // of another connection, and another request
        EXPECT_INT(now_us, 40000000);
        EXPECT(!broker_node_is_well(c, 1));
        world_until(c, &now_us, 41000001);
        client_read(&k);
        EXPECT(k.in.size > 0);
        EXPECT_INT(broker_topic_partitions(c, "t"), 1);
        EXPECT(broker_node_is_well(c, 1));
        client_close(&k);
        client_close(&other);
        broker_cluster_free(c);
    }
}

TEST(a_killed_node_forgets_its_queue_and_hangs_up) {
    struct broker_cluster *c = cluster(1);
    struct client k;
    client_open(&k, c, 1, &now_us);
    service_us_value = 1000;
    create_topic(&k, "a");
    broker_node_stop(c, 1, BROKER_KILLED, 0);
    EXPECT(broker_connection_closing(k.connection));
    EXPECT(k.wakes > 0);
    EXPECT(!broker_connection_new(c, 1, &client_driver, NULL));
    client_close(&k);
    broker_node_start(c, 1);
    world_until(c, &now_us, 10000);
    EXPECT_INT(broker_topic_partitions(c, "a"), 0);
    client_open(&k, c, 1, &now_us);
    struct metadata_response response;
    EXPECT(metadata(&k, &response));
    EXPECT_INT(response.topics_count, 0);
    client_close(&k);
    broker_cluster_free(c);
}

// A client that never reads cannot make the broker take more and more of its requests.
TEST(requests_ahead_are_limited) {
    struct broker_cluster *c = cluster(1);
    struct client k;
    client_open(&k, c, 1, &now_us);
    static const uint8_t request[] = {0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff};
    size_t taken = 0;
    for (int i = 0; i < 100000; i++) {
        size_t now = broker_connection_input(k.connection, (struct bytes){request, sizeof request});
        if (now == 0) break;
        taken += now;
        if (i % 100 == 0) world_run(c, now_us);
    }
    EXPECT(taken < 500000);
    k.wakes = 0;
    for (int i = 0; i < 3; i++) {
        client_read(&k);
        world_run(c, now_us);
    }
    EXPECT(k.wakes > 0);
    EXPECT(broker_connection_input(k.connection, (struct bytes){request, sizeof request}) > 0);
    client_close(&k);
    world_run(c, now_us);
    broker_cluster_free(c);
}

int main(void) {
    RUN(api_versions_are_those_of_the_schema);
    RUN(an_unknown_version_of_api_versions_is_answered_in_version_0);
    RUN(what_cannot_be_read_hangs_up);
    RUN(what_came_before_damage_is_answered);
    RUN(requests_arrive_byte_by_byte);
    RUN(one_request_of_a_connection_at_a_time);
    RUN(what_was_read_is_executed_when_the_client_is_gone);
    RUN(a_frozen_node_executes_when_it_wakes);
    RUN(a_frozen_node_sends_nothing);
    RUN(a_silent_connection_is_hung_up_on);
    RUN(a_throttled_client_waits);
    RUN(a_late_request_is_executed_at_once_or_late_too);
    RUN(a_killed_node_forgets_its_queue_and_hangs_up);
    RUN(requests_ahead_are_limited);
    return test_result();
}
