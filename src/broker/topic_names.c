// Topic names: see topic_names.h.
#include "broker/topic_names.h"

#include <stdio.h>

static bool is(struct wire_text name, const char *text) {
    return (size_t)name.size == strlen(text) && memcmp(name.at, text, (size_t)name.size) == 0;
}

static bool has_only_legal_characters(struct wire_text name) {
    for (int32_t i = 0; i < name.size; i++) {
        char c = name.at[i];
        bool legal = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                     c == '_' || c == '-';
        if (!legal) return false;
    }
    return true;
}

const char *topic_name_refusal(struct wire_text name, char *text, size_t size) {
    if (name.size <= 0) return "the empty string is not allowed";
    if (is(name, ".")) return "'.' is not allowed";
    if (is(name, "..")) return "'..' is not allowed";
    if (name.size > TOPIC_NAME_SIZE_MAX) {
        snprintf(text, size, "the length of '%.*s' is longer than the max allowed length %d", name.size, name.at,
                 TOPIC_NAME_SIZE_MAX);
        return text;
    }
    if (has_only_legal_characters(name)) return NULL;
    snprintf(text, size, "'%.*s' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'",
             name.size, name.at);
    return text;
}

bool topic_name_is_internal(struct wire_text name) {
    return is(name, "__consumer_offsets") || is(name, "__transaction_state") || is(name, "__share_group_state");
}

static char unified(char c) {
    return c == '.' ? '_' : c;
}

const struct broker_topic *topic_name_collision(const struct broker_cluster *c, struct wire_text name) {
    if (!memchr(name.at, '.', (size_t)name.size) && !memchr(name.at, '_', (size_t)name.size)) return NULL;
    for (size_t i = 0; i < c->topics_count; i++) {
        const char *other = c->topics[i]->name;
        if (strlen(other) != (size_t)name.size) continue;
        int32_t at = 0;
        while (at < name.size && unified(other[at]) == unified(name.at[at])) at++;
        if (at == name.size) return c->topics[i];
    }
    return NULL;
}
