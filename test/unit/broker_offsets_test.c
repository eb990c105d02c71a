// Offsets of groups of a modelled cluster, over the protocol: committed, fetched, pending, deleted, expired,
// remembered.
#include "coordinator_talk.h"

#define GROUP "copier"  // coordinated by partition 24 of 50
#define GROUP_PARTITION 24
#define TOPIC "orders"
#define MEMBER_ID_MAX 128

static struct talk t;

static void open_world(int32_t nodes, const char *const *settings) {
    talk_open(&t, nodes, settings);
    broker_topic_create(t.c, TOPIC, 4, 1, NULL);
    t.node = talk_find(&t, 0, GROUP, 0);
    client_close(&t.clients[0]);
}

struct commit {
    int16_t version;
    const char *topic, *member, *metadata;
    int32_t partition, generation;
    int64_t offset, retention_ms;
};
#define PLAIN                                                                                                          \
    ((struct commit){.version = 8, .topic = TOPIC, .member = "", .metadata = "m", .generation = -1, .retention_ms = -1})

static void send_commit(int who, const struct commit *how) {
    struct offset_commit_request_partition p;
    struct offset_commit_request_topic topic;
    struct offset_commit_request r;
    message_defaults(&offset_commit_request_partition_message, &p);
    message_defaults(&offset_commit_request_topic_message, &topic);
    message_defaults(&offset_commit_request_message, &r);
    p.partition_index = how->partition;
    p.committed_offset = how->offset;
    p.committed_leader_epoch = 7;
    p.committed_metadata = client_text(how->metadata);
    topic.name = client_text(how->topic);
    topic.partitions = &p;
    topic.partitions_count = 1;
    r.group_id = client_text(GROUP);
    r.generation_id_or_member_epoch = how->generation;
    r.member_id = client_text(how->member);
    r.retention_time_ms = how->retention_ms;
    r.topics = &topic;
    r.topics_count = 1;
    talk_send(&t, who, API_OFFSET_COMMIT, how->version, &r);
}

// -99: no answer yet.
static int16_t take_commit(int who, int16_t version) {
    struct offset_commit_response r;
    if (!talk_take(&t, who, API_OFFSET_COMMIT, version, &r)) return -99;
    return r.topics[0].partitions[0].error_code;
}

static int16_t commit(struct commit how) {
    send_commit(0, &how);
    for (int i = 0; i < 100; i++) {
        int16_t error_code = take_commit(0, how.version);
        if (error_code != -99) return error_code;
        talk_pass(&t, 10);
    }
    return -99;
}

static int16_t commit_at(int32_t partition, int64_t offset) {
    struct commit how = PLAIN;
    how.partition = partition;
    how.offset = offset;
    return commit(how);
}

static struct offset_fetch_response fetch(int who, int32_t partition, bool stable) {
    struct offset_fetch_request_group_topic topic = {.name = client_text(TOPIC), .partition_indexes_count = 1};
    struct offset_fetch_request_group group;
    struct offset_fetch_request r;
    struct offset_fetch_response answer;
    message_defaults(&offset_fetch_request_group_message, &group);
    message_defaults(&offset_fetch_request_message, &r);
    topic.partition_indexes = &partition;
    group.group_id = client_text(GROUP);
    group.topics = partition < 0 ? NULL : &topic;
    group.topics_count = partition < 0 ? -1 : 1;
    r.groups = &group;
    r.groups_count = 1;
    r.require_stable = stable;
    talk_ask(&t, who, API_OFFSET_FETCH, 9, &r, &answer);
    return answer;
}

static int64_t fetched(int who, int32_t partition, bool stable) {
    struct offset_fetch_response r = fetch(who, partition, stable);
    if (r.groups[0].error_code) return -1000 - r.groups[0].error_code;
    const struct offset_fetch_response_group_partition *p = &r.groups[0].topics[0].partitions[0];
    return p->error_code ? -1000 - p->error_code : p->committed_offset;
}

static void hold_followers(bool held) {
    for (int32_t n = 1; n <= 3; n++)
        if (n != t.node) broker_replica_hold(t.c, "__consumer_offsets", GROUP_PARTITION, n, held);
}

