// The records of a batch on its way in: see append_records.h.
#include "broker/append_records.h"

#include "base/limits.h"
#include "wire/codec.h"
#include "wire/error_codes.h"
#include "wire/varint.h"

#define VARINT_SIZE_MAX 5
#define VARLONG_SIZE_MAX 10

void append_records_open(struct incoming_records *r, const struct incoming *in, bool partial) {
    enum codec codec = (enum codec)(in->header.attributes & BATCH_ATTRIBUTE_CODEC);
    *r = (struct incoming_records){.batch = &in->header, .compressed = codec != CODEC_NONE};
    r->left = (struct bytes){in->batch.at + BATCH_HEADER_SIZE, in->batch.size - BATCH_HEADER_SIZE};
    r->partial = r->compressed && partial;
    buffer_init(&r->plain, RECORDS_SIZE_MAX);
    if (!r->compressed) return;
    bool empty = r->left.size == 0 && codec == CODEC_ZSTD;  // only that stream may have no frame
    struct error err = empty ? error_none() : codec_decompress(codec, r->left, &r->plain);
    r->cut = error_is(&err);
    r->left = (struct bytes){r->plain.at, r->plain.size};
    if (r->cut && codec == CODEC_LZ4) r->left.size = 0;  // which comes in whole blocks, of 64 KiB or more
}

void append_records_close(struct incoming_records *r) {
    buffer_free(&r->plain);
}

static bool fail(struct incoming_records *r, int16_t error_code) {
    r->error_code = error_code;
    return false;
}

// Errors of decompression are not the record's but the server's (KafkaException in DefaultRecordBatch).
static bool run_out(struct incoming_records *r) {
    return fail(r, r->cut && !r->within ? KAFKA_UNKNOWN_SERVER_ERROR : KAFKA_INVALID_RECORD);
}

static bool is_too_long(struct bytes in, size_t size_max) {
    if (in.size < size_max) return false;
    for (size_t i = 0; i < size_max; i++)
        if (!(in.at[i] & 0x80)) return false;
    return true;
}

static bool take_int(struct incoming_records *r, struct bytes *in, int32_t *v) {
    if (varint_read(in, v)) return true;
    return is_too_long(*in, VARINT_SIZE_MAX) ? fail(r, KAFKA_INVALID_RECORD) : run_out(r);
}

static bool take_bytes(struct incoming_records *r, struct bytes *in, struct wire_bytes *out) {
    int32_t size;
    if (!take_int(r, in, &size)) return false;
    *out = (struct wire_bytes){.size = -1};
    if (size < 0) return true;
    if ((size_t)size > in->size) return run_out(r);
    *out = (struct wire_bytes){in->at, size};
    in->at += size;
    in->size -= (size_t)size;
    return true;
}

static bool take_headers(struct incoming_records *r, struct bytes *in, struct record *record) {
    if (!take_int(r, in, &record->headers_count)) return false;
    if (record->headers_count < 0) return fail(r, KAFKA_INVALID_RECORD);
    record->headers = *in;
    for (int32_t i = 0; i < record->headers_count; i++) {
        struct wire_bytes key, value;
        if (!take_bytes(r, in, &key)) return false;
        if (key.size < 0) return fail(r, KAFKA_INVALID_RECORD);
        if (!take_bytes(r, in, &value)) return false;
    }
    return true;
}

static bool take_times(struct incoming_records *r, struct bytes *in, struct record *record) {
    int64_t timestamp_delta;
    int32_t offset_delta;
    if (in->size < 1) return run_out(r);
    record->attributes = *in->at++;
    in->size--;
    if (!varlong_read(in, &timestamp_delta))
        return is_too_long(*in, VARLONG_SIZE_MAX) ? fail(r, KAFKA_INVALID_RECORD) : run_out(r);
    if (!take_int(r, in, &offset_delta)) return false;
    record->offset = r->batch->base_offset + offset_delta;
    bool append_time = r->batch->attributes & BATCH_ATTRIBUTE_LOG_APPEND_TIME;
    record->timestamp = append_time ? r->batch->max_timestamp
                                    : (int64_t)((uint64_t)r->batch->base_timestamp + (uint64_t)timestamp_delta);
    return true;
}

static bool take_record(struct incoming_records *r, struct bytes *in, struct record *record) {
    return take_times(r, in, record) && take_bytes(r, in, &record->key) && take_bytes(r, in, &record->value) &&
           take_headers(r, in, record);
}

static bool take_whole(struct incoming_records *r, int32_t size, struct record *record) {
    if (size > 0 && (size_t)size > r->left.size) return run_out(r);
    struct bytes in = {r->left.at, size > 0 ? (size_t)size : 0};
    r->within = true;
    bool taken = take_record(r, &in, record);
    r->within = false;
    if (!taken) return false;
    r->left.at += size;
    r->left.size -= (size_t)size;
    return in.size == 0 || fail(r, KAFKA_INVALID_RECORD);
}

bool append_records_next(struct incoming_records *r, struct record *record) {
    int32_t size;
    if (r->error_code || r->read == r->batch->count) return false;
    // Only of streams an exception about the length itself is translated.
    if (!r->compressed && is_too_long(r->left, VARINT_SIZE_MAX)) return fail(r, KAFKA_UNKNOWN_SERVER_ERROR);
    if (!take_int(r, &r->left, &size)) return false;
    if (!(r->partial ? take_record(r, &r->left, record) : take_whole(r, size, record))) return false;
    if (++r->read < r->batch->count) return true;
    if (r->left.size) return fail(r, KAFKA_INVALID_RECORD);
    return !r->cut || fail(r, KAFKA_UNKNOWN_SERVER_ERROR);
}

static void put_bytes(struct buffer *out, const uint8_t *at, int32_t size) {
    varlong_append(out, size < 0 ? -1 : size);
    if (size > 0) buffer_append(out, at, (size_t)size);
}

void append_records_body(const struct record *record, struct buffer *out) {
    struct record rest = *record;
    struct record_header header;
    put_bytes(out, record->key.at, record->key.size);
    put_bytes(out, record->value.at, record->value.size);
    varlong_append(out, record->headers_count);
    while (record_header_next(&rest, &header)) {
        put_bytes(out, (const uint8_t *)header.key.at, header.key.size);
        put_bytes(out, header.value.at, header.value.size);
    }
}
