// What a broker that was killed finds on its disk of a log's start.
#include "broker/faults.h"
#include "broker_client.h"
#include "wire/batch.h"

static struct broker_cluster *c;
static int64_t now_us;

static void append(int32_t count) {
    static uint8_t batch[4096];
    struct batch_stamp nobody = {.producer_id = -1, .producer_epoch = -1, .base_sequence = -1};
    size_t size = batch_filler_write(count, CLIENT_WALL_MS, &nobody, batch, sizeof batch);
    EXPECT_INT(broker_append(c, "t", 0, (struct bytes){batch, size}), 0);
}

// Topic "t" with five batches of two records.
static void begin(const char *const *settings) {
    now_us = 0;
    struct broker_cluster_config config = {.cluster_id = "AAAAAAAAAAAAAAAAAAAAAA",
                                           .host = "localhost",
                                           .port_first = 9092,
                                           .nodes = 1,
                                           .seed = 1,
                                           .settings = settings};
    c = broker_cluster_new(&config, now_us, CLIENT_WALL_MS);
    broker_topic_create(c, "t", 1, 1, NULL);
    for (int i = 0; i < 5; i++) append(2);
}

static const struct broker_log *log_now(void) {
    return broker_replica_log(c, "t", 0, 1);
}

static void restart(enum broker_stop how) {
    broker_node_stop(c, 1, how, 0);
    broker_node_start(c, 1);
}

static void delete_below(int64_t offset) {
    EXPECT_INT(broker_delete_records(c, "t", 0, offset), 0);
    EXPECT_INT(log_now()->start, offset);
}

TEST(who_is_killed_forgets_what_was_deleted_lately) {
    begin(NULL);
    int64_t bytes = log_now()->bytes;
    delete_below(3);
    delete_below(7);
    EXPECT_INT(log_now()->count, 2);
    append(2);
    restart(BROKER_KILLED);
    EXPECT_INT(log_now()->start, 0);
    EXPECT_INT(log_now()->count, 6);
    EXPECT_INT(log_now()->bytes, bytes / 5 * 6);
    EXPECT_INT(log_now()->end, 12);
    EXPECT_INT(log_now()->high_watermark, 12);
    for (size_t i = 0; i < 6; i++) EXPECT_INT(broker_log_at(log_now(), i)->header.base_offset, 2 * i);
    broker_cluster_free(c);
}

TEST(the_disk_is_told_each_minute_and_at_the_end) {
    begin(NULL);
    delete_below(3);
    world_until(c, &now_us, 61000000);
    restart(BROKER_KILLED);
    EXPECT_INT(log_now()->start, 3);
    delete_below(6);
    restart(BROKER_SHUT_DOWN);
    EXPECT_INT(log_now()->start, 6);
    restart(BROKER_KILLED);
    EXPECT_INT(log_now()->start, 6);
    EXPECT_INT(log_now()->count, 2);
    broker_cluster_free(c);
}

TEST(what_retention_took_does_not_come_back) {
    static const char *const settings[] = {"log.retention.ms", "1", NULL};
    begin(settings);
    delete_below(3);
    world_until(c, &now_us, 10000);
    broker_clean_logs(c);
    EXPECT_INT(log_now()->start, 10);
    restart(BROKER_KILLED);
    EXPECT_INT(log_now()->start, 10);
    EXPECT_INT(log_now()->count, 0);
    broker_cluster_free(c);
}

TEST(a_file_is_truncated_with_what_it_hides) {
    begin(NULL);
    delete_below(5);
    broker_node_stop(c, 1, BROKER_DISK_LIED, 4);
    broker_node_start(c, 1);
    EXPECT_INT(log_now()->start, 0);
    EXPECT_INT(log_now()->end, 2);
    append(2);
    EXPECT_INT(log_now()->end, 4);
    broker_cluster_free(c);
}

int main(void) {
    RUN(who_is_killed_forgets_what_was_deleted_lately);
    RUN(the_disk_is_told_each_minute_and_at_the_end);
    RUN(what_retention_took_does_not_come_back);
    RUN(a_file_is_truncated_with_what_it_hides);
    return test_result();
}
