// Offsets by time, as ListOffsets asks for them (UnifiedLog.fetchOffsetByTimestamp).
#include "base/limits.h"
#include "broker/log.h"
#include "wire/records.h"

static const struct log_time_offset NOWHERE = {-1, -1, -1};

// The first record of the batch at or above the log start whose timestamp is at least `timestamp_ms`.
static struct log_time_offset find_in_batch(const struct stored_batch *b, int64_t start, int64_t timestamp_ms) {
    struct log_time_offset found = NOWHERE;
    struct records records;
    struct record record;
    struct buffer plain;
    buffer_init(&plain, RECORDS_SIZE_MAX);
    struct error err = records_open(&records, (struct bytes){b->at, (size_t)b->header.size}, &b->header, &plain);
    while (!error_is(&err) && found.offset < 0 && records_next(&records, &record)) {
        if (record.timestamp < timestamp_ms || record.offset < start) continue;
        found = (struct log_time_offset){record.offset, record.timestamp, b->header.leader_epoch};
    }
    buffer_free(&plain);
    return found;
}

// Only in the first file that has such a record, be it below the log start (UnifiedLog.searchOffsetInLocalLog).
struct log_time_offset broker_log_offset_for_time(const struct broker_log *l, int64_t timestamp_ms) {
    int64_t file_end = INT64_MAX;
    for (size_t i = 0; i < l->count && broker_log_at(l, i)->header.base_offset < file_end; i++) {
        const struct stored_batch *b = broker_log_at(l, i);
        if (b->header.max_timestamp < timestamp_ms) continue;
        file_end = broker_log_segment_end(l, i);
        struct log_time_offset found = find_in_batch(b, l->start, timestamp_ms);
        if (found.offset >= 0) return found;
    }
    return NOWHERE;
}

struct log_time_offset broker_log_offset_of_max_timestamp(const struct broker_log *l) {
    const struct stored_batch *newest = NULL;
    for (size_t i = 0; i < l->count; i++) {
        const struct stored_batch *b = broker_log_at(l, i);
        if (!newest || b->header.max_timestamp > newest->header.max_timestamp) newest = b;
    }
    return newest ? find_in_batch(newest, 0, newest->header.max_timestamp) : NOWHERE;
}
