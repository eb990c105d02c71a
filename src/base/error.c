// Makes error values.
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

struct error error_none(void) {
    return (struct error){.kind = ERROR_NONE};
}

struct error error_make(enum error_kind kind, int32_t code, const char *where, const char *format, ...) {
    struct error e = {.kind = kind, .code = code, .where = where};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(e.detail, sizeof e.detail, format, arguments);
    va_end(arguments);
    return e;
}

const char *error_kind_name(enum error_kind kind) {
    switch (kind) {
    case ERROR_NONE: return "none";
    case ERROR_KAFKA: return "kafka";
    case ERROR_PROTOCOL: return "protocol";
    case ERROR_TRANSPORT: return "transport";
    case ERROR_TIMEOUT: return "timeout";
    case ERROR_CLOSED: return "closed";
    case ERROR_LIMIT: return "limit";
    case ERROR_CONFIG: return "config";
    }
    return "unknown";
}
