// Small batches: what waits for an answer, what is joined meanwhile, and what is not.
#include "unit/appender_story.h"

#include "unit/batches.h"

static struct batch_header small_header;

// A real batch of one record, as the source has it, at frame->at + 8 * `place`.
static struct bytes small(int place, const char *value) {
    struct buffer out;
    struct test_batch b = PLAIN_BATCH;
    buffer_init(&out, MiB);
    struct bytes made = test_batch_write(&out, &b, &(struct test_record){NULL, value, 1000 + place}, 1);
    uint8_t *at = frame->at + (size_t)place * 8;
    memcpy(at, made.at, made.size);
    batch_look((struct bytes){at, made.size}, &small_header);
    buffer_free(&out);
    return (struct bytes){at, made.size};
}

static void queue_growing(int i, struct bytes batch, int64_t base_offset) {
    struct append x = {.hold = frame, .at = batch.at, .size = (int32_t)batch.size, .count = 1,
                       .base_offset = base_offset, .small = true, .may_grow = true};
    appender_queue(&partitions[i], &x);
}

// Queues it with its number for base offset, or joins it to what is queued.
static bool queue_small(int i, int number) {
    struct bytes batch = small(i * 1000 + number * 20, "value");
    int32_t grown = 0;
    int64_t before = partitions[i].queued;
    if (appender_join(&partitions[i], batch, &small_header, JOINED_SIZE_MAX, false, &grown)) {
        assert(grown > 0 && grown <= (int32_t)batch.size && partitions[i].queued == before + grown);
        return true;
    }
    small_header.base_offset = 0;
    batch_restamp((uint8_t *)batch.at, &small_header, &(struct batch_stamp){77, 1, number});
    store_be64((uint8_t *)batch.at, (uint64_t)(i * 1000 + number));  // (so that the answer tells where it landed)
    queue_growing(i, batch, number);
    return false;
}

static int32_t records_in_request(int nth, int32_t index) {
    for (struct scripted_request *r = s.requests; r; r = r->next) {
        if (r->answered || r->api->key != API_PRODUCE || !r->channel->connection || nth-- > 0) continue;
        const struct produce_request *q = r->body;
        const struct produce_request_partition *p = &q->topic_data[0].partition_data[index];
        struct batch_header h;
        struct bytes batch = {p->records.at, (size_t)p->records.size};
        bool right = batch_look(batch, &h) == BATCH_WHOLE && (size_t)h.size == batch.size && batch_crc_is_right(batch);
        return right ? h.count : -1;
    }
    return 0;
}

// 0:1, 0:2 and so on, as many as may be under way without keeping others waiting but one.
static void small_under_way(int requests) {
    for (int i = 1; i <= requests; i++) {
        EXPECT(!queue_small(0, i));
        scripted_run(&s, MS / 10);
    }
    EXPECT_INT(scripted_unanswered(&s, API_PRODUCE), requests);
}

TEST(nothing_waits_when_little_is_under_way) {
    begin_with(2);
    EXPECT(!queue_small(0, 1));
    EXPECT(!queue_small(1, 1));
    EXPECT(queue_small(0, 2));
    scripted_run(&s, MS / 10);
    EXPECT_TEXT(request_story(0), "0:1 1:1 ");
    EXPECT_INT(records_in_request(0, 0), 2);
    EXPECT_INT(records_in_request(0, 1), 1);
    reply(fine);
    EXPECT_TEXT(seen.story, "0:1 1:1 ");
    EXPECT_INT(partitions[0].unanswered, 0);
    EXPECT_INT(a.queued, 0);
    end();
}

TEST(small_ones_wait_for_the_answer_and_are_joined) {
    begin_with(2);
    small_under_way(PRODUCE_SMALL_DEPTH);
    EXPECT(!queue_small(0, 3));
    EXPECT(!queue_small(1, 1));
    scripted_run(&s, MS);
    for (int i = 4; i <= 10; i++) EXPECT(queue_small(0, i));
    EXPECT_INT(scripted_unanswered(&s, API_PRODUCE), PRODUCE_SMALL_DEPTH);
    EXPECT_INT(a.pressing, 0);
    reply(fine);
    EXPECT_INT(scripted_unanswered(&s, API_PRODUCE), PRODUCE_SMALL_DEPTH);
    EXPECT_TEXT(request_story(1), "0:3 1:1 ");
    EXPECT_INT(records_in_request(1, 0), 8);
    EXPECT(!queue_small(0, 11));  // what a request has taken stays what it is
    for (int i = 0; i < 3; i++) reply(fine);
    EXPECT_TEXT(seen.story, "0:1 0:2 0:3 1:1 0:11 ");
    EXPECT_INT(frame->references, 1);
    end();
}

