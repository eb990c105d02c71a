// OffsetCommit and TxnOffsetCommit: who may commit, and what is written.
#include "broker/asked_partitions.h"
#include "broker/groups_private.h"
#include "broker/groups_records.h"
#include "broker/handlers.h"
#include "broker/transactions.h"

#define NOT_FOUND_SINCE 9      // OffsetCommit: GROUP_ID_NOT_FOUND instead of ILLEGAL_GENERATION
#define TOPIC_IDS_SINCE 10     // OffsetCommit
#define LOADING_KNOWN_SINCE 2  // TxnOffsetCommit: older producers fail on COORDINATOR_LOAD_IN_PROGRESS (KAFKA-7296)
#define ABORTABLE_SINCE 4      // TxnOffsetCommit: knows TRANSACTION_ABORTABLE (KIP-890)
#define ADDS_SINCE 5           // TxnOffsetCommit: adds its partition to the transaction (KIP-890)

// What both requests ask for. Partitions that are refused before the coordinator sees them are answered first.
struct offset_asked {
    int32_t index;
    int64_t offset;
    int32_t leader_epoch;
    struct wire_text metadata;
    int16_t error_code;
    bool refused;
};
struct topic_asked {
    struct wire_text name;
    struct wire_uuid id;
    struct offset_asked *partitions;
    int32_t count, refused;
    bool known;
};
struct commit {
    struct broker_request *request;
    struct wire_text group_id, member_id, instance_id;
    int32_t generation;
    int64_t retention_ms;                    // -1: the broker's
    const struct append_producer *producer;  // NULL: not transactional
    struct topic_asked *topics;
    int32_t count;
};

static void refuse_partition(struct topic_asked *t, struct offset_asked *p, int16_t error_code) {
    p->error_code = error_code;
    p->refused = true;
    t->refused++;
}

// KafkaApis: what the node's metadata knows goes on to the coordinator.
static void look_up(const struct commit *c, struct topic_asked *t, bool by_id) {
    const struct broker_node *n = c->request->node;
    struct broker_topic *topic = by_id ? broker_known_topic_by_id(n, &t->id) : broker_known_topic(n, t->name);
    t->known = topic != NULL;
    if (topic && by_id) t->name = text_of(topic->name);
    if (topic && !c->producer) t->id = topic->id;
    bool unreadable = topic && topic->unreadable;
    int16_t error_code = by_id && !topic ? KAFKA_UNKNOWN_TOPIC_ID : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    if (unreadable) error_code = KAFKA_TOPIC_AUTHORIZATION_FAILED;
    for (int32_t i = 0; i < t->count; i++)
        if (unreadable || !broker_known_partition(n, topic, t->partitions[i].index))
            refuse_partition(t, &t->partitions[i], error_code);
}

// OffsetCommitResponse.Builder: topics with refused partitions come first, and those partitions first in them.
static void order_partitions(struct broker_request *r, struct topic_asked *t) {
    if (!t->refused || t->refused == t->count) return;
    struct offset_asked *ordered = REQUEST_ARRAY(r, t->count, struct offset_asked);
    int32_t count = 0;
    for (int pass = 1; pass >= 0; pass--)
        for (int32_t i = 0; i < t->count; i++)
            if (t->partitions[i].refused == pass) ordered[count++] = t->partitions[i];
    t->partitions = ordered;
}

static void order_topics(struct commit *c) {
    struct topic_asked *ordered = REQUEST_ARRAY(c->request, c->count, struct topic_asked);
    int32_t count = 0;
    for (int pass = 1; pass >= 0; pass--)
        for (int32_t i = 0; i < c->count; i++)
            if ((c->topics[i].refused > 0) == pass) ordered[count++] = c->topics[i];
    c->topics = ordered;
    for (int32_t i = 0; i < count; i++) order_partitions(c->request, &c->topics[i]);
}

static bool all_refused(const struct commit *c) {
    for (int32_t i = 0; i < c->count; i++)
        if (c->topics[i].refused < c->topics[i].count) return false;
    return true;
}

