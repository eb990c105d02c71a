// The topics reconciler inside: one struct a topic, one lane for each kind of bulk request.
#pragma once
#include "mirror/topic_settings.h"
#include "mirror/topics.h"

struct topic;

// What one lane asks for: many topics, one request under way.
enum topic_lane_kind {
    LANE_SOURCE,       // DescribeConfigs at the source
    LANE_DESTINATION,  // DescribeConfigs at the destination
    LANE_CREATE,       // CreateTopics
    LANE_GROW,         // CreatePartitions
    LANES,
};

struct topic_lane {
    struct cluster_task task;
    struct topics *owner;
    enum topic_lane_kind kind;
    bool busy;
    struct timer soon;           // so that all who ask in one turn share the request
    struct list waiting, asked;  // of struct topic
};

enum topic_step {
    STEP_LOOK,     // to be looked at with the next metadata
    STEP_ASKED,    // in a lane
    STEP_AWAIT,    // metadata will show soon what is missing; also from the timer
    STEP_BACKOFF,  // only from the timer
    STEP_READY,
    STEP_HALTED,   // until the next refresh, or until what was doubted is not so any more
};

// A surprise in metadata is believed when later metadata of another broker says the same: brokers learn of changes one
// after the other, and one that is cut off from its controller learns of none. What was believed is looked at again.
enum topic_doubt {
    NO_DOUBT,
    DOUBT_SOURCE_GONE,
    DOUBT_SOURCE_OTHER,  // under the same name; believed at once
    DOUBT_DESTINATION_GONE,
    DOUBT_MORE_PARTITIONS,
};

struct topic {
    struct mirror_topic t;
    struct topics *owner;
    enum topic_step step;
    struct timer again;
    int failures;        // in a row, for the back-off
    struct link link;    // in a lane

    enum topic_doubt doubt;
    int64_t doubt_since_us;
    int32_t doubt_of;            // the broker that said so first
    bool doubt_shared;           // another one said it too
    struct cluster *awaited;     // in STEP_AWAIT: whose metadata

    int32_t wanted;              // partitions it is to have; 0 when it has enough
    int32_t wanted_next;         // and with the next request: a controller takes only so many at once
    int32_t provided;            // partitions the destination said to have, which metadata need not show yet
    int64_t visible_until_us;    // for those
    int64_t leaders_until_us;    // for new partitions to have leaders; 0 = not waited for
    bool settings_known;         // `settings` is what the topic is to be created with
    struct topic_settings settings;
    struct buffer refused;       // names of settings the destination did not take
    int tries;                   // of CreateTopics with fewer settings each
    bool growth_refused;         // since the last refresh: goes on with the partitions that are there
    bool limits_known, checked;  // read since the last refresh
    struct topic_limits limits;  // of the source topic
    uint32_t warned;             // bits: which warnings have been logged
};

#define WARNED_SOURCE_UNREADABLE (1u << 30)       // next to one bit for each of topic_checks
#define WARNED_DESTINATION_UNREADABLE (1u << 31)

// producer.id.expiration.ms of the destination's brokers, one asked after the other.
struct topic_expirations {
    struct map said;      // by node id: struct topic_expiration
    struct cluster_task task;
    struct timer again;   // after a broker that could not be asked
    int32_t node;         // the broker asked last
    bool asked;           // and its answer is awaited
    bool assumed;         // and it was said why
    int failures;         // in a row, for the back-off
    uint32_t round;       // rises with each refresh: what is said then counts
    int64_t ms_min;       // of all that is known
};

struct topics {
    struct cluster *source, *destination;
    struct topics_config config;
    struct topics_callbacks callbacks;
    void *context;
    struct environment *env;
    bool started, stopped;

    struct map topics;    // by source name
    struct map rejected;  // names selection does not want
    bool discovered;
    bool full_reported;         // more than TOPICS_MAX
    bool before_3_6;            // the destination refused message.timestamp.before.max.ms

    struct timer recheck;       // of what was halted for what metadata said
    int64_t recheck_wait_us;    // longer each time

    struct timer refresh;
    bool refresh_pending;       // both clusters were asked for metadata newer than these
    uint64_t source_refreshes, destination_refreshes;

    struct topic_lane lanes[LANES];

    struct topic_expirations expirations;
};

// topics.c
void topic_look(struct topic *t);
void topic_halt(struct topic *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void topic_back_off(struct topic *t);
int64_t topic_back_off_us(int failures);
void topic_growth_refused(struct topic *t, const char *reason);
void topic_forget_settings(struct topic *t);  // what it was to be created with

// topic_lanes.c
void topic_lanes_init(struct topics *ts);
void topic_lanes_stop(struct topics *ts);
void topic_ask(struct topic *t, enum topic_lane_kind kind);  // the answer never comes from inside this call
// For topic_answers.c: the topic of that name (the source's in LANE_SOURCE) taken out of those asked, or NULL.
struct topic *topic_lane_take(struct topic_lane *l, const struct wire_text *name);

// topic_answers.c: what a response means for the topics it names; those stay in `asked` that it does not name.
void topic_take_settings(struct topic_lane *l, const struct describe_configs_response *r);
void topic_take_created(struct topic_lane *l, const struct create_topics_response *r);
void topic_take_grown(struct topic_lane *l, const struct create_partitions_response *r);

// topic_expiration.c
void topic_expiration_init(struct topics *ts);
void topic_expiration_stop(struct topics *ts);
void topic_expiration_free(struct topics *ts);
void topic_expiration_ask(struct topics *ts);        // fine when everything is known or a broker is being asked
void topic_expiration_ask_anew(struct topics *ts);   // it is dynamic: all brokers, with the next metadata
