// Settings of topics: copying them from the source, leaving out what the destination refuses, judging what is there.
#include "mirror/topic_settings.h"

#include "base/limits.h"
#include "base/memory.h"
#include "client/topic_partition.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define SOURCE_DYNAMIC_TOPIC_CONFIG 1     // DescribeConfigsResponse.ConfigSource
#define UNLIMITED "9223372036854775807"   // Long.MAX_VALUE
#define MAX_MESSAGE_BYTES_DEFAULT 1048588  // LogConfig; our fillers of up to 667 KB must fit

#define BEFORE_MAX "message.timestamp.before.max.ms"
#define AFTER_MAX "message.timestamp.after.max.ms"
#define DIFFERENCE_MAX "message.timestamp.difference.max.ms"
#define MAX_MESSAGE_BYTES "max.message.bytes"
#define CLEANUP_POLICY "cleanup.policy"
#define RETENTION "retention."  // counts only where records are deleted

#define DELETES 1
#define COMPACTS 2

// Of the source topic, never copied. The first six are the default of MirrorMaker's config.properties.exclude
// (DefaultConfigPropertyFilter).
static const char *const excluded[] = {
    "follower.replication.throttled.replicas",
    "leader.replication.throttled.replicas",
    DIFFERENCE_MAX,
    "message.timestamp.type",
    "unclean.leader.election.enable",
    "min.insync.replicas",
    "message.format.version",  // means nothing since KIP-724
    // Whether the destination has tiered storage is its own affair; without it these are refused and not named.
    "remote.storage.enable",
    "remote.log.copy.disable",
    "remote.log.delete.on.disable",
    "local.retention.ms",
    "local.retention.bytes",
};

// clang-format off
const struct topic_check topic_checks[TOPIC_CHECKS] = {
    //  setting                           kind               wanted        otherwise
    { "compression.type"                , CHECK_MUST_BE    , "producer"  , "batches would be compressed again" },
    { "message.timestamp.type"          , CHECK_MUST_BE    , "CreateTime", "records would get other timestamps" },
    { "unclean.leader.election.enable"  , CHECK_SHOULD_BE  , "false"     , "an unclean leader loses mirrored records" },
    { MAX_MESSAGE_BYTES                 , CHECK_LIKE_SOURCE, NULL        , "larger batches are refused" },
    { AFTER_MAX                         , CHECK_LIKE_SOURCE, NULL        , "records ahead of time are refused" },
    { BEFORE_MAX                        , CHECK_UNLIMITED  , UNLIMITED   , "old records are refused" },
    { DIFFERENCE_MAX                    , CHECK_UNLIMITED  , UNLIMITED   , "old records are refused" },
    { CLEANUP_POLICY                    , CHECK_CLEANS_AS_SOURCE, NULL   , "records go that the source keeps" },
    { RETENTION "ms"                    , CHECK_LIKE_SOURCE, NULL        , "records go that the source keeps" },
    { RETENTION "bytes"                 , CHECK_LIKE_SOURCE, NULL        , "records go that the source keeps" },
};
// clang-format on

// Reading -------------------------------------------------------------------------------------------------------------

static const struct describe_configs_response_config *find(const struct describe_configs_response_resource *r,
                                                           const char *name) {
    for (int32_t i = 0; i < r->configs_count; i++)
        if (text_equal(&r->configs[i].name, name) && r->configs[i].value.size >= 0) return &r->configs[i];
    return NULL;
}

int64_t topic_setting_number(const struct describe_configs_response_resource *r, const char *name, int64_t unknown) {
    const struct describe_configs_response_config *c = find(r, name);
    char text[24], *end;
    if (!c || c->value.size == 0 || c->value.size >= (int32_t)sizeof text) return unknown;
    memcpy(text, c->value.at, (size_t)c->value.size);
    text[c->value.size] = '\0';
    int64_t number = strtoll(text, &end, 10);
    return *end ? unknown : number;
}

void topic_setting_keys(struct wire_text keys[TOPIC_CHECKS]) {
    for (size_t i = 0; i < TOPIC_CHECKS; i++) keys[i] = text_of(topic_checks[i].name);
}

