// The broker's own appends: markers of transactions, and the records of its internal topics.
#include "base/limits.h"
#include "broker/append_private.h"
#include "wire/error_codes.h"
#include "wire/varint.h"

#include <assert.h>

#define MARKER_SIZE 78  // each has one record, and no number in it is large

static void append_field(struct buffer *out, const uint8_t *at, int32_t size) {
    varlong_append(out, size);
    if (size > 0) buffer_append(out, at, (size_t)size);
}

// key, value, no headers.
static void append_pair_record(struct buffer *out, struct buffer *body, const struct append_pair *pair,
                               int32_t offset_delta) {
    buffer_clear(body);
    append_field(body, pair->key.at, (int32_t)pair->key.size);
    append_field(body, pair->value.at, pair->value.size);
    varlong_append(body, 0);
    append_write_record(out, 0, offset_delta, (struct bytes){body->at, body->size});
}

// `h` says what is special: attributes, timestamps, producer.
static struct append_result append_pairs(struct broker_log *l, struct batch_header h, const struct append_pair *pairs,
                                         int32_t count, int64_t wall_ms) {
    struct buffer out, body;
    assert(count > 0);
    buffer_init(&out, FRAME_SIZE_MAX);
    buffer_init(&body, FRAME_SIZE_MAX);
    buffer_extend(&out, BATCH_HEADER_SIZE);
    for (int32_t i = 0; i < count; i++) append_pair_record(&out, &body, &pairs[i], i);
    assert(!out.overflowed);
    h.base_offset = l->end;
    h.magic = BATCH_MAGIC;
    h.size = (int32_t)out.size;
    h.base_timestamp = h.max_timestamp = wall_ms;
    h.last_offset_delta = count - 1;
    h.count = count;
    batch_header_write(out.at, &h, h.size);
    h.crc = load_be32(out.at + BATCH_AT_CRC);
    struct stored_batch *b = stored_batch_new((struct bytes){out.at, out.size}, &h);
    broker_log_append(l, b, wall_ms);
    stored_batch_release(b);
    buffer_free(&out);
    buffer_free(&body);
    struct append_result result = append_failed(KAFKA_NONE);
    result.base_offset = h.base_offset;
    return result;
}

struct append_result append_own(struct broker_log *l, const struct append_pair *pairs, int32_t count,
                                const struct append_producer *producer, int32_t leader_epoch, int64_t wall_ms) {
    struct batch_header h = {
        .leader_epoch = leader_epoch, .producer_id = -1, .producer_epoch = -1, .base_sequence = -1};
    if (producer) {
        const struct producer_state *p = producer_states_find(&l->producers, producer->id);
        if (p && producer->epoch < p->epoch) return append_failed(KAFKA_INVALID_PRODUCER_EPOCH);
        h.attributes = BATCH_ATTRIBUTE_TRANSACTIONAL;
        h.producer_id = producer->id;
        h.producer_epoch = producer->epoch;
        h.base_sequence = 0;
    }
    return append_pairs(l, h, pairs, count, wall_ms);
}

struct append_result append_marker(struct broker_log *l, const struct broker_topic_settings *settings,
                                   const struct producer_marker *m, int32_t leader_epoch, int64_t wall_ms) {
    uint8_t key[4], value[6];
    // Whatever becomes of the marker, as of a client's batch (append.c).
    broker_log_start_epoch(l, leader_epoch);
    struct log_coming coming = {l->end, l->end, MARKER_SIZE, wall_ms};
    broker_log_roll(l, settings, &coming);
    int16_t code = producer_states_check_marker(&l->producers, m);
    if (code) return append_failed(code);
    store_be16(key, 0);  // version
    store_be16(key + 2, m->commit ? 1 : 0);
    store_be16(value, 0);  // version
    store_be32(value + 2, (uint32_t)m->coordinator_epoch);
    struct append_pair pair = {{key, sizeof key}, {value, sizeof value}};
    struct batch_header h = {.leader_epoch = leader_epoch,
                             .attributes = BATCH_ATTRIBUTE_TRANSACTIONAL | BATCH_ATTRIBUTE_CONTROL,
                             .producer_id = m->producer_id,
                             .producer_epoch = m->producer_epoch,
                             .base_sequence = -1};
    if (settings->append_time) h.attributes |= BATCH_ATTRIBUTE_LOG_APPEND_TIME;
    struct append_result result = append_pairs(l, h, &pair, 1, wall_ms);
    if (settings->append_time) result.append_time_ms = wall_ms;
    return result;
}
