// A model of the group coordinator's classic protocol for tests, after org.apache.kafka.coordinator.group's
// GroupMetadataManager (classic groups): states, time-outs, static members, and what a failover forgets.
#pragma once
#include "base/memory.h"
#include "base/timer.h"
#include "wire/error_codes.h"
#include "wire/frame.h"
#include "wire/messages.h"

#include <assert.h>
#include <stdio.h>

#define COORDINATOR_MEMBERS_MAX 32
#define COORDINATOR_BYTES_MAX 256
#define API_KEYS_MODEL_MAX 128

// A request that is answered later, or now.
struct waiting {
    bool set;
    uint32_t channel;
    int16_t version;
    int32_t correlation_id;
};

struct coordinated {
    char id[64], instance_id[32];  // instance_id "" = dynamic
    uint8_t metadata[COORDINATOR_BYTES_MAX], assignment[COORDINATOR_BYTES_MAX];
    int32_t metadata_size, assignment_size;
    int32_t session_ms, rebalance_ms;
    int64_t session_end_us;  // TIMER_NEVER while a join or sync is awaited
    bool synced;             // in COMPLETING: it has sent its SyncGroup
    struct waiting join, sync;
};

enum group_phase { PHASE_EMPTY, PHASE_PREPARING, PHASE_COMPLETING, PHASE_STABLE };

struct coordinated_group {
    enum group_phase phase;
    int32_t generation;
    char leader[64];
    struct coordinated members[COORDINATOR_MEMBERS_MAX];
    int32_t members_count;
};

struct coordinator {
    struct coordinated_group group, stored;  // stored: what a failover comes back to
    struct {
        char id[64];
        int64_t end_us;
    } pending[COORDINATOR_MEMBERS_MAX];  // ids given out, not yet come back with (KIP-394)
    int32_t pending_count, ids;
    int64_t now_us, phase_end_us;  // of PREPARING and COMPLETING
    int64_t initial_delay_us;      // group.initial.rebalance.delay.ms
    int16_t refuse_with;           // what every group request is answered with, 0 = nothing special
    int16_t find_refuse_with;
    int16_t refuse_once_with[API_KEYS_MODEL_MAX];  // by API key: the next one only
    int32_t assignments_unasked;                   // by a leader that was told to skip them
    bool old_brokers;                              // before KIP-814: JoinGroup up to version 8
    bool writes_nothing;                           // as one that was deposed: only heartbeats are answered as before
    int32_t commits;                               // asked for so far
    int64_t commit_us;                             // when the newest came
    char committed_topic[64];                      // the newest one's
    bool commits_unnamed;                          // the answer names no topic
    struct arena arena;
    void *context;
    void (*answer)(void *context, const struct waiting *to, const struct api *api, const void *response);
};

static inline struct wire_text model_text(const char *at) {
    return (struct wire_text){at, (int32_t)strlen(at)};
}

static inline bool model_is(struct wire_text t, const char *at) {
    return t.size == (int32_t)strlen(at) && (t.size == 0 || memcmp(t.at, at, (size_t)t.size) == 0);
}

static inline void model_copy(struct wire_text t, char *to, size_t size) {
    snprintf(to, size, "%.*s", t.size > 0 ? (int)t.size : 0, t.size > 0 ? t.at : "");
}

static inline struct coordinated *coordinator_find(struct coordinator *c, const char *id) {
    for (int32_t i = 0; i < c->group.members_count; i++)
        if (strcmp(c->group.members[i].id, id) == 0) return &c->group.members[i];
    return NULL;
}

static inline struct coordinated *coordinator_find_instance(struct coordinator *c, const char *instance_id) {
    for (int32_t i = 0; *instance_id && i < c->group.members_count; i++)
        if (strcmp(c->group.members[i].instance_id, instance_id) == 0) return &c->group.members[i];
    return NULL;
}

static inline void coordinator_keep_alive(struct coordinator *c, struct coordinated *m) {
    m->session_end_us = c->now_us + m->session_ms * 1000LL;
}

