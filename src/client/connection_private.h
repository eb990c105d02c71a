// Between connection.c and connection_output.c.
#pragma once
#include "client/connection.h"

// What is to be written, in order: the next `size` bytes of c->out when `at` is NULL, else a payload.
struct connection_piece {
    const uint8_t *at;
    size_t size;
    struct frame *hold;
};

MUST_USE struct error output_add_request(struct connection *c, const struct connection_request *r,
                                         const struct connection_call *call);
void output_drop(struct connection *c);
