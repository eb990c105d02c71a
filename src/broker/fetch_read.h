// What a fetch reads from one replica: the checks of kafka.cluster.Partition.readRecords, and which bytes of which
// batches, as UnifiedLog.read and LogSegment.read cut them.
#pragma once
#include "broker/request.h"

enum fetch_isolation {  // org.apache.kafka.server.storage.log.FetchIsolation
    FETCH_LOG_END,      // followers, and tools that call themselves replica -2
    FETCH_HIGH_WATERMARK,
    FETCH_COMMITTED,  // read_committed: the last stable offset
};

struct fetch_read {
    bool at_end;  // the list of aborted transactions is there, and empty
    const struct broker_log *log;  // NULL after an error
    size_t first;                  // the batch that holds the offset, as broker_log_find() answers
    int32_t size;                  // bytes from there on; the last batch may be cut
    bool lists_aborted;            // the answer has a list of aborted transactions, if an empty one
};

// Looks at what can be read: everything in `answer` is filled in but records and aborted transactions. `replica` NULL:
// the error stands in the answer already. `limit`: bytes at most; `at_least_one`: but the first batch in any case
// (KIP-74).
struct fetch_read fetch_look(const struct broker_replica *replica, const struct fetch_request_partition *asked,
                             enum fetch_isolation isolation, int32_t limit, bool at_least_one,
                             struct fetch_response_partition *answer);

// What an answer needs of what was looked at: the aborted transactions, from the request's arena, and in place of
// records `read`, for fetch_write(), which appends them.
void fetch_fill(struct broker_request *r, const struct fetch_read *read, int64_t offset,
                struct fetch_response_partition *answer);
void fetch_write(const void *read, struct buffer *out);

// How much a fetch that waits would get (DelayedFetch.tryComplete), counted up to `enough`; -1: it should wait no
// longer, whatever it gets. `was_found_at`: an offset in the file where the fetch found its own when it came
// (LogOffsetMetadata).
int64_t fetch_found_at(const struct broker_replica *replica, const struct fetch_request_partition *asked,
                       enum fetch_isolation isolation);
int64_t fetch_readable(const struct broker_replica *replica, const struct fetch_request_partition *asked,
                       enum fetch_isolation isolation, int64_t was_found_at, int64_t enough);

// An answer with an error and nothing else (LogReadResult(Errors), FetchResponse.partitionResponse).
void fetch_refuse(struct fetch_response_partition *answer, int16_t error_code);
