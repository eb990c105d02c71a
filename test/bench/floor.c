// The floor of the benchmark: a bare copying loop that promises nothing, to hold every real mirror against.
//
// floor SOURCE DESTINATION TOPIC END[,END...] [FETCH_KIB]
// SOURCE and DESTINATION are host:port of a broker; END is where partition 0, 1, ... ends. The topic must exist at
// both, empty at the destination. One connection fetches, one for each leader produces; batches are forwarded unopened,
// one of each partition in a request, because a broker refuses two. Producer ids stay: the destination must be fresh.
// FETCH_KIB makes fetches smaller than they are best: for who wants brokers to be busy.
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define FETCH_KIB_BEST (8 << 10)
#define FETCH_WAIT_MS 500
#define DEPTH_MAX 8  // Produce requests without an answer, of one connection
#define PRODUCE_TIMEOUT_MS 30000
#define PARTITIONS_MAX 4096
#define LEADERS_MAX 8
#define FRAME_MAX (64 << 20)
#define TOPIC_MAX 249
#define HEADERS_MAX (DEPTH_MAX * (TOPIC_MAX + 64 + 8 * PARTITIONS_MAX))
#define PIECES_MAX (DEPTH_MAX * 2 * PARTITIONS_MAX)
#define PIECES_AT_ONCE_MAX 1024  // of one sendmsg(); IOV_MAX
#define BATCHES_OF_PARTITION 4   // that a partition's share of a fetch has room for, where there are many partitions
#define BATCH_HEADER_SIZE 61

enum api { PRODUCE = 0, FETCH = 1, METADATA = 3 };

// A response as it is read: its size first, then its bytes.
struct frame {
    uint8_t *at;
    size_t capacity, size, got;  // of the body; size 0 until the prefix is there
    uint8_t prefix[4];
};

struct partition {
    int64_t next, end;    // fetched up to, and to be copied up to
    uint8_t *at, *until;  // what of the last fetch is to be sent
    int leader;           // index of its leader's connection
};

struct leader {
    int fd, node;
    int in_flight;
    struct frame answer;
    uint8_t headers[HEADERS_MAX];  // of the requests in `pieces`
    size_t headers_size;
    struct iovec pieces[PIECES_MAX];
    size_t pieces_first, pieces_count;
};

struct copy {
    const char *topic;
    struct partition partitions[PARTITIONS_MAX];
    int partitions_count;
    struct leader leaders[LEADERS_MAX];
    int leaders_count;
    int source;
    bool fetching, fetched;
    struct frame frames[2];  // one is filled while the other is sent
    int filling;
    int fetch_first;    // whose turn it is in the next fetch
    int64_t fetch_bytes_max;
    int64_t batch_max;  // bytes of the largest batch so far
    int64_t bytes, batches, requests, fetches;
};

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("floor: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

// Fields ------------------------------------------------------------------------------------------------------------

static uint8_t *put(uint8_t *at, int64_t value, int size) {
    for (int i = 0; i < size; i++) at[i] = (uint8_t)(value >> 8 * (size - 1 - i));
    return at + size;
}

static uint8_t *put_string(uint8_t *at, const char *text) {
    size_t size = strlen(text);
    at = put(at, (int64_t)size, 2);
    memcpy(at, text, size);
    return at + size;
}

struct reader {
    uint8_t *at, *end;
};

static uint8_t *take(struct reader *r, int64_t size) {
    if (size < 0 || size > r->end - r->at) die("a response ends too early");
    uint8_t *at = r->at;
    r->at += size;
    return at;
}

static int64_t get(struct reader *r, int size) {
    const uint8_t *at = take(r, size);
    uint64_t value = at[0] & 0x80 ? UINT64_MAX : 0;
    for (int i = 0; i < size; i++) value = value << 8 | at[i];
    return (int64_t)value;
}

static void skip_string(struct reader *r) {
    int64_t size = get(r, 2);
    if (size > 0) take(r, size);  // null is -1
}

// Connections -------------------------------------------------------------------------------------------------------

static int connect_to(const char *host, const char *port) {
    struct addrinfo wanted = {.ai_socktype = SOCK_STREAM}, *found;
    int failure = getaddrinfo(host, port, &wanted, &found);
    if (failure != 0) die("%s: %s", host, gai_strerror(failure));
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;
    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0 ||
        connect(fd, found->ai_addr, found->ai_addrlen) < 0)
        die("%s:%s: %s", host, port, strerror(errno));
    freeaddrinfo(found);
    return fd;
}

static int connect_to_address(const char *address) {
    const char *colon = strrchr(address, ':');
    char host[256];
    if (!colon || colon - address >= (int)sizeof host) die("%s: expected host:port", address);
    snprintf(host, sizeof host, "%.*s", (int)(colon - address), address);
    return connect_to(host, colon + 1);
}

