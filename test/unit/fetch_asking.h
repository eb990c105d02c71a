// Fetches from a modelled cluster, for tests: one static world, requests put together from what matters.
#pragma once
#include "unit/broker_talk.h"

#define READ_COMMITTED 1

static struct talk t;

// Fetches of `t`-0, or of all that `topics` says.
struct asking {
    int16_t version;
    int32_t node, wait_ms, min_bytes, max_bytes, partition_bytes, session_id, session_epoch;
    int64_t offset;
    int8_t isolation;
    int32_t current_epoch, last_epoch;
    struct wire_uuid topic_id;
    struct fetch_request_topic *topics;
    int32_t topics_count;
    struct fetch_request_forgotten_topic *forgotten;
    int32_t forgotten_count;
};
#define ASKING                                                                                                         \
    ((struct asking){.version = 12,                                                                                    \
                     .node = 1,                                                                                        \
                     .min_bytes = 1,                                                                                   \
                     .max_bytes = 1 << 20,                                                                             \
                     .partition_bytes = 1 << 20,                                                                       \
                     .session_epoch = -1,                                                                              \
                     .current_epoch = -1,                                                                              \
                     .last_epoch = -1})

static inline struct fetch_request_partition partition_request(const struct asking *a, int32_t index, int64_t offset) {
    struct fetch_request_partition p;
    message_defaults(&fetch_request_partition_message, &p);
    p.partition = index;
    p.current_leader_epoch = a->current_epoch;
    p.last_fetched_epoch = a->last_epoch;
    p.fetch_offset = offset;
    p.partition_max_bytes = a->partition_bytes;
    return p;
}

static inline struct fetch_request *request(const struct asking *a) {
    struct fetch_request *r = arena_alloc(&t.arena, sizeof *r);
    struct fetch_request_topic *topic = arena_alloc(&t.arena, sizeof *topic);
    struct fetch_request_partition *partition = arena_alloc(&t.arena, sizeof *partition);
    message_defaults(&fetch_request_message, r);
    *partition = partition_request(a, 0, a->offset);
    *topic = (struct fetch_request_topic){client_text("t"), a->topic_id, partition, 1};
    r->max_wait_ms = a->wait_ms;
    r->min_bytes = a->min_bytes;
    r->max_bytes = a->max_bytes;
    r->isolation_level = a->isolation;
    r->session_id = a->session_id;
    r->session_epoch = a->session_epoch;
    r->topics = a->topics ? a->topics : topic;
    r->topics_count = a->topics ? a->topics_count : 1;
    r->forgotten_topics_data = a->forgotten;
    r->forgotten_topics_data_count = a->forgotten_count;
    return r;
}

static inline struct fetch_response *fetch(struct asking a) {
    return talk_ask(&t, a.node, API_FETCH, a.version, request(&a));
}

static inline struct fetch_response_partition *fetch_one(struct asking a) {
    struct fetch_response *r = fetch(a);
    return r && r->responses_count > 0 ? r->responses[0].partitions : NULL;
}

static inline struct produce_response_partition *append(struct bytes batch) {
    struct talk_produce how = TALK_PRODUCE;
    return talk_produce(&t, 1, &how, "t", batch);
}

static inline void open(void) {
    talk_open(&t, NULL);
    talk_topic(&t, "t", NULL);
}

static inline struct wire_uuid topic_id(const char *name) {
    struct metadata_request_topic of = {.name = client_text(name)};
    struct metadata_request r;
    message_defaults(&metadata_request_message, &r);
    r.topics = &of;
    r.topics_count = 1;
    struct metadata_response *answer = talk_ask(&t, 1, API_METADATA, 12, &r);
    return answer->topics[0].topic_id;
}

static inline int32_t epoch_now(void) {
    struct broker_truth truth;
    broker_partition_truth(t.c, "t", 0, &truth);
    return truth.leader_epoch;
}
