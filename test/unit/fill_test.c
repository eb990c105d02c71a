// The beginning of logs as stories: what stands below the source's log start is filled, and hidden from consumers.
#include "unit/flow_story.h"

TEST(a_log_that_starts_later_is_filled_up_to_there) {
    static const int64_t starts[] = {1, 1000, 800000, 2000001};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        begin(1);
        write_above(starts[i]);
        world_start(w);
        world_run(w, 3 * SECOND);
        EXPECT(equal());
        EXPECT_INT(to->start, starts[i]);
        EXPECT_INT(w->refused, 0);
        world_write(w, 0, 5);
        world_run(w, SECOND);
        EXPECT(equal());
        world_kill(w);
        world_start(w);
        world_write(w, 0, 5);
        world_run(w, SECOND);
        EXPECT(equal());
        end();
    }
}

TEST(a_log_start_inside_a_batch_hides_the_same_records) {
    begin(1);
    write_ten_at(1000);
    world_write(w, 0, 5);
    from->start = 1004;
    world_start(w);
    world_run(w, 3 * SECOND);
    EXPECT(equal());
    EXPECT_INT(to->start, 1004);
    end();
}

TEST(an_emptied_log_is_filled_up_to_its_end) {
    begin(1);
    from->start = from->end = 500;
    world_start(w);
    world_run(w, 3 * SECOND);
    EXPECT_INT(to->end, 500);
    EXPECT_INT(to->start, 500);
    world_write(w, 0, 5);
    world_run(w, SECOND);
    EXPECT(equal());
    end();
}

TEST(filling_goes_on_after_it_was_cut_off) {
    for (int answered = 0; answered < 3; answered++) {
        begin(1);
        write_above(2000001);
        w->s.serve[API_PRODUCE] = NULL;
        world_start(w);
        for (int i = 0; i < answered; i++) {
            world_produce(&w->s, scripted_next(&w->s, API_PRODUCE));
            world_run(w, SECOND);
        }
        EXPECT_INT(to->end, answered * BATCH_FILLER_COUNT_MAX);
        world_kill(w);
        w->s.serve[API_PRODUCE] = world_produce;
        world_start(w);
        world_run(w, 3 * SECOND);
        EXPECT(equal());
        EXPECT_INT(w->refused, 0);
        end();
    }
}

static int fillers;

static void produce_fillers(struct scripted *script, struct scripted_request *r) {
    const struct produce_request *q = r->body;
    const struct wire_bytes *records = &q->topic_data[0].partition_data[0].records;
    struct batch_header h;
    if (batch_look((struct bytes){records->at, (size_t)records->size}, &h) == BATCH_WHOLE &&
        batch_is_filler((struct bytes){records->at, (size_t)records->size}, &h)) {
        fillers++;
        EXPECT(h.count <= 12500 || h.count == 50000 || h.count == 200000 || h.count == BATCH_FILLER_COUNT_MAX);
    }
    world_produce(script, r);
}

// Writing one takes up to a third of a second, and many partitions may begin at once.
TEST(large_fillers_have_few_sizes_and_are_made_once) {
    begin(1);
    write_above(2 * BATCH_FILLER_COUNT_MAX - 1);
    fillers = 0;
    w->s.serve[API_PRODUCE] = produce_fillers;
    world_start(w);
    world_run(w, 3 * SECOND);
    EXPECT(equal());
    EXPECT_INT(fillers, 1 + 3 + 3 + 3 + 1);
    for (int i = 0; i < FLOW_FILLERS; i++) EXPECT(w->flow->fillers[i]);
    end();
}

// No budget counts what is under way of them.
TEST(not_all_partitions_fill_at_once) {
    begin(64);
    for (int32_t i = 0; i < 64; i++) {
        w->source.logs[i].start = w->source.logs[i].end = BATCH_FILLER_COUNT_MAX;
        world_write(w, i, 3);
    }
    w->s.in_turn = true;
    w->s.serve[API_PRODUCE] = NULL;
    world_start(w);
    EXPECT_INT(w->flow->filling, FILL_PARTITIONS_MAX);
    EXPECT(w->s.env.frames.bytes_lent < 40 * MiB);
    w->s.serve[API_PRODUCE] = world_produce;
    world_produce(&w->s, scripted_next(&w->s, API_PRODUCE));
    world_run(w, 2 * w->flow->destination.config.request_timeout_us);
    EXPECT(equal());
    EXPECT_INT(w->flow->filling, 0);
    end();
}