// ClassicGroup.validateOffsetCommit, and what OffsetMetadataManager makes of a missing group. Rejoining is not needed
// to commit while the group prepares a rebalance.
static int16_t check_commit(const struct commit *c, const struct group *g) {
    if (!g && c->generation < 0) return KAFKA_NONE;
    if (!g)
        return !c->producer && c->request->version >= NOT_FOUND_SINCE ? KAFKA_GROUP_ID_NOT_FOUND
                                                                      : KAFKA_ILLEGAL_GENERATION;
    if (c->generation < 0 && g->state == GROUP_EMPTY) return KAFKA_NONE;
    if (c->generation >= 0 || c->member_id.size > 0 || c->instance_id.size >= 0) {
        int16_t error_code = group_validate_member(g, c->member_id, c->instance_id);
        if (error_code) return error_code;
        if (c->generation != g->generation) return KAFKA_ILLEGAL_GENERATION;
    } else if (!c->producer && g->state != GROUP_EMPTY) {
        return KAFKA_UNKNOWN_MEMBER_ID;
    }
    if (!c->producer && g->state == GROUP_COMPLETING_REBALANCE) return KAFKA_REBALANCE_IN_PROGRESS;
    return KAFKA_NONE;
}

// Length in UTF-16 units, as String.length() counts.
static int32_t utf16_length(struct wire_text text) {
    int32_t length = 0;
    for (int32_t i = 0; i < text.size; i++) {
        uint8_t byte = (uint8_t)text.at[i];
        length += (byte & 0xc0) != 0x80;  // not a continuation
        length += byte >= 0xf0;           // a surrogate pair
    }
    return length;
}

static void put_records(const struct commit *c, const struct group_shard *s, struct coordinator_records *records) {
    int64_t now_ms = s->shard.cluster->wall_ms;
    for (int32_t i = 0; i < c->count; i++) {
        const struct topic_asked *t = &c->topics[i];
        for (int32_t k = t->refused; k < t->count; k++) {
            struct offset_asked *p = &t->partitions[k];
            if (utf16_length(p->metadata) > s->owner->metadata_size_max) {
                p->error_code = KAFKA_OFFSET_METADATA_TOO_LARGE;
                continue;
            }
            struct offset_record_key key = {c->group_id, t->name, p->index};
            struct group_offset o = {
                .offset = p->offset, .leader_epoch = p->leader_epoch, .metadata = p->metadata, .commit_ms = now_ms};
            o.expire_ms = c->retention_ms < 0 ? -1 : now_ms + c->retention_ms;
            if (!c->producer) o.topic_id = t->id;
            record_put_offset(records, &key, &o);
        }
    }
}

// Fills the records that are to be written; an error is for all partitions that were not refused.
static int16_t commit_offsets(const struct commit *c, struct group_shard *s, struct coordinator_records *records) {
    struct group *g = group_find(s, c->group_id);
    int16_t error_code = check_commit(c, g);
    if (error_code) return error_code;
    if (!g) group_create(s, c->group_id);
    if (g && !c->producer && (g->state == GROUP_STABLE || g->state == GROUP_PREPARING_REBALANCE)) {
        struct group_member *m = group_member_find(g, c->member_id);
        if (m) group_session_renew(m);
    }
    put_records(c, s, records);
    return KAFKA_NONE;
}

static void set_errors(const struct commit *c, int16_t error_code) {
    for (int32_t i = 0; i < c->count; i++)
        for (int32_t k = c->topics[i].refused; k < c->topics[i].count; k++)
            c->topics[i].partitions[k].error_code = error_code;
}

// A failed write takes what the coordinator had let pass.
static bool fails_with_write(int16_t error_code) {
    return !error_code || error_code == KAFKA_OFFSET_METADATA_TOO_LARGE;
}

static struct offset_commit_response *commit_response(const struct commit *c) {
    struct offset_commit_response *response = REQUEST_ARRAY(c->request, 1, struct offset_commit_response);
    response->topics = REQUEST_ARRAY(c->request, c->count, struct offset_commit_response_topic);
    for (int32_t i = 0; i < c->count; i++) {
        const struct topic_asked *t = &c->topics[i];
        if (t->count == 0 && t->known) continue;
        struct offset_commit_response_topic *to = &response->topics[response->topics_count++];
        *to = (struct offset_commit_response_topic){.name = t->name, .topic_id = t->id, .partitions_count = t->count};
        to->partitions = REQUEST_ARRAY(c->request, t->count, struct offset_commit_response_partition);
        for (int32_t k = 0; k < t->count; k++) {
            to->partitions[k].partition_index = t->partitions[k].index;
            to->partitions[k].error_code = t->partitions[k].error_code;
        }
    }
    return response;
}

