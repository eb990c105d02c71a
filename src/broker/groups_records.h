// Records of __consumer_offsets: OffsetCommitKey/Value and GroupMetadataKey/Value, and how a loading coordinator reads
// them. Formats: group-coordinator/src/main/resources/common/message of Kafka.
#pragma once
#include "broker/groups_private.h"

#define RECORD_KEY_OFFSET_COMMIT 1
#define RECORD_KEY_GROUP_METADATA 2

struct offset_record_key {
    struct wire_text group, topic;
    int32_t partition;
};
void record_put_offset(struct coordinator_records *r, const struct offset_record_key *key,
                       const struct group_offset *o);
void record_put_offset_tombstone(struct coordinator_records *r, const struct offset_record_key *key);
bool record_get_offset_key(struct wire_bytes key, struct offset_record_key *out);
bool record_get_offset(struct wire_bytes value, struct group_offset *out);  // metadata points into `value`

void record_put_group(struct coordinator_records *r, const struct group *g);
void record_put_group_new(struct coordinator_records *r, const struct group *g);  // newEmptyGroupMetadataRecord
void record_put_group_tombstone(struct coordinator_records *r, const char *group);
bool record_get_group_key(struct wire_bytes key, struct wire_text *group);
bool record_get_group(struct wire_bytes value, struct group *g);  // fills an empty group; false: cannot be read
