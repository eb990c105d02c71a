// The topics reconciler while the world changes: growth, topics that come and go, names, lost requests.
#include "topics_world.h"

// Partitions ----------------------------------------------------------------------------------------------------------

TEST(fewer_partitions_grow) {
    struct world *w = world_of_all();
    source_topic(w, "orders", 5);
    destination_topic(w, "a.orders", 2);
    world_start(w);
    expect_ready(w, "orders", 5);
    EXPECT_INT(model_find(&w->at_destination, "a.orders")->partitions, 5);
    EXPECT(world_told(w, "source_partitions=5 destination_partitions=2"));
    EXPECT(world_told(w, "msg=\"destination topic grown\" flow=a->b topic=orders destination=a.orders partitions=5"));
    world_free(w);
}

TEST(growth_while_running_is_followed_and_pauses_nothing) {
    struct world *w = world_of_all();
    struct model_topic *s = source_topic(w, "orders", 2);
    world_start(w);
    s->partitions = 4;
    w->at_destination.silent = true;
    world_run(w, 61 * SECOND);
    EXPECT(world_topic(w, "orders")->ready);
    EXPECT_INT(world_topic(w, "orders")->partitions_count, 2);
    w->at_destination.silent = false;
    world_run(w, 120 * SECOND);
    expect_ready(w, "orders", 4);
    EXPECT(world_told(w, "ready orders 4\n"));
    EXPECT_INT(world_count(w, "ready orders"), 2);
    EXPECT_INT(world_count(w, "halted"), 0);
    world_free(w);
}

TEST(another_instance_may_grow_it_first) {
    struct world *w = world_of_all();
    struct model_topic *s = source_topic(w, "orders", 2);
    world_start(w);
    // Its metadata of the source are newer than ours: no reason to halt.
    model_find(&w->at_destination, "a.orders")->partitions = 4;
    cluster_refresh(&w->destination);
    world_run(w, SECOND);
    EXPECT(world_topic(w, "orders")->ready);
    s->partitions = 4;
    world_run(w, 4 * SECOND);
    expect_ready(w, "orders", 4);
    EXPECT_INT(world_count(w, "halted"), 0);
    EXPECT_INT(w->at_destination.requests[API_CREATE_PARTITIONS], 0);
    world_free(w);
}

TEST(a_source_broker_that_lags_behind_halts_nothing) {
    struct world *w = world_of_all();
    struct model_topic *s = source_topic(w, "orders", 4);
    world_start(w);
    s->partitions = 2;
    cluster_refresh(&w->source);
    world_run(w, 5 * SECOND);
    expect_ready(w, "orders", 4);
    EXPECT_INT(world_count(w, "halted"), 0);
    world_free(w);
}

TEST(a_lost_race_to_grow_is_no_error) {
    struct world *w = world_of_all();
    source_topic(w, "orders", 4);
    destination_topic(w, "a.orders", 2);
    model_refuse(&w->at_destination, API_CREATE_PARTITIONS, KAFKA_INVALID_PARTITIONS, "already has 4", 1);
    world_start(w);
    expect_ready(w, "orders", 4);
    EXPECT_INT(world_count(w, "halted"), 0);
    world_free(w);
}

TEST(more_partitions_than_the_source_halt) {
    struct world *w = world_of_all();
    struct model_topic *s = source_topic(w, "orders", 2);
    destination_topic(w, "a.orders", 3);
    world_start(w);
    EXPECT(!world_topic(w, "orders")->ready);
    world_run(w, 3 * SECOND);
    expect_halted(w, "orders", "3 partitions, more than the 2");
    EXPECT_INT(w->at_destination.requests[API_CREATE_PARTITIONS], 0);
    s->partitions = 3;
    world_run(w, 61 * SECOND);
    expect_ready(w, "orders", 3);
    world_free(w);
}

TEST(without_the_right_to_grow_the_partitions_that_are_there_are_mirrored) {
    struct world *w = world_of_all();
    source_topic(w, "orders", 2);
    destination_topic(w, "a.orders", 1);
    model_refuse(&w->at_destination, API_CREATE_PARTITIONS, KAFKA_TOPIC_AUTHORIZATION_FAILED, NULL, -1);
    world_start(w);
    expect_ready(w, "orders", 1);
    EXPECT_INT(world_count(w, "the right ALTER on the destination topic is missing"), 1);
    world_run(w, 130 * SECOND);  // said with each refresh, for somebody must put it right
    EXPECT_INT(world_count(w, "the right ALTER on the destination topic is missing"), 3);
    EXPECT_INT(w->at_destination.requests[API_CREATE_PARTITIONS], 3);
    model_refuse(&w->at_destination, API_CREATE_PARTITIONS, 0, NULL, 0);
    world_run(w, 61 * SECOND);
    expect_ready(w, "orders", 2);
    EXPECT_INT(world_count(w, "halted"), 0);
    world_free(w);
}

