// Log lines in logfmt: level, message, then key=value pairs. The core formats; the sink (io) writes and adds the time.
// Secrets never come here: callers pass what a reader may see.
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

#define LOG_LINE_MAX 1024  // longer lines are cut

struct logger {
    enum log_level level;  // lines below it are not formatted
    void (*sink)(void *context, enum log_level level, const char *line, size_t size);
    void *context;
};

// log_line(log, LOG_INFO, "partition halted", "topic=%s partition=%d reason=%s", ...): the pairs are the caller's
// format, or NULL; use log_quote() for values that may hold blanks.
void log_line(const struct logger *log, enum log_level level, const char *message, const char *pairs, ...)
    __attribute__((format(printf, 4, 5)));

// Copies text as a logfmt value: quoted and escaped where needed, cut to `size`. Answers `out`.
const char *log_quote(const char *text, char *out, size_t size);

const char *log_level_name(enum log_level level);
bool log_level_parse(const char *text, enum log_level *level);
