// Settings as they are set, judged and understood.
#include "broker/topic_settings.h"

#include "base/memory.h"
#include "wire/batch.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define VALUE_SIZE_MAX 64     // of a number or a name; longer ones are wrong
#define DOUBLE_DIGITS_MAX 16  // behind the point
#define DOUBLE_SIZE_MAX 32    // with so many

void setting_values_free(struct setting_values *v) {
    for (size_t i = 0; i < v->count; i++) {
        memory_free(v->at[i].name);
        memory_free(v->at[i].value);
    }
    memory_free(v->at);
    *v = (struct setting_values){0};
}

static struct setting_value *find_value(const struct setting_values *v, const char *name) {
    for (size_t i = 0; i < v->count; i++)
        if (strcmp(v->at[i].name, name) == 0) return &v->at[i];
    return NULL;
}

const char *setting_values_get(const struct setting_values *v, const char *name) {
    const struct setting_value *found = find_value(v, name);
    return found ? found->value : NULL;
}

void setting_values_set(struct setting_values *v, const char *name, struct wire_text value) {
    assert(value.size >= 0);
    struct setting_value *found = find_value(v, name);
    if (!found) {
        if (v->count == v->capacity) {
            v->capacity = v->capacity ? 2 * v->capacity : 4;
            v->at = memory_resize(v->at, v->capacity * sizeof *v->at);
        }
        found = &v->at[v->count++];
        *found = (struct setting_value){.name = memory_copy_string(name)};
    }
    memory_free(found->value);
    found->value = memory_copy_text(value.at, (size_t)value.size);
}

void setting_values_merge(struct setting_values *v, const struct setting_values *const *from, size_t count) {
    setting_values_free(v);
    for (size_t i = 0; i < count; i++) {
        for (size_t at = 0; at < from[i]->count; at++)
            setting_values_set(v, from[i]->at[at].name, text_of(from[i]->at[at].value));
    }
}

void setting_values_unset(struct setting_values *v, const char *name) {
    struct setting_value *found = find_value(v, name);
    if (!found) return;
    memory_free(found->name);
    memory_free(found->value);
    v->count--;
    memmove(found, found + 1, (size_t)(v->at + v->count - found) * sizeof *found);
}

const struct setting_definition *setting_find(enum setting_scope scope, struct wire_text name) {
    for (size_t i = 0; i < setting_table_count; i++) {
        const struct setting_definition *d = &setting_table[i];
        if (d->scope == scope && strlen(d->name) == (size_t)name.size &&
            memcmp(d->name, name.at, (size_t)name.size) == 0)
            return d;
    }
    return NULL;
}

// Judging ------------------------------------------------------------------------------------------------------------

static struct wire_text trimmed(struct wire_text t) {
    while (t.size > 0 && (uint8_t)t.at[0] <= ' ') t.at++, t.size--;
    while (t.size > 0 && (uint8_t)t.at[t.size - 1] <= ' ') t.size--;
    return t;
}

// A number as Java's parseLong has it: a sign and digits.
static bool parse_whole(struct wire_text t, int64_t *v) {
    char copy[VALUE_SIZE_MAX];
    t = trimmed(t);
    if (t.size < 1 || t.size >= VALUE_SIZE_MAX) return false;
    memcpy(copy, t.at, (size_t)t.size);
    copy[t.size] = 0;
    size_t sign = copy[0] == '-' || copy[0] == '+';
    if (!copy[sign] || strspn(copy + sign, "0123456789") != (size_t)t.size - sign) return false;
    errno = 0;
    *v = strtoll(copy, NULL, 10);
    return errno == 0;
}

static bool parse_double(struct wire_text t, double *v) {
    char copy[VALUE_SIZE_MAX], *end;
    t = trimmed(t);
    if (t.size < 1 || t.size >= VALUE_SIZE_MAX) return false;
    memcpy(copy, t.at, (size_t)t.size);
    copy[t.size] = 0;
    *v = strtod(copy, &end);
    return *end == 0 && isfinite(*v);
}

static bool text_is(struct wire_text t, const char *word) {
    return strlen(word) == (size_t)t.size && strncasecmp(word, t.at, (size_t)t.size) == 0;
}

bool setting_list_has(const char *list, struct wire_text name) {
    for (const char *at = list; at;) {
        size_t size = strcspn(at, ",");
        if (size == (size_t)name.size && memcmp(at, name.at, size) == 0) return true;
        at = at[size] ? at + size + 2 : NULL;
    }
    return false;
}

bool setting_list_take(struct wire_text *list, struct wire_text *element) {
    if (list->size < 0) return false;
    const char *comma = list->size ? memchr(list->at, ',', (size_t)list->size) : NULL;
    int32_t size = comma ? (int32_t)(comma - list->at) : list->size;
    *element = trimmed((struct wire_text){list->at, size});
    list->size = comma ? list->size - size - 1 : -1;
    list->at += size + (comma ? 1 : 0);
    return true;
}

