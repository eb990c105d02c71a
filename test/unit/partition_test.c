// The life of mirrored partitions as stories between two modelled clusters, in virtual time: what is copied, what makes
// a partition look again, and who may.
#include "unit/flow_story.h"

#include "base/limits.h"
#include "mirror/flow_lanes.h"

// Copying ------------------------------------------------------------------------------------------------------------

TEST(a_log_is_copied_and_followed) {
    begin(WORLD_PARTITIONS_MAX);
    for (int32_t i = 0; i < WORLD_PARTITIONS_MAX; i++) world_write(w, i, 40 * i);
    world_start(w);
    EXPECT(equal());
    EXPECT_INT(w->refused, 0);
    for (int round = 0; round < 20; round++) {
        world_write(w, round % WORLD_PARTITIONS_MAX, 3);
        world_run(w, 700 * MS);  // a partition that joins a session waits for its long poll
        EXPECT(equal());
    }
    struct flow_status status;
    world_run(w, SECOND);
    int64_t fence_us = w->flow->ownership.fence_us;
    w->flow->ownership.fence_us = INT64_MIN;  // as where the coordinator is not heard
    flow_status(w->flow, &status);
    EXPECT_INT(status.not_joined, 1);
    w->flow->ownership.fence_us = fence_us;
    flow_status(w->flow, &status);
    EXPECT_INT(status.owned, WORLD_PARTITIONS_MAX);
    EXPECT_INT(status.caught_up, WORLD_PARTITIONS_MAX);
    EXPECT_INT(status.lag_records, 0);
    EXPECT_INT(status.not_joined, 0);
    EXPECT_INT(status.lag_ms, 0);  // though the newest record is a second old
    EXPECT_INT(resyncs(), 0);
    w->s.serve[API_PRODUCE] = NULL;
    world_write(w, 1, 3);
    world_run(w, 10 * SECOND);
    flow_status(w->flow, &status);
    EXPECT(status.lag_records > 0);
    EXPECT(status.lag_ms >= 10000);
    w->s.serve[API_PRODUCE] = world_produce;
    struct scripted_request *r;
    while ((r = scripted_next(&w->s, API_PRODUCE))) world_produce(&w->s, r);
    end();
}

TEST(the_first_batch_of_an_unknown_id_goes_alone) {
    begin(1);
    world_write(w, 0, 30);
    world_start(w);
    EXPECT(equal());
    int alone = 0, first = 0, n = 0;
    for (struct scripted_request *r = w->s.requests; r; r = r->next) {
        if (r->api->key != API_PRODUCE) continue;
        const struct produce_request *q = r->body;
        alone += q->acks == -1;
        if (n == 0) first = q->acks;
        n++;
    }
    EXPECT_INT(alone, 1);
    EXPECT_INT(first, -1);
    EXPECT_INT(n, 30);
    struct model_producer *p = model_producer(to, w->flow->producer_id);
    EXPECT(p && to->producers_count == 1);
    EXPECT_INT(p->last_sequence, to->end - 1);  // began at the log end, 0
    end();
}

TEST(a_killed_instance_goes_on_where_the_log_ends) {
    begin(2);
    world_write(w, 0, 50);
    world_write(w, 1, 50);
    for (int life = 0; life < 20; life++) {
        world_start(w);
        world_write(w, 0, 7);
        world_write(w, 1, 1 + life % 3);
        world_run(w, life * 37);
        world_kill(w);
        EXPECT_INT(w->budget.used, 0);
    }
    world_start(w);
    EXPECT(equal());
    EXPECT_INT(w->refused, 0);
    end();
}

// Where the source's cleaner left nothing at the last offsets, what both still have below is compared: not what the
// destination's cleaner has left behind that.
TEST(what_one_cleaner_took_is_not_compared) {
    for (int32_t taken = 0; taken < 2; taken++) {
        begin_copied(1);
        world_kill(w);
        model_clean(from, from->end - 1);
        world_write(w, 0, 2);
        if (taken) model_clean(to, 0);
        world_start(w);
        EXPECT_INT(state(), PARTITION_COPY);
        EXPECT_INT(to->end, from->end);
        end();
    }
}

