// Words of which stories about a flow between two modelled clusters are made.
#pragma once
#include "unit/test.h"

#include "unit/flow_world.h"

static struct world *w;
static struct model_log *from, *to;

static inline void begin(int32_t partitions) {
    w = world_new(partitions);
    from = &w->source.logs[0];
    to = &w->destination.logs[0];
}

// With something copied already, so that the pipeline is open.
static inline void begin_copied(int32_t partitions) {
    begin(partitions);
    for (int32_t i = 0; i < partitions; i++) world_write(w, i, 5);
    world_start(w);
    assert(to->end == from->end);
}

// The source's log starts later than the destination's could.
static inline void write_above(int64_t start) {
    from->start = from->end = start;
    world_write(w, 0, 5);
}

// The source begins with a batch of ten records; how many of them it hides is for the test to say.
static inline void write_ten_at(int64_t start) {
    from->start = from->end = start;
    model_write(from, &(struct model_batch){.count = 10, .timestamp = w->s.env.wall_ms});
}

static inline void end(void) {
    world_kill(w);
    EXPECT_INT(w->budget.used, 0);
    world_free(w);
}

static inline enum partition_state state(void) {
    return world_partition(w, 0)->state;
}

static inline bool equal(void) {
    for (int32_t i = 0; i < w->partitions; i++)
        if (model_difference(&w->source.logs[i], &w->destination.logs[i]) >= 0) return false;
    return true;
}

static inline int64_t resyncs(void) {
    return w->flow->counters.resyncs;
}

#define EXPECT_HALTED(offset, word)                                                                                    \
    do {                                                                                                               \
        EXPECT_INT(state(), PARTITION_HALTED);                                                                         \
        if (!strstr(world_partition(w, 0)->halt_reason, word)) puts(world_partition(w, 0)->halt_reason);               \
        EXPECT(strstr(world_partition(w, 0)->halt_reason, word));                                                      \
        EXPECT_INT(world_partition(w, 0)->halt_offset, offset);                                                        \
    } while (0)
