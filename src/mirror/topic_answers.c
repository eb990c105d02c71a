// What brokers answered about topics: settings read, topics created, partitions added, and each refusal's meaning.
#include "base/limits.h"
#include "client/topic_partition.h"
#include "mirror/topics_private.h"
#include "wire/error_codes.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

enum reaction {
    GO_ON,             // done; metadata will show it
    AGAIN,             // after a back-off, with newer metadata
    FEWER_SETTINGS,    // leave out what was refused
    WITHOUT_READING,   // warn once, and do without what could not be read
    AFTER_THROTTLE,    // in the same lane, which waits as long as it was told
    HALT,              // the topic; but what cannot grow goes on with the partitions that are there
};

#define CREATE_MISSING "the right CREATE on the destination topic or cluster is missing"
#define ALTER_MISSING "the right ALTER on the destination topic is missing"

// clang-format off
struct answer { int16_t code; enum reaction reaction; const char *reason; };

static const struct answer created[] = {
    //  code                              reaction         reason
    { KAFKA_NONE                        , GO_ON          , NULL },
    { KAFKA_TOPIC_ALREADY_EXISTS        , GO_ON          , NULL },
    { KAFKA_THROTTLING_QUOTA_EXCEEDED   , AFTER_THROTTLE , NULL },
    { KAFKA_INVALID_CONFIG              , FEWER_SETTINGS , "its settings are refused" },
    { KAFKA_INVALID_REPLICATION_FACTOR  , HALT           , "replication.factor cannot be met by the destination" },
    { KAFKA_TOPIC_AUTHORIZATION_FAILED  , HALT           , CREATE_MISSING },
    { KAFKA_CLUSTER_AUTHORIZATION_FAILED, HALT           , CREATE_MISSING },
    { KAFKA_POLICY_VIOLATION            , HALT           , "the destination's policy for new topics refuses it" },
    { KAFKA_INVALID_TOPIC_EXCEPTION     , HALT           , "the destination refuses the name" },
};

static const struct answer grown[] = {
    { KAFKA_NONE                        , GO_ON          , NULL },
    { KAFKA_THROTTLING_QUOTA_EXCEEDED   , AFTER_THROTTLE , NULL },
    { KAFKA_INVALID_PARTITIONS          , AGAIN          , NULL },  // somebody else was faster
    { KAFKA_REASSIGNMENT_IN_PROGRESS    , AGAIN          , NULL },
    { KAFKA_INVALID_REPLICATION_FACTOR  , HALT           , "too few brokers for more partitions" },
    { KAFKA_TOPIC_AUTHORIZATION_FAILED  , HALT           , ALTER_MISSING },
    { KAFKA_CLUSTER_AUTHORIZATION_FAILED, HALT           , ALTER_MISSING },
};

static const struct answer described[] = {
    { KAFKA_NONE                        , GO_ON          , NULL },
    { KAFKA_TOPIC_AUTHORIZATION_FAILED  , WITHOUT_READING, "the right DESCRIBE_CONFIGS is missing" },
    { KAFKA_CLUSTER_AUTHORIZATION_FAILED, WITHOUT_READING, "the right DESCRIBE_CONFIGS is missing" },
    { KAFKA_INVALID_TOPIC_EXCEPTION     , AGAIN          , NULL },  // deleted meanwhile
};
// clang-format on

static struct answer answer_of(const struct answer *table, size_t count, int16_t code) {
    for (size_t i = 0; i < count; i++)
        if (table[i].code == code) return table[i];
    enum reaction reaction = kafka_error_is_retriable(code) ? AGAIN : HALT;
    return (struct answer){code, reaction, "the broker refuses"};
}
#define ANSWER_OF(table, code) answer_of(table, sizeof(table) / sizeof(table)[0], code)

static void write_reason(char reason[TOPIC_REASON_MAX], const struct answer *a, struct wire_text message) {
    snprintf(reason, TOPIC_REASON_MAX, "%s: %s%s%.*s", a->reason, kafka_error_name(a->code),
             message.size > 0 ? ": " : "", message.size > 0 ? (int)message.size : 0,
             message.size > 0 ? message.at : "");
}

