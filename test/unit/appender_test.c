// Appenders against a scripted broker: what shares a request, what keeps its order, and whose answer it is.
#include "unit/test.h"

#include "unit/scripted_broker.h"

#include "client/appender.h"
#include "unit/batches.h"

#define PARTITIONS 4
#define DEPTH 3

static struct scripted s;
static struct cluster cluster;
static struct appender a;
static struct append_partition partitions[PARTITIONS];
static struct frame *frame;

static struct {
    char story[4096];  // "partition:base offset" of each answer, in order, with the error code after '!'
    int ready, silent, detached, orphans_answered, orphans_lost;
    enum error_kind why;
    struct append_partition *detach;  // inside the next answer
    bool reattach;
} seen;

static void on_answer(struct append_partition *p, const struct append *x, int16_t error_code, int64_t base_offset) {
    assert(x->partition == p);
    size_t used = strlen(seen.story);
    snprintf(seen.story + used, sizeof seen.story - used, "%d%c%lld ", (int)(p - partitions), error_code ? '!' : ':',
             error_code ? (long long)error_code : (long long)base_offset);
    if (!seen.detach) return;
    appender_detach(seen.detach);
    if (seen.reattach) appender_attach(&a, seen.detach);
    seen.detach = NULL;
}

static void on_orphan_gone(struct append_partition *p, bool lost) {
    (void)p;
    if (lost) seen.orphans_lost++;
    else seen.orphans_answered++;
}

static void on_ready(struct appender *appender) {
    assert(appender == &a);
    seen.ready++;
}

static void on_silent(struct appender *appender) {
    assert(appender->silent && appender->depth > 0);
    seen.silent++;
}

static void on_detached(struct append_partition *p, const struct error *why) {
    assert(!p->appender);
    seen.detached++;
    seen.why = why->kind;
}

static void begin_with(int count) {
    scripted_init(&s);
    scripted_topic(&s, "t", PARTITIONS);
    scripted_cluster(&s, &cluster);
    memset(&seen, 0, sizeof seen);
    memset(partitions, 0, sizeof partitions);
    appender_init(&a, &cluster, 1, -1, DEPTH);
    a.on_ready = on_ready;
    a.on_silent = on_silent;
    a.on_detached = on_detached;
    for (int32_t i = 0; i < PARTITIONS; i++) {
        partitions[i].name = (struct topic_partition){"t", {{0}}, i};
        partitions[i].name.topic_id.at[15] = 1;
        partitions[i].on_answer = on_answer;
        partitions[i].on_orphan_gone = on_orphan_gone;
        append_partition_init(&partitions[i]);
        if (i < count) appender_attach(&a, &partitions[i]);
    }
    frame = frame_new(&s.env.frames, 4 * MiB);
    memset(frame->at, 0x5a, frame->capacity);
    broker_link_start(&a.link);
    scripted_run(&s, MS);
    assert(seen.ready == 1);
}

static void end(void) {
    for (int i = 0; i < PARTITIONS; i++) appender_detach(&partitions[i]);
    appender_free(&a);
    EXPECT_INT(frame->references, 1);
    frame_release(frame);
    scripted_cluster_free(&s, &cluster);
    scripted_free(&s);
}

// A batch of partition i that begins at `base` (its first bytes say so) and has `size` bytes.
static void queue(int i, int64_t base, int32_t size) {
    uint8_t *at = frame->at + (size_t)(i * 100 + base) * 8;
    store_be64(at, (uint64_t)(i * 1000 + base));
    struct append x = {.hold = frame, .at = at, .size = size, .count = 1, .base_offset = base};
    appender_queue(&partitions[i], &x);
}

// What the oldest (or the nth) request without an answer holds: "partition:base " for each batch.
static const char *request_story(int nth) {
    static char text[512];
    text[0] = '\0';
    for (struct scripted_request *r = s.requests; r; r = r->next) {
        if (r->answered || r->api->key != API_PRODUCE || !r->channel->connection || nth-- > 0) continue;
        const struct produce_request *q = r->body;
        for (int32_t i = 0; i < q->topic_data_count; i++) {
            for (int32_t k = 0; k < q->topic_data[i].partition_data_count; k++) {
                const struct produce_request_partition *p = &q->topic_data[i].partition_data[k];
                int64_t base = (int64_t)load_be64(p->records.at) - 1000 * p->index;
                size_t used = strlen(text);
                snprintf(text + used, sizeof text - used, "%d:%lld ", p->index, (long long)base);
            }
        }
        break;
    }
    return text;
}

// Answers the oldest request: each batch landed where its bytes say, in reverse order if wanted; `code` for one.
struct reply {
    bool reversed;
    int32_t leave_out, refuse;  // partition, -1 = none
    int16_t code;
};

