// One connection's socket: connecting to a broker's addresses in turn, then moving bytes as long as both sides can.
#include "base/memory.h"
#include "io/loop_private.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#define HOST_SHOWN 64  // so that a long name leaves room for what went wrong

// Slots -------------------------------------------------------------------------------------------------------------

static uint64_t channel_token(const struct channel *ch) {
    return (uint64_t)ch->generation << 32 | (ch->place + 1);
}

struct channel *channel_find(struct loop *l, uint64_t token) {
    uint32_t place = (uint32_t)token - 1;
    assert(place < l->channels_count);
    struct channel *ch = l->channels[place];
    return ch->state != CHANNEL_FREE && channel_token(ch) == token ? ch : NULL;
}

static void on_address_timer(struct timer *t, int64_t now_us);

static struct channel *channel_new(struct loop *l) {
    if (l->channels_count == l->channels_capacity) {
        l->channels_capacity = l->channels_capacity ? l->channels_capacity * 2 : 16;
        l->channels = memory_resize(l->channels, l->channels_capacity * sizeof *l->channels);
    }
    struct channel *ch = NEW(struct channel);
    ch->loop = l;
    ch->place = l->channels_count;
    ch->fd = -1;
    timer_init(&ch->address_timer, on_address_timer);
    l->channels[l->channels_count++] = ch;
    return ch;
}

static void channel_queue(struct channel *ch) {
    if (!link_linked(&ch->link)) list_append(&ch->loop->ready, &ch->link);
}

static void channel_close_socket(struct channel *ch) {
    timer_cancel(&ch->loop->env.timers, &ch->address_timer);
    if (ch->fd < 0) return;
    ch->loop->sys->close(ch->fd);
    ch->fd = -1;
}

static void channel_release(struct channel *ch) {
    struct loop *l = ch->loop;
    channel_close_socket(ch);
    // A name may have moved: where its addresses lead nowhere it is looked up again.
    if (ch->tried > 0 && ch->state != CHANNEL_OPEN)
        resolver_doubt(l->resolver, l->env.now_us, ch->options.host, ch->addresses.found_us);
    if (link_linked(&ch->link)) list_remove(&ch->link);
    ch->c->driver_slot = 0;
    ch->c = NULL;
    ch->state = CHANNEL_FREE;
    ch->generation++;
    l->channels_open--;
    list_append(&l->free, &ch->link);
}

// The core's calls --------------------------------------------------------------------------------------------------

static void transport_open(void *driver, struct connection *c, const struct transport_options *options) {
    struct loop *l = driver;
    assert(c->driver_slot == 0);
    struct link *k = list_take_first(&l->free);
    struct channel *ch = k ? CONTAINER_OF(k, struct channel, link) : channel_new(l);
    assert(ch->state == CHANNEL_FREE && ch->fd < 0);
    ch->state = CHANNEL_STARTING;
    ch->c = c;
    ch->options = *options;
    ch->give_up_us = l->env.now_us + options->open_timeout_us;
    ch->tried = 0;
    c->driver_slot = channel_token(ch);
    l->channels_open++;
    channel_queue(ch);
}

