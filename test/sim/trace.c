// The trace of a run: a hash of everything that happened, and the log of it on demand.
#include "sim/trace.h"

#include "base/crc32c.h"

#include <stdarg.h>

void trace_bytes(struct trace *t, struct bytes b) {
    trace_mix(t, (uint64_t)b.size << 32 | crc32c(b.at, b.size));
}

void trace_tell(struct trace *t, int64_t now_us, const char *who, const char *format, ...) {
    if (!t->story) return;
    va_list args;
    va_start(args, format);
    fprintf(t->story, "[%8.3f s] %s: ", (double)now_us / 1e6, who);
    vfprintf(t->story, format, args);
    fputc('\n', t->story);
    fflush(t->story);  // the next thing may be the end of the process
    va_end(args);
}