struct refusal {
    const struct setting_definition *d;
    char *text;
    size_t size;
};

// ConfigException.
static const char *refuse(const struct refusal *r, struct wire_text value, const char *why, const char *what) {
    snprintf(r->text, r->size, "Invalid value %.*s for configuration %s: %s%s", (int)value.size, value.at, r->d->name,
             why, what);
    return r->text;
}

// ConfigDef.Range.
static const char *refuse_bound(const struct refusal *r, struct wire_text value, const char *why, int64_t bound) {
    char number[SETTING_NUMBER_SIZE];
    snprintf(number, sizeof number, "%" PRId64, bound);
    return refuse(r, value, why, number);
}

static const char *refuse_whole(const struct refusal *r, struct wire_text value, int64_t type_max, const char *type) {
    int64_t v;
    const struct setting_definition *d = r->d;
    if (!parse_whole(value, &v) || v > type_max || v < -type_max - 1)
        return refuse(r, value, "Not a number of type ", type);
    if (d->allowed && strcmp(d->allowed, SETTING_GZIP_LEVEL) == 0)
        return v == -1 || (v >= 1 && v <= 9) ? NULL
                                             : refuse(r, value, "Value must be between 1 and 9 or equal to -1", "");
    if (v < d->min) return refuse_bound(r, trimmed(value), "Value must be at least ", d->min);
    return v > d->max ? refuse_bound(r, trimmed(value), "Value must be no more than ", d->max) : NULL;
}

// Double.toString: the fewest digits that mean this number, and one behind the point at least.
static const char *show_double(double v, char *text, size_t size) {
    char digits[DOUBLE_SIZE_MAX];
    int count = 0;
    do snprintf(digits, sizeof digits, "%.*e", ++count, v);
    while (count < DOUBLE_DIGITS_MAX && strtod(digits, NULL) != v);
    char *e = strchr(digits, 'e');
    int exponent = (int)strtol(e + 1, NULL, 10), behind = (count == 1 && e[-1] == '0' ? 0 : count) - exponent;
    *e = 0;
    if (exponent >= -3 && exponent < 7) snprintf(text, size, "%.*f", behind > 1 ? behind : 1, v);
    else snprintf(text, size, "%sE%d", digits, exponent);
    return text;
}

static const char *refuse_double(const struct refusal *r, struct wire_text value) {
    double v;
    char shown[VALUE_SIZE_MAX];
    if (!parse_double(value, &v)) return refuse(r, value, "Not a number of type ", "DOUBLE");
    struct wire_text number = text_of(show_double(v, shown, sizeof shown));
    if (v < (double)r->d->min) return refuse_bound(r, number, "Value must be at least ", r->d->min);
    return r->d->max != INT64_MAX && v > (double)r->d->max
               ? refuse_bound(r, number, "Value must be no more than ", r->d->max)
               : NULL;
}

static bool is_replica(struct wire_text t) {  // [0-9]+:[0-9]+
    int32_t i = 0, digits[2] = {0}, part = 0;
    for (; i < t.size && part < 2; i++) {
        if (t.at[i] == ':') part++;
        else if (t.at[i] < '0' || t.at[i] > '9') return false;
        else digits[part]++;
    }
    return part == 1 && digits[0] > 0 && digits[1] > 0;
}

static const char *refuse_replicas(const struct refusal *r, struct wire_text value) {
    struct wire_text list = value, element;
    if (text_is(trimmed(value), "*")) return NULL;
    while (setting_list_take(&list, &element)) {
        if (element.size == 0 || is_replica(element)) continue;
        snprintf(r->text, r->size,
                 "Invalid value [%.*s] for configuration %s: %s must be the literal '*' or a list of replicas in the "
                 "following format: %s",
                 (int)value.size, value.at, r->d->name, r->d->name, r->d->allowed);
        return r->text;
    }
    return NULL;
}

static const char *refuse_list(const struct refusal *r, struct wire_text value) {
    struct wire_text list = trimmed(value), element;
    if (!r->d->allowed || list.size == 0) return NULL;
    if (strcmp(r->d->allowed, SETTING_REPLICAS) == 0) return refuse_replicas(r, value);
    bool any = strcmp(r->d->allowed, SETTING_NAMES) == 0;
    while (setting_list_take(&list, &element)) {
        if (element.size == 0) {
            snprintf(r->text, r->size, "Configuration '%s' values must not be empty.", r->d->name);
            return r->text;
        }
        if (!any && !setting_list_has(r->d->allowed, element))
            return refuse(r, element, "String must be one of: ", r->d->allowed);
    }
    return NULL;
}

