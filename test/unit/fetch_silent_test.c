// A fetch session whose broker falls silent in the midst of a response that is larger than what was asked for.
#include "unit/test.h"

#include "unit/scripted_broker.h"

#include "client/fetch_session.h"

#define PARTITIONS 3
#define RECORDS (300 * KiB)  // of each partition
#define BYTES_MAX MiB

static struct scripted s;
static struct cluster cluster;
static struct budget budget;
static struct fetch_session f;
static struct fetch_partition partitions[PARTITIONS];
static const char topic[] = "t";
static uint8_t records[RECORDS];

static int64_t on_answer(struct fetch_session *session, struct fetch_partition *p, const struct fetch_answer *a) {
    (void)session, (void)a;
    p->fetch_offset += 10;
    return 0;
}

static int waiters_told;

static void told(struct budget_waiter *w) {
    (void)w;
    waiters_told++;
}

static void begin(void) {
    scripted_init(&s);
    scripted_topic(&s, topic, PARTITIONS);
    scripted_cluster(&s, &cluster);
    budget_init(&budget, 32 * MiB);
    fetch_session_init(&f, &cluster, 1, &budget);
    f.bytes_max = BYTES_MAX;
    f.on_answer = on_answer;
    for (int32_t i = 0; i < PARTITIONS; i++) {
        partitions[i] =
            (struct fetch_partition){.name = {topic, {{1}}, i}, .leader_epoch = 5, .last_fetched_epoch = -1};
        fetch_session_add(&f, &partitions[i]);
    }
    fetch_session_start(&f);
    scripted_run(&s, MS);
}

static void end(void) {
    for (int32_t i = 0; i < PARTITIONS; i++) fetch_session_remove(&partitions[i]);
    fetch_session_free(&f);
    EXPECT_INT(budget.used, 0);
    scripted_cluster_free(&s, &cluster);
    scripted_free(&s);
}

static struct buffer *out(void) {
    return &scripted_channel_of(&s, &f.link.connection)->out;
}

// All partitions' records are answered; only so many of the bytes come now. Answers how many there are.
static size_t reply(size_t come) {
    struct fetch_response r;
    struct fetch_response_topic t;
    struct fetch_response_partition p[PARTITIONS];
    message_defaults(&fetch_response_message, &r);
    message_defaults(&fetch_response_topic_message, &t);
    r.session_id = 77;
    r.responses = &t;
    r.responses_count = 1;
    t.topic = text_of(topic);
    t.topic_id.at[0] = 1;
    t.partitions = p;
    t.partitions_count = PARTITIONS;
    for (int32_t i = 0; i < PARTITIONS; i++) {
        message_defaults(&fetch_response_partition_message, &p[i]);
        p[i].partition_index = i;
        p[i].records = (struct wire_bytes){records, RECORDS};
    }
    size_t before = out()->size;
    scripted_answer(&s, scripted_next(&s, API_FETCH), &r);
    size_t whole = out()->size - before;
    if (come < whole) out()->size = before + come;
    scripted_run(&s, MS);
    return whole;
}

static void rest_comes(size_t whole, size_t came) {
    out()->size += whole - came;
    scripted_run(&s, MS);
}

// A broker that falls silent in the midst of more than was asked for does not keep others from the like.
TEST(the_place_of_the_oversized_is_left_by_who_is_silent) {
    begin();
    reply(SIZE_MAX);
    fetch_session_set_bytes(&f, 64 * KiB);
    reply(SIZE_MAX);
    size_t came = RECORDS + RECORDS / 2, whole = reply(came);
    EXPECT(budget.oversized);
    struct budget_waiter waiter = {.room = told};
    EXPECT(!budget_take_oversized(&budget, MiB, &waiter));
    scripted_run(&s, 3 * FETCH_SILENT_US);
    EXPECT(!budget.oversized && waiters_told > 0);
    EXPECT_INT(budget.aside, budget.used);
    EXPECT(budget_take_oversized(&budget, MiB, &waiter));
    rest_comes(whole, came);  // after all
    EXPECT(budget.oversized);
    EXPECT_INT(budget.aside, 0);
    budget_oversized_done(&budget);
    budget_release(&budget, MiB);
    end();
}

int main(void) {
    RUN(the_place_of_the_oversized_is_left_by_who_is_silent);
    return test_result();
}