TEST(what_is_committed_is_fetched) {
    open_world(1, NULL);
    EXPECT_INT(fetched(0, 0, false), -1);
    EXPECT_INT(commit_at(0, 42), 0);
    EXPECT_INT(commit_at(2, 7), 0);
    EXPECT_INT(commit_at(0, 43), 0);
    struct offset_fetch_response r = fetch(0, 0, true);
    const struct offset_fetch_response_group_partition *p = &r.groups[0].topics[0].partitions[0];
    EXPECT_INT(p->committed_offset, 43);
    EXPECT_INT(p->committed_leader_epoch, 7);
    EXPECT(talk_is(p->metadata, "m"));
    EXPECT_INT(fetched(0, 1, true), -1);
    r = fetch(0, -1, false);
    EXPECT_INT(r.groups[0].topics_count, 1);
    EXPECT_INT(r.groups[0].topics[0].partitions_count, 2);
    EXPECT_INT(broker_group_offset(t.c, GROUP, TOPIC, 2), 7);
    EXPECT_INT(broker_group_offset(t.c, GROUP, TOPIC, 3), -1);
    talk_close(&t);
}

TEST(old_versions_ask_for_one_group) {
    open_world(1, NULL);
    EXPECT_INT(commit_at(1, 5), 0);
    int32_t indexes[2] = {1, 3};
    struct offset_fetch_request_topic topic = {client_text(TOPIC), indexes, 2};
    struct offset_fetch_request r;
    struct offset_fetch_response answer;
    message_defaults(&offset_fetch_request_message, &r);
    r.group_id = client_text(GROUP);
    r.topics = &topic;
    r.topics_count = 1;
    for (int16_t version = 1; version <= 7; version++) {
        r.require_stable = version == 7;
        talk_ask(&t, 0, API_OFFSET_FETCH, version, &r, &answer);
        EXPECT_INT(answer.topics[0].partitions[0].committed_offset, 5);
        EXPECT_INT(answer.topics[0].partitions[1].committed_offset, -1);
    }
    r.require_stable = false;
    r.topics = NULL;
    r.topics_count = -1;
    talk_ask(&t, 0, API_OFFSET_FETCH, 5, &r, &answer);
    EXPECT_INT(answer.topics_count, 1);
    EXPECT_INT(answer.topics[0].partitions_count, 1);
    talk_close(&t);
}

