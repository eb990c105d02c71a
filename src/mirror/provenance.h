// The producer id under which a flow writes, and what it tells to whoever reads the batch header: these records are a
// mirror's, where they came from, and which flow brought them. No broker ever allocates such an id (they count up from
// 0), and the batch keeps it through compaction.
//
//   bit 63 | 62 | 61..48 magic | 47..28 origin cluster | 27..8 flow | 7..0 rotation
//   0        1    0x0d2a         20 bits of a hash       20 bits      counts up when the 16-bit epochs are used up
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define PROVENANCE_ROTATION_MASK 0xff

// Both texts are cluster ids as Metadata reports them: a flow is known by the two clusters it joins, not by the aliases
// in a file, so renaming an alias changes nothing.
int64_t provenance_producer_id(const char *source_cluster_id, const char *destination_cluster_id);

bool provenance_is_ours(int64_t producer_id);  // written by some odraz
static inline bool provenance_same_flow(int64_t a, int64_t b) {
    return ((a ^ b) & ~(int64_t)PROVENANCE_ROTATION_MASK) == 0;
}

// Whether a batch with this id was brought from the cluster `cluster_id`: mirrored back there, it would run in circles.
bool provenance_came_from(int64_t producer_id, const char *cluster_id);
