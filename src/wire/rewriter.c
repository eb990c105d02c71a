// Writes the records of a batch again, one batch for each unbroken run of offsets.
#include "base/limits.h"
#include "wire/codec.h"
#include "wire/records.h"

#include <assert.h>

struct error rewriter_open(struct rewriter *w, struct bytes batch, const struct batch_header *header) {
    if (!batch_crc_is_right((struct bytes){batch.at, (size_t)header->size})) {
        return error_make(ERROR_PROTOCOL, 0, "records", "batch at offset %lld: wrong CRC",
                          (long long)header->base_offset);
    }
    buffer_init(&w->plain, RECORDS_SIZE_MAX);
    buffer_init(&w->encoded, RECORDS_SIZE_MAX);
    struct error err = records_open(&w->records, batch, header, &w->plain);
    if (error_is(&err)) rewriter_close(w);
    else w->has_next = records_next(&w->records, &w->next);
    return err;
}

void rewriter_close(struct rewriter *w) {
    buffer_free(&w->plain);
    buffer_free(&w->encoded);
}

// Takes the records of the next run into w->encoded and answers the header of their batch.
static struct batch_header take_run(struct rewriter *w) {
    const int16_t cleared =
        BATCH_ATTRIBUTE_LOG_APPEND_TIME | BATCH_ATTRIBUTE_TRANSACTIONAL | BATCH_ATTRIBUTE_DELETE_HORIZON;
    struct batch_header run = w->records.batch;
    if (run.attributes & BATCH_ATTRIBUTE_LOG_APPEND_TIME) run.base_timestamp = run.max_timestamp;
    run.attributes &= (int16_t)~cleared;
    run.base_offset = w->next.offset;
    run.max_timestamp = w->next.timestamp;
    run.count = 0;
    buffer_clear(&w->encoded);
    while (w->has_next && w->next.offset == run.base_offset + run.count) {
        record_append(&w->encoded, &w->next, run.base_offset, run.base_timestamp);
        if (w->next.timestamp > run.max_timestamp) run.max_timestamp = w->next.timestamp;
        run.count++;
        w->has_next = records_next(&w->records, &w->next);
    }
    run.last_offset_delta = run.count - 1;
    return run;
}

struct error rewriter_next(struct rewriter *w, struct buffer *out, struct batch_header *header, bool *written) {
    *written = false;
    if (!w->has_next) return records_result(&w->records);
    *header = take_run(w);
    size_t start = out->size;
    enum codec codec = (enum codec)(header->attributes & BATCH_ATTRIBUTE_CODEC);
    struct error err = w->has_next ? error_none() : records_result(&w->records);
    if (!error_is(&err) && (w->encoded.overflowed || !buffer_extend(out, BATCH_HEADER_SIZE))) {
        err = error_make(ERROR_LIMIT, 0, "records", "batch at offset %lld grew too large to be written again",
                         (long long)header->base_offset);
    }
    if (!error_is(&err)) err = codec_compress(codec, (struct bytes){w->encoded.at, w->encoded.size}, out);
    if (!error_is(&err) && out->size - start > FRAME_SIZE_MAX) {
        err = error_make(ERROR_LIMIT, 0, "records", "batch at offset %lld grew past any frame",
                         (long long)header->base_offset);
    }
    if (error_is(&err)) {
        out->size = start;
        return err;
    }
    header->size = (int32_t)(out->size - start);
    batch_header_write(out->at + start, header, header->size);
    header->crc = load_be32(out->at + start + BATCH_AT_CRC);
    *written = true;
    return err;
}
