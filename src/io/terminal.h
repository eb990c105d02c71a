// A terminal's last line as a status that rewrites itself, and lines that scroll by above it.
//
// When the file is not a terminal there is no status, and lines are just written. One user of a file at a time: the log
// sink and the status share one struct terminal. Who reads it may stop reading (a full pipe, Ctrl-S): it is waited for
// no longer than OUTPUT_WAIT_MS_MAX, and then not at all until it takes something again.
#pragma once
#include "base/limits.h"
#include "io/system.h"

#include <stdbool.h>

struct terminal {
    const struct system_calls *sys;
    int fd;
    bool interactive, stuck;
    char status[STATUS_SIZE_MAX];
    size_t status_size;  // 0: none is shown
};

void terminal_init(struct terminal *t, const struct system_calls *sys, int fd);

// Shows `text` (cut to the terminal's width) in place of the former status; "" takes the status away.
void terminal_status(struct terminal *t, const char *text);

// Writes one line and its line feed with one write(), clearing the status first and showing it again below. False: it
// is lost, or a part of it.
bool terminal_line(struct terminal *t, const char *line, size_t size);
