// MirrorMaker 2's settings that have no effect in this version, and those that decide about security.
//
// Names and defaults: MirrorMakerConfig, Mirror{Connector,Source,Checkpoint,Heartbeat}Config, DistributedConfig.
#define _GNU_SOURCE  // strcasestr
#include "app/settings_table.h"

#include <strings.h>

#define MIRROR "org.apache.kafka.connect.mirror."
#define BYTE_ARRAYS "org.apache.kafka.connect.converters.ByteArrayConverter"

#define CHECKPOINTS "checkpoints are not written: offsets are identical"
#define GROUPS "offsets of consumer groups are not mirrored yet"
#define CONFIGS "settings of topics are not mirrored yet"
#define ACLS "ACLs are not mirrored yet"
#define HEARTBEATS "heartbeats are not written yet"
#define SYNCS "offset-syncs are not written: offsets are identical"
#define NO_CONNECT "there is no Connect worker inside"
#define NO_RECORDS "records are copied as they are"
#define NO_PLUGINS "there is no Java inside"
#define TUNING "Odraz has clients of its own"
#define NO_REST "there is no REST interface yet"

const struct ignored_setting ignored_settings[] = {
    // name                                 harmless    why
    // topics and their settings
    {"topic.filter.class", MIRROR "DefaultTopicFilter", NO_PLUGINS},
    {"forwarding.admin.class", "org.apache.kafka.clients.admin.ForwardingAdmin", NO_PLUGINS},
    {"sync.topic.configs.enabled", "false", CONFIGS},
    {"sync.topic.configs.interval.seconds", ANY_VALUE, CONFIGS},
    {"config.properties.exclude", "", CONFIGS},
    {"config.properties.blacklist", "", CONFIGS},
    {"config.property.filter.class", MIRROR "DefaultConfigPropertyFilter", NO_PLUGINS},
    {"use.defaults.from", "", CONFIGS},
    {"use.incremental.alter.configs", ANY_VALUE, CONFIGS},
    {"sync.topic.acls.enabled", "false", ACLS},
    {"sync.topic.acls.interval.seconds", ANY_VALUE, ACLS},
    // groups, offsets, heartbeats
    {"groups", "", GROUPS},
    {"groups.exclude", "", GROUPS},
    {"groups.blacklist", "", GROUPS},
    {"group.filter.class", MIRROR "DefaultGroupFilter", NO_PLUGINS},
    {"refresh.groups.enabled", ANY_VALUE, GROUPS},
    {"refresh.groups.interval.seconds", ANY_VALUE, GROUPS},
    {"sync.group.offsets.enabled", "false", GROUPS},
    {"sync.group.offsets.interval.seconds", ANY_VALUE, GROUPS},
    {"emit.checkpoints.enabled", "false", CHECKPOINTS},
    {"emit.checkpoints.interval.seconds", ANY_VALUE, CHECKPOINTS},
    {"checkpoints.topic.replication.factor", ANY_VALUE, CHECKPOINTS},
    {"emit.heartbeats.enabled", "false", HEARTBEATS},
    {"emit.heartbeats.interval.seconds", ANY_VALUE, HEARTBEATS},
    {"heartbeats.topic.replication.factor", ANY_VALUE, HEARTBEATS},
    {"emit.offset-syncs.enabled", "false", SYNCS},
    {"offset-syncs.topic.replication.factor", ANY_VALUE, SYNCS},
    {"offset-syncs.topic.location", ANY_VALUE, SYNCS},
    {"offset.lag.max", ANY_VALUE, SYNCS},
    // what Connect would do to records
    {"transforms", "", NO_RECORDS},
    {"transforms.*", ANY_VALUE, NO_RECORDS},
    {"predicates", "", NO_RECORDS},
    {"predicates.*", ANY_VALUE, NO_RECORDS},
    {"key.converter", BYTE_ARRAYS, NO_RECORDS},
    {"value.converter", BYTE_ARRAYS, NO_RECORDS},
    {"header.converter", BYTE_ARRAYS, NO_RECORDS},
    {"key.converter.*", ANY_VALUE, NO_RECORDS},
    {"value.converter.*", ANY_VALUE, NO_RECORDS},
    {"header.converter.*", ANY_VALUE, NO_RECORDS},
    {"errors.tolerance", "none", "a record is never left out"},
    {"errors.*", ANY_VALUE, NO_RECORDS},
    // clients
    {"producer.*", "", TUNING},
    {"consumer.*", "", TUNING},
    {"admin.*", "", TUNING},
    {"source.cluster.*", "", TUNING},
    {"source.producer.*", "", TUNING},
    {"source.consumer.*", "", TUNING},
    {"source.admin.*", "", TUNING},
    {"target.cluster.*", "", TUNING},
    {"target.producer.*", "", TUNING},
    {"target.consumer.*", "", TUNING},
    {"target.admin.*", "", TUNING},
    {"admin.timeout.ms", ANY_VALUE, TUNING},
    {"consumer.poll.timeout.ms", ANY_VALUE, TUNING},
    {"connections.max.idle.ms", ANY_VALUE, TUNING},
    {"retry.backoff.ms", ANY_VALUE, TUNING},
    {"retry.backoff.max.ms", ANY_VALUE, TUNING},
    {"socket.connection.setup.timeout.ms", ANY_VALUE, TUNING},
    {"socket.connection.setup.timeout.max.ms", ANY_VALUE, TUNING},
    {"send.buffer.bytes", ANY_VALUE, TUNING},
    {"receive.buffer.bytes", ANY_VALUE, TUNING},
    {"client.dns.lookup", ANY_VALUE, TUNING},
    {"metadata.recovery.strategy", ANY_VALUE, TUNING},
    {"metadata.recovery.rebootstrap.trigger.ms", ANY_VALUE, TUNING},
    // Connect's own affairs
    {"name", ANY_VALUE, NO_CONNECT},
    {"connector.class", ANY_VALUE, NO_CONNECT},
    {"tasks.max", ANY_VALUE, "Odraz divides the work itself"},
    {"tasks.max.enforce", ANY_VALUE, "Odraz divides the work itself"},
    {"task.*", ANY_VALUE, NO_CONNECT},
    {"worker.*", ANY_VALUE, NO_CONNECT},
    {"group.id", ANY_VALUE, NO_CONNECT},
    {"rebalance.timeout.ms", ANY_VALUE, NO_CONNECT},
    {"scheduled.rebalance.max.delay.ms", ANY_VALUE, NO_CONNECT},
    {"connect.protocol", ANY_VALUE, NO_CONNECT},
    {"config.action.reload", ANY_VALUE, NO_CONNECT},
    {"exactly.once.support", ANY_VALUE, "Odraz is always exactly-once"},
    {"exactly.once.source.support", ANY_VALUE, "Odraz is always exactly-once"},
    {"transaction.boundary", ANY_VALUE, "Odraz is always exactly-once"},
    {"transaction.boundary.interval.ms", ANY_VALUE, "Odraz is always exactly-once"},
    {"offset.storage.*", ANY_VALUE, "the target's log is the checkpoint"},
    {"offsets.storage.topic", ANY_VALUE, "the target's log is the checkpoint"},
    {"config.storage.*", ANY_VALUE, NO_CONNECT},
    {"status.storage.*", ANY_VALUE, NO_CONNECT},
    {"offset.flush.interval.ms", ANY_VALUE, "the target's log is the checkpoint"},
    {"offset.flush.timeout.ms", ANY_VALUE, "the target's log is the checkpoint"},
    {"topic.creation.*", ANY_VALUE, NO_CONNECT},
    {"topic.tracking.*", ANY_VALUE, NO_CONNECT},
    {"connector.client.config.override.policy", ANY_VALUE, NO_CONNECT},
    {"inter.worker.*", ANY_VALUE, NO_CONNECT},
    {"plugin.path", ANY_VALUE, NO_PLUGINS},
    {"plugin.discovery", ANY_VALUE, NO_PLUGINS},
    {"config.providers", "", "a value that needs one is refused"},
    {"config.providers.*", ANY_VALUE, "a value that needs one is refused"},
    // watching and steering
    {"metric.reporters", "org.apache.kafka.common.metrics.JmxReporter", NO_PLUGINS},
    {"metric.names.formats", ANY_VALUE, NO_PLUGINS},
    {"metrics.*", ANY_VALUE, NO_PLUGINS},
    {"add.source.alias.to.metrics", ANY_VALUE, NO_PLUGINS},
    {"dedicated.mode.enable.internal.rest", ANY_VALUE, "instances meet in a group at the target"},
    {"listeners", "", NO_REST},
    {"listeners.*", ANY_VALUE, NO_REST},
    {"admin.listeners", ANY_VALUE, NO_REST},
    {"rest.*", ANY_VALUE, NO_REST},
    {"access.control.*", ANY_VALUE, NO_REST},
    {"response.http.headers.config", ANY_VALUE, NO_REST},
};

