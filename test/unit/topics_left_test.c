// The topics reconciler: what is left of a request that failed, of one that a quota cut short, and of a doubt that was
// none.
#include "topics_world.h"

static void lose_connection(struct world *w) {
    struct error why = error_make(ERROR_TRANSPORT, 0, "test", "connection lost");
    for (int32_t node = 1; node <= w->at_destination.nodes; node++)
        broker_link_reset(&cluster_broker(&w->destination, node)->control, &why);
}

// The one that was asked for has nothing to ask any more when it comes back, and takes nobody along.
TEST(who_waits_behind_a_request_that_fails_is_not_left_waiting) {
    struct world *w = world_of_all();
    world_start(w);
    w->at_destination.silent = true;
    source_topic(w, "one", 1);
    cluster_refresh(&w->source);
    world_run(w, SECOND);
    EXPECT_INT(w->at_destination.requests[API_CREATE_TOPICS], 1);
    source_topic(w, "two", 1);
    cluster_refresh(&w->source);
    world_run(w, SECOND);
    destination_topic(w, "a.one", 1);
    w->at_destination.silent = false;
    cluster_refresh(&w->destination);
    lose_connection(w);
    world_run(w, 20 * SECOND);
    expect_ready(w, "one", 1);
    expect_ready(w, "two", 1);
    EXPECT_INT(w->at_destination.requests[API_CREATE_TOPICS], 2);
    world_free(w);
}

// KIP-599: the quota says when there is room for the next one, and none of those before it makes it later.
TEST(topics_beyond_the_quota_of_mutations_are_made_as_fast_as_it_allows) {
    struct world *w = world_of_all();
    for (int i = 0; i < 60; i++) {
        char name[20];
        snprintf(name, sizeof name, "t%d", i);
        source_topic(w, name, 1);
    }
    w->at_destination.mutation_us = SECOND;
    world_start(w);
    world_run(w, 65 * SECOND);
    EXPECT_INT(world_count(w, "ready t"), 60);
    EXPECT(w->at_destination.requests[API_CREATE_TOPICS] <= 62);
    EXPECT_INT(world_count(w, "halted"), 0);
    world_free(w);
}

TEST(what_two_have_said_counts_for_no_other_doubt) {
    struct world *w = world_of_all();
    w->at_destination.nodes = 2;
    source_topic(w, "orders", 1);
    struct model_topic *d = destination_topic(w, "a.orders", 1);
    world_start(w);
    d->hidden = true;
    cluster_refresh(&w->destination);
    world_run(w, 3 * SECOND / 2);
    d->hidden = false;
    world_run(w, 5 * SECOND);
    expect_ready(w, "orders", 1);
    w->at_destination.unreachable = 2;
    lose_connection(w);
    world_run(w, SECOND);
    d->hidden = true;  // only one is heard, and it may be cut off from its controller
    cluster_refresh(&w->destination);
    world_run(w, 20 * SECOND);
    expect_ready(w, "orders", 1);
    d->hidden = false;
    world_run(w, 5 * SECOND);
    expect_ready(w, "orders", 1);
    EXPECT_INT(world_count(w, "halted"), 0);
    world_free(w);
}

int main(void) {
    RUN(who_waits_behind_a_request_that_fails_is_not_left_waiting);
    RUN(topics_beyond_the_quota_of_mutations_are_made_as_fast_as_it_allows);
    RUN(what_two_have_said_counts_for_no_other_doubt);
    return test_result();
}
