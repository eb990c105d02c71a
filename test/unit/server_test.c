// The server's sockets, against clients that connect from the same loop's thread.
#include "unit/test.h"

#include "base/limits.h"
#include "base/memory.h"
#include "io/server.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define SESSIONS_MAX 8
#define BIG (3 * 1024 * 1024)

// A protocol that sends back what it takes, and takes no more than it is told to.
struct session {
    struct peer *peer;
    uint8_t *bytes;
    size_t size, sent, take_max;
    bool closing, gone;
};

static struct loop *loop;
static struct server *server;
static struct session sessions[SESSIONS_MAX];
static int sessions_count;
static uint16_t port;
static bool refuse;
static size_t take_max;

static void *echo_open(void *context, struct peer *p) {
    assert(context == &sessions);
    if (refuse) return NULL;
    struct session *s = &sessions[sessions_count++];
    *s = (struct session){.peer = p, .bytes = memory_alloc(BIG), .take_max = take_max};
    return s;
}

static size_t echo_input(void *session, struct bytes in) {
    struct session *s = session;
    size_t size = in.size < s->take_max ? in.size : s->take_max;
    s->take_max -= size;
    memcpy(s->bytes + s->size, in.at, size);
    s->size += size;
    return size;
}

static size_t echo_output(void *session, struct bytes *out, size_t max) {
    struct session *s = session;
    assert(max > 1);
    if (s->sent == s->size) return 0;
    size_t half = (s->size - s->sent + 1) / 2;
    out[0] = (struct bytes){s->bytes + s->sent, half};
    out[1] = (struct bytes){s->bytes + s->sent + half, s->size - s->sent - half};
    return out[1].size ? 2 : 1;
}

static void echo_sent(void *session, size_t size) {
    ((struct session *)session)->sent += size;
}

static bool echo_closing(const void *session) {
    return ((const struct session *)session)->closing;
}

static void echo_gone(void *session) {
    struct session *s = session;
    EXPECT(!s->gone);
    s->gone = true;
    memory_free(s->bytes);
}

static const struct server_protocol echo = {echo_open, echo_input, echo_output, echo_sent, echo_closing, echo_gone};

static bool begin(const struct system_calls *sys) {
    struct error e = loop_new(sys, &loop);
    if (!error_is(&e)) e = server_new(loop, &server);
    // Some port of this machine that nobody listens at.
    for (port = 39000; port < 39100; port++) {
        if (!error_is(&e)) e = server_listen(server, "127.0.0.1", port, &echo, &sessions);
        if (!error_is(&e)) break;
        e = error_none();
    }
    sessions_count = 0;
    refuse = false;
    take_max = BIG;
    return port < 39100;
}

static bool finish(void) {
    bool all_gone = true;
    server_free(server);
    for (int i = 0; i < sessions_count; i++) all_gone = all_gone && sessions[i].gone;
    loop_free(loop);
    return all_gone;
}

static int connect_client(void) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0) return -1;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void on_tick(struct timer *t, int64_t now_us) {
    (void)t, (void)now_us;
}

// A turn that does not wait long.
static void turn(void) {
    struct environment *env = loop_environment(loop);
    struct timer tick;
    timer_init(&tick, on_tick);
    timer_set(&env->timers, &tick, env->now_us + 2000);
    loop_turn(loop);
    timer_cancel(&env->timers, &tick);
}

#define TURN_UNTIL(condition)                                                                                          \
    for (int turns = 0; turns < 2000 && !(condition); turns++) turn()

// -1: nothing there, 0: the end.
static ssize_t take(int fd) {
    uint8_t some[4096];
    return recv(fd, some, sizeof some, 0);
}

TEST(all_bytes_go_both_ways_in_order) {
    EXPECT(begin(&system_real));
    int fd = connect_client();
    size_t out = 0, in = 0;
    bool equal = true;
    uint8_t *text = memory_alloc(BIG), some[60000];
    for (size_t i = 0; i < BIG; i++) text[i] = (uint8_t)(i * 31 + i / 251);
    for (int turns = 0; in < BIG && turns < 20000; turns++) {
        ssize_t n = out < BIG ? send(fd, text + out, BIG - out, MSG_NOSIGNAL) : 0;
        out += n > 0 ? (size_t)n : 0;
        turn();
        while ((n = recv(fd, some, sizeof some, 0)) > 0) {
            equal = equal && memcmp(some, text + in, (size_t)n) == 0;
            in += (size_t)n;
        }
    }
    EXPECT(equal);
    EXPECT_INT(in, BIG);
    memory_free(text);
    close(fd);
    EXPECT(finish());
}

TEST(what_a_session_does_not_take_comes_again_after_a_wake) {
    EXPECT(begin(&system_real));
    take_max = 3;
    int fd = connect_client();
    EXPECT_INT(send(fd, "abcdefghij", 10, 0), 10);
    TURN_UNTIL(sessions_count == 1 && sessions[0].size == 3);
    for (int i = 0; i < 5; i++) turn();
    EXPECT_INT(sessions[0].size, 3);
    sessions[0].take_max = 4;
    server_wake(sessions[0].peer);
    TURN_UNTIL(sessions[0].size == 7);
    sessions[0].take_max = BIG;
    EXPECT_INT(send(fd, "klm", 3, 0), 3);
    server_wake(sessions[0].peer);
    TURN_UNTIL(sessions[0].size == 13);
    EXPECT(memcmp(sessions[0].bytes, "abcdefghijklm", 13) == 0);
    close(fd);
    EXPECT(finish());
}

