// Short stories, one for each rule whose absence a model checker once punished (docs/ARCHITECTURE.md): the world in
// steps, told at many different moments. Whatever the moment, the checkers must be content.
#pragma once
#include "sim/world.h"

// A small world: one topic with one partition, three replicas at the destination, one instance, no faults.
struct plan scenario_plan(uint64_t seed);

// The destination's partition: its leader's log, and who leads.
struct broker_truth scenario_truth(struct world *w);

// The source's, the same.
struct broker_truth scenario_source(struct world *w);

// The mirror was not there yet (its instance is killed) when somebody made the destination's topic, so.
void scenario_create_first(struct world *w, const char *const *settings);

// Until the destination's log ends at `end` or behind it, for at most 50 s; answers where it ends then. The topic may
// not be there yet.
int64_t scenario_run_to(struct world *w, int64_t end);

// Held followers do not fetch; what the leader takes meanwhile only it has.
void scenario_hold_followers(struct world *w, bool held);

// Some batches at the source, and time to mirror them.
void scenario_write(struct world *w);

// A batch of so many records at the source, all with one key: a cleaner leaves the last.
void scenario_write_key(struct world *w, char key, int32_t count);

// Until the mirror deletes records at the destination; its word is stuck then. Answers where, NULL: it never did.
struct channel *scenario_stall_deletion(struct world *w);

// The first instance and that side's brokers do not hear each other, but for broker `but` (0: none is left out).
void scenario_cut_off(struct world *w, enum side side, int32_t but, bool on);

// That instance and that broker do not hear each other.
void scenario_cut(struct world *w, int32_t instance, enum side side, int32_t node, bool on);

// What an instance had sent to the destination's broker `leader` was cut off and may arrive now; whether anything did.
bool scenario_comes_now(struct world *w, int32_t instance, int32_t leader);

// Another replica leads from now on.
void scenario_move_leader(struct world *w);

// The first instance's only partition is halted, for a reason that begins so.
bool scenario_says(const struct world *w, const char *begins);

// Until all that the source has now of a partition stands at the destination, at most so long. False: it does not.
bool scenario_comes(struct world *w, int32_t partition, int64_t most_us);

// The broker of the destination that coordinates the group, as the instance knows.
int32_t scenario_coordinator(const struct instance *in);

// Peace, convergence, the end; NULL when all checkers are content, else what they say (static text).
const char *scenario_end(struct world *w);

