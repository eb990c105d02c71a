// One batch as it stands in logs. Replicas share it: replication costs a reference, not a copy.
#pragma once
#include "wire/batch.h"

struct stored_batch {
    uint32_t references;
    uint32_t logs;               // that hold it: broker_log.held
    struct batch_header header;  // what the bytes say, base offset and leader epoch included
    uint8_t at[];                // header.size bytes
};

// Copies the bytes (BATCH_WHOLE, `header` theirs); one reference.
struct stored_batch *stored_batch_new(struct bytes batch, const struct batch_header *header);
struct stored_batch *stored_batch_hold(struct stored_batch *b);
void stored_batch_release(struct stored_batch *b);  // NULL is allowed
