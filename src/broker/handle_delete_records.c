// DeleteRecords: raises the log start, and waits until the replicas that are alive have raised theirs (KIP-107;
// kafka.cluster.Partition.deleteRecordsOnLeader, org.apache.kafka.server.purgatory.DelayedDeleteRecords).
#include "broker/asked_partitions.h"
#include "broker/handlers.h"
#include "wire/error_codes.h"

#define OFFSET_HIGH_WATERMARK (-1)

struct deletion;

struct deleted {
    struct waiter waiter;
    struct deletion *of;
    struct broker_replica *replica;
    int64_t offset;    // what the low watermark must reach
    int64_t progress;  // when it was looked at last
    struct delete_records_response_partition *answer;
    bool pending;
};

struct deletion {
    struct broker_request *request;
    struct delete_records_response response;
    struct deleted *all;
    int32_t count, pending;
};

// What makes a broker look again: a higher high watermark, and a follower's fetch with another log start. That another
// broker is gone does not, nor that the leadership is, or the topic: then the time runs out.
static int64_t progress_of(const struct broker_replica *leader) {
    int64_t sum = leader->log.high_watermark;
    for (int32_t i = 0; i < leader->partition->replicas_count; i++) sum += leader->followers[i].start;
    return sum;
}

static int16_t delete_below(struct broker_replica *leader, int64_t *offset) {
    const struct broker_topic_settings *settings = broker_replica_settings(leader);
    if (settings->compact && !settings->delete) return KAFKA_POLICY_VIOLATION;
    if (*offset == OFFSET_HIGH_WATERMARK) *offset = leader->log.high_watermark;
    if (*offset < 0 || *offset > leader->log.high_watermark) return KAFKA_OFFSET_OUT_OF_RANGE;
    if (*offset > leader->log.start) {
        broker_log_delete_below(&leader->log, *offset);
        broker_replica_appended(leader);
    }
    return KAFKA_NONE;
}

static void delete_partition(struct deletion *d, const struct broker_topic *t, int64_t offset, struct deleted *one) {
    const struct broker_node *n = d->request->node;
    struct delete_records_response_partition *a = one->answer;
    const struct broker_partition *p = broker_known_partition(n, t, a->partition_index);
    a->low_watermark = -1;
    a->error_code = KAFKA_INVALID_TOPIC_EXCEPTION;
    if (p && t->internal) return;
    one->replica = broker_asked_replica(n, p, -1, true, &a->error_code);
    if (!one->replica) return;
    one->offset = offset;
    a->error_code = delete_below(one->replica, &one->offset);
    if (a->error_code != KAFKA_NONE) return;
    a->low_watermark = broker_replica_low_watermark(one->replica);
    one->pending = a->low_watermark < one->offset;
    one->progress = progress_of(one->replica);
    if (!one->pending) return;
    a->error_code = KAFKA_REQUEST_TIMED_OUT;  // until it is not
    d->pending++;
}

static void stop_waiting(struct broker_request *r) {
    struct deletion *d = r->parked;
    for (int32_t i = 0; i < d->count; i++) broker_wait_end(&d->all[i].waiter);
}

static void expired(struct timer *t, int64_t now_us) {
    (void)now_us;
    struct broker_request *r = CONTAINER_OF(t, struct broker_request, timer);
    if (broker_parked_frozen(r)) return;
    struct deletion *d = r->parked;
    stop_waiting(r);
    broker_answer(r, &d->response);
}

static void settle(struct deleted *one) {
    struct broker_replica *leader = one->replica;
    if (leader->partition->topic->deleted) {
        one->answer->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        one->answer->low_watermark = -1;
    } else if (leader->leader != leader->node->id) {
        one->answer->error_code = KAFKA_NOT_LEADER_OR_FOLLOWER;
        one->answer->low_watermark = -1;
    } else {
        int64_t low = broker_replica_low_watermark(leader);
        if (low < one->offset) return;
        one->answer->error_code = KAFKA_NONE;
        one->answer->low_watermark = low;
    }
    one->pending = false;
}

// DelayedDeleteRecords.tryComplete: whichever partition moved, all of the request are looked at.
static void changed(struct waiter *w) {
    struct deleted *one = CONTAINER_OF(w, struct deleted, waiter);
    struct deletion *d = one->of;
    const struct broker_replica *leader = one->replica;
    int64_t progress = progress_of(leader);
    if (d->request->node->frozen || leader->partition->topic->deleted || leader->leader != leader->node->id) return;
    if (progress == one->progress) return;
    one->progress = progress;
    for (int32_t i = 0; i < d->count; i++) {
        struct deleted *other = &d->all[i];
        if (!other->pending) continue;
        settle(other);
        if (other->pending) continue;
        broker_wait_end(&other->waiter);
        d->pending--;
    }
    if (d->pending == 0) broker_answer(d->request, &d->response);
}

// Each partition once, with the offset that was said last.
static void take(struct deletion *d, const struct delete_records_request *body) {
    struct broker_request *r = d->request;
    size_t count = 0;
    for (int32_t i = 0; i < body->topics_count; i++) count += (size_t)body->topics[i].partitions_count;
    d->all = REQUEST_ARRAY(r, count, struct deleted);
    struct asked_partitions *asked = asked_partitions_new(r, count);
    d->response.topics = REQUEST_ARRAY(r, body->topics_count, struct delete_records_response_topic);
    struct delete_records_response_partition *answers =
        REQUEST_ARRAY(r, count, struct delete_records_response_partition);
    for (int32_t i = 0; i < body->topics_count; i++) {
        const struct delete_records_request_topic *t = &body->topics[i];
        if (t->partitions_count == 0) continue;
        struct delete_records_response_topic *told = &d->response.topics[d->response.topics_count++];
        *told = (struct delete_records_response_topic){t->name, &answers[d->count], 0};
        for (int32_t j = 0; j < t->partitions_count; j++) {
            int32_t place =
                asked_partitions_place(asked, text_bytes(t->name), t->partitions[j].partition_index, d->count);
            d->all[place].offset = t->partitions[j].offset;
            if (place < d->count) continue;
            d->all[place].of = d;
            d->all[place].answer = &answers[d->count++];
            d->all[place].answer->partition_index = t->partitions[j].partition_index;
            told->partitions_count++;
        }
    }
}

void handle_delete_records(struct broker_request *r) {
    const struct delete_records_request *body = r->body;
    struct deletion *d = broker_request_alloc(r, sizeof *d);
    d->request = r;
    d->response.throttle_time_ms = r->node->throttle_ms;
    take(d, body);
    struct deleted *one = d->all;
    for (int32_t i = 0; i < d->response.topics_count; i++) {
        const struct delete_records_response_topic *t = &d->response.topics[i];
        const struct broker_topic *topic = broker_known_topic(r->node, t->name);
        for (int32_t j = 0; j < t->partitions_count; j++, one++) delete_partition(d, topic, one->offset, one);
    }
    if (d->pending == 0) {
        broker_answer(r, &d->response);
        return;
    }
    for (int32_t i = 0; i < d->count; i++) {
        if (!d->all[i].pending) continue;
        d->all[i].waiter.ready = changed;
        broker_wait(d->all[i].replica, &d->all[i].waiter);
    }
    r->parked = d;
    broker_park_for(r, body->timeout_ms, expired, stop_waiting);
}