TEST(who_is_refused_sees_the_end) {
    EXPECT(begin(&system_real));
    refuse = true;
    int fd = connect_client();
    ssize_t n = -1;
    TURN_UNTIL((n = take(fd)) >= 0);
    EXPECT_INT(n, 0);
    EXPECT_INT(sessions_count, 0);
    close(fd);
    EXPECT(finish());
}

TEST(a_session_that_closes_writes_its_output_first) {
    EXPECT(begin(&system_real));
    int fd = connect_client();
    TURN_UNTIL(sessions_count == 1);
    memcpy(sessions[0].bytes, "bye", 3);
    sessions[0].size = 3;
    sessions[0].closing = true;
    server_wake(sessions[0].peer);
    ssize_t n = -1;
    TURN_UNTIL((n = take(fd)) >= 0);
    EXPECT_INT(n, 3);
    TURN_UNTIL(sessions[0].gone);
    EXPECT_INT(take(fd), 0);
    close(fd);
    EXPECT(finish());
}

TEST(a_reset_ends_its_session_and_no_other) {
    EXPECT(begin(&system_real));
    int a = connect_client(), b = connect_client();
    TURN_UNTIL(sessions_count == 2);
    setsockopt(a, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    close(a);
    TURN_UNTIL(sessions[0].gone || sessions[1].gone);
    EXPECT_INT(sessions[0].gone + sessions[1].gone, 1);
    EXPECT_INT(send(b, "x", 1, 0), 1);
    ssize_t n = -1;
    TURN_UNTIL((n = take(b)) >= 0);
    EXPECT_INT(n, 1);
    close(b);
    EXPECT(finish());
}

TEST(a_taken_port_is_named) {
    EXPECT(begin(&system_real));
    struct error e = server_listen(server, "127.0.0.1", port, &echo, &sessions);
    EXPECT_INT(e.kind, ERROR_TRANSPORT);
    EXPECT_INT(e.code, EADDRINUSE);
    char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%u", port);
    EXPECT(strstr(e.detail, address));
    EXPECT(finish());
}

// A localhost that names ::1 first, on a host without IPv6.
static struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
static struct sockaddr_in v4 = {.sin_family = AF_INET};
static struct addrinfo second = {.ai_family = AF_INET, .ai_addr = (struct sockaddr *)&v4, .ai_addrlen = sizeof v4};
static struct addrinfo first = {.ai_family = AF_INET6,
                                .ai_addr = (struct sockaddr *)&v6,
                                .ai_addrlen = sizeof v6,
                                .ai_next = &second};

static int both_addresses(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **out) {
    (void)host, (void)hints;
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    v4.sin_port = htons((uint16_t)strtol(service, NULL, 10));
    *out = &first;
    return 0;
}

static void keep_addresses(struct addrinfo *list) {
    (void)list;
}

static int bind_code;

static int bind_v4_only(int fd, const struct sockaddr *address, socklen_t size) {
    if (address->sa_family == AF_INET6) return errno = bind_code, -1;
    return bind(fd, address, size);
}

TEST(an_address_that_is_not_of_this_host_is_passed_over) {
    struct system_calls sys = system_real;
    sys.getaddrinfo = both_addresses;
    sys.freeaddrinfo = keep_addresses;
    sys.bind = bind_v4_only;
    bind_code = EADDRNOTAVAIL;
    EXPECT(begin(&sys));
    int fd = connect_client();
    TURN_UNTIL(sessions_count == 1);
    close(fd);
    bind_code = EADDRINUSE;  // half of the clients would reach whoever has it
    struct error e = server_listen(server, "localhost", 39200, &echo, &sessions);
    EXPECT_INT(e.code, EADDRINUSE);
    EXPECT(finish());
}

static int accepts_failing, accepts;

static int accept_sometimes(int fd, struct sockaddr *address, socklen_t *size, int flags) {
    accepts++;
    if (accepts_failing > 0) {
        accepts_failing--;
        errno = EMFILE;
        return -1;
    }
    return system_real.accept4(fd, address, size, flags);
}

TEST(without_descriptors_a_client_waits) {
    struct system_calls sys = system_real;
    sys.accept4 = accept_sometimes;
    accepts_failing = 1000;
    EXPECT(begin(&sys));
    int fd = connect_client();
    for (int i = 0; i < 20; i++) turn();
    EXPECT(accepts >= 1 && accepts < 10);  // asked again by a timer, not in circles
    accepts_failing = 0;
    TURN_UNTIL(sessions_count == 1);
    EXPECT_INT(sessions_count, 1);
    close(fd);
    EXPECT(finish());
}

int main(void) {
    RUN(all_bytes_go_both_ways_in_order);
    RUN(what_a_session_does_not_take_comes_again_after_a_wake);
    RUN(who_is_refused_sees_the_end);
    RUN(a_session_that_closes_writes_its_output_first);
    RUN(a_reset_ends_its_session_and_no_other);
    RUN(a_taken_port_is_named);
    RUN(an_address_that_is_not_of_this_host_is_passed_over);
    RUN(without_descriptors_a_client_waits);
    return test_result();
}
