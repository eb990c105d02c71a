// From a seed to a plan.
#include "sim/plan.h"

#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

#define ANY_WORLD 0
#define OWNED_ONLY 1  // makes the destination forget what it knows of producers, or needs slices

// Of so many worlds one is of each kind that is not just any.
#define CALM_ONE_IN 12
#define FORGETFUL_ONE_IN 5

struct kind {
    const char *name;
    int weight;  // how often among others
    int64_t lasts_us[2];
    int only;
};

// clang-format off
static const struct kind kinds[FAULT_KINDS] = {
    //                                name                      weight  lasts                      where
    [FAULT_BROKER_SHUT_DOWN]        = {"broker shut down"        , 6 , {  1 * SECOND, 30 * SECOND}, ANY_WORLD },
    [FAULT_BROKER_KILLED]           = {"broker killed"           , 8 , {  1 * SECOND, 30 * SECOND}, ANY_WORLD },
    [FAULT_BROKER_POWER_LOST]       = {"broker lost its power"   , 8 , {  1 * SECOND, 30 * SECOND}, ANY_WORLD },
    [FAULT_BROKER_FROZEN]           = {"broker frozen"           , 6 , {100 * MS    , 30 * SECOND}, ANY_WORLD },
    [FAULT_BROKER_ISOLATED]         = {"broker isolated"         , 8 , {  1 * SECOND, 20 * SECOND}, ANY_WORLD },
    [FAULT_BROKER_THROTTLES]        = {"broker throttles"        , 3 , {  1 * SECOND, 20 * SECOND}, ANY_WORLD },
    [FAULT_REPLICA_HELD]            = {"replica held"            , 8 , {100 * MS    , 60 * SECOND}, ANY_WORLD },
    [FAULT_SESSIONS_FORGOTTEN]      = {"sessions forgotten"      , 4 , {  0         ,  0         }, ANY_WORLD },
    [FAULT_LEADER_MOVES]            = {"leader moves"            , 8 , {  0         ,  0         }, ANY_WORLD },
    [FAULT_LEADER_GOES_AND_RETURNS] = {"leader goes and returns" , 8 , {  1 * MS    , 500 * MS   }, ANY_WORLD },
    [FAULT_TAIL_LOST]               = {"acks=1 tail lost"        , 10, { 50 * MS    ,  3 * SECOND}, ANY_WORLD },
    [FAULT_PRODUCERS_EXPIRE]        = {"producers expire"        , 6 , {  0         ,  0         }, OWNED_ONLY },
    [FAULT_CONNECTIONS_RESET]       = {"connections reset"       , 8 , {  0         ,  0         }, ANY_WORLD },
    [FAULT_PARTITION_OUT]           = {"instance's words lost"   , 5 , {100 * MS    , 40 * SECOND}, ANY_WORLD },
    [FAULT_PARTITION_IN]            = {"instance hears nothing"  , 5 , {100 * MS    , 40 * SECOND}, ANY_WORLD },
    [FAULT_PARTITION_BOTH]          = {"instance cut off"        , 6 , {100 * MS    , 90 * SECOND}, ANY_WORLD },
    [FAULT_SLOW_LINKS]              = {"links slow"              , 4 , {  1 * SECOND, 20 * SECOND}, ANY_WORLD },
    [FAULT_INSTANCE_KILLED]         = {"instance killed"         , 12, { 10 * MS    , 20 * SECOND}, ANY_WORLD },
    [FAULT_INSTANCE_SLEEPS]         = {"instance sleeps"         , 10, {100 * MS    , 150 * SECOND}, ANY_WORLD },
    [FAULT_INSTANCE_STOPS]          = {"instance stops"          , 4 , { 10 * MS    , 20 * SECOND}, ANY_WORLD },
    [FAULT_BATCH_DAMAGED]           = {"bit flipped on the way"  , 4 , {  0         ,  0         }, ANY_WORLD },
    [FAULT_TOPIC_GROWS]             = {"topic grows"             , 3 , {  0         ,  0         }, ANY_WORLD },
    [FAULT_TOPIC_CREATED]           = {"topic created"           , 3 , {  0         ,  0         }, ANY_WORLD },
    [FAULT_TOPIC_DELETED]           = {"topic deleted"           , 1 , {  0         ,  0         }, ANY_WORLD },
    [FAULT_TOPIC_RECREATED]         = {"topic re-created"        , 1 , {  1 * MS    , 10 * SECOND}, ANY_WORLD },
    [FAULT_SOURCE_DELETES_RECORDS]  = {"source deletes records"  , 2 , {  0         ,  0         }, ANY_WORLD },
    [FAULT_LOGS_CLEANED]            = {"logs cleaned"            , 4 , {  0         ,  0         }, ANY_WORLD },
    [FAULT_SOURCE_TRANSACTION]      = {"transaction at source"   , 1 , {  0         ,  0         }, ANY_WORLD },
    [FAULT_FOREIGN_RECORD]          = {"foreign record"          , 1 , {  0         ,  0         }, ANY_WORLD },
    [FAULT_CONNECTIONS_STALL]       = {"connections stall"       , 6 , {100 * MS    , 60 * SECOND}, ANY_WORLD },
    [FAULT_ANSWERS_LATE]            = {"answers late"            , 6 , {100 * MS    , 60 * SECOND}, ANY_WORLD },
    [FAULT_CLOCK_SET]               = {"clock set"               , 3 , {100 * MS    , 60 * SECOND}, ANY_WORLD },
    [FAULT_LINKS_TRICKLE]           = {"links byte by byte"      , 2 , { 10 * MS    ,  3 * SECOND}, ANY_WORLD },
};
// clang-format on

