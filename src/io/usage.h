// What the process has used so far, for the closing summary.
#pragma once
#include "io/system.h"

#include <stdint.h>

struct usage {
    int64_t user_us, system_us;  // processor time of all threads
    int64_t peak_bytes;          // largest resident size
};

struct usage usage_read(const struct system_calls *sys);  // all 0 when the kernel does not say
