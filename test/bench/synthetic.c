// The synthetic broker's program: listens, reads requests, and says on demand how much went through.
//
// synthetic source HOST:PORT TOPIC PARTITIONS BATCH_BYTES BATCHES    (of each partition)
// synthetic sink HOST:PORT TOPIC PARTITIONS BATCH_BYTES    (a synthetic source's, or 0 when it is a real one)
// Prints "listening"; then answers each line on stdin with "BYTES BATCHES REQUESTS" so far, and ends with stdin.
#include "synthetic.h"

#include "base/limits.h"
#include "base/memory.h"
#include "wire/frame.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define RANGES_MAX 1024  // of one writev(); IOV_MAX

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("synthetic: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

// Reading -----------------------------------------------------------------------------------------------------------

const uint8_t *peer_need(struct peer *p, size_t size) {
    assert(size <= sizeof p->in);
    if (p->end - p->at < size && p->at + size > sizeof p->in) {
        memmove(p->in, p->in + p->at, p->end - p->at);
        p->end -= p->at;
        p->at = 0;
    }
    while (p->end - p->at < size) {
        ssize_t got = recv(p->fd, p->in + p->end, sizeof p->in - p->end, 0);
        if (got <= 0) return NULL;
        p->end += (size_t)got;
    }
    return p->in + p->at;
}

const uint8_t *peer_take(struct peer *p, size_t size) {
    const uint8_t *at = peer_need(p, size);
    if (at) p->at += size;
    if (p->at == p->end) p->at = p->end = 0;  // the pointer stays good until more is read
    return at;
}

bool peer_skip(struct peer *p, size_t size) {
    size_t here = p->end - p->at < size ? p->end - p->at : size;
    p->at += here;
    if (p->at == p->end) p->at = p->end = 0;
    for (size -= here; size > 0;) {
        ssize_t got = recv(p->fd, NULL, size, MSG_TRUNC);  // TCP drops it without copying
        if (got <= 0) return false;
        size -= (size_t)got;
    }
    return true;
}

bool peer_read(struct peer *p, uint8_t *to, size_t size) {
    while (size > 0) {
        size_t part = size < sizeof p->in ? size : sizeof p->in;
        const uint8_t *at = peer_take(p, part);
        if (!at) return false;
        memcpy(to, at, part);
        to += part;
        size -= part;
    }
    return true;
}

// Writing -----------------------------------------------------------------------------------------------------------

static bool write_all(int fd, struct iovec *ranges, size_t count) {
    while (count > 0) {
        ssize_t sent = writev(fd, ranges, (int)(count < RANGES_MAX ? count : RANGES_MAX));
        if (sent < 0) return false;
        for (; count > 0 && (size_t)sent >= ranges->iov_len; ranges++, count--) sent -= (ssize_t)ranges->iov_len;
        if (count > 0 && sent > 0) {
            ranges->iov_base = (uint8_t *)ranges->iov_base + sent;
            ranges->iov_len -= (size_t)sent;
        }
    }
    return true;
}

bool peer_send(struct peer *p, const struct wire_cut *cuts, size_t cuts_count) {
    struct iovec *ranges = memory_alloc((2 * cuts_count + 1) * sizeof *ranges);
    size_t count = 0, at = 0;
    for (size_t i = 0; i < cuts_count; i++) {
        if (cuts[i].offset > at) ranges[count++] = (struct iovec){p->out.at + at, cuts[i].offset - at};
        at = cuts[i].offset;
        ranges[count++] = (struct iovec){(void *)(uintptr_t)cuts[i].payload.at, (size_t)cuts[i].payload.size};
    }
    if (p->out.size > at) ranges[count++] = (struct iovec){p->out.at + at, p->out.size - at};
    bool written = write_all(p->fd, ranges, count);
    memory_free(ranges);
    return written;
}

// Connections -------------------------------------------------------------------------------------------------------

static bool serve_other(struct peer *p, struct peer_call *call) {
    struct frame_request_header header;
    struct bytes frame;
    size_t consumed;
    buffer_clear(&p->body);
    uint8_t *body = buffer_extend(&p->body, call->size);
    if (!body || !peer_take(p, 4) || !peer_read(p, body, call->size)) return false;
    frame = (struct bytes){p->body.at, p->body.size};
    struct error e = frame_decode_request_header(frame, &header, &consumed);
    if (error_is(&e)) die("a request that cannot be read: %s", e.detail);
    arena_reset(&p->arena);
    void *request = arena_alloc(&p->arena, message_struct_size(call->api->request));
    frame = (struct bytes){frame.at + consumed, frame.size - consumed};
    if (!request) die("no room for a request");
    e = message_decode(call->api->request, call->version, frame, &p->arena, request, &consumed);
    if (error_is(&e)) die("%s: %s", call->api->name, e.detail);
    return answer(p, call, request);
}

static bool serve(struct peer *p) {
    const uint8_t *head = peer_need(p, 12);
    if (!head) return false;
    int16_t key = (int16_t)load_be16(head + 4);
    struct peer_call call = {.api = api_find(key),
                             .version = (int16_t)load_be16(head + 6),
                             .correlation_id = (int32_t)load_be32(head + 8),
                             .size = load_be32(head)};
    if (!answer_is_known(key, call.version)) die("API %d version %d is not known here", key, call.version);
    return key == API_PRODUCE ? produce_take(p, &call) : serve_other(p, &call);
}

static void *connection_main(void *context) {
    struct peer *p = context;
    buffer_init(&p->body, SYNTHETIC_OUTPUT_MAX);
    buffer_init(&p->out, SYNTHETIC_OUTPUT_MAX);
    arena_init(&p->arena, DECODE_ARENA_MAX);
    list_init(&p->order);
    while (serve(p)) {
    }
    close(p->fd);
    buffer_free(&p->body);
    buffer_free(&p->out);
    arena_free(&p->arena);
    memory_free(p->seats);
    memory_free(p->image);
    memory_free(p);
    return NULL;
}

static void *accept_main(void *context) {
    const int *listener = ((void **)context)[0];
    for (;;) {
        int fd = accept(*listener, NULL, NULL), one = 1;
        if (fd < 0) die("accept: %s", strerror(errno));
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct peer *p = NEW(struct peer);
        p->world = ((void **)context)[1];
        p->fd = fd;
        pthread_t thread;
        if (pthread_create(&thread, NULL, connection_main, p) != 0 || pthread_detach(thread) != 0) die("no thread");
    }
    return NULL;
}

static int listen_at(struct synthetic *s, char *address) {
    char *colon = strrchr(address, ':');
    struct sockaddr_in where = {.sin_family = AF_INET};
    if (!colon) die("%s: expected HOST:PORT", address);
    *colon = '\0';
    s->host = address;
    s->port = (uint16_t)strtol(colon + 1, NULL, 10);
    where.sin_port = htons(s->port);
    if (inet_pton(AF_INET, address, &where.sin_addr) != 1) die("%s: expected an IPv4 address", address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        bind(fd, (const struct sockaddr *)&where, sizeof where) < 0 || listen(fd, 128) < 0)
        die("%s:%u: %s", address, s->port, strerror(errno));
    return fd;
}

static int64_t number(const char *text, int64_t min, int64_t max) {
    char *end;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end || value < min || value > max)
        die("%s: expected a number from %lld to %lld", text, (long long)min, (long long)max);
    return value;
}

