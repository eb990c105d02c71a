// Memory for the core. Running out of it ends the process with a message: the destination log is the checkpoint, so
// stopping at any instruction is safe, and every large buffer is bounded by the shard's budget before it is asked for.
#pragma once
#include <stddef.h>

// Never NULL. Released with memory_free().
void *memory_alloc(size_t size) __attribute__((malloc, returns_nonnull));
void *memory_alloc_zeroed(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *memory_resize(void *old, size_t size) __attribute__((returns_nonnull));
char *memory_copy_string(const char *text) __attribute__((returns_nonnull));
char *memory_copy_text(const char *at, size_t size) __attribute__((returns_nonnull));  // adds the closing zero
void memory_free(void *block);                                                         // NULL is allowed

// For libraries that allocate by themselves and answer NULL when they cannot.
void *memory_check(void *from_library) __attribute__((returns_nonnull));

// What to do before the process aborts for want of memory: the app writes a message, the core may not. Called once, at
// the start, before there are threads.
void memory_on_exhaustion(void (*handler)(size_t size));

#define NEW(type) ((type *)memory_alloc_zeroed(1, sizeof(type)))
