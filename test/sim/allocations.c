// Counts blocks: the linker puts these in front of the allocator (--wrap).
#include "sim/allocations.h"

#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void __wrap_free(void *block);

static int64_t live;

int64_t allocations_live(void) {
    return live;
}

void *__wrap_malloc(size_t size) {
    live++;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
    live++;
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size) {
    if (!old) live++;
    return __real_realloc(old, size);
}

void __wrap_free(void *block) {
    if (block) live--;
    __real_free(block);
}
