// `sim seed=N [log] [chatty]` replays one run; `sim seeds=N [first=N] [jobs=N] [seconds=N]` sweeps.
#include "sim/attempt.h"
#include "sim/shrink.h"
#include "sim/sweep.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef ODRAZ_TEST_NO_OWNERSHIP
#define UNOWNED true
#else
#define UNOWNED false
#endif

static int usage(void) {
    fprintf(stderr, "sim seed=N [log] [chatty] [whole]   one run, twice; whole: a failure is not shrunk\n"
                    "sim seeds=N [first=N] [jobs=N] [seconds=N] [failures=N] [brief]\n");
    return 2;
}

static bool number(const char *argument, const char *name, uint64_t *out) {
    size_t size = strlen(name);
    if (strncmp(argument, name, size) != 0 || argument[size] != '=') return false;
    char *end;
    *out = strtoull(argument + size + 1, &end, 10);
    return *end == '\0' && end > argument + size + 1;
}

static void print_outcome(const struct outcome *o) {
    printf("%s after %.3f virtual seconds, %llu steps, %lld records, %d halted, trace %016llx\n",
           o->failed ? "FAILED" : "fine", (double)o->virtual_us / 1e6, (unsigned long long)o->steps,
           (long long)o->records, (int)o->halted, (unsigned long long)o->hash);
}

static int replay(uint64_t seed, bool log, bool chatty, bool whole) {
    struct plan plan;
    struct outcome once, twice;
    plan_make(&plan, seed, UNOWNED);
    attempt(&plan, log || chatty ? stdout : NULL, chatty, &once);
    print_outcome(&once);
    attempt(&plan, NULL, false, &twice);
    if (once.hash != twice.hash) {
        printf("not the same history twice: %016llx\n", (unsigned long long)twice.hash);
        return 1;
    }
    if (!once.failed) return 0;
    printf("%s: %s\n", once.checker, once.text);
    if (!whole) shrink_and_tell(&plan, &once);
    return 1;
}

int main(int count, char **arguments) {
    uint64_t seed = 0, jobs = 0, seconds = 0, failures = 8;
    bool one = false, log = false, chatty = false, whole = false;
    struct sweep_order order = {.first = 1, .unowned = UNOWNED};
    for (int i = 1; i < count; i++) {
        const char *a = arguments[i];
        if (number(a, "seed", &seed)) one = true;
        else if (strcmp(a, "log") == 0) log = true;
        else if (strcmp(a, "chatty") == 0) chatty = true;
        else if (strcmp(a, "whole") == 0) whole = true;
        else if (strcmp(a, "brief") == 0) order.brief = true;
        else if (!number(a, "seeds", &order.count) && !number(a, "first", &order.first) && !number(a, "jobs", &jobs) &&
                 !number(a, "seconds", &seconds) && !number(a, "failures", &failures))
            return usage();
    }
    if (one) return replay(seed, log, chatty, whole);
    if (order.count == 0) return usage();
    order.jobs = jobs > 0 && jobs <= 64 ? (int)jobs : (int)sysconf(_SC_NPROCESSORS_ONLN);
    order.seconds = (int64_t)seconds;
    order.failures_max = (int)failures;
    return sweep(&order) > 0;
}
