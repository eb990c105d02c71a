// What the files of a partition's states offer each other.
#pragma once
#include "mirror/partition.h"

// resync.c
void resync_begin(struct partition *p);   // LEADERS_KNOWN: attach to the appender and ask
void resync_cancel(struct partition *p);  // questions under way will not be answered
void resync_on_appender_ready(struct partition *p);

// copy.c
void copy_begin(struct partition *p);
int64_t copy_on_answer(struct partition *p, const struct fetch_answer *a);
void copy_on_append(struct append_partition *ap, const struct append *a, int16_t error_code, int64_t base_offset);
void copy_damaged(struct partition *p, int64_t offset, const char *what);  // what came from the source

// refusals.c: an append that the destination refused; one whose records it gave other timestamps.
void append_refused(struct partition *p, const struct append *a, int16_t code);
void append_stamped(struct partition *p, const struct append *a);
void copy_on_silence(struct partition *p);  // its appender's broker has become silent, or is no longer
void copy_give_back(struct partition *p, int64_t bytes);  // of what is in flight, to the budget
void copy_release(struct partition *p);                   // all of it

// fill.c
bool fill_has_room(const struct flow *f);  // for one more that fills: each has a large batch under way
void fill_begin(struct partition *p);
void fill_end(struct partition *p);        // fine when it does not fill
void fill_on_append(struct partition *p, const struct append *a);
void fill_too_large(struct partition *p);
void fill_raise_log_start(struct partition *p);  // COPY, once log_start_wanted is replicated
void fill_look_below(struct partition *p);       // COPY: what does the destination's log begin with?

// A halt takes a person to end it, so what calls for one has to be seen twice, and the same both times: an answer may
// have been damaged where no CRC covers it. False: it was not seen before.
bool partition_saw(uint64_t *before, struct bytes what);

// partition.c: looks at the logs again, and after a number of times in a row halts at `offset`. True: it looks again.
bool partition_found_damage(struct partition *p, int64_t offset, const char *whose, const char *what);

// partition.c: is what the destination knows of our producer, newest record at `newest_ms`, so old that it may be
// forgotten (rule 14) before all that is under way is executed or gone? Half of producer.id.expiration.ms counts, to be
// on the safe side.
bool partition_state_may_expire(const struct partition *p, int64_t newest_ms);

// partition.c: when, at the earliest, appends may begin that only time protects (rule 14): what earlier attempts,
// connections or owners have sent is executed or gone then, and nobody else owns the slice, for sure. What still waits
// for an answer, of an earlier attempt, is neither.
int64_t partition_safe_at_us(struct partition *p);

// partition.c, COPY, with nothing under way: looks at the logs again, then.
void partition_wait(struct partition *p, int64_t until_us);

// partition.c: the source's leader ends before what was mirrored. True only when it goes on saying so, and another
// broker's metadata still names it: a new leader learns the high watermark late, and one that was deposed and has not
// heard of it knows nothing of what came since.
bool partition_believes_source(struct partition *p);
// partition.c: that leader was seen to end there twice, goes on now, and the destination has nothing left to compare:
// what it wrote between was never mirrored. (A log that lost nothing ends before what was mirrored under no epoch.)
bool partition_source_grew_past_us(const struct partition *p);

// partition.c, DRAIN: an answer came, or the last question is off the table.
void partition_drained_yet(struct partition *p);

// watch.c
void watch_acked(struct partition *p);  // acked_end moved
void watch_cancel(struct partition *p);
// Asks for the destination's high watermark, with a query of the partition's that does not run.
void watch_ask(struct partition *p, struct leader_query *q,
               void (*answer)(struct leader_query *, const struct leader_answer *));
