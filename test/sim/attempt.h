// One run in a process of its own, so that a failed assertion, a crash or an endless loop is an outcome like any other.
#pragma once
#include "sim/world.h"

#define ATTEMPT_SECONDS_MAX 60

// The child is silent but for the story (NULL: none).
void attempt(const struct plan *plan, FILE *story, bool chatty, struct outcome *out);

// What became of a process that ran a world, when it did not end by itself.
void attempt_died(int status, struct outcome *out);