static void fail_commit(struct broker_request *r, void *context, int16_t error_code) {
    struct offset_commit_response *response = context;
    for (int32_t i = 0; i < response->topics_count; i++)
        for (int32_t k = 0; k < response->topics[i].partitions_count; k++) {
            int16_t *code = &response->topics[i].partitions[k].error_code;
            if (fails_with_write(*code)) *code = error_code;
        }
    broker_answer(r, response);
}

static void read_commit(struct commit *c, const struct offset_commit_request *body) {
    c->topics = REQUEST_ARRAY(c->request, body->topics_count, struct topic_asked);
    c->count = body->topics_count;
    for (int32_t i = 0; i < c->count; i++) {
        const struct offset_commit_request_topic *from = &body->topics[i];
        struct topic_asked *t = &c->topics[i];
        *t = (struct topic_asked){.name = from->name, .id = from->topic_id, .count = from->partitions_count};
        t->partitions = REQUEST_ARRAY(c->request, t->count, struct offset_asked);
        for (int32_t k = 0; k < t->count; k++) {
            const struct offset_commit_request_partition *p = &from->partitions[k];
            t->partitions[k] = (struct offset_asked){.index = p->partition_index,
                                                     .offset = p->committed_offset,
                                                     .leader_epoch = p->committed_leader_epoch,
                                                     .metadata = p->committed_metadata};
        }
        look_up(c, t, c->request->version >= TOPIC_IDS_SINCE);
    }
    order_topics(c);
}

void handle_offset_commit(struct broker_request *r) {
    const struct offset_commit_request *body = r->body;
    struct commit c = {.request = r,
                       .group_id = body->group_id,
                       .member_id = body->member_id,
                       .instance_id = body->group_instance_id,
                       .generation = body->generation_id_or_member_epoch,
                       .retention_ms = body->retention_time_ms};
    read_commit(&c, body);
    int16_t error_code = KAFKA_NONE;
    struct group_shard *s = all_refused(&c) ? NULL : group_shard_find(r->node, c.group_id, &error_code);
    struct coordinator_records records;
    coordinator_records_init(&records);
    if (s) error_code = commit_offsets(&c, s, &records);
    if (error_code) set_errors(&c, error_code);
    struct offset_commit_response *response = commit_response(&c);
    if (s) group_shard_answer(s, &records, r, response, fail_commit);
    else broker_answer(r, response);
    coordinator_records_free(&records);
}

static void answer_transactional(struct broker_request *r, struct txn_offset_commit_response *response) {
    for (int32_t i = 0; r->version < LOADING_KNOWN_SINCE && i < response->topics_count; i++)
        for (int32_t k = 0; k < response->topics[i].partitions_count; k++) {
            int16_t *code = &response->topics[i].partitions[k].error_code;
            if (*code == KAFKA_COORDINATOR_LOAD_IN_PROGRESS) *code = KAFKA_COORDINATOR_NOT_AVAILABLE;
        }
    broker_answer(r, response);
}

static struct txn_offset_commit_response *transactional_response(const struct commit *c) {
    struct txn_offset_commit_response *response = REQUEST_ARRAY(c->request, 1, struct txn_offset_commit_response);
    response->topics = REQUEST_ARRAY(c->request, c->count, struct txn_offset_commit_response_topic);
    for (int32_t i = 0; i < c->count; i++) {
        const struct topic_asked *t = &c->topics[i];
        if (t->count == 0 && t->known) continue;
        struct txn_offset_commit_response_topic *to = &response->topics[response->topics_count++];
        *to = (struct txn_offset_commit_response_topic){.name = t->name, .partitions_count = t->count};
        to->partitions = REQUEST_ARRAY(c->request, t->count, struct txn_offset_commit_response_partition);
        for (int32_t k = 0; k < t->count; k++) {
            to->partitions[k].partition_index = t->partitions[k].index;
            to->partitions[k].error_code = t->partitions[k].error_code;
        }
    }
    return response;
}

static void fail_transactional(struct broker_request *r, void *context, int16_t error_code) {
    struct txn_offset_commit_response *response = context;
    for (int32_t i = 0; i < response->topics_count; i++)
        for (int32_t k = 0; k < response->topics[i].partitions_count; k++) {
            int16_t *code = &response->topics[i].partitions[k].error_code;
            if (fails_with_write(*code)) *code = error_code;
        }
    answer_transactional(r, response);
}

