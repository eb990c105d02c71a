// What is wrong with a settings file: errors, which stop the program, and warnings, one line each, with file and line.
#pragma once
#include "base/buffer.h"

struct problems {
    const char *file_name;  // borrowed
    struct buffer errors, warnings;
    uint32_t errors_count, warnings_count;
};

void problems_init(struct problems *p, const char *file_name);
void problems_free(struct problems *p);

// line 0: of the file as a whole. Control characters become "?", so that one problem stays one line.
void problem_error(struct problems *p, uint32_t line, const char *format, ...) __attribute__((format(printf, 3, 4)));
void problem_warning(struct problems *p, uint32_t line, const char *format, ...) __attribute__((format(printf, 3, 4)));
