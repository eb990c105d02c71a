// What a topic's new partitions cost those that are at work.
#include "unit/flow_story.h"

static void grow(struct scripted *s, struct scripted_request *r) {
    const struct create_partitions_request *q = r->body;
    struct create_partitions_response response;
    struct create_partitions_response_topic result;
    message_defaults(&create_partitions_response_message, &response);
    message_defaults(&create_partitions_response_topic_message, &result);
    result.name = q->topics[0].name;
    response.results = &result;
    response.results_count = 1;
    w->destination.partitions = q->topics[0].count;
    scripted_answer(s, r, &response);
}

TEST(new_partitions_disturb_no_others) {
    begin(2);
    w->source.partitions = w->destination.partitions = 1;
    w->s.serve[API_CREATE_PARTITIONS] = grow;
    world_write(w, 0, 5);
    world_start(w);
    EXPECT(w->destination.logs[0].end == w->source.logs[0].end);
    const struct partition *first = world_partition(w, 0);
    uint32_t attempt = first->append.attempt;
    w->source.partitions = 2;
    for (int32_t i = 0; i < 2; i++) world_write(w, i, 5);
    world_run(w, 100 * SECOND);  // until the topics are asked for again
    EXPECT(equal());
    EXPECT_INT(w->flow->partitions_count, 2);
    EXPECT_INT(first->append.attempt, attempt);  // in its pipeline all the time
    end();
}

int main(void) {
    RUN(new_partitions_disturb_no_others);
    return test_result();
}
