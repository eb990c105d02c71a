// SyncGroup, Heartbeat and LeaveGroup: assignments are handed out, members stay and go.
#include "broker/groups_private.h"
#include "broker/handlers.h"

#define PROTOCOL_NAMED_SINCE 5  // SyncGroup: type and name are mandatory (KIP-559)

#define LEAVE_MANY_SINCE 3  // KIP-345

void group_answer_sync(struct group_member *m, int16_t error_code) {
    if (!m->sync) return;
    struct sync_group_response response;
    message_defaults(&sync_group_response_message, &response);
    response.error_code = error_code;
    if (!error_code) {
        response.protocol_type = text_of(m->group->protocol_type);
        response.protocol_name = text_of(m->group->protocol);
    }
    if (!error_code) response.assignment = (struct wire_bytes){m->assignment, m->assignment_size};
    coordinator_answer_slot(&m->sync, &response);
}

void group_drop_sync(struct group_member *m) {
    if (!m->sync) return;
    struct broker_request *former = m->sync;
    m->sync = NULL;
    broker_answer_nothing(former, false);
}

static void refuse_sync(struct broker_request *r, int16_t error_code) {
    struct sync_group_response response;
    message_defaults(&sync_group_response_message, &response);
    response.error_code = error_code;
    broker_answer(r, &response);
}

// The leader's assignments are written, or not.
static void assignments_done(struct coordinator_write *write, int16_t error_code) {
    struct group_member_write *w = CONTAINER_OF(write, struct group_member_write, write);
    struct group *g = group_find(w->shard, text_of(w->group));
    bool unloading = error_code == KAFKA_NOT_LEADER_OR_FOLLOWER;
    if (g && !unloading && g->state == GROUP_COMPLETING_REBALANCE && g->generation == w->generation) {
        if (error_code) {
            group_reset_assignments(g, coordinator_write_error(error_code));
            group_rebalance_or_complete(g);
        } else {
            for (EACH_MEMBER(g, m)) {
                if (!m->sync) continue;
                group_answer_sync(m, KAFKA_NONE);
                group_session_renew(m);
            }
            group_enter(g, GROUP_STABLE);
        }
    }
    group_member_write_free(w);
}

static void assign(struct group *g, const struct sync_group_request *body) {
    for (EACH_MEMBER(g, m)) {
        struct wire_bytes assignment = {NULL, 0};
        for (int32_t i = 0; i < body->assignments_count; i++)
            if (text_equal(body->assignments[i].member_id, m->id)) assignment = body->assignments[i].assignment;
        group_member_set_assignment(m, assignment);
    }
}

static bool is_inconsistent(struct wire_text asked, const char *has) {
    return asked.size >= 0 && !(has && text_equal(asked, has));
}

static int16_t check_sync(const struct group *g, const struct sync_group_request *body) {
    if (!g || g->state == GROUP_EMPTY) return KAFKA_UNKNOWN_MEMBER_ID;
    int16_t error_code = group_validate_member(g, body->member_id, body->group_instance_id);
    if (error_code) return error_code;
    if (body->generation_id != g->generation) return KAFKA_ILLEGAL_GENERATION;
    if (is_inconsistent(body->protocol_type, g->protocol_type) || is_inconsistent(body->protocol_name, g->protocol))
        return KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    return g->state == GROUP_PREPARING_REBALANCE ? KAFKA_REBALANCE_IN_PROGRESS : KAFKA_NONE;
}

void handle_sync_group(struct broker_request *r) {
    const struct sync_group_request *body = r->body;
    int16_t error_code = KAFKA_INVALID_GROUP_ID;
    struct group_shard *s = body->group_id.size > 0 ? group_shard_find(r->node, body->group_id, &error_code) : NULL;
    struct group *g = s ? group_find(s, body->group_id) : NULL;
    bool names = r->version < PROTOCOL_NAMED_SINCE || (body->protocol_type.size >= 0 && body->protocol_name.size >= 0);
    if (!names) error_code = KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    else if (s) error_code = check_sync(g, body);
    if (error_code) {
        refuse_sync(r, error_code);
        return;
    }
    struct group_member *m = group_member_find(g, body->member_id);
    group_sync_arrived(m);
    group_drop_sync(m);  // given up by its sender
    coordinator_park(r, &m->sync);
    if (g->state == GROUP_STABLE) {
        group_answer_sync(m, KAFKA_NONE);
    } else if (g->leader == m) {
        assign(g, body);
        group_write(g, &group_member_write_new(m, assignments_done)->write);
    }
}

