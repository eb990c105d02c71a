// Fetch sessions (KIP-227) against a scripted broker: what is sent, what is forgotten, whose answer it is, and what it
// costs the budget.
#include "unit/test.h"

#include "unit/scripted_broker.h"

#include "client/fetch_session.h"

#define PARTITIONS 32
#define BYTES_MAX (100 * KiB)
#define USUAL_OF(bytes) ((bytes) + (bytes) / 16)  // room that a fetch takes
#define USUAL USUAL_OF(BYTES_MAX)

static struct scripted s;
static struct cluster cluster;
static struct budget budget;
static struct fetch_session f;
static struct fetch_partition partitions[PARTITIONS];
static const char topic[] = "t";

static struct {
    int answers[PARTITIONS], lost;
    int16_t error_code[PARTITIONS];
    int64_t high_watermark[PARTITIONS], diverging_end[PARTITIONS];
    size_t bytes[PARTITIONS];
    int64_t keep;                    // what on_answer says
    int64_t advance;                 // how far it moves fetch_offset when there are records
    struct fetch_partition *remove;  // in the answer of any partition
} seen;

static int64_t on_answer(struct fetch_session *session, struct fetch_partition *p, const struct fetch_answer *a) {
    ptrdiff_t i = p - partitions;
    (void)session;
    seen.answers[i]++;
    seen.error_code[i] = a->error_code;
    seen.high_watermark[i] = a->high_watermark;
    seen.diverging_end[i] = a->diverging_end;
    seen.bytes[i] = a->records.size;
    if (a->records.size > 0) p->fetch_offset += seen.advance;
    if (seen.remove) fetch_session_remove(seen.remove);
    seen.remove = NULL;
    return seen.keep < (int64_t)a->records.size ? seen.keep : (int64_t)a->records.size;
}

static void session_init(struct fetch_session *session) {
    fetch_session_init(session, &cluster, 1, &budget);
    session->bytes_max = BYTES_MAX;
    session->wait_ms_max = 500;
    session->on_answer = on_answer;
}

static void begin(void) {
    scripted_init(&s);
    scripted_topic(&s, topic, PARTITIONS);
    scripted_cluster(&s, &cluster);
    budget_init(&budget, 10 * MiB);
    memset(&seen, 0, sizeof seen);
    memset(partitions, 0, sizeof partitions);
    for (int32_t i = 0; i < PARTITIONS; i++)
        partitions[i] = (struct fetch_partition){
            .name = {topic, {{0}}, i}, .fetch_offset = 100 * i, .leader_epoch = 5, .last_fetched_epoch = 4};
    for (int32_t i = 0; i < PARTITIONS; i++) partitions[i].name.topic_id.at[15] = 1;
    session_init(&f);
}

static void begin_with(int count) {
    begin();
    for (int i = 0; i < count; i++) fetch_session_add(&f, &partitions[i]);
    fetch_session_start(&f);
    scripted_run(&s, MS);
}

static void end(void) {
    for (int i = 0; i < PARTITIONS; i++)
        if (partitions[i].session == &f) fetch_session_remove(&partitions[i]);
    fetch_session_free(&f);
    EXPECT_INT(budget.used, 0);
    scripted_cluster_free(&s, &cluster);
    scripted_free(&s);
}

// The one fetch under way, or NULL.
static struct scripted_request *under_way(void) {
    assert(scripted_unanswered(&s, API_FETCH) <= 1);
    return scripted_next(&s, API_FETCH);
}

static struct fetch_request *asked(void) {
    return under_way() ? under_way()->body : NULL;
}

// The partitions of the request as a bit mask, and what was asked of one.
static unsigned asked_mask(void) {
    unsigned mask = 0;
    for (int32_t i = 0; i < asked()->topics_count; i++)
        for (int32_t k = 0; k < asked()->topics[i].partitions_count; k++)
            mask |= 1u << asked()->topics[i].partitions[k].partition;
    return mask;
}