// Each answers NULL, or what went wrong. `moment_us`: when the decisive thing happens; `out`: the run's.
const char *two_leaders(int64_t moment_us, struct outcome *out);
const char *uncommitted_tail(int64_t moment_us, struct outcome *out);
const char *zombie_leader(int64_t moment_us, struct outcome *out);
const char *zombie_coordinator(int64_t moment_us, struct outcome *out);
const char *far_coordinator(int64_t moment_us, struct outcome *out);
const char *frozen_witness(int64_t moment_us, struct outcome *out);
const char *two_isolated(int64_t moment_us, struct outcome *out);
const char *cleaned_tail(int64_t moment_us, struct outcome *out);
const char *cleaned_filler(int64_t moment_us, struct outcome *out);
const char *cleaned_below(int64_t moment_us, struct outcome *out);
const char *cleaned_part(int64_t moment_us, struct outcome *out);
const char *cleaned_source(int64_t moment_us, struct outcome *out);
const char *racing_writers(int64_t moment_us, struct outcome *out);
const char *idle_source(int64_t moment_us, struct outcome *out);
const char *late_requests(int64_t moment_us, struct outcome *out);
const char *late_behind_replica(int64_t moment_us, struct outcome *out);
const char *throttled_reconnects(int64_t moment_us, struct outcome *out);
const char *throttled_fetches(int64_t moment_us, struct outcome *out);
const char *late_of_today(int64_t moment_us, struct outcome *out);
const char *late_filler(int64_t moment_us, struct outcome *out);
const char *told_late(int64_t moment_us, struct outcome *out);
const char *leased_backlog(int64_t moment_us, struct outcome *out);
const char *late_first_request(int64_t moment_us, struct outcome *out);
const char *emptied_topic(int64_t moment_us, struct outcome *out);
const char *held_followers(int64_t moment_us, struct outcome *out);
const char *source_truncated(int64_t moment_us, struct outcome *out);
const char *source_grown_again(int64_t moment_us, struct outcome *out);
const char *source_grows_meanwhile(int64_t moment_us, struct outcome *out);
const char *foreign_in_idle(int64_t moment_us, struct outcome *out);
const char *leader_moves(int64_t moment_us, struct outcome *out);
const char *leader_moves_on(int64_t moment_us, struct outcome *out);
const char *sequence_wraps(int64_t moment_us, struct outcome *out);
const char *damaged_at_source(int64_t moment_us, struct outcome *out);
const char *loop(int64_t moment_us, struct outcome *out);
const char *joined_refused(int64_t moment_us, struct outcome *out);
const char *dead_member(int64_t moment_us, struct outcome *out);
const char *coordinator_moves(int64_t moment_us, struct outcome *out);
const char *source_topic_goes(int64_t moment_us, struct outcome *out);
const char *source_topic_comes_again(int64_t moment_us, struct outcome *out);
const char *cleaned_topic_comes_again(int64_t moment_us, struct outcome *out);
const char *cleaned_topic_has_older(int64_t moment_us, struct outcome *out);
const char *shortened_topic_comes_again(int64_t moment_us, struct outcome *out);
const char *filled_topic_comes_again(int64_t moment_us, struct outcome *out);
const char *destination_topic_goes(int64_t moment_us, struct outcome *out);
const char *damage_of_old(int64_t moment_us, struct outcome *out);
const char *damage_after_quiet(int64_t moment_us, struct outcome *out);
const char *late_metadata(int64_t moment_us, struct outcome *out);
const char *damage_of_append_time(int64_t moment_us, struct outcome *out);
const char *damage_again(int64_t moment_us, struct outcome *out);
const char *damage_in_look(int64_t moment_us, struct outcome *out);
const char *damage_of_tail(int64_t moment_us, struct outcome *out);
const char *damage_of_first(int64_t moment_us, struct outcome *out);
const char *damage_of_news(int64_t moment_us, struct outcome *out);
const char *fill_moves_on(int64_t moment_us, struct outcome *out);
const char *forgotten_deletion(int64_t moment_us, struct outcome *out);
const char *joined_within_limit(int64_t moment_us, struct outcome *out);
const char *joined_over_files(int64_t moment_us, struct outcome *out);
const char *deletion_refused(int64_t moment_us, struct outcome *out);
const char *halt_passes(int64_t moment_us, struct outcome *out);
const char *transaction(int64_t moment_us, struct outcome *out);
const char *transaction_cut(int64_t moment_us, struct outcome *out);
const char *fill_in_small(int64_t moment_us, struct outcome *out);
const char *source_rewritten(int64_t moment_us, struct outcome *out);
const char *source_rewritten_times(int64_t moment_us, struct outcome *out);
const char *source_rewritten_joined(int64_t moment_us, struct outcome *out);
const char *zombie_source(int64_t moment_us, struct outcome *out);
const char *zombie_source_just_behind(int64_t moment_us, struct outcome *out);
const char *zombie_source_alone(int64_t moment_us, struct outcome *out);
const char *lost_behind_first(int64_t moment_us, struct outcome *out);
const char *lost_behind_filler(int64_t moment_us, struct outcome *out);
const char *emptied_behind_filler(int64_t moment_us, struct outcome *out);
const char *filled_before(int64_t moment_us, struct outcome *out);
const char *forbidden_topic(int64_t moment_us, struct outcome *out);
const char *forbidden_settings(int64_t moment_us, struct outcome *out);
const char *forbidden_settings_made(int64_t moment_us, struct outcome *out);
const char *unheard_settings(int64_t moment_us, struct outcome *out);
const char *unfit_settings(int64_t moment_us, struct outcome *out);
const char *lease_of_another(int64_t moment_us, struct outcome *out);
const char *starts_in_first(int64_t moment_us, struct outcome *out);
const char *starts_in_later(int64_t moment_us, struct outcome *out);
const char *starts_behind(int64_t moment_us, struct outcome *out);
const char *fill_owner_dies(int64_t moment_us, struct outcome *out);
const char *fill_damaged_below(int64_t moment_us, struct outcome *out);
const char *start_moves_in(int64_t moment_us, struct outcome *out);
const char *destination_topic_comes_again(int64_t moment_us, struct outcome *out);
const char *coordinator_loads(int64_t moment_us, struct outcome *out);
const char *lost_join(int64_t moment_us, struct outcome *out);
const char *drain_refused(int64_t moment_us, struct outcome *out);
const char *drain_orphans(int64_t moment_us, struct outcome *out);
const char *orphans_of_old(int64_t moment_us, struct outcome *out);
const char *unseen_holder(int64_t moment_us, struct outcome *out);
const char *many_slices(int64_t moment_us, struct outcome *out);
const char *destination_topic_grows(int64_t moment_us, struct outcome *out);
const char *asked_behind(int64_t moment_us, struct outcome *out);
const char *shared_answer(int64_t moment_us, struct outcome *out);
const char *leaderless(int64_t moment_us, struct outcome *out);
const char *damage_mended(int64_t moment_us, struct outcome *out);
const char *controller_unreachable(int64_t moment_us, struct outcome *out);
const char *frozen_source_leader(int64_t moment_us, struct outcome *out);
const char *frozen_destination_leader(int64_t moment_us, struct outcome *out);
const char *frozen_with_backlog(int64_t moment_us, struct outcome *out);
const char *idle_brokers_far(int64_t moment_us, struct outcome *out);
const char *idle_brokers(int64_t moment_us, struct outcome *out);
const char *silent_broker(int64_t moment_us, struct outcome *out);
const char *small_among_large(int64_t moment_us, struct outcome *out);
const char *owed_at_source(int64_t moment_us, struct outcome *out);
const char *owed_at_destination(int64_t moment_us, struct outcome *out);
