// An appender and its partitions against a scripted broker, and the words to say what is asked and answered.
#pragma once
#include "unit/test.h"

#include "unit/scripted_broker.h"

#include "client/appender.h"

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

static inline void on_answer(struct append_partition *p, const struct append *x, int16_t error_code,
                             int64_t base_offset) {
    assert(x->partition == p);
    size_t used = strlen(seen.story);
    snprintf(seen.story + used, sizeof seen.story - used, "%d%c%lld ", (int)(p - partitions), error_code ? '!' : ':',
             error_code ? (long long)error_code : (long long)base_offset);
    if (!seen.detach) return;
    appender_detach(seen.detach);
    if (seen.reattach) appender_attach(&a, seen.detach);
    seen.detach = NULL;
}

static inline void on_orphan_gone(struct append_partition *p, bool lost) {
    (void)p;
    if (lost) seen.orphans_lost++;
    else seen.orphans_answered++;
}

static inline void on_ready(struct appender *appender) {
    assert(appender == &a);
    seen.ready++;
}

static inline void on_silent(struct appender *appender) {
    seen.silent += appender->silent;
}

static inline void on_detached(struct append_partition *p, const struct error *why) {
    assert(!p->appender);
    seen.detached++;
    seen.why = why->kind;
}

static inline void begin_with(int count) {
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

static inline void end(void) {
    for (int i = 0; i < PARTITIONS; i++) appender_detach(&partitions[i]);
    appender_free(&a);
    EXPECT_INT(frame->references, 1);
    frame_release(frame);
    scripted_cluster_free(&s, &cluster);
    scripted_free(&s);
}

// A batch of partition i that begins at `base` (its first bytes say so) and has `size` bytes.
static inline void queue(int i, int64_t base, int32_t size) {
    uint8_t *at = frame->at + (size_t)(i * 100 + base) * 8;
    store_be64(at, (uint64_t)(i * 1000 + base));
    struct append x = {.hold = frame, .at = at, .size = size, .count = 1, .base_offset = base};
    appender_queue(&partitions[i], &x);
}

// What the oldest (or the nth) request without an answer holds: "partition:base " for each batch.
static inline const char *request_story(int nth) {
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
    int32_t throttle_ms;
};

static inline void answer(struct reply how) {
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
    response.throttle_time_ms = how.throttle_ms;
    scripted_answer(&s, r, &response);
}

static inline void reply(struct reply how) {
    answer(how);
    scripted_run(&s, MS);
}

static const struct reply fine = {.leave_out = -1, .refuse = -1};