static unsigned forgotten_mask(void) {
    unsigned mask = 0;
    for (int32_t i = 0; i < asked()->forgotten_topics_data_count; i++)
        for (int32_t k = 0; k < asked()->forgotten_topics_data[i].partitions_count; k++)
            mask |= 1u << asked()->forgotten_topics_data[i].partitions[k];
    return mask;
}

static const struct fetch_request_partition *asked_of(int32_t index) {
    for (int32_t i = 0; i < asked()->topics_count; i++)
        for (int32_t k = 0; k < asked()->topics[i].partitions_count; k++)
            if (asked()->topics[i].partitions[k].partition == index) return &asked()->topics[i].partitions[k];
    return NULL;
}

#define ID_SAME (-1)

struct reply {
    int32_t session_id;
    int16_t error_code;
    unsigned with_records;    // partitions, as a mask
    unsigned moved;           // answered without records
    int16_t partition_error;  // of all of them
    int32_t size;             // of each one's records
    int64_t diverging_end;    // 0: none
};

static int32_t session_id_last;
static uint8_t some_records[9 * MiB];

static void reply(const struct reply *how) {
    struct fetch_response r;
    struct fetch_response_topic t;
    struct fetch_response_partition p[PARTITIONS];
    message_defaults(&fetch_response_message, &r);
    message_defaults(&fetch_response_topic_message, &t);
    if (how->session_id != ID_SAME) session_id_last = how->session_id;
    r.session_id = session_id_last, r.error_code = how->error_code;
    t.topic = text_of(topic);
    t.topic_id.at[15] = 1;
    t.partitions = p;
    for (int32_t i = 0; i < PARTITIONS; i++) {
        if (!((how->with_records | how->moved) & 1u << i)) continue;
        struct fetch_response_partition *q = &p[t.partitions_count++];
        message_defaults(&fetch_response_partition_message, q);
        q->partition_index = i;
        q->error_code = how->partition_error;
        q->high_watermark = 1000 + i;
        q->last_stable_offset = 1000 + i;
        if (how->diverging_end) q->diverging_epoch.epoch = 3, q->diverging_epoch.end_offset = how->diverging_end;
        if (how->with_records & 1u << i) q->records = (struct wire_bytes){some_records, how->size ? how->size : 1000};
    }
    r.responses = &t;
    r.responses_count = t.partitions_count > 0;
    if (!t.partitions_count && f.waits_until_us > s.env.now_us) scripted_run(&s, f.waits_until_us - s.env.now_us);
    scripted_answer(&s, under_way(), &r);
    scripted_run(&s, MS);
}

TEST(only_changes_are_sent) {
    begin_with(3);
    EXPECT(under_way());
    EXPECT_INT(asked()->session_id, 0);
    EXPECT_INT(asked()->session_epoch, 0);
    EXPECT_INT(asked()->isolation_level, 1);
    EXPECT_INT(asked_mask(), 7);
    EXPECT_INT(asked_of(2)->fetch_offset, 200);
    EXPECT_INT(asked_of(2)->current_leader_epoch, 5);
    EXPECT_INT(asked_of(2)->last_fetched_epoch, 4);
    seen.advance = 10;
    reply(&(struct reply){.session_id = 77, .with_records = 2});
    EXPECT_INT(seen.answers[1], 1);
    EXPECT_INT(seen.bytes[1], 1000);
    EXPECT_INT(seen.answers[0] + seen.answers[2], 0);
    EXPECT_INT(asked()->session_id, 77);
    EXPECT_INT(asked()->session_epoch, 1);
    EXPECT_INT(asked_mask(), 2);
    EXPECT_INT(asked_of(1)->fetch_offset, 110);
    reply(&(struct reply){.session_id = ID_SAME});  // the long poll ended with nothing new
    EXPECT_INT(asked()->session_epoch, 2);
    EXPECT_INT(asked_mask(), 0);
    reply(&(struct reply){.session_id = ID_SAME, .moved = 4});
    EXPECT_INT(seen.high_watermark[2], 1002);
    EXPECT_INT(asked_mask(), 0);  // its offset did not move
    EXPECT_INT(asked()->session_epoch, 3);
    end();
}

