// What the source has committed, ever: the truth that the destination is held against. Retention, compaction and
// deletion take from the source's log, not from here.
#pragma once
#include "base/map.h"
#include "broker/log.h"
#include "sim/plan.h"
#include "sim/selected.h"

struct world;

#define LEDGER_LIVES_MAX 4  // of a topic: how often it may be created anew

// One life of one partition of the source.
struct ledger_partition {
    struct stored_batch **batches;
    size_t count, capacity;
    int64_t end;                     // committed so far, and noted
    int64_t start;                   // the source's log start, as far as it was ever seen
    int64_t start_first;             // where the log began
    int64_t unseen_from, unseen_to;  // retention took it between two looks: nobody knows what stood there
    bool transactional;              // holds batches of a transaction
    bool looped;                     // holds batches that came from the destination
    bool holed;                      // offsets are missing: compaction
};

// One partition of the destination, and how far it was looked at.
struct ledger_checked {
    int32_t leader_epoch;
    int64_t checked_end;  // everything below was compared
    int64_t foreign_at;   // the first offset of a record that somebody else wrote, or -1
    int64_t filler_end;   // where the newest filler ends, 0: there is none
    bool has_records;     // not only filler
};

struct ledger_topic {
    char name[SELECTED_NAME_SIZE], destination_name[SELECTED_NAME_SIZE];
    int32_t lives;  // how often it was created; the newest is lives - 1
    bool there;     // at the source, now
    bool ever_deleted;
    int32_t partitions;  // of the newest life
    int64_t starts_at;   // where partition 0 is to begin; what is below goes before anybody reads it
    struct ledger_partition lived[LEDGER_LIVES_MAX][2 * SIM_PARTITIONS_MAX];
    struct ledger_checked checked[2 * SIM_PARTITIONS_MAX];
    int32_t life_at_destination[2 * SIM_PARTITIONS_MAX];  // whose records stand there; -1: nobody's yet
    bool foreign_written[2 * SIM_PARTITIONS_MAX];
    bool truncated[2 * SIM_PARTITIONS_MAX];         // an unclean election has lost what was committed
    bool damaged[2 * SIM_PARTITIONS_MAX];           // what stands there has a wrong CRC
    bool destination_deleted;                       // by somebody else
    bool destination_grown;                         // the same
    bool limit_lowered;                             // max.message.bytes of the destination's topic, by somebody else
    bool forbidden;                                 // READ was missing, on either side
    bool made_by_others;                            // the destination's topic
    bool made_unfit;                                // a setting of it, by somebody else
    int64_t transaction_of[2 * SIM_PARTITIONS_MAX];  // the producer of the newest one
    const struct planned_topic *plan;
};

#define LEDGER_TOPICS_MAX (2 * SIM_TOPICS_MAX)

struct ledger {
    struct ledger_topic topics[LEDGER_TOPICS_MAX];
    int32_t topics_count;
};

void ledger_free(struct ledger *l);

// Takes note of what the source has committed since.
void ledger_note(struct world *w);

// The batches, one or more, that the source committed at exactly these offsets without a hole, in one of its lives;
// count 0: there are none such.
struct ledger_range {
    struct stored_batch *const *batches;
    size_t count;
};
struct ledger_range ledger_range(const struct ledger_partition *p, int64_t first, int64_t last);

// The batch that ends just below the offset; NULL: there was none.
const struct batch_header *ledger_before(const struct ledger_partition *p, int64_t offset);
