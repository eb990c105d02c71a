// Appends at the leader: a client's batch, a transaction's marker, the broker's own records.
#include "base/crc32c.h"
#include "base/limits.h"
#include "broker/append_private.h"
#include "wire/error_codes.h"

#include <assert.h>

#define LOG_OVERHEAD 12    // Records.LOG_OVERHEAD: base offset and length
#define OLD_LENGTH_MIN 14  // LegacyRecord.RECORD_OVERHEAD_V0
#define UP_TO_MAGIC 17     // Records.HEADER_SIZE_UP_TO_MAGIC

struct append_result append_failed(int16_t error_code) {
    return (struct append_result){.error_code = error_code, .base_offset = -1, .append_time_ms = -1};
}

int16_t append_next_batch(struct bytes in, size_t *size) {
    *size = 0;
    if (in.size < LOG_OVERHEAD) return KAFKA_NONE;
    int32_t length = (int32_t)load_be32(in.at + BATCH_AT_LENGTH);
    if (length < OLD_LENGTH_MIN) return KAFKA_CORRUPT_MESSAGE;
    if (in.size < UP_TO_MAGIC) return KAFKA_NONE;
    if (in.at[BATCH_AT_MAGIC] > BATCH_MAGIC) return KAFKA_CORRUPT_MESSAGE;
    if (in.size - LOG_OVERHEAD >= (size_t)length) *size = (size_t)length + LOG_OVERHEAD;
    return KAFKA_NONE;
}

// Exactly one batch, of format 2 (ProduceRequest.validateRecords).
static int16_t cut_batch(struct incoming *in, struct bytes records) {
    size_t size, more = 0;
    int16_t code = append_next_batch(records, &size);
    if (code) return code;
    if (!size || records.at[BATCH_AT_MAGIC] != BATCH_MAGIC) return KAFKA_INVALID_RECORD;
    in->batch = (struct bytes){records.at, size};
    code = append_next_batch((struct bytes){records.at + size, records.size - size}, &more);
    return code ? code : more ? KAFKA_INVALID_RECORD : KAFKA_NONE;
}

int16_t append_analyze(struct incoming *in, struct bytes records) {
    int16_t code = cut_batch(in, records);
    if (code) return code;
    enum batch_look look = batch_look(in->batch, &in->header);
    if (in->header.base_offset != 0) return KAFKA_INVALID_RECORD;
    if (in->batch.size > (size_t)in->settings->message_bytes_max) return KAFKA_MESSAGE_TOO_LARGE;
    if (in->batch.size < BATCH_HEADER_SIZE || !batch_crc_is_right(in->batch)) return KAFKA_CORRUPT_MESSAGE;
    if (look == BATCH_WHOLE) return KAFKA_NONE;
    // What is left to be wrong: a codec nobody knows (CompressionType.forId throws what no client is told), or counts.
    return (in->header.attributes & BATCH_ATTRIBUTE_CODEC) > CODEC_ZSTD ? KAFKA_UNKNOWN_SERVER_ERROR
                                                                        : KAFKA_INVALID_RECORD;
}

// The CRC of what came was right, so that of what is stored follows from the difference.
static void patch_header(uint8_t *at, const struct batch_header *before, struct batch_header *h) {
    uint8_t old[BATCH_HEADER_SIZE - BATCH_AT_ATTRIBUTES];
    store_be64(at, (uint64_t)h->base_offset);
    store_be32(at + BATCH_AT_LEADER_EPOCH, (uint32_t)h->leader_epoch);
    if (before->attributes == h->attributes && before->max_timestamp == h->max_timestamp) return;
    memcpy(old, at + BATCH_AT_ATTRIBUTES, sizeof old);
    store_be16(at + BATCH_AT_ATTRIBUTES, (uint16_t)h->attributes);
    store_be64(at + BATCH_AT_MAX_TIMESTAMP, (uint64_t)h->max_timestamp);
    h->crc = crc32c_adjust(h->crc, old, at + BATCH_AT_ATTRIBUTES, sizeof old, (size_t)h->size - BATCH_HEADER_SIZE);
    store_be32(at + BATCH_AT_CRC, h->crc);
}

static struct append_result store(struct broker_log *l, struct incoming *in, const struct batch_header *came) {
    struct append_result result = append_failed(KAFKA_NONE);
    result.base_offset = in->header.base_offset;
    if (in->settings->append_time) result.append_time_ms = in->wall_ms;
    if (in->rebuilt) {
        batch_header_write(in->built.at, &in->header, in->header.size);
        in->header.crc = load_be32(in->built.at + BATCH_AT_CRC);
    }
    struct bytes bytes = in->rebuilt ? (struct bytes){in->built.at, in->built.size} : in->batch;
    struct stored_batch *b = stored_batch_new(bytes, &in->header);
    if (!in->rebuilt) patch_header(b->at, came, &b->header);
    broker_log_append(l, b, in->wall_ms);
    stored_batch_release(b);
    return result;
}

// The rest of UnifiedLog.append, once the records are known to be right.
static struct append_result check_and_store(struct broker_log *l, struct incoming *in, const struct batch_header *came,
                                            int32_t leader_epoch) {
    const struct producer_batch *duplicate_of;
    in->header.base_offset = l->end;
    in->header.leader_epoch = leader_epoch;
    // Whatever becomes of the batch, the epoch has begun, and so has the segment that it would need.
    broker_log_start_epoch(l, leader_epoch);
    if (in->header.size > in->settings->segment_bytes) return append_failed(KAFKA_RECORD_LIST_TOO_LARGE);
    struct log_coming coming = log_coming_of(&in->header);
    broker_log_roll(l, in->settings, &coming);
    int16_t code = producer_states_check(&l->producers, &in->header, &duplicate_of);
    if (code) return append_failed(code);
    if (!duplicate_of) return store(l, in, came);
    struct append_result result = append_failed(KAFKA_NONE);
    result.duplicate = true;
    result.base_offset = duplicate_of->base_offset;
    result.append_time_ms = duplicate_of->timestamp_ms;  // as UnifiedLog.append has it, with create time too
    return result;
}

struct append_result append_from_client(struct broker_log *l, const struct broker_topic_settings *settings,
                                        struct bytes records, int32_t leader_epoch, int64_t wall_ms) {
    struct incoming in = {.settings = settings, .wall_ms = wall_ms};
    int16_t code = append_analyze(&in, records);
    if (code) return append_failed(code);
    struct batch_header came = in.header;
    struct append_result result = append_validate(&in);
    if (!result.error_code) result = check_and_store(l, &in, &came, leader_epoch);
    buffer_free(&in.built);
    return result;
}
