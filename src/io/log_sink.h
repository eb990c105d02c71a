// Where log lines go: to the terminal's file (standard error), one write() a line, with the time in front.
//
// A struct logger uses it as {level, log_sink_write, &sink}.
#pragma once
#include "base/log.h"
#include "io/terminal.h"

struct log_sink {
    const struct system_calls *sys;
    struct terminal *terminal;
};

void log_sink_write(void *sink, enum log_level level, const char *line, size_t size);
