// A cluster seen through scripted brokers: metadata, who waits for which connection, and brokers that move or go.
#include "unit/test.h"

#include "unit/scripted_broker.h"

static struct scripted s;
static struct cluster c;

struct counted_task {
    struct cluster_task task;
    int ready, failed;
    enum error_kind why;
    struct connection *connection;
    bool again;  // submits itself once more from inside run
};

static void run(struct cluster_task *t, struct connection *connection, const struct error *failure) {
    struct counted_task *x = CONTAINER_OF(t, struct counted_task, task);
    if (connection) x->ready++;
    else x->failed++, x->why = failure->kind;
    x->connection = connection;
    if (x->again) {
        x->again = false;
        cluster_submit(&c, 2, t);
    }
}

static struct counted_task task(void) {
    return (struct counted_task){.task.run = run};
}

static void begin(int32_t brokers) {
    scripted_init(&s);
    s.brokers = brokers;
    scripted_topic(&s, "t", 3);
    scripted_cluster(&s, &c);
}

static void end(void) {
    scripted_cluster_free(&s, &c);
    scripted_free(&s);
}

static void refresh(void) {
    cluster_refresh(&c);
    scripted_run(&s, 200 * MS);
}

static int opened(int32_t node_id) {
    int n = 0;
    for (int i = 0; i < s.channels_count; i++) n += s.channels[i].node_id == node_id;
    return n;
}

TEST(the_bootstrap_connection_goes_when_the_brokers_are_known) {
    begin(3);
    EXPECT_INT(c.refreshes, 1);
    EXPECT_TEXT(c.cluster_id, "scripted");
    EXPECT_INT(c.controller, 1);
    EXPECT_TEXT(cluster_broker(&c, 3)->host, "broker-3");
    EXPECT(!cluster_broker(&c, 4));
    EXPECT_INT(scripted_open_channels(&s), 0);
    const struct cluster_topic *t = cluster_topic(&c, "t");
    EXPECT(t && t->partitions_count == 3 && t->partitions[2].leader == 1 && t->id.at[15] == 1);
    EXPECT(!cluster_topic(&c, "T"));
    end();
}

TEST(leaders_topics_and_their_end_are_taken_over) {
    begin(3);
    s.topics[0].leaders[1] = 3;
    s.topics[0].epochs[1] = 8;
    scripted_topic(&s, "u", 1);
    refresh();
    EXPECT_INT(cluster_topic(&c, "t")->partitions[1].leader, 3);
    EXPECT_INT(cluster_topic(&c, "t")->partitions[1].leader_epoch, 8);
    EXPECT(cluster_topic(&c, "u"));
    s.topics_count = 1;
    s.topics[0].partitions = 2;
    refresh();
    EXPECT(!cluster_topic(&c, "u"));
    EXPECT_INT(cluster_topic(&c, "t")->partitions_count, 2);
    end();
}

static int32_t strange_index;

static void strange_metadata(struct scripted *script, struct scripted_request *r) {
    struct metadata_response m;
    struct metadata_response_broker b;
    struct metadata_response_topic t;
    struct metadata_response_partition p;
    message_defaults(&metadata_response_message, &m);
    message_defaults(&metadata_response_broker_message, &b);
    message_defaults(&metadata_response_topic_message, &t);
    message_defaults(&metadata_response_partition_message, &p);
    b.node_id = 1;
    b.host = text_of("broker-1");
    b.port = 70000;
    t.name = text_of("t");
    p.partition_index = strange_index;
    p.leader_id = 1;
    t.partitions = &p;
    m.topics = &t;
    m.brokers = &b;
    t.partitions_count = m.topics_count = m.brokers_count = 1;
    scripted_answer(script, r, &m);
}

TEST(a_broker_that_lags_behind_does_not_bring_an_older_leader_back) {
    begin(3);
    s.topics[0].leaders[0] = 2;
    s.topics[0].epochs[0] = 8;
    refresh();
    s.topics[0].leaders[0] = 1;
    s.topics[0].epochs[0] = 7;
    refresh();
    EXPECT_INT(cluster_topic(&c, "t")->partitions[0].leader, 2);
    EXPECT_INT(cluster_topic(&c, "t")->partitions[0].leader_epoch, 8);
    s.topics[0].id++;  // made anew: its epochs too
    refresh();
    EXPECT_INT(cluster_topic(&c, "t")->partitions[0].leader, 1);
    EXPECT_INT(cluster_topic(&c, "t")->partitions[0].leader_epoch, 7);
    end();
}

