// What is wrong with a settings file: errors, which stop the program, and warnings, one line each, with file and line.
#include "app/problems.h"

#include "base/limits.h"

#include <stdarg.h>
#include <stdio.h>

void problems_init(struct problems *p, const char *file_name) {
    *p = (struct problems){.file_name = file_name};
    buffer_init(&p->errors, PROBLEMS_SIZE_MAX);
    buffer_init(&p->warnings, PROBLEMS_SIZE_MAX);
}

void problems_free(struct problems *p) {
    buffer_free(&p->errors);
    buffer_free(&p->warnings);
}

__attribute__((format(printf, 4, 0))) static void add(struct problems *p, struct buffer *to, uint32_t line,
                                                      const char *format, va_list arguments) {
    char text[PROBLEM_LINE_MAX];
    vsnprintf(text, sizeof text, format, arguments);
    for (char *c = text; *c; c++) {
        if ((unsigned char)*c < ' ') *c = '?';
    }
    if (line) buffer_printf(to, "%s:%u: %s\n", p->file_name, line, text);
    else buffer_printf(to, "%s: %s\n", p->file_name, text);
}

void problem_error(struct problems *p, uint32_t line, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    add(p, &p->errors, line, format, arguments);
    va_end(arguments);
    p->errors_count++;
}

void problem_warning(struct problems *p, uint32_t line, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    add(p, &p->warnings, line, format, arguments);
    va_end(arguments);
    p->warnings_count++;
}
