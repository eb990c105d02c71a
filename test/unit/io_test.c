// The loop against real TCP servers on loopback, and against a kernel that fails.
#include "unit/io_world.h"

#include <dirent.h>
#include <signal.h>
#include <sys/uio.h>

// A world that can be bent -------------------------------------------------------------------------------------------
// Each test that bends the system calls has a table of its own, which stays: a resolver's thread may outlive its loop.

static unsigned calls, fail_call;  // where fails_now() is asked, the fail_call-th of the calls fails

// The stories -------------------------------------------------------------------------------------------------------

static void expect_echo(struct world *w, const char *host, uint16_t port, size_t size) {
    uint8_t *out = pattern(size);
    w->peer.out = out;
    w->peer.out_size = size;
    peer_open(&w->peer, host, port);
    TURN_UNTIL(w, w->peer.in_size == size || w->peer.failed);
    int same = w->peer.in_size == size && memcmp(w->peer.in, out, size) == 0;
    memory_free(out);
    EXPECT_TEXT(w->peer.why.detail, "");
    EXPECT_INT(w->peer.opened, 1);
    EXPECT(w->peer.c.way_us > 0);  // the kernel's
    EXPECT_INT(w->peer.sent, size);
    EXPECT(same);
}

TEST(what_is_sent_comes_back) {
    struct server s = {0};
    struct world w;
    server_start(&s, serve_echo);
    world_start(&w, &system_real, 8 * MiB);
    expect_echo(&w, "127.0.0.1", s.port, 8 * MiB);
    world_stop(&w);
    server_stop(&s);
}

static ssize_t sendmsg_in_crumbs(int fd, const struct msghdr *message, int flags) {
    static unsigned turn;
    assert(flags & MSG_NOSIGNAL);
    if (++turn % 3 == 0) return errno = EINTR, -1;
    struct iovec first = message->msg_iov[message->msg_iovlen > 1 ? 1 : 0];
    struct iovec crumb[2] = {message->msg_iov[0], {first.iov_base, first.iov_len / 2}};
    struct msghdr part = {.msg_iov = crumb, .msg_iovlen = message->msg_iovlen > 1 ? 2 : 1};
    return sendmsg(fd, &part, flags);
}

static ssize_t recv_in_crumbs(int fd, void *at, size_t size, int flags) {
    static unsigned turn;
    if (++turn % 3 == 0) return errno = EINTR, -1;
    return recv(fd, at, size, flags);
}

TEST(interrupted_and_partial_calls_lose_nothing) {
    struct server s = {0};
    struct world w;
    static struct system_calls bent;
    bent = system_real;
    bent.sendmsg = sendmsg_in_crumbs;
    bent.recv = recv_in_crumbs;
    server_start(&s, serve_echo);
    world_start(&w, &bent, 100 * KiB);
    expect_echo(&w, "127.0.0.1", s.port, 100 * KiB);
    world_stop(&w);
    server_stop(&s);
}

TEST(half_a_response_then_close) {
    struct server s = {.size = 1000};
    struct world w;
    char text[64];
    server_start(&s, serve_some_then_close);
    world_start(&w, &system_real, 2000);
    peer_open(&w.peer, "127.0.0.1", s.port);
    TURN_UNTIL(&w, w.peer.failed);
    snprintf(text, sizeof text, "127.0.0.1:%u: closed by the broker", s.port);
    EXPECT_INT(w.peer.in_size, 1000);
    EXPECT_INT(w.peer.failed, 1);
    EXPECT_INT(w.peer.why.kind, ERROR_TRANSPORT);
    EXPECT_TEXT(w.peer.why.detail, text);
    world_stop(&w);
    server_stop(&s);
}

TEST(reset_by_the_broker) {
    struct server s = {0};
    struct world w;
    server_start(&s, serve_reset);
    world_start(&w, &system_real, 100);
    peer_open(&w.peer, "127.0.0.1", s.port);
    TURN_UNTIL(&w, w.peer.failed);
    EXPECT_INT(w.peer.failed, 1);
    EXPECT_INT(w.peer.why.code, ECONNRESET);
    world_stop(&w);
    server_stop(&s);
}

TEST(a_reset_is_noticed_while_reading_is_paused) {
    struct server s = {0};
    struct world w;
    server_start(&s, serve_reset);
    world_start(&w, &system_real, 100);
    w.peer.paused_at = 0;
    peer_open(&w.peer, "127.0.0.1", s.port);
    TURN_UNTIL(&w, w.peer.failed);
    EXPECT_INT(w.peer.failed, 1);
    world_stop(&w);
    server_stop(&s);
}

