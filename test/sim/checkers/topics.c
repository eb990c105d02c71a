// Topics at the destination: what is not selected is never made or touched, and what the mirror makes has the settings
// that the source's topic has, but for those that it must or must not have.
#include "sim/checkers.h"
#include "sim/selected.h"
#include "sim/world.h"

#include <stdlib.h>
#include <string.h>

#define UNLIMITED "9223372036854775807"

static char wrong[200];

// clang-format off
static const struct { const char *setting, *value; } always[] = {
    { "compression.type"                 , "producer"   },
    { "message.timestamp.type"           , "CreateTime" },
    { "unclean.leader.election.enable"   , "false"      },
    { "message.timestamp.before.max.ms"  , UNLIMITED    },
    { "message.timestamp.after.max.ms"   , UNLIMITED    },
    { "min.insync.replicas"              , NULL         },  // the destination's own affair
    { "leader.replication.throttled.replicas", NULL     },
};
// clang-format on

static const char *const copied[] = {"cleanup.policy", "segment.ms", "min.cleanable.dirty.ratio", "retention.ms",
                                     "flush.messages"};

static bool same(const char *a, const char *b) {
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static const char *differs(const struct ledger_topic *t, const char *setting, const char *wanted, const char *has) {
    snprintf(wrong, sizeof wrong, "%s of the destination's topic %s is %s, wanted is %s", setting, t->destination_name,
             has ? has : "not set", wanted ? wanted : "not set");
    return wrong;
}

static const char *look_at_settings(const struct world *w, const struct ledger_topic *t) {
    const struct broker_cluster *source = w->clusters[SOURCE], *destination = w->clusters[DESTINATION];
    for (size_t i = 0; i < sizeof always / sizeof *always; i++) {
        const char *has = broker_topic_setting(destination, t->destination_name, always[i].setting);
        if (!same(has, always[i].value)) return differs(t, always[i].setting, always[i].value, has);
    }
    for (size_t i = 0; i < sizeof copied / sizeof *copied; i++) {
        const char *has = broker_topic_setting(destination, t->destination_name, copied[i]);
        const char *wanted = broker_topic_setting(source, t->name, copied[i]);
        if (!same(has, wanted)) return differs(t, copied[i], wanted, has);
    }
    // As large as the source's batches, but never too small for filler.
    const char *limit = broker_topic_setting(source, t->name, "max.message.bytes");
    const char *has = broker_topic_setting(destination, t->destination_name, "max.message.bytes");
    const char *wanted = limit && strtoll(limit, NULL, 10) > 1048588 ? limit : "1048588";
    return t->limit_lowered || same(has, wanted) ? NULL : differs(t, "max.message.bytes", wanted, has);
}

static const char *look_at_other(const struct world *w, size_t i) {
    char name[SELECTED_NAME_SIZE], renamed[SELECTED_NAME_SIZE];
    selected_other(&w->plan, i, name);
    selected_destination_name(&w->plan, name, renamed);
    struct broker_truth truth;
    bool there = broker_partition_truth(w->clusters[DESTINATION], renamed, 0, &truth);
    bool touched = i > 0 ? there : !there || truth.log->end > w->load.other_end;
    touched |= broker_topic_partitions(w->clusters[DESTINATION], renamed) > 1;
    touched |= broker_topic_partitions(w->clusters[DESTINATION], name) > 0;
    if (!touched) return NULL;
    snprintf(wrong, sizeof wrong, "%s is not selected, and yet something came of it at the destination", name);
    return wrong;
}

const char *check_topics(const struct world *w) {
    for (int32_t i = 0; i < w->ledger.topics_count; i++) {
        const struct ledger_topic *t = &w->ledger.topics[i];
        bool made = broker_topic_partitions(w->clusters[DESTINATION], t->destination_name) > 0;
        if (!made || !t->there || t->ever_deleted || t->made_by_others) continue;
        const char *what = look_at_settings(w, t);
        if (what) return what;
    }
    const char *what = NULL;
    for (size_t i = 0; w->plan.separator && !what && i < SELECTED_OTHERS; i++) what = look_at_other(w, i);
    return what;
}
