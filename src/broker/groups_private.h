// What the parts of the group coordinator know of each other.
//
// After org.apache.kafka.coordinator.group.{GroupMetadataManager, OffsetMetadataManager, classic.ClassicGroup}. Members
// and states are changed at once and written when an assignment is; offsets are changed by what is in the log and
// replicated, so that readers see committed ones only.
#pragma once
#include "broker/coordinator.h"
#include "broker/coordinator_records.h"
#include "broker/groups.h"
#include "wire/error_codes.h"

enum group_state { GROUP_EMPTY, GROUP_PREPARING_REBALANCE, GROUP_COMPLETING_REBALANCE, GROUP_STABLE };

struct group_protocol {
    char *name;
    uint8_t *metadata;
    int32_t metadata_size;
};

struct group_member {
    struct link link;  // in the group, in the order in which they joined
    struct group *group;
    char *id, *instance_id;  // instance_id NULL: dynamic
    char *client_id, *client_host;
    int32_t rebalance_timeout_ms, session_timeout_ms;
    struct group_protocol *protocols;
    int32_t protocols_count;
    uint8_t *assignment;
    int32_t assignment_size;
    struct broker_request *join, *sync;  // waiting for the answer
    bool is_new;                         // no rebalance has completed with it
    bool sync_awaited;
    struct timer session;
};

// Was told its member id and has not come back with it (KIP-394).
struct group_pending_member {
    struct link link;
    struct group *group;
    char *id;
    struct timer session;
};

struct group_offset {
    int32_t partition;
    int64_t offset;
    int32_t leader_epoch;
    struct wire_text metadata;     // the client's word, which may hold zeros
    int64_t commit_ms, expire_ms;  // expire_ms -1: by the broker's retention
    struct wire_uuid topic_id;     // zero: not known
    int64_t record_offset;         // of the record that says so
};

struct group_topic_offsets {
    char *name;
    struct map partitions;  // struct group_offset
};

struct group {
    struct group_shard *shard;
    char *id;
    enum group_state state, previous_state;
    int64_t state_ms;     // when it began, wall clock
    char *protocol_type;  // NULL: none (only offsets)
    char *protocol;       // NULL: none selected
    int32_t generation;
    struct group_member *leader;
    struct list members, pending_members;
    int32_t members_count;
    bool new_member_added;  // since the initial delay began (KIP-134)
    bool initial;           // that delay runs
    bool former_awaited;    // the SyncGroup of a static member's former self, which cannot come any more
    int64_t initial_delay_ms, initial_remaining_ms;
    struct timer join, sync;  // the end of the join phase; of waiting for SyncGroup
    int64_t visible_from;     // readers see it when this is replicated
    struct map topics;        // struct group_topic_offsets
};

// A transactional offset whose transaction is open.
struct group_open_offset {
    struct link link;
    char *group, *topic;
    int32_t partition;
    struct group_offset offset;
};

struct group_open_transaction {
    int64_t producer_id;
    struct list offsets;
};

struct group_shard {
    struct coordinator_shard shard;
    struct broker_groups *owner;
    struct map groups;  // by id
    struct map open;    // struct group_open_transaction by producer id
    int64_t applied;    // up to here the log's offsets are in the groups
    struct timer expiration;
};

struct broker_groups {
    struct broker_cluster *cluster;
    struct map shards;  // coordinator_shard_key()
    int32_t partitions;
    int64_t initial_delay_ms, session_ms_min, session_ms_max, size_max, metadata_size_max, retention_ms,
        retention_check_ms;
    int64_t commit_timeout_ms;
};

// groups.c -----------------------------------------------------------------------------------------------------------
// The group's coordinator on the request's node; NULL and NOT_COORDINATOR or COORDINATOR_LOAD_IN_PROGRESS.
struct group_shard *group_shard_find(const struct broker_node *n, struct wire_text group_id, int16_t *error_code);
struct group *group_find(const struct group_shard *s, struct wire_text id);  // NULL: none
struct group *group_create(struct group_shard *s, struct wire_text id);
void group_remove(struct group *g);  // it has no members
bool group_is_visible(const struct group *g);
const char *group_state_name(enum group_state state);
void group_write(struct group *g, struct coordinator_write *w);  // its metadata, assignments with it
void group_write_new(struct group *g);                           // that there is such a group
struct coordinator_write *group_write_unattended(void);          // nobody waits for it
// Frees the records; with none of them `w` still follows what is being written.
void group_shard_write(struct group_shard *s, struct coordinator_records *records, struct coordinator_write *w);
void group_shard_answer(struct group_shard *s, struct coordinator_records *records,  // NULL: nothing to write
                        struct broker_request *request, void *response, coordinator_fail fail);
// The same as part of the producer's transaction.
void group_shard_answer_of(struct group_shard *s, struct coordinator_records *records,
                           const struct append_producer *producer, struct broker_request *request, void *response,
                           coordinator_fail fail);

// A write that a member waits for; the member may be gone by then.
struct group_member_write {
    struct coordinator_write write;
    struct group_shard *shard;
    char *group, *member;
    char *leader;  // who led before, or NULL
    int32_t generation;
};
struct group_member_write *group_member_write_new(const struct group_member *m,
                                                  void (*done)(struct coordinator_write *w, int16_t error_code));
