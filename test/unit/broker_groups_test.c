// Groups of a modelled cluster, over the protocol: members come, are given work, stay, go and come back.
#include "coordinator_talk.h"

#define GROUP "readers"
#define JOIN_VERSION 9
#define ID_MAX 128

static const char *const at_once[] = {"group.initial.rebalance.delay.ms", "0", NULL};
static struct talk t;

struct person {
    int who;
    char id[ID_MAX];
    const char *instance;  // NULL: dynamic
    const char *metadata;
    int32_t generation;
};

static struct join_group_request join_request(const struct person *p) {
    static struct join_group_request_protocol protocol;
    struct join_group_request r;
    message_defaults(&join_group_request_message, &r);
    protocol.name = client_text("range");
    protocol.metadata = (struct wire_bytes){(const uint8_t *)p->metadata, (int32_t)strlen(p->metadata)};
    r.group_id = client_text(GROUP);
    r.session_timeout_ms = 10000;
    r.rebalance_timeout_ms = 20000;
    r.member_id = client_text(p->id);
    r.group_instance_id = client_text(p->instance);
    r.protocol_type = client_text("consumer");
    r.protocols = &protocol;
    r.protocols_count = 1;
    return r;
}

static void send_join(struct person *p) {
    struct join_group_request r = join_request(p);
    talk_send(&t, p->who, API_JOIN_GROUP, JOIN_VERSION, &r);
}

static struct join_group_response take_join(struct person *p) {
    struct join_group_response r;
    bool there = talk_take(&t, p->who, API_JOIN_GROUP, JOIN_VERSION, &r);
    if (!there) return (struct join_group_response){.error_code = -99};
    if (r.member_id.size) talk_copy(r.member_id, p->id);
    p->generation = r.generation_id;
    return r;
}

// Joins as a dynamic member does: is told its id, then asks with it.
static void ask_to_join(struct person *p) {
    send_join(p);
    struct join_group_response r = take_join(p);
    if (r.error_code == KAFKA_MEMBER_ID_REQUIRED) send_join(p);
}

static void send_sync(struct person *p, const struct person *const *all, int count) {
    struct sync_group_request_assignment assignments[4];
    struct sync_group_request r;
    message_defaults(&sync_group_request_message, &r);
    r.group_id = client_text(GROUP);
    r.generation_id = p->generation;
    r.member_id = client_text(p->id);
    r.group_instance_id = client_text(p->instance);
    r.protocol_type = client_text("consumer");
    r.protocol_name = client_text("range");
    r.assignments = assignments;
    r.assignments_count = count;
    for (int i = 0; i < count; i++) {
        assignments[i].member_id = client_text(all[i]->id);
        assignments[i].assignment = (struct wire_bytes){(const uint8_t *)all[i]->metadata, 1};
    }
    talk_send(&t, p->who, API_SYNC_GROUP, 5, &r);
}

static struct sync_group_response take_sync(struct person *p) {
    struct sync_group_response r;
    return talk_take(&t, p->who, API_SYNC_GROUP, 5, &r) ? r : (struct sync_group_response){.error_code = -99};
}

static int16_t heartbeat(struct person *p) {
    struct heartbeat_request r;
    struct heartbeat_response answer;
    message_defaults(&heartbeat_request_message, &r);
    r.group_id = client_text(GROUP);
    r.generation_id = p->generation;
    r.member_id = client_text(p->id);
    r.group_instance_id = client_text(p->instance);
    talk_ask(&t, p->who, API_HEARTBEAT, 4, &r, &answer);
    return answer.error_code;
}

static int16_t leave(int who, const struct person *p) {
    struct leave_group_request_member member = {.member_id = client_text(p->id), .reason = {NULL, -1}};
    member.group_instance_id = client_text(p->instance);
    struct leave_group_request r;
    struct leave_group_response answer;
    message_defaults(&leave_group_request_message, &r);
    r.group_id = client_text(GROUP);
    r.members = &member;
    r.members_count = 1;
    talk_ask(&t, who, API_LEAVE_GROUP, 5, &r, &answer);
    return answer.error_code ? answer.error_code : answer.members[0].error_code;
}