TEST(refused_port) {
    struct world w;
    char text[80];
    uint16_t port = unused_port();
    world_start(&w, &system_real, 100);
    peer_open(&w.peer, "127.0.0.1", port);
    TURN_UNTIL(&w, w.peer.failed);
    snprintf(text, sizeof text, "cannot connect to 127.0.0.1:%u: Connection refused", port);
    EXPECT_INT(w.peer.failed, 1);
    EXPECT_INT(w.peer.opened, 0);
    EXPECT_INT(w.peer.why.code, ECONNREFUSED);
    EXPECT_TEXT(w.peer.why.detail, text);
    world_stop(&w);
}

static int socket_without_files(int domain, int type, int protocol) {
    (void)domain, (void)type, (void)protocol;
    return errno = EMFILE, -1;
}

TEST(too_many_open_files) {
    struct world w;
    static struct system_calls bent;
    bent = system_real;
    bent.socket = socket_without_files;
    world_start(&w, &bent, 100);
    peer_open(&w.peer, "127.0.0.1", 9092);
    EXPECT_INT(w.peer.failed, 0);  // never from inside the core's own call
    TURN_UNTIL(&w, w.peer.failed);
    EXPECT_INT(w.peer.failed, 1);
    EXPECT_INT(w.peer.why.code, EMFILE);
    EXPECT_TEXT(w.peer.why.detail, "cannot connect to 127.0.0.1:9092: Too many open files (raise this "
                                   "process's limit of open files: ulimit -n, LimitNOFILE)");
    world_stop(&w);
}

TEST(localhost_is_looked_up) {
    struct server s = {0};
    struct world w;
    server_start(&s, serve_echo);
    world_start(&w, &system_real, 100);
    expect_echo(&w, "localhost", s.port, 100);
    world_stop(&w);
    server_stop(&s);
}

static ssize_t counted_recv(int fd, void *at, size_t size, int flags) {
    calls++;
    return recv(fd, at, size, flags);
}

TEST(paused_input_waits_for_wake) {
    struct server s = {.size = 100 * KiB};
    struct world w;
    static struct system_calls bent;
    bent = system_real;
    bent.recv = counted_recv;
    server_start(&s, serve_some_then_close);
    world_start(&w, &bent, s.size);
    w.peer.paused_at = 10;
    peer_open(&w.peer, "127.0.0.1", s.port);
    TURN_UNTIL(&w, w.peer.in_size == 10);
    calls = 0;
    int inputs = w.peer.inputs;
    turn_for(&w, 50);
    EXPECT_INT(w.peer.in_size, 10);
    EXPECT_INT(calls, 0);
    EXPECT(w.peer.inputs - inputs <= 3);  // asked again by events, not in circles
    w.peer.paused_at = SIZE_MAX;
    w.peer.in_capacity++;
    peer_wake(&w.peer);
    EXPECT_INT(w.peer.in_size, 10);  // never from inside the core's own call
    TURN_UNTIL(&w, w.peer.failed);
    EXPECT_INT(w.peer.in_size, s.size);
    EXPECT_INT(w.peer.failed, 1);
    w.peer.in_capacity--;
    world_stop(&w);
    server_stop(&s);
}

// Asked with one byte, answers with size bytes in ten parts; keeps the connection until it is closed.
static void serve_in_parts(struct server *s, int fd) {
    uint8_t part[100] = {0};
    if (recv(fd, part, 1, 0) != 1) return;
    for (int i = 0; i < 10 && write_all(fd, part, s->size / 10); i++) usleep(2000);
    while (recv(fd, part, sizeof part, 0) > 0) {}
}

TEST(fewer_bytes_than_are_wanted_do_not_wake) {
    struct server s = {.size = 1000};
    struct world w;
    static struct system_calls bent;
    bent = system_real;
    bent.recv = counted_recv;
    server_start(&s, serve_in_parts);
    world_start(&w, &bent, 2 * s.size);
    w.peer.wanted = 600;
    w.peer.out = (const uint8_t *)"?";
    w.peer.out_size = 1;
    calls = 0;
    peer_open(&w.peer, "127.0.0.1", s.port);
    turn_for(&w, 200);
    EXPECT(w.peer.in_size >= 600 && w.peer.in_size < s.size);
    EXPECT(calls <= 3);
    w.peer.wanted = 1;
    peer_wake(&w.peer);
    TURN_UNTIL(&w, w.peer.in_size == s.size);
    EXPECT_INT(w.peer.in_size, s.size);
    world_stop(&w);
    server_stop(&s);
}

