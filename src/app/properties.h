// A Java .properties file, in the syntax of java.util.Properties.load, read as UTF-8.
#pragma once
#include "app/problems.h"
#include "base/map.h"

#include <stdbool.h>

struct property {
    char *key;
    char *value;
    uint32_t line;  // where it starts; lines count from 1
};

struct properties {
    struct property *items;  // in the order of the file, each key once
    size_t count, capacity;
    struct map places;  // key -> 1 + its index in items
};

// Of a key set twice the last value counts, as in Java; a warning names both lines. What cannot be read is reported,
// and reading goes on: false when there was such an error. `out` is always to be freed.
bool properties_parse(struct bytes text, struct properties *out, struct problems *problems);
void properties_free(struct properties *p);

const struct property *properties_get(const struct properties *p, const char *key);  // NULL: not set
