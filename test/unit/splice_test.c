// The splice check: what counts as the same batch on both sides, and what does not.
#include "unit/test.h"

#include "unit/batches.h"

#include "mirror/splice.h"
#include "wire/join.h"

#define SIZE 300

static uint8_t source[SIZE];
static struct batch_header mirrored;

static const struct batch_stamp stamp = {(int64_t)1 << 62 | 77, 3, 1000};

// Ten records at offsets 500..509, and what a mirror makes of them.
static void begin(void) {
    struct batch_header h = {.base_offset = 500, .leader_epoch = 4, .attributes = CODEC_ZSTD, .last_offset_delta = 9,
                             .base_timestamp = 1000, .max_timestamp = 1009, .producer_id = 12, .producer_epoch = 1,
                             .base_sequence = 40, .count = 10};
    for (int i = BATCH_HEADER_SIZE; i < SIZE; i++) source[i] = (uint8_t)(i * 5);
    batch_header_write(source, &h, SIZE);
    uint8_t copy[SIZE];
    memcpy(copy, source, SIZE);
    batch_look((struct bytes){copy, SIZE}, &h);
    batch_restamp(copy, &h, &stamp);
    batch_look((struct bytes){copy, SIZE}, &mirrored);
}

static int32_t leader_epoch;

static enum splice_verdict verdict(void) {
    return splice_compare(&mirrored, (struct bytes){source, SIZE}, &leader_epoch);
}

// The source's batch with other fields, and a CRC that fits them.
static struct batch_header source_header(void) {
    struct batch_header h;
    batch_look((struct bytes){source, SIZE}, &h);
    return h;
}

static void rewrite_source(const struct batch_header *h) {
    batch_header_write(source, h, SIZE);
}

TEST(the_mirrored_batch_is_the_same) {
    begin();
    EXPECT_INT(verdict(), SPLICE_SAME);
    struct batch_header h = source_header();
    h.attributes |= BATCH_ATTRIBUTE_DELETE_HORIZON | BATCH_ATTRIBUTE_TRANSACTIONAL;  // cleared on the way (rule 11)
    h.leader_epoch = 9;
    rewrite_source(&h);
    EXPECT_INT(verdict(), SPLICE_SAME);
}

TEST(every_shift_is_seen) {
    for (int64_t by = -20; by <= 9; by++) {
        if (by == 0) continue;
        begin();
        struct batch_header h = source_header();
        h.base_offset += by;
        rewrite_source(&h);
        EXPECT_INT(verdict(), SPLICE_DIFFERENT);
    }
    begin();
    struct batch_header h = source_header();
    h.last_offset_delta = 10;
    h.count = 11;
    rewrite_source(&h);
    EXPECT_INT(verdict(), SPLICE_DIFFERENT);
}

TEST(every_changed_byte_is_seen) {
    for (int i = BATCH_HEADER_SIZE; i < SIZE; i++) {
        begin();
        source[i] ^= 0x10;
        struct batch_header h = source_header();
        rewrite_source(&h);  // another batch, whole in itself
        EXPECT_INT(verdict(), SPLICE_DIFFERENT);
    }
    for (int i = 0; i < 2; i++) {
        begin();
        struct batch_header h = source_header();
        if (i == 0) h.max_timestamp++;
        if (i == 1) h.base_timestamp++;
        rewrite_source(&h);
        EXPECT_INT(verdict(), SPLICE_DIFFERENT);
    }
}

TEST(what_compaction_took_cannot_be_compared) {
    begin();
    struct batch_header h = source_header();
    h.base_offset = 510;
    rewrite_source(&h);
    EXPECT_INT(verdict(), SPLICE_COMPACTED);
    begin();
    h = source_header();
    h.count = 4;  // the batch keeps its range of offsets
    rewrite_source(&h);
    EXPECT_INT(verdict(), SPLICE_REWRITTEN);
}

// Copied while the source's cleaner had noted when its tombstones may go, compared with a replica whose cleaner has
// not: the bit is cleared on the way (rule 11), the time in place of the base time is not.
TEST(a_horizon_that_only_the_mirror_still_has_cannot_be_compared) {
    begin();
    mirrored.base_timestamp = 90000;
    EXPECT_INT(verdict(), SPLICE_REWRITTEN);
    mirrored.base_timestamp = 1009;  // a producer's base time is never later than the newest record
    EXPECT_INT(verdict(), SPLICE_DIFFERENT);
}

