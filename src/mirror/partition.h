// One mirrored partition: a small state machine (the table in partition.c) that brings records from the source's leader
// to the destination's leader and always knows, from the destination's log alone, where it stands.
//
// Any surprise goes back to LOCATE and RESYNC, which trust only the two logs. There is no other recovery path.
#pragma once
#include "client/appender.h"
#include "client/fetch_session.h"
#include "client/leader_query.h"
#include "mirror/position.h"
#include "mirror/topics.h"
#include "wire/batch.h"

struct flow;

enum partition_state {
    PARTITION_IDLE,    // its slice is not ours
    PARTITION_LOCATE,  // waits for leaders on both sides, or for a back-off to pass
    PARTITION_RESYNC,  // asks the logs (resync.c)
    PARTITION_COPY,    // fetches and appends (copy.c)
    PARTITION_GAP,     // fills offsets the source no longer has (fill.c)
    PARTITION_DRAIN,   // its slice goes to another instance: waits for the answers under way, of all attempts
    PARTITION_HALTED,  // cannot go on without a person; `halt` says why
    PARTITION_STATES,
};

enum partition_event {
    EVENT_OWNED,
    EVENT_LEADERS_KNOWN,
    EVENT_POSITION_KNOWN,       // the splice holds
    EVENT_SOURCE_STARTS_LATER,  // and nothing but filler is at the destination
    EVENT_FILLED,
    EVENT_MUST_WAIT,        // what earlier connections sent may still be executed
    EVENT_FIRST_APPENDED,  // an id the broker did not know: stands now, look again
    EVENT_SURPRISE,
    EVENT_REVOKED,
    EVENT_DRAINED,
    EVENT_HALT,
    EVENT_LOOK_AGAIN,  // at what a halted partition was halted for
    PARTITION_EVENTS,
};

#define HALT_REASON_MAX 240

struct partition {
    struct flow *flow;
    struct mirror_topic *topic;
    int32_t index;
    int32_t slice;
    enum partition_state state;

    // The two ends.
    struct append_partition append;
    int32_t number;  // among those of the flow
    int32_t lane;    // which of the pipelines to its leader; only RESYNC changes it
    int32_t destination_leader, destination_epoch;
    struct fetch_partition fetch;
    int32_t source_leader;
    struct fetch_line *line;  // NULL: in none (fetch_lines.c)
    int32_t line_place;

    // Where it stands.
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t next_sequence;
    int64_t log_end;         // of the destination, with what is queued: where the next batch must land
    int64_t acked_end;       // acknowledged by the leader
    int64_t replicated_end;  // the destination's high watermark as last seen, at most acked_end
    int64_t source_end;      // the source's last stable offset as last seen
    int64_t max_timestamp;   // of the last batch known to stand at the destination
    int64_t oldest_ms;       // the oldest max_timestamp of what stands last and what is queued; INT64_MAX: nothing is
    bool alone;              // the broker does not know the id: first append on its own, acks=all (rule 5)
    bool only_filler;        // the destination holds no record of the source yet
    int64_t filled_end;      // where that was seen, or filled by this owner himself

    // RESYNC.
    struct position position;
    struct position_query position_query;
    struct leader_query query;  // one question at a time; what the answer means depends on the step
    struct batch_header tail;   // last batch of the destination
    struct buffer tail_parts;   // whole batches of the source that it begins with, when not all came at once
    uint64_t doubted;           // what was found calls for a second look: its digest; 0: nothing
    uint64_t hearsay;           // digest of what this look found that no CRC covers; 0: nothing
    int64_t tail_log_start;     // of the destination
    int64_t source_log_start;
    bool look_below;            // filler may stand there that an earlier owner had no time to delete (fill.c)
    bool looked_below;          // since the slice is ours
    int64_t known_log_start;    // of the destination, where it was then or has been raised to since
    bool below_doubted;         // what stands there began behind what was asked for, and was asked for again
    int64_t waited_since_us;
    int64_t wait_until_us;      // EVENT_MUST_WAIT
    int64_t unsafe_since_us;    // a request of an earlier connection or owner may still be executed (rule 14)
    int64_t source_doubted_us;  // since when its leader ends before what was mirrored, or begins behind it; 0: neither
    int64_t source_asked_us;    // when that was last found
    int64_t source_start;       // first offset to fetch when it lies inside the batch that begins at log_end
    int64_t first_begins;       // where the source's first batch did when last asked; -1: not yet

    // COPY and GAP.
    int64_t join_from;          // batches below go one by one: one of them was refused
    int64_t bytes_in_flight;    // counted in the budget
    int64_t bytes_aside;        // of them: the broker that they wait for answers nothing
    bool withheld;              // not in its session: too much is in flight, or
    bool finish_first;          // what precedes a batch that cannot be copied is
    uint64_t refused;           // the same of what comes next and cannot be copied
    int64_t fill_to;
    bool filling;               // counted in flow->filling
    int32_t fill_count;         // of the next filler batch
    int64_t deleted_at;         // where the log ended when what is filled was deleted last
    int64_t log_start_wanted;   // the destination's log start is to be raised to this, or -1
    int64_t raise_again_us;     // the destination refused it, which was said: not before then; 0 = it did not
    struct leader_query delete_query;

    // High watermark (watch.c).
    struct link watched;        // in flow->unreplicated while acked_end > replicated_end
    struct leader_query watch_query;
    int64_t acked_at_us;

    // Recovery.
    struct timer timer;
    uint32_t failures;          // surprises since the last append that went well
    struct trouble trouble;     // of those that newer metadata might have kept away
    uint64_t destination_refreshes_needed, source_refreshes_needed;
    int64_t leaderless_since_us;  // LOCATE: looks for leaders since then; 0: its back-off is not over
    bool leaderless_said;
    uint32_t damaged_tries;
    char *halt_reason;          // owned; NULL when not halted
    int64_t halt_offset;
};

struct partition *partition_new(struct flow *flow, struct mirror_topic *topic, int32_t index, int32_t slice);
void partition_free(struct partition *p);  // state IDLE or HALTED

// `why` may be NULL; its detail is logged for a surprise and is the reason of a halt.
void partition_event(struct partition *p, enum partition_event event, const struct error *why);

// The one way to HALTED: names the offset and says why, for a person.
void partition_halt(struct partition *p, int64_t offset, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// After partition_halt(): the reason may go away by itself, or by a change of settings, so it is looked at again after
// HALT_LOOK_AGAIN_US. Nothing happens when the partition went elsewhere than to HALTED.
void partition_halt_may_pass(struct partition *p);
// And the one way to LOCATE out of any state.
void partition_surprise(struct partition *p, const struct error *why);

void partition_abandon(struct partition *p);  // fenced or stopped: to IDLE at once, whatever is under way
void partition_on_metadata(struct partition *p);

// Its topic is fit, and has it: one that was made anew, and may not grow, has fewer partitions than before.
static inline bool partition_may_go_on(const struct partition *p) {
    return !p->topic->halted[0] && p->index < p->topic->partitions_count;
}

// Records at the source that are not yet below the destination's high watermark.
static inline int64_t partition_lag(const struct partition *p) {
    return p->source_end > p->replicated_end ? p->source_end - p->replicated_end : 0;
}
