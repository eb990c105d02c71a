// The splice check.
#include "mirror/splice.h"

#include "base/limits.h"
#include "wire/join.h"

// What a record may lose of its size when it is joined: its deltas count from another batch.
#define RECORD_SHORTER_MAX 24

static int64_t lost_by_joining(const struct batch_header *destination) {
    return (int64_t)destination->last_offset_delta * (BATCH_HEADER_SIZE + RECORD_SHORTER_MAX);
}

int32_t splice_source_size(const struct batch_header *destination) {
    bool joined = (destination->attributes & BATCH_ATTRIBUTE_CODEC) == CODEC_NONE;  // else rarely
    int64_t more = joined ? lost_by_joining(destination) : 0;
    return destination->size + (more < SPLICE_EXTRA_MAX ? (int32_t)more : SPLICE_EXTRA_MAX);
}

int64_t splice_parts_size_max(const struct batch_header *destination) {
    int64_t size = destination->size > JOINED_SIZE_MAX ? destination->size : JOINED_SIZE_MAX;
    return size + lost_by_joining(destination);
}

static bool same_crc(const struct batch_header *destination, const uint8_t *batch, const struct batch_header *h) {
    struct batch_stamp stamp = {destination->producer_id, destination->producer_epoch, destination->base_sequence};
    return batch_crc_restamped(batch, h, &stamp) == destination->crc;
}

// Cleaners, of either cluster, keep a batch's offsets, drop records from it, or write down in place of its base time
// when its tombstones may go (KIP-534): there is nothing left to compare with. What we wrote was dense. Copied, such a
// time stands there without its bit; no producer's base time is later than the newest record.
static bool is_cleaned(const struct batch_header *destination, const struct batch_header *source) {
    bool horizon = (source->attributes | destination->attributes) & BATCH_ATTRIBUTE_DELETE_HORIZON ||
                   destination->base_timestamp > destination->max_timestamp;
    return source->count < destination->count || !batch_is_dense(destination) ||
           (horizon && source->base_timestamp != destination->base_timestamp);
}

// A cleaner takes records away: what it leaves is no newer than what was mirrored, unless that was cleaned, too.
static bool is_newer(const struct batch_header *destination, const struct batch_header *source) {
    bool whole = batch_is_dense(destination) && !(destination->attributes & BATCH_ATTRIBUTE_DELETE_HORIZON);
    return whole && source->max_timestamp > destination->max_timestamp;
}

// A broker whose compression.type was another one for a while has compressed anew what it was sent (LogValidator): the
// records are the same, their bytes are not.
static bool has_other_codec(const struct batch_header *destination, const struct batch_header *source) {
    return (destination->attributes ^ source->attributes) & BATCH_ATTRIBUTE_CODEC;
}

static enum splice_verdict compare_one(const struct batch_header *destination, const struct batch_header *s,
                                       const uint8_t *source) {
    if (is_newer(destination, s)) return SPLICE_DIFFERENT;
    if (is_cleaned(destination, s)) return SPLICE_REWRITTEN;
    if (s->count != destination->count || s->max_timestamp != destination->max_timestamp) return SPLICE_DIFFERENT;
    // Mirrored with the append time written into each record; the payload and its CRC are our own then.
    if (s->attributes & BATCH_ATTRIBUTE_LOG_APPEND_TIME) return SPLICE_REWRITTEN;
    if (s->base_timestamp != destination->base_timestamp) return SPLICE_DIFFERENT;
    if (has_other_codec(destination, s)) return SPLICE_REWRITTEN;
    return same_crc(destination, source, s) ? SPLICE_SAME : SPLICE_DIFFERENT;
}

// The batches at the offsets of a destination batch that may be made of several.
struct parts {
    struct bytes bytes;  // of all of them
    bool cleaned;        // offsets between them or in them are gone, or times were written anew
    int32_t leader_epoch;  // of the last one; -1: it is gone
};

