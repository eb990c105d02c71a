// Between loop.c and channel.c.
#pragma once
#include "base/limits.h"
#include "base/list.h"
#include "client/connection.h"
#include "io/loop.h"
#include "io/resolve.h"

enum channel_state {
    CHANNEL_FREE,
    CHANNEL_STARTING,    // opened by the core, nothing done yet
    CHANNEL_RESOLVING,   // the resolver looks the name up
    CHANNEL_CONNECTING,  // connect() of an address is under way
    CHANNEL_OPEN,
};

// One connection's socket. A token names a channel for as long as it serves the same opening of the same connection:
// events that still arrive for an older one no longer find it.
struct channel {
    struct loop *loop;
    uint32_t place, generation;
    enum channel_state state;
    struct link link;  // in the loop's ready or free list
    struct connection *c;
    struct transport_options options;
    struct addresses addresses;
    size_t address, tried;  // the one in use, and how many were
    int64_t give_up_us;     // as the connection will
    struct timer address_timer;
    int fd;  // -1: none
    size_t wanted;  // bytes that make it readable (SO_RCVLOWAT)
    // Edge-triggered readiness: true until a call says otherwise. After `hangup` a short read is not the end.
    bool readable, writable, hangup, broken;
};

struct watched {  // a descriptor that is not a channel's
    int fd;       // -1: this place is free
    void (*ready)(void *context);
    void *context;
};

struct loop {
    const struct system_calls *sys;
    struct environment env;
    int epoll_fd, signal_fd;
    bool stopped;
    loop_signal_fn on_signal;
    void *signal_context;
    struct resolver *resolver;
    struct channel **channels;  // by place; never freed before the loop: tokens stay safe to look at
    uint32_t channels_count, channels_capacity, channels_open;
    struct list free, ready;
    struct watched watched[LOOP_WATCHES_MAX];
};

extern const struct transport channel_transport;

void loop_refresh_clocks(struct loop *l);

struct channel *channel_find(struct loop *l, uint64_t token);  // NULL when the token is an old one
void channel_on_events(struct channel *ch, uint32_t events);
void channel_on_addresses(struct channel *ch, const struct resolve_answer *answer);
void channel_run(struct channel *ch);  // a ready channel's part of a turn
