// DescribeClientQuotas and AlterClientQuotas (KIP-546): see quotas.h.
#include "broker/handlers.h"
#include "broker/quotas.h"
#include "broker/request.h"

void broker_quotas_free(struct broker_quotas *q) {
    (void)q;
}