static struct describe_groups_response_group describe(void) {
    struct wire_text names[1] = {client_text(GROUP)};
    struct describe_groups_request r;
    struct describe_groups_response answer;
    message_defaults(&describe_groups_request_message, &r);
    r.groups = names;
    r.groups_count = 1;
    talk_ask(&t, TALK_CLIENTS_MAX - 1, API_DESCRIBE_GROUPS, 6, &r, &answer);
    return answer.groups[0];
}

static int16_t delete_group(void) {
    struct wire_text names[1] = {client_text(GROUP)};
    struct delete_groups_request r = {names, 1};
    struct delete_groups_response answer;
    talk_ask(&t, TALK_CLIENTS_MAX - 1, API_DELETE_GROUPS, 2, &r, &answer);
    return answer.results[0].error_code;
}

static void open_world(int32_t nodes, const char *const *settings) {
    talk_open(&t, nodes, settings);
    int32_t node = talk_find(&t, 0, GROUP, 0);
    client_close(&t.clients[0]);
    t.node = node;
}

// One member alone, stable.
static void settle_alone(struct person *p) {
    ask_to_join(p);
    talk_pass(&t, 0);
    take_join(p);
    const struct person *all[] = {p};
    send_sync(p, all, 1);
    talk_pass(&t, 1000);
    int16_t error_code = take_sync(p).error_code;
    assert(error_code == 0);
    (void)error_code;
}

TEST(coordinator_is_found_once_its_topic_is_there) {
    talk_open(&t, 3, NULL);
    struct wire_text keys[1] = {client_text(GROUP)};
    struct find_coordinator_request r;
    struct find_coordinator_response answer;
    message_defaults(&find_coordinator_request_message, &r);
    r.coordinator_keys = keys;
    r.coordinator_keys_count = 1;
    talk_ask(&t, 0, API_FIND_COORDINATOR, 4, &r, &answer);
    EXPECT_INT(answer.coordinators[0].error_code, KAFKA_COORDINATOR_NOT_AVAILABLE);
    EXPECT_INT(broker_topic_partitions(t.c, "__consumer_offsets"), 50);
    int32_t node = talk_find(&t, 0, GROUP, 0);
    struct broker_truth truth;
    // "readers".hashCode() is 1080410128
    EXPECT(broker_partition_truth(t.c, "__consumer_offsets", 1080410128 % 50, &truth));
    EXPECT_INT(node, truth.leader);
    message_defaults(&find_coordinator_request_message, &r);
    r.key = client_text(GROUP);
    talk_ask(&t, 0, API_FIND_COORDINATOR, 3, &r, &answer);
    EXPECT_INT(answer.node_id, node);
    EXPECT(talk_is(answer.error_message, "NONE"));
    message_defaults(&find_coordinator_request_message, &r);
    r.key_type = 9;
    r.coordinator_keys = keys;
    r.coordinator_keys_count = 1;
    talk_ask(&t, 0, API_FIND_COORDINATOR, 4, &r, &answer);
    EXPECT_INT(answer.coordinators[0].error_code, KAFKA_INVALID_REQUEST);
    // Nobody else coordinates it.
    t.node = node % 3 + 1;
    struct person p = {.who = 1, .metadata = "a"};
    send_join(&p);
    EXPECT_INT(take_join(&p).error_code, KAFKA_NOT_COORDINATOR);
    talk_close(&t);
}

