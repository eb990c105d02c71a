// Client quotas that were set (KIP-546). They are kept and described, not enforced: broker_throttle() plays that part.
#pragma once
#include "broker/cluster_private.h"

struct broker_quotas;

void broker_quotas_free(struct broker_quotas *q);  // NULL is allowed
