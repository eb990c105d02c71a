// Fetch: sessions (KIP-227), the read, and the long poll (ReplicaManager.fetchMessages, kafka.server.DelayedFetch).
#include "broker/asked_partitions.h"
#include "broker/connection.h"
#include "broker/fetch_read.h"
#include "broker/fetch_session_cache.h"
#include "broker/handlers.h"
#include "wire/error_codes.h"

#include <assert.h>

#define READ_COMMITTED 1
#define FOLLOWERS_READ_SINCE_VERSION 11  // KIP-392: who says its rack may read from followers
#define TOPIC_IDS_SINCE_VERSION 13       // KIP-516
#define LEADER_HINT_SINCE_VERSION 16     // KIP-951

struct fetch;

// One partition that is read.
struct fetched {
    struct waiter waiter;
    struct fetch *of;
    struct wire_text topic;     // at NULL: nobody knows the id
    struct wire_uuid topic_id;  // zero where topics are named by name
    struct broker_partition *partition;
    struct session_partition *of_session;
    struct fetch_request_partition asked;
    struct fetch_response_partition answer;
    struct fetch_read read;
    int64_t waits_for;  // bytes that could be read when it was looked at last, while the request waits
    int64_t found_at;   // when it began to wait
};

struct fetch {
    struct broker_request *request;
    struct fetched *all;
    int32_t count;
    enum fetch_isolation isolation;
    bool only_leader;
    int32_t bytes_max, bytes_min;
    struct fetch_session *session;  // of an incremental fetch
    bool wants_session;
    int64_t readable;  // the sum of waits_for
};

static const struct fetch_request *body_of(const struct fetch *f) {
    return f->request->body;
}

static bool by_id(const struct fetch *f) {
    return f->request->version >= TOPIC_IDS_SINCE_VERSION;
}

// What is asked ------------------------------------------------------------------------------------------------------

static struct bytes topic_key(const struct fetch *f, struct wire_text topic, const struct wire_uuid *id) {
    return by_id(f) ? uuid_bytes(id) : text_bytes(topic);
}

static struct wire_text name_of(const struct broker_topic *t) {
    return t ? (struct wire_text){t->name, (int32_t)strlen(t->name)} : (struct wire_text){NULL, -1};
}

// A full fetch, or one without a session: what the request says, each partition once.
static void take_request(struct fetch *f) {
    const struct fetch_request *body = body_of(f);
    int32_t count = 0;
    for (int32_t i = 0; i < body->topics_count; i++) count += body->topics[i].partitions_count;
    f->all = REQUEST_ARRAY(f->request, count, struct fetched);
    struct asked_partitions *asked = asked_partitions_new(f->request, (size_t)count);
    for (int32_t i = 0; i < body->topics_count; i++) {
        const struct fetch_request_topic *t = &body->topics[i];
        struct wire_text topic =
            by_id(f) ? name_of(broker_known_topic_by_id(f->request->node, &t->topic_id)) : t->topic;
        for (int32_t j = 0; j < t->partitions_count; j++) {
            struct bytes key = topic_key(f, t->topic, &t->topic_id);
            int32_t place = asked_partitions_place(asked, key, t->partitions[j].partition, f->count);
            f->all[place] = (struct fetched){.topic = topic, .topic_id = t->topic_id, .asked = t->partitions[j]};
            if (place == f->count) f->count++;
        }
    }
}

// Names of topics in a session of ids are looked up until they are found, and then kept, whatever becomes of the topic
// (CachedPartition.maybeResolveUnknownName).
static void resolve(struct fetch *f, struct session_partition *p) {
    if (p->topic) return;
    const struct broker_topic *t = broker_known_topic_by_id(f->request->node, &p->topic_id);
    if (t) fetch_session_name(p, t->name);
}

