// The connections to the destination that a flow's partitions share, between flow.c and flow_lanes.c.
#pragma once
#include "mirror/flow.h"

void lanes_init(struct flow *f);
void lanes_stop(struct flow *f);
void lanes_free(struct flow *f);
void lanes_on_metadata(struct flow *f);  // lets go of brokers that are gone
void lanes_abort_orphans(struct flow *f);  // what abandoned partitions sent or queued must not leave this host any more
void lanes_abort_leased(struct flow *f);  // the lease is over: what needs one must not leave this host any more
// Where something is queued as if the destination remembered our state, and it does not (rule 14).
void lanes_abort_old(struct flow *f);
void lanes_wake(struct flow *f);           // the fence has moved: what it held back may go