static void refuse_heartbeat(struct broker_request *r, int16_t error_code) {
    struct heartbeat_response response;
    message_defaults(&heartbeat_response_message, &response);
    // A coordinator that loads has not forgotten the member: it is told to go on.
    response.error_code = error_code == KAFKA_COORDINATOR_LOAD_IN_PROGRESS ? KAFKA_NONE : error_code;
    broker_answer(r, &response);
}

static void fail_heartbeat(struct broker_request *r, void *response, int16_t error_code) {
    (void)response;
    refuse_heartbeat(r, error_code);
}

static int16_t check_heartbeat(const struct group *g, const struct heartbeat_request *body) {
    if (!g) return KAFKA_UNKNOWN_MEMBER_ID;
    int16_t error_code = group_validate_member(g, body->member_id, body->group_instance_id);
    if (error_code) return error_code;
    return body->generation_id != g->generation ? KAFKA_ILLEGAL_GENERATION : KAFKA_NONE;
}

void handle_heartbeat(struct broker_request *r) {
    const struct heartbeat_request *body = r->body;
    int16_t error_code = KAFKA_INVALID_GROUP_ID;
    struct group_shard *s = body->group_id.size > 0 ? group_shard_find(r->node, body->group_id, &error_code) : NULL;
    if (!s) {
        refuse_heartbeat(r, error_code);
        return;
    }
    struct group *g = group_find(s, body->group_id);
    error_code = check_heartbeat(g, body);
    if (error_code) {
        refuse_heartbeat(r, error_code);
        return;
    }
    group_session_renew(group_member_find(g, body->member_id));
    struct heartbeat_response *response = REQUEST_ARRAY(r, 1, struct heartbeat_response);
    if (g->state == GROUP_PREPARING_REBALANCE) response->error_code = KAFKA_REBALANCE_IN_PROGRESS;
    group_shard_answer(s, NULL, r, response, fail_heartbeat);
}

static void refuse_leave(struct broker_request *r, int16_t error_code) {
    struct leave_group_response response;
    message_defaults(&leave_group_response_message, &response);
    response.error_code = error_code;
    broker_answer(r, &response);
}

static void fail_leave(struct broker_request *r, void *response, int16_t error_code) {
    (void)response;
    refuse_leave(r, error_code);
}

static int16_t leave(struct group *g, const struct leave_group_request_member *who) {
    if (!g) return KAFKA_UNKNOWN_MEMBER_ID;
    struct group_member *m;
    struct group_pending_member *pending = group_pending_find(g, who->member_id);
    if (who->member_id.size == 0) {
        m = who->group_instance_id.size >= 0 ? group_static_member(g, who->group_instance_id) : NULL;
        if (!m) return KAFKA_UNKNOWN_MEMBER_ID;
    } else if (pending) {
        group_pending_remove(pending);
        return KAFKA_NONE;
    } else {
        int16_t error_code = group_validate_member(g, who->member_id, who->group_instance_id);
        if (error_code) return error_code;
        m = group_member_find(g, who->member_id);
    }
    group_member_remove(m);
    return KAFKA_NONE;
}

static void leave_all(struct broker_request *r, struct group *g, struct leave_group_response *response) {
    const struct leave_group_request *body = r->body;
    struct leave_group_request_member alone = {.member_id = body->member_id, .group_instance_id = text_of(NULL)};
    const struct leave_group_request_member *who = body->members;
    int32_t count = body->members_count;
    if (r->version < LEAVE_MANY_SINCE) {
        who = &alone;
        count = 1;
    }
    bool left = false;
    response->members = REQUEST_ARRAY(r, count, struct leave_group_response_member);
    for (int32_t i = 0; i < count; i++) {
        struct leave_group_response_member *out = &response->members[i];
        out->member_id = who[i].member_id;
        out->group_instance_id = who[i].group_instance_id;
        out->error_code = leave(g, &who[i]);
        if (!out->error_code) left = true;
    }
    response->members_count = count;
    if (left && (g->state == GROUP_STABLE || g->state == GROUP_COMPLETING_REBALANCE)) group_rebalance_or_complete(g);
    else if (left) group_complete_if_joined(g);
    if (r->version >= LEAVE_MANY_SINCE) return;
    response->error_code = response->members[0].error_code;
    response->members_count = 0;
}

void handle_leave_group(struct broker_request *r) {
    const struct leave_group_request *body = r->body;
    int16_t error_code = KAFKA_INVALID_GROUP_ID;
    struct group_shard *s = body->group_id.size > 0 ? group_shard_find(r->node, body->group_id, &error_code) : NULL;
    if (!s) {
        refuse_leave(r, error_code);
        return;
    }
    struct leave_group_response *response = REQUEST_ARRAY(r, 1, struct leave_group_response);
    message_defaults(&leave_group_response_message, response);
    leave_all(r, group_find(s, body->group_id), response);
    group_shard_answer(s, NULL, r, response, fail_leave);
}
