// Whose bytes leave room for whose: brokers that have nothing, that answer nothing, and what small batches hold.
#include "unit/flow_story.h"

#include "base/limits.h"

static void write_sized(int32_t index, int32_t size) {
    model_write(&w->source.logs[index],
                &(struct model_batch){.count = 5, .attributes = 3, .timestamp = w->s.env.wall_ms, .size = size});
}

static bool arrives(int32_t index, int64_t within_us) {
    for (int64_t until_us = w->s.env.now_us + within_us; w->s.env.now_us < until_us; world_run(w, MS))
        if (w->destination.logs[index].end == w->source.logs[index].end) return true;
    return false;
}

// Of each source broker one partition; fetches are as large as the core likes them.
static void begin_spread(void) {
    begin(WORLD_BROKERS);
    w->fetch_bytes_max = w->fetch_sessions = 0;
    for (int32_t i = 0; i < WORLD_BROKERS; i++) {
        w->source.logs[i].leader = i + 1;
        world_write(w, i, 3);
    }
    world_start(w);
    world_run(w, 10 * SECOND);
    assert(equal());
}

TEST(brokers_that_have_nothing_leave_room_for_the_others) {
    begin_spread();
    for (int n = 0; n < 60; n++) {
        world_run(w, (37 + n * 131 % 400) * MS);
        world_write(w, n % WORLD_BROKERS, 1);
        EXPECT(arrives(n % WORLD_BROKERS, 5 * MS));
    }
    for (int n = 0; n < 300; n++) write_sized(0, 200 * 1000);
    EXPECT(arrives(0, SECOND));
    end();
}

TEST(what_another_flow_has_under_way_leaves_room) {
    struct budget_waiter nobody = {.room = NULL};
    struct budget far;
    begin_spread();
    budget_init_part(&far, &w->budget);
    EXPECT(budget_take(&far, 24 * MiB, INT64_MAX, &nobody));  // asked for over a long line
    world_write(w, 1, 1);
    EXPECT(arrives(1, 5 * MS));
    for (int n = 0; n < 300; n++) write_sized(0, 200 * 1000);
    EXPECT(arrives(0, SECOND));
    budget_release(&far, 24 * MiB);
    end();
}

static void produce_but_at_2(struct scripted *s, struct scripted_request *r) {
    if (r->channel->node_id != 2) world_produce(s, r);
}

// All partitions but one belong to a broker of the destination that answers nothing any more.
static void begin_stuck(int32_t partitions, int64_t buffer_memory, int32_t fetch_bytes_max) {
    begin(partitions);
    budget_init(&w->budget, buffer_memory);
    w->fetch_bytes_max = fetch_bytes_max;
    for (int32_t i = 0; i < partitions; i++) {
        if (i > 0) w->destination.logs[i].leader = 2;
        world_write(w, i, 3);
    }
    world_start(w);
    assert(equal());
    w->s.serve[API_PRODUCE] = produce_but_at_2;
}

static void end_stuck(void) {
    w->s.serve[API_PRODUCE] = world_produce;
    world_run(w, 2 * w->flow->destination.config.request_timeout_us);
    EXPECT(equal());
    end();
}

TEST(a_silent_broker_leaves_room_for_the_others) {
    begin_stuck(12, 64 * MiB, MiB);
    for (int n = 0; n < 20; n++)
        for (int32_t i = 0; i < 12; i++) write_sized(i, 150 * 1000);
    EXPECT(arrives(0, 3 * SECOND));
    for (int n = 0; n < 10; n++) {
        world_write(w, 0, 1);
        for (int32_t i = 1; i < 12; i++) write_sized(i, 50 * 1000);
        EXPECT(arrives(0, 600 * MS));  // it shares a session with them: a long poll
    }
    EXPECT(w->budget.used <= w->budget.limit / 2);
    end_stuck();
}

TEST(more_of_a_silent_broker_s_partitions_is_not_fetched) {
    begin_stuck(3, 64 * MiB, MiB);
    const struct partition *p = world_partition(w, 2);
    write_sized(1, 50 * 1000);
    world_run(w, 2 * APPENDER_SILENT_US);
    write_sized(2, 50 * 1000);
    world_run(w, SECOND);
    EXPECT_INT(p->bytes_in_flight, 0);
    world_produce(&w->s, scripted_next(&w->s, API_PRODUCE));
    w->s.serve[API_PRODUCE] = world_produce;
    EXPECT(arrives(2, SECOND));  // the broker is heard again
    end_stuck();
}

