// Accepted sockets: see server.h.
#include "io/server.h"

#include "base/limits.h"
#include "base/memory.h"
#include "io/loop_private.h"

#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

struct endpoint {  // a listening socket
    struct link link;
    int fd;
    const struct server_protocol *protocol;
    void *context;
};

struct peer {
    struct server *server;
    struct link all, ready;
    const struct server_protocol *protocol;
    void *session;
    int fd;
    bool readable, writable, broken;
    // Received, but not taken by the session yet.
    uint8_t *held;
    size_t held_size, held_taken;
};

struct server {
    struct loop *loop;
    const struct system_calls *sys;
    int epoll_fd;
    struct list endpoints, peers, ready;
    uint32_t peers_count;
    struct timer turn;    // runs the ready peers
    struct timer accept;  // listens again after descriptors were short
    uint8_t *scratch;     // what recv() writes into: one for all, so that it stays in the cache
};

// Peers --------------------------------------------------------------------------------------------------------------

void server_wake(struct peer *p) {
    struct server *s = p->server;
    if (!link_linked(&p->ready)) list_append(&s->ready, &p->ready);
    struct environment *env = loop_environment(s->loop);
    if (!timer_is_set(&s->turn)) timer_set(&env->timers, &s->turn, env->now_us);
}

static void peer_end(struct peer *p) {
    struct server *s = p->server;
    p->protocol->gone(p->session);
    s->sys->close(p->fd);
    if (link_linked(&p->ready)) list_remove(&p->ready);
    list_remove(&p->all);
    s->peers_count--;
    memory_free(p->held);
    memory_free(p);
}

// `operation`: EPOLL_CTL_ADD or EPOLL_CTL_MOD.
static bool watch(struct server *s, int operation, int fd, uint32_t events, void *pointer) {
    struct epoll_event event = {.events = events, .data.ptr = pointer};
    return s->sys->epoll_ctl(s->epoll_fd, operation, fd, &event) == 0;
}

static void accept_one(struct server *s, const struct endpoint *e, int fd) {
    int one = 1;
    s->sys->setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct peer *p = NEW(struct peer);
    *p = (struct peer){.server = s, .protocol = e->protocol, .fd = fd};
    p->session = s->peers_count < LOOP_CONNECTIONS_MAX ? e->protocol->open(e->context, p) : NULL;
    if (!p->session) {
        s->sys->close(fd);
        memory_free(p);
        return;
    }
    list_append(&s->peers, &p->all);
    s->peers_count++;
    if (!watch(s, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, p)) peer_end(p);
}

static void accept_later(struct server *s) {
    struct environment *env = loop_environment(s->loop);
    timer_set(&env->timers, &s->accept, env->now_us + ACCEPT_PAUSE_US);
}

static void on_accept_timer(struct timer *t, int64_t now_us) {
    (void)now_us;
    struct server *s = CONTAINER_OF(t, struct server, accept);
    for (struct link *k = list_first(&s->endpoints); k; k = list_next(&s->endpoints, k)) {
        struct endpoint *e = CONTAINER_OF(k, struct endpoint, link);
        if (!watch(s, EPOLL_CTL_MOD, e->fd, EPOLLIN, e)) accept_later(s);
    }
}

static bool is_short(int code) {
    return code == EMFILE || code == ENFILE || code == ENOBUFS || code == ENOMEM;
}

// Without descriptors the connection waits in the kernel until some are free again. The endpoint is level-triggered: it
// is not watched meanwhile, else it would keep the loop awake.
static void accept_all(struct server *s, struct endpoint *e) {
    for (int i = 0; i < LOOP_EVENTS_MAX; i++) {
        int fd = s->sys->accept4(e->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && errno == EINTR) continue;
        if (fd < 0) {
            if (!is_short(errno)) return;
            watch(s, EPOLL_CTL_MOD, e->fd, 0, e);
            accept_later(s);
            return;
        }
        accept_one(s, e, fd);
    }
}

