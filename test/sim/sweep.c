// Many seeds on all cores.
#include "sim/sweep.h"

#include "base/rare.h"
#include "sim/attempt.h"
#include "sim/shrink.h"
#include "sim/world.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define JOBS_MAX 64
#define FAILURES_MAX 64
#define SHRUNK_MAX 2  // failures whose story is told
#define RARE_MAX SIM_RARE_MAX

struct failure {
    uint64_t seed;
    struct outcome outcome;
};

// What all processes share.
struct shared {
    uint64_t next;  // atomic
    uint64_t current[JOBS_MAX];
    int64_t done, passed, virtual_us, steps, records, halted;
    int64_t struck[FAULT_KINDS];
    int64_t rare[RARE_MAX];
    int failures_count;  // atomic
    struct failure failures[FAILURES_MAX];
};

extern struct rare_mark __start_rare_marks[], __stop_rare_marks[];

static size_t marks_count(void) {
    size_t count = (size_t)(__stop_rare_marks - __start_rare_marks);
    return count < RARE_MAX ? count : RARE_MAX;
}

static double seconds_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void note_failure(struct shared *s, uint64_t seed, const struct outcome *o) {
    int place = __atomic_fetch_add(&s->failures_count, 1, __ATOMIC_SEQ_CST);
    if (place < FAILURES_MAX) s->failures[place] = (struct failure){seed, *o};
}

static void add_up(struct shared *s, const struct outcome *o) {
    __atomic_fetch_add(&s->done, 1, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&s->virtual_us, o->virtual_us, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&s->steps, (int64_t)o->steps, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&s->records, o->records, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&s->halted, o->halted, __ATOMIC_SEQ_CST);
    for (int i = 0; i < FAULT_KINDS; i++) __atomic_fetch_add(&s->struck[i], o->struck[i], __ATOMIC_SEQ_CST);
    for (size_t i = 0; i < marks_count(); i++) {
        __atomic_fetch_add(&s->rare[i], (int64_t)__start_rare_marks[i].passed, __ATOMIC_SEQ_CST);
        __start_rare_marks[i].passed = 0;
    }
}

static void work(struct shared *s, const struct sweep_order *order, int job, double until) {
    while (s->failures_count < order->failures_max && (until == 0 || seconds_now() < until)) {
        uint64_t seed = __atomic_fetch_add(&s->next, 1, __ATOMIC_SEQ_CST);
        if (seed >= order->first + order->count) break;
        s->current[job] = seed;
        struct plan plan;
        struct outcome out;
        plan_make(&plan, seed, order->unowned);
        alarm(ATTEMPT_SECONDS_MAX);
        world_live(&plan, NULL, false, &out);
        add_up(s, &out);
        if (out.failed) note_failure(s, seed, &out);
        else __atomic_fetch_add(&s->passed, 1, __ATOMIC_SEQ_CST);
    }
    _exit(0);
}

static pid_t start(struct shared *s, const struct sweep_order *order, int job, double until) {
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) abort();
    if (child == 0) work(s, order, job, until);
    return child;
}

static void run_all(struct shared *s, const struct sweep_order *order, double until) {
    pid_t jobs[JOBS_MAX] = {0};
    int running = 0;
    for (int i = 0; i < order->jobs; i++, running++) jobs[i] = start(s, order, i, until);
    while (running > 0) {
        int status = 0;
        pid_t ended = wait(&status);
        int job = 0;
        while (job < order->jobs && jobs[job] != ended) job++;
        if (job == order->jobs) continue;
        running--;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) continue;
        struct outcome out = {0};
        attempt_died(status, &out);
        note_failure(s, s->current[job], &out);
        jobs[job] = start(s, order, job, until);
        running++;
    }
}

static void print_rare(const struct shared *s) {
    size_t count = marks_count(), missed = 0;
    for (size_t i = 0; i < count; i++) missed += s->rare[i] == 0;
    printf("rare branches: %zu marked, %zu never reached%s\n", count, missed, missed ? ":" : "");
    for (size_t i = 0; i < count; i++)
        if (s->rare[i] == 0) printf("  %s\n", __start_rare_marks[i].name);
}

static void print_report(const struct shared *s, const struct sweep_order *order, double took) {
    double hours = (double)s->virtual_us / 3.6e9;
    printf("%lld seeds from %llu in %.1f s (%d jobs): %.1f virtual hours, %.0f times as fast as real time, %.1f ms and "
           "%lld steps a seed\n",
           (long long)s->done, (unsigned long long)order->first, took, order->jobs, hours, hours * 3600 / took,
           s->done ? took * order->jobs * 1000 / (double)s->done : 0, (long long)(s->done ? s->steps / s->done : 0));
    printf("records mirrored: %lld; partitions halted for a true reason: %lld\n", (long long)s->records,
           (long long)s->halted);
    if (order->brief) return;
    printf("faults:");
    for (int i = 0; i < FAULT_KINDS; i++)
        printf(" %s %lld%s", fault_name((enum fault_kind)i), (long long)s->struck[i], i + 1 < FAULT_KINDS ? "," : "\n");
    print_rare(s);
}

static void tell_failures(const struct shared *s, const struct sweep_order *order) {
    int count = s->failures_count < FAILURES_MAX ? s->failures_count : FAILURES_MAX;
    for (int i = 0; i < count; i++) {
        const struct failure *f = &s->failures[i];
        printf("FAILED seed %llu: %s: %s\n", (unsigned long long)f->seed, f->outcome.checker, f->outcome.text);
    }
    for (int i = 0; !order->brief && i < count && i < SHRUNK_MAX; i++) {
        struct plan plan;
        struct outcome found = s->failures[i].outcome;
        plan_make(&plan, s->failures[i].seed, order->unowned);
        shrink_and_tell(&plan, &found);
    }
}

int sweep(const struct sweep_order *order) {
    struct shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (s == MAP_FAILED) abort();
    s->next = order->first;
    double begin = seconds_now();
    run_all(s, order, order->seconds > 0 ? begin + (double)order->seconds : 0);
    print_report(s, order, seconds_now() - begin);
    tell_failures(s, order);
    int failed = s->failures_count;
    printf("%lld passed, %d failed\n", (long long)s->passed, failed);
    munmap(s, sizeof *s);
    return failed;
}
