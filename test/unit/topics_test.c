// The topics reconciler against two modelled clusters: what it creates, and which topics it finds fit or unfit.
#include "topics_world.h"

#define LARGEST "9223372036854775807"

// Creating ------------------------------------------------------------------------------------------------------------

TEST(a_missing_topic_is_created_with_the_sources_settings_and_ours) {
    struct world *w = world_of_all();
    struct model_topic *s = source_topic(w, "orders", 4);
    model_set(s, "cleanup.policy", "compact,delete", SOURCE_DYNAMIC_TOPIC);
    model_set(s, "retention.ms", "7200000", SOURCE_DYNAMIC_TOPIC);
    model_set(s, "segment.ms", "1000", SOURCE_DEFAULT);
    model_set(s, "min.insync.replicas", "2", SOURCE_DYNAMIC_TOPIC);
    model_set(s, "compression.type", "zstd", SOURCE_DYNAMIC_TOPIC);
    model_set(s, "message.timestamp.type", "LogAppendTime", SOURCE_DYNAMIC_TOPIC);
    model_set(s, "max.message.bytes", "5000000", SOURCE_DEFAULT);
    world_start(w);
    struct model_topic *d = model_find(&w->at_destination, "a.orders");
    EXPECT(d != NULL);
    EXPECT_INT(d->partitions, 4);
    EXPECT_INT(d->replication_factor, 2);
    EXPECT_TEXT(world_setting(d, "cleanup.policy"), "compact,delete");
    EXPECT_TEXT(world_setting(d, "retention.ms"), "7200000");
    EXPECT_TEXT(world_setting(d, "segment.ms"), "");
    EXPECT_TEXT(world_setting(d, "min.insync.replicas"), "");
    EXPECT_TEXT(world_setting(d, "compression.type"), "producer");
    EXPECT_TEXT(world_setting(d, "message.timestamp.type"), "CreateTime");
    EXPECT_TEXT(world_setting(d, "message.timestamp.before.max.ms"), LARGEST);
    EXPECT_TEXT(world_setting(d, "message.timestamp.after.max.ms"), LARGEST);
    EXPECT_TEXT(world_setting(d, "message.timestamp.difference.max.ms"), "");
    EXPECT_TEXT(world_setting(d, "max.message.bytes"), "5000000");
    EXPECT_TEXT(world_setting(d, "unclean.leader.election.enable"), "false");
    expect_ready(w, "orders", 4);
    EXPECT_INT(world_topic(w, "orders")->max_message_bytes, 5000000);
    EXPECT(world_told(w, "msg=\"topic found\" flow=a->b topic=orders destination=a.orders partitions=4"));
    EXPECT(world_told(w, "msg=\"destination topic created\" flow=a->b topic=orders destination=a.orders partitions=4"));
    EXPECT(world_told(w, "ready orders 4\n"));
    EXPECT(!world_told(w, "level=warn") && !world_told(w, "level=error"));
    world_free(w);
}

TEST(a_small_limit_of_the_source_leaves_room_for_fillers) {
    struct world *w = world_of_all();
    model_set(source_topic(w, "small", 1), "max.message.bytes", "1000", SOURCE_DYNAMIC_TOPIC);
    world_start(w);
    EXPECT_TEXT(world_setting(model_find(&w->at_destination, "a.small"), "max.message.bytes"), "1048588");
    world_free(w);
}

TEST(many_topics_share_requests) {
    struct world *w = world_of_all();
    for (int i = 0; i < 120; i++) {
        char name[20];
        snprintf(name, sizeof name, "t%d", i);
        source_topic(w, name, i == 7 ? 2500 : 10);
    }
    world_start(w);
    EXPECT_INT(world_count(w, "ready t"), 120);
    EXPECT_INT(w->at_source.requests[API_DESCRIBE_CONFIGS], 2);
    // By topics: 100 at most; by partitions: the large one takes a request's share.
    EXPECT(w->at_destination.requests[API_CREATE_TOPICS] >= 3 && w->at_destination.requests[API_CREATE_TOPICS] <= 5);
    world_free(w);
}

