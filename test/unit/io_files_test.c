// Files, instance locks, the status line and the log sink.
#define _GNU_SOURCE  // posix_openpt()
#include "base/limits.h"
#include "base/memory.h"
#include "io/file.h"
#include "io/instance_lock.h"
#include "io/log_sink.h"
#include "io/usage.h"
#include "unit/folder.h"
#include "unit/test.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/odraz-io-test-XXXXXX";

static const char *in_folder(const char *name) {
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static const char *write_file(const char *name, const char *text) {
    const char *path = in_folder(name);
    FILE *f = fopen(path, "w");
    assert(f && fputs(text, f) >= 0 && fclose(f) == 0);
    return path;
}

static struct system_calls bent;

static ssize_t read_a_byte(int fd, void *at, size_t size) {
    static unsigned turn;
    if (++turn % 2) return errno = EINTR, -1;
    return read(fd, at, size < 1 ? size : 1);
}

TEST(a_file_is_read_whole) {
    char *text;
    size_t size;
    bent = system_real;
    bent.read = read_a_byte;
    const char *path = write_file("whole", "clusters = a, b\n");
    struct error e = file_read(&bent, path, 16, &text, &size);
    EXPECT_TEXT(e.detail, "");
    EXPECT_INT(size, 16);
    EXPECT_TEXT(text, "clusters = a, b\n");
    memory_free(text);
    e = file_read(&system_real, write_file("empty", ""), 16, &text, &size);
    EXPECT_TEXT(e.detail, "");
    EXPECT_TEXT(text, "");
    memory_free(text);
}

TEST(a_long_file_grows_its_buffer) {
    char *text, *long_text = memory_alloc(100001);
    size_t size;
    for (int i = 0; i < 100000; i++) long_text[i] = (char)('a' + i % 26);
    long_text[100000] = 0;
    struct error e = file_read(&system_real, write_file("long", long_text), 1 * MiB, &text, &size);
    bool same = !error_is(&e) && size == 100000 && strcmp(text, long_text) == 0;
    memory_free(text);
    memory_free(long_text);
    EXPECT(same);
}

TEST(what_cannot_be_read_is_named) {
    char *text, wanted[160];
    size_t size;
    const char *path = in_folder("missing");
    struct error e = file_read(&system_real, path, 16, &text, &size);
    snprintf(wanted, sizeof wanted, "%s: No such file or directory", path);
    EXPECT_TEXT(e.detail, wanted);
    EXPECT(!text);
    e = file_read(&system_real, folder, 16, &text, &size);
    snprintf(wanted, sizeof wanted, "%s: Is a directory", folder);
    EXPECT_TEXT(e.detail, wanted);
    path = write_file("large", "clusters = a, b\n#");
    e = file_read(&system_real, path, 16, &text, &size);
    snprintf(wanted, sizeof wanted, "%s: larger than 16 bytes", path);
    EXPECT_INT(e.kind, ERROR_LIMIT);
    EXPECT_TEXT(e.detail, wanted);
}

// A process that takes a number, tells it, and waits to be killed.
static pid_t start_instance(const char *name, unsigned *number) {
    int ends[2];
    assert(pipe(ends) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct instance_lock lock = {.number = 999};
        struct error e = instance_lock_take(&system_real, folder, name, &lock);
        (void)error_is(&e);
        ssize_t written = write(ends[1], &lock.number, sizeof lock.number);
        (void)written;
        alarm(20);  // not for ever, should the test die
        for (;;) pause();
    }
    assert(read(ends[0], number, sizeof *number) == (ssize_t)sizeof *number);
    close(ends[0]);
    close(ends[1]);
    return pid;
}

static void kill_instance(pid_t pid) {
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

TEST(instances_of_one_host_get_different_numbers) {
    unsigned first, second, other, again;
    struct instance_lock own;
    pid_t a = start_instance("a->b", &first), b = start_instance("a->b", &second), c = start_instance("b->a", &other);
    struct error e = instance_lock_take(&system_real, folder, "a->b", &own);
    kill_instance(a);
    pid_t d = start_instance("a->b", &again);
    kill_instance(b);
    kill_instance(c);
    kill_instance(d);
    EXPECT_TEXT(e.detail, "");
    instance_lock_release(&system_real, &own);
    EXPECT_INT(first, 0);
    EXPECT_INT(second, 1);
    EXPECT_INT(own.number, 2);
    EXPECT_INT(other, 0);
    EXPECT_INT(again, 0);  // what kill -9 left is free
}

static struct instance_lock lock_once(const char *directory) {
    struct instance_lock lock = {.number = 999};
    struct error e = instance_lock_take(&system_real, directory, "c->d", &lock);
    assert(!error_is(&e));
    instance_lock_release(&system_real, &lock);
    return lock;
}

// Two users, containers or hosts of one name: the same number, and neither's lock says anything of the other.
TEST(a_number_of_another_file_has_another_token) {
    char other[] = "/tmp/odraz-io-test-XXXXXX";
    EXPECT(mkdtemp(other));
    struct instance_lock first = lock_once(folder), elsewhere = lock_once(other), again = lock_once(folder);
    EXPECT_INT(elsewhere.number, first.number);
    EXPECT(elsewhere.token != first.token);
    EXPECT_INT(again.number, first.number);
    EXPECT(again.token == first.token);
    remove_folder(other);
}

static ssize_t disk_is_full(int fd, const void *at, size_t size) {
    (void)fd, (void)at, (void)size;
    return errno = ENOSPC, -1;
}

TEST(a_number_without_a_token_is_none) {
    struct instance_lock lock;
    bent = system_real;
    bent.write = disk_is_full;
    struct error e = instance_lock_take(&bent, folder, "d->c", &lock);
    EXPECT_INT(e.code, ENOSPC);
    EXPECT(strstr(e.detail, "No space left on device"));
    e = instance_lock_take(&system_real, folder, "d->c", &lock);  // the file is there, and free
    EXPECT_TEXT(e.detail, "");
    EXPECT_INT(lock.number, 0);
    instance_lock_release(&system_real, &lock);
}

static int everything_is_locked(int fd, int operation) {
    (void)fd, (void)operation;
    return errno = EWOULDBLOCK, -1;
}

TEST(no_number_is_a_failure_that_says_what_to_do) {
    struct instance_lock lock;
    struct error e = instance_lock_take(&system_real, "/nowhere", "a->b", &lock);
    EXPECT_INT(e.kind, ERROR_CONFIG);
    EXPECT_INT(e.code, ENOENT);
    EXPECT(strstr(e.detail, "cannot lock /nowhere/odraz-") && strstr(e.detail, "(set TMPDIR or instance.id)"));
    bent = system_real;
    bent.flock = everything_is_locked;
    e = instance_lock_take(&bent, folder, "a->b", &lock);
    EXPECT_INT(e.kind, ERROR_LIMIT);
    EXPECT_TEXT(e.detail, "64 instances run on this host already (set instance.id)");
}

// A terminal 20 columns wide that keeps what was written -------------------------------------------------------------

static char screen[4096];
static size_t screen_size;
static int screen_writes;

static ssize_t write_on_screen(int fd, const void *at, size_t size) {
    (void)fd;
    screen_writes++;
    assert(screen_size + size < sizeof screen);
    memcpy(screen + screen_size, at, size);
    screen_size += size;
    screen[screen_size] = 0;
    return (ssize_t)size;
}

static int takes_all(struct pollfd *fds, nfds_t count, int timeout_ms) {
    (void)timeout_ms;
    fds[0].revents = POLLOUT;
    return (int)count;
}

static int yes(int fd) {
    (void)fd;
    return 1;
}

static int twenty_columns(int fd) {
    (void)fd;
    return 20;
}

static int noon(clockid_t clock, struct timespec *out) {
    (void)clock;
    *out = (struct timespec){1795348800, 7999999};
    return 0;
}

static void clear_screen(void) {
    screen_size = 0;
    screen_writes = 0;
    screen[0] = 0;
}

static void screen_start(struct terminal *t, bool interactive) {
    bent = system_real;
    bent.write = write_on_screen;
    bent.poll = takes_all;
    if (interactive) bent.isatty = yes;
    bent.terminal_columns = twenty_columns;
    bent.clock_gettime = noon;
    setenv("TERM", "xterm", 1);
    terminal_init(t, &bent, -1);
    clear_screen();
}

TEST(a_status_rewrites_itself_and_is_cut_to_the_width) {
    struct terminal t;
    screen_start(&t, true);
    terminal_status(&t, "");
    EXPECT_TEXT(screen, "");
    terminal_status(&t, "12 MB/s");
    EXPECT_TEXT(screen, "\r\033[K12 MB/s");
    clear_screen();
    terminal_status(&t, "žluťoučký kůň úpěl ďábelské ódy");
    EXPECT_TEXT(screen, "\r\033[Kžluťoučký kůň úpěl ");
    clear_screen();
    terminal_status(&t, "");
    EXPECT_TEXT(screen, "\r\033[K");
}

TEST(log_lines_scroll_by_above_the_status) {
    struct terminal t;
    screen_start(&t, true);
    struct log_sink sink = {.sys = &bent, .terminal = &t};
    terminal_status(&t, "lag 5");
    clear_screen();
    log_sink_write(&sink, LOG_INFO, "level=info msg=x", 16);
    EXPECT_TEXT(screen, "\r\033[Kts=2026-11-22T12:00:00.007Z level=info msg=x\nlag 5");
    EXPECT_INT(screen_writes, 1);
}

TEST(a_file_gets_lines_and_no_status) {
    struct terminal t;
    screen_start(&t, false);
    struct log_sink sink = {.sys = &bent, .terminal = &t};
    struct logger log = {LOG_INFO, log_sink_write, &sink};
    terminal_status(&t, "lag 5");
    EXPECT_TEXT(screen, "");
    log_line(&log, LOG_WARN, "partition halted", "topic=%s partition=%d", "orders", 4);
    EXPECT_TEXT(screen, "ts=2026-11-22T12:00:00.007Z level=warn msg=\"partition halted\" topic=orders partition=4\n");
    EXPECT_INT(screen_writes, 1);
}

static ssize_t write_a_little(int fd, const void *at, size_t size) {
    return write_on_screen(fd, at, size < 10 ? size : 10);
}

static ssize_t write_nothing(int fd, const void *at, size_t size) {
    (void)fd, (void)at, (void)size;
    screen_writes++;
    return errno = EPIPE, -1;
}

TEST(a_partial_write_goes_on_and_a_broken_pipe_ends_it) {
    struct terminal t;
    screen_start(&t, false);
    bent.write = write_a_little;
    terminal_line(&t, "0123456789abcdefghijk", 21);
    EXPECT_TEXT(screen, "0123456789abcdefghijk\n");
    bent.write = write_nothing;
    clear_screen();
    terminal_line(&t, "lost", 4);
    EXPECT_INT(screen_writes, 1);
}

static int waited_ms;

static int takes_nothing(struct pollfd *fds, nfds_t count, int timeout_ms) {
    (void)fds, (void)count;
    waited_ms += timeout_ms;
    return 0;
}

TEST(who_does_not_read_is_not_waited_for_and_told_what_was_lost) {
    struct terminal t;
    screen_start(&t, false);
    struct log_sink sink = {.sys = &bent, .terminal = &t};
    waited_ms = 0;
    bent.poll = takes_nothing;
    for (int i = 0; i < 3; i++) log_sink_write(&sink, LOG_INFO, "level=info msg=x", 16);
    EXPECT_INT(screen_writes, 0);
    EXPECT_INT(waited_ms, OUTPUT_WAIT_MS_MAX);
    bent.poll = takes_all;
    log_sink_write(&sink, LOG_INFO, "level=info msg=y", 16);
    EXPECT_TEXT(screen, "ts=2026-11-22T12:00:00.007Z level=warn msg=\"log lines were lost\" lines=3\n"
                        "ts=2026-11-22T12:00:00.007Z level=info msg=y\n");
    clear_screen();
    log_sink_write(&sink, LOG_INFO, "level=info msg=z", 16);
    EXPECT_TEXT(screen, "ts=2026-11-22T12:00:00.007Z level=info msg=z\n");
}

TEST(a_full_pipe_does_not_stop_us) {
    struct terminal t;
    int ends[2];
    EXPECT(pipe(ends) == 0);
    terminal_init(&t, &system_real, ends[1]);
    int written = 0;
    alarm(20);  // not for ever, should it stop us
    while (terminal_line(&t, "level=info msg=x", 16)) written++;
    EXPECT(written > 100);
    EXPECT(!terminal_line(&t, "level=info msg=x", 16));
    alarm(0);
    close(ends[0]);
    close(ends[1]);
}

static int a_terminal(int *master) {
    *master = posix_openpt(O_RDWR | O_NOCTTY);
    if (*master < 0 || grantpt(*master) != 0 || unlockpt(*master) != 0) return -1;
    return open(ptsname(*master), O_RDWR | O_NOCTTY);
}

// Its kernel takes a part of a line and would wait with the rest.
TEST(a_terminal_that_nobody_reads_does_not_stop_us) {
    struct terminal t;
    int master, fd = a_terminal(&master);
    EXPECT(fd >= 0);
    terminal_init(&t, &system_real, fd);
    int written = 0;
    alarm(20);
    while (terminal_line(&t, "level=info msg=x", 16)) written++;
    EXPECT(written > 10);
    alarm(0);
    close(t.fd);
    close(fd);
    close(master);
}

TEST(usage_grows_with_work) {
    struct usage before = usage_read(&system_real), after;
    EXPECT(before.peak_bytes > 500 * KiB);
    volatile unsigned work = 0;
    for (clock_t start = clock(); clock() - start < CLOCKS_PER_SEC / 20;) {
        for (int i = 0; i < 100000; i++) work += (unsigned)i;
    }
    after = usage_read(&system_real);
    EXPECT(after.user_us >= before.user_us);
    EXPECT(after.user_us + after.system_us - before.user_us - before.system_us >= 25000);
    EXPECT(after.peak_bytes >= before.peak_bytes);
}

int main(void) {
    if (!mkdtemp(folder)) return EXIT_FAILURE;
    RUN(a_file_is_read_whole);
    RUN(a_long_file_grows_its_buffer);
    RUN(what_cannot_be_read_is_named);
    RUN(instances_of_one_host_get_different_numbers);
    RUN(a_number_of_another_file_has_another_token);
    RUN(a_number_without_a_token_is_none);
    RUN(no_number_is_a_failure_that_says_what_to_do);
    RUN(a_status_rewrites_itself_and_is_cut_to_the_width);
    RUN(log_lines_scroll_by_above_the_status);
    RUN(a_file_gets_lines_and_no_status);
    RUN(a_partial_write_goes_on_and_a_broken_pipe_ends_it);
    RUN(who_does_not_read_is_not_waited_for_and_told_what_was_lost);
    RUN(a_full_pipe_does_not_stop_us);
    RUN(a_terminal_that_nobody_reads_does_not_stop_us);
    RUN(usage_grows_with_work);
    remove_folder(folder);
    return test_result();
}