// A leader of the source that has not heard that it was deposed ends where it was cut off.
TEST(a_source_that_seems_to_end_earlier_is_asked_about) {
    begin_copied(1);
    world_kill(w);
    int64_t records = from->end;
    from->end = 1;
    world_start(w);
    world_run(w, 20 * SECOND);
    EXPECT_INT(state(), PARTITION_RESYNC);
    EXPECT(w->flow->source.refreshes > 20);
    from->end = records;
    world_change_leader(w, &w->source, 0);
    world_run(w, 2 * SECOND);
    world_write(w, 0, 3);
    world_run(w, 2 * SECOND);
    EXPECT_INT(state(), PARTITION_COPY);
    EXPECT(equal());
    end();
}

// Surprises ----------------------------------------------------------------------------------------------------------

TEST(refusals_that_pass_cost_a_look_at_the_log) {
    static const int16_t codes[] = {KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER, KAFKA_INVALID_PRODUCER_EPOCH,
                                    KAFKA_NOT_LEADER_OR_FOLLOWER, KAFKA_NOT_ENOUGH_REPLICAS,
                                    KAFKA_REQUEST_TIMED_OUT, KAFKA_UNKNOWN_SERVER_ERROR};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        begin_copied(1);
        world_write(w, 0, 20);
        w->answer_with = codes[i];
        world_run(w, 2 * SECOND);
        EXPECT_INT(resyncs(), 1);
        EXPECT_INT(state(), PARTITION_COPY);
        EXPECT(equal());
        end();
    }
}

TEST(what_is_refused_again_and_again_is_tried_ever_more_rarely) {
    begin_copied(1);
    world_write(w, 0, 1);
    w->s.serve[API_PRODUCE] = world_refuse_all;
    world_run(w, 5 * SECOND);
    int before = w->s.requests_count[API_PRODUCE];
    world_run(w, 20 * SECOND);
    int tries = w->s.requests_count[API_PRODUCE] - before;
    EXPECT(tries >= 10 && tries <= 21);
    w->s.serve[API_PRODUCE] = world_produce;
    world_run(w, 2 * SECOND);
    EXPECT(equal());
    end();
}

TEST(an_answer_below_the_expected_offset_is_looked_into) {
    begin_copied(1);
    world_write(w, 0, 1);
    w->answer_shift = 2;  // "stands already", though it was never written
    world_run(w, SECOND);
    EXPECT_INT(resyncs(), 1);
    EXPECT(equal());
    end();
}

TEST(an_answer_above_the_expected_offset_halts) {
    begin_copied(1);
    int64_t at = to->end;
    world_write(w, 0, 3);
    w->foreign_records = 4;
    world_run(w, SECOND);
    EXPECT_HALTED(at, "foreign records at offsets");
    int appended = w->appended;
    world_write(w, 0, 3);
    world_run(w, 5 * SECOND);
    EXPECT_INT(w->appended, appended);  // for good
    end();
}

TEST(what_a_lost_connection_left_undone_is_done_once) {
    for (int many = 1; many < 12; many++) {
        begin_copied(2);
        world_write(w, 0, many);
        world_write(w, 1, many);
        w->s.serve[API_PRODUCE] = NULL;
        world_run(w, 10 * MS);
        // The broker writes the first of them, and the answers are lost.
        for (int i = 0; i < many / 2; i++) {
            struct scripted_request *r = scripted_next(&w->s, API_PRODUCE);
            if (!r) break;
            world_produce(&w->s, r);
            r->channel->out.size = r->channel->delivered;
        }
        w->s.serve[API_PRODUCE] = world_produce;
        scripted_cut_node(&w->s, 1);
        world_run(w, 3 * SECOND);
        EXPECT(equal());
        EXPECT_INT(w->refused, 0);
        end();
    }
}

TEST(leaders_may_move_on_both_sides) {
    begin_copied(2);
    for (int round = 0; round < 10; round++) {
        world_write(w, 0, 5);
        world_write(w, 1, 5);
        world_run(w, round * 13 * MS);
        world_change_leader(w, round % 2 ? &w->source : &w->destination, 0);
        world_run(w, 2 * SECOND);
        EXPECT(equal());
        EXPECT_INT(state(), PARTITION_COPY);
    }
    end();
}

