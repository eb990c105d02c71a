// DescribeGroups, ListGroups and DeleteGroups.
#include "broker/groups_private.h"
#include "broker/groups_records.h"
#include "broker/handlers.h"

#include <stdio.h>

#define NOT_FOUND_SINCE 6  // DescribeGroups: GROUP_ID_NOT_FOUND instead of a dead group (KIP-1043)
#define GROUP_TYPE "classic"
// Without an authorizer: READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS (AclEntry.supportedOperations).
#define GROUP_OPERATIONS (1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11)

static void describe_members(struct broker_request *r, const struct group *g,
                             struct describe_groups_response_group *out) {
    out->members = REQUEST_ARRAY(r, g->members_count, struct describe_groups_response_member);
    for (EACH_MEMBER(g, m)) {
        struct describe_groups_response_member *to = &out->members[out->members_count++];
        to->member_id = text_of(m->id);
        to->group_instance_id = text_of(m->instance_id);
        to->client_id = text_of(m->client_id);
        to->client_host = text_of(m->client_host);
        to->member_assignment = (struct wire_bytes){m->assignment, m->assignment_size};
        if (g->state == GROUP_STABLE) to->member_metadata = group_member_metadata(m, g->protocol);
    }
}

static void describe_missing(struct broker_request *r, struct wire_text id,
                             struct describe_groups_response_group *out) {
    out->group_state = text_of("Dead");
    if (r->version < NOT_FOUND_SINCE) return;
    size_t size = (size_t)id.size + sizeof "Group  not found.";
    char *message = broker_request_alloc(r, size);
    snprintf(message, size, "Group %.*s not found.", id.size, id.at);
    out->error_code = KAFKA_GROUP_ID_NOT_FOUND;
    out->error_message = text_of(message);
}

static void describe(struct broker_request *r, struct wire_text id, struct describe_groups_response_group *out) {
    const struct describe_groups_request *body = r->body;
    message_defaults(&describe_groups_response_group_message, out);
    out->group_id = id;
    const struct group_shard *s = group_shard_find(r->node, id, &out->error_code);
    if (!s) return;
    if (body->include_authorized_operations) out->authorized_operations = GROUP_OPERATIONS;
    const struct group *g = group_find(s, id);
    if (!g || !group_is_visible(g)) {
        describe_missing(r, id, out);
        if (out->error_code) out->authorized_operations = INT32_MIN;
        return;
    }
    out->group_state = text_of(group_state_name(g->state));
    out->protocol_type = text_of(g->protocol_type ? g->protocol_type : "");
    if (g->state == GROUP_STABLE) out->protocol_data = text_of(g->protocol);
    describe_members(r, g, out);
}

void handle_describe_groups(struct broker_request *r) {
    const struct describe_groups_request *body = r->body;
    struct describe_groups_response response;
    message_defaults(&describe_groups_response_message, &response);
    response.groups = REQUEST_ARRAY(r, body->groups_count, struct describe_groups_response_group);
    response.groups_count = body->groups_count;
    for (int32_t i = 0; i < body->groups_count && !broker_request_is_full(r); i++)
        describe(r, body->groups[i], &response.groups[i]);
    broker_answer(r, &response);
}

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool equal_ignoring_case(struct wire_text a, const char *b) {
    while (a.size > 0 && *a.at == ' ') a.at++, a.size--;
    while (a.size > 0 && a.at[a.size - 1] == ' ') a.size--;
    if (a.size != (int32_t)strlen(b)) return false;
    for (int32_t i = 0; i < a.size; i++)
        if (lower(a.at[i]) != lower(b[i])) return false;
    return true;
}

static bool passes(const struct wire_text *filter, int32_t count, const char *value) {
    for (int32_t i = 0; i < count; i++)
        if (equal_ignoring_case(filter[i], value)) return true;
    return count <= 0;
}

