// Clusters that are not what they were: addresses that lead to another one, and one that was restored from what it was
// some time ago.
#include "unit/flow_story.h"

static struct scripted s;
static struct cluster c;

// All three brokers are connected.
static void begin_connected(void) {
    scripted_init(&s);
    s.brokers = 3;
    scripted_topic(&s, "t", 1);
    scripted_cluster(&s, &c);
    cluster_connect_others(&c);
    scripted_run(&s, SECOND);
}

static void end_connected(void) {
    scripted_cluster_free(&s, &c);
    scripted_free(&s);
}

static void refresh(void) {
    cluster_refresh(&c);
    scripted_run(&s, 200 * MS);
}

static void metadata_of_another_cluster(struct scripted *script, struct scripted_request *r) {
    struct metadata_response m;
    struct metadata_response_broker b;
    if (r->channel->node_id != 2) {
        scripted_metadata(script, r);
        return;
    }
    message_defaults(&metadata_response_message, &m);
    message_defaults(&metadata_response_broker_message, &b);
    m.cluster_id = text_of("another");
    b = (struct metadata_response_broker){.node_id = 2, .host = text_of("broker-2"), .port = 9092};
    m.brokers = &b;
    m.brokers_count = 1;
    scripted_answer(script, r, &m);
}

// The address of broker 2 has been given to a broker of another cluster.
TEST(metadata_of_another_cluster_are_not_taken) {
    begin_connected();
    s.serve[API_METADATA] = metadata_of_another_cluster;
    for (int i = 0; i < 20; i++) refresh();
    EXPECT_TEXT(c.cluster_id, "scripted");
    EXPECT(cluster_topic(&c, "t") && cluster_broker(&c, 1) && cluster_broker(&c, 3));
    EXPECT(c.refreshes > 15 && c.refreshed_by != 2);
    EXPECT_INT(scripted_count(&s, "broker of another cluster"), 1);
    s.serve[API_METADATA] = scripted_metadata;
    for (int i = 0; i < 20 && c.refreshed_by != 2; i++) refresh();
    EXPECT_INT(c.refreshed_by, 2);
    end_connected();
}

static void refresh_for(int64_t us) {
    for (int64_t until_us = s.env.now_us + us; s.env.now_us < until_us;) {
        cluster_refresh(&c);
        scripted_run(&s, SECOND);
    }
}

static int32_t known_epoch(void) {
    return cluster_topic(&c, "t")->partitions[0].leader_epoch;
}

static void epoch_is(int32_t epoch) {
    s.topics[0].epochs[0] = epoch;
}

TEST(epochs_that_went_back_for_good_are_believed) {
    begin_connected();
    epoch_is(8);
    refresh();
    epoch_is(3);
    refresh_for(METADATA_OLDER_US - 5 * SECOND);
    EXPECT_INT(known_epoch(), 8);
    refresh_for(10 * SECOND);
    EXPECT_INT(known_epoch(), 3);
    EXPECT_INT(scripted_count(&s, "leader epochs went back"), 1);
    epoch_is(4);
    refresh();
    EXPECT_INT(known_epoch(), 4);
    end_connected();
}

static int32_t behind;  // says an older epoch than the others

static void metadata_from_behind(struct scripted *script, struct scripted_request *r) {
    epoch_is(r->channel->node_id == behind ? 3 : 8);
    scripted_metadata(script, r);
}

TEST(one_broker_that_lags_behind_for_long_is_not_believed) {
    begin_connected();
    epoch_is(8);
    refresh();
    behind = 2;
    s.serve[API_METADATA] = metadata_from_behind;
    refresh_for(5 * METADATA_OLDER_US);
    EXPECT_INT(known_epoch(), 8);
    scripted_cut_node(&s, 1);
    scripted_cut_node(&s, 3);
    s.unreachable = true;  // and it is the only one that is asked
    refresh_for(5 * METADATA_OLDER_US);
    EXPECT_INT(c.refreshed_by, behind);
    EXPECT_INT(known_epoch(), 8);
    end_connected();
}

// Either cluster comes back as it was, with the leader epochs of then.
TEST(a_mirror_of_a_restored_cluster_goes_on) {
    for (int side = 0; side < 2; side++) {
        begin_copied(1);
        struct model_log *l = side == 0 ? from : to;
        world_change_leader(w, side == 0 ? &w->source : &w->destination, 0);
        world_run(w, 3 * SECOND);
        world_write(w, 0, 5);
        world_run(w, 3 * SECOND);
        EXPECT(equal());
        l->epoch -= 2;
        for (int32_t node = 1; node <= WORLD_BROKERS; node++) scripted_cut_node(&w->s, node);
        world_write(w, 0, 5);
        world_run(w, METADATA_OLDER_US / 2);
        EXPECT(!equal());  // it may be that who was asked lags behind
        world_run(w, METADATA_OLDER_US);
        EXPECT(equal());
        end();
    }
}

int main(void) {
    RUN(metadata_of_another_cluster_are_not_taken);
    RUN(epochs_that_went_back_for_good_are_believed);
    RUN(one_broker_that_lags_behind_for_long_is_not_believed);
    RUN(a_mirror_of_a_restored_cluster_goes_on);
    return test_result();
}