// Who is asked may know of an election, and not yet where the one who was elected listens.
TEST(a_leader_may_be_named_after_its_epoch) {
    begin(3);
    s.topics[0].leaders[0] = -1;
    s.topics[0].epochs[0] = 8;
    refresh();
    EXPECT_INT(cluster_topic(&c, "t")->partitions[0].leader, -1);
    s.topics[0].leaders[0] = 2;
    refresh();
    EXPECT_INT(cluster_topic(&c, "t")->partitions[0].leader, 2);
    end();
}

TEST(connected_brokers_are_asked_for_metadata_in_turn) {
    begin(3);
    EXPECT(cluster_connect_others(&c));
    scripted_run(&s, SECOND);
    int32_t by[4];
    for (int i = 0; i < 4; i++) {
        refresh();
        by[i] = c.refreshed_by;
    }
    EXPECT(by[0] != by[1] && by[1] != by[2] && by[0] != by[2]);
    EXPECT_INT(by[3], by[0]);
    end();
}

static int32_t frozen;  // takes requests and answers none

static void metadata_unless_frozen(struct scripted *script, struct scripted_request *r) {
    if (r->channel->node_id != frozen) scripted_metadata(script, r);
}

TEST(a_frozen_broker_does_not_keep_metadata_back) {
    for (frozen = 1; frozen <= 3; frozen++) {
        begin(3);
        cluster_connect_others(&c);
        scripted_run(&s, SECOND);
        s.serve[API_METADATA] = metadata_unless_frozen;
        int64_t silence_us = 0, silence_us_max = 0;
        uint64_t before = c.refreshes, last = before;
        for (int i = 0; i < 250; i++) {
            refresh();
            silence_us = c.refreshes == last ? silence_us + 200 * MS : 0;
            if (silence_us > silence_us_max) silence_us_max = silence_us;
            last = c.refreshes;
        }
        EXPECT(silence_us_max >= METADATA_ANSWER_US - 200 * MS && silence_us_max <= METADATA_ANSWER_US + 200 * MS);
        EXPECT(c.refreshes - before > 200);  // who owes an answer is not asked again
        end();
    }
    frozen = 0;
}

static void answer_node(int32_t node_id) {
    struct scripted_request *r = s.requests;
    while (r->answered || r->api->key != API_METADATA || r->channel->node_id != node_id) r = r->next;
    scripted_metadata(&s, r);
    scripted_run(&s, MS);
}

TEST(of_two_answers_the_older_one_counts_only_when_it_comes_first) {
    for (int older_first = 0; older_first < 2; older_first++) {
        begin(2);
        cluster_connect_others(&c);
        scripted_run(&s, SECOND);
        s.serve[API_METADATA] = NULL;
        refresh();
        int32_t first = c.asked_of, second = 3 - first;
        scripted_run(&s, METADATA_ANSWER_US);
        EXPECT_INT(c.asked_of, second);
        EXPECT_INT(scripted_unanswered(&s, API_METADATA), 2);
        uint64_t before = c.refreshes;
        int64_t known_us = c.refreshed_at_us;
        if (older_first) answer_node(first);
        EXPECT_INT(c.refreshes, before + older_first);
        EXPECT_INT(c.refreshed_at_us > known_us, older_first);
        EXPECT(!older_first || c.refreshed_by == first);
        answer_node(second);
        EXPECT_INT(c.refreshes, before + older_first + 1);
        EXPECT_INT(c.refreshed_by, second);
        s.topics[0].leaders[0] = 2;
        if (!older_first) answer_node(first);
        EXPECT_INT(c.refreshes, before + older_first + 1);
        EXPECT_INT(c.refreshed_by, second);
        EXPECT_INT(cluster_topic(&c, "t")->partitions[0].leader, 1);
        scripted_run(&s, 60 * SECOND);
        EXPECT_INT(scripted_unanswered(&s, API_METADATA), 0);
        end();
    }
}