static void answer(struct reply how) {
    struct scripted_request *r = scripted_next(&s, API_PRODUCE);
    assert(r);
    const struct produce_request *q = r->body;
    struct produce_response response;
    struct produce_response_topic topic;
    struct produce_response_partition answers[PARTITIONS];
    message_defaults(&produce_response_message, &response);
    message_defaults(&produce_response_topic_message, &topic);
    topic.name = q->topic_data[0].name;
    topic.topic_id = q->topic_data[0].topic_id;
    topic.partition_responses = answers;
    for (int32_t i = 0; i < q->topic_data[0].partition_data_count; i++) {
        int32_t from = how.reversed ? q->topic_data[0].partition_data_count - 1 - i : i;
        const struct produce_request_partition *p = &q->topic_data[0].partition_data[from];
        if (p->index == how.leave_out) continue;
        struct produce_response_partition *to = &answers[topic.partition_responses_count++];
        message_defaults(&produce_response_partition_message, to);
        to->index = p->index;
        to->base_offset = (int64_t)load_be64(p->records.at) - 1000 * p->index;
        if (p->index == how.refuse) to->error_code = how.code;
    }
    response.responses = &topic;
    response.responses_count = 1;
    scripted_answer(&s, r, &response);
}

static void reply(struct reply how) {
    answer(how);
    scripted_run(&s, MS);
}

static const struct reply fine = {.leave_out = -1, .refuse = -1};

TEST(one_batch_of_each_partition_in_a_request) {
    begin_with(3);
    queue(0, 1, 100);
    queue(0, 2, 100);
    queue(1, 1, 100);
    queue(0, 3, 100);
    queue(2, 1, 100);
    queue(2, 2, 100);
    scripted_run(&s, MS);
    EXPECT_INT(scripted_unanswered(&s, API_PRODUCE), 3);
    EXPECT_TEXT(request_story(0), "0:1 1:1 2:1 ");
    EXPECT_TEXT(request_story(1), "0:2 2:2 ");
    EXPECT_TEXT(request_story(2), "0:3 ");
    const struct produce_request *q = scripted_next(&s, API_PRODUCE)->body;
    EXPECT_INT(q->acks, -1);
    EXPECT_INT(q->transactional_id.size, -1);
    EXPECT_INT(frame->references, 1);  // written
    for (int i = 0; i < 3; i++) reply(fine);
    EXPECT_TEXT(seen.story, "0:1 1:1 2:1 0:2 2:2 0:3 ");
    EXPECT_INT(partitions[0].unanswered, 0);
    EXPECT_INT(a.depth, 0);
    end();
}

TEST(no_more_requests_under_way_than_the_depth) {
    begin_with(1);
    for (int i = 1; i <= 6; i++) queue(0, i, 100);
    scripted_run(&s, MS);
    EXPECT_INT(scripted_unanswered(&s, API_PRODUCE), DEPTH);
    EXPECT_INT(partitions[0].unanswered, 6);
    for (int i = 1; i <= 6; i++) {
        EXPECT_INT(scripted_unanswered(&s, API_PRODUCE), i <= 4 ? DEPTH : 7 - i);
        reply(fine);
    }
    EXPECT_TEXT(seen.story, "0:1 0:2 0:3 0:4 0:5 0:6 ");
    EXPECT_INT(s.requests_count[API_PRODUCE], 6);
    end();
}

TEST(requests_have_a_size_but_one_large_batch_goes_alone) {
    begin_with(4);
    queue(0, 1, 600 * KiB);
    queue(1, 1, 600 * KiB);
    queue(2, 1, 2 * MiB);
    queue(3, 1, 1000);
    scripted_run(&s, MS);
    EXPECT_TEXT(request_story(0), "0:1 ");
    EXPECT_TEXT(request_story(1), "1:1 ");
    EXPECT_TEXT(request_story(2), "2:1 ");
    for (int i = 0; i < 4; i++) reply(fine);
    EXPECT_TEXT(seen.story, "0:1 1:1 2:1 3:1 ");
    end();
}

TEST(who_has_much_to_send_does_not_push_the_others_back) {
    begin_with(3);
    for (int i = 1; i <= 5; i++) queue(0, i, 400 * KiB);
    queue(1, 1, 400 * KiB);
    queue(2, 1, 400 * KiB);
    scripted_run(&s, MS);
    EXPECT_TEXT(request_story(0), "0:1 1:1 ");
    EXPECT_TEXT(request_story(1), "2:1 0:2 ");
    for (int i = 0; i < 5; i++) reply(fine);
    EXPECT_TEXT(seen.story, "0:1 1:1 2:1 0:2 0:3 0:4 0:5 ");
    end();
}

