// Copying as such: how much is under way at once, what is written anew, and which batches nobody can copy.
#include "unit/test.h"

#include "unit/flow_world.h"

static struct world *w;
static struct model_log *from, *to;

static void begin_in(struct world *world) {
    w = world;
    from = &w->source.logs[0];
    to = &w->destination.logs[0];
    to->message_bytes_max = 20 * MiB;
    for (int i = 0; i < w->partitions; i++) world_write(w, i, 3);
    world_start(w);
    assert(to->end == from->end);
}

static void begin_with(int partitions) {
    begin_in(world_new(partitions));
}

static void begin_copied(void) {
    begin_with(2);
}

static void end(void) {
    world_kill(w);
    EXPECT_INT(w->budget.used, 0);
    world_free(w);
}

static bool equal(void) {
    return model_difference(from, to) < 0 && model_difference(&w->source.logs[1], &w->destination.logs[1]) < 0;
}

static void write_large(int32_t size, int count) {
    for (int i = 0; i < count; i++)
        model_write(from, &(struct model_batch){.count = 50, .timestamp = w->s.env.wall_ms, .size = size});
}

TEST(what_is_not_acknowledged_is_not_fetched) {
    begin_copied();
    write_large(300 * KiB, 60);
    w->s.serve[API_PRODUCE] = NULL;
    world_run(w, APPENDER_SILENT_US / 2);
    struct partition *p = world_partition(w, 0);
    EXPECT(p->bytes_in_flight > PARTITION_IN_FLIGHT_MAX && p->bytes_in_flight <= PARTITION_IN_FLIGHT_MAX + 2 * MiB);
    EXPECT(!p->fetch.session);
    EXPECT(scripted_unanswered(&w->s, API_PRODUCE) <= APPENDER_DEPTH_MAX);
    world_write(w, 1, 3);  // the other one goes on being fetched
    world_run(w, SECOND);
    EXPECT_INT(world_partition(w, 1)->log_end, w->source.logs[1].end);
    struct scripted_request *r;
    while ((r = scripted_next(&w->s, API_PRODUCE))) {
        world_produce(&w->s, r);
        world_run(w, MS);
    }
    w->s.serve[API_PRODUCE] = world_produce;
    world_run(w, 3 * SECOND);
    EXPECT(equal());
    EXPECT(w->budget.used_peak <= w->budget.limit);
    EXPECT_INT(w->refused, 0);
    end();
}

TEST(of_few_partitions_on_a_short_line_little_is_under_way) {
    begin_with(4);
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 16; k++)
            model_write(&w->source.logs[i],
                        &(struct model_batch){.count = 50, .timestamp = w->s.env.wall_ms, .size = 300 * KiB});
    w->s.serve[API_PRODUCE] = NULL;
    world_run(w, APPENDER_SILENT_US / 2);
    EXPECT(w->budget.used_peak > FETCH_ROOM_SHORT - 4 * MiB && w->budget.used_peak <= FETCH_ROOM_SHORT);
    w->s.serve[API_PRODUCE] = world_produce;
    struct scripted_request *r;
    while ((r = scripted_next(&w->s, API_PRODUCE))) world_produce(&w->s, r);
    world_run(w, 3 * SECOND);
    EXPECT(equal());
    end();
}

static bool in_one_session(void) {
    int others = 0;
    for (int i = 1; i < w->partitions; i++)
        others += world_partition(w, i)->fetch.session != world_partition(w, 0)->fetch.session;
    return others == 0;
}

TEST(partitions_that_one_fetch_serves_share_a_session_on_a_short_line) {
    const int32_t most = FETCH_BYTES_MANY_MAX / FETCH_BYTES_EACH;
    for (int32_t n = most; n <= most + 1; n++) {
        struct world *world = world_new(n);
        world->fetch_sessions = 0;
        begin_in(world);
        for (int i = 0; i < n; i++) world_write(w, i, 3);
        world_run(w, SECOND);
        EXPECT_INT(in_one_session(), n == most);
        for (int i = 0; i < n; i++) EXPECT(model_difference(&w->source.logs[i], &w->destination.logs[i]) < 0);
        end();
    }
}

static int32_t shared_at_most(void) {
    return world_partition(w, 0)->fetch.session->shared;
}

