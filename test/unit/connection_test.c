// Connections against a scripted broker: every way that bytes can be cut, late, wrong or unwelcome.
#include "unit/test.h"

#include "unit/scripted_broker.h"

static struct scripted s;
static struct connection c;
static struct connection_state_seen {
    int ready, lost;
    struct error why;
} seen;

static struct {
    int count, failed;
    int64_t offsets[REQUESTS_IN_FLIGHT_MAX];  // what the answers said, in order
    enum error_kind failures[REQUESTS_IN_FLIGHT_MAX];
    bool close_on_reply;
    struct frame *hold;
} replies;

static void on_state(struct connection *connection, const struct error *why) {
    if (connection->state == CONNECTION_READY) seen.ready++;
    else seen.lost++;
    seen.why = *why;
}

static void on_reply(void *context, const struct error *error, const void *response, struct frame *frame) {
    (void)context;
    if (error_is(error)) {
        replies.failures[replies.failed++] = error->kind;
        return;
    }
    const struct init_producer_id_response *r = response;
    replies.offsets[replies.count++] = r->producer_id;
    if (!replies.hold) replies.hold = frame_hold(frame);
    if (replies.close_on_reply) connection_close(&c, true);
}

static void begin(void) {
    scripted_init(&s);
    connection_init(&c, &s.env);
    memset(&seen, 0, sizeof seen);
    memset(&replies, 0, sizeof replies);
    c.client_id = "test";
    c.host = "broker-1";
    c.port = 9092;
    c.open_timeout_us = 10 * SECOND;
    c.on_state = on_state;
}

static void begin_ready(void) {
    begin();
    connection_open(&c);
    scripted_run(&s, MS);
    assert(c.state == CONNECTION_READY);
}

static void end(void) {
    frame_release(replies.hold);
    connection_free(&c);
    scripted_free(&s);
}

static struct error ask_within(int64_t timeout_us) {
    struct init_producer_id_request request;
    message_defaults(&init_producer_id_request_message, &request);
    struct connection_call call = {.api_key = API_INIT_PRODUCER_ID,
                                   .version_max = INT16_MAX,
                                   .request = &request,
                                   .reply = on_reply,
                                   .timeout_us = timeout_us};
    return connection_call(&c, &call);
}

static struct error ask(void) {
    return ask_within(30 * SECOND);
}

static void answer(struct scripted_request *r, int64_t producer_id) {
    struct init_producer_id_response response;
    message_defaults(&init_producer_id_response_message, &response);
    response.producer_id = producer_id;
    scripted_answer(&s, r, &response);
}

static void answer_all(void) {
    struct scripted_request *r;
    for (int64_t n = 0; (r = scripted_next(&s, API_INIT_PRODUCER_ID)); n++) answer(r, n);
}

// Bytes that no request asked for in this form.
static void say(const void *at, size_t size) {
    buffer_append(&scripted_channel_of(&s, &c)->out, at, size);
}

TEST(greets_and_speaks_the_highest_common_version) {
    begin();
    s.version_max[API_FETCH] = 11;
    s.version_max[API_WRITE_TXN_MARKERS] = -1;
    s.version_max[API_METADATA] = 0x7ff0;
    connection_open(&c);
    scripted_run(&s, MS);
    EXPECT_INT(seen.ready, 1);
    EXPECT_INT(s.requests->header.version, 3);  // KIP-511
    EXPECT_INT(connection_version(&c, api_find(API_FETCH), INT16_MAX), 11);
    EXPECT_INT(connection_version(&c, api_find(API_FETCH), 7), 7);
    EXPECT_INT(connection_version(&c, api_find(API_FETCH), 3), -1);
    EXPECT_INT(connection_version(&c, api_find(API_WRITE_TXN_MARKERS), INT16_MAX), -1);
    EXPECT_INT(connection_version(&c, api_find(API_METADATA), INT16_MAX), api_find(API_METADATA)->version_max);
    struct write_txn_markers_request request;
    message_defaults(&write_txn_markers_request_message, &request);
    struct connection_call call = {.api_key = API_WRITE_TXN_MARKERS, .version_max = INT16_MAX, .request = &request,
                                   .reply = on_reply, .timeout_us = SECOND};
    struct error e = connection_call(&c, &call);
    EXPECT_INT(e.kind, ERROR_PROTOCOL);
    EXPECT(strstr(e.detail, "WriteTxnMarkers"));
    EXPECT_INT(c.requests_count, 0);
    end();
}

