// "Did you mean": the nearest of some known words to one that was mistyped.
#pragma once

#include <stddef.h>

struct suggestion {
    const char *word;     // borrowed
    const char *nearest;  // borrowed; NULL while nothing is near enough
    size_t distance;
};

void suggestion_init(struct suggestion *s, const char *word);
void suggestion_offer(struct suggestion *s, const char *candidate);  // of equally near ones the first stays