TEST(removed_partitions_are_forgotten_and_their_answers_ignored) {
    begin_with(3);
    reply(&(struct reply){.session_id = 77});
    fetch_session_remove(&partitions[1]);  // while a fetch with it is under way
    reply(&(struct reply){.session_id = ID_SAME, .with_records = 2});
    EXPECT_INT(seen.answers[1], 0);
    EXPECT_INT(forgotten_mask(), 2);
    EXPECT_INT(asked_mask(), 0);
    reply(&(struct reply){.session_id = ID_SAME});
    EXPECT_INT(forgotten_mask(), 0);  // told once
    fetch_session_add(&f, &partitions[3]);
    fetch_session_remove(&partitions[3]);  // the broker never heard of it
    reply(&(struct reply){.session_id = ID_SAME});
    EXPECT_INT(asked_mask() + forgotten_mask(), 0);
    end();
}

// FetchSession.update() forgets last: a partition in both lists of one request would never be fetched again.
TEST(who_comes_back_is_not_forgotten) {
    begin_with(2);
    reply(&(struct reply){.session_id = 77});
    fetch_session_remove(&partitions[1]);
    partitions[1].fetch_offset = 55;
    fetch_session_add(&f, &partitions[1]);
    reply(&(struct reply){.session_id = ID_SAME});
    EXPECT_INT(forgotten_mask(), 0);
    EXPECT_INT(asked_mask(), 2);
    EXPECT_INT(asked_of(1)->fetch_offset, 55);
    for (int i = 0; i < 2; i++) {  // back, and gone again before anything was sent
        fetch_session_remove(&partitions[1]);
        fetch_session_add(&f, &partitions[1]);
    }
    fetch_session_remove(&partitions[1]);
    reply(&(struct reply){.session_id = ID_SAME});
    EXPECT_INT(forgotten_mask(), 2);
    EXPECT_INT(asked_mask(), 0);
    fetch_session_add(&f, &partitions[1]);
    reply(&(struct reply){.session_id = ID_SAME});
    EXPECT_INT(asked_mask(), 2);
    fetch_session_remove(&partitions[1]);
    fetch_session_remove(&partitions[0]);
    partitions[1].name.topic_id.at[15] = 9;  // re-created: another topic
    fetch_session_add(&f, &partitions[1]);
    reply(&(struct reply){.session_id = ID_SAME});
    EXPECT_INT(forgotten_mask(), 3);
    EXPECT_INT(asked_mask(), 2);
    end();
}

TEST(an_answer_from_before_it_came_back_is_not_its_own) {
    begin_with(2);
    reply(&(struct reply){.session_id = 77});
    fetch_session_remove(&partitions[1]);
    partitions[1].fetch_offset = 55;
    fetch_session_add(&f, &partitions[1]);
    reply(&(struct reply){.session_id = ID_SAME, .with_records = 3});  // records from 100 on, not from 55
    EXPECT_INT(seen.answers[0], 1);
    EXPECT_INT(seen.answers[1], 0);
    EXPECT_INT(asked_of(1)->fetch_offset, 55);
    reply(&(struct reply){.session_id = ID_SAME, .with_records = 2});
    EXPECT_INT(seen.answers[1], 1);
    end();
}

TEST(who_left_may_come_back_soon_without_a_long_poll_in_between) {
    begin_with(2);
    EXPECT_INT(asked()->max_wait_ms, 500);
    seen.remove = &partitions[0];
    reply(&(struct reply){.session_id = 77, .with_records = 1});
    EXPECT_INT(asked()->max_wait_ms, FETCH_SHORT_WAIT_MS);
    scripted_run(&s, 400 * MS);
    reply(&(struct reply){.session_id = ID_SAME});
    EXPECT_INT(asked()->max_wait_ms, FETCH_SHORT_WAIT_MS);
    scripted_run(&s, 100 * MS);
    reply(&(struct reply){.session_id = ID_SAME});
    EXPECT_INT(asked()->max_wait_ms, 500);
    end();
}