static inline void coordinator_store(struct coordinator *c) {
    c->stored = c->group;
}

// Answers ----------------------------------------------------------------------------------------------------------

static inline void answer_join_error(struct coordinator *c, struct waiting *to, int16_t code, const char *id) {
    struct join_group_response r;
    message_defaults(&join_group_response_message, &r);
    r.error_code = code;
    r.protocol_name = r.leader = model_text("");
    r.member_id = model_text(id);
    c->answer(c->context, to, api_find(API_JOIN_GROUP), &r);
    to->set = false;
}

static inline void answer_join(struct coordinator *c, struct coordinated *m, struct waiting *to, bool skip) {
    struct coordinated_group *g = &c->group;
    struct join_group_response r;
    struct join_group_response_member members[COORDINATOR_MEMBERS_MAX];
    message_defaults(&join_group_response_message, &r);
    r.generation_id = g->generation;
    r.protocol_type = model_text("odraz");
    r.protocol_name = model_text("slices");
    r.leader = model_text(g->leader);
    r.member_id = model_text(m->id);
    r.skip_assignment = skip;
    r.members = members;
    for (int32_t i = 0; strcmp(g->leader, m->id) == 0 && i < g->members_count; i++) {
        struct join_group_response_member *a = &members[r.members_count++];
        struct coordinated *b = &g->members[i];
        message_defaults(&join_group_response_member_message, a);
        a->member_id = model_text(b->id);
        if (b->instance_id[0]) a->group_instance_id = model_text(b->instance_id);
        a->metadata = (struct wire_bytes){b->metadata, b->metadata_size};
    }
    c->answer(c->context, to, api_find(API_JOIN_GROUP), &r);
    to->set = false;
}

static inline void answer_sync(struct coordinator *c, struct coordinated *m, struct waiting *to, int16_t code) {
    struct sync_group_response r;
    message_defaults(&sync_group_response_message, &r);
    r.error_code = code;
    r.protocol_type = model_text("odraz");
    r.protocol_name = model_text("slices");
    if (code == 0) r.assignment = (struct wire_bytes){m->assignment, m->assignment_size};
    else r.assignment = (struct wire_bytes){(const uint8_t *)"", 0};
    c->answer(c->context, to, api_find(API_SYNC_GROUP), &r);
    to->set = false;
}

// Rebalances ---------------------------------------------------------------------------------------------------------

static inline void coordinator_remove(struct coordinator *c, struct coordinated *m) {
    struct coordinated_group *g = &c->group;
    if (m->join.set) answer_join_error(c, &m->join, KAFKA_UNKNOWN_MEMBER_ID, m->id);
    if (m->sync.set) answer_sync(c, m, &m->sync, KAFKA_UNKNOWN_MEMBER_ID);
    if (strcmp(g->leader, m->id) == 0) g->leader[0] = '\0';
    *m = g->members[--g->members_count];
    if (!g->leader[0] && g->members_count > 0) memcpy(g->leader, g->members[0].id, sizeof g->leader);
}

// completeClassicGroupJoin: dynamic members that did not come back are removed, static ones stay.
static inline void coordinator_complete_join(struct coordinator *c) {
    struct coordinated_group *g = &c->group;
    struct coordinated *joined = NULL;
    for (int32_t i = g->members_count - 1; i >= 0; i--)
        if (!g->members[i].join.set && !g->members[i].instance_id[0]) coordinator_remove(c, &g->members[i]);
    for (int32_t i = 0; i < g->members_count; i++)
        if (g->members[i].join.set && (!joined || strcmp(g->members[i].id, g->leader) == 0)) joined = &g->members[i];
    if (g->members_count > 0 && !joined) {  // static members only, none of them here
        c->phase_end_us = c->now_us + g->members[0].rebalance_ms * 1000LL;
        return;
    }
    g->generation++;
    if (!joined) {
        g->phase = PHASE_EMPTY;
        c->phase_end_us = TIMER_NEVER;
        coordinator_store(c);
        return;
    }
    memcpy(g->leader, joined->id, sizeof g->leader);
    g->phase = PHASE_COMPLETING;
    c->phase_end_us = c->now_us + joined->rebalance_ms * 1000LL;
    for (int32_t i = 0; i < g->members_count; i++) {
        struct coordinated *m = &g->members[i];
        m->synced = false;
        coordinator_keep_alive(c, m);
        if (m->join.set) answer_join(c, m, &m->join, false);
    }
}

