// Settings: what a file means for each cluster and flow, and what is said about a wrong one.
#include "app/settings.h"

#include "app/settings_help.h"
#include "app/settings_table.h"
#include "app/suggest.h"
#include "base/limits.h"
#include "unit/test.h"

#define BASE                                                                                                           \
    "clusters = a, b\n"                                                                                                \
    "a.bootstrap.servers = one:9092\n"                                                                                 \
    "b.bootstrap.servers = two:9092\n"                                                                                 \
    "a->b.enabled = true\n"
// What follows BASE is in line 5.

static struct problems problems;
static struct settings *settings;

static bool parse(const char *text) {
    problems_init(&problems, "mirror.properties");
    return settings_parse((struct bytes){(const uint8_t *)text, strlen(text)}, &settings, &problems);
}

static void done(void) {
    settings_free(settings);
    problems_free(&problems);
}

static const char *said(struct buffer *b) {
    buffer_append_u8(b, 0);
    return (const char *)b->at;
}

#define EXPECT_ERRORS(text, wanted)                                                                                    \
    do {                                                                                                               \
        EXPECT(!parse(text));                                                                                          \
        EXPECT(!settings);                                                                                             \
        EXPECT_TEXT(said(&problems.errors), wanted);                                                                   \
        done();                                                                                                        \
    } while (0)

#define EXPECT_WARNINGS(text, wanted)                                                                                  \
    do {                                                                                                               \
        EXPECT(parse(text));                                                                                           \
        EXPECT_TEXT(said(&problems.warnings), wanted);                                                                 \
        done();                                                                                                        \
    } while (0)

TEST(defaults) {
    EXPECT(parse(BASE));
    EXPECT_INT(problems.warnings_count, 0);
    EXPECT_INT(settings->clusters_count, 2);
    EXPECT_INT(settings->flows_count, 1);
    const struct flow_settings *f = &settings->flows[0];
    EXPECT_TEXT(f->name, "a->b");
    EXPECT_INT(f->source, 0);
    EXPECT_INT(f->target, 1);
    EXPECT_TEXT(f->topics.items[0], ".*");
    EXPECT_INT(f->topics_exclude.count, 3);
    EXPECT_TEXT(f->topics_exclude.items[0], ".*[\\-\\.]internal");
    EXPECT_INT(f->replication_policy, REPLICATION_POLICY_DEFAULT);
    EXPECT_TEXT(f->replication_policy_separator, ".");
    EXPECT_INT(f->replication_factor, 2);
    EXPECT_INT(f->refresh_topics_interval_s, 600);
    EXPECT_TEXT(f->client_id, "a->b");
    EXPECT_INT(f->acks, ACKS_LEADER);
    EXPECT_INT(f->slices, 64);
    EXPECT_INT(settings->buffer_memory, 64 * MiB);
    EXPECT_INT(settings->clusters[1].request_timeout_ms, 40000);
    EXPECT_TEXT(settings->clusters[1].bootstrap_servers.items[0].host, "two");
    done();
}

TEST(the_flow_comes_before_the_cluster_before_the_top) {
    EXPECT(parse(BASE "b->a.enabled = TRUE\n"
                      "acks = all\n b.acks = 1\n a->b.acks = -1\n"
                      "session.timeout.ms = 20000\n b.session.timeout.ms = 30000\n"
                      "fetch.max.bytes = 2000\n b.fetch.max.bytes = 3000\n"
                      "topics = x\n a->b.topics = y\n"
                      "request.timeout.ms = 5000\n a.request.timeout.ms = 6000\n"));
    EXPECT_INT(settings->flows_count, 2);
    const struct flow_settings *forth = settings_find_flow(settings, "a->b");
    const struct flow_settings *back = settings_find_flow(settings, "b->a");
    EXPECT_INT(forth->acks, ACKS_ALL);
    EXPECT_INT(back->acks, ACKS_ALL);
    EXPECT_INT(forth->session_timeout_ms, 30000);  // the target is b
    EXPECT_INT(back->session_timeout_ms, 20000);
    EXPECT_INT(forth->fetch_max_bytes, 2000);
    EXPECT_INT(back->fetch_max_bytes, 3000);  // the source is b
    EXPECT_TEXT(forth->topics.items[0], "y");
    EXPECT_TEXT(back->topics.items[0], "x");
    EXPECT_INT(settings->clusters[0].request_timeout_ms, 6000);
    EXPECT_INT(settings->clusters[1].request_timeout_ms, 5000);
    EXPECT(!settings_find_flow(settings, "a->c"));
    done();
}