TEST(a_large_topic_is_created_with_as_many_partitions_as_one_request_may_have_and_grown) {
    struct world *w = world_of_all();
    struct model_topic *s = source_topic(w, "large", 2 * PARTITIONS_AT_ONCE_MAX + 1);
    source_topic(w, "small", 1);
    world_start(w);
    world_run(w, 5 * SECOND);
    expect_ready(w, "large", 2 * PARTITIONS_AT_ONCE_MAX + 1);
    expect_ready(w, "small", 1);
    EXPECT_INT(w->at_destination.requests[API_CREATE_PARTITIONS], 2);
    EXPECT(world_told(w, "ready large 18001\n"));
    s->partitions += PARTITIONS_AT_ONCE_MAX + 2;  // while running
    world_run(w, 65 * SECOND);
    expect_ready(w, "large", 3 * PARTITIONS_AT_ONCE_MAX + 3);
    EXPECT_INT(w->at_destination.requests[API_CREATE_PARTITIONS], 4);
    EXPECT_INT(world_count(w, "halted"), 0);
    world_free(w);
}

TEST(a_setting_the_destination_does_not_know_is_left_out) {
    struct world *w = world_of_all();
    struct model_topic *s = source_topic(w, "orders", 1);
    model_set(s, "vendor.special", "1", SOURCE_DYNAMIC_TOPIC);
    model_set(s, "retention.ms", "5", SOURCE_DYNAMIC_TOPIC);
    model_set(s, "local.special.retention.ms", "5", SOURCE_DYNAMIC_TOPIC);
    w->at_destination.unknown[0] = "vendor.special";
    w->at_destination.unknown[1] = "local.special.retention.ms";
    world_start(w);
    struct model_topic *d = model_find(&w->at_destination, "a.orders");
    EXPECT(d != NULL);
    EXPECT_TEXT(world_setting(d, "retention.ms"), "5");
    EXPECT_TEXT(world_setting(d, "compression.type"), "producer");
    EXPECT(world_told(w, "msg=\"settings not taken over\""));
    EXPECT(world_told(w, "settings=vendor.special,local.special.retention.ms"));
    expect_ready(w, "orders", 1);
    world_free(w);
}

TEST(settings_refused_without_a_name_are_all_left_out_but_ours) {
    struct world *w = world_of_all();
    model_set(source_topic(w, "orders", 1), "retention.ms", "5", SOURCE_DYNAMIC_TOPIC);
    model_refuse(&w->at_destination, API_CREATE_TOPICS, KAFKA_INVALID_CONFIG, "This combination cannot be.", 1);
    world_start(w);
    struct model_topic *d = model_find(&w->at_destination, "a.orders");
    EXPECT(d != NULL);
    EXPECT_TEXT(world_setting(d, "retention.ms"), "");
    EXPECT_TEXT(world_setting(d, "compression.type"), "producer");
    EXPECT(world_told(w, "settings=retention.ms\n"));
    world_free(w);
}

TEST(after_some_refusals_all_are_left_out_but_ours) {
    static const char *const names[] = {"v.a", "v.b", "v.c", "v.d", "v.e", "v.f", "v.g", "v.h"};
    struct world *w = world_of_all();
    struct model_topic *s = source_topic(w, "orders", 1);
    model_set(s, "retention.ms", "5", SOURCE_DYNAMIC_TOPIC);
    for (size_t i = 0; i < 8; i++) {
        model_set(s, names[i], "1", SOURCE_DYNAMIC_TOPIC);
        w->at_destination.unknown[i] = names[i];
    }
    world_start(w);
    expect_ready(w, "orders", 1);
    EXPECT_INT(w->at_destination.requests[API_CREATE_TOPICS], TOPIC_TRIES_MAX + 1);
    EXPECT_TEXT(world_setting(model_find(&w->at_destination, "a.orders"), "retention.ms"), "");
    world_free(w);
}

TEST(what_must_be_is_never_left_out) {
    struct world *w = world_of_all();
    source_topic(w, "orders", 1);
    model_refuse(&w->at_destination, API_CREATE_TOPICS, KAFKA_INVALID_CONFIG,
                 "Invalid value producer for configuration compression.type: not here", -1);
    world_start(w);
    expect_halted(w, "orders", "compression.type: not here");
    EXPECT(model_find(&w->at_destination, "a.orders") == NULL);
    EXPECT_INT(w->at_destination.requests[API_CREATE_TOPICS], 1);
    world_free(w);
}