// An incremental fetch: all that the session holds. The request's own memory keeps what an answer needs later, as
// another fetch may change the session meanwhile.
static void take_session(struct fetch *f) {
    f->all = REQUEST_ARRAY(f->request, f->session->by_name.count, struct fetched);
    for (struct link *k = list_first(&f->session->partitions); k; k = list_next(&f->session->partitions, k)) {
        struct session_partition *p = CONTAINER_OF(k, struct session_partition, link);
        resolve(f, p);
        struct fetched *one = &f->all[f->count++];
        *one = (struct fetched){.topic = {NULL, -1}, .topic_id = p->topic_id, .of_session = p, .asked = p->asked};
        if (!p->topic) continue;
        one->topic.size = (int32_t)strlen(p->topic);
        if (f->count > 1 && one[-1].topic.size == one->topic.size &&
            memcmp(one[-1].topic.at, p->topic, (size_t)one->topic.size) == 0) {
            one->topic = one[-1].topic;
            continue;
        }
        char *copy = broker_request_alloc(f->request, (size_t)one->topic.size + 1);
        one->topic.at = memcpy(copy, p->topic, (size_t)one->topic.size);
    }
}

static void update_session(struct fetch *f, struct fetch_session *session) {
    const struct fetch_request *body = body_of(f);
    for (int32_t i = 0; i < body->topics_count; i++) {
        const struct fetch_request_topic *t = &body->topics[i];
        struct bytes key = topic_key(f, t->topic, &t->topic_id);
        for (int32_t j = 0; j < t->partitions_count; j++) fetch_session_ask(session, key, &t->partitions[j]);
    }
    for (int32_t i = 0; i < body->forgotten_topics_data_count; i++) {
        const struct fetch_request_forgotten_topic *t = &body->forgotten_topics_data[i];
        struct bytes key = topic_key(f, t->topic, &t->topic_id);
        for (int32_t j = 0; j < t->partitions_count; j++) fetch_session_forget(session, key, t->partitions[j]);
    }
}

// FetchManager.newContext: 0, or what is wrong with the session.
static int16_t take_context(struct fetch *f, struct fetch_sessions *sessions) {
    const struct fetch_request *body = body_of(f);
    if (!fetch_session_id_is_valid(body->session_id)) return KAFKA_UNKNOWN_SERVER_ERROR;
    struct fetch_session *s = fetch_sessions_find(sessions, body->session_id);
    if (body->session_epoch == FETCH_EPOCH_INITIAL || body->session_epoch == FETCH_EPOCH_FINAL) {
        if (s) fetch_sessions_remove(sessions, s);
        f->wants_session = body->session_epoch == FETCH_EPOCH_INITIAL;
        take_request(f);
        return KAFKA_NONE;
    }
    if (!s) return KAFKA_FETCH_SESSION_ID_NOT_FOUND;
    if (s->epoch != body->session_epoch) return KAFKA_INVALID_FETCH_SESSION_EPOCH;
    if (s->by_id != by_id(f)) return KAFKA_FETCH_SESSION_TOPIC_ID_ERROR;
    update_session(f, s);
    if (list_empty(&s->partitions)) {
        fetch_sessions_remove(sessions, s);
        take_request(f);
        return KAFKA_NONE;
    }
    fetch_session_used(s, f->request->node->cluster->now_us);
    s->epoch = fetch_epoch_next(s->epoch);
    fetch_session_hold(s);
    f->session = s;
    take_session(f);
    return KAFKA_NONE;
}

// The read -----------------------------------------------------------------------------------------------------------

// The partition, or why there is none: such a partition comes at the end of the answer.
static void find(struct fetch *f, struct fetched *p) {
    const struct broker_node *n = f->request->node;
    p->answer.partition_index = p->asked.partition;
    struct broker_topic *t = broker_known_topic(n, p->topic);
    bool unreadable = t && t->unreadable;
    p->partition = unreadable ? NULL : broker_known_partition(n, t, p->asked.partition);
    if (p->partition) return;
    int16_t error_code = p->topic.at ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION : KAFKA_UNKNOWN_TOPIC_ID;
    fetch_refuse(&p->answer, unreadable ? KAFKA_TOPIC_AUTHORIZATION_FAILED : error_code);
    p->answer.aborted_transactions_count = 0;
}

// As KafkaApis answers consumers: what there is, what nobody knows by id, what topics have not.
static void move_unknown_back(struct fetch *f) {
    struct fetched *sorted = REQUEST_ARRAY(f->request, f->count, struct fetched);
    int32_t count = 0;
    for (int32_t i = 0; i < f->count; i++) {
        f->all[i].of = f;
        find(f, &f->all[i]);
        if (f->all[i].partition) sorted[count++] = f->all[i];
    }
    for (int32_t i = 0; i < f->count; i++)
        if (!f->all[i].partition && !f->all[i].topic.at) sorted[count++] = f->all[i];
    for (int32_t i = 0; i < f->count; i++)
        if (!f->all[i].partition && f->all[i].topic.at) sorted[count++] = f->all[i];
    f->all = sorted;
}

