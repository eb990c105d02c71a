// OffsetFetch: committed offsets of one group or many, all of them or some.
#include "broker/asked_partitions.h"
#include "broker/groups_private.h"
#include "broker/handlers.h"

#define GROUPS_SINCE 8  // KIP-709
#define TOPIC_IDS_SINCE 10
#define TOP_LEVEL_ERROR_SINCE 2

// The answer may wait for other groups, and what it says of this one must last.
static struct wire_text keep(struct broker_request *r, struct wire_text text) {
    size_t size = (size_t)text.size;
    return (struct wire_text){memcpy(broker_request_alloc(r, size + 1), text.at, size), text.size};
}

static void answer_partition(struct broker_request *r, const struct group_shard *s,
                             const struct offset_fetch_request_group *asked, struct wire_text topic,
                             struct offset_fetch_response_group_partition *out) {
    const struct offset_fetch_request *body = r->body;
    const struct group *g = group_find(s, asked->group_id);
    const struct group_offset *o = g ? group_offset_find(g, topic, out->partition_index) : NULL;
    out->committed_offset = out->committed_leader_epoch = -1;
    out->metadata = text_of("");
    if (body->require_stable && group_offset_is_open(s, asked->group_id, topic, out->partition_index)) {
        out->error_code = KAFKA_UNSTABLE_OFFSET_COMMIT;
    } else if (o) {
        out->committed_offset = o->offset;
        out->committed_leader_epoch = o->leader_epoch;
        out->metadata = keep(r, o->metadata);
    }
}

static void refuse_topic(struct offset_fetch_response_group_topic *out, int16_t error_code) {
    for (int32_t i = 0; i < out->partitions_count; i++) {
        struct offset_fetch_response_group_partition *p = &out->partitions[i];
        p->committed_offset = p->committed_leader_epoch = -1;
        p->metadata = text_of("");
        p->error_code = error_code;
    }
}

// Offsets of another topic of that name do not count (KIP-848).
static bool is_of_topic(const struct group_offset *o, const struct wire_uuid *id) {
    static const struct wire_uuid unknown;
    return !memcmp(&o->topic_id, &unknown, sizeof unknown) || !memcmp(&o->topic_id, id, sizeof unknown);
}

static void answer_topic(struct broker_request *r, const struct group_shard *s,
                         const struct offset_fetch_request_group *asked,
                         const struct offset_fetch_request_group_topic *from,
                         struct offset_fetch_response_group_topic *out) {
    const struct group *g = group_find(s, asked->group_id);
    bool by_id = r->version >= TOPIC_IDS_SINCE;
    const struct broker_topic *t = by_id ? broker_known_topic_by_id(r->node, &from->topic_id) : NULL;
    struct wire_text name = t ? keep(r, text_of(t->name)) : from->name;
    out->name = name;
    out->topic_id = from->topic_id;
    out->partitions_count = from->partition_indexes_count;
    out->partitions = REQUEST_ARRAY(r, out->partitions_count, struct offset_fetch_response_group_partition);
    for (int32_t i = 0; i < out->partitions_count; i++) {
        struct offset_fetch_response_group_partition *p = &out->partitions[i];
        p->partition_index = from->partition_indexes[i];
        const struct group_offset *o = g ? group_offset_find(g, name, p->partition_index) : NULL;
        bool other = by_id && o && !is_of_topic(o, &from->topic_id);
        answer_partition(r, s, asked, name, p);
        if (!other || p->error_code) continue;
        p->committed_offset = p->committed_leader_epoch = -1;
        p->metadata = text_of("");
    }
    if (by_id && !t) refuse_topic(out, KAFKA_UNKNOWN_TOPIC_ID);
}

// Topics that are not known come last.
static void answer_some(struct broker_request *r, const struct group_shard *s,
                        const struct offset_fetch_request_group *asked, struct offset_fetch_response_group *out) {
    bool by_id = r->version >= TOPIC_IDS_SINCE;
    out->topics = REQUEST_ARRAY(r, asked->topics_count, struct offset_fetch_response_group_topic);
    for (int pass = 0; pass < 2; pass++)
        for (int32_t i = 0; i < asked->topics_count; i++) {
            bool unknown = by_id && !broker_known_topic_by_id(r->node, &asked->topics[i].topic_id);
            if (unknown == pass) answer_topic(r, s, asked, &asked->topics[i], &out->topics[out->topics_count++]);
        }
}

static void answer_all(struct broker_request *r, const struct group_shard *s,
                       const struct offset_fetch_request_group *asked, struct offset_fetch_response_group *out) {
    const struct group *g = group_find(s, asked->group_id);
    if (!g) return;
    out->topics = REQUEST_ARRAY(r, g->topics.count, struct offset_fetch_response_group_topic);
    const struct group_topic_offsets *t;
    for (size_t i = 0; (t = map_next(&g->topics, &i));) {
        const struct broker_topic *known = broker_known_topic(r->node, text_of(t->name));
        if (r->version >= TOPIC_IDS_SINCE && !known) continue;
        struct offset_fetch_response_group_topic *to = &out->topics[out->topics_count++];
        to->name = keep(r, text_of(t->name));
        if (known) to->topic_id = known->id;
        to->partitions = REQUEST_ARRAY(r, t->partitions.count, struct offset_fetch_response_group_partition);
        const struct group_offset *o;
        for (size_t k = 0; (o = map_next(&t->partitions, &k));) {
            struct offset_fetch_response_group_partition *p = &to->partitions[to->partitions_count++];
            p->partition_index = o->partition;
            answer_partition(r, s, asked, to->name, p);
        }
    }
}