const char *fault_name(enum fault_kind kind) {
    return kinds[kind].name;
}

static bool one_in(struct prng *r, uint64_t n) {
    return prng_below(r, n) == 0;
}

static int64_t one_of(struct prng *r, const int64_t *values, size_t count) {
    return values[prng_below(r, count)];
}
#define ONE_OF(r, ...) one_of(r, (const int64_t[]){__VA_ARGS__}, sizeof(int64_t[]){__VA_ARGS__} / sizeof(int64_t))

static enum world_kind draw_kind(struct prng *r, bool unowned) {
    if (one_in(r, CALM_ONE_IN)) return WORLD_CALM;
    return !unowned && one_in(r, FORGETFUL_ONE_IN) ? WORLD_FORGETFUL : WORLD_ANY;
}

static void plan_topics(struct plan *p, struct prng *r) {
    p->topics_count = (int32_t)ONE_OF(r, 1, 1, 2, 3);
    bool last_year = !p->unowned && (one_in(r, 6) || p->kind == WORLD_FORGETFUL);
    for (int32_t i = 0; i < SIM_TOPICS_MAX; i++) {
        struct planned_topic *t = &p->topics[i];
        t->partitions = (int32_t)prng_between(r, 1, SIM_PARTITIONS_MAX);
        t->append_time = one_in(r, 10);
        t->last_year = last_year && !t->append_time && (p->kind == WORLD_FORGETFUL || !one_in(r, 3));
        t->compacted = one_in(r, 8) && p->kind != WORLD_CALM;
        t->starts_at = one_in(r, 5) ? prng_between(r, 1, 200) : 0;
    }
}

static void plan_selected(struct plan *p, struct prng *r) {
    static const char *const separators[] = {NULL, NULL, NULL, NULL, NULL, NULL, ".", "--"};
    p->separator = separators[prng_below(r, sizeof separators / sizeof *separators)];
    p->names_from = (int32_t)prng_below(r, 2 * SIM_TOPICS_MAX);
    for (int32_t i = 0; i < SIM_TOPICS_MAX; i++) {
        uint64_t bits = prng_next(r);
        p->topics[i].more_settings = bits & 1 ? (uint32_t)(bits >> 8) & ((1u << SIM_MORE_SETTINGS) - 1) : 0;
    }
}

static void plan_odraz(struct plan *p, struct prng *r) {
    p->instances = (int32_t)(p->unowned ? prng_between(r, 2, SIM_INSTANCES_MAX) : ONE_OF(r, 1, 2, 2, 3));
    p->acks = one_in(r, 4) ? -1 : 1;
    p->slices = (int32_t)ONE_OF(r, 1, 4, 4, 16);
    p->session_timeout_ms = 10000;
    p->fetch_sessions = (int32_t)ONE_OF(r, 0, 0, 1, 2);  // 0: odraz chooses
    p->fetch_bytes_max = (int32_t)ONE_OF(r, 0, KiB, 16 * KiB, 256 * KiB);
    p->buffer_memory = ONE_OF(r, 512 * KiB, MiB, 8 * MiB);
    p->static_members = !one_in(r, 3);
    p->same_id = one_in(r, 30);
    p->predecessor_dead = !p->same_id && !one_in(r, 3);
}