TEST(partitions_may_be_removed_inside_an_answer) {
    for (int which = 0; which < 3; which++) {
        begin_with(3);
        seen.remove = &partitions[which];
        seen.advance = 10;
        reply(&(struct reply){.session_id = 77, .with_records = 7});
        EXPECT_INT(seen.answers[0], 1);
        EXPECT_INT(seen.answers[1], which != 1);
        EXPECT_INT(seen.answers[2], which != 2);
        EXPECT_INT(forgotten_mask(), 1 << which);
        EXPECT_INT(asked_mask(), 7 & ~(1 << which));
        end();
    }
}

TEST(session_errors_start_over) {
    static const int16_t codes[] = {KAFKA_FETCH_SESSION_ID_NOT_FOUND, KAFKA_INVALID_FETCH_SESSION_EPOCH,
                                    KAFKA_FETCH_SESSION_TOPIC_ID_ERROR};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        begin_with(3);
        reply(&(struct reply){.session_id = 77});
        reply(&(struct reply){.session_id = ID_SAME});
        fetch_session_remove(&partitions[2]);
        reply(&(struct reply){.session_id = ID_SAME, .error_code = codes[i]});
        EXPECT_INT(asked()->session_id, 0);
        EXPECT_INT(asked()->session_epoch, 0);
        EXPECT_INT(asked_mask(), 3);
        EXPECT_INT(forgotten_mask(), 0);
        EXPECT(broker_link_ready(&f.link));
        reply(&(struct reply){.session_id = 78});
        EXPECT_INT(asked()->session_id, 78);
        EXPECT_INT(asked()->session_epoch, 1);
        EXPECT_INT(asked_mask(), 0);
        end();
    }
}

TEST(any_other_error_costs_the_connection) {
    begin_with(1);
    reply(&(struct reply){.session_id = 77});
    reply(&(struct reply){.session_id = ID_SAME, .error_code = KAFKA_CLUSTER_AUTHORIZATION_FAILED});
    EXPECT(!broker_link_ready(&f.link));
    EXPECT_INT(budget.used, 0);
    scripted_run(&s, SECOND);
    EXPECT_INT(asked()->session_epoch, 0);
    EXPECT_INT(asked_mask(), 1);
    end();
}

TEST(without_a_session_everything_is_sent_each_time) {
    begin_with(3);
    for (int i = 0; i < 3; i++) {
        EXPECT_INT(asked()->session_id, 0);
        EXPECT_INT(asked()->session_epoch, 0);
        EXPECT_INT(asked_mask(), 7);
        EXPECT_INT(forgotten_mask(), 0);
        reply(&(struct reply){.session_id = 0, .with_records = 1u << i});
        EXPECT_INT(seen.answers[i], 1);
    }
    fetch_session_remove(&partitions[0]);
    reply(&(struct reply){.session_id = 0});
    EXPECT_INT(asked_mask(), 6);
    EXPECT_INT(forgotten_mask(), 0);
    end();
}

TEST(a_lost_connection_opens_a_new_session) {
    begin_with(2);
    reply(&(struct reply){.session_id = 77});
    fetch_session_remove(&partitions[0]);
    scripted_cut(&s, &f.link.connection);
    EXPECT_INT(budget.used, 0);
    scripted_run(&s, SECOND);
    EXPECT_INT(asked()->session_id, 0);
    EXPECT_INT(asked_mask(), 2);
    EXPECT_INT(forgotten_mask(), 0);
    end();
}

TEST(errors_of_a_partition_and_divergence_are_its_own) {
    begin_with(2);
    reply(&(struct reply){.session_id = 77, .moved = 2, .partition_error = KAFKA_OFFSET_OUT_OF_RANGE});
    EXPECT_INT(seen.error_code[1], KAFKA_OFFSET_OUT_OF_RANGE);
    EXPECT_INT(seen.answers[0], 0);
    reply(&(struct reply){.session_id = ID_SAME, .moved = 1, .diverging_end = 42});
    EXPECT_INT(seen.diverging_end[0], 42);
    EXPECT_INT(seen.diverging_end[1], -1);
    end();
}