TEST(a_file_made_for_mirrormaker_works) {
    EXPECT(parse("clusters = primary, eu.backup\n"
                 "primary.bootstrap.servers = broker1:9092, broker2:9092\n"
                 "eu.backup.bootstrap.servers = [::1]:9092,[fe80::1%eth0]:9093\n"
                 "primary->eu.backup.enabled = true\n"
                 "primary->eu.backup.topics = foo-.*, bar-.*\n"
                 "primary->eu.backup.topics.blacklist = foo-x\n"
                 "eu.backup->primary.enabled = false\n"
                 "eu.backup.producer.acks = all\n"
                 "replication.factor = 3\n"
                 "checkpoints.topic.replication.factor=1\n"
                 "offset.storage.replication.factor=1\n"
                 "tasks.max = 10\n"
                 "eu.backup.group.id = g\n"
                 "key.converter = org.apache.kafka.connect.converters.ByteArrayConverter\n"
                 "security.protocol = PLAINTEXT\n"
                 "replication.policy.class = org.apache.kafka.connect.mirror.IdentityReplicationPolicy\n"));
    EXPECT_TEXT(said(&problems.warnings), "");
    EXPECT_INT(settings->flows_count, 1);
    const struct flow_settings *f = &settings->flows[0];
    EXPECT_TEXT(f->name, "primary->eu.backup");
    EXPECT_INT(f->topics.count, 2);
    EXPECT_TEXT(f->topics.items[1], "bar-.*");
    EXPECT_TEXT(f->topics_exclude.items[0], "foo-x");
    EXPECT_INT(f->acks, ACKS_ALL);
    EXPECT_INT(f->replication_factor, 3);
    EXPECT_INT(flow_settings_naming(settings, f).policy, REPLICATION_POLICY_IDENTITY);
    EXPECT_TEXT(flow_settings_naming(settings, f).source_alias, "primary");
    const struct server_list *servers = &settings->clusters[1].bootstrap_servers;
    EXPECT_INT(servers->count, 2);
    EXPECT_TEXT(servers->items[0].host, "::1");
    EXPECT_TEXT(servers->items[1].host, "fe80::1%eth0");
    EXPECT_INT(servers->items[1].port, 9093);
    done();
}

TEST(every_wrong_value_is_named_with_its_line) {
    EXPECT_ERRORS("clusters = a, b\n"
                  "a.bootstrap.servers = one\n"
                  "b.bootstrap.servers = ::1:9092\n"
                  "a->b.enabled = yes\n"
                  "b->a.enabled = true\n"
                  "slices = 0\n"
                  "replication.factor = 0\n"
                  "fetch.max.bytes = 1M\n"
                  "b.acks = 0\n"
                  "topics = orders(\n"
                  "a->b.replication.policy.separator = /\n"
                  "log.level = trace\n"
                  "drain.timeout.ms = 99999999999999999999\n"
                  "replication.policy.separator =\n",
                  "mirror.properties:2: a.bootstrap.servers = one: expected host:port, or several, separated by "
                  "commas\n"
                  "mirror.properties:3: b.bootstrap.servers = ::1:9092: expected host:port, or several, separated by "
                  "commas\n"
                  "mirror.properties:4: a->b.enabled = yes: expected true or false\n"
                  "mirror.properties:6: slices = 0: expected 1 to 1024\n"
                  "mirror.properties:7: replication.factor = 0: expected -1, or 1 to 32767\n"
                  "mirror.properties:8: fetch.max.bytes = 1M: expected 0 to 67108864\n"
                  "mirror.properties:9: b.acks = 0: expected 1, all or -1\n"
                  "mirror.properties:10: topics = orders(: not a regular expression: missing closing parenthesis at "
                  "position 7\n"
                  "mirror.properties:11: a->b.replication.policy.separator = /: expected 1 to 249 of the characters "
                  "a-z A-Z 0-9 . _ -\n"
                  "mirror.properties:12: log.level = trace: expected debug, info, warn or error\n"
                  "mirror.properties:13: drain.timeout.ms = 99999999999999999999: expected 0 to 600000\n"
                  "mirror.properties:14: replication.policy.separator = : expected 1 to 249 of the characters a-z A-Z "
                  "0-9 . _ -\n");
}

