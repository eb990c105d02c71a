// The Kafka protocol's messages: plain structs (generated), one table of fields for each (generated), and one
// interpreter that encodes, decodes, sizes and prints them. Version numbers are tested here and nowhere else.
//
// A message stands once in src/wire/schema/*.schema; tools/schema.py makes wire/messages.h (structs, tables' names) and
// wire/messages.c (tables) in the build folder.
#pragma once
#include "base/arena.h"
#include "base/buffer.h"
#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

// Text and bytes inside a decoded message point into the frame it was decoded from; in a message to encode they point
// to the caller's memory. size -1 is null (at is NULL then).
struct wire_text {
    const char *at;
    int32_t size;
};

static inline struct wire_text text_of(const char *text) {  // NULL: null
    return (struct wire_text){text, text ? (int32_t)strlen(text) : -1};
}

static inline bool wire_text_same(struct wire_text a, struct wire_text b) {
    return a.size == b.size && (a.size <= 0 || memcmp(a.at, b.at, (size_t)a.size) == 0);
}

struct wire_bytes {
    const uint8_t *at;
    int32_t size;
};

struct wire_uuid {
    uint8_t at[16];
};

static inline bool uuid_is_zero(const struct wire_uuid *u) {
    static const struct wire_uuid zero;
    return memcmp(u, &zero, sizeof zero) == 0;
}

static inline bool uuid_equal(const struct wire_uuid *a, const struct wire_uuid *b) {
    return memcmp(a, b, sizeof *a) == 0;
}

// Field names are Kafka's in snake case. An array field `foos []` of message bar becomes `struct bar_foo *foos; int32_t
// foos_count;` with count -1 for null: the element's struct is named after the message and the element, whatever it is
// nested in. A struct that may be null is such an array, of one. Decoded arrays live in the arena given to
// message_decode().

struct message;  // a constant table of fields

struct api {
    int16_t key;
    const char *name;  // Kafka's name, e.g. "Fetch"
    const struct message *request, *response;
    int16_t version_min, version_max;  // what our schema covers
    int16_t flexible_min;              // first version with tagged fields and compact encodings; 0x7fff = none
};

// Every API of the schemas, in the order of their keys.
extern const struct api api_table[];
extern const size_t api_table_count;

// NULL when our schema has no such API.
const struct api *api_find(int16_t key);

// Sets every field to its default, recursively for nested structs, arrays empty. Call before filling a message, and for
// each element of its arrays with the element's own table: message_defaults(&fetch_request_partition_message, &p).
void message_defaults(const struct message *m, void *value);

// Size of the encoded message; records fields count with their size.
// A field that is set but does not exist in `version` is ignored when the schema says so, else an ERROR_PROTOCOL
// (as Kafka's own generated code throws UnsupportedVersionException).
MUST_USE struct error message_size(const struct message *m, int16_t version, const void *value, size_t *size);

// Appends the encoded message. With `cuts` NULL records fields are copied in. Otherwise only their length prefix is
// written and their place is noted, so that the payload can be sent from where it was received:
// cut i says "payload at[i] belongs before byte offset[i] of out". *cuts_count comes in as the capacity and goes out
// as the number used; more records fields than that is ERROR_LIMIT.
struct wire_cut {
    size_t offset;
    struct wire_bytes payload;
};
MUST_USE struct error message_encode(const struct message *m, int16_t version, const void *value, struct buffer *out,
                                     struct wire_cut *cuts, size_t *cuts_count);

// Decodes from the front of `in`; *consumed is what the message took (trailing bytes are the caller's business).
// Array counts are bounded by what the remaining bytes can hold before anything is allocated; unknown tagged fields are
// skipped. `out` must have the message's struct type. On error `out` is not to be used.
MUST_USE struct error message_decode(const struct message *m, int16_t version, struct bytes in, struct arena *arena,
                                     void *out, size_t *consumed);

// One line for a person, for logs and tests: {field: value, list: [..]}; bytes as hex, cut where they are long.
void message_print(const struct message *m, int16_t version, const void *value, struct buffer *out);

// How long a response tells its client to send nothing (KIP-219); 0: not at all, or it has no such field.
int32_t message_throttle_ms(const struct message *response, const void *value);

size_t message_struct_size(const struct message *m);
const char *message_name(const struct message *m);
