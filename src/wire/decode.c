// Decodes messages by their tables. Whatever the bytes are, the result is a message or an error.
#include "wire/message_private.h"

#include <assert.h>
#include <inttypes.h>

struct reader {
    const uint8_t *at, *end;
    struct arena *arena;
    int16_t version;
    bool flexible;
    enum error_kind kind;  // why it stopped, with the place
    const char *problem;
    const struct message *in;
    const struct message_field *field;
};

static bool decode_struct(struct reader *r, const struct message *m, void *out);

// The first problem is the one to report: callers further out only pass the failure on.
static bool stop(struct reader *r, enum error_kind kind, const char *problem) {
    if (!r->problem) r->kind = kind, r->problem = problem;
    return false;
}

static size_t left(const struct reader *r) {
    return (size_t)(r->end - r->at);
}

static bool take(struct reader *r, size_t size, const uint8_t **at) {
    if (left(r) < size) return stop(r, ERROR_PROTOCOL, "cut short");
    *at = r->at;
    r->at += size;
    return true;
}

// Reads the size of a string, of bytes or of an array: -1 is null. Compact sizes are one more (KIP-482).
static bool read_size(struct reader *r, bool is_short, bool nullable, int32_t *size) {
    const uint8_t *at;
    if (r->flexible) {
        uint32_t v;
        if (!uvarint_read(&r->at, r->end, &v)) return stop(r, ERROR_PROTOCOL, "no varint");
        if (v > (uint32_t)INT32_MAX) return stop(r, ERROR_PROTOCOL, "size out of range");
        *size = (int32_t)v - 1;
    } else if (is_short) {
        if (!take(r, 2, &at)) return false;
        *size = (int16_t)load_be16(at);
    } else {
        if (!take(r, 4, &at)) return false;
        *size = (int32_t)load_be32(at);
    }
    if (*size < -1) return stop(r, ERROR_PROTOCOL, "negative size");
    if (*size == -1 && !nullable) return stop(r, ERROR_PROTOCOL, "null where the version has none");
    return true;
}

static bool read_string(struct reader *r, bool nullable, struct wire_text *out) {
    const uint8_t *at = NULL;
    if (!read_size(r, true, nullable, &out->size)) return false;
    if (out->size > INT16_MAX) return stop(r, ERROR_PROTOCOL, "string out of range");  // MessageGenerator's readers
    if (out->size >= 0 && !take(r, (size_t)out->size, &at)) return false;
    out->at = (const char *)at;
    return true;
}

static bool read_bytes(struct reader *r, bool nullable, struct wire_bytes *out) {
    out->at = NULL;
    return read_size(r, false, nullable, &out->size) && (out->size < 0 || take(r, (size_t)out->size, &out->at));
}

static bool read_number(struct reader *r, size_t size, void *out) {
    const uint8_t *at;
    if (!take(r, size, &at)) return false;
    switch (size) {
    case 1:
        *(uint8_t *)out = *at;
        break;
    case 2:
        *(uint16_t *)out = load_be16(at);
        break;
    case 4:
        *(uint32_t *)out = load_be32(at);
        break;
    default:
        *(uint64_t *)out = load_be64(at);
        break;
    }
    return true;
}

static bool read_value(struct reader *r, const struct message_field *f, bool nullable, void *out) {
    const uint8_t *at;
    switch ((enum field_type)f->type) {
    case FIELD_BOOL:
        if (!take(r, 1, &at)) return false;
        *(bool *)out = *at != 0;
        return true;
    case FIELD_INT8:
        return read_number(r, 1, out);
    case FIELD_INT16:
        return read_number(r, 2, out);
    case FIELD_INT32:
        return read_number(r, 4, out);
    case FIELD_INT64:
    case FIELD_FLOAT64:
        return read_number(r, 8, out);
    case FIELD_UUID:
        if (!take(r, sizeof(struct wire_uuid), &at)) return false;
        memcpy(out, at, sizeof(struct wire_uuid));
        return true;
    case FIELD_STRING:
        return read_string(r, nullable, out);
    case FIELD_BYTES:
    case FIELD_RECORDS:
        return read_bytes(r, nullable, out);
    case FIELD_STRUCT:
        return decode_struct(r, f->element, out);
    }
    assert(!"a type of the table");
    return false;
}

static size_t smallest_struct(const struct reader *r, const struct message *m);

