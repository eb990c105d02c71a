// OffsetDelete (KIP-496): offsets of topics that the group's consumers have not subscribed to.
#include "broker/asked_partitions.h"
#include "broker/groups_private.h"
#include "broker/groups_records.h"
#include "broker/handlers.h"

// ClassicGroup.validateOffsetDelete
static int16_t check_delete(const struct group *g) {
    if (!g) return KAFKA_GROUP_ID_NOT_FOUND;
    return g->state == GROUP_EMPTY || group_is_of_consumers(g) ? KAFKA_NONE : KAFKA_NON_EMPTY_GROUP;
}

static bool has_offset(const struct group *g, struct wire_text topic, int32_t partition) {
    return group_offset_find(g, topic, partition) || group_offset_is_open(g->shard, text_of(g->id), topic, partition);
}

static void delete_topic(const struct group *g, struct offset_delete_response_topic *t,
                         struct coordinator_records *records) {
    bool subscribed = group_is_subscribed(g, t->name);
    for (int32_t i = 0; i < t->partitions_count; i++) {
        struct offset_delete_response_partition *p = &t->partitions[i];
        if (p->error_code) continue;
        struct offset_record_key key = {text_of(g->id), t->name, p->partition_index};
        if (subscribed) p->error_code = KAFKA_GROUP_SUBSCRIBED_TO_TOPIC;
        else if (has_offset(g, t->name, p->partition_index)) record_put_offset_tombstone(records, &key);
    }
}

static void deleted(struct coordinator_write *w, int16_t error_code) {
    struct group_part *p = CONTAINER_OF(w, struct group_part, write);
    if (p->batch->request && error_code) {
        struct offset_delete_response *response = p->batch->response;
        response->error_code = coordinator_write_error(error_code);
        response->topics_count = 0;
    }
    group_part_end(p);
}

static void delete_turn(struct coordinator_write *w, int16_t error_code) {
    struct group_part *p = CONTAINER_OF(w, struct group_part, write);
    if (error_code || !p->batch->request) {
        deleted(w, error_code);
        return;
    }
    const struct offset_delete_request *body = p->batch->request->body;
    struct offset_delete_response *response = p->batch->response;
    const struct group *g = group_find(p->shard, body->group_id);
    error_code = check_delete(g);
    if (error_code) {
        deleted(w, error_code);
        return;
    }
    struct coordinator_records records;
    coordinator_records_init(&records);
    for (int32_t i = 0; i < response->topics_count; i++) delete_topic(g, &response->topics[i], &records);
    p->write.done = deleted;
    group_shard_write(p->shard, &records, &p->write);
}

void handle_offset_delete(struct broker_request *r) {
    const struct offset_delete_request *body = r->body;
    struct offset_delete_response *response = REQUEST_ARRAY(r, 1, struct offset_delete_response);
    response->topics = REQUEST_ARRAY(r, body->topics_count, struct offset_delete_response_topic);
    response->topics_count = 0;
    for (int32_t i = 0; i < body->topics_count; i++) {
        const struct offset_delete_request_topic *from = &body->topics[i];
        const struct broker_topic *t = broker_known_topic(r->node, from->name);
        if (t && from->partitions_count == 0) continue;  // only what is not known comes back without partitions
        struct offset_delete_response_topic *to = &response->topics[response->topics_count++];
        to->name = from->name;
        to->partitions_count = from->partitions_count;
        to->partitions = REQUEST_ARRAY(r, from->partitions_count, struct offset_delete_response_partition);
        for (int32_t k = 0; k < to->partitions_count; k++) {
            to->partitions[k].partition_index = from->partitions[k].partition_index;
            if (!broker_known_partition(r->node, t, to->partitions[k].partition_index))
                to->partitions[k].error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        }
    }
    struct group_shard *s = NULL;
    response->error_code = KAFKA_INVALID_GROUP_ID;
    if (body->group_id.size > 0) s = group_shard_find(r->node, body->group_id, &response->error_code);
    if (response->error_code) response->topics_count = 0;
    struct group_batch *batch = group_batch_begin(r, response);
    if (s) group_batch_add(batch, s, 0, delete_turn);
    group_batch_end(batch);
}