static void transport_close(void *driver, struct connection *c, bool abort) {
    struct loop *l = driver;
    if (c->driver_slot == 0) return;
    struct channel *ch = channel_find(l, c->driver_slot);
    assert(ch && ch->c == c);
    if (abort && ch->fd >= 0) {
        struct linger reset = {.l_onoff = 1, .l_linger = 0};
        l->sys->setsockopt(ch->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    channel_release(ch);
}

static void transport_wake(void *driver, struct connection *c) {
    if (c->driver_slot == 0) return;
    struct channel *ch = channel_find(driver, c->driver_slot);
    assert(ch && ch->c == c);
    if (ch->state == CHANNEL_OPEN) channel_queue(ch);
}

const struct transport channel_transport = {transport_open, transport_close, transport_wake};

// Failures ----------------------------------------------------------------------------------------------------------

// The channel is free before the core hears of it, which may open the connection again at once.
static void channel_fail(struct channel *ch, struct error why) {
    struct connection *c = ch->c;
    channel_release(ch);
    connection_failed(c, &why);
}

static void print_address(const struct sockaddr_storage *address, char out[INET6_ADDRSTRLEN]) {
    const void *at = address->ss_family == AF_INET6 ? (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr
                                                    : (const void *)&((const struct sockaddr_in *)address)->sin_addr;
    if (!inet_ntop(address->ss_family, at, out, INET6_ADDRSTRLEN)) out[0] = 0;
}

static const char *advice(int code) {
    if (code == EMFILE) return " (raise this process's limit of open files: ulimit -n, LimitNOFILE)";
    if (code == ENFILE) return " (the whole host has no more open files: fs.file-max)";
    return "";
}

static void channel_fail_connect(struct channel *ch, int code) {
    const struct transport_options *o = &ch->options;
    char address[INET6_ADDRSTRLEN] = "", via[INET6_ADDRSTRLEN + 4] = "";
    if (ch->tried > 0) print_address(&ch->addresses.at[ch->address], address);
    if (address[0] && strcmp(address, o->host) != 0) snprintf(via, sizeof via, " (%s)", address);
    channel_fail(ch, error_make(ERROR_TRANSPORT, code, "connect", "cannot connect to %.*s:%u%s: %s%s", HOST_SHOWN,
                                o->host, o->port, via, strerror(code), advice(code)));
}

// `code` 0: the broker closed the connection in an orderly way.
static void channel_fail_open(struct channel *ch, int code) {
    const struct transport_options *o = &ch->options;
    const char *what = code == 0 ? "closed by the broker" : strerror(code);
    channel_fail(ch, error_make(ERROR_TRANSPORT, code, "transport", "%.*s:%u: %s", HOST_SHOWN, o->host, o->port, what));
}

// Connecting --------------------------------------------------------------------------------------------------------

// Answers 0 or an error number. SO_RCVBUF and SO_SNDBUF are left alone: setting them turns off the kernel's autotuning.
static int set_options(const struct channel *ch) {
    const struct {
        int level, name, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, ch->options.unacknowledged_ms_max},
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S},
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        int value = options[i].value;
        int result = ch->loop->sys->setsockopt(ch->fd, options[i].level, options[i].name, &value, sizeof value);
        if (result < 0) return errno;
    }
    return 0;
}

// Starts connect() to one address. Answers 0 or an error number; the event tells how it went.
static int connect_address(struct channel *ch, struct sockaddr_storage *address) {
    const struct system_calls *sys = ch->loop->sys;
    ch->fd = sys->socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (ch->fd < 0) return errno;
    int code = set_options(ch);
    if (code != 0) return code;
    address_set_port(address, ch->options.port);
    int result = sys->connect(ch->fd, (const struct sockaddr *)address, address_size(address));
    if (result < 0 && errno != EINPROGRESS && errno != EINTR) return errno;
    ch->readable = ch->writable = ch->hangup = ch->broken = false;
    ch->wanted = 1;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.u64 = channel_token(ch)};
    if (sys->epoll_ctl(ch->loop->epoll_fd, EPOLL_CTL_ADD, ch->fd, &event) < 0) return errno;
    return 0;
}

// An address has its share only where that leaves half as much for the next one before the connection's own time-out,
// else all of the rest: none shall be passed over for want of time.
static void limit_address(struct channel *ch) {
    struct environment *env = &ch->loop->env;
    int64_t us = ch->options.open_timeout_us / CONNECT_ADDRESSES_MIN;
    if (us > CONNECT_ADDRESS_US_MAX) us = CONNECT_ADDRESS_US_MAX;
    if (ch->tried == ch->addresses.count || ch->give_up_us - env->now_us < us + us / 2) return;
    timer_set(&env->timers, &ch->address_timer, env->now_us + us);
}

