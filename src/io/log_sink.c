// Puts ts= (RFC 3339, UTC, milliseconds) in front of log lines.
#include "io/log_sink.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define STAMP_SIZE (sizeof "ts=2026-01-01T00:00:00.000Z ")

static size_t print_stamp(const struct system_calls *sys, char out[STAMP_SIZE]) {
    struct timespec now = {0};
    struct tm parts;
    sys->clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    size_t size = strftime(out, STAMP_SIZE, "ts=%Y-%m-%dT%H:%M:%S", &parts);
    int ms = (int)(now.tv_nsec / 1000000);
    const char rest[] = {'.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10), (char)('0' + ms % 10), 'Z', ' '};
    memcpy(out + size, rest, sizeof rest);
    return size + sizeof rest;
}

void log_sink_write(void *context, enum log_level level, const char *line, size_t size) {
    (void)level;  // it stands in the line
    struct log_sink *sink = context;
    char out[STAMP_SIZE + LOG_LINE_MAX];
    size_t stamp = print_stamp(sink->sys, out);
    if (sink->lost > 0) {
        int said = snprintf(out + stamp, sizeof out - stamp, "level=warn msg=\"log lines were lost\" lines=%" PRIu64,
                            sink->lost);
        if (terminal_line(sink->terminal, out, stamp + (size_t)said)) sink->lost = 0;
    }
    if (size > LOG_LINE_MAX) size = LOG_LINE_MAX;
    memcpy(out + stamp, line, size);
    if (!terminal_line(sink->terminal, out, stamp + size)) sink->lost++;
}