static int asked[2];  // for metadata: the source, the destination

static void count_metadata(struct scripted *s, struct scripted_request *r) {
    asked[world_side(s->context, r) == &w->destination]++;
    world_metadata(s, r);
}

TEST(a_leader_that_is_missing_is_asked_for_ever_more_rarely) {
    for (int side = 0; side < 2; side++) {
        begin_copied(2);
        struct model_cluster *c = side ? &w->destination : &w->source;
        w->s.serve[API_METADATA] = count_metadata;
        int32_t leader = c->logs[0].leader;
        world_change_leader(w, c, 0);
        c->logs[0].leader = -1;
        asked[0] = asked[1] = 0;
        world_write(w, 0, 5);
        world_write(w, 1, 5);
        world_run(w, 59 * SECOND);
        EXPECT_INT(state(), PARTITION_LOCATE);
        EXPECT_INT(world_partition(w, 1)->log_end, w->source.logs[1].end);  // the others go on
        EXPECT(asked[side] > 15 && asked[side] <= 30);
        EXPECT(asked[!side] <= 5);
        EXPECT_INT(scripted_count(&w->s, "msg=\"partition without leader\""), 1);
        EXPECT(scripted_told(&w->s, side ? "topic=t partition=0 cluster=b" : "topic=t partition=0 cluster=a"));
        c->logs[0].leader = leader;
        c->logs[0].epoch++;
        world_run(w, PARTITION_LOCATE_US_MAX + SECOND);
        EXPECT(equal());
        EXPECT_INT(state(), PARTITION_COPY);
        end();
    }
}

TEST(a_missing_leader_is_seen_in_whatever_metadata_come) {
    begin_copied(1);
    world_change_leader(w, &w->source, 0);
    int32_t leader = from->leader;
    from->leader = -1;
    world_run(w, 30 * SECOND);
    from->leader = leader;
    from->epoch++;
    world_write(w, 0, 5);
    cluster_refresh(&w->flow->source);
    world_run(w, 300 * MS);
    EXPECT(equal());
    end();
}

TEST(of_a_cluster_that_cannot_be_reached_no_leader_is_missed) {
    begin_copied(1);
    w->s.unreachable = true;
    for (int32_t id = 1; id <= WORLD_BROKERS; id++) scripted_cut_node(&w->s, id);
    world_run(w, 60 * SECOND);
    EXPECT_INT(state(), PARTITION_LOCATE);
    EXPECT(!scripted_told(&w->s, "without leader"));
    w->s.unreachable = false;
    world_run(w, 20 * SECOND);
    EXPECT_INT(state(), PARTITION_COPY);
    end();
}

TEST(an_acknowledged_tail_that_is_lost_is_copied_again) {
    begin_copied(1);
    world_write(w, 0, 20);
    world_run(w, SECOND);
    EXPECT(equal());
    model_truncate(to, to->end - 15);  // acks=1, and the leader died: into the middle of batches, as the model has it
    struct batch_header h;
    size_t at = 0;
    while (at < to->bytes.size && batch_look((struct bytes){to->bytes.at + at, to->bytes.size - at}, &h) == BATCH_WHOLE)
        at += (size_t)h.size;
    to->end = batch_last_offset(&h) + 1;
    world_change_leader(w, &w->destination, 0);
    world_run(w, 300 * MS);  // and nothing new to send
    EXPECT_INT(resyncs(), 1);
    world_run(w, SECOND);
    EXPECT(equal());
    end();
}

TEST(followers_that_lag_are_waited_for_but_not_for_ever) {
    begin_copied(1);
    to->followers_stuck = true;
    to->replicated = to->end;
    world_write(w, 0, 3);
    world_run(w, SECOND);
    EXPECT_INT(to->end, from->end);
    EXPECT(world_partition(w, 0)->replicated_end < to->end);
    EXPECT(partition_lag(world_partition(w, 0)) > 0);
    world_change_leader(w, &w->destination, 0);
    world_run(w, SECOND);
    EXPECT_INT(state(), PARTITION_RESYNC);
    int64_t before = resyncs();
    world_run(w, 40 * SECOND);
    EXPECT(resyncs() > before);  // newer metadata may help
    to->followers_stuck = false;
    world_run(w, 2 * SECOND);
    EXPECT_INT(state(), PARTITION_COPY);
    world_write(w, 0, 3);
    world_run(w, SECOND);
    EXPECT(equal() && partition_lag(world_partition(w, 0)) == 0);
    end();
}