// With two aliases of which one begins like the other, the longer one is meant.
TEST(aliases_may_hold_dots) {
    EXPECT(parse("clusters = a, a.b, a.b.c\na.bootstrap.servers = one:1\na.b.bootstrap.servers = two:2\n"
                 "a.b.c.bootstrap.servers = three:3\na->a.b.enabled = true\na->a.b.c.topics = x\n"));
    EXPECT_TEXT(said(&problems.warnings), "");
    EXPECT_INT(settings->clusters[1].bootstrap_servers.items[0].port, 2);
    EXPECT_TEXT(settings->flows[0].name, "a->a.b");
    done();
}

TEST(the_longest_pause_is_never_less_than_the_first) {
    EXPECT(parse(BASE "a.reconnect.backoff.ms = 5000\n"));
    EXPECT_INT(settings->clusters[0].reconnect_backoff_max_ms, 5000);
    EXPECT_INT(settings->clusters[1].reconnect_backoff_max_ms, 1000);
    done();
}

TEST(servers_are_host_and_port) {
    static const char *const wrong[] = {
        "",      "one",       ":9092",   "one:",   "one:0",          "one:65536", "one:9092,",
        "[::1]", "[::1:9092", "[]:9092", "one:+1", "SSL://one:9092", "a b:9092",  "one:9092;two:9092"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char text[200];
        snprintf(text, sizeof text,
                 "clusters=a,b\na.bootstrap.servers=%s\nb.bootstrap.servers=b:1\n"
                 "a->b.enabled=true\n",
                 wrong[i]);
        EXPECT(!parse(text));
        EXPECT_INT(problems.errors_count, 1);
        done();
    }
}

TEST(what_is_missing_is_said) {
    EXPECT_ERRORS("", "mirror.properties: clusters is missing: expected a line such as clusters = A, B\n");
    EXPECT_ERRORS("clusters = a, b\na->b.enabled = true\n", "mirror.properties:1: a.bootstrap.servers is missing\n"
                                                            "mirror.properties:1: b.bootstrap.servers is missing\n");
    EXPECT_ERRORS("clusters = a, b\na.bootstrap.servers = a:1\nb.bootstrap.servers = b:1\n",
                  "mirror.properties: no flow is enabled: expected a line such as a->b.enabled = true\n");
}

TEST(aliases_are_checked) {
    EXPECT_ERRORS("clusters = a, b, a, c/d\n",
                  "mirror.properties:1: clusters: a stands there twice\n"
                  "mirror.properties:1: clusters: c/d: expected at most 100 of the characters a-z A-Z 0-9 . _ -\n");
    char many[1000] = "clusters = 0";
    for (int i = 1; i <= CLUSTERS_MAX; i++) snprintf(many + strlen(many), sizeof many - strlen(many), ",%d", i);
    EXPECT_ERRORS(many, "mirror.properties:1: clusters: 65 of them, expected at most 64\n");
    EXPECT_ERRORS("clusters = a,,b\n", "mirror.properties:1: clusters = a,,b: expected names, separated by commas\n");
    EXPECT_ERRORS(BASE "a->c.enabled = true\nx->b.topics = y\na->a.enabled = true\n",
                  "mirror.properties:5: a->c.enabled: \"c\" is not in clusters\n"
                  "mirror.properties:6: x->b.topics: \"x\" is not in clusters\n"
                  "mirror.properties:7: a->a.enabled: a flow from a to itself\n");
    EXPECT_ERRORS("clusters = west, east\nwest.bootstrap.servers = a:1\neast.bootstrap.servers = b:1\n"
                  "west->east.enabled = true\nwets->east.topics = x\n",
                  "mirror.properties:5: wets->east.topics: \"wets\" is not in clusters: did you mean west?\n");
}

