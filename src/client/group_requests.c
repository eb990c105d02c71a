// What a member of a group says to its coordinator: FindCoordinator, JoinGroup, SyncGroup, Heartbeat, LeaveGroup.
#include "client/group_private.h"

#include "base/memory.h"
#include "base/rare.h"
#include "wire/error_codes.h"
#include "wire/messages.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

static struct wire_text text(const char *at) {
    return at ? (struct wire_text){at, (int32_t)strlen(at)} : (struct wire_text){NULL, -1};
}

static bool copy_text(struct wire_text from, char *to, size_t to_size) {
    if (from.size < 0 || (size_t)from.size >= to_size || memchr(from.at, 0, (size_t)from.size)) return false;
    memcpy(to, from.at, (size_t)from.size);
    to[from.size] = '\0';
    return true;
}

static void send(struct group *g, int16_t api_key, int16_t version_max, const void *request, reply_fn reply,
                 int64_t timeout_us) {
    struct connection_call call = {.api_key = api_key,
                                   .version_max = version_max,
                                   .request = request,
                                   .reply = reply,
                                   .context = g,
                                   .timeout_us = timeout_us};
    g->sent_us = g->env->now_us;
    struct error e = connection_call(&g->connection, &call);
    if (!error_is(&e)) return;
    if (g->state == GROUP_LEAVING) group_leave_unsaid(g);
    else group_pause(g, &e, g->config.backoff_refused_us);
}

static void damaged(struct group *g, const char *where, const char *what) {
    struct error e = error_make(ERROR_PROTOCOL, 0, where, "%s:%u: %s", g->host, g->port, what);
    group_pause_longer(g, &e);
}

// The coordinator holds JoinGroup and SyncGroup back until all members have come, at most for the rebalance time-out.
static int64_t held_back_timeout_us(const struct group *g) {
    return g->config.rebalance_timeout_ms * 1000LL + g->config.request_timeout_us;
}

// FindCoordinator ---------------------------------------------------------------------------------------------------

#define FIND_COORDINATOR_OF_ONE 3  // up to here a request names one key; later ones name many (KIP-699)

static void on_coordinator(void *context, const struct error *error, const void *response, struct frame *frame) {
    struct group *g = context;
    (void)frame;
    if (error_is(error)) return;  // on_state tells
    const struct find_coordinator_response *r = response;
    if (r->error_code != 0) {
        group_refused(g, "FindCoordinator", r->error_code);
    } else if (group_claims_in_vain(g, &r->host, r->port)) {
        RARE("group: a deposed coordinator names itself");
        group_refused(g, "FindCoordinator", KAFKA_NOT_COORDINATOR);
    } else if (r->port <= 0 || r->port > UINT16_MAX || !copy_text(r->host, g->host, sizeof g->host)) {
        damaged(g, "FindCoordinator", "an address of the coordinator that cannot be");
    } else {
        g->port = (uint16_t)r->port;
        g->state = GROUP_REACHING;
        connection_close(&g->connection, false);
        timer_set(&g->env->timers, &g->timer, g->env->now_us);
    }
}

struct error group_call_find_coordinator(const struct group *g, struct connection *c, reply_fn reply, void *context,
                                         int64_t timeout_us) {
    struct find_coordinator_request request;
    message_defaults(&find_coordinator_request_message, &request);
    request.key = text(g->config.group_id);
    struct connection_call call = {.api_key = API_FIND_COORDINATOR,
                                   .version_max = FIND_COORDINATOR_OF_ONE,
                                   .request = &request,
                                   .reply = reply,
                                   .context = context,
                                   .timeout_us = timeout_us};
    return connection_call(c, &call);
}

void group_find_coordinator(struct group *g) {
    g->sent_us = g->env->now_us;
    struct error e =
        group_call_find_coordinator(g, &g->connection, on_coordinator, g, g->config.request_timeout_us);
    if (error_is(&e)) group_pause(g, &e, g->config.backoff_refused_us);
}

// SyncGroup ---------------------------------------------------------------------------------------------------------

