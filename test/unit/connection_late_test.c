// What counts as late: an answer that does not begin in time; not one that comes slowly, nor what a throttle delays.
#include "unit/test.h"

#include "unit/scripted_broker.h"

#include "client/connection.h"

static struct scripted s;
static struct connection c;
static int lost, answers, failed;
static enum error_kind why;

static void on_state(struct connection *k, const struct error *e) {
    if (k->state == CONNECTION_READY) return;
    lost++;
    why = e->kind;
}

static void on_reply(void *context, const struct error *error, const void *response, struct frame *frame) {
    (void)context;
    (void)response;
    (void)frame;
    if (error_is(error)) failed++;
    else answers++;
}

static void begin_ready(void) {
    scripted_init(&s);
    connection_init(&c, &s.env);
    lost = answers = failed = 0;
    c.client_id = "test";
    c.host = "broker-1";
    c.port = 9092;
    c.open_timeout_us = 10 * SECOND;
    c.on_state = on_state;
    connection_open(&c);
    scripted_run(&s, MS);
    assert(c.state == CONNECTION_READY);
}

static void end(void) {
    connection_free(&c);
    scripted_free(&s);
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
    EXPECT(!error_is(&e));
    scripted_run(&s, MS);
}

static void answer(int32_t throttle_ms) {
    struct init_producer_id_response r;
    message_defaults(&init_producer_id_response_message, &r);
    r.throttle_time_ms = throttle_ms;
    scripted_answer(&s, scripted_next(&s, API_INIT_PRODUCER_ID), &r);
}

// The first part of what the broker has written, and what is left of it comes byte by byte.
static void trickle(void) {
    struct scripted_channel *ch = scripted_channel_of(&s, &c);
    uint8_t bytes[100];
    size_t size = ch->out.size - ch->delivered;
    assert(size <= sizeof bytes);
    memcpy(bytes, ch->out.at + ch->delivered, size);
    ch->out.size = ch->delivered;
    for (size_t i = 0; i < size; i++) {
        EXPECT_INT(answers, 0);
        scripted_run(&s, 25 * SECOND);
        buffer_append(&ch->out, &bytes[i], 1);
        scripted_run(&s, MS);
    }
}

// Over a slow line a large answer takes longer than anybody waits for one to begin.
TEST(an_answer_that_comes_slowly_is_not_late) {
    begin_ready();
    ask();
    ask();
    answer(0);
    trickle();
    EXPECT_INT(answers, 1);
    scripted_run(&s, 29 * SECOND);  // only now the broker has begun with the second one
    EXPECT_INT(lost, 0);
    scripted_run(&s, 2 * SECOND);
    EXPECT_INT(lost, 1);
    EXPECT_INT(why, ERROR_TIMEOUT);
    EXPECT_INT(failed, 1);
    end();
}

TEST(an_answer_that_stops_in_the_middle_is_late) {
    begin_ready();
    ask();
    scripted_run(&s, 20 * SECOND);
    buffer_append(&scripted_channel_of(&s, &c)->out, "\0\0", 2);
    scripted_run(&s, 29 * SECOND);
    EXPECT_INT(lost, 0);
    scripted_run(&s, 2 * SECOND);
    EXPECT_INT(lost, 1);
    end();
}

// KIP-219: the broker does not read it before.
TEST(what_lies_behind_a_throttle_is_not_late) {
    begin_ready();
    ask();
    ask();
    answer(50000);
    scripted_run(&s, MS);
    EXPECT(connection_is_muted(&c));
    scripted_run(&s, 49 * SECOND);
    ask();
    scripted_run(&s, 29 * SECOND);
    EXPECT(!connection_is_muted(&c));
    EXPECT_INT(lost, 0);
    scripted_run(&s, 3 * SECOND);
    EXPECT_INT(lost, 1);
    EXPECT_INT(why, ERROR_TIMEOUT);
    connection_open(&c);
    EXPECT(!connection_is_muted(&c));
    end();
}

int main(void) {
    RUN(an_answer_that_comes_slowly_is_not_late);
    RUN(an_answer_that_stops_in_the_middle_is_late);
    RUN(what_lies_behind_a_throttle_is_not_late);
    return test_result();
}
