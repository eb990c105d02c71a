// The simulated line of the WAN benchmark: delay, rate, the queue's limit and loss are what was asked for.
#include "bench/wan_link.h"

#include "unit/test.h"

#define MS 1000000LL

static struct wan_link line;

static void begin(int64_t bytes_per_s, int64_t delay_ns, int64_t queue_bytes_max, uint32_t loss) {
    wan_link_init(&line, 1);
    line.bytes_per_s = bytes_per_s;
    line.delay_ns = delay_ns;
    line.queue_bytes_max = queue_bytes_max;
    line.loss = loss;
}

static void put(int64_t now_ns, uint16_t size, uint8_t mark) {
    struct wan_packet *p = wan_link_room(&line);
    if (!p) return;
    p->size = size;
    p->at[0] = mark;
    wan_link_send(&line, now_ns);
}

TEST(a_packet_arrives_after_its_sending_and_the_delay) {
    begin(1000000, 50 * MS, 10000, 0);
    put(0, 1000, 7);  // 1 ms on the line
    EXPECT_INT(wan_link_next_ns(&line), 51 * MS);
    EXPECT(!wan_link_receive(&line, 51 * MS - 1));
    const struct wan_packet *p = wan_link_receive(&line, 51 * MS);
    EXPECT(p && p->size == 1000 && p->at[0] == 7);
    EXPECT(!wan_link_receive(&line, 1000 * MS) && wan_link_next_ns(&line) == INT64_MAX);
    wan_link_free(&line);
}

TEST(packets_wait_for_each_other_and_keep_their_order) {
    begin(1000000, 10 * MS, 10000, 0);
    for (uint8_t i = 0; i < 5; i++) put(0, 1000, i);
    for (uint8_t i = 0; i < 5; i++) {
        EXPECT_INT(wan_link_next_ns(&line), (11 + i) * MS);
        EXPECT_INT(wan_link_receive(&line, (11 + i) * MS)->at[0], i);
    }
    put(100 * MS, 1000, 9);  // the line was idle: nothing was saved up
    EXPECT_INT(wan_link_next_ns(&line), 111 * MS);
    wan_link_free(&line);
}

TEST(a_full_queue_drops_and_the_line_keeps_its_rate) {
    begin(1000000, 0, 5000, 0);
    int64_t arrived = 0;
    for (int64_t now = 0; now < 1000 * MS; now += MS / 4) {  // four times what the line can carry
        put(now, 1000, 0);
        while (wan_link_receive(&line, now)) arrived++;
    }
    EXPECT(arrived >= 995 && arrived <= 1000);
    EXPECT(line.count <= 5 && line.dropped == 4000 - arrived - line.count);
    wan_link_free(&line);
}

TEST(as_much_is_lost_as_asked_for) {
    begin(1000000000, 0, 1 << 20, WAN_LOSS_SCALE / 100);
    for (int64_t i = 0; i < 100000; i++) {
        put(i * MS, 100, 0);
        while (wan_link_receive(&line, i * MS + MS / 2)) {
        }
    }
    EXPECT(line.lost > 850 && line.lost < 1150);
    EXPECT_INT(line.lost + line.packets, 100000);
    EXPECT_INT(line.dropped, 0);
    wan_link_free(&line);
    begin(1000000000, 0, 1 << 20, 0);
    for (int64_t i = 0; i < 10000; i++) {
        put(i * MS, 100, 0);
        while (wan_link_receive(&line, i * MS + MS / 2)) {
        }
    }
    EXPECT_INT(line.packets, 10000);
    wan_link_free(&line);
}

TEST(no_more_is_held_than_the_ring_has_room_for) {
    begin(1000000000, 1000000 * MS, 1LL << 40, 0);
    for (int64_t i = 0; i < WAN_LINK_PACKETS_MAX; i++) put(i, 100, 0);
    EXPECT_INT(line.count, WAN_LINK_PACKETS_MAX);
    EXPECT(!wan_link_room(&line));
    EXPECT(wan_link_receive(&line, INT64_MAX - 1) && wan_link_room(&line));
    wan_link_free(&line);
}

int main(void) {
    RUN(a_packet_arrives_after_its_sending_and_the_delay);
    RUN(packets_wait_for_each_other_and_keep_their_order);
    RUN(a_full_queue_drops_and_the_line_keeps_its_rate);
    RUN(as_much_is_lost_as_asked_for);
    RUN(no_more_is_held_than_the_ring_has_room_for);
    return test_result();
}
