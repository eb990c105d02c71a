// What a modelled broker answers to fetches of a session (KIP-227).
#include "broker/fetch_session_cache.h"
#include "unit/fetch_asking.h"

// Five topics of one partition, all on node 1.
static struct fetch_request_topic many[5];
static struct fetch_request_partition many_partitions[5];
static const char *const many_names[5] = {"a", "b", "c", "d", "e"};

static struct asking ask_many(void) {
    struct asking a = ASKING;
    for (int i = 0; i < 5; i++) {
        talk_topic(&t, many_names[i], NULL);
        many_partitions[i] = partition_request(&a, 0, 0);
        many[i] =
            (struct fetch_request_topic){client_text(many_names[i]), topic_id(many_names[i]), &many_partitions[i], 1};
    }
    a.topics = many;
    a.topics_count = 5;
    a.session_epoch = 0;
    return a;
}

static void append_to(const char *name) {
    struct talk_produce how = TALK_PRODUCE;
    talk_produce(&t, 1, &how, name, talk_batch(&t, 1));
}

static bool is_topic(const struct fetch_response *r, int32_t i, const char *name) {
    return i < r->responses_count && r->responses[i].topic.size == (int32_t)strlen(name) &&
           memcmp(r->responses[i].topic.at, name, strlen(name)) == 0;
}

TEST(a_session_tells_what_has_changed) {
    open();
    struct asking a = ask_many();
    struct fetch_response *r = fetch(a);
    EXPECT_INT(r->error_code, KAFKA_NONE);
    EXPECT(r->session_id > 0);
    EXPECT_INT(r->responses_count, 5);
    a.session_id = r->session_id;
    a.session_epoch = 1;
    a.topics_count = 0;
    r = fetch(a);
    EXPECT_INT(r->session_id, a.session_id);
    EXPECT_INT(r->responses_count, 0);
    append_to("b");
    a.session_epoch = 2;
    r = fetch(a);
    EXPECT_INT(r->responses_count, 1);
    EXPECT(is_topic(r, 0, "b"));
    // b has not moved on: it comes again, behind the others.
    append_to("d");
    a.session_epoch = 3;
    r = fetch(a);
    EXPECT_INT(r->responses_count, 2);
    EXPECT(is_topic(r, 0, "d"));
    EXPECT(is_topic(r, 1, "b"));
    // Moved on, one forgotten, one added.
    many_partitions[0] = partition_request(&a, 0, 1);
    many[0].topic = client_text("b");
    a.topics_count = 1;
    int32_t zero = 0;
    struct fetch_request_forgotten_topic forgotten = {client_text("d"), {{0}}, &zero, 1};
    a.forgotten = &forgotten;
    a.forgotten_count = 1;
    a.session_epoch = 4;
    r = fetch(a);
    EXPECT_INT(r->responses_count, 0);
    talk_close(&t);
}

TEST(a_session_tells_of_watermarks_without_records) {
    open();
    broker_replica_hold(t.c, "t", 0, 2, true);
    struct talk_produce how = TALK_PRODUCE;
    how.acks = 1;
    talk_produce(&t, 1, &how, "t", talk_batch(&t, 2));
    struct asking a = ASKING;
    a.session_epoch = 0;
    a.offset = 2;
    a.session_id = fetch(a)->session_id;
    struct fetch_request_topic none;
    a.topics = &none;
    a.topics_count = 0;
    a.session_epoch = 1;
    EXPECT_INT(fetch(a)->responses_count, 0);
    broker_replica_hold(t.c, "t", 0, 2, false);
    talk_run(&t);
    a.session_epoch = 2;
    struct fetch_response *r = fetch(a);
    EXPECT_INT(r->responses_count, 1);
    EXPECT_INT(r->responses[0].partitions[0].high_watermark, 2);
    EXPECT_INT(r->responses[0].partitions[0].records.size, 0);
    struct delete_records_request_partition below = {0, 1};
    struct delete_records_request_topic of = {client_text("t"), &below, 1};
    struct delete_records_request deletion = {&of, 1, 1000};
    EXPECT(talk_ask(&t, 1, API_DELETE_RECORDS, 2, &deletion));
    a.session_epoch = 3;
    r = fetch(a);
    EXPECT_INT(r->responses_count, 1);
    EXPECT_INT(r->responses[0].partitions[0].log_start_offset, 1);
    talk_close(&t);
}

