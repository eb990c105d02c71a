// A world for the loop's tests: a stand-in for the connection, which shows what the loop asks and tells and nothing of
// Kafka; TCP servers on loopback; and the turning of the loop.
#pragma once
#include "base/limits.h"
#include "base/list.h"
#include "base/memory.h"
#include "client/connection.h"
#include "io/loop.h"
#include "unit/test.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

// The stand-in ------------------------------------------------------------------------------------------------------

struct peer {
    struct connection c;
    uint8_t *in;
    size_t in_size, in_capacity;
    const uint8_t *out;
    size_t out_size, sent;
    size_t paused_at;  // no space beyond it
    size_t wanted;
    bool fenced, close_on_data;
    int opened, failed, inputs, outputs;
    struct error why;
};

static inline struct peer *peer_of(struct connection *c) {
    return CONTAINER_OF(c, struct peer, c);
}

void connection_opened(struct connection *c, int64_t way_us) {
    c->way_us = way_us;
    peer_of(c)->opened++;
    c->state = CONNECTION_READY;
}

void connection_failed(struct connection *c, const struct error *why) {
    peer_of(c)->failed++;
    peer_of(c)->why = *why;
    c->state = CONNECTION_CLOSED;
}

struct connection_space connection_input(struct connection *c) {
    struct peer *p = peer_of(c);
    p->inputs++;
    size_t end = p->paused_at < p->in_capacity ? p->paused_at : p->in_capacity;
    return (struct connection_space){p->in + p->in_size, end - p->in_size};
}

static inline void peer_close(struct peer *p, bool abort) {
    if (p->c.state == CONNECTION_CLOSED) return;
    p->c.env->transport->close(p->c.env->driver, &p->c, abort);
    p->c.state = CONNECTION_CLOSED;
}

size_t connection_input_wanted(const struct connection *c) {
    const struct peer *p = CONTAINER_OF(c, const struct peer, c);
    return p->wanted ? p->wanted : 1;
}

void connection_received(struct connection *c, size_t size) {
    struct peer *p = peer_of(c);
    p->in_size += size;
    assert(p->in_size <= p->in_capacity);
    if (p->close_on_data) peer_close(p, false);
}

bool connection_has_output(const struct connection *c) {
    const struct peer *p = CONTAINER_OF(c, const struct peer, c);
    return p->sent < p->out_size;
}

// Ranges of growing size, so that more than one sendmsg() is needed.
size_t connection_output(struct connection *c, struct bytes *out, size_t max) {
    struct peer *p = peer_of(c);
    p->outputs++;
    if (p->fenced) return 0;
    size_t n = 0, at = p->sent;
    for (; n < max && at < p->out_size; n++) {
        size_t size = 1 + n * 37 < p->out_size - at ? 1 + n * 37 : p->out_size - at;
        out[n] = (struct bytes){p->out + at, size};
        at += size;
    }
    return n;
}

void connection_sent(struct connection *c, size_t size) {
    peer_of(c)->sent += size;
    assert(peer_of(c)->sent <= peer_of(c)->out_size);
}

// Servers -----------------------------------------------------------------------------------------------------------

struct server {
    int listener;
    uint16_t port;
    pthread_t thread;
    void (*serve)(struct server *s, int fd);
    size_t size;
    ssize_t last_read;
    int last_errno;
};

static inline void *server_thread(void *context) {
    struct server *s = context;
    int fd;
    while ((fd = accept(s->listener, NULL, NULL)) >= 0) {
        s->serve(s, fd);
        close(fd);
    }
    return NULL;
}

static inline void server_start(struct server *s, void (*serve)(struct server *, int)) {
    s->serve = serve;
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    assert(bind(s->listener, (struct sockaddr *)&address, size) == 0 && listen(s->listener, 16) == 0);
    assert(getsockname(s->listener, (struct sockaddr *)&address, &size) == 0);
    s->port = ntohs(address.sin_port);
    assert(pthread_create(&s->thread, NULL, server_thread, s) == 0);
}

static inline void server_stop(struct server *s) {
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listener);
}

static inline bool write_all(int fd, const uint8_t *at, size_t size) {
    while (size > 0) {
        ssize_t n = send(fd, at, size, MSG_NOSIGNAL);
        if (n <= 0) return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

static inline void serve_echo(struct server *s, int fd) {
    static uint8_t buffer[64 * KiB];
    while ((s->last_read = recv(fd, buffer, sizeof buffer, 0)) > 0) {
        if (!write_all(fd, buffer, (size_t)s->last_read)) return;
    }
    s->last_errno = errno;
}

static inline void serve_some_then_close(struct server *s, int fd) {
    uint8_t *some = calloc(1, s->size);
    write_all(fd, some, s->size);
    free(some);
}

static inline void serve_reset(struct server *s, int fd) {
    (void)s;
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
}

// A port of loopback nobody listens on.
static inline uint16_t unused_port(void) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    assert(bind(fd, (struct sockaddr *)&address, size) == 0);
    assert(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
    close(fd);
    return ntohs(address.sin_port);
}

// The world -----------------------------------------------------------------------------------------------------------

struct world {
    struct loop *loop;
    struct environment *env;
    struct peer peer;
};

static inline void ignore_line(void *context, enum log_level level, const char *line, size_t size) {
    (void)context, (void)level, (void)line, (void)size;
}

static inline void world_start(struct world *w, const struct system_calls *sys, size_t in_capacity) {
    *w = (struct world){0};
    struct error e = loop_new(sys, &w->loop);
    assert(!error_is(&e));
    w->env = loop_environment(w->loop);
    w->env->log = (struct logger){LOG_ERROR, ignore_line, NULL};
    w->peer.c.env = w->env;
    w->peer.in = memory_alloc(in_capacity + 1);
    w->peer.in_capacity = in_capacity;
    w->peer.paused_at = SIZE_MAX;
}

static inline void world_stop(struct world *w) {
    peer_close(&w->peer, true);
    memory_free(w->peer.in);
    loop_free(w->loop);
}

static inline void peer_open(struct peer *p, const char *host, uint16_t port) {
    struct transport_options options = {host, port, 5000, 2000000};
    p->c.state = CONNECTION_OPENING;
    p->opened = p->failed = 0;
    p->c.env->transport->open(p->c.env->driver, &p->c, &options);
}

static inline void peer_wake(struct peer *p) {
    p->c.env->transport->wake(p->c.env->driver, &p->c);
}

// Turns until `condition` holds; gives up after 5 seconds, and the test's next EXPECT says what is missing.
#define TURN_UNTIL(w, condition)                                                                                       \
    do {                                                                                                               \
        int64_t give_up = (w)->env->now_us + 5000000;                                                                  \
        while (!(condition) && (w)->env->now_us < give_up) loop_turn((w)->loop);                                       \
    } while (0)

static inline void on_timer_stop(struct timer *t, int64_t now_us) {
    (void)now_us;
    t->fire = NULL;
}

static inline void turn_for(struct world *w, int64_t ms) {
    struct timer t;
    timer_init(&t, on_timer_stop);
    timer_set(&w->env->timers, &t, w->env->now_us + ms * 1000);
    while (t.fire) loop_turn(w->loop);
}

static inline uint8_t *pattern(size_t size) {
    uint8_t *at = memory_alloc(size);
    for (size_t i = 0; i < size; i++) at[i] = (uint8_t)(i * 31 + i / 251);
    return at;
}