// Of the filler under way; -1 when its CRC is wrong.
static int64_t filler_time(void) {
    const struct produce_request *q = scripted_next(&w->s, API_PRODUCE)->body;
    struct bytes records = {q->topic_data[0].partition_data[0].records.at, BATCH_HEADER_SIZE};
    struct batch_header h;
    batch_look(records, &h);
    records.size = (size_t)h.size;
    return batch_crc_is_right(records) && h.base_timestamp == h.max_timestamp ? h.max_timestamp : -1;
}

// Else a process that has filled once would write fillers of the past some days later.
TEST(a_filler_is_of_today_however_long_ago_it_was_made) {
    begin(1);
    write_above(2000001);
    w->s.serve[API_PRODUCE] = NULL;
    world_start(w);
    int64_t made_ms = filler_time();
    EXPECT(made_ms <= w->s.env.wall_ms);
    world_run(w, 10 * SECOND);
    world_produce(&w->s, scripted_next(&w->s, API_PRODUCE));
    world_run(w, MS);
    EXPECT(filler_time() >= made_ms + 10000);
    w->s.serve[API_PRODUCE] = world_produce;
    world_produce(&w->s, scripted_next(&w->s, API_PRODUCE));
    world_run(w, 3 * SECOND);
    EXPECT(equal());
    end();
}

TEST(a_slice_may_go_while_its_partition_is_filled) {
    begin(1);
    write_above(2000001);
    w->s.serve[API_PRODUCE] = NULL;
    world_start(w);
    EXPECT_INT(state(), PARTITION_GAP);
    flow_stop(w->flow);
    world_run(w, 100 * MS);
    EXPECT_INT(state(), PARTITION_DRAIN);
    w->s.serve[API_PRODUCE] = world_produce;
    world_produce(&w->s, scripted_next(&w->s, API_PRODUCE));
    world_run(w, SECOND);
    EXPECT(w->stopped);
    EXPECT_INT(w->budget.used, 0);
    EXPECT_INT(w->flow->counters.records, 0);
    EXPECT_INT(to->end, BATCH_FILLER_COUNT_MAX);
    world_kill(w);
    world_start(w);
    world_run(w, 3 * SECOND);
    EXPECT(equal());
    end();
}

TEST(a_filler_refused_while_its_slice_goes_is_no_halt) {
    begin(1);
    write_above(2000001);
    to->message_bytes_max = 50000;
    w->s.serve[API_PRODUCE] = NULL;
    world_start(w);
    EXPECT_INT(state(), PARTITION_GAP);
    flow_stop(w->flow);
    world_run(w, 100 * MS);
    w->s.serve[API_PRODUCE] = world_produce;
    world_produce(&w->s, scripted_next(&w->s, API_PRODUCE));
    world_run(w, SECOND);
    EXPECT(w->stopped);
    EXPECT_INT(w->refused, 1);
    EXPECT(!scripted_told(&w->s, "halted"));
    world_kill(w);
    world_start(w);
    world_run(w, 10 * SECOND);
    EXPECT(equal());
    end();
}

TEST(an_emptied_log_halts_when_the_source_starts_later_still) {
    begin(1);
    from->start = from->end = 500;
    world_start(w);
    world_run(w, 3 * SECOND);
    EXPECT(to->start == 500 && to->end == 500);
    world_kill(w);
    world_write(w, 0, 20);
    model_delete_below(from, from->end);
    world_write(w, 0, 2);
    world_start(w);
    world_run(w, 40 * SECOND);
    EXPECT_INT(state(), PARTITION_HALTED);
    EXPECT(strncmp(world_partition(w, 0)->halt_reason, "lost range: offsets 500..", 25) == 0);
    end();
}

// Billions of offsets would be gigabytes.
TEST(what_is_filled_is_deleted_meanwhile) {
    begin(1);
    write_above(3 * FILL_DELETE_OFFSETS);
    w->s.serve[API_PRODUCE] = NULL;
    world_start(w);
    size_t most = 0;
    for (int i = 0; i < 500 && !equal(); i++) {
        if (scripted_unanswered(&w->s, API_PRODUCE) > 0) world_produce(&w->s, scripted_next(&w->s, API_PRODUCE));
        if (to->bytes.size > most) most = to->bytes.size;
        world_run(w, 10 * MS);
    }
    EXPECT(most < 20 * MiB);  // of 45 MB
    EXPECT(equal());
    EXPECT_INT(to->start, from->start);
    end();
}

