// A batch is damaged on its way from the source, and the destination has forgotten our state: were it sent, what comes
// behind it would be taken in its place. The batch is old, or what stands before it is.
#include "base/limits.h"
#include "sim/scenario/scenario.h"

static const char *tell(int64_t moment_us, struct outcome *out, struct plan *plan, int64_t quiet_us) {
    plan->expiration_ms = plan->expiration_check_ms = 2000;
    struct world *w = world_begin(plan, NULL, false, out);
    world_run(w, 20 * SECOND);
    load_stop(w);
    world_run(w, quiet_us);
    w->network.damage[SOURCE] = 1;
    for (int i = 0; i < 5; i++) load_write(w, &w->ledger.topics[0], 0);
    world_run(w, moment_us);
    for (int i = 0; i < 5; i++) load_write(w, &w->ledger.topics[0], 0);
    world_run(w, 2 * SECOND);
    bool damaged = w->network.damage[SOURCE] == 0;
    const char *said = scenario_end(w);
    return said || damaged ? said : "nothing was damaged";
}

const char *damage_of_old(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(22);
    plan.topics[0].last_year = true;
    return tell(moment_us, out, &plan, 2 * SECOND);
}

const char *damage_after_quiet(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(23);
    return tell(moment_us, out, &plan, 60 * SECOND);
}

// What comes damaged comes again whole, of a topic with append times, too: nobody takes it for one that cannot be read.
const char *damage_of_append_time(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(66 + (uint64_t)moment_us);
    plan.topics[0].append_time = true;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND + moment_us);
    w->network.damage[SOURCE] = 3;  // some strike a batch again, which is no news
    scenario_write(w);
    world_run(w, 60 * SECOND);  // what seems to be lost is doubted
    scenario_write(w);
    bool damaged = w->network.damage[SOURCE] == 0;
    const char *said = scenario_end(w);
    return said || damaged ? said : "nothing was damaged";
}

// Each batch of a long row comes damaged, once: what is over does not count, and no batch is one that always comes so.
const char *damage_again(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(25);
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND + moment_us);
    load_stop(w);
    world_run(w, 1 * SECOND);
    bool each = true;
    for (int i = 0; i < 3 * DAMAGED_TRIES_MAX; i++) {
        w->network.damage[SOURCE] = 1;
        scenario_write(w);
        each = each && w->network.damage[SOURCE] == 0;
    }
    const char *said = scenario_end(w);
    return said || each ? said : "not each batch was damaged";
}

// What a look at the logs finds is damaged each time, on either side and where no CRC covers it: nothing halts for it.
const char *damage_in_look(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(80 + (uint64_t)moment_us);
    plan.plain = true;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND + moment_us);
    load_stop(w);
    world_run(w, 1 * SECOND);
    bool damaged = true;
    for (int i = 0; i < 10; i++) {
        enum side side = i % 2 == 0 ? SOURCE : DESTINATION;
        w->network.damage[side] = 1;
        instance_kill(&w->instances[0], false);
        instance_start(&w->instances[0]);
        world_run(w, 5 * SECOND);
        damaged &= w->network.damage[side] == 0;
    }
    const char *said = scenario_end(w);
    if (!said && out->halted > 0) said = "what was damaged once halts a partition";
    return said || damaged ? said : "nothing was damaged";
}

// And the last batch of a destination that has forgotten us is all that says where our sequence stands.
const char *damage_of_tail(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(120 + (uint64_t)moment_us);
    plan.topics[0].last_year = true;
    plan.expiration_ms = plan.expiration_check_ms = 2000;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 20 * SECOND + moment_us);
    load_stop(w);
    for (int side = 0; side < SIDES; side++) broker_topic_alter(w->clusters[side], "topic-0", "retention.ms", "-1");
    bool damaged = true;
    for (int i = 0; i < 12; i++) {
        world_run(w, 5 * SECOND);
        instance_kill(&w->instances[0], false);
        w->network.damage[DESTINATION] = 1;
        instance_start(&w->instances[0]);
        for (int k = 0; k < 300 && w->network.damage[DESTINATION] > 0; k++) world_run(w, 100 * MS);
        damaged &= w->network.damage[DESTINATION] == 0;
        load_write(w, &w->ledger.topics[0], 0);
        world_run(w, 15 * SECOND);
    }
    const char *said = scenario_end(w);
    if (!said && out->halted > 0) said = "what was damaged once halts a partition";
    return said || damaged ? said : "nothing was damaged";
}

static const char *first_damaged(uint64_t seed, struct outcome *out) {
    struct plan plan = scenario_plan(seed);
    struct world *w = world_begin(&plan, NULL, false, out);
    instance_kill(&w->instances[0], false);
    world_run(w, 2 * SECOND);
    load_stop(w);
    int64_t begins = scenario_source(w).log->end;
    scenario_write_key(w, 'k', 2);
    world_run(w, 1 * SECOND);
    broker_delete_records(w->clusters[SOURCE], "topic-0", 0, begins + 1);
    w->network.damage[SOURCE] = 2;  // it looks again when it has the lease for filler
    instance_start(&w->instances[0]);
    world_run(w, 5 * SECOND);
    bool damaged = w->network.damage[SOURCE] == 0 && begins > 0;
    bool whole = scenario_truth(w).log->end == begins + 2;
    const char *said = scenario_end(w);
    if (!said && !whole) said = "what the source begins with was not mirrored";
    return said || damaged ? said : "nothing was damaged";
}

// The source's log starts inside its only batch, and what is told of that is damaged on its way: filler that reaches
// too far could not be taken back. (One flip of ten is in the batch's offset, so it is told often.)
const char *damage_of_first(int64_t moment_us, struct outcome *out) {
    const char *said = NULL;
    for (uint64_t i = 0; i < 10 && !said; i++) said = first_damaged(140 + i + (uint64_t)moment_us, out);
    return said;
}

static const char *news_damaged(uint64_t seed, int *times, struct outcome *out) {
    struct plan plan = scenario_plan(seed);
    struct world *w = world_begin(&plan, NULL, false, out);
    instance_kill(&w->instances[0], false);
    load_stop(w);
    int64_t begins = scenario_source(w).log->end;
    broker_delete_records(w->clusters[SOURCE], "topic-0", 0, begins);
    instance_start(&w->instances[0]);
    world_run(w, 5 * SECOND);
    bool filled = begins > 0 && scenario_truth(w).log->end == begins;
    w->network.damage[SOURCE] = 2;
    scenario_write_key(w, 'k', 2);
    world_run(w, 5 * SECOND);
    *times += filled && w->network.damage[SOURCE] == 0;
    return scenario_end(w);
}

// What comes behind filler is damaged twice in a row, each time in another bit: that is not the same thing seen twice.
// (One time of a hundred both are in the batch's offset.)
const char *damage_of_news(int64_t moment_us, struct outcome *out) {
    const char *said = NULL;
    int times = 0;
    for (uint64_t i = 0; i < 10 && !said; i++) said = news_damaged(300 + i + (uint64_t)moment_us, &times, out);
    return said || times > 5 ? said : "nothing was damaged";
}