static inline void coordinator_maybe_complete_join(struct coordinator *c) {
    if (c->group.phase != PHASE_PREPARING || c->pending_count > 0) return;
    for (int32_t i = 0; i < c->group.members_count; i++)
        if (!c->group.members[i].join.set) return;
    if (c->group.generation == 0 && c->initial_delay_us > 0) return;  // its end is the phase's
    coordinator_complete_join(c);
}

static inline void coordinator_prepare(struct coordinator *c) {
    struct coordinated_group *g = &c->group;
    int32_t rebalance_ms = 0;
    for (int32_t i = 0; i < g->members_count; i++) {
        struct coordinated *m = &g->members[i];
        if (m->rebalance_ms > rebalance_ms) rebalance_ms = m->rebalance_ms;
        if (g->phase != PHASE_COMPLETING) continue;
        m->assignment_size = 0;
        if (!m->sync.set) continue;
        answer_sync(c, m, &m->sync, KAFKA_REBALANCE_IN_PROGRESS);
        coordinator_keep_alive(c, m);
    }
    if (g->phase != PHASE_PREPARING) {
        c->phase_end_us = c->now_us + rebalance_ms * 1000LL;
        if (g->phase == PHASE_EMPTY && g->generation == 0) c->phase_end_us = c->now_us + c->initial_delay_us;
    }
    g->phase = PHASE_PREPARING;
    coordinator_maybe_complete_join(c);
}

static inline void coordinator_drop(struct coordinator *c, struct coordinated *m) {
    coordinator_remove(c, m);
    if (c->group.phase == PHASE_PREPARING) coordinator_maybe_complete_join(c);
    else coordinator_prepare(c);
}

// JoinGroup ----------------------------------------------------------------------------------------------------------

static inline void coordinator_take(struct coordinated *m, const struct join_group_request *r) {
    m->metadata_size = r->protocols[0].metadata.size;
    assert(m->metadata_size <= COORDINATOR_BYTES_MAX);
    memcpy(m->metadata, r->protocols[0].metadata.at, (size_t)m->metadata_size);
    m->session_ms = r->session_timeout_ms;
    m->rebalance_ms = r->rebalance_timeout_ms;
}

static inline bool coordinator_same_metadata(const struct coordinated *m, const struct join_group_request *r) {
    struct wire_bytes now = r->protocols[0].metadata;
    return now.size == m->metadata_size && memcmp(now.at, m->metadata, (size_t)now.size) == 0;
}

static inline void coordinator_await(struct coordinator *c, struct coordinated *m, const struct join_group_request *r,
                                     const struct waiting *from) {
    coordinator_take(m, r);
    m->join = *from;
    m->session_end_us = TIMER_NEVER;
    coordinator_prepare(c);
}

static inline void coordinator_add(struct coordinator *c, const char *id, const struct join_group_request *r,
                                   const struct waiting *from) {
    struct coordinated_group *g = &c->group;
    assert(g->members_count < COORDINATOR_MEMBERS_MAX);
    struct coordinated *m = &g->members[g->members_count++];
    *m = (struct coordinated){0};
    snprintf(m->id, sizeof m->id, "%s", id);
    model_copy(r->group_instance_id, m->instance_id, sizeof m->instance_id);
    if (!g->leader[0]) memcpy(g->leader, m->id, sizeof g->leader);
    coordinator_await(c, m, r, from);
}