// Where the source starts was asked for before, and is told when the broker is silent already.
TEST(what_comes_for_a_broker_that_is_silent_leaves_room) {
    begin_stuck(2, 64 * MiB, MiB);
    const struct partition *p = world_partition(w, 1);
    struct model_log *l = &w->source.logs[1];
    write_sized(1, 50 * 1000);
    world_run(w, 100 * MS);
    w->s.serve[API_LIST_OFFSETS] = NULL;
    write_sized(1, 50 * 1000);
    model_delete_below(l, l->end - 2);  // inside it
    world_run(w, 2 * APPENDER_SILENT_US);
    EXPECT(p->append.appender->silent && p->log_end < l->end);
    w->s.serve[API_LIST_OFFSETS] = world_list_offsets;
    for (struct scripted_request *r; (r = scripted_next(&w->s, API_LIST_OFFSETS));) world_list_offsets(&w->s, r);
    world_run(w, SECOND);
    EXPECT_INT(p->log_end, l->end);
    EXPECT_INT(p->bytes_aside, p->bytes_in_flight);
    EXPECT(!p->fetch.session);
    w->s.serve[API_PRODUCE] = world_produce;
    for (struct scripted_request *r; (r = scripted_next(&w->s, API_PRODUCE));) world_produce(&w->s, r);
    EXPECT(arrives(1, SECOND));
    end();
}

// Its connections stay, and it tells nobody.
TEST(that_another_one_leads_than_who_is_frozen_is_heard_from_others) {
    begin_stuck(2, 64 * MiB, MiB);
    world_write(w, 1, 1);
    world_run(w, 10 * SECOND);
    w->destination.logs[1].leader = 1;
    w->destination.logs[1].epoch++;
    EXPECT(arrives(1, WATCH_IDLE_INTERVAL_US + SECOND));
    end_stuck();
}

static void fetch_but_at_2(struct scripted *s, struct scripted_request *r) {
    if (r->channel->node_id != 2 || strncmp(r->channel->host, "source", 6) != 0) world_fetch(s, r);
}

TEST(that_another_one_leads_than_who_answers_no_fetch_is_heard_from_others) {
    begin_spread();
    w->s.serve[API_FETCH] = fetch_but_at_2;
    world_run(w, 10 * SECOND);
    w->source.logs[1].leader = 1;
    w->source.logs[1].epoch++;
    world_write(w, 1, 1);
    EXPECT(arrives(1, WATCH_IDLE_INTERVAL_US + SECOND));
    w->s.serve[API_FETCH] = world_fetch;
    end();
}

TEST(a_broker_that_falls_silent_again_is_noticed_again) {
    begin_stuck(2, 64 * MiB, MiB);
    const struct partition *p = world_partition(w, 1);
    for (int n = 0; n < 2; n++) {
        write_sized(1, 50 * 1000);
        world_run(w, 100 * MS);
    }
    EXPECT(p->append.unanswered == 2 && p->append.queued == 0);
    world_run(w, APPENDER_SILENT_US);
    EXPECT(p->append.appender->silent);
    world_produce(&w->s, scripted_next(&w->s, API_PRODUCE));
    world_run(w, 10 * MS);
    EXPECT(p->append.unanswered == 1 && !p->append.appender->silent);
    EXPECT_INT(p->bytes_aside, 0);
    world_run(w, APPENDER_SILENT_US);
    EXPECT(p->append.appender->silent);
    EXPECT_INT(p->bytes_aside, p->bytes_in_flight);
    end_stuck();
}

// A response stays in memory for as long as one batch of it waits.
TEST(small_batches_that_wait_do_not_keep_large_responses) {
    begin_stuck(2, 16 * MiB, 2 * MiB);
    w->flow->destination.config.request_timeout_us = 60 * SECOND;
    for (int n = 0; n < 45; n++) {
        write_sized(1, 5000);
        for (int k = 0; k < 4; k++) write_sized(0, 480 * KiB);
        EXPECT(arrives(0, SECOND));
        model_delete_below(&w->source.logs[0], w->source.logs[0].end - 1);
        model_delete_below(&w->destination.logs[0], w->destination.logs[0].end - 1);
    }
    EXPECT(w->s.env.frames.bytes_lent_peak < (size_t)(2 * w->budget.limit));
    end_stuck();
}

int main(void) {
    RUN(brokers_that_have_nothing_leave_room_for_the_others);
    RUN(what_another_flow_has_under_way_leaves_room);
    RUN(a_silent_broker_leaves_room_for_the_others);
    RUN(more_of_a_silent_broker_s_partitions_is_not_fetched);
    RUN(what_comes_for_a_broker_that_is_silent_leaves_room);
    RUN(that_another_one_leads_than_who_is_frozen_is_heard_from_others);
    RUN(that_another_one_leads_than_who_answers_no_fetch_is_heard_from_others);
    RUN(a_broker_that_falls_silent_again_is_noticed_again);
    RUN(small_batches_that_wait_do_not_keep_large_responses);
    return test_result();
}