TEST(when_nobody_who_is_connected_answers_others_are_connected_to) {
    begin(3);
    struct counted_task controller = task();
    cluster_submit(&c, CLUSTER_CONTROLLER, &controller.task);
    scripted_run(&s, MS);
    s.serve[API_METADATA] = NULL;
    refresh();
    EXPECT_INT(opened(2) + opened(3), 0);
    scripted_run(&s, 25 * SECOND);
    EXPECT_INT(scripted_unanswered(&s, API_METADATA), 4);  // one of each, and of the bootstrap address
    EXPECT_INT(opened(1), 1);
    answer_node(3);
    EXPECT_INT(c.refreshes, 2);
    s.serve[API_METADATA] = scripted_metadata;
    scripted_run(&s, 10 * SECOND);  // the others' time is over
    refresh();
    EXPECT(c.refreshes > 2);
    end();
}

// Else the question would wait for two connections at once.
TEST(who_is_not_reached_need_not_answer_when_another_one_has) {
    begin(3);
    struct counted_task controller = task();
    cluster_submit(&c, CLUSTER_CONTROLLER, &controller.task);
    scripted_run(&s, MS);
    s.serve[API_METADATA] = NULL;
    refresh();
    s.unreachable = true;
    for (int i = 0; i < 2; i++) {
        scripted_run(&s, METADATA_ANSWER_US);
        EXPECT(opened(2) + opened(3) > 0);
        answer_node(1);
        EXPECT_INT(c.refreshes, i + 2);
        EXPECT(!link_linked(&c.refresh_task.link));
        refresh();
        EXPECT_INT(scripted_unanswered(&s, API_METADATA), 1);
    }
    end();
}

static void metadata_of_nobody(struct scripted *script, struct scripted_request *r) {
    struct metadata_response m;
    message_defaults(&metadata_response_message, &m);
    m.cluster_id = text_of("scripted");
    scripted_answer(script, r, &m);
}

TEST(a_broker_that_knows_nobody_yet_says_nothing) {
    begin(3);
    cluster_connect_others(&c);
    scripted_run(&s, SECOND);
    uint64_t before = c.refreshes;
    s.serve[API_METADATA] = metadata_of_nobody;
    refresh();
    scripted_run(&s, SECOND);
    EXPECT_INT(c.refreshes, before);
    EXPECT(cluster_topic(&c, "t") && cluster_broker(&c, 1) && cluster_broker(&c, 3));
    EXPECT_INT(opened(1) + opened(2) + opened(3), 3);  // nobody was let go of
    s.serve[API_METADATA] = scripted_metadata;
    scripted_run(&s, 200 * MS);
    EXPECT_INT(c.refreshes, before + 1);
    end();
}

TEST(partitions_and_ports_that_cannot_be_are_not_taken) {
    static const int32_t indexes[] = {INT32_MAX, PARTITIONS_OF_TOPIC_MAX, -1, INT32_MIN};
    for (size_t i = 0; i < sizeof indexes / sizeof *indexes; i++) {
        begin(2);
        strange_index = indexes[i];
        s.serve[API_METADATA] = strange_metadata;
        refresh();
        EXPECT_INT(c.refreshes, 2);
        EXPECT(!cluster_broker(&c, 1));
        EXPECT_INT(cluster_topic(&c, "t")->partitions_count, indexes[i] < 0 ? 0 : 3);
        end();
    }
}

TEST(refreshes_keep_a_distance_and_age_brings_one) {
    begin(1);
    for (int i = 0; i < 1000; i++) {
        cluster_refresh(&c);
        scripted_run(&s, MS);
    }
    EXPECT(c.refreshes >= 9 && c.refreshes <= 12);
    scripted_run(&s, SECOND);
    uint64_t before = c.refreshes;
    scripted_run(&s, 299 * SECOND);
    EXPECT_INT(c.refreshes, before);
    scripted_run(&s, 2 * SECOND);
    EXPECT_INT(c.refreshes, before + 1);
    end();
}

