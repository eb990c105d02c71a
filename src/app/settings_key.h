// The keys of an mm2.properties file: "x", "A.x" and "A->B.x".
#pragma once
#include "app/settings_table.h"

struct setting_key {
    const char *text;             // borrowed, as all here
    unsigned place;               // PLACE_TOP, PLACE_CLUSTER or PLACE_FLOW
    const char *source, *target;  // aliases: of a flow both, of a cluster `source` only
    const char *name;             // the part of `text` that names the setting
};

// False: `problem` says what is wrong with the aliases of a flow.
MUST_USE bool setting_key_parse(const char *text, const struct text_list *aliases, struct setting_key *key,
                                struct buffer *problem);

// Appends what may have been meant by a key whose name nobody knows: "did you mean a->b.topics?". Nothing, when nothing
// is near.
void setting_key_suggest(const struct setting_key *key, const struct text_list *aliases, struct buffer *out);

// Appends where the setting may be written: "replication.factor or A->B.replication.factor".
void setting_places(const struct setting *s, struct buffer *out);