static void on_sync(void *context, const struct error *error, const void *response, struct frame *frame) {
    struct group *g = context;
    (void)frame;
    if (error_is(error)) return;
    const struct sync_group_response *r = response;
    if (r->error_code != 0) {
        group_refused(g, "SyncGroup", r->error_code);
        return;
    }
    group_pulse_stop(g);
    g->state = GROUP_STABLE;
    g->synced = true;
    if (!group_went_well(g)) return;
    group_schedule(g);
    int32_t size = r->assignment.size > 0 ? r->assignment.size : 0;
    g->callbacks.assigned(g->context, g->generation, (struct bytes){r->assignment.at, (size_t)size});
}

static void sync(struct group *g, struct sync_group_request_assignment *assignments, int32_t count) {
    struct sync_group_request request;
    message_defaults(&sync_group_request_message, &request);
    request.group_id = text(g->config.group_id);
    request.generation_id = g->generation;
    request.member_id = text(g->member_id);
    request.group_instance_id = text(g->instance_id);
    request.protocol_type = text(g->config.protocol_type);
    request.protocol_name = text(g->config.protocol_name);
    request.assignments = assignments;
    request.assignments_count = count;
    g->state = GROUP_SYNCING;
    send(g, API_SYNC_GROUP, INT16_MAX, &request, on_sync, held_back_timeout_us(g));
}

static void lead(struct group *g, const struct join_group_response *r) {
    size_t count = (size_t)r->members_count;
    struct group_member *members = memory_alloc_zeroed(count, sizeof *members);
    struct sync_group_request_assignment *assignments = memory_alloc_zeroed(count, sizeof *assignments);
    struct buffer out;
    buffer_init(&out, GROUP_ASSIGNMENTS_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct join_group_response_member *m = &r->members[i];
        size_t size = m->metadata.size > 0 ? (size_t)m->metadata.size : 0;
        members[i] = (struct group_member){m->member_id, m->group_instance_id, {m->metadata.at, size}, 0};
    }
    g->callbacks.assign(g->context, g->generation, members, r->members_count, &out);
    assert(!out.overflowed);
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        message_defaults(&sync_group_request_assignment_message, &assignments[i]);
        assignments[i].member_id = members[i].member_id;
        assignments[i].assignment = (struct wire_bytes){out.at + at, (int32_t)members[i].assignment_size};
        at += members[i].assignment_size;
    }
    assert(at == out.size);
    sync(g, assignments, r->members_count);
    buffer_free(&out);
    memory_free(assignments);
    memory_free(members);
}

// JoinGroup ---------------------------------------------------------------------------------------------------------

// The broker chose an id and wants it back in a second JoinGroup, so that clients that never return leave no members
// behind (KIP-394).
static void take_member_id(struct group *g, const struct join_group_response *r) {
    if (g->member_id[0] || !copy_text(r->member_id, g->member_id, sizeof g->member_id) || !g->member_id[0]) {
        damaged(g, "JoinGroup", "MEMBER_ID_REQUIRED without need or id");
        return;
    }
    g->member_since_us = g->env->now_us;
    group_join(g);
}

static void on_joined(struct group *g, const struct join_group_response *r) {
    if (!copy_text(r->member_id, g->member_id, sizeof g->member_id) || !g->member_id[0]) {
        damaged(g, "JoinGroup", "a member id that cannot be");
        return;
    }
    if (g->joined_without_id) g->member_since_us = g->env->now_us;
    g->generation = r->generation_id;
    if (!group_went_well(g)) return;
    group_pulse_stop(g);   // its generation is over
    group_pulse_start(g);  // SyncGroup waits for the leader
    bool leads = wire_text_same(r->leader, r->member_id);
    log_line(&g->env->log, LOG_INFO, "joined the group", "group=%s generation=%" PRId32 " members=%" PRId32 " leads=%s",
             g->config.group_id, g->generation, r->members_count, leads ? "yes" : "no");
    // A static member that comes back as leader may be told that the assignment stands (KIP-814).
    if (!leads || r->skip_assignment) {
        sync(g, NULL, 0);
    } else if (r->members_count > GROUP_MEMBERS_MAX) {
        log_line(&g->env->log, LOG_ERROR, "too many members: no slice moves until there are fewer",
                 "group=%s members=%" PRId32 " members_max=%d", g->config.group_id, r->members_count,
                 GROUP_MEMBERS_MAX);
        sync(g, NULL, 0);
    } else {
        lead(g, r);
    }
}

