// Fetch sessions of one node (KIP-227), after org.apache.kafka.server.{FetchSession, FetchSessionCacheShard,
// FetchManager}: a client names its partitions once, and from then on only what changes is said, both ways.
#pragma once
#include "base/list.h"
#include "base/map.h"
#include "base/prng.h"
#include "wire/messages.h"

#include <stdbool.h>

#define FETCH_EPOCH_INITIAL 0   // FetchMetadata: a full fetch that wants a session
#define FETCH_EPOCH_FINAL (-1)  // a full fetch that wants none, and ends the one it names
#define FETCH_SESSION_NONE 0
#define FETCH_SESSION_SHARDS 8  // FetchSessionCache: each has as many ids

// A partition of a session: what was asked last, and what was answered last.
struct session_partition {
    struct link link;  // in the session, the one that gave records last at the end
    char *topic;       // NULL: named by id, and nobody has known the id yet
    struct wire_uuid topic_id;
    int32_t index;
    struct fetch_request_partition asked;
    int64_t high_watermark, log_start;  // answered
};

struct fetch_session {
    int32_t id, epoch;  // the epoch that the next fetch must name
    bool by_id;         // topics are named by id (version 13 and later)
    bool cached;        // false: evicted or ended; who is being answered still holds it
    int32_t references;
    int64_t created_us, used_us;
    struct list partitions;
    struct map by_name;      // topic or id, and index
    int32_t evictable_size;  // how many partitions it had when it was used last (EvictableKey)
    bool evictable;          // was old enough then
};

struct fetch_sessions;
struct fetch_sessions *fetch_sessions_new(size_t sessions_max);
void fetch_sessions_free(struct fetch_sessions *s);

struct fetch_session *fetch_sessions_find(const struct fetch_sessions *s, int32_t id);

// A new session without partitions, or NULL: all places are taken by sessions that are worth more than one of
// `size` partitions. The caller puts partitions into it, then calls fetch_session_used().
struct fetch_session *fetch_sessions_add(struct fetch_sessions *s, int32_t size, bool by_id, struct prng *prng,
                                         int64_t now_us);
void fetch_sessions_remove(struct fetch_sessions *s, struct fetch_session *session);
void fetch_sessions_clear(struct fetch_sessions *s);  // NULL: there are none
void fetch_session_used(struct fetch_session *session, int64_t now_us);
void fetch_session_hold(struct fetch_session *session);
void fetch_session_release(struct fetch_session *session);

// Updates what is asked, or puts the partition in at the end; `topic` is the name or the id.
struct session_partition *fetch_session_ask(struct fetch_session *s, struct bytes topic,
                                            const struct fetch_request_partition *asked);
void fetch_session_name(struct session_partition *p, const char *topic);
void fetch_session_forget(struct fetch_session *s, struct bytes topic, int32_t index);

// CachedPartition.maybeUpdateResponseData: remembers the answer, and says whether the client must be told.
bool fetch_session_answered(struct fetch_session *s, struct session_partition *p,
                            const struct fetch_response_partition *answer);

// FetchSessionCache.getCacheShard: ids of which no shard is in charge are an exception on a broker.
static inline bool fetch_session_id_is_valid(int32_t id) {
    int32_t shard = id / (INT32_MAX / FETCH_SESSION_SHARDS);
    return shard >= 0 && shard < FETCH_SESSION_SHARDS;
}

static inline int32_t fetch_epoch_next(int32_t epoch) {  // FetchMetadata.nextEpoch
    if (epoch < 0) return FETCH_EPOCH_FINAL;
    return epoch == INT32_MAX ? 1 : epoch + 1;
}
