// The one table through which src/io calls the kernel and the resolver, so that a test can make any of them fail.
//
// Each entry behaves as the call it is named after: -1 and errno on failure unless said otherwise. A table must outlive
// everything that was given it; a resolver's thread may use it until the process ends.
#pragma once
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>

struct system_calls {
    // Sockets.
    int (*socket)(int domain, int type, int protocol);
    int (*connect)(int fd, const struct sockaddr *address, socklen_t size);
    int (*bind)(int fd, const struct sockaddr *address, socklen_t size);
    int (*listen)(int fd, int backlog);
    int (*accept4)(int fd, struct sockaddr *address, socklen_t *size, int flags);
    int (*setsockopt)(int fd, int level, int name, const void *value, socklen_t size);
    int (*getsockopt)(int fd, int level, int name, void *value, socklen_t *size);
    ssize_t (*recv)(int fd, void *at, size_t size, int flags);
    ssize_t (*sendmsg)(int fd, const struct msghdr *message, int flags);

    // Waiting.
    int (*epoll_create1)(int flags);
    int (*epoll_ctl)(int epoll, int operation, int fd, struct epoll_event *event);
    int (*epoll_wait)(int epoll, struct epoll_event *events, int max, int timeout_ms);
    int (*poll)(struct pollfd *fds, nfds_t count, int timeout_ms);
    int (*eventfd)(unsigned int value, int flags);
    int (*signalfd)(int fd, const sigset_t *mask, int flags);

    // Names; thread_create and both lookups answer an error number, as pthread_create and getaddrinfo do.
    int (*getaddrinfo)(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **out);
    void (*freeaddrinfo)(struct addrinfo *list);
    int (*thread_create)(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *context);

    // Files.
    int (*open)(const char *path, int flags, mode_t mode);
    ssize_t (*read)(int fd, void *at, size_t size);
    ssize_t (*write)(int fd, const void *at, size_t size);
    int (*flock)(int fd, int operation);
    int (*close)(int fd);

    // The process and its surroundings.
    int (*clock_gettime)(clockid_t clock, struct timespec *out);
    ssize_t (*getrandom)(void *at, size_t size, unsigned int flags);
    int (*getrusage)(int who, struct rusage *out);
    int (*isatty)(int fd);
    int (*terminal_columns)(int fd);  // 0 when unknown
};

extern const struct system_calls system_real;