// updateStaticMemberThenRebalanceOrCompleteJoin: in STABLE the newcomer silently takes the old one's place (KIP-345).
static inline void coordinator_replace(struct coordinator *c, struct coordinated *m, const char *id,
                                       const struct join_group_request *r, struct waiting *from) {
    struct coordinated_group *g = &c->group;
    if (m->join.set) answer_join_error(c, &m->join, KAFKA_FENCED_INSTANCE_ID, m->id);
    if (m->sync.set) answer_sync(c, m, &m->sync, KAFKA_FENCED_INSTANCE_ID);
    bool leads = strcmp(g->leader, m->id) == 0;
    snprintf(m->id, sizeof m->id, "%s", id);
    char old_leader[64];
    memcpy(old_leader, g->leader, sizeof old_leader);
    if (leads) memcpy(g->leader, m->id, sizeof g->leader);
    if (g->phase != PHASE_STABLE) {
        coordinator_await(c, m, r, from);
        return;
    }
    coordinator_take(m, r);
    coordinator_keep_alive(c, m);
    coordinator_store(c);
    if (from->version >= 9) {
        answer_join(c, m, from, leads);  // the leader is told to skip the assignment (KIP-814)
    } else {                             // before that it was told that its predecessor leads
        struct coordinated follower = *m;
        memcpy(g->leader, old_leader, sizeof g->leader);
        answer_join(c, &follower, from, false);
        memcpy(g->leader, leads ? m->id : old_leader, sizeof g->leader);
    }
}

static inline bool coordinator_take_pending(struct coordinator *c, const char *id) {
    for (int32_t i = 0; i < c->pending_count; i++) {
        if (strcmp(c->pending[i].id, id) != 0) continue;
        c->pending[i] = c->pending[--c->pending_count];
        return true;
    }
    return false;
}

static inline void coordinator_join_new(struct coordinator *c, const struct join_group_request *r,
                                        struct waiting *from) {
    char id[64], instance_id[32];
    model_copy(r->group_instance_id, instance_id, sizeof instance_id);
    snprintf(id, sizeof id, "%s-%d", instance_id[0] ? instance_id : "client", ++c->ids);
    struct coordinated *old = coordinator_find_instance(c, instance_id);
    if (old) {
        coordinator_replace(c, old, id, r, from);
    } else if (instance_id[0]) {
        coordinator_add(c, id, r, from);
    } else if (c->pending_count == COORDINATOR_MEMBERS_MAX) {
        answer_join_error(c, from, KAFKA_GROUP_MAX_SIZE_REACHED, "");
    } else {
        memcpy(c->pending[c->pending_count].id, id, sizeof id);
        c->pending[c->pending_count++].end_us = c->now_us + r->session_timeout_ms * 1000LL;
        answer_join_error(c, from, KAFKA_MEMBER_ID_REQUIRED, id);
    }
}

// Whether a request of a member may be served: 0 or the error code.
static inline int16_t coordinator_check(struct coordinator *c, struct wire_text id, struct wire_text instance_id,
                                        struct coordinated **m) {
    char id_text[64], instance_text[32];
    model_copy(id, id_text, sizeof id_text);
    model_copy(instance_id, instance_text, sizeof instance_text);
    *m = coordinator_find(c, id_text);
    struct coordinated *instance = coordinator_find_instance(c, instance_text);
    if (instance_text[0] && instance && instance != *m) return KAFKA_FENCED_INSTANCE_ID;
    return *m ? 0 : KAFKA_UNKNOWN_MEMBER_ID;
}

static inline void coordinator_join(struct coordinator *c, const struct join_group_request *r, struct waiting *from) {
    struct coordinated *m;
    char id[64];
    model_copy(r->member_id, id, sizeof id);
    if (!id[0]) {
        coordinator_join_new(c, r, from);
        return;
    }
    int16_t code = coordinator_check(c, r->member_id, r->group_instance_id, &m);
    if (code == KAFKA_UNKNOWN_MEMBER_ID && coordinator_take_pending(c, id)) {
        coordinator_add(c, id, r, from);
    } else if (code != 0) {
        answer_join_error(c, from, code, id);
    } else if (c->group.phase == PHASE_PREPARING || !coordinator_same_metadata(m, r) ||
               (c->group.phase == PHASE_STABLE && strcmp(c->group.leader, id) == 0)) {
        coordinator_await(c, m, r, from);
    } else {
        answer_join(c, m, from, false);
    }
}

