// Our messages against bytes that Kafka's own classes wrote (test/vectors/messages.txt), in both directions.
//
// The values follow a rule known to both sides (test/vectors/Vectors.java has the other half), so we write the same
// message from its description, and do not only repeat what we read.
#include "base/limits.h"
#include "base/memory.h"
#include "unit/guarded.h"
#include "unit/message_fill.h"
#include "unit/test.h"
#include "wire/messages.h"

#define VECTORS "test/vectors/messages.txt"
#define VECTOR_SIZE_MAX 65536
#define LONG_SIZE 130

//  variant   numbers         text and bytes        arrays: structs   others         what can be null
//  filled    from the name   name and index        2                 2              is not
//  empty     -1              empty                 0                 0              is
//  default   default         default               1                 as default     as default
//  long      from the name   the same, 130 bytes   1                 130, filled    is not
enum variant { FILLED, EMPTY, DEFAULT, LONG, VARIANTS };
static const char *const variant_names[VARIANTS] = {"filled", "empty", "default", "long"};

struct vector {
    const struct message *message;
    int16_t version;
    enum variant variant;
    struct bytes bytes;
};

// Everything the tests use of the file; read once.
static struct vector *vectors;
static size_t vectors_count;
static struct guard_page guard;
static struct arena arena, arena_decoded;

struct rule_fill {
    struct fill fill;
    enum variant variant;
};

static uint32_t hash_of(const char *name, int32_t index) {
    uint32_t hash = 0x811c9dc5;
    for (const char *c = name; *c; c++) hash = (hash ^ (uint8_t)*c) * 0x01000193;
    return hash + (uint32_t)index * 0x9e3779b9;
}

static int32_t rule_count(struct fill *fill, const struct message_field *f, bool nullable) {
    bool structs = f->type == FIELD_STRUCT;
    switch (((struct rule_fill *)fill)->variant) {
    case FILLED:
        return f->optional ? 1 : 2;
    case EMPTY:
        return nullable ? -1 : 0;
    case DEFAULT:
        return structs && !f->optional ? 1 : FILL_KEEP;
    default:
        return structs ? 1 : LONG_SIZE;
    }
}

static struct wire_text rule_text(struct arena *a, enum variant variant, const char *name, int32_t index) {
    char *text = arena_alloc(a, LONG_SIZE + 1), once[64];
    int length = snprintf(once, sizeof once, "%s%d", name, index);
    int size = variant == LONG ? LONG_SIZE : length;
    for (int i = 0; i < size; i++) text[i] = once[i % length];
    return (struct wire_text){text, size};
}

static void rule_text_value(struct rule_fill *rule, const struct message_field *f, bool nullable, int32_t index,
                            void *at) {
    struct wire_text text = {NULL, nullable ? -1 : 0};
    // Elements of long arrays are short.
    enum variant variant = f->array && rule->variant == LONG ? FILLED : rule->variant;
    if (variant != EMPTY) text = rule_text(rule->fill.arena, variant, f->name, index);
    if (f->type == FIELD_STRING) *(struct wire_text *)at = text;
    else *(struct wire_bytes *)at = (struct wire_bytes){(const uint8_t *)text.at, text.size};
}

static void rule_value(struct fill *fill, const struct message_field *f, bool nullable, int32_t index, void *at) {
    struct rule_fill *rule = (struct rule_fill *)fill;
    bool empty = rule->variant == EMPTY;
    uint32_t hash = empty ? UINT32_MAX : hash_of(f->name, index);
    if (rule->variant == DEFAULT) return;
    switch ((enum field_type)f->type) {
    case FIELD_BOOL:
        *(bool *)at = hash & 1;
        break;
    case FIELD_INT8:
        *(int8_t *)at = (int8_t)hash;
        break;
    case FIELD_INT16:
        *(int16_t *)at = (int16_t)hash;
        break;
    case FIELD_INT32:
        *(uint32_t *)at = hash;
        break;
    case FIELD_INT64:
        *(uint64_t *)at = empty ? UINT64_MAX : (uint64_t)hash << 32 | (uint32_t)~hash;
        break;
    case FIELD_FLOAT64:
        *(double *)at = (int32_t)hash / 8.0;
        break;
    case FIELD_UUID:
        store_be64(at, empty ? 0 : (uint64_t)hash << 32 | 7);
        store_be64((uint8_t *)at + 8, empty ? 0 : hash);
        break;
    default:
        rule_text_value(rule, f, nullable, index, at);
    }
}

static const struct message *find_message(const char *name) {
    for (size_t i = 0; i < api_table_count; i++) {
        if (!strcmp(name, message_name(api_table[i].request))) return api_table[i].request;
        if (!strcmp(name, message_name(api_table[i].response))) return api_table[i].response;
    }
    return NULL;
}

static bool parse_hex(const char *hex, struct bytes *out) {
    size_t size = strlen(hex) / 2;
    uint8_t *at = memory_alloc(size + 1);
    *out = (struct bytes){at, size};
    for (size_t i = 0; i < size; i++) {
        unsigned byte;
        if (sscanf(hex + 2 * i, "%2x", &byte) != 1) return false;
        at[i] = (uint8_t)byte;
    }
    return hex[2 * size] == 0;
}

static bool parse_line(char *line, struct vector *out) {
    char name[64], variant[16];
    int hex_at = 0;
    line[strcspn(line, "\n")] = 0;
    if (sscanf(line, "%63s %hd %15s %n", name, &out->version, variant, &hex_at) != 3 || !hex_at) return false;
    out->message = find_message(name);
    out->variant = FILLED;
    while (out->variant < VARIANTS && strcmp(variant, variant_names[out->variant])) out->variant++;
    return out->message && out->variant < VARIANTS && parse_hex(line + hex_at, &out->bytes);
}

