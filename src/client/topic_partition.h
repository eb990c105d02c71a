// How requests name a partition: by topic id where both sides can (KIP-516), else by name.
#pragma once
#include "wire/message.h"

#include <stdbool.h>
#include <string.h>

struct topic_partition {
    const char *topic;
    struct wire_uuid topic_id;  // all zero: unknown
    int32_t index;
};

static inline bool text_equal(const struct wire_text *a, const char *b) {
    size_t size = strlen(b);
    return a->size == (int32_t)size && memcmp(a->at, b, size) == 0;
}

// True when a response's topic (name, or id in versions without names) is that of `p`.
static inline bool topic_partition_is(const struct topic_partition *p, const struct wire_text *name,
                                      const struct wire_uuid *id, int32_t index) {
    if (p->index != index) return false;
    return name->size > 0 ? text_equal(name, p->topic) : uuid_equal(id, &p->topic_id);
}
