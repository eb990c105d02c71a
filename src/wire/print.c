// Prints messages as one line for a person. Secrets are not shown.
#include "wire/message_private.h"

#include <assert.h>
#include <inttypes.h>

#define PRINT_BYTES_MAX 32      // of a bytes field, as hex
#define PRINT_TEXT_MAX 200      // of a string
#define PRINT_ELEMENTS_MAX 100  // of an array

static void print_text(const struct wire_text *text, struct buffer *out) {
    if (text->size < 0) {
        buffer_printf(out, "null");
        return;
    }
    int32_t shown = text->size < PRINT_TEXT_MAX ? text->size : PRINT_TEXT_MAX;
    buffer_append_u8(out, '"');
    for (int32_t i = 0; i < shown; i++) {
        uint8_t c = (uint8_t)text->at[i];
        if (c < ' ' || c == 0x7f) buffer_printf(out, "\\x%02x", c);
        else if (c == '"' || c == '\\') buffer_printf(out, "\\%c", c);
        else buffer_append_u8(out, c);
    }
    buffer_append_u8(out, '"');
    if (shown < text->size) buffer_printf(out, "... (%" PRId32 " bytes)", text->size);
}

static void print_bytes(const struct wire_bytes *bytes, struct buffer *out) {
    if (bytes->size < 0) {
        buffer_printf(out, "null");
        return;
    }
    int32_t shown = bytes->size < PRINT_BYTES_MAX ? bytes->size : PRINT_BYTES_MAX;
    buffer_printf(out, "0x");
    for (int32_t i = 0; i < shown; i++) buffer_printf(out, "%02x", bytes->at[i]);
    if (shown < bytes->size) buffer_printf(out, "... (%" PRId32 " bytes)", bytes->size);
}

// As Kafka's tools show it: base64 for URLs without padding (org.apache.kafka.common.Uuid).
static void print_uuid(const struct wire_uuid *uuid, struct buffer *out) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (size_t bit = 0; bit < 8 * sizeof uuid->at; bit += 6) {
        size_t byte = bit / 8;
        unsigned pair = (unsigned)uuid->at[byte] << 8 | (byte + 1 < sizeof uuid->at ? uuid->at[byte + 1] : 0);
        buffer_append_u8(out, (uint8_t)digits[pair >> (10 - bit % 8) & 0x3f]);
    }
}

static void print_value(const struct message_field *f, int16_t version, const void *at, struct buffer *out) {
    switch ((enum field_type)f->type) {
    case FIELD_BOOL:
        buffer_printf(out, "%s", *(const bool *)at ? "true" : "false");
        break;
    case FIELD_INT8:
        buffer_printf(out, "%" PRId8, *(const int8_t *)at);
        break;
    case FIELD_INT16:
        buffer_printf(out, "%" PRId16, *(const int16_t *)at);
        break;
    case FIELD_INT32:
        buffer_printf(out, "%" PRId32, *(const int32_t *)at);
        break;
    case FIELD_INT64:
        buffer_printf(out, "%" PRId64, *(const int64_t *)at);
        break;
    case FIELD_FLOAT64:
        buffer_printf(out, "%g", *(const double *)at);
        break;
    case FIELD_UUID:
        print_uuid(at, out);
        break;
    case FIELD_STRING:
        print_text(at, out);
        break;
    case FIELD_BYTES:
    case FIELD_RECORDS:
        print_bytes(at, out);
        break;
    case FIELD_STRUCT:
        message_print(f->element, version, at, out);
        break;
    }
}

static void print_array(const struct message_field *f, int16_t version, const void *value, struct buffer *out) {
    int32_t count = field_count(f, value);
    if (count < 0) {
        buffer_printf(out, "null");
        return;
    }
    int32_t shown = count < PRINT_ELEMENTS_MAX ? count : PRINT_ELEMENTS_MAX;
    const char *elements = field_elements(f, value);
    buffer_append_u8(out, '[');
    for (int32_t i = 0; i < shown; i++) {
        if (i > 0) buffer_printf(out, ", ");
        print_value(f, version, elements + (size_t)i * field_value_size(f), out);
    }
    if (shown < count) buffer_printf(out, ", ... (%" PRId32 " elements)", count);
    buffer_append_u8(out, ']');
}

void message_print(const struct message *m, int16_t version, const void *value, struct buffer *out) {
    const char *separator = "{";
    for (size_t i = 0; i < m->fields_count; i++) {
        const struct message_field *f = &m->fields[i];
        if (!field_exists(f, version)) continue;
        buffer_printf(out, "%s%s: ", separator, f->name);
        separator = ", ";
        if (f->secret) buffer_printf(out, "***");
        else if (f->array) print_array(f, version, value, out);
        else print_value(f, version, field_at_const(f, value), out);
    }
    buffer_printf(out, "%s", *separator == '{' ? "{}" : "}");
}
