// Where log lines go: to the terminal's file (standard error), one write() a line, with the time in front. After lines
// that were lost (a full disk, a pipe that nobody reads) the first that is written says how many.
//
// A struct logger uses it as {level, log_sink_write, &sink}.
#pragma once
#include "base/log.h"
#include "io/terminal.h"

#include <stdint.h>

struct log_sink {
    const struct system_calls *sys;
    struct terminal *terminal;
    uint64_t lost;  // lines since the last one that was written
};

void log_sink_write(void *sink, enum log_level level, const char *line, size_t size);