static void list_shard(const struct list_groups_request *body, struct broker_request *r, struct group_shard *s,
                       struct list_groups_response *response) {
    struct group *g;
    size_t count = s->groups.count + (size_t)response->groups_count;
    struct list_groups_response_group *grown = REQUEST_ARRAY(r, count, struct list_groups_response_group);
    if (response->groups_count) memcpy(grown, response->groups, (size_t)response->groups_count * sizeof *grown);
    response->groups = grown;
    for (size_t i = 0; (g = map_next(&s->groups, &i));) {
        if (!group_is_visible(g)) continue;
        if (!passes(body->states_filter, body->states_filter_count, group_state_name(g->state))) continue;
        if (!passes(body->types_filter, body->types_filter_count, GROUP_TYPE)) continue;
        struct list_groups_response_group *out = &response->groups[response->groups_count++];
        out->group_id = text_of(g->id);
        out->protocol_type = text_of(g->protocol_type ? g->protocol_type : "");
        out->group_state = text_of(group_state_name(g->state));
        out->group_type = text_of(GROUP_TYPE);
    }
}

void handle_list_groups(struct broker_request *r) {
    struct broker_groups *groups = r->node->cluster->groups;
    struct list_groups_response response;
    message_defaults(&list_groups_response_message, &response);
    for (int32_t p = 0; p < groups->partitions; p++) {
        struct group_shard *s = map_get_number(&groups->shards, coordinator_shard_key(r->node->id, p));
        if (!s) continue;
        if (s->shard.loading) {
            response.error_code = KAFKA_COORDINATOR_LOAD_IN_PROGRESS;
            response.groups_count = 0;
            break;
        }
        if (s->groups.count) list_shard(r->body, r, s, &response);
    }
    broker_answer(r, &response);
}

static void set_result(struct group_part *p, int16_t error_code) {
    if (!p->batch->request) return;
    struct delete_groups_response *response = p->batch->response;
    response->results[p->index].error_code = error_code;
}

static void deleted(struct coordinator_write *w, int16_t error_code) {
    struct group_part *p = CONTAINER_OF(w, struct group_part, write);
    if (error_code) set_result(p, coordinator_write_error(error_code));
    group_part_end(p);
}

static void delete_group(struct group_part *p, struct group *g) {
    struct coordinator_records records;
    coordinator_records_init(&records);
    group_offsets_delete_all(g, &records);
    record_put_group_tombstone(&records, g->id);
    group_remove(g);
    p->write.done = deleted;
    group_shard_write(p->shard, &records, &p->write);
}

// Its turn: nothing is on its way to the group any more.
static void delete_turn(struct coordinator_write *w, int16_t error_code) {
    struct group_part *p = CONTAINER_OF(w, struct group_part, write);
    if (error_code) {
        deleted(w, error_code);
        return;
    }
    if (!p->batch->request) {
        group_part_end(p);
        return;
    }
    const struct delete_groups_request *body = p->batch->request->body;
    struct group *g = group_find(p->shard, body->groups_names[p->index]);
    if (g && g->state == GROUP_EMPTY) {
        delete_group(p, g);
        return;
    }
    set_result(p, g ? KAFKA_NON_EMPTY_GROUP : KAFKA_GROUP_ID_NOT_FOUND);
    group_part_end(p);
}

void handle_delete_groups(struct broker_request *r) {
    const struct delete_groups_request *body = r->body;
    struct delete_groups_response *response = REQUEST_ARRAY(r, 1, struct delete_groups_response);
    response->results = REQUEST_ARRAY(r, body->groups_names_count, struct delete_groups_response_group);
    response->results_count = body->groups_names_count;
    struct group_batch *batch = group_batch_begin(r, response);
    for (int32_t i = 0; i < body->groups_names_count; i++) {
        response->results[i].group_id = body->groups_names[i];
        struct group_shard *s = group_shard_find(r->node, body->groups_names[i], &response->results[i].error_code);
        if (s) group_batch_add(batch, s, i, delete_turn);
    }
    group_batch_end(batch);
}
