// What people write: settings files, and regular expressions for the names of topics.
#include "app/settings.h"
#include "base/limits.h"
#include "base/memory.h"
#include "fuzz/fuzz.h"
#include "base/pattern.h"

#include <assert.h>

static void expect_complete(const struct settings *s) {
    assert(s->flows_count > 0 && s->clusters_count > 0);
    for (size_t i = 0; i < s->flows_count; i++) {
        const struct flow_settings *flow = &s->flows[i];
        assert(flow->source < s->clusters_count && flow->target < s->clusters_count);
        assert(flow->source != flow->target && flow->enabled);
        assert(s->clusters[flow->source].bootstrap_servers.count > 0);
        assert(settings_find_flow(s, flow->name) == flow);
        assert(flow_settings_equal(s, flow, s, flow));
    }
    assert(!settings_restart_needed(s, s, &(size_t){0}));
}

void fuzz_settings(struct bytes in) {
    struct problems problems;
    struct settings *s = NULL;
    problems_init(&problems, "mirror.properties");
    bool complete = settings_parse(in, &s, &problems);
    assert(complete == (problems.errors_count == 0));
    if (complete) {
        expect_complete(s);
        settings_free(s);
    }
    problems_free(&problems);
}

void fuzz_patterns(struct bytes in) {
    const uint8_t *line_feed = in.size ? memchr(in.at, '\n', in.size) : NULL;
    size_t size = line_feed ? (size_t)(line_feed - in.at) : in.size;
    char *text = memory_copy_text((const char *)in.at, size);
    char *name = line_feed ? memory_copy_text((const char *)line_feed + 1, in.size - size - 1) : memory_copy_string("");
    const char *part = text;
    struct pattern *p;
    struct error e = pattern_compile(&part, 1, &p);
    assert(!error_is(&e) || e.kind == ERROR_CONFIG || e.kind == ERROR_LIMIT);
    assert(error_is(&e) == (p == NULL));
    if (p) {
        enum pattern_result first = pattern_match(p, name);
        assert(pattern_match(p, name) == first);
    }
    pattern_free(p);
    memory_free(text);
    memory_free(name);
}