TEST(growth_that_is_refused_halts_no_partition) {
    static const int16_t codes[] = {KAFKA_INVALID_REPLICATION_FACTOR, KAFKA_POLICY_VIOLATION};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        struct world *w = world_of_all();
        struct model_topic *s = source_topic(w, "orders", 2);
        world_start(w);
        s->partitions = 4;
        model_refuse(&w->at_destination, API_CREATE_PARTITIONS, codes[i], "no", 1);
        world_run(w, 61 * SECOND);
        expect_ready(w, "orders", 2);
        EXPECT(world_told(w, "msg=\"destination topic not grown: its new partitions are not mirrored\" flow=a->b "
                             "topic=orders destination=a.orders source_partitions=4"));
        world_run(w, 61 * SECOND);
        expect_ready(w, "orders", 4);
        EXPECT_INT(world_count(w, "halted"), 0);
        EXPECT_INT(world_count(w, "ready orders 2"), 1);
        world_free(w);
    }
}

// Coming and going ----------------------------------------------------------------------------------------------------

TEST(new_topics_are_found_while_running) {
    struct world *w = world_of_all();
    source_topic(w, "one", 1);
    world_start(w);
    source_topic(w, "two", 2);
    world_run(w, 61 * SECOND);
    expect_ready(w, "two", 2);
    EXPECT_INT(world_count(w, "ready one"), 1);
    world_free(w);
}

TEST(without_refresh_only_topics_found_at_the_start_count) {
    struct world *w = world_of_all();
    w->config.refresh = false;
    struct model_topic *s = source_topic(w, "one", 1);
    model_refuse(&w->at_destination, API_CREATE_TOPICS, KAFKA_POLICY_VIOLATION, NULL, 1);
    world_start(w);
    expect_halted(w, "one", "POLICY_VIOLATION");
    world_run(w, 61 * SECOND);
    expect_ready(w, "one", 1);  // another chance for what was found
    source_topic(w, "two", 2);
    s->partitions = 3;
    world_run(w, 61 * SECOND);
    EXPECT(world_topic(w, "two") == NULL);
    expect_ready(w, "one", 1);
    world_free(w);
}

TEST(a_deleted_source_topic_halts_after_a_doubt) {
    struct world *w = world_of_all();
    struct model_topic *s = source_topic(w, "orders", 1);
    world_start(w);
    s->hidden = true;  // a broker that lags behind does not know it for a moment
    cluster_refresh(&w->source);
    world_run(w, SECOND);
    s->hidden = false;
    world_run(w, 5 * SECOND);
    EXPECT(world_topic(w, "orders")->ready);
    s->hidden = true;
    cluster_refresh(&w->source);
    world_run(w, SECOND);
    EXPECT(world_topic(w, "orders")->ready);  // the first doubt is forgotten
    model_remove(&w->at_source, "orders");
    cluster_refresh(&w->source);
    world_run(w, 3 * SECOND);
    expect_halted(w, "orders", "source topic was deleted");
    EXPECT(model_find(&w->at_destination, "a.orders") != NULL);
    world_free(w);
}

TEST(a_broker_cut_off_from_its_controller_halts_nothing) {
    for (int32_t node = 1; node <= 3; node++) {
        struct world *w = world_of_all();
        w->at_source.nodes = w->at_destination.nodes = 3;
        struct model_topic *s = source_topic(w, "orders", 1), *d = destination_topic(w, "a.orders", 1);
        world_start(w);
        s->hidden_at = d->hidden_at = node;
        for (int i = 0; i < 40; i++) {
            cluster_refresh(&w->source);
            cluster_refresh(&w->destination);
            world_run(w, 2 * SECOND);
        }
        EXPECT(world_topic(w, "orders")->ready);
        EXPECT_INT(world_count(w, "halted"), 0);
        world_free(w);
    }
}

