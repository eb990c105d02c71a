// The table of settings. Parser, defaults, help and docs/configuration.md all come from it.
#include "app/settings_table.h"

static const struct setting_choice policies[] = {
    {"org.apache.kafka.connect.mirror.DefaultReplicationPolicy", REPLICATION_POLICY_DEFAULT},
    {"org.apache.kafka.connect.mirror.IdentityReplicationPolicy", REPLICATION_POLICY_IDENTITY},
    {"Default", REPLICATION_POLICY_DEFAULT},
    {"Identity", REPLICATION_POLICY_IDENTITY},
    {NULL, 0},
};

static const struct setting_choice acks_choices[] = {
    {"1", ACKS_LEADER},
    {"all", ACKS_ALL},
    {"-1", ACKS_ALL},
    {NULL, 0},
};

// clang-format off
static const struct setting_choice log_levels[] = {
    {"debug", LOG_DEBUG},
    {"info", LOG_INFO},
    {"warn", LOG_WARN},
    {"error", LOG_ERROR},
    {NULL, 0},
};
// clang-format on

#define IN_PROGRAM(member) .owner = OWNER_PROGRAM, .offset = offsetof(struct settings, member)
#define IN_CLUSTER(member)                                                                                             \
    .owner = OWNER_CLUSTER, .reload = RELOAD_RESTARTS_FLOW, .offset = offsetof(struct cluster_settings, member)
#define IN_FLOW(member)                                                                                                \
    .owner = OWNER_FLOW, .reload = RELOAD_RESTARTS_FLOW, .offset = offsetof(struct flow_settings, member)