static struct broker_replica *replica_of(const struct fetched *p, int16_t *error_code) {
    const struct fetch *f = p->of;
    const struct broker_topic *t = p->partition->topic;
    *error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    if (t->deleted) return NULL;
    *error_code = KAFKA_INCONSISTENT_TOPIC_ID;
    if (by_id(f) && memcmp(&t->id, &p->topic_id, sizeof t->id) != 0) return NULL;
    int32_t epoch = p->asked.current_leader_epoch;  // below 0 there is none (FetchRequest.optionalEpoch)
    return broker_asked_replica(f->request->node, p->partition, epoch < 0 ? -1 : epoch, f->only_leader, error_code);
}

// Reads all partitions in their order; true when the answer should not wait (ReplicaManager.fetchMessages).
static bool read_all(struct fetch *f) {
    int64_t left = f->bytes_max, bytes = 0;
    bool at_once = body_of(f)->max_wait_ms <= 0, none = true;
    for (int32_t i = 0; i < f->count && f->all[i].partition; i++) {
        struct fetched *p = &f->all[i];
        int64_t limit = left < p->asked.partition_max_bytes ? left : p->asked.partition_max_bytes;
        const struct broker_replica *replica = replica_of(p, &p->answer.error_code);
        p->read = fetch_look(replica, &p->asked, f->isolation, (int32_t)limit, bytes == 0, &p->answer);
        bytes += p->read.size;
        left = left > p->read.size ? left - p->read.size : 0;
        at_once |= p->answer.error_code != KAFKA_NONE || p->answer.diverging_epoch.epoch >= 0;
        none = false;
    }
    return at_once || none || bytes >= f->bytes_min;
}

// The answer ---------------------------------------------------------------------------------------------------------

static void hint_leaders(struct fetch *f, struct fetch_response *response) {
    struct broker_request *r = f->request;
    struct leader_endpoints endpoints = {0};
    for (int32_t i = 0; i < f->count && f->all[i].partition && r->version >= LEADER_HINT_SINCE_VERSION; i++) {
        struct fetch_response_partition *a = &f->all[i].answer;
        if (a->error_code != KAFKA_NOT_LEADER_OR_FOLLOWER && a->error_code != KAFKA_FENCED_LEADER_EPOCH) continue;
        broker_believed_leader(r->node, f->all[i].partition, &a->current_leader.leader_id,
                               &a->current_leader.leader_epoch, &endpoints);
    }
    response->node_endpoints_count = endpoints.count;
    response->node_endpoints = REQUEST_ARRAY(r, endpoints.count, struct fetch_response_node_endpoint);
    for (int32_t i = 0; i < endpoints.count; i++) {
        response->node_endpoints[i] = (struct fetch_response_node_endpoint){
            endpoints.nodes[i], broker_host(r->node), broker_port(r->node, endpoints.nodes[i]), {NULL, -1}};
    }
}

static bool is_same_topic(const struct fetch *f, const struct fetched *a, const struct fetched *b) {
    struct bytes x = topic_key(f, a->topic, &a->topic_id), y = topic_key(f, b->topic, &b->topic_id);
    return x.size == y.size && memcmp(x.at, y.at, x.size) == 0;
}

static void put_topics(struct fetch *f, struct fetch_response *response) {
    struct fetch_response_partition *partitions = REQUEST_ARRAY(f->request, f->count, struct fetch_response_partition);
    response->responses = REQUEST_ARRAY(f->request, f->count, struct fetch_response_topic);
    const struct fetched *last = NULL;
    for (int32_t i = 0, put = 0; i < f->count; i++) {
        struct fetched *p = &f->all[i];
        fetch_fill(f->request, &p->read, p->asked.fetch_offset, &p->answer);
        if (f->session && !fetch_session_answered(f->session, p->of_session, &p->answer)) continue;
        if (!last || !is_same_topic(f, last, p)) {
            response->responses[response->responses_count++] =
                (struct fetch_response_topic){p->topic, p->topic_id, partitions + put, 0};
        }
        last = p;
        partitions[put++] = p->answer;
        response->responses[response->responses_count - 1].partitions_count++;
    }
}

