// Blocks taken from the allocator and not given back, by everything that is linked into the program itself.
#pragma once
#include <stdint.h>

int64_t allocations_live(void);
