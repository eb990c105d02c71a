// A flow whose source has small batches: they arrive joined, with every record as it was, and the splice check knows
// them again.
#include "unit/test.h"

#include "unit/batches.h"
#include "unit/flow_world.h"
#include "wire/records.h"

static struct world *w;
static struct model_log *from, *to;

static void begin(void) {
    w = world_new(1);
    from = &w->source.logs[0];
    to = &w->destination.logs[0];
    world_write(w, 0, 1);
    world_start(w);
    assert(to->end == from->end);
}

static void end(void) {
    world_kill(w);
    EXPECT_INT(w->budget.used, 0);
    world_free(w);
}

// Batches of one record each, as a producer without linger sends them.
static void write_small(int count) {
    struct buffer out;
    buffer_init(&out, MiB);
    for (int i = 0; i < count; i++) {
        char key[32];
        snprintf(key, sizeof key, "%lld", (long long)from->end);
        struct test_batch b = PLAIN_BATCH;
        model_put(from, test_batch_write(&out, &b, &(struct test_record){key, "value", w->s.env.wall_ms - i % 7}, 1));
    }
    buffer_free(&out);
}

struct walk {
    const struct model_log *log;
    size_t at;
    struct records records;
    struct buffer none;
    int batches;
    bool open;
};

// The next record at or above `start`; false at the end.
static bool next_record(struct walk *k, int64_t start, struct record *r) {
    for (;;) {
        if (k->open && records_next(&k->records, r)) {
            if (r->offset >= start) return true;
            continue;
        }
        struct batch_header h;
        struct bytes rest = {k->log->bytes.at + k->at, k->log->bytes.size - k->at};
        if (batch_look(rest, &h) != BATCH_WHOLE) return false;
        k->at += (size_t)h.size;
        if (batch_last_offset(&h) < start) continue;
        struct error e = records_open(&k->records, rest, &h, &k->none);
        if (error_is(&e) || !batch_crc_is_right((struct bytes){rest.at, (size_t)h.size})) return false;
        k->open = true;
        k->batches++;
    }
}

// How many batches the destination has of these records, or -1 when one differs.
static int batches_from(int64_t start) {
    struct walk s = {.log = from}, d = {.log = to};
    struct record a, b;
    int64_t count = 0;
    while (next_record(&s, start, &a)) {
        if (!next_record(&d, start, &b) || a.offset != b.offset || a.timestamp != b.timestamp ||
            a.body.size != b.body.size || memcmp(a.body.at, b.body.at, a.body.size) != 0)
            return -1;
        count++;
    }
    return count == from->end - start && to->end == from->end && !next_record(&d, start, &b) ? d.batches : -1;
}

TEST(small_batches_arrive_joined) {
    begin();
    int64_t at = from->end;
    write_small(100);
    world_run(w, SECOND);
    int batches = batches_from(at);
    EXPECT(batches >= 1 && batches <= 2);
    EXPECT_INT(w->flow->counters.records, to->end);
    EXPECT_INT(world_partition(w, 0)->bytes_in_flight, 0);
    EXPECT_INT(w->refused, 0);
    end();
}

TEST(the_splice_check_makes_a_joined_batch_again) {
    begin();
    int64_t at = from->end;
    for (int i = 1; i <= 3; i++) {
        write_small(40);
        world_run(w, SECOND);
        world_kill(w);
        write_small(i);
        world_start(w);
        EXPECT_INT(world_partition(w, 0)->state, PARTITION_COPY);
        EXPECT_INT(to->end, from->end);
    }
    EXPECT(batches_from(at) > 0 && batches_from(at) < 20);
    world_kill(w);
    struct batch_header h;  // and sees when a part is another one
    size_t place = 0;
    EXPECT(model_find(from, from->end - 2, &place, &h));
    from->bytes.at[place + (size_t)h.size - 3] ^= 1;
    batch_header_write(from->bytes.at + place, &h, h.size);
    world_start(w);
    EXPECT_INT(world_partition(w, 0)->state, PARTITION_HALTED);
    EXPECT(strstr(world_partition(w, 0)->halt_reason, "diverged"));
    end();
}

TEST(many_parts_need_a_larger_fetch) {
    begin();
    int64_t at = from->end;
    w->budget.limit = 64 * MiB;
    write_small(900);  // some 20 KiB joined, 75 KiB at the source
    world_run(w, SECOND);
    EXPECT_INT(batches_from(at), 1);
    world_kill(w);
    world_start(w);
    EXPECT_INT(world_partition(w, 0)->state, PARTITION_COPY);
    end();
}

