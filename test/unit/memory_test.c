// Memory: nothing is NULL, copies are copies, and a want of it is told before the process ends.
#include "base/memory.h"

#include "unit/test.h"

#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

// The sanitizer would end the process itself.
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "allocator_may_return_null=1";
}

TEST(nothing_is_null) {
    char *none = memory_alloc(0), *zeroed = memory_alloc_zeroed(3, 5), *copy = memory_copy_text("abcd", 2);
    none = memory_resize(none, 0);
    for (int i = 0; i < 15; i++) EXPECT_INT(zeroed[i], 0);
    EXPECT_TEXT(copy, "ab");
    char *empty = memory_copy_text(NULL, 0), *whole = memory_copy_string("xyz");
    EXPECT_TEXT(empty, "");
    EXPECT_TEXT(whole, "xyz");
    void *blocks[] = {none, zeroed, copy, empty, whole, NULL};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) memory_free(blocks[i]);
}

static int told;

static void tell(size_t size) {
    if (write(told, &size, sizeof size) != sizeof size) _exit(9);
}

static void too_much(void) {
    volatile size_t size = SIZE_MAX / 4;
    memory_free(memory_alloc(size));
}

static void too_many(void) {
    volatile size_t count = SIZE_MAX / 4;  // times 8 wraps around
    memory_free(memory_alloc_zeroed(count, 8));
}

static void nothing_from_a_library(void) {
    memory_check(NULL);
}

// Runs `ask` in a process of its own; answers whether the handler was called with `size` and the process aborted.
static bool ends_with(void (*ask)(void), size_t size) {
    int pipe_ends[2], status;
    if (pipe(pipe_ends)) return false;
    pid_t child = fork();
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0});
        told = pipe_ends[1];
        memory_on_exhaustion(tell);
        ask();
        _exit(0);
    }
    size_t said = SIZE_MAX;
    close(pipe_ends[1]);
    bool complete = read(pipe_ends[0], &said, sizeof said) == sizeof said;
    close(pipe_ends[0]);
    waitpid(child, &status, 0);
    return complete && said == size && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

TEST(a_want_of_memory_is_told_and_final) {
    EXPECT(ends_with(too_much, SIZE_MAX / 4));
    EXPECT(ends_with(too_many, SIZE_MAX));
    EXPECT(ends_with(nothing_from_a_library, 0));
}

int main(void) {
    RUN(nothing_is_null);
    RUN(a_want_of_memory_is_told_and_final);
    return test_result();
}
