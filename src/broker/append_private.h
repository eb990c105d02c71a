// What the files of the append share among themselves.
#pragma once
#include "base/buffer.h"
#include "broker/append.h"
#include "wire/records.h"

// A batch on its way into the log.
struct incoming {
    struct bytes batch;          // header.size bytes, as they came
    struct batch_header header;  // as it came, then as it will be stored
    const struct broker_topic_settings *settings;
    int64_t wall_ms;
    bool rebuilt;  // `built` is to be stored instead of `batch`
    struct buffer built;
};

// What is wrong with a record.
enum complaint { COMPLAINT_NONE, COMPLAINT_NO_KEY, COMPLAINT_TIMESTAMP, COMPLAINT_TIMESTAMP_TYPE };
enum complaint append_judge(const struct incoming *in, const struct record *r);

struct append_result append_failed(int16_t error_code);

// ProduceRequest.validateRecords and UnifiedLog.analyzeAndValidateRecords: error code 0 when `in` is the one batch.
int16_t append_analyze(struct incoming *in, struct bytes records);

// LogValidator.validateMessagesAndAssignOffsets, but for the offsets. Error code 0: header's timestamps and attributes
// are what is stored.
struct append_result append_validate(struct incoming *in);

// Writes one record of a batch that begins at offset delta 0 and `base_timestamp`.
void append_write_record(struct buffer *out, int64_t timestamp_delta, int32_t offset_delta, struct bytes body);
