// The checks that look at records: keys, timestamps, counts; and the batch written again where topic and client differ
// in compression (org.apache.kafka.storage.internals.log.LogValidator).
#include "base/crc32c.h"
#include "base/limits.h"
#include "base/memory.h"
#include "broker/append_records.h"
#include "wire/codec.h"
#include "wire/error_codes.h"
#include "wire/varint.h"

#define NO_TIMESTAMP (-1)  // RecordBatch.NO_TIMESTAMP
#define ATTRIBUTES_KNOWN 0x7f

// What a walk over the records has found.
struct findings {
    int64_t first_timestamp, max_timestamp;
    bool offsets_are_counted;  // from 0 on, one by one
    bool offsets_rise;
    int64_t offset_previous;
    int32_t bad_records;
    bool bad_timestamps;
    bool negative_timestamps;  // which MemoryRecordsBuilder does not write
};

static int16_t validate_batch(const struct batch_header *h) {
    if (!batch_is_dense(h) || h->count <= 0) return KAFKA_INVALID_RECORD;
    if (h->attributes & BATCH_ATTRIBUTE_CONTROL) return KAFKA_INVALID_RECORD;
    return h->producer_id >= 0 && h->base_sequence < 0 ? KAFKA_INVALID_RECORD : KAFKA_NONE;
}

static bool timestamp_is_right(const struct incoming *in, int64_t timestamp) {
    int64_t age = (int64_t)((uint64_t)in->wall_ms - (uint64_t)timestamp);  // wraps as Java's
    return age <= in->settings->timestamp_before_ms_max && age >= -in->settings->timestamp_after_ms_max;
}

// LogValidator.validateRecord.
enum complaint append_judge(const struct incoming *in, const struct record *r) {
    const struct broker_topic_settings *s = in->settings;
    if (s->compact && r->key.size < 0) return COMPLAINT_NO_KEY;
    if (!s->append_time && r->timestamp != NO_TIMESTAMP)
        return timestamp_is_right(in, r->timestamp) ? COMPLAINT_NONE : COMPLAINT_TIMESTAMP;
    bool set_by_client = in->header.attributes & BATCH_ATTRIBUTE_LOG_APPEND_TIME;
    return set_by_client ? COMPLAINT_TIMESTAMP_TYPE : COMPLAINT_NONE;
}

static void look_at(const struct incoming *in, const struct record *r, int32_t index, struct findings *f) {
    enum complaint complaint = append_judge(in, r);
    if (complaint != COMPLAINT_NONE) f->bad_records++;
    if (complaint > COMPLAINT_NO_KEY) f->bad_timestamps = true;
    if (index == 0) f->first_timestamp = r->timestamp;
    f->negative_timestamps |= r->timestamp < 0 && r->timestamp != NO_TIMESTAMP;
    if (r->timestamp > f->max_timestamp) f->max_timestamp = r->timestamp;
    if (r->offset != in->header.base_offset + index) f->offsets_are_counted = false;
    f->offsets_rise &= r->offset > f->offset_previous;
    f->offset_previous = r->offset;
}

static int16_t walk(const struct incoming *in, bool as_it_came, struct findings *f) {
    struct incoming_records records;
    struct record record;
    *f = (struct findings){.max_timestamp = NO_TIMESTAMP, .offsets_are_counted = true};
    f->offsets_rise = true;
    f->offset_previous = in->header.base_offset - 1;
    append_records_open(&records, in, as_it_came);
    for (int32_t i = 0; append_records_next(&records, &record); i++) look_at(in, &record, i, f);
    append_records_close(&records);
    return records.error_code;
}

void append_write_record(struct buffer *out, int64_t timestamp_delta, int32_t offset_delta, struct bytes body) {
    size_t size = 1 + varlong_size(timestamp_delta) + varlong_size(offset_delta) + body.size;
    varlong_append(out, (int64_t)size);
    buffer_append_u8(out, 0);  // attributes
    varlong_append(out, timestamp_delta);
    varlong_append(out, offset_delta);
    buffer_append(out, body.at, body.size);
}

