// One run in a process of its own.
#include "sim/attempt.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

void attempt_died(int status, struct outcome *out) {
    out->failed = true;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
        snprintf(out->checker, sizeof out->checker, "progress");
        snprintf(out->text, sizeof out->text, "no end after %d s", ATTEMPT_SECONDS_MAX);
    } else {
        snprintf(out->checker, sizeof out->checker, "assertion");
        snprintf(out->text, sizeof out->text, "the process died (%s %d)", WIFSIGNALED(status) ? "signal" : "exit",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    }
}

static void be_silent(void) {
    int nowhere = open("/dev/null", O_WRONLY);
    if (nowhere >= 0) dup2(nowhere, STDERR_FILENO);
}

void attempt(const struct plan *plan, FILE *story, bool chatty, struct outcome *out) {
    struct outcome *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) abort();
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) abort();
    if (child == 0) {
        alarm(ATTEMPT_SECONDS_MAX);
        if (!story) be_silent();
        world_live(plan, story, chatty, shared);
        fflush(NULL);
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    *out = *shared;
    munmap(shared, sizeof *shared);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) attempt_died(status, out);
}
