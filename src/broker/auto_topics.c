// Topics that are made because somebody asked for them: after kafka.server.DefaultAutoTopicCreationManager, and what
// the controller (ReplicationControlManager.createTopics) makes of its requests.
#include "broker/coordinator.h"
#include "broker/faults.h"
#include "broker/topic_names.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SETTING_NAME_MAX 80
#define FACTOR_DEFAULT 3
#define SEGMENT_BYTES_DEFAULT 104857600
#define MIN_ISR_DEFAULT 2

static const struct internal_topic {
    const char *name, *prefix;  // of the brokers' settings that say how it is made
    bool min_isr;               // is among them
    const char *fixed[7];       // the topic's other settings, in pairs
} internal_topics[] = {
    // GroupCoordinatorService.groupMetadataTopicConfigs
    {GROUP_TOPIC, "offsets.topic", false, {"cleanup.policy", "compact", "compression.type", "producer"}},
    // TransactionStateManager.transactionTopicConfigs
    {TRANSACTION_TOPIC,
     "transaction.state.log",
     true,
     {"unclean.leader.election.enable", "false", "compression.type", "uncompressed", "cleanup.policy", "compact"}},
    // ShareCoordinatorService.shareGroupStateTopicConfigs
    {"__share_group_state",
     "share.coordinator.state.topic",
     true,
     {"cleanup.policy", "delete", "compression.type", "producer", "retention.ms", "-1"}},
};

static const struct internal_topic *internal_topic(const char *name) {
    for (size_t i = 0; i < sizeof internal_topics / sizeof *internal_topics; i++) {
        if (strcmp(internal_topics[i].name, name) == 0) return &internal_topics[i];
    }
    return NULL;
}

// A topic as the controller is asked for it.
struct automatic_topic {
    char name[TOPIC_NAME_SIZE_MAX + 1];
    int64_t partitions, factor;
    const char *settings[12];  // in pairs
    size_t settings_count;
    char segment_bytes[SETTING_NUMBER_SIZE], min_isr[SETTING_NUMBER_SIZE];
};

static int64_t wanted(const struct broker_cluster *c, const struct internal_topic *i, const char *what,
                      int64_t by_default) {
    char name[SETTING_NAME_MAX];
    snprintf(name, sizeof name, "%s.%s", i->prefix, what);
    return broker_setting_number(c, name, by_default);
}

static void add_setting(struct automatic_topic *t, const char *name, const char *value) {
    t->settings[t->settings_count++] = name;
    t->settings[t->settings_count++] = value;
}

// With fewer replicas than wanted where there are fewer brokers: one is enough to try things out (docs/BROKER.md).
static void plan_internal(const struct broker_cluster *c, const struct internal_topic *i, struct automatic_topic *t) {
    int64_t nodes = c->config.nodes;
    t->partitions = wanted(c, i, "num.partitions", INTERNAL_TOPIC_PARTITIONS);
    t->factor = wanted(c, i, "replication.factor", FACTOR_DEFAULT);
    if (t->factor > nodes) t->factor = nodes;
    for (size_t at = 0; i->fixed[at]; at += 2) add_setting(t, i->fixed[at], i->fixed[at + 1]);
    snprintf(t->segment_bytes, sizeof t->segment_bytes, "%" PRId64,
             wanted(c, i, "segment.bytes", SEGMENT_BYTES_DEFAULT));
    add_setting(t, "segment.bytes", t->segment_bytes);
    if (!i->min_isr) return;
    int64_t least = wanted(c, i, "min.isr", MIN_ISR_DEFAULT);
    snprintf(t->min_isr, sizeof t->min_isr, "%" PRId64, least < nodes ? least : nodes);
    add_setting(t, "min.insync.replicas", t->min_isr);
}

static void plan(const struct broker_cluster *c, struct wire_text name, struct automatic_topic *t) {
    *t = (struct automatic_topic){.partitions = broker_setting_number(c, "num.partitions", 1),
                                  .factor = broker_setting_number(c, "default.replication.factor", 1)};
    memcpy(t->name, name.at, (size_t)name.size);
    const struct internal_topic *internal = internal_topic(t->name);
    if (internal) plan_internal(c, internal, t);
}

void broker_topics_create_automatically(struct broker_cluster *c, struct wire_text *names, int32_t count) {
    struct automatic_topic t;
    int64_t records = 0, partitions = 0;
    int32_t right = 0;
    for (int32_t i = 0; i < count; i++) {
        plan(c, names[i], &t);
        if (strcmp(t.name, CLUSTER_METADATA_TOPIC) == 0) continue;
        partitions += t.partitions;  // of those that will be refused, too (validateTotalNumberOfPartitions)
        if (t.factor < 1 || t.factor > c->config.nodes || topic_name_collision(c, names[i])) continue;
        records += 1 + t.partitions + (int64_t)t.settings_count / 2;
        names[right++] = names[i];
    }
    if (records > BROKER_RECORDS_PER_REQUEST_MAX || partitions > BROKER_RECORDS_PER_REQUEST_MAX) return;
    for (int32_t i = 0; i < right; i++) {
        plan(c, names[i], &t);
        broker_topic_create(c, t.name, (int32_t)t.partitions, (int16_t)t.factor, t.settings);
    }
}
