// Encodes messages by their tables, and measures them: measuring is encoding without a buffer.
#include "wire/message_private.h"

#include <assert.h>
#include <inttypes.h>

struct writer {
    struct buffer *out;  // NULL: only measure
    size_t size;
    struct wire_cut *cuts;  // NULL: records are copied
    size_t cuts_count, cuts_max;
    int16_t version;
    bool flexible;
    enum error_kind kind;  // why it stopped, with the place
    const char *problem;
    const struct message *in;
    const struct message_field *field;
};

static bool encode_struct(struct writer *w, const struct message *m, const void *value);

static bool stop(struct writer *w, enum error_kind kind, const char *problem) {
    if (!w->problem) w->kind = kind, w->problem = problem;
    return false;
}

static void put(struct writer *w, const void *at, size_t size) {
    w->size += size;
    if (w->out && size > 0) buffer_append(w->out, at, size);
}

static void put_be16(struct writer *w, uint16_t v) {
    w->size += 2;
    if (w->out) buffer_append_be16(w->out, v);
}

static void put_be32(struct writer *w, uint32_t v) {
    w->size += 4;
    if (w->out) buffer_append_be32(w->out, v);
}

static void put_be64(struct writer *w, uint64_t v) {
    w->size += 8;
    if (w->out) buffer_append_be64(w->out, v);
}

static void put_uvarint(struct writer *w, uint32_t v) {
    uint8_t bytes[UVARINT_SIZE_MAX];
    put(w, bytes, uvarint_write(bytes, v));
}

// The size of a string, of bytes or of an array: -1 is null. Compact sizes are one more (KIP-482).
static bool put_size(struct writer *w, bool is_short, bool nullable, int32_t size) {
    assert(size >= -1);
    if (size == -1 && !nullable) return stop(w, ERROR_PROTOCOL, "null where the version has none");
    if (is_short && size > INT16_MAX) return stop(w, ERROR_PROTOCOL, "longer than 32767 bytes");
    if (w->flexible) put_uvarint(w, (uint32_t)size + 1);
    else if (is_short) put_be16(w, (uint16_t)size);
    else put_be32(w, (uint32_t)size);
    return true;
}

static bool put_records(struct writer *w, bool nullable, const struct wire_bytes *records) {
    if (!put_size(w, false, nullable, records->size)) return false;
    if (records->size <= 0) return true;
    if (!w->out || !w->cuts) {
        put(w, records->at, (size_t)records->size);
        return true;
    }
    if (w->cuts_count == w->cuts_max) return stop(w, ERROR_LIMIT, "more records fields than cuts");
    w->cuts[w->cuts_count++] = (struct wire_cut){w->out->size, *records};
    w->size += (size_t)records->size;
    return true;
}

static bool put_value(struct writer *w, const struct message_field *f, bool nullable, const void *at) {
    switch ((enum field_type)f->type) {
    case FIELD_BOOL:
        put(w, *(const bool *)at ? "\1" : "\0", 1);
        return true;
    case FIELD_INT8:
        put(w, at, 1);
        return true;
    case FIELD_INT16:
        put_be16(w, *(const uint16_t *)at);
        return true;
    case FIELD_INT32:
        put_be32(w, *(const uint32_t *)at);
        return true;
    case FIELD_INT64:
    case FIELD_FLOAT64:
        put_be64(w, *(const uint64_t *)at);
        return true;
    case FIELD_UUID:
        put(w, at, sizeof(struct wire_uuid));
        return true;
    case FIELD_STRING: {
        const struct wire_text *text = at;
        if (!put_size(w, true, nullable, text->size)) return false;
        if (text->size > 0) put(w, text->at, (size_t)text->size);
        return true;
    }
    case FIELD_BYTES: {
        const struct wire_bytes *bytes = at;
        if (!put_size(w, false, nullable, bytes->size)) return false;
        if (bytes->size > 0) put(w, bytes->at, (size_t)bytes->size);
        return true;
    }
    case FIELD_RECORDS:
        return put_records(w, nullable, at);
    case FIELD_STRUCT:
        return encode_struct(w, f->element, at);
    }
    assert(!"a type of the table");
    return false;
}