TEST(unknown_settings_are_warned_of_with_the_nearest) {
    EXPECT_WARNINGS(BASE "a->b.topcs = x\n"
                         "a.bootstrap.server = x\n"
                         "replication.polcy.class = x\n"
                         "c.bootstrap.servers = x:1\n"
                         "bufer.memory = 1\n"
                         "emit.checkpoint.enabled = true\n"
                         "what.is.this = 1\n"
                         "bootstrap.server = x\n"
                         "what\\nis = 1\n",
                    "mirror.properties:5: unknown setting a->b.topcs: did you mean a->b.topics?\n"
                    "mirror.properties:6: unknown setting a.bootstrap.server: did you mean a.bootstrap.servers?\n"
                    "mirror.properties:7: unknown setting replication.polcy.class: did you mean "
                    "replication.policy.class?\n"
                    "mirror.properties:8: unknown setting c.bootstrap.servers: \"c\" is not in clusters\n"
                    "mirror.properties:9: unknown setting bufer.memory: did you mean buffer.memory?\n"
                    "mirror.properties:10: unknown setting emit.checkpoint.enabled: did you mean "
                    "emit.checkpoints.enabled?\n"
                    "mirror.properties:11: unknown setting what.is.this\n"
                    "mirror.properties:12: unknown setting bootstrap.server: did you mean A.bootstrap.servers?\n"
                    "mirror.properties:13: unknown setting what?is\n");
}

TEST(settings_without_effect_are_warned_of_when_something_is_missing) {
    EXPECT_WARNINGS(BASE "sync.group.offsets.enabled = true\n"
                         "a->b.sync.topic.acls.enabled = false\n"
                         "a->b.transforms = mask\n"
                         "a->b.transforms.mask.type = x\n"
                         "b.producer.compression.type = zstd\n"
                         "a->b.consumer.poll.timeout.ms = 1\n"
                         "topic.filter.class = org.apache.kafka.connect.mirror.DefaultTopicFilter\n",
                    "mirror.properties:5: sync.group.offsets.enabled has no effect in this version: offsets of "
                    "consumer groups are not mirrored yet\n"
                    "mirror.properties:7: a->b.transforms has no effect in this version: records are copied as they "
                    "are\n"
                    "mirror.properties:9: b.producer.compression.type has no effect in this version: Odraz has clients "
                    "of its own\n");
}

TEST(settings_in_the_wrong_place_are_warned_of) {
    EXPECT_WARNINGS(BASE "a.topics = x\nbootstrap.servers = x\na->b.buffer.memory = 1048576\n",
                    "mirror.properties:5: a.topics has no effect: write topics or A->B.topics\n"
                    "mirror.properties:6: bootstrap.servers has no effect: write A.bootstrap.servers\n"
                    "mirror.properties:7: a->b.buffer.memory has no effect: write buffer.memory\n");
    EXPECT_WARNINGS(BASE "topics.blacklist = x\ntopics.exclude = y\n",
                    "mirror.properties:5: topics.blacklist has no effect: topics.exclude is set in line 6\n");
}

// a is only a source here, b only a target.
TEST(settings_of_a_part_that_a_cluster_does_not_play_are_warned_of) {
    EXPECT_WARNINGS(BASE "a.acks = all\nb.acks = all\na.fetch.sessions = 2\nb.fetch.sessions = 2\na.client.id = x\n"
                         "a.request.timeout.ms = 9999\n",
                    "mirror.properties:5: a.acks has no effect: it is for flows to a, and none is enabled\n"
                    "mirror.properties:8: b.fetch.sessions has no effect: it is for flows from b, and none is enabled\n"
                    "mirror.properties:9: a.client.id has no effect: it is for flows to a, and none is enabled\n");
    EXPECT_WARNINGS(BASE "b->a.enabled = true\na.acks = all\nb.fetch.sessions = 2\n", "");
    EXPECT_WARNINGS(BASE "b->a.enabled = false\na.producer.acks = all\n",
                    "mirror.properties:6: a.producer.acks has no effect: it is for flows to a, and none is enabled\n");
}

