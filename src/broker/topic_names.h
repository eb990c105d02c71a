// Which topic names are allowed (org.apache.kafka.common.internals.Topic), and topics made because somebody asked.
#pragma once
#include "broker/cluster_private.h"

#define TOPIC_REASON_MAX 512
#define CLUSTER_METADATA_TOPIC "__cluster_metadata"  // Topic.CLUSTER_METADATA_TOPIC_NAME: nobody can make it

// NULL: allowed; else why not, without "Topic name is invalid: " (static or in `text`).
const char *topic_name_refusal(struct wire_text name, char *text, size_t size);
bool topic_name_is_internal(struct wire_text name);
// Topics somebody asked the metadata of (auto.create.topics.enable), or a coordinator needs: valid names of topics that
// are not there. Those that the controller refuses are not made, nor stay in `names` (auto_topics.c).
void broker_topics_create_automatically(struct broker_cluster *c, struct wire_text *names, int32_t count);
// Another topic whose name differs only in dots and underscores (metrics would collide); NULL: none.
const struct broker_topic *topic_name_collision(const struct broker_cluster *c, struct wire_text name);
