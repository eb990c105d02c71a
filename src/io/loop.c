// The loop's turn: wait, take events, fire timers, run ready channels.
#include "io/loop.h"

#include "base/memory.h"
#include "io/loop_private.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

// Tokens no channel has: their lower half is 0.
#define TOKEN_RESOLVER (UINT64_C(1) << 32)
#define TOKEN_SIGNALS (UINT64_C(2) << 32)
#define TOKEN_WATCHED(place) ((UINT64_C(3) + (place)) << 32)

static int64_t clock_ns(const struct loop *l, clockid_t clock) {
    struct timespec t;
    int result = l->sys->clock_gettime(clock, &t);
    assert(result == 0);
    (void)result;
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void loop_refresh_clocks(struct loop *l) {
    // BOOTTIME goes on while the host is suspended: what expired meanwhile must be known to have expired.
    l->env.now_us = clock_ns(l, CLOCK_BOOTTIME) / 1000;
    l->env.wall_ms = clock_ns(l, CLOCK_REALTIME) / 1000000;
}

static bool watch(struct loop *l, int fd, uint64_t token) {
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = token};
    return l->sys->epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

struct error loop_watch(struct loop *l, int fd, void (*ready)(void *context), void *context) {
    size_t place = 0;
    while (place < LOOP_WATCHES_MAX && l->watched[place].fd >= 0) place++;
    if (place == LOOP_WATCHES_MAX)
        return error_make(ERROR_LIMIT, 0, "loop", "%d descriptors are watched", LOOP_WATCHES_MAX);
    if (!watch(l, fd, TOKEN_WATCHED(place)))
        return error_make(ERROR_TRANSPORT, errno, "loop", "cannot watch a descriptor: %s", strerror(errno));
    l->watched[place] = (struct watched){fd, ready, context};
    return error_none();
}

void loop_unwatch(struct loop *l, int fd) {
    l->sys->epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    for (size_t i = 0; i < LOOP_WATCHES_MAX; i++)
        if (l->watched[i].fd == fd) l->watched[i].fd = -1;
}

static uint64_t random_seed(const struct loop *l) {
    uint64_t seed;
    if (l->sys->getrandom(&seed, sizeof seed, 0) == (ssize_t)sizeof seed) return seed;
    // Only jitter depends on it; the clock and the process id are different enough.
    return (uint64_t)l->env.now_us ^ ((uint64_t)getpid() << 40);
}

static void environment_init(struct loop *l) {
    loop_refresh_clocks(l);
    timers_init(&l->env.timers);
    prng_seed(&l->env.prng, random_seed(l));
    frame_pool_init(&l->env.frames);
    arena_init(&l->env.arena, DECODE_ARENA_MAX);
    l->env.transport = &channel_transport;
    l->env.driver = l;
}

struct error loop_new(const struct system_calls *sys, struct loop **out) {
    struct error e;
    struct loop *l = NEW(struct loop);
    l->sys = sys;
    l->signal_fd = -1;
    for (size_t i = 0; i < LOOP_WATCHES_MAX; i++) l->watched[i].fd = -1;
    list_init(&l->free);
    list_init(&l->ready);
    l->epoll_fd = sys->epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll_fd < 0) {
        e = error_make(ERROR_TRANSPORT, errno, "loop", "cannot create an epoll: %s", strerror(errno));
        goto fail_loop;
    }
    e = resolver_new(sys, &l->resolver);
    if (error_is(&e)) goto fail_epoll;
    if (!watch(l, resolver_fd(l->resolver), TOKEN_RESOLVER)) {
        e = error_make(ERROR_TRANSPORT, errno, "loop", "cannot watch the resolver: %s", strerror(errno));
        goto fail_resolver;
    }
    environment_init(l);
    *out = l;
    return error_none();

fail_resolver:
    resolver_free(l->resolver);
fail_epoll:
    sys->close(l->epoll_fd);
fail_loop:
    memory_free(l);
    return e;
}

