// What a shard's core is given from outside: time, timers, randomness, a log, memory for frames, and a transport.
// One environment a shard; nothing is global. The driver (io, or the simulator) owns it and refreshes the two clocks
// before each entry into the core.
#pragma once
#include "base/arena.h"
#include "base/list.h"
#include "base/log.h"
#include "base/prng.h"
#include "base/timer.h"
#include "client/frame_pool.h"

#include <stdint.h>

struct connection;

struct transport_options {
    const char *host;  // name or address, as the broker advertised it; valid as long as the connection is open
    uint16_t port;
    // Milliseconds after which unacknowledged bytes kill the connection in the kernel (TCP_USER_TIMEOUT): what a host
    // that is cut off still holds must not arrive minutes later.
    int32_t unacknowledged_ms_max;
    int64_t open_timeout_us;  // then the connection gives up: no address of the host may take all of it
};

// The way out of the core. Every call is made from inside an entry; none calls back into the core before that entry
// has returned.
struct transport {
    // Starts to connect; answered later by connection_opened() or connection_failed().
    void (*open)(void *driver, struct connection *c, const struct transport_options *options);
    // No entry for this connection follows. `abort`: unsent bytes are thrown away and the peer gets a reset.
    void (*close)(void *driver, struct connection *c, bool abort);
    // Output is waiting, or input is welcome again: call connection_output() / connection_input() soon.
    void (*wake)(void *driver, struct connection *c);
};

struct environment {
    int64_t now_us;   // monotonic; goes on while the process is stopped (CLOCK_BOOTTIME where there is one)
    int64_t wall_ms;  // for timestamps only, never for time-outs
    int64_t throttle_said_us;  // when a quota's throttle was last logged; 0: never
    struct timers timers;
    struct prng prng;
    struct logger log;
    struct frame_pool frames;
    struct arena arena;  // of the response being handled; reset after its reply function returns
    const struct transport *transport;
    void *driver;
};