static void read_transactional(struct commit *c, const struct txn_offset_commit_request *body) {
    c->topics = REQUEST_ARRAY(c->request, body->topics_count, struct topic_asked);
    c->count = body->topics_count;
    for (int32_t i = 0; i < c->count; i++) {
        const struct txn_offset_commit_request_topic *from = &body->topics[i];
        struct topic_asked *t = &c->topics[i];
        *t = (struct topic_asked){.name = from->name, .count = from->partitions_count};
        t->partitions = REQUEST_ARRAY(c->request, t->count, struct offset_asked);
        for (int32_t k = 0; k < t->count; k++) {
            const struct txn_offset_commit_request_partition *p = &from->partitions[k];
            t->partitions[k] = (struct offset_asked){.index = p->partition_index,
                                                     .offset = p->committed_offset,
                                                     .leader_epoch = p->committed_leader_epoch,
                                                     .metadata = p->committed_metadata};
        }
        look_up(c, t, false);
    }
    order_topics(c);
}

static void finish_transactional(struct commit *c, struct group_shard *s, int16_t error_code) {
    struct coordinator_records records;
    coordinator_records_init(&records);
    if (s && !error_code) error_code = commit_offsets(c, s, &records);
    if (error_code) set_errors(c, error_code);
    struct txn_offset_commit_response *response = transactional_response(c);
    if (s && !error_code) group_shard_answer_of(s, &records, c->producer, c->request, response, fail_transactional);
    else answer_transactional(c->request, response);
    coordinator_records_free(&records);
}

static void added(struct broker_request *r, struct transaction_addition *a) {
    int16_t error_code = coordinator_write_error(a->error_codes[0]);
    struct commit *c = a->context;
    struct group_shard *s = NULL;  // it may have gone meanwhile
    if (!error_code) s = group_shard_find(r->node, c->group_id, &error_code);
    finish_transactional(c, s, error_code);
}

// KIP-890: the offsets' partition must be part of the transaction, or becomes it.
static void claim_and_finish(struct commit *c, struct group_shard *s) {
    struct broker_request *r = c->request;
    const struct txn_offset_commit_request *body = r->body;
    struct broker_partition *partition = s->shard.replica->partition;
    const struct producer_state *state = producer_states_find(&s->shard.replica->log.producers, c->producer->id);
    if (state && c->producer->epoch < state->epoch) {
        finish_transactional(c, s, KAFKA_INVALID_PRODUCER_EPOCH);
    } else if (producer_states_is_open(&s->shard.replica->log.producers, c->producer->id, c->producer->epoch)) {
        finish_transactional(c, s, KAFKA_NONE);
    } else if (r->version >= ADDS_SINCE) {
        struct transaction_addition *a = REQUEST_ARRAY(r, 1, struct transaction_addition);
        *a = (struct transaction_addition){.transactional_id = body->transactional_id,
                                           .producer = *c->producer,
                                           .partitions = REQUEST_ARRAY(r, 1, struct broker_partition *),
                                           .error_codes = REQUEST_ARRAY(r, 1, int16_t),
                                           .count = 1,
                                           .context = c,
                                           .done = added};
        a->partitions[0] = partition;
        broker_transactions_add(r, a);
    } else {
        struct transaction_claim claim = {body->transactional_id, *c->producer, partition};
        int16_t error_code = broker_transactions_verify(s->shard.cluster, &claim, r->version >= ABORTABLE_SINCE);
        finish_transactional(c, s, coordinator_write_error(error_code));
    }
}

void handle_txn_offset_commit(struct broker_request *r) {
    const struct txn_offset_commit_request *body = r->body;
    struct append_producer *producer = REQUEST_ARRAY(r, 1, struct append_producer);
    struct commit *c = REQUEST_ARRAY(r, 1, struct commit);
    *producer = (struct append_producer){body->producer_id, body->producer_epoch};
    *c = (struct commit){.request = r,
                         .group_id = body->group_id,
                         .member_id = body->member_id,
                         .instance_id = body->group_instance_id,
                         .generation = body->generation_id,
                         .retention_ms = -1,
                         .producer = producer};
    read_transactional(c, body);
    int16_t error_code = c->group_id.size > 0 ? KAFKA_NONE : KAFKA_INVALID_GROUP_ID;
    struct group_shard *s = NULL;
    if (!error_code && !all_refused(c)) s = group_shard_find(r->node, c->group_id, &error_code);
    if (s) claim_and_finish(c, s);
    else finish_transactional(c, NULL, error_code);
}
