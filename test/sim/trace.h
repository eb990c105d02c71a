// What happened, as a hash (the same for the same plan, always) and, when asked for, as a story.
#pragma once
#include "base/bytes.h"

#include <stdbool.h>
#include <stdio.h>

struct trace {
    uint64_t hash;
    FILE *story;  // NULL: nobody wants to know
    bool chatty;  // and the instances' own log lines too
};

static inline void trace_mix(struct trace *t, uint64_t v) {
    t->hash = (t->hash ^ v) * UINT64_C(0x9e3779b97f4a7c15);
    t->hash ^= t->hash >> 29;
}

void trace_bytes(struct trace *t, struct bytes b);

// "[ 12.345 s] who: what happened"
void trace_tell(struct trace *t, int64_t now_us, const char *who, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
