// Building and reading the records of coordinators: see coordinator_records.h.
#include "broker/coordinator_records.h"

#include "base/limits.h"
#include "base/memory.h"

#include <assert.h>

void coordinator_records_init(struct coordinator_records *r) {
    *r = (struct coordinator_records){0};
    buffer_init(&r->bytes, COORDINATOR_RECORDS_MAX);
}

void coordinator_records_free(struct coordinator_records *r) {
    buffer_free(&r->bytes);
    memory_free(r->at);
    memory_free(r->pairs);
}

struct buffer *coordinator_records_key(struct coordinator_records *r) {
    assert(!r->open);
    if (r->count == r->capacity) {
        r->capacity = r->capacity ? r->capacity * 2 : 8;
        r->at = memory_resize(r->at, (size_t)r->capacity * sizeof *r->at);
    }
    r->open = true;
    r->at[r->count].key = r->bytes.size;
    r->at[r->count].tombstone = true;
    return &r->bytes;
}

struct buffer *coordinator_records_value(struct coordinator_records *r) {
    assert(r->open);
    r->at[r->count].value = r->bytes.size;
    r->at[r->count].tombstone = false;
    return &r->bytes;
}

void coordinator_records_end(struct coordinator_records *r) {
    assert(r->open);
    if (r->at[r->count].tombstone) r->at[r->count].value = r->bytes.size;
    r->at[r->count++].end = r->bytes.size;
    r->open = false;
}

const struct append_pair *coordinator_records_pairs(struct coordinator_records *r) {
    assert(!r->open && r->count);
    if (r->bytes.overflowed) return NULL;
    r->pairs = memory_resize(r->pairs, (size_t)r->count * sizeof *r->pairs);
    for (int32_t i = 0; i < r->count; i++) {
        const uint8_t *bytes = r->bytes.at;
        r->pairs[i].key = (struct bytes){bytes + r->at[i].key, r->at[i].value - r->at[i].key};
        r->pairs[i].value = (struct wire_bytes){bytes + r->at[i].value, (int32_t)(r->at[i].end - r->at[i].value)};
        if (r->at[i].tombstone) r->pairs[i].value = (struct wire_bytes){NULL, -1};
    }
    return r->pairs;
}

void record_put_text(struct buffer *b, struct wire_text text) {
    buffer_append_be16(b, (uint16_t)text.size);
    if (text.size > 0) buffer_append(b, text.at, (size_t)text.size);
}

void record_put_bytes(struct buffer *b, struct wire_bytes bytes) {
    buffer_append_be32(b, (uint32_t)bytes.size);
    if (bytes.size > 0) buffer_append(b, bytes.at, (size_t)bytes.size);
}

void record_put_uvarint(struct buffer *b, uint32_t v) {
    for (; v >= 0x80; v >>= 7) buffer_append_u8(b, (uint8_t)(v | 0x80));
    buffer_append_u8(b, (uint8_t)v);
}

struct record_reader record_reader_of(struct wire_bytes bytes) {
    return (struct record_reader){bytes.at, bytes.at + (bytes.size > 0 ? bytes.size : 0), false};
}

const uint8_t *record_get_raw(struct record_reader *r, uint32_t size) {
    if (r->damaged || size > (size_t)(r->end - r->at)) {
        r->damaged = true;
        return NULL;
    }
    const uint8_t *at = r->at;
    r->at += size;
    return at;
}

int8_t record_get_8(struct record_reader *r) {
    const uint8_t *at = record_get_raw(r, 1);
    return at ? (int8_t)*at : 0;
}

int16_t record_get_16(struct record_reader *r) {
    const uint8_t *at = record_get_raw(r, 2);
    return at ? (int16_t)load_be16(at) : 0;
}

int32_t record_get_32(struct record_reader *r) {
    const uint8_t *at = record_get_raw(r, 4);
    return at ? (int32_t)load_be32(at) : 0;
}

int64_t record_get_64(struct record_reader *r) {
    const uint8_t *at = record_get_raw(r, 8);
    return at ? (int64_t)load_be64(at) : 0;
}

uint32_t record_get_uvarint(struct record_reader *r) {
    uint32_t v = 0;
    for (int shift = 0; shift < 35; shift += 7) {
        uint8_t byte = (uint8_t)record_get_8(r);
        v |= (uint32_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) return v;
    }
    r->damaged = true;
    return 0;
}

struct wire_text record_get_text(struct record_reader *r) {
    int16_t size = record_get_16(r);
    const uint8_t *at = size < 0 ? NULL : record_get_raw(r, (uint32_t)size);
    return at ? (struct wire_text){(const char *)at, size} : (struct wire_text){NULL, -1};
}

struct wire_bytes record_get_bytes(struct record_reader *r) {
    int32_t size = record_get_32(r);
    const uint8_t *at = size < 0 ? NULL : record_get_raw(r, (uint32_t)size);
    return at ? (struct wire_bytes){at, size} : (struct wire_bytes){NULL, -1};
}

static void read_batch(const struct stored_batch *b, struct buffer *plain,
                       void (*see)(void *context, const struct coordinator_seen *seen), void *context) {
    const struct batch_header *h = &b->header;
    struct records records;
    struct error err = records_open(&records, (struct bytes){b->at, (size_t)h->size}, h, plain);
    if (error_is(&err)) return;
    struct coordinator_seen seen = {.producer_id = -1, .control = h->attributes & BATCH_ATTRIBUTE_CONTROL};
    if (h->attributes & BATCH_ATTRIBUTE_TRANSACTIONAL) seen.producer_id = h->producer_id;
    struct record record;
    while (records_next(&records, &record)) {
        seen.offset = record.offset;
        seen.key = record.key;
        seen.value = record.value;
        if (seen.control) {  // ControlRecordType: version, type
            struct record_reader r = record_reader_of(record.key);
            (void)record_get_16(&r);
            seen.control_type = record_get_16(&r);
            if (r.damaged) continue;
        }
        see(context, &seen);
    }
}

void coordinator_read(const struct broker_log *log, int64_t *next, int64_t to,
                      void (*see)(void *context, const struct coordinator_seen *seen), void *context) {
    if (*next >= to) return;
    struct buffer plain;
    buffer_init(&plain, COORDINATOR_RECORDS_MAX);
    for (size_t i = broker_log_find(log, *next); i < log->count; i++) {
        const struct stored_batch *b = broker_log_at(log, i);
        if (batch_last_offset(&b->header) >= to) break;
        read_batch(b, &plain, see, context);
        *next = batch_last_offset(&b->header) + 1;
    }
    buffer_free(&plain);
}