// Goes on with the next address after `code`. Out of addresses, or out of files (where the next could do no better),
// the connection has failed. The next opening begins behind the address this one ended at: its time-out may come
// before all had their turn, and shares of it for many would be too short for a long line.
static void connect_next(struct channel *ch, int code) {
    channel_close_socket(ch);
    ch->c->driver_waits = "to connect";
    while (ch->tried < ch->addresses.count && code != EMFILE && code != ENFILE) {
        ch->address = ch->c->driver_address % ch->addresses.count;
        ch->c->driver_address = (uint32_t)ch->address + 1;
        ch->tried++;
        code = connect_address(ch, &ch->addresses.at[ch->address]);
        if (code == 0) {
            ch->state = CHANNEL_CONNECTING;
            limit_address(ch);
            return;
        }
        channel_close_socket(ch);
    }
    channel_fail_connect(ch, code);
}

static void on_address_timer(struct timer *t, int64_t now_us) {
    (void)now_us;
    connect_next(CONTAINER_OF(t, struct channel, address_timer), ETIMEDOUT);
}

static void channel_start(struct channel *ch) {
    struct loop *l = ch->loop;
    if (l->channels_open > LOOP_CONNECTIONS_MAX) {
        channel_fail(ch, error_make(ERROR_LIMIT, 0, "connect", "cannot connect to %.*s:%u: %d connections are open",
                                    HOST_SHOWN, ch->options.host, ch->options.port, LOOP_CONNECTIONS_MAX));
        return;
    }
    if (resolve_numeric(l->sys, ch->options.host, &ch->addresses) ||
        resolver_recall(l->resolver, l->env.now_us, ch->options.host, &ch->addresses)) {
        connect_next(ch, 0);
        return;
    }
    ch->state = CHANNEL_RESOLVING;
    ch->c->driver_waits = "to look up its name";
    struct error e = resolver_ask(l->resolver, l->env.now_us, ch->options.host);
    if (error_is(&e)) channel_fail(ch, e);
}

void channel_on_addresses(struct channel *ch, const struct resolve_answer *answer) {
    assert(ch->state == CHANNEL_RESOLVING);
    if (answer->failure != 0) {
        const char *what = answer->failure == EAI_SYSTEM ? strerror(answer->code) : gai_strerror(answer->failure);
        channel_fail(ch, error_make(ERROR_TRANSPORT, answer->code, "resolve",
                                    "cannot look up %.*s: %s (names come from bootstrap.servers and the brokers' "
                                    "advertised.listeners)",
                                    HOST_SHOWN, ch->options.host, what));
        return;
    }
    ch->addresses = *answer->addresses;
    connect_next(ch, 0);
}

static int pending_error(const struct channel *ch) {
    int code = 0;
    socklen_t size = sizeof code;
    return ch->loop->sys->getsockopt(ch->fd, SOL_SOCKET, SO_ERROR, &code, &size) < 0 ? errno : code;
}

// The kernel's, of the handshake: 0 if it does not say.
static int64_t way_us(const struct channel *ch) {
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    int failed = ch->loop->sys->getsockopt(ch->fd, IPPROTO_TCP, TCP_INFO, &info, &size);
    return failed ? 0 : info.tcpi_rtt;
}

static void finish_connect(struct channel *ch) {
    if (!ch->writable) return;
    int code = pending_error(ch);
    if (code != 0) {
        connect_next(ch, code);
        return;
    }
    timer_cancel(&ch->loop->env.timers, &ch->address_timer);
    ch->state = CHANNEL_OPEN;
    channel_queue(ch);
    connection_opened(ch->c, way_us(ch));
}

// Moving bytes ------------------------------------------------------------------------------------------------------

enum moved {
    MOVED_ALL,   // nothing to do before the next event or wake
    MOVED_PART,  // its share of this turn is used up
    MOVED_AWAY,  // the connection was closed, and perhaps opened again: the channel is another one's now
};

static enum moved channel_broke(struct channel *ch, int code) {
    channel_fail_open(ch, code);
    return MOVED_AWAY;
}

