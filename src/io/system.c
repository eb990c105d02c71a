// The real system calls.
#define _GNU_SOURCE  // accept4()
#include "io/system.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

static int open_with_mode(const char *path, int flags, mode_t mode) {
    return open(path, flags, mode);
}

static int get_rusage(int who, struct rusage *out) {
    return getrusage(who, out);
}

static int terminal_columns(int fd) {
    struct winsize size;
    return ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

const struct system_calls system_real = {
    .socket = socket,
    .connect = connect,
    .bind = bind,
    .listen = listen,
    .accept4 = accept4,
    .setsockopt = setsockopt,
    .getsockopt = getsockopt,
    .recv = recv,
    .sendmsg = sendmsg,
    .epoll_create1 = epoll_create1,
    .epoll_ctl = epoll_ctl,
    .epoll_wait = epoll_wait,
    .poll = poll,
    .eventfd = eventfd,
    .signalfd = signalfd,
    .getaddrinfo = getaddrinfo,
    .freeaddrinfo = freeaddrinfo,
    .thread_create = pthread_create,
    .open = open_with_mode,
    .read = read,
    .write = write,
    .flock = flock,
    .close = close,
    .clock_gettime = clock_gettime,
    .getrandom = getrandom,
    .getrusage = get_rusage,
    .isatty = isatty,
    .terminal_columns = terminal_columns,
};
