// Brokers of a cluster and the conversations that wait for their control connections.
#include "client/cluster.h"

#include "base/limits.h"
#include "base/memory.h"
#include "base/rare.h"
#include "client/cluster_private.h"

#include <assert.h>

static void run_tasks(struct list *tasks, struct connection *connection, const struct error *failure) {
    struct list taken;
    list_init(&taken);
    struct link *k;
    while ((k = list_take_first(tasks))) list_append(&taken, k);
    while ((k = list_take_first(&taken))) {
        struct cluster_task *t = CONTAINER_OF(k, struct cluster_task, link);
        t->run(t, connection, failure);
    }
}

// Who greets and hangs up, again and again, is not reached each time.
static void on_held(struct timer *t, int64_t now_us) {
    (void)now_us;
    struct broker *b = CONTAINER_OF(t, struct broker, held);
    if (!broker_link_ready(&b->control) || b->stranger) return;
    b->reported = false;
    log_line(&b->cluster->env->log, LOG_INFO, "broker reachable again", "cluster=%s broker=%s:%u",
             b->cluster->config.alias, b->host, b->port);
}

static void on_ready(struct broker_link *l) {
    struct broker *b = CONTAINER_OF(l, struct broker, control);
    struct environment *env = b->cluster->env;
    if (b->reported) timer_set(&env->timers, &b->held, env->now_us + LINK_HELD_US);
    run_tasks(&b->tasks, &l->connection, NULL);
    if (broker_link_ready(l)) run_tasks(&b->cluster->waiting, &l->connection, NULL);
}

// Nothing is ready: opens the control connections of all brokers known, or of all bootstrap addresses. The first one
// that answers serves those that wait.
static void connect_any(struct cluster *c) {
    struct broker *b;
    size_t i = 0;
    while ((b = map_next(&c->brokers, &i)))
        if (!b->gone) broker_link_start(&b->control);
}

// A broker hangs up on who was silent for long (connections.max.idle.ms), and when it is stopped: whether it can be
// reached shows the next attempt.
static bool hung_up(const struct broker *b, const struct error *why) {
    int64_t ready_us = b->control.ready_us;
    bool lasted = ready_us > 0 && b->cluster->env->now_us - ready_us >= CONNECTION_LASTED_US;
    return lasted && why->kind == ERROR_TRANSPORT && why->code == 0;
}

static void on_lost(struct broker_link *l, const struct error *why) {
    struct broker *b = CONTAINER_OF(l, struct broker, control);
    struct cluster *c = b->cluster;
    char detail[2 * ERROR_DETAIL_MAX];
    bool unreachable = !hung_up(b, why);
    timer_cancel(&c->env->timers, &b->held);
    if (unreachable && !b->reported)
        log_line(&c->env->log, LOG_WARN, "broker unreachable", "cluster=%s broker=%s:%u error=%s", c->config.alias,
                 b->host, b->port, log_quote(why->detail, detail, sizeof detail));
    b->reported |= unreachable;
    run_tasks(&b->tasks, NULL, why);
    RARE("cluster: a control connection was lost");
    if (!list_empty(&c->waiting)) connect_any(c);
}

void cluster_link_lost(struct cluster *c, int32_t node_id, bool held) {
    struct broker *b = map_get_number(&c->brokers, (uint32_t)node_id);
    if (!b) {
        cluster_refresh(c);
        return;
    }
    if (held) b->unreached = (struct trouble){0};  // that it is gone now is news
    cluster_refresh_for(c, &b->unreached);
}

struct broker *cluster_add_broker(struct cluster *c, int32_t node_id, const char *host, size_t host_size,
                                  uint16_t port) {
    struct broker *b = map_get_number(&c->brokers, (uint32_t)node_id);
    if (!b) {
        b = NEW(struct broker);
        b->node_id = node_id;
        b->cluster = c;
        list_init(&b->tasks);
        timer_init(&b->held, on_held);
        broker_link_init(&b->control, c, node_id);
        b->control.on_ready = on_ready;
        b->control.on_lost = on_lost;
        map_put_number(&c->brokers, (uint32_t)node_id, b);
    }
    if (!b->host || strlen(b->host) != host_size || memcmp(b->host, host, host_size) != 0 || b->port != port) {
        memory_free(b->host);  // an open connection goes on with the address it has
        b->host = memory_copy_text(host, host_size);
        b->port = port;
    }
    b->gone = false;
    return b;
}

void cluster_let_go_of_gone(struct cluster *c) {
    struct broker *b;
    size_t i = 0;
    while ((b = map_next(&c->brokers, &i))) {
        if (!b->gone) continue;
        struct error why = error_make(ERROR_TRANSPORT, 0, "cluster", "broker %d of %s is not in the metadata any more",
                                      b->node_id, c->config.alias);
        broker_link_stop(&b->control, false);
        run_tasks(&b->tasks, NULL, &why);
    }
}

