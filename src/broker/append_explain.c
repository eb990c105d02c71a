// What a Produce response says of records that were refused (KIP-467), in the sentences of LogValidator.
#include "base/limits.h"
#include "broker/append_records.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define SENTENCE_SIZE_MAX (TOPIC_NAME_SIZE_MAX + 200)  // of one record
#define SHOWN_MAX 3                                    // in the sentence about all of them

struct explaining {
    struct incoming in;
    const char *topic;
    int32_t partition;
    struct arena *arena;
    bool bad_timestamps;
    struct append_explanation said;
};

// NULL when the arena is full.
static const char *sentence(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
static const char *sentence(struct arena *arena, const char *format, ...) {
    char text[SHOWN_MAX * SENTENCE_SIZE_MAX + 200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t size = strlen(text) + 1;
    char *copy = arena_alloc(arena, size);
    if (copy) memcpy(copy, text, size);
    return copy;
}

static const char *say(const struct explaining *x, enum complaint complaint, const struct record *r) {
    const struct broker_topic_settings *s = x->in.settings;
    switch (complaint) {
    case COMPLAINT_NO_KEY:
        return sentence(x->arena, "Compacted topic cannot accept message without key in topic partition %s-%d",
                        x->topic, x->partition);
    case COMPLAINT_TIMESTAMP:
        return sentence(x->arena,
                        "Timestamp %" PRId64 " of message with offset %" PRId64
                        " is out of range. The timestamp should be within [%" PRId64 ", %" PRId64 "]",
                        r->timestamp, r->offset,
                        (int64_t)((uint64_t)x->in.wall_ms - (uint64_t)s->timestamp_before_ms_max),
                        (int64_t)((uint64_t)x->in.wall_ms + (uint64_t)s->timestamp_after_ms_max));
    case COMPLAINT_TIMESTAMP_TYPE:
        return sentence(x->arena,
                        "Invalid timestamp type in message DefaultRecord(offset=%" PRId64 ", timestamp=%" PRId64
                        ", key=%d bytes, value=%d bytes). Producer should not set timestamp type to LogAppendTime.",
                        r->offset, r->timestamp, r->key.size < 0 ? 0 : r->key.size,
                        r->value.size < 0 ? 0 : r->value.size);
    case COMPLAINT_NONE:
        break;
    }
    return NULL;
}

static void explain_records(struct explaining *x, struct append_record_error *out, int32_t max) {
    struct incoming_records records;
    struct record r;
    append_records_open(&records, &x->in, true);  // it was refused, so that it can be read in either way
    for (int32_t i = 0; x->said.count < max && append_records_next(&records, &r); i++) {
        enum complaint complaint = append_judge(&x->in, &r);
        if (complaint == COMPLAINT_NONE) continue;
        const char *message = say(x, complaint, &r);
        if (!message) break;
        x->bad_timestamps |= complaint != COMPLAINT_NO_KEY;
        out[x->said.count++] = (struct append_record_error){i, message};
    }
    append_records_close(&records);
}

// RecordError.toString of the first ones.
static const char *say_all(struct explaining *x) {
    char shown[SHOWN_MAX * SENTENCE_SIZE_MAX] = "";
    size_t size = 0;
    for (int32_t i = 0; i < x->said.count && i < SHOWN_MAX && size < sizeof shown; i++) {
        const struct append_record_error *e = &x->said.records[i];
        size += (size_t)snprintf(shown + size, sizeof shown - size, "%sRecordError(batchIndex=%d, message='%s')",
                                 i ? ", " : "", e->index, e->message);
    }
    return sentence(
        x->arena,
        "One or more records have been rejected due to %d record errors in total, and only showing the first "
        "three errors at most: [%s]",
        x->said.count, shown);
}

struct append_explanation append_explain(const struct broker_topic_settings *settings, struct bytes records,
                                         int64_t wall_ms, const char *topic, int32_t partition, struct arena *arena) {
    struct explaining x = {.in = {.settings = settings, .wall_ms = wall_ms}, .topic = topic, .partition = partition};
    x.arena = arena;
    if (append_analyze(&x.in, records)) return x.said;
    x.said.records = arena_alloc(arena, (size_t)x.in.header.count * sizeof *x.said.records);
    if (x.said.records) explain_records(&x, x.said.records, x.in.header.count);
    x.said.error_message =
        x.bad_timestamps ? "One or more records have been rejected due to invalid timestamp" : say_all(&x);
    return x.said;
}