TEST(where_only_a_cut_off_broker_is_heard_a_topic_comes_back_by_itself) {
    struct world *w = world_of_all();
    w->at_destination.nodes = 2;
    w->config.refresh_interval_us = 600 * SECOND;
    source_topic(w, "orders", 1);
    struct model_topic *d = destination_topic(w, "a.orders", 1);
    w->at_destination.unreachable = 2;
    world_start(w);
    d->hidden = true;
    cluster_refresh(&w->destination);
    world_run(w, 25 * SECOND);
    EXPECT(world_topic(w, "orders")->ready);
    world_run(w, 10 * SECOND);
    expect_halted(w, "orders", "destination topic was deleted");
    world_run(w, 60 * SECOND);
    expect_halted(w, "orders", "destination topic was deleted");
    EXPECT_INT(w->at_destination.requests[API_CREATE_TOPICS], 0);
    d->hidden = false;
    world_run(w, 60 * SECOND);
    expect_ready(w, "orders", 1);
    EXPECT_INT(world_count(w, "halted orders"), 1);
    world_free(w);
}

TEST(metadata_of_a_topic_that_is_gone_are_not_asked_for_ever) {
    struct world *w = world_of_all();
    w->config.refresh_interval_us = 600 * SECOND;
    source_topic(w, "orders", 1);
    world_start(w);
    model_remove(&w->at_source, "orders");
    cluster_refresh(&w->source);
    world_run(w, 500 * SECOND);
    expect_halted(w, "orders", "source topic was deleted");
    int asked = w->at_source.requests[API_METADATA];
    world_run(w, 3600 * SECOND);
    EXPECT(w->at_source.requests[API_METADATA] - asked < 30);
    EXPECT_INT(world_count(w, "halted orders"), 1);
    world_free(w);
}

TEST(a_recreated_source_topic_is_another_topic) {
    struct world *w = world_of_all();
    source_topic(w, "orders", 1);
    world_start(w);
    model_remove(&w->at_source, "orders");
    source_topic(w, "orders", 1);
    world_run(w, 61 * SECOND);
    expect_halted(w, "orders", "re-created");
    world_run(w, 300 * SECOND);
    expect_halted(w, "orders", "re-created");
    EXPECT_INT(world_count(w, "halted orders"), 1);
    world_free(w);
}

TEST(a_deleted_destination_topic_halts_and_is_created_again) {
    struct world *w = world_of_all();
    source_topic(w, "orders", 2);
    world_start(w);
    model_remove(&w->at_destination, "a.orders");
    cluster_refresh(&w->destination);
    world_run(w, 3 * SECOND);
    expect_halted(w, "orders", "destination topic was deleted");
    EXPECT(model_find(&w->at_destination, "a.orders") == NULL);
    world_run(w, 61 * SECOND);
    expect_ready(w, "orders", 2);
    EXPECT(model_find(&w->at_destination, "a.orders") != NULL);
    EXPECT_INT(world_count(w, "ready orders 2"), 2);
    world_free(w);
}

TEST(a_recreated_destination_topic_halts_and_starts_from_scratch) {
    struct world *w = world_of_all();
    source_topic(w, "orders", 2);
    world_start(w);
    model_remove(&w->at_destination, "a.orders");
    struct model_topic *d = destination_topic(w, "a.orders", 1);
    model_set(d, "max.message.bytes", "2000000", SOURCE_DYNAMIC_TOPIC);
    cluster_refresh(&w->destination);
    world_run(w, SECOND);
    expect_halted(w, "orders", "destination topic was re-created");
    world_run(w, 61 * SECOND);
    expect_ready(w, "orders", 2);
    EXPECT_INT(world_topic(w, "orders")->destination_id.at[15], d->id);
    EXPECT_INT(world_topic(w, "orders")->max_message_bytes, 2000000);
    world_free(w);
}

TEST(a_destination_topic_recreated_before_it_is_ready_is_checked_again) {
    struct world *w = world_of_all();
    source_topic(w, "orders", 1);
    destination_topic(w, "a.orders", 1)->without_leader = 1;
    world_start(w);
    EXPECT(!world_topic(w, "orders")->ready);
    model_remove(&w->at_destination, "a.orders");
    model_set(destination_topic(w, "a.orders", 1), "compression.type", "gzip", SOURCE_DYNAMIC_TOPIC);
    world_run(w, SECOND);
    expect_halted(w, "orders", "compression.type");
    EXPECT_INT(world_count(w, "ready orders"), 0);
    world_free(w);
}

// Names ---------------------------------------------------------------------------------------------------------------