TEST(a_batch_that_arrives_damaged_is_fetched_again) {
    begin_copied(1);
    w->source.damage = 2;
    world_write(w, 0, 3);
    world_run(w, 5 * SECOND);
    EXPECT(w->refused >= 2);  // a wrong CRC stays wrong on the way
    EXPECT(equal());
    int64_t at = to->end;
    w->source.damage = 1000;
    world_write(w, 0, 1);
    world_run(w, 30 * SECOND);
    EXPECT_HALTED(at, "damaged");
    EXPECT_INT(to->end, at);
    end();
}

TEST(a_broker_that_forgot_the_producer_is_reminded) {
    begin_copied(1);
    world_kill(w);
    to->producers_count = 0;
    world_write(w, 0, 10);
    world_start(w);
    world_run(w, 15 * SECOND);
    EXPECT(equal());
    EXPECT_INT(w->refused, 0);
    struct model_producer *p = model_producer(to, w->flow->producer_id);
    EXPECT(p && p->last_sequence == to->end - 1);
    end();
}

// Ownership ----------------------------------------------------------------------------------------------------------

TEST(past_the_fence_nothing_is_appended) {
    begin_copied(2);
    w->coordinator.refuse_with = KAFKA_COORDINATOR_LOAD_IN_PROGRESS;
    int64_t fence_us = 0;
    for (int i = 0; i < 1500; i++) {
        if (w->flow->ownership.fence_us > 0) fence_us = w->flow->ownership.fence_us;
        world_write(w, i % 2, 1);
        world_run(w, 10 * MS);
    }
    EXPECT(fence_us > 0 && fence_us < w->s.env.now_us);
    EXPECT(w->last_append_us < fence_us);
    EXPECT(w->last_append_us > fence_us - SECOND);
    EXPECT_INT(state(), PARTITION_IDLE);
    EXPECT_INT(w->budget.used, 0);
    w->coordinator.refuse_with = 0;
    world_run(w, 15 * SECOND);
    EXPECT(equal());
    EXPECT_INT(w->refused, 0);
    end();
}

// Suspended with requests that are not written yet, and woken up when the slices may be somebody else's.
TEST(who_sleeps_past_the_fence_writes_nothing_on_waking_up) {
    begin_copied(1);
    w->s.stalled = true;
    world_write(w, 0, 5);
    world_run(w, 10 * MS);
    int appended = w->appended, channel = -1;
    for (int i = 0; i < w->s.channels_count; i++) {
        const struct connection *c = w->s.channels[i].connection;
        if (c && c->fence_us && connection_has_output(c)) channel = i;
    }
    EXPECT(channel >= 0);
    w->s.env.now_us += 12 * SECOND;
    w->s.stalled = false;
    world_run(w, 0);
    EXPECT_INT(w->appended, appended);
    EXPECT_INT(state(), PARTITION_IDLE);
    EXPECT(!w->s.channels[channel].connection && w->s.channels[channel].aborted);  // what it held can never be sent
    world_run(w, 30 * SECOND);
    EXPECT(equal());
    EXPECT_INT(w->refused, 0);
    end();
}

static void write_old(int batches) {
    for (int i = 0; i < batches; i++)
        model_write(from, &(struct model_batch){.count = 3, .timestamp = w->s.env.wall_ms - 86400000});
}

TEST(a_backlog_older_than_the_producers_memory_is_waited_for) {
    begin(1);
    write_old(5);
    world_start(w);
    EXPECT_INT(to->end, 0);  // what an earlier owner sent may still be under way
    world_run(w, 12 * SECOND);
    EXPECT(equal());
    write_old(5);
    w->s.serve[API_PRODUCE] = NULL;
    world_run(w, 10 * MS);
    scripted_cut_node(&w->s, 1);  // and so may what our own lost connection sent
    w->s.serve[API_PRODUCE] = world_produce;
    int64_t before = to->end;
    world_run(w, 9 * SECOND);
    EXPECT_INT(to->end, before);
    EXPECT_INT(state(), PARTITION_RESYNC);
    world_run(w, 3 * SECOND);
    EXPECT(equal());
    end();
}

