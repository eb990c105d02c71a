// One direction of a simulated line: a queue of limited size, a rate, a delay, and loss. Pure: bytes and times in,
// bytes and times out. Packets leave in the order in which they came, so a ring holds them.
#pragma once
#include "base/memory.h"
#include "base/prng.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#define WAN_PACKET_MAX 1536
#define WAN_LINK_PACKETS_MAX 65536  // on the line and before it: 250 ms of 1 Gbit/s are 21,000
#define WAN_LOSS_SCALE 1000000

struct wan_packet {
    int64_t arrival_ns;
    uint16_t size;
    uint8_t at[WAN_PACKET_MAX];
};

struct wan_link {
    int64_t bytes_per_s, delay_ns, queue_bytes_max;
    uint32_t loss;  // of WAN_LOSS_SCALE packets
    struct prng prng;
    int64_t free_ns;  // when the line has sent all that waits for it
    struct wan_packet *ring;
    uint32_t first, count;
    int64_t bytes, packets, lost, dropped;  // delivered; lost on the way; no room in the queue
};

static inline void wan_link_init(struct wan_link *l, uint64_t seed) {
    *l = (struct wan_link){.bytes_per_s = 1};
    prng_seed(&l->prng, seed);
    l->ring = memory_alloc((size_t)WAN_LINK_PACKETS_MAX * sizeof *l->ring);
}

static inline void wan_link_free(struct wan_link *l) {
    memory_free(l->ring);
}

// Where to put a packet; NULL when there is no room even to hold it. wan_link_send() makes something of it, or not.
static inline struct wan_packet *wan_link_room(struct wan_link *l) {
    return l->count == WAN_LINK_PACKETS_MAX ? NULL : &l->ring[(l->first + l->count) % WAN_LINK_PACKETS_MAX];
}

// The packet in wan_link_room() enters the queue at `now_ns`. What is lost has used the line all the same.
static inline void wan_link_send(struct wan_link *l, int64_t now_ns) {
    struct wan_packet *p = wan_link_room(l);
    assert(p && p->size <= WAN_PACKET_MAX);
    int64_t begin_ns = l->free_ns > now_ns ? l->free_ns : now_ns;
    int64_t waiting = (int64_t)((double)(begin_ns - now_ns) * (double)l->bytes_per_s / 1e9);
    if (waiting + p->size > l->queue_bytes_max) {
        l->dropped++;
        return;
    }
    l->free_ns = begin_ns + p->size * 1000000000LL / l->bytes_per_s;
    if (prng_below(&l->prng, WAN_LOSS_SCALE) < l->loss) {
        l->lost++;
        return;
    }
    p->arrival_ns = l->free_ns + l->delay_ns;
    l->count++;
}

// When the next packet arrives; INT64_MAX when none is under way.
static inline int64_t wan_link_next_ns(const struct wan_link *l) {
    return l->count == 0 ? INT64_MAX : l->ring[l->first].arrival_ns;
}

// The next packet that has arrived by `now_ns`, valid until the next call; NULL when there is none.
static inline const struct wan_packet *wan_link_receive(struct wan_link *l, int64_t now_ns) {
    if (wan_link_next_ns(l) > now_ns) return NULL;
    struct wan_packet *p = &l->ring[l->first];
    l->first = (l->first + 1) % WAN_LINK_PACKETS_MAX;
    l->count--;
    l->bytes += p->size;
    l->packets++;
    return p;
}