// SPLICE_SAME: all of them are there, and each lies within.
static enum splice_verdict find_parts(const struct batch_header *destination, struct bytes source,
                                      struct parts *parts) {
    int64_t next = destination->base_offset, last = batch_last_offset(destination);
    struct batch_header h;
    bool cleaned = !batch_is_dense(destination) || destination->attributes & BATCH_ATTRIBUTE_DELETE_HORIZON;
    *parts = (struct parts){.bytes = {source.at, 0}, .cleaned = cleaned, .leader_epoch = -1};
    for (;;) {
        struct bytes rest = {source.at + parts->bytes.size, source.size - parts->bytes.size};
        enum batch_look look = batch_look(rest, &h);
        if (look == BATCH_PARTIAL) return SPLICE_CUT;
        if (look == BATCH_DAMAGED) return SPLICE_DAMAGED;
        if (look != BATCH_WHOLE || h.base_offset < next) return SPLICE_DIFFERENT;
        if (h.base_offset > next) parts->cleaned = true;
        if (h.base_offset > last) return SPLICE_SAME;
        if (batch_last_offset(&h) > last || h.attributes & ~BATCH_ATTRIBUTE_DELETE_HORIZON) return SPLICE_DIFFERENT;
        if (is_newer(destination, &h)) return SPLICE_DIFFERENT;
        if (!batch_is_dense(&h) || h.attributes & BATCH_ATTRIBUTE_DELETE_HORIZON) parts->cleaned = true;
        parts->bytes.size += (size_t)h.size;
        if (batch_last_offset(&h) < last) {
            next = batch_last_offset(&h) + 1;
            continue;
        }
        parts->leader_epoch = h.leader_epoch;
        return SPLICE_SAME;
    }
}

// Makes the joined batch again.
static enum splice_verdict join_parts(const struct batch_header *destination, const struct parts *parts,
                                      struct buffer *joined) {
    struct bytes rest = parts->bytes;
    while (rest.size > 0) {
        struct batch_header h;
        enum batch_look look = batch_look(rest, &h);
        struct bytes part = {rest.at, (size_t)h.size};
        if (look != BATCH_WHOLE || !join_possible(&h)) return SPLICE_DIFFERENT;
        if (!batch_crc_is_right(part)) return SPLICE_DAMAGED;
        if (joined->size == 0) buffer_append(joined, part.at, part.size);
        else if (!join_add(joined, part, &h)) return SPLICE_DIFFERENT;
        rest = (struct bytes){rest.at + part.size, rest.size - part.size};
    }
    struct batch_header made;
    batch_look((struct bytes){joined->at, joined->size}, &made);
    if (made.count != destination->count || made.max_timestamp != destination->max_timestamp ||
        made.base_timestamp != destination->base_timestamp)
        return SPLICE_DIFFERENT;
    if (has_other_codec(destination, &made)) return SPLICE_REWRITTEN;
    if (made.size != destination->size) return SPLICE_DIFFERENT;
    join_finish(joined->at, joined->size);
    batch_look((struct bytes){joined->at, joined->size}, &made);
    return same_crc(destination, joined->at, &made) ? SPLICE_SAME : SPLICE_DIFFERENT;
}

static enum splice_verdict compare_parts(const struct batch_header *destination, struct bytes source,
                                         int32_t *leader_epoch) {
    struct parts parts;
    enum splice_verdict found = find_parts(destination, source, &parts);
    if (found != SPLICE_SAME) return found;
    *leader_epoch = parts.leader_epoch;
    if (parts.cleaned) return SPLICE_REWRITTEN;
    struct buffer joined;
    buffer_init(&joined, (size_t)splice_parts_size_max(destination));
    found = join_parts(destination, &parts, &joined);
    buffer_free(&joined);
    return found;
}

enum splice_verdict splice_compare(const struct batch_header *destination, struct bytes source, int32_t *leader_epoch) {
    struct batch_header s;
    enum batch_look look = batch_look(source, &s);
    if (look == BATCH_OLD_MAGIC) return SPLICE_DIFFERENT;
    if (look != BATCH_WHOLE) return SPLICE_DAMAGED;
    int64_t last = batch_last_offset(destination);
    *leader_epoch = s.base_offset > last ? -1 : s.leader_epoch;
    if (s.base_offset > last) return SPLICE_COMPACTED;
    if (s.base_offset == destination->base_offset && batch_last_offset(&s) == last)
        return compare_one(destination, &s, source.at);
    // Only what is not compressed is ever joined; but the destination's broker may have compressed it, or its cleaner
    // noted a horizon since.
    if (destination->attributes & ~(BATCH_ATTRIBUTE_DELETE_HORIZON | BATCH_ATTRIBUTE_CODEC)) return SPLICE_DIFFERENT;
    return compare_parts(destination, source, leader_epoch);
}