static void plan_pace(struct plan *p, struct prng *r) {
    p->fetch_sessions_kept = (int32_t)ONE_OF(r, 1, 2, 1000, 1000);
    p->latency_us_max = ONE_OF(r, 300, 2 * MS, 20 * MS, 100 * MS);
    p->service_us_max = ONE_OF(r, 100, 1 * MS, 20 * MS);
    p->replica_fetch_us_max = ONE_OF(r, 1 * MS, 10 * MS, 200 * MS);
    p->notice_us_max = ONE_OF(r, 1 * MS, 50 * MS, 2 * SECOND);
    p->replica_lag_ms = (int32_t)ONE_OF(r, 10000, 30000, 30000, 90000);
    // So much each round trip: a fetch of 1 MiB must come within request.timeout.ms, or no client ever gets through.
    p->socket_bytes = (int32_t)ONE_OF(r, 8 * KiB, 64 * KiB, MiB);
    p->torn_one_in = (int32_t)ONE_OF(r, 2, 10, 1000);
    p->load_pause_us = ONE_OF(r, 5 * MS, 50 * MS, 500 * MS, 3 * SECOND);
    p->batch_sizes = (int32_t)prng_between(r, 0, 2);
    bool old = false;
    for (int32_t i = 0; i < SIM_TOPICS_MAX; i++) old |= p->topics[i].last_year;
    // Where the broker may have forgotten the state only time protects (design rule 14): what is under way then ends.
    p->ends_in_time = old;
    p->late_us_max = old ? 8 * SECOND : ONE_OF(r, 500 * MS, 10 * SECOND, 120 * SECOND);
    bool forgets = old && (p->kind == WORLD_FORGETFUL || !one_in(r, 4));
    p->expiration_ms = forgets ? FORGETS_MS : 86400000;
    p->expiration_check_ms = forgets ? FORGETS_MS : 600000;
}

// Nothing hinders anybody, and nothing is lacking.
static void plan_calm(struct plan *p) {
    if (p->latency_us_max > 20 * MS) p->latency_us_max = 20 * MS;
    if (p->service_us_max > 1 * MS) p->service_us_max = 1 * MS;
    if (p->replica_fetch_us_max > 10 * MS) p->replica_fetch_us_max = 10 * MS;
    p->notice_us_max = 1 * MS;
    p->fetch_sessions_kept = 1000;
    p->socket_bytes = 1024 * 1024;
    p->same_id = false;
    p->instances = p->unowned ? 1 : p->instances;  // two that write without owning are no calm
}

// Owners often change, and always somebody has just sent something.
static void plan_forgetful(struct plan *p) {
    if (p->instances < 2) p->instances = 2;
    if (p->slices > 4) p->slices = 4;
    if (p->load_pause_us > 50 * MS) p->load_pause_us = 50 * MS;
}

// Of each kind's faults a world has many or none (swarm testing): a mix of everything would hide what needs quiet.
static int chosen_weights(struct plan *p, struct prng *r, int weights[FAULT_KINDS]) {
    int sum = 0;
    for (int k = 0; k < FAULT_KINDS; k++) {
        weights[k] = one_in(r, 2) ? kinds[k].weight : 0;
        if (p->unowned && kinds[k].only == OWNED_ONLY) weights[k] = 0;
        sum += weights[k];
    }
    return sum;
}

// What leaves requests behind that come late, and makes others take over.
static int forgetful_weights(int weights[FAULT_KINDS]) {
    static const enum fault_kind wanted[] = {FAULT_PRODUCERS_EXPIRE, FAULT_CONNECTIONS_RESET, FAULT_PARTITION_OUT,
                                             FAULT_PARTITION_BOTH,   FAULT_SLOW_LINKS,        FAULT_INSTANCE_KILLED,
                                             FAULT_INSTANCE_KILLED,  FAULT_INSTANCE_SLEEPS,   FAULT_TOPIC_CREATED};
    int sum = 0;
    memset(weights, 0, FAULT_KINDS * sizeof *weights);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) weights[wanted[i]] += kinds[wanted[i]].weight;
    for (int k = 0; k < FAULT_KINDS; k++) sum += weights[k];
    return sum;
}

