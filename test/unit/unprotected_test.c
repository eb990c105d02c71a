// What nothing but time and a lease protects (rule 14), where batches of old and of today follow each other.
#include "unit/flow_story.h"

#define DAY_MS 86400000

// Too large to be joined with others.
static void write_aged(int64_t age_ms) {
    model_write(from, &(struct model_batch){.count = 3, .timestamp = w->s.env.wall_ms - age_ms, .size = 5000});
}

// There is a lease, for something old was copied, and what stands last is of today.
static void begin_leased(void) {
    begin(1);
    write_aged(DAY_MS);
    world_start(w);
    world_run(w, 12 * SECOND);
    write_aged(0);
    world_run(w, SECOND);
    EXPECT(equal());
    EXPECT(ownership_is_leased(&w->flow->ownership));
    EXPECT_INT(world_partition(w, 0)->append.appender->leased, 0);
}

static void answer(int requests) {
    struct scripted_request *r;
    for (int i = 0; i < requests && (r = scripted_next(&w->s, API_PRODUCE)); i++) {
        world_produce(&w->s, r);
        world_run(w, MS);
    }
}

static void go_on(void) {
    w->s.serve[API_PRODUCE] = world_produce;
    answer(100);
}

static int64_t leased(void) {
    return world_partition(w, 0)->append.appender->leased;
}

// Behind new ones that are under way it has not waited yet, whoever has the lease.
TEST(an_old_batch_waits_behind_new_ones_though_there_is_a_lease) {
    begin_leased();
    w->s.serve[API_PRODUCE] = NULL;
    write_aged(0);
    world_run(w, 10 * MS);
    scripted_cut_node(&w->s, 1);  // what was sent there may come late
    w->s.serve[API_PRODUCE] = world_produce;
    world_run(w, SECOND);
    EXPECT(equal());
    w->s.serve[API_PRODUCE] = NULL;
    write_aged(0);
    write_aged(DAY_MS);
    int64_t old = from->end - 3;
    world_run(w, 100 * MS);
    go_on();
    world_run(w, 3 * SECOND);
    EXPECT_INT(to->end, old);
    world_run(w, 12 * SECOND);
    EXPECT(equal());
    end();
}

TEST(what_follows_an_old_batch_that_is_queued_needs_a_lease_too) {
    begin_leased();
    w->s.serve[API_PRODUCE] = NULL;
    write_aged(DAY_MS);
    write_aged(0);
    world_run(w, 100 * MS);
    EXPECT_INT(leased(), 2);
    go_on();
    world_run(w, 3 * SECOND);
    EXPECT(equal());
    end();
}

// With the newer one the broker remembers us again, and with the next it forgets.
TEST(an_old_batch_that_is_queued_counts_when_a_newer_one_has_landed) {
    begin_leased();
    w->s.serve[API_PRODUCE] = NULL;
    w->s.in_turn = true;
    write_aged(DAY_MS);
    write_aged(0);
    write_aged(DAY_MS);
    world_run(w, 100 * MS);
    EXPECT_INT(leased(), 3);
    answer(2);
    EXPECT_INT(leased(), 1);
    write_aged(0);
    world_run(w, 100 * MS);
    EXPECT_INT(leased(), 2);
    go_on();
    world_run(w, 3 * SECOND);
    EXPECT(equal());
    end();
}

// The state is as old as what was deleted.
TEST(what_follows_an_emptied_log_of_old_needs_a_lease_too) {
    begin(1);
    write_aged(DAY_MS);
    world_start(w);
    world_run(w, 12 * SECOND);
    EXPECT(equal());
    world_kill(w);
    model_delete_below(to, to->end);
    write_aged(0);
    w->s.serve[API_PRODUCE] = NULL;
    world_start(w);
    world_run(w, 15 * SECOND);
    EXPECT_INT(state(), PARTITION_COPY);
    EXPECT_INT(leased(), 1);
    go_on();
    world_run(w, 3 * SECOND);
    EXPECT_INT(to->end, from->end);
    end();
}

int main(void) {
    RUN(an_old_batch_waits_behind_new_ones_though_there_is_a_lease);
    RUN(what_follows_an_old_batch_that_is_queued_needs_a_lease_too);
    RUN(an_old_batch_that_is_queued_counts_when_a_newer_one_has_landed);
    RUN(what_follows_an_emptied_log_of_old_needs_a_lease_too);
    return test_result();
}
