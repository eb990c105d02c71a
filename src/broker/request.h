// How a request is answered inside the model: one function for each API, called once when the request's turn has come.
#pragma once
#include "base/arena.h"
#include "base/limits.h"
#include "broker/cluster_private.h"
#include "wire/frame.h"
#include "wire/messages.h"

struct broker_request {
    struct link link;
    struct broker_node *node;              // who got it
    struct broker_connection *connection;  // the client may be gone: the request is executed all the same
    const struct api *api;
    int16_t version;
    int32_t correlation_id;
    struct wire_text client_id;
    const void *body;     // the decoded request; it and what it points to lives as long as the request
    struct arena arena;   // for what the answer needs; lives as long as the request
    struct buffer frame;  // the request's bytes
    size_t frame_size;    // as announced
    int64_t arrived_us, due_us;
    int64_t answer_us;    // no sooner it is sent
    int32_t throttle_ms;  // by what it asked for; the node's come on top
    uint64_t serial;      // rises from request to request
    // Of a request that is answered later.
    struct timer timer;   // the handler's to set; no longer set when the request is answered
    void *parked;         // the handler's, from the arena
    void (*forget)(struct broker_request *r);
};

// Answers and frees the request: exactly once for each, now or later. What `response` points to is copied, records
// fields with it. The connection then reads on.
void broker_answer(struct broker_request *r, const void *response);

// The same where records stand in many places: each records field has its size, and what `write` is called with in
// place of bytes; it appends them to the answer, which is their only copy.
void broker_answer_records(struct broker_request *r, const void *response, size_t fields_max,
                           void (*write)(const void *source, struct buffer *out));

// No answer (acks=0) or a hang-up (`hang_up`: what Kafka does to a request it cannot read). Frees the request.
void broker_answer_nothing(struct broker_request *r, bool hang_up);

// From the request's arena; never NULL (a response that would pass its limit is our mistake).
void *broker_request_alloc(struct broker_request *r, size_t size);
#define REQUEST_ARRAY(request, count, type) ((type *)broker_request_alloc(request, (size_t)(count) * sizeof(type)))

// The answer has become larger than any client needs (the same thing named 100,000 times): a handler whose answer can
// be many times as large as its request stops adding to it, and broker_answer() hangs up.
static inline bool broker_request_is_full(const struct broker_request *r) {
    return r->arena.size > BROKER_ANSWER_ARENA_MAX;
}

// Strict quotas of controller mutations (KIP-599): whatever is asked for is made, unless what was made before has used
// them up. False: it has, and the answer must say for how long (broker_request_throttle_ms()).
bool broker_request_mutates(struct broker_request *r, int32_t partitions);
int32_t broker_request_throttle_ms(const struct broker_request *r);

// A text of the request's, for error messages; longer ones are cut.
struct wire_text broker_request_say(struct broker_request *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// Any text with a zero behind it.
static inline const char *broker_request_text(struct broker_request *r, struct wire_text text) {
    char *copy = broker_request_alloc(r, (size_t)text.size + 1);
    copy[text.size] = 0;
    return memcpy(copy, text.at, (size_t)text.size);
}

// Sets an answer's error, and answers false so that a check can end with it.
static inline bool broker_refuse(int16_t *error_code, struct wire_text *error_message, int16_t code,
                                 struct wire_text message) {
    *error_code = code;
    *error_message = message;
    return false;
}

// Who calls whom: apis.c has one table of all, by key. Versions are those of our schema.
struct broker_api {
    int16_t key;
    int16_t offered_min;  // what ApiVersions says, where that is less than what is answered; -1
    void (*handle)(struct broker_request *r);
};
extern const struct broker_api broker_api_table[];
extern const size_t broker_api_table_count;
const struct broker_api *broker_api_find(int16_t key);  // NULL: not modelled

// A handler that answers later says so before it returns. When the node stops, `forget` takes the request out of
// whatever waits for it (waiters; the timer is cancelled for it), and the request is freed after it.
void broker_park(struct broker_request *r, void (*forget)(struct broker_request *r));
void broker_unpark(struct broker_request *r);  // it goes on; its timer, if any, is cancelled

// For connection.c: a request of `size` bytes begins to arrive; all of it has, and it is the connection's turn; it
// goes.
struct broker_request *broker_request_take(struct broker_connection *k, size_t size);
void broker_request_arrived(struct broker_request *r);
void broker_request_release(struct broker_request *r);
void broker_requests_free(struct broker_cluster *c);  // the spare ones

// For node.c: executes what is due; forgets everything.
void broker_requests_execute(struct broker_node *n);
void broker_requests_drop(struct broker_node *n);
