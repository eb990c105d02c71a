// Reads the settings: judges each line by itself, then resolves what holds for each cluster and flow.
#include "app/settings.h"

#include "app/properties.h"
#include "app/settings_key.h"
#include "app/settings_value.h"
#include "base/limits.h"
#include "base/memory.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define SHOWN_VALUE_MAX 200

struct parsing {
    struct properties properties;
    struct settings *settings;
    struct problems *problems;
    struct buffer text;  // the sentence being made
};

static void *value_of(const struct setting *s, void *owner) {
    return (char *)owner + s->offset;
}

static const char *sentence(struct parsing *p) {
    buffer_append_u8(&p->text, 0);
    return p->text.overflowed ? "" : (const char *)p->text.at;
}

static void refuse_value(struct parsing *p, const struct property *property, bool secret, const char *why) {
    const char *value = secret ? "(hidden)" : property->value;
    problem_error(p->problems, property->line, "%s = %.*s: %s", property->key, SHOWN_VALUE_MAX, value, why);
}

static void wrong_value(struct parsing *p, const struct property *property, const char *expected) {
    refuse_value(p, property, is_secret_setting(property->key), expected);
}

// --- what is written where

static const struct property *look_up(const struct parsing *p, const char *prefix, const char *between,
                                      const char *prefix_2, const char *dot, const struct setting *s) {
    char key[KEY_SIZE_MAX];
    const char *names[] = {s->name, s->other_name};
    for (size_t i = 0; i < 2 && names[i]; i++) {
        int size = snprintf(key, sizeof key, "%s%s%s%s%s", prefix, between, prefix_2, dot, names[i]);
        assert(size > 0 && (size_t)size < sizeof key);
        const struct property *found = properties_get(&p->properties, key);
        if (found) return found;
    }
    return NULL;
}

// MirrorMakerConfig.connectorBaseConfig: A->B.x comes before the cluster's x before x. For a cluster, both aliases are
// its own.
static const struct property *effective(const struct parsing *p, const struct setting *s, const char *source,
                                        const char *target) {
    const struct property *found = NULL;
    if (s->places & PLACE_FLOW) found = look_up(p, source, "->", target, ".", s);
    if (!found && s->places & PLACE_TARGET) found = look_up(p, target, "", "", ".", s);
    if (!found && s->places & PLACE_SOURCE) found = look_up(p, source, "", "", ".", s);
    if (!found && s->places & PLACE_TOP) found = look_up(p, "", "", "", "", s);
    return found;
}

static bool flow_enabled(struct parsing *p, const char *source, const char *target) {
    const struct setting *s = settings_find("enabled");
    const struct property *found = effective(p, s, source, target);
    bool enabled = false;
    buffer_clear(&p->text);
    return found && setting_value_parse(s, found->value, &enabled, &p->text) && enabled;
}

// --- one line by itself

static void judge_value(struct parsing *p, const struct property *property, const struct setting *s) {
    if (strstr(property->value, "${") && strchr(property->value, '}')) {
        wrong_value(p, property, "config providers are not supported in this version");
        return;
    }
    union {
        bool boolean;
        int64_t number;
        int choice;
        char *text;
        struct text_list list;
        struct server_list servers;
    } value;
    buffer_clear(&p->text);
    if (setting_value_parse(s, property->value, &value, &p->text)) setting_value_free(s, &value);
    else wrong_value(p, property, sentence(p));
}

// A setting that only flows from a cluster take, or only flows to it: is there one?
static bool is_taken(struct parsing *p, const struct setting *s, const char *cluster) {
    const struct text_list *aliases = &p->settings->aliases;
    for (size_t i = 0; i < aliases->count; i++) {
        const char *other = aliases->items[i];
        if (strcmp(other, cluster) == 0) continue;
        bool enabled = s->places & PLACE_SOURCE ? flow_enabled(p, cluster, other) : flow_enabled(p, other, cluster);
        if (enabled) return true;
    }
    return false;
}

