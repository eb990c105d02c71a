// Regular expressions with the meaning java.util.regex gives them, on top of PCRE2.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "base/pattern.h"

#include "base/buffer.h"
#include "base/limits.h"
#include "base/memory.h"

#include <pcre2.h>
#include <string.h>

struct pattern {
    pcre2_code *code;  // NULL: the empty list
    pcre2_match_data *match;
    pcre2_match_context *limits;
};

// Java nests character classes and intersects them with "&&"; PCRE2 reads the same characters as literals. Such a
// pattern would select other topics than under MirrorMaker, so it is refused. Answers its position, or -1.
static int64_t java_only_class(const char *text) {
    bool in_class = false;
    for (const char *c = text; *c; c++) {
        if (*c == '\\') {
            c++;
            if (*c == 'Q') c = strstr(c, "\\E");
            if (!c || !*c) return -1;
        } else if (!in_class) {
            in_class = *c == '[';
        } else if (*c == '[' || (c[0] == '&' && c[1] == '&')) {
            return c - text;
        } else if (*c == ']') {
            in_class = false;
        }
    }
    return -1;
}

static struct error compile_joined(const char *text, size_t size, struct pattern *p) {
    int64_t class_at = java_only_class(text);
    if (class_at >= 0) {
        return error_make(ERROR_CONFIG, 0, "pattern", "nested or intersected character class at position %lld",
                          (long long)class_at);
    }
    int code;
    PCRE2_SIZE position;
    uint32_t options = PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C;
    p->code = pcre2_compile((PCRE2_SPTR)text, size, options, &code, &position, NULL);
    if (!p->code) {
        char message[96];
        pcre2_get_error_message(code, (PCRE2_UCHAR *)message, sizeof message);
        return error_make(ERROR_CONFIG, code, "pattern", "%s at position %zu", message, (size_t)position);
    }
    // Without JIT (refused by a hardened kernel, for example) the interpreter gives the same answers.
    (void)pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE);
    p->match = memory_check(pcre2_match_data_create_from_pattern(p->code, NULL));
    p->limits = memory_check(pcre2_match_context_create(NULL));
    pcre2_set_match_limit(p->limits, PATTERN_MATCH_LIMIT);
    pcre2_set_heap_limit(p->limits, PATTERN_HEAP_KIB_MAX);
    return error_none();
}

struct error pattern_compile(const char *const *parts, size_t count, struct pattern **out) {
    struct pattern *p = NEW(struct pattern);
    struct error e = error_none();
    if (count > 0) {
        struct buffer joined;
        buffer_init(&joined, PATTERN_SIZE_MAX);
        for (size_t i = 0; i < count; i++) buffer_printf(&joined, "%s%s", i ? "|" : "", parts[i]);
        buffer_append_u8(&joined, 0);
        if (joined.overflowed) {
            e = error_make(ERROR_LIMIT, 0, "pattern", "longer than %d characters", PATTERN_SIZE_MAX - 1);
        } else {
            e = compile_joined((const char *)joined.at, joined.size - 1, p);
        }
        buffer_free(&joined);
    }
    if (error_is(&e)) {
        pattern_free(p);
        p = NULL;
    }
    *out = p;
    return e;
}

void pattern_free(struct pattern *p) {
    if (!p) return;
    pcre2_match_context_free(p->limits);
    pcre2_match_data_free(p->match);
    pcre2_code_free(p->code);
    memory_free(p);
}

enum pattern_result pattern_match(struct pattern *p, const char *text) {
    if (!p->code) return PATTERN_DIFFERS;
    int found = pcre2_match(p->code, (PCRE2_SPTR)text, strlen(text), 0, 0, p->match, p->limits);
    if (found >= 0) return PATTERN_MATCHES;
    return found == PCRE2_ERROR_NOMATCH ? PATTERN_DIFFERS : PATTERN_GAVE_UP;
}
