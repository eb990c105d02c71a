// Appenders against a scripted broker: what shares a request, what keeps its order, and whose answer it is.
#include "unit/appender_story.h"

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
    reply((struct reply){true, 2, 1, KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER, 0});
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

static void fill_the_pipeline(void) {
    for (int i = 0; i < 3; i++) {
        appender_attach(&a, &partitions[i]);
        queue(i, 1, 100);
        queue(i, 2, 100);
    }
    queue(0, 3, 100);
    scripted_run(&s, MS);
    assert(scripted_unanswered(&s, API_PRODUCE) == DEPTH);
}

TEST(half_of_the_answers_are_waited_for_and_no_byte_more_than_they_have) {
    for (int16_t version = 3; version <= 13; version++) {
        begin_with(0);
        s.version_max[API_PRODUCE] = version;
        scripted_cut(&s, &a.link.connection);
        scripted_run(&s, SECOND);
        fill_the_pipeline();
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
    fill_the_pipeline();
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

TEST(who_was_asked_nothing_was_not_silent) {
    begin_with(1);
    queue(0, 1, 100);
    scripted_run(&s, MS);
    reply(fine);
    scripted_run(&s, 10 * APPENDER_SILENT_US);
    queue(0, 2, 100);
    scripted_run(&s, APPENDER_SILENT_US - MS);
    EXPECT_INT(seen.silent, 0);
    scripted_run(&s, 2 * MS);
    EXPECT_INT(seen.silent, 1);
    end();
}

static const struct reply throttled = {.leave_out = -1, .refuse = -1, .throttle_ms = 5000};

// What would lie unread is executed when our connection is gone; and it is known how long it lies.
TEST(behind_a_throttle_nothing_is_sent_and_then_one_request_at_a_time) {
    begin_with(0);
    fill_the_pipeline();
    reply(throttled);
    reply(fine);
    reply(throttled);  // the last one under way
    for (int i = 3; i < 10; i++) queue(1, i, 100);
    scripted_run(&s, 5 * SECOND - 10 * MS);
    EXPECT_INT(scripted_unanswered(&s, API_PRODUCE), 0);
    scripted_run(&s, 20 * MS);
    EXPECT_INT(scripted_unanswered(&s, API_PRODUCE), 1);
    reply(fine);
    EXPECT_INT(scripted_unanswered(&s, API_PRODUCE), 2);
    reply(fine);
    reply(fine);
    EXPECT_INT(scripted_unanswered(&s, API_PRODUCE), DEPTH);
    end();
}

TEST(what_waits_behind_a_throttle_leaves_room_for_others) {
    begin_with(1);
    queue(0, 1, 100);
    scripted_run(&s, MS);
    reply(throttled);
    EXPECT_INT(seen.silent, 0);  // nothing waits
    queue(0, 2, 100);
    scripted_run(&s, MS);
    EXPECT_INT(seen.silent, 1);
    scripted_run(&s, 5 * SECOND);
    EXPECT(a.silent);
    EXPECT_INT(scripted_unanswered(&s, API_PRODUCE), 1);
    end();
}

TEST(who_lets_go_of_what_waits_behind_a_throttle_is_not_called_silent_for_ever) {
    begin_with(1);
    queue(0, 1, 100);
    scripted_run(&s, MS);
    reply(throttled);
    queue(0, 2, 100);
    scripted_run(&s, MS);
    EXPECT(a.silent);
    appender_detach(&partitions[0]);
    appender_attach(&a, &partitions[0]);
    scripted_run(&s, 5 * SECOND);
    EXPECT(!a.silent);
    EXPECT_INT(scripted_unanswered(&s, API_PRODUCE), 0);
    end();
}

TEST(what_is_lost_behind_a_throttle_may_lie_unread_until_its_end) {
    begin_with(0);
    fill_the_pipeline();
    reply(throttled);
    int64_t until_us = s.env.now_us + 5 * SECOND;
    scripted_cut(&s, &a.link.connection);
    scripted_run(&s, SECOND);
    EXPECT(partitions[0].unread_until_us > until_us - 10 * MS && partitions[0].unread_until_us <= until_us);
    appender_attach(&a, &partitions[0]);
    queue(0, 3, 100);  // it is throttled on a new connection, too
    scripted_run(&s, SECOND);
    EXPECT_INT(scripted_unanswered(&s, API_PRODUCE), 0);
    end();
}

TEST(no_throttle_is_obeyed_for_longer_than_ten_minutes) {
    begin_with(1);
    queue(0, 1, 100);
    scripted_run(&s, MS);
    reply((struct reply){.leave_out = -1, .refuse = -1, .throttle_ms = INT32_MAX});
    EXPECT(a.throttled_until_us <= s.env.now_us + THROTTLE_US_MAX);
    end();
}

int main(void) {
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
    RUN(who_was_asked_nothing_was_not_silent);
    RUN(behind_a_throttle_nothing_is_sent_and_then_one_request_at_a_time);
    RUN(what_waits_behind_a_throttle_leaves_room_for_others);
    RUN(who_lets_go_of_what_waits_behind_a_throttle_is_not_called_silent_for_ever);
    RUN(what_is_lost_behind_a_throttle_may_lie_unread_until_its_end);
    RUN(no_throttle_is_obeyed_for_longer_than_ten_minutes);
    return test_result();
}
