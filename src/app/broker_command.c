// `odraz broker`: a Kafka cluster in memory for whoever has none at hand: the demo, tests, a first look. Nothing
// outlives the process.
#include "app/broker_command.h"

#include "base/limits.h"
#include "base/memory.h"
#include "broker/cluster.h"
#include "io/log_sink.h"
#include "io/server.h"
#include "io/terminal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char broker_usage[] =
    "odraz broker --port P [--nodes N] [--host HOST] [--cluster-id ID] [--data-mib N] [--set NAME=VALUE]...\n"
    "\n"
    "A Kafka cluster in memory, for trying things out: N brokers (1) at the ports P, P+1, ... of HOST (127.0.0.1).\n"
    "Any Kafka client can use it. It ends with SIGTERM, and everything in it is gone then.\n"
    "\n"
    "  --cluster-id ID     22 characters, as Kafka makes them; each start makes a new one otherwise\n"
    "  --data-mib N        MiB of records that are kept before producers are refused (half of the machine's memory)\n"
    "  --set NAME=VALUE    a setting of server.properties, as often as needed\n";

#define CLUSTER_ID_SIZE 22

struct broker_options {
    const char *host, *cluster_id;
    uint16_t port;
    int32_t nodes;
    int64_t data_mib;
    const char *settings[2 * BROKER_SETTINGS_MAX + 1];  // names and values by turns, then NULL
    size_t settings_count;
};

// Options ------------------------------------------------------------------------------------------------------------

static bool number(const char *text, long low, long high, long *value) {
    char *end;
    *value = strtol(text, &end, 10);
    return *text && !*end && *value >= low && *value <= high;
}

static bool refuse(const char *option, const char *value, const char *allowed) {
    fprintf(stderr, "odraz: broker: %s %s: expected %s\n", option, value, allowed);
    return false;
}

// Cuts NAME=VALUE in two.
static bool take_setting(struct broker_options *o, char *word) {
    char *equals = strchr(word, '=');
    if (!equals || equals == word) return refuse("--set", word, "NAME=VALUE");
    if (o->settings_count == 2 * BROKER_SETTINGS_MAX) return refuse("--set", word, "fewer settings");
    *equals = 0;
    o->settings[o->settings_count++] = word;
    o->settings[o->settings_count++] = equals + 1;
    return true;
}

static bool take_option(struct broker_options *o, const char *name, char *value) {
    long n;
    if (strcmp(name, "--port") == 0) {
        if (!number(value, 1, UINT16_MAX, &n)) return refuse(name, value, "a port, 1 to 65535");
        o->port = (uint16_t)n;
    } else if (strcmp(name, "--nodes") == 0) {
        if (!number(value, 1, BROKER_NODES_MAX, &n)) return refuse(name, value, "1 to 9 brokers");
        o->nodes = (int32_t)n;
    } else if (strcmp(name, "--data-mib") == 0) {
        if (!number(value, 1, BROKER_DATA_MIB_MAX, &n)) return refuse(name, value, "MiB, at least 1");
        o->data_mib = n;
    } else if (strcmp(name, "--host") == 0) {
        o->host = value;
    } else if (strcmp(name, "--cluster-id") == 0) {
        o->cluster_id = value;
    } else if (strcmp(name, "--set") == 0) {
        return take_setting(o, value);
    } else {
        fprintf(stderr, "odraz: broker: there is no option %s\n%s", name, broker_usage);
        return false;
    }
    return true;
}

static bool take_options(struct broker_options *o, int count, char **words) {
    for (int i = 0; i < count; i += 2) {
        if (i + 1 == count) return refuse(words[i], "", "a value");
        if (!take_option(o, words[i], words[i + 1])) return false;
    }
    if (o->port == 0) return refuse("--port", "", "a port: it has no default");
    if (o->port + o->nodes - 1 > UINT16_MAX) return refuse("--nodes", "", "ports up to 65535");
    return true;
}

// Serving ------------------------------------------------------------------------------------------------------------

struct broker_program {
    struct loop *loop;
    struct environment *env;
    struct server *server;
    struct terminal terminal;
    struct log_sink sink;
    struct broker_cluster *cluster;
    struct timer due;
};

struct broker_endpoint {  // one node's address
    struct broker_program *program;
    int32_t node;
};

static void run_cluster(struct broker_program *b) {
    broker_cluster_run(b->cluster, b->env->now_us, b->env->wall_ms);
    int64_t next = broker_cluster_next(b->cluster);
    if (next == TIMER_NEVER) timer_cancel(&b->env->timers, &b->due);
    else timer_set(&b->env->timers, &b->due, next);
}

static void on_due(struct timer *t, int64_t now_us) {
    (void)now_us;
    run_cluster(CONTAINER_OF(t, struct broker_program, due));
}

static void wake(void *peer) {
    server_wake(peer);
}

static const struct broker_driver driver = {wake};

struct broker_session {
    struct broker_program *program;
    struct broker_connection *connection;
};