TEST(a_full_response_makes_room_for_those_it_may_have_kept_out) {
    begin_with(4);
    f.bytes_max = MiB;
    seen.advance = 10;
    EXPECT_INT(asked_of(0)->partition_max_bytes, FETCH_PARTITION_BYTES_MIN);
    reply(&(struct reply){.session_id = 77, .with_records = 1, .size = 64 * KiB});
    EXPECT_INT(asked_of(0)->partition_max_bytes, MiB);  // far from full: nobody else had anything
    reply(&(struct reply){.session_id = ID_SAME, .with_records = 1, .size = MiB});
    EXPECT_INT(asked_of(0)->partition_max_bytes, MiB / 2);
    reply(&(struct reply){.session_id = ID_SAME, .with_records = 3, .size = MiB / 2});
    EXPECT_INT(asked_of(0)->partition_max_bytes, MiB / 4);
    EXPECT_INT(asked_of(1)->partition_max_bytes, MiB / 4);
    reply(&(struct reply){.session_id = ID_SAME, .with_records = 15, .size = MiB / 4});
    EXPECT_INT(asked_of(0)->partition_max_bytes, MiB / 4);  // there are no more
    reply(&(struct reply){.session_id = ID_SAME, .with_records = 1, .size = MiB / 4});
    EXPECT_INT(asked_of(0)->partition_max_bytes, MiB);
    end();
}

static void begin_with_all(int32_t bytes_max) {
    begin_with(PARTITIONS);
    budget.limit = 64 * MiB;
    f.bytes_max = bytes_max;
    seen.advance = 10;
}

TEST(many_partitions_that_have_something_share_a_larger_fetch) {
    begin_with_all(MiB);
    reply(&(struct reply){.session_id = 77, .with_records = 0xffff, .size = KiB});
    EXPECT_INT(asked()->max_bytes, MiB);
    reply(&(struct reply){.session_id = ID_SAME, .with_records = ~0u, .size = KiB});
    EXPECT_INT(asked()->max_bytes, MiB + PARTITIONS * FETCH_BYTES_EACH);
    // Where others leave no room for that, it goes on as usual.
    EXPECT(budget_take(&budget, 28 * MiB, INT64_MAX, NULL));
    reply(&(struct reply){.session_id = ID_SAME, .with_records = ~0u, .size = 64 * KiB});
    EXPECT_INT(budget.used, 28 * MiB + USUAL_OF(MiB + PARTITIONS * FETCH_BYTES_EACH));
    budget.used += 1800 * KiB;
    reply(&(struct reply){.session_id = ID_SAME, .with_records = ~0u, .size = 64 * KiB});
    EXPECT_INT(asked()->max_bytes, MiB);
    budget_release(&budget, 28 * MiB + 1800 * KiB);
    reply(&(struct reply){.session_id = ID_SAME, .with_records = 1, .size = KiB});
    EXPECT_INT(asked()->max_bytes, MiB);  // the others have nothing
    end();
}

TEST(a_response_to_a_larger_fetch_takes_nothing_from_the_other_half) {
    begin_with_all(BYTES_MAX);
    reply(&(struct reply){.session_id = 77, .with_records = ~0u, .size = KiB});
    struct budget_waiter nobody = {.room = NULL};
    EXPECT(budget_take_oversized(&budget, MiB, &nobody));
    int64_t before = budget.used;
    reply(&(struct reply){.session_id = ID_SAME, .with_records = ~0u, .size = 10 * KiB});  // 320 of 1,124 KiB
    EXPECT_INT(seen.answers[31], 2);
    EXPECT_INT(budget.used, before);
    budget_oversized_done(&budget);
    budget_release(&budget, MiB);
    end();
}

// Budget -------------------------------------------------------------------------------------------------------------

