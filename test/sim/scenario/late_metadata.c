// Two brokers of the destination do not know yet of a topic that is new. What the second one says was asked early and
// comes late: it is no word of what is so by then, and nobody may take the topic for deleted.
#include "sim/scenario/scenario.h"

static struct cluster *destination(struct world *w) {
    return &w->instances[0].flow->destination;
}

static bool ready(struct world *w) {
    struct mirror_topic *t;
    size_t i = 0;
    bool all = true;
    while ((t = topics_next(w->instances[0].flow->topics, &i))) all &= t->ready;
    return all && i > 0 && w->instances[0].flow->partitions_count == 2;
}

static void refresh(struct world *w) {
    instance_enter(&w->instances[0]);
    cluster_refresh(destination(w));
    cluster_refresh(&w->instances[0].flow->source);
    instance_leave(&w->instances[0]);
}

// Until `node` was asked (and, with `answered`, has answered).
static bool asked(struct world *w, int32_t node, bool answered) {
    for (int i = 0; i < 5000; i++) {
        const struct cluster *c = destination(w);
        if (answered ? c->refreshed_by == node && !c->refresh_running : c->asked_of == node && c->refresh_running)
            return true;
        if (!c->refresh_running) refresh(w);
        world_run(w, 1 * MS);
    }
    return false;
}

const char *late_metadata(int64_t moment_us, struct outcome *out) {
    struct plan plan = scenario_plan(24);
    plan.topics[1].partitions = 1;
    struct world *w = world_begin(&plan, NULL, false, out);
    world_run(w, 5 * SECOND);
    instance_enter(&w->instances[0]);
    cluster_connect_others(destination(w));
    instance_leave(&w->instances[0]);
    world_run(w, 1 * SECOND);
    broker_node_isolate(w->clusters[DESTINATION], 2, true);
    broker_node_isolate(w->clusters[DESTINATION], 3, true);
    load_create_topic(w);
    for (int i = 0; i < 5000 && !ready(w); i++) {
        if (i % 100 == 0) refresh(w);
        world_run(w, 1 * MS);
    }
    bool told = ready(w) && asked(w, 3, true) && asked(w, 2, false);
    network_cut(w, 0, DESTINATION, 2, IN, true);
    world_run(w, 10 * MS);
    broker_node_isolate(w->clusters[DESTINATION], 2, false);
    broker_node_isolate(w->clusters[DESTINATION], 3, false);
    world_run(w, METADATA_ANSWER_US - 500 * MS + moment_us);  // later on another one would be asked
    told &= destination(w)->refreshed_by == 3;
    network_cut(w, 0, DESTINATION, 2, IN, false);
    world_run(w, 10 * SECOND);
    const char *said = scenario_end(w);
    return said || told ? said : "nobody was asked in this order";
}
