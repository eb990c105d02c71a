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

int main(void) {
    RUN(a_source_that_has_lost_a_single_record_halts_there);
    RUN(a_new_leader_of_the_source_has_its_own_time);
    return test_result();
}