TEST(a_destination_before_3_6_gets_the_older_setting) {
    struct world *w = world_of_all();
    source_topic(w, "one", 1);
    w->at_destination.unknown[0] = "message.timestamp.before.max.ms";
    w->at_destination.unknown[1] = "message.timestamp.after.max.ms";
    world_start(w);
    struct model_topic *d = model_find(&w->at_destination, "a.one");
    EXPECT_TEXT(world_setting(d, "message.timestamp.difference.max.ms"), LARGEST);
    EXPECT_TEXT(world_setting(d, "message.timestamp.before.max.ms"), "");
    EXPECT(!world_told(w, "settings not taken over"));
    int requests = w->at_destination.requests[API_CREATE_TOPICS];
    source_topic(w, "two", 1);
    world_run(w, 61 * SECOND);
    expect_ready(w, "two", 1);
    EXPECT_INT(w->at_destination.requests[API_CREATE_TOPICS], requests + 1);  // known by now
    world_free(w);
}

TEST(too_few_brokers_is_tried_again_at_each_refresh) {
    struct world *w = world_of_all();
    source_topic(w, "orders", 1);
    w->at_destination.brokers = 1;
    world_start(w);
    expect_halted(w, "orders", "replication.factor");
    EXPECT(world_told(w, "level=error msg=\"topic halted\" flow=a->b topic=orders"));
    EXPECT(world_told(w, "reason=\"replication.factor"));
    w->at_destination.brokers = 2;
    world_run(w, 61 * SECOND);
    expect_ready(w, "orders", 1);
    world_free(w);
}

TEST(missing_rights_halt_and_are_named) {
    struct world *w = world_of_all();
    source_topic(w, "orders", 1);
    model_refuse(&w->at_destination, API_CREATE_TOPICS, KAFKA_TOPIC_AUTHORIZATION_FAILED, NULL, 1);
    world_start(w);
    expect_halted(w, "orders", "right CREATE on the destination topic or cluster");
    model_refuse(&w->at_source, API_DESCRIBE_CONFIGS, KAFKA_TOPIC_AUTHORIZATION_FAILED, NULL, 1);
    world_run(w, 61 * SECOND);
    expect_halted(w, "orders", "right DESCRIBE_CONFIGS is missing on the source topic");
    EXPECT(model_find(&w->at_destination, "a.orders") == NULL);
    world_run(w, 61 * SECOND);
    expect_ready(w, "orders", 1);
    world_free(w);
}

TEST(retriable_errors_are_tried_again_ever_more_slowly) {
    struct world *w = world_of_all();
    source_topic(w, "orders", 1);
    model_refuse(&w->at_destination, API_CREATE_TOPICS, KAFKA_NOT_CONTROLLER, NULL, 5);
    world_start(w);
    EXPECT(!world_topic(w, "orders")->ready);
    EXPECT_INT(w->at_destination.requests[API_CREATE_TOPICS], 4);  // after 0, 100, 300, 700 ms
    world_run(w, 10 * SECOND);
    expect_ready(w, "orders", 1);
    EXPECT_INT(w->at_destination.requests[API_CREATE_TOPICS], 6);
    EXPECT_INT(world_count(w, "halted"), 0);
    world_free(w);
}

TEST(somebody_else_may_be_faster) {
    struct world *w = world_of_all();
    source_topic(w, "orders", 3);
    w->at_destination.created_meanwhile = true;
    world_start(w);
    expect_ready(w, "orders", 3);
    EXPECT(!world_told(w, "destination topic created"));
    EXPECT_INT(world_count(w, "halted"), 0);
    world_free(w);
}

TEST(what_somebody_else_created_may_have_fewer_partitions) {
    struct world *w = world_of_all();
    source_topic(w, "orders", 3);
    struct model_topic *d = destination_topic(w, "a.orders", 2);
    d->hidden = true;
    world_start(w);
    EXPECT_INT(w->at_destination.requests[API_CREATE_TOPICS], 1);
    d->hidden = false;
    world_run(w, SECOND);
    expect_ready(w, "orders", 3);
    world_free(w);
}

// Four partitions are mirrored, and CreatePartitions will be refused.
static struct world *world_that_may_not_grow(void) {
    struct world *w = world_of_all();
    source_topic(w, "orders", 4);
    world_start(w);
    expect_ready(w, "orders", 4);
    model_refuse(&w->at_destination, API_CREATE_PARTITIONS, KAFKA_TOPIC_AUTHORIZATION_FAILED, NULL, -1);
    return w;
}