bool cluster_connect_others(struct cluster *c) {
    struct broker *b;
    size_t i = 0;
    bool others = false;
    while ((b = map_next(&c->brokers, &i))) {
        if (b->gone || b->node_id < 0 || b->node_id == c->refreshed_by) continue;
        broker_link_start(&b->control);
        others = true;
    }
    return others;
}

struct broker *cluster_broker(struct cluster *c, int32_t node_id) {
    struct broker *b = map_get_number(&c->brokers, (uint32_t)node_id);
    return b && !b->gone ? b : NULL;
}

// A bootstrap address is one of a broker that is known by now, too.
static bool is_known_otherwise(struct cluster *c, const struct broker *bootstrap) {
    struct broker *b;
    size_t i = 0;
    while ((b = map_next(&c->brokers, &i)))
        if (b->node_id >= 0 && !b->gone && b->port == bootstrap->port && strcmp(b->host, bootstrap->host) == 0)
            return true;
    return false;
}

size_t cluster_unreachable(struct cluster *c) {
    struct broker *b;
    size_t i = 0, count = 0;
    while ((b = map_next(&c->brokers, &i))) {
        if (b->gone || !b->reported || !b->control.started) continue;
        count += b->node_id >= 0 || !is_known_otherwise(c, b);
    }
    return count;
}

struct cluster_topic *cluster_topic(struct cluster *c, const char *name) {
    return map_get_text(&c->topics, name, strlen(name));
}

// Who owes an answer may be frozen, or long at work; who owes metadata was given time for it, and a quota's throttle
// may last for minutes.
static int promise(const struct broker *b) {
    if (b->owes_metadata || connection_is_muted(&b->control.connection)) return 0;
    return b->control.connection.requests_count > 0 ? 1 : 2;
}

struct broker *cluster_ready_broker(struct cluster *c, int32_t last) {
    struct broker *b, *best = NULL;
    size_t i = 0;
    int best_worth = -1;
    bool passed = false;
    while ((b = map_next(&c->brokers, &i))) {
        int worth = (b->node_id < 0 ? 0 : 6) + 2 * promise(b) + passed;
        bool ready = !b->gone && broker_link_ready(&b->control);
        if (ready && worth > best_worth) {
            best = b;
            best_worth = worth;
        }
        passed |= last != CLUSTER_ANY && b->node_id == last;
    }
    return best;
}

void cluster_submit(struct cluster *c, int32_t node_id, struct cluster_task *task) {
    struct broker *b = NULL;
    if (node_id == CLUSTER_CONTROLLER) b = cluster_broker(c, c->controller);
    else if (node_id != CLUSTER_ANY) b = cluster_broker(c, node_id);
    if (!b && node_id >= 0) {
        cluster_refresh(c);
        struct error e = error_make(ERROR_TRANSPORT, 0, "cluster", "broker %d of %s is not in the metadata", node_id,
                                    c->config.alias);
        task->run(task, NULL, &e);
        return;
    }
    if (!b) b = cluster_ready_broker(c, node_id == CLUSTER_ANOTHER ? c->asked_of : CLUSTER_ANY);
    if (!b) {
        list_append(&c->waiting, &task->link);
        connect_any(c);
    } else if (broker_link_ready(&b->control)) {
        task->run(task, &b->control.connection, NULL);
    } else {
        list_append(&b->tasks, &task->link);
        broker_link_start(&b->control);
    }
}

void cluster_withdraw(struct cluster_task *task) {
    if (link_linked(&task->link)) list_remove(&task->link);
}

void cluster_init(struct cluster *c, struct environment *env, const struct cluster_config *config) {
    *c = (struct cluster){.env = env, .config = *config, .controller = -1, .asked_of = CLUSTER_ANY};
    map_init(&c->brokers);
    map_init(&c->topics);
    list_init(&c->waiting);
    metadata_init(c);
    for (size_t i = 0; i < config->bootstrap_count; i++)
        cluster_add_broker(c, NODE_BOOTSTRAP - (int32_t)i, config->bootstrap[i].host, strlen(config->bootstrap[i].host),
                           config->bootstrap[i].port);
}

void cluster_start(struct cluster *c) {
    cluster_refresh(c);
}

void cluster_stop(struct cluster *c) {
    metadata_stop(c);
    struct error why = error_make(ERROR_CLOSED, 0, "cluster", "closed by us");
    struct broker *b;
    size_t i = 0;
    while ((b = map_next(&c->brokers, &i))) {
        broker_link_stop(&b->control, true);
        run_tasks(&b->tasks, NULL, &why);
    }
    run_tasks(&c->waiting, NULL, &why);
}

void cluster_free(struct cluster *c) {
    struct broker *b;
    size_t i = 0;
    while ((b = map_next(&c->brokers, &i))) {
        timer_cancel(&c->env->timers, &b->held);
        broker_link_free(&b->control);
        memory_free(b->host);
        memory_free(b);
    }
    map_free(&c->brokers);
    metadata_free(c);
    memory_free(c->cluster_id);
}