static void judge_known(struct parsing *p, const struct property *property, const struct setting_key *key,
                        const struct setting *s) {
    buffer_clear(&p->text);
    if (!(s->places & key->place)) {
        setting_places(s, &p->text);
        problem_warning(p->problems, property->line, "%s has no effect: write %s", property->key, sentence(p));
        return;
    }
    unsigned roles = s->places & PLACE_CLUSTER;
    if (key->place == PLACE_CLUSTER && roles != PLACE_CLUSTER && !is_taken(p, s, key->source)) {
        problem_warning(p->problems, property->line, "%s has no effect: it is for flows %s %s, and none is enabled",
                        property->key, roles == PLACE_SOURCE ? "from" : "to", key->source);
    }
    buffer_clear(&p->text);
    if (strcmp(key->name, s->name) != 0) {
        buffer_printf(&p->text, "%.*s%s", (int)(key->name - key->text), key->text, s->name);
        const struct property *proper = properties_get(&p->properties, sentence(p));
        if (proper) {
            problem_warning(p->problems, property->line, "%s has no effect: %s is set in line %u", property->key,
                            proper->key, proper->line);
        }
    }
    judge_value(p, property, s);
}

// `name`: without what stands before it. Of the others no value is shown: a secret may have a mistyped name.
static void judge_security(struct parsing *p, const struct property *property, const char *name) {
    bool protocol = strcmp(name, "security.protocol") == 0;
    if (protocol && strcmp(property->value, "PLAINTEXT") == 0) return;
    bool secret = !protocol && strcmp(name, "sasl.mechanism") != 0;
    refuse_value(p, property, secret, "this version speaks PLAINTEXT only, without TLS and SASL");
}

static void judge_unknown(struct parsing *p, const struct property *property, const struct setting_key *key) {
    buffer_clear(&p->text);
    setting_key_suggest(key, &p->settings->aliases, &p->text);
    const char *meant = sentence(p);
    bool nameless = property->value[strspn(property->value, "=")] == 0;  // perhaps a line of a key, in base64
    if (!*meant && nameless) {
        problem_warning(p->problems, property->line, "a line that is no setting: expected name = value");
        return;
    }
    problem_warning(p->problems, property->line, "unknown setting %s%s%s", property->key, *meant ? ": " : "", meant);
}

static void judge(struct parsing *p, const struct property *property) {
    struct setting_key key;
    buffer_clear(&p->text);
    if (!setting_key_parse(property->key, &p->settings->aliases, &key, &p->text)) {
        problem_error(p->problems, property->line, "%s: %s", property->key, sentence(p));
        return;
    }
    const struct setting *s = settings_find(key.name);
    const struct ignored_setting *ignored = ignored_settings_find(key.name);
    const char *security = security_setting(key.name);
    if (s) {
        judge_known(p, property, &key, s);
    } else if (security) {
        judge_security(p, property, security);
    } else if (!ignored) {
        judge_unknown(p, property, &key);
    } else if (strcmp(ignored->harmless, ANY_VALUE) != 0 && strcmp(ignored->harmless, property->value) != 0) {
        problem_warning(p->problems, property->line, "%s has no effect in this version: %s", property->key,
                        ignored->why);
    }
}

// --- what holds for whom

// A value that cannot be read has been reported with its line: the default stands in for it, so that the rest can be
// checked too.
static void resolve(struct parsing *p, const struct setting *s, void *owner, const char *source, const char *target) {
    const struct property *found = effective(p, s, source, target);
    buffer_clear(&p->text);
    if (found && setting_value_parse(s, found->value, value_of(s, owner), &p->text)) return;
    if (!s->standard) {
        const struct property *clusters = properties_get(&p->properties, "clusters");
        if (!found) problem_error(p->problems, clusters->line, "%s.%s is missing", source, s->name);
        return;
    }
    bool ok = setting_value_parse(s, s->standard, value_of(s, owner), &p->text);
    assert(ok);
}

static void resolve_all(struct parsing *p, enum setting_owner kind, void *owner, const char *source,
                        const char *target) {
    for (size_t i = 0; i < settings_table_count; i++) {
        const struct setting *s = &settings_table[i];
        if (s->owner == kind && strcmp(s->name, "clusters") != 0) resolve(p, s, owner, source, target);
    }
}

static void resolve_clusters(struct parsing *p) {
    struct settings *settings = p->settings;
    settings->clusters = memory_alloc_zeroed(settings->aliases.count, sizeof *settings->clusters);
    for (size_t i = 0; i < settings->aliases.count; i++) {
        struct cluster_settings *c = &settings->clusters[settings->clusters_count++];
        c->alias = memory_copy_string(settings->aliases.items[i]);
        resolve_all(p, OWNER_CLUSTER, c, c->alias, c->alias);
        if (c->reconnect_backoff_max_ms < c->reconnect_backoff_ms) {
            c->reconnect_backoff_max_ms = c->reconnect_backoff_ms;
        }
    }
}