TEST(two_members_share_and_the_second_waits_for_the_first) {
    open_world(1, at_once);
    struct person a = {.who = 0, .metadata = "a"}, b = {.who = 1, .metadata = "b"};
    send_join(&a);
    struct join_group_response r = take_join(&a);
    EXPECT_INT(r.error_code, KAFKA_MEMBER_ID_REQUIRED);
    EXPECT_INT(strncmp(a.id, "test-", 5), 0);
    EXPECT_INT(strlen(a.id), 5 + 36);
    send_join(&a);
    talk_pass(&t, 0);
    r = take_join(&a);
    EXPECT_INT(r.error_code, 0);
    EXPECT_INT(r.generation_id, 1);
    EXPECT_INT(r.members_count, 1);
    EXPECT(talk_is(r.leader, a.id));
    EXPECT(talk_is(r.protocol_name, "range"));
    const struct person *all[] = {&a, &b};
    send_sync(&a, all, 1);
    struct sync_group_response s = take_sync(&a);
    EXPECT_INT(s.error_code, 0);
    EXPECT_INT(s.assignment.size, 1);
    EXPECT_INT(s.assignment.at[0], 'a');
    // The second one holds everything until the first has joined again.
    ask_to_join(&b);
    EXPECT_INT(take_join(&b).error_code, -99);
    EXPECT_INT(heartbeat(&a), KAFKA_REBALANCE_IN_PROGRESS);
    send_join(&a);
    EXPECT_INT(take_join(&a).generation_id, 2);
    r = take_join(&b);
    EXPECT_INT(r.generation_id, 2);
    EXPECT_INT(r.members_count, 0);
    EXPECT(talk_is(r.leader, a.id));
    send_sync(&b, NULL, 0);
    EXPECT_INT(take_sync(&b).error_code, -99);
    send_sync(&a, all, 2);
    EXPECT_INT(take_sync(&b).assignment.at[0], 'b');
    EXPECT_INT(take_sync(&a).assignment.at[0], 'a');
    EXPECT_INT(heartbeat(&b), 0);
    a.generation = 1;
    EXPECT_INT(heartbeat(&a), KAFKA_ILLEGAL_GENERATION);
    talk_close(&t);
}

TEST(initial_delay_waits_for_more_members) {
    open_world(1, NULL);
    struct person a = {.who = 0, .metadata = "a"}, b = {.who = 1, .metadata = "b"}, c = {.who = 2, .metadata = "c"};
    ask_to_join(&a);
    talk_pass(&t, 2000);
    EXPECT_INT(take_join(&a).error_code, -99);
    ask_to_join(&b);
    talk_pass(&t, 2000);  // 4 s: somebody came in the first three seconds, so another three
    EXPECT_INT(take_join(&a).error_code, -99);
    ask_to_join(&c);
    talk_pass(&t, 4900);
    EXPECT_INT(take_join(&a).error_code, -99);
    talk_pass(&t, 200);
    EXPECT_INT(take_join(&a).members_count, 3);
    EXPECT_INT(take_join(&b).generation_id, 1);
    EXPECT_INT(take_join(&c).generation_id, 1);
    talk_close(&t);
}

TEST(silent_member_is_out_after_its_session) {
    open_world(1, at_once);
    struct person a = {.who = 0, .metadata = "a"};
    settle_alone(&a);
    talk_pass(&t, 8900);
    EXPECT_INT(heartbeat(&a), 0);
    talk_pass(&t, 9900);
    struct describe_groups_response_group g = describe();
    EXPECT(talk_is(g.group_state, "Stable"));
    EXPECT(talk_is(g.protocol_data, "range"));
    EXPECT(talk_is(g.members[0].client_id, "test"));
    EXPECT_INT(g.members[0].member_metadata.size, 1);
    talk_pass(&t, 200);
    g = describe();
    EXPECT(talk_is(g.group_state, "Empty"));
    EXPECT(talk_is(g.protocol_type, "consumer"));
    EXPECT_INT(g.members_count, 0);
    EXPECT_INT(heartbeat(&a), KAFKA_UNKNOWN_MEMBER_ID);
    EXPECT_INT(delete_group(), 0);
    g = describe();
    EXPECT_INT(g.error_code, KAFKA_GROUP_ID_NOT_FOUND);
    EXPECT(talk_is(g.group_state, "Dead"));
    EXPECT(talk_is(g.error_message, "Group readers not found."));
    EXPECT_INT(delete_group(), KAFKA_GROUP_ID_NOT_FOUND);
    talk_close(&t);
}

TEST(member_that_joins_and_goes_silent_has_only_its_session) {
    open_world(1, at_once);
    struct person a = {.who = 0, .metadata = "a"};
    ask_to_join(&a);
    talk_pass(&t, 0);
    EXPECT_INT(take_join(&a).generation_id, 1);
    talk_pass(&t, 9900);
    EXPECT_INT(describe().members_count, 1);
    talk_pass(&t, 200);
    EXPECT_INT(describe().members_count, 0);
    talk_close(&t);
}