TEST(refusals) {
    open_world(3, NULL);
    struct commit how = PLAIN;
    how.partition = 4;
    EXPECT_INT(commit(how), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    how = PLAIN;
    how.topic = "nothing";
    EXPECT_INT(commit(how), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    how = PLAIN;
    how.generation = 3;
    EXPECT_INT(commit(how), KAFKA_ILLEGAL_GENERATION);
    how.version = 9;
    EXPECT_INT(commit(how), KAFKA_GROUP_ID_NOT_FOUND);
    EXPECT_INT(commit_at(0, 1), 0);
    how.version = 8;
    EXPECT_INT(commit(how), KAFKA_UNKNOWN_MEMBER_ID);
    char large[4098];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = 0;
    how = PLAIN;
    how.metadata = large;
    EXPECT_INT(commit(how), KAFKA_OFFSET_METADATA_TOO_LARGE);
    how.metadata = large + 1;
    EXPECT_INT(commit(how), 0);
    t.node = t.node % 3 + 1;
    EXPECT_INT(fetched(1, 0, false), -1000 - KAFKA_NOT_COORDINATOR);
    EXPECT_INT(fetched(1, 0, true), -1000 - KAFKA_NOT_COORDINATOR);
    talk_close(&t);
}

TEST(old_versions_tell_each_partition_what_is_wrong) {
    open_world(3, NULL);
    t.node = t.node % 3 + 1;
    int32_t index = 1;
    struct offset_fetch_request_topic topic = {client_text(TOPIC), &index, 1};
    struct offset_fetch_request r;
    struct offset_fetch_response answer;
    message_defaults(&offset_fetch_request_message, &r);
    r.group_id = client_text(GROUP);
    r.topics = &topic;
    r.topics_count = 1;
    talk_ask(&t, 1, API_OFFSET_FETCH, 1, &r, &answer);
    EXPECT_INT(answer.topics[0].partitions[0].error_code, KAFKA_NOT_COORDINATOR);
    EXPECT_INT(answer.topics[0].partitions[0].partition_index, 1);
    talk_ask(&t, 1, API_OFFSET_FETCH, 2, &r, &answer);
    EXPECT_INT(answer.error_code, KAFKA_NOT_COORDINATOR);
    EXPECT_INT(answer.topics_count, 0);
    talk_close(&t);
}

TEST(topics_by_their_ids) {
    open_world(1, NULL);
    EXPECT_INT(commit_at(0, 9), 0);
    struct metadata_request m;
    struct metadata_response known;
    message_defaults(&metadata_request_message, &m);
    m.topics_count = -1;
    talk_ask(&t, 0, API_METADATA, 12, &m, &known);
    int32_t index = 0;
    struct offset_fetch_request_group_topic topics[2] = {{.topic_id = {{1}}}, {.topic_id = {{1}}}};
    for (int32_t i = 0; i < known.topics_count; i++)
        if (talk_is(known.topics[i].name, TOPIC)) topics[1].topic_id = known.topics[i].topic_id;
    struct offset_fetch_request_group group;
    struct offset_fetch_request r;
    struct offset_fetch_response answer;
    message_defaults(&offset_fetch_request_group_message, &group);
    message_defaults(&offset_fetch_request_message, &r);
    for (int i = 0; i < 2; i++) topics[i].partition_indexes = &index, topics[i].partition_indexes_count = 1;
    group.group_id = client_text(GROUP);
    group.topics = topics;
    group.topics_count = 2;
    r.groups = &group;
    r.groups_count = 1;
    talk_ask(&t, 0, API_OFFSET_FETCH, 10, &r, &answer);
    EXPECT_INT(answer.groups[0].topics[0].partitions[0].committed_offset, 9);
    EXPECT_INT(answer.groups[0].topics[1].partitions[0].error_code, KAFKA_UNKNOWN_TOPIC_ID);  // those come last
    EXPECT_INT(answer.groups[0].topics[1].partitions[0].committed_offset, -1);
    talk_close(&t);
}

// A group's only member, which subscribes to nothing.
static void join(const char *protocol_type, char id[static MEMBER_ID_MAX]) {
    static const uint8_t subscription[6];
    struct join_group_request_protocol protocol = {client_text("range"), {subscription, sizeof subscription}};
    struct join_group_request r;
    struct join_group_response joined;
    message_defaults(&join_group_request_message, &r);
    r.group_id = client_text(GROUP);
    r.session_timeout_ms = r.rebalance_timeout_ms = 20 * 60000;
    r.protocol_type = client_text(protocol_type);
    r.protocols = &protocol;
    r.protocols_count = 1;
    talk_ask(&t, 1, API_JOIN_GROUP, 3, &r, &joined);
    EXPECT_INT(joined.error_code, 0);
    talk_copy(joined.member_id, id);
}

static void synchronize(const char *id) {
    struct sync_group_request s;
    struct sync_group_response synced;
    message_defaults(&sync_group_request_message, &s);
    s.group_id = client_text(GROUP);
    s.generation_id = 1;
    s.member_id = client_text(id);
    talk_ask(&t, 1, API_SYNC_GROUP, 3, &s, &synced);
    EXPECT_INT(synced.error_code, 0);
}

TEST(members_keep_others_from_committing) {
    open_world(1, (const char *const[]){"group.initial.rebalance.delay.ms", "0", NULL});
    char id[MEMBER_ID_MAX];
    join("consumer", id);
    EXPECT_INT(commit_at(0, 1), KAFKA_UNKNOWN_MEMBER_ID);
    struct commit how = PLAIN;
    how.member = id;
    how.generation = 1;
    EXPECT_INT(commit(how), KAFKA_REBALANCE_IN_PROGRESS);  // it has not synced
    synchronize(id);
    EXPECT_INT(commit(how), 0);
    how.generation = 2;
    EXPECT_INT(commit(how), KAFKA_ILLEGAL_GENERATION);
    talk_close(&t);
}

TEST(offset_counts_when_it_is_replicated) {
    open_world(3, NULL);
    EXPECT_INT(commit_at(0, 1), 0);
    hold_followers(true);
    struct commit how = PLAIN;
    how.offset = 2;
    send_commit(0, &how);
    talk_pass(&t, 100);
    EXPECT_INT(take_commit(0, how.version), -99);
    EXPECT_INT(fetched(1, 0, false), 1);
    talk_pass(&t, 5000);
    EXPECT_INT(take_commit(0, how.version), KAFKA_COORDINATOR_NOT_AVAILABLE);
    hold_followers(false);
    talk_pass(&t, 1000);
    EXPECT_INT(fetched(1, 0, false), 2);  // it was in the log all the same
    talk_close(&t);
}

TEST(unreplicated_commit_goes_with_its_topic) {
    open_world(3, NULL);
    EXPECT_INT(commit_at(0, 10), 0);
    hold_followers(true);
    struct commit how = PLAIN;
    how.offset = 20;
    send_commit(0, &how);
    how.partition = 1;
    send_commit(1, &how);
    talk_pass(&t, 100);
    EXPECT_INT(broker_group_offset(t.c, GROUP, TOPIC, 1), -1);
    broker_topic_delete(t.c, TOPIC);
    hold_followers(false);
    talk_pass(&t, 1000);
    EXPECT_INT(take_commit(1, how.version), 0);
    EXPECT_INT(broker_group_offset(t.c, GROUP, TOPIC, 0), -1);
    EXPECT_INT(broker_group_offset(t.c, GROUP, TOPIC, 1), -1);
    talk_close(&t);
}

TEST(unreplicated_commit_is_lost_with_its_leader) {
    open_world(3, NULL);
    EXPECT_INT(commit_at(0, 1), 0);
    int32_t old = t.node, other = old % 3 + 1;
    hold_followers(true);
    struct commit how = PLAIN;
    how.offset = 2;
    send_commit(0, &how);
    talk_pass(&t, 100);
    EXPECT(broker_leader_move(t.c, "__consumer_offsets", GROUP_PARTITION, other, false));
    hold_followers(false);
    talk_pass(&t, 1000);
    EXPECT_INT(take_commit(0, how.version), KAFKA_NOT_COORDINATOR);
    t.node = other;
    EXPECT_INT(fetched(1, 0, true), 1);
    broker_node_stop(t.c, other, BROKER_KILLED, 0);
    talk_pass(&t, 20000);
    client_close(&t.clients[1]);
    struct broker_truth truth;
    EXPECT(broker_partition_truth(t.c, "__consumer_offsets", GROUP_PARTITION, &truth));
    EXPECT(truth.leader != other && truth.leader > 0);
    t.node = truth.leader;
    EXPECT_INT(fetched(2, 0, true), 1);
    talk_close(&t);
}

TEST(deleting) {
    open_world(1, NULL);
    EXPECT_INT(commit_at(0, 1), 0);
    EXPECT_INT(commit_at(1, 1), 0);
    struct offset_delete_request_partition partitions[2] = {{0}, {9}};
    struct offset_delete_request_topic topic = {client_text(TOPIC), partitions, 2};
    struct offset_delete_request r = {client_text(GROUP), &topic, 1};
    struct offset_delete_response answer;
    topic.partitions_count = 0;
    talk_ask(&t, 0, API_OFFSET_DELETE, 0, &r, &answer);
    EXPECT_INT(answer.topics_count, 0);
    topic.partitions_count = 2;
    talk_ask(&t, 0, API_OFFSET_DELETE, 0, &r, &answer);
    EXPECT_INT(answer.error_code, 0);
    EXPECT_INT(answer.topics[0].partitions[0].error_code, 0);
    EXPECT_INT(answer.topics[0].partitions[1].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    EXPECT_INT(fetched(0, 0, true), -1);
    EXPECT_INT(fetched(0, 1, true), 1);
    r.group_id = client_text("nobody");
    talk_ask(&t, 0, API_OFFSET_DELETE, 0, &r, &answer);
    EXPECT_INT(answer.error_code, KAFKA_GROUP_ID_NOT_FOUND);
    struct wire_text names[1] = {client_text(GROUP)};
    struct delete_groups_request d = {names, 1};
    struct delete_groups_response deleted;
    talk_ask(&t, 0, API_DELETE_GROUPS, 2, &d, &deleted);
    EXPECT_INT(deleted.results[0].error_code, 0);
    EXPECT_INT(fetched(0, 1, true), -1);
    talk_close(&t);
}

// Brokers hang up on connections that are idle for ten minutes.
static void pass_minutes(int64_t minutes) {
    client_close(&t.clients[0]);
    talk_pass(&t, minutes * 60000);
}

TEST(offsets_expire) {
    open_world(1, (const char *const[]){"offsets.retention.minutes", "60", NULL});
    struct commit how = PLAIN;
    EXPECT_INT(commit(how), 0);
    how.version = 4;
    how.partition = 1;
    how.retention_ms = 20 * 60000;
    EXPECT_INT(commit(how), 0);
    pass_minutes(15);
    EXPECT_INT(fetched(0, 1, false), 0);
    pass_minutes(20);
    EXPECT_INT(fetched(0, 1, false), -1);
    EXPECT_INT(fetched(0, 0, false), 0);
    pass_minutes(40);
    EXPECT_INT(fetched(0, 0, false), -1);
    talk_close(&t);
}

static int16_t heartbeat(const char *id) {
    struct heartbeat_request r;
    struct heartbeat_response answer;
    message_defaults(&heartbeat_request_message, &r);
    r.group_id = client_text(GROUP);
    r.generation_id = 1;
    r.member_id = client_text(id);
    talk_ask(&t, 1, API_HEARTBEAT, 3, &r, &answer);
    return answer.error_code;
}

// What is read of an offset of a stable group after two hours.
static void expect_read(const char *protocol_type, int64_t offset) {
    open_world(1, (const char *const[]){"group.initial.rebalance.delay.ms", "0", "offsets.retention.minutes", "60",
                                        NULL});
    char id[MEMBER_ID_MAX];
    join(protocol_type, id);
    synchronize(id);
    struct commit how = PLAIN;
    how.member = id;
    how.generation = 1;
    how.offset = 5;
    EXPECT_INT(commit(how), 0);
    for (int i = 0; i < 8; i++) {
        pass_minutes(15);
        EXPECT_INT(heartbeat(id), 0);
    }
    EXPECT_INT(fetched(0, 0, false), offset);
    talk_close(&t);
}

TEST(only_a_stable_group_of_consumers_loses_offsets) {
    expect_read("consumer", -1);
    expect_read("connect", 5);
}

TEST(next_coordinator_loads_offsets) {
    open_world(3, NULL);
    for (int64_t i = 0; i < 50; i++) EXPECT_INT(commit_at((int32_t)(i % 4), i), 0);
    int32_t other = t.node % 3 + 1;
    EXPECT(broker_leader_move(t.c, "__consumer_offsets", GROUP_PARTITION, other, false));
    talk_pass(&t, 1000);
    EXPECT_INT(fetched(0, 0, false), -1000 - KAFKA_NOT_COORDINATOR);
    t.node = other;
    EXPECT_INT(fetched(1, 1, false), 49);
    EXPECT_INT(fetched(1, 3, true), 47);
    talk_close(&t);
}

int main(void) {
    RUN(what_is_committed_is_fetched);
    RUN(old_versions_ask_for_one_group);
    RUN(refusals);
    RUN(old_versions_tell_each_partition_what_is_wrong);
    RUN(topics_by_their_ids);
    RUN(members_keep_others_from_committing);
    RUN(offset_counts_when_it_is_replicated);
    RUN(unreplicated_commit_goes_with_its_topic);
    RUN(unreplicated_commit_is_lost_with_its_leader);
    RUN(deleting);
    RUN(offsets_expire);
    RUN(only_a_stable_group_of_consumers_loses_offsets);
    RUN(next_coordinator_loads_offsets);
    return test_result();
}
