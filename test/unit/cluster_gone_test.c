// Brokers that are of no use any more: who is asked instead, and who is not tried again.
#include "unit/test.h"

#include "unit/scripted_broker.h"

static struct scripted s;
static struct cluster c;

static void begin(int32_t brokers) {
    scripted_init(&s);
    s.brokers = brokers;
    scripted_topic(&s, "t", 1);
    scripted_cluster(&s, &c);
}

static void end(void) {
    scripted_cluster_free(&s, &c);
    scripted_free(&s);
}

static void refresh(void) {
    cluster_refresh(&c);
    scripted_run(&s, SECOND);
}

static void metadata_of_bootstrap_only(struct scripted *script, struct scripted_request *r) {
    if (r->channel->node_id == 0) scripted_metadata(script, r);
}

// Its connection may be dead without anybody's saying so, and the others were away when it answered last.
TEST(when_the_only_known_broker_does_not_answer_a_bootstrap_address_is_asked) {
    begin(1);
    while (c.refreshed_by != 1) {
        cluster_refresh(&c);
        scripted_run(&s, 200 * MS);
    }
    s.serve[API_METADATA] = metadata_of_bootstrap_only;
    s.brokers = 2;
    uint64_t before = c.refreshes;
    cluster_refresh(&c);
    scripted_run(&s, METADATA_ANSWER_US - 200 * MS);
    EXPECT_INT(c.refreshes, before);
    scripted_run(&s, 400 * MS);
    EXPECT_INT(c.refreshes, before + 1);
    EXPECT(cluster_broker(&c, 2));
    scripted_run(&s, SECOND);
    for (int i = 0; i < s.channels_count; i++) EXPECT(s.channels[i].node_id != 0 || !s.channels[i].connection);
    end();
}

// Nothing listens at its address, and the metadata do not name it.
TEST(a_broker_that_is_gone_is_not_connected_to) {
    begin(2);
    cluster_connect_others(&c);
    scripted_run(&s, SECOND);
    s.refuses = "broker-2";
    scripted_cut_node(&s, 2);
    scripted_run(&s, SECOND);
    EXPECT(cluster_broker(&c, 2)->control.started);
    const struct broker_link *gone = &cluster_broker(&c, 2)->control;
    s.brokers = 1;
    refresh();
    EXPECT(!cluster_broker(&c, 2));
    EXPECT(!gone->started && gone->connection.state == CONNECTION_CLOSED && !timer_is_set(&gone->retry));
    end();
}

TEST(the_controller_is_whom_the_last_answer_names) {
    begin(3);
    EXPECT_INT(c.controller, 1);
    s.controller = 3;
    refresh();
    EXPECT_INT(c.controller, 3);
    end();
}

int main(void) {
    RUN(when_the_only_known_broker_does_not_answer_a_bootstrap_address_is_asked);
    RUN(a_broker_that_is_gone_is_not_connected_to);
    RUN(the_controller_is_whom_the_last_answer_names);
    return test_result();
}
