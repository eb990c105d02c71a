// The settings of topics: which a destination topic is created with, and which of an existing one do not fit a mirror.
#pragma once
#include "base/buffer.h"
#include "wire/messages.h"

struct topic_setting {
    char *name, *value;
    bool ours;       // wanted by us, not a copy of the source topic's
    bool essential;  // without it the topic must not be created
};

// What a topic is to be created with. {0} is empty.
struct topic_settings {
    struct topic_setting *items;
    size_t count;
};

// Replaces what was there by the source topic's own settings and ours. `before_3_6`: the destination does not know
// message.timestamp.before.max.ms and message.timestamp.after.max.ms (KIP-937).
void topic_settings_build(struct topic_settings *s, const struct describe_configs_response_resource *source,
                          bool before_3_6);
void topic_settings_free(struct topic_settings *s);  // empty afterwards

enum settings_refused {
    REFUSED_NOTHING_NAMED,  // the message names none of them
    REFUSED_DROPPED,        // those it names are gone, ours replaced by what an older broker knows
    REFUSED_ESSENTIAL,      // it names one that cannot be left out
};

// Takes out what the broker's message of INVALID_CONFIG names; the names are appended to `refused`, comma-separated.
enum settings_refused topic_settings_drop_named(struct topic_settings *s, struct wire_text message,
                                                struct buffer *refused);
// Takes out all that are not ours. False: there were none.
bool topic_settings_drop_copied(struct topic_settings *s, struct buffer *refused);

// True: what was refused shows that the destination does not know the settings of KIP-937.
bool topic_settings_before_3_6(const struct topic_settings *s);

// Checks of a destination topic ---------------------------------------------------------------------------------------

enum topic_check_kind {
    CHECK_MUST_BE,         // `wanted`, else the topic cannot be mirrored
    CHECK_SHOULD_BE,       // `wanted`
    CHECK_LIKE_SOURCE,     // a number not below the source topic's; a negative one is no limit
    CHECK_CLEANS_AS_SOURCE,  // a cleanup.policy that takes nothing away as the source topic's does not
    CHECK_UNLIMITED,       // the largest number
};

struct topic_check {
    const char *name;
    enum topic_check_kind kind;
    const char *wanted;
    const char *why;  // what happens otherwise
};

#define TOPIC_CHECKS 10
extern const struct topic_check topic_checks[TOPIC_CHECKS];

// The source topic's numbers (of its cleanup.policy the ways to clean) to compare with; all zero when they may not be
// read.
struct topic_limits {
    int64_t at[TOPIC_CHECKS];
};

void topic_limits_read(struct topic_limits *l, const struct describe_configs_response_resource *source);

// Whether the check fails; `value` is the destination topic's then. A setting the broker does not know never fails.
bool topic_check_fails(const struct topic_check *check, const struct describe_configs_response_resource *destination,
                       const struct topic_limits *source, struct wire_text *value);

// What the mirror wants to know of a destination topic that fits.
int32_t topic_max_message_bytes(const struct describe_configs_response_resource *destination);  // INT32_MAX: unknown

// The names of all settings asked for when a topic is checked.
void topic_setting_keys(struct wire_text keys[TOPIC_CHECKS]);

// A setting's value as a number; `unknown` when it is not there or no number.
int64_t topic_setting_number(const struct describe_configs_response_resource *r, const char *name, int64_t unknown);
