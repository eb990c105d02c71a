// Where a destination partition stands, learned from its log alone.
//
// The partition's leader is asked three questions on one connection, the one that will append: the state of our
// producer id (DescribeProducers, KIP-664), the log end (OffsetForLeaderEpoch with the current epoch; ListOffsets would
// answer the high watermark), the state again. Both states must be equal and the answered epoch must be the asked one:
// followers answer DescribeProducers too, and a deposed leader answers for an older epoch. Why equal twice:
// docs/ARCHITECTURE.md, "two writers".
#pragma once
#include "client/appender.h"

struct position {
    int64_t log_end;
    bool known;  // the broker has a state of our id; what follows is only meaningful then
    int64_t producer_id;
    int32_t last_sequence;  // -1: none with this epoch yet
    int16_t producer_epoch;
    int32_t coordinator_epoch;
    int64_t last_timestamp;
};

struct position_query {
    struct link link;
    const struct topic_partition *name;
    int32_t leader_epoch;
    int64_t producer_id;  // of any rotation
    // Errors: ERROR_KAFKA with the broker's code; ERROR_PROTOCOL "moved" when the two states or the epochs differ (ask
    // again); otherwise what happened to the connection.
    void (*answer)(struct position_query *q, const struct position *position, const struct error *error);

    bool first_taken, end_taken;  // position.c
    struct position first;
};

// One for each appender; questions asked at the same time share requests.
struct positions {
    struct appender *appender;
    struct list waiting, asked;
    int32_t sent, replies;  // of the round under way
    bool running;
    struct timer soon;
};

void positions_init(struct positions *ps, struct appender *appender);
void positions_free(struct positions *ps);  // asserts that nobody waits

// The appender's connection must be ready. The answer never comes from inside this call.
void position_ask(struct positions *ps, struct position_query *q);
void position_cancel(struct position_query *q);  // fine when not asked
