// A flow over a long line: what its sessions bring decides how many it keeps (line_test has how that is decided).
#include "unit/flow_story.h"

#include "base/limits.h"

#define PARTITIONS 4
#define ROUND_TRIP_US (100 * MS)
#define PARTITION_BYTES (64 * KiB)  // that come in one

static void later(struct scripted *s, struct scripted_request *r) {
    (void)s, (void)r;
}

static void begin_far(void) {
    begin(PARTITIONS);
    budget_init(&w->budget, MiB);  // room for so many sessions
    w->fetch_bytes_max = w->fetch_sessions = 0;
    for (int32_t i = 0; i < PARTITIONS; i++) w->source.logs[i].leader = -1;
    world_start(w);
    for (int32_t i = 0; i < PARTITIONS; i++) w->source.logs[i].leader = 1;
    w->s.serve[API_FETCH] = w->s.serve[API_API_VERSIONS] = later;  // no session has been near
}

static int32_t sessions(void) {
    int32_t count = 0;
    for (int32_t i = 0; i < PARTITIONS; i++) {
        bool another = true;
        for (int32_t k = 0; k < i; k++)
            another &= world_partition(w, k)->fetch.session != world_partition(w, i)->fetch.session;
        count += another;
    }
    return count;
}

// There is always more than what is under way.
static void write_more(void) {
    for (int32_t i = 0; i < PARTITIONS; i++) {
        struct model_log *l = &w->source.logs[i];
        while (l->end < w->destination.logs[i].end + 50)
            model_write(l, &(struct model_batch){
                               .count = 5, .attributes = 3, .timestamp = w->s.env.wall_ms, .size = 16 * KiB});
    }
}

static void fetch(struct scripted_request *r) {
    struct fetch_request *q = r->body;
    for (int32_t i = 0; i < q->topics_count; i++)
        for (int32_t k = 0; k < q->topics[i].partitions_count; k++)
            q->topics[i].partitions[k].partition_max_bytes = PARTITION_BYTES;
    world_fetch(&w->s, r);
}

static void answer(struct scripted_request *r, bool fetches_too) {
    if (r->answered || r->parked || !r->channel->connection) return;
    if (r->api->key == API_FETCH && fetches_too) fetch(r);
    if (r->api->key == API_API_VERSIONS) scripted_greet(&w->s, r);
}

// What is asked for comes a round trip later; half as many sessions bring half as much.
static void pass(int64_t us) {
    int64_t until_us = w->s.env.now_us + us;
    for (int32_t turn = 0; w->s.env.now_us < until_us; turn++, world_run(w, ROUND_TRIP_US)) {
        write_more();
        bool fetches_too = turn % (PARTITIONS / sessions()) == 0;
        for (struct scripted_request *r = w->s.requests; r; r = r->next) answer(r, fetches_too);
    }
}

TEST(as_many_sessions_stay_as_bring_more) {
    begin_far();
    pass(5 * SECOND);
    EXPECT_INT(sessions(), PARTITIONS);
    int32_t seconds_with_fewer = 0;
    for (int i = 0; i < 60; i++, pass(SECOND)) seconds_with_fewer += sessions() < PARTITIONS;
    EXPECT(seconds_with_fewer > 0 && seconds_with_fewer < 10);  // tried once
    EXPECT_INT(sessions(), PARTITIONS);
    end();
}

int main(void) {
    RUN(as_many_sessions_stay_as_bring_more);
    return test_result();
}
