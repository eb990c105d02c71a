// Names, with all that makes naming and selecting hard: as short as may be, with separators in them, and at their end.
#include "sim/selected.h"

#include <stdio.h>
#include <string.h>

// "/" stands for the separator.
static const char *const names[] = {"t", "b//", "c/topic", "topic/b", "heartbeats", "c2"};
#define NAMES (sizeof names / sizeof *names)

static const char *const others[SELECTED_OTHERS] = {
    "t-excluded",      // matches topics.exclude
    "other",           // matches none of topics
    "b/back",          // came from the target
    "c/b/back",        // some hops ago
    "topic.internal",  // an internal topic
};

static const char *const everything[] = {".*"};
static const char *const listed[] = {"t.*", "b.*", "[c&].*"};  // and heartbeats, without being listed
static const char *const excluded[] = {"x", ".*-excluded"};

static void write(const struct plan *p, const char *with_slashes, char out[SELECTED_NAME_SIZE]) {
    size_t size = 0;
    for (const char *c = with_slashes; *c; c++)
        size += (size_t)snprintf(out + size, SELECTED_NAME_SIZE - size, *c == '/' ? "%s" : "%.1s",
                                 *c == '/' ? p->separator : c);
}

struct naming selected_naming(const struct plan *p) {
    if (!p->separator) return (struct naming){REPLICATION_POLICY_IDENTITY, "a", ".", true};
    return (struct naming){REPLICATION_POLICY_DEFAULT, "a", p->separator, true};
}

struct selection_rules selected_rules(const struct plan *p) {
    struct naming naming = selected_naming(p);
    if (!p->separator)
        return (struct selection_rules){.topics = everything, .topics_count = 1, .target_alias = "b", .naming = naming};
    return (struct selection_rules){.topics = listed,
                                    .topics_count = sizeof listed / sizeof *listed,
                                    .exclude = excluded,
                                    .exclude_count = sizeof excluded / sizeof *excluded,
                                    .heartbeats = true,
                                    .target_alias = "b",
                                    .naming = naming};
}

void selected_name(const struct plan *p, int32_t number, char out[SELECTED_NAME_SIZE]) {
    if (p->separator) write(p, names[(size_t)(number + p->names_from) % NAMES], out);
    else snprintf(out, SELECTED_NAME_SIZE, "topic-%d", (int)number);
}

void selected_destination_name(const struct plan *p, const char *name, char out[SELECTED_NAME_SIZE]) {
    snprintf(out, SELECTED_NAME_SIZE, "%s%s%s", p->separator ? "a" : "", p->separator ? p->separator : "", name);
}

void selected_other(const struct plan *p, size_t i, char out[SELECTED_NAME_SIZE]) {
    write(p, others[i], out);
}
