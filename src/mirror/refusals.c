// COPY and GAP: what a destination's answer says about a batch that it did not take as it was.
#include "base/limits.h"
#include "base/rare.h"
#include "mirror/flow.h"
#include "mirror/partition_private.h"
#include "wire/error_codes.h"

// What a refused append says about the batch.
enum refusal { REFUSAL_PASSING, REFUSAL_TOO_LARGE, REFUSAL_CONTENT, REFUSAL_DAMAGED };

static enum refusal refusal_of(int16_t code) {
    switch (code) {
    case KAFKA_MESSAGE_TOO_LARGE:
    case KAFKA_RECORD_LIST_TOO_LARGE:
        return REFUSAL_TOO_LARGE;
    case KAFKA_INVALID_TIMESTAMP:
    case KAFKA_INVALID_RECORD:
    case KAFKA_UNSUPPORTED_COMPRESSION_TYPE:
    case KAFKA_UNSUPPORTED_FOR_MESSAGE_FORMAT:
    case KAFKA_POLICY_VIOLATION:
        return REFUSAL_CONTENT;
    case KAFKA_CORRUPT_MESSAGE:
        return REFUSAL_DAMAGED;
    default:
        return REFUSAL_PASSING;
    }
}

void append_refused(struct partition *p, const struct append *a, int16_t code) {
    enum refusal refusal = refusal_of(code);
    struct error why = error_make(ERROR_KAFKA, code, "Produce", "%s for %.100s at %s", kafka_error_name(code),
                                  p->topic->destination_name, p->flow->config.destination_alias);
    if (a->joined && (refusal == REFUSAL_TOO_LARGE || refusal == REFUSAL_CONTENT)) {
        RARE("copy: a joined batch is refused");
        // One of its parts is at fault. Each goes alone now: so it shows which one, and what precedes it comes home.
        p->join_from = a->base_offset + a->count;
        partition_surprise(p, &why);
        return;
    }
    switch (refusal) {
    case REFUSAL_TOO_LARGE:
        if (p->state == PARTITION_GAP) {
            fill_too_large(p);
            return;
        }
        partition_halt(p, a->base_offset,
                       "the destination refused a batch of %d bytes as too large: raise max.message.bytes of %s",
                       a->size, p->topic->destination_name);
        partition_halt_may_pass(p);
        return;
    case REFUSAL_CONTENT:
        partition_halt(p, a->base_offset, "the destination refused the batch at offset %lld: %s",
                       (long long)a->base_offset, kafka_error_name(code));
        partition_halt_may_pass(p);
        return;
    case REFUSAL_DAMAGED:
        copy_damaged(p, a->base_offset, "its CRC is wrong");
        return;
    case REFUSAL_PASSING:
        partition_surprise(p, &why);
    }
}

// The settings are read again only with the next metadata; until then each batch would get other times.
void append_stamped(struct partition *p, const struct append *a) {
    partition_halt(p, a->base_offset,
                   "message.timestamp.type of the destination topic is LogAppendTime, must be CreateTime: its broker "
                   "gave the records from offset %lld on other timestamps",
                   (long long)a->base_offset);
    partition_halt_may_pass(p);
}
