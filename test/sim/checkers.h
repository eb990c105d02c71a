// What must hold, whatever happens. Each checker has a file of its own in checkers/; the first word of a broken one
// ends the run. Checkers for read_committed readers and for group offsets come with the features.
#pragma once
#include "sim/ledger.h"

struct world;
struct instance;
struct outcome;
struct broker_log;
struct channel;

// All the time -------------------------------------------------------------------------------------------------------

// logs.c: walks what the destination has committed since the last look, and asks the next three about each batch.
void check_logs(struct world *w);

// offsets.c: the batch stands where it stands at the source, or where several stand that it may be made of. Answers
// them; none: the run failed.
struct ledger_range check_offsets(struct world *w, const struct ledger_topic *t, int32_t partition,
                                  const struct ledger_partition *truth, const struct stored_batch *b);
// order.c: it follows the one before: nothing twice, nothing between, nothing left out.
void check_order(struct world *w, const struct ledger_topic *t, int32_t partition, int64_t expected,
                 const struct stored_batch *b);
// payload.c: records, times and codec are the source's, to the byte.
void check_payload(struct world *w, const struct ledger_topic *t, int32_t partition, const struct ledger_range *source,
                   const struct stored_batch *b);

// budget.c: bytes in flight stay within the limit, and all of them come back.
void check_budget(struct world *w, const struct instance *in);
void check_waiting(struct world *w);
void check_given_back(struct world *w, const struct instance *in);

// frames.c: memory stays within what the budget allows, not only the bytes that it counts.
void check_frames(struct world *w, const struct instance *in);

// lateness.c: what lies readable at the source does not wait for brokers that it does not need.
void check_lateness(struct world *w, struct instance *in);

// ownership.c: a slice has one owner at a time. It has to hear who could tell an owner that he is none any more.
void check_ownership(struct world *w);
void check_told(const struct channel *ch);  // something has come in

// acknowledged.c: what an instance counts as acknowledged is there.
void check_acknowledged(struct world *w);

// halts.c: what an instance says about why it stopped is true.
void check_halts(struct world *w);

// requests.c: what leaves an instance obeys the rules, whatever the broker makes of it. `request` is the API's struct.
void check_request(struct channel *ch, int16_t api_key, const void *request);

// sequences.c: sequence and offset of a partition go together, in instances and in logs.
void check_sequences(struct world *w);
void check_batch_sequence(struct world *w, const struct ledger_topic *t, int32_t partition,
                          const struct stored_batch *b);

// metadata.c: leaders that an instance knows do not get older.
void check_metadata(struct world *w, struct instance *in);

// In the end ---------------------------------------------------------------------------------------------------------

// lost.c: NULL when every partition holds everything the source has committed, or is halted; else what is missing.
const char *check_converged(struct world *w);
void count_records(struct world *w, struct outcome *out);

// topics.c: NULL when nothing was made of what is not selected, and the settings are right; else what is wrong.
const char *check_topics(const struct world *w);

// calm.c: in a world in which nothing goes wrong nobody has a reason to recover from anything.
void check_calm(struct world *w);
bool check_doubts(const struct instance *in);  // whether what the source answers is believed: it looks again soon
// How often each rare branch has been passed; and that since then none was that needs an accident.
void accidents_note(uint64_t *passed);
void check_accidents(struct world *w, const char *checker, const uint64_t *passed);

// quiet.c: when nothing happens any more, nothing happens in the core. Lets time pass.
void check_quiet(struct world *w);

// shares.c: NULL when every slice is with the instance that should have it; else what is not.
const char *check_shares(const struct world *w);

// replicas.c: NULL when all replicas of the destination hold the same bytes; else which do not.
const char *check_replicas(const struct world *w);

// allocations.c
void check_allocations(struct world *w, int64_t left);

// What they share: whether a partition is halted for good by an instance that is alive, and
// why (NULL: it is not).
const char *halt_reason(const struct world *w, const char *topic, int32_t partition);