static void *session_open(void *context, struct peer *p) {
    struct broker_endpoint *e = context;
    run_cluster(e->program);
    struct broker_connection *k = broker_connection_new(e->program->cluster, e->node, &driver, p);
    if (!k) return NULL;
    struct broker_session *s = NEW(struct broker_session);
    *s = (struct broker_session){e->program, k};
    return s;
}

static size_t session_input(void *session, struct bytes in) {
    struct broker_session *s = session;
    size_t taken = broker_connection_input(s->connection, in);
    run_cluster(s->program);
    return taken;
}

static size_t session_output(void *session, struct bytes *out, size_t max) {
    const struct broker_session *s = session;
    return broker_connection_output(s->connection, out, max);
}

static void session_sent(void *session, size_t size) {
    struct broker_session *s = session;
    broker_connection_sent(s->connection, size);
    run_cluster(s->program);
}

static bool session_closing(const void *session) {
    const struct broker_session *s = session;
    return broker_connection_closing(s->connection);
}

static void session_gone(void *session) {
    struct broker_session *s = session;
    broker_connection_gone(s->connection);
    memory_free(s);
}

static const struct server_protocol protocol = {session_open, session_input,   session_output,
                                                session_sent, session_closing, session_gone};

// The command --------------------------------------------------------------------------------------------------------

static void on_signal(void *context, int signal_number) {
    (void)signal_number;
    loop_stop(((struct broker_program *)context)->loop);
}

// 22 characters of base64 for URLs, as org.apache.kafka.common.Uuid prints itself; no dash at the front.
static void make_cluster_id(struct prng *prng, char id[CLUSTER_ID_SIZE + 1]) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    for (int i = 0; i < CLUSTER_ID_SIZE; i++) id[i] = digits[prng_below(prng, i == 0 ? 63 : 64)];
    id[CLUSTER_ID_SIZE] = 0;
}

static int64_t half_of_memory_mib(void) {
    int64_t pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
    return pages > 0 && page_bytes > 0 ? pages * page_bytes / 2 / MiB : 0;
}

static struct error start(struct broker_program *b, const struct broker_options *o, struct broker_endpoint *endpoints) {
    struct error e = loop_new(&system_real, &b->loop);
    if (error_is(&e)) return e;
    b->env = loop_environment(b->loop);
    terminal_init(&b->terminal, &system_real, STDERR_FILENO);
    b->sink = (struct log_sink){.sys = &system_real, .terminal = &b->terminal};
    b->env->log = (struct logger){LOG_INFO, log_sink_write, &b->sink};
    timer_init(&b->due, on_due);
    e = loop_on_signal(b->loop, on_signal, b);
    if (error_is(&e)) return e;
    char made_id[CLUSTER_ID_SIZE + 1];
    make_cluster_id(&b->env->prng, made_id);
    struct broker_cluster_config config = {.cluster_id = o->cluster_id ? o->cluster_id : made_id,
                                           .host = o->host,
                                           .port_first = o->port,
                                           .nodes = o->nodes,
                                           .seed = prng_next(&b->env->prng),
                                           .settings = o->settings,
                                           .log = b->env->log};
    b->cluster = broker_cluster_new(&config, b->env->now_us, b->env->wall_ms);
    if (!b->cluster) return error_make(ERROR_CONFIG, 0, "broker", "a setting is wrong");
    broker_cluster_limit_data(b->cluster, o->data_mib * MiB);
    e = server_new(b->loop, &b->server);
    for (int32_t i = 0; i < o->nodes && !error_is(&e); i++) {
        endpoints[i] = (struct broker_endpoint){b, i + 1};
        e = server_listen(b->server, o->host, (uint16_t)(o->port + i), &protocol, &endpoints[i]);
    }
    return e;
}

static void end(struct broker_program *b) {
    if (b->server) server_free(b->server);
    if (b->cluster) broker_cluster_free(b->cluster);
    if (!b->loop) return;
    timer_cancel(&b->env->timers, &b->due);
    loop_free(b->loop);
}

int broker_command(int count, char **words) {
    struct broker_options o = {.host = "127.0.0.1", .nodes = 1, .data_mib = half_of_memory_mib()};
    if (!take_options(&o, count, words)) return 2;
    struct broker_program b = {0};
    struct broker_endpoint endpoints[BROKER_NODES_MAX];
    struct error e = start(&b, &o, endpoints);
    if (error_is(&e)) {
        fprintf(stderr, "odraz: broker: %s\n", e.detail);
    } else {
        bool is_ipv6 = strchr(o.host, ':');
        run_cluster(&b);
        log_line(&b.env->log, LOG_INFO, "serving",
                 "bootstrap.servers=%s%s%s:%u brokers=%d kept=\"in memory only\" data_mib_max=%" PRId64,
                 is_ipv6 ? "[" : "", o.host, is_ipv6 ? "]" : "", o.port, o.nodes, o.data_mib);
        loop_run(b.loop);
    }
    end(&b);
    return !error_is(&e) ? 0 : e.kind == ERROR_CONFIG ? 2 : 1;
}