// java.time.Duration.parse, of what is not negative: PnDTnHnMn.nS, each part once and in this order.
static bool is_duration(struct wire_text t) {
    static const char units[] = "DHMS";
    const char *at = t.at, *end = t.at + t.size, *unit = units;
    bool time = false, any = false;
    if (at == end || (*at++ | 0x20) != 'p') return false;
    while (at < end) {
        if (!time && (*at | 0x20) == 't') {
            time = true;
            any = false;
            if (unit == units) unit++;
            at++;
            continue;
        }
        const char *digits = at;
        while (at < end && *at >= '0' && *at <= '9') at++;
        bool fraction = at < end && (*at == '.' || *at == ',');
        if (at == digits || at == end) return false;
        for (at += fraction; fraction && at < end && *at >= '0' && *at <= '9';) at++;
        unit = at < end ? strchr(unit, *at & ~0x20) : NULL;
        if (!unit || !*unit || (*unit != 'D') != time || (fraction && *unit != 'S')) return false;
        unit++, at++;
        any = true;
    }
    return any;
}

static const char *refuse_text(const struct refusal *r, struct wire_text value) {
    static const char by_duration[] = "by_duration:";
    const int32_t prefix = (int32_t)sizeof by_duration - 1;
    struct wire_text t = trimmed(value);
    if (!r->d->allowed) return NULL;
    bool resets = strcmp(r->d->allowed, SETTING_RESET) == 0;
    if (resets && t.size > prefix && memcmp(t.at, by_duration, (size_t)prefix) == 0) {
        if (is_duration((struct wire_text){t.at + prefix, t.size - prefix})) return NULL;
    } else if (setting_list_has(r->d->allowed, t)) {
        return NULL;
    }
    return refuse(r, value, "String must be one of: ", r->d->allowed);
}

const char *setting_refusal(const struct setting_definition *d, struct wire_text value, char *text, size_t size) {
    const struct refusal r = {d, text, size};
    if (value.size < 0) return "Null value not supported";
    switch (d->type) {
    case SETTING_BOOLEAN:
        if (text_is(trimmed(value), "true") || text_is(trimmed(value), "false")) return NULL;
        return refuse(&r, value, "Expected value to be either true or false", "");
    case SETTING_INT:
        return refuse_whole(&r, value, INT32_MAX, "INT");
    case SETTING_SHORT:
        return refuse_whole(&r, value, INT16_MAX, "SHORT");
    case SETTING_LONG:
        return refuse_whole(&r, value, INT64_MAX, "LONG");
    case SETTING_DOUBLE:
        return refuse_double(&r, value);
    case SETTING_LIST:
        return refuse_list(&r, value);
    case SETTING_STRING:
        return refuse_text(&r, value);
    case SETTING_CLASS:
    case SETTING_PASSWORD:
        return NULL;
    }
    return NULL;
}

// Showing ------------------------------------------------------------------------------------------------------------

static bool names_again(const char *list, const char *end, struct wire_text name) {
    struct wire_text rest = {list, (int32_t)(end - list)}, element;
    while (setting_list_take(&rest, &element))
        if (element.size == name.size && memcmp(element.at, name.at, (size_t)name.size) == 0) return true;
    return false;
}

// Where names are looked at (ConfigDef.ValidList), what stands there again is left out.
static void show_list(struct wire_text list, bool once, char *text) {
    struct wire_text element;
    char *begin = text;
    for (bool first = true; setting_list_take(&list, &element); first = false) {
        if (!first && once && names_again(begin, text, element)) continue;
        if (!first) *text++ = ',';
        memcpy(text, element.at, (size_t)element.size);
        text += element.size;
    }
    *text = 0;
}

const char *setting_shown(const struct setting_definition *d, const char *value, char *text) {
    struct wire_text plain = trimmed(text_of(value));
    int64_t whole = 0;
    double fraction;
    bool right = d->type == SETTING_DOUBLE ? parse_double(plain, &fraction) : parse_whole(plain, &whole);
    switch (d->type) {
    case SETTING_BOOLEAN:
        return text_is(plain, "true") ? "true" : "false";
    case SETTING_INT:
    case SETTING_SHORT:
    case SETTING_LONG:
        snprintf(text, SETTING_NUMBER_SIZE, "%" PRId64, whole);
        return right ? text : value;
    case SETTING_DOUBLE:
        return right ? show_double(fraction, text, SETTING_NUMBER_SIZE) : value;
    case SETTING_LIST:
        show_list(plain, d->allowed && strcmp(d->allowed, SETTING_REPLICAS) != 0, text);
        return text;
    default:
        memcpy(text, plain.at, (size_t)plain.size);
        text[plain.size] = 0;
        return text;
    }
}

