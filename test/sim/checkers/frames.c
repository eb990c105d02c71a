// Memory stays within what the budget allows: it counts batches, but what is held are the frames that they lie in.
//
// Frames may be lent up to the limit before anybody copies. From there on a batch that waits is copied out of a frame
// twice its size or more, but a joined one lies in a frame of the next size class. What a connection receives into, and
// what one response was before it was looked at, comes on top; and filler, which the budget does not count.
#include "base/limits.h"
#include "sim/checkers.h"
#include "sim/world.h"

#define KEPT_PARTS 2    // a batch keeps a frame of at most so many times its size,
#define JOINED_PARTS 8  // or of the next size class
#define FILLER_BYTES (16 * KiB)  // of one partition, twice: queued, and under way

static size_t receives_into(const struct world *w, const struct instance *in) {
    size_t bytes = 0;
    for (struct link *k = list_first(&w->network.channels); k; k = list_next(&w->network.channels, k)) {
        const struct channel *ch = CONTAINER_OF(k, struct channel, link);
        if (ch->owner == in && ch->connection && ch->connection->in) bytes += ch->connection->in->capacity;
    }
    return bytes;
}

void check_frames(struct world *w, const struct instance *in) {
    int64_t parts = w->plan.join_small_batches ? JOINED_PARTS : KEPT_PARTS;
    int64_t lent = (int64_t)in->env.frames.bytes_lent, received = (int64_t)receives_into(w, in);
    int64_t filler = (int64_t)in->flow->partitions_count * 2 * FILLER_BYTES;
    int64_t allowed = in->budget.limit + parts * in->budget.used + received + filler;
    if (lent > allowed)
        world_fail(w, "frames", "%s holds %lld bytes of frames for %lld in flight and %lld being received, not %lld",
                   in->name, (long long)lent, (long long)in->budget.used, (long long)received, (long long)allowed);
}
