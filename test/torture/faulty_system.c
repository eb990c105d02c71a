// The program's system calls and allocations, of which one fails: linked in place of src/io/system.c into
// odraz_torture. The environment says which:
//
//   TORTURE_CALL=n    the n-th call (from 1) of the table fails, with an error that this call can have
//   TORTURE_ALLOC=n   the n-th allocation fails
//   TORTURE_COUNT=f   at the end, how many calls and allocations there were is written to file f
#define _GNU_SOURCE  // accept4()
#include "io/system.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

static long calls, allocations, call_wanted, allocation_wanted;

static long wish(const char *name) {
    const char *text = getenv(name);
    return text ? strtol(text, NULL, 10) : 0;
}

__attribute__((constructor)) static void read_wishes(void) {
    call_wanted = wish("TORTURE_CALL");
    allocation_wanted = wish("TORTURE_ALLOC");
    calls = allocations = 0;  // what the loader did does not count
}

__attribute__((destructor)) static void write_counts(void) {
    const char *path = getenv("TORTURE_COUNT");
    FILE *f = path ? fopen(path, "w") : NULL;
    if (!f) return;
    fprintf(f, "%ld %ld\n", calls, allocations);
    fclose(f);
}

// Whose turn is it? Says on stderr what it does, so that a failure can be understood.
static bool fails(const char *name, int code) {
    if (__atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED) != call_wanted) return false;
    fprintf(stderr, "torture: %s fails with %s\n", name, code ? strerror(code) : "nothing");
    errno = code;
    return true;
}

// Allocations: the linker sends memory.c here (--wrap) ---------------------------------------------------------------

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static bool allocation_fails(void) {
    if (__atomic_add_fetch(&allocations, 1, __ATOMIC_RELAXED) != allocation_wanted) return false;
    fprintf(stderr, "torture: an allocation fails\n");
    return true;
}

void *__wrap_malloc(size_t size) {
    return allocation_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
    return allocation_fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size) {
    return allocation_fails() ? NULL : __real_realloc(old, size);
}

// Calls --------------------------------------------------------------------------------------------------------------

static int faulty_socket(int domain, int type, int protocol) {
    return fails("socket", EMFILE) ? -1 : socket(domain, type, protocol);
}

static int faulty_connect(int fd, const struct sockaddr *address, socklen_t size) {
    return fails("connect", ECONNREFUSED) ? -1 : connect(fd, address, size);
}

static int faulty_bind(int fd, const struct sockaddr *address, socklen_t size) {
    return fails("bind", EADDRINUSE) ? -1 : bind(fd, address, size);
}

static int faulty_listen(int fd, int backlog) {
    return fails("listen", EADDRINUSE) ? -1 : listen(fd, backlog);
}

static int faulty_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags) {
    return fails("accept4", EMFILE) ? -1 : accept4(fd, address, size, flags);
}

static int faulty_setsockopt(int fd, int level, int name, const void *value, socklen_t size) {
    return fails("setsockopt", ENOBUFS) ? -1 : setsockopt(fd, level, name, value, size);
}

static int faulty_getsockopt(int fd, int level, int name, void *value, socklen_t *size) {
    return fails("getsockopt", ENOBUFS) ? -1 : getsockopt(fd, level, name, value, size);
}

// Errors by turns; every fourth time it is a short read instead, of one byte.
static const int transfer_errors[] = {EINTR, EAGAIN, ECONNRESET};
#define TURNS 4

static ssize_t faulty_recv(int fd, void *at, size_t size, int flags) {
    long turn = call_wanted % TURNS;
    bool now = fails("recv", turn < TURNS - 1 ? transfer_errors[turn] : 0);
    // EAGAIN without its reason: edge-triggered readiness would be lost for good, so that is no error a kernel gives.
    if (now && errno == EAGAIN && recv(fd, at, 1, MSG_PEEK | MSG_DONTWAIT) > 0) now = false;
    if (now && turn < TURNS - 1) return -1;
    return recv(fd, at, now && size > 0 ? 1 : size, flags);
}