static void refuse_greeting(struct scripted *script, struct scripted_request *r) {
    struct api_versions_response refusal;
    message_defaults(&api_versions_response_message, &refusal);
    refusal.error_code = KAFKA_UNSUPPORTED_VERSION;
    r->header.version = 0;  // KIP-511: that is how a broker says so
    scripted_answer(script, r, &refusal);
}

TEST(a_refused_greeting_is_a_lost_connection) {
    begin();
    s.serve[API_API_VERSIONS] = refuse_greeting;
    connection_open(&c);
    scripted_run(&s, MS);
    EXPECT_INT(seen.ready, 0);
    EXPECT_INT(seen.lost, 1);
    EXPECT_INT(seen.why.code, KAFKA_UNSUPPORTED_VERSION);
    EXPECT_INT(c.state, CONNECTION_CLOSED);
    end();
}

TEST(a_broker_that_never_answers_is_given_up_in_time) {
    for (int greeted = 0; greeted < 2; greeted++) {
        begin();
        if (greeted) s.silent = true;
        else s.unreachable = true;
        connection_open(&c);
        scripted_run(&s, 10 * SECOND - 1);
        EXPECT_INT(seen.lost, 0);
        scripted_run(&s, 1);
        EXPECT_INT(seen.lost, 1);
        EXPECT_INT(seen.why.kind, ERROR_TIMEOUT);
        EXPECT(strstr(seen.why.detail, greeted ? "ApiVersions" : "to connect"));
        EXPECT(s.channels[0].aborted);
        end();
    }
}

TEST(a_time_out_says_what_the_driver_waited_for) {
    begin();
    s.unreachable = true;
    connection_open(&c);
    c.driver_waits = "to look up its name";
    scripted_run(&s, 10 * SECOND);
    EXPECT_TEXT(seen.why.detail, "broker-1:9092: no answer in time (to look up its name)");
    end();
}

TEST(answers_come_in_order_however_the_bytes_are_cut) {
    for (size_t cut = 1; cut < 40; cut++) {
        begin();
        s.read_max = cut;
        s.write_max = 41 - cut;
        connection_open(&c);
        scripted_run(&s, MS);
        EXPECT_INT(seen.ready, 1);
        for (int i = 0; i < 3; i++) EXPECT(ask().kind == ERROR_NONE);
        scripted_run(&s, MS);
        EXPECT_INT(scripted_unanswered(&s, API_INIT_PRODUCER_ID), 3);
        answer_all();  // all three in one stretch of bytes
        scripted_run(&s, MS);
        EXPECT_INT(replies.count, 3);
        for (int i = 0; i < 3; i++) EXPECT_INT(replies.offsets[i], i);
        EXPECT_INT(c.requests_count, 0);
        end();
    }
}

// The response, cut off after each of its bytes by the end of the connection.
TEST(a_response_cut_short_answers_nobody) {
    size_t whole = 0;
    for (size_t size = 0; whole == 0 || size < whole; size++) {
        begin_ready();
        EXPECT(ask().kind == ERROR_NONE);
        scripted_run(&s, MS);
        struct scripted_channel *ch = scripted_channel_of(&s, &c);
        size_t before = ch->out.size;
        answer_all();
        whole = ch->out.size - before;
        ch->out.size = before + size;
        scripted_run(&s, MS);
        EXPECT_INT(replies.count, 0);
        scripted_cut(&s, &c);
        EXPECT_INT(replies.failed, 1);
        EXPECT_INT(replies.failures[0], ERROR_TRANSPORT);
        EXPECT_INT(seen.lost, 1);
        end();
    }
    EXPECT(whole > 10);
}

