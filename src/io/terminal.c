// Escape sequences for one rewritten line.
#include "io/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLEAR_LINE "\r\033[K"

// What poll() lets through does not block: a pipe or socket then takes PIPE_BUF bytes, which is more than we write.
static bool is_taken(struct terminal *t) {
    struct pollfd p = {.fd = t->fd, .events = POLLOUT};
    t->stuck = t->sys->poll(&p, 1, t->stuck ? 0 : OUTPUT_WAIT_MS_MAX) == 0;
    return !t->stuck;
}

static bool write_all(struct terminal *t, const char *at, size_t size) {
    if (!is_taken(t)) return false;
    while (size > 0) {
        ssize_t written = t->sys->write(t->fd, at, size);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        at += written;
        size -= (size_t)written;
    }
    return true;
}

// A terminal takes less than PIPE_BUF, and O_NONBLOCK would be the shell's, too: so it is opened once more for us.
static void open_again(struct terminal *t) {
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", t->fd);
    int fd = t->sys->open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
    if (fd >= 0) t->fd = fd;
}

void terminal_init(struct terminal *t, const struct system_calls *sys, int fd) {
    const char *kind = getenv("TERM");
    *t = (struct terminal){.sys = sys, .fd = fd};
    bool is_terminal = sys->isatty(fd);
    t->interactive = is_terminal && !(kind && strcmp(kind, "dumb") == 0);
    if (is_terminal) open_again(t);
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

bool terminal_line(struct terminal *t, const char *line, size_t size) {
    char out[2 * sizeof CLEAR_LINE + TERMINAL_LINE_MAX + STATUS_SIZE_MAX], *end = out;
    if (size > TERMINAL_LINE_MAX) size = TERMINAL_LINE_MAX;
    if (t->status_size > 0) end = append(end, CLEAR_LINE, sizeof CLEAR_LINE - 1);
    end = append(end, line, size);
    *end++ = '\n';
    end = append(end, t->status, t->status_size);
    return write_all(t, out, (size_t)(end - out));
}
