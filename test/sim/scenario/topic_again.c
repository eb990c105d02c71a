// The source's topic is deleted and made anew while nobody looks: nothing but what stands at the offsets of what was
// mirrored tells the two from each other, and a cleaner or retention took part of that.
#include "sim/scenario/scenario.h"

#define TAIL 3  // records of the last batch that is mirrored

struct story {
    struct world *w;
    int64_t ended;  // where the last batch of the old topic begins
    bool mirrored;  // all of it
};

static struct story begin(struct world *w, bool compacted, int64_t moment_us) {
    world_run(w, 5 * SECOND);
    load_stop(w);
    struct story s = {w, scenario_source(w).log->end, false};
    scenario_write_key(w, 'k', TAIL);
    world_run(w, 5 * SECOND);
    s.mirrored = scenario_truth(w).log->end == s.ended + TAIL;
    instance_kill(&w->instances[0], false);
    load_delete_topic(w, &w->ledger.topics[0]);
    world_run(w, 1 * SECOND);
    w->plan.topics[0].compacted = compacted;
    load_create_again(w, &w->ledger.topics[0]);
    world_run(w, 1 * SECOND);
    world_run(w, moment_us);
    return s;
}

static struct plan slow_load(uint64_t seed, int64_t moment_us) {
    struct plan plan = scenario_plan(seed + (uint64_t)moment_us);
    plan.load_pause_us = 200 * MS;
    return plan;
}

// Batches of one record, until the new topic ends there.
static void write_until(struct world *w, char key, int64_t end) {
    while (scenario_source(w).log->end < end) scenario_write_key(w, key, 1);
}

// And one that stays open.
static void clean(struct world *w) {
    for (int i = 0; i < 2; i++) {
        world_run(w, 2 * SECOND);
        scenario_write_key(w, 'm', 1);
    }
    broker_clean_logs(w->clusters[SOURCE]);
}

static int64_t begins_at(struct world *w, int64_t offset) {
    const struct broker_log *log = scenario_source(w).log;
    return broker_log_at(log, broker_log_find(log, offset))->header.base_offset;
}

static const char *end(struct story *s, bool as_told) {
    instance_start(&s->w->instances[0]);
    world_run(s->w, 100 * SECOND);
    bool said_so = scenario_says(s->w, "diverged");
    const char *said = scenario_end(s->w);
    if (!said && !said_so) said = "nobody said that the source's topic is another one";
    return said || (s->mirrored && as_told) ? said : "the new topic is not what the story needs";
}

// Its cleaner was just where the old one ended: what is left there is no part of what was mirrored.
const char *cleaned_topic_comes_again(int64_t moment_us, struct outcome *out) {
    struct plan plan = slow_load(180, moment_us);
    struct story s = begin(world_begin(&plan, NULL, false, out), true, moment_us);
    write_until(s.w, 'l', s.ended);
    scenario_write_key(s.w, 'm', 1);
    scenario_write_key(s.w, 'n', 2);
    clean(s.w);
    return end(&s, begins_at(s.w, s.ended) == s.ended + 1);
}

// Its cleaner left nothing there, but below.
const char *cleaned_topic_has_older(int64_t moment_us, struct outcome *out) {
    struct plan plan = slow_load(181, moment_us);
    struct story s = begin(world_begin(&plan, NULL, false, out), true, moment_us);
    scenario_write_key(s.w, 'a', 1);
    write_until(s.w, 'l', s.ended + TAIL);
    scenario_write_key(s.w, 'n', 1);  // it goes on just where the mirror stands
    scenario_write_key(s.w, 'l', 1);
    clean(s.w);
    return end(&s, begins_at(s.w, 0) == 0 && begins_at(s.w, 1) == s.ended + TAIL);
}

// It begins within what was the last batch of the old one.
const char *shortened_topic_comes_again(int64_t moment_us, struct outcome *out) {
    struct plan plan = slow_load(182, moment_us);
    struct story s = begin(world_begin(&plan, NULL, false, out), false, moment_us);
    write_until(s.w, 'l', s.ended + TAIL + 2);
    world_run(s.w, 1 * SECOND);
    broker_delete_records(s.w->clusters[SOURCE], "topic-0", 0, s.ended + 1);
    return end(&s, scenario_source(s.w).log->start == s.ended + 1);
}

// Nothing but filler was mirrored of the old one.
const char *filled_topic_comes_again(int64_t moment_us, struct outcome *out) {
    struct plan plan = slow_load(183, moment_us);
    plan.topics[0].starts_at = 40;
    struct world *w = world_begin(&plan, NULL, false, out);
    int64_t filled = scenario_run_to(w, 1);
    load_stop(w);
    struct story s = {w, 0, filled > 0 && filled < 40};
    instance_kill(&w->instances[0], false);
    load_delete_topic(w, &w->ledger.topics[0]);
    world_run(w, 1 * SECOND);
    w->plan.topics[0].starts_at = 0;
    load_create_again(w, &w->ledger.topics[0]);
    world_run(w, 1 * SECOND + moment_us);
    write_until(w, 'l', 50);
    return end(&s, scenario_source(w).log->start == 0);
}
