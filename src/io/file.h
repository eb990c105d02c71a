// Small files as a whole.
#pragma once
#include "base/error.h"
#include "io/system.h"

#include <stdint.h>

// Reads `path` into `*text`, which the caller releases with memory_free(); a zero stands behind its last byte.
// Errors (text is NULL then): ERROR_CONFIG with the file's name and why, ERROR_LIMIT beyond `size_max` bytes.
MUST_USE struct error file_read(const struct system_calls *sys, const char *path, size_t size_max, char **text,
                                size_t *size);