// Answers where the body goes; the size is filled in by request_end().
static uint8_t *request_begin(uint8_t *at, enum api api, int version) {
    at = put(at + 4, api, 2);
    at = put(at, version, 2);
    at = put(at, 0, 4);  // a broker answers in order: nobody needs correlation ids
    return put_string(at, "floor");
}

static void send_all(int fd, uint8_t *request, const uint8_t *end) {
    put(request, end - request - 4, 4);
    for (const uint8_t *at = request; at < end;) {
        ssize_t sent = send(fd, at, (size_t)(end - at), MSG_NOSIGNAL);
        if (sent < 0) die("send: %s", strerror(errno));
        at += sent;
    }
}

// Reads what is there, without waiting when `flags` says so. True when the response is complete.
static bool frame_receive(struct frame *f, int fd, int flags) {
    for (;;) {
        bool prefix = f->size == 0;
        uint8_t *to = prefix ? f->prefix + f->got : f->at + f->got;
        ssize_t got = recv(fd, to, (prefix ? 4 : f->size) - f->got, flags);
        if (got < 0 && errno == EAGAIN) return false;
        if (got <= 0) die("recv: %s", got == 0 ? "closed by the broker" : strerror(errno));
        f->got += (size_t)got;
        if (!prefix && f->got == f->size) return true;
        if (!prefix || f->got < 4) continue;
        int64_t size = get(&(struct reader){f->prefix, f->prefix + 4}, 4);
        if (size <= 0 || size > FRAME_MAX) die("a response of %lld bytes", (long long)size);
        f->size = (size_t)size;
        f->got = 0;
        if (f->size <= f->capacity) continue;
        free(f->at);
        f->capacity = f->size;
        f->at = malloc(f->capacity);
        if (!f->at) die("no memory");
    }
}

// Its fields after the correlation id; the frame may be used again.
static struct reader frame_read(struct frame *f) {
    struct reader r = {f->at, f->at + f->size};
    f->size = f->got = 0;
    get(&r, 4);
    return r;
}

// Metadata ----------------------------------------------------------------------------------------------------------

static int leader_of(struct copy *c, int64_t node) {
    for (int i = 0; i < c->leaders_count; i++)
        if (c->leaders[i].node == node) return i;
    die("broker %lld leads a partition, but is not known", (long long)node);
}

static void take_brokers(struct copy *c, struct reader *r) {
    for (int64_t n = get(r, 4); n > 0; n--) {
        if (c->leaders_count == LEADERS_MAX) die("more than %d brokers", LEADERS_MAX);
        struct leader *l = &c->leaders[c->leaders_count++];
        l->node = (int)get(r, 4);
        int size = (int)get(r, 2);
        char host[256], port[8];
        snprintf(host, sizeof host, "%.*s", size, (const char *)take(r, size));
        snprintf(port, sizeof port, "%d", (int)get(r, 4));
        skip_string(r);
        l->fd = connect_to(host, port);
    }
}

// Learns who leads the topic's partitions, and connects to all brokers.
static void look_up(struct copy *c, int fd) {
    uint8_t request[512], *at = request_begin(request, METADATA, 7);
    at = put(at, 1, 4);
    at = put_string(at, c->topic);
    send_all(fd, request, put(at, 0, 1));
    struct frame answer = {0};
    frame_receive(&answer, fd, 0);
    struct reader r = frame_read(&answer);
    get(&r, 4);
    take_brokers(c, &r);
    skip_string(&r);
    get(&r, 4);
    if (get(&r, 4) != 1 || get(&r, 2) != 0) die("%s is not at the destination", c->topic);
    skip_string(&r);
    get(&r, 1);
    for (int64_t n = get(&r, 4); n > 0; n--) {
        get(&r, 2);
        int64_t index = get(&r, 4), node = get(&r, 4);
        if (index >= 0 && index < c->partitions_count) c->partitions[index].leader = leader_of(c, node);
        get(&r, 4);
        for (int list = 0; list < 3; list++) take(&r, 4 * get(&r, 4));
    }
    free(answer.at);
}

// Fetch -------------------------------------------------------------------------------------------------------------

