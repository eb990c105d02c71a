// Names to addresses without stopping the loop: getaddrinfo() runs in one helper thread.
//
// One resolver a loop. A name is asked for, not for somebody: who waits for it takes the answer when it comes, and who
// comes back later, because it came after his time-out, finds it here for some seconds.
#pragma once
#include "base/error.h"
#include "base/limits.h"
#include "io/system.h"

#include <netinet/in.h>
#include <stdint.h>

struct resolver;

struct addresses {
    size_t count;  // the first ADDRESSES_OF_HOST_MAX, in the resolver's order (RFC 6724)
    struct sockaddr_storage at[ADDRESSES_OF_HOST_MAX];  // without ports
    int64_t found_us;                                   // when a look-up brought them
};

struct resolve_answer {
    const char *host;
    int failure;  // 0, or getaddrinfo's EAI_ number; failures are not kept
    int code;     // errno when failure is EAI_SYSTEM
    const struct addresses *addresses;
};

// `*r` is written on success; the thread starts with the first question. Errors: ERROR_TRANSPORT.
MUST_USE struct error resolver_new(const struct system_calls *sys, struct resolver **r);

// Does not wait for a look-up that is under way: its thread cleans up behind it.
void resolver_free(struct resolver *r);

int resolver_fd(const struct resolver *r);  // readable when there is an answer

// Looks up what resolver_recall() does not know, once for all who ask. The name keeps its place among the others for
// RESOLVE_WANTED_US after it was asked for last: whoever gives up before its turn comes would never be answered
// otherwise. Errors: ERROR_LIMIT when RESOLVE_NAMES_MAX wait, ERROR_TRANSPORT when no thread can be started.
MUST_USE struct error resolver_ask(struct resolver *r, int64_t now_us, const char *host);

// Takes an answer; false when there is none, and then resolver_fd() is no longer readable. What it points to is valid
// until the next resolver_ask().
bool resolver_take(struct resolver *r, int64_t now_us, struct resolve_answer *answer);

// What the last look-up found, if that was not more than RESOLVE_KEPT_US ago.
bool resolver_recall(const struct resolver *r, int64_t now_us, const char *host, struct addresses *out);

// The addresses found then led nowhere: after RESOLVE_DOUBT_US they are forgotten. Before, they may have come so late
// that nobody had the time to try them. What was found since stays.
void resolver_doubt(struct resolver *r, int64_t now_us, const char *host, int64_t found_us);

// An address written in numbers needs no thread. False when `host` is a name.
bool resolve_numeric(const struct system_calls *sys, const char *host, struct addresses *out);

socklen_t address_size(const struct sockaddr_storage *address);
void address_set_port(struct sockaddr_storage *address, uint16_t port);