// SyncGroup, Heartbeat, LeaveGroup -----------------------------------------------------------------------------------

static inline void coordinator_hand_out(struct coordinator *c, const struct sync_group_request *r) {
    struct coordinated_group *g = &c->group;
    for (int32_t i = 0; i < g->members_count; i++) g->members[i].assignment_size = 0;
    for (int32_t i = 0; i < r->assignments_count; i++) {
        char id[64];
        model_copy(r->assignments[i].member_id, id, sizeof id);
        struct coordinated *m = coordinator_find(c, id);
        assert(m && r->assignments[i].assignment.size <= COORDINATOR_BYTES_MAX);
        m->assignment_size = r->assignments[i].assignment.size;
        memcpy(m->assignment, r->assignments[i].assignment.at, (size_t)m->assignment_size);
    }
    g->phase = PHASE_STABLE;
    coordinator_store(c);
    for (int32_t i = 0; i < g->members_count; i++) {
        struct coordinated *m = &g->members[i];
        if (!m->sync.set) continue;
        coordinator_keep_alive(c, m);
        answer_sync(c, m, &m->sync, 0);
    }
}

static inline void coordinator_sync(struct coordinator *c, const struct sync_group_request *r, struct waiting *from) {
    struct coordinated *m;
    int16_t code = coordinator_check(c, r->member_id, r->group_instance_id, &m);
    if (code == 0 && r->generation_id != c->group.generation) code = KAFKA_ILLEGAL_GENERATION;
    if (code == 0 && c->group.phase == PHASE_PREPARING) code = KAFKA_REBALANCE_IN_PROGRESS;
    if (code != 0) {
        answer_sync(c, NULL, from, code);
    } else if (c->group.phase == PHASE_STABLE) {
        c->assignments_unasked += r->assignments_count;
        coordinator_keep_alive(c, m);
        answer_sync(c, m, from, 0);
    } else {
        m->sync = *from;
        m->synced = true;
        m->session_end_us = TIMER_NEVER;
        if (model_is(r->member_id, c->group.leader)) coordinator_hand_out(c, r);
    }
}

static inline void coordinator_heartbeat(struct coordinator *c, const struct heartbeat_request *r,
                                         struct waiting *from) {
    struct coordinated *m;
    struct heartbeat_response response;
    message_defaults(&heartbeat_response_message, &response);
    response.error_code = coordinator_check(c, r->member_id, r->group_instance_id, &m);
    if (response.error_code == 0 && r->generation_id != c->group.generation)
        response.error_code = KAFKA_ILLEGAL_GENERATION;
    if (response.error_code == 0) {
        if (!m->join.set && !m->sync.set) coordinator_keep_alive(c, m);
        if (c->group.phase == PHASE_PREPARING) response.error_code = KAFKA_REBALANCE_IN_PROGRESS;
    }
    c->answer(c->context, from, api_find(API_HEARTBEAT), &response);
}

static inline void coordinator_leave(struct coordinator *c, const struct leave_group_request *r, struct waiting *from) {
    struct coordinated *m;
    struct leave_group_response response;
    message_defaults(&leave_group_response_message, &response);
    response.error_code = coordinator_check(c, r->member_id, (struct wire_text){NULL, -1}, &m);
    c->answer(c->context, from, api_find(API_LEAVE_GROUP), &response);
    if (m) coordinator_drop(c, m);
}

// Without a committed offset's life: nobody asks for it. What counts is whether and when it is answered.
static inline void coordinator_answer_commit(struct coordinator *c, struct waiting *to, int16_t code) {
    struct offset_commit_response r;
    struct offset_commit_response_topic topic;
    struct offset_commit_response_partition partition;
    message_defaults(&offset_commit_response_message, &r);
    message_defaults(&offset_commit_response_topic_message, &topic);
    message_defaults(&offset_commit_response_partition_message, &partition);
    partition.error_code = code;
    topic.name = model_text(c->committed_topic);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    r.topics = &topic;
    r.topics_count = c->commits_unnamed ? 0 : 1;
    c->answer(c->context, to, api_find(API_OFFSET_COMMIT), &r);
}