int main(int argc, char **argv) {
    static struct synthetic s = {.lock = PTHREAD_MUTEX_INITIALIZER};
    s.sink = argc == 6 && strcmp(argv[1], "sink") == 0;
    if (!s.sink && (argc != 7 || strcmp(argv[1], "source") != 0))
        die("usage: synthetic source|sink HOST:PORT TOPIC PARTITIONS BATCH_BYTES [BATCHES, of each of a source's]");
    s.topic = argv[3];
    memset(s.topic_id.at, s.sink ? 0x52 : 0x51, sizeof s.topic_id.at);
    s.partitions_count = (int32_t)number(argv[4], 1, SYNTHETIC_PARTITIONS_MAX);
    s.logs = memory_alloc_zeroed((size_t)s.partitions_count, sizeof *s.logs);
    s.batch_size = (int32_t)number(argv[5], s.sink ? 0 : SYNTHETIC_BATCH_MIN, SYNTHETIC_BATCH_MAX);
    if (s.batch_size > 0) s.batch = batch_make(&s.batch_size);
    for (int32_t i = 0; i < s.partitions_count && !s.sink; i++) s.logs[i].end = number(argv[6], 0, INT32_MAX);
    int listener = listen_at(&s, argv[2]);
    void *context[] = {&listener, &s};
    pthread_t thread;
    if (pthread_create(&thread, NULL, accept_main, context) != 0) die("no thread");
    puts("listening");
    char line[64];
    for (fflush(stdout); fgets(line, sizeof line, stdin); fflush(stdout))
        printf("%lld %lld %lld\n", s.bytes, s.batches, s.requests);
    return 0;
}
