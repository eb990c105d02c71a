// JoinGroup: members come, are told their ids (KIP-394), replace their former selves (KIP-345), and wait for the
// others.
#include "broker/groups_private.h"

#include "base/memory.h"
#include "broker/groups_records.h"
#include "broker/handlers.h"

#include <assert.h>
#include <stdio.h>

#define MEMBER_ID_REQUIRED_SINCE 4  // JoinGroupRequest.requiresKnownMemberId
#define SKIP_ASSIGNMENT_SINCE 9     // JoinGroupRequest.supportsSkippingAssignment (KIP-814)
#define PROTOCOL_NULLABLE_SINCE 7
#define MEMBER_ID_SUFFIX_SIZE 38  // '-', a UUID and the closing zero
#define CLIENT_HOST "/127.0.0.1"  // the model's clients have no addresses

struct joining {
    struct broker_request *request;
    const struct join_group_request *body;
    struct group *group;
    struct group_protocol *protocols;  // of the body, in the request's arena
    int32_t rebalance_timeout_ms;
};

static void answer_response(struct broker_request **slot, struct join_group_response *response) {
    if ((*slot)->version < PROTOCOL_NULLABLE_SINCE && response->protocol_name.size < 0)
        response->protocol_name = text_of("");
    coordinator_answer_slot(slot, response);
}

void group_answer_join_error(struct broker_request **slot, struct wire_text member_id, int16_t error_code) {
    if (!*slot) return;
    struct join_group_response response;
    message_defaults(&join_group_response_message, &response);
    response.error_code = error_code;
    response.member_id = member_id;
    response.protocol_name = text_of(NULL);
    answer_response(slot, &response);
}

// All members, for the leader.
static void tell_members(const struct group *g, struct broker_request *request, struct join_group_response *response) {
    response->members = REQUEST_ARRAY(request, g->members_count, struct join_group_response_member);
    for (EACH_MEMBER(g, m)) {
        struct join_group_response_member *out = &response->members[response->members_count++];
        out->member_id = text_of(m->id);
        out->group_instance_id = text_of(m->instance_id);
        out->metadata = group_member_metadata(m, g->protocol);
    }
}

struct join_answer {
    struct wire_text leader;
    bool with_members, skip_assignment;
    int16_t error_code;
};

static void answer_generation(struct group_member *m, struct broker_request **slot, const struct join_answer *a) {
    if (!*slot) return;
    struct group *g = m->group;
    struct join_group_response response;
    message_defaults(&join_group_response_message, &response);
    response.error_code = a->error_code;
    response.generation_id = g->generation;
    response.protocol_type = text_of(g->protocol_type);
    response.protocol_name = text_of(g->protocol);
    response.leader = a->leader;
    response.skip_assignment = a->skip_assignment;
    response.member_id = text_of(a->error_code ? "" : m->id);
    if (a->with_members) tell_members(g, *slot, &response);
    answer_response(slot, &response);
}

void group_answer_join(struct group_member *m) {
    struct group *g = m->group;
    struct join_answer a = {.leader = text_of(g->leader->id), .with_members = g->leader == m};
    answer_generation(m, &m->join, &a);
}

static void refuse(struct broker_request *request, struct wire_text member_id, int16_t error_code) {
    group_answer_join_error(&request, member_id, error_code);
}

static bool protocols_match(const struct group_member *m, const struct joining *j) {
    if (m->protocols_count != j->body->protocols_count) return false;
    for (int32_t i = 0; i < m->protocols_count; i++) {
        const struct group_protocol *a = &m->protocols[i], *b = &j->protocols[i];
        if (strcmp(a->name, b->name) != 0 || a->metadata_size != b->metadata_size) return false;
        if (a->metadata_size && memcmp(a->metadata, b->metadata, (size_t)a->metadata_size) != 0) return false;
    }
    return true;
}

// ClassicGroup.updateMember. A JoinGroup that already waits for this member was given up by its sender.
static void update_member(struct group_member *m, const struct joining *j) {
    group_member_set_protocols(m, j->protocols, j->body->protocols_count);
    m->rebalance_timeout_ms = j->rebalance_timeout_ms;
    m->session_timeout_ms = j->body->session_timeout_ms;
    if (m->join) {
        struct broker_request *former = m->join;
        m->join = NULL;
        broker_answer_nothing(former, false);
    }
    coordinator_park(j->request, &m->join);
}

