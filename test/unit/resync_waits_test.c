// RESYNC waits for what should come, and not for ever.
#include "unit/flow_story.h"

// Their leader may have been deposed: then others know who leads.
TEST(followers_that_do_not_catch_up_make_a_partition_look_again) {
    begin_copied(1);
    world_kill(w);
    to->followers_stuck = true;
    to->replicated = to->end - 1;
    world_start(w);
    EXPECT_INT(state(), PARTITION_RESYNC);
    world_run(w, 20 * SECOND);
    EXPECT_INT(resyncs(), 0);
    world_run(w, 15 * SECOND);
    EXPECT_INT(resyncs(), 1);
    to->followers_stuck = false;
    world_run(w, 3 * SECOND);
    EXPECT_INT(state(), PARTITION_COPY);
    end();
}

int main(void) {
    RUN(followers_that_do_not_catch_up_make_a_partition_look_again);
    return test_result();
}