static inline void coordinator_commit(struct coordinator *c, const struct offset_commit_request *r,
                                      struct waiting *from) {
    assert(r->topics_count == 1 && r->topics[0].partitions_count == 1);
    assert(r->topics[0].partitions[0].committed_offset == -1);
    model_copy(r->topics[0].name, c->committed_topic, sizeof c->committed_topic);
    c->commits++;
    c->commit_us = c->now_us;
    if (c->writes_nothing) return;  // replicas that do not come: no answer
    struct coordinated *m;
    int16_t code = coordinator_check(c, r->member_id, r->group_instance_id, &m);
    if (code == 0 && r->generation_id_or_member_epoch != c->group.generation) code = KAFKA_ILLEGAL_GENERATION;
    if (code == 0 && c->group.phase == PHASE_COMPLETING) code = KAFKA_REBALANCE_IN_PROGRESS;
    if (code == 0 && !m->join.set && !m->sync.set) coordinator_keep_alive(c, m);
    coordinator_answer_commit(c, from, code);
}

// Requests and time --------------------------------------------------------------------------------------------------

static inline void coordinator_greet(struct coordinator *c, struct waiting *from) {
    static const int16_t keys[] = {API_FIND_COORDINATOR, API_JOIN_GROUP, API_SYNC_GROUP, API_HEARTBEAT,
                                   API_LEAVE_GROUP, API_OFFSET_COMMIT};
    enum { COUNT = sizeof keys / sizeof *keys };
    struct api_versions_response r;
    struct api_versions_response_api_key rows[COUNT];
    message_defaults(&api_versions_response_message, &r);
    for (int i = 0; i < COUNT; i++) {
        message_defaults(&api_versions_response_api_key_message, &rows[i]);
        rows[i].api_key = keys[i];
        rows[i].max_version = api_find(keys[i])->version_max;
        if (keys[i] == API_JOIN_GROUP && c->old_brokers) rows[i].max_version = 8;
    }
    r.api_keys = rows;
    r.api_keys_count = COUNT;
    c->answer(c->context, from, api_find(API_API_VERSIONS), &r);
}

static inline void coordinator_answer_find(struct coordinator *c, struct waiting *from, int16_t code) {
    struct find_coordinator_response r;
    message_defaults(&find_coordinator_response_message, &r);
    r.error_code = code;
    r.host = model_text("coordinator");
    r.port = 9092;
    c->answer(c->context, from, api_find(API_FIND_COORDINATOR), &r);
}

// Every refusal has the same shape: an error code and nothing else.
static inline void coordinator_refuse(struct coordinator *c, struct waiting *from, int16_t key, int16_t code) {
    if (key == API_FIND_COORDINATOR) {
        coordinator_answer_find(c, from, code);
    } else if (key == API_JOIN_GROUP) {
        answer_join_error(c, from, code, "");
    } else if (key == API_SYNC_GROUP) {
        answer_sync(c, NULL, from, code);
    } else if (key == API_OFFSET_COMMIT) {
        coordinator_answer_commit(c, from, code);
    } else if (key == API_HEARTBEAT) {
        struct heartbeat_response r;
        message_defaults(&heartbeat_response_message, &r);
        r.error_code = code;
        c->answer(c->context, from, api_find(key), &r);
    } else {
        struct leave_group_response r;
        message_defaults(&leave_group_response_message, &r);
        r.error_code = code;
        c->answer(c->context, from, api_find(key), &r);
    }
}