static char *make_member_id(const struct joining *j) {
    struct wire_text front = j->body->group_instance_id;
    if (front.size < 0) front = j->request->client_id;
    if (front.size < 0) front = text_of("");
    char *id = broker_request_alloc(j->request, (size_t)front.size + MEMBER_ID_SUFFIX_SIZE);
    struct prng *prng = &j->request->node->cluster->prng;
    uint64_t high = (prng_next(prng) & ~0xf000ull) | 0x4000, low = (prng_next(prng) & ~(3ull << 62)) | 2ull << 62;
    memcpy(id, front.at, (size_t)front.size);
    snprintf(id + front.size, MEMBER_ID_SUFFIX_SIZE, "-%08x-%04x-%04x-%04x-%012llx", (unsigned)(high >> 32),
             (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xffff), (unsigned)(low >> 48),
             (unsigned long long)(low & 0xffffffffffffull));
    return id;
}

static void add_member(const struct joining *j, const char *id) {
    struct group *g = j->group;
    struct group_pending_member *pending = group_pending_find(g, text_of(id));
    struct group_member *m = group_member_new(g, id, j->body->group_instance_id);
    struct wire_text client_id = j->request->client_id;
    m->client_id = memory_copy_text(client_id.at, client_id.size > 0 ? (size_t)client_id.size : 0);
    m->client_host = memory_copy_string(CLIENT_HOST);
    m->is_new = true;
    if (g->members_count == 1) {
        memory_free(g->protocol_type);
        g->protocol_type = memory_copy_text(j->body->protocol_type.at, (size_t)j->body->protocol_type.size);
    }
    if (g->state == GROUP_PREPARING_REBALANCE && g->previous_state == GROUP_EMPTY) g->new_member_added = true;
    if (!g->leader) g->leader = m;
    update_member(m, j);
    if (pending) group_pending_remove(pending);
    group_session_begin(m);
    group_rebalance_or_complete(g);
}

// The restart of a static member whose group need not rebalance goes on when its new member id is written.
static void static_join_done(struct coordinator_write *write, int16_t error_code) {
    struct group_member_write *w = CONTAINER_OF(write, struct group_member_write, write);
    struct group_member *m = group_member_write_member(w);
    if (m && m->join) {
        struct group *g = m->group;
        bool leads = g->leader == m, skips = m->join->version >= SKIP_ASSIGNMENT_SINCE;
        struct join_answer a = {.leader = text_of(skips ? g->leader->id : w->leader)};
        if (error_code) a.error_code = coordinator_write_error(error_code);
        else if (skips) a.with_members = a.skip_assignment = leads;
        answer_generation(m, &m->join, &a);
    }
    group_member_write_free(w);
}

// ClassicGroup.replaceStaticMember: the former self is fenced, and its SyncGroup still awaited.
static void replace_static_member(struct group_member *m, const char *new_id) {
    if (m->sync_awaited) m->group->former_awaited = true;
    m->sync_awaited = false;
    group_answer_join_error(&m->join, text_of(m->id), KAFKA_FENCED_INSTANCE_ID);
    group_answer_sync(m, KAFKA_FENCED_INSTANCE_ID);
    memory_free(m->id);
    m->id = memory_copy_string(new_id);
    m->is_new = false;
}

// updateStaticMemberThenRebalanceOrCompleteJoin
static void rejoin_static_member(const struct joining *j, struct group_member *m, const char *new_id) {
    struct group *g = j->group;
    char *leader = memory_copy_string(g->leader ? g->leader->id : "");
    replace_static_member(m, new_id);
    group_session_renew(m);
    update_member(m, j);
    const char *selected = g->state == GROUP_STABLE ? group_select_protocol(g) : NULL;
    if (selected && g->protocol && !strcmp(selected, g->protocol)) {
        struct group_member_write *w = group_member_write_new(m, static_join_done);
        w->leader = leader;
        group_write(g, &w->write);
        return;
    }
    memory_free(leader);
    if (g->state == GROUP_PREPARING_REBALANCE) group_complete_if_joined(g);
    else group_prepare_rebalance(g);
}

static void join_new(const struct joining *j) {
    struct group *g = j->group;
    const char *id = make_member_id(j);
    struct wire_text instance_id = j->body->group_instance_id;
    struct group_member *former = instance_id.size >= 0 ? group_static_member(g, instance_id) : NULL;
    if (former) {
        rejoin_static_member(j, former, id);
    } else if (instance_id.size < 0 && j->request->version >= MEMBER_ID_REQUIRED_SINCE) {
        group_pending_add(g, id, j->body->session_timeout_ms);
        refuse(j->request, text_of(id), KAFKA_MEMBER_ID_REQUIRED);
    } else {
        add_member(j, id);
    }
}

