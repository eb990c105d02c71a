// The types of settings: reading, freeing and comparing a value, and saying what is allowed.
#include "app/settings_value.h"

#include "base/memory.h"
#include "base/pattern.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

static struct bytes trim(const char *at, size_t size) {
    while (size && isspace((unsigned char)*at)) at++, size--;
    while (size && isspace((unsigned char)at[size - 1])) size--;
    return (struct bytes){(const uint8_t *)at, size};
}

static char *copy_trimmed(const char *at, size_t size) {
    struct bytes b = trim(at, size);
    return memory_copy_text((const char *)b.at, b.size);
}

// Splits at commas, without blanks around the items; no item is empty unless the text holds two commas in a row.
static struct text_list text_list_split(const char *text) {
    struct text_list l = {0};
    if (trim(text, strlen(text)).size == 0) return l;
    for (const char *at = text;; at++) {
        size_t size = strcspn(at, ",");
        l.items = memory_resize(l.items, (l.count + 1) * sizeof *l.items);
        l.items[l.count++] = copy_trimmed(at, size);
        at += size;
        if (!*at) return l;
    }
}

static void text_list_free(struct text_list *l) {
    for (size_t i = 0; i < l->count; i++) memory_free(l->items[i]);
    memory_free(l->items);
    *l = (struct text_list){0};
}

static bool text_list_equal(const struct text_list *a, const struct text_list *b) {
    if (a->count != b->count) return false;
    for (size_t i = 0; i < a->count; i++) {
        if (strcmp(a->items[i], b->items[i]) != 0) return false;
    }
    return true;
}

static void server_list_free(struct server_list *l) {
    for (size_t i = 0; i < l->count; i++) memory_free(l->items[i].host);
    memory_free(l->items);
    *l = (struct server_list){0};
}

static bool server_list_equal(const struct server_list *a, const struct server_list *b) {
    if (a->count != b->count) return false;
    for (size_t i = 0; i < a->count; i++) {
        if (a->items[i].port != b->items[i].port || strcmp(a->items[i].host, b->items[i].host) != 0) return false;
    }
    return true;
}

static bool parse_number(const char *text, int64_t *value) {
    const char *digits = text + (*text == '-' || *text == '+');
    if (!*digits || digits[strspn(digits, "0123456789")]) return false;
    *value = strtoll(text, NULL, 10);  // saturates; no range reaches that far
    return true;
}

// "host:port"; an IPv6 address, perhaps with a zone ("%eth0"), stands in brackets.
static bool parse_server(const char *text, struct server *out) {
    bool bracketed = *text == '[';
    const char *host = text + bracketed;
    size_t size = strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_");
    if (bracketed) size = strspn(host, "0123456789abcdefABCDEF:.");
    if (bracketed && host[size] == '%') size += strcspn(host + size, "]");
    const char *rest = host + size;
    if (bracketed && *rest++ != ']') return false;
    int64_t port;
    if (size == 0 || *rest != ':' || !isdigit((unsigned char)rest[1]) || !parse_number(rest + 1, &port)) return false;
    if (port < 1 || port > UINT16_MAX) return false;
    *out = (struct server){.host = memory_copy_text(host, size), .port = (uint16_t)port};
    return true;
}

static bool parse_servers(const char *text, struct server_list *value) {
    struct text_list parts = text_list_split(text);
    struct server_list l = {.items = memory_alloc_zeroed(parts.count + 1, sizeof *l.items)};
    while (l.count < parts.count && parse_server(parts.items[l.count], &l.items[l.count])) l.count++;
    bool ok = parts.count > 0 && l.count == parts.count;
    if (ok) *value = l;
    else server_list_free(&l);
    text_list_free(&parts);
    return ok;
}

static bool parse_list(const char *text, struct text_list *value) {
    struct text_list l = text_list_split(text);
    bool ok = l.count > 0;
    for (size_t i = 0; i < l.count; i++) ok = ok && *l.items[i];
    if (ok) *value = l;
    else text_list_free(&l);
    return ok;
}

// An empty list is allowed: it matches nothing (MirrorUtils.compilePatternList).
static bool parse_patterns(const char *text, struct text_list *value, struct buffer *expected) {
    struct text_list l = text_list_split(text);
    struct pattern *compiled;
    struct error e = pattern_compile((const char *const *)l.items, l.count, &compiled);
    if (error_is(&e)) {
        buffer_printf(expected, "not a regular expression: %s", e.detail);
        text_list_free(&l);
        return false;
    }
    pattern_free(compiled);
    *value = l;
    return true;
}

