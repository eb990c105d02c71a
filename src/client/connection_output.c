// What a connection has to write: encoded requests, and between their bytes the payloads where they were received.
#include "base/limits.h"
#include "base/memory.h"
#include "client/connection_private.h"
#include "wire/frame.h"

#include <assert.h>

static struct connection_piece *piece_at(const struct connection *c, uint32_t i) {
    return &c->pieces[(c->pieces_first + i) % c->pieces_capacity];
}

static void pieces_grow(struct connection *c) {
    uint32_t capacity = c->pieces_capacity ? c->pieces_capacity * 2 : 16;
    struct connection_piece *grown = memory_alloc(capacity * sizeof *grown);
    for (uint32_t i = 0; i < c->pieces_count; i++) grown[i] = *piece_at(c, i);
    memory_free(c->pieces);
    c->pieces = grown;
    c->pieces_first = 0;
    c->pieces_capacity = capacity;
}

static void piece_append(struct connection *c, const uint8_t *at, size_t size, struct frame *hold) {
    if (size == 0) return;
    if (!at && c->pieces_count > 0 && !piece_at(c, c->pieces_count - 1)->at) {
        piece_at(c, c->pieces_count - 1)->size += size;
        return;
    }
    if (c->pieces_count == c->pieces_capacity) pieces_grow(c);
    *piece_at(c, c->pieces_count) = (struct connection_piece){at, size, hold ? frame_hold(hold) : NULL};
    c->pieces_count++;
}

// Keeps `out` from growing for ever under a load that never lets it drain: what was written is cut off in large steps.
static void output_compact(struct connection *c) {
    if (c->out_sent == c->out.size) {
        c->out.size = 0;
        c->out_sent = 0;
    } else if (c->out_sent > 64 * KiB && c->out_sent > c->out.size / 2) {
        memmove(c->out.at, c->out.at + c->out_sent, c->out.size - c->out_sent);
        c->out.size -= c->out_sent;
        c->out_sent = 0;
    }
}

struct error output_add_request(struct connection *c, const struct connection_request *r,
                                const struct connection_call *call) {
    output_compact(c);
    struct wire_cut few[16], *cuts = few;
    size_t capacity = call->holds_count, count = capacity;
    if (capacity > 16) cuts = memory_alloc(capacity * sizeof *cuts);
    size_t start = c->out.size;
    struct error e = frame_encode_request(r->api, r->version, r->correlation_id, c->client_id, call->request, &c->out,
                                          capacity ? cuts : NULL, &count);
    if (!error_is(&e) && c->out.overflowed)
        e = error_make(ERROR_LIMIT, 0, "output", "%zu bytes wait to be written", c->out.size);
    if (error_is(&e)) {
        c->out.size = start;
        c->out.overflowed = false;
    } else {
        size_t done = start;
        for (size_t i = 0; capacity && i < count; i++) {
            piece_append(c, NULL, cuts[i].offset - done, NULL);
            piece_append(c, cuts[i].payload.at, (size_t)cuts[i].payload.size, call->holds[i]);
            done = cuts[i].offset;
        }
        piece_append(c, NULL, c->out.size - done, NULL);
    }
    if (cuts != few) memory_free(cuts);
    return e;
}

void output_drop(struct connection *c) {
    for (uint32_t i = 0; i < c->pieces_count; i++) frame_release(piece_at(c, i)->hold);
    c->pieces_count = 0;
    buffer_clear(&c->out);
    c->out_sent = 0;
}

bool connection_has_output(const struct connection *c) {
    return c->state >= CONNECTION_GREETING && c->pieces_count > 0;
}

size_t connection_output(struct connection *c, struct bytes *out, size_t max) {
    if (c->fence_us && c->env->now_us >= *c->fence_us) return 0;
    size_t offset = c->out_sent, n = 0;
    for (; n < max && n < c->pieces_count; n++) {
        const struct connection_piece *p = piece_at(c, (uint32_t)n);
        out[n] = (struct bytes){p->at ? p->at : c->out.at + offset, p->size};
        if (!p->at) offset += p->size;
    }
    return n;
}

void connection_sent(struct connection *c, size_t size) {
    c->bytes_out += size;
    while (size > 0) {
        assert(c->pieces_count > 0);
        struct connection_piece *p = piece_at(c, 0);
        size_t part = size < p->size ? size : p->size;
        if (p->at) p->at += part;
        else c->out_sent += part;
        p->size -= part;
        size -= part;
        if (p->size > 0) return;
        frame_release(p->hold);
        c->pieces_first = (c->pieces_first + 1) % c->pieces_capacity;
        c->pieces_count--;
    }
    if (c->pieces_count == 0) output_compact(c);
}