TEST(an_old_batch_waits_for_what_precedes_it) {
    begin_copied(1);
    int64_t before = to->end;
    w->s.serve[API_PRODUCE] = NULL;
    world_write(w, 0, 2);
    write_old(1);
    world_run(w, SECOND / 2);
    EXPECT_INT(state(), PARTITION_COPY);  // the new ones are under way
    EXPECT_INT(to->end, before);
    w->s.serve[API_PRODUCE] = world_produce;
    struct scripted_request *r;
    while ((r = scripted_next(&w->s, API_PRODUCE))) world_produce(&w->s, r);
    world_run(w, 15 * SECOND);
    EXPECT(equal());
    EXPECT_INT(w->refused, 0);
    EXPECT_INT(resyncs(), 0);
    end();
}

// The broker forgets with the old one, and would take what follows a refused one in its place.
TEST(behind_a_batch_of_old_damage_is_not_sent) {
    begin_copied(1);
    w->s.serve[API_PRODUCE] = NULL;
    w->s.in_turn = true;
    write_old(1);
    for (int i = 0; i < 200 && !scripted_next(&w->s, API_PRODUCE); i++) world_run(w, 100 * MS);
    EXPECT_INT(scripted_unanswered(&w->s, API_PRODUCE), 1);
    w->source.damage = 1;
    world_write(w, 0, 1);
    world_run(w, 100 * MS);
    EXPECT_INT(w->source.damage, 0);
    world_write(w, 0, 1);
    w->s.serve[API_PRODUCE] = world_produce;
    world_produce(&w->s, scripted_next(&w->s, API_PRODUCE));
    world_run(w, 15 * SECOND);
    EXPECT_INT(w->refused, 0);
    EXPECT(equal());
    end();
}

// As a coordinator that was deposed: it answers heartbeats, and can write nothing.
TEST(what_the_producers_memory_does_not_protect_waits_for_a_lease) {
    begin(2);
    world_write(w, 1, 10);
    world_start(w);
    EXPECT_INT(w->coordinator.commits, 0);  // records of today need none
    w->coordinator.writes_nothing = true;
    write_old(5);
    world_run(w, 20 * SECOND);
    EXPECT_INT(to->end, 0);
    EXPECT(w->coordinator.commits > 0);
    world_write(w, 1, 10);
    world_run(w, 2 * SECOND);
    EXPECT_INT(w->destination.logs[1].end, w->source.logs[1].end);  // and do not wait for those of old
    w->coordinator.writes_nothing = false;
    world_run(w, 8 * SECOND);
    EXPECT(equal());
    end();
}

TEST(what_needs_a_lease_and_was_not_sent_in_time_is_never_sent) {
    begin(1);
    write_old(5);
    world_start(w);
    world_run(w, 12 * SECOND);
    EXPECT(equal());
    w->s.stalled = true;
    write_old(5);
    world_run(w, 10 * MS);
    int appended = w->appended, channel = -1;
    for (int i = 0; i < w->s.channels_count; i++) {
        const struct connection *c = w->s.channels[i].connection;
        if (c && c->fence_us == &w->flow->ownership.lease_us && connection_has_output(c)) channel = i;
    }
    EXPECT(channel >= 0);
    w->s.stalled = false;
    w->flow->ownership.group.leased_us = INT64_MIN;
    w->flow->ownership.lease_us = w->s.env.now_us;
    timer_set(&w->s.env.timers, &w->flow->ownership.lease, w->s.env.now_us);
    w->coordinator.writes_nothing = true;
    world_run(w, 0);
    EXPECT_INT(w->appended, appended);
    EXPECT(!w->s.channels[channel].connection && w->s.channels[channel].aborted);
    EXPECT_INT(state(), PARTITION_RESYNC);  // still its own
    w->coordinator.writes_nothing = false;
    world_run(w, 15 * SECOND);
    EXPECT(equal());
    end();
}