TEST(what_is_kept_stays_counted_and_the_rest_is_given_back) {
    begin_with(2);
    EXPECT_INT(budget.used, USUAL);
    seen.keep = 700;
    reply(&(struct reply){.session_id = 77, .with_records = 3});
    EXPECT_INT(budget.used, 1400 + USUAL);  // the next fetch is under way
    EXPECT(under_way());
    fetch_session_stop(&f);
    EXPECT_INT(budget.used, 1400);
    budget_release(&budget, 1400);
    end();
}

TEST(without_room_nothing_is_fetched) {
    begin();
    EXPECT(budget_take(&budget, 5 * MiB, INT64_MAX, NULL));  // the half for usual fetches
    fetch_session_add(&f, &partitions[0]);
    fetch_session_start(&f);
    scripted_run(&s, SECOND);
    EXPECT(!under_way());
    budget_release(&budget, USUAL - 1);
    scripted_run(&s, SECOND);
    EXPECT(!under_way());
    budget_release(&budget, 1);
    scripted_run(&s, MS);
    EXPECT(under_way());
    budget_release(&budget, 5 * MiB - USUAL);
    end();
}

TEST(sessions_take_turns_when_there_is_room_for_one_only) {
    begin_with(1);
    struct fetch_session other;
    session_init(&other);
    budget.limit = 3 * BYTES_MAX;
    fetch_session_add(&other, &partitions[1]);
    fetch_session_start(&other);
    scripted_run(&s, MS);
    EXPECT_INT(scripted_unanswered(&s, API_FETCH), 1);
    unsigned turns = 0;
    for (int i = 0; i < 4; i++) {
        turns |= asked_mask() << (2 * i);
        // (Of whom little is expected two have room.)
        reply(&(struct reply){.session_id = 0, .with_records = asked_mask(), .size = 60 * KiB});
    }
    EXPECT_INT(turns, 1 | 2 << 2 | 1 << 4 | 2 << 6);
    fetch_session_remove(&partitions[1]);
    fetch_session_free(&other);
    end();
}

TEST(an_oversized_response_takes_from_the_other_half_one_at_a_time) {
    begin_with(1);
    struct budget_waiter nobody = {.room = NULL};
    EXPECT(budget_take_oversized(&budget, MiB, &nobody));  // somebody else's is under way
    reply(&(struct reply){.session_id = 77, .with_records = 1, .size = 2 * MiB});
    scripted_run(&s, SECOND);
    EXPECT(f.link.connection.paused);
    EXPECT_INT(seen.answers[0], 0);
    budget_oversized_done(&budget);
    seen.keep = 2 * MiB;
    budget_release(&budget, MiB);
    scripted_run(&s, MS);
    EXPECT_INT(seen.answers[0], 1);
    EXPECT_INT(seen.bytes[0], 2 * MiB);
    EXPECT(!budget.oversized);
    EXPECT_INT(budget.used, 2 * MiB + USUAL);
    EXPECT(budget.used_peak <= budget.limit);
    budget_release(&budget, 2 * MiB);
    end();
}

TEST(a_response_below_the_receive_buffer_but_above_what_was_asked_is_counted_too) {
    begin_with(1);
    seen.keep = 900 * KiB;  // fits into the frame, was never asked for
    reply(&(struct reply){.session_id = 77, .with_records = 1, .size = 900 * KiB});
    EXPECT_INT(seen.answers[0], 1);
    EXPECT_INT(budget.used, 900 * KiB + USUAL);
    EXPECT(budget.used_peak >= 900 * KiB);
    EXPECT(!budget.oversized);
    budget_release(&budget, 900 * KiB);
    end();
}

TEST(a_small_fetch_does_not_receive_more_than_it_has_room_for) {
    begin();
    f.bytes_max = KiB;
    fetch_session_add(&f, &partitions[0]);
    fetch_session_start(&f);
    scripted_run(&s, MS);
    struct budget_waiter nobody = {.room = NULL};
    EXPECT(budget_take_oversized(&budget, MiB, &nobody));
    reply(&(struct reply){.session_id = 77, .with_records = 1, .size = 10 * KiB});
    EXPECT(f.link.connection.paused);
    EXPECT_INT(seen.answers[0], 0);
    EXPECT(f.link.connection.bytes_in < 8 * KiB);
    budget_oversized_done(&budget);
    budget_release(&budget, MiB);
    scripted_run(&s, MS);
    EXPECT_INT(seen.bytes[0], 10 * KiB);
    end();
}