// Understanding ------------------------------------------------------------------------------------------------------

// ServerTopicConfigSynonyms: the coarser names count when the finer one is not set.
static const struct {
    const char *fine, *coarse;
    int64_t factor;
} synonyms[] = {
    {"log.retention.ms", "log.retention.minutes", 60 * 1000},
    {"log.retention.ms", "log.retention.hours", 60 * 60 * 1000},
    {"log.roll.ms", "log.roll.hours", 60 * 60 * 1000},
    {"log.roll.jitter.ms", "log.roll.jitter.hours", 60 * 60 * 1000},
    {"log.flush.interval.ms", "log.flush.scheduler.interval.ms", 1},
};

const char *setting_default(const struct setting_definition *d, const struct setting_values *broker, char *text,
                            size_t size) {
    const char *set = d->broker_name ? setting_values_get(broker, d->broker_name) : NULL;
    if (set || !d->broker_name) return set ? set : d->value_default;
    for (size_t i = 0; i < sizeof synonyms / sizeof synonyms[0]; i++) {
        int64_t v;
        const char *coarse =
            strcmp(synonyms[i].fine, d->broker_name) == 0 ? setting_values_get(broker, synonyms[i].coarse) : NULL;
        if (!coarse || !parse_whole(text_of(coarse), &v)) continue;
        snprintf(text, size, "%" PRId64, v < 0 ? v : v * synonyms[i].factor);
        return text;
    }
    return d->value_default;
}

struct lookup {
    const struct setting_values *topic, *broker;
    char text[SETTING_NUMBER_SIZE];
};

static const char *value_of(struct lookup *k, const char *name) {
    const char *set = setting_values_get(k->topic, name);
    const struct setting_definition *d = setting_find(SETTING_OF_TOPIC, text_of(name));
    assert(d);
    return set ? set : setting_default(d, k->broker, k->text, sizeof k->text);
}

static int64_t number_of(struct lookup *k, const char *name) {
    int64_t v = 0;
    const char *value = value_of(k, name);
    return value && parse_whole(text_of(value), &v) ? v : 0;
}

static bool is_true(struct lookup *k, const char *name) {
    return text_is(trimmed(text_of(value_of(k, name))), "true");
}

static bool list_names(const char *value, const char *word) {
    struct wire_text list = text_of(value), element;
    while (setting_list_take(&list, &element))
        if (text_is(element, word)) return true;
    return false;
}

static int8_t codec_of(const char *value) {
    static const char *const names[] = {"uncompressed", "gzip", "snappy", "lz4", "zstd"};  // enum codec
    for (int8_t i = 0; i < (int8_t)(sizeof names / sizeof names[0]); i++)
        if (text_is(trimmed(text_of(value)), names[i])) return i;
    return -1;
}

void broker_topic_settings_parse(struct broker_topic_settings *s, const struct setting_values *topic,
                                 const struct setting_values *broker) {
    struct lookup k = {.topic = topic, .broker = broker};
    bool small_segments = setting_values_get(topic, "internal.segment.bytes") != NULL;  // KIP-1030: for tests
    *s = (struct broker_topic_settings){
        .compact = list_names(value_of(&k, "cleanup.policy"), "compact"),
        .delete = list_names(value_of(&k, "cleanup.policy"), "delete"),
        .codec = codec_of(value_of(&k, "compression.type")),
        .append_time = text_is(trimmed(text_of(value_of(&k, "message.timestamp.type"))), "LogAppendTime"),
        .message_bytes_max = (int32_t)number_of(&k, "max.message.bytes"),
        .timestamp_before_ms_max = number_of(&k, "message.timestamp.before.max.ms"),
        .timestamp_after_ms_max = number_of(&k, "message.timestamp.after.max.ms"),
        .insync_replicas_min = (int32_t)number_of(&k, "min.insync.replicas"),
        .retention_ms = number_of(&k, "retention.ms"),
        .retention_bytes = number_of(&k, "retention.bytes"),
        .segment_bytes = number_of(&k, small_segments ? "internal.segment.bytes" : "segment.bytes"),
        .segment_ms = number_of(&k, "segment.ms"),
        .delete_retention_ms = number_of(&k, "delete.retention.ms"),
        .compaction_lag_ms_min = number_of(&k, "min.compaction.lag.ms"),
        .compaction_lag_ms_max = number_of(&k, "max.compaction.lag.ms"),
        .unclean_election = is_true(&k, "unclean.leader.election.enable"),
        .remote_storage = is_true(&k, "remote.storage.enable"),
    };
    // LogConfig.maxSegmentMs: what has to be compacted in time may not stay in the active file.
    if (s->compact && s->compaction_lag_ms_max < s->segment_ms) s->segment_ms = s->compaction_lag_ms_max;
}