// What a partition left unwritten is nobody's: how old the state was that it relied on is not known any more.
TEST(what_was_left_behind_is_not_sent_when_the_destination_forgets_sooner) {
    begin_copied(1);
    w->s.stalled = true;
    world_write(w, 0, 5);
    world_run(w, 10 * MS);
    int channel = -1;
    for (int i = 0; i < w->s.channels_count; i++) {
        const struct connection *c = w->s.channels[i].connection;
        if (c && c->fence_us && connection_has_output(c)) channel = i;
    }
    EXPECT(channel >= 0);
    lanes_abort_old(w->flow);
    EXPECT(w->s.channels[channel].connection);  // of today, and its partition knows
    struct error why = error_make(ERROR_PROTOCOL, 0, "test", "a surprise");
    partition_surprise(world_partition(w, 0), &why);
    world_run(w, 10 * MS);
    EXPECT_INT(state(), PARTITION_RESYNC);
    lanes_abort_old(w->flow);
    EXPECT(!w->s.channels[channel].connection && w->s.channels[channel].aborted);
    w->s.stalled = false;
    world_run(w, 10 * SECOND);
    EXPECT(equal());
    end();
}

// A broker that does not know what it says is no reason to ask it as fast as it answers.
TEST(a_log_start_that_cannot_be_read_is_asked_for_with_pauses) {
    begin_copied(1);
    model_write(from, &(struct model_batch){.count = 10, .timestamp = w->s.env.wall_ms});
    world_run(w, SECOND);
    EXPECT(equal());
    world_kill(w);
    model_delete_below(from, from->end - 3);
    w->source.refuses_start = true;
    world_start(w);
    w->source.reads_refused = 0;
    world_run(w, 10 * SECOND);
    EXPECT(w->source.reads_refused > 5 && w->source.reads_refused < 300);
    EXPECT_INT(state(), PARTITION_RESYNC);
    w->source.refuses_start = false;
    world_write(w, 0, 2);
    world_run(w, 3 * SECOND);
    EXPECT_INT(state(), PARTITION_COPY);
    EXPECT_INT(to->end, from->end);
    end();
}

int main(void) {
    RUN(a_log_is_copied_and_followed);
    RUN(the_first_batch_of_an_unknown_id_goes_alone);
    RUN(a_killed_instance_goes_on_where_the_log_ends);
    RUN(what_one_cleaner_took_is_not_compared);
    RUN(a_source_that_seems_to_end_earlier_is_asked_about);
    RUN(refusals_that_pass_cost_a_look_at_the_log);
    RUN(what_is_refused_again_and_again_is_tried_ever_more_rarely);
    RUN(an_answer_below_the_expected_offset_is_looked_into);
    RUN(an_answer_above_the_expected_offset_halts);
    RUN(what_a_lost_connection_left_undone_is_done_once);
    RUN(leaders_may_move_on_both_sides);
    RUN(a_leader_that_is_missing_is_asked_for_ever_more_rarely);
    RUN(a_missing_leader_is_seen_in_whatever_metadata_come);
    RUN(of_a_cluster_that_cannot_be_reached_no_leader_is_missed);
    RUN(an_acknowledged_tail_that_is_lost_is_copied_again);
    RUN(followers_that_lag_are_waited_for_but_not_for_ever);
    RUN(a_batch_that_arrives_damaged_is_fetched_again);
    RUN(a_broker_that_forgot_the_producer_is_reminded);
    RUN(past_the_fence_nothing_is_appended);
    RUN(who_sleeps_past_the_fence_writes_nothing_on_waking_up);
    RUN(a_backlog_older_than_the_producers_memory_is_waited_for);
    RUN(an_old_batch_waits_for_what_precedes_it);
    RUN(behind_a_batch_of_old_damage_is_not_sent);
    RUN(what_the_producers_memory_does_not_protect_waits_for_a_lease);
    RUN(what_was_left_behind_is_not_sent_when_the_destination_forgets_sooner);
    RUN(what_needs_a_lease_and_was_not_sent_in_time_is_never_sent);
    RUN(a_log_start_that_cannot_be_read_is_asked_for_with_pauses);
    return test_result();
}