// As MemoryRecordsBuilder writes it: offsets counted, base timestamp the first record's.
static int16_t rebuild(struct incoming *in, enum codec target, const struct findings *f) {
    struct buffer again, body;
    struct incoming_records records;
    struct record record;
    buffer_init(&again, RECORDS_SIZE_MAX);
    buffer_init(&body, RECORDS_SIZE_MAX);
    append_records_open(&records, in, false);
    for (int32_t i = 0; append_records_next(&records, &record); i++) {
        int64_t delta = (int64_t)((uint64_t)record.timestamp - (uint64_t)f->first_timestamp);
        buffer_clear(&body);
        append_records_body(&record, &body);
        append_write_record(&again, delta, i, (struct bytes){body.at, body.size});
    }
    append_records_close(&records);
    buffer_init(&in->built, FRAME_SIZE_MAX);
    buffer_extend(&in->built, BATCH_HEADER_SIZE);
    struct error err = codec_compress(target, (struct bytes){again.at, again.size}, &in->built);
    bool fits = !again.overflowed && !body.overflowed && !in->built.overflowed;
    buffer_free(&body);
    buffer_free(&again);
    in->rebuilt = true;
    in->header.attributes = (int16_t)((in->header.attributes & BATCH_ATTRIBUTE_TRANSACTIONAL) | (int16_t)target);
    in->header.base_timestamp = f->first_timestamp;
    in->header.size = (int32_t)in->built.size;
    return error_is(&err) || !fits ? KAFKA_UNKNOWN_SERVER_ERROR : KAFKA_NONE;
}

// Of what MemoryRecordsBuilder throws IllegalArgumentException.
static bool is_unwritable(const struct batch_header *h, const struct findings *f) {
    if (f->negative_timestamps) return true;
    if (h->producer_id == -1) return h->attributes & BATCH_ATTRIBUTE_TRANSACTIONAL;
    return h->producer_epoch == -1 || h->base_sequence < 0;
}

// DefaultRecordBatch.setMaxTimestamp: attributes that mean nothing go when others are written.
static void set_times(struct incoming *in, int64_t max_timestamp) {
    int16_t type = in->settings->append_time ? BATCH_ATTRIBUTE_LOG_APPEND_TIME : 0;
    if (in->settings->append_time) max_timestamp = in->wall_ms;
    if ((in->header.attributes & BATCH_ATTRIBUTE_LOG_APPEND_TIME) == type && in->header.max_timestamp == max_timestamp)
        return;
    in->header.attributes &= ATTRIBUTES_KNOWN & ~BATCH_ATTRIBUTE_LOG_APPEND_TIME;
    in->header.attributes |= type;
    in->header.max_timestamp = max_timestamp;
}

// LogValidator.processRecordErrors: one bad timestamp gives all of them its name.
static struct append_result refuse_records(const struct findings *f) {
    struct append_result result = append_failed(f->bad_timestamps ? KAFKA_INVALID_TIMESTAMP : KAFKA_INVALID_RECORD);
    result.bad_records = f->bad_records;
    return result;
}

struct append_result append_validate(struct incoming *in) {
    struct findings f;
    enum codec source = (enum codec)(in->header.attributes & BATCH_ATTRIBUTE_CODEC);
    enum codec target = in->settings->codec < 0 ? source : (enum codec)in->settings->codec;
    int16_t code = validate_batch(&in->header);
    if (code) return append_failed(code);
    code = walk(in, source == target, &f);
    if (code) return append_failed(code);
    if (f.bad_records) return refuse_records(&f);
    // Of an uncompressed batch nobody looks at the records' own offsets. A compressed one would have to be written
    // again, but its keys were skipped (PartialDefaultRecord throws UnsupportedOperationException).
    if (source == target && source != CODEC_NONE && !f.offsets_are_counted)
        return append_failed(KAFKA_UNKNOWN_SERVER_ERROR);
    if (source == target && !f.offsets_rise) code = KAFKA_INVALID_RECORD;  // a broker stores them: docs/BROKER.md
    if (source != target) code = is_unwritable(&in->header, &f) ? KAFKA_UNKNOWN_SERVER_ERROR : rebuild(in, target, &f);
    if (!code && in->rebuilt && in->header.size > in->settings->message_bytes_max) code = KAFKA_MESSAGE_TOO_LARGE;
    if (code) return append_failed(code);
    set_times(in, f.max_timestamp);
    return append_failed(KAFKA_NONE);
}
