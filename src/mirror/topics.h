// The topics of a flow: which of the source's are mirrored, and that each has a fit counterpart at the destination.
//
// A reconciler: after each metadata of either cluster, and every refresh interval, it compares what is there with what
// should be, and does one step at a time, in bulk: read the source topic's settings, create or grow the destination
// topic, read the destination topic's settings, check them. A topic that cannot be mirrored is halted with a reason and
// looked at again at the next refresh; the others go on. Several instances may do the same at once: "already exists" is
// no error.
#pragma once
#include "client/cluster.h"
#include "mirror/naming.h"
#include "mirror/selection.h"

#define TOPIC_REASON_MAX 300

struct mirror_topic {
    char *source_name, *destination_name;  // destination_name is "" when Kafka would not accept it
    struct wire_uuid source_id, destination_id;
    int32_t partitions_count;    // ready to be copied: exist on both sides
    int32_t max_message_bytes;   // of the destination topic, read again at each refresh; INT32_MAX: it may not be read
    bool ready;                  // ready was called, and halted not since
    char halted[TOPIC_REASON_MAX];  // "" or why it is not mirrored
    void *owner;                 // the flow's
};

struct topics_config {
    struct selection *selection;
    struct naming naming;
    int16_t replication_factor;  // of topics to create; -1: the destination's default
    bool refresh;                // look for new topics and partitions while running; halted topics in any case
    int64_t refresh_interval_us;
    const char *flow;  // its name, for the log
};

struct topics_callbacks {
    // The topic may be copied from now on; later calls: partitions_count has grown, or may be smaller after a halt.
    void (*ready)(void *context, struct mirror_topic *t);
    // It must not be copied (any more): settings do not fit, it was deleted or re-created, ...
    void (*halted)(void *context, struct mirror_topic *t);
    // The destination forgets sooner than topics_producer_expiration_ms() has said until now.
    void (*forgets_sooner)(void *context);
};

struct topics;  // private

struct topics *topics_new(struct cluster *source, struct cluster *destination, const struct topics_config *config,
                          const struct topics_callbacks *callbacks, void *context);
void topics_start(struct topics *ts);
void topics_stop(struct topics *ts);  // no callbacks any more; requests under way are ignored
void topics_free(struct topics *ts);  // after cluster_stop() of both

// The flow passes on that a cluster's metadata is new.
void topics_on_metadata(struct topics *ts);

// Walks all topics, halted ones too: size_t i = 0; while ((t = topics_next(ts, &i))) ...
struct mirror_topic *topics_next(const struct topics *ts, size_t *i);

// The smallest producer.id.expiration.ms of the destination's brokers, any of which may lead; of one that has not said
// it, a day is assumed. The reader of design rule 14 wants it.
int64_t topics_producer_expiration_ms(const struct topics *ts);
