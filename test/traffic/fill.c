// Produces records of many shapes to some topics.
#include "traffic/client.h"
#include "traffic/made_batch.h"
#include "traffic/traffic.h"

#include "base/limits.h"
#include "base/memory.h"
#include "base/prng.h"
#include "wire/error_codes.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#define BATCH_RECORDS_MAX 120
#define REQUEST_TIMEOUT_MS 30000

static volatile sig_atomic_t stopped;

static void on_stop(int signal_number) {
    (void)signal_number;
    stopped = 1;
}

static int64_t clock_ms(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void create(struct client *c, const struct fill_options *o, const char *topic) {
    struct create_topics_request request;
    struct create_topics_request_topic t;
    struct create_topics_response response;
    message_defaults(&create_topics_request_message, &request);
    message_defaults(&create_topics_request_topic_message, &t);
    t.name = (struct wire_text){topic, (int32_t)strlen(topic)};
    t.num_partitions = o->partitions;
    t.replication_factor = o->replicas;
    request.topics = &t;
    request.topics_count = 1;
    client_call(c, -1, API_CREATE_TOPICS, 5, &request, &response);
    int16_t code = response.topics->error_code;
    if (code && code != KAFKA_TOPIC_ALREADY_EXISTS) client_fail("cannot create %s: error %d", topic, code);
}

static void append(struct client *c, int32_t leader, const char *topic, int32_t partition, struct buffer *batch) {
    struct produce_request request;
    struct produce_request_topic t;
    struct produce_request_partition p;
    struct produce_response response;
    message_defaults(&produce_request_message, &request);
    message_defaults(&produce_request_topic_message, &t);
    message_defaults(&produce_request_partition_message, &p);
    p.index = partition;
    p.records = (struct wire_bytes){batch->at, (int32_t)batch->size};
    t.name = (struct wire_text){topic, (int32_t)strlen(topic)};
    t.partition_data = &p;
    request.acks = -1;
    request.timeout_ms = REQUEST_TIMEOUT_MS;
    request.topic_data = &t;
    t.partition_data_count = request.topic_data_count = 1;
    int16_t code;
    int tries = 0;
    do {
        client_call(c, leader, API_PRODUCE, 9, &request, &response);
        code = response.responses->partition_responses->error_code;
    } while (client_try_again(code, &tries));
    if (code) client_fail("cannot produce to %s-%d: error %d", topic, partition, code);
}

struct target {
    const char *topic;
    int32_t *leaders, partitions;
};

// Sleeps so that no more than the wanted rate is reached.
static void keep_rate(const struct fill_options *o, int64_t started_ms, int64_t records) {
    if (o->rate == 0) return;
    int64_t early_ms = records * 1000 / o->rate - (clock_ms(CLOCK_MONOTONIC) - started_ms);
    if (early_ms > 0) nanosleep(&(struct timespec){early_ms / 1000, early_ms % 1000 * 1000000}, NULL);
}

static int64_t produce_all(struct client *c, const struct fill_options *o, const struct target *targets) {
    struct prng prng;
    struct buffer batch;
    prng_seed(&prng, o->seed);
    buffer_init(&batch, FRAME_SIZE_MAX);
    int64_t records = 0, started_ms = clock_ms(CLOCK_MONOTONIC);
    while (!stopped && (o->records == 0 || records < o->records)) {
        const struct target *t = &targets[prng_below(&prng, (uint64_t)o->topics_count)];
        int32_t partition = (int32_t)prng_below(&prng, (uint64_t)t->partitions);
        struct made_batch m = {.codec = (enum codec)prng_below(&prng, CODEC_ZSTD + 1),
                               .count = (int32_t)prng_between(&prng, 1, BATCH_RECORDS_MAX),
                               .value_size_max =
                                   prng_below(&prng, 500) == 0 ? 60 * o->value_size_max : o->value_size_max,
                               .timestamp_ms = clock_ms(CLOCK_REALTIME)};
        if (m.value_size_max > o->value_size_max) m.count = 1;
        if (o->records && m.count > o->records - records) m.count = (int32_t)(o->records - records);
        buffer_clear(&batch);
        made_batch_append(&batch, &m, &prng);
        append(c, t->leaders[partition], t->topic, partition, &batch);
        records += m.count;
        keep_rate(o, started_ms, records);
    }
    buffer_free(&batch);
    return records;
}

int fill(const struct fill_options *o) {
    struct client c;
    signal(SIGTERM, on_stop);
    signal(SIGINT, on_stop);
    client_open(&c, o->bootstrap);
    struct target *targets = memory_alloc_zeroed((size_t)o->topics_count, sizeof *targets);
    for (int32_t i = 0; i < o->topics_count; i++) {
        create(&c, o, o->topics[i]);
        targets[i].topic = o->topics[i];
        targets[i].leaders = client_leaders(&c, o->topics[i], &targets[i].partitions);
    }
    printf("%" PRId64 "\n", produce_all(&c, o, targets));
    for (int32_t i = 0; i < o->topics_count; i++) memory_free(targets[i].leaders);
    memory_free(targets);
    client_close(&c);
    return 0;
}
