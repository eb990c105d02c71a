// The blocking client: see client.h.
#define _GNU_SOURCE  // memrchr()
#include "traffic/client.h"

#include "base/limits.h"
#include "base/memory.h"
#include "wire/error_codes.h"
#include "wire/frame.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CLIENT_ID "traffic"
#define TRIES_MAX 300
#define TRY_AGAIN_NS 100000000
#define SILENCE_SECONDS_MAX 30

void client_fail(const char *format, ...) {
    va_list values;
    va_start(values, format);
    fputs("traffic: ", stderr);
    vfprintf(stderr, format, values);
    fputc('\n', stderr);
    va_end(values);
    exit(1);
}

int64_t client_number(const char *text) {
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (errno || end == text || (*end && *end != ',') || n < 0) client_fail("%s: expected a number", text);
    return n;
}

static void split_address(const char *address, struct client_broker *b) {
    size_t size = strcspn(address, ",");  // the first of a list will do
    const char *colon = memrchr(address, ':', size);
    if (!colon || (size_t)(colon - address) >= sizeof b->host) client_fail("%s: expected host:port", address);
    snprintf(b->host, sizeof b->host, "%.*s", (int)(colon - address), address);
    b->port = (uint16_t)client_number(colon + 1);
}

void client_open(struct client *c, const char *bootstrap) {
    *c = (struct client){.bootstrap = {.id = -1, .fd = -1}};
    split_address(bootstrap, &c->bootstrap);
    buffer_init(&c->out, FRAME_SIZE_MAX);
    buffer_init(&c->in, FRAME_SIZE_MAX);
    arena_init(&c->arena, DECODE_ARENA_MAX);
}

static void disconnect(struct client_broker *b) {
    if (b->fd >= 0) close(b->fd);
    b->fd = -1;
}

void client_close(struct client *c) {
    disconnect(&c->bootstrap);
    for (int32_t i = 0; i < c->brokers_count; i++) disconnect(&c->brokers[i]);
    buffer_free(&c->out);
    buffer_free(&c->in);
    arena_free(&c->arena);
}

static struct client_broker *find_broker(struct client *c, int32_t node) {
    for (int32_t i = 0; i < c->brokers_count; i++)
        if (c->brokers[i].id == node) return &c->brokers[i];
    if (node >= 0) client_fail("broker %d is not known", node);
    return &c->bootstrap;
}

