// Bytes in flight stay within the budget, and all of them come back.
#include "sim/checkers.h"
#include "sim/world.h"

void check_budget(struct world *w, const struct instance *in) {
    if (in->budget.used_peak > in->budget.limit)
        world_fail(w, "budget", "%s had %lld bytes in flight, %lld are allowed", in->name,
                   (long long)in->budget.used_peak, (long long)in->budget.limit);
    for (size_t i = 0; i < in->flow->partitions_count; i++) {
        const struct partition *p = in->flow->partitions[i];
        if (p->append.unanswered == 0 && p->bytes_in_flight != 0)
            world_fail(w, "budget", "%s counts %lld bytes of %s-%d, and nothing of it is under way", in->name,
                       (long long)p->bytes_in_flight, p->topic->source_name, (int)p->index);
        bool silent = p->state == PARTITION_COPY && p->append.appender && p->append.appender->silent;
        if (silent ? p->bytes_aside != p->bytes_in_flight : p->bytes_aside > p->bytes_in_flight)
            world_fail(w, "budget", "%s has set %lld bytes of %s-%d aside, and %lld are under way", in->name,
                       (long long)p->bytes_aside, p->topic->source_name, (int)p->index, (long long)p->bytes_in_flight);
    }
}

// Who does not read because there is no room is told when there is.
void check_waiting(struct world *w) {
    for (struct link *k = list_first(&w->network.channels); k; k = list_next(&w->network.channels, k)) {
        const struct connection *c = CONTAINER_OF(k, struct channel, link)->connection;
        if (!c || !c->paused) continue;
        const struct broker_link *l = CONTAINER_OF(c, struct broker_link, connection);
        if (!link_linked(&CONTAINER_OF(l, struct fetch_session, link)->waiter.link))
            world_fail(w, "budget", "a fetch session waits for room, and nobody will tell it");
    }
}

void check_given_back(struct world *w, const struct instance *in) {
    if (in->budget.used != 0 || in->budget.aside != 0 || in->budget.oversized)
        world_fail(w, "budget", "%s ended with %lld bytes still counted, %lld of them set aside", in->name,
                   (long long)in->budget.used, (long long)in->budget.aside);
    if (in->env.frames.bytes_lent != 0)
        world_fail(w, "budget", "%s ended with %zu bytes of frames lent", in->name, in->env.frames.bytes_lent);
}