TEST(append_times_were_written_into_the_records) {
    begin();
    struct batch_header h = source_header();
    h.attributes |= BATCH_ATTRIBUTE_LOG_APPEND_TIME;
    h.base_timestamp = 1;  // the producer's; the mirror has the broker's
    rewrite_source(&h);
    EXPECT_INT(verdict(), SPLICE_REWRITTEN);
    int64_t appended = h.max_timestamp;
    for (int by = -1; by <= 1; by += 2) {  // but the broker's time must be the same; a new leader's clock may be behind
        h.max_timestamp = appended + by;
        rewrite_source(&h);
        EXPECT_INT(verdict(), SPLICE_DIFFERENT);
    }
}

TEST(half_a_batch_is_no_proof) {
    begin();
    for (size_t size = 0; size < SIZE; size++)
        EXPECT_INT(splice_compare(&mirrored, (struct bytes){source, size}, &leader_epoch), SPLICE_DAMAGED);
}

// Joined batches -----------------------------------------------------------------------------------------------------

#define PARTS 4
#define LAST 508  // the parts are 500..501, 502..503, 504, 505..508; then comes 509

#define SHIFT_MAX 3  // (by one more, and the others could be those that cleaners left)

static struct buffer log_bytes;             // of the source: the parts and one more batch
static size_t part_at[PARTS + 2];
static const int32_t counts[PARTS + 1] = {2, 2, 1, 4, 1};

static void write_source(const int *order, int64_t first) {
    struct buffer one;
    buffer_init(&one, MiB);
    buffer_clear(&log_bytes);
    for (int i = 0; i <= PARTS; i++) {
        struct test_record records[4] = {{0}};
        int n = order ? order[i] : i;
        static const char *const keys[] = {"a", "b", "c", "d", "e"};
        for (int32_t k = 0; k < counts[n]; k++) records[k] = (struct test_record){keys[n], keys[k], 9000 - n * 7 + k};
        struct test_batch b = PLAIN_BATCH;
        b.base_offset = first;
        b.leader_epoch = 3 + i;
        struct bytes made = test_batch_write(&one, &b, records, counts[n]);
        part_at[i] = log_bytes.size;
        buffer_append(&log_bytes, made.at, made.size);
        first += counts[n];
    }
    part_at[PARTS + 1] = log_bytes.size;
    buffer_free(&one);
}

static struct batch_header part_header(int i) {
    struct batch_header h;
    batch_look((struct bytes){log_bytes.at + part_at[i], log_bytes.size - part_at[i]}, &h);
    return h;
}

// The parts as a mirror joins them.
static void begin_joined(void) {
    struct buffer joined;
    buffer_init(&log_bytes, MiB);
    buffer_init(&joined, MiB);
    write_source(NULL, 500);
    struct batch_header first = part_header(0);
    buffer_append(&joined, log_bytes.at, (size_t)first.size);
    batch_restamp(joined.at, &first, &stamp);
    for (int i = 1; i < PARTS; i++) {
        struct batch_header h = part_header(i);
        bool added = join_add(&joined, (struct bytes){log_bytes.at + part_at[i], (size_t)h.size}, &h);
        assert(added);
        (void)added;
    }
    join_finish(joined.at, joined.size);
    batch_look((struct bytes){joined.at, joined.size}, &mirrored);
    assert(batch_last_offset(&mirrored) == LAST);
    buffer_free(&joined);
    leader_epoch = -1;
}

static enum splice_verdict joined_verdict(size_t from, size_t to) {
    return splice_compare(&mirrored, (struct bytes){log_bytes.at + from, to - from}, &leader_epoch);
}

static enum splice_verdict whole_verdict(void) {
    return joined_verdict(0, log_bytes.size);
}

static void end_joined(void) {
    buffer_free(&log_bytes);
}

static void reseal(int i, const struct batch_header *h) {
    batch_header_write(log_bytes.at + part_at[i], h, (int32_t)(part_at[i + 1] - part_at[i]));
}

TEST(a_joined_batch_is_made_again_of_its_parts) {
    begin_joined();
    EXPECT_INT(whole_verdict(), SPLICE_SAME);
    EXPECT_INT(leader_epoch, 3 + PARTS - 1);  // of the batch before the one to fetch
    EXPECT_INT(joined_verdict(0, part_at[PARTS]), SPLICE_SAME);
    EXPECT((size_t)splice_source_size(&mirrored) >= part_at[PARTS]);
    EXPECT((size_t)splice_parts_size_max(&mirrored) >= part_at[PARTS]);
    end_joined();
}

