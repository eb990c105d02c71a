// A terminal's last line as a status that rewrites itself, and lines that scroll by above it.
//
// When the file is not a terminal there is no status, and lines are just written. One user of a file at a time: the log
// sink and the status share one struct terminal.
#pragma once
#include "base/limits.h"
#include "io/system.h"

#include <stdbool.h>

struct terminal {
    const struct system_calls *sys;
    int fd;
    bool interactive;
    char status[STATUS_SIZE_MAX];
    size_t status_size;  // 0: none is shown
};

void terminal_init(struct terminal *t, const struct system_calls *sys, int fd);

// Shows `text` (cut to the terminal's width) in place of the former status; "" takes the status away.
void terminal_status(struct terminal *t, const char *text);

// Writes one line and its line feed with one write(), clearing the status first and showing it again below. What cannot
// be written is lost: there is nobody to tell.
void terminal_line(struct terminal *t, const char *line, size_t size);
