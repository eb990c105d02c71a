// A model of a partition's log on its leader, for tests: batches with offsets, high watermark, log start, and the
// states of producers with the rules by which a broker takes or refuses a batch (ProducerAppendInfo).
#pragma once
#include "base/limits.h"
#include "base/buffer.h"
#include "wire/batch.h"
#include "wire/error_codes.h"

#include <assert.h>

#define MODEL_PRODUCERS_MAX 8
#define MODEL_REPEATS_MAX 5  // ranges a broker remembers of a producer

struct model_range {
    int32_t first, last;
    int64_t base_offset;
};

struct model_producer {
    int64_t id;
    int16_t epoch;
    int32_t last_sequence;
    int64_t last_timestamp;
    struct model_range recent[MODEL_REPEATS_MAX];  // newest first
    int recent_count;
};

struct model_log {
    struct buffer bytes;  // batches, one behind the other, with their offsets
    int64_t start, end;
    int64_t replicated;   // high watermark while `followers_stuck`
    bool followers_stuck;
    int64_t safe_end;     // written with acks=all: followers have it
    int32_t leader, epoch;
    int32_t message_bytes_max;
    struct model_producer producers[MODEL_PRODUCERS_MAX];
    int producers_count;
};

static inline void model_log_init(struct model_log *l) {
    *l = (struct model_log){.leader = 1, .epoch = 3, .message_bytes_max = 1048588};
    buffer_init(&l->bytes, 64 * MiB);
}

static inline int64_t model_high_watermark(const struct model_log *l) {
    return l->followers_stuck ? l->replicated : l->end;
}

static inline struct model_producer *model_producer(struct model_log *l, int64_t id) {
    for (int i = 0; i < l->producers_count; i++)
        if (l->producers[i].id == id) return &l->producers[i];
    return NULL;
}

static inline void model_remember(struct model_log *l, const struct batch_header *h) {
    if (h->producer_id < 0) return;
    struct model_producer *p = model_producer(l, h->producer_id);
    if (!p) {
        assert(l->producers_count < MODEL_PRODUCERS_MAX);
        p = &l->producers[l->producers_count++];
        *p = (struct model_producer){.id = h->producer_id};
    }
    if (p->epoch != h->producer_epoch) p->recent_count = 0;
    p->epoch = h->producer_epoch;
    p->last_sequence = sequence_add(h->base_sequence, h->count - 1);
    if (h->max_timestamp > p->last_timestamp) p->last_timestamp = h->max_timestamp;
    memmove(p->recent + 1, p->recent, (MODEL_REPEATS_MAX - 1) * sizeof *p->recent);
    p->recent[0] = (struct model_range){h->base_sequence, p->last_sequence, h->base_offset};
    if (p->recent_count < MODEL_REPEATS_MAX) p->recent_count++;
}

// Without any check, as it comes; its offsets are given here.
static inline void model_put(struct model_log *l, struct bytes batch) {
    struct batch_header h;
    enum batch_look look = batch_look(batch, &h);
    assert(look == BATCH_WHOLE);
    (void)look;
    uint8_t *at = buffer_extend(&l->bytes, batch.size);
    memcpy(at, batch.at, batch.size);
    store_be64(at, (uint64_t)l->end);
    store_be32(at + BATCH_AT_LEADER_EPOCH, (uint32_t)l->epoch);
    h.base_offset = l->end;
    l->end += h.last_offset_delta + 1;
    model_remember(l, &h);
}

// What a Produce request brings: 0 and the base offset, or the error code.
static inline int16_t model_append(struct model_log *l, struct bytes batch, int64_t *base_offset) {
    struct batch_header h;
    if (batch_look(batch, &h) != BATCH_WHOLE || (size_t)h.size != batch.size) return KAFKA_INVALID_RECORD;
    if (!batch_crc_is_right(batch)) return KAFKA_CORRUPT_MESSAGE;
    if (h.size > l->message_bytes_max) return KAFKA_MESSAGE_TOO_LARGE;
    if (h.base_offset != 0 || !batch_is_dense(&h) || (h.attributes & BATCH_ATTRIBUTE_CONTROL))
        return KAFKA_INVALID_RECORD;
    struct model_producer *p = model_producer(l, h.producer_id);
    int32_t last = sequence_add(h.base_sequence, h.count - 1);
    for (int i = 0; p && p->epoch == h.producer_epoch && i < p->recent_count; i++) {
        if (p->recent[i].first != h.base_sequence || p->recent[i].last != last) continue;
        *base_offset = p->recent[i].base_offset;
        return KAFKA_NONE;
    }
    if (p && h.producer_epoch < p->epoch) return KAFKA_INVALID_PRODUCER_EPOCH;
    if (p && h.base_sequence != (h.producer_epoch > p->epoch ? 0 : sequence_add(p->last_sequence, 1)))
        return KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER;
    *base_offset = l->end;
    model_put(l, batch);
    return KAFKA_NONE;
}

