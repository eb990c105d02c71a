// The addresses that a cluster was first found by, when the brokers known since then are of no use.
#include "unit/test.h"

#include "unit/scripted_broker.h"

static struct scripted s;
static struct cluster c;

static void metadata_of_bootstrap_only(struct scripted *script, struct scripted_request *r) {
    if (r->channel->node_id == 0) scripted_metadata(script, r);
}

// Its connection may be dead without anybody's saying so, and the others were away when it answered last.
TEST(when_the_only_known_broker_does_not_answer_a_bootstrap_address_is_asked) {
    scripted_init(&s);
    scripted_topic(&s, "t", 1);
    scripted_cluster(&s, &c);
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
    scripted_cluster_free(&s, &c);
    scripted_free(&s);
}

int main(void) {
    RUN(when_the_only_known_broker_does_not_answer_a_bootstrap_address_is_asked);
    return test_result();
}
