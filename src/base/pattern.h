// A comma list of regular expressions as MirrorMaker 2 reads `topics` and `topics.exclude`: the parts are joined by "|"
// (so "(?i)a, b" ignores case in b too) and must match a whole name, as java.util.regex.Matcher.matches().
#pragma once
#include "base/error.h"

#include <stddef.h>

struct pattern;  // one thread at a time

enum pattern_result {
    PATTERN_DIFFERS,
    PATTERN_MATCHES,
    PATTERN_GAVE_UP,  // PATTERN_MATCH_LIMIT was hit: a catastrophic pattern must not stop the mirror
};

// A list without parts matches nothing.
// Errors: ERROR_CONFIG with PCRE2's message and the position, also for what PCRE2 and Java understand differently.
MUST_USE struct error pattern_compile(const char *const *parts, size_t count, struct pattern **out);
void pattern_free(struct pattern *p);

enum pattern_result pattern_match(struct pattern *p, const char *text);
