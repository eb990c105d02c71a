// Tells each scenario at many moments, each in a process of its own. `scenarios rare`: and the rare branches they take;
// `scenarios brief`: until the first failure; `scenarios NAME`: only this one.
#include "base/rare.h"
#include "sim/batches.h"
#include "sim/scenario/scenario.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef ODRAZ_TEST_NO_OWNERSHIP
#define UNOWNED true
#else
#define UNOWNED false
#endif

#define MOMENTS 24
#define MOMENT_US (1 * MS + 237)  // from one to the next: no multiple of anything

static const struct {
    const char *name;
    const char *(*tell)(int64_t moment_us, struct outcome *out);
    bool unowned;
} scenarios[] = {
    {"two_leaders", two_leaders, false},
    {"uncommitted_tail", uncommitted_tail, false},
    {"zombie_leader", zombie_leader, false},
    {"zombie_coordinator", zombie_coordinator, false},
    {"far_coordinator", far_coordinator, false},
    {"frozen_witness", frozen_witness, false},
    {"two_isolated", two_isolated, false},
    {"idle_source", idle_source, false},
    {"late_requests", late_requests, false},
    {"late_behind_replica", late_behind_replica, false},
    {"throttled_reconnects", throttled_reconnects, false},
    {"throttled_fetches", throttled_fetches, false},
    {"late_of_today", late_of_today, false},
    {"late_filler", late_filler, false},
    {"told_late", told_late, false},
    {"leased_backlog", leased_backlog, false},
    {"late_first_request", late_first_request, false},
    {"racing_writers", racing_writers, true},
    {"emptied_topic", emptied_topic, false},
    {"held_followers", held_followers, false},
    {"leader_moves", leader_moves, false},
    {"leader_moves_on", leader_moves_on, false},
    {"source_truncated", source_truncated, false},
    {"source_grown_again", source_grown_again, false},
    {"source_grows_meanwhile", source_grows_meanwhile, false},
    {"foreign_in_idle", foreign_in_idle, false},
    {"sequence_wraps", sequence_wraps, false},
    {"damaged_at_source", damaged_at_source, false},
    {"loop", loop, false},
    {"joined_refused", joined_refused, false},
    {"halt_passes", halt_passes, false},
    {"dead_member", dead_member, false},
    {"coordinator_moves", coordinator_moves, false},
    {"source_topic_goes", source_topic_goes, false},
    {"source_topic_comes_again", source_topic_comes_again, false},
    {"cleaned_topic_comes_again", cleaned_topic_comes_again, false},
    {"cleaned_topic_has_older", cleaned_topic_has_older, false},
    {"shortened_topic_comes_again", shortened_topic_comes_again, false},
    {"filled_topic_comes_again", filled_topic_comes_again, false},
    {"destination_topic_goes", destination_topic_goes, false},
    {"damage_of_old", damage_of_old, false},
    {"damage_after_quiet", damage_after_quiet, false},
    {"late_metadata", late_metadata, false},
    {"fill_moves_on", fill_moves_on, false},
    {"forgotten_deletion", forgotten_deletion, false},
    {"joined_within_limit", joined_within_limit, false},
    {"joined_over_files", joined_over_files, false},
    {"damage_of_append_time", damage_of_append_time, false},
    {"damage_again", damage_again, false},
    {"damage_in_look", damage_in_look, false},
    {"damage_of_tail", damage_of_tail, false},
    {"damage_of_first", damage_of_first, false},
    {"damage_of_news", damage_of_news, false},
    {"cleaned_tail", cleaned_tail, false},
    {"cleaned_filler", cleaned_filler, false},
    {"cleaned_below", cleaned_below, false},
    {"cleaned_part", cleaned_part, false},
    {"cleaned_source", cleaned_source, false},
    {"transaction", transaction, false},
    {"transaction_cut", transaction_cut, false},
    {"fill_in_small", fill_in_small, false},
    {"deletion_refused", deletion_refused, false},
    {"source_rewritten", source_rewritten, false},
    {"source_rewritten_times", source_rewritten_times, false},
    {"source_rewritten_joined", source_rewritten_joined, false},
    {"zombie_source", zombie_source, false},
    {"zombie_source_just_behind", zombie_source_just_behind, false},
    {"zombie_source_alone", zombie_source_alone, false},
    {"lost_behind_first", lost_behind_first, false},
    {"lost_behind_filler", lost_behind_filler, false},
    {"emptied_behind_filler", emptied_behind_filler, false},
    {"forbidden_topic", forbidden_topic, false},
    {"forbidden_settings", forbidden_settings, false},
    {"forbidden_settings_made", forbidden_settings_made, false},
    {"unheard_settings", unheard_settings, false},
    {"unfit_settings", unfit_settings, false},
    {"filled_before", filled_before, false},
    {"lease_of_another", lease_of_another, false},
    {"starts_in_first", starts_in_first, false},
    {"starts_in_later", starts_in_later, false},
    {"starts_behind", starts_behind, false},
    {"start_moves_in", start_moves_in, false},
    {"fill_owner_dies", fill_owner_dies, false},
    {"fill_damaged_below", fill_damaged_below, false},
    {"destination_topic_comes_again", destination_topic_comes_again, false},
    {"coordinator_loads", coordinator_loads, false},
    {"lost_join", lost_join, false},
    {"drain_refused", drain_refused, false},
    {"drain_orphans", drain_orphans, false},
    {"orphans_of_old", orphans_of_old, false},
    {"unseen_holder", unseen_holder, false},
    {"many_slices", many_slices, false},
    {"destination_topic_grows", destination_topic_grows, false},
    {"asked_behind", asked_behind, false},
    {"shared_answer", shared_answer, false},
    {"leaderless", leaderless, false},
    {"damage_mended", damage_mended, false},
    {"controller_unreachable", controller_unreachable, false},
    {"frozen_source_leader", frozen_source_leader, false},
    {"frozen_destination_leader", frozen_destination_leader, false},
    {"frozen_with_backlog", frozen_with_backlog, false},
    {"idle_brokers_far", idle_brokers_far, false},
    {"idle_brokers", idle_brokers, false},
    {"silent_broker", silent_broker, false},
    {"small_among_large", small_among_large, false},
    {"owed_at_source", owed_at_source, false},
    {"owed_at_destination", owed_at_destination, false},
};