static bool put_array(struct writer *w, const struct message_field *f, const void *value) {
    int32_t count = field_count(f, value);
    assert(!f->optional || count == 1 || count == -1);
    if (f->optional) put(w, count < 0 ? "\xff" : "\1", 1);
    else if (!put_size(w, false, field_is_nullable(f, w->version), count)) return false;
    const char *elements = field_elements(f, value);
    size_t size = field_value_size(f);
    for (int32_t i = 0; i < count; i++) {
        if (!put_value(w, f, false, elements + (size_t)i * size)) return false;
    }
    return true;
}

static bool put_field(struct writer *w, const struct message *m, const struct message_field *f, const void *value) {
    bool ok =
        f->array ? put_array(w, f, value) : put_value(w, f, field_is_nullable(f, w->version), field_at_const(f, value));
    if (!ok && !w->field) w->in = m, w->field = f;
    return ok;
}

// A value the version cannot carry must not get lost in silence (UnsupportedVersionException in Kafka).
static bool check_absent(struct writer *w, const struct message *m, const struct message_field *f, const void *value) {
    if (f->ignorable || field_is_default(f, value)) return true;
    w->in = m, w->field = f;
    return stop(w, ERROR_PROTOCOL, "set, but the version does not have it");
}

// Tagged fields are written when they are not the default (KIP-482).
static bool put_tags(struct writer *w, const struct message *m, const void *value) {
    uint32_t count = 0;
    for (size_t i = m->untagged_count; i < m->fields_count; i++) {
        const struct message_field *f = &m->fields[i];
        if (field_exists(f, w->version)) count += !field_is_default(f, value);
        else if (!check_absent(w, m, f, value)) return false;
    }
    put_uvarint(w, count);
    for (size_t i = m->untagged_count; count > 0; i++) {
        const struct message_field *f = &m->fields[i];
        if (!field_exists(f, w->version) || field_is_default(f, value)) continue;
        struct writer measure = {.version = w->version, .flexible = true};
        if (put_field(&measure, m, f, value)) {
            put_uvarint(w, (uint32_t)f->tag);
            put_uvarint(w, (uint32_t)measure.size);
        }
        if (!put_field(w, m, f, value)) return false;
        count--;
    }
    return true;
}

static bool encode_struct(struct writer *w, const struct message *m, const void *value) {
    for (size_t i = 0; i < m->untagged_count; i++) {
        const struct message_field *f = &m->fields[i];
        if (!(field_exists(f, w->version) ? put_field(w, m, f, value) : check_absent(w, m, f, value))) return false;
    }
    if (w->flexible) return put_tags(w, m, value);
    for (size_t i = m->untagged_count; i < m->fields_count; i++) {
        if (!check_absent(w, m, &m->fields[i], value)) return false;
    }
    return true;
}

static struct error encode(struct writer *w, const struct message *m, int16_t version, const void *value) {
    assert(version >= m->version_min && version <= m->version_max);
    w->version = version;
    w->flexible = version >= m->flexible_min;
    if (encode_struct(w, m, value)) return error_none();
    return error_make(w->kind, 0, m->name, "version %" PRId16 ": %s.%s: %s", version, w->in->name, w->field->name,
                      w->problem);
}

struct error message_size(const struct message *m, int16_t version, const void *value, size_t *size) {
    struct writer w = {0};
    struct error e = encode(&w, m, version, value);
    *size = w.size;
    return e;
}

struct error message_encode(const struct message *m, int16_t version, const void *value, struct buffer *out,
                            struct wire_cut *cuts, size_t *cuts_count) {
    assert(!out->overflowed);
    struct writer w = {.out = out, .cuts = cuts, .cuts_max = cuts ? *cuts_count : 0};
    size_t size_before = out->size;
    struct error e = encode(&w, m, version, value);
    if (!error_is(&e) && out->overflowed) {
        e = error_make(ERROR_LIMIT, 0, m->name, "more than the %zu bytes the buffer may hold", out->size_max);
    }
    // Nothing of a message that failed stays: what is in the buffer is always whole.
    if (error_is(&e)) out->size = size_before, out->overflowed = false, w.cuts_count = 0;
    if (cuts) *cuts_count = w.cuts_count;
    return e;
}
