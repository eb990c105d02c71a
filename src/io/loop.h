// The driver of one shard: moves bytes between sockets and connections, runs timers, hands out signals. One thread, one
// loop, one environment.
//
// The core's calls (open, close, wake) come in through the environment's transport. open and wake are carried out in
// the loop's turn; close is carried out at once, so that nothing of an aborted connection leaves this host afterwards.
#pragma once
#include "base/error.h"
#include "client/environment.h"
#include "io/system.h"

struct loop;

// `*l` is written on success; `sys` must outlive the loop. Errors: ERROR_TRANSPORT.
MUST_USE struct error loop_new(const struct system_calls *sys, struct loop **l);

// Every connection must be closed and every timer cancelled before.
void loop_free(struct loop *l);

// Ready but for its log, which the owner sets before the first turn. Both clocks are fresh at each entry into the core.
struct environment *loop_environment(struct loop *l);

// Calls `ready` from the loop's turn as long as `fd` has something to read (level-triggered), until loop_unwatch().
// Errors: ERROR_TRANSPORT; ERROR_LIMIT past LOOP_WATCHES_MAX.
MUST_USE struct error loop_watch(struct loop *l, int fd, void (*ready)(void *context), void *context);
void loop_unwatch(struct loop *l, int fd);

// Waits for the next event or timer (at most LOOP_WAIT_MS_MAX) and handles what is due.
void loop_turn(struct loop *l);

// Turns until loop_stop(), which may be called from any callback of the loop (not from another thread).
void loop_run(struct loop *l);
void loop_stop(struct loop *l);

// SIGTERM, SIGINT and SIGHUP come as calls from the loop's turn from now on, and SIGPIPE is ignored. Once a process,
// before it starts other threads: they inherit that these signals are blocked. Errors: ERROR_TRANSPORT.
typedef void (*loop_signal_fn)(void *context, int signal_number);
MUST_USE struct error loop_on_signal(struct loop *l, loop_signal_fn fn, void *context);