static void react(struct topic *t, const struct answer *a, struct wire_text message) {
    assert(a->reaction == AGAIN || a->reaction == HALT);
    if (a->reaction == HALT) {
        char reason[TOPIC_REASON_MAX];
        write_reason(reason, a, message);
        topic_halt(t, "%s", reason);
        return;
    }
    if (t->failures == 0)
        log_line(&t->owner->env->log, LOG_INFO, "topic must wait", "flow=%s topic=%s destination=%s error=%s",
                 t->owner->config.flow, t->t.source_name, t->t.destination_name, kafka_error_name(a->code));
    cluster_refresh(t->owner->source);
    cluster_refresh(t->owner->destination);
    topic_back_off(t);
}

// DescribeConfigs -----------------------------------------------------------------------------------------------------

static void warn_once(struct topic *t, uint32_t bit, const char *what, const char *where) {
    if (t->warned & bit) return;
    t->warned |= bit;
    log_line(&t->owner->env->log, LOG_WARN, "settings not read", "flow=%s topic=%s destination=%s at=%s reason=\"%s\"",
             t->owner->config.flow, t->t.source_name, t->t.destination_name, where, what);
}

static void take_source(struct topic *t, const struct describe_configs_response_resource *r, const struct answer *a) {
    if (a->reaction == WITHOUT_READING && t->wanted > 0) {
        // Created without, say, cleanup.policy=compact the destination would delete what must be kept.
        topic_halt(t, "cannot create the destination topic: %s on the source topic", a->reason);
        return;
    }
    if (a->reaction == WITHOUT_READING) {
        warn_once(t, WARNED_SOURCE_UNREADABLE, a->reason, t->owner->source->config.alias);
        t->limits = (struct topic_limits){{0}};
    } else {
        topic_limits_read(&t->limits, r);
        t->settings_known = t->wanted > 0;
        if (t->settings_known) topic_settings_build(&t->settings, r, t->owner->before_3_6);
    }
    t->limits_known = true;
    topic_look(t);
}

static bool fits(struct topic *t, const struct describe_configs_response_resource *r) {
    for (size_t i = 0; i < TOPIC_CHECKS; i++) {
        const struct topic_check *check = &topic_checks[i];
        struct wire_text value;
        if (!topic_check_fails(check, r, &t->limits, &value)) {
            t->warned &= ~(1u << i);
            continue;
        }
        if (check->kind == CHECK_MUST_BE) {
            topic_halt(t, "%s of the destination topic is %.*s, must be %s: %s", check->name, (int)value.size, value.at,
                       check->wanted, check->why);
            return false;
        }
        if (t->warned & 1u << i) continue;
        t->warned |= 1u << i;
        log_line(&t->owner->env->log, LOG_WARN, "destination topic's setting may hurt",
                 "flow=%s topic=%s destination=%s setting=%s value=%.*s reason=\"%s\"", t->owner->config.flow,
                 t->t.source_name, t->t.destination_name, check->name, (int)value.size, value.at, check->why);
    }
    return true;
}

static void take_destination(struct topic *t, const struct describe_configs_response_resource *r,
                             const struct answer *a) {
    if (a->reaction == WITHOUT_READING) {
        warn_once(t, WARNED_DESTINATION_UNREADABLE, a->reason, t->owner->destination->config.alias);
        t->t.max_message_bytes = INT32_MAX;
    } else {
        if (!fits(t, r)) return;
        t->t.max_message_bytes = topic_max_message_bytes(r);
    }
    t->checked = true;
    topic_look(t);
}

void topic_take_settings(struct topic_lane *l, const struct describe_configs_response *response) {
    for (int32_t i = 0; i < response->results_count && !l->owner->stopped; i++) {
        const struct describe_configs_response_resource *r = &response->results[i];
        struct topic *t = topic_lane_take(l, &r->resource_name);
        if (!t) continue;
        struct answer a = ANSWER_OF(described, r->error_code);
        if (a.reaction == AGAIN || a.reaction == HALT) react(t, &a, r->error_message);
        else if (l->kind == LANE_SOURCE) take_source(t, r, &a);
        else take_destination(t, r, &a);
    }
}

