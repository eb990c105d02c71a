// Which topics of the source a flow mirrors: MirrorSourceConnector.shouldReplicateTopic.
#include "mirror/selection.h"

#include "base/map.h"
#include "base/memory.h"
#include "base/pattern.h"

#include <assert.h>

struct selection {
    struct pattern *topics, *exclude;
    bool heartbeats;
    const char *target_alias;
    struct naming naming;
    uint64_t digest;
};

static uint64_t digest_patterns(const char *const *patterns, size_t count) {
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) sum += hash_bytes(patterns[i], strlen(patterns[i]));
    return sum;
}

static uint64_t digest(const struct selection_rules *r) {
    const struct naming *n = &r->naming;
    uint64_t parts[] = {digest_patterns(r->topics, r->topics_count), digest_patterns(r->exclude, r->exclude_count),
                        r->heartbeats, (uint64_t)n->policy, hash_bytes(n->separator, strlen(n->separator)),
                        n->internal_separator_enabled};
    return hash_bytes(parts, sizeof parts);
}

uint64_t selection_digest(const struct selection *s) {
    return s->digest;
}

struct error selection_create(const struct selection_rules *rules, struct selection **out) {
    struct selection *s = NEW(struct selection);
    s->heartbeats = rules->heartbeats;
    s->target_alias = rules->target_alias;
    s->naming = rules->naming;
    s->digest = digest(rules);
    struct error e = pattern_compile(rules->topics, rules->topics_count, &s->topics);
    if (!error_is(&e)) e = pattern_compile(rules->exclude, rules->exclude_count, &s->exclude);
    if (error_is(&e)) {
        selection_free(s);
        s = NULL;
    }
    *out = s;
    return e;
}

void selection_free(struct selection *s) {
    if (!s) return;
    pattern_free(s->topics);
    pattern_free(s->exclude);
    memory_free(s);
}

// MirrorSourceConnector.isCycle: has this topic, some hops ago, been at the target?
static bool is_cycle(const struct selection *s, const char *topic) {
    size_t target_size = strlen(s->target_alias);
    for (;;) {
        struct bytes source;
        if (!naming_topic_source(&s->naming, topic, &source)) return false;
        if (source.size == target_size && memcmp(source.at, s->target_alias, target_size) == 0) return true;
        const char *upstream = naming_upstream_topic(&s->naming, topic);
        if (!upstream || upstream == topic) return false;
        topic = upstream;
    }
}

// DefaultTopicFilter: exclude wins.
static enum selection_verdict filter(struct selection *s, const char *topic) {
    enum pattern_result listed = pattern_match(s->topics, topic);
    if (listed == PATTERN_DIFFERS) return SELECTION_NOT_LISTED;
    enum pattern_result excluded = pattern_match(s->exclude, topic);
    if (excluded == PATTERN_MATCHES) return SELECTION_EXCLUDED;
    return listed == PATTERN_GAVE_UP || excluded == PATTERN_GAVE_UP ? SELECTION_GAVE_UP : SELECTION_MIRROR;
}

enum selection_verdict selection_judge(struct selection *s, const char *topic) {
    assert(*topic);
    if (naming_is_internal_topic(&s->naming, topic)) return SELECTION_INTERNAL;
    if (is_cycle(s, topic)) return SELECTION_CYCLE;
    if (s->heartbeats && naming_is_heartbeats_topic(&s->naming, topic)) return SELECTION_MIRROR;
    return filter(s, topic);
}

const char *selection_verdict_text(enum selection_verdict v) {
    switch (v) {
    case SELECTION_MIRROR:
        return "mirrored";
    case SELECTION_NOT_LISTED:
        return "matches none of topics";
    case SELECTION_EXCLUDED:
        return "matches topics.exclude";
    case SELECTION_INTERNAL:
        return "an internal topic";
    case SELECTION_CYCLE:
        return "came from the target";
    case SELECTION_GAVE_UP:
        return "topics or topics.exclude needs too many steps to match";
    }
    assert(!"a verdict");
    return "";
}
