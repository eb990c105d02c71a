// More than a connection can write at once: how much may wait, and where what was written in part goes on.
#include "unit/connection_story.h"

static void on_reply(void *context, const struct error *error, const void *response, struct frame *frame) {
    (void)context, (void)error, (void)response, (void)frame;
}

// A request of as many times 32 KiB.
static struct error ask(int32_t names_count) {
    static char large[INT16_MAX];
    static struct wire_text names[200];
    memset(large, 'x', sizeof large);
    for (int i = 0; i < 200; i++) names[i] = (struct wire_text){large, sizeof large};
    struct delete_topics_request request;
    message_defaults(&delete_topics_request_message, &request);
    request.topic_names = names;
    request.topic_names_count = names_count;
    struct connection_call call = {.api_key = API_DELETE_TOPICS, .version_max = 3, .request = &request,
                                   .reply = on_reply, .timeout_us = 30 * SECOND};
    return connection_call(&c, &call);
}

TEST(output_has_a_limit_and_what_is_refused_leaves_no_trace) {
    begin();
    s.write_max = 1;
    EXPECT(ask(200).kind == ERROR_NONE);
    size_t size = c.out.size;
    EXPECT_INT(ask(200).kind, ERROR_LIMIT);
    EXPECT_INT(c.out.size, size);
    EXPECT_INT(c.requests_count, 1);
    EXPECT(ask(1).kind == ERROR_NONE);  // a small one still fits
    s.write_max = 0;
    scripted_run(&s, MS);
    EXPECT_INT(scripted_unanswered(&s, API_DELETE_TOPICS), 2);
    end();
}

TEST(what_was_written_makes_room_and_the_rest_goes_on_where_it_was) {
    begin();
    struct bytes range;
    for (int i = 0; i < 3; i++) {
        EXPECT(ask(3).kind == ERROR_NONE);
        EXPECT_INT(connection_output(&c, &range, 1), 1);
        buffer_append(&scripted_channel_of(&s, &c)->in, range.at, 80 * KiB);
        connection_sent(&c, 80 * KiB);
    }
    EXPECT(c.out.size < 3 * 80 * KiB);
    scripted_run(&s, MS);
    EXPECT_INT(scripted_unanswered(&s, API_DELETE_TOPICS), 3);
    end();
}

int main(void) {
    RUN(output_has_a_limit_and_what_is_refused_leaves_no_trace);
    RUN(what_was_written_makes_room_and_the_rest_goes_on_where_it_was);
    return test_result();
}
