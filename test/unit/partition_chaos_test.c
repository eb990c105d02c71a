// Thousands of random accidents, and then peace: whatever happened, the two logs are equal, each record once and in
// order.
#include "unit/test.h"

#include "unit/flow_world.h"

#define ROUNDS 300
#define SEEDS 40

static struct world *w;
static struct prng prng;
static bool slow;  // produce requests are executed some time after they came

static int64_t pick(int64_t low, int64_t high) {
    return prng_between(&prng, low, high);
}

static bool one_in(uint64_t n) {
    return prng_below(&prng, n) == 0;
}

static void produce_later(struct scripted *s, struct scripted_request *r) {
    r->parked_until_us = s->env.now_us + pick(0, 400) * MS;
}

// What a closed connection brought is still read and executed, one request after the other (rule 1).
static void read_on(struct scripted_channel *ch) {
    while (ch->in.size >= 6 && load_be16(ch->in.at + 4) == API_PRODUCE && scripted_serve(&w->s, ch)) continue;
}

static void execute_due(void) {
    for (struct scripted_request *r = w->s.requests; r; r = r->next) {
        if (r->answered || r->api->key != API_PRODUCE || (slow && w->s.env.now_us < r->parked_until_us)) continue;
        world_produce(&w->s, r);
        if (!r->channel->connection) read_on(r->channel);
    }
}

// A leader with a shorter log takes over: acknowledged with acks=1, and lost.
static void lose_tail(int32_t index) {
    struct model_log *l = &w->destination.logs[index];
    struct batch_header h;
    size_t at = 0;
    if (l->end == l->safe_end || !model_find(l, pick(l->safe_end, l->end - 1), &at, &h)) return;
    struct model_producer ours = l->producers[0];
    int64_t lost = l->end - h.base_offset;
    model_truncate(l, h.base_offset);
    if (l->producers_count == 0) {  // a broker remembers what it took, though the records are deleted (a filler's are)
        ours.last_sequence = sequence_add(ours.last_sequence, -lost);
        ours.recent_count = 0;
        l->producers[l->producers_count++] = ours;
    }
    world_change_leader(w, &w->destination, index);
}

static void accident(void) {
    int32_t index = (int32_t)pick(0, w->partitions - 1);
    switch (pick(0, 8)) {
    case 0:
        scripted_cut_node(&w->s, (int32_t)pick(0, WORLD_BROKERS));
        break;
    case 1:
        world_change_leader(w, &w->destination, index);
        break;
    case 2:
        world_change_leader(w, &w->source, index);
        break;
    case 3:
        lose_tail(index);
        break;
    case 4:
        w->answer_with = one_in(2) ? KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER : KAFKA_NOT_ENOUGH_REPLICAS;
        break;
    case 5:
        w->source.damage = (int)pick(1, 2);
        break;
    case 6:
        w->s.stalled = !w->s.stalled;
        break;
    case 7:
        w->coordinator.refuse_with = w->coordinator.refuse_with ? 0 : KAFKA_COORDINATOR_LOAD_IN_PROGRESS;
        break;
    default:
        if (!one_in(4)) break;
        world_kill(w);
        w->coordinator.refuse_with = 0;
        w->s.stalled = false;
        world_start(w);
    }
}

static void live(uint64_t seed) {
    prng_seed(&prng, seed);
    w = world_new((int32_t)pick(1, WORLD_PARTITIONS_MAX));
    w->s.serve[API_PRODUCE] = produce_later;
    w->s.in_turn = slow = true;
    if (one_in(3)) w->source.logs[0].start = w->source.logs[0].end = pick(1, 2000);
    world_start(w);
    for (int round = 0; round < ROUNDS && w->s.channels_count < SCRIPTED_CHANNELS_MAX - 40; round++) {
        if (one_in(2)) world_write(w, (int32_t)pick(0, w->partitions - 1), (int)pick(1, 20));
        if (one_in(6)) accident();
        world_run(w, pick(1, 200) * MS);
        execute_due();
    }
}

static void make_peace(void) {
    w->s.stalled = false;
    w->coordinator.refuse_with = 0;
    w->source.damage = 0;
    w->answer_with = 0;
    slow = false;
    w->s.serve[API_PRODUCE] = world_produce;
    execute_due();
    world_run(w, 60 * SECOND);
}

TEST(whatever_happens_the_logs_are_equal_in_the_end) {
    int appended = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        live(seed);
        make_peace();
        for (int32_t i = 0; i < w->partitions; i++) {
            struct partition *p = world_partition(w, i);
            if (p->halt_reason) printf("seed %d, partition %d: %s\n", (int)seed, (int)i, p->halt_reason);
            EXPECT(!p->halt_reason);
            int64_t difference = model_difference(&w->source.logs[i], &w->destination.logs[i]);
            if (difference >= 0) printf("seed %d, partition %d\n", (int)seed, (int)i);
            EXPECT_INT(difference, -1);
        }
        appended += w->appended;
        world_kill(w);
        EXPECT_INT(w->budget.used, 0);
        world_free(w);
    }
    EXPECT(appended > 100 * SEEDS);
}

int main(void) {
    RUN(whatever_happens_the_logs_are_equal_in_the_end);
    return test_result();
}