static void rejoin(const struct joining *j, struct group_member *m) {
    struct group *g = j->group;
    bool leads = g->leader == m;
    bool changed = !protocols_match(m, j) || (g->state == GROUP_STABLE && leads);
    if (g->state == GROUP_EMPTY) {
        refuse(j->request, j->body->member_id, KAFKA_UNKNOWN_MEMBER_ID);
    } else if (g->state == GROUP_PREPARING_REBALANCE || changed) {
        update_member(m, j);
        group_rebalance_or_complete(g);
    } else {  // did not get the answer before: the present generation
        struct broker_request *request = j->request;
        struct join_answer a = {.leader = text_of(g->leader->id), .with_members = leads};
        answer_generation(m, &request, &a);
    }
}

static void join_existing(const struct joining *j) {
    struct group *g = j->group;
    struct wire_text id = j->body->member_id;
    struct group_pending_member *pending = group_pending_find(g, id);
    if (pending && j->body->group_instance_id.size < 0) {
        add_member(j, pending->id);
        return;
    }
    if (pending) {  // IllegalStateException
        refuse(j->request, text_of(""), KAFKA_UNKNOWN_SERVER_ERROR);
        return;
    }
    int16_t error_code = group_validate_member(g, id, j->body->group_instance_id);
    if (error_code) refuse(j->request, id, error_code);
    else rejoin(j, group_member_find(g, id));
}

static bool accepts(const struct group *g, struct wire_text member_id) {
    int64_t max = g->shard->owner->size_max;
    const struct group_member *m = group_member_find(g, member_id);
    if (g->state == GROUP_EMPTY) return true;
    if (g->state == GROUP_PREPARING_REBALANCE) return (m && m->join) || group_awaiting_join(g) < max;
    return m || g->members_count < max;
}

static void remove_any(struct group *g, struct wire_text member_id) {
    struct group_pending_member *pending = group_pending_find(g, member_id);
    struct group_member *m = group_member_find(g, member_id);
    if (pending) group_pending_remove(pending);
    if (m) group_member_remove(m);
}

// classicGroupJoinToClassicGroup
static void join(struct joining *j, struct group_shard *s) {
    const struct join_group_request *body = j->body;
    bool is_unknown = body->member_id.size == 0;
    j->group = group_find(s, body->group_id);
    bool is_new = !j->group;
    if (is_new && !is_unknown) {
        refuse(j->request, body->member_id, KAFKA_UNKNOWN_MEMBER_ID);
        return;
    }
    if (is_new) j->group = group_create(s, body->group_id);
    struct group *g = j->group;
    if (!accepts(g, body->member_id)) {
        remove_any(g, body->member_id);
        refuse(j->request, text_of(""), KAFKA_GROUP_MAX_SIZE_REACHED);
    } else if (!group_supports(g, body->protocol_type, j->protocols, body->protocols_count)) {
        refuse(j->request, is_unknown ? text_of("") : body->member_id, KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    } else if (is_unknown) {
        join_new(j);
    } else {
        join_existing(j);
    }
    if (is_new) group_write_new(g);
}

static int16_t check_join(const struct broker_groups *groups, const struct join_group_request *body) {
    if (body->group_id.size <= 0) return KAFKA_INVALID_GROUP_ID;
    if (body->session_timeout_ms < groups->session_ms_min || body->session_timeout_ms > groups->session_ms_max)
        return KAFKA_INVALID_SESSION_TIMEOUT;
    return KAFKA_NONE;
}

void handle_join_group(struct broker_request *r) {
    struct joining j = {.request = r, .body = r->body};
    int16_t error_code = check_join(r->node->cluster->groups, j.body);
    if (error_code) {
        refuse(r, j.body->member_id, error_code);
        return;
    }
    struct group_shard *s = group_shard_find(r->node, j.body->group_id, &error_code);
    if (!s) {
        refuse(r, text_of(""), error_code);
        return;
    }
    j.rebalance_timeout_ms = r->version == 0 ? j.body->session_timeout_ms : j.body->rebalance_timeout_ms;
    j.protocols = REQUEST_ARRAY(r, j.body->protocols_count, struct group_protocol);
    for (int32_t i = 0; i < j.body->protocols_count; i++) {
        const struct join_group_request_protocol *p = &j.body->protocols[i];
        char *name = broker_request_alloc(r, (size_t)p->name.size + 1);
        memcpy(name, p->name.at, (size_t)p->name.size);
        j.protocols[i] = (struct group_protocol){name, (uint8_t *)p->metadata.at, p->metadata.size};
    }
    join(&j, s);
}