TEST(member_that_does_not_rejoin_is_out_after_the_rebalance_time_out) {
    open_world(1, at_once);
    struct person a = {.who = 0, .metadata = "a"}, b = {.who = 1, .metadata = "b"};
    settle_alone(&a);
    ask_to_join(&b);
    for (int i = 0; i < 19; i++) {
        talk_pass(&t, 1000);
        EXPECT_INT(heartbeat(&a), KAFKA_REBALANCE_IN_PROGRESS);
    }
    EXPECT_INT(take_join(&b).error_code, -99);
    talk_pass(&t, 1100);
    struct join_group_response r = take_join(&b);
    EXPECT_INT(r.members_count, 1);
    EXPECT(talk_is(r.leader, b.id));
    EXPECT_INT(heartbeat(&a), KAFKA_UNKNOWN_MEMBER_ID);
    // And who does not sync is out too, after another one.
    for (int i = 0; i < 19; i++) {
        talk_pass(&t, 1000);
        EXPECT_INT(heartbeat(&b), 0);
    }
    talk_pass(&t, 1100);
    EXPECT_INT(heartbeat(&b), KAFKA_UNKNOWN_MEMBER_ID);
    talk_close(&t);
}

TEST(static_member_comes_back_without_a_rebalance) {
    open_world(1, at_once);
    struct person a = {.who = 0, .metadata = "a", .instance = "one"},
                  b = {.who = 1, .metadata = "b", .instance = "two"};
    send_join(&a);
    talk_pass(&t, 0);
    EXPECT_INT(take_join(&a).error_code, 0);  // static members are not sent away for an id
    send_join(&b);
    EXPECT_INT(heartbeat(&a), KAFKA_REBALANCE_IN_PROGRESS);
    send_join(&a);
    take_join(&a), take_join(&b);
    const struct person *all[] = {&a, &b};
    send_sync(&b, NULL, 0);
    send_sync(&a, all, 2);
    EXPECT_INT(take_sync(&b).error_code, 0);
    EXPECT_INT(take_sync(&a).error_code, 0);
    struct person again = {.who = 2, .metadata = "b", .instance = "two"};
    send_join(&again);
    struct join_group_response r = take_join(&again);
    EXPECT_INT(r.error_code, 0);
    EXPECT_INT(r.generation_id, 2);
    EXPECT(strcmp(again.id, b.id) != 0);
    EXPECT(!r.skip_assignment);
    send_sync(&again, NULL, 0);
    EXPECT_INT(take_sync(&again).assignment.at[0], 'b');
    EXPECT_INT(heartbeat(&b), KAFKA_FENCED_INSTANCE_ID);
    EXPECT_INT(heartbeat(&a), 0);
    // The leader is told that it need not assign (KIP-814).
    struct person leader = {.who = 3, .metadata = "a", .instance = "one"};
    send_join(&leader);
    r = take_join(&leader);
    EXPECT(r.skip_assignment);
    EXPECT_INT(r.members_count, 2);
    EXPECT(talk_is(r.leader, leader.id));
    struct person unknown = {.who = 4, .metadata = "a", .instance = "three", .id = ""};
    EXPECT_INT(leave(4, &unknown), KAFKA_UNKNOWN_MEMBER_ID);
    unknown.instance = "one";
    EXPECT_INT(leave(4, &unknown), 0);  // an administrator removes it by its instance id
    EXPECT_INT(heartbeat(&again), KAFKA_REBALANCE_IN_PROGRESS);
    talk_close(&t);
}

// One leads a group alone, until another one joins; neither has synced then.
static void settle_and_join(struct person *leader, struct person *second) {
    settle_alone(leader);
    send_join(second);
    send_join(leader);
    EXPECT_INT(take_join(leader).error_code, 0);
    EXPECT_INT(take_join(second).error_code, 0);
}

TEST(static_member_replaced_before_its_sync_costs_a_rebalance) {
    open_world(1, at_once);
    struct person a = {.who = 0, .metadata = "a"}, b = {.who = 1, .metadata = "b", .instance = "two"};
    settle_and_join(&a, &b);
    const struct person *all[] = {&a, &b};
    send_sync(&a, all, 2);
    EXPECT_INT(take_sync(&a).error_code, 0);
    struct person again = {.who = 2, .metadata = "b", .instance = "two"};
    send_join(&again);
    EXPECT_INT(take_join(&again).error_code, 0);
    send_sync(&again, NULL, 0);
    EXPECT_INT(take_sync(&again).error_code, 0);
    for (int i = 0; i < 2; i++) {
        talk_pass(&t, 9000);
        EXPECT_INT(heartbeat(&a), 0);
        EXPECT_INT(heartbeat(&again), 0);
    }
    talk_pass(&t, 2100);
    EXPECT_INT(heartbeat(&a), KAFKA_REBALANCE_IN_PROGRESS);
    EXPECT_INT(heartbeat(&again), KAFKA_REBALANCE_IN_PROGRESS);
    talk_close(&t);
}