TEST(an_answer_that_ends_too_early_is_no_divergence) {
    begin_joined();
    for (size_t to = 0; to < part_at[PARTS]; to++)
        EXPECT_INT(joined_verdict(0, to), to < part_at[1] ? SPLICE_DAMAGED : SPLICE_CUT);
    end_joined();
}

TEST(every_changed_byte_of_every_part_is_seen) {
    for (int repaired = 0; repaired < 2; repaired++) {
        begin_joined();
        for (int i = 0; i < PARTS; i++) {
            for (size_t at = part_at[i] + BATCH_HEADER_SIZE; at < part_at[i + 1]; at++) {
                write_source(NULL, 500);
                struct batch_header h = part_header(i);
                log_bytes.at[at] ^= 0x10;
                if (repaired) reseal(i, &h);
                enum splice_verdict v = whole_verdict();
                EXPECT(v == (repaired ? SPLICE_DIFFERENT : SPLICE_DAMAGED));
            }
        }
        end_joined();
    }
}

TEST(parts_that_are_not_ours_are_seen) {
    begin_joined();
    static const int orders[][PARTS + 1] = {{1, 0, 2, 3, 4}, {0, 2, 1, 3, 4}, {0, 1, 3, 2, 4}, {0, 1, 4, 3, 2},
                                            {1, 2, 3, 4, 0}, {2, 3, 4, 0, 1}, {3, 4, 0, 1, 2}, {4, 0, 1, 2, 3}};
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        write_source(orders[i], 500);
        EXPECT_INT(whole_verdict(), SPLICE_DIFFERENT);
    }
    for (int64_t by = -9; by <= SHIFT_MAX; by++) {
        if (by == 0) continue;
        write_source(NULL, 500 + by);
        EXPECT_INT(whole_verdict(), SPLICE_DIFFERENT);
    }
    for (int kind = 0; kind < 5; kind++) {
        write_source(NULL, 500);
        struct batch_header h = part_header(2);
        if (kind == 0) h.max_timestamp = 10000;
        if (kind == 1) h.base_timestamp++;
        if (kind == 2) h.attributes = BATCH_ATTRIBUTE_LOG_APPEND_TIME;
        if (kind == 3) h.attributes = BATCH_ATTRIBUTE_TRANSACTIONAL;
        if (kind == 4) h.attributes = CODEC_LZ4;
        reseal(2, &h);
        EXPECT_INT(whole_verdict(), SPLICE_DIFFERENT);
    }
    write_source(NULL, 500);
    struct batch_header h = part_header(PARTS - 1);  // the last part goes on beyond the destination's batch
    h.last_offset_delta++;
    reseal(PARTS - 1, &h);
    EXPECT_INT(whole_verdict(), SPLICE_DIFFERENT);
    end_joined();
}

// Of another topic of that name, say, whose own cleaner was there.
TEST(what_cleaners_left_is_no_newer) {
    begin();
    struct batch_header h = source_header();
    h.count = 4;
    h.max_timestamp = mirrored.max_timestamp + 1;
    rewrite_source(&h);
    EXPECT_INT(verdict(), SPLICE_DIFFERENT);
    mirrored.count = 3;  // the destination's cleaner may have taken the newest
    EXPECT_INT(verdict(), SPLICE_REWRITTEN);
    begin_joined();
    h = part_header(1);
    h.max_timestamp = mirrored.max_timestamp + 1;
    reseal(1, &h);
    EXPECT_INT(joined_verdict(part_at[1], log_bytes.size), SPLICE_DIFFERENT);  // the first part is gone
    h.max_timestamp = mirrored.max_timestamp;
    reseal(1, &h);
    EXPECT_INT(joined_verdict(part_at[1], log_bytes.size), SPLICE_REWRITTEN);
    end_joined();
}