TEST(answers_are_found_in_whatever_order_they_come) {
    begin_with(4);
    for (int i = 0; i < 4; i++) queue(i, i, 100);
    scripted_run(&s, MS);
    reply((struct reply){true, 2, 1, KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER});
    EXPECT_TEXT(seen.story, "3:3 1!45 0:0 2!-1 ");  // who got no answer is told so
    for (int i = 0; i < 4; i++) EXPECT_INT(partitions[i].unanswered, 0);
    end();
}

TEST(a_detached_partition_hears_nothing_more) {
    for (int reattach = 0; reattach < 2; reattach++) {
        begin_with(2);
        for (int i = 1; i <= 5; i++) queue(0, i, 100), queue(1, i, 100);
        scripted_run(&s, MS);
        seen.detach = &partitions[0];  // in the answer to its own first batch: the other four must be nobody's
        seen.reattach = reattach;
        for (int i = 0; i < 3; i++) reply(fine);
        EXPECT_TEXT(seen.story, "0:1 1:1 1:2 1:3 ");
        EXPECT_INT(partitions[0].unanswered, 0);
        EXPECT_INT(partitions[0].under_way, 0);
        EXPECT_INT(seen.orphans_answered, 2);
        EXPECT_INT(partitions[1].unanswered, 2);
        EXPECT_TEXT(request_story(0), "1:4 ");  // what was queued is dropped
        if (reattach) queue(0, 9, 100);
        reply(fine);
        reply(fine);
        if (reattach) reply(fine);
        EXPECT_TEXT(seen.story, reattach ? "0:1 1:1 1:2 1:3 1:4 1:5 0:9 " : "0:1 1:1 1:2 1:3 1:4 1:5 ");
        end();
    }
}

TEST(what_went_with_the_connection_is_told_whoever_it_belongs_to_now) {
    begin_with(1);
    for (int i = 1; i <= 5; i++) queue(0, i, 100);
    scripted_run(&s, MS);
    EXPECT_INT(partitions[0].under_way, DEPTH);
    appender_drop_queued(&partitions[0]);
    EXPECT_INT(partitions[0].unanswered, DEPTH);
    appender_detach(&partitions[0]);
    EXPECT_INT(partitions[0].under_way, DEPTH);
    scripted_cut(&s, &a.link.connection);
    EXPECT_INT(partitions[0].under_way, 0);
    EXPECT_INT(seen.orphans_lost, DEPTH);
    end();
}

TEST(another_partition_may_be_detached_inside_an_answer) {
    begin_with(3);
    for (int i = 0; i < 3; i++) queue(i, 1, 100), queue(i, 2, 100);
    scripted_run(&s, MS);
    seen.detach = &partitions[1];
    reply(fine);
    EXPECT_TEXT(seen.story, "0:1 2:1 ");
    reply(fine);
    EXPECT_TEXT(seen.story, "0:1 2:1 0:2 2:2 ");
    end();
}

TEST(a_lost_connection_detaches_everybody_and_nothing_is_sent_twice) {
    begin_with(3);
    for (int i = 1; i <= 5; i++) queue(0, i, 100), queue(1, i, 100);
    scripted_run(&s, MS);
    reply(fine);
    queue(2, 1, 100);  // half written
    s.write_max = 10;
    scripted_cut(&s, &a.link.connection);
    s.write_max = 0;
    EXPECT_INT(seen.detached, 3);
    EXPECT(list_empty(&a.members));
    EXPECT_INT(a.depth, 0);
    EXPECT_INT(frame->references, 1);
    int before = s.requests_count[API_PRODUCE];
    scripted_run(&s, SECOND);
    EXPECT_INT(seen.ready, 2);
    EXPECT_INT(s.requests_count[API_PRODUCE], before);
    EXPECT_TEXT(seen.story, "0:1 1:1 ");
    appender_attach(&a, &partitions[1]);
    queue(1, 2, 100);
    scripted_run(&s, MS);
    reply(fine);
    EXPECT_TEXT(seen.story, "0:1 1:1 1:2 ");
    end();
}

TEST(a_broker_that_does_not_offer_produce_costs_the_connection_only) {
    begin_with(2);
    s.version_max[API_PRODUCE] = -1;
    scripted_cut(&s, &a.link.connection);
    scripted_run(&s, SECOND);
    for (int i = 0; i < 2 * DEPTH; i++) {
        int detached = seen.detached;
        appender_attach(&a, &partitions[0]);
        appender_attach(&a, &partitions[1]);
        queue(0, 1, 100);
        queue(1, 1, 100);
        scripted_run(&s, 2 * SECOND);
        EXPECT_INT(seen.detached, detached + 2);
        EXPECT_INT(seen.why, ERROR_PROTOCOL);
        EXPECT_INT(a.depth, 0);
    }
    s.version_max[API_PRODUCE] = 9;
    scripted_cut(&s, &a.link.connection);
    scripted_run(&s, 2 * SECOND);
    appender_attach(&a, &partitions[0]);
    queue(0, 2, 100);
    scripted_run(&s, MS);
    reply(fine);
    EXPECT_TEXT(seen.story, "0:2 ");
    end();
}