TEST(a_session_has_an_epoch_and_an_end) {
    open();
    struct asking a = ask_many();
    a.session_id = fetch(a)->session_id;
    a.topics_count = 0;
    a.session_epoch = 2;
    struct fetch_response *r = fetch(a);
    EXPECT_INT(r->error_code, KAFKA_INVALID_FETCH_SESSION_EPOCH);
    EXPECT_INT(r->session_id, 0);
    a.session_epoch = 1;
    a.session_id++;
    EXPECT_INT(fetch(a)->error_code, KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    a.session_id--;
    a.version = 13;
    EXPECT_INT(fetch(a)->error_code, KAFKA_FETCH_SESSION_TOPIC_ID_ERROR);
    a.version = 12;
    EXPECT_INT(fetch(a)->error_code, KAFKA_NONE);
    a.session_epoch = -1;
    a.topics_count = 1;
    r = fetch(a);
    EXPECT_INT(r->session_id, 0);
    EXPECT_INT(r->responses_count, 1);
    a.session_epoch = 2;
    EXPECT_INT(fetch(a)->error_code, KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    talk_close(&t);
}

TEST(ids_that_no_session_can_have_are_an_exception) {
    open();
    static const int32_t impossible[] = {INT32_MIN, INT32_MIN / 8 - 1, INT32_MAX - 7, INT32_MAX};
    for (size_t i = 0; i < sizeof impossible / sizeof *impossible; i++) {
        struct asking a = ASKING;
        a.session_id = impossible[i];
        struct fetch_response *r = fetch(a);  // whatever the epoch
        EXPECT_INT(r->error_code, KAFKA_UNKNOWN_SERVER_ERROR);
        EXPECT_INT(r->session_id, impossible[i]);
        EXPECT_INT(r->responses[0].partitions[0].error_code, KAFKA_UNKNOWN_SERVER_ERROR);
        a.version = 13;
        a.session_epoch = 1;
        r = fetch(a);
        EXPECT_INT(r->error_code, KAFKA_UNKNOWN_SERVER_ERROR);
        EXPECT_INT(r->responses_count, 0);
    }
    struct asking a = ASKING;
    a.session_epoch = 1;
    a.session_id = -1;  // of the first shard
    EXPECT_INT(fetch(a)->error_code, KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    a.session_id = INT32_MAX - 8;
    EXPECT_INT(fetch(a)->error_code, KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    talk_close(&t);
}

TEST(an_isolation_level_that_nobody_knows_is_an_exception_of_an_epoch) {
    open();
    struct asking a = ASKING;
    a.session_epoch = 0;
    a.session_id = fetch(a)->session_id;
    a.session_epoch = 1;
    a.isolation = 2;
    EXPECT_INT(fetch(a)->error_code, KAFKA_UNKNOWN_SERVER_ERROR);
    EXPECT_INT(fetch(a)->error_code, KAFKA_INVALID_FETCH_SESSION_EPOCH);
    a.session_epoch = 2;
    a.isolation = 0;
    EXPECT_INT(fetch(a)->error_code, KAFKA_NONE);
    talk_close(&t);
}

TEST(a_session_without_partitions_ends) {
    open();
    struct asking a = ASKING;
    a.session_epoch = 0;
    a.session_id = fetch(a)->session_id;
    struct fetch_request_topic none;
    a.topics = &none;
    a.topics_count = 0;
    int32_t zero = 0;
    struct fetch_request_forgotten_topic forgotten = {client_text("t"), {{0}}, &zero, 1};
    a.forgotten = &forgotten;
    a.forgotten_count = 1;
    a.session_epoch = 1;
    struct fetch_response *r = fetch(a);
    EXPECT_INT(r->error_code, KAFKA_NONE);
    EXPECT_INT(r->session_id, 0);
    a.session_epoch = 2;
    EXPECT_INT(fetch(a)->error_code, KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    talk_close(&t);
}

TEST(errors_are_told_until_they_end_and_then_the_answer_once) {
    open();
    struct asking a = ask_many();
    a.session_id = fetch(a)->session_id;
    a.topics_count = 0;
    broker_leader_move(t.c, "c", 0, 2, false);
    talk_run(&t);
    a.version = 10;  // who may not read from followers
    for (a.session_epoch = 1; a.session_epoch < 3; a.session_epoch++) {
        struct fetch_response *r = fetch(a);
        EXPECT_INT(r->responses_count, 1);
        EXPECT(is_topic(r, 0, "c"));
        EXPECT_INT(r->responses[0].partitions[0].error_code, KAFKA_NOT_LEADER_OR_FOLLOWER);
    }
    broker_leader_move(t.c, "c", 0, 1, false);
    talk_run(&t);
    struct fetch_response *r = fetch(a);
    EXPECT_INT(r->responses_count, 1);
    EXPECT_INT(r->responses[0].partitions[0].error_code, KAFKA_NONE);
    a.session_epoch++;
    EXPECT_INT(fetch(a)->responses_count, 0);
    talk_close(&t);
}

TEST(a_session_of_ids_notices_that_the_topic_is_another) {
    open();
    append(talk_batch(&t, 3));
    struct asking a = ASKING;
    a.version = 13;
    a.topic_id = topic_id("t");
    a.session_epoch = 0;
    struct fetch_response *r = fetch(a);
    EXPECT_INT(r->responses[0].partitions[0].error_code, KAFKA_NONE);
    a.session_id = r->session_id;
    a.session_epoch = 1;
    broker_topic_delete(t.c, "t");
    talk_run(&t);
    EXPECT_INT(fetch_one(a)->error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    talk_topic(&t, "t", NULL);
    a.session_epoch = 2;
    EXPECT_INT(fetch_one(a)->error_code, KAFKA_INCONSISTENT_TOPIC_ID);
    talk_close(&t);
}

TEST(a_waiting_session_is_overtaken) {
    open();
    struct asking a = ask_many();
    a.session_id = fetch(a)->session_id;
    a.session_epoch = 1;
    a.topics_count = 0;
    a.wait_ms = 500;
    struct client *k = talk_connect(&t, 1);
    talk_send(&t, k, API_FETCH, 12, request(&a));
    a.session_epoch = 2;
    a.wait_ms = 0;
    EXPECT_INT(fetch(a)->error_code, KAFKA_NONE);
    talk_pass(&t, 500);
    struct fetch_response *r = talk_receive(k, API_FETCH, 12);
    EXPECT(r);
    EXPECT_INT(r->error_code, KAFKA_INVALID_FETCH_SESSION_EPOCH);
    EXPECT_INT(r->session_id, a.session_id);
    talk_close(&t);
}

TEST(sessions_are_evicted_when_they_are_stale_or_small) {
    struct prng prng;
    prng_seed(&prng, 1);
    struct fetch_sessions *s = fetch_sessions_new(2);
    struct fetch_request_partition p;
    message_defaults(&fetch_request_partition_message, &p);
    struct fetch_session *a = fetch_sessions_add(s, 1, false, &prng, 0);
    fetch_session_ask(a, (struct bytes){(const uint8_t *)"t", 1}, &p);
    fetch_session_used(a, 0);
    struct fetch_session *b = fetch_sessions_add(s, 1, false, &prng, 0);
    fetch_session_used(b, 60000000);
    EXPECT(!fetch_sessions_add(s, 1, false, &prng, 100000000));  // nobody has been here long enough
    int32_t gone = a->id;
    struct fetch_session *c = fetch_sessions_add(s, 1, false, &prng, 121000000);
    EXPECT(c);
    EXPECT(!fetch_sessions_find(s, gone));
    // b is old, in use and without partitions: any other is worth more.
    fetch_session_used(b, 130000000);
    gone = b->id;
    fetch_session_used(c, 130000000);
    EXPECT(fetch_sessions_add(s, 1, false, &prng, 131000000));
    EXPECT(!fetch_sessions_find(s, gone));
    EXPECT(fetch_sessions_find(s, c->id));
    fetch_sessions_free(s);
}

int main(void) {
    RUN(a_session_tells_what_has_changed);
    RUN(a_session_tells_of_watermarks_without_records);
    RUN(a_session_has_an_epoch_and_an_end);
    RUN(ids_that_no_session_can_have_are_an_exception);
    RUN(an_isolation_level_that_nobody_knows_is_an_exception_of_an_epoch);
    RUN(a_session_without_partitions_ends);
    RUN(errors_are_told_until_they_end_and_then_the_answer_once);
    RUN(a_session_of_ids_notices_that_the_topic_is_another);
    RUN(a_waiting_session_is_overtaken);
    RUN(sessions_are_evicted_when_they_are_stale_or_small);
    return test_result();
}
