// Where both logs begin, as stories: it is heard twice, what is left of filler is deleted, what was mirrored stays.
#include "unit/flow_story.h"

static void refuse_to_delete(struct scripted *s, struct scripted_request *r) {
    const struct delete_records_request *q = r->body;
    struct delete_records_response d;
    struct delete_records_response_topic t = {.name = q->topics[0].name, .partitions_count = 1};
    struct delete_records_response_partition p = {.error_code = KAFKA_REQUEST_TIMED_OUT};
    message_defaults(&delete_records_response_message, &d);
    t.partitions = &p;
    d.topics = &t;
    d.topics_count = 1;
    scripted_answer(s, r, &d);
}

// Killed when batches are copied already, and the filler below them is not deleted yet.
static void die_before_deleting(void) {
    w->s.serve[API_DELETE_RECORDS] = refuse_to_delete;
    world_start(w);
    world_run(w, 3 * SECOND);
    assert(to->end == from->end && to->start == 0);
    world_kill(w);
    w->s.serve[API_DELETE_RECORDS] = world_delete_records;
}

TEST(filler_that_was_left_behind_is_deleted) {
    static const int64_t starts[] = {1, 800000, 2000001};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        begin(1);
        write_above(starts[i]);
        die_before_deleting();
        world_write(w, 0, 5);
        world_start(w);
        world_run(w, 3 * SECOND);
        EXPECT_INT(to->start, starts[i]);
        EXPECT(equal());
        end();
    }
}

// So is it where the source's cleaner has left nothing to compare with.
TEST(filler_that_was_left_behind_a_cleaned_source_is_deleted) {
    begin(1);
    write_above(1000);
    world_write(w, 0, 20);
    die_before_deleting();
    model_clean(from, from->end - 1);
    world_write(w, 0, 2);
    world_start(w);
    world_run(w, 3 * SECOND);
    EXPECT_INT(to->start, 1000);
    EXPECT_INT(to->end, from->end);
    end();
}

static bool asks_for_first(const struct scripted_request *r, const struct model_log *l) {
    const struct fetch_request *q = r->body;
    const struct model_cluster *side = l == from ? &w->source : &w->destination;
    return world_side(w, r) == side && q->topics_count > 0 && q->topics[0].partitions[0].fetch_offset == l->start;
}

// Where a bit of the first batch is flipped, in the answer that says what the log begins with; -1: not.
static int flip_at;

static void flip_in_answer(struct scripted *s, struct scripted_request *r, struct model_log *l) {
    bool of_first = flip_at >= 0 && asks_for_first(r, l);
    if (of_first) l->bytes.at[flip_at] ^= 8;
    world_fetch(s, r);
    if (of_first) l->bytes.at[flip_at] ^= 8;
    if (of_first) flip_at = -1;
}

static void fetch_with_a_flip(struct scripted *s, struct scripted_request *r) {
    flip_in_answer(s, r, to);
}

// Before there is a lease nothing is filled.
static void fetch_with_a_flip_at_source(struct scripted *s, struct scripted_request *r) {
    if (ownership_is_leased(&w->flow->ownership)) flip_in_answer(s, r, from);
    else world_fetch(s, r);
}

// Filler that reaches into the batch could not be taken back.
TEST(a_first_batch_that_seems_to_begin_later_is_asked_for_again) {
    begin(1);
    from->start = from->end = 1008;
    model_write(from, &(struct model_batch){.count = 20, .timestamp = w->s.env.wall_ms});
    world_write(w, 0, 5);
    from->start = 1020;
    flip_at = 7;  // 1016
    w->s.serve[API_FETCH] = fetch_with_a_flip_at_source;
    world_start(w);
    world_run(w, 10 * SECOND);
    EXPECT_INT(flip_at, -1);
    EXPECT_INT(to->start, 1020);
    EXPECT(equal());
    end();
}

static void list_offsets_too_far(struct scripted *s, struct scripted_request *r) {
    const struct list_offsets_request *q = r->body;
    bool of_start = flip_at >= 0 && world_side(w, r) == &w->source && q->topics[0].partitions[0].timestamp == -2;
    if (of_start) from->start ^= 16;
    world_list_offsets(s, r);
    if (of_start) from->start ^= 16;
    if (of_start) flip_at = -1;
}

