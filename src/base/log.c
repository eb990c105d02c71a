// Formats log lines as logfmt.
#include "base/log.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error"};

const char *log_level_name(enum log_level level) {
    assert(level >= LOG_DEBUG && level <= LOG_ERROR);
    return level_names[level];
}

bool log_level_parse(const char *text, enum log_level *level) {
    for (int i = LOG_DEBUG; i <= LOG_ERROR; i++) {
        if (strcmp(text, level_names[i]) != 0) continue;
        *level = (enum log_level)i;
        return true;
    }
    return false;
}

static bool is_control(char c) {
    return (unsigned char)c < ' ' || c == 0x7f;
}

static bool needs_quotes(const char *text) {
    if (!*text) return true;
    for (const char *c = text; *c; c++) {
        if (*c == ' ' || *c == '=' || *c == '"' || *c == '\\' || is_control(*c)) return true;
    }
    return false;
}

// Answers how long the escaped form of `c` is; writes it with a closing zero.
static size_t escape(char c, char out[5]) {
    if (c == '"' || c == '\\') return (size_t)snprintf(out, 5, "\\%c", c);
    if (c == '\n') return (size_t)snprintf(out, 5, "\\n");
    if (is_control(c)) return (size_t)snprintf(out, 5, "\\x%02x", (unsigned)(unsigned char)c);
    return (size_t)snprintf(out, 5, "%c", c);
}

const char *log_quote(const char *text, char *out, size_t size) {
    assert(size > 0);
    if (!needs_quotes(text) || size < 3) {
        snprintf(out, size, "%s", size < 3 && needs_quotes(text) ? "" : text);
        return out;
    }
    size_t used = 0;
    out[used++] = '"';
    for (const char *c = text; *c; c++) {
        char escaped[5];
        size_t length = escape(*c, escaped);
        if (used + length > size - 2) break;
        memcpy(out + used, escaped, length);
        used += length;
    }
    out[used++] = '"';
    out[used] = 0;
    return out;
}

void log_line(const struct logger *log, enum log_level level, const char *message, const char *pairs, ...) {
    assert(log->sink);
    if (level < log->level) return;
    char quoted[LOG_LINE_MAX / 2], line[LOG_LINE_MAX + 1];
    log_quote(message, quoted, sizeof quoted);
    size_t size = (size_t)snprintf(line, sizeof line, "level=%s msg=%s", log_level_name(level), quoted);
    if (pairs) {
        va_list arguments;
        va_start(arguments, pairs);
        line[size++] = ' ';
        size += (size_t)vsnprintf(line + size, sizeof line - size, pairs, arguments);
        va_end(arguments);
    }
    if (size > LOG_LINE_MAX) size = LOG_LINE_MAX;
    // A line stays one line, whatever a value that nobody quoted brought along.
    for (size_t i = 0; i < size; i++) {
        if (is_control(line[i])) line[i] = '?';
    }
    log->sink(log->context, level, line, size);
}
