// The records inside a batch: reading them one by one, and writing them again where a batch cannot be forwarded as it
// is. The copy path never comes here. See org.apache.kafka.common.record.DefaultRecord.
#pragma once
#include "base/buffer.h"
#include "wire/batch.h"
#include "wire/message.h"

struct record {
    int64_t offset;
    uint8_t attributes;  // none is in use
    int64_t timestamp;  // the batch's max_timestamp where that is the append time
    struct wire_bytes key, value;
    int32_t headers_count;
    struct bytes headers;  // for record_header_next()
    struct bytes body;     // all from the key's length on, as it stands in the batch
};

// while (records_next(&r, &record)) ...; then records_result() says whether that was the end of the batch or damage.
struct records {
    struct batch_header batch;
    struct bytes left;
    int32_t read;
    int64_t offset_previous;
    struct error err;
};

// `batch` must be BATCH_WHOLE. Records point into `plain`, or into the batch itself where it is not compressed; `plain`
// is cleared first, and must outlive the records. Its maximum bounds what is decompressed (RECORDS_SIZE_MAX is ours).
// Errors: ERROR_PROTOCOL, ERROR_LIMIT.
MUST_USE struct error records_open(struct records *r, struct bytes batch, const struct batch_header *header,
                                   struct buffer *plain);

// Offsets rise and stay inside the batch's range; every length is inside its record, and every record inside the batch.
MUST_USE bool records_next(struct records *r, struct record *record);
MUST_USE struct error records_result(const struct records *r);

// Takes the next header off `record`; false when there is none left. Lengths were checked by records_next().
struct record_header {
    struct wire_text key;
    struct wire_bytes value;
};
bool record_header_next(struct record *record, struct record_header *header);

// Appends the record as one of a batch with this base offset and base timestamp. Times may wrap around, as they do when
// they are read.
void record_append(struct buffer *out, const struct record *record, int64_t base_offset, int64_t base_timestamp);

// Rewriting: what a stock broker would refuse or change is written again with the same codec, as one batch for each
// unbroken run of offsets.
//  - a batch thinned by compaction (count != last_offset_delta + 1 is refused with INVALID_RECORD, LogValidator);
//  - the append-time bit (a broker clears it, and consumers would see the records' create times instead): records get
//    the batch's max_timestamp.
// Keys, values, headers and offsets stay what they are. The bits of append time, transaction and delete horizon go.
struct rewriter {
    struct records records;
    struct record next;  // the first of the next run
    bool has_next;
    struct buffer plain, encoded;
};

// Reads the whole batch for its CRC: rewriting would otherwise launder damage. To be closed only after success.
// Errors: ERROR_PROTOCOL, ERROR_LIMIT.
MUST_USE struct error rewriter_open(struct rewriter *w, struct bytes batch, const struct batch_header *header);

// Appends the batch of the next run to `out` and answers its header; *written is false when there are no more runs.
// Producer id, epoch, sequence and leader epoch are the old batch's: batch_restamp() comes after.
// Errors: ERROR_PROTOCOL, ERROR_LIMIT; `out` is then as long as before, but may be overflowed.
MUST_USE struct error rewriter_next(struct rewriter *w, struct buffer *out, struct batch_header *header, bool *written);
void rewriter_close(struct rewriter *w);