// What lies between would be lost, and nobody would say so.
TEST(a_log_that_seems_to_start_later_is_asked_again) {
    begin(1);
    write_above(1000);
    world_write(w, 0, 20);
    flip_at = 0;
    w->s.serve[API_LIST_OFFSETS] = list_offsets_too_far;
    world_start(w);
    world_run(w, 10 * SECOND);
    EXPECT_INT(flip_at, -1);
    EXPECT_INT(to->start, 1000);
    EXPECT(equal());
    end();
}

// One flip is in the offset, which no CRC covers, the other in the last offset's delta: both would reach eight too far.
TEST(filler_that_seems_to_reach_further_deletes_no_more) {
    static const int flips[] = {7, 26};
    for (size_t i = 0; i < sizeof flips / sizeof *flips; i++) {
        begin(1);
        write_above(1000);
        world_write(w, 0, 20);
        die_before_deleting();
        flip_at = flips[i];
        w->s.serve[API_FETCH] = fetch_with_a_flip;
        world_start(w);
        world_run(w, 10 * SECOND);
        EXPECT_INT(flip_at, -1);
        EXPECT_INT(to->start, 1000);
        EXPECT(equal());
        end();
    }
}

static int looks;

// Twice the same bit is flipped, and between the two looks the leader changes.
static void fetch_with_a_flip_in_each_look(struct scripted *s, struct scripted_request *r) {
    bool of_first = asks_for_first(r, to);
    looks += of_first;
    if (of_first && looks == 2) world_change_leader(w, &w->destination, 0);
    if (of_first && looks % 2) flip_at = 7;
    fetch_with_a_flip(s, r);
}

TEST(a_doubt_about_the_beginning_ends_with_the_look) {
    begin(1);
    write_above(1000);
    world_write(w, 0, 20);
    die_before_deleting();
    looks = 0;
    w->s.serve[API_FETCH] = fetch_with_a_flip_in_each_look;
    world_start(w);
    world_run(w, 10 * SECOND);
    EXPECT_INT(to->start, 1000);
    EXPECT_INT(looks, 4);
    EXPECT(equal());
    end();
}

static struct scripted_request *held;

static void fetch_holding_the_look(struct scripted *s, struct scripted_request *r) {
    if (asks_for_first(r, to) && !held) held = r;
    else world_fetch(s, r);
}

// RESYNC asks the same broker about the same partition.
TEST(a_look_at_the_beginning_ends_when_the_partition_must_wait) {
    begin(1);
    write_above(1000);
    world_write(w, 0, 20);
    die_before_deleting();
    model_write(from, &(struct model_batch){.count = 3, .timestamp = w->s.env.wall_ms - 86400000});
    held = NULL;
    w->s.serve[API_FETCH] = fetch_holding_the_look;
    w->s.in_turn = true;
    world_start(w);
    EXPECT(held);
    EXPECT_INT(state(), PARTITION_RESYNC);
    EXPECT(!leader_query_running(&world_partition(w, 0)->delete_query));
    world_fetch(&w->s, held);
    world_run(w, 15 * SECOND);
    EXPECT_INT(to->start, 1000);
    EXPECT(equal());
    end();
}

// His late word deletes some of it in the meantime.
static void fetch_when_it_has_gone(struct scripted *s, struct scripted_request *r) {
    if (asks_for_first(r, to) && looks++ == 0) model_delete_below(to, BATCH_FILLER_COUNT_MAX);
    world_fetch(s, r);
}

TEST(a_beginning_that_goes_while_it_is_asked_for_is_looked_for_again) {
    begin(1);
    write_above(2 * BATCH_FILLER_COUNT_MAX);
    die_before_deleting();
    looks = 0;
    w->s.serve[API_FETCH] = fetch_when_it_has_gone;
    world_start(w);
    world_run(w, 10 * SECOND);
    EXPECT(looks > 0);
    EXPECT_INT(to->start, from->start);
    EXPECT(equal());
    end();
}

