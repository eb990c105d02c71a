// The smallest harness that says where and what: TEST bodies use EXPECT, main() lists them with RUN and returns
// test_result(). A failed EXPECT ends its test, not the program.
#pragma once
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int test_passed, test_failed;
static bool test_ok;
static const char *test_file;

#define TEST(name) static void name(void)

#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            printf("%s:%d: expected %s\n", __FILE__, __LINE__, #condition);                                            \
            test_ok = false;                                                                                           \
            return;                                                                                                    \
        }                                                                                                              \
    } while (0)

#define EXPECT_INT(actual, wanted)                                                                                     \
    do {                                                                                                               \
        long long test_a = (long long)(actual), test_w = (long long)(wanted);                                          \
        if (test_a != test_w) {                                                                                        \
            printf("%s:%d: %s is %lld, expected %lld\n", __FILE__, __LINE__, #actual, test_a, test_w);                 \
            test_ok = false;                                                                                           \
            return;                                                                                                    \
        }                                                                                                              \
    } while (0)

#define EXPECT_TEXT(actual, wanted)                                                                                    \
    do {                                                                                                               \
        const char *test_a = (actual), *test_w = (wanted);                                                             \
        if (!test_a || strcmp(test_a, test_w) != 0) {                                                                  \
            printf("%s:%d: %s is \"%s\", expected \"%s\"\n", __FILE__, __LINE__, #actual, test_a ? test_a : "(null)",  \
                   test_w);                                                                                            \
            test_ok = false;                                                                                           \
            return;                                                                                                    \
        }                                                                                                              \
    } while (0)

static void test_run(const char *name, void (*body)(void)) {
    test_ok = true;
    body();
    if (test_ok) test_passed++;
    else test_failed++, printf("FAILED %s: %s\n", test_file, name);
    fflush(stdout);
}

#define RUN(name) (test_file = __FILE__, test_run(#name, name))

static int test_result(void) {
    printf("%d passed, %d failed\n", test_passed, test_failed);
    return test_failed || !test_passed ? EXIT_FAILURE : EXIT_SUCCESS;
}