TEST(on_a_short_line_a_fetch_has_room_for_a_batch_of_each) {
    struct world *world = world_new(8);
    world->fetch_sessions = world->fetch_bytes_max = 0;
    begin_in(world);
    EXPECT_INT(shared_at_most(), FETCH_BYTES_SHORT);
    for (int i = 0; i < 8; i++)
        model_write(&w->source.logs[i],
                    &(struct model_batch){.count = 1, .timestamp = w->s.env.wall_ms, .size = 600 * KiB});
    world_run(w, SECOND);
    EXPECT_INT(shared_at_most(), FETCH_BYTES_LARGE);
    world_write(w, 0, 1);  // alone it has room enough in less
    world_run(w, SECOND);
    EXPECT_INT(shared_at_most(), FETCH_BYTES_SHORT);
    EXPECT(equal());
    end();
}

TEST(what_no_request_takes_is_not_fetched_on_and_on) {
    begin_copied();
    write_large(20 * KiB, 400);
    w->s.serve[API_PRODUCE] = NULL;
    world_run(w, 5 * SECOND);
    struct partition *p = world_partition(w, 0);
    EXPECT(p->append.queued > PARTITION_QUEUED_MAX && p->append.queued <= PARTITION_QUEUED_MAX + MiB);
    EXPECT(!p->fetch.session);
    w->s.serve[API_PRODUCE] = world_produce;
    struct scripted_request *r;
    while ((r = scripted_next(&w->s, API_PRODUCE))) world_produce(&w->s, r);
    world_run(w, 3 * SECOND);
    EXPECT(equal());
    EXPECT_INT(p->append.queued, 0);
    end();
}

TEST(a_batch_larger_than_what_may_be_under_way_gets_through) {
    begin_copied();
    write_large(6 * MiB, 2);
    write_large(1000, 5);
    write_large(16 * MiB, 1);
    world_write(w, 1, 20);
    world_run(w, 3 * SECOND);
    EXPECT(equal());
    EXPECT(w->budget.used_peak > 16 * MiB && w->budget.used_peak <= w->budget.limit);
    end();
}

TEST(a_batch_of_more_than_half_the_budget_halts_and_says_what_to_set) {
    begin_copied();
    w->budget.limit = w->flow->budget.limit = 8 * MiB;
    w->budget.used_peak = 0;
    write_large(300 * KiB, 4);
    int64_t reached = from->end;
    write_large(5 * MiB, 1);
    world_write(w, 1, 20);
    world_run(w, 3 * SECOND);
    struct partition *p = world_partition(w, 0);
    EXPECT_INT(p->state, PARTITION_HALTED);
    EXPECT_INT(p->halt_offset, reached);
    EXPECT_INT(to->end, reached);
    EXPECT(strstr(p->halt_reason, "5242880 bytes") && strstr(p->halt_reason, "buffer.memory (8388608)"));
    EXPECT(strstr(p->halt_reason, "at least 10485760"));
    EXPECT(model_difference(&w->source.logs[1], &w->destination.logs[1]) < 0);
    EXPECT(w->budget.used_peak <= w->budget.limit);
    end();
}

TEST(a_small_budget_slows_down_and_does_not_stop) {
    begin_copied();
    w->budget.limit = w->flow->budget.limit = 4 * MiB;
    w->budget.used_peak = 0;
    write_large(700 * KiB, 30);
    world_write(w, 1, 30);
    world_run(w, 10 * SECOND);
    EXPECT(equal());
    EXPECT(w->budget.used_peak <= w->budget.limit);
    end();
}

// A filler is a batch of true records: with LogAppendTime, as a source topic may have it.
static void write_with_append_time(int32_t count, int64_t records_time, int64_t append_time) {
    struct batch_stamp nobody = {-1, -1, 0};
    size_t size = batch_filler_bound(count);
    uint8_t *at = memory_alloc(size);
    size = batch_filler_write(count, records_time, &nobody, at, size);
    struct batch_header h;
    batch_look((struct bytes){at, size}, &h);
    h.attributes |= BATCH_ATTRIBUTE_LOG_APPEND_TIME;
    h.max_timestamp = append_time;
    h.base_sequence = -1;
    batch_header_write(at, &h, (int32_t)size);
    model_put(from, (struct bytes){at, size});
    memory_free(at);
}

