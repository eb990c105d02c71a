// What a fetch reads from one replica: see fetch_read.h.
#include "broker/fetch_read.h"

#include "wire/error_codes.h"

#include <assert.h>

#define INDEX_INTERVAL 4096  // index.interval.bytes: how far apart the entries of an offset index are

void fetch_refuse(struct fetch_response_partition *answer, int16_t error_code) {
    int32_t index = answer->partition_index;
    message_defaults(&fetch_response_partition_message, answer);
    answer->partition_index = index;
    answer->error_code = error_code;
    answer->high_watermark = -1;
    answer->aborted_transactions_count = -1;
    answer->records = (struct wire_bytes){NULL, 0};
}

static struct fetch_read refused(struct fetch_response_partition *answer, int16_t error_code) {
    fetch_refuse(answer, error_code);
    return (struct fetch_read){0};
}

static int64_t end_for(const struct broker_log *l, enum fetch_isolation isolation) {
    if (isolation == FETCH_LOG_END) return l->end;
    return isolation == FETCH_COMMITTED ? broker_log_last_stable_offset(l) : l->high_watermark;
}

// KIP-595: the client says under which epoch it read last; an epoch that ended before its offset means that it holds
// records which this log does not.
static bool diverges(const struct broker_log *l, const struct fetch_request_partition *asked, struct log_epoch *end) {
    *end = broker_log_end_of_epoch(l, asked->last_fetched_epoch);
    return end->epoch < asked->last_fetched_epoch || end->start < asked->fetch_offset;
}

// Bytes from batch `from` up to the offset `end`, counted up to `enough`. A batch that holds `end` is not readable.
static int64_t bytes_between(const struct broker_log *l, size_t from, int64_t end, int64_t enough) {
    size_t to = broker_log_find(l, end);
    int64_t bytes = 0;
    for (size_t i = from; i < to && bytes < enough; i++) bytes += broker_log_at(l, i)->header.size;
    return bytes < enough ? bytes : enough;
}

struct fetch_read fetch_look(const struct broker_replica *replica, const struct fetch_request_partition *asked,
                             enum fetch_isolation isolation, int32_t limit, bool at_least_one,
                             struct fetch_response_partition *answer) {
    if (!replica) return refused(answer, answer->error_code);
    const struct broker_log *l = &replica->log;
    fetch_refuse(answer, KAFKA_NONE);
    struct fetch_read read = {.log = l};
    if (asked->last_fetched_epoch >= 0) {
        struct log_epoch end;
        bool other = diverges(l, asked, &end);
        if (end.epoch < 0 || asked->fetch_offset < l->start) return refused(answer, KAFKA_OFFSET_OUT_OF_RANGE);
        if (other) answer->diverging_epoch = (struct fetch_response_diverging_epoch){end.epoch, end.start};
    }
    answer->high_watermark = l->high_watermark;
    answer->log_start_offset = l->start;
    answer->last_stable_offset = broker_log_last_stable_offset(l);
    if (answer->diverging_epoch.epoch >= 0) return read;
    if (asked->fetch_offset < l->start || asked->fetch_offset > l->end) {
        return refused(answer, KAFKA_OFFSET_OUT_OF_RANGE);
    }
    int64_t end = end_for(l, isolation);
    read.lists_aborted = isolation == FETCH_COMMITTED;
    read.at_end = asked->fetch_offset >= end;
    if (read.at_end) return read;
    read.first = broker_log_find(l, asked->fetch_offset);
    if (read.first >= l->count) {  // compaction took all that was behind the offset
        read.lists_aborted = false;
        return read;
    }
    if (limit < 0) return refused(answer, KAFKA_UNKNOWN_SERVER_ERROR);  // LogSegment.read throws
    int64_t file_end = broker_log_segment_end(l, read.first);
    if (file_end < end) end = file_end;
    int32_t first_size = broker_log_at(l, read.first)->header.size;
    if (at_least_one && limit < first_size) limit = first_size;
    if (limit > 0 && limit < first_size) read.lists_aborted = false;  // a first batch is never cut
    else read.size = (int32_t)bytes_between(l, read.first, end, limit);
    return read;
}