TEST(never_plain_text_where_something_else_was_asked_for) {
    static const char *const lines[] = {"security.protocol = SSL\n",
                                        "b.security.protocol = SASL_PLAINTEXT\n",
                                        "ssl.truststore.location = x\n",
                                        "a.sasl.mechanism = PLAIN\n",
                                        "a.consumer.ssl.truststore.location = x\n",
                                        "sasl.mechanism = PLAINTEXT\n",
                                        "a->b.source.cluster.security.protocol = SSL\n",
                                        "a->b.producer.override.sasl.mechanism = PLAIN\n"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char text[400];
        snprintf(text, sizeof text, BASE "%s", lines[i]);
        EXPECT(!parse(text));
        EXPECT(strstr(said(&problems.errors), "mirror.properties:5: "));
        EXPECT(strstr((char *)problems.errors.at, "this version speaks PLAINTEXT only"));
        done();
    }
    EXPECT(parse(BASE "a.consumer.security.protocol = PLAINTEXT\n"));
    done();
}

TEST(secrets_are_not_shown) {
    EXPECT(!parse(BASE "sasl.jaas.config = hunter2\n"
                       "ssl.keystore.password = hunter2\n"
                       "a.ssl.keystore.key = hunter2\n"
                       "a.sasl.jaas.confg = hunter2\n"
                       "passwrd = hunter2\n"
                       "clusters.password = hunter2\n"
                       "b.consumer.sasl.oauthbearer.clientCredential = hunter2\n"));
    EXPECT(strstr(said(&problems.errors), "sasl.jaas.config = (hidden)"));
    EXPECT(!strstr((char *)problems.errors.at, "hunter2"));
    EXPECT(!strstr(said(&problems.warnings), "hunter2"));
    done();
}

TEST(of_security_only_what_cannot_be_secret_is_shown) {
    EXPECT(!parse(BASE "sasl.oauthbearer.assertion.private.key.passphrase = hunter2\n"
                       "a.sasl.jass.config = hunter2\n"
                       "a.ssl.keystore.passwrd = hunter2\n"
                       "b.consumer.ssl.keystore.certificate.chain = hunter2\n"
                       "sasl.mechanism.security.protocol = hunter2\n"
                       "b.security.protocol = SASL_SSL\n"
                       "a->b.producer.override.sasl.mechanism = OAUTHBEARER\n"));
    EXPECT(!strstr(said(&problems.errors), "hunter2"));
    EXPECT(strstr((char *)problems.errors.at, "a.sasl.jass.config = (hidden): this version"));
    EXPECT(strstr((char *)problems.errors.at, "b.security.protocol = SASL_SSL: this version"));
    EXPECT(strstr((char *)problems.errors.at, "sasl.mechanism = OAUTHBEARER: this version"));
    EXPECT(!strstr(said(&problems.warnings), "hunter2"));
    done();
    EXPECT(is_secret_setting("sasl.oauthbearer.assertion.private.key.passphrase"));
}

// The second line of a private key is a name without a value, where the first one was not continued.
TEST(lines_of_a_secret_are_not_shown_as_names) {
    EXPECT_WARNINGS(BASE "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n"
                         "hunter2==\n"
                         "a->b.topcs =\n",
                    "mirror.properties:5: a line that is no setting: expected name = value\n"
                    "mirror.properties:6: a line that is no setting: expected name = value\n"
                    "mirror.properties:7: unknown setting a->b.topcs: did you mean a->b.topics?\n");
}

TEST(config_providers_are_refused_where_a_value_needs_one) {
    EXPECT_ERRORS(BASE "a->b.topics = ${file:/x:topics}\n",
                  "mirror.properties:5: a->b.topics = ${file:/x:topics}: config providers are not supported in this "
                  "version\n");
}