static int32_t new_session(struct fetch *f) {
    struct broker_cluster *c = f->request->node->cluster;
    struct fetch_session *s = fetch_sessions_add(f->request->node->sessions, f->count, by_id(f), &c->prng, c->now_us);
    if (!s) return FETCH_SESSION_NONE;
    for (int32_t i = 0; i < f->count; i++) {
        struct fetched *p = &f->all[i];
        struct session_partition *kept = fetch_session_ask(s, topic_key(f, p->topic, &p->topic_id), &p->asked);
        if (by_id(f) && p->topic.at) fetch_session_name(kept, p->topic.at);
        kept->high_watermark = p->answer.high_watermark;
        kept->log_start = p->answer.log_start_offset;
    }
    fetch_session_used(s, c->now_us);
    return s->id;
}

// When quotas throttle, the data wait: every other fetch of a connection gets an empty answer and the time, as if who
// waited as he was told had come below his quota.
static bool is_throttled(const struct broker_request *r) {
    struct broker_connection *k = r->connection;
    k->fetch_throttled = r->node->throttle_fetch_ms > 0 && !k->fetch_throttled;
    return k->fetch_throttled;
}

static void refuse(struct broker_request *r, int16_t error_code) {
    struct fetch_response response;
    message_defaults(&fetch_response_message, &response);
    response.error_code = error_code;
    if (is_throttled(r)) response.throttle_time_ms = r->node->throttle_fetch_ms;  // FetchSession.SessionErrorContext
    broker_answer(r, &response);
}

// What an exception on a broker comes to (FetchRequest.getErrorResponse): up to version 12 the error is with each
// partition too.
static void fail(struct broker_request *r) {
    const struct fetch_request *body = r->body;
    struct fetch_response response;
    message_defaults(&fetch_response_message, &response);
    r->connection->fetch_throttled = false;
    response.error_code = KAFKA_UNKNOWN_SERVER_ERROR;
    response.session_id = body->session_id;
    int32_t count = r->version < TOPIC_IDS_SINCE_VERSION ? body->topics_count : 0;
    response.responses = REQUEST_ARRAY(r, count, struct fetch_response_topic);
    response.responses_count = count;
    for (int32_t i = 0; i < count; i++) {
        const struct fetch_request_topic *t = &body->topics[i];
        response.responses[i] = (struct fetch_response_topic){
            .topic = t->topic,
            .partitions = REQUEST_ARRAY(r, t->partitions_count, struct fetch_response_partition),
            .partitions_count = t->partitions_count};
        for (int32_t j = 0; j < t->partitions_count; j++) {
            struct fetch_response_partition *p = &response.responses[i].partitions[j];
            message_defaults(&fetch_response_partition_message, p);
            p->partition_index = t->partitions[j].partition;
            p->error_code = KAFKA_UNKNOWN_SERVER_ERROR;
            p->high_watermark = -1;
            p->records = (struct wire_bytes){NULL, 0};
        }
    }
    broker_answer(r, &response);
}

// FetchResponse.matchingTopic asks for the name of a topic whose id is zero, which nobody has: an exception where
// another partition follows in the answer. (Whose topic is not known stands at the end, and is always told.)
static bool cannot_be_answered(const struct fetch *f) {
    for (int32_t i = 0; by_id(f) && i + 1 < f->count; i++)
        if (uuid_is_zero(&f->all[i].topic_id)) return true;
    return false;
}

static void answer(struct fetch *f) {
    struct broker_request *r = f->request;
    struct fetch_response *response = broker_request_alloc(r, sizeof *response);
    message_defaults(&fetch_response_message, response);
    if (f->session) response->session_id = f->session->id;
    // Another fetch has used the session while this one waited.
    bool overtaken = f->session && f->session->epoch != fetch_epoch_next(body_of(f)->session_epoch);
    if (!overtaken && cannot_be_answered(f)) {
        if (f->session) fetch_session_release(f->session);
        fail(r);
        return;
    }
    if (overtaken) response->error_code = KAFKA_INVALID_FETCH_SESSION_EPOCH;
    hint_leaders(f, response);
    if (is_throttled(r)) {
        response->throttle_time_ms = r->node->throttle_fetch_ms;
    } else if (!overtaken) {
        put_topics(f, response);
        if (f->wants_session) response->session_id = new_session(f);
    }
    if (f->session) fetch_session_release(f->session);
    broker_answer_records(r, response, (size_t)f->count, fetch_write);
}

