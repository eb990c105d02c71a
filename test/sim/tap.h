// Listens to what an instance says to a broker: requests are put together from the bytes that leave, decoded, and shown
// to the checkers. What is under way on a connection is known from this, too.
#pragma once
#include "base/buffer.h"
#include "sim/ledger.h"
#include "wire/message.h"

struct channel;

struct tap_deletion {
    int64_t offset;
    int32_t again;  // asked for, though it had been done
};

struct tap {
    struct buffer bytes;                                               // of a request that has not wholly left
    uint64_t sent, delivered;                                          // bytes; what lies between is under way
    uint8_t asked[LEDGER_TOPICS_MAX][2 * SIM_PARTITIONS_MAX];          // questions for the position, in their order
    uint64_t appended[LEDGER_TOPICS_MAX][2 * SIM_PARTITIONS_MAX];      // where the last append ends; 0: none
    int32_t request_id;                                                // of now: a correlation id
    int32_t append_id[LEDGER_TOPICS_MAX][2 * SIM_PARTITIONS_MAX];      // of the last append
    int32_t next_sequence[LEDGER_TOPICS_MAX][2 * SIM_PARTITIONS_MAX];  // that may be appended; -1: any
    bool in_session[LEDGER_TOPICS_MAX][2 * SIM_PARTITIONS_MAX];        // as the broker was told
    struct tap_deletion deleted[LEDGER_TOPICS_MAX][2 * SIM_PARTITIONS_MAX];
    uint8_t untrue[LEDGER_TOPICS_MAX][2 * SIM_PARTITIONS_MAX];  // fetches since that is not what the instance wants
};

void tap_init(struct tap *t);
void tap_free(struct tap *t);

// So many of the bytes at `at` have left the instance.
void tap_listen(struct channel *ch, const uint8_t *at, size_t size);

// The instance hears no more of it: what is under way may be executed or not.
void tap_end(struct channel *ch);

// Whether an append to the partition has left, and has not arrived; or lives, and is not answered.
bool tap_under_way(const struct channel *ch, int32_t topic, int32_t index);
bool tap_unanswered(const struct channel *ch, int32_t topic, int32_t index);

struct partition;
struct instance;

// Whom a request means: by name, or by id where its version knows no names. NULL: nobody the instance mirrors.
struct partition *tap_partition(const struct instance *in, enum side side, struct wire_text name,
                                const struct wire_uuid *id, int32_t index);
// Which of the ledger's topics that is.
int32_t tap_topic(const struct partition *p);
