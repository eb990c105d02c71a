// A connection that has become ready at a scripted broker, for tests of what goes over it.
#pragma once
#include "unit/test.h"

#include "unit/scripted_broker.h"

static struct scripted s;
static struct connection c;

static inline void on_state(struct connection *connection, const struct error *why) {
    (void)connection, (void)why;
}

static inline void begin(void) {
    scripted_init(&s);
    connection_init(&c, &s.env);
    c.client_id = "test";
    c.host = "broker-1";
    c.port = 9092;
    c.open_timeout_us = 10 * SECOND;
    c.on_state = on_state;
    connection_open(&c);
    scripted_run(&s, MS);
    assert(c.state == CONNECTION_READY);
}

static inline void end(void) {
    connection_free(&c);
    scripted_free(&s);
}
