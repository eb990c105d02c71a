// Reads the records of a batch.
#include "wire/records.h"

#include "wire/codec.h"
#include "wire/varint.h"

#include <assert.h>

static struct error damaged(const struct records *r, const char *what) {
    return error_make(ERROR_PROTOCOL, 0, "records", "batch at offset %lld, record %d: %s",
                      (long long)r->batch.base_offset, r->read, what);
}

struct error records_open(struct records *r, struct bytes batch, const struct batch_header *header,
                          struct buffer *plain) {
    assert(header->magic == BATCH_MAGIC && header->size >= BATCH_HEADER_SIZE && (size_t)header->size <= batch.size);
    *r = (struct records){.batch = *header, .offset_previous = header->base_offset - 1};
    r->left = (struct bytes){batch.at + BATCH_HEADER_SIZE, (size_t)header->size - BATCH_HEADER_SIZE};
    buffer_clear(plain);
    enum codec codec = (enum codec)(header->attributes & BATCH_ATTRIBUTE_CODEC);
    // A batch that compaction has emptied keeps its codec but has not even a frame (writeEmptyHeader).
    if (codec == CODEC_NONE || r->left.size == 0) return error_none();
    struct error err = codec_decompress(codec, r->left, plain);
    if (!error_is(&err)) r->left = (struct bytes){plain->at, plain->size};
    return err;
}

// A length and as many bytes; a negative length is null.
static bool take_bytes(struct bytes *in, struct wire_bytes *out) {
    int32_t size;
    if (!varint_read(in, &size) || (size > 0 && (size_t)size > in->size)) return false;
    *out = (struct wire_bytes){.size = -1};
    if (size < 0) return true;
    *out = (struct wire_bytes){in->at, size};
    in->at += size;
    in->size -= (size_t)size;
    return true;
}

static bool take_header(struct bytes *in, struct record_header *header) {
    struct wire_bytes key;
    if (!take_bytes(in, &key) || key.size < 0 || !take_bytes(in, &header->value)) return false;
    header->key = (struct wire_text){(const char *)key.at, key.size};
    return true;
}

bool record_header_next(struct record *record, struct record_header *header) {
    if (record->headers_count == 0) return false;
    bool taken = take_header(&record->headers, header);
    assert(taken);
    record->headers_count--;
    return true;
}

// Answers what is wrong with the record that fills `in`, or NULL.
static const char *read_record(const struct records *r, struct bytes in, struct record *record) {
    int64_t timestamp_delta;
    int32_t offset_delta;
    if (in.size < 1) return "no attributes";
    record->attributes = *in.at++;
    in.size--;
    if (!varlong_read(&in, &timestamp_delta)) return "bad timestamp";
    if (!varint_read(&in, &offset_delta)) return "bad offset";
    if (offset_delta < 0 || offset_delta > r->batch.last_offset_delta) return "offset outside the batch";
    record->offset = r->batch.base_offset + offset_delta;
    if (record->offset <= r->offset_previous) return "offsets do not rise";
    bool append_time = r->batch.attributes & BATCH_ATTRIBUTE_LOG_APPEND_TIME;
    record->timestamp = append_time ? r->batch.max_timestamp
                                    : (int64_t)((uint64_t)r->batch.base_timestamp + (uint64_t)timestamp_delta);
    record->body = in;
    if (!take_bytes(&in, &record->key)) return "bad key";
    if (!take_bytes(&in, &record->value)) return "bad value";
    if (!varint_read(&in, &record->headers_count) || record->headers_count < 0) return "bad count of headers";
    record->headers = in;
    struct record_header header;
    for (int32_t i = 0; i < record->headers_count; i++) {
        if (!take_header(&in, &header)) return "bad header";
    }
    return in.size ? "bytes left over" : NULL;
}

bool records_next(struct records *r, struct record *record) {
    if (error_is(&r->err) || r->read == r->batch.count) return false;
    int32_t size;
    const char *wrong = NULL;
    if (!varint_read(&r->left, &size) || size < 0 || (size_t)size > r->left.size) wrong = "bad length";
    else wrong = read_record(r, (struct bytes){r->left.at, (size_t)size}, record);
    if (wrong) {
        r->err = damaged(r, wrong);
        return false;
    }
    r->left.at += size;
    r->left.size -= (size_t)size;
    r->offset_previous = record->offset;
    r->read++;
    return true;
}

struct error records_result(const struct records *r) {
    assert(error_is(&r->err) || r->read == r->batch.count);
    if (!error_is(&r->err) && r->left.size) return damaged(r, "bytes follow the last record");
    return r->err;
}

void record_append(struct buffer *out, const struct record *record, int64_t base_offset, int64_t base_timestamp) {
    int64_t timestamp_delta = (int64_t)((uint64_t)record->timestamp - (uint64_t)base_timestamp);
    int64_t offset_delta = record->offset - base_offset;
    size_t size = 1 + varlong_size(timestamp_delta) + varlong_size(offset_delta) + record->body.size;
    varlong_append(out, (int64_t)size);
    buffer_append_u8(out, record->attributes);
    varlong_append(out, timestamp_delta);
    varlong_append(out, offset_delta);
    buffer_append(out, record->body.at, record->body.size);
}