struct group_member *group_member_write_member(const struct group_member_write *w);  // NULL: gone
void group_member_write_free(struct group_member_write *w);

// groups_members.c: a group's members and what follows from them alone ------------------------------------------------
static inline struct group_member *group_member_at(struct link *k) {
    return k ? CONTAINER_OF(k, struct group_member, link) : NULL;
}
#define EACH_MEMBER(g, m)                                                                                              \
    struct group_member *m = group_member_at(list_first(&(g)->members));                                               \
    m;                                                                                                                 \
    m = group_member_at(list_next(&(g)->members, &m->link))

struct group_member *group_member_find(const struct group *g, struct wire_text id);
struct group_member *group_static_member(const struct group *g, struct wire_text instance_id);
struct group_pending_member *group_pending_find(const struct group *g, struct wire_text id);
void group_pending_add(struct group *g, const char *id, int32_t session_timeout_ms);
void group_pending_remove(struct group_pending_member *p);
struct group_member *group_member_new(struct group *g, const char *id, struct wire_text instance_id);
void group_member_free(struct group_member *m);  // takes it out; what waits for it must be answered before
void group_member_set_protocols(struct group_member *m, const struct group_protocol *protocols, int32_t count);
void group_member_set_assignment(struct group_member *m, struct wire_bytes assignment);
struct wire_bytes group_member_metadata(const struct group_member *m, const char *protocol);
// ClassicGroup.supportsProtocols
bool group_supports(const struct group *g, struct wire_text protocol_type, const struct group_protocol *protocols,
                    int32_t count);
const char *group_select_protocol(const struct group *g);
bool group_is_of_consumers(const struct group *g);
bool group_is_subscribed(const struct group *g, struct wire_text topic);  // ClassicGroup.isSubscribedToTopic
int32_t group_rebalance_timeout_ms(const struct group *g);
int32_t group_awaiting_join(const struct group *g);
bool group_all_joined(const struct group *g);
// ClassicGroup.validateMember: UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID or 0.
int16_t group_validate_member(const struct group *g, struct wire_text member_id, struct wire_text instance_id);

// groups_rebalance.c: states and their time-outs ----------------------------------------------------------------------
void group_timers_init(struct group *g);
void group_timers_cancel(struct group *g);
void group_prepare_rebalance(struct group *g);
void group_rebalance_or_complete(struct group *g);  // maybePrepareRebalanceOrCompleteJoin
void group_complete_if_joined(struct group *g);     // maybeCompleteJoinPhase
void group_member_expired(struct timer *t, int64_t now_us);
void group_pending_expired(struct timer *t, int64_t now_us);
void group_session_begin(struct group_member *m);  // of a new member, which may wait longer for the first rebalance
void group_session_renew(struct group_member *m);
void group_member_remove(struct group_member *m);  // its JoinGroup gets UNKNOWN_MEMBER_ID, its SyncGroup nothing
void group_sync_arrived(struct group_member *m);
void group_reset_assignments(struct group *g, int16_t error_code);  // and answers SyncGroup
void group_enter(struct group *g, enum group_state state);
void group_unload(struct group *g);  // what waits gets NOT_COORDINATOR

// groups_join.c, groups_sync.c: answers -------------------------------------------------------------------------------
void group_answer_join(struct group_member *m);  // the present generation
void group_answer_join_error(struct broker_request **slot, struct wire_text member_id, int16_t error_code);
void group_answer_sync(struct group_member *m, int16_t error_code);
void group_drop_sync(struct group_member *m);  // it is never answered

// group_offsets.c ----------------------------------------------------------------------------------------------------
void group_offsets_apply(struct group_shard *s);  // what has been replicated since
void group_offsets_free(struct group *g);
void group_offsets_free_open(struct group_shard *s);
struct group_offset *group_offset_find(const struct group *g, struct wire_text topic, int32_t partition);
bool group_offset_is_open(const struct group_shard *s, struct wire_text group, struct wire_text topic,
                          int32_t partition);
// Tombstones of all offsets of the group.
void group_offsets_delete_all(struct group *g, struct coordinator_records *records);
void group_offsets_expire(struct group_shard *s);

// groups_batch.c: requests about many groups, answered when all parts have ended -------------------------------------
struct group_batch {
    struct broker_request *request;  // NULL: forgotten, with the response
    void *response;
    int32_t waiting;
};
struct group_part {
    struct coordinator_write write;
    struct group_batch *batch;
    struct group_shard *shard;
    int32_t index;
};
struct group_batch *group_batch_begin(struct broker_request *r, void *response);
// `done` is called when all that is in the shard's log is replicated; it, or a later one of the same write, must end
// the part.
void group_batch_add(struct group_batch *b, struct group_shard *s, int32_t index,
                     void (*done)(struct coordinator_write *w, int16_t error_code));
void group_part_end(struct group_part *p);
void group_batch_end(struct group_batch *b);  // no more parts: answers, now or when they have ended