TEST(a_reply_may_close_the_connection) {
    begin_ready();
    replies.close_on_reply = true;
    for (int i = 0; i < 3; i++) EXPECT(ask().kind == ERROR_NONE);
    scripted_run(&s, MS);
    answer_all();  // two more responses stand behind the first in the same read
    scripted_run(&s, MS);
    EXPECT_INT(replies.count, 1);
    EXPECT_INT(replies.failed, 2);
    EXPECT_INT(replies.failures[0], ERROR_CLOSED);
    EXPECT_INT(seen.lost, 0);  // closing is no news to who closes
    EXPECT_INT(c.state, CONNECTION_CLOSED);
    EXPECT_INT(replies.hold->size, replies.hold->references ? 4 + load_be32(replies.hold->at) : 0);  // still whole
    connection_open(&c);
    scripted_run(&s, MS);
    EXPECT_INT(seen.ready, 2);
    end();
}

TEST(lengths_and_answers_that_cannot_be_are_told_as_what_they_are) {
    static const struct {
        const char *at;
        size_t size;
        const char *detail;
    } bad[] = {
        {"\0\0\0\0", 4, "announced a response of 0 bytes"},
        {"\0\0\0\3", 4, "announced a response of 3 bytes"},
        {"\377\377\377\377", 4, "announced a response of 4294967295 bytes"},
        {"\010\0\0\1", 4, "announced a response of 134217729 bytes"},
        {"HTTP/1.1 400 Bad Request\r\n", 26, "it answers in HTTP"},
        {"\x15\x03\x03\0\2\2\x16", 7, "is a TLS listener"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        begin_ready();
        EXPECT(ask().kind == ERROR_NONE);
        scripted_run(&s, MS);
        say(bad[i].at, bad[i].size);
        scripted_run(&s, MS);
        EXPECT_INT(seen.lost, 1);
        EXPECT_INT(seen.why.kind, ERROR_PROTOCOL);
        if (!strstr(seen.why.detail, bad[i].detail)) printf("%s\n", seen.why.detail);
        EXPECT(strstr(seen.why.detail, bad[i].detail));
        EXPECT_INT(replies.failed, 1);
        EXPECT_INT(replies.failures[0], ERROR_PROTOCOL);
        end();
    }
}

TEST(a_response_nobody_asked_for_closes) {
    begin_ready();
    say("\0\0\0\4\0\0\0\1", 8);
    scripted_run(&s, MS);
    EXPECT_INT(seen.lost, 1);
    EXPECT(strstr(seen.why.detail, "to no request"));
    end();
}

TEST(a_wrong_correlation_id_and_bytes_left_over_close) {
    for (int left_over = 0; left_over < 2; left_over++) {
        begin_ready();
        EXPECT(ask().kind == ERROR_NONE);
        scripted_run(&s, MS);
        struct scripted_request *r = scripted_next(&s, API_INIT_PRODUCER_ID);
        struct buffer *out = &scripted_channel_of(&s, &c)->out;
        size_t before = out->size;
        if (!left_over) r->header.correlation_id++;
        answer(r, 1);
        if (left_over) {
            store_be32(out->at + before, load_be32(out->at + before) + 1);
            buffer_append_u8(out, 0);
        }
        scripted_run(&s, MS);
        EXPECT_INT(replies.count, 0);
        EXPECT_INT(seen.lost, 1);
        EXPECT(strstr(seen.why.detail, left_over ? "left over" : "correlation id"));
        end();
    }
}

TEST(the_oldest_request_decides_when_it_is_too_late) {
    begin_ready();
    EXPECT(ask().kind == ERROR_NONE);
    scripted_run(&s, 10 * SECOND);
    EXPECT(ask().kind == ERROR_NONE);
    scripted_run(&s, 19 * SECOND);
    answer(scripted_next(&s, API_INIT_PRODUCER_ID), 1);
    scripted_run(&s, 11 * SECOND - 2 * MS);  // the first one's time is over, but it is answered
    EXPECT_INT(replies.count, 1);
    EXPECT_INT(seen.lost, 0);
    scripted_run(&s, 2 * MS);
    EXPECT_INT(seen.lost, 1);
    EXPECT_INT(seen.why.kind, ERROR_TIMEOUT);
    EXPECT_INT(replies.failed, 1);
    EXPECT_INT(replies.failures[0], ERROR_TIMEOUT);
    EXPECT(s.channels[0].aborted);
    end();
}

TEST(a_shorter_time_is_not_forgotten_behind_a_longer_one) {
    begin_ready();
    EXPECT(ask_within(60 * SECOND).kind == ERROR_NONE);
    EXPECT(ask_within(5 * SECOND).kind == ERROR_NONE);
    scripted_run(&s, SECOND);
    answer(scripted_next(&s, API_INIT_PRODUCER_ID), 1);
    scripted_run(&s, 5 * SECOND);
    EXPECT_INT(seen.lost, 1);
    end();
}

TEST(requests_without_an_answer_have_a_limit) {
    begin_ready();
    for (int i = 0; i < REQUESTS_IN_FLIGHT_MAX; i++) EXPECT(ask().kind == ERROR_NONE);
    EXPECT_INT(ask().kind, ERROR_LIMIT);
    scripted_run(&s, MS);
    answer(scripted_next(&s, API_INIT_PRODUCER_ID), 77);
    scripted_run(&s, MS);
    EXPECT(ask().kind == ERROR_NONE);
    EXPECT_INT(ask().kind, ERROR_LIMIT);
    connection_close(&c, true);
    EXPECT_INT(replies.failed, REQUESTS_IN_FLIGHT_MAX);
    end();
}

TEST(the_rest_of_a_response_is_worth_a_wake_up_and_an_answer_that_may_not_wait_is_at_once) {
    begin_ready();
    EXPECT(ask().kind == ERROR_NONE);
    scripted_run(&s, MS);
    EXPECT_INT(connection_input_wanted(&c), 1);
    say("\0\0\3\350", 4);  // 1000 bytes
    scripted_run(&s, MS);
    EXPECT_INT(connection_input_wanted(&c), 1000);
    say("\0\0\0\0\0", 5);
    scripted_run(&s, MS);
    EXPECT_INT(connection_input_wanted(&c), 995);
    end();
    begin_ready();
    EXPECT(ask().kind == ERROR_NONE);
    scripted_run(&s, MS);
    say("\0\100\0\0", 4);
    scripted_run(&s, MS);
    EXPECT_INT(connection_input_wanted(&c), CONNECTION_WANTED_MAX);
    end();
}

// Responses larger than the hint -------------------------------------------------------------------------------------

static struct {
    bool yes;
    int asked;
    size_t size;
} admission;

static bool admit(struct connection *connection, size_t frame_size) {
    (void)connection;
    admission.asked++;
    admission.size = frame_size;
    return admission.yes;
}

#define LARGE (300 * KiB)

static void on_large(void *context, const struct error *error, const void *response, struct frame *frame) {
    (void)context, (void)frame;
    if (error_is(error)) {
        replies.failed++;
        return;
    }
    const struct sync_group_response *r = response;
    assert(r->assignment.size == LARGE && r->assignment.at[LARGE - 1] == 0x5a);
    replies.count++;
}

static void ask_large(void) {
    static uint8_t bytes[LARGE];
    memset(bytes, 0x5a, sizeof bytes);
    struct sync_group_request request;
    message_defaults(&sync_group_request_message, &request);
    request.group_id = request.member_id = text_of("g");
    struct connection_call call = {.api_key = API_SYNC_GROUP, .version_max = 3, .request = &request,
                                   .reply = on_large, .timeout_us = 30 * SECOND};
    struct error e = connection_call(&c, &call);
    assert(!error_is(&e));
    scripted_run(&s, MS);
    struct sync_group_response response;
    message_defaults(&sync_group_response_message, &response);
    response.assignment = (struct wire_bytes){bytes, LARGE};
    scripted_answer(&s, scripted_next(&s, API_SYNC_GROUP), &response);
}

TEST(a_large_response_waits_until_it_is_admitted) {
    begin_ready();
    memset(&admission, 0, sizeof admission);
    c.admit = admit;
    ask_large();
    EXPECT(ask().kind == ERROR_NONE);  // and what comes behind it waits too
    scripted_run(&s, MS);
    answer_all();
    scripted_run(&s, SECOND);
    EXPECT_INT(admission.asked, 1);
    EXPECT(admission.size > LARGE && admission.size < LARGE + 100);
    EXPECT_INT(connection_input(&c).size, 0);
    EXPECT_INT(replies.count, 0);
    connection_resume(&c);  // still no
    scripted_run(&s, SECOND);
    EXPECT_INT(admission.asked, 2);
    EXPECT_INT(replies.count, 0);
    admission.yes = true;
    connection_resume(&c);
    scripted_run(&s, MS);
    EXPECT_INT(replies.count, 2);
    EXPECT_INT(admission.asked, 3);
    end();
}

TEST(a_paused_connection_may_be_lost_and_opened_again) {
    for (int how = 0; how < 3; how++) {
        begin_ready();
        memset(&admission, 0, sizeof admission);
        c.admit = admit;
        ask_large();
        scripted_run(&s, MS);
        EXPECT(c.paused);
        if (how == 0) scripted_cut(&s, &c);
        else if (how == 1) connection_close(&c, true);
        else scripted_run(&s, 31 * SECOND);
        EXPECT_INT(replies.failed, 1);
        EXPECT(!c.paused);
        connection_resume(&c);  // room came too late: nothing to do
        connection_open(&c);
        scripted_run(&s, MS);
        EXPECT_INT(seen.ready, 2);
        end();
    }
}

TEST(a_small_response_does_not_pin_a_large_frame) {
    begin();
    c.receive_hint = MiB;
    connection_open(&c);
    scripted_run(&s, MS);
    EXPECT(ask().kind == ERROR_NONE);
    scripted_run(&s, MS);
    answer_all();
    scripted_run(&s, MS);
    EXPECT_INT(replies.count, 1);
    EXPECT(replies.hold && replies.hold->capacity <= 64 * KiB);
    EXPECT(s.env.frames.bytes_lent <= 64 * KiB);
    end();
}

// Output -------------------------------------------------------------------------------------------------------------

static void produce(struct frame *payload, size_t size) {
    struct produce_request request;
    struct produce_request_topic topic;
    struct produce_request_partition partition;
    message_defaults(&produce_request_message, &request);
    message_defaults(&produce_request_topic_message, &topic);
    message_defaults(&produce_request_partition_message, &partition);
    topic.name = text_of("t");
    topic.partition_data = &partition;
    topic.partition_data_count = 1;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    partition.records = (struct wire_bytes){payload->at, (int32_t)size};
    struct connection_call call = {.api_key = API_PRODUCE, .version_max = 9, .request = &request, .reply = on_large,
                                   .timeout_us = 30 * SECOND, .holds = &payload, .holds_count = 1};
    struct error e = connection_call(&c, &call);
    assert(!error_is(&e));
}

TEST(payloads_go_from_where_they_lie_and_are_let_go_when_written) {
    for (size_t at_once = 1; at_once < 100; at_once += 7) {
        begin_ready();
        struct frame *f = frame_new(&s.env.frames, 5000);
        for (size_t i = 0; i < 5000; i++) f->at[i] = (uint8_t)(i * 7);
        struct bytes ranges[8];
        produce(f, 5000);
        produce(f, 4000);
        EXPECT_INT(f->references, 3);
        size_t count = connection_output(&c, ranges, 8);
        bool in_place = false;
        for (size_t i = 0; i < count; i++) in_place |= ranges[i].at == f->at;
        EXPECT(in_place);
        s.write_max = at_once;
        scripted_run(&s, MS);
        EXPECT_INT(f->references, 1);
        EXPECT(!connection_has_output(&c));
        EXPECT_INT(scripted_unanswered(&s, API_PRODUCE), 2);
        struct produce_request *r = scripted_next(&s, API_PRODUCE)->body;
        struct wire_bytes got = r->topic_data[0].partition_data[0].records;
        EXPECT(got.size == 5000 && memcmp(got.at, f->at, 5000) == 0);
        frame_release(f);
        end();
    }
}

TEST(closing_lets_go_of_payloads_half_written) {
    begin_ready();
    struct frame *f = frame_new(&s.env.frames, 5000);
    produce(f, 5000);
    produce(f, 5000);
    connection_sent(&c, 60);  // the header and some of the payload
    connection_close(&c, true);
    EXPECT_INT(f->references, 1);
    EXPECT_INT(replies.failed, 2);
    EXPECT(!connection_has_output(&c));
    frame_release(f);
    end();
}

TEST(past_the_fence_nothing_is_written) {
    begin_ready();
    int64_t fence_us = s.env.now_us + 5 * SECOND;
    c.fence_us = &fence_us;
    EXPECT(ask().kind == ERROR_NONE);
    scripted_run(&s, MS);
    EXPECT_INT(scripted_unanswered(&s, API_INIT_PRODUCER_ID), 1);
    scripted_run(&s, fence_us - s.env.now_us);  // the very instant counts as passed
    uint64_t before = s.bytes_written;
    EXPECT(ask().kind == ERROR_NONE);
    scripted_run(&s, SECOND);
    EXPECT_INT(s.bytes_written, before);
    EXPECT(connection_has_output(&c));
    fence_us = s.env.now_us + SECOND;
    scripted_run(&s, MS);
    EXPECT(s.bytes_written > before);
    EXPECT_INT(scripted_unanswered(&s, API_INIT_PRODUCER_ID), 2);
    end();
}

int main(void) {
    RUN(greets_and_speaks_the_highest_common_version);
    RUN(a_refused_greeting_is_a_lost_connection);
    RUN(a_broker_that_never_answers_is_given_up_in_time);
    RUN(a_time_out_says_what_the_driver_waited_for);
    RUN(answers_come_in_order_however_the_bytes_are_cut);
    RUN(a_response_cut_short_answers_nobody);
    RUN(a_reply_may_close_the_connection);
    RUN(lengths_and_answers_that_cannot_be_are_told_as_what_they_are);
    RUN(a_response_nobody_asked_for_closes);
    RUN(a_wrong_correlation_id_and_bytes_left_over_close);
    RUN(the_oldest_request_decides_when_it_is_too_late);
    RUN(a_shorter_time_is_not_forgotten_behind_a_longer_one);
    RUN(requests_without_an_answer_have_a_limit);
    RUN(the_rest_of_a_response_is_worth_a_wake_up_and_an_answer_that_may_not_wait_is_at_once);
    RUN(a_large_response_waits_until_it_is_admitted);
    RUN(a_paused_connection_may_be_lost_and_opened_again);
    RUN(a_small_response_does_not_pin_a_large_frame);
    RUN(payloads_go_from_where_they_lie_and_are_let_go_when_written);
    RUN(closing_lets_go_of_payloads_half_written);
    RUN(past_the_fence_nothing_is_written);
    return test_result();
}