TEST(member_taken_out_while_it_waits_is_not_answered) {
    open_world(1, at_once);
    struct person a = {.who = 0, .metadata = "a"}, b = {.who = 1, .metadata = "b", .instance = "two"};
    settle_and_join(&a, &b);
    send_sync(&b, NULL, 0);
    EXPECT_INT(leave(3, &b), 0);
    EXPECT_INT(heartbeat(&a), KAFKA_REBALANCE_IN_PROGRESS);
    EXPECT_INT(take_sync(&b).error_code, -99);
    talk_close(&t);
}

TEST(last_member_leaves_an_empty_group) {
    open_world(1, at_once);
    struct person a = {.who = 0, .metadata = "a"};
    settle_alone(&a);
    EXPECT_INT(delete_group(), KAFKA_NON_EMPTY_GROUP);
    EXPECT_INT(leave(0, &a), 0);
    struct list_groups_request r = {NULL, 0, NULL, 0};
    struct list_groups_response answer;
    talk_ask(&t, 0, API_LIST_GROUPS, 5, &r, &answer);
    EXPECT_INT(answer.groups_count, 1);
    EXPECT(talk_is(answer.groups[0].group_state, "Empty"));
    EXPECT(talk_is(answer.groups[0].group_type, "classic"));
    EXPECT(talk_is(answer.groups[0].protocol_type, "consumer"));
    struct wire_text stable[1] = {client_text("stable")};
    r.states_filter = stable;
    r.states_filter_count = 1;
    talk_ask(&t, 0, API_LIST_GROUPS, 5, &r, &answer);
    EXPECT_INT(answer.groups_count, 0);
    EXPECT_INT(leave(0, &a), KAFKA_UNKNOWN_MEMBER_ID);
    talk_close(&t);
}

TEST(the_newer_protocol_is_switched_off) {
    open_world(1, at_once);
    struct wire_text ids[2] = {client_text(GROUP), client_text("other")};
    struct consumer_group_heartbeat_request beat;
    struct consumer_group_heartbeat_response beaten;
    message_defaults(&consumer_group_heartbeat_request_message, &beat);
    beat.group_id = ids[0];
    talk_ask(&t, 0, API_CONSUMER_GROUP_HEARTBEAT, 1, &beat, &beaten);
    EXPECT_INT(beaten.error_code, KAFKA_UNSUPPORTED_VERSION);
    struct consumer_group_describe_request asked = {.group_ids = ids, .group_ids_count = 2};
    struct consumer_group_describe_response told;
    talk_ask(&t, 0, API_CONSUMER_GROUP_DESCRIBE, 1, &asked, &told);
    EXPECT_INT(told.groups_count, 2);
    for (int32_t i = 0; i < told.groups_count; i++) {
        EXPECT(wire_text_same(told.groups[i].group_id, ids[i]));
        EXPECT_INT(told.groups[i].error_code, KAFKA_UNSUPPORTED_VERSION);
    }
    talk_close(&t);
}

