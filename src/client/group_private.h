// Between group.c, which knows the states, group_requests.c, which knows the conversations, group_pulse.c, and
// group_lease.c.
#pragma once
#include "client/group.h"

// group.c
void group_connection_init(struct group *g, struct connection *c,
                           void (*told)(struct connection *c, const struct error *why));
// On a connection beside the group's own, which carries one request at a time: true when it is READY and has none.
// Opens it when it is CLOSED; what its on_state is `told` then says when it is READY.
bool group_may_say(struct group *g, struct connection *c);
void group_pause(struct group *g, const struct error *why, int64_t pause_us);  // then seeks the coordinator again
void group_pause_longer(struct group *g, const struct error *why);             // twice as long each time
bool group_went_well(struct group *g);  // a request sent at g->sent_us; false: the owner stopped us when told
void group_schedule(struct group *g);   // STABLE: the next heartbeat or JoinGroup
void group_refused(struct group *g, const char *where, int16_t code);  // does what the code means
bool group_claims_in_vain(const struct group *g, const struct wire_text *host, int32_t port);  // of g->host: as deposed
void group_off(struct group *g);
void group_leave_unsaid(struct group *g);  // LEAVING becomes OFF in a later entry

// group_requests.c; the connection must be READY
void group_find_coordinator(struct group *g);
void group_join(struct group *g);
void group_say_heartbeat(struct group *g);
void group_say_leave(struct group *g);
MUST_USE struct error group_call_heartbeat(struct group *g, struct connection *c, reply_fn reply);
int16_t group_heartbeat_code(const void *response);

// group_pulse.c
void group_pulse_init(struct group *g);
// An interval after the coordinator was heard last; does nothing for who is no member yet.
void group_pulse_start(struct group *g);
// A heartbeat of `sent_us` has been answered while a rebalance waits, or may wait, for us. False: that is nothing new.
bool group_heard_in_rebalance(struct group *g, int64_t sent_us);
void group_pulse_stop(struct group *g);

// group_lease.c
void group_lease_init(struct group *g);
void group_lease_stop(struct group *g);  // until it is wanted again