TEST(append_times_are_written_into_the_records) {
    begin_copied();
    int64_t at = to->end, now_ms = w->s.env.wall_ms;
    write_with_append_time(100, now_ms - 5000, now_ms);
    world_run(w, SECOND);
    struct batch_header h;
    size_t place = 0;
    EXPECT(model_find(to, at, &place, &h));
    EXPECT_INT(h.base_offset, at);
    EXPECT_INT(h.count, 100);
    EXPECT_INT(h.attributes, CODEC_ZSTD);
    EXPECT_INT(h.base_timestamp, now_ms);
    EXPECT_INT(h.max_timestamp, now_ms);
    EXPECT(batch_crc_is_right((struct bytes){to->bytes.at + place, (size_t)h.size}));
    world_kill(w);
    world_write(w, 0, 3);
    world_start(w);  // the splice check does not mind
    EXPECT_INT(to->end, from->end);
    end();
}

TEST(a_batch_that_cannot_be_read_halts_only_where_it_must_be_read) {
    begin_copied();
    int64_t at = to->end;
    model_write(from, &(struct model_batch){.count = 3, .timestamp = w->s.env.wall_ms, .attributes = CODEC_LZ4});
    world_run(w, SECOND);
    EXPECT(equal());  // nobody looks into it
    at = to->end;
    model_write(from, &(struct model_batch){.count = 3, .timestamp = w->s.env.wall_ms,
                                            .attributes = CODEC_LZ4 | BATCH_ATTRIBUTE_LOG_APPEND_TIME});
    world_run(w, SECOND);
    EXPECT_INT(world_partition(w, 0)->state, PARTITION_HALTED);
    EXPECT(strstr(world_partition(w, 0)->halt_reason, "cannot be read"));
    EXPECT_INT(world_partition(w, 0)->halt_offset, at);
    world_write(w, 1, 3);  // one bad partition never stops another
    world_run(w, SECOND);
    EXPECT_INT(w->destination.logs[1].end, w->source.logs[1].end);
    end();
}

// It is not its kind that is wrong.
TEST(a_batch_that_stands_damaged_and_must_be_read_is_called_so) {
    begin_copied();
    int64_t at = to->end;
    write_with_append_time(100, w->s.env.wall_ms - 5000, w->s.env.wall_ms);
    from->bytes.at[from->bytes.size - 1] ^= 1;
    world_run(w, 10 * SECOND);
    EXPECT_INT(world_partition(w, 0)->state, PARTITION_HALTED);
    EXPECT(strstr(world_partition(w, 0)->halt_reason, "damaged"));
    EXPECT_INT(world_partition(w, 0)->halt_offset, at);
    end();
}

TEST(a_header_that_stands_damaged_is_no_reason_of_its_own) {
    begin_copied();
    size_t place = from->bytes.size;
    model_write(from, &(struct model_batch){.count = 3, .timestamp = w->s.env.wall_ms});
    from->bytes.at[place + 22] |= BATCH_ATTRIBUTE_TRANSACTIONAL;
    world_run(w, 10 * SECOND);
    EXPECT_INT(world_partition(w, 0)->state, PARTITION_HALTED);
    EXPECT(strstr(world_partition(w, 0)->halt_reason, "damaged"));
    end();
}

TEST(what_precedes_a_batch_that_cannot_be_copied_comes_home_first) {
    begin_with(1);
    write_large(100 * KiB, 6);
    int64_t reached = from->end;
    model_write(from, &(struct model_batch){.count = 3, .timestamp = w->s.env.wall_ms,
                                            .attributes = BATCH_ATTRIBUTE_TRANSACTIONAL});
    w->s.serve[API_PRODUCE] = NULL;
    world_run(w, SECOND);
    int fetches = w->s.requests_count[API_FETCH], answered = 0;
    for (struct scripted_request *r; answered < 5 && (r = scripted_next(&w->s, API_PRODUCE)); answered++) {
        world_produce(&w->s, r);
        world_run(w, MS);
    }
    EXPECT_INT(answered, 5);
    EXPECT_INT(w->s.requests_count[API_FETCH], fetches);
    w->s.serve[API_PRODUCE] = world_produce;
    for (struct scripted_request *r; (r = scripted_next(&w->s, API_PRODUCE));) world_produce(&w->s, r);
    world_run(w, 3 * SECOND);
    EXPECT_INT(world_partition(w, 0)->state, PARTITION_HALTED);
    EXPECT_INT(world_partition(w, 0)->halt_offset, reached);
    EXPECT_INT(to->end, reached);
    end();
}

