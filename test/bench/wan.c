// A line between two network namespaces: a TUN device in each, and delay, rate, a queue's limit and loss in between,
// for kernels without netem. TCP runs end to end over it: nothing is terminated here.
//
// wan NAMESPACE NAMESPACE SEED    (files such as those in /proc/PID/ns/net)
// The devices are called wan0; who started us gives them addresses after "ready". Each line on stdin is
// "MBIT_PER_S ROUND_TRIP_MS LOSS_PERCENT QUEUE_BYTES", the same both ways, or empty for no change, and is answered with
// "BYTES PACKETS LOST DROPPED" of the first namespace's direction out, and of that in.
#define _GNU_SOURCE
#include "wan_link.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define PACKETS_PER_TURN 256  // of one direction, before the other one has its turn
#define LINE_MAX_BYTES 128

struct line {
    int fd[2];
    struct wan_link out[2];  // out[i] takes what comes from fd[i] to fd[!i]
};

static void die(const char *what) {
    fprintf(stderr, "wan: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int open_tun(const char *namespace) {
    int ns = open(namespace, O_RDONLY | O_CLOEXEC);
    if (ns < 0 || setns(ns, CLONE_NEWNET) < 0) die(namespace);
    close(ns);
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    struct ifreq request = {.ifr_name = "wan0", .ifr_flags = IFF_TUN | IFF_NO_PI};
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0) die("/dev/net/tun");
    return fd;
}

static void take(struct line *l, int from) {
    for (int i = 0; i < PACKETS_PER_TURN; i++) {
        static struct wan_packet nowhere;
        struct wan_packet *room = wan_link_room(&l->out[from]), *p = room ? room : &nowhere;
        ssize_t got = read(l->fd[from], p->at, sizeof p->at);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (got <= 0) die("read");
        p->size = (uint16_t)got;
        if (room) wan_link_send(&l->out[from], now_ns());
        else l->out[from].dropped++;
    }
}

static void give(struct line *l, int from) {
    const struct wan_packet *p;
    for (int i = 0; i < PACKETS_PER_TURN && (p = wan_link_receive(&l->out[from], now_ns())); i++)
        if (write(l->fd[!from], p->at, p->size) < 0 && errno != EAGAIN && errno != EINVAL) die("write");
}

// False at the end of stdin.
static bool obey(struct line *l) {
    char text[LINE_MAX_BYTES];
    if (!fgets(text, sizeof text, stdin)) return false;
    double mbit, round_trip_ms, loss_percent, queue_bytes;
    if (sscanf(text, "%lf %lf %lf %lf", &mbit, &round_trip_ms, &loss_percent, &queue_bytes) == 4)
        for (int i = 0; i < 2; i++) {
            l->out[i].bytes_per_s = (int64_t)(mbit * 1e6 / 8);
            l->out[i].delay_ns = (int64_t)(round_trip_ms * 1e6 / 2);
            l->out[i].loss = (uint32_t)(loss_percent * WAN_LOSS_SCALE / 100);
            l->out[i].queue_bytes_max = (int64_t)queue_bytes;
        }
    for (int i = 0; i < 2; i++)
        printf("%lld %lld %lld %lld%c", (long long)l->out[i].bytes, (long long)l->out[i].packets,
               (long long)l->out[i].lost, (long long)l->out[i].dropped, i ? '\n' : ' ');
    fflush(stdout);
    return true;
}

static void wait_for_something(struct line *l, struct pollfd polls[3]) {
    int64_t next = wan_link_next_ns(&l->out[0]), other = wan_link_next_ns(&l->out[1]), now = now_ns();
    if (other < next) next = other;
    int64_t wait = next > now ? next - now : 0;
    struct timespec t = {wait / 1000000000, wait % 1000000000};
    if (ppoll(polls, 3, next == INT64_MAX ? NULL : &t, NULL) < 0 && errno != EINTR) die("poll");
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fputs("usage: wan NAMESPACE NAMESPACE SEED\n", stderr);
        return 2;
    }
    static struct line l;
    uint64_t seed = strtoull(argv[3], NULL, 10);
    for (int i = 0; i < 2; i++) {
        l.fd[i] = open_tun(argv[1 + i]);
        wan_link_init(&l.out[i], seed + (uint64_t)i);
    }
    puts("ready");
    fflush(stdout);
    setvbuf(stdin, NULL, _IONBF, 0);  // what poll() does not see must not wait in a buffer
    struct pollfd polls[3] = {{l.fd[0], POLLIN, 0}, {l.fd[1], POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    for (;;) {
        wait_for_something(&l, polls);
        for (int i = 0; i < 2; i++) {
            if (polls[i].revents) take(&l, i);
            give(&l, i);
        }
        if (polls[2].revents && !obey(&l)) return 0;
    }
}
