// Throttles (KIP-219) against scripted brokers: who is told to wait does, keeps no room meanwhile, and asks others.
#include "unit/test.h"

#include "unit/scripted_broker.h"

#include "client/budget.h"
#include "client/fetch_session.h"

#define BATCH_SIZE 50000

static struct scripted s;
static struct cluster c;
static struct budget budget;
static struct fetch_session f;
static struct fetch_partition partitions[2];
static uint8_t some_records[BATCH_SIZE];

static int64_t on_answer(struct fetch_session *session, struct fetch_partition *p, const struct fetch_answer *a) {
    (void)session;
    if (a->records.size > 0) p->fetch_offset++;
    return 0;
}

static void begin(int32_t brokers) {
    scripted_init(&s);
    s.brokers = brokers;
    scripted_topic(&s, "t", 2);
    scripted_cluster(&s, &c);
}

static void end(void) {
    scripted_cluster_free(&s, &c);
    scripted_free(&s);
}

static void begin_fetch(void) {
    begin(1);
    budget_init(&budget, 10 * MiB);
    fetch_session_init(&f, &c, 1, &budget);
    f.on_answer = on_answer;
    for (int32_t i = 0; i < 2; i++) partitions[i] = (struct fetch_partition){.name = {"t", {{0}}, i}};
    for (int i = 0; i < 2; i++) partitions[i].name.topic_id.at[15] = 1;
    fetch_session_add(&f, &partitions[0]);
    fetch_session_start(&f);
    scripted_run(&s, MS);
}

static void end_fetch(void) {
    for (int i = 0; i < 2; i++) fetch_session_remove(&partitions[i]);
    fetch_session_free(&f);
    end();
}

static const struct fetch_request *asked(void) {
    return scripted_next(&s, API_FETCH) ? scripted_next(&s, API_FETCH)->body : NULL;
}

static void answer_fetch(int32_t size, int32_t throttle_ms) {
    struct fetch_response r;
    struct fetch_response_topic t;
    struct fetch_response_partition p;
    message_defaults(&fetch_response_message, &r);
    message_defaults(&fetch_response_topic_message, &t);
    message_defaults(&fetch_response_partition_message, &p);
    p.records = (struct wire_bytes){some_records, size};
    t.topic = text_of("t");
    t.topic_id.at[15] = 1;
    t.partitions = &p, t.partitions_count = 1;
    r.responses = &t, r.responses_count = size > 0;
    r.session_id = 7, r.throttle_time_ms = throttle_ms;
    scripted_answer(&s, scripted_next(&s, API_FETCH), &r);
    scripted_run(&s, MS);
}

// ClientQuotaManager: an empty answer at once, and the connection is muted for as long as it says.
TEST(a_throttled_fetch_is_waited_out_and_keeps_no_room) {
    begin_fetch();
    answer_fetch(BATCH_SIZE, 0);
    int32_t epoch = asked()->session_epoch;
    int64_t ready_us = f.link.ready_us;
    answer_fetch(0, 45000);
    EXPECT(!asked());
    EXPECT_INT(budget.used, 0);
    EXPECT_INT(f.received, BATCH_SIZE);  // it does not say that there is little to come
    fetch_session_add(&f, &partitions[1]);
    scripted_run(&s, 44 * SECOND);
    EXPECT(!asked());
    EXPECT_INT(f.link.ready_us, ready_us);
    scripted_run(&s, 2 * SECOND);
    EXPECT_INT(asked()->session_epoch, epoch + 1);
    EXPECT_INT(asked()->topics[0].partitions[asked()->topics[0].partitions_count - 1].partition, 1);
    end_fetch();
}

TEST(a_long_throttle_is_said_once_a_minute) {
    begin_fetch();
    answer_fetch(0, 100);
    scripted_run(&s, SECOND);
    EXPECT_INT(scripted_count(&s, "throttled by a quota"), 0);
    for (int i = 0; i < 3; i++) {
        answer_fetch(0, 20000);
        scripted_run(&s, 20 * SECOND);
    }
    EXPECT_INT(scripted_count(&s, "throttled by a quota"), 1);
    EXPECT_INT(scripted_count(&s, "request=Fetch throttle_ms=20000"), 1);
    answer_fetch(0, INT32_MAX);
    EXPECT_INT(scripted_count(&s, "throttled by a quota"), 2);
    scripted_run(&s, THROTTLE_US_MAX + SECOND);
    EXPECT(asked());
    end_fetch();
}

static void refresh(void) {
    cluster_refresh(&c);
    scripted_run(&s, 200 * MS);
}

static void mute(int32_t node_id, int64_t us) {
    cluster_broker(&c, node_id)->control.connection.muted_until_us = s.env.now_us + us;
}

TEST(a_muted_broker_is_not_asked_for_metadata_while_there_is_another) {
    begin(3);
    while (c.refreshed_by < 0) refresh();  // a bootstrap address
    int32_t first = c.refreshed_by;
    mute(first, 60 * SECOND);  // the only one that is connected
    refresh();
    EXPECT(c.refreshed_by != first);
    cluster_connect_others(&c);
    scripted_run(&s, SECOND);
    uint64_t before = c.refreshes;
    for (int i = 0; i < 10; i++) {
        refresh();
        EXPECT(c.refreshed_by != first);
    }
    EXPECT_INT(c.refreshes, before + 10);
    for (int32_t node = 1; node <= 3; node++) mute(node, 10 * SECOND);
    before = c.refreshes;
    refresh();
    scripted_run(&s, 5 * SECOND);
    EXPECT_INT(c.refreshes, before);
    scripted_run(&s, 6 * SECOND);
    EXPECT(c.refreshes > before);
    end();
}

int main(void) {
    RUN(a_throttled_fetch_is_waited_out_and_keeps_no_room);
    RUN(a_long_throttle_is_said_once_a_minute);
    RUN(a_muted_broker_is_not_asked_for_metadata_while_there_is_another);
    return test_result();
}
