// A connection that is kept open to one broker, with backoff.
#include "client/broker_link.h"

#include "base/limits.h"
#include "base/list.h"
#include "base/memory.h"
#include "base/rare.h"
#include "client/cluster.h"

#include <assert.h>

static void retry_later(struct broker_link *l) {
    const struct cluster_config *config = &l->cluster->config;
    struct environment *env = l->cluster->env;
    if (!l->started) return;
    int64_t wait = l->backoff_us;
    l->backoff_us *= 2;
    if (l->backoff_us > config->reconnect_backoff_max_us) l->backoff_us = config->reconnect_backoff_max_us;
    wait += (int64_t)prng_below(&env->prng, (uint64_t)wait / 5 + 1);
    timer_set(&env->timers, &l->retry, env->now_us + wait);
}

static void open_now(struct broker_link *l) {
    struct broker *b = cluster_broker(l->cluster, l->node_id);
    if (!b) {  // gone from the metadata; it may come back
        cluster_link_lost(l->cluster, l->node_id, false);
        retry_later(l);
        return;
    }
    memory_free(l->host);
    l->host = memory_copy_string(b->host);
    l->connection.host = l->host;
    l->connection.port = b->port;
    l->ready_us = 0;
    connection_open(&l->connection);
}

static void on_retry(struct timer *t, int64_t now_us) {
    (void)now_us;
    struct broker_link *l = CONTAINER_OF(t, struct broker_link, retry);
    if (l->started && l->connection.state == CONNECTION_CLOSED) open_now(l);
}

static void lost(struct broker_link *l, const struct error *why) {
    bool held = l->ready_us > 0 && l->cluster->env->now_us - l->ready_us >= LINK_HELD_US;
    if (held) l->backoff_us = l->cluster->config.reconnect_backoff_us;
    retry_later(l);
    cluster_link_lost(l->cluster, l->node_id, held);
    l->on_lost(l, why);
}

static void on_state(struct connection *c, const struct error *why) {
    struct broker_link *l = CONTAINER_OF(c, struct broker_link, connection);
    if (c->state == CONNECTION_READY) {
        l->ready_us = l->cluster->env->now_us;
        l->on_ready(l);
        return;
    }
    RARE("broker link: lost");
    lost(l, why);
}

void broker_link_init(struct broker_link *l, struct cluster *cluster, int32_t node_id) {
    *l = (struct broker_link){.cluster = cluster, .node_id = node_id};
    connection_init(&l->connection, cluster->env);
    l->connection.client_id = cluster->config.client_id;
    l->connection.open_timeout_us = cluster->config.open_timeout_us;
    l->connection.on_state = on_state;
    l->backoff_us = cluster->config.reconnect_backoff_us;
    timer_init(&l->retry, on_retry);
}

void broker_link_free(struct broker_link *l) {
    broker_link_stop(l, true);
    connection_free(&l->connection);
    memory_free(l->host);
    l->host = NULL;
}

void broker_link_start(struct broker_link *l) {
    assert(l->on_ready && l->on_lost);
    if (l->started) return;
    l->started = true;
    if (!timer_is_set(&l->retry)) timer_set(&l->cluster->env->timers, &l->retry, l->cluster->env->now_us);
}

void broker_link_stop(struct broker_link *l, bool abort) {
    l->started = false;
    timer_cancel(&l->cluster->env->timers, &l->retry);
    connection_close(&l->connection, abort);
}

void broker_link_reset(struct broker_link *l, const struct error *why) {
    if (l->connection.state == CONNECTION_CLOSED) return;
    connection_close(&l->connection, true);
    lost(l, why);
}
