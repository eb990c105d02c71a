// A connection whose broker sends anything at all, torn into pieces, over a driver that does nothing.
#include "client/connection.h"
#include "base/limits.h"
#include "fuzz/fuzz.h"
#include "wire/frame.h"
#include "wire/messages.h"

#include <assert.h>

// The first byte of an input.
#define GREETING_IN_INPUT 0x01  // else the broker greets as it should, and the input begins with the first response
#define REFUSES_ONCE 0x02       // a large response has to wait for its admission
#define HOLDS_FRAMES 0x04       // responses stay while others are received
#define CLOSES_ON_REPLY 0x08
#define PIECES 0xf0  // the seed of how the bytes are torn

#define HELD_MAX 8

static const int16_t asked[] = {API_METADATA, API_INIT_PRODUCER_ID, API_LIST_OFFSETS, API_FETCH};
#define ASKED (sizeof asked / sizeof *asked)

struct story {
    struct environment env;
    struct connection c;
    uint8_t switches;
    int accepted, answered, refused, lost;
    struct frame *held[HELD_MAX];
    int held_count;
    uint64_t sent;
};

static struct story story;  // callbacks of a connection have no context

static void on_open(void *driver, struct connection *c, const struct transport_options *options) {
    (void)driver, (void)c, (void)options;
}

static void on_close(void *driver, struct connection *c, bool abort) {
    (void)driver, (void)c, (void)abort;
}

static void on_wake(void *driver, struct connection *c) {
    (void)driver, (void)c;
}

static void on_reply(void *context, const struct error *error, const void *response, struct frame *frame) {
    (void)context;
    story.answered++;
    assert(error_is(error) == (response == NULL) && error_is(error) == (frame == NULL));
    if (error_is(error)) return;
    if ((story.switches & HOLDS_FRAMES) && story.held_count < HELD_MAX)
        story.held[story.held_count++] = frame_hold(frame);
    if (story.switches & CLOSES_ON_REPLY) connection_close(&story.c, false);
}

static void ask(int16_t api_key, const struct message *m, void *request) {
    message_defaults(m, request);
    struct connection_call call = {
        .api_key = api_key, .version_max = INT16_MAX, .request = request, .reply = on_reply, .timeout_us = 30000000};
    struct error e = connection_call(&story.c, &call);
    if (!error_is(&e)) story.accepted++;
    else assert(e.kind == ERROR_PROTOCOL);  // not offered
}

static void on_state(struct connection *c, const struct error *why) {
    if (c->state == CONNECTION_CLOSED) {
        assert(error_is(why) && ++story.lost == 1);
        return;
    }
    union {
        struct metadata_request metadata;
        struct init_producer_id_request init_producer_id;
        struct list_offsets_request list_offsets;
        struct fetch_request fetch;
    } request;
    for (size_t i = 0; i < ASKED; i++) ask(asked[i], api_find(asked[i])->request, &request);
}

static bool admit(struct connection *c, size_t frame_size) {
    (void)c;
    assert(frame_size <= FRAME_SIZE_MAX);
    if (frame_size > MiB) return false;  // what is announced is not believed: it would only cost memory here
    return !(story.switches & REFUSES_ONCE) || story.refused++ > 0;
}

static void feed(struct bytes in) {
    uint32_t pieces = (story.switches & PIECES) + 1;
    while (in.size > 0 && connection_is_open(&story.c)) {
        struct connection_space space = connection_input(&story.c);
        if (space.size == 0) {
            uint64_t before = story.c.bytes_in;
            connection_resume(&story.c);
            if (connection_input(&story.c).size == 0) return;  // refused for good
            assert(story.c.bytes_in == before);
            continue;
        }
        pieces = pieces * 1664525 + 1013904223;
        size_t size = story.switches & PIECES ? 1 + (pieces >> 16) % 97 : in.size;
        if (size > in.size) size = in.size;
        if (size > space.size) size = space.size;
        memcpy(space.at, in.at, size);
        in.at += size;
        in.size -= size;
        connection_received(&story.c, size);
    }
}

static void write_all(void) {
    struct bytes ranges[8];
    while (connection_is_open(&story.c) && connection_has_output(&story.c)) {
        size_t size = 0, count = connection_output(&story.c, ranges, 8);
        for (size_t i = 0; i < count; i++) size += ranges[i].size;
        assert(size > 0);
        story.sent += size;
        connection_sent(&story.c, size);
    }
}

static void greet(void) {
    struct api_versions_response_api_key keys[API_KEYS_KNOWN];
    struct api_versions_response greeting;
    struct buffer out;
    message_defaults(&api_versions_response_message, &greeting);
    greeting.api_keys = keys;
    for (size_t i = 0; i < api_table_count; i++) {
        struct api_versions_response_api_key *k = &keys[greeting.api_keys_count++];
        message_defaults(&api_versions_response_api_key_message, k);
        k->api_key = api_table[i].key;
        k->min_version = api_table[i].version_min;
        k->max_version = api_table[i].version_max;
    }
    buffer_init(&out, MiB);
    struct error e = frame_encode_response(api_find(API_API_VERSIONS), 3, 0, &greeting, &out, NULL, NULL);
    assert(!error_is(&e));
    feed((struct bytes){out.at, out.size});
    assert(story.c.state == CONNECTION_READY && story.accepted == (int)ASKED);
    buffer_free(&out);
}

static void unheard(void *context, enum log_level level, const char *line, size_t size) {
    (void)context, (void)level, (void)line, (void)size;
}

static void begin(uint8_t switches) {
    static const struct transport transport = {on_open, on_close, on_wake};
    story = (struct story){.switches = switches,
                           .env = {.now_us = 1000000,
                                   .wall_ms = 1800000000000,
                                   .log = {LOG_DEBUG, unheard, NULL},
                                   .transport = &transport}};
    timers_init(&story.env.timers);
    prng_seed(&story.env.prng, 1);
    frame_pool_init(&story.env.frames);
    arena_init(&story.env.arena, DECODE_ARENA_MAX);
    connection_init(&story.c, &story.env);
    story.c.client_id = "fuzz";
    story.c.host = "broker";
    story.c.port = 9092;
    story.c.open_timeout_us = 10000000;
    story.c.receive_hint = 512;
    story.c.on_state = on_state;
    story.c.admit = admit;
    connection_open(&story.c);
    connection_opened(&story.c, 0);
}

// Everything asked is answered exactly once; no frame and no timer is left over.
static void end(void) {
    connection_free(&story.c);
    assert(story.answered == story.accepted);
    for (int i = 0; i < story.held_count; i++) frame_release(story.held[i]);
    timers_free(&story.env.timers);
    frame_pool_free(&story.env.frames);
    arena_free(&story.env.arena);
}

void fuzz_connection(struct bytes in) {
    if (in.size == 0) return;
    begin(in.at[0]);
    write_all();
    if (!(story.switches & GREETING_IN_INPUT)) greet();
    write_all();
    feed((struct bytes){in.at + 1, in.size - 1});
    write_all();
    story.env.now_us += 60000000 + THROTTLE_US_MAX;
    timers_run(&story.env.timers, story.env.now_us);
    assert(!connection_is_open(&story.c) || story.answered == story.accepted);
    end();
}