// Its compression.type was not "producer" for a while: the records are the same, and only times and counts say so.
TEST(what_the_destination_has_compressed_anew_cannot_be_compared) {
    begin();
    mirrored.attributes = CODEC_LZ4;
    mirrored.crc++;
    EXPECT_INT(verdict(), SPLICE_REWRITTEN);
    EXPECT_INT(leader_epoch, 4);
    for (int kind = 0; kind < 3; kind++) {
        begin();
        mirrored.attributes = CODEC_NONE;
        if (kind == 0) mirrored.max_timestamp++;
        if (kind == 1) mirrored.base_timestamp++;
        if (kind == 2) mirrored.last_offset_delta++, mirrored.count++;
        EXPECT_INT(verdict(), SPLICE_DIFFERENT);
    }
    for (int kind = 0; kind < 4; kind++) {
        begin_joined();
        mirrored.attributes = CODEC_ZSTD;
        mirrored.size = BATCH_HEADER_SIZE + 20;
        if (kind == 1) mirrored.max_timestamp++;
        if (kind == 2) mirrored.base_timestamp++;
        if (kind == 3) mirrored.attributes |= BATCH_ATTRIBUTE_TRANSACTIONAL;
        EXPECT_INT(whole_verdict(), kind == 0 ? SPLICE_REWRITTEN : SPLICE_DIFFERENT);
        end_joined();
    }
}

TEST(what_cleaners_did_to_parts_is_no_divergence) {
    begin_joined();
    EXPECT_INT(joined_verdict(part_at[1], log_bytes.size), SPLICE_REWRITTEN);  // the first part is gone
    EXPECT_INT(leader_epoch, 3 + PARTS - 1);
    EXPECT_INT(joined_verdict(part_at[PARTS], log_bytes.size), SPLICE_COMPACTED);
    EXPECT_INT(leader_epoch, -1);  // the next one's says nothing of the one before the offset to fetch
    struct batch_header h = part_header(1);
    h.count = 1;
    reseal(1, &h);
    EXPECT_INT(whole_verdict(), SPLICE_REWRITTEN);
    write_source(NULL, 500);
    h = part_header(2);
    h.attributes = BATCH_ATTRIBUTE_DELETE_HORIZON;
    reseal(2, &h);
    EXPECT_INT(whole_verdict(), SPLICE_REWRITTEN);
    write_source(NULL, 500);
    memmove(log_bytes.at + part_at[1], log_bytes.at + part_at[3], part_at[PARTS + 1] - part_at[3]);
    EXPECT_INT(joined_verdict(0, log_bytes.size - (part_at[3] - part_at[1])), SPLICE_REWRITTEN);  // some between
    EXPECT_INT(leader_epoch, 3 + PARTS - 1);
    write_source(NULL, 500);
    memmove(log_bytes.at + part_at[3], log_bytes.at + part_at[4], part_at[PARTS + 1] - part_at[4]);
    EXPECT_INT(joined_verdict(0, log_bytes.size - (part_at[4] - part_at[3])), SPLICE_REWRITTEN);  // the last one
    EXPECT_INT(leader_epoch, -1);  // an earlier part's ends before: the source would call that divergence
    write_source(NULL, 500);
    struct batch_header kept = mirrored;
    mirrored.attributes = BATCH_ATTRIBUTE_DELETE_HORIZON;  // the destination's cleaner, which left all records
    mirrored.base_timestamp = 1;
    EXPECT_INT(whole_verdict(), SPLICE_REWRITTEN);
    mirrored = kept;
    mirrored.count = 3;  // and which did not
    mirrored.attributes = BATCH_ATTRIBUTE_DELETE_HORIZON;
    mirrored.base_timestamp = 1;
    EXPECT_INT(whole_verdict(), SPLICE_REWRITTEN);
    for (int64_t by = -9; by <= SHIFT_MAX; by++) {  // but it must be where it was
        write_source(NULL, 500 + by);
        if (by != 0) EXPECT_INT(whole_verdict(), SPLICE_DIFFERENT);
    }
    end_joined();
}

int main(void) {
    RUN(the_mirrored_batch_is_the_same);
    RUN(every_shift_is_seen);
    RUN(every_changed_byte_is_seen);
    RUN(what_compaction_took_cannot_be_compared);
    RUN(a_horizon_that_only_the_mirror_still_has_cannot_be_compared);
    RUN(append_times_were_written_into_the_records);
    RUN(half_a_batch_is_no_proof);
    RUN(a_joined_batch_is_made_again_of_its_parts);
    RUN(an_answer_that_ends_too_early_is_no_divergence);
    RUN(every_changed_byte_of_every_part_is_seen);
    RUN(parts_that_are_not_ours_are_seen);
    RUN(what_cleaners_left_is_no_newer);
    RUN(what_the_destination_has_compressed_anew_cannot_be_compared);
    RUN(what_cleaners_did_to_parts_is_no_divergence);
    return test_result();
}