// The source deletes, and the next batch, where its log starts now, had not been copied.
TEST(what_was_copied_stays_when_the_source_starts_inside_the_next_batch) {
    begin_copied(1);
    int64_t copied = to->end;
    world_kill(w);
    model_write(from, &(struct model_batch){.count = 10, .timestamp = w->s.env.wall_ms});
    world_write(w, 0, 5);
    model_delete_below(from, copied + 4);
    for (int i = 0; i < 2; i++) {
        world_start(w);
        world_run(w, 3 * SECOND);
        EXPECT_INT(to->start, 0);
        EXPECT_INT(to->end, from->end);
        world_kill(w);
    }
    end();
}

// Behind filler nothing has landed yet, but it will.
TEST(what_is_under_way_stays_when_the_source_starts_inside_the_next_batch) {
    begin(1);
    write_above(1000);
    int64_t first = 1001;  // the first one goes alone: a leader may forget us with the filler
    w->s.serve[API_PRODUCE] = NULL;
    w->s.in_turn = true;
    world_start(w);
    world_produce(&w->s, scripted_next(&w->s, API_PRODUCE));
    world_run(w, 300 * MS);
    EXPECT_INT(to->end, 1000);
    EXPECT_INT(world_partition(w, 0)->log_end, first);
    model_delete_below(from, first + 1);
    world_run(w, 100 * MS);
    w->s.serve[API_PRODUCE] = world_produce;
    for (struct scripted_request *r; (r = scripted_next(&w->s, API_PRODUCE));) world_produce(&w->s, r);
    world_run(w, 3 * SECOND);
    EXPECT_INT(to->start, 1000);
    EXPECT_INT(to->end, from->end);
    end();
}

// Its retention took all of it: a leader that follows another one for a moment may know nobody afterwards.
TEST(behind_nothing_the_first_append_goes_alone) {
    begin_copied(1);
    world_kill(w);
    model_delete_below(to, to->end);
    world_write(w, 0, 5);
    w->s.serve[API_PRODUCE] = NULL;
    w->s.in_turn = true;
    world_start(w);
    world_run(w, 3 * SECOND);
    EXPECT_INT(world_partition(w, 0)->state, PARTITION_COPY);
    EXPECT(world_partition(w, 0)->position.known);
    EXPECT(world_partition(w, 0)->alone);
    w->s.serve[API_PRODUCE] = world_produce;
    for (struct scripted_request *r; (r = scripted_next(&w->s, API_PRODUCE));) world_produce(&w->s, r);
    world_run(w, 3 * SECOND);
    EXPECT_INT(to->end, from->end);
    EXPECT(!world_partition(w, 0)->alone);
    end();
}

TEST(what_was_copied_stays_when_filler_is_deleted) {
    begin(1);
    write_above(1000);
    die_before_deleting();
    int64_t copied = from->end;
    world_write(w, 0, 5);
    model_delete_below(from, copied);
    world_start(w);
    world_run(w, 3 * SECOND);
    EXPECT_INT(to->start, 1000);
    EXPECT_INT(to->end, from->end);
    end();
}

TEST(what_the_first_batch_hides_is_hidden_later_too) {
    static const int64_t bases[] = {0, 1000, 1000};  // without filler below, and with
    static const int64_t hidden[] = {4, 4, 9};        // even all but the last one
    for (size_t i = 0; i < sizeof bases / sizeof *bases; i++) {
        begin(1);
        write_ten_at(bases[i]);
        world_write(w, 0, 5);
        from->start += hidden[i];
        die_before_deleting();
        world_start(w);
        world_run(w, 3 * SECOND);
        EXPECT_INT(to->start, from->start);
        EXPECT(equal());
        end();
    }
}