// Another owner has filled all of it and gone on to the records, which are replicated.
static void show_what_another_did(struct scripted *s, struct scripted_request *r) {
    int64_t end = to->end;
    if (end >= FILL_DELETE_OFFSETS && end < from->start) to->end = 2 * from->start;
    world_list_offsets(s, r);
    to->end = end;
}

static bool deletes_of_others;

static void delete_what_is_filled(struct scripted *s, struct scripted_request *r) {
    const struct delete_records_request *q = r->body;
    deletes_of_others |= q->topics[0].partitions[0].offset > to->end;
    world_delete_records(s, r);
}

TEST(what_another_owner_has_mirrored_is_not_deleted) {
    begin(1);
    write_above(2 * FILL_DELETE_OFFSETS);
    w->s.serve[API_PRODUCE] = NULL;
    w->s.serve[API_LIST_OFFSETS] = show_what_another_did;
    w->s.serve[API_DELETE_RECORDS] = delete_what_is_filled;
    world_start(w);
    for (int i = 0; i < 500 && !equal(); i++) {
        if (scripted_unanswered(&w->s, API_PRODUCE) > 0) world_produce(&w->s, scripted_next(&w->s, API_PRODUCE));
        world_run(w, 10 * MS);
    }
    EXPECT(equal());
    EXPECT(!deletes_of_others);
    end();
}

// Followers hang from the middle on, and so does the leader in the end.
static void produce_half(struct scripted *s, struct scripted_request *r) {
    if (to->end > FILL_DELETE_OFFSETS + BATCH_FILLER_COUNT_MAX) return;
    world_produce(s, r);
    if (to->followers_stuck || to->end < FILL_DELETE_OFFSETS / 2) return;
    to->followers_stuck = true;
    to->replicated = to->end;
}

// Who fills is followed by another, and a new leader has only what was replicated: that tells him that it was filler.
TEST(who_follows_knows_what_was_filled_and_deleted) {
    begin(1);
    write_above(2 * FILL_DELETE_OFFSETS);
    w->s.serve[API_PRODUCE] = produce_half;
    world_start(w);
    world_run(w, 3 * SECOND);
    EXPECT(to->start > 0 && to->start < to->replicated && to->replicated < to->end);
    world_kill(w);
    model_truncate(to, to->replicated);
    to->followers_stuck = false;
    w->s.serve[API_PRODUCE] = world_produce;
    world_start(w);
    world_run(w, 20 * SECOND);
    EXPECT(equal());
    end();
}

// Followers hang when the first filler stands.
static void answer_in_turn(int most) {
    for (int i = 0; i < most && !equal(); i++) {
        if (scripted_unanswered(&w->s, API_PRODUCE) > 0) world_produce(&w->s, scripted_next(&w->s, API_PRODUCE));
        world_run(w, 10 * MS);
        if (to->end == BATCH_FILLER_COUNT_MAX) to->followers_stuck = true;
    }
}

static int deletions_in_vain;

static void delete_above_start(struct scripted *s, struct scripted_request *r) {
    const struct delete_records_request *q = r->body;
    deletions_in_vain += q->topics[0].partitions[0].offset <= to->start;
    world_delete_records(s, r);
}

// (And -1 would be all that is replicated, what tells the next owner that it was filler included.)
TEST(nothing_is_deleted_meanwhile_before_enough_is_replicated) {
    static const int64_t have[] = {1, BATCH_FILLER_COUNT_MAX - 1, BATCH_FILLER_COUNT_MAX};
    for (size_t i = 0; i < sizeof have / sizeof *have; i++) {
        begin(1);
        to->replicated = have[i];  // while they hang
        deletions_in_vain = 0;
        write_above(2 * FILL_DELETE_OFFSETS);
        w->s.serve[API_PRODUCE] = NULL;
        w->s.serve[API_DELETE_RECORDS] = delete_above_start;
        world_start(w);
        answer_in_turn(30);
        EXPECT(to->end > FILL_DELETE_OFFSETS && to->followers_stuck);
        EXPECT_INT(to->start, 0);
        EXPECT_INT(deletions_in_vain, 0);
        to->followers_stuck = false;
        answer_in_turn(2000);
        EXPECT(equal());
        EXPECT_INT(deletions_in_vain, 0);
        end();
    }
}

