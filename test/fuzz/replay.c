// Runs every fuzz target over its seeds and over what small accidents make of them, the same each time: what is left of
// fuzzing where there is no clang.  replay CORPUS [TARGET [FILE...]]
#include "base/prng.h"
#include "fuzz/fuzz.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CUTS 4        // of each seed: so many last bytes are missing, one by one
#define MUTATIONS 24  // of each seed
#define PATH_MAX_HERE 1024

struct target {
    const char *name;
    void (*run)(struct bytes in);
};

static const struct target targets[] = {
#define FUZZ_ROW(name) {#name, fuzz_##name},
    FUZZ_TARGETS(FUZZ_ROW)
#undef FUZZ_ROW
};

static char place[PATH_MAX_HERE];  // what is being run, for the last words

static void last_words(int number) {
    static const char words[] = "FAILED: ";
    if (write(STDOUT_FILENO, words, sizeof words - 1) < 0 || write(STDOUT_FILENO, place, strlen(place)) < 0) _exit(1);
    if (write(STDOUT_FILENO, "\n", 1) < 0) _exit(1);
    signal(number, SIG_DFL);
    raise(number);
}

// Sanitizers end a program by themselves: here they shall say first what was being run.
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "abort_on_error=1:detect_leaks=1";
}

const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void) {
    return "abort_on_error=1:print_stacktrace=1";
}

// A copy of exactly that size, so that a read past its end is seen.
static void run_copy(const struct target *t, const uint8_t *at, size_t size) {
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy) exit(1);
    memcpy(copy, at, size);
    t->run((struct bytes){size ? copy : NULL, size});
    free(copy);
}

// Cuts, flips, sets and repeats bytes; answers the new size, at most `size`.
static size_t mutate(struct prng *prng, uint8_t *at, size_t size) {
    uint64_t accidents = 1 + prng_below(prng, 4);
    for (; accidents > 0 && size > 0; accidents--) {
        size_t where = (size_t)prng_below(prng, size), other = (size_t)prng_below(prng, size);
        size_t span = size - (where > other ? where : other);
        static const uint8_t telling[] = {0, 1, 0x7f, 0x80, 0xff};
        switch (prng_below(prng, 5)) {
        case 0:
            size = where;
            break;
        case 1:
            at[where] ^= (uint8_t)(1 << prng_below(prng, 8));
            break;
        case 2:
            at[where] = telling[prng_below(prng, sizeof telling)];
            break;
        case 3:
            at[where] = (uint8_t)prng_next(prng);
            break;
        default:
            memmove(at + where, at + other, (size_t)prng_below(prng, span + 1));
        }
    }
    return size;
}

static void run_file(const struct target *t, const char *path) {
    static uint8_t seed[FUZZ_INPUT_MAX], mutated[FUZZ_INPUT_MAX];
    snprintf(place, sizeof place, "%s %s", t->name, path);
    FILE *file = fopen(path, "rb");
    if (!file) {
        printf("%s: cannot be read\n", path);
        exit(1);
    }
    size_t size = fread(seed, 1, sizeof seed, file);
    fclose(file);
    run_copy(t, seed, size);
    for (size_t cut = 1; cut <= CUTS && cut <= size; cut++) {
        snprintf(place, sizeof place, "%s %s, %zu bytes less", t->name, path, cut);
        run_copy(t, seed, size - cut);
    }
    struct prng prng;
    prng_seed(&prng, size + seed[size / 2]);
    for (int i = 0; i < MUTATIONS; i++) {
        snprintf(place, sizeof place, "%s %s, mutation %d", t->name, path, i);
        memcpy(mutated, seed, size);
        size_t left = mutate(&prng, mutated, size);
        run_copy(t, mutated, left);
    }
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_seed(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

// Answers how many seeds there are.
static int run_corpus(const struct target *t, const char *corpus) {
    char path[PATH_MAX_HERE / 2];
    struct dirent **names;
    snprintf(path, sizeof path, "%s/%s", corpus, t->name);
    int count = scandir(path, &names, is_seed, by_name);
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s/%s", corpus, t->name, names[i]->d_name);
        run_file(t, path);
        free(names[i]);
    }
    if (count >= 0) free(names);
    return count;
}

int main(int argc, char **argv) {
    int passed = 0, failed = 0;
    if (argc < 2) {
        fprintf(stderr, "usage: replay CORPUS [TARGET [FILE...]]\n");
        return 2;
    }
    signal(SIGABRT, last_words);
    signal(SIGSEGV, last_words);
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        const struct target *t = &targets[i];
        if (argc > 2 && strcmp(argv[2], t->name) != 0) continue;
        for (int f = 3; f < argc; f++) run_file(t, argv[f]);
        int seeds = argc > 3 ? argc - 3 : run_corpus(t, argv[1]);
        printf("%s: %d seeds\n", t->name, seeds);
        fflush(stdout);
        if (seeds > 0) passed++;
        else failed++;
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed || !passed ? EXIT_FAILURE : EXIT_SUCCESS;
}
