// Between two fetches of a session: its partitions may go to another one, and what it asks for may change.
#include "unit/test.h"

#include "unit/scripted_broker.h"

#include "base/bytes.h"
#include "client/fetch_session.h"
#include "wire/batch.h"

#define BYTES_MAX (100 * KiB)

static struct scripted s;
static struct cluster cluster;
static struct budget budget;
static struct fetch_session f, other;
static struct fetch_partition partitions[2];
static const char topic[] = "t";
static uint8_t some_records[4 * MiB];
static int64_t bytes_answered;  // of the last answer's records
static int turns;
static int32_t bytes_next;  // 0: as before
static bool takes_nothing;  // of an answer
static int64_t kept;        // of each
static int32_t session_id;  // that the broker answers; 0: its cache is full
static size_t to_come;      // bytes of the next answer that do not come with the others
static int waiters_told;

static int64_t on_answer(struct fetch_session *session, struct fetch_partition *p, const struct fetch_answer *a) {
    (void)session;
    bytes_answered = (int64_t)a->records.size;
    if (a->records.size > 0 && !takes_nothing) p->fetch_offset += 10;
    return kept;
}

// The second partition goes to the other session, as soon as it may.
static void on_turn(struct fetch_session *session) {
    assert(!session->fetching);
    turns++;
    if (bytes_next > 0) fetch_session_set_bytes(session, bytes_next);
    if (partitions[1].session != session) return;
    fetch_session_remove(&partitions[1]);
    fetch_session_add(&other, &partitions[1]);
}

static void session_begin(struct fetch_session *session) {
    fetch_session_init(session, &cluster, 1, &budget);
    session->bytes_max = BYTES_MAX;
    session->on_answer = on_answer;
    fetch_session_start(session);
}

static void begin(int count) {
    scripted_init(&s);
    scripted_topic(&s, topic, 2);
    scripted_cluster(&s, &cluster);
    budget_init(&budget, 10 * MiB);
    turns = bytes_next = takes_nothing = 0;
    kept = 0;
    to_come = 0;
    waiters_told = 0;
    session_id = 77;
    session_begin(&f);
    session_begin(&other);
    for (int32_t i = 0; i < count; i++) {
        partitions[i] = (struct fetch_partition){
            .name = {topic, {{1}}, i}, .fetch_offset = 100 * i, .leader_epoch = 5, .last_fetched_epoch = -1};
        fetch_session_add(&f, &partitions[i]);
    }
    scripted_run(&s, MS);
    f.on_turn = on_turn;
}

static void end(int count) {
    for (int32_t i = 0; i < count; i++) fetch_session_remove(&partitions[i]);
    fetch_session_free(&f);
    fetch_session_free(&other);
    EXPECT_INT(budget.used, 0);
    scripted_cluster_free(&s, &cluster);
    scripted_free(&s);
}

// The fetch under way of a session, or NULL.
static struct scripted_request *under_way(const struct fetch_session *session) {
    for (struct scripted_request *r = s.requests; r; r = r->next)
        if (!r->answered && r->header.api_key == API_FETCH && r->channel->connection == &session->link.connection)
            return r;
    return NULL;
}

static const struct fetch_request *asked(const struct fetch_session *session) {
    return under_way(session) ? under_way(session)->body : NULL;
}

// `size` 0: the long poll ended with nothing new.
static void reply(int32_t partition, int32_t size) {
    struct fetch_response r;
    struct fetch_response_topic t;
    struct fetch_response_partition p;
    message_defaults(&fetch_response_message, &r);
    message_defaults(&fetch_response_topic_message, &t);
    message_defaults(&fetch_response_partition_message, &p);
    r.session_id = session_id;
    r.responses = &t;
    r.responses_count = size > 0;
    t.topic = text_of(topic);
    t.topic_id.at[0] = 1;
    t.partitions = &p;
    t.partitions_count = 1;
    p.partition_index = partition;
    p.records = (struct wire_bytes){some_records, size};
    if (size == 0) scripted_run(&s, f.wait_ms_max * MS);
    struct scripted_request *q = under_way(&f);
    scripted_answer(&s, q, &r);
    q->channel->out.size -= to_come;
    scripted_run(&s, MS);
}