// The guard stops us when nothing was heard for 60 % of the session's time-out (mirror/ownership.c): at half of it
// there is still time for an answer.
static void check_heartbeat(struct parsing *p, const struct flow_settings *f, const char *source, const char *target) {
    if (f->heartbeat_interval_ms <= f->session_timeout_ms / 2) return;
    const struct property *cause = effective(p, settings_find("heartbeat.interval.ms"), source, target);
    if (!cause) cause = effective(p, settings_find("session.timeout.ms"), source, target);
    problem_error(p->problems, cause->line,
                  "%s: heartbeat.interval.ms (%lld) must be at most half of session.timeout.ms (%lld)", f->name,
                  (long long)f->heartbeat_interval_ms, (long long)f->session_timeout_ms);
}

static const char *shared_pattern(const struct flow_settings *a, const struct flow_settings *b) {
    for (size_t i = 0; i < a->topics.count; i++)
        for (size_t j = 0; j < b->topics.count; j++)
            if (strcmp(a->topics.items[i], b->topics.items[j]) == 0) return a->topics.items[i];
    return NULL;
}

// What both write stands at the target for good, mixed, before either sees the other's records and halts.
static void check_names(struct parsing *p, const struct flow_settings *f) {
    const struct settings *settings = p->settings;
    if (f->replication_policy != REPLICATION_POLICY_IDENTITY) return;
    for (const struct flow_settings *other = settings->flows; other < f; other++) {
        const char *shared = other->target == f->target && other->replication_policy == REPLICATION_POLICY_IDENTITY
                                 ? shared_pattern(other, f)
                                 : NULL;
        if (!shared) continue;
        const struct property *cause = effective(p, settings_find("replication.policy.class"),
                                                 settings->clusters[f->source].alias,
                                                 settings->clusters[f->target].alias);
        problem_warning(p->problems, cause->line,
                        "%s and %s both mirror %.*s under the names of the source: a topic that both have would be "
                        "mixed, and halt",
                        other->name, f->name, SHOWN_VALUE_MAX, shared);
        return;
    }
}

static void add_flow(struct parsing *p, uint32_t source, uint32_t target) {
    struct settings *settings = p->settings;
    const char *source_alias = settings->clusters[source].alias, *target_alias = settings->clusters[target].alias;
    settings->flows = memory_resize(settings->flows, (settings->flows_count + 1) * sizeof *settings->flows);
    struct flow_settings *f = &settings->flows[settings->flows_count++];
    *f = (struct flow_settings){.source = source, .target = target};
    char name[2 * ALIAS_SIZE_MAX + 3];
    snprintf(name, sizeof name, "%s->%s", source_alias, target_alias);
    f->name = memory_copy_string(name);
    resolve_all(p, OWNER_FLOW, f, source_alias, target_alias);
    if (!*f->client_id) {
        memory_free(f->client_id);
        f->client_id = memory_copy_string(name);
    }
    check_heartbeat(p, f, source_alias, target_alias);
    check_names(p, f);
}

static void resolve_flows(struct parsing *p) {
    struct settings *settings = p->settings;
    for (uint32_t source = 0; source < settings->clusters_count; source++) {
        for (uint32_t target = 0; target < settings->clusters_count; target++) {
            bool enabled =
                source != target && flow_enabled(p, settings->clusters[source].alias, settings->clusters[target].alias);
            if (enabled) add_flow(p, source, target);
        }
    }
    if (settings->flows_count == 0) {
        problem_error(p->problems, 0, "no flow is enabled: expected a line such as %s->%s.enabled = true",
                      settings->aliases.items[0], settings->aliases.count > 1 ? settings->aliases.items[1] : "B");
    }
}

// --- the whole

static bool check_aliases(struct parsing *p, const struct property *clusters) {
    const struct text_list *aliases = &p->settings->aliases;
    uint32_t errors_before = p->problems->errors_count;
    if (aliases->count > CLUSTERS_MAX) {
        problem_error(p->problems, clusters->line, "clusters: %zu of them, expected at most %d", aliases->count,
                      CLUSTERS_MAX);
    }
    for (size_t i = 0; i < aliases->count; i++) {
        const char *alias = aliases->items[i];
        // An alias becomes a part of topic names.
        if (strlen(alias) > ALIAS_SIZE_MAX || !topic_characters_only(alias)) {
            problem_error(p->problems, clusters->line,
                          "clusters: %.*s: expected at most %d of the characters a-z A-Z 0-9 . _ -", SHOWN_VALUE_MAX,
                          alias, ALIAS_SIZE_MAX);
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(aliases->items[j], alias) == 0) {
                problem_error(p->problems, clusters->line, "clusters: %s stands there twice", alias);
            }
        }
    }
    return p->problems->errors_count == errors_before;
}

