// Fetch sessions of one node: see fetch_session_cache.h.
#include "broker/fetch_session_cache.h"

#include "base/limits.h"
#include "base/memory.h"
#include "wire/error_codes.h"

#include <assert.h>

#define EVICTION_US 120000000  // min.incremental.fetch.session.eviction.ms

struct fetch_sessions {
    struct map by_id;
    size_t count_max;
};

struct fetch_sessions *fetch_sessions_new(size_t sessions_max) {
    struct fetch_sessions *s = NEW(struct fetch_sessions);
    map_init(&s->by_id);
    s->count_max = sessions_max;
    return s;
}

void fetch_sessions_clear(struct fetch_sessions *s) {
    struct fetch_session *session;
    if (!s) return;
    for (size_t i = 0; (session = map_next(&s->by_id, &i)); i = 0) fetch_sessions_remove(s, session);
}

void fetch_sessions_free(struct fetch_sessions *s) {
    if (!s) return;
    fetch_sessions_clear(s);
    map_free(&s->by_id);
    memory_free(s);
}

struct fetch_session *fetch_sessions_find(const struct fetch_sessions *s, int32_t id) {
    return map_get_number(&s->by_id, (uint32_t)id);
}

void fetch_sessions_remove(struct fetch_sessions *s, struct fetch_session *session) {
    assert(session->cached);
    map_remove_number(&s->by_id, (uint32_t)session->id);
    session->cached = false;
    fetch_session_release(session);
}

static bool is_worth_less(int32_t size, int32_t id, const struct fetch_session *than) {
    return size != than->evictable_size ? size < than->evictable_size : id < than->id;
}

// FetchSessionCacheShard.tryEvict: one that is stale, else the smallest of those that have lived long enough, unless
// the new one would be smaller.
static bool evict(struct fetch_sessions *s, int32_t size, int64_t now_us) {
    struct fetch_session *stale = NULL, *smallest = NULL, *session;
    for (size_t i = 0; (session = map_next(&s->by_id, &i));) {
        if (!stale || session->used_us < stale->used_us) stale = session;
        if (!session->evictable) continue;
        if (!smallest || is_worth_less(session->evictable_size, session->id, smallest)) smallest = session;
    }
    if (stale && now_us - stale->used_us > EVICTION_US) {
        fetch_sessions_remove(s, stale);
        return true;
    }
    if (!smallest || is_worth_less(size, 0, smallest)) return false;
    fetch_sessions_remove(s, smallest);
    return true;
}

struct fetch_session *fetch_sessions_add(struct fetch_sessions *s, int32_t size, bool by_id, struct prng *prng,
                                         int64_t now_us) {
    if (s->by_id.count >= s->count_max && !evict(s, size, now_us)) return NULL;
    struct fetch_session *session = NEW(struct fetch_session);
    do {
        session->id = (int32_t)prng_between(prng, 1, INT32_MAX);
    } while (!fetch_session_id_is_valid(session->id) || fetch_sessions_find(s, session->id));
    session->epoch = fetch_epoch_next(FETCH_EPOCH_INITIAL);
    session->by_id = by_id;
    session->cached = true;
    session->references = 1;
    session->created_us = now_us;
    list_init(&session->partitions);
    map_init(&session->by_name);
    map_put_number(&s->by_id, (uint32_t)session->id, session);
    return session;
}

void fetch_session_used(struct fetch_session *session, int64_t now_us) {
    session->used_us = now_us;
    session->evictable_size = (int32_t)session->by_name.count;
    session->evictable = now_us - session->created_us > EVICTION_US;
}

void fetch_session_hold(struct fetch_session *session) {
    session->references++;
}

static void free_partition(struct session_partition *p) {
    memory_free(p->topic);
    memory_free(p);
}

void fetch_session_release(struct fetch_session *session) {
    assert(session->references > 0);
    if (--session->references > 0) return;
    struct link *at;
    while ((at = list_take_first(&session->partitions))) {
        free_partition(CONTAINER_OF(at, struct session_partition, link));
    }
    map_free(&session->by_name);
    memory_free(session);
}

// The map's key: the index, then the name or id. Answers its size.
static size_t make_key(char key[sizeof(int32_t) + TOPIC_NAME_SIZE_MAX], struct bytes topic, int32_t index) {
    size_t size = topic.size < TOPIC_NAME_SIZE_MAX ? topic.size : TOPIC_NAME_SIZE_MAX;  // longer ones do not exist
    memcpy(key, &index, sizeof index);
    if (size > 0) memcpy(key + sizeof index, topic.at, size);
    return sizeof index + size;
}

struct session_partition *fetch_session_ask(struct fetch_session *s, struct bytes topic,
                                            const struct fetch_request_partition *asked) {
    char key[sizeof(int32_t) + TOPIC_NAME_SIZE_MAX];
    size_t key_size = make_key(key, topic, asked->partition);
    struct session_partition *p = map_get_text(&s->by_name, key, key_size);
    if (!p) {
        p = NEW(struct session_partition);
        p->index = asked->partition;
        p->high_watermark = p->log_start = -1;
        if (s->by_id) memcpy(p->topic_id.at, topic.at, sizeof p->topic_id.at);
        else p->topic = memory_copy_text((const char *)topic.at, topic.size);
        list_append(&s->partitions, &p->link);
        map_put_text(&s->by_name, key, key_size, p);
    }
    p->asked = *asked;
    return p;
}

void fetch_session_name(struct session_partition *p, const char *topic) {
    memory_free(p->topic);
    p->topic = memory_copy_string(topic);
}

void fetch_session_forget(struct fetch_session *s, struct bytes topic, int32_t index) {
    char key[sizeof(int32_t) + TOPIC_NAME_SIZE_MAX];
    struct session_partition *p = map_remove_text(&s->by_name, key, make_key(key, topic, index));
    if (!p) return;
    list_remove(&p->link);
    free_partition(p);
}

bool fetch_session_answered(struct fetch_session *s, struct session_partition *p,
                            const struct fetch_response_partition *answer) {
    bool records = answer->records.size > 0, failed = answer->error_code != KAFKA_NONE;
    bool tell = records || failed || answer->diverging_epoch.epoch >= 0 ||
                p->high_watermark != answer->high_watermark || p->log_start != answer->log_start_offset;
    p->high_watermark = answer->high_watermark;  // -1 with an error: the next good answer is told in any case
    p->log_start = answer->log_start_offset;
    if (records) {  // who gave records waits until the others have: a fair order under fetch.max.bytes
        list_remove(&p->link);
        list_append(&s->partitions, &p->link);
    }
    return tell;
}
