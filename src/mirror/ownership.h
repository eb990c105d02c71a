// Which slices of a flow this instance owns now, and until when it may act on that (design rule 7).
//
// The instances of a flow are members of one group at the destination. A slice is owned from slice_gained() until
// slice_revoked(). Whatever happens, nothing may be sent for any slice at or after fence_us: by then the coordinator
// may count this instance as gone, and only after its session time-out does somebody else start. Connections that
// append therefore point to fence_us (struct connection, fence_us), which moves on with each heartbeat.
//
// A deposed coordinator that does not know it goes on answering heartbeats, and his successor gives the slices away. So
// where only ownership protects, because the destination may have forgotten our state (rule 14), nothing may be sent at
// or after lease_us, which moves on with what no deposed coordinator can answer (client/group.h). Of all instances at
// most one holds a slice before its lease_us; two may hold one before their fence_us.
//
// Built with ODRAZ_TEST_NO_OWNERSHIP, every instance believes to own everything: only tests want that.
#pragma once
#include "client/group.h"
#include "mirror/slices.h"

enum revoke_reason {
    REVOKE_MOVED,    // it goes to another instance: finish what is under way, then ownership_released()
    REVOKE_FENCED,   // the guard time passed unheard: abort the connections that append, now; nothing to report
    REVOKE_LOST,     // the coordinator no longer counts us as member: the same
    REVOKE_STOPPED,  // ownership_stop(): as REVOKE_MOVED
};

// None of these may call ownership_free(). All get `context`.
struct ownership_callbacks {
    bool (*any_broker)(void *context, char *host, size_t host_size, uint16_t *port);  // see client/group.h
    void (*slice_gained)(void *context, int32_t slice);
    void (*slice_revoked)(void *context, int32_t slice, enum revoke_reason reason);
    const char *(*any_topic)(void *context, bool another);  // the same
    // lease_us has come, and fence_us has not: abort the connections that hold what needs a lease, now.
    void (*lease_over)(void *context);
    void (*stopped)(void *context);  // after ownership_stop(): may be freed now
};

struct ownership_config {
    const char *client_id;
    const char *source_alias, *target_alias;  // the group is odraz.<source>-><target>
    const char *instance_id;                  // group.instance.id, NULL: a dynamic member
    int32_t slices;                           // the same in all instances of the flow, 1 .. SLICES_MAX
    int32_t weight;                           // share of the slices, 1 .. SLICES_WEIGHT_MAX; 0 takes none
    uint64_t rules;                           // selection_digest(): members that differ are named
    int32_t session_timeout_ms;
    int32_t heartbeat_interval_ms;  // a tenth of the session time-out is right
    int64_t open_timeout_us;
    // An instance that starts under instance_id waits for a session time-out before it takes what its predecessor had:
    // the coordinator puts a static member in its predecessor's place at once (KIP-345), though that one may be alive
    // and cut off. True is for who knows that it is dead: then nothing is waited for.
    bool predecessor_dead;
};

#define GROUP_ID_MAX (2 * ALIAS_SIZE_MAX + 16)

struct ownership {
    struct environment *env;
    struct ownership_config config;
    struct ownership_callbacks callbacks;
    void *context;

    int64_t fence_us;        // environment's clock; INT64_MIN while nothing may be sent
    int64_t lease_us;        // the same, of what needs a lease; never later than fence_us
    int32_t generation;      // of the group, when slices were last assigned; GROUP_GENERATION_NONE = never
    struct slices owned;     // gained and not revoked
    struct slices draining;  // revoked, still held until ownership_released()

    struct group group;
    char group_id[GROUP_ID_MAX];
    const char *source_id;     // of the cluster that is mirrored
    int32_t known_generation;  // what our newest metadata said
    int32_t joins;             // said so far
    bool stopping, started;
    struct timer fence, lease, wait;
};

void ownership_init(struct ownership *o, struct environment *env, const struct ownership_config *config,
                    const struct ownership_callbacks *callbacks, void *context);
void ownership_free(struct ownership *o);  // no callbacks
void ownership_start(struct ownership *o, const char *source_cluster_id);  // (borrowed)

// Revokes everything (REVOKE_STOPPED), leaves once all is released, and calls `stopped`, perhaps before it returns.
void ownership_stop(struct ownership *o);

// The slice is drained: nothing of it is in flight any more. Only for slices revoked with REVOKE_MOVED or
// REVOKE_STOPPED; ignored when they were fenced or lost meanwhile. May be called from inside slice_revoked().
void ownership_released(struct ownership *o, int32_t slice);

static inline bool ownership_owns(const struct ownership *o, int32_t slice) {
    return slices_has(&o->owned, slice);
}

// Something needs a lease, or will soon: one is asked for, now and for LEASE_KEPT_US.
static inline void ownership_want_lease(struct ownership *o) {
    group_want_lease(&o->group);
}

// What needs a lease may be sent now.
static inline bool ownership_is_leased(const struct ownership *o) {
    return o->env->now_us < o->lease_us;
}

static inline int32_t ownership_slice(const struct ownership *o, const char *topic, size_t topic_size,
                                      int32_t partition) {
    return slice_of_partition(topic, topic_size, partition, o->config.slices);
}
