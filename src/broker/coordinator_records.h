// The records coordinators keep in their internal topics, in Kafka's formats: what a batch of them is built from and
// read with. The formats themselves: groups_records.h, transactions_records.h.
#pragma once
#include "base/buffer.h"
#include "broker/append.h"
#include "wire/records.h"

#include <stdbool.h>

// Records on their way into one batch. For each: bytes of the key, coordinator_records_value(), bytes of the value,
// coordinator_records_end(); without the second it is a tombstone.
struct coordinator_records {
    struct buffer bytes;
    struct {
        size_t key, value, end;
        bool tombstone;
    } * at;
    int32_t count, capacity;
    bool open;
    struct append_pair *pairs;
};

void coordinator_records_init(struct coordinator_records *r);
void coordinator_records_free(struct coordinator_records *r);
struct buffer *coordinator_records_key(struct coordinator_records *r);
struct buffer *coordinator_records_value(struct coordinator_records *r);
void coordinator_records_end(struct coordinator_records *r);
// They live until the next call. NULL: more than COORDINATOR_RECORDS_MAX (coordinator_write() knows).
const struct append_pair *coordinator_records_pairs(struct coordinator_records *r);

// Kafka's old encodings (KIP-482 calls the others flexible): 16 bits of length, -1 for null; 32 bits for bytes.
void record_put_text(struct buffer *b, struct wire_text text);
void record_put_bytes(struct buffer *b, struct wire_bytes bytes);
void record_put_uvarint(struct buffer *b, uint32_t v);

// Reading: past the end everything is 0 or null, and `damaged` is set.
struct record_reader {
    const uint8_t *at, *end;
    bool damaged;
};
struct record_reader record_reader_of(struct wire_bytes bytes);
int8_t record_get_8(struct record_reader *r);
int16_t record_get_16(struct record_reader *r);
int32_t record_get_32(struct record_reader *r);
int64_t record_get_64(struct record_reader *r);
uint32_t record_get_uvarint(struct record_reader *r);
struct wire_text record_get_text(struct record_reader *r);
struct wire_bytes record_get_bytes(struct record_reader *r);
const uint8_t *record_get_raw(struct record_reader *r, uint32_t size);  // NULL: damaged

// Calls `see` for each record of the log's batches from *next on that end at or below `to`, and moves *next on.
struct coordinator_seen {
    int64_t offset, producer_id;  // producer_id -1: not transactional
    bool control;                 // a marker: type tells
    int16_t control_type;         // 1: commit, 0: abort
    struct wire_bytes key, value;
};
void coordinator_read(const struct broker_log *log, int64_t *next, int64_t to,
                      void (*see)(void *context, const struct coordinator_seen *seen), void *context);
