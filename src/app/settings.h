// The settings of the program, read from an mm2.properties file. What each means stands in settings_table.c.
#pragma once
#include "app/problems.h"
#include "base/log.h"
#include "mirror/naming.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text_list {
    char **items;
    size_t count;
};

struct server {
    char *host;  // an IPv6 address stands without its brackets
    uint16_t port;
};

struct server_list {
    struct server *items;
    size_t count;
};

struct cluster_settings {
    char *alias;
    struct server_list bootstrap_servers;
    int64_t metadata_max_age_ms;
    int64_t request_timeout_ms;
    int64_t reconnect_backoff_ms;
    int64_t reconnect_backoff_max_ms;
};

enum acks { ACKS_ALL = -1, ACKS_LEADER = 1 };  // the numbers of the protocol

// One enabled flow, everything resolved.
struct flow_settings {
    char *name;       // "A->B"
    uint32_t source;  // index in settings.clusters
    uint32_t target;
    bool enabled;  // always true here
    struct text_list topics;
    struct text_list topics_exclude;
    int replication_policy;  // enum replication_policy
    char *replication_policy_separator;
    bool internal_topic_separator_enabled;
    bool heartbeats_replication_enabled;
    int64_t replication_factor;  // -1: the target brokers' default
    bool refresh_topics_enabled;
    int64_t refresh_topics_interval_s;
    char *client_id;  // "A->B" when not set
    int64_t session_timeout_ms;
    int64_t heartbeat_interval_ms;
    int acks;  // enum acks
    int64_t slices;
    int64_t fetch_sessions;  // of each source broker; 0: the program chooses
    int64_t fetch_max_bytes;
    int64_t fetch_max_wait_ms;
    bool join_small_batches;
};

struct settings {
    struct text_list aliases;
    int64_t buffer_memory;  // bytes in flight of each shard
    char *instance_id;      // "": derived from the host's name
    int log_level;          // enum log_level
    int64_t status_interval_ms;
    int64_t drain_timeout_ms;
    struct cluster_settings *clusters;  // in the order of `clusters`
    size_t clusters_count;
    struct flow_settings *flows;  // at least one, ordered by source and target
    size_t flows_count;
};

// `text` is the file's content. True: `*settings` is complete, and to be freed with settings_free(). False: `problems`
// holds every error found. Warnings may be there in both cases. No secret ever gets into `problems`.
MUST_USE bool settings_parse(struct bytes text, struct settings **settings, struct problems *problems);
void settings_free(struct settings *s);

// Whether the flow would run the same under both: its own settings and those of its two clusters. For a reload: only
// flows for which this is false restart.
bool flow_settings_equal(const struct settings *a, const struct flow_settings *flow_a, const struct settings *b,
                         const struct flow_settings *flow_b);

// The flow of that name, or NULL.
const struct flow_settings *settings_find_flow(const struct settings *s, const char *name);

// For a reload: the next top-level setting that differs and needs a restart of the program, or NULL. `*at` begins
// with 0.
const char *settings_restart_needed(const struct settings *running, const struct settings *wanted, size_t *at);

// How the flow's topics are named; the texts are borrowed from the settings.
struct naming flow_settings_naming(const struct settings *s, const struct flow_settings *flow);