// CreateTopics and CreatePartitions -----------------------------------------------------------------------------------

// The destination has so many, or will; its metadata must show it before they are used.
static void provided(struct topic *t, int32_t partitions) {
    t->provided = partitions;
    t->wanted = 0;
    t->visible_until_us = t->owner->env->now_us + TOPIC_VISIBLE_US_MAX;
    t->leaders_until_us = 0;
    t->failures = 0;
    topic_forget_settings(t);
    topic_look(t);
}

static void fewer_settings(struct topic *t, const struct answer *a, struct wire_text message) {
    enum settings_refused result = topic_settings_drop_named(&t->settings, message, &t->refused);
    if (result == REFUSED_NOTHING_NAMED || ++t->tries == TOPIC_TRIES_MAX)
        result = topic_settings_drop_copied(&t->settings, &t->refused) ? REFUSED_DROPPED : REFUSED_ESSENTIAL;
    if (result == REFUSED_DROPPED) {
        t->owner->before_3_6 |= topic_settings_before_3_6(&t->settings);
        topic_look(t);
    } else {
        const struct answer halt = {a->code, HALT, a->reason};
        react(t, &halt, message);
    }
}

// (A back-off would grow with each of the topics before it in the quota.)
static void after_throttle(struct topic *t, int32_t throttle_ms) {
    if (throttle_ms > 0) topic_look(t);
    else topic_back_off(t);
}

void topic_take_created(struct topic_lane *l, const struct create_topics_response *response) {
    struct logger *log = &l->owner->env->log;
    for (int32_t i = 0; i < response->topics_count && !l->owner->stopped; i++) {
        const struct create_topics_response_topic *r = &response->topics[i];
        struct topic *t = topic_lane_take(l, &r->name);
        if (!t) continue;
        struct answer a = ANSWER_OF(created, r->error_code);
        if (r->error_code == KAFKA_NONE)
            log_line(log, LOG_INFO, "destination topic created", "flow=%s topic=%s destination=%s partitions=%" PRId32,
                     l->owner->config.flow, t->t.source_name, t->t.destination_name, t->wanted_next);
        if (r->error_code == KAFKA_NONE && t->refused.size > 0)
            log_line(log, LOG_WARN, "settings not taken over", "flow=%s topic=%s destination=%s settings=%.*s",
                     l->owner->config.flow, t->t.source_name, t->t.destination_name, (int)t->refused.size,
                     (const char *)t->refused.at);
        // Somebody else's topic may have fewer partitions than asked for.
        if (a.reaction == GO_ON) provided(t, r->error_code == KAFKA_NONE ? t->wanted_next : 1);
        else if (a.reaction == FEWER_SETTINGS) fewer_settings(t, &a, r->error_message);
        else if (a.reaction == AFTER_THROTTLE) after_throttle(t, response->throttle_time_ms);
        else react(t, &a, r->error_message);
    }
}

void topic_take_grown(struct topic_lane *l, const struct create_partitions_response *response) {
    for (int32_t i = 0; i < response->results_count && !l->owner->stopped; i++) {
        const struct create_partitions_response_topic *r = &response->results[i];
        struct topic *t = topic_lane_take(l, &r->name);
        if (!t) continue;
        struct answer a = ANSWER_OF(grown, r->error_code);
        if (a.reaction == GO_ON) {
            log_line(&l->owner->env->log, LOG_INFO, "destination topic grown",
                     "flow=%s topic=%s destination=%s partitions=%" PRId32, l->owner->config.flow,
                     t->t.source_name, t->t.destination_name, t->wanted_next);
            provided(t, t->wanted_next);
        } else if (a.reaction == HALT) {
            char reason[TOPIC_REASON_MAX];
            write_reason(reason, &a, r->error_message);
            topic_growth_refused(t, reason);
        } else if (a.reaction == AFTER_THROTTLE) {
            after_throttle(t, response->throttle_time_ms);
        } else {
            react(t, &a, r->error_message);
        }
    }
}