TEST(fenced_output_is_not_asked_for_in_circles) {
    struct server s = {0};
    struct world w;
    server_start(&s, serve_echo);
    world_start(&w, &system_real, 10);
    w.peer.fenced = true;
    w.peer.out = (const uint8_t *)"0123456789";
    w.peer.out_size = 10;
    peer_open(&w.peer, "127.0.0.1", s.port);
    turn_for(&w, 50);
    EXPECT_INT(w.peer.opened, 1);
    EXPECT(w.peer.outputs >= 1 && w.peer.outputs <= 3);
    w.peer.fenced = false;
    peer_wake(&w.peer);
    TURN_UNTIL(&w, w.peer.in_size == 10);
    EXPECT_INT(w.peer.in_size, 10);
    world_stop(&w);
    server_stop(&s);
}

TEST(closing_from_inside_an_entry) {
    struct server s = {.size = 100 * KiB};
    struct world w;
    server_start(&s, serve_some_then_close);
    world_start(&w, &system_real, s.size);
    w.peer.close_on_data = true;
    peer_open(&w.peer, "127.0.0.1", s.port);
    TURN_UNTIL(&w, !connection_is_open(&w.peer.c));
    turn_for(&w, 20);
    EXPECT(w.peer.in_size > 0);
    EXPECT_INT(w.peer.failed, 0);
    world_stop(&w);
    server_stop(&s);
}

static void expect_end(bool abort, ssize_t last_read) {
    struct server s = {0};
    struct world w;
    server_start(&s, serve_echo);
    world_start(&w, &system_real, 100);
    expect_echo(&w, "127.0.0.1", s.port, 100);
    peer_close(&w.peer, abort);
    world_stop(&w);
    server_stop(&s);
    EXPECT_INT(s.last_read, last_read);
    if (last_read < 0) EXPECT_INT(s.last_errno, ECONNRESET);
}

TEST(close_ends_the_stream_and_abort_resets_it) {
    expect_end(false, 0);
    expect_end(true, -1);
}

static int fired[4], fired_count;
static int64_t fired_early_us;

struct numbered_timer {
    struct timer timer;
    const struct environment *env;
    int number;
};

static void on_numbered_timer(struct timer *t, int64_t now_us) {
    const struct numbered_timer *n = CONTAINER_OF(t, struct numbered_timer, timer);
    (void)now_us;
    if (n->env->now_us < t->deadline_us) fired_early_us = t->deadline_us - n->env->now_us;
    fired[fired_count++] = n->number;
}

TEST(timers_fire_in_order_and_never_early) {
    struct world w;
    struct numbered_timer timers[3];
    const int after_us[3] = {14500, 10100, 12900};
    world_start(&w, &system_real, 1);
    int64_t start = w.env->now_us;
    for (int i = 0; i < 3; i++) {
        timers[i].number = i;
        timers[i].env = w.env;
        timer_init(&timers[i].timer, on_numbered_timer);
        timer_set(&w.env->timers, &timers[i].timer, start + after_us[i]);
    }
    TURN_UNTIL(&w, fired_count == 3);
    EXPECT_INT(fired[0], 1);
    EXPECT_INT(fired[1], 2);
    EXPECT_INT(fired[2], 0);
    EXPECT_INT(fired_early_us, 0);
    EXPECT(w.env->now_us - start < 2000000);
    world_stop(&w);
}

static int signals_seen[65];

static void on_signal(void *context, int number) {
    signals_seen[number]++;
    if (number == SIGTERM) loop_stop(context);
}

TEST(signals_come_as_calls) {
    struct world w;
    world_start(&w, &system_real, 1);
    struct error e = loop_on_signal(w.loop, on_signal, w.loop);
    EXPECT_TEXT(e.detail, "");
    kill(getpid(), SIGPIPE);
    kill(getpid(), SIGHUP);
    kill(getpid(), SIGTERM);
    EXPECT_INT(signals_seen[SIGHUP], 0);
    loop_run(w.loop);
    EXPECT_INT(signals_seen[SIGHUP], 1);
    EXPECT_INT(signals_seen[SIGTERM], 1);
    world_stop(&w);
}