TEST(refusals) {
    static const char *const small[] = {"group.initial.rebalance.delay.ms", "0", "group.max.size", "1", NULL};
    open_world(1, small);
    struct person a = {.who = 0, .metadata = "a"}, b = {.who = 1, .metadata = "b"};
    struct join_group_request r = join_request(&a);
    struct join_group_response answer;
    r.session_timeout_ms = 5999;
    talk_ask(&t, 0, API_JOIN_GROUP, JOIN_VERSION, &r, &answer);
    EXPECT_INT(answer.error_code, KAFKA_INVALID_SESSION_TIMEOUT);
    EXPECT_INT(answer.generation_id, -1);
    r = join_request(&a);
    r.group_id = client_text("");
    talk_ask(&t, 0, API_JOIN_GROUP, JOIN_VERSION, &r, &answer);
    EXPECT_INT(answer.error_code, KAFKA_INVALID_GROUP_ID);
    r = join_request(&a);
    r.protocols_count = 0;
    talk_ask(&t, 0, API_JOIN_GROUP, JOIN_VERSION, &r, &answer);
    EXPECT_INT(answer.error_code, KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    snprintf(a.id, sizeof a.id, "unheard of");
    r = join_request(&a);
    talk_ask(&t, 0, API_JOIN_GROUP, JOIN_VERSION, &r, &answer);
    EXPECT_INT(answer.error_code, KAFKA_UNKNOWN_MEMBER_ID);
    a.id[0] = 0;
    settle_alone(&a);
    r = join_request(&b);
    talk_ask(&t, 1, API_JOIN_GROUP, JOIN_VERSION, &r, &answer);
    EXPECT_INT(answer.error_code, KAFKA_GROUP_MAX_SIZE_REACHED);
    r.protocol_type = client_text("connect");
    talk_ask(&t, 1, API_JOIN_GROUP, 3, &r, &answer);
    EXPECT_INT(answer.error_code, KAFKA_GROUP_MAX_SIZE_REACHED);
    send_sync(&b, NULL, 0);
    EXPECT_INT(take_sync(&b).error_code, KAFKA_UNKNOWN_MEMBER_ID);
    a.generation = 7;
    send_sync(&a, NULL, 0);
    EXPECT_INT(take_sync(&a).error_code, KAFKA_ILLEGAL_GENERATION);
    talk_close(&t);
}

TEST(next_coordinator_remembers_the_group) {
    open_world(3, at_once);
    struct person a = {.who = 0, .metadata = "a"};
    settle_alone(&a);
    int32_t partition = 1080410128 % 50, old = t.node, other = old % 3 + 1;
    EXPECT(broker_leader_move(t.c, "__consumer_offsets", partition, other, false));
    talk_pass(&t, 1000);
    EXPECT_INT(heartbeat(&a), KAFKA_NOT_COORDINATOR);
    t.node = other;
    a.who = 1;
    EXPECT_INT(heartbeat(&a), 0);
    struct person wanted = a;
    wanted.generation = 2;
    EXPECT_INT(heartbeat(&wanted), KAFKA_ILLEGAL_GENERATION);
    send_sync(&a, NULL, 0);
    EXPECT_INT(take_sync(&a).assignment.at[0], 'a');
    talk_close(&t);
}

TEST(assignment_counts_when_it_is_replicated) {
    open_world(3, at_once);
    struct person a = {.who = 0, .metadata = "a"};
    ask_to_join(&a);
    talk_pass(&t, 100);
    take_join(&a);
    int32_t partition = 1080410128 % 50;
    for (int32_t n = 1; n <= 3; n++)
        if (n != t.node) broker_replica_hold(t.c, "__consumer_offsets", partition, n, true);
    const struct person *all[] = {&a};
    send_sync(&a, all, 1);
    talk_pass(&t, 4000);
    EXPECT_INT(take_sync(&a).error_code, -99);
    talk_pass(&t, 1100);  // offsets.commit.timeout.ms
    EXPECT_INT(take_sync(&a).error_code, KAFKA_COORDINATOR_NOT_AVAILABLE);
    EXPECT_INT(heartbeat(&a), KAFKA_REBALANCE_IN_PROGRESS);
    talk_close(&t);
}

int main(void) {
    RUN(coordinator_is_found_once_its_topic_is_there);
    RUN(two_members_share_and_the_second_waits_for_the_first);
    RUN(initial_delay_waits_for_more_members);
    RUN(silent_member_is_out_after_its_session);
    RUN(member_that_joins_and_goes_silent_has_only_its_session);
    RUN(member_that_does_not_rejoin_is_out_after_the_rebalance_time_out);
    RUN(static_member_comes_back_without_a_rebalance);
    RUN(static_member_replaced_before_its_sync_costs_a_rebalance);
    RUN(member_taken_out_while_it_waits_is_not_answered);
    RUN(last_member_leaves_an_empty_group);
    RUN(the_newer_protocol_is_switched_off);
    RUN(refusals);
    RUN(next_coordinator_remembers_the_group);
    RUN(assignment_counts_when_it_is_replicated);
    return test_result();
}