TEST(tasks_run_when_their_connection_is_ready) {
    begin(3);
    struct counted_task a = task(), b = task(), controller = task();
    a.again = true;
    cluster_submit(&c, 2, &a.task);
    cluster_submit(&c, 2, &b.task);
    cluster_submit(&c, CLUSTER_CONTROLLER, &controller.task);
    EXPECT_INT(a.ready + b.ready + controller.ready, 0);
    scripted_run(&s, MS);
    EXPECT_INT(a.ready, 2);
    EXPECT_INT(b.ready, 1);
    EXPECT_INT(controller.ready, 1);
    EXPECT(a.connection == &cluster_broker(&c, 2)->control.connection && b.connection == a.connection);
    EXPECT(controller.connection == &cluster_broker(&c, 1)->control.connection);
    EXPECT_INT(opened(2), 1);
    cluster_submit(&c, 2, &a.task);  // at once
    EXPECT_INT(a.ready, 3);
    end();
}

TEST(any_broker_will_do_but_an_unknown_one_fails_at_once) {
    begin(3);
    struct counted_task any = task(), unknown = task();
    cluster_submit(&c, 9, &unknown.task);
    EXPECT_INT(unknown.failed, 1);
    s.unreachable = true;
    cluster_submit(&c, CLUSTER_ANY, &any.task);
    scripted_run(&s, 60 * SECOND);
    EXPECT_INT(any.ready + any.failed, 0);
    EXPECT(opened(1) > 2 && opened(2) > 2 && opened(3) > 2);  // all of them are tried, again and again
    s.unreachable = false;
    scripted_run(&s, 11 * SECOND);
    EXPECT_INT(any.ready, 1);
    end();
}

static bool asks_for(struct trouble *t, int64_t later_us) {
    scripted_run(&s, later_us);
    cluster_refresh(&c);  // what is known is young
    scripted_run(&s, SECOND);
    return cluster_refresh_for(&c, t);
}

TEST(trouble_makes_patient_until_it_is_over) {
    begin(3);
    struct trouble t = {0};
    EXPECT(asks_for(&t, SECOND));
    EXPECT(asks_for(&t, SECOND));
    EXPECT(!asks_for(&t, 30 * SECOND));
    scripted_run(&s, 10 * SECOND);
    EXPECT(cluster_refresh_for(&c, &t));
    EXPECT(!asks_for(&t, METADATA_TROUBLE_US_MAX));
    EXPECT(asks_for(&t, 2 * METADATA_TROUBLE_US_MAX));  // anew
    end();
}

TEST(a_withdrawn_task_is_not_run) {
    begin(2);
    struct counted_task a = task(), b = task();
    cluster_submit(&c, 2, &a.task);
    cluster_submit(&c, 2, &b.task);
    cluster_withdraw(&a.task);
    cluster_withdraw(&a.task);
    scripted_run(&s, MS);
    EXPECT_INT(a.ready + a.failed, 0);
    EXPECT_INT(b.ready, 1);
    end();
}

TEST(tasks_of_a_broker_that_cannot_be_reached_fail) {
    begin(2);
    struct counted_task a = task();
    s.unreachable = true;
    cluster_submit(&c, 2, &a.task);
    scripted_run(&s, 11 * SECOND);
    EXPECT_INT(a.failed, 1);
    EXPECT_INT(a.why, ERROR_TIMEOUT);
    EXPECT(scripted_told(&s, "broker unreachable"));
    end();
}

// Brokers close what was silent for ten minutes (connections.max.idle.ms).
TEST(a_broker_that_hangs_up_on_an_idle_connection_is_not_unreachable) {
    begin(2);
    struct counted_task a = task();
    cluster_submit(&c, 2, &a.task);
    scripted_run(&s, 600 * SECOND);
    uint64_t before = c.refreshes;
    scripted_cut_node(&s, 2);
    scripted_run(&s, SECOND);
    EXPECT(broker_link_ready(&cluster_broker(&c, 2)->control));
    EXPECT_INT(c.refreshes, before + 1);  // it may have moved its leaders before it was stopped
    EXPECT(!scripted_told(&s, "broker unreachable"));
    scripted_cut_node(&s, 2);  // at once, again
    scripted_run(&s, SECOND + LINK_HELD_US);
    EXPECT_INT(scripted_count(&s, "broker unreachable"), 1);
    EXPECT_INT(scripted_count(&s, "broker reachable again"), 1);
    scripted_run(&s, 600 * SECOND);
    s.unreachable = true;
    scripted_cut_node(&s, 2);  // it is stopped
    scripted_run(&s, 11 * SECOND);
    EXPECT_INT(scripted_count(&s, "broker unreachable"), 2);
    end();
}