TEST(a_fetch_is_never_more_than_half_the_budget) {
    begin();
    budget.limit = 70 * KiB;
    fetch_session_add(&f, &partitions[0]);
    fetch_session_start(&f);
    scripted_run(&s, MS);
    EXPECT(budget.used <= 35 * KiB && budget.used > 20 * KiB);
    EXPECT(asked()->max_bytes <= 35 * KiB);
    end();
}

TEST(what_there_is_no_room_for_is_not_handed_over) {
    begin_with(3);
    budget.limit = 4 * MiB;
    seen.keep = MiB;
    reply(&(struct reply){.session_id = 77, .with_records = 7, .size = 3 * MiB});
    EXPECT_INT(seen.answers[0] + seen.answers[1] + seen.answers[2], 3);
    int64_t room = 2 * MiB + USUAL;
    EXPECT_INT(seen.bytes[0], room);
    EXPECT_INT(seen.bytes[1], room - MiB);
    EXPECT_INT(seen.bytes[2], room - 2 * MiB);
    EXPECT(budget.used_peak <= budget.limit);
    budget_release(&budget, 2 * MiB + seen.bytes[2]);
    end();
}

TEST(a_session_lost_while_its_oversized_response_waits_begins_anew) {
    for (int how = 0; how < 2; how++) {
        begin_with(1);
        struct budget_waiter nobody = {.room = NULL};
        EXPECT(budget_take_oversized(&budget, MiB, &nobody));
        reply(&(struct reply){.session_id = 77, .with_records = 1, .size = 2 * MiB});
        EXPECT(f.link.connection.paused);
        if (how == 0) scripted_cut(&s, &f.link.connection);
        else fetch_session_stop(&f);
        EXPECT_INT(budget.used, MiB);
        budget_oversized_done(&budget);
        budget_release(&budget, MiB);
        scripted_run(&s, SECOND);
        EXPECT_INT(under_way() != NULL, how == 0);
        if (how == 0) EXPECT_INT(asked()->session_epoch, 0);
        end();
    }
}

int main(void) {
    RUN(only_changes_are_sent);
    RUN(removed_partitions_are_forgotten_and_their_answers_ignored);
    RUN(who_comes_back_is_not_forgotten);
    RUN(an_answer_from_before_it_came_back_is_not_its_own);
    RUN(who_left_may_come_back_soon_without_a_long_poll_in_between);
    RUN(partitions_may_be_removed_inside_an_answer);
    RUN(session_errors_start_over);
    RUN(any_other_error_costs_the_connection);
    RUN(without_a_session_everything_is_sent_each_time);
    RUN(a_lost_connection_opens_a_new_session);
    RUN(errors_of_a_partition_and_divergence_are_its_own);
    RUN(a_full_response_makes_room_for_those_it_may_have_kept_out);
    RUN(many_partitions_that_have_something_share_a_larger_fetch);
    RUN(a_response_to_a_larger_fetch_takes_nothing_from_the_other_half);
    RUN(what_is_kept_stays_counted_and_the_rest_is_given_back);
    RUN(without_room_nothing_is_fetched);
    RUN(sessions_take_turns_when_there_is_room_for_one_only);
    RUN(an_oversized_response_takes_from_the_other_half_one_at_a_time);
    RUN(a_response_below_the_receive_buffer_but_above_what_was_asked_is_counted_too);
    RUN(a_small_fetch_does_not_receive_more_than_it_has_room_for);
    RUN(a_fetch_is_never_more_than_half_the_budget);
    RUN(what_there_is_no_room_for_is_not_handed_over);
    RUN(a_session_lost_while_its_oversized_response_waits_begins_anew);
    return test_result();
}
