// Nothing happens without a cause: in a calm world no branch is taken that is there for accidents, nobody looks at the
// logs again, and no connection is opened twice. Who does more than he must is not wrong, but slow where it matters.
#include "base/limits.h"
#include "base/rare.h"
#include "sim/checkers.h"
#include "sim/world.h"

#include <string.h>

extern struct rare_mark __start_rare_marks[], __stop_rare_marks[];

// Needs an accident only where there is one instance: a second one may come while the first one fills.
#define SLICE_MOVES "fill: an earlier owner's filler is visible"

// Marks of branches that need an accident (base/rare.h).
static const char *const accidents[] = {
    "broker link: lost",
    "cluster: a control connection was lost",
    "connection: no answer in time",
    "copy: a damaged batch",
    "copy: taken for a repeat",
    "copy: the source ends before the destination",
    "copy: the source says that our epoch ended",
    "fetch: the broker forgot the session",
    "fill: a filler was too large",
    SLICE_MOVES,
    "group: another broker names another coordinator",
    "group: another instance took the place",
    "ownership: an assignment came after the guard",
    "ownership: fenced by the guard",
    "ownership: membership lost",
    "partition: the destination's leader changed",
    "partition: the source's leader changed",
    "resync: a foreign last batch",
    "resync: state and last batch differ",
    "resync: the last batch was not answered",
    "resync: the source ends before what was mirrored",
    "watch: the destination grew without us",
    "watch: the high watermark does not come",
};

#define DOUBTS_MAX 10  // of one partition, before it is halted

static size_t marks_count(void) {
    size_t count = (size_t)(__stop_rare_marks - __start_rare_marks);
    return count < SIM_RARE_MAX ? count : SIM_RARE_MAX;
}

void accidents_note(uint64_t *passed) {
    for (size_t i = 0; i < marks_count(); i++) passed[i] = __start_rare_marks[i].passed;
}

static bool needs_accident(const struct world *w, const char *name) {
    if (w->plan.instances > 1 && strcmp(name, SLICE_MOVES) == 0) return false;
    for (size_t i = 0; i < sizeof accidents / sizeof *accidents; i++)
        if (strcmp(name, accidents[i]) == 0) return true;
    return false;
}

void check_accidents(struct world *w, const char *checker, const uint64_t *passed) {
    for (size_t i = 0; i < marks_count(); i++)
        if (__start_rare_marks[i].passed > passed[i] && needs_accident(w, __start_rare_marks[i].name))
            world_fail(w, checker, "nothing happened, and yet: %s", __start_rare_marks[i].name);
}

// For each broker of the destination its control connection and two that append, for each of the source its control
// connection and the sessions; the group's come and go until there is a coordinator, and sessions that odraz chooses
// itself with each burst. What is looked for is a circle.
static uint64_t connections_max(const struct plan *p, int64_t now_us) {
    // What was opened for one burst is let go of before the next: LINE_QUIET_US is two seconds here.
    int32_t bursts = (int32_t)(now_us / (16 * LINE_QUIET_US));
    int32_t chosen = p->fetch_sessions == 0 ? (40 + 24 * bursts) * p->nodes[SOURCE] : 0;
    int32_t each = 30 + chosen + 3 * p->nodes[DESTINATION] + (1 + p->fetch_sessions) * p->nodes[SOURCE];
    return (uint64_t)(p->instances * each);
}

// Each that is halted has looked a second time before it was; a loss (retention takes what is of last year) is doubted
// for half a minute.
static int64_t looks(const struct flow *f) {
    int64_t count = 0;
    for (size_t i = 0; i < f->partitions_count; i++) {
        const struct partition *p = f->partitions[i];
        if (p->state == PARTITION_HALTED) count += strncmp(p->halt_reason, "lost range", 10) == 0 ? DOUBTS_MAX : 1;
    }
    return count;
}

bool check_doubts(const struct instance *in) {
    const struct flow *f = in->flow;
    for (size_t i = 0; i < f->partitions_count; i++) {
        const struct partition *p = f->partitions[i];
        bool lately = p->source_doubted_us > 0 && in->world->now_us - p->source_asked_us < 2 * LOSS_LOOK_US;
        if (lately && p->state != PARTITION_HALTED) return true;
    }
    return false;
}

static void check_instance(struct world *w, const struct instance *in) {
    if (check_doubts(in)) return;
    uint64_t refreshes_max = 6 + (uint64_t)(w->now_us / (15 * SECOND) + looks(in->flow));
    bool forgets = w->plan.expiration_ms <= FORGETS_TODAY_MS;  // perhaps between two looks at its state
    if (in->flow->counters.resyncs > looks(in->flow) && !forgets)
        world_fail(w, "calm", "nothing happened, and yet %s looked at the logs again, %lld times", in->name,
                   (long long)in->flow->counters.resyncs);
    if (in->flow->source.refreshes > refreshes_max || in->flow->destination.refreshes > refreshes_max)
        world_fail(w, "calm", "nothing happened, and yet %s asked for metadata %llu and %llu times", in->name,
                   (unsigned long long)in->flow->source.refreshes, (unsigned long long)in->flow->destination.refreshes);
}

void check_calm(struct world *w) {
    if (w->plan.kind != WORLD_CALM) return;
    check_accidents(w, "calm", w->rare_before);
    for (int32_t i = 0; i < w->plan.instances; i++)
        if (w->instances[i].alive) check_instance(w, &w->instances[i]);
    if (w->network.channels_made > connections_max(&w->plan, w->now_us))
        world_fail(w, "calm", "nothing happened, and yet %llu connections were made",
                   (unsigned long long)w->network.channels_made);
}