// Moving bytes -------------------------------------------------------------------------------------------------------

static void hold(struct peer *p, const uint8_t *at, size_t size) {
    p->held = memory_alloc(size);
    memcpy(p->held, at, size);
    p->held_size = size;
    p->held_taken = 0;
}

// False: the session takes nothing more for now.
static bool give_held(struct peer *p) {
    if (!p->held) return true;
    struct bytes rest = {p->held + p->held_taken, p->held_size - p->held_taken};
    p->held_taken += p->protocol->input(p->session, rest);
    if (p->held_taken < p->held_size) return false;
    memory_free(p->held);
    p->held = NULL;
    return true;
}

// False: the peer is gone.
static bool receive(struct peer *p) {
    struct server *s = p->server;
    for (size_t moved = 0; p->readable && moved < 4 * (size_t)CHANNEL_BYTES_PER_TURN;) {
        if (!give_held(p)) return true;
        ssize_t got = s->sys->recv(p->fd, s->scratch, CHANNEL_BYTES_PER_TURN, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EAGAIN) p->readable = false;
        else if (got <= 0) return false;
        if (got <= 0) return true;
        moved += (size_t)got;
        size_t taken = p->protocol->input(p->session, (struct bytes){s->scratch, (size_t)got});
        if (taken < (size_t)got) hold(p, s->scratch + taken, (size_t)got - taken);
    }
    if (p->readable) server_wake(p);
    else give_held(p);
    return true;
}

static bool transmit(struct peer *p) {
    struct server *s = p->server;
    struct bytes ranges[CHANNEL_RANGES_MAX];
    struct iovec out[CHANNEL_RANGES_MAX];
    while (p->writable) {
        size_t count = p->protocol->output(p->session, ranges, CHANNEL_RANGES_MAX);
        if (count == 0) return !p->protocol->closing(p->session);
        for (size_t i = 0; i < count; i++) out[i] = (struct iovec){(void *)ranges[i].at, ranges[i].size};
        struct msghdr message = {.msg_iov = out, .msg_iovlen = count};
        ssize_t sent = s->sys->sendmsg(p->fd, &message, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && errno == EAGAIN) p->writable = false;
        else if (sent < 0) return false;
        else p->protocol->sent(p->session, (size_t)sent);
    }
    return true;
}

static void run_peer(struct peer *p) {
    if (p->broken || !receive(p) || !transmit(p)) peer_end(p);
}

static void on_turn(struct timer *t, int64_t now_us) {
    (void)now_us;
    struct server *s = CONTAINER_OF(t, struct server, turn);
    for (int i = 0; i < LOOP_CHANNELS_PER_TURN; i++) {
        struct link *k = list_take_first(&s->ready);
        if (!k) return;
        loop_refresh_clocks(s->loop);
        run_peer(CONTAINER_OF(k, struct peer, ready));
    }
    if (!list_empty(&s->ready)) server_wake(CONTAINER_OF(list_first(&s->ready), struct peer, ready));
}

static struct endpoint *find_endpoint(const struct server *s, const void *pointer) {
    for (struct link *k = list_first(&s->endpoints); k; k = list_next(&s->endpoints, k))
        if (CONTAINER_OF(k, struct endpoint, link) == pointer) return CONTAINER_OF(k, struct endpoint, link);
    return NULL;
}

// Peers only end in on_turn(), so that every pointer among these events is a living one.
static void on_events(void *context) {
    struct server *s = context;
    struct epoll_event events[LOOP_EVENTS_MAX];
    int count = s->sys->epoll_wait(s->epoll_fd, events, LOOP_EVENTS_MAX, 0);
    for (int i = 0; i < count; i++) {
        struct endpoint *e = find_endpoint(s, events[i].data.ptr);
        if (e) {
            accept_all(s, e);
            continue;
        }
        struct peer *p = events[i].data.ptr;
        if (events[i].events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP)) p->readable = true;
        if (events[i].events & EPOLLOUT) p->writable = true;
        if (events[i].events & EPOLLERR) p->broken = true;
        server_wake(p);
    }
}

