// The records of a batch on its way in, read as strictly as a broker does and no more (DefaultRecordBatch,
// DefaultRecord): nobody holds their offsets against the header, and where a compressed batch is stored as it came, not
// even the lengths of its records are looked at. Readers of the log (wire/records.h) want more.
#pragma once
#include "broker/append_private.h"

struct incoming_records {
    struct bytes left;
    struct buffer plain;
    const struct batch_header *batch;
    bool compressed;
    bool cut;      // what follows `left` cannot be decompressed
    bool partial;  // DefaultRecord.readPartiallyFrom
    bool within;   // a record whose bytes are all there
    int32_t read;
    int16_t error_code;
};

// `partial`: the batch is stored as it came. Records point into `plain` or the batch.
void append_records_open(struct incoming_records *r, const struct incoming *in, bool partial);
bool append_records_next(struct incoming_records *r, struct record *record);  // then error_code says why not
void append_records_close(struct incoming_records *r);

// The record's key, value and headers as Java writes them.
void append_records_body(const struct record *record, struct buffer *out);
