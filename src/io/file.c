// Reads whole files.
#include "io/file.h"

#include "base/limits.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

struct growing {
    char *at;
    size_t size, capacity;
};

// Answers what read() does: 0 at the end.
static ssize_t read_more(const struct system_calls *sys, int fd, struct growing *g, size_t size_max) {
    if (g->size == g->capacity) {
        g->capacity = g->capacity ? g->capacity * 2 : 4 * KiB;
        if (g->capacity > size_max + 1) g->capacity = size_max + 1;
        g->at = memory_resize(g->at, g->capacity + 1);
    }
    ssize_t got;
    do got = sys->read(fd, g->at + g->size, g->capacity - g->size);
    while (got < 0 && errno == EINTR);
    if (got > 0) g->size += (size_t)got;
    return got;
}

struct error file_read(const struct system_calls *sys, const char *path, size_t size_max, char **text, size_t *size) {
    *text = NULL;
    *size = 0;
    int fd = sys->open(path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) return error_make(ERROR_CONFIG, errno, "file", "%s: %s", path, strerror(errno));
    struct growing g = {0};
    ssize_t got;
    do got = read_more(sys, fd, &g, size_max);
    while (got > 0 && g.size <= size_max);
    struct error e = error_none();
    if (got < 0) e = error_make(ERROR_CONFIG, errno, "file", "%s: %s", path, strerror(errno));
    else if (g.size > size_max) e = error_make(ERROR_LIMIT, 0, "file", "%s: larger than %zu bytes", path, size_max);
    sys->close(fd);
    if (error_is(&e)) {
        memory_free(g.at);
        return e;
    }
    g.at[g.size] = 0;
    *text = g.at;
    *size = g.size;
    return e;
}
