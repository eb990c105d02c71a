// ListOffsets: by time, earliest, latest, largest timestamp, and the tiered ones as a broker without tiers answers them
// (ReplicaManager.fetchOffset, kafka.cluster.Partition.fetchOffsetForTimestamp).
#include "broker/asked_partitions.h"
#include "broker/handlers.h"
#include "wire/error_codes.h"

#define READ_COMMITTED 1
#define REPLICA_CONSUMER (-1)
#define REPLICA_DEBUGGING (-2)  // a tool: may ask followers
#define LEADER_EPOCH_SINCE_VERSION 4  // ReplicaManager.fetchOffset
#define OFFSET_NOT_AVAILABLE_SINCE_VERSION 5

enum {
    TIME_LATEST = -1,
    TIME_EARLIEST = -2,
    TIME_MAX = -3,
    TIME_EARLIEST_LOCAL = -4,
    TIME_LATEST_TIERED = -5,
    TIME_EARLIEST_PENDING_UPLOAD = -6,
};

// The first version of each (ReplicaManager.timestampMinSupportedVersion), by -time.
static const int16_t since_version[] = {
    [-TIME_LATEST] = 1,         [-TIME_EARLIEST] = 1,      [-TIME_MAX] = 7,
    [-TIME_EARLIEST_LOCAL] = 8, [-TIME_LATEST_TIERED] = 9, [-TIME_EARLIEST_PENDING_UPLOAD] = 11,
};

static bool is_supported(int64_t time, int16_t version) {
    return time >= 0 || (time >= TIME_EARLIEST_PENDING_UPLOAD && version >= since_version[-time]);
}

static struct log_time_offset earliest(const struct broker_log *l) {
    bool known = l->epochs_count > 0 && l->epochs[0].start <= l->start;
    return (struct log_time_offset){l->start, -1, known ? l->epochs[0].epoch : -1};
}

static int64_t last_fetchable(const struct list_offsets_request *body, const struct broker_log *l) {
    if (body->replica_id != REPLICA_CONSUMER) return l->end;
    return body->isolation_level == READ_COMMITTED ? broker_log_last_stable_offset(l) : l->high_watermark;
}

// After an election the high watermark may be behind what the leader before had shown: until it is known again, clients
// wait (KIP-207).
static bool is_lagging(const struct list_offsets_request *body, const struct broker_replica *replica) {
    return body->replica_id == REPLICA_CONSUMER && replica->leader == replica->node->id &&
           replica->epoch_start > replica->log.high_watermark;
}

static int16_t look_up(const struct list_offsets_request *body, const struct broker_replica *replica, int64_t time,
                       struct log_time_offset *found) {
    const struct broker_log *l = &replica->log;
    int64_t end = last_fetchable(body, l);
    bool lagging = is_lagging(body, replica);
    *found = (struct log_time_offset){-1, -1, -1};
    if (time == TIME_LATEST) {
        *found = (struct log_time_offset){end, -1, replica->leader_epoch};
        return lagging ? KAFKA_OFFSET_NOT_AVAILABLE : KAFKA_NONE;
    }
    if (time == TIME_EARLIEST || time == TIME_EARLIEST_LOCAL) {
        *found = earliest(l);
        return KAFKA_NONE;
    }
    if (time == TIME_LATEST_TIERED || time == TIME_EARLIEST_PENDING_UPLOAD) return KAFKA_NONE;
    struct log_time_offset at =
        time == TIME_MAX ? broker_log_offset_of_max_timestamp(l) : broker_log_offset_for_time(l, time);
    if (at.offset < 0 || at.offset >= end) return lagging ? KAFKA_OFFSET_NOT_AVAILABLE : KAFKA_NONE;
    *found = at;
    return KAFKA_NONE;
}

static bool isolation_is_known(const struct list_offsets_request *body) {
    return body->isolation_level == 0 || body->isolation_level == READ_COMMITTED;
}

static void answer_partition(const struct broker_request *r, const struct broker_topic *t,
                             const struct list_offsets_request_partition *asked,
                             struct list_offsets_response_partition *a) {
    const struct list_offsets_request *body = r->body;
    message_defaults(&list_offsets_response_partition_message, a);
    a->partition_index = asked->partition_index;
    if (!isolation_is_known(body)) {  // IsolationLevel.forId throws
        a->error_code = KAFKA_UNKNOWN_SERVER_ERROR;
        return;
    }
    if (!is_supported(asked->timestamp, r->version)) {
        a->error_code = KAFKA_UNSUPPORTED_VERSION;
        return;
    }
    const struct broker_partition *p = broker_known_partition(r->node, t, asked->partition_index);
    const struct broker_replica *replica = broker_asked_replica(r->node, p, asked->current_leader_epoch,
                                                                body->replica_id != REPLICA_DEBUGGING, &a->error_code);
    if (!replica) return;
    struct log_time_offset found;
    a->error_code = look_up(body, replica, asked->timestamp, &found);
    if (a->error_code == KAFKA_OFFSET_NOT_AVAILABLE && r->version < OFFSET_NOT_AVAILABLE_SINCE_VERSION) {
        a->error_code = KAFKA_LEADER_NOT_AVAILABLE;
    }
    if (a->error_code != KAFKA_NONE) return;
    a->timestamp = found.timestamp_ms;
    a->offset = found.offset;
    if (r->version >= LEADER_EPOCH_SINCE_VERSION) a->leader_epoch = found.leader_epoch;
}

static size_t partitions_in(const struct list_offsets_request *body) {
    size_t count = 0;
    for (int32_t i = 0; i < body->topics_count; i++) count += (size_t)body->topics[i].partitions_count;
    return count;
}

void handle_list_offsets(struct broker_request *r) {
    const struct list_offsets_request *body = r->body;
    struct list_offsets_response response = {.throttle_time_ms = r->node->throttle_ms};
    response.topics = REQUEST_ARRAY(r, body->topics_count, struct list_offsets_response_topic);
    size_t count = partitions_in(body);
    struct asked_partitions *asked = asked_partitions_new(r, count);
    struct list_offsets_response_partition *answers = REQUEST_ARRAY(r, count, struct list_offsets_response_partition);
    int32_t answered = 0;
    for (int32_t i = 0; i < body->topics_count; i++) {
        const struct list_offsets_request_topic *t = &body->topics[i];
        const struct broker_topic *topic = broker_known_topic(r->node, t->name);
        if (t->partitions_count == 0 && isolation_is_known(body)) continue;
        struct list_offsets_response_topic *told = &response.topics[response.topics_count++];
        *told = (struct list_offsets_response_topic){t->name, &answers[answered], 0};
        for (int32_t j = 0; j < t->partitions_count; j++) {
            int32_t index = t->partitions[j].partition_index;
            int32_t place = asked_partitions_place(asked, text_bytes(t->name), index, answered);
            if (place < answered) {  // named twice: one answer, and not the one that was wanted
                message_defaults(&list_offsets_response_partition_message, &answers[place]);
                answers[place].partition_index = index;
                answers[place].error_code = KAFKA_INVALID_REQUEST;
                continue;
            }
            answer_partition(r, topic, &t->partitions[j], &answers[answered++]);
            told->partitions_count++;
        }
    }
    broker_answer(r, &response);
}