TEST(a_source_that_shows_only_some_of_the_parts_is_waited_for) {
    begin();
    write_small(40);
    world_run(w, SECOND);
    world_kill(w);
    from->followers_stuck = true;  // a new leader that does not know its high watermark yet
    from->replicated = from->end - 10;
    world_start(w);
    EXPECT_INT(world_partition(w, 0)->state, PARTITION_RESYNC);
    from->followers_stuck = false;
    world_run(w, SECOND);
    EXPECT_INT(world_partition(w, 0)->state, PARTITION_COPY);
    from->followers_stuck = true;
    world_kill(w);
    world_start(w);
    world_run(w, 2 * REPLICATION_WAIT_US_MAX);
    EXPECT_INT(world_partition(w, 0)->state, PARTITION_HALTED);
    EXPECT(strstr(world_partition(w, 0)->halt_reason, "the source ends before them"));
    end();
}

TEST(damaged_parts_are_asked_for_again_and_halt_in_the_end) {
    begin();
    write_small(40);
    world_run(w, SECOND);
    world_kill(w);
    struct batch_header h;
    size_t place = 0;
    EXPECT(model_find(from, from->end - 5, &place, &h));
    from->bytes.at[place + (size_t)h.size - 3] ^= 1;
    world_start(w);
    EXPECT(world_partition(w, 0)->state != PARTITION_COPY);
    world_run(w, 10 * SECOND);
    EXPECT_INT(world_partition(w, 0)->state, PARTITION_HALTED);
    EXPECT(strstr(world_partition(w, 0)->halt_reason, "damaged"));
    end();
}

TEST(what_is_refused_joined_is_sent_one_by_one) {
    begin();
    int64_t at = from->end;
    w->answer_with = KAFKA_INVALID_TIMESTAMP;
    write_small(30);
    world_run(w, SECOND);
    EXPECT_INT(w->refused, 1);
    EXPECT_INT(world_partition(w, 0)->state, PARTITION_COPY);
    EXPECT_INT(batches_from(at), 30);
    at = from->end;
    write_small(30);
    world_run(w, SECOND);
    EXPECT(batches_from(at) > 0 && batches_from(at) <= 2);
    end();
}

// The destination takes no batch of more than 100 bytes, which nobody told the mirror.
TEST(a_part_that_is_refused_alone_halts_at_its_offset) {
    begin();
    int64_t at = from->end;
    to->message_bytes_max = 100;
    write_small(10);
    struct buffer out;
    struct test_batch b = PLAIN_BATCH;
    buffer_init(&out, MiB);
    model_put(from, test_batch_write(&out, &b, &(struct test_record){"k", "a value of more than 100 bytes, with "
                                     "all that stands around it", w->s.env.wall_ms}, 1));
    buffer_free(&out);
    write_small(10);
    world_run(w, 5 * SECOND);
    EXPECT_INT(world_partition(w, 0)->state, PARTITION_HALTED);
    EXPECT_INT(world_partition(w, 0)->halt_offset, at + 10);
    EXPECT_INT(to->end, at + 10);  // what precedes it was brought home
    end();
}

// What it has left of that is compared, and says of which epoch it was; of what is gone nobody knows.
TEST(a_source_that_begins_inside_the_last_batch) {
    for (int32_t left = 0; left <= 10; left += 10) {
        begin();
        from->epoch = to->epoch = 5;  // so that an epoch made up would be one that ended long ago
        world_run(w, 5 * SECOND);
        write_small(40);
        world_run(w, SECOND);
        world_kill(w);
        model_delete_below(from, from->end - left);
        world_start(w);
        EXPECT_INT(world_partition(w, 0)->state, PARTITION_COPY);
        EXPECT_INT(world_partition(w, 0)->fetch.last_fetched_epoch, left > 0 ? 5 : -1);
        write_small(3);
        world_run(w, SECOND);
        EXPECT_INT(to->end, from->end);
        end();
    }
}

// The broker may have forgotten what it knows of a quiet partition, however new the next batch is: a damaged one that
// is refused would let the next one land in its place.
TEST(after_a_long_quiet_nothing_damaged_is_sent) {
    begin();
    world_partition(w, 0)->max_timestamp = 1;
    w->source.damage = 1;
    write_small(3);
    world_run(w, 2 * SECOND);
    EXPECT_INT(w->source.damage, 0);
    EXPECT_INT(w->refused, 0);
    EXPECT_INT(to->end, from->end);
    end();
}

TEST(nothing_is_joined_where_that_is_switched_off) {
    begin();
    int64_t at = from->end;
    w->flow->config.join_small_batches = false;
    write_small(30);
    world_run(w, SECOND);
    EXPECT_INT(batches_from(at), 30);
    end();
}

int main(void) {
    RUN(small_batches_arrive_joined);
    RUN(the_splice_check_makes_a_joined_batch_again);
    RUN(many_parts_need_a_larger_fetch);
    RUN(a_source_that_shows_only_some_of_the_parts_is_waited_for);
    RUN(damaged_parts_are_asked_for_again_and_halt_in_the_end);
    RUN(what_is_refused_joined_is_sent_one_by_one);
    RUN(a_part_that_is_refused_alone_halts_at_its_offset);
    RUN(a_source_that_begins_inside_the_last_batch);
    RUN(after_a_long_quiet_nothing_damaged_is_sent);
    RUN(nothing_is_joined_where_that_is_switched_off);
    return test_result();
}
