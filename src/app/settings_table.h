// The table of settings. Parser, defaults, help and docs/configuration.md all come from it.
#pragma once
#include "app/settings.h"

enum setting_type {
    SETTING_BOOL,      // bool
    SETTING_NUMBER,    // int64_t, within min and max
    SETTING_TEXT,      // char *, min to max characters
    SETTING_NAME,      // char *, min to max characters that a topic name may hold
    SETTING_LIST,      // struct text_list
    SETTING_PATTERNS,  // struct text_list of regular expressions
    SETTING_SERVERS,   // struct server_list
    SETTING_CHOICE,    // int
};

// The structure a setting's value is in.
enum setting_owner { OWNER_PROGRAM, OWNER_CLUSTER, OWNER_FLOW };

// Where it may be written. A flow takes the first of A->B.x, the cluster's x and x that is there.
enum setting_place {
    PLACE_TOP = 1,     // x
    PLACE_SOURCE = 2,  // A.x, for flows from A
    PLACE_TARGET = 4,  // B.x, for flows to B
    PLACE_CLUSTER = PLACE_SOURCE | PLACE_TARGET,
    PLACE_FLOW = 8,  // A->B.x
};

enum setting_reload { RELOAD_AT_ONCE, RELOAD_RESTARTS_FLOW, RELOAD_NEEDS_RESTART };

struct setting_choice {
    const char *text;
    int value;
};

struct setting {
    const char *name;
    const char *other_name;  // MirrorMaker's older or longer name, or NULL
    enum setting_owner owner;
    unsigned places;
    enum setting_type type;
    size_t offset;         // of the value in the owner
    const char *standard;  // the default, as it would be written; NULL: must be set
    int64_t min, max;
    bool zero_refused;
    const struct setting_choice *choices;  // ends with text NULL
    const char *unit;
    bool ours;  // not a setting of MirrorMaker 2
    enum setting_reload reload;
    const char *description;
};

extern const struct setting settings_table[];
extern const size_t settings_table_count;

const struct setting *settings_find(const char *name);  // also by its other name; NULL: none

// A key of MirrorMaker 2 that has no effect here. A name that ends with "*" stands for all that begin so.
struct ignored_setting {
    const char *name;
    const char *harmless;  // with this value nothing is missing; ANY_VALUE: with none
    const char *why;
};

#define ANY_VALUE "*"

extern const struct ignored_setting ignored_settings[];
extern const size_t ignored_settings_count;

const struct ignored_setting *ignored_settings_find(const char *name);

// security.protocol, ssl.*, sasl.*, also behind producer., source.consumer. and the like: the name without those; NULL:
// it is none of them.
const char *security_setting(const char *name);

// Whether values of that key must never be shown.
bool is_secret_setting(const char *name);