// It greets, and hangs up: a line a second of each would fill the log.
TEST(a_broker_that_greets_and_hangs_up_is_unreachable_once) {
    begin(2);
    struct counted_task a = task();
    cluster_submit(&c, 2, &a.task);
    for (int i = 0; i < 600; i++) {
        scripted_run(&s, SECOND / 10);
        scripted_cut_node(&s, 2);
    }
    EXPECT_INT(scripted_count(&s, "broker unreachable"), 1);
    EXPECT_INT(scripted_count(&s, "broker reachable again"), 0);
    EXPECT_INT(cluster_unreachable(&c), 1);
    scripted_run(&s, 3 * SECOND);
    EXPECT_INT(scripted_count(&s, "broker reachable again"), 1);
    EXPECT_INT(cluster_unreachable(&c), 0);
    end();
}

TEST(tasks_of_a_broker_that_is_gone_fail) {
    begin(3);
    struct counted_task any = task(), third = task();
    cluster_submit(&c, CLUSTER_ANY, &any.task);  // a connection for metadata
    scripted_run(&s, MS);
    broker_link_stop(&cluster_broker(&c, 3)->control, true);
    s.unreachable = true;
    cluster_submit(&c, 3, &third.task);
    s.brokers = 2;
    refresh();
    EXPECT(!cluster_broker(&c, 3));
    EXPECT_INT(third.failed, 1);
    s.brokers = 3;
    s.unreachable = false;
    refresh();
    cluster_submit(&c, 3, &third.task);
    scripted_run(&s, SECOND);
    EXPECT_INT(third.ready, 1);
    end();
}

// A link of somebody else keeps the text of the address it was opened with.
static int lost;
static char lost_detail[ERROR_DETAIL_MAX];

static void on_link_ready(struct broker_link *l) {
    (void)l;
}

static void on_link_lost(struct broker_link *l, const struct error *why) {
    (void)l;
    lost++;
    snprintf(lost_detail, sizeof lost_detail, "%s", why->detail);
}

static void on_reply(void *context, const struct error *error, const void *response, struct frame *frame) {
    (void)context, (void)error, (void)response, (void)frame;
}

TEST(a_broker_may_move_while_connections_to_its_old_place_are_open) {
    begin(2);
    struct broker_link l;
    struct counted_task waiting = task(), other = task();
    lost = 0;
    broker_link_init(&l, &c, 1);
    l.on_ready = on_link_ready;
    l.on_lost = on_link_lost;
    broker_link_start(&l);
    scripted_run(&s, MS);
    EXPECT(broker_link_ready(&l));
    struct metadata_request request;
    message_defaults(&metadata_request_message, &request);
    struct connection_call call = {.api_key = API_METADATA, .version_max = INT16_MAX, .request = &request,
                                   .reply = on_reply, .timeout_us = 5 * SECOND};
    cluster_submit(&c, 2, &other.task);  // metadata come from there
    scripted_run(&s, MS);
    s.unreachable = true;
    cluster_submit(&c, 1, &waiting.task);
    scripted_run(&s, MS);
    s.moved_host = "elsewhere-1";
    refresh();
    EXPECT_INT(c.refreshes, 2);
    s.unreachable = false;
    scripted_run(&s, 11 * SECOND);
    EXPECT_INT(waiting.ready + waiting.failed, 1);  // whoever waited for the old place is not forgotten
    EXPECT_TEXT(cluster_broker(&c, 1)->host, "elsewhere-1");
    s.silent = true;
    struct error e = connection_call(&l.connection, &call);
    EXPECT(!error_is(&e));
    scripted_run(&s, 6 * SECOND);
    EXPECT_INT(lost, 1);
    EXPECT(strstr(lost_detail, "broker-1:9092"));
    s.silent = false;
    scripted_run(&s, SECOND);
    EXPECT(broker_link_ready(&l));
    EXPECT_TEXT(scripted_channel_of(&s, &l.connection)->host, "elsewhere-1");
    broker_link_free(&l);
    end();
}

