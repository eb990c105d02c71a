// Makes a failing plan small.
#include "sim/shrink.h"

#include "sim/attempt.h"

#include <string.h>

#define TRIES_MAX 300

static int tries;

// Takes the smaller plan when it still fails, by the same checker.
static bool take(struct plan *plan, const struct plan *smaller, struct outcome *found) {
    struct outcome out;
    if (tries >= TRIES_MAX) return false;
    tries++;
    attempt(smaller, NULL, false, &out);
    if (!out.failed || strcmp(out.checker, found->checker) != 0) return false;
    *plan = *smaller;
    *found = out;
    return true;
}

// Faults in groups of `size`, from the last to the first.
static bool without_groups(struct plan *plan, struct outcome *found, int32_t size) {
    bool any = false;
    for (int32_t first = plan->faults_count - size; first > -size; first -= size) {
        struct plan smaller = *plan;
        bool changes = false;
        for (int32_t i = first < 0 ? 0 : first; i < first + size; i++) {
            changes |= !smaller.faults[i].off;
            smaller.faults[i].off = true;
        }
        if (changes) any |= take(plan, &smaller, found);
    }
    return any;
}

static void without_faults(struct plan *plan, struct outcome *found) {
    for (int32_t size = plan->faults_count / 2; size > 1; size /= 2) without_groups(plan, found, size);
    while (plan->faults_count > 0 && without_groups(plan, found, 1)) continue;
}

static void shorter(struct plan *plan, struct outcome *found) {
    for (int64_t parts = 1; parts < 8; parts++) {
        struct plan smaller = *plan;
        smaller.safety_us = plan->safety_us * parts / 8;
        if (take(plan, &smaller, found)) return;
    }
}

static void with_less(struct plan *plan, struct outcome *found) {
    struct plan smaller = *plan;
    smaller.torn_one_in = 1 << 30;
    take(plan, &smaller, found);
    smaller = *plan;
    smaller.topics_count = 1;
    take(plan, &smaller, found);
    smaller = *plan;
    for (int32_t i = 0; i < SIM_TOPICS_MAX; i++) smaller.topics[i].partitions = 1;
    take(plan, &smaller, found);
    for (int32_t n = 1; n < plan->instances; n++) {
        smaller = *plan;
        smaller.instances = n;
        if (take(plan, &smaller, found)) return;
    }
}

int shrink(struct plan *plan, struct outcome *found) {
    tries = 0;
    shorter(plan, found);
    without_faults(plan, found);
    with_less(plan, found);
    shorter(plan, found);
    without_faults(plan, found);
    return tries;
}

void shrink_and_tell(struct plan *plan, struct outcome *found) {
    int runs = shrink(plan, found);
    int32_t faults = 0;
    for (int32_t i = 0; i < plan->faults_count; i++) faults += !plan->faults[i].off;
    printf("seed %llu, shrunk in %d runs to %d faults, %d instances, %d topics, %.1f s:\n",
           (unsigned long long)plan->seed, runs, (int)faults, (int)plan->instances, (int)plan->topics_count,
           (double)plan->safety_us / 1e6);
    struct outcome again;
    attempt(plan, stdout, false, &again);
    printf("%s: %s\n", again.failed ? again.checker : "nothing failed this time", again.text);
}