static void fetch_send(struct copy *c) {
    int wanted = 0;
    for (int i = 0; i < c->partitions_count; i++) wanted += c->partitions[i].next < c->partitions[i].end;
    if (wanted == 0) return;
    static uint8_t request[512 + 32 * PARTITIONS_MAX];
    uint8_t *at = request_begin(request, FETCH, 11);
    // All of them in each response, because produce requests take one batch of each; but whole batches.
    int64_t share = c->fetch_bytes_max / wanted;
    if (share < BATCHES_OF_PARTITION * c->batch_max) share = BATCHES_OF_PARTITION * c->batch_max;
    at = put(at, -1, 4);
    at = put(at, FETCH_WAIT_MS, 4);
    at = put(at, 1, 4);
    at = put(at, c->fetch_bytes_max, 4);
    at = put(at, 0, 1);
    at = put(at, 0, 4);
    at = put(at, -1, 4);  // no session
    at = put(at, 1, 4);
    at = put_string(at, c->topic);
    at = put(at, wanted, 4);
    for (int k = 0; k < c->partitions_count; k++) {
        int i = (c->fetch_first + k) % c->partitions_count;
        if (c->partitions[i].next >= c->partitions[i].end) continue;
        at = put(at, i, 4);
        at = put(at, -1, 4);
        at = put(at, c->partitions[i].next, 8);
        at = put(at, -1, 8);
        at = put(at, share, 4);
    }
    at = put(at, 0, 4);
    send_all(c->source, request, put_string(at, ""));
    c->fetching = true;
    c->fetches++;
}

// Cuts `size` bytes of records into batches, which is all that is ever looked at.
static void take_records(struct copy *c, struct partition *p, struct reader *r, int64_t size) {
    p->at = p->until = take(r, size);
    while (p->next < p->end && r->at - p->until >= BATCH_HEADER_SIZE) {
        struct reader header = {p->until, r->at};
        int64_t base = get(&header, 8), length = get(&header, 4);
        if (length + 12 > c->batch_max) c->batch_max = length + 12;
        if (length > header.end - header.at) return;  // a fetch may end in the midst of a batch
        take(&header, 11);
        p->next = base + get(&header, 4) + 1;
        put(p->until, 0, 8);  // UnifiedLog refuses other base offsets from clients; the CRC does not cover it
        p->until += 12 + length;
    }
}

static void fetch_take(struct copy *c) {
    struct reader r = frame_read(&c->frames[c->filling]);
    get(&r, 4);
    int64_t error = get(&r, 2);
    get(&r, 4);
    if (error != 0 || get(&r, 4) != 1) die("the source refused a fetch: error %lld", (long long)error);
    skip_string(&r);
    for (int64_t n = get(&r, 4); n > 0; n--) {
        int64_t index = get(&r, 4);
        error = get(&r, 2);
        if (error != 0 || index < 0 || index >= c->partitions_count) die("fetch: error %lld", (long long)error);
        take(&r, 24);
        int64_t aborted = get(&r, 4);
        take(&r, aborted > 0 ? 16 * aborted : 0);
        get(&r, 4);
        int64_t size = get(&r, 4);
        take_records(c, &c->partitions[index], &r, size < 0 ? 0 : size);
        if (size > 0) c->fetch_first = ((int)index + 1) % c->partitions_count;
    }
    c->fetched = false;
    c->filling = !c->filling;
}

// Produce -----------------------------------------------------------------------------------------------------------

static void piece(struct leader *l, void *at, size_t size) {
    assert(l->pieces_count < PIECES_MAX);
    l->pieces[l->pieces_count++] = (struct iovec){at, size};
}

// Adds a request with the next batch of each partition that `l` leads; false when there is none.
static bool produce_add(struct copy *c, int leader) {
    struct leader *l = &c->leaders[leader];
    uint8_t *request = l->headers + l->headers_size, *at = request_begin(request, PRODUCE, 7);
    at = put(at, -1, 2);
    at = put(at, 1, 2);
    at = put(at, PRODUCE_TIMEOUT_MS, 4);
    at = put(at, 1, 4);
    uint8_t *count = at = put_string(at, c->topic);
    uint8_t *start = request;
    at += 4;
    int batches = 0;
    int64_t payload = 0;
    for (int i = 0; i < c->partitions_count; i++) {
        struct partition *p = &c->partitions[i];
        if (p->leader != leader || p->at == p->until) continue;
        int64_t size = get(&(struct reader){p->at + 8, p->until}, 4) + 12;
        at = put(at, i, 4);
        at = put(at, size, 4);
        piece(l, start, (size_t)(at - start));
        piece(l, p->at, (size_t)size);
        start = at;
        p->at += size;
        payload += size;
        batches++;
    }
    if (batches == 0) return false;
    put(count, batches, 4);
    put(request, at - request - 4 + payload, 4);
    l->headers_size = (size_t)(at - l->headers);
    l->in_flight++;
    c->requests++;
    c->batches += batches;
    c->bytes += payload;
    return true;
}

