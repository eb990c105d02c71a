// RESYNC as stories about answers in which one bit was flipped where no CRC is: what they say is believed only when it
// is said twice.
#include "unit/flow_story.h"

enum lie {
    END_IS_ZERO,
    END_IS_LATER,
    NOTHING_BELOW_THE_END,
    SOURCE_BATCH_IS_FAR,
    SOURCE_BATCH_WAS_THINNED,
    LIES
};

static enum lie lie;
static int turn;  // how many answers are true before
static int told;

static bool my_turn(void) {
    return turn-- == 0;
}

// In what was answered to this request.
static void flip_in_batch(struct scripted_request *r, struct model_log *l, size_t before, size_t field, uint8_t bit) {
    size_t at = 0;
    struct batch_header h;
    if (!model_find(l, to->end - 1, &at, &h)) return;
    for (size_t i = before; i + BATCH_HEADER_SIZE <= r->channel->out.size; i++) {
        uint8_t *b = r->channel->out.at + i;
        if (memcmp(b, l->bytes.at + at, BATCH_HEADER_SIZE) != 0) continue;
        if (my_turn()) told++, b[field] ^= bit;
        return;
    }
}

static void fetch_with_a_lie(struct scripted *s, struct scripted_request *r) {
    bool at_source = world_side(w, r) == &w->source;
    size_t before = r->channel->out.size;
    int64_t start = to->start;
    if (lie == NOTHING_BELOW_THE_END && !at_source && my_turn()) told++, to->start = to->end;
    world_fetch(s, r);
    to->start = start;
    if (!at_source) return;
    if (lie == SOURCE_BATCH_IS_FAR) flip_in_batch(r, from, before, 1, 0x80);       // its base offset
    if (lie == SOURCE_BATCH_WAS_THINNED) flip_in_batch(r, from, before, 60, 0x04);  // how many records it has
}

static void epoch_ends_with_a_lie(struct scripted *s, struct scripted_request *r) {
    int64_t end = to->end;
    bool may = world_side(w, r) == &w->destination;
    if (may && lie == END_IS_ZERO && my_turn()) told++, to->end = 0;
    if (may && lie == END_IS_LATER && my_turn()) told++, to->end ^= 32;
    world_epoch_ends(s, r);
    to->end = end;
}

// Batches at the same offsets and of the same time, with something else in them.
static void make_anew(int64_t timestamp) {
    model_truncate(from, 0);
    while (from->end < 100) model_write(from, &(struct model_batch){.count = 10, .timestamp = timestamp, .fill = 99});
}

// One batch stands at the destination, and one lie is told.
static bool start_with(enum lie which, int after, bool anew) {
    begin(1);
    int64_t then = w->s.env.wall_ms;
    write_ten_at(0);
    world_start(w);
    assert(to->end == 10);
    world_kill(w);
    if (anew) make_anew(then);
    else world_write(w, 0, 20);
    lie = which;
    turn = after;
    told = 0;
    w->s.serve[API_FETCH] = fetch_with_a_lie;
    w->s.serve[API_OFFSET_FOR_LEADER_EPOCH] = epoch_ends_with_a_lie;
    world_start(w);
    world_run(w, 10 * SECOND);
    return told > 0;
}

TEST(one_lie_makes_no_other_topic_fit) {
    for (enum lie i = 0; i < LIES; i++) {
        int lies = 0;
        for (int after = 0; after < 3; after++) {
            lies += start_with(i, after, true);
            EXPECT_INT(state(), PARTITION_HALTED);
            EXPECT_INT(to->end, 10);
            end();
        }
        EXPECT(lies > 1);
    }
}

TEST(one_lie_does_not_move_what_fits) {
    for (enum lie i = 0; i < LIES; i++) {
        int lies = 0;
        for (int after = 0; after < 3; after++) {
            lies += start_with(i, after, false);
            EXPECT_INT(state(), PARTITION_COPY);
            EXPECT_INT(w->refused, 0);
            EXPECT(equal());
            end();
        }
        EXPECT(lies > 0);
    }
}

// The same bit, flipped again much later, is as new as the first one.
TEST(a_doubt_of_long_ago_is_over) {
    for (lie = 0; lie < LIES; lie++) {
        begin_copied(1);
        w->s.serve[API_FETCH] = fetch_with_a_lie;
        w->s.serve[API_OFFSET_FOR_LEADER_EPOCH] = epoch_ends_with_a_lie;
        for (int i = 0; i < 3; i++) {
            turn = 0;
            told = 0;
            world_change_leader(w, &w->destination, 0);
            world_run(w, 2 * SECOND);
            EXPECT_INT(told, 1);
            EXPECT_INT(state(), PARTITION_COPY);
            EXPECT_INT(world_partition(w, 0)->log_end, to->end);
        }
        EXPECT(equal());
        end();
    }
}

static void fetch_with_a_later_start(struct scripted *s, struct scripted_request *r) {
    int64_t start = from->start;
    if (world_side(w, r) == &w->source && my_turn()) told++, from->start += 2;
    world_fetch(s, r);
    from->start = start;
}

// The destination begins with a batch of which the source hides nothing, or one record, and seems to hide two more.
TEST(a_start_that_is_said_once_deletes_nothing) {
    int lies = 0;
    for (int i = 0; i < 10; i++) {
        begin(1);
        write_ten_at(0);
        world_write(w, 0, 3);
        world_start(w);
        world_kill(w);
        from->start = i % 2;
        told = 0;
        turn = i / 2;
        w->s.serve[API_FETCH] = fetch_with_a_later_start;
        world_start(w);
        world_run(w, 10 * SECOND);
        lies += told;
        EXPECT_INT(to->start, i % 2);
        EXPECT(equal());
        end();
    }
    EXPECT(lies > 5);
}

// What a cleaner did is no lie: it is said again, and no error.
TEST(what_was_thinned_is_looked_at_twice) {
    begin_copied(1);
    world_kill(w);
    model_clean(from, from->end - 1);
    world_write(w, 0, 2);
    world_start(w);
    EXPECT_INT(state(), PARTITION_COPY);
    EXPECT_INT(to->end, from->end);
    EXPECT_INT(resyncs(), 0);
    end();
}

int main(void) {
    RUN(one_lie_makes_no_other_topic_fit);
    RUN(one_lie_does_not_move_what_fits);
    RUN(a_doubt_of_long_ago_is_over);
    RUN(a_start_that_is_said_once_deletes_nothing);
    RUN(what_was_thinned_is_looked_at_twice);
    return test_result();
}