static bool parse_choice(const struct setting *s, const char *text, int *value) {
    for (const struct setting_choice *c = s->choices; c->text; c++) {
        if (strcmp(c->text, text) == 0) {
            *value = c->value;
            return true;
        }
    }
    return false;
}

static bool parse_bool(const char *text, bool *value) {
    bool is_true = strcasecmp(text, "true") == 0;
    if (!is_true && strcasecmp(text, "false") != 0) return false;
    *value = is_true;
    return true;
}

static bool parse_ranged(const struct setting *s, const char *text, int64_t *value) {
    int64_t v;
    if (!parse_number(text, &v) || v < s->min || v > s->max || (v == 0 && s->zero_refused)) return false;
    *value = v;
    return true;
}

static bool parse_text(const struct setting *s, const char *text, char **value) {
    int64_t size = (int64_t)strlen(text);
    if (size < s->min || size > s->max) return false;
    if (s->type == SETTING_NAME && !topic_characters_only(text)) return false;
    *value = memory_copy_string(text);
    return true;
}

static bool parse_trimmed(const struct setting *s, const char *text, void *value, struct buffer *expected) {
    switch (s->type) {
    case SETTING_BOOL:
        return parse_bool(text, value);
    case SETTING_NUMBER:
        return parse_ranged(s, text, value);
    case SETTING_TEXT:
    case SETTING_NAME:
        return parse_text(s, text, value);
    case SETTING_LIST:
        return parse_list(text, value);
    case SETTING_PATTERNS:
        return parse_patterns(text, value, expected);
    case SETTING_SERVERS:
        return parse_servers(text, value);
    case SETTING_CHOICE:
        return parse_choice(s, text, value);
    }
    assert(!"a type");
    return false;
}

bool setting_value_parse(const struct setting *s, const char *text, void *value, struct buffer *expected) {
    char *trimmed = copy_trimmed(text, strlen(text));
    size_t said = expected->size;
    bool ok = parse_trimmed(s, trimmed, value, expected);
    if (!ok && expected->size == said) {
        buffer_printf(expected, "expected ");
        setting_value_allowed(s, expected);
    }
    memory_free(trimmed);
    return ok;
}

void setting_value_free(const struct setting *s, void *value) {
    switch (s->type) {
    case SETTING_TEXT:
    case SETTING_NAME:
        memory_free(*(char **)value);
        break;
    case SETTING_LIST:
    case SETTING_PATTERNS:
        text_list_free(value);
        break;
    case SETTING_SERVERS:
        server_list_free(value);
        break;
    case SETTING_BOOL:
    case SETTING_NUMBER:
    case SETTING_CHOICE:
        break;
    }
}

bool setting_value_equal(const struct setting *s, const void *a, const void *b) {
    switch (s->type) {
    case SETTING_BOOL:
        return *(const bool *)a == *(const bool *)b;
    case SETTING_NUMBER:
        return *(const int64_t *)a == *(const int64_t *)b;
    case SETTING_CHOICE:
        return *(const int *)a == *(const int *)b;
    case SETTING_TEXT:
    case SETTING_NAME:
        return strcmp(*(char *const *)a, *(char *const *)b) == 0;
    case SETTING_LIST:
    case SETTING_PATTERNS:
        return text_list_equal(a, b);
    case SETTING_SERVERS:
        return server_list_equal(a, b);
    }
    assert(!"a type");
    return false;
}

static void allowed_choices(const struct setting *s, struct buffer *out) {
    for (const struct setting_choice *c = s->choices; c->text; c++) {
        const char *between = c == s->choices ? "" : c[1].text ? ", " : " or ";
        buffer_printf(out, "%s%s", between, c->text);
    }
}

void setting_value_allowed(const struct setting *s, struct buffer *out) {
    switch (s->type) {
    case SETTING_BOOL:
        buffer_printf(out, "true or false");
        break;
    case SETTING_NUMBER:
        if (s->zero_refused) buffer_printf(out, "-1, or 1 to %lld", (long long)s->max);
        else buffer_printf(out, "%lld to %lld", (long long)s->min, (long long)s->max);
        break;
    case SETTING_TEXT:
        buffer_printf(out, "at most %lld characters", (long long)s->max);
        break;
    case SETTING_NAME:
        buffer_printf(out, "%lld to %lld of the characters a-z A-Z 0-9 . _ -", (long long)s->min, (long long)s->max);
        break;
    case SETTING_LIST:
        buffer_printf(out, "names, separated by commas");
        break;
    case SETTING_PATTERNS:
        buffer_printf(out, "regular expressions, separated by commas");
        break;
    case SETTING_SERVERS:
        buffer_printf(out, "host:port, or several, separated by commas");
        break;
    case SETTING_CHOICE:
        allowed_choices(s, out);
        break;
    }
}