TEST(a_topic_made_anew_with_fewer_partitions_that_may_not_grow_does_with_those) {
    struct world *w = world_that_may_not_grow();
    model_remove(&w->at_destination, "a.orders");
    destination_topic(w, "a.orders", 1);
    cluster_refresh(&w->destination);
    world_run(w, 2 * SECOND);
    expect_halted(w, "orders", "destination topic was re-created");
    world_run(w, 60 * SECOND);
    expect_ready(w, "orders", 1);
    EXPECT_INT(w->at_destination.requests[API_CREATE_PARTITIONS], 1);
    EXPECT_INT(world_count(w, "topic not grown"), 1);
    model_refuse(&w->at_destination, API_CREATE_PARTITIONS, 0, NULL, 0);
    world_run(w, 60 * SECOND);
    expect_ready(w, "orders", 4);
    world_free(w);
}

TEST(a_source_topic_made_anew_is_mirrored_when_its_copy_was_deleted) {
    struct world *w = world_of_all();
    source_topic(w, "orders", 2);
    world_start(w);
    model_remove(&w->at_source, "orders");
    source_topic(w, "orders", 3);
    world_run(w, 61 * SECOND);
    expect_halted(w, "orders", "source topic was re-created");
    model_remove(&w->at_destination, "a.orders");
    world_run(w, 65 * SECOND);
    expect_ready(w, "orders", 3);
    EXPECT_INT(model_find(&w->at_destination, "a.orders")->partitions, 3);
    EXPECT_INT(world_topic(w, "orders")->source_id.at[15], model_find(&w->at_source, "orders")->id);
    world_free(w);
}

TEST(growth_that_a_broker_which_lags_behind_calls_for_is_asked_for_ever_more_rarely) {
    struct world *w = world_that_may_not_grow();
    struct model_topic *d = model_find(&w->at_destination, "a.orders");
    d->partitions = 2;
    cluster_refresh(&w->destination);
    world_run(w, 30 * SECOND);
    expect_ready(w, "orders", 4);  // what is mirrored goes on
    int asked = w->at_destination.requests[API_CREATE_PARTITIONS];
    EXPECT(asked > 3 && asked < 12);
    EXPECT_INT(world_count(w, "topic not grown"), 1);
    d->partitions = 4;
    world_run(w, 130 * SECOND);
    expect_ready(w, "orders", 4);
    EXPECT(w->at_destination.requests[API_CREATE_PARTITIONS] <= asked + 1);
    EXPECT_INT(world_count(w, "halted"), 0);
    world_free(w);
}

TEST(a_created_topic_waits_for_metadata_and_leaders) {
    struct world *w = world_of_all();
    source_topic(w, "orders", 2);
    w->at_destination.hides_new = true;
    world_start(w);
    EXPECT_INT(w->at_destination.requests[API_CREATE_TOPICS], 1);
    EXPECT(!world_topic(w, "orders")->ready);
    struct model_topic *d = model_find(&w->at_destination, "a.orders");
    d->hidden = false;
    d->without_leader = 1;
    world_run(w, SECOND);
    EXPECT(!world_topic(w, "orders")->ready);
    d->without_leader = 0;
    world_run(w, SECOND);
    expect_ready(w, "orders", 2);
    EXPECT_INT(w->at_destination.requests[API_CREATE_TOPICS], 1);
    world_free(w);
}

TEST(a_partition_that_gets_no_leader_does_not_stop_the_others) {
    struct world *w = world_of_all();
    source_topic(w, "orders", 2);
    destination_topic(w, "a.orders", 2)->without_leader = 1;
    world_start(w);
    EXPECT(!world_topic(w, "orders")->ready);
    world_run(w, 12 * SECOND);
    expect_ready(w, "orders", 2);
    EXPECT(world_told(w, "level=warn msg=\"partitions without leader\""));
    world_free(w);
}

TEST(a_topic_that_never_shows_asks_for_the_right) {
    struct world *w = world_of_all();
    source_topic(w, "orders", 2);
    w->at_destination.hides_new = true;
    world_start(w);
    world_run(w, 40 * SECOND);
    expect_halted(w, "orders", "DESCRIBE");
    model_remove(&w->at_destination, "a.orders");
    w->at_destination.hides_new = false;
    world_run(w, 61 * SECOND);
    expect_ready(w, "orders", 2);
    world_free(w);
}

// Checking ------------------------------------------------------------------------------------------------------------

