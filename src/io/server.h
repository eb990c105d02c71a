// Sockets that others connect to: listens at addresses, accepts, and moves bytes between each peer and a protocol.
//
// It lives in the loop of the shard (one descriptor of the loop's epoll is the server's own epoll) and uses the loop's
// clocks: they are fresh at each call of the protocol.
#pragma once
#include "base/bytes.h"
#include "base/error.h"
#include "io/loop.h"

#include <stdbool.h>

struct server;
struct peer;  // one accepted connection

// What is spoken. A session belongs to the protocol, from open() to gone(). None of these may call the server but
// server_wake().
struct server_protocol {
    void *(*open)(void *context, struct peer *p);       // NULL: hang up
    size_t (*input)(void *session, struct bytes in);    // answers what it took; the rest comes again after a wake
    size_t (*output)(void *session, struct bytes *out, size_t max);  // ranges to write; then sent()
    void (*sent)(void *session, size_t size);
    bool (*closing)(const void *session);  // hang up once all output is written
    void (*gone)(void *session);           // the last call
};

// Errors: ERROR_TRANSPORT.
MUST_USE struct error server_new(struct loop *l, struct server **s);
void server_free(struct server *s);  // closes everything; gone() is called for each session

// Listens at host:port (a numeric address or a name of this machine). Port 0 is not allowed. `protocol` and `context`
// are borrowed until server_free(). Errors: ERROR_TRANSPORT, with a sentence that names the address.
MUST_USE struct error server_listen(struct server *s, const char *host, uint16_t port,
                                    const struct server_protocol *protocol, void *context);

// The session has output, or takes input again, or wants to close. Allowed at any time between open() and gone().
void server_wake(struct peer *p);