// Filler is all he finds, and he begins to delete it before he knows that the source hides more.
TEST(what_is_wanted_while_a_delete_is_under_way_is_deleted_too) {
    begin(1);
    write_ten_at(1000);
    world_write(w, 0, 5);
    from->start = 1004;
    w->s.serve[API_PRODUCE] = NULL;
    world_start(w);
    world_produce(&w->s, scripted_next(&w->s, API_PRODUCE));
    world_kill(w);
    EXPECT_INT(to->end, 1000);
    w->s.serve[API_PRODUCE] = world_produce;
    w->s.serve[API_DELETE_RECORDS] = NULL;
    w->s.in_turn = true;
    world_start(w);
    world_run(w, SECOND);
    w->s.serve[API_DELETE_RECORDS] = world_delete_records;
    world_delete_records(&w->s, scripted_next(&w->s, API_DELETE_RECORDS));
    EXPECT_INT(to->start, 1000);
    world_run(w, SECOND);
    EXPECT_INT(to->start, 1004);
    EXPECT(equal());
    end();
}

// The filler is deleted already, and the first batch, part of which the source hides, is all that stands there.
TEST(what_a_lone_first_batch_hides_is_hidden_later_too) {
    begin(1);
    write_ten_at(1000);
    from->start = 1004;
    w->s.serve[API_DELETE_RECORDS] = NULL;
    w->s.in_turn = true;
    world_start(w);
    world_run(w, SECOND);
    world_kill(w);
    EXPECT_INT(to->end, 1010);
    model_delete_below(to, 1000);
    w->s.serve[API_DELETE_RECORDS] = world_delete_records;
    world_start(w);
    world_run(w, SECOND);
    EXPECT_INT(to->start, 1004);
    EXPECT(equal());
    end();
}

// The next owner finds filler and begins to delete it; then the dead one's requests come: more filler, and records.
TEST(filler_that_comes_late_is_deleted_too) {
    begin(1);
    write_above(2 * BATCH_FILLER_COUNT_MAX);
    die_before_deleting();
    struct buffer sent;
    buffer_init(&sent, to->bytes.size);
    buffer_append(&sent, to->bytes.at, to->bytes.size);
    model_truncate(to, BATCH_FILLER_COUNT_MAX);
    size_t there = to->bytes.size;
    w->s.serve[API_DELETE_RECORDS] = w->s.serve[API_PRODUCE] = NULL;
    w->s.in_turn = true;
    world_start(w);
    world_run(w, SECOND);
    struct batch_header h;
    for (size_t at = there; at < sent.size; at += (size_t)h.size) {
        batch_look((struct bytes){sent.at + at, sent.size - at}, &h);
        model_put(to, (struct bytes){sent.at + at, (size_t)h.size});
    }
    buffer_free(&sent);
    EXPECT_INT(to->end, from->end);
    world_change_leader(w, &w->destination, 0);
    w->s.serve[API_PRODUCE] = world_produce;
    w->s.serve[API_DELETE_RECORDS] = world_delete_records;
    world_delete_records(&w->s, scripted_next(&w->s, API_DELETE_RECORDS));
    world_run(w, 10 * SECOND);
    EXPECT_INT(to->start, from->start);
    EXPECT(equal());
    end();
}

static uint8_t hidden[1 << 16];
static size_t hidden_size;

// Keeps what goes: it stays in the broker's files.
static void delete_and_keep(struct scripted *s, struct scripted_request *r) {
    size_t before = to->bytes.size;
    uint8_t *all = memory_alloc(before);
    memcpy(all, to->bytes.at, before);
    world_delete_records(s, r);
    hidden_size = before - to->bytes.size;
    assert(hidden_size <= sizeof hidden);
    memcpy(hidden, all, hidden_size);
    memory_free(all);
}

// A broker that is killed starts where it noted its log start last.
static void forget_the_delete(void) {
    size_t size = to->bytes.size;
    uint8_t *at = buffer_extend(&to->bytes, hidden_size);
    assert(at);
    memmove(to->bytes.at + hidden_size, to->bytes.at, size);
    memcpy(to->bytes.at, hidden, hidden_size);
    to->start = 0;
    world_change_leader(w, &w->destination, 0);
}

TEST(filler_that_a_killed_broker_shows_again_is_deleted_again) {
    begin(1);
    write_above(1000);
    w->s.serve[API_DELETE_RECORDS] = delete_and_keep;
    world_start(w);
    world_run(w, 3 * SECOND);
    for (int i = 0; i < 3; i++) {
        EXPECT_INT(to->start, 1000);
        EXPECT(hidden_size > 0);
        forget_the_delete();
        world_write(w, 0, 5);
        world_run(w, 3 * SECOND);
    }
    EXPECT_INT(to->start, 1000);
    EXPECT(equal());
    end();
}

