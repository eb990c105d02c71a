// What a mirrored topic is called at the target, and what a topic's name tells about where it came from.
#include "mirror/naming.h"

#include <assert.h>
#include <stdio.h>

#define HEARTBEATS_TOPIC "heartbeats"

static bool ends_with(const char *text, const char *suffix) {
    size_t size = strlen(text), suffix_size = strlen(suffix);
    return size >= suffix_size && memcmp(text + size - suffix_size, suffix, suffix_size) == 0;
}

// IdentityReplicationPolicy renames what ends so, to keep the heartbeats of several sources apart.
static bool is_renamed(const struct naming *n, const char *topic) {
    return n->policy == REPLICATION_POLICY_DEFAULT || ends_with(topic, HEARTBEATS_TOPIC);
}

// Where the part behind the first separator starts. NULL when String.split() would answer fewer than two parts: it
// drops empty parts at the end, so "a." and "a.." are not remote topics, and "a..b" is.
static const char *behind_separator(const struct naming *n, const char *topic) {
    size_t separator_size = strlen(n->separator);
    assert(separator_size > 0);
    const char *found = strstr(topic, n->separator);
    if (!found) return NULL;
    const char *rest = found + separator_size;
    while (strncmp(rest, n->separator, separator_size) == 0) rest += separator_size;
    return *rest ? found + separator_size : NULL;
}

bool topic_characters_only(const char *text) {
    return text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")] == '\0';
}

struct error topic_name_check(const char *name) {
    const char *where = "topic name";
    size_t size = strlen(name);
    if (size == 0) return error_make(ERROR_CONFIG, 0, where, "a topic name must not be empty");
    if (size > TOPIC_NAME_SIZE_MAX) {
        return error_make(ERROR_CONFIG, 0, where, "%.60s... has %zu characters, Kafka allows %d", name, size,
                          TOPIC_NAME_SIZE_MAX);
    }
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        return error_make(ERROR_CONFIG, 0, where, "a topic must not be named \".\" or \"..\"");
    }
    if (!topic_characters_only(name)) {
        return error_make(ERROR_CONFIG, 0, where, "%.60s: Kafka allows only a-z A-Z 0-9 . _ -", name);
    }
    return error_none();
}

struct error naming_remote_topic(const struct naming *n, const char *topic, char out[TOPIC_NAME_SIZE_MAX + 1]) {
    struct error e = topic_name_check(topic);
    if (error_is(&e)) return e;
    if (!is_renamed(n, topic)) {
        memcpy(out, topic, strlen(topic) + 1);
        return error_none();
    }
    int size = snprintf(out, TOPIC_NAME_SIZE_MAX + 1, "%s%s%s", n->source_alias, n->separator, topic);
    if (size > TOPIC_NAME_SIZE_MAX) {
        return error_make(ERROR_CONFIG, 0, "topic name", "%s%s%.60s... would have %d characters, Kafka allows %d",
                          n->source_alias, n->separator, topic, size, TOPIC_NAME_SIZE_MAX);
    }
    return topic_name_check(out);
}

bool naming_topic_source(const struct naming *n, const char *topic, struct bytes *alias) {
    if (!is_renamed(n, topic)) {
        *alias = bytes_of_text(n->source_alias);
        return true;
    }
    const char *rest = behind_separator(n, topic);
    if (!rest) return false;
    *alias = (struct bytes){(const uint8_t *)topic, (size_t)(rest - topic) - strlen(n->separator)};
    return true;
}

const char *naming_upstream_topic(const struct naming *n, const char *topic) {
    return is_renamed(n, topic) ? behind_separator(n, topic) : topic;
}

const char *naming_original_topic(const struct naming *n, const char *topic) {
    for (;;) {
        const char *upstream = naming_upstream_topic(n, topic);
        if (!upstream || upstream == topic) return topic;
        topic = upstream;
    }
}

bool naming_is_heartbeats_topic(const struct naming *n, const char *topic) {
    return strcmp(naming_original_topic(n, topic), HEARTBEATS_TOPIC) == 0;
}

// ReplicationPolicy.isInternalTopic, and DefaultReplicationPolicy.isMM2InternalTopic for separators of one's own.
bool naming_is_internal_topic(const struct naming *n, const char *topic) {
    if (strncmp(topic, "__", 2) == 0 || topic[0] == '.') return true;
    if (ends_with(topic, ".internal") || ends_with(topic, "-internal")) return true;
    if (!n->internal_separator_enabled || !ends_with(topic, "internal")) return false;
    size_t size = strlen(topic) - strlen("internal"), separator_size = strlen(n->separator);
    return size >= separator_size && memcmp(topic + size - separator_size, n->separator, separator_size) == 0;
}