// The server ---------------------------------------------------------------------------------------------------------

struct error server_new(struct loop *l, struct server **out) {
    struct server *s = NEW(struct server);
    s->loop = l;
    s->sys = l->sys;
    list_init(&s->endpoints);
    list_init(&s->peers);
    list_init(&s->ready);
    timer_init(&s->turn, on_turn);
    timer_init(&s->accept, on_accept_timer);
    s->epoll_fd = s->sys->epoll_create1(EPOLL_CLOEXEC);
    struct error e = s->epoll_fd < 0
                         ? error_make(ERROR_TRANSPORT, errno, "server", "cannot create an epoll: %s", strerror(errno))
                         : loop_watch(l, s->epoll_fd, on_events, s);
    if (error_is(&e)) {
        if (s->epoll_fd >= 0) s->sys->close(s->epoll_fd);
        memory_free(s);
        return e;
    }
    s->scratch = memory_alloc(CHANNEL_BYTES_PER_TURN);
    *out = s;
    return error_none();
}

void server_free(struct server *s) {
    for (struct link *k; (k = list_first(&s->peers));) peer_end(CONTAINER_OF(k, struct peer, all));
    for (struct link *k; (k = list_take_first(&s->endpoints));) {
        struct endpoint *e = CONTAINER_OF(k, struct endpoint, link);
        s->sys->close(e->fd);
        memory_free(e);
    }
    timer_cancel(&loop_environment(s->loop)->timers, &s->turn);
    timer_cancel(&loop_environment(s->loop)->timers, &s->accept);
    loop_unwatch(s->loop, s->epoll_fd);
    s->sys->close(s->epoll_fd);
    memory_free(s->scratch);
    memory_free(s);
}

// A listening socket at one address, or -1 and errno.
static int listen_at(const struct server *s, const struct addrinfo *a) {
    int one = 1;
    int fd = s->sys->socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    s->sys->setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (s->sys->bind(fd, a->ai_addr, a->ai_addrlen) == 0 && s->sys->listen(fd, SOMAXCONN) == 0) return fd;
    int code = errno;
    s->sys->close(fd);
    errno = code;
    return -1;
}

static bool is_elsewhere(int code) {
    return code == EADDRNOTAVAIL || code == EAFNOSUPPORT;
}

struct error server_listen(struct server *s, const char *host, uint16_t port, const struct server_protocol *protocol,
                           void *context) {
    assert(port != 0);
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
    int failure = s->sys->getaddrinfo(host, service, &hints, &found);
    if (failure != 0)
        return error_make(ERROR_TRANSPORT, 0, "server", "cannot listen at %s:%u: %s", host, port,
                          gai_strerror(failure));
    int fd = listen_at(s, found);
    // Many hosts have no IPv6, but a localhost that names ::1 first. (A port that is taken is another matter.)
    for (struct addrinfo *a = found->ai_next; fd < 0 && is_elsewhere(errno) && a; a = a->ai_next) fd = listen_at(s, a);
    int code = errno;
    s->sys->freeaddrinfo(found);
    if (fd < 0)
        return error_make(ERROR_TRANSPORT, code, "server", "cannot listen at %s:%u: %s", host, port, strerror(code));
    struct endpoint *e = NEW(struct endpoint);
    *e = (struct endpoint){.fd = fd, .protocol = protocol, .context = context};
    list_append(&s->endpoints, &e->link);
    if (watch(s, EPOLL_CTL_ADD, fd, EPOLLIN, e)) return error_none();
    code = errno;
    list_remove(&e->link);
    s->sys->close(fd);
    memory_free(e);
    return error_make(ERROR_TRANSPORT, code, "server", "cannot watch %s:%u: %s", host, port, strerror(code));
}