// Each fetch names all then, and the first one may fill the answer.
TEST(without_a_session_of_the_broker_who_was_served_is_asked_for_last) {
    begin(2);
    f.on_turn = NULL;
    session_id = 0;
    reply(0, 1000);
    const struct fetch_request *q = asked(&f);
    EXPECT(q && q->topics_count == 1 && q->topics[0].partitions_count == 2);
    EXPECT_INT(q->topics[0].partitions[0].partition, 1);
    end(2);
}

TEST(a_partition_may_go_to_another_session) {
    begin(2);
    scripted_run(&s, 100 * MS);
    EXPECT_INT(turns, 0);  // the fetch is under way
    EXPECT(partitions[1].session == &f);
    reply(1, 1000);
    EXPECT_INT(turns, 1);
    EXPECT_INT(bytes_answered, 1000);
    EXPECT(partitions[1].session == &other);
    const struct fetch_request *q = asked(&f);
    EXPECT(q);
    EXPECT_INT(q->topics_count, 0);
    EXPECT_INT(q->forgotten_topics_data_count, 1);
    EXPECT_INT(q->forgotten_topics_data[0].partitions[0], 1);
    q = asked(&other);
    EXPECT(q);
    EXPECT_INT(q->topics[0].partitions[0].partition, 1);
    EXPECT_INT(q->topics[0].partitions[0].fetch_offset, 110);
    end(2);
}

TEST(a_session_whose_last_partition_goes_fetches_nothing) {
    begin(2);
    fetch_session_remove(&partitions[0]);
    reply(1, 1000);
    EXPECT(!asked(&f));
    EXPECT(asked(&other));
    EXPECT_INT(budget.used, other.reserved);
    end(2);
}

TEST(what_is_asked_for_may_change) {
    begin(1);
    budget.limit = 16 * MiB;
    EXPECT_INT(asked(&f)->max_bytes, BYTES_MAX);
    bytes_next = 3 * MiB;
    reply(0, 0);
    EXPECT_INT(asked(&f)->max_bytes, 3 * MiB);
    EXPECT(budget.used >= 3 * MiB);
    reply(0, 3 * MiB);
    EXPECT_INT(bytes_answered, 3 * MiB);
    bytes_next = 50 * MiB;
    reply(0, 0);
    EXPECT(asked(&f)->max_bytes <= budget.limit / 2);  // whatever is wished for
    bytes_next = KiB;
    reply(0, 0);
    EXPECT_INT(asked(&f)->max_bytes, KiB);
    reply(0, 300 * KiB);  // one large batch
    EXPECT_INT(bytes_answered, 300 * KiB);
    end(1);
}

static int32_t share_of_first(void) {
    return asked(&f)->topics[0].partitions[0].partition_max_bytes;
}

// A share stays with a partition until it is told of it again: large ones, given while nobody had shown to have
// something, would each be served once, and most of what they bring would come in vain.
TEST(those_never_asked_share_a_response) {
    begin(1);
    EXPECT_INT(share_of_first(), BYTES_MAX);
    reply(0, 1000);
    EXPECT_INT(share_of_first(), BYTES_MAX);
    end(1);
    begin(2);
    EXPECT_INT(share_of_first(), FETCH_PARTITION_BYTES_MIN);
    fetch_session_remove(&partitions[1]);
    fetch_session_add(&f, &partitions[1]);
    fetch_session_remove(&partitions[1]);  // before any request named it
    reply(0, 1000);
    EXPECT_INT(share_of_first(), BYTES_MAX);
    end(2);
}

static void batch_begins(int32_t size) {
    struct batch_header h = {.size = size, .magic = BATCH_MAGIC, .count = 1};
    batch_header_write(some_records, &h, BATCH_HEADER_SIZE);
    store_be32(some_records + BATCH_AT_LENGTH, (uint32_t)(size - BATCH_LENGTH_EXTRA));
}

// Else each fetch would bring one batch, the response's first, and the beginnings of others in vain.
TEST(a_share_is_at_least_a_batch) {
    begin(2);
    EXPECT_INT(share_of_first(), FETCH_PARTITION_BYTES_MIN);
    f.on_turn = NULL;
    takes_nothing = true;
    batch_begins(90 * KiB);
    reply(0, 80 * KiB);  // so full that the other one may have been kept out
    EXPECT_INT(share_of_first(), 90 * KiB);
    takes_nothing = false;
    batch_begins(80 * KiB);
    reply(0, 80 * KiB);
    EXPECT_INT(asked(&f)->topics[0].partitions[0].fetch_offset, 10);
    EXPECT_INT(share_of_first(), 80 * KiB);
    batch_begins(2 * MiB);  // more than is asked for: it comes whole when it is the response's first
    reply(0, MiB);
    EXPECT_INT(share_of_first(), BYTES_MAX);
    takes_nothing = true;
    memset(some_records, 0, BATCH_HEADER_SIZE);
    reply(0, 10);  // not even a size
    EXPECT_INT(asked(&f)->topics_count, 0);
    end(2);
}

