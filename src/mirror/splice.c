// The splice check.
#include "mirror/splice.h"

enum splice_verdict splice_compare(const struct batch_header *destination, struct bytes source) {
    struct batch_header s;
    if (batch_look(source, &s) != BATCH_WHOLE) return SPLICE_DIFFERENT;
    int64_t last = batch_last_offset(destination);
    if (s.base_offset > last) return SPLICE_COMPACTED;
    if (s.base_offset != destination->base_offset || batch_last_offset(&s) != last) return SPLICE_DIFFERENT;
    // Cleaners, of either cluster, keep a batch's offsets, drop records from it, or write down in place of its base
    // time when its tombstones may go (KIP-534): there is nothing left to compare with. What we wrote was dense.
    bool horizon = (s.attributes | destination->attributes) & BATCH_ATTRIBUTE_DELETE_HORIZON;
    bool cleaned = s.count < destination->count || !batch_is_dense(destination) ||
                   (horizon && s.base_timestamp != destination->base_timestamp);
    if (cleaned) return SPLICE_REWRITTEN;
    if (s.count != destination->count || s.max_timestamp != destination->max_timestamp) return SPLICE_DIFFERENT;
    // Mirrored with the append time written into each record; the payload and its CRC are our own then.
    if (s.attributes & BATCH_ATTRIBUTE_LOG_APPEND_TIME) return SPLICE_REWRITTEN;
    if (s.base_timestamp != destination->base_timestamp) return SPLICE_DIFFERENT;
    struct batch_stamp stamp = {destination->producer_id, destination->producer_epoch, destination->base_sequence};
    return batch_crc_restamped(source.at, &s, &stamp) == destination->crc ? SPLICE_SAME : SPLICE_DIFFERENT;
}