const size_t ignored_settings_count = sizeof ignored_settings / sizeof ignored_settings[0];

static bool matches(const char *pattern, const char *name) {
    size_t size = strlen(pattern);
    if (pattern[size - 1] != '*') return strcmp(pattern, name) == 0;
    return strncmp(pattern, name, size - 1) == 0 && name[size - 1];
}

// An exact name wins over a family: consumer.poll.timeout.ms is no setting of the consumer.
const struct ignored_setting *ignored_settings_find(const char *name) {
    const struct ignored_setting *found = NULL;
    for (size_t i = 0; i < ignored_settings_count; i++) {
        const struct ignored_setting *s = &ignored_settings[i];
        if (strcmp(s->name, name) == 0) return s;
        if (!found && matches(s->name, name)) found = s;
    }
    return found;
}

const char *security_setting(const char *name) {
    static const char *const prefixes[] = {"source.",   "target.", "cluster.", "producer.",
                                           "consumer.", "admin.",  "override."};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        size_t size = strlen(prefixes[i]);
        if (strncmp(name, prefixes[i], size) == 0) name += size;
    }
    bool is_one =
        strcmp(name, "security.protocol") == 0 || strncmp(name, "ssl.", 4) == 0 || strncmp(name, "sasl.", 5) == 0;
    return is_one ? name : NULL;
}

bool is_secret_setting(const char *name) {
    static const char *const signs[] = {"password", "passphrase", "secret", "jaas", "credential", "token"};
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        if (strcasestr(name, signs[i])) return true;
    }
    size_t size = strlen(name);
    return size >= 3 && strcasecmp(name + size - 3, "key") == 0;
}