TEST(a_log_end_inside_a_batch_of_the_source_halts) {
    begin_copied();
    world_kill(w);
    int64_t at = to->end;
    model_truncate(from, 0);
    from->bytes.size = 0;
    model_write(from, &(struct model_batch){.count = (int32_t)at + 5, .timestamp = w->s.env.wall_ms});
    model_truncate(to, 0);
    model_write(to, &(struct model_batch){.count = (int32_t)at, .timestamp = w->s.env.wall_ms,
                                          .producer_id = provenance_producer_id(w->source.id, w->destination.id)});
    world_start(w);
    EXPECT_INT(world_partition(w, 0)->state, PARTITION_HALTED);
    EXPECT(strstr(world_partition(w, 0)->halt_reason, "diverged"));
    end();
}

TEST(a_filler_that_is_lost_is_made_again) {
    w = world_new(1);
    from = &w->source.logs[0];
    to = &w->destination.logs[0];
    from->start = from->end = 1000;
    world_write(w, 0, 5);
    w->s.serve[API_PRODUCE] = NULL;
    world_start(w);
    EXPECT_INT(world_partition(w, 0)->state, PARTITION_GAP);
    w->s.serve[API_PRODUCE] = world_produce;
    scripted_cut_node(&w->s, 1);
    world_run(w, 5 * SECOND);
    EXPECT(model_difference(from, to) < 0);
    EXPECT_INT(world_partition(w, 0)->state, PARTITION_COPY);
    end();
}

TEST(refusals_that_no_retry_mends_halt) {
    static const int16_t codes[] = {KAFKA_INVALID_TIMESTAMP, KAFKA_INVALID_RECORD, KAFKA_POLICY_VIOLATION,
                                    KAFKA_UNSUPPORTED_COMPRESSION_TYPE, KAFKA_RECORD_LIST_TOO_LARGE};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        begin_copied();
        int64_t at = to->end;
        w->answer_with = codes[i];
        world_write(w, 0, 1);
        world_run(w, 5 * SECOND);
        EXPECT_INT(world_partition(w, 0)->state, PARTITION_HALTED);
        EXPECT_INT(world_partition(w, 0)->halt_offset, at);
        EXPECT_INT(w->refused, 1);
        end();
    }
}

TEST(refusals_that_pass_do_not_halt) {
    static const int16_t codes[] = {KAFKA_NOT_ENOUGH_REPLICAS, KAFKA_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
                                    KAFKA_REQUEST_TIMED_OUT, KAFKA_KAFKA_STORAGE_ERROR, KAFKA_UNKNOWN_SERVER_ERROR};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        begin_copied();
        w->answer_with = codes[i];
        world_write(w, 0, 1);
        world_run(w, 20 * SECOND);
        EXPECT_INT(w->refused, 1);
        EXPECT(model_difference(from, to) < 0);
        end();
    }
}

int main(void) {
    RUN(what_is_not_acknowledged_is_not_fetched);
    RUN(of_few_partitions_on_a_short_line_little_is_under_way);
    RUN(partitions_that_one_fetch_serves_share_a_session_on_a_short_line);
    RUN(on_a_short_line_a_fetch_has_room_for_a_batch_of_each);
    RUN(what_no_request_takes_is_not_fetched_on_and_on);
    RUN(a_batch_larger_than_what_may_be_under_way_gets_through);
    RUN(a_batch_of_more_than_half_the_budget_halts_and_says_what_to_set);
    RUN(a_small_budget_slows_down_and_does_not_stop);
    RUN(append_times_are_written_into_the_records);
    RUN(a_batch_that_cannot_be_read_halts_only_where_it_must_be_read);
    RUN(a_batch_that_stands_damaged_and_must_be_read_is_called_so);
    RUN(a_header_that_stands_damaged_is_no_reason_of_its_own);
    RUN(what_precedes_a_batch_that_cannot_be_copied_comes_home_first);
    RUN(a_log_end_inside_a_batch_of_the_source_halts);
    RUN(a_filler_that_is_lost_is_made_again);
    RUN(refusals_that_no_retry_mends_halt);
    RUN(refusals_that_pass_do_not_halt);
    return test_result();
}