static bool parse_aliases(struct parsing *p) {
    const struct property *clusters = properties_get(&p->properties, "clusters");
    if (!clusters) {
        problem_error(p->problems, 0, "clusters is missing: expected a line such as clusters = A, B");
        return false;
    }
    buffer_clear(&p->text);
    if (!setting_value_parse(settings_find("clusters"), clusters->value, &p->settings->aliases, &p->text)) {
        wrong_value(p, clusters, sentence(p));
        return false;
    }
    return check_aliases(p, clusters);
}

bool settings_parse(struct bytes text, struct settings **out, struct problems *problems) {
    struct parsing p = {.settings = NEW(struct settings), .problems = problems};
    buffer_init(&p.text, PROBLEM_LINE_MAX);
    bool readable = properties_parse(text, &p.properties, problems);
    if (parse_aliases(&p)) {
        for (size_t i = 0; i < p.properties.count; i++) judge(&p, &p.properties.items[i]);
        resolve_all(&p, OWNER_PROGRAM, p.settings, "", "");
        resolve_clusters(&p);
        resolve_flows(&p);
    }
    assert(readable || problems->errors_count > 0);
    properties_free(&p.properties);
    buffer_free(&p.text);
    bool ok = problems->errors_count == 0;
    if (!ok) {
        settings_free(p.settings);
        p.settings = NULL;
    }
    *out = p.settings;
    return ok;
}

static void free_values(enum setting_owner kind, void *owner) {
    for (size_t i = 0; i < settings_table_count; i++) {
        const struct setting *s = &settings_table[i];
        if (s->owner == kind) setting_value_free(s, value_of(s, owner));
    }
}

void settings_free(struct settings *s) {
    if (!s) return;
    for (size_t i = 0; i < s->clusters_count; i++) {
        memory_free(s->clusters[i].alias);
        free_values(OWNER_CLUSTER, &s->clusters[i]);
    }
    for (size_t i = 0; i < s->flows_count; i++) {
        memory_free(s->flows[i].name);
        free_values(OWNER_FLOW, &s->flows[i]);
    }
    free_values(OWNER_PROGRAM, s);
    memory_free(s->clusters);
    memory_free(s->flows);
    memory_free(s);
}

// --- comparing

static bool values_equal(enum setting_owner kind, const void *a, const void *b) {
    for (size_t i = 0; i < settings_table_count; i++) {
        const struct setting *s = &settings_table[i];
        bool differs =
            s->owner == kind && !setting_value_equal(s, (const char *)a + s->offset, (const char *)b + s->offset);
        if (differs) return false;
    }
    return true;
}

bool flow_settings_equal(const struct settings *a, const struct flow_settings *flow_a, const struct settings *b,
                         const struct flow_settings *flow_b) {
    return strcmp(flow_a->name, flow_b->name) == 0 && values_equal(OWNER_FLOW, flow_a, flow_b) &&
           values_equal(OWNER_CLUSTER, &a->clusters[flow_a->source], &b->clusters[flow_b->source]) &&
           values_equal(OWNER_CLUSTER, &a->clusters[flow_a->target], &b->clusters[flow_b->target]);
}

const struct flow_settings *settings_find_flow(const struct settings *s, const char *name) {
    for (size_t i = 0; i < s->flows_count; i++) {
        if (strcmp(s->flows[i].name, name) == 0) return &s->flows[i];
    }
    return NULL;
}

const char *settings_restart_needed(const struct settings *running, const struct settings *wanted, size_t *at) {
    while (*at < settings_table_count) {
        const struct setting *s = &settings_table[(*at)++];
        if (s->owner != OWNER_PROGRAM || s->reload != RELOAD_NEEDS_RESTART) continue;
        const char *a = (const char *)running + s->offset, *b = (const char *)wanted + s->offset;
        if (!setting_value_equal(s, a, b)) return s->name;
    }
    return NULL;
}

struct naming flow_settings_naming(const struct settings *s, const struct flow_settings *flow) {
    return (struct naming){
        .policy = (enum replication_policy)flow->replication_policy,
        .source_alias = s->clusters[flow->source].alias,
        .separator = flow->replication_policy_separator,
        .internal_separator_enabled = flow->internal_topic_separator_enabled,
    };
}