extern struct rare_mark __start_rare_marks[], __stop_rare_marks[];

static uint64_t *passed;  // each rare branch, by all children

static void add_up(void) {
    for (struct rare_mark *m = __start_rare_marks; m < __stop_rare_marks; m++)
        passed[m - __start_rare_marks] += m->passed;
}

static void print_rare(void) {
    for (struct rare_mark *m = __start_rare_marks; m < __stop_rare_marks; m++)
        if (passed[m - __start_rare_marks] > 0)
            printf("%8llu %s\n", (unsigned long long)passed[m - __start_rare_marks], m->name);
}

// A failed assertion ends the child, and is a failure like another.
static bool holds(size_t i, int64_t moment_us) {
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) abort();
    if (child == 0) {
        struct outcome out;
        alarm(60);
        const char *said = scenarios[i].tell(moment_us, &out);
        if (said) printf("%s at %.3f ms: %s\n", scenarios[i].name, (double)moment_us / 1000, said);
        fflush(NULL);
        add_up();
        _exit(said != NULL);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int main(int count, char **arguments) {
    int held = 0, failed = 0;
    bool rare = count == 2 && strcmp(arguments[1], "rare") == 0;
    bool brief = count == 2 && strcmp(arguments[1], "brief") == 0;
    const char *only = count == 2 && !rare && !brief ? arguments[1] : NULL;
    passed = mmap(NULL, SIM_RARE_MAX * sizeof *passed, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (passed == MAP_FAILED) abort();
    batches_prepare();  // once, not in each child
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios && !(brief && failed > 0); i++) {
        int wrong = 0;
        if (scenarios[i].unowned != UNOWNED || (only && strcmp(only, scenarios[i].name) != 0)) continue;
        for (int k = 0; k < MOMENTS && !(brief && wrong > 0); k++) wrong += !holds(i, k * MOMENT_US);
        if (wrong > 0) printf("FAILED %s: at %d of %d moments\n", scenarios[i].name, wrong, MOMENTS);
        if (wrong > 0) failed++;
        else held++;
    }
    if (rare) print_rare();
    printf("%d passed, %d failed\n", held, failed);
    return failed > 0 || held == 0;
}
