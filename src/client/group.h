// One member of a group under the classic group protocol, with a protocol type of its own (as Connect has one): finds
// the coordinator, joins, syncs, sends heartbeats, leaves. Pure: what it knows of the world comes by its connection.
//
// The coordinator is spoken to on a connection nothing else uses, since a JoinGroup blocks it until all members have
// rejoined; where that takes long, heartbeats go on over a second one (the pulse). A rebalance takes nothing away
// (KIP-429): what the member was assigned is its own until `assigned` says otherwise, `lost` is called, or its owner's
// guard time after last_heard_us has passed.
//
// A coordinator that was deposed without knowing it answers heartbeats as before. What it cannot answer is an
// OffsetCommit: so while its owner wants a lease one goes beside each heartbeat, over a third connection, and leased_us
// says when the newest that was accepted was sent. Until the session after that moment is over nobody else has what the
// member holds, for sure.
#pragma once
#include "base/limits.h"
#include "client/connection.h"

#include <stdbool.h>
#include <stdint.h>

#define GROUP_GENERATION_NONE (-1)
#define GROUP_HOST_MAX 256

// A member as the leader sees it, borrowed during assign().
struct group_member {
    struct wire_text member_id;
    struct wire_text instance_id;  // group.instance.id (KIP-345); size -1 for a dynamic member
    struct bytes metadata;
    size_t assignment_size;  // set by assign()
};

// What the owner is asked and told; all get `context`. heard(), leased(), assigned() and lost() may call group_rejoin()
// and group_stop(); none may call group_free().
struct group_callbacks {
    // The address of some broker of the cluster, another one than stands there if there are more. False: none known.
    bool (*any_broker)(void *context, char *host, size_t host_size, uint16_t *port);
    // Appends what this member says in the JoinGroup that is about to be sent.
    void (*metadata)(void *context, struct buffer *out);
    // This member leads `generation`: appends the members' assignments to `out`, in order, and sets their sizes.
    void (*assign)(void *context, int32_t generation, struct group_member *members, int32_t count, struct buffer *out);
    void (*assigned)(void *context, int32_t generation, struct bytes assignment);
    // last_heard_us moved; comes before assigned().
    void (*heard)(void *context);
    // Some topic of the cluster that we may read, for offsets; `another` one if that of last time was refused and there
    // are more. NULL: there is none yet. Borrowed until the callback's caller returns.
    const char *(*any_topic)(void *context, bool another);
    void (*leased)(void *context);  // leased_us moved
    // The coordinator no longer counts us as who we were: what was assigned is gone at once. It joins anew by itself.
    void (*lost)(void *context, const struct error *why);
    // After group_stop(): the group is off and may be freed or started again.
    void (*stopped)(void *context);
};

// Texts are borrowed until group_free().
struct group_config {
    const char *client_id;
    const char *group_id;
    const char *protocol_type, *protocol_name;
    const char *instance_id;  // NULL: a dynamic member
    int32_t session_timeout_ms;
    int32_t rebalance_timeout_ms;  // at least twice the session time-out, so that a dead member does not use it up
    int32_t heartbeat_interval_ms;
    int64_t open_timeout_us, request_timeout_us;  // of requests that the coordinator does not hold back
    int64_t lease_timeout_us;                     // of what it holds back until its replicas have it
    int64_t backoff_us, backoff_max_us;           // between attempts
    int64_t backoff_refused_us;                   // after what only a person can put right
};

enum group_state {
    GROUP_OFF,
    GROUP_PAUSING,   // waits before the next attempt
    GROUP_SEEKING,   // asks some broker who coordinates
    GROUP_REACHING,  // connects to the coordinator
    GROUP_JOINING,   // JoinGroup is under way
    GROUP_SYNCING,   // SyncGroup is under way
    GROUP_STABLE,    // heartbeats
    GROUP_LEAVING,   // LeaveGroup is to be sent or under way
};

struct group {
    struct environment *env;
    struct group_config config;
    struct group_callbacks callbacks;
    void *context;
    enum group_state state;
    struct connection connection, pulse, lease;
    struct timer pulse_timer, lease_timer;
    struct timer timer;  // the end of a pause, or the next heartbeat or JoinGroup

    const char *instance_id;              // config's, until another instance under the same id fenced us
    char member_id[GROUP_MEMBER_ID_MAX];  // "" = none
    char host[GROUP_HOST_MAX];            // of the broker being talked to
    uint16_t port;
    char deposed_host[GROUP_HOST_MAX];  // of the coordinator that another broker has called deposed
    uint16_t deposed_port;
    int64_t deposed_until_us;  // till then its own word does not count
    int32_t generation;       // the newest one a JoinGroup was answered with; GROUP_GENERATION_NONE = none
    int64_t member_since_us;  // when the JoinGroup that got us in without a member id was answered
    int64_t last_heard_us;    // when the newest JoinGroup, SyncGroup or Heartbeat that kept the session alive was SENT
    int64_t calm_us;          // the same of those that succeeded: no rebalance was waiting for us then
    int64_t pulse_sent_us;
    int64_t leased_us;        // when the newest OffsetCommit that was accepted was SENT; INT64_MIN: none
    int64_t lease_sent_us;    // the newest one
    int64_t lease_wanted_us;  // newest group_want_lease()
    bool lease_topic_refused, lease_refusal_reported;
    int64_t sent_us;         // when the request under way was sent
    int64_t joined_us;       // when the newest JoinGroup was sent
    bool joined_without_id;  // the JoinGroup under way carries no member id
    bool synced;             // an assignment of `generation` arrived
    bool in_flight;          // a heartbeat is
    const char *rejoin_why;  // JoinGroup is due, NULL = is not; static text for the broker's log (KIP-800)
    int64_t backoff_us;
    enum error_kind reported_kind;  // logged last since things went well; repeats are not logged again
    int32_t reported_code;
};

void group_init(struct group *g, struct environment *env, const struct group_config *config,
                const struct group_callbacks *callbacks, void *context);
void group_free(struct group *g);  // closes; no callback

void group_start(struct group *g);  // state must be OFF

// Leaves and calls `stopped`, at the earliest in a later entry. Only a dynamic member says LeaveGroup: a static one is
// expected back (KIP-345) and counts as member until its session times out. What was assigned must be given up before.
void group_stop(struct group *g);

// Who coordinates is known, and talked to as a member.
static inline bool group_has_coordinator(const struct group *g) {
    return g->state == GROUP_JOINING || g->state == GROUP_SYNCING || g->state == GROUP_STABLE;
}

// Asks who coordinates over any connection that is READY; the answer is a struct find_coordinator_response.
MUST_USE struct error group_call_find_coordinator(const struct group *g, struct connection *c, reply_fn reply,
                                                  void *context, int64_t timeout_us);

// Another broker says who coordinates. If it is not the one that is talked to, that one may have been deposed without
// knowing it: it is looked for anew, and until a session is over only others can name the old one again. (Of what it
// confirmed before, nothing is left by then.)
void group_told_coordinator(struct group *g, struct wire_text host, int32_t port);

// The owner needs a lease now, and for LEASE_KEPT_US. To be said again and again: after a lost connection, or before
// there is a coordinator, it is forgotten.
void group_want_lease(struct group *g);

// Joins again soon, with new metadata: for the coordinator to rebalance it must differ from what was said last (a
// follower that repeats itself gets the generation of now). `why` is static text. Ignored when OFF or LEAVING.
void group_rejoin(struct group *g, const char *why);