static inline void coordinator_serve(struct coordinator *c, int16_t key, const void *request, struct waiting *from) {
    int16_t code = key == API_FIND_COORDINATOR ? c->find_refuse_with : c->refuse_with;
    if (code == 0) {
        code = c->refuse_once_with[key];
        c->refuse_once_with[key] = 0;
    }
    if (code != 0) coordinator_refuse(c, from, key, code);
    else if (key == API_FIND_COORDINATOR) coordinator_answer_find(c, from, 0);
    else if (key == API_JOIN_GROUP) coordinator_join(c, request, from);
    else if (key == API_SYNC_GROUP) coordinator_sync(c, request, from);
    else if (key == API_HEARTBEAT) coordinator_heartbeat(c, request, from);
    else if (key == API_LEAVE_GROUP) coordinator_leave(c, request, from);
    else if (key == API_OFFSET_COMMIT) coordinator_commit(c, request, from);
}

// `frame` is one request without its length prefix.
static inline void coordinator_request(struct coordinator *c, int64_t now_us, uint32_t channel, struct bytes frame) {
    c->now_us = now_us;
    struct frame_request_header header;
    size_t at, used;
    struct error e = frame_decode_request_header(frame, &header, &at);
    assert(!error_is(&e));
    const struct api *api = api_find(header.api_key);
    struct waiting from = {true, channel, header.version, header.correlation_id};
    if (header.api_key == API_API_VERSIONS) {
        coordinator_greet(c, &from);
        return;
    }
    void *request = arena_alloc(&c->arena, message_struct_size(api->request));
    e = message_decode(api->request, header.version, (struct bytes){frame.at + at, frame.size - at}, &c->arena, request,
                       &used);
    assert(!error_is(&e) && used == frame.size - at);
    coordinator_serve(c, header.api_key, request, &from);
    arena_reset(&c->arena);
}

static inline int64_t coordinator_next(const struct coordinator *c) {
    int64_t next = TIMER_NEVER;
    if (c->group.phase == PHASE_PREPARING || c->group.phase == PHASE_COMPLETING) next = c->phase_end_us;
    for (int32_t i = 0; i < c->group.members_count; i++)
        if (c->group.members[i].session_end_us < next) next = c->group.members[i].session_end_us;
    for (int32_t i = 0; i < c->pending_count; i++)
        if (c->pending[i].end_us < next) next = c->pending[i].end_us;
    return next;
}

// expirePendingSync: who joined and did not sync in time is removed.
static inline void coordinator_expire_sync(struct coordinator *c) {
    for (int32_t i = c->group.members_count - 1; i >= 0; i--)
        if (!c->group.members[i].synced) coordinator_remove(c, &c->group.members[i]);
    coordinator_prepare(c);
}

static inline void coordinator_run(struct coordinator *c, int64_t now_us) {
    c->now_us = now_us;
    for (int32_t i = c->pending_count - 1; i >= 0; i--)
        if (c->pending[i].end_us <= now_us) c->pending[i] = c->pending[--c->pending_count];
    for (int32_t i = 0; i < c->group.members_count; i++) {
        if (c->group.members[i].session_end_us > now_us) continue;
        coordinator_drop(c, &c->group.members[i]);
        i = -1;
    }
    coordinator_maybe_complete_join(c);
    if (c->phase_end_us > now_us) return;
    if (c->group.phase == PHASE_PREPARING) coordinator_complete_join(c);
    else if (c->group.phase == PHASE_COMPLETING) coordinator_expire_sync(c);
}

// Another broker takes over: what was stored counts, sessions begin anew, who waited hears nothing.
static inline void coordinator_fail_over(struct coordinator *c, int64_t now_us) {
    c->now_us = now_us;
    c->group = c->stored;
    c->pending_count = 0;
    for (int32_t i = 0; i < c->group.members_count; i++) {
        struct coordinated *m = &c->group.members[i];
        m->join.set = m->sync.set = false;
        coordinator_keep_alive(c, m);
    }
}

static inline void coordinator_init(struct coordinator *c) {
    *c = (struct coordinator){.phase_end_us = TIMER_NEVER};
    arena_init(&c->arena, 1 << 20);
}

static inline void coordinator_free(struct coordinator *c) {
    arena_free(&c->arena);
}