TEST(heartbeats_come_before_the_session_ends) {
    EXPECT_ERRORS(BASE "b.heartbeat.interval.ms = 5001\n",
                  "mirror.properties:5: a->b: heartbeat.interval.ms (5001) must be at most half of session.timeout.ms "
                  "(10000)\n");
    EXPECT_ERRORS(BASE "session.timeout.ms = 3000\n",
                  "mirror.properties:5: a->b: heartbeat.interval.ms (3000) must be at most half of session.timeout.ms "
                  "(3000)\n");
    EXPECT_WARNINGS(BASE "b.heartbeat.interval.ms = 5000\n", "");
}

#define TWO_SOURCES                                                                                                    \
    "clusters = a, b, c\n"                                                                                             \
    "a.bootstrap.servers = one:9092\n"                                                                                 \
    "b.bootstrap.servers = two:9092\n"                                                                                 \
    "c.bootstrap.servers = three:9092\n"                                                                               \
    "a->c.enabled = true\n"                                                                                            \
    "b->c.enabled = true\n"

TEST(sources_whose_topics_may_have_the_same_names_are_warned_of) {
    EXPECT_WARNINGS(TWO_SOURCES "replication.policy.class = Identity\n",
                    "mirror.properties:7: a->c and b->c both mirror .* under the names of the source: a topic that "
                    "both have would be mixed, and halt\n");
    EXPECT_WARNINGS(TWO_SOURCES "topics = orders, pay\nb->c.topics = cash, pay\nreplication.policy.class = Identity\n",
                    "mirror.properties:9: a->c and b->c both mirror pay under the names of the source: a topic that "
                    "both have would be mixed, and halt\n");
    EXPECT_WARNINGS(TWO_SOURCES "a->c.topics = eu.*\nb->c.topics = us.*\nreplication.policy.class = Identity\n", "");
    EXPECT_WARNINGS(TWO_SOURCES "a->c.replication.policy.class = Identity\n", "");
    EXPECT_WARNINGS(BASE "b->a.enabled = true\nreplication.policy.class = Identity\n", "");
    EXPECT_WARNINGS(TWO_SOURCES, "");
}

// Every setting can be told apart: one change, and the flow is another.
TEST(a_reload_sees_which_flows_changed) {
    EXPECT(parse(BASE "b->a.enabled = true\n"));
    struct settings *before = settings;
    problems_free(&problems);
    // clang-format off
    static const struct {
        const char *line;
        bool forth_same, back_same;
    } cases[] = {
        // line                                 a->b   b->a
        {"# nothing\n",                         true,  true},
        {"log.level = debug\n",                 true,  true},
        {"a->b.topics = x\n",                   false, true},
        {"a->b.topics = .*, x\n",               false, true},
        {"topics.exclude = x\n",                false, false},
        {"b.session.timeout.ms = 9999\n",       false, true},
        {"a.request.timeout.ms = 9999\n",       false, false},
        {"a->b.acks = all\n",                   false, true},
        {"a->b.client.id = c\n",                false, true},
        {"a->b.refresh.topics.enabled=false\n", false, true},
        {"b.bootstrap.servers = two:9093\n",    false, false},
    };
    // clang-format on
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[400];
        snprintf(text, sizeof text, BASE "b->a.enabled = true\n%s", cases[i].line);
        EXPECT(parse(text));
        bool forth_same = flow_settings_equal(before, &before->flows[0], settings, &settings->flows[0]);
        bool back_same = flow_settings_equal(before, &before->flows[1], settings, &settings->flows[1]);
        if (forth_same != cases[i].forth_same || back_same != cases[i].back_same) printf("case %s", cases[i].line);
        EXPECT(forth_same == cases[i].forth_same);
        EXPECT(back_same == cases[i].back_same);
        size_t at = 0;
        EXPECT(!settings_restart_needed(before, settings, &at));
        done();
    }
    EXPECT(parse(BASE "instance.id = other\nbuffer.memory = 33554432\n"));
    size_t at = 0;
    EXPECT_TEXT(settings_restart_needed(before, settings, &at), "buffer.memory");
    EXPECT_TEXT(settings_restart_needed(before, settings, &at), "instance.id");
    EXPECT(!settings_restart_needed(before, settings, &at));
    done();
    settings_free(before);
}

