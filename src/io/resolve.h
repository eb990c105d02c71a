// Names to addresses without stopping the loop: getaddrinfo() runs in one helper thread.
//
// One resolver a loop. A look-up cannot be taken back; the asker drops an answer whose token it no longer knows.
#pragma once
#include "base/error.h"
#include "base/limits.h"
#include "io/system.h"

#include <netinet/in.h>
#include <stdint.h>

struct resolver;

struct addresses {
    size_t count;  // the first ADDRESSES_OF_HOST_MAX, in the resolver's order (RFC 6724)
    struct sockaddr_storage at[ADDRESSES_OF_HOST_MAX];
};

struct resolve_answer {
    uint64_t token;
    int failure;  // 0, or getaddrinfo's EAI_ number
    int code;     // errno when failure is EAI_SYSTEM
    struct addresses addresses;
};

// `*r` is written on success; the thread starts with the first question. Errors: ERROR_TRANSPORT.
MUST_USE struct error resolver_new(const struct system_calls *sys, struct resolver **r);

// Does not wait for a look-up that is under way: its thread cleans up behind it.
void resolver_free(struct resolver *r);

int resolver_fd(const struct resolver *r);  // readable when there are answers

// Errors: ERROR_LIMIT when RESOLVE_QUEUE_MAX questions wait, ERROR_TRANSPORT when no thread can be started.
MUST_USE struct error resolver_ask(struct resolver *r, uint64_t token, const char *host, uint16_t port);

// Takes one answer; false when there is none, and then resolver_fd() is no longer readable.
bool resolver_take(struct resolver *r, struct resolve_answer *answer);

// An address written in numbers needs no thread. False when `host` is a name.
bool resolve_numeric(const struct system_calls *sys, const char *host, uint16_t port, struct addresses *out);

socklen_t address_size(const struct sockaddr_storage *address);