static void on_join(void *context, const struct error *error, const void *response, struct frame *frame) {
    struct group *g = context;
    (void)frame;
    if (error_is(error)) return;
    const struct join_group_response *r = response;
    if (r->error_code == KAFKA_NONE) on_joined(g, r);
    else if (r->error_code == KAFKA_MEMBER_ID_REQUIRED) take_member_id(g, r);
    else group_refused(g, "JoinGroup", r->error_code);
}

void group_join(struct group *g) {
    struct buffer metadata;
    buffer_init(&metadata, GROUP_METADATA_MAX);
    g->callbacks.metadata(g->context, &metadata);
    assert(!metadata.overflowed);
    struct join_group_request_protocol protocol;
    message_defaults(&join_group_request_protocol_message, &protocol);
    protocol.name = text(g->config.protocol_name);
    protocol.metadata = (struct wire_bytes){metadata.at, (int32_t)metadata.size};
    struct join_group_request request;
    message_defaults(&join_group_request_message, &request);
    request.group_id = text(g->config.group_id);
    request.session_timeout_ms = g->config.session_timeout_ms;
    request.rebalance_timeout_ms = g->config.rebalance_timeout_ms;
    request.member_id = text(g->member_id);
    request.group_instance_id = text(g->instance_id);
    request.protocol_type = text(g->config.protocol_type);
    request.protocols = &protocol;
    request.protocols_count = 1;
    request.reason = text(g->rejoin_why);
    g->state = GROUP_JOINING;
    g->synced = false;
    g->joined_without_id = !g->member_id[0];
    g->rejoin_why = NULL;
    timer_cancel(&g->env->timers, &g->timer);
    g->joined_us = g->env->now_us;
    send(g, API_JOIN_GROUP, INT16_MAX, &request, on_join, held_back_timeout_us(g));
    if (g->state == GROUP_JOINING) group_pulse_start(g);
    buffer_free(&metadata);
}

// Heartbeat and LeaveGroup ------------------------------------------------------------------------------------------

int16_t group_heartbeat_code(const void *response) {
    const struct heartbeat_response *r = response;
    return r->error_code;
}

static void on_heartbeat(void *context, const struct error *error, const void *response, struct frame *frame) {
    struct group *g = context;
    (void)frame;
    g->in_flight = false;
    if (error_is(error) || g->state != GROUP_STABLE) return;
    int16_t code = group_heartbeat_code(response);
    if (code != 0) {
        // It keeps the session alive, and must do until the pulse begins.
        if (code == KAFKA_REBALANCE_IN_PROGRESS) group_heard_in_rebalance(g, g->sent_us);
        if (g->state == GROUP_STABLE) group_refused(g, "Heartbeat", code);
        return;
    }
    if (!group_went_well(g)) return;
    group_schedule(g);
}

struct error group_call_heartbeat(struct group *g, struct connection *c, reply_fn reply) {
    struct heartbeat_request request;
    message_defaults(&heartbeat_request_message, &request);
    request.group_id = text(g->config.group_id);
    request.generation_id = g->generation;
    request.member_id = text(g->member_id);
    request.group_instance_id = text(g->instance_id);
    struct connection_call call = {.api_key = API_HEARTBEAT,
                                   .version_max = INT16_MAX,
                                   .request = &request,
                                   .reply = reply,
                                   .context = g,
                                   .timeout_us = g->config.request_timeout_us};
    return connection_call(c, &call);
}

void group_say_heartbeat(struct group *g) {
    g->in_flight = true;
    g->sent_us = g->env->now_us;
    struct error e = group_call_heartbeat(g, &g->connection, on_heartbeat);
    if (error_is(&e)) group_pause(g, &e, g->config.backoff_refused_us);
}

#define LEAVE_GROUP_OF_ONE 2  // up to here a request names one member; later ones name many (KIP-345)

static void on_leave(void *context, const struct error *error, const void *response, struct frame *frame) {
    struct group *g = context;
    (void)frame;
    (void)response;  // whatever it says, there is nothing left to do
    if (!error_is(error)) group_off(g);
}

void group_say_leave(struct group *g) {
    struct leave_group_request request;
    message_defaults(&leave_group_request_message, &request);
    request.group_id = text(g->config.group_id);
    request.member_id = text(g->member_id);
    send(g, API_LEAVE_GROUP, LEAVE_GROUP_OF_ONE, &request, on_leave, g->config.request_timeout_us);
}
