// The splice check: what counts as the same batch on both sides, and what does not.
#include "unit/test.h"

#include "mirror/splice.h"

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

static enum splice_verdict verdict(void) {
    return splice_compare(&mirrored, (struct bytes){source, SIZE});
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
    for (int i = 0; i < 3; i++) {
        begin();
        struct batch_header h = source_header();
        if (i == 0) h.max_timestamp++;
        if (i == 1) h.base_timestamp++;
        if (i == 2) h.attributes = CODEC_LZ4;
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

TEST(append_times_were_written_into_the_records) {
    begin();
    struct batch_header h = source_header();
    h.attributes |= BATCH_ATTRIBUTE_LOG_APPEND_TIME;
    h.base_timestamp = 1;  // the producer's; the mirror has the broker's
    rewrite_source(&h);
    EXPECT_INT(verdict(), SPLICE_REWRITTEN);
    h.max_timestamp++;  // but the broker's time must be the same
    rewrite_source(&h);
    EXPECT_INT(verdict(), SPLICE_DIFFERENT);
}

TEST(half_a_batch_is_no_proof) {
    begin();
    for (size_t size = 0; size < SIZE; size++)
        EXPECT_INT(splice_compare(&mirrored, (struct bytes){source, size}), SPLICE_DIFFERENT);
}

int main(void) {
    RUN(the_mirrored_batch_is_the_same);
    RUN(every_shift_is_seen);
    RUN(every_changed_byte_is_seen);
    RUN(what_compaction_took_cannot_be_compared);
    RUN(append_times_were_written_into_the_records);
    RUN(half_a_batch_is_no_proof);
    return test_result();
}