static void connect_broker(struct client_broker *b) {
    if (b->fd >= 0) return;
    char service[8];
    snprintf(service, sizeof service, "%u", b->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    int failure = getaddrinfo(b->host, service, &hints, &found);
    if (failure) client_fail("%s: %s", b->host, gai_strerror(failure));
    b->fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (b->fd < 0 || connect(b->fd, found->ai_addr, found->ai_addrlen) < 0)
        client_fail("cannot connect to %s:%u: %s", b->host, b->port, strerror(errno));
    freeaddrinfo(found);
    int one = 1;
    struct timeval patience = {.tv_sec = SILENCE_SECONDS_MAX};
    setsockopt(b->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(b->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
}

static void send_all(const struct client_broker *b, struct bytes what) {
    while (what.size > 0) {
        ssize_t n = send(b->fd, what.at, what.size, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) client_fail("%s:%u: cannot send: %s", b->host, b->port, strerror(errno));
        what.at += n;
        what.size -= (size_t)n;
    }
}

static void receive_exactly(const struct client_broker *b, uint8_t *at, size_t size) {
    while (size > 0) {
        ssize_t n = recv(b->fd, at, size, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n == 0) client_fail("%s:%u closed the connection", b->host, b->port);
        if (n < 0) client_fail("%s:%u: cannot receive: %s", b->host, b->port, strerror(errno));
        at += n;
        size -= (size_t)n;
    }
}

void client_call(struct client *c, int32_t node, int16_t api_key, int16_t version, const void *request,
                 void *response) {
    const struct api *api = api_find(api_key);
    struct client_broker *b = find_broker(c, node);
    connect_broker(b);
    buffer_clear(&c->out);
    struct error e = frame_encode_request(api, version, ++c->correlation_id, CLIENT_ID, request, &c->out, NULL, NULL);
    if (error_is(&e)) client_fail("%s", e.detail);
    send_all(b, (struct bytes){c->out.at, c->out.size});
    uint8_t prefix[4];
    receive_exactly(b, prefix, sizeof prefix);
    buffer_clear(&c->in);
    uint8_t *frame = buffer_extend(&c->in, load_be32(prefix));
    if (!frame) client_fail("%s:%u announces %u bytes", b->host, b->port, load_be32(prefix));
    receive_exactly(b, frame, c->in.size);
    arena_reset(&c->arena);
    e = frame_decode_response(api, version, c->correlation_id, (struct bytes){frame, c->in.size}, &c->arena, response);
    if (error_is(&e)) client_fail("%s of %s:%u: %s", api->name, b->host, b->port, e.detail);
}

static void learn_broker(struct client *c, const struct metadata_response_broker *from) {
    for (int32_t i = 0; i < c->brokers_count; i++)
        if (c->brokers[i].id == from->node_id) return;
    if (c->brokers_count == CLIENT_BROKERS_MAX) client_fail("more than %d brokers", CLIENT_BROKERS_MAX);
    struct client_broker *b = &c->brokers[c->brokers_count++];
    *b = (struct client_broker){.id = from->node_id, .port = (uint16_t)from->port, .fd = -1};
    snprintf(b->host, sizeof b->host, "%.*s", from->host.size, from->host.at);
}

// NULL while a partition has no leader.
static int32_t *leaders_of(const struct metadata_response_topic *t) {
    int32_t *leaders = memory_alloc((size_t)t->partitions_count * sizeof *leaders);
    for (int32_t i = 0; i < t->partitions_count; i++) {
        const struct metadata_response_partition *p = &t->partitions[i];
        if (p->leader_id < 0 || p->partition_index >= t->partitions_count) {
            memory_free(leaders);
            return NULL;
        }
        leaders[p->partition_index] = p->leader_id;
    }
    return leaders;
}

int32_t *client_leaders(struct client *c, const char *topic, int32_t *count) {
    struct metadata_request request;
    struct metadata_request_topic wanted;
    struct metadata_response response;
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        message_defaults(&metadata_request_message, &request);
        message_defaults(&metadata_request_topic_message, &wanted);
        wanted.name = (struct wire_text){topic, (int32_t)strlen(topic)};
        request.topics = &wanted;
        request.topics_count = 1;
        client_call(c, -1, API_METADATA, 9, &request, &response);
        for (int32_t i = 0; i < response.brokers_count; i++) learn_broker(c, &response.brokers[i]);
        const struct metadata_response_topic *t = response.topics;
        int32_t *leaders = t->error_code == 0 && t->partitions_count > 0 ? leaders_of(t) : NULL;
        *count = t->partitions_count;
        if (leaders) return leaders;
        nanosleep(&(struct timespec){.tv_nsec = TRY_AGAIN_NS}, NULL);
    }
    client_fail("%s has no leaders", topic);
}

bool client_try_again(int16_t code, int *tries) {
    bool passes = code == KAFKA_NOT_LEADER_OR_FOLLOWER || code == KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    if (!passes || ++*tries == TRIES_MAX) return false;
    nanosleep(&(struct timespec){.tv_nsec = TRY_AGAIN_NS}, NULL);
    return true;
}

int64_t client_offset(struct client *c, int32_t leader, const char *topic, int32_t partition, int64_t timestamp) {
    struct list_offsets_request request;
    struct list_offsets_request_topic t;
    struct list_offsets_request_partition p;
    struct list_offsets_response response;
    message_defaults(&list_offsets_request_message, &request);
    message_defaults(&list_offsets_request_topic_message, &t);
    message_defaults(&list_offsets_request_partition_message, &p);
    p.partition_index = partition;
    p.timestamp = timestamp;
    t.name = (struct wire_text){topic, (int32_t)strlen(topic)};
    t.partitions = &p;
    request.topics = &t;
    request.replica_id = -1;
    t.partitions_count = request.topics_count = 1;
    const struct list_offsets_response_partition *got;
    int tries = 0;
    do {
        client_call(c, leader, API_LIST_OFFSETS, 5, &request, &response);
        got = response.topics->partitions;
    } while (client_try_again(got->error_code, &tries));
    if (got->error_code) client_fail("ListOffsets of %s-%d: error %d", topic, partition, got->error_code);
    return got->offset;
}
