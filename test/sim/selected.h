// Worlds whose flow selects topics by patterns and renames them: what the topics are called on each side, and those
// beside them that nobody may touch.
#pragma once
#include "mirror/selection.h"
#include "sim/plan.h"

#define SELECTED_NAME_SIZE 24
#define SELECTED_OTHERS 5  // topics of the source that are not mirrored

struct naming selected_naming(const struct plan *p);
struct selection_rules selected_rules(const struct plan *p);

// The topics of the ledger, in any world.
void selected_name(const struct plan *p, int32_t number, char out[SELECTED_NAME_SIZE]);
void selected_destination_name(const struct plan *p, const char *name, char out[SELECTED_NAME_SIZE]);

// One that is not selected. The first has a namesake at the destination, of a stranger.
void selected_other(const struct plan *p, size_t i, char out[SELECTED_NAME_SIZE]);