TEST(an_existing_fit_topic_is_ready_without_changes) {
    struct world *w = world_of_all();
    model_set(source_topic(w, "orders", 3), "retention.ms", "5", SOURCE_DYNAMIC_TOPIC);
    model_set(destination_topic(w, "a.orders", 3), "segment.ms", "7", SOURCE_DYNAMIC_TOPIC);
    world_start(w);
    expect_ready(w, "orders", 3);
    EXPECT_INT(w->at_destination.requests[API_CREATE_TOPICS], 0);
    EXPECT_INT(w->at_destination.requests[API_CREATE_PARTITIONS], 0);
    EXPECT_INT(w->at_source.settings_told, 8);  // those that are compared, no others
    EXPECT_INT(world_count(w, "level=warn"), 0);
    world_run(w, 61 * SECOND);
    EXPECT_INT(w->at_source.requests[API_DESCRIBE_CONFIGS], 2);
    cluster_refresh(&w->source);
    cluster_refresh(&w->destination);
    world_run(w, SECOND);
    EXPECT_INT(w->at_source.requests[API_DESCRIBE_CONFIGS], 2);  // at refreshes, not with any metadata
    world_free(w);
}

TEST(settings_that_change_batches_halt_until_they_are_mended) {
    struct world *w = world_of_all();
    model_set(source_topic(w, "zip", 1), "compression.type", "zstd", SOURCE_DYNAMIC_TOPIC);
    source_topic(w, "time", 1);
    struct model_topic *zip = destination_topic(w, "a.zip", 1);
    model_set(zip, "compression.type", "zstd", SOURCE_DYNAMIC_TOPIC);
    model_set(destination_topic(w, "a.time", 1), "message.timestamp.type", "LogAppendTime", SOURCE_DYNAMIC_TOPIC);
    world_start(w);
    expect_halted(w, "zip", "compression.type of the destination topic is zstd, must be producer");
    expect_halted(w, "time", "message.timestamp.type of the destination topic is LogAppendTime, must be CreateTime");
    world_run(w, 61 * SECOND);
    EXPECT_INT(world_count(w, "halted zip"), 1);  // said once
    EXPECT_INT(world_count(w, "msg=\"topic halted\" flow=a->b topic=zip"), 1);
    model_set(zip, "compression.type", "producer", SOURCE_DYNAMIC_TOPIC);
    world_run(w, 61 * SECOND);
    expect_ready(w, "zip", 1);
    expect_halted(w, "time", "LogAppendTime");
    model_set(zip, "compression.type", "gzip", SOURCE_DYNAMIC_TOPIC);
    world_run(w, 61 * SECOND);
    expect_halted(w, "zip", "is gzip");
    world_free(w);
}

TEST(settings_that_may_hurt_are_warned_of_once) {
    struct world *w = world_of_all();
    model_set(source_topic(w, "orders", 1), "max.message.bytes", "2000000", SOURCE_DYNAMIC_TOPIC);
    struct model_topic *d = destination_topic(w, "a.orders", 1);
    model_set(d, "unclean.leader.election.enable", "true", SOURCE_DYNAMIC_TOPIC);
    model_set(d, "message.timestamp.before.max.ms", "1000", SOURCE_DYNAMIC_TOPIC);
    model_set(d, "message.timestamp.after.max.ms", "1000", SOURCE_DYNAMIC_TOPIC);
    world_start(w);
    world_run(w, 200 * SECOND);
    expect_ready(w, "orders", 1);
    EXPECT_INT(world_topic(w, "orders")->max_message_bytes, 1048588);
    EXPECT_INT(world_count(w, "level=warn"), 4);
    EXPECT(world_told(w, "setting=unclean.leader.election.enable value=true"));
    EXPECT(world_told(w, "setting=max.message.bytes value=1048588"));
    EXPECT(world_told(w, "setting=message.timestamp.before.max.ms value=1000"));
    EXPECT(world_told(w, "setting=message.timestamp.after.max.ms value=1000"));
    world_free(w);
}