// Up to which offset the aborted transactions are listed: the offset index is asked what stands behind the bytes that
// are answered, and it has not every batch (LogSegment.fetchUpperBoundOffset); to know too many does no harm.
static int64_t aborted_bound(const struct fetch_read *read) {
    const struct broker_log *l = read->log;
    size_t i = read->first;
    int64_t left = read->size, passed = 0, file_end = broker_log_segment_end(l, i);
    size_t count = broker_log_find(l, file_end);
    for (; i < count && left > 0; i++) {
        left -= broker_log_at(l, i)->header.size;
        passed = broker_log_at(l, i)->header.size;
    }
    for (; i < count && passed <= INDEX_INTERVAL; i++) passed += broker_log_at(l, i)->header.size;
    return i < count ? broker_log_at(l, i)->header.base_offset : file_end;
}

static void list_aborted(struct broker_request *r, const struct fetch_read *read, int64_t offset,
                         struct fetch_response_partition *answer) {
    const struct producer_states *states = &read->log->producers;
    answer->aborted_transactions_count = 0;
    if (states->aborted_count == 0 || read->at_end) return;
    struct aborted_transaction *found = REQUEST_ARRAY(r, states->aborted_count, struct aborted_transaction);
    size_t count = producer_states_aborted(states, offset, aborted_bound(read), found, states->aborted_count);
    answer->aborted_transactions = REQUEST_ARRAY(r, count, struct fetch_response_aborted_transaction);
    answer->aborted_transactions_count = (int32_t)count;
    for (size_t i = 0; i < count; i++) {
        answer->aborted_transactions[i] =
            (struct fetch_response_aborted_transaction){found[i].producer_id, found[i].first_offset};
    }
}

void fetch_fill(struct broker_request *r, const struct fetch_read *read, int64_t offset,
                struct fetch_response_partition *answer) {
    if (!read->log) return;
    if (read->lists_aborted) list_aborted(r, read, offset, answer);
    if (read->size > 0) answer->records = (struct wire_bytes){(const uint8_t *)read, read->size};
}

void fetch_write(const void *source, struct buffer *out) {
    const struct fetch_read *read = source;
    int32_t left = read->size;
    uint8_t *at = buffer_extend(out, (size_t)left);
    for (size_t i = read->first; at && left > 0; i++) {
        const struct stored_batch *b = broker_log_at(read->log, i);
        int32_t size = b->header.size < left ? b->header.size : left;
        memcpy(at, b->at, (size_t)size);
        at += size;
        left -= size;
    }
}

// Where an offset above what may be read is found in the file: where the batch that holds it begins (LogSegment.read).
static int64_t found_at(const struct broker_log *l, int64_t offset) {
    size_t i = broker_log_find(l, offset);
    return i < l->count ? broker_log_at(l, i)->header.base_offset : offset;
}

int64_t fetch_found_at(const struct broker_replica *replica, const struct fetch_request_partition *asked,
                       enum fetch_isolation isolation) {
    const struct broker_log *l = &replica->log;
    int64_t offset = asked->fetch_offset;
    if (offset != end_for(l, isolation) && broker_log_find(l, offset) < l->count) return found_at(l, offset);
    bool file_is_empty = offset == l->end && l->segments_count > 0 && l->segments[l->segments_count - 1] == offset;
    return file_is_empty ? offset : offset - 1;  // else what may be read ends with the file that holds its end
}

static bool begins_file_between(const struct broker_log *l, int64_t offset, int64_t end) {
    size_t n = l->segments_count;
    while (n > 0 && l->segments[n - 1] >= end) n--;
    return n > 0 && l->segments[n - 1] > offset;
}

int64_t fetch_readable(const struct broker_replica *replica, const struct fetch_request_partition *asked,
                       enum fetch_isolation isolation, int64_t was_found_at, int64_t enough) {
    const struct broker_log *l = &replica->log;
    int64_t end = end_for(l, isolation);
    if (asked->fetch_offset > end && found_at(l, asked->fetch_offset) > end) return -1;
    struct log_epoch epoch;
    if (asked->last_fetched_epoch >= 0 && diverges(l, asked, &epoch)) return -1;
    if (asked->fetch_offset >= end) return 0;
    if (begins_file_between(l, was_found_at, end)) return -1;  // DelayedFetch, case F: an older file
    size_t first = broker_log_find(l, asked->fetch_offset);
    if (enough > asked->partition_max_bytes) enough = asked->partition_max_bytes;
    return bytes_between(l, first, end, enough);
}