// The order is that of the documentation.
// clang-format off
const struct setting settings_table[] = {
    // clusters and flows
    {"clusters", IN_PROGRAM(aliases), .places = PLACE_TOP, .type = SETTING_LIST, .reload = RELOAD_RESTARTS_FLOW,
     .description = "Aliases of the clusters."},
    {"bootstrap.servers", IN_CLUSTER(bootstrap_servers), .places = PLACE_CLUSTER, .type = SETTING_SERVERS,
     .description = "Brokers to ask first. IPv6 addresses stand in brackets: `[::1]:9092`."},
    {"enabled", IN_FLOW(enabled), .places = PLACE_FLOW, .type = SETTING_BOOL, .standard = "false",
     .description = "Whether the flow runs. A flow for which nothing is said does not."},

    // which topics, and their names
    {"topics", IN_FLOW(topics), .places = PLACE_FLOW | PLACE_TOP, .type = SETTING_PATTERNS, .standard = ".*",
     .description = "Regular expressions (Java's, without nested character classes); a topic is mirrored when one "
                    "matches its whole name. Write backslashes twice: the file format takes one away."},
    {"topics.exclude", IN_FLOW(topics_exclude), .other_name = "topics.blacklist", .places = PLACE_FLOW | PLACE_TOP,
     .type = SETTING_PATTERNS, .standard = ".*[\\-\\.]internal, .*\\.replica, __.*",
     .description = "Topics not to mirror; wins over `topics`. Internal topics (`__x`, `.x`, `x.internal`, "
                    "`x-internal`) and topics that came from the flow's own target are never mirrored."},
    {"replication.policy.class", IN_FLOW(replication_policy), .places = PLACE_FLOW | PLACE_TOP, .type = SETTING_CHOICE,
     .choices = policies, .standard = "org.apache.kafka.connect.mirror.DefaultReplicationPolicy",
     .description = "Names at the target: `A.topic` (Default) or `topic` (Identity)."},
    {"replication.policy.separator", IN_FLOW(replication_policy_separator), .places = PLACE_FLOW | PLACE_TOP,
     .type = SETTING_NAME, .min = 1, .max = TOPIC_NAME_SIZE_MAX, .standard = ".",
     .description = "What stands between the alias and the topic."},
    {"replication.policy.internal.topic.separator.enabled", IN_FLOW(internal_topic_separator_enabled),
     .places = PLACE_FLOW | PLACE_TOP, .type = SETTING_BOOL, .standard = "true",
     .description = "Whether names of internal topics are recognized by the separator too, not only by a dot."},
    {"heartbeats.replication.enabled", IN_FLOW(heartbeats_replication_enabled), .places = PLACE_FLOW | PLACE_TOP,
     .type = SETTING_BOOL, .standard = "true",
     .description = "Mirror topics named `heartbeats` whatever `topics` says."},
    {"replication.factor", IN_FLOW(replication_factor), .places = PLACE_FLOW | PLACE_TOP, .type = SETTING_NUMBER,
     .min = -1, .max = INT16_MAX, .zero_refused = true, .standard = "2",
     .description = "Of topics created at the target; -1 takes the target brokers' default."},
    {"refresh.topics.enabled", IN_FLOW(refresh_topics_enabled), .places = PLACE_FLOW | PLACE_TOP, .type = SETTING_BOOL,
     .standard = "true", .description = "Whether to look for new topics and partitions while running."},
    {"refresh.topics.interval.seconds", IN_FLOW(refresh_topics_interval_s), .places = PLACE_FLOW | PLACE_TOP,
     .type = SETTING_NUMBER, .min = 1, .max = INT32_MAX / 1000, .unit = "s", .standard = "600",
     .description = "How often to look."},

    // copying
    {"acks", IN_FLOW(acks), .other_name = "producer.acks", .places = PLACE_FLOW | PLACE_TARGET | PLACE_TOP,
     .type = SETTING_CHOICE, .choices = acks_choices, .ours = true, .standard = "1",
     .description = "Who must have a batch before the target's leader answers. 1 is safe: what a failing leader loses "
                    "moves our position back with it, and is copied again."},
    {"slices", IN_FLOW(slices), .places = PLACE_FLOW | PLACE_TOP, .type = SETTING_NUMBER, .min = 1, .max = 1024,
     .ours = true, .standard = "64",
     .description = "Parts a flow's partitions fall into; what instances own and hand over. The same for all "
                    "instances."},
    {"fetch.sessions", IN_FLOW(fetch_sessions), .places = PLACE_FLOW | PLACE_SOURCE | PLACE_TOP,
     .type = SETTING_NUMBER, .min = 0, .max = 64, .ours = true, .standard = "0",
     .description = "Fetch sessions (connections) to each source broker; more of them fill a long line. 0: chosen "
                    "by measuring: up to 64 at first over a long line, then as few as carry as much."},
    {"fetch.max.bytes", IN_FLOW(fetch_max_bytes), .places = PLACE_FLOW | PLACE_SOURCE | PLACE_TOP,
     .type = SETTING_NUMBER, .min = 0, .max = 64 * MiB, .unit = "bytes", .ours = true, .standard = "0",
     .description = "Asked for in one fetch of a session. A larger batch still comes whole. 0: chosen by measuring, "
                    "4 MiB where the round trip is short, 8 for many partitions or large batches."},
    {"fetch.max.wait.ms", IN_FLOW(fetch_max_wait_ms), .places = PLACE_FLOW | PLACE_SOURCE | PLACE_TOP,
     .type = SETTING_NUMBER, .min = 0, .max = 60000, .unit = "ms", .ours = true, .standard = "500",
     .description = "How long a source broker may keep a fetch when there is nothing new."},
    {"join.small.batches", IN_FLOW(join_small_batches), .places = PLACE_FLOW | PLACE_TARGET | PLACE_TOP,
     .type = SETTING_BOOL, .ours = true, .standard = "true",
     .description = "Write small uncompressed batches that follow each other as one, and send the more in a request "
                    "the slower the target answers. Records, offsets and times stay what they are. false: each batch "
                    "as the source has it, whatever it costs."},
    {"buffer.memory", IN_PROGRAM(buffer_memory), .places = PLACE_TOP, .type = SETTING_NUMBER, .min = MiB,
     .max = (int64_t)64 * 1024 * MiB, .unit = "bytes", .ours = true, .reload = RELOAD_NEEDS_RESTART,
     .standard = "67108864",
     .description = "Bytes in flight of each shard: fetched, not yet acknowledged. One batch can be at most half "
                    "of it."},

    // clients
    {"client.id", IN_FLOW(client_id), .places = PLACE_FLOW | PLACE_TARGET | PLACE_TOP, .type = SETTING_TEXT, .min = 0,
     .max = CLIENT_ID_SIZE_MAX, .standard = "",
     .description = "What brokers see, in quotas and logs. Empty: the flow's name, `A->B`."},
    {"session.timeout.ms", IN_FLOW(session_timeout_ms), .places = PLACE_FLOW | PLACE_TARGET | PLACE_TOP,
     .type = SETTING_NUMBER, .min = 1000, .max = 1800000, .unit = "ms", .standard = "10000",
     .description = "After this long without a heartbeat the group at the target gives an instance's slices away."},
    {"heartbeat.interval.ms", IN_FLOW(heartbeat_interval_ms), .places = PLACE_FLOW | PLACE_TARGET | PLACE_TOP,
     .type = SETTING_NUMBER, .min = 100, .max = 600000, .unit = "ms", .standard = "3000",
     .description = "Between two heartbeats; at most half of the session's time-out, best a third of it."},
    {"metadata.max.age.ms", IN_CLUSTER(metadata_max_age_ms), .places = PLACE_CLUSTER | PLACE_TOP,
     .type = SETTING_NUMBER, .min = 1000, .max = INT32_MAX, .unit = "ms", .standard = "300000",
     .description = "Leaders are asked for again after this long, without any sign of change."},
    {"request.timeout.ms", IN_CLUSTER(request_timeout_ms), .places = PLACE_CLUSTER | PLACE_TOP,
     .type = SETTING_NUMBER, .min = 1000, .max = INT32_MAX, .unit = "ms", .standard = "40000",
     .description = "A request without an answer for this long costs the connection."},
    {"reconnect.backoff.ms", IN_CLUSTER(reconnect_backoff_ms), .places = PLACE_CLUSTER | PLACE_TOP,
     .type = SETTING_NUMBER, .min = 1, .max = 3600000, .unit = "ms", .standard = "50",
     .description = "Pause before a broker is tried again; doubled with each failure."},
    {"reconnect.backoff.max.ms", IN_CLUSTER(reconnect_backoff_max_ms), .places = PLACE_CLUSTER | PLACE_TOP,
     .type = SETTING_NUMBER, .min = 1, .max = 3600000, .unit = "ms", .standard = "1000",
     .description = "The longest such pause; never less than the first."},

    // the program
    {"instance.id", IN_PROGRAM(instance_id), .places = PLACE_TOP, .type = SETTING_NAME, .min = 0,
     .max = TOPIC_NAME_SIZE_MAX, .ours = true, .reload = RELOAD_NEEDS_RESTART, .standard = "",
     .description = "Names this instance in the groups (static membership, KIP-345), different for each. Empty: from "
                    "the host's name and a file in TMPDIR; where that is kept, a restart takes the slices back at "
                    "once."},
    {"log.level", IN_PROGRAM(log_level), .places = PLACE_TOP, .type = SETTING_CHOICE, .choices = log_levels,
     .ours = true, .standard = "info", .description = "The least important lines to be logged."},
    {"status.interval.ms", IN_PROGRAM(status_interval_ms), .places = PLACE_TOP, .type = SETTING_NUMBER, .min = 100,
     .max = 3600000, .unit = "ms", .ours = true, .standard = "1000",
     .description = "Between two updates of the status line on a terminal; in a log at least 10 s."},
    {"drain.timeout.ms", IN_PROGRAM(drain_timeout_ms), .places = PLACE_TOP, .type = SETTING_NUMBER, .min = 0,
     .max = 600000, .unit = "ms", .ours = true, .standard = "10000",
     .description = "When stopping, how long to wait for what is in flight. Nothing is lost after it: it is copied "
                    "again."},
};
// clang-format on

const size_t settings_table_count = sizeof settings_table / sizeof settings_table[0];

const struct setting *settings_find(const char *name) {
    for (size_t i = 0; i < settings_table_count; i++) {
        const struct setting *s = &settings_table[i];
        if (strcmp(s->name, name) == 0 || (s->other_name && strcmp(s->other_name, name) == 0)) return s;
    }
    return NULL;
}