TEST(the_wait_between_attempts_grows_and_ends_with_success) {
    begin(1);
    struct broker_link l;
    broker_link_init(&l, &c, 1);
    l.on_ready = on_link_ready;
    l.on_lost = on_link_lost;
    broker_link_start(&l);
    int64_t waited[8];
    for (int i = 0; i < 8; i++) {
        scripted_run(&s, 0);
        while (!broker_link_ready(&l) && !connection_is_open(&l.connection)) scripted_run(&s, MS);
        s.unreachable = true;
        if (broker_link_ready(&l) || i > 0) scripted_cut(&s, &l.connection);
        int64_t from_us = s.env.now_us;
        while (!connection_is_open(&l.connection)) scripted_run(&s, MS);
        waited[i] = s.env.now_us - from_us;
    }
    EXPECT(waited[0] >= 50 * MS && waited[0] <= 62 * MS);
    EXPECT(waited[1] >= 100 * MS && waited[1] <= 122 * MS);
    EXPECT(waited[3] >= 400 * MS && waited[3] <= 482 * MS);
    EXPECT(waited[7] >= 1000 * MS && waited[7] <= 1202 * MS);
    s.unreachable = false;
    scripted_run(&s, SECOND);
    EXPECT(broker_link_ready(&l));
    scripted_cut(&s, &l.connection);
    scripted_run(&s, 62 * MS);
    EXPECT(broker_link_ready(&l));
    broker_link_free(&l);
    end();
}

TEST(stopping_tells_who_waits_and_leaves_nothing_behind) {
    for (int64_t us = 0; us < 3000; us += 100) {
        scripted_init(&s);
        s.brokers = 2;
        s.serve[API_METADATA] = scripted_metadata;
        s.read_max = 3;
        struct cluster_config config = scripted_config(&s);
        struct counted_task a = task(), b = task();
        cluster_init(&c, &s.env, &config);
        cluster_start(&c);
        cluster_submit(&c, CLUSTER_ANY, &a.task);
        if (us % 200) s.unreachable = true;
        scripted_run(&s, us);
        if (c.refreshes > 0) cluster_submit(&c, 2, &b.task);
        cluster_stop(&c);
        EXPECT_INT(a.ready + a.failed, 1);
        EXPECT(!a.failed || a.why == ERROR_CLOSED);
        EXPECT_INT(b.failed, c.refreshes > 0);
        EXPECT_INT(scripted_open_channels(&s), 0);
        EXPECT_INT(timers_next(&s.env.timers), TIMER_NEVER);
        cluster_free(&c);
        scripted_free(&s);
    }
}

int main(void) {
    RUN(the_bootstrap_connection_goes_when_the_brokers_are_known);
    RUN(leaders_topics_and_their_end_are_taken_over);
    RUN(a_broker_that_lags_behind_does_not_bring_an_older_leader_back);
    RUN(a_leader_may_be_named_after_its_epoch);
    RUN(connected_brokers_are_asked_for_metadata_in_turn);
    RUN(a_frozen_broker_does_not_keep_metadata_back);
    RUN(of_two_answers_the_older_one_counts_only_when_it_comes_first);
    RUN(when_nobody_who_is_connected_answers_others_are_connected_to);
    RUN(who_is_not_reached_need_not_answer_when_another_one_has);
    RUN(a_broker_that_knows_nobody_yet_says_nothing);
    RUN(partitions_and_ports_that_cannot_be_are_not_taken);
    RUN(refreshes_keep_a_distance_and_age_brings_one);
    RUN(tasks_run_when_their_connection_is_ready);
    RUN(any_broker_will_do_but_an_unknown_one_fails_at_once);
    RUN(trouble_makes_patient_until_it_is_over);
    RUN(a_withdrawn_task_is_not_run);
    RUN(tasks_of_a_broker_that_cannot_be_reached_fail);
    RUN(a_broker_that_hangs_up_on_an_idle_connection_is_not_unreachable);
    RUN(a_broker_that_greets_and_hangs_up_is_unreachable_once);
    RUN(tasks_of_a_broker_that_is_gone_fail);
    RUN(a_broker_may_move_while_connections_to_its_old_place_are_open);
    RUN(the_wait_between_attempts_grows_and_ends_with_success);
    RUN(stopping_tells_who_waits_and_leaves_nothing_behind);
    return test_result();
}