// Where many wait for it; a few may bring as much in vain as fits once.
TEST(the_first_batch_alone_is_asked_for_in_little) {
    enum { MANY = FETCH_PARTITIONS_FEW + 1 };
    static struct fetch_partition many[MANY];
    begin(0);
    f.on_turn = NULL;
    for (int32_t i = 0; i < MANY; i++) {
        many[i] = (struct fetch_partition){.name = {topic, {{1}}, i}, .first_only = i > 0};
        fetch_session_add(&f, &many[i]);
    }
    scripted_run(&s, MS);
    EXPECT_INT(asked(&f)->topics[0].partitions_count, MANY);
    EXPECT_INT(asked(&f)->topics[0].partitions[0].partition_max_bytes, FETCH_PARTITION_BYTES_MIN);
    EXPECT_INT(asked(&f)->topics[0].partitions[1].partition_max_bytes, FETCH_FIRST_BATCH_BYTES);
    for (int32_t i = 0; i < MANY; i++) fetch_session_remove(&many[i]);
    end(0);
    begin(2);
    partitions[0].first_only = true;
    f.on_turn = NULL;
    reply(0, 80 * KiB);
    EXPECT_INT(share_of_first(), FETCH_PARTITION_BYTES_MIN);
    end(2);
}

// Above what may be read, as when a high watermark went back, a broker answers so, again and again.
TEST(who_answers_nothing_at_once_is_not_asked_again_at_once) {
    begin(1);
    struct fetch_response r;
    message_defaults(&fetch_response_message, &r);
    r.session_id = 77;
    scripted_answer(&s, under_way(&f), &r);
    scripted_run(&s, (f.wait_ms_max - 20) * MS);
    EXPECT(!asked(&f));
    scripted_run(&s, 20 * MS);
    EXPECT(asked(&f));
    scripted_answer(&s, under_way(&f), &r);
    scripted_run(&s, 10 * MS);
    EXPECT(!asked(&f));
    partitions[1] = (struct fetch_partition){.name = {topic, {{1}}, 1}, .leader_epoch = 5, .last_fetched_epoch = -1};
    f.on_turn = NULL;
    fetch_session_add(&f, &partitions[1]);  // that is news
    scripted_run(&s, MS);
    EXPECT(asked(&f));
    end(2);
}

// Half of the budget is for fetches; others who ask for little, again and again, leave room for 300 KiB there.
TEST(who_never_gets_room_for_much_asks_for_less) {
    begin(0);
    f.on_turn = NULL;
    fetch_session_set_bytes(&f, MiB);
    struct budget_waiter others = {.room = NULL};
    EXPECT(budget_take(&budget, 5 * MiB - 300 * KiB, INT64_MAX, &others));
    partitions[0] = (struct fetch_partition){.name = {topic, {{1}}, 0}, .leader_epoch = 5, .last_fetched_epoch = -1};
    fetch_session_add(&f, &partitions[0]);
    scripted_run(&s, MS);
    EXPECT(!asked(&f));
    budget_release(&budget, 2 * KiB);
    scripted_run(&s, FETCH_NO_ROOM_US / 2);
    EXPECT(!asked(&f));  // there may soon be more
    scripted_run(&s, FETCH_NO_ROOM_US);  // and nobody gives back any
    EXPECT(asked(&f));
    EXPECT_INT(asked(&f)->max_bytes, 256 * KiB);
    EXPECT_INT(f.link.connection.receive_hint, f.reserved);  // a larger answer asks for room
    reply(0, 1000);
    EXPECT(asked(&f));  // and need not wait for so long again
    budget_release(&budget, 5 * MiB - 302 * KiB);
    reply(0, 1000);
    EXPECT_INT(asked(&f)->max_bytes, MiB);
    budget_grow(&budget, 5 * MiB - 300 * KiB);
    reply(0, MiB);
    EXPECT(!asked(&f));  // the next time it is waited for more again
    budget_release(&budget, 5 * MiB - 300 * KiB);
    scripted_run(&s, MS);
    EXPECT_INT(asked(&f)->max_bytes, MiB);
    end(1);
}

