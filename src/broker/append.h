// What a leader does with records that come in a Produce request, and with markers: the checks of
// org.apache.kafka.storage.internals.log.{UnifiedLog.append, LogValidator} in their order, then the append.
#pragma once
#include "base/arena.h"
#include "broker/log.h"
#include "broker/topic_settings.h"
#include "wire/message.h"

struct append_result {
    int16_t error_code;  // Kafka's
    bool duplicate;
    int32_t bad_records;     // how many record_errors there are (KIP-467): append_explain() says what
    int64_t base_offset;     // of the batch, or of the batch that it repeats
    int64_t append_time_ms;  // -1 unless the topic's timestamps are append times
};

// The batch at the front of `in` (ByteBufferLogInputStream.nextBatch): error code CORRUPT_MESSAGE, or 0 and its *size;
// 0 where none begins or it is cut off.
int16_t append_next_batch(struct bytes in, size_t *size);

// `records` as the request carries them. `wall_ms`: now, for append times and bounds of timestamps. Recompresses when
// compression.type says so. Exactly what a broker stores: base offset, leader epoch and max timestamp set, CRC right.
struct append_result append_from_client(struct broker_log *l, const struct broker_topic_settings *settings,
                                        struct bytes records, int32_t leader_epoch, int64_t wall_ms);

// What a Produce response says of records that were refused: for a result with bad_records, and the same arguments.
struct append_record_error {
    int32_t index;
    const char *message;
};
struct append_explanation {
    const char *error_message;
    struct append_record_error *records;
    int32_t count;  // fewer than bad_records when the arena is full
};
struct append_explanation append_explain(const struct broker_topic_settings *settings, struct bytes records,
                                         int64_t wall_ms, const char *topic, int32_t partition, struct arena *arena);

// A transaction marker (WriteTxnMarkers, KIP-98): a control batch of one record.
struct append_result append_marker(struct broker_log *l, const struct broker_topic_settings *settings,
                                   const struct producer_marker *m, int32_t leader_epoch, int64_t wall_ms);

// Records of the broker's own (group offsets, transaction states): key and value pairs as one batch; of the checks only
// that of a producer's epoch.
struct append_pair {
    struct bytes key;
    struct wire_bytes value;  // size -1: a tombstone
};
// TxnOffsetCommit: the batch is part of this producer's transaction, without a sequence (AppendOrigin.COORDINATOR).
struct append_producer {
    int64_t id;
    int16_t epoch;
};
struct append_result append_own(struct broker_log *l, const struct append_pair *pairs, int32_t count,
                                const struct append_producer *producer,  // NULL: of no producer
                                int32_t leader_epoch, int64_t wall_ms);
