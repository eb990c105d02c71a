// What a connection learns of its line, and how it changes what it expects to receive.
#include "unit/connection_story.h"

static int answers;

static void on_reply(void *context, const struct error *error, const void *response, struct frame *frame) {
    (void)context, (void)response, (void)frame;
    answers += !error_is(error);
}

static void ask(void) {
    struct init_producer_id_request request;
    message_defaults(&init_producer_id_request_message, &request);
    struct connection_call call = {.api_key = API_INIT_PRODUCER_ID,
                                   .version_max = INT16_MAX,
                                   .request = &request,
                                   .reply = on_reply,
                                   .timeout_us = 30 * SECOND};
    struct error e = connection_call(&c, &call);
    assert(!error_is(&e));
    (void)e;
}

static void answer_after(int64_t us) {
    scripted_run(&s, us);
    struct init_producer_id_response response;
    message_defaults(&init_producer_id_response_message, &response);
    struct scripted_request *r;
    while ((r = scripted_next(&s, API_INIT_PRODUCER_ID))) scripted_answer(&s, r, &response);
    scripted_run(&s, MS);
}

TEST(the_round_trip_is_from_a_lone_request_to_its_answers_first_byte) {
    begin();
    EXPECT(c.round_trip_us > 0);  // the greeting's
    c.round_trip_us = 0;
    s.read_max = 3;
    ask();
    answer_after(70 * MS);
    EXPECT_INT(answers, 1);
    EXPECT_INT(c.round_trip_us, 70 * MS);
    ask();
    answer_after(90 * MS);
    EXPECT_INT(c.round_trip_us, 70 * MS);  // the shortest
    c.round_trip_us = 0;
    ask();
    scripted_run(&s, 10 * MS);
    ask();  // which of the two was answered late nobody can tell
    answer_after(50 * MS);
    EXPECT_INT(answers, 4);
    EXPECT_INT(c.round_trip_us, 0);
    end();
}

TEST(the_receive_hint_may_change_while_nothing_comes) {
    begin();
    connection_set_receive_hint(&c, 1000 * KiB);
    EXPECT(connection_input(&c).size == 1000 * KiB);
    connection_set_receive_hint(&c, 2000 * KiB);  // more than that buffer had room for
    EXPECT(connection_input(&c).size == 2000 * KiB);
    connection_set_receive_hint(&c, KiB);
    EXPECT(connection_input(&c).size == KiB);
    connection_input(&c).at[0] = 0;
    connection_received(&c, 1);
    connection_set_receive_hint(&c, 9000 * KiB);  // half an answer to nothing: the connection will not last
    EXPECT(connection_input(&c).size == KiB - 1);
    end();
}

int main(void) {
    RUN(the_round_trip_is_from_a_lone_request_to_its_answers_first_byte);
    RUN(the_receive_hint_may_change_while_nothing_comes);
    return test_result();
}