TEST(only_selected_topics_are_mirrored) {
    static const char *const patterns[] = {"orders.*", "(.*a){30}b"};
    struct world *w = world_new(patterns, 2);
    source_topic(w, "orders-eu", 1);
    source_topic(w, "payments", 1);
    source_topic(w, "__consumer_offsets", 1);
    source_topic(w, "b.orders", 1);
    source_topic(w, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac", 1);
    world_start(w);
    world_run(w, 130 * SECOND);
    EXPECT_INT(world_count(w, "msg=\"topic found\""), 1);
    expect_ready(w, "orders-eu", 1);
    EXPECT_INT(world_count(w, "msg=\"topic not mirrored\" flow=a->b topic=aaaa"), 1);
    world_free(w);
}

TEST(an_illegal_name_halts) {
    struct world *w = world_of_all();
    char name[250];
    memset(name, 'x', 249);
    name[249] = '\0';
    source_topic(w, name, 1);
    source_topic(w, "orders", 1);
    world_start(w);
    expect_halted(w, name, "251 characters");
    expect_ready(w, "orders", 1);
    world_free(w);
}

// The rest ------------------------------------------------------------------------------------------------------------

TEST(the_expiry_of_producer_ids_is_asked_of_each_broker_and_again_with_each_refresh) {
    struct world *w = world_of_all();
    w->at_destination.nodes = 3;
    world_start(w);
    EXPECT_INT(topics_producer_expiration_ms(w->topics), 3600000);
    world_run(w, 50 * SECOND);
    EXPECT_INT(w->at_destination.requests[API_DESCRIBE_CONFIGS], 3);
    w->at_destination.expiration_ms = "1800000";
    world_run(w, 20 * SECOND);
    EXPECT_INT(topics_producer_expiration_ms(w->topics), 1800000);
    EXPECT_INT(w->at_destination.requests[API_DESCRIBE_CONFIGS], 6);
    world_free(w);
}

TEST(the_smallest_expiry_of_producer_ids_counts) {
    struct world *w = world_of_all();
    w->at_destination.nodes = 3;
    w->at_destination.expiration_ms_of_2 = "60000";
    world_start(w);
    EXPECT_INT(topics_producer_expiration_ms(w->topics), 60000);
    w->at_destination.expiration_ms_of_2 = "7200000";
    world_run(w, 70 * SECOND);
    EXPECT_INT(topics_producer_expiration_ms(w->topics), 3600000);
    world_free(w);
}

TEST(of_a_broker_that_cannot_be_asked_the_expiry_is_a_day_and_others_are_asked) {
    for (int32_t node = 1; node <= 3; node++) {
        struct world *w = world_of_all();
        w->at_destination.nodes = 3;
        w->at_destination.expiration_ms = node < 3 ? "60000" : "604800000";
        w->at_destination.unreachable = node;
        world_start(w);
        world_run(w, 40 * SECOND);
        EXPECT_INT(w->at_destination.requests[API_DESCRIBE_CONFIGS], 2);
        EXPECT_INT(topics_producer_expiration_ms(w->topics), node < 3 ? 60000 : 86400000);
        w->at_destination.unreachable = 0;
        world_run(w, 19 * SECOND);
        EXPECT_INT(topics_producer_expiration_ms(w->topics), node < 3 ? 60000 : 604800000);
        world_free(w);
    }
}

TEST(before_kafka_3_4_the_expiry_has_another_name) {
    struct world *w = world_of_all();
    w->at_destination.expiration_ms = NULL;
    w->at_destination.transactional_expiration_ms = "7200000";
    world_start(w);
    EXPECT_INT(topics_producer_expiration_ms(w->topics), 7200000);
    EXPECT_INT(world_count(w, "not read"), 0);
    world_free(w);
}

TEST(that_nothing_is_selected_is_said) {
    static const char *const patterns[] = {"payments"};
    struct world *w = world_new(patterns, 1);
    source_topic(w, "orders", 1);
    world_start(w);
    world_run(w, 130 * SECOND);
    EXPECT_INT(world_count(w, "level=warn msg=\"no topic to mirror yet\" flow=a->b source_topics=1"), 1);
    source_topic(w, "payments", 1);
    world_run(w, 61 * SECOND);
    expect_ready(w, "payments", 1);
    world_free(w);
}

TEST(an_unknown_expiry_is_a_day) {
    struct world *w = world_of_all();
    model_refuse(&w->at_destination, API_DESCRIBE_CONFIGS, KAFKA_CLUSTER_AUTHORIZATION_FAILED, NULL, 1);
    world_start(w);
    EXPECT_INT(topics_producer_expiration_ms(w->topics), 86400000);
    EXPECT(world_told(w, "level=warn msg=\"producer.id.expiration.ms not read\" cluster=b assumed=86400000"));
    world_free(w);
}

TEST(an_expiry_that_cannot_be_read_any_more_is_what_it_was) {
    static const int16_t codes[] = {KAFKA_CLUSTER_AUTHORIZATION_FAILED, KAFKA_UNKNOWN_SERVER_ERROR};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        struct world *w = world_of_all();
        world_start(w);
        EXPECT_INT(topics_producer_expiration_ms(w->topics), 3600000);
        model_refuse(&w->at_destination, API_DESCRIBE_CONFIGS, codes[i], NULL, 1);
        world_run(w, 70 * SECOND);
        EXPECT_INT(w->at_destination.refusals[API_DESCRIBE_CONFIGS].times, 0);
        EXPECT_INT(topics_producer_expiration_ms(w->topics), 3600000);
        world_free(w);
    }
}