void loop_free(struct loop *l) {
    assert(l->channels_open == 0);
    for (uint32_t i = 0; i < l->channels_count; i++) memory_free(l->channels[i]);
    memory_free(l->channels);
    timers_free(&l->env.timers);
    frame_pool_free(&l->env.frames);
    arena_free(&l->env.arena);
    resolver_free(l->resolver);
    if (l->signal_fd >= 0) l->sys->close(l->signal_fd);
    l->sys->close(l->epoll_fd);
    memory_free(l);
}

struct environment *loop_environment(struct loop *l) {
    return &l->env;
}

struct error loop_on_signal(struct loop *l, loop_signal_fn fn, void *context) {
    assert(l->signal_fd < 0);
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGHUP);
    int fd = l->sys->signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) return error_make(ERROR_TRANSPORT, errno, "loop", "cannot create a signalfd: %s", strerror(errno));
    if (!watch(l, fd, TOKEN_SIGNALS)) {
        struct error e = error_make(ERROR_TRANSPORT, errno, "loop", "cannot watch signals: %s", strerror(errno));
        l->sys->close(fd);
        return e;
    }
    pthread_sigmask(SIG_BLOCK, &mask, NULL);
    signal(SIGPIPE, SIG_IGN);
    l->signal_fd = fd;
    l->on_signal = fn;
    l->signal_context = context;
    return error_none();
}

static void take_signals(struct loop *l) {
    struct signalfd_siginfo info;
    while (l->sys->read(l->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        l->on_signal(l->signal_context, (int)info.ssi_signo);
}

static void take_addresses(struct loop *l) {
    struct resolve_answer answer;
    while (resolver_take(l->resolver, l->env.now_us, &answer)) {
        for (uint32_t i = 0; i < l->channels_count; i++) {
            struct channel *ch = l->channels[i];
            if (ch->state == CHANNEL_RESOLVING && strcmp(ch->options.host, answer.host) == 0)
                channel_on_addresses(ch, &answer);
        }
    }
}

static void dispatch(struct loop *l, const struct epoll_event *event) {
    uint64_t token = event->data.u64;
    if (token == TOKEN_RESOLVER) {
        take_addresses(l);
    } else if (token == TOKEN_SIGNALS) {
        take_signals(l);
    } else if ((uint32_t)token == 0) {
        const struct watched *w = &l->watched[(token >> 32) - 3];
        if (w->fd >= 0) w->ready(w->context);
    } else {
        struct channel *ch = channel_find(l, token);
        if (ch) channel_on_events(ch, event->events);
    }
}

// Rounded up: a turn that comes a moment too early would only turn again.
static int wait_ms(const struct loop *l) {
    if (!list_empty(&l->ready)) return 0;
    int64_t next = timers_next(&l->env.timers), now_us = l->env.now_us;
    if (next <= now_us) return 0;
    if (next - now_us >= LOOP_WAIT_MS_MAX * INT64_C(1000)) return LOOP_WAIT_MS_MAX;
    return (int)((next - now_us + 999) / 1000);
}

// Channels that become ready meanwhile are run in the same turn, but not without end: events wait.
static void run_ready(struct loop *l) {
    struct link *k;
    for (int i = 0; i < LOOP_CHANNELS_PER_TURN && (k = list_take_first(&l->ready)); i++)
        channel_run(CONTAINER_OF(k, struct channel, link));
}

void loop_turn(struct loop *l) {
    struct epoll_event events[LOOP_EVENTS_MAX];
    loop_refresh_clocks(l);
    int count = l->sys->epoll_wait(l->epoll_fd, events, LOOP_EVENTS_MAX, wait_ms(l));
    assert(count >= 0 || errno == EINTR);
    loop_refresh_clocks(l);
    for (int i = 0; i < count; i++) dispatch(l, &events[i]);
    // What comes in sets timers to answer it in bulk, and their requests go out before the next wait.
    run_ready(l);
    timers_run(&l->env.timers, l->env.now_us);
    run_ready(l);
}

void loop_run(struct loop *l) {
    l->stopped = false;
    while (!l->stopped) loop_turn(l);
}

void loop_stop(struct loop *l) {
    l->stopped = true;
}
