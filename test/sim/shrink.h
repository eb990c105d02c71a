// From a plan that fails to a smaller one that fails in the same way: fewer faults, shorter, fewer instances and
// topics.
#pragma once
#include "sim/world.h"

// `found` is how `plan` failed; it is replaced by how the smaller plan fails. Answers how many runs it took.
int shrink(struct plan *plan, struct outcome *found);

// Shrinks a failing plan and prints what is left of it as a story.
void shrink_and_tell(struct plan *plan, struct outcome *found);