TEST(a_refused_delete_is_said_once_and_asked_again_after_minutes) {
    static const struct { int16_t code; const char *why; } refusals[] = {
        {KAFKA_POLICY_VIOLATION, "only compacted"}, {KAFKA_TOPIC_AUTHORIZATION_FAILED, "the right DELETE"}};
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        begin(1);
        write_above(1000);
        w->delete_code = refusals[i].code;
        world_start(w);
        for (int k = 0; k < 10; k++) {
            world_write(w, 0, 5);
            world_run(w, 10 * SECOND);
            world_change_leader(w, &w->destination, 0);
        }
        EXPECT_INT(to->end, from->end);
        EXPECT_INT(w->s.requests_count[API_DELETE_RECORDS], 1);
        EXPECT_INT(scripted_count(&w->s, "log start not raised"), 1);
        EXPECT_INT(scripted_count(&w->s, refusals[i].why), 1);
        w->delete_code = KAFKA_NONE;
        world_run(w, 300 * SECOND);
        EXPECT_INT(to->start, 1000);
        EXPECT(equal());
        end();
    }
}

static int looks_at_the_beginning(void) {
    int count = 0;
    for (struct scripted_request *r = w->s.requests; r; r = r->next) {
        const struct fetch_request *q = r->body;
        if (r->api->key != API_FETCH || world_side(w, r) != &w->destination) continue;
        count += q->topics[0].partitions[0].fetch_offset == to->start;
    }
    return count;
}

// Retention is not the same on both sides; that alone is no reason to read old segments again and again.
TEST(a_destination_that_keeps_more_is_looked_at_once) {
    begin_copied(1);
    world_write(w, 0, 20);
    world_run(w, SECOND);
    int before = looks_at_the_beginning();
    model_delete_below(from, from->end - 5);
    for (int i = 0; i < 3; i++) {
        world_change_leader(w, &w->destination, 0);
        world_run(w, 2 * SECOND);
        EXPECT_INT(state(), PARTITION_COPY);
        EXPECT_INT(looks_at_the_beginning(), before + 1);
    }
    EXPECT_INT(to->start, 0);
    w->s.silent = true;  // until the slices are somebody else's, who may have left something
    world_run(w, 15 * SECOND);
    EXPECT_INT(state(), PARTITION_IDLE);
    w->s.silent = false;
    world_run(w, 60 * SECOND);
    EXPECT_INT(state(), PARTITION_COPY);
    EXPECT_INT(looks_at_the_beginning(), before + 2);
    end();
}

int main(void) {
    RUN(filler_that_was_left_behind_is_deleted);
    RUN(filler_that_was_left_behind_a_cleaned_source_is_deleted);
    RUN(a_first_batch_that_seems_to_begin_later_is_asked_for_again);
    RUN(a_log_that_seems_to_start_later_is_asked_again);
    RUN(filler_that_seems_to_reach_further_deletes_no_more);
    RUN(a_doubt_about_the_beginning_ends_with_the_look);
    RUN(a_look_at_the_beginning_ends_when_the_partition_must_wait);
    RUN(a_beginning_that_goes_while_it_is_asked_for_is_looked_for_again);
    RUN(what_was_copied_stays_when_the_source_starts_inside_the_next_batch);
    RUN(what_is_under_way_stays_when_the_source_starts_inside_the_next_batch);
    RUN(behind_nothing_the_first_append_goes_alone);
    RUN(what_was_copied_stays_when_filler_is_deleted);
    RUN(what_the_first_batch_hides_is_hidden_later_too);
    RUN(what_is_wanted_while_a_delete_is_under_way_is_deleted_too);
    RUN(what_a_lone_first_batch_hides_is_hidden_later_too);
    RUN(filler_that_comes_late_is_deleted_too);
    RUN(filler_that_a_killed_broker_shows_again_is_deleted_again);
    RUN(a_refused_delete_is_said_once_and_asked_again_after_minutes);
    RUN(a_destination_that_keeps_more_is_looked_at_once);
    return test_result();
}
