// An appender some of whose batches need a lease: until when its connection may write.
#include "unit/test.h"

#include "unit/scripted_broker.h"

#include "client/appender.h"
#include "unit/batches.h"

static struct scripted s;
static struct cluster cluster;
static struct appender a;
static struct append_partition p;
static struct frame *frame;
static int64_t fence_us, lease_us;

static void ignore_ready(struct appender *appender) {
    (void)appender;
}

static void ignore_silent(struct appender *appender) {
    (void)appender;
}

static void ignore_detached(struct append_partition *partition, const struct error *why) {
    (void)partition, (void)why;
}

static void ignore_orphan(struct append_partition *partition, bool lost) {
    (void)partition, (void)lost;
}

static void ignore_answer(struct append_partition *partition, const struct append *x, int16_t code, int64_t base) {
    (void)partition, (void)x, (void)code, (void)base;
}

static void begin(void) {
    scripted_init(&s);
    scripted_topic(&s, "t", 1);
    scripted_cluster(&s, &cluster);
    appender_init(&a, &cluster, 1, -1, 3);
    a.on_ready = ignore_ready;
    a.on_silent = ignore_silent;
    a.on_detached = ignore_detached;
    a.fence_us = &fence_us;
    a.lease_us = &lease_us;
    fence_us = lease_us = INT64_MAX;
    p = (struct append_partition){.name = {"t", {{0}}, 0}, .on_answer = ignore_answer, .on_orphan_gone = ignore_orphan};
    p.name.topic_id.at[15] = 1;
    append_partition_init(&p);
    appender_attach(&a, &p);
    frame = frame_new(&s.env.frames, 64 * KiB);
    memset(frame->at, 0x5a, frame->capacity);
    broker_link_start(&a.link);
    scripted_run(&s, MS);
}

static void end(void) {
    appender_detach(&p);
    appender_free(&a);
    frame_release(frame);
    scripted_cluster_free(&s, &cluster);
    scripted_free(&s);
}

static void queue(int64_t base, bool leased) {
    struct append x = {.hold = frame, .at = frame->at, .size = 100, .count = 1, .base_offset = base, .leased = leased};
    appender_queue(&p, &x);
}

static void answer_oldest(void) {
    struct scripted_request *r = scripted_next(&s, API_PRODUCE);
    const struct produce_request *q = r->body;
    struct produce_response response;
    struct produce_response_topic topic;
    struct produce_response_partition partition;
    message_defaults(&produce_response_message, &response);
    message_defaults(&produce_response_topic_message, &topic);
    message_defaults(&produce_response_partition_message, &partition);
    topic.name = q->topic_data[0].name;
    topic.topic_id = q->topic_data[0].topic_id;
    topic.partition_responses = &partition;
    response.responses = &topic;
    topic.partition_responses_count = response.responses_count = 1;
    scripted_answer(&s, r, &response);
    scripted_run(&s, MS);
}

static bool needs_lease(void) {
    return a.link.connection.fence_us == &lease_us;
}

TEST(while_one_needs_a_lease_the_whole_connection_does) {
    begin();
    queue(1, false);
    EXPECT(a.link.connection.fence_us == &fence_us);
    queue(2, true);
    queue(3, false);
    scripted_run(&s, MS);
    EXPECT(needs_lease());
    answer_oldest();
    EXPECT(needs_lease());
    answer_oldest();
    EXPECT(!needs_lease());
    EXPECT_INT(scripted_unanswered(&s, API_PRODUCE), 1);
    end();
}

// Joined to what is queued, or queued.
static void queue_small(bool leased) {
    struct test_batch of_one = PLAIN_BATCH;
    struct batch_header h;
    struct buffer out;
    int32_t grown;
    buffer_init(&out, MiB);
    struct bytes made = test_batch_write(&out, &of_one, &(struct test_record){NULL, "value", 1000}, 1);
    struct bytes batch = {memcpy(frame->at, made.at, made.size), made.size};
    buffer_free(&out);
    assert(batch_look(batch, &h) == BATCH_WHOLE);
    if (appender_join(&p, batch, &h, JOINED_SIZE_MAX, leased, &grown)) return;
    struct append x = {.hold = frame, .at = batch.at, .size = h.size, .count = 1, .small = true, .may_grow = true,
                       .leased = leased};
    appender_queue(&p, &x);
}

TEST(what_is_joined_needs_one_lease_however_many_parts_do) {
    begin();
    queue_small(false);
    EXPECT(!needs_lease());
    for (int i = 0; i < 3; i++) queue_small(true);
    EXPECT(needs_lease());
    EXPECT_INT(p.unanswered, 1);
    scripted_run(&s, MS);
    EXPECT(needs_lease());
    answer_oldest();
    EXPECT(!needs_lease());
    end();
}

TEST(what_is_under_way_needs_it_whoever_sent_it) {
    begin();
    queue(1, true);
    scripted_run(&s, MS);
    appender_detach(&p);
    EXPECT(needs_lease());
    answer_oldest();
    EXPECT(!needs_lease());
    appender_attach(&a, &p);
    queue(2, true);
    EXPECT(needs_lease());
    appender_drop_queued(&p);
    EXPECT(!needs_lease());
    end();
}

TEST(without_one_nothing_is_written) {
    begin();
    queue(1, true);
    lease_us = s.env.now_us;
    scripted_run(&s, MS);
    EXPECT_INT(scripted_unanswered(&s, API_PRODUCE), 0);
    EXPECT(connection_has_output(&a.link.connection));
    end();
}

int main(void) {
    RUN(while_one_needs_a_lease_the_whole_connection_does);
    RUN(what_is_joined_needs_one_lease_however_many_parts_do);
    RUN(what_is_under_way_needs_it_whoever_sent_it);
    RUN(without_one_nothing_is_written);
    return test_result();
}