TEST(topics_go_by_id_only_where_all_have_one) {
    begin_with(2);
    queue(0, 1, 100);
    scripted_run(&s, MS);
    EXPECT_INT(scripted_next(&s, API_PRODUCE)->header.version, 13);
    reply(fine);
    memset(&partitions[1].name.topic_id, 0, sizeof partitions[1].name.topic_id);
    queue(0, 2, 100);
    queue(1, 1, 100);
    scripted_run(&s, MS);
    EXPECT_INT(scripted_next(&s, API_PRODUCE)->header.version, 12);
    reply(fine);
    EXPECT_TEXT(seen.story, "0:1 0:2 1:1 ");
    end();
}

TEST(half_of_the_answers_are_waited_for_and_no_byte_more_than_they_have) {
    for (int16_t version = 3; version <= 13; version++) {
        begin_with(0);
        s.version_max[API_PRODUCE] = version;
        scripted_cut(&s, &a.link.connection);
        scripted_run(&s, SECOND);
        for (int i = 0; i < 3; i++) {
            appender_attach(&a, &partitions[i]);
            queue(i, 1, 100);
            queue(i, 2, 100);
        }
        queue(0, 3, 100);
        scripted_run(&s, MS);
        EXPECT_INT(scripted_unanswered(&s, API_PRODUCE), DEPTH);
        struct scripted_channel *ch = scripted_channel_of(&s, &a.link.connection);
        answer(fine);
        EXPECT(ch->out.size - ch->delivered < connection_input_wanted(&a.link.connection));
        answer(fine);
        EXPECT(ch->out.size - ch->delivered >= connection_input_wanted(&a.link.connection));
        scripted_run(&s, MS);
        answer(fine);  // alone
        EXPECT(ch->out.size - ch->delivered >= connection_input_wanted(&a.link.connection));
        scripted_run(&s, MS);
        EXPECT_TEXT(seen.story, "0:1 1:1 2:1 0:2 1:2 2:2 0:3 ");
        EXPECT_INT(connection_input_wanted(&a.link.connection), 1);
        end();
    }
}

// The broker needs long for each: the first answer is no sign that the second is near.
TEST(of_a_slow_broker_each_answer_is_news) {
    begin_with(0);
    for (int i = 0; i < 3; i++) {
        appender_attach(&a, &partitions[i]);
        queue(i, 1, 100);
        queue(i, 2, 100);
    }
    queue(0, 3, 100);
    scripted_run(&s, MS);
    EXPECT_INT(scripted_unanswered(&s, API_PRODUCE), DEPTH);
    for (int i = 0; i < DEPTH; i++) {
        EXPECT((connection_input_wanted(&a.link.connection) > 1) == (i == 0));
        int wakes = s.wakes;
        scripted_run(&s, ANSWER_ALONE_US);
        EXPECT(s.wakes > wakes);  // who moves bytes asks again how many are wanted
        EXPECT_INT(connection_input_wanted(&a.link.connection), 1);
        answer(fine);
        scripted_run(&s, MS);
    }
    EXPECT_INT(seen.silent, 0);
    end();
}

// Small batches ------------------------------------------------------------------------------------------------------

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
    a.depth_max = PRODUCE_SMALL_DEPTH + 2;
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
    RUN(one_batch_of_each_partition_in_a_request);
    RUN(no_more_requests_under_way_than_the_depth);
    RUN(requests_have_a_size_but_one_large_batch_goes_alone);
    RUN(who_has_much_to_send_does_not_push_the_others_back);
    RUN(answers_are_found_in_whatever_order_they_come);
    RUN(a_detached_partition_hears_nothing_more);
    RUN(what_went_with_the_connection_is_told_whoever_it_belongs_to_now);
    RUN(another_partition_may_be_detached_inside_an_answer);
    RUN(a_lost_connection_detaches_everybody_and_nothing_is_sent_twice);
    RUN(a_broker_that_does_not_offer_produce_costs_the_connection_only);
    RUN(topics_go_by_id_only_where_all_have_one);
    RUN(half_of_the_answers_are_waited_for_and_no_byte_more_than_they_have);
    RUN(of_a_slow_broker_each_answer_is_news);
    return test_result();
}
