// Which of the pipelines to a leader is a partition's.
#include "unit/flow_story.h"

#include "base/limits.h"

static bool same_pipeline(int32_t a, int32_t b) {
    const struct partition *first = world_partition(w, a), *second = world_partition(w, b);
    assert(first->destination_leader == second->destination_leader);
    return first->append.appender == second->append.appender;
}

// What lies in its connection's output when the guard passes must not leave it (connection_test, appender_lease_test).
TEST(each_pipeline_has_the_flows_guard_and_lease) {
    begin_copied(1);
    const struct appender *a = world_partition(w, 0)->append.appender;
    EXPECT(a->link.connection.fence_us == &w->flow->ownership.fence_us);
    EXPECT(a->fence_us == &w->flow->ownership.fence_us);
    EXPECT(a->lease_us == &w->flow->ownership.lease_us);
    end();
}

// A broker handles one request of a connection at a time.
TEST(many_partitions_have_two_pipelines_to_their_leader) {
    begin_copied(APPEND_LANE_PARTITIONS + 1);
    int32_t beyond = APPEND_LANE_PARTITIONS;
    EXPECT(same_pipeline(0, beyond - 1));
    EXPECT(!same_pipeline(0, beyond));
    const struct appender *before = world_partition(w, beyond)->append.appender;
    for (int moves = 0; moves < WORLD_BROKERS; moves++) {
        world_change_leader(w, &w->destination, beyond);
        world_write(w, beyond, 5);
        world_run(w, 3 * SECOND);
        EXPECT(equal());
    }
    EXPECT(world_partition(w, beyond)->append.appender == before);
    end();
}

static void write_large(int32_t index) {
    struct model_batch b = {.count = 5, .size = 2 * APPEND_LANE_BYTES, .timestamp = w->s.env.wall_ms};
    model_write(&w->source.logs[index], &b);
}

// And few large ones fill the requests of two.
TEST(few_partitions_of_large_batches_have_two_pipelines) {
    begin(2);
    for (int32_t i = 0; i < 2; i++) write_large(i);
    world_start(w);
    EXPECT(equal());
    EXPECT(!same_pipeline(0, 1));
    EXPECT_INT(w->refused, 0);
    end();
}

TEST(each_leaders_partitions_take_turns_among_themselves) {
    begin(3);
    w->destination.logs[1].leader = 2;
    for (int32_t i = 0; i < 3; i++) write_large(i);
    world_start(w);
    EXPECT(equal());
    EXPECT(!same_pipeline(0, 2));
    end();
}

TEST(a_partition_whose_batches_grew_changes_its_pipeline_when_it_looks_again) {
    begin_copied(2);
    EXPECT(same_pipeline(0, 1));
    write_large(1);
    world_run(w, 3 * SECOND);
    EXPECT(same_pipeline(0, 1));  // what is under way must not be overtaken
    for (int moves = 0; moves < WORLD_BROKERS; moves++) {
        world_change_leader(w, &w->destination, 1);
        world_run(w, 3 * SECOND);
    }
    EXPECT(!same_pipeline(0, 1));
    write_large(1);
    world_run(w, 3 * SECOND);
    EXPECT(equal());
    end();
}

int main(void) {
    RUN(each_pipeline_has_the_flows_guard_and_lease);
    RUN(many_partitions_have_two_pipelines_to_their_leader);
    RUN(few_partitions_of_large_batches_have_two_pipelines);
    RUN(each_leaders_partitions_take_turns_among_themselves);
    RUN(a_partition_whose_batches_grew_changes_its_pipeline_when_it_looks_again);
    return test_result();
}
