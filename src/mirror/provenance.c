// Producer ids that say where records came from.
#include "mirror/provenance.h"

#include "base/map.h"

#include <string.h>

#define MARK ((int64_t)1 << 62)
#define MAGIC ((int64_t)0x0d2a << 48)
#define BITS_20 0xfffff

static int64_t short_hash(const char *text) {
    return (int64_t)(hash_bytes(text, strlen(text)) >> 44) & BITS_20;
}

int64_t provenance_producer_id(const char *source_cluster_id, const char *destination_cluster_id) {
    return MARK | MAGIC | short_hash(source_cluster_id) << 28 | short_hash(destination_cluster_id) << 8;
}

bool provenance_is_ours(int64_t producer_id) {
    return producer_id >> 48 == (MARK | MAGIC) >> 48;
}

bool provenance_came_from(int64_t producer_id, const char *cluster_id) {
    return provenance_is_ours(producer_id) && ((producer_id >> 28) & BITS_20) == short_hash(cluster_id);
}