TEST(the_nearest_word) {
    struct suggestion s;
    suggestion_init(&s, "tpoics");
    suggestion_offer(&s, "acks");
    suggestion_offer(&s, "topics");
    suggestion_offer(&s, "topics.exclude");
    EXPECT_TEXT(s.nearest, "topics");
    suggestion_init(&s, "zzzz");
    suggestion_offer(&s, "acks");
    EXPECT(!s.nearest);
}

// The table itself: each default is a value its own setting takes, and no name stands there twice.
TEST(the_table_is_sound) {
    EXPECT(parse(BASE));  // asserts every default
    for (size_t i = 0; i < settings_table_count; i++) {
        const struct setting *s = &settings_table[i];
        EXPECT(s->description && s->places);
        EXPECT(settings_find(s->name) == s);
        EXPECT(s->owner != OWNER_FLOW || s->places & PLACE_FLOW);
        EXPECT(!ignored_settings_find(s->name) || strncmp(s->name, "producer.", 9) == 0);
    }
    for (size_t i = 0; i < ignored_settings_count; i++) {
        const char *name = ignored_settings[i].name;
        EXPECT(strchr(name, '*') || ignored_settings_find(name) == &ignored_settings[i]);
    }
    done();
}

// docs/configuration.md is what the table says. Tests run in the folder of the repository.
TEST(the_documentation_is_up_to_date) {
    struct buffer wanted;
    buffer_init(&wanted, SETTINGS_TEXT_SIZE_MAX);
    settings_markdown(&wanted);
    EXPECT(!wanted.overflowed);
    FILE *file = fopen("docs/configuration.md", "rb");
    EXPECT(file);
    static char actual[SETTINGS_TEXT_SIZE_MAX];
    size_t size = fread(actual, 1, sizeof actual, file);
    fclose(file);
    EXPECT_INT(size, wanted.size);
    EXPECT(memcmp(actual, wanted.at, size) == 0);
    buffer_free(&wanted);
}

TEST(help_fits_a_terminal) {
    struct buffer help;
    buffer_init(&help, SETTINGS_TEXT_SIZE_MAX);
    help_settings(&help);
    const char *line = said(&help);
    EXPECT(strstr(line, "topics.exclude"));
    for (; *line; line += strcspn(line, "\n") + 1) EXPECT(strcspn(line, "\n") <= 100);
    buffer_free(&help);
}

int main(void) {
    RUN(defaults);
    RUN(the_flow_comes_before_the_cluster_before_the_top);
    RUN(a_file_made_for_mirrormaker_works);
    RUN(every_wrong_value_is_named_with_its_line);
    RUN(aliases_may_hold_dots);
    RUN(the_longest_pause_is_never_less_than_the_first);
    RUN(servers_are_host_and_port);
    RUN(what_is_missing_is_said);
    RUN(aliases_are_checked);
    RUN(unknown_settings_are_warned_of_with_the_nearest);
    RUN(settings_without_effect_are_warned_of_when_something_is_missing);
    RUN(settings_in_the_wrong_place_are_warned_of);
    RUN(settings_of_a_part_that_a_cluster_does_not_play_are_warned_of);
    RUN(never_plain_text_where_something_else_was_asked_for);
    RUN(secrets_are_not_shown);
    RUN(of_security_only_what_cannot_be_secret_is_shown);
    RUN(lines_of_a_secret_are_not_shown_as_names);
    RUN(config_providers_are_refused_where_a_value_needs_one);
    RUN(heartbeats_come_before_the_session_ends);
    RUN(sources_whose_topics_may_have_the_same_names_are_warned_of);
    RUN(a_reload_sees_which_flows_changed);
    RUN(the_nearest_word);
    RUN(the_table_is_sound);
    RUN(the_documentation_is_up_to_date);
    RUN(help_fits_a_terminal);
    return test_result();
}
