// The bare relay: bytes from one TCP connection to another, nothing else, to hold the ceiling of a mirror against.
//
// relay SECONDS [CORE]
// A child writes from memory as fast as it can, another throws away what it gets, as the synthetic source and sink do,
// both on CORE where one is named; the process itself is the relay. The first second is not counted. Prints
// "BYTES SECONDS CPU_SECONDS CALLS".
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_SIZE (256 << 10)  // of the relay: stays in the second-level cache
#define CHUNK_SIZE (1 << 20)     // written at once by the source

static void die(const char *what) {
    fprintf(stderr, "relay: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double seconds_of(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

// A connected pair of TCP sockets on the loopback.
static void tcp_pair(int ends[2]) {
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof where;
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    ends[0] = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || ends[0] < 0 || bind(listener, (struct sockaddr *)&where, size) < 0 || listen(listener, 1) < 0 ||
        getsockname(listener, (struct sockaddr *)&where, &size) < 0 ||
        connect(ends[0], (struct sockaddr *)&where, size) < 0)
        die("connect");
    ends[1] = accept(listener, NULL, NULL);
    if (ends[1] < 0) die("accept");
    for (int i = 0; i < 2; i++)
        if (setsockopt(ends[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0) die("TCP_NODELAY");
    close(listener);
}

static void source_main(int fd) {
    static uint8_t chunk[CHUNK_SIZE];
    memset(chunk, 0x5a, sizeof chunk);
    while (send(fd, chunk, sizeof chunk, MSG_NOSIGNAL) > 0) {
    }
    exit(0);
}

static void sink_main(int fd) {
    while (recv(fd, NULL, CHUNK_SIZE, MSG_TRUNC) > 0) {
    }
    exit(0);
}

static pid_t child(void (*run)(int fd), int fd, int other, const char *core) {
    pid_t pid = fork();
    if (pid < 0) die("fork");
    if (pid == 0) {
        cpu_set_t cores;
        CPU_ZERO(&cores);
        if (core) CPU_SET((size_t)strtoul(core, NULL, 10), &cores);
        if (core && sched_setaffinity(0, sizeof cores, &cores) < 0) die("sched_setaffinity");
        close(other);
        run(fd);
    }
    close(fd);
    return pid;
}

struct counts {
    double time, cpu;
    int64_t bytes, calls;
};

static void pass(int from, int to, struct counts *c) {
    static uint8_t buffer[BUFFER_SIZE];
    ssize_t got = recv(from, buffer, sizeof buffer, 0);
    if (got <= 0) die("recv");
    c->calls++;
    for (ssize_t at = 0; at < got;) {
        ssize_t sent = send(to, buffer + at, (size_t)(got - at), MSG_NOSIGNAL);
        if (sent < 0) die("send");
        at += sent;
        c->calls++;
    }
    c->bytes += got;
}

static void pass_for(int from, int to, double seconds, struct counts *c) {
    double end = seconds_of(CLOCK_MONOTONIC) + seconds;
    while (seconds_of(CLOCK_MONOTONIC) < end) pass(from, to, c);
    c->time = seconds_of(CLOCK_MONOTONIC);
    c->cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
}

int main(int argc, char **argv) {
    double seconds = argc == 2 || argc == 3 ? strtod(argv[1], NULL) : 0;
    if (seconds <= 0) {
        fputs("usage: relay SECONDS [CORE]\n", stderr);
        return 2;
    }
    int in[2], out[2];
    tcp_pair(in);
    pid_t source = child(source_main, in[0], in[1], argv[2]);
    tcp_pair(out);
    pid_t sink = child(sink_main, out[1], out[0], argv[2]);
    struct counts begin = {0}, end;
    pass_for(in[1], out[0], 1, &begin);
    end = begin;
    pass_for(in[1], out[0], seconds, &end);
    printf("%lld %.6f %.6f %lld\n", (long long)(end.bytes - begin.bytes), end.time - begin.time, end.cpu - begin.cpu,
           (long long)(end.calls - begin.calls));
    kill(source, SIGTERM);
    kill(sink, SIGTERM);
    while (wait(NULL) > 0) {
    }
    return 0;
}