static enum moved channel_receive(struct channel *ch) {
    struct loop *l = ch->loop;
    uint32_t generation = ch->generation;
    size_t left = CHANNEL_BYTES_PER_TURN;
    while (ch->readable && left > 0) {
        struct connection_space space = connection_input(ch->c);
        if (ch->generation != generation) return MOVED_AWAY;
        // While reading is paused no recv() tells that the connection is dead.
        if (space.size == 0) return ch->broken ? channel_broke(ch, pending_error(ch)) : MOVED_ALL;
        if (space.size > left) space.size = left;
        ssize_t got = l->sys->recv(ch->fd, space.at, space.size, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EAGAIN) {
            ch->readable = false;
            return MOVED_ALL;
        }
        if (got <= 0) return channel_broke(ch, got < 0 ? errno : 0);
        // A short read emptied the socket (epoll(7)); only the end of the stream may be behind it.
        if ((size_t)got < space.size && !ch->hangup) ch->readable = false;
        left -= (size_t)got;
        ch->c->driver_address = (uint32_t)ch->address;  // the next opening begins with who says something
        loop_refresh_clocks(l);
        connection_received(ch->c, (size_t)got);
        if (ch->generation != generation) return MOVED_AWAY;
    }
    return left == 0 ? MOVED_PART : MOVED_ALL;
}

// Answers how many ranges there are to write, and their size; the clock is read here because the connection's fence
// looks at it.
static size_t gather_output(struct channel *ch, struct iovec out[CHANNEL_RANGES_MAX], size_t *size) {
    struct bytes ranges[CHANNEL_RANGES_MAX];
    loop_refresh_clocks(ch->loop);
    size_t count = connection_output(ch->c, ranges, CHANNEL_RANGES_MAX);
    *size = 0;
    for (size_t i = 0; i < count; i++) {
        out[i] = (struct iovec){(void *)ranges[i].at, ranges[i].size};
        *size += ranges[i].size;
    }
    return count;
}

static enum moved channel_send(struct channel *ch) {
    uint32_t generation = ch->generation;
    size_t moved = 0;
    while (ch->writable && moved < CHANNEL_BYTES_PER_TURN) {
        if (!connection_has_output(ch->c)) return MOVED_ALL;
        struct iovec ranges[CHANNEL_RANGES_MAX];
        size_t size;
        struct msghdr message = {.msg_iov = ranges, .msg_iovlen = gather_output(ch, ranges, &size)};
        if (ch->generation != generation) return MOVED_AWAY;
        if (message.msg_iovlen == 0) return MOVED_ALL;
        ssize_t sent = ch->loop->sys->sendmsg(ch->fd, &message, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && errno == EAGAIN) {
            ch->writable = false;
            return MOVED_ALL;
        }
        if (sent < 0) return channel_broke(ch, errno);
        // A short write filled the socket's buffer (epoll(7)): an event says when there is room again.
        if ((size_t)sent < size) ch->writable = false;
        moved += (size_t)sent;
        connection_sent(ch->c, (size_t)sent);
        if (ch->generation != generation) return MOVED_AWAY;
    }
    return ch->writable ? MOVED_PART : MOVED_ALL;
}

// Fewer bytes than are worth it do not wake us.
static void channel_want(struct channel *ch) {
    size_t wanted = connection_input_wanted(ch->c);
    if (ch->readable || wanted == ch->wanted) return;
    int value = (int)wanted;
    if (ch->loop->sys->setsockopt(ch->fd, SOL_SOCKET, SO_RCVLOWAT, &value, sizeof value) == 0) ch->wanted = wanted;
}

// Answers are taken in before more is asked: what they cause goes out in the same turn.
static void channel_move(struct channel *ch) {
    enum moved received = channel_receive(ch);
    if (received == MOVED_AWAY) return;
    enum moved sent = channel_send(ch);
    if (sent == MOVED_AWAY) return;
    if (received == MOVED_PART || sent == MOVED_PART) channel_queue(ch);
    channel_want(ch);
}

void channel_on_events(struct channel *ch, uint32_t events) {
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) ch->readable = true;
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) ch->writable = true;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) ch->hangup = true;
    if (events & EPOLLERR) ch->broken = true;
    channel_queue(ch);
}

void channel_run(struct channel *ch) {
    switch (ch->state) {
    case CHANNEL_STARTING: channel_start(ch); break;
    case CHANNEL_CONNECTING: finish_connect(ch); break;
    case CHANNEL_OPEN: channel_move(ch); break;
    case CHANNEL_RESOLVING:
    case CHANNEL_FREE: assert(!"a ready channel has something to do");
    }
}
