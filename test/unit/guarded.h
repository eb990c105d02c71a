// Input that ends flush at a page nobody may touch: a read past its end traps.
#pragma once
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct guard_page {
    uint8_t *pages;
    size_t size;  // of the usable pages; the forbidden one follows
};

static struct guard_page guard_page_open(size_t size_max) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct guard_page g = {.size = (size_max + page - 1) / page * page};
    g.pages = mmap(NULL, g.size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert(g.pages != MAP_FAILED);
    int failed = mprotect(g.pages + g.size, page, PROT_NONE);
    assert(!failed);
    return g;
}

// A copy whose last byte is the last one before the forbidden page.
static uint8_t *guard_page_place(const struct guard_page *g, const void *at, size_t size) {
    assert(size <= g->size);
    uint8_t *placed = g->pages + g->size - size;
    if (size) memcpy(placed, at, size);
    return placed;
}

static void guard_page_close(struct guard_page *g) {
    munmap(g->pages, g->size + (size_t)sysconf(_SC_PAGESIZE));
}