static enum fault_kind draw(struct prng *r, const int weights[FAULT_KINDS], int sum) {
    int at = (int)prng_below(r, (uint64_t)sum);
    int k = 0;
    while (at >= weights[k]) at -= weights[k++];
    return (enum fault_kind)k;
}

static int by_time(const void *a, const void *b) {
    const struct planned_fault *x = a, *y = b;
    return (x->at_us > y->at_us) - (x->at_us < y->at_us);
}

// In the end a part of the world must do: a broker of three may stay away.
static void plan_lost_nodes(struct plan *p, struct prng *r) {
    if (p->nodes[SOURCE] == 3 && one_in(r, 4)) p->lost[SOURCE] = (int32_t)prng_between(r, 1, 3);
    if (p->replication_factor == 3 && one_in(r, 4)) p->lost[DESTINATION] = (int32_t)prng_between(r, 1, 3);
}

static void plan_faults(struct plan *p, struct prng *r) {
    p->safety_us = ONE_OF(r, 10, 20, 40, 40, 60, 120) * SECOND;
    int weights[FAULT_KINDS];
    if (p->kind == WORLD_CALM) return;
    int sum = p->kind == WORLD_FORGETFUL ? forgetful_weights(weights) : chosen_weights(p, r, weights);
    p->faults_count = sum == 0 ? 0 : (int32_t)prng_between(r, 1, ONE_OF(r, 4, 12, 24, SIM_FAULTS_MAX));
    for (int32_t i = 0; i < p->faults_count; i++) {
        struct planned_fault *f = &p->faults[i];
        f->kind = draw(r, weights, sum);
        f->at_us = prng_between(r, 0, p->safety_us);
        // Short ones as often as long ones.
        int64_t low = kinds[f->kind].lasts_us[0], high = kinds[f->kind].lasts_us[1];
        f->lasts_us = prng_between(r, low, one_in(r, 2) ? low + (high - low) / 10 : high);
        f->pick = prng_next(r);
    }
    qsort(p->faults, (size_t)p->faults_count, sizeof *p->faults, by_time);
}

void plan_make(struct plan *p, uint64_t seed, bool unowned) {
    struct prng r;
    prng_seed(&r, seed);
    *p = (struct plan){.seed = seed, .unowned = unowned};
    p->kind = draw_kind(&r, unowned);
    p->nodes[SOURCE] = (int32_t)ONE_OF(&r, 1, 3);
    p->nodes[DESTINATION] = (int32_t)ONE_OF(&r, 1, 3, 3, 3);
    p->replication_factor = (int32_t)(p->nodes[DESTINATION] == 1 ? 1 : ONE_OF(&r, 1, 2, 3, 3));
    p->min_insync = p->replication_factor > 1 ? (int32_t)prng_between(&r, 1, 2) : 1;
    plan_topics(p, &r);
    plan_odraz(p, &r);
    plan_pace(p, &r);
    if (p->kind == WORLD_CALM) plan_calm(p);
    if (p->kind == WORLD_FORGETFUL) plan_forgetful(p);
    plan_faults(p, &r);
    p->plain = one_in(&r, 3);
    p->join_small_batches = !one_in(&r, 8);
    if (p->kind == WORLD_ANY) plan_lost_nodes(p, &r);
    if (p->kind == WORLD_ANY) p->load_us_max = ONE_OF(&r, 0, 0, 1 * SECOND, 4 * SECOND);
    p->short_one_in = (int32_t)ONE_OF(&r, 0, 0, 0, 10);
    plan_selected(p, &r);
    // Of today's records it remembers so much, then, that they need no protection, and of yesterday's nothing.
    if (p->expiration_ms == FORGETS_MS && one_in(&r, 2)) p->expiration_ms = FORGETS_TODAY_MS;
    p->from_zero = one_in(&r, 2);
    // Else retention takes what is of last year, a minute after the brokers have started.
    for (int32_t i = 0; i < SIM_TOPICS_MAX; i++) p->topics[i].kept = p->topics[i].last_year && one_in(&r, 2);
}