// The fewest bytes one value of the field can be encoded in.
static size_t smallest_value(const struct reader *r, const struct message_field *f) {
    switch ((enum field_type)f->type) {
    case FIELD_STRING:
        return r->flexible ? 1 : 2;
    case FIELD_BYTES:
    case FIELD_RECORDS:
        return r->flexible ? 1 : 4;
    case FIELD_STRUCT:
        return smallest_struct(r, f->element);
    default:
        return field_value_size(f);
    }
}

static size_t smallest_struct(const struct reader *r, const struct message *m) {
    size_t size = r->flexible ? 1 : 0;
    for (size_t i = 0; i < m->untagged_count; i++) {
        const struct message_field *f = &m->fields[i];
        if (!field_exists(f, r->version)) continue;
        size += !f->array ? smallest_value(r, f) : r->flexible || f->optional ? 1 : 4;
    }
    return size;
}

static bool read_count(struct reader *r, const struct message_field *f, int32_t *count) {
    if (!f->optional) return read_size(r, false, field_is_nullable(f, r->version), count);
    int8_t there;
    if (!read_number(r, sizeof there, &there)) return false;
    *count = there < 0 ? -1 : 1;
    return true;
}

static bool read_array(struct reader *r, const struct message_field *f, void *out) {
    int32_t count;
    if (!read_count(r, f, &count)) return false;
    field_set_array(f, out, NULL, count);
    if (count <= 0) return true;
    size_t smallest = smallest_value(r, f), size = field_value_size(f);
    assert(smallest > 0);
    if ((size_t)count > left(r) / smallest) return stop(r, ERROR_PROTOCOL, "more elements than bytes");
    char *elements = arena_alloc(r->arena, (size_t)count * size);
    if (!elements) return stop(r, ERROR_LIMIT, "more than the arena may hold");
    field_set_array(f, out, elements, count);
    for (int32_t i = 0; i < count; i++) {
        if (!read_value(r, f, false, elements + (size_t)i * size)) return false;
    }
    return true;
}

static bool read_field(struct reader *r, const struct message *m, const struct message_field *f, void *out) {
    bool ok = f->array ? read_array(r, f, out) : read_value(r, f, field_is_nullable(f, r->version), field_at(f, out));
    if (!ok && !r->field) r->in = m, r->field = f;
    return ok;
}

static const struct message_field *find_tag(const struct reader *r, const struct message *m, uint32_t tag) {
    for (size_t i = m->untagged_count; i < m->fields_count; i++) {
        const struct message_field *f = &m->fields[i];
        if ((uint32_t)f->tag == tag && field_exists(f, r->version)) return f;
    }
    return NULL;
}

static bool read_tags(struct reader *r, const struct message *m, void *out) {
    uint32_t count, tag, size;
    if (!uvarint_read(&r->at, r->end, &count)) return stop(r, ERROR_PROTOCOL, "no count of tags");
    for (; count > 0; count--) {
        if (!tag_read(&r->at, r->end, &tag, &size)) return stop(r, ERROR_PROTOCOL, "tagged field cut short");
        const struct message_field *f = find_tag(r, m, tag);
        const uint8_t *end = r->end, *after = r->at + size;
        if (f) {
            r->end = after;
            if (!read_field(r, m, f, out)) return false;
            if (r->at != after) return stop(r, ERROR_PROTOCOL, "tagged field with bytes left over");
            r->end = end;
        }
        r->at = after;
    }
    return true;
}

static bool decode_struct(struct reader *r, const struct message *m, void *out) {
    for (size_t i = 0; i < m->untagged_count; i++) {
        const struct message_field *f = &m->fields[i];
        if (!field_exists(f, r->version)) field_set_default(f, out);
        else if (!read_field(r, m, f, out)) return false;
    }
    for (size_t i = m->untagged_count; i < m->fields_count; i++) field_set_default(&m->fields[i], out);
    return !r->flexible || read_tags(r, m, out);
}

struct error message_decode(const struct message *m, int16_t version, struct bytes in, struct arena *arena, void *out,
                            size_t *consumed) {
    assert(version >= m->version_min && version <= m->version_max);
    struct reader r = {
        .at = in.at,
        .end = in.size ? in.at + in.size : in.at,  // an empty message may be at NULL, where C allows no sum
        .arena = arena,
        .version = version,
        .flexible = version >= m->flexible_min,
    };
    if (!decode_struct(&r, m, out)) {
        return error_make(r.kind, 0, m->name, "version %" PRId16 ": %s.%s: %s", version, r.in ? r.in->name : m->name,
                          r.field ? r.field->name : "tags", r.problem);
    }
    *consumed = in.size - left(&r);
    return error_none();
}