static bool is_name_part(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

// Whether `name` stands in `text` by itself, not as a part of a longer name; a full stop may follow it.
static bool names(struct wire_text text, const char *name) {
    int32_t size = (int32_t)strlen(name);
    for (int32_t i = 0; i + size <= text.size; i++) {
        if (memcmp(text.at + i, name, (size_t)size) != 0 || (i > 0 && is_name_part(text.at[i - 1]))) continue;
        int32_t end = i + size;
        if (end < text.size && text.at[end] == '.') end++;
        if (end == text.size || !is_name_part(text.at[end])) return true;
    }
    return false;
}

// How the topic is cleaned; all ways when it does not say so.
static int64_t ways_to_clean(const struct describe_configs_response_resource *r) {
    const struct describe_configs_response_config *c = find(r, CLEANUP_POLICY);
    if (!c) return DELETES | COMPACTS;
    return (names(c->value, "delete") ? DELETES : 0) | (names(c->value, "compact") ? COMPACTS : 0);
}

// What the check compares; what an older broker does not know, it does not limit.
static int64_t limit_of(const struct describe_configs_response_resource *r, const struct topic_check *check) {
    if (check->kind == CHECK_CLEANS_AS_SOURCE) return ways_to_clean(r);
    bool retention = strncmp(check->name, RETENTION, strlen(RETENTION)) == 0;
    if (retention && !(ways_to_clean(r) & DELETES)) return INT64_MAX;
    int64_t limit = topic_setting_number(r, check->name, INT64_MAX);
    return limit < 0 ? INT64_MAX : limit;
}

void topic_limits_read(struct topic_limits *l, const struct describe_configs_response_resource *source) {
    for (size_t i = 0; i < TOPIC_CHECKS; i++) l->at[i] = limit_of(source, &topic_checks[i]);
}

bool topic_check_fails(const struct topic_check *check, const struct describe_configs_response_resource *destination,
                       const struct topic_limits *source, struct wire_text *value) {
    const struct describe_configs_response_config *c = find(destination, check->name);
    if (!c) return false;
    *value = c->value;
    int64_t of_source = source->at[check - topic_checks], limit = limit_of(destination, check);
    switch (check->kind) {
    case CHECK_LIKE_SOURCE:
        return limit < of_source;
    case CHECK_CLEANS_AS_SOURCE:
        return of_source != 0 && (limit & ~of_source) != 0;
    default:
        return !text_equal(&c->value, check->wanted);
    }
}

int32_t topic_max_message_bytes(const struct describe_configs_response_resource *destination) {
    int64_t bytes = topic_setting_number(destination, MAX_MESSAGE_BYTES, INT32_MAX);
    return bytes >= 0 && bytes < INT32_MAX ? (int32_t)bytes : INT32_MAX;
}

// Building ------------------------------------------------------------------------------------------------------------

static void remove_at(struct topic_settings *s, size_t i) {
    memory_free(s->items[i].name);
    memory_free(s->items[i].value);
    memmove(&s->items[i], &s->items[i + 1], (--s->count - i) * sizeof *s->items);
}

static struct topic_setting *find_item(const struct topic_settings *s, const char *name) {
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->items[i].name, name) == 0) return &s->items[i];
    return NULL;
}

static void set(struct topic_settings *s, const char *name, const char *value, bool essential) {
    struct topic_setting *item = find_item(s, name);
    if (item) {
        memory_free(item->value);
    } else {
        s->items = memory_resize(s->items, (s->count + 1) * sizeof *s->items);
        item = &s->items[s->count++];
        item->name = memory_copy_string(name);
    }
    item->value = memory_copy_string(value);
    item->ours = true;
    item->essential = essential;
}

static bool is_copied(const struct describe_configs_response_config *c) {
    if (c->config_source != SOURCE_DYNAMIC_TOPIC_CONFIG || c->read_only || c->value.size < 0) return false;
    for (size_t i = 0; i < sizeof excluded / sizeof excluded[0]; i++)
        if (text_equal(&c->name, excluded[i])) return false;
    return true;
}

void topic_settings_build(struct topic_settings *s, const struct describe_configs_response_resource *source,
                          bool before_3_6) {
    topic_settings_free(s);
    for (int32_t i = 0; i < source->configs_count && s->count < TOPIC_SETTINGS_MAX; i++) {
        const struct describe_configs_response_config *c = &source->configs[i];
        if (!is_copied(c)) continue;
        s->items = memory_resize(s->items, (s->count + 1) * sizeof *s->items);
        s->items[s->count++] = (struct topic_setting){.name = memory_copy_text(c->name.at, (size_t)c->name.size),
                                                      .value = memory_copy_text(c->value.at, (size_t)c->value.size)};
    }
    int64_t size_max = topic_setting_number(source, MAX_MESSAGE_BYTES, 0);
    char size_text[24];
    snprintf(size_text, sizeof size_text, "%" PRId64,
             size_max > MAX_MESSAGE_BYTES_DEFAULT ? size_max : MAX_MESSAGE_BYTES_DEFAULT);
    set(s, "compression.type", "producer", true);
    set(s, "message.timestamp.type", "CreateTime", true);
    set(s, MAX_MESSAGE_BYTES, size_text, false);
    set(s, "unclean.leader.election.enable", "false", false);
    if (before_3_6) {
        set(s, DIFFERENCE_MAX, UNLIMITED, false);
    } else {
        set(s, BEFORE_MAX, UNLIMITED, false);
        set(s, AFTER_MAX, UNLIMITED, false);
    }
}

void topic_settings_free(struct topic_settings *s) {
    while (s->count > 0) remove_at(s, s->count - 1);
    memory_free(s->items);
    s->items = NULL;
}

// Refusals ------------------------------------------------------------------------------------------------------------

static void drop(struct topic_settings *s, size_t i, struct buffer *refused) {
    buffer_printf(refused, "%s%s", refused->size > 0 ? "," : "", s->items[i].name);
    remove_at(s, i);
}

enum settings_refused topic_settings_drop_named(struct topic_settings *s, struct wire_text message,
                                                struct buffer *refused) {
    enum settings_refused result = REFUSED_NOTHING_NAMED;
    if (find_item(s, BEFORE_MAX) && (names(message, BEFORE_MAX) || names(message, AFTER_MAX))) {
        for (size_t i = s->count; i-- > 0;)
            if (strcmp(s->items[i].name, BEFORE_MAX) == 0 || strcmp(s->items[i].name, AFTER_MAX) == 0) remove_at(s, i);
        set(s, DIFFERENCE_MAX, UNLIMITED, false);
        return REFUSED_DROPPED;
    }
    for (size_t i = s->count; i-- > 0;) {
        if (!names(message, s->items[i].name)) continue;
        if (s->items[i].essential) return REFUSED_ESSENTIAL;
        drop(s, i, refused);
        result = REFUSED_DROPPED;
    }
    return result;
}

bool topic_settings_before_3_6(const struct topic_settings *s) {
    return find_item(s, DIFFERENCE_MAX) != NULL;
}

bool topic_settings_drop_copied(struct topic_settings *s, struct buffer *refused) {
    bool any = false;
    for (size_t i = s->count; i-- > 0;) {
        if (s->items[i].ours) continue;
        drop(s, i, refused);
        any = true;
    }
    return any;
}