static void answer_group(struct broker_request *r, const struct group_shard *s,
                         const struct offset_fetch_request_group *asked, struct offset_fetch_response_group *out) {
    if (broker_request_is_full(r)) return;
    if (asked->topics_count < 0) answer_all(r, s, asked, out);
    else answer_some(r, s, asked, out);
}

// What is asked of the group at `index`: old requests ask of one, in other fields.
static struct offset_fetch_request_group group_asked(struct broker_request *r, int32_t index) {
    const struct offset_fetch_request *body = r->body;
    if (r->version >= GROUPS_SINCE) return body->groups[index];
    struct offset_fetch_request_group asked = {.group_id = body->group_id, .topics_count = body->topics_count};
    if (body->topics_count < 0) return asked;
    asked.topics = REQUEST_ARRAY(r, body->topics_count, struct offset_fetch_request_group_topic);
    for (int32_t i = 0; i < body->topics_count; i++) {
        asked.topics[i].name = body->topics[i].name;
        asked.topics[i].partition_indexes = body->topics[i].partition_indexes;
        asked.topics[i].partition_indexes_count = body->topics[i].partition_indexes_count;
    }
    return asked;
}

// OffsetFetchResponse.groupError: before there was a place for it, each partition says so.
static void refuse_group(struct broker_request *r, const struct offset_fetch_request_group *asked,
                         struct offset_fetch_response_group *out, int16_t error_code) {
    if (r->version >= TOP_LEVEL_ERROR_SINCE) {
        out->error_code = error_code;
        return;
    }
    out->topics = REQUEST_ARRAY(r, asked->topics_count, struct offset_fetch_response_group_topic);
    out->topics_count = asked->topics_count;
    for (int32_t i = 0; i < asked->topics_count; i++) {
        struct offset_fetch_response_group_topic *t = &out->topics[i];
        t->name = asked->topics[i].name;
        t->partitions_count = asked->topics[i].partition_indexes_count;
        t->partitions = REQUEST_ARRAY(r, t->partitions_count, struct offset_fetch_response_group_partition);
        for (int32_t k = 0; k < t->partitions_count; k++)
            t->partitions[k].partition_index = asked->topics[i].partition_indexes[k];
        refuse_topic(t, error_code);
    }
}

// The one group's answer, in the fields of old versions; from GROUPS_SINCE on they are not sent.
static void fill_old_fields(struct broker_request *r, struct offset_fetch_response *response) {
    const struct offset_fetch_response_group *g = &response->groups[0];
    response->error_code = g->error_code;
    response->topics = REQUEST_ARRAY(r, g->topics_count, struct offset_fetch_response_topic);
    response->topics_count = g->topics_count;
    for (int32_t i = 0; i < g->topics_count; i++) {
        const struct offset_fetch_response_group_topic *from = &g->topics[i];
        struct offset_fetch_response_topic *to = &response->topics[i];
        to->name = from->name;
        to->partitions_count = from->partitions_count;
        to->partitions = REQUEST_ARRAY(r, from->partitions_count, struct offset_fetch_response_partition);
        for (int32_t k = 0; k < from->partitions_count; k++) {
            const struct offset_fetch_response_group_partition *p = &from->partitions[k];
            to->partitions[k] =
                (struct offset_fetch_response_partition){.partition_index = p->partition_index,
                                                         .committed_offset = p->committed_offset,
                                                         .committed_leader_epoch = p->committed_leader_epoch,
                                                         .metadata = p->metadata,
                                                         .error_code = p->error_code};
        }
    }
    response->groups_count = 0;
}

// Stable offsets: when all that is in the log counts.
static void stable_turn(struct coordinator_write *w, int16_t error_code) {
    struct group_part *p = CONTAINER_OF(w, struct group_part, write);
    struct broker_request *r = p->batch->request;
    if (r) {
        struct offset_fetch_response *response = p->batch->response;
        struct offset_fetch_request_group asked = group_asked(r, p->index);
        struct offset_fetch_response_group *out = &response->groups[p->index];
        int16_t told = error_code == KAFKA_NOT_LEADER_OR_FOLLOWER || error_code == KAFKA_REQUEST_TIMED_OUT
                           ? KAFKA_NOT_COORDINATOR
                           : error_code;
        if (told) refuse_group(r, &asked, out, told);
        else answer_group(r, p->shard, &asked, out);
        if (r->version < GROUPS_SINCE) fill_old_fields(r, response);
    }
    group_part_end(p);
}

void handle_offset_fetch(struct broker_request *r) {
    const struct offset_fetch_request *body = r->body;
    int32_t count = r->version >= GROUPS_SINCE ? body->groups_count : 1;
    struct offset_fetch_response *response = REQUEST_ARRAY(r, 1, struct offset_fetch_response);
    response->groups = REQUEST_ARRAY(r, count, struct offset_fetch_response_group);
    response->groups_count = count;
    struct group_batch *batch = group_batch_begin(r, response);
    bool later = false;
    for (int32_t i = 0; i < count; i++) {
        struct offset_fetch_request_group asked = group_asked(r, i);
        struct offset_fetch_response_group *out = &response->groups[i];
        int16_t error_code;
        struct group_shard *s = group_shard_find(r->node, asked.group_id, &error_code);
        out->group_id = asked.group_id;
        if (!s) refuse_group(r, &asked, out, error_code);
        else if (body->require_stable) later = true, group_batch_add(batch, s, i, stable_turn);
        else answer_group(r, s, &asked, out);
    }
    if (r->version < GROUPS_SINCE && !later) fill_old_fields(r, response);
    group_batch_end(batch);
}
