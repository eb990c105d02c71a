// Writes several batches as one.
#include "wire/join.h"

#include "base/crc32c.h"
#include "wire/records.h"

#include <assert.h>

// Records of a batch that is not compressed point into the batch itself.
static struct records open_plain(struct bytes batch, const struct batch_header *header) {
    struct records r;
    struct buffer none;
    assert(join_possible(header));
    buffer_init(&none, 0);
    struct error e = records_open(&r, batch, header, &none);
    assert(!error_is(&e));
    (void)e;
    return r;
}

bool join_readable(struct bytes batch, const struct batch_header *header) {
    if (!batch_crc_is_right((struct bytes){batch.at, (size_t)header->size})) return false;
    struct records r = open_plain(batch, header);
    struct record record;
    while (records_next(&r, &record)) continue;
    struct error e = records_result(&r);
    return !error_is(&e);
}

static void write_header(uint8_t *at, const struct batch_header *h, int64_t size) {
    store_be32(at + BATCH_AT_LENGTH, (uint32_t)(size - BATCH_LENGTH_EXTRA));
    store_be32(at + BATCH_AT_LAST_OFFSET_DELTA, (uint32_t)h->last_offset_delta);
    store_be64(at + BATCH_AT_MAX_TIMESTAMP, (uint64_t)h->max_timestamp);
    store_be32(at + BATCH_AT_COUNT, (uint32_t)h->count);
}

bool join_add(struct buffer *joined, struct bytes batch, const struct batch_header *header) {
    struct batch_header whole;
    enum batch_look look = batch_look((struct bytes){joined->at, joined->size}, &whole);
    assert(look == BATCH_WHOLE && (size_t)whole.size == joined->size && join_possible(&whole));
    (void)look;
    if (!batch_crc_is_right((struct bytes){batch.at, (size_t)header->size})) return false;
    if (header->count > INT32_MAX - whole.count) return false;
    size_t before = joined->size;
    struct records r = open_plain(batch, header);
    struct record record;
    while (records_next(&r, &record)) {
        record.offset += whole.count - header->base_offset;  // dense: as many offsets as records
        record_append(joined, &record, 0, whole.base_timestamp);
    }
    struct error e = records_result(&r);
    if (error_is(&e) || joined->overflowed) {
        joined->size = before;
        joined->overflowed = false;
        return false;
    }
    whole.count += header->count;
    whole.last_offset_delta = whole.count - 1;
    if (header->max_timestamp > whole.max_timestamp) whole.max_timestamp = header->max_timestamp;
    write_header(joined->at, &whole, (int64_t)joined->size);
    return true;
}

void join_finish(uint8_t *joined, size_t size) {
    assert(size >= BATCH_HEADER_SIZE);
    store_be32(joined + BATCH_AT_CRC, crc32c(joined + BATCH_AT_ATTRIBUTES, size - BATCH_AT_ATTRIBUTES));
}