// The long poll ------------------------------------------------------------------------------------------------------

static void stop_waiting(struct fetch *f) {
    for (int32_t i = 0; i < f->count; i++) broker_wait_end(&f->all[i].waiter);
}

static void forget(struct broker_request *r) {
    struct fetch *f = r->parked;
    stop_waiting(f);
    if (f->session) fetch_session_release(f->session);
}

static void complete(struct fetch *f) {
    stop_waiting(f);
    read_all(f);
    answer(f);
}

static void expired(struct timer *t, int64_t now_us) {
    (void)now_us;
    struct broker_request *r = CONTAINER_OF(t, struct broker_request, timer);
    if (!broker_parked_frozen(r)) complete(r->parked);
}

// Looks at one partition again; true when the request waits no longer (DelayedFetch.tryComplete).
static bool look_again(struct fetched *p) {
    struct fetch *f = p->of;
    int16_t error_code;
    const struct broker_replica *replica = replica_of(p, &error_code);
    int64_t bytes = replica ? fetch_readable(replica, &p->asked, f->isolation, p->found_at, f->bytes_min) : -1;
    if (bytes < 0) return true;
    f->readable += bytes - p->waits_for;
    p->waits_for = bytes;
    return f->readable >= f->bytes_min;
}

static void changed(struct waiter *w) {
    struct fetched *p = CONTAINER_OF(w, struct fetched, waiter);
    if (!p->of->request->node->frozen && look_again(p)) complete(p->of);
}

static void wait(struct fetch *f) {
    for (int32_t i = 0; i < f->count && f->all[i].partition; i++) {
        struct fetched *p = &f->all[i];
        p->found_at = fetch_found_at(broker_node_replica(f->request->node, p->partition), &p->asked, f->isolation);
        if (!look_again(p)) continue;
        complete(f);
        return;
    }
    for (int32_t i = 0; i < f->count && f->all[i].partition; i++) {
        struct fetched *p = &f->all[i];
        p->waiter.ready = changed;
        broker_wait(broker_node_replica(f->request->node, p->partition), &p->waiter);
    }
    f->request->parked = f;
    broker_park_for(f->request, body_of(f)->max_wait_ms, expired, forget);
}

static struct fetch_sessions *sessions_of(struct broker_node *n) {
    if (!n->sessions) {
        int64_t slots =
            broker_setting_number(n->cluster, "max.incremental.fetch.session.cache.slots", BROKER_FETCH_SESSIONS_MAX);
        n->sessions = fetch_sessions_new(slots > 0 ? (size_t)slots : 0);
    }
    return n->sessions;
}

void handle_fetch(struct broker_request *r) {
    const struct fetch_request *body = r->body;
    struct fetch *f = broker_request_alloc(r, sizeof *f);
    int32_t replica_id = body->replica_id != -1 ? body->replica_id : body->replica_state.replica_id;
    f->request = r;
    f->isolation = body->isolation_level == READ_COMMITTED ? FETCH_COMMITTED : FETCH_HIGH_WATERMARK;
    if (replica_id != -1) f->isolation = FETCH_LOG_END;
    f->only_leader = replica_id >= 0 || (replica_id == -1 && r->version < FOLLOWERS_READ_SINCE_VERSION);
    f->bytes_max = body->max_bytes < BROKER_FETCH_BYTES_MAX ? body->max_bytes : BROKER_FETCH_BYTES_MAX;
    f->bytes_min = body->min_bytes < f->bytes_max ? body->min_bytes : f->bytes_max;
    int16_t error_code = take_context(f, sessions_of(r->node));
    if (error_code != KAFKA_NONE) {
        if (error_code == KAFKA_UNKNOWN_SERVER_ERROR) fail(r);
        else refuse(r, error_code);
        return;
    }
    move_unknown_back(f);
    bool isolated = body->isolation_level == 0 || body->isolation_level == READ_COMMITTED;
    if (f->count > 0 && f->all[0].partition && !isolated) {  // IsolationLevel.forId throws when something is to be read
        if (f->session) fetch_session_release(f->session);   // whose epoch has risen
        fail(r);
        return;
    }
    if (read_all(f)) answer(f);
    else wait(f);
}