TEST(no_answer_is_waited_for_longer_than_some_milliseconds) {
    begin_with(1);
    small_under_way(PRODUCE_SMALL_DEPTH);
    queue_small(0, 3);
    scripted_run(&s, PRODUCE_SMALL_PACE_US - MS);
    EXPECT_INT(scripted_unanswered(&s, API_PRODUCE), PRODUCE_SMALL_DEPTH);
    scripted_run(&s, 2 * MS);
    EXPECT_INT(scripted_unanswered(&s, API_PRODUCE), PRODUCE_SMALL_DEPTH + 1);
    EXPECT_TEXT(request_story(PRODUCE_SMALL_DEPTH), "0:3 ");
    end();
}

TEST(what_cannot_share_or_is_much_does_not_wait) {
    begin_with(2);
    a.depth_max = a.depth_now = PRODUCE_SMALL_DEPTH + 2;
    small_under_way(PRODUCE_SMALL_DEPTH);
    queue_small(0, 3);
    struct bytes other = small(500, "value");
    queue_growing(0, other, 4);
    EXPECT_INT(a.pressing, 1);  // two of one partition
    scripted_run(&s, MS / 10);
    EXPECT_INT(scripted_unanswered(&s, API_PRODUCE), PRODUCE_SMALL_DEPTH + 1);
    EXPECT_INT(a.pressing, 0);
    queue(1, 1, 5000);
    EXPECT_INT(a.pressing, 1);  // not small
    appender_detach(&partitions[1]);
    EXPECT_INT(a.pressing, 0);
    EXPECT_INT(a.queued, partitions[0].queued);
    appender_attach(&a, &partitions[1]);
    char much[2000];
    memset(much, 'x', sizeof much - 1);
    much[sizeof much - 1] = '\0';
    scripted_run(&s, MS / 10);
    EXPECT_INT(scripted_unanswered(&s, API_PRODUCE), PRODUCE_SMALL_DEPTH + 1);
    int32_t grown;
    for (int i = 0; i < 20; i++)
        EXPECT(appender_join(&partitions[0], small(600, much), &small_header, JOINED_SIZE_MAX, false, &grown));
    scripted_run(&s, MS / 10);
    EXPECT_INT(scripted_unanswered(&s, API_PRODUCE), PRODUCE_SMALL_DEPTH + 2);
    end();
}

TEST(damage_and_other_kinds_stay_alone) {
    begin_with(1);
    int32_t grown;
    struct bytes batch = small(0, "value");
    EXPECT(!appender_join(&partitions[0], batch, &small_header, JOINED_SIZE_MAX, false, &grown));  // to nothing
    queue_small(0, 1);
    batch = small(900, "value");
    EXPECT(!appender_join(&partitions[0], batch, &small_header, (int32_t)batch.size, false, &grown));  // too large
    ((uint8_t *)batch.at)[batch.size - 2] ^= 1;
    EXPECT(!appender_join(&partitions[0], batch, &small_header, JOINED_SIZE_MAX, false, &grown));
    small(900, "value");
    small_header.attributes = CODEC_LZ4;
    EXPECT(!appender_join(&partitions[0], batch, &small_header, JOINED_SIZE_MAX, false, &grown));
    EXPECT_INT(partitions[0].queued, partitions[0].unanswered * (int64_t)batch.size);
    ((uint8_t *)frame->at)[20 * 8 + batch.size - 2] ^= 1;  // what is queued is damaged itself
    small(900, "value");
    EXPECT(!appender_join(&partitions[0], batch, &small_header, JOINED_SIZE_MAX, false, &grown));
    scripted_run(&s, MS / 10);
    EXPECT_INT(records_in_request(0, 0), -1);  // and goes as it is
    end();
}

TEST(a_joined_batch_outgrows_its_frame) {
    begin_with(1);
    size_t lent = s.env.frames.bytes_lent;
    queue_small(0, 1);
    int n = 1;
    int32_t grown;
    while (appender_join(&partitions[0], small(900, "value"), &small_header, JOINED_SIZE_MAX, false, &grown)) n++;
    EXPECT(n > 2000 && partitions[0].queued > JOINED_SIZE_MAX - 200 && partitions[0].queued <= JOINED_SIZE_MAX);
    scripted_run(&s, MS / 10);
    EXPECT_INT(records_in_request(0, 0), n);
    reply(fine);
    EXPECT(s.env.frames.bytes_lent <= lent);
    end();
}

int main(void) {
    RUN(nothing_waits_when_little_is_under_way);
    RUN(small_ones_wait_for_the_answer_and_are_joined);
    RUN(no_answer_is_waited_for_longer_than_some_milliseconds);
    RUN(what_cannot_share_or_is_much_does_not_wait);
    RUN(damage_and_other_kinds_stay_alone);
    RUN(a_joined_batch_outgrows_its_frame);
    return test_result();
}