TEST(the_file_is_readable) {
    static char line[2 * VECTOR_SIZE_MAX];
    FILE *file = fopen(VECTORS, "r");
    bool all = true;
    if (!file) printf("%s: run the test from the root of the repository\n", VECTORS);
    EXPECT(file);
    while (all && fgets(line, sizeof line, file)) {
        if (*line == '#') continue;
        vectors = memory_resize(vectors, (vectors_count + 1) * sizeof *vectors);
        all = parse_line(line, &vectors[vectors_count++]);
        if (!all) printf("%s: \"%.60s...\" is no vector of a message we have\n", VECTORS, line);
    }
    fclose(file);
    EXPECT(all);
}

static size_t count_vectors(const struct message *m, int16_t version, enum variant variant) {
    size_t count = 0;
    for (size_t i = 0; i < vectors_count; i++) {
        const struct vector *v = &vectors[i];
        count += v->message == m && v->version == version && v->variant == variant;
    }
    return count;
}

TEST(every_version_of_every_message_has_its_vectors) {
    size_t wanted = 0;
    for (size_t i = 0; i < 2 * api_table_count; i++) {
        const struct message *m = i % 2 ? api_table[i / 2].response : api_table[i / 2].request;
        for (int16_t v = m->version_min; v <= m->version_max; v++) {
            for (enum variant variant = FILLED; variant < VARIANTS; variant++, wanted++) {
                size_t count = count_vectors(m, v, variant);
                if (count != 1) printf("%s %d %s: %zu vectors\n", message_name(m), v, variant_names[variant], count);
                EXPECT_INT(count, 1);
            }
        }
    }
    EXPECT_INT(vectors_count, wanted);
}

// Says which vector it was before the test ends.
static bool right(const struct vector *v, const char *what, const struct error *e, const struct buffer *got) {
    bool ok = !error_is(e) && got->size == v->bytes.size && (!got->size || !memcmp(got->at, v->bytes.at, got->size));
    if (ok) return true;
    size_t i = 0;
    while (i < got->size && i < v->bytes.size && got->at[i] == v->bytes.at[i]) i++;
    printf("%s %d %s: %s: %s, %zu bytes, expected %zu, first difference at %zu\n", message_name(v->message), v->version,
           variant_names[v->variant], what, e->detail, got->size, v->bytes.size, i);
    return false;
}

TEST(written_from_the_rule_they_are_kafkas_bytes) {
    for (size_t i = 0; i < vectors_count; i++) {
        const struct vector *v = &vectors[i];
        arena_reset(&arena);
        struct rule_fill rule = {{rule_count, rule_value, &arena, v->version}, v->variant};
        void *message = arena_alloc(&arena, message_struct_size(v->message));
        fill_struct(&rule.fill, v->message, 0, message);
        struct buffer out;
        buffer_init(&out, VECTOR_SIZE_MAX);
        struct error e = message_encode(v->message, v->version, message, &out, NULL, NULL);
        bool ok = right(v, "from the rule", &e, &out);
        buffer_free(&out);
        EXPECT(ok);
        size_t size;
        e = message_size(v->message, v->version, message, &size);
        EXPECT(!error_is(&e));
        EXPECT_INT(size, v->bytes.size);
    }
}

TEST(read_and_written_again_they_are_the_same) {
    for (size_t i = 0; i < vectors_count; i++) {
        const struct vector *v = &vectors[i];
        arena_reset(&arena);
        void *message = arena_alloc(&arena, message_struct_size(v->message));
        memset(message, 0xa5, message_struct_size(v->message));
        struct bytes in = {guard_page_place(&guard, v->bytes.at, v->bytes.size), v->bytes.size};
        size_t consumed = 0;
        struct error e = message_decode(v->message, v->version, in, &arena, message, &consumed);
        struct buffer out;
        buffer_init(&out, VECTOR_SIZE_MAX);
        if (!error_is(&e)) e = message_encode(v->message, v->version, message, &out, NULL, NULL);
        bool ok = right(v, "read and written", &e, &out);
        buffer_free(&out);
        EXPECT(ok);
        EXPECT_INT(consumed, v->bytes.size);
    }
}

TEST(cut_anywhere_they_are_errors) {
    for (size_t i = 0; i < vectors_count; i++) {
        const struct vector *v = &vectors[i];
        for (size_t size = 0; size < v->bytes.size; size++) {
            arena_reset(&arena);
            arena_reset(&arena_decoded);
            void *message = arena_alloc(&arena, message_struct_size(v->message));
            struct bytes in = {guard_page_place(&guard, v->bytes.at, size), size};
            size_t consumed;
            struct error e = message_decode(v->message, v->version, in, &arena_decoded, message, &consumed);
            EXPECT_INT(e.kind, ERROR_PROTOCOL);
            EXPECT(!strcmp(e.where, message_name(v->message)));
        }
    }
}

int main(void) {
    arena_init(&arena, DECODE_ARENA_MAX);
    arena_init(&arena_decoded, DECODE_ARENA_MAX);
    guard = guard_page_open(VECTOR_SIZE_MAX);
    RUN(the_file_is_readable);
    RUN(every_version_of_every_message_has_its_vectors);
    RUN(written_from_the_rule_they_are_kafkas_bytes);
    RUN(read_and_written_again_they_are_the_same);
    RUN(cut_anywhere_they_are_errors);
    for (size_t i = 0; i < vectors_count; i++) memory_free((void *)vectors[i].bytes.at);
    memory_free(vectors);
    guard_page_close(&guard);
    arena_free(&arena);
    arena_free(&arena_decoded);
    return test_result();
}
