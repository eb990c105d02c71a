// One connection to one broker: requests out, responses in, both in order. Pure: the driver moves the bytes.
//
// A connection lives inside its owner and may be opened again after it closed. On opening it asks the broker for its
// API versions (KIP-35, KIP-511) before it is READY. A broker serves one request of a connection at a time, so a long
// poll blocks what is behind it: fetches, appends and everything else have connections of their own.
#pragma once
#include "base/buffer.h"
#include "base/error.h"
#include "client/environment.h"
#include "wire/message.h"

#include <stdbool.h>

enum connection_state {
    CONNECTION_CLOSED,
    CONNECTION_OPENING,   // the transport connects
    CONNECTION_GREETING,  // ApiVersions is under way
    CONNECTION_READY,
};

#define API_KEYS_KNOWN 128

// `response` is the decoded response struct, valid until the function returns, as is everything it points to unless the
// frame is held. On failure `response` and `frame` are NULL. Called exactly once for each accepted request; never from
// inside connection_call().
typedef void (*reply_fn)(void *context, const struct error *error, const void *response, struct frame *frame);

struct connection_request {
    const struct api *api;
    int16_t version;
    int32_t correlation_id;
    int64_t sent_us, timeout_us;
    size_t answer_size_min;
    reply_fn reply;
    void *context;
};

struct connection_piece;

struct connection {
    // Set by the owner before connection_open(), kept by him while it is open.
    struct environment *env;
    const char *client_id;
    const char *host;
    uint16_t port;
    int32_t unacknowledged_ms_max;  // see struct transport_options
    int64_t open_timeout_us;        // until READY
    size_t receive_hint;            // what a usual response needs with its length prefix: size of a receive buffer

    // READY or CLOSED (`why` says why); after CLOSED the owner may open it again, from a timer.
    void (*on_state)(struct connection *c, const struct error *why);

    // Optional. Asked when a response larger than receive_hint is announced, before more than that is received; false
    // pauses reading until connection_resume(). Larger than FRAME_SIZE_MAX is damage and never asked.
    bool (*admit)(struct connection *c, size_t frame_size);

    // Optional: after *fence_us (environment's clock) nothing is written any more, however late the driver comes
    // (ownership's guard, design rule 7).
    const int64_t *fence_us;

    // The rest belongs to connection.c; what is called driver_ is for the driver's use.
    enum connection_state state;
    uint64_t driver_slot;
    uint32_t driver_address;   // stays from one opening to the next
    const char *driver_waits;  // while OPENING; for messages: "to connect"
    int16_t version_min[API_KEYS_KNOWN], version_max[API_KEYS_KNOWN];  // as the broker says; max -1 = not offered
    int32_t correlation_id_next;
    struct connection_request *requests;  // ring of those without an answer
    uint32_t requests_first, requests_count;
    struct buffer out;                // encoded bytes of requests not wholly written
    struct connection_piece *pieces;  // ring: what is to be written, in order
    uint32_t pieces_first, pieces_count, pieces_capacity;
    size_t out_sent;  // bytes of `out` already written
    struct frame *in;
    size_t frame_size;  // of the response being received, 0 = not known yet
    bool paused, admitted;
    struct timer timer;
    int64_t asked_us;       // when the only request under way was made; 0: its answer has begun, or there are more
    int64_t round_trip_us;  // shortest time from a request to its answer's first byte; 0: none since it was set to 0
    int64_t way_us;         // as the driver said last; to a proxy, where there is one
    int64_t received_us;    // when bytes last came
    // Nothing that is under way is read before (nor is it late): a quota's throttle (KIP-219), or a slow answer's end.
    int64_t muted_until_us;
    uint64_t bytes_in, bytes_out;  // since creation
};

static inline bool connection_is_muted(const struct connection *c) {
    return c->muted_until_us > c->env->now_us;
}

// Owner's side ------------------------------------------------------------------------------------------------------

void connection_init(struct connection *c, struct environment *env);
void connection_free(struct connection *c);  // closes; not from inside a callback of this connection

// State must be CLOSED. Answers come by on_state.
void connection_open(struct connection *c);

// Calls the reply functions of all requests without an answer with ERROR_CLOSED, then nothing more; on_state is not
// called. `abort` throws unsent bytes away and resets: use it when something unsent must never be executed.
void connection_close(struct connection *c, bool abort);

// The version to talk in: the highest both sides know, at most version_max_wanted. -1 when there is none.
int16_t connection_version(const struct connection *c, const struct api *api, int16_t version_max_wanted);

// Sends a request. READY only (the greeting is internal). Errors: ERROR_LIMIT when REQUESTS_IN_FLIGHT_MAX are without
// an answer or the output is full, ERROR_PROTOCOL when the broker does not know the API (then reply is not called).
// Payloads of records fields are not copied: each must lie in its hold, which is held until it is written.
struct connection_call {
    int16_t api_key;
    int16_t version_max;  // INT16_MAX: no wish
    const void *request;
    reply_fn reply;
    void *context;
    int64_t timeout_us;
    size_t answer_size_min;  // no answer has fewer bytes, and it may wait for others; 0: it may not
    struct frame *const *holds;  // one for each records field, in order of the encoding; NULL when there are none
    size_t holds_count;
};
MUST_USE struct error connection_call(struct connection *c, const struct connection_call *call);

void connection_resume(struct connection *c);  // after admit() said no

// Changes receive_hint while nothing is under way, open or not.
void connection_set_receive_hint(struct connection *c, size_t hint);

// Driver's side -----------------------------------------------------------------------------------------------------
// Any of these may end in connection_close() by the owner; the driver looks at connection_is_open() after each.

// `way_us`: the transport's own round trip when it connected, however busy the peer's process was; 0: not known.
void connection_opened(struct connection *c, int64_t way_us);
void connection_failed(struct connection *c, const struct error *why);  // also for EOF and resets

// Where received bytes go; size 0: reading is paused. Then connection_received() with what came.
struct connection_space {
    uint8_t *at;
    size_t size;
};
struct connection_space connection_input(struct connection *c);
void connection_received(struct connection *c, size_t size);

// How many bytes are worth a wake-up, at least 1: the rest of a response, or the answers of half of the pipeline. Only
// advice: bytes may always be brought earlier.
size_t connection_input_wanted(const struct connection *c);

// Fills `out` with up to `max` ranges to write, in order; answers how many. env->now_us must have been read from the
// clock immediately before. Then connection_sent() with what was written.
size_t connection_output(struct connection *c, struct bytes *out, size_t max);
void connection_sent(struct connection *c, size_t size);
bool connection_has_output(const struct connection *c);

static inline bool connection_is_open(const struct connection *c) {
    return c->state != CONNECTION_CLOSED;
}