TEST(lost_requests_are_asked_again) {
    struct world *w = world_of_all();
    source_topic(w, "orders", 1);
    w->at_source.silent = true;
    world_start(w);
    w->at_source.silent = false;
    world_run(w, 40 * SECOND);
    expect_ready(w, "orders", 1);
    w->at_destination.silent = true;
    source_topic(w, "more", 1);
    world_run(w, 90 * SECOND);
    EXPECT(!world_topic(w, "more")->ready);
    w->at_destination.silent = false;
    world_run(w, 90 * SECOND);
    expect_ready(w, "more", 1);
    expect_ready(w, "orders", 1);
    world_free(w);
}

TEST(a_refresh_waits_for_the_metadata_of_both) {
    struct world *w = world_of_all();
    source_topic(w, "orders", 1);
    w->at_destination.brokers = 1;
    world_start(w);
    expect_halted(w, "orders", "replication.factor");
    w->at_destination.silent = true;
    world_run(w, 60 * SECOND);
    EXPECT_INT(w->at_source.requests[API_DESCRIBE_CONFIGS], 1);
    w->at_destination.silent = false;
    world_run(w, 32 * SECOND);
    EXPECT_INT(w->at_source.requests[API_DESCRIBE_CONFIGS], 2);
    w->at_source.silent = true;
    world_run(w, 30 * SECOND);
    EXPECT_INT(w->at_source.requests[API_DESCRIBE_CONFIGS], 2);
    world_free(w);
}

TEST(a_topic_left_unanswered_is_asked_for_again) {
    struct world *w = world_of_all();
    source_topic(w, "one", 1);
    source_topic(w, "two", 1);
    w->at_source.forgets_one = true;
    world_start(w);
    expect_ready(w, "one", 1);
    expect_ready(w, "two", 1);
    EXPECT_INT(w->at_source.requests[API_DESCRIBE_CONFIGS], 2);
    world_free(w);
}

// "one" and "two" are ready or halted in the same turn; the first of them stops all.
static void expect_one_call(bool when_ready) {
    struct world *w = world_of_all();
    source_topic(w, "one", 1);
    source_topic(w, "two", 1);
    destination_topic(w, "a.one", 1);
    destination_topic(w, "a.two", 1);
    w->stops_when_ready = when_ready;
    w->stops_when_halted = true;
    world_start(w);
    EXPECT_INT(world_count(w, "ready one 1\n") + world_count(w, "ready two 1\n"), when_ready ? 1 : 2);
    model_remove(&w->at_destination, "a.one");
    model_remove(&w->at_destination, "a.two");
    destination_topic(w, "a.one", 1);
    destination_topic(w, "a.two", 1);
    world_run(w, 70 * SECOND);
    EXPECT_INT(world_count(w, "halted one") + world_count(w, "halted two"), when_ready ? 0 : 1);
    world_free(w);
}

TEST(stopping_inside_a_callback_is_allowed) {
    expect_one_call(true);
    expect_one_call(false);
}

