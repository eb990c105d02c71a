// Which topics of the source a flow mirrors: MirrorSourceConnector.shouldReplicateTopic.
#pragma once
#include "mirror/naming.h"

#include <stddef.h>

struct selection;  // one thread at a time

struct selection_rules {
    const char *const *topics;
    size_t topics_count;
    const char *const *exclude;
    size_t exclude_count;
    bool heartbeats;  // heartbeats topics are mirrored whatever `topics` says (KAFKA-17534)
    const char *target_alias;
    struct naming naming;
};

enum selection_verdict {
    SELECTION_MIRROR,
    SELECTION_NOT_LISTED,  // matches none of `topics`
    SELECTION_EXCLUDED,    // matches one of `topics.exclude`
    SELECTION_INTERNAL,    // a topic of Kafka, Connect or MirrorMaker itself
    SELECTION_CYCLE,       // came from the flow's own target
    SELECTION_GAVE_UP,     // a pattern needs too many steps for this name: not mirrored, to be reported
};

// The naming's texts and the target alias must outlive the selection; the patterns need not.
// Errors: those of pattern_compile().
MUST_USE struct error selection_create(const struct selection_rules *rules, struct selection **out);
void selection_free(struct selection *s);

// Of the rules: the same for the same ones, in whatever order they were written.
uint64_t selection_digest(const struct selection *s);

enum selection_verdict selection_judge(struct selection *s, const char *topic);

// For people: "matches none of topics", ...
const char *selection_verdict_text(enum selection_verdict v);
