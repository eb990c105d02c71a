// The group's coordinator, as other brokers of the destination see it; between flow.c and flow_coordinator.c.
#pragma once
#include "mirror/flow.h"

// For struct ownership_callbacks; the context is a flow.
bool coordinator_any_broker(void *context, char *host, size_t host_size, uint16_t *port);

void coordinator_watch_init(struct flow *f);
void coordinator_watch_start(struct flow *f);
void coordinator_watch_stop(struct flow *f);  // before the destination's cluster stops