static ssize_t faulty_sendmsg(int fd, const struct msghdr *message, int flags) {
    long turn = call_wanted % TURNS;
    if (!fails("sendmsg", turn == 0 ? EINTR : turn == 1 ? EPIPE : turn == 2 ? ECONNRESET : 0))
        return sendmsg(fd, message, flags);
    if (turn < TURNS - 1) return -1;
    struct iovec one = {message->msg_iov[0].iov_base, 1};
    struct msghdr shorter = {.msg_iov = &one, .msg_iovlen = 1};
    return sendmsg(fd, &shorter, flags);
}

static int faulty_epoll_create1(int flags) {
    return fails("epoll_create1", EMFILE) ? -1 : epoll_create1(flags);
}

static int faulty_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event) {
    return fails("epoll_ctl", ENOSPC) ? -1 : epoll_ctl(epoll, operation, fd, event);
}

static int faulty_epoll_wait(int epoll, struct epoll_event *events, int max, int timeout_ms) {
    return fails("epoll_wait", EINTR) ? -1 : epoll_wait(epoll, events, max, timeout_ms);
}

static int faulty_poll(struct pollfd *fds, nfds_t count, int timeout_ms) {
    return fails("poll", EINTR) ? -1 : poll(fds, count, timeout_ms);
}

static int faulty_eventfd(unsigned int value, int flags) {
    return fails("eventfd", EMFILE) ? -1 : eventfd(value, flags);
}

static int faulty_signalfd(int fd, const sigset_t *mask, int flags) {
    return fails("signalfd", EMFILE) ? -1 : signalfd(fd, mask, flags);
}

static int faulty_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                              struct addrinfo **out) {
    return fails("getaddrinfo", 0) ? EAI_AGAIN : getaddrinfo(host, service, hints, out);
}

static int faulty_thread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *),
                                void *context) {
    return fails("thread_create", EAGAIN) ? EAGAIN : pthread_create(thread, attributes, body, context);
}

static int faulty_open(const char *path, int flags, mode_t mode) {
    return fails("open", EACCES) ? -1 : open(path, flags, mode);
}

static ssize_t faulty_read(int fd, void *at, size_t size) {
    long turn = call_wanted % 3;
    if (!fails("read", turn == 0 ? EINTR : turn == 1 ? EIO : 0)) return read(fd, at, size);
    return turn < 2 ? -1 : read(fd, at, size > 0 ? 1 : 0);
}

static ssize_t faulty_write(int fd, const void *at, size_t size) {
    long turn = call_wanted % 3;
    if (!fails("write", turn == 0 ? EINTR : turn == 1 ? ENOSPC : 0)) return write(fd, at, size);
    return turn < 2 ? -1 : write(fd, at, size > 0 ? 1 : 0);
}

static int faulty_flock(int fd, int operation) {
    return fails("flock", EWOULDBLOCK) ? -1 : flock(fd, operation);
}

static ssize_t faulty_getrandom(void *at, size_t size, unsigned int flags) {
    return fails("getrandom", EINTR) ? -1 : getrandom(at, size, flags);
}

static int faulty_getrusage(int who, struct rusage *out) {
    return fails("getrusage", EFAULT) ? -1 : getrusage(who, out);
}

static int terminal_columns(int fd) {
    struct winsize size;
    return ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

// close() and the clock do not fail in a way that a program could do anything about.
const struct system_calls system_real = {
    .socket = faulty_socket,
    .connect = faulty_connect,
    .bind = faulty_bind,
    .listen = faulty_listen,
    .accept4 = faulty_accept4,
    .setsockopt = faulty_setsockopt,
    .getsockopt = faulty_getsockopt,
    .recv = faulty_recv,
    .sendmsg = faulty_sendmsg,
    .epoll_create1 = faulty_epoll_create1,
    .epoll_ctl = faulty_epoll_ctl,
    .epoll_wait = faulty_epoll_wait,
    .poll = faulty_poll,
    .eventfd = faulty_eventfd,
    .signalfd = faulty_signalfd,
    .getaddrinfo = faulty_getaddrinfo,
    .freeaddrinfo = freeaddrinfo,
    .thread_create = faulty_thread_create,
    .open = faulty_open,
    .read = faulty_read,
    .write = faulty_write,
    .flock = faulty_flock,
    .close = close,
    .clock_gettime = clock_gettime,
    .getrandom = faulty_getrandom,
    .getrusage = faulty_getrusage,
    .isatty = isatty,
    .terminal_columns = terminal_columns,
};
