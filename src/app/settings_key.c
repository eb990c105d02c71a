// The keys of an mm2.properties file: "x", "A.x" and "A->B.x".
#include "app/settings_key.h"

#include "app/suggest.h"
#include "base/limits.h"

#include <assert.h>
#include <stdio.h>

// The longest alias that `text` begins with, followed by a dot: aliases may hold dots themselves.
static const char *leading_alias(const char *text, const struct text_list *aliases) {
    const char *found = NULL;
    for (size_t i = 0; i < aliases->count; i++) {
        size_t size = strlen(aliases->items[i]);
        bool leads = strncmp(text, aliases->items[i], size) == 0 && text[size] == '.';
        if (leads && (!found || size > strlen(found))) found = aliases->items[i];
    }
    return found;
}

static const char *find_alias(const struct text_list *aliases, const char *at, size_t size) {
    for (size_t i = 0; i < aliases->count; i++) {
        if (strlen(aliases->items[i]) == size && memcmp(aliases->items[i], at, size) == 0) return aliases->items[i];
    }
    return NULL;
}

static bool undeclared(const char *at, size_t size, const struct text_list *aliases, struct buffer *problem) {
    char alias[ALIAS_SIZE_MAX + 1];
    snprintf(alias, sizeof alias, "%.*s", (int)(size < sizeof alias ? size : sizeof alias - 1), at);
    buffer_printf(problem, "\"%s\" is not in clusters", alias);
    struct suggestion s;
    suggestion_init(&s, alias);
    for (size_t i = 0; i < aliases->count; i++) suggestion_offer(&s, aliases->items[i]);
    if (s.nearest) buffer_printf(problem, ": did you mean %s?", s.nearest);
    return false;
}

static bool flow_key(const char *arrow, const struct text_list *aliases, struct setting_key *key,
                     struct buffer *problem) {
    const char *behind = arrow + 2;
    size_t source_size = (size_t)(arrow - key->text);
    key->place = PLACE_FLOW;
    key->source = find_alias(aliases, key->text, source_size);
    if (!key->source) return undeclared(key->text, source_size, aliases, problem);
    key->target = leading_alias(behind, aliases);
    if (!key->target) return undeclared(behind, strcspn(behind, "."), aliases, problem);
    if (key->source == key->target) {
        buffer_printf(problem, "a flow from %s to itself", key->source);
        return false;
    }
    key->name = behind + strlen(key->target) + 1;
    return true;
}

bool setting_key_parse(const char *text, const struct text_list *aliases, struct setting_key *key,
                       struct buffer *problem) {
    *key = (struct setting_key){.text = text, .place = PLACE_TOP, .name = text};
    const char *arrow = strstr(text, "->");
    if (arrow) return flow_key(arrow, aliases, key, problem);
    key->source = leading_alias(text, aliases);
    if (key->source) {
        key->place = PLACE_CLUSTER;
        key->name = text + strlen(key->source) + 1;
    }
    return true;
}

static const char *nearest_name(const char *name) {
    struct suggestion s;
    suggestion_init(&s, name);
    for (size_t i = 0; i < settings_table_count; i++) suggestion_offer(&s, settings_table[i].name);
    for (size_t i = 0; i < ignored_settings_count; i++) {
        if (!strchr(ignored_settings[i].name, '*')) suggestion_offer(&s, ignored_settings[i].name);
    }
    return s.nearest;
}

// A cluster that is not declared makes its keys look like top-level ones: "c.bootstrap.servers".
static bool of_unknown_cluster(const char *text, const struct text_list *aliases, struct buffer *out) {
    for (const char *dot = strchr(text, '.'); dot; dot = strchr(dot + 1, '.')) {
        const struct setting *s = settings_find(dot + 1);
        if (s && s->places & PLACE_CLUSTER) {
            undeclared(text, (size_t)(dot - text), aliases, out);
            return true;
        }
    }
    return false;
}

void setting_key_suggest(const struct setting_key *key, const struct text_list *aliases, struct buffer *out) {
    if (key->place == PLACE_TOP && of_unknown_cluster(key->text, aliases, out)) return;
    const char *nearest = nearest_name(key->name);
    if (!nearest) return;
    const struct setting *s = settings_find(nearest);
    buffer_printf(out, "did you mean ");
    if (s && !(s->places & key->place)) setting_places(s, out);
    else buffer_printf(out, "%.*s%s", (int)(key->name - key->text), key->text, nearest);
    buffer_printf(out, "?");
}

void setting_places(const struct setting *s, struct buffer *out) {
    static const struct {
        unsigned place;
        const char *prefix;
    } forms[] = {{PLACE_TOP, ""}, {PLACE_SOURCE, "A."}, {PLACE_TARGET, "B."}, {PLACE_FLOW, "A->B."}};
    const char *between = "";
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        bool either_cluster = forms[i].place == PLACE_TARGET && s->places & PLACE_SOURCE;
        if (!(s->places & forms[i].place) || either_cluster) continue;
        buffer_printf(out, "%s%s%s", between, forms[i].prefix, s->name);
        between = " or ";
    }
}