static void produce_send(struct copy *c, int leader) {
    struct leader *l = &c->leaders[leader];
    for (;;) {
        if (l->pieces_first == l->pieces_count) {
            l->pieces_first = l->pieces_count = l->headers_size = 0;
            while (l->in_flight < DEPTH_MAX && produce_add(c, leader)) {
            }
            if (l->pieces_count == 0) return;
        }
        size_t left = l->pieces_count - l->pieces_first;
        struct msghdr message = {.msg_iov = l->pieces + l->pieces_first,
                                 .msg_iovlen = left < PIECES_AT_ONCE_MAX ? left : PIECES_AT_ONCE_MAX};
        ssize_t sent = sendmsg(l->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EAGAIN) return;
        if (sent < 0) die("send: %s", strerror(errno));
        while (sent > 0) {
            struct iovec *first = &l->pieces[l->pieces_first];
            size_t part = (size_t)sent < first->iov_len ? (size_t)sent : first->iov_len;
            first->iov_base = (uint8_t *)first->iov_base + part;
            first->iov_len -= part;
            sent -= (ssize_t)part;
            if (first->iov_len == 0) l->pieces_first++;
        }
    }
}

static void produce_take(struct leader *l) {
    while (l->in_flight > 0 && frame_receive(&l->answer, l->fd, MSG_DONTWAIT)) {
        struct reader r = frame_read(&l->answer);
        get(&r, 4);
        skip_string(&r);
        for (int64_t n = get(&r, 4); n > 0; n--) {
            int64_t index = get(&r, 4), error = get(&r, 2);
            if (error != 0) die("partition %lld refused a batch: error %lld", (long long)index, (long long)error);
            take(&r, 24);
        }
        l->in_flight--;
    }
}

// The loop ----------------------------------------------------------------------------------------------------------

// Everything of the last response is written (and so copied by the kernel).
static bool drained(const struct copy *c) {
    for (int i = 0; i < c->partitions_count; i++)
        if (c->partitions[i].at < c->partitions[i].until) return false;
    for (int i = 0; i < c->leaders_count; i++)
        if (c->leaders[i].pieces_first < c->leaders[i].pieces_count) return false;
    return true;
}

static bool answered(const struct copy *c) {
    for (int i = 0; i < c->leaders_count; i++)
        if (c->leaders[i].in_flight > 0) return false;
    return true;
}

static void wait_and_receive(struct copy *c) {
    struct pollfd polls[LEADERS_MAX + 1];
    for (int i = 0; i < c->leaders_count; i++) {
        struct leader *l = &c->leaders[i];
        bool writing = l->pieces_first < l->pieces_count;
        polls[i] = (struct pollfd){l->fd, (short)((l->in_flight > 0 ? POLLIN : 0) | (writing ? POLLOUT : 0)), 0};
    }
    polls[c->leaders_count] = (struct pollfd){c->source, c->fetching ? POLLIN : 0, 0};
    if (poll(polls, (nfds_t)c->leaders_count + 1, -1) < 0) die("poll: %s", strerror(errno));
    for (int i = 0; i < c->leaders_count; i++)
        if (polls[i].revents & ~POLLOUT) produce_take(&c->leaders[i]);
    if (polls[c->leaders_count].revents && c->fetching &&
        frame_receive(&c->frames[c->filling], c->source, MSG_DONTWAIT)) {
        c->fetching = false;
        c->fetched = true;
    }
}

static void run(struct copy *c) {
    fetch_send(c);
    for (;;) {
        if (c->fetched && drained(c)) {
            fetch_take(c);
            fetch_send(c);
        }
        for (int i = 0; i < c->leaders_count; i++) produce_send(c, i);
        if (!c->fetching && !c->fetched && drained(c) && answered(c)) return;
        wait_and_receive(c);
    }
}

static void take_ends(struct copy *c, const char *ends) {
    for (const char *at = ends; *at;) {
        if (c->partitions_count == PARTITIONS_MAX) die("more than %d partitions", PARTITIONS_MAX);
        char *after;
        c->partitions[c->partitions_count++].end = strtoll(at, &after, 10);
        if (after == at || (*after && *after != ',')) die("%s: expected offsets with commas in between", ends);
        at = *after ? after + 1 : after;
    }
}

int main(int argc, char **argv) {
    if (argc != 5 && argc != 6) die("usage: floor SOURCE DESTINATION TOPIC END[,END...] [FETCH_KIB]");
    static struct copy c;
    int64_t kib = argc == 6 ? strtoll(argv[5], NULL, 10) : FETCH_KIB_BEST;
    if (kib < 1 || kib > FETCH_KIB_BEST) die("%s: expected 1 to %d KiB", argv[5], FETCH_KIB_BEST);
    c.fetch_bytes_max = kib << 10;
    c.topic = argv[3];
    if (strlen(c.topic) > TOPIC_MAX) die("%s: longer than a topic's name may be", c.topic);
    take_ends(&c, argv[4]);
    int fd = connect_to_address(argv[2]);
    look_up(&c, fd);
    close(fd);
    c.source = connect_to_address(argv[1]);
    run(&c);
    printf("%lld bytes in %lld batches, %lld fetches and %lld produce requests\n", (long long)c.bytes,
           (long long)c.batches, (long long)c.fetches, (long long)c.requests);
    return 0;
}
