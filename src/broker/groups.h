// Group coordinators of a modelled cluster: the classic group protocol and committed offsets.
#pragma once
#include "broker/cluster_private.h"

struct broker_groups *broker_groups_new(struct broker_cluster *c);  // after the settings are known
void broker_groups_free(struct broker_groups *g);                   // before replicas and requests are

// Offsets of a deleted topic go (OffsetMetadataManager.onTopicsDeleted).
void broker_groups_on_topic_deleted(struct broker_cluster *c, const struct broker_topic *t);
