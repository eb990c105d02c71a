// What a mirrored topic is called at the target, and what a topic's name tells about where it came from.
//
// The rules are those of ReplicationPolicy, DefaultReplicationPolicy and IdentityReplicationPolicy, oddities included:
// consumers of a MirrorMaker 2 set-up must find the same names.
#pragma once
#include "base/bytes.h"
#include "base/error.h"
#include "base/limits.h"

#include <stdbool.h>

enum replication_policy { REPLICATION_POLICY_DEFAULT, REPLICATION_POLICY_IDENTITY };

// All texts are borrowed.
struct naming {
    enum replication_policy policy;
    const char *source_alias;
    const char *separator;            // never empty
    bool internal_separator_enabled;  // false: internal topics keep "." whatever the separator (KIP-690)
};

// Writes the name `topic` of the source bears at the target.
// Errors: ERROR_CONFIG when Kafka would not accept that name.
MUST_USE struct error naming_remote_topic(const struct naming *n, const char *topic, char out[TOPIC_NAME_SIZE_MAX + 1]);

// The alias `topic` came from, as a part of `topic` or of the naming. False: not a remote topic.
bool naming_topic_source(const struct naming *n, const char *topic, struct bytes *alias);

// The name one hop upstream, as a part of `topic` (`topic` itself under the identity policy). NULL: not a remote topic.
const char *naming_upstream_topic(const struct naming *n, const char *topic);

// The name at the cluster where it was first written.
const char *naming_original_topic(const struct naming *n, const char *topic);

bool naming_is_heartbeats_topic(const struct naming *n, const char *topic);

// Topics of Kafka, Connect and MirrorMaker itself: never mirrored.
bool naming_is_internal_topic(const struct naming *n, const char *topic);

// Errors: ERROR_CONFIG, saying what is wrong with the name (the rules of Kafka's Topic.validate).
MUST_USE struct error topic_name_check(const char *name);

// Only characters a topic name may hold.
bool topic_characters_only(const char *text);
