// What an instance knows of leaders never goes back: a broker that lags behind does not lead it to a deposed one
// (Metadata.updateLatestMetadata). A topic that was made anew begins anew.
#include "sim/checkers.h"
#include "sim/world.h"

static void check_topic(struct world *w, struct instance *in, enum side side, int32_t topic) {
    struct cluster *c = side == SOURCE ? &in->flow->source : &in->flow->destination;
    const struct ledger_topic *of = &w->ledger.topics[topic];
    const struct cluster_topic *t = cluster_topic(c, side == SOURCE ? of->name : of->destination_name);
    if (!t) {  // forgotten: it begins anew
        memset(&in->led_id[side][topic], 0, sizeof in->led_id[side][topic]);
        return;
    }
    struct cluster_partition *led = in->led[side][topic];
    bool same = memcmp(&in->led_id[side][topic], &t->id, sizeof t->id) == 0;
    in->led_id[side][topic] = t->id;
    for (int32_t k = t->partitions_count; k < 2 * SIM_PARTITIONS_MAX; k++) led[k].leader_epoch = -1;  // forgotten, too
    for (int32_t k = 0; k < t->partitions_count && k < 2 * SIM_PARTITIONS_MAX; k++) {
        if (same && t->partitions[k].leader_epoch < led[k].leader_epoch)
            world_fail(w, "metadata", "%s goes back from leader epoch %d to %d of %s-%d", in->name,
                       (int)led[k].leader_epoch, (int)t->partitions[k].leader_epoch, t->name, (int)k);
        led[k] = t->partitions[k];
    }
}

void check_metadata(struct world *w, struct instance *in) {
    for (int32_t topic = 0; topic < w->ledger.topics_count; topic++)
        for (int side = 0; side < SIDES; side++) check_topic(w, in, (enum side)side, topic);
}
