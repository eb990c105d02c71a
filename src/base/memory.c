// Allocation that cannot fail: without memory the process ends.
#include "base/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void (*exhaustion_handler)(size_t size);

void memory_on_exhaustion(void (*handler)(size_t size)) {
    exhaustion_handler = handler;
}

static void *checked(void *block, size_t size) {
    if (block) return block;
    if (exhaustion_handler) exhaustion_handler(size);
    abort();
}

void *memory_check(void *from_library) {
    return checked(from_library, 0);
}

// malloc(0) may answer NULL, which is not a want of memory.
static size_t at_least_one(size_t size) {
    return size ? size : 1;
}

void *memory_alloc(size_t size) {
    return checked(malloc(at_least_one(size)), size);
}

void *memory_alloc_zeroed(size_t count, size_t size) {
    size_t all;
    if (__builtin_mul_overflow(count, size, &all)) all = SIZE_MAX;
    return checked(calloc(at_least_one(count), at_least_one(size)), all);
}

void *memory_resize(void *old, size_t size) {
    return checked(realloc(old, at_least_one(size)), size);
}

char *memory_copy_text(const char *at, size_t size) {
    char *copy = memory_alloc(size + 1);
    if (size) memcpy(copy, at, size);
    copy[size] = 0;
    return copy;
}

char *memory_copy_string(const char *text) {
    return memory_copy_text(text, strlen(text));
}

void memory_free(void *block) {
    free(block);
}