// Each system call of a connection's life fails once ------------------------------------------------------------------

static bool fails_now(void) {
    return ++calls == fail_call;
}

#define FAILING(name, parameters, arguments)                                                                           \
    static int failing_##name parameters { return fails_now() ? (errno = EIO, -1) : name arguments; }
FAILING(socket, (int domain, int type, int protocol), (domain, type, protocol))
FAILING(connect, (int fd, const struct sockaddr *a, socklen_t size), (fd, a, size))
FAILING(setsockopt, (int fd, int level, int name, const void *v, socklen_t size), (fd, level, name, v, size))
FAILING(getsockopt, (int fd, int level, int name, void *v, socklen_t *size), (fd, level, name, v, size))
FAILING(epoll_ctl, (int epoll, int operation, int fd, struct epoll_event *e), (epoll, operation, fd, e))
FAILING(epoll_create1, (int flags), (flags))

static int failing_eventfd(unsigned value, int flags) {
    return fails_now() ? (errno = EIO, -1) : system_real.eventfd(value, flags);
}

static ssize_t failing_recv(int fd, void *at, size_t size, int flags) {
    return fails_now() ? (errno = EIO, -1) : recv(fd, at, size, flags);
}

static ssize_t failing_sendmsg(int fd, const struct msghdr *message, int flags) {
    return fails_now() ? (errno = EIO, -1) : sendmsg(fd, message, flags);
}

static int open_files(void) {
    int count = 0;
    DIR *d = opendir("/proc/self/fd");
    while (readdir(d)) count++;
    closedir(d);
    return count;
}

// Answers whether the life met a failure.
static bool live_once(const struct system_calls *sys, uint16_t port) {
    struct loop *l = NULL;
    struct error e = loop_new(sys, &l);
    if (error_is(&e)) return true;
    struct world w = {.loop = l, .env = loop_environment(l)};
    uint8_t in[10];
    w.peer = (struct peer){.c.env = w.env, .in = in, .in_capacity = 10, .paused_at = SIZE_MAX};
    w.peer.out = (const uint8_t *)"0123456789";
    w.peer.out_size = 10;
    peer_open(&w.peer, "127.0.0.1", port);
    TURN_UNTIL(&w, w.peer.in_size == 10 || w.peer.failed);
    bool failed = w.peer.failed == 1 && w.peer.why.code == EIO;
    if (w.peer.opened && w.peer.c.way_us == 0) failed = true;  // only that is not known then
    peer_close(&w.peer, false);
    loop_free(l);
    return failed;
}

TEST(each_system_call_fails_once) {
    struct server s = {0};
    static struct system_calls bent;
    bent = system_real;
    bent.socket = failing_socket;
    bent.connect = failing_connect;
    bent.setsockopt = failing_setsockopt;
    bent.getsockopt = failing_getsockopt;
    bent.epoll_ctl = failing_epoll_ctl;
    bent.epoll_create1 = failing_epoll_create1;
    bent.eventfd = failing_eventfd;
    bent.recv = failing_recv;
    bent.sendmsg = failing_sendmsg;
    server_start(&s, serve_echo);
    int files = open_files();
    for (fail_call = 1;; fail_call++) {
        calls = 0;
        bool failed = live_once(&bent, s.port);
        if (calls < fail_call) break;
        if (!failed) printf("call %u failed and nobody was told\n", fail_call);
        EXPECT(failed);
    }
    EXPECT(fail_call > 13);
    server_stop(&s);
    EXPECT(open_files() <= files);
}

int main(void) {
    RUN(what_is_sent_comes_back);
    RUN(interrupted_and_partial_calls_lose_nothing);
    RUN(half_a_response_then_close);
    RUN(reset_by_the_broker);
    RUN(a_reset_is_noticed_while_reading_is_paused);
    RUN(refused_port);
    RUN(too_many_open_files);
    RUN(localhost_is_looked_up);
    RUN(paused_input_waits_for_wake);
    RUN(fewer_bytes_than_are_wanted_do_not_wake);
    RUN(fenced_output_is_not_asked_for_in_circles);
    RUN(closing_from_inside_an_entry);
    RUN(close_ends_the_stream_and_abort_resets_it);
    RUN(timers_fire_in_order_and_never_early);
    RUN(signals_come_as_calls);
    RUN(each_system_call_fails_once);
    return test_result();
}
