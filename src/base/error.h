// Errors of the world are values: what kind, which code, where it was noticed, and a sentence for a person.
// Our own mistakes are assert()s, which stay on in release builds (NDEBUG is never defined).
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum error_kind {
    ERROR_NONE = 0,
    ERROR_KAFKA,      // a broker answered with an error code (code = Kafka's number, see wire/error_codes.h)
    ERROR_PROTOCOL,   // bytes that are not what the protocol allows: the connection is closed, never the process
    ERROR_TRANSPORT,  // connect, read, write, DNS (code = errno where there is one)
    ERROR_TIMEOUT,    // no answer in time
    ERROR_CLOSED,     // we closed it ourselves: the caller should just let go
    ERROR_LIMIT,      // a named limit was hit (base/limits.h)
    ERROR_CONFIG,     // a setting is wrong; detail names file, line, value and what is allowed
};

#define ERROR_DETAIL_MAX 160

struct error {
    enum error_kind kind;
    int32_t code;
    const char *where;  // static text: the conversation or function that noticed
    char detail[ERROR_DETAIL_MAX];
};

#define MUST_USE __attribute__((warn_unused_result))

static inline bool error_is(const struct error *e) {
    return e->kind != ERROR_NONE;
}

struct error error_none(void);

// A longer detail is cut, never refused.
struct error error_make(enum error_kind kind, int32_t code, const char *where, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

const char *error_kind_name(enum error_kind kind);
