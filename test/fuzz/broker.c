// The modelled broker against clients that send anything: it answers what can be answered, in a form that our own
// decoders read, or hangs up.
#include "base/arena.h"
#include "base/buffer.h"
#include "base/limits.h"
#include "base/timer.h"
#include "broker/cluster.h"
#include "fuzz/fuzz.h"
#include "wire/frame.h"
#include "wire/messages.h"

#include <assert.h>

#define NODES 2
#define REQUESTS_MAX 24  // of one input
#define WAIT_US 4000000  // virtual, for one answer: then the client asks the next question
#define EVENTS_MAX 2000  // within that time
#define WALL_MS 1700000000000

struct talk {
    struct broker_cluster *cluster;
    struct broker_connection *connection;
    int64_t now_us;
    struct arena arena;
    struct buffer in;
};

static void on_wake(void *driver_connection) {
    (void)driver_connection;
}

static void run(struct talk *t) {
    broker_cluster_run(t->cluster, t->now_us, WALL_MS + t->now_us / 1000);
}

static void read_output(struct talk *t) {
    struct bytes range;
    while (broker_connection_output(t->connection, &range, 1) > 0) {
        assert(range.size > 0);
        buffer_append(&t->in, range.at, range.size);
        broker_connection_sent(t->connection, range.size);
    }
    assert(!t->in.overflowed);
}

// False: the broker hangs up, or takes its time.
static bool wait_for_answer(struct talk *t) {
    int64_t end_us = t->now_us + WAIT_US;
    for (int i = 0; i < EVENTS_MAX; i++) {
        run(t);
        read_output(t);
        if (t->in.size >= 4 && t->in.size >= 4 + (size_t)load_be32(t->in.at)) return true;
        if (broker_connection_closing(t->connection) || broker_cluster_next(t->cluster) > end_us) return false;
        if (broker_cluster_next(t->cluster) > t->now_us) t->now_us = broker_cluster_next(t->cluster);
    }
    return false;
}

// What was answered is an answer to that request: one frame, that our decoder takes.
static void expect_readable(struct talk *t, const struct frame_request_header *asked) {
    const struct api *api = api_find(asked->api_key);
    size_t size = load_be32(t->in.at);
    assert(t->in.size == 4 + size);
    void *response = arena_alloc(&t->arena, message_struct_size(api->response));
    struct error e = frame_decode_response(api, asked->version, asked->correlation_id,
                                           (struct bytes){t->in.at + 4, size}, &t->arena, response);
    assert(!error_is(&e));
    arena_reset(&t->arena);
    buffer_clear(&t->in);
}

// False: there is nobody to ask any more.
static bool ask(struct talk *t, struct bytes request) {
    uint8_t length[4];
    store_be32(length, (uint32_t)request.size);
    size_t taken = broker_connection_input(t->connection, (struct bytes){length, sizeof length});
    if (taken == sizeof length && request.size > 0) taken = broker_connection_input(t->connection, request);
    if (!wait_for_answer(t)) return false;
    struct frame_request_header header;
    size_t at;
    struct error e = frame_decode_request_header(request, &header, &at);
    assert(!error_is(&e));  // else there was nothing to answer
    const struct api *api = api_find(header.api_key);
    // Other versions are answered for ApiVersions only, in version 0 (KIP-511).
    if (header.version >= api->version_min && header.version <= api->version_max) expect_readable(t, &header);
    else assert(api->key == API_API_VERSIONS);
    buffer_clear(&t->in);
    return true;
}

static void create_topics(struct talk *t) {
    static const char *const names[] = {"t", "name0", "topic0"};
    struct create_topics_request request;
    struct create_topics_request_topic topics[3];
    struct buffer out;
    message_defaults(&create_topics_request_message, &request);
    request.topics = topics;
    request.timeout_ms = 1000;
    for (request.topics_count = 0; request.topics_count < 3; request.topics_count++) {
        struct create_topics_request_topic *to = &topics[request.topics_count];
        message_defaults(&create_topics_request_topic_message, to);
        to->name = (struct wire_text){names[request.topics_count], (int32_t)strlen(names[request.topics_count])};
        to->num_partitions = 2;
        to->replication_factor = NODES;
    }
    buffer_init(&out, MiB);
    const struct api *api = api_find(API_CREATE_TOPICS);
    struct error e = frame_encode_request(api, api->version_max, 1, "fuzz", &request, &out, NULL, NULL);
    assert(!error_is(&e));
    bool answered = ask(t, (struct bytes){out.at + 4, out.size - 4});
    assert(answered);
    buffer_free(&out);
}

void fuzz_broker(struct bytes in) {
    static const struct broker_driver driver = {on_wake};
    struct broker_cluster_config config = {
        .cluster_id = "AAAAAAAAAAAAAAAAAAAAAA", .host = "localhost", .port_first = 9092, .nodes = NODES, .seed = 1};
    struct talk t = {.cluster = broker_cluster_new(&config, 0, WALL_MS)};
    assert(t.cluster);
    arena_init(&t.arena, DECODE_ARENA_MAX);
    buffer_init(&t.in, FRAME_SIZE_MAX);
    t.connection = broker_connection_new(t.cluster, 1, &driver, NULL);
    create_topics(&t);
    for (int i = 0; i < REQUESTS_MAX && in.size >= 2; i++) {
        size_t size = load_be16(in.at);
        in = (struct bytes){in.at + 2, in.size - 2};
        if (size > in.size) size = in.size;
        if (!ask(&t, (struct bytes){in.at, size})) break;
        in = (struct bytes){in.at + size, in.size - size};
    }
    broker_connection_gone(t.connection);
    run(&t);
    broker_cluster_free(t.cluster);
    buffer_free(&t.in);
    arena_free(&t.arena);
}
