// Marks of rare branches: nothing in production; in the simulator's build (ODRAZ_SIM) each counts how often it was
// passed, so that a sweep can say which were never reached. The linker gathers them: there is no list to keep.
#pragma once
#ifdef ODRAZ_SIM
#include <stdint.h>

struct rare_mark {
    const char *name;
    uint64_t passed;
} __attribute__((aligned(16)));

#define RARE(text)                                                                                                     \
    do {                                                                                                               \
        static struct rare_mark rare_mark __attribute__((section("rare_marks"), used)) = {text, 0};                    \
        rare_mark.passed++;                                                                                            \
    } while (0)
#else
#define RARE(text) ((void)0)
#endif
