// A Java .properties file, in the syntax of java.util.Properties.load, read as UTF-8.
#include "app/properties.h"

#include "base/limits.h"
#include "base/memory.h"

struct reader {
    struct bytes rest;
    uint32_t line;  // of the natural line read last
};

static bool is_blank(uint8_t c) {
    return c == ' ' || c == '\t' || c == '\f';
}

static struct bytes without_leading_blanks(struct bytes b) {
    while (b.size && is_blank(*b.at)) b.at++, b.size--;
    return b;
}

// One line of the file, without its CR, LF or CRLF.
static bool natural_line(struct reader *r, struct bytes *line) {
    if (r->rest.size == 0) return false;
    size_t size = 0;
    while (size < r->rest.size && r->rest.at[size] != '\n' && r->rest.at[size] != '\r') size++;
    *line = (struct bytes){r->rest.at, size};
    size_t end = size;
    if (end < r->rest.size && r->rest.at[end] == '\r') end++;
    if (end < r->rest.size && r->rest.at[end] == '\n') end++;
    r->rest = (struct bytes){r->rest.at + end, r->rest.size - end};
    r->line++;
    return true;
}

static bool ends_in_odd_backslashes(struct bytes line) {
    size_t count = 0;
    while (count < line.size && line.at[line.size - 1 - count] == '\\') count++;
    return count % 2 == 1;
}

// Joins continued lines, and skips blank lines and comments; a comment is never continued.
static bool logical_line(struct reader *r, struct buffer *joined, uint32_t *first_line) {
    struct bytes line;
    buffer_clear(joined);
    while (natural_line(r, &line)) {
        line = without_leading_blanks(line);
        if (joined->size == 0) {
            if (line.size == 0 || *line.at == '#' || *line.at == '!') continue;
            *first_line = r->line;
        }
        bool continued = ends_in_odd_backslashes(line);
        buffer_append(joined, line.at, line.size - continued);
        if (!continued && joined->size) return true;
    }
    return joined->size > 0;
}