// It has answered more than it was asked for, and waits until that may come.
TEST(who_waits_for_our_room_is_not_silent) {
    begin(1);
    f.on_turn = NULL;
    struct budget_waiter others = {.room = NULL};
    EXPECT(budget_take_oversized(&budget, KiB, &others));
    reply(0, MiB);
    EXPECT(f.link.connection.paused);
    scripted_run(&s, f.wait_ms_max * MS + 3 * FETCH_SILENT_US);
    EXPECT_INT(budget.aside, 0);
    budget_oversized_done(&budget);
    budget_release(&budget, KiB);
    scripted_run(&s, MS);
    EXPECT_INT(bytes_answered, MiB);
    end(1);
}

TEST(who_answers_nothing_leaves_room_for_the_others) {
    begin(1);
    scripted_run(&s, f.wait_ms_max * MS);
    EXPECT_INT(budget.aside, 0);
    scripted_run(&s, FETCH_SILENT_US);
    EXPECT(f.reserved > 0);
    EXPECT_INT(budget.aside, f.reserved);
    scripted_run(&s, FETCH_SILENT_US);
    EXPECT_INT(budget.aside, f.reserved);
    reply(0, 1000);
    EXPECT_INT(budget.aside, 0);
    scripted_run(&s, (f.wait_ms_max + 1) * MS + FETCH_SILENT_US);
    EXPECT_INT(budget.aside, f.reserved);
    end(1);
    EXPECT_INT(budget.aside, 0);
}

static void told(struct budget_waiter *w) {
    (void)w;
    waiters_told++;
}

// One response at a time may be larger than what was asked for: who is silent in the midst of it leaves that place.
TEST(who_comes_to_a_halt_in_the_midst_of_too_much_leaves_his_place) {
    begin(1);
    f.on_turn = NULL;
    struct buffer *out = &under_way(&f)->channel->out;
    to_come = MiB / 2;
    reply(0, MiB);
    EXPECT(budget.oversized);
    struct budget_waiter others = {.room = told};
    EXPECT(!budget_take_oversized(&budget, MiB, &others));
    scripted_run(&s, 3 * FETCH_SILENT_US);
    EXPECT(!budget.oversized && waiters_told > 0);
    EXPECT_INT(budget.aside, budget.used);
    EXPECT(budget_take_oversized(&budget, MiB, &others));
    out->size += to_come;  // the rest comes after all
    scripted_run(&s, MS);
    EXPECT_INT(bytes_answered, MiB);
    EXPECT(budget.oversized);
    EXPECT_INT(budget.aside, 0);
    budget_oversized_done(&budget);
    budget_release(&budget, MiB);
    end(1);
}

// With the times of another topic, for instance.
TEST(what_is_written_anew_may_be_larger_than_what_came) {
    begin(1);
    kept = BYTES_MAX + 50 * KiB;
    reply(0, BYTES_MAX);
    EXPECT_INT(bytes_answered, BYTES_MAX);
    EXPECT_INT(budget.used, kept + f.reserved);
    budget_release(&budget, kept);
    kept = 0;
    end(1);
}

int main(void) {
    RUN(without_a_session_of_the_broker_who_was_served_is_asked_for_last);
    RUN(a_partition_may_go_to_another_session);
    RUN(a_session_whose_last_partition_goes_fetches_nothing);
    RUN(what_is_asked_for_may_change);
    RUN(those_never_asked_share_a_response);
    RUN(a_share_is_at_least_a_batch);
    RUN(who_answers_nothing_at_once_is_not_asked_again_at_once);
    RUN(the_first_batch_alone_is_asked_for_in_little);
    RUN(who_answers_nothing_leaves_room_for_the_others);
    RUN(who_waits_for_our_room_is_not_silent);
    RUN(who_never_gets_room_for_much_asks_for_less);
    RUN(who_comes_to_a_halt_in_the_midst_of_too_much_leaves_his_place);
    RUN(what_is_written_anew_may_be_larger_than_what_came);
    return test_result();
}