TEST(stopping_withdraws_what_waits_for_a_connection) {
    struct world *w = world_of_all();
    source_topic(w, "orders", 1);
    w->at_destination.refuses_after = 1;  // the bootstrap server answers, the broker it names does not
    world_start(w);
    EXPECT_INT(w->at_source.requests[API_DESCRIBE_CONFIGS], 1);
    topics_stop(w->topics);
    w->at_destination.refuses_after = 0;
    world_run(w, 20 * SECOND);
    EXPECT_INT(w->at_destination.requests[API_CREATE_TOPICS], 0);
    EXPECT_INT(w->at_destination.requests[API_DESCRIBE_CONFIGS], 0);
    world_free(w);
}

TEST(stopping_at_once_is_allowed) {
    struct world *w = world_of_all();
    source_topic(w, "orders", 1);
    cluster_start(&w->source);
    cluster_start(&w->destination);
    world_run(w, SECOND);
    world_start_topics(w);
    topics_stop(w->topics);
    world_run(w, SECOND);
    EXPECT_INT(w->at_source.requests[API_DESCRIBE_CONFIGS], 0);
    world_free(w);
}

TEST(nothing_is_called_after_stop) {
    struct world *w = world_of_all();
    source_topic(w, "fine", 1);
    destination_topic(w, "a.fine", 1);
    source_topic(w, "orders", 1);
    w->at_destination.hides_new = true;
    world_start(w);
    expect_ready(w, "fine", 1);
    topics_stop(w->topics);
    model_find(&w->at_destination, "a.orders")->hidden = false;
    model_remove(&w->at_destination, "a.fine");
    destination_topic(w, "a.fine", 1);
    source_topic(w, "late", 1);
    cluster_refresh(&w->source);
    cluster_refresh(&w->destination);
    world_run(w, 100 * SECOND);
    EXPECT_INT(world_count(w, "ready orders"), 0);
    EXPECT_INT(world_count(w, "topic=late"), 0);
    EXPECT_INT(world_count(w, "halted"), 0);
    world_free(w);
}

TEST(answers_after_stop_are_ignored) {
    struct world *w = world_of_all();
    source_topic(w, "orders", 1);
    world_start(w);
    w->at_destination.silent = true;
    source_topic(w, "more", 1);
    world_run(w, 70 * SECOND);
    world_free(w);  // with a request under way, whose answer is that the connection was closed
}

int main(void) {
    RUN(fewer_partitions_grow);
    RUN(growth_while_running_is_followed_and_pauses_nothing);
    RUN(another_instance_may_grow_it_first);
    RUN(a_source_broker_that_lags_behind_halts_nothing);
    RUN(a_lost_race_to_grow_is_no_error);
    RUN(more_partitions_than_the_source_halt);
    RUN(without_the_right_to_grow_the_partitions_that_are_there_are_mirrored);
    RUN(growth_that_is_refused_halts_no_partition);
    RUN(new_topics_are_found_while_running);
    RUN(without_refresh_only_topics_found_at_the_start_count);
    RUN(a_deleted_source_topic_halts_after_a_doubt);
    RUN(a_broker_cut_off_from_its_controller_halts_nothing);
    RUN(where_only_a_cut_off_broker_is_heard_a_topic_comes_back_by_itself);
    RUN(metadata_of_a_topic_that_is_gone_are_not_asked_for_ever);
    RUN(a_recreated_source_topic_is_another_topic);
    RUN(a_deleted_destination_topic_halts_and_is_created_again);
    RUN(a_recreated_destination_topic_halts_and_starts_from_scratch);
    RUN(a_destination_topic_recreated_before_it_is_ready_is_checked_again);
    RUN(only_selected_topics_are_mirrored);
    RUN(an_illegal_name_halts);
    RUN(the_expiry_of_producer_ids_is_asked_of_each_broker_and_again_with_each_refresh);
    RUN(the_smallest_expiry_of_producer_ids_counts);
    RUN(of_a_broker_that_cannot_be_asked_the_expiry_is_a_day_and_others_are_asked);
    RUN(before_kafka_3_4_the_expiry_has_another_name);
    RUN(that_nothing_is_selected_is_said);
    RUN(an_unknown_expiry_is_a_day);
    RUN(an_expiry_that_cannot_be_read_any_more_is_what_it_was);
    RUN(lost_requests_are_asked_again);
    RUN(a_refresh_waits_for_the_metadata_of_both);
    RUN(a_topic_left_unanswered_is_asked_for_again);
    RUN(stopping_inside_a_callback_is_allowed);
    RUN(stopping_withdraws_what_waits_for_a_connection);
    RUN(stopping_at_once_is_allowed);
    RUN(nothing_is_called_after_stop);
    RUN(answers_after_stop_are_ignored);
    return test_result();
}