TEST(a_destination_that_keeps_less_than_the_source_is_warned_of) {
    static const struct {
        const char *name, *source, *destination, *warned;
    } cases[] = {
        {"retention.ms", "604800000", "86400000", "setting=retention.ms value=86400000"},
        {"retention.ms", "86400000", "604800000", NULL},
        {"retention.ms", "-1", "604800000", "setting=retention.ms value=604800000"},
        {"retention.bytes", "1000000", "-1", NULL},
        {"retention.bytes", "-1", "1000000", "setting=retention.bytes value=1000000"},
        {"cleanup.policy", "compact", "delete", "setting=cleanup.policy value=delete"},
        {"cleanup.policy", "delete", "compact", "setting=cleanup.policy value=compact"},
        {"cleanup.policy", "compact,delete", "delete, compact", NULL},
        {"cleanup.policy", "compact,delete", "compact", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *w = world_of_all();
        model_set(source_topic(w, "orders", 1), cases[i].name, cases[i].source, SOURCE_DYNAMIC_TOPIC);
        model_set(destination_topic(w, "a.orders", 1), cases[i].name, cases[i].destination, SOURCE_DYNAMIC_TOPIC);
        world_start(w);
        expect_ready(w, "orders", 1);
        EXPECT_INT(world_count(w, "level=warn"), cases[i].warned ? 1 : 0);
        if (cases[i].warned) EXPECT(world_told(w, cases[i].warned));
        world_free(w);
    }
}

// What is only compacted is kept, whatever its retention.ms says.
TEST(how_long_is_kept_counts_only_where_records_are_deleted) {
    struct world *w = world_of_all();
    struct model_topic *s = source_topic(w, "orders", 1), *d = destination_topic(w, "a.orders", 1);
    model_set(s, "cleanup.policy", "compact", SOURCE_DYNAMIC_TOPIC);
    model_set(s, "retention.ms", "1000", SOURCE_DYNAMIC_TOPIC);
    model_set(d, "cleanup.policy", "compact,delete", SOURCE_DYNAMIC_TOPIC);
    model_set(d, "retention.ms", "604800000", SOURCE_DYNAMIC_TOPIC);
    world_start(w);
    EXPECT_INT(world_count(w, "level=warn"), 2);
    EXPECT(world_told(w, "setting=retention.ms value=604800000 reason=\"records go that the source keeps\""));
    world_free(w);
}

TEST(settings_that_may_not_be_read_are_warned_of_once) {
    struct world *w = world_of_all();
    source_topic(w, "orders", 1);
    destination_topic(w, "a.orders", 1);
    model_refuse(&w->at_source, API_DESCRIBE_CONFIGS, KAFKA_TOPIC_AUTHORIZATION_FAILED, NULL, -1);
    model_refuse(&w->at_destination, API_DESCRIBE_CONFIGS, KAFKA_TOPIC_AUTHORIZATION_FAILED, NULL, -1);
    world_start(w);
    world_run(w, 200 * SECOND);
    expect_ready(w, "orders", 1);
    EXPECT_INT(world_topic(w, "orders")->max_message_bytes, INT32_MAX);
    EXPECT_INT(world_count(w, "msg=\"settings not read\""), 2);
    world_free(w);
}

int main(void) {
    RUN(a_missing_topic_is_created_with_the_sources_settings_and_ours);
    RUN(a_small_limit_of_the_source_leaves_room_for_fillers);
    RUN(many_topics_share_requests);
    RUN(a_large_topic_is_created_with_as_many_partitions_as_one_request_may_have_and_grown);
    RUN(a_setting_the_destination_does_not_know_is_left_out);
    RUN(settings_refused_without_a_name_are_all_left_out_but_ours);
    RUN(after_some_refusals_all_are_left_out_but_ours);
    RUN(what_must_be_is_never_left_out);
    RUN(a_destination_before_3_6_gets_the_older_setting);
    RUN(too_few_brokers_is_tried_again_at_each_refresh);
    RUN(missing_rights_halt_and_are_named);
    RUN(retriable_errors_are_tried_again_ever_more_slowly);
    RUN(somebody_else_may_be_faster);
    RUN(what_somebody_else_created_may_have_fewer_partitions);
    RUN(a_topic_made_anew_with_fewer_partitions_that_may_not_grow_does_with_those);
    RUN(a_source_topic_made_anew_is_mirrored_when_its_copy_was_deleted);
    RUN(growth_that_a_broker_which_lags_behind_calls_for_is_asked_for_ever_more_rarely);
    RUN(a_created_topic_waits_for_metadata_and_leaders);
    RUN(a_partition_that_gets_no_leader_does_not_stop_the_others);
    RUN(a_topic_that_never_shows_asks_for_the_right);
    RUN(an_existing_fit_topic_is_ready_without_changes);
    RUN(settings_that_change_batches_halt_until_they_are_mended);
    RUN(settings_that_may_hurt_are_warned_of_once);
    RUN(a_destination_that_keeps_less_than_the_source_is_warned_of);
    RUN(how_long_is_kept_counts_only_where_records_are_deleted);
    RUN(settings_that_may_not_be_read_are_warned_of_once);
    return test_result();
}