static int hex_digit(uint8_t c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// The UTF-16 unit behind "\u", or -1.
static int32_t read_unit(struct bytes text, size_t at) {
    int32_t unit = 0;
    if (text.size < 4 || at > text.size - 4) return -1;
    for (size_t i = 0; i < 4; i++) {
        int digit = hex_digit(text.at[at + i]);
        if (digit < 0) return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

static void append_utf8(struct buffer *out, int32_t point) {
    if (point < 0x80) {
        buffer_append_u8(out, (uint8_t)point);
    } else if (point < 0x800) {
        buffer_append_u8(out, (uint8_t)(0xc0 | point >> 6));
        buffer_append_u8(out, (uint8_t)(0x80 | (point & 0x3f)));
    } else {
        if (point < 0x10000) {
            buffer_append_u8(out, (uint8_t)(0xe0 | point >> 12));
        } else {
            buffer_append_u8(out, (uint8_t)(0xf0 | point >> 18));
            buffer_append_u8(out, (uint8_t)(0x80 | (point >> 12 & 0x3f)));
        }
        buffer_append_u8(out, (uint8_t)(0x80 | (point >> 6 & 0x3f)));
        buffer_append_u8(out, (uint8_t)(0x80 | (point & 0x3f)));
    }
}

static bool is_high_surrogate(int32_t unit) {
    return unit >= 0xd800 && unit < 0xdc00;
}

static bool is_low_surrogate(int32_t unit) {
    return unit >= 0xdc00 && unit < 0xe000;
}

// `at` is behind "\u". Answers the text of a problem, or NULL, and moves `at` behind what was read.
static const char *unescape_unicode(struct bytes text, size_t *at, struct buffer *out) {
    int32_t point = read_unit(text, *at);
    if (point < 0) return "malformed \\uxxxx: expected four hexadecimal digits";
    if (point == 0) return "\\u0000: a zero has no place in a setting";
    *at += 4;
    if (is_high_surrogate(point) && *at + 2 <= text.size && memcmp(text.at + *at, "\\u", 2) == 0) {
        int32_t low = read_unit(text, *at + 2);
        if (low < 0) return "malformed \\uxxxx: expected four hexadecimal digits";
        if (is_low_surrogate(low)) {
            point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
            *at += 6;
        }
    }
    if (point >= 0xd800 && point < 0xe000) return "\\uxxxx: half of a surrogate pair is no character";
    append_utf8(out, point);
    return NULL;
}

static uint8_t escaped(uint8_t c) {
    switch (c) {
    case 't':
        return '\t';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 'f':
        return '\f';
    default:
        return c;
    }
}

static const char *unescape(struct bytes text, struct buffer *out) {
    buffer_clear(out);
    for (size_t at = 0; at < text.size;) {
        uint8_t c = text.at[at++];
        if (c == 0) return "a zero byte: is this a text file?";
        if (c != '\\' || at == text.size) {
            buffer_append_u8(out, c);
        } else if (text.at[at] == 'u') {
            at++;
            const char *problem = unescape_unicode(text, &at, out);
            if (problem) return problem;
        } else {
            buffer_append_u8(out, escaped(text.at[at++]));
        }
    }
    return NULL;
}

// The key ends at the first unescaped separator: blanks, with at most one "=" or ":" among them.
static void split(struct bytes line, struct bytes *key, struct bytes *value) {
    size_t at = 0;
    while (at < line.size && !is_blank(line.at[at]) && line.at[at] != '=' && line.at[at] != ':') {
        at += line.at[at] == '\\' && at + 1 < line.size ? 2 : 1;
    }
    *key = (struct bytes){line.at, at};
    struct bytes rest = without_leading_blanks((struct bytes){line.at + at, line.size - at});
    if (rest.size && (*rest.at == '=' || *rest.at == ':')) {
        rest = without_leading_blanks((struct bytes){rest.at + 1, rest.size - 1});
    }
    *value = rest;
}

// Windows puts a byte order mark in front of UTF-8: it would be a part of the first key.
static struct bytes without_mark(struct bytes text) {
    bool there = text.size >= 3 && memcmp(text.at, "\xef\xbb\xbf", 3) == 0;
    return there ? (struct bytes){text.at + 3, text.size - 3} : text;
}

// Takes key and value over.
static void put(struct properties *p, char *key, char *value, uint32_t line, struct problems *problems) {
    uintptr_t place = (uintptr_t)map_get_text(&p->places, key, strlen(key));
    if (place) {
        struct property *old = &p->items[place - 1];
        problem_warning(problems, line, "%s is also set in line %u: this line wins", key, old->line);
        memory_free(old->value);
        memory_free(key);
        old->value = value;
        old->line = line;
        return;
    }
    if (p->count == p->capacity) {
        p->capacity = p->capacity ? p->capacity * 2 : 64;
        p->items = memory_resize(p->items, p->capacity * sizeof *p->items);
    }
    p->items[p->count++] = (struct property){key, value, line};
    map_put_text(&p->places, key, strlen(key), (void *)(uintptr_t)p->count);
}

static char *copy_buffer(const struct buffer *b) {
    return memory_copy_text((const char *)b->at, b->size);
}

bool properties_parse(struct bytes text, struct properties *out, struct problems *problems) {
    *out = (struct properties){0};
    map_init(&out->places);
    if (text.size > PROPERTIES_SIZE_MAX) {
        problem_error(problems, 0, "%zu bytes: a settings file has at most %d", text.size, PROPERTIES_SIZE_MAX);
        return false;
    }
    struct buffer line, key_text, value_text;
    buffer_init(&line, PROPERTIES_SIZE_MAX);
    buffer_init(&key_text, PROPERTIES_SIZE_MAX);
    buffer_init(&value_text, PROPERTIES_SIZE_MAX);
    struct reader reader = {.rest = without_mark(text)};
    uint32_t first_line = 0;
    bool ok = true;
    while (logical_line(&reader, &line, &first_line)) {
        struct bytes key, value;
        split((struct bytes){line.at, line.size}, &key, &value);
        const char *problem = unescape(key, &key_text);
        if (!problem) problem = unescape(value, &value_text);
        if (problem) {
            problem_error(problems, first_line, "%s", problem);
            ok = false;
            continue;
        }
        put(out, copy_buffer(&key_text), copy_buffer(&value_text), first_line, problems);
    }
    buffer_free(&line);
    buffer_free(&key_text);
    buffer_free(&value_text);
    return ok;
}

void properties_free(struct properties *p) {
    for (size_t i = 0; i < p->count; i++) {
        memory_free(p->items[i].key);
        memory_free(p->items[i].value);
    }
    memory_free(p->items);
    map_free(&p->places);
}

const struct property *properties_get(const struct properties *p, const char *key) {
    uintptr_t place = (uintptr_t)map_get_text(&p->places, key, strlen(key));
    return place ? &p->items[place - 1] : NULL;
}