// The first batch at or behind `at` in the bytes that ends at or above `offset`; false: there is none.
static inline bool model_find(const struct model_log *l, int64_t offset, size_t *at, struct batch_header *h) {
    while (*at < l->bytes.size) {
        enum batch_look look = batch_look((struct bytes){l->bytes.at + *at, l->bytes.size - *at}, h);
        assert(look == BATCH_WHOLE);
        (void)look;
        if (batch_last_offset(h) >= offset) return true;
        *at += (size_t)h->size;
    }
    return false;
}

// Whole batches from the one that holds `offset` on, below the high watermark; always one, then as many as fit.
static inline struct bytes model_read(const struct model_log *l, int64_t offset, int32_t size_max) {
    struct batch_header h;
    size_t at = 0;
    if (!model_find(l, offset, &at, &h) || h.base_offset >= model_high_watermark(l)) return (struct bytes){0};
    size_t end = at + (size_t)h.size;
    while (batch_look((struct bytes){l->bytes.at + end, l->bytes.size - end}, &h) == BATCH_WHOLE &&
           h.base_offset < model_high_watermark(l) && end - at + (size_t)h.size <= (size_t)size_max)
        end += (size_t)h.size;
    return (struct bytes){l->bytes.at + at, end - at};
}

// Whatever ends above `offset` is gone, and with it what producers did there.
static inline void model_truncate(struct model_log *l, int64_t offset) {
    struct batch_header h;
    size_t at = 0;
    if (model_find(l, offset, &at, &h)) l->bytes.size = at;
    l->end = offset;
    l->producers_count = 0;
    for (at = 0; at < l->bytes.size; at += (size_t)h.size) {
        batch_look((struct bytes){l->bytes.at + at, l->bytes.size - at}, &h);
        model_remember(l, &h);
    }
}

// Raises the log start; batches wholly below it are gone, as after retention and DeleteRecords.
static inline void model_delete_below(struct model_log *l, int64_t offset) {
    struct batch_header h;
    size_t at = 0;
    l->start = offset;
    if (!model_find(l, offset, &at, &h)) at = l->bytes.size;
    memmove(l->bytes.at, l->bytes.at + at, l->bytes.size - at);
    l->bytes.size -= at;
}

// As a cleaner that leaves nothing of the batch that holds `offset`.
static inline void model_clean(struct model_log *l, int64_t offset) {
    struct batch_header h;
    size_t at = 0;
    bool found = model_find(l, offset, &at, &h) && h.base_offset <= offset;
    assert(found);
    (void)found;
    memmove(l->bytes.at + at, l->bytes.at + at + h.size, l->bytes.size - at - (size_t)h.size);
    l->bytes.size -= (size_t)h.size;
}

// Batches to write ---------------------------------------------------------------------------------------------------

struct model_batch {
    int32_t count, delta;  // last offset delta, 0 = dense
    int16_t attributes;
    int64_t timestamp, producer_id;  // id 0 = none
    int32_t size;                    // 0 = small
    uint8_t fill;
};

// Writes a batch whose records are not records but bytes: nobody between the two logs may look at them.
static inline void model_write(struct model_log *l, const struct model_batch *b) {
    int32_t size = b->size ? b->size : BATCH_HEADER_SIZE + 20 * b->count;
    struct buffer out;
    buffer_init(&out, (size_t)size);
    uint8_t *at = buffer_extend(&out, (size_t)size);
    for (int32_t i = BATCH_HEADER_SIZE; i < size; i++) at[i] = (uint8_t)(b->fill + i * 31 + l->end);
    struct batch_header h = {.attributes = b->attributes,
                             .last_offset_delta = b->delta ? b->delta : b->count - 1,
                             .base_timestamp = b->timestamp,
                             .max_timestamp = b->timestamp + 5,
                             .producer_id = b->producer_id ? b->producer_id : -1,
                             .producer_epoch = b->producer_id ? 0 : -1,
                             .base_sequence = b->producer_id ? 0 : -1,
                             .count = b->count};
    batch_header_write(at, &h, size);
    model_put(l, (struct bytes){at, out.size});
    buffer_free(&out);
}

// The first offset at which the two logs differ in what a consumer sees, or -1. Batches below the starts do not count.
static inline int64_t model_difference(const struct model_log *source, const struct model_log *mirror) {
    struct batch_header s, m;
    size_t at_s = 0, at_m = 0;
    int64_t offset = source->start;
    if (mirror->start != source->start) return mirror->start < source->start ? mirror->start : source->start;
    while (model_find(source, offset, &at_s, &s)) {
        if (!model_find(mirror, offset, &at_m, &m)) return offset;
        if (s.base_offset != m.base_offset || s.size != m.size || s.count != m.count ||
            s.max_timestamp != m.max_timestamp ||
            memcmp(source->bytes.at + at_s + BATCH_HEADER_SIZE, mirror->bytes.at + at_m + BATCH_HEADER_SIZE,
                   (size_t)s.size - BATCH_HEADER_SIZE) != 0 ||
            !batch_crc_is_right((struct bytes){mirror->bytes.at + at_m, (size_t)m.size}))
            return s.base_offset;
        offset = batch_last_offset(&s) + 1;
    }
    return mirror->end == source->end ? -1 : offset;
}
