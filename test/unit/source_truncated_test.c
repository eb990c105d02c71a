// A source whose leader ends before what was mirrored: who says so, for how long, and where that halts the partition.
#include "unit/flow_story.h"

// Mirrored, and then the mirror is gone.
static void begin_ended(void) {
    begin_copied(1);
    model_write(from, &(struct model_batch){.count = 1, .timestamp = w->s.env.wall_ms});
    world_run(w, SECOND);
    EXPECT(equal());
    world_kill(w);
}

// Nor is it taken for one whose cleaner took what was mirrored last.
TEST(a_source_that_has_lost_a_single_record_halts_there) {
    begin_ended();
    model_truncate(from, from->end - 1);
    world_start(w);
    EXPECT_INT(state(), PARTITION_RESYNC);
    world_run(w, 60 * SECOND);
    EXPECT_HALTED(from->end, "the source ends before them");
    end();
}

// It learns the high watermark late, and has nothing to do with what its predecessor said.
TEST(a_new_leader_of_the_source_has_its_own_time) {
    begin_ended();
    int64_t records = from->end;
    from->end = 1;
    world_start(w);
    world_run(w, 20 * SECOND);
    world_change_leader(w, &w->source, 0);
    world_run(w, 20 * SECOND);
    EXPECT_INT(state(), PARTITION_RESYNC);
    from->end = records;
    world_write(w, 0, 3);
    world_run(w, 5 * SECOND);
    EXPECT(equal());
    end();
}

// The destination's retention took all, and it forgot who wrote it.
static void begin_ended_and_empty(void) {
    begin_ended();
    model_delete_below(to, to->end);
    to->producers_count = 0;
}

TEST(a_source_that_grows_past_an_empty_destination_is_another_topic) {
    begin_ended_and_empty();
    model_truncate(from, 0);
    world_start(w);
    world_run(w, 15 * SECOND);
    EXPECT(state() != PARTITION_HALTED);
    int64_t mirrored = to->end;
    while (from->end < mirrored + 3)
        model_write(from, &(struct model_batch){.count = 1, .timestamp = w->s.env.wall_ms});
    world_run(w, 5 * SECOND);
    EXPECT_HALTED(mirrored, "the source ended before offset");
    EXPECT_INT(to->end, mirrored);
    end();
}

// No CRC covers a log's end: what is answered once may be damaged.
TEST(a_source_that_seems_to_end_early_once_is_believed_to_go_on) {
    begin_ended_and_empty();
    int64_t records = from->end;
    from->end = 1;
    world_start(w);
    while (w->flow->partitions[0]->source_doubted_us == 0) world_run(w, MS);
    from->end = records;
    world_write(w, 0, 3);
    world_run(w, 5 * SECOND);
    EXPECT_INT(state(), PARTITION_COPY);
    EXPECT_INT(to->end, from->end);
    end();
}

int main(void) {
    RUN(a_source_that_has_lost_a_single_record_halts_there);
    RUN(a_new_leader_of_the_source_has_its_own_time);
    RUN(a_source_that_grows_past_an_empty_destination_is_another_topic);
    RUN(a_source_that_seems_to_end_early_once_is_believed_to_go_on);
    return test_result();
}