// What is filled cannot be taken back: so who gets no answer asks again.
TEST(a_first_batch_that_does_not_come_is_waited_for) {
    begin(1);
    write_ten_at(1000);
    world_write(w, 0, 5);
    from->start = 1004;
    w->source.says_nothing = true;
    world_start(w);
    world_run(w, 20 * SECOND);
    EXPECT_INT(to->end, 0);
    w->source.says_nothing = false;
    world_run(w, 20 * SECOND);
    EXPECT(equal());
    EXPECT_INT(to->start, 1004);
    end();
}

#define FILLED 41  // a batch of world_write() begins there, too

// The source's topic is made anew while nobody looks: there are no records to compare, only filler, or where it was.
TEST(a_topic_made_anew_behind_filler_is_found_out) {
    for (int deleted = 0; deleted < 2; deleted++) {
        begin(1);
        from->start = from->end = FILLED;
        if (!deleted) w->delete_code = KAFKA_POLICY_VIOLATION;
        world_start(w);
        world_run(w, 3 * SECOND);
        EXPECT_INT(to->end, FILLED);
        EXPECT_INT(to->start, deleted ? FILLED : 0);
        world_kill(w);
        w->source.topic_id++;
        from->start = from->end = 0;
        world_run(w, SECOND);
        world_write(w, 0, 60);
        w->delete_code = KAFKA_NONE;
        world_start(w);
        world_run(w, 20 * SECOND);  // its leader may show what is deleted elsewhere
        EXPECT(state() != PARTITION_HALTED);
        EXPECT_INT(to->end, FILLED);
        world_run(w, 30 * SECOND);
        EXPECT_HALTED(FILLED, "was the topic made anew?");
        EXPECT_INT(to->end, FILLED);
        model_delete_below(from, FILLED);
        world_run(w, HALT_LOOK_AGAIN_US);
        EXPECT(equal());
        end();
    }
}

// What the destination's retention has taken is no reason to halt, though the source has it still.
TEST(a_destination_that_keeps_less_goes_on) {
    begin_copied(1);
    model_delete_below(to, to->end);
    world_kill(w);
    world_start(w);
    world_run(w, SECOND);
    world_write(w, 0, 5);
    world_run(w, 40 * SECOND);
    EXPECT_INT(state(), PARTITION_COPY);
    EXPECT_INT(to->end, from->end);
    end();
}

// The filler was our own, and a moment ago; but records have landed behind it.
TEST(behind_the_first_records_a_lost_range_is_not_filled) {
    begin(1);
    write_above(1000);
    world_start(w);
    world_run(w, 3 * SECOND);
    EXPECT(equal());
    EXPECT(ownership_is_leased(&w->flow->ownership));
    int64_t copied = to->end;
    world_write(w, 0, 20);
    model_delete_below(from, from->end);
    world_write(w, 0, 2);
    world_run(w, 60 * SECOND);
    EXPECT_HALTED(copied, "lost range");
    EXPECT_INT(to->end, copied);
    end();
}

int main(void) {
    RUN(a_log_that_starts_later_is_filled_up_to_there);
    RUN(a_log_start_inside_a_batch_hides_the_same_records);
    RUN(an_emptied_log_is_filled_up_to_its_end);
    RUN(filling_goes_on_after_it_was_cut_off);
    RUN(large_fillers_have_few_sizes_and_are_made_once);
    RUN(not_all_partitions_fill_at_once);
    RUN(a_filler_is_of_today_however_long_ago_it_was_made);
    RUN(a_slice_may_go_while_its_partition_is_filled);
    RUN(a_filler_refused_while_its_slice_goes_is_no_halt);
    RUN(an_emptied_log_halts_when_the_source_starts_later_still);
    RUN(what_is_filled_is_deleted_meanwhile);
    RUN(what_another_owner_has_mirrored_is_not_deleted);
    RUN(who_follows_knows_what_was_filled_and_deleted);
    RUN(nothing_is_deleted_meanwhile_before_enough_is_replicated);
    RUN(a_first_batch_that_does_not_come_is_waited_for);
    RUN(a_topic_made_anew_behind_filler_is_found_out);
    RUN(a_destination_that_keeps_less_goes_on);
    RUN(behind_the_first_records_a_lost_range_is_not_filled);
    return test_result();
}
