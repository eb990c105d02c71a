// A destination topic that is made anew while it is mirrored: nothing of the old one's log counts.
#include "unit/flow_story.h"

TEST(a_destination_topic_made_anew_is_filled_from_the_start) {
    begin_copied(1);
    buffer_free(&to->bytes);
    model_log_init(to);
    w->destination.topic_id = 2;
    cluster_refresh(&w->flow->destination);
    world_run(w, 130 * SECOND);
    EXPECT_INT(state(), PARTITION_COPY);
    EXPECT(equal());
    struct model_producer *ours = model_producer(to, w->flow->producer_id);
    EXPECT(ours && to->producers_count == 1);
    if (ours) EXPECT_INT(ours->last_sequence, to->end - 1);
    end();
}

int main(void) {
    RUN(a_destination_topic_made_anew_is_filled_from_the_start);
    return test_result();
}
