// Escape sequences for one rewritten line.
#include "io/terminal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CLEAR_LINE "\r\033[K"

static void write_all(const struct terminal *t, const char *at, size_t size) {
    while (size > 0) {
        ssize_t written = t->sys->write(t->fd, at, size);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return;
        at += written;
        size -= (size_t)written;
    }
}

void terminal_init(struct terminal *t, const struct system_calls *sys, int fd) {
    const char *kind = getenv("TERM");
    *t = (struct terminal){.sys = sys, .fd = fd};
    t->interactive = sys->isatty(fd) && !(kind && strcmp(kind, "dumb") == 0);
}

// How many bytes of UTF-8 text fit into `columns`.
static size_t fitting(const char *text, size_t columns) {
    size_t size = 0;
    while (text[size]) {
        bool starts_character = ((unsigned char)text[size] & 0xc0) != 0x80;
        if (starts_character && columns-- == 0) break;
        size++;
    }
    return size;
}

void terminal_status(struct terminal *t, const char *text) {
    if (!t->interactive) return;
    int columns = t->sys->terminal_columns(t->fd);
    // A line as wide as the terminal would wrap in some of them, and then only its end be cleared.
    size_t size = fitting(text, columns > 1 ? (size_t)columns - 1 : 79);
    if (size > STATUS_SIZE_MAX) size = fitting(text, STATUS_SIZE_MAX / 4);  // a character has 4 bytes at most
    if (size == 0 && t->status_size == 0) return;
    memcpy(t->status, text, size);
    t->status_size = size;
    char out[sizeof CLEAR_LINE + STATUS_SIZE_MAX] = CLEAR_LINE;
    memcpy(out + sizeof CLEAR_LINE - 1, t->status, size);
    write_all(t, out, sizeof CLEAR_LINE - 1 + size);
}

static char *append(char *out, const char *at, size_t size) {
    memcpy(out, at, size);
    return out + size;
}

void terminal_line(struct terminal *t, const char *line, size_t size) {
    char out[2 * sizeof CLEAR_LINE + TERMINAL_LINE_MAX + STATUS_SIZE_MAX], *end = out;
    if (size > TERMINAL_LINE_MAX) size = TERMINAL_LINE_MAX;
    if (t->status_size > 0) end = append(end, CLEAR_LINE, sizeof CLEAR_LINE - 1);
    end = append(end, line, size);
    *end++ = '\n';
    end = append(end, t->status, t->status_size);
    write_all(t, out, (size_t)(end - out));
}
