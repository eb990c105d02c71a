// The latency probe: produces records that carry their number and time, and sees when consumers of both clusters get
// them. One process, one clock.
//
// probe RATE SECONDS LINGER_MS PARTITIONS SOURCE DESTINATION TOPIC OUT
// Writes for each record three int64 in the machine's order: nanoseconds of CLOCK_MONOTONIC when it was produced, seen
// at the source, and seen at the destination (0: not within PATIENCE_S after the last one was produced).
#include <librdkafka/rdkafka.h>

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PATIENCE_S 10
#define VALUE_SIZE 100
#define METADATA_MS 10000

struct seen {
    int64_t produced, source, destination;
};

struct run {
    const char *topic;
    int32_t partitions;
    int64_t rate, count;
    struct seen *records;
    atomic_bool over;
};

struct watcher {
    struct run *run;
    rd_kafka_t *consumer;
    bool destination;
    atomic_llong got;
};

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("probe: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int64_t number(const char *text) {
    char *end;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end || value < 0) die("%s: expected a number", text);
    return value;
}

static rd_kafka_t *client(rd_kafka_type_t type, const char *const settings[][2]) {
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (size_t i = 0; settings[i][0]; i++)
        if (rd_kafka_conf_set(conf, settings[i][0], settings[i][1], why, sizeof why) != RD_KAFKA_CONF_OK)
            die("%s", why);
    rd_kafka_t *made = rd_kafka_new(type, conf, why, sizeof why);
    if (!made) die("%s", why);
    return made;
}

// Consuming ---------------------------------------------------------------------------------------------------------

// Begins at the end of every partition, before anything is produced.
static rd_kafka_t *consumer_at_end(const struct run *run, const char *bootstrap) {
    const char *const settings[][2] = {{"bootstrap.servers", bootstrap}, {"group.id", "probe"},
                                       {"enable.auto.commit", "false"},  {"fetch.wait.max.ms", "500"},
                                       {"fetch.min.bytes", "1"},         {NULL, NULL}};
    rd_kafka_t *consumer = client(RD_KAFKA_CONSUMER, settings);
    rd_kafka_poll_set_consumer(consumer);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(run->partitions);
    for (int32_t i = 0; i < run->partitions; i++) {
        int64_t low, high;
        rd_kafka_resp_err_t e = rd_kafka_query_watermark_offsets(consumer, run->topic, i, &low, &high, METADATA_MS);
        if (e) die("%s %s-%d: %s", bootstrap, run->topic, i, rd_kafka_err2str(e));
        rd_kafka_topic_partition_list_add(list, run->topic, i)->offset = high;
    }
    if (rd_kafka_assign(consumer, list)) die("assign");
    rd_kafka_topic_partition_list_destroy(list);
    return consumer;
}

static void note(struct watcher *w, const rd_kafka_message_t *m) {
    int64_t at = now_ns(), index;
    if (m->err || m->len != VALUE_SIZE) return;
    memcpy(&index, m->payload, sizeof index);
    if (index < 0 || index >= w->run->count) return;
    int64_t *to = w->destination ? &w->run->records[index].destination : &w->run->records[index].source;
    if (*to) return;  // at least once
    *to = at;
    w->got++;
}

static void *watch_main(void *context) {
    struct watcher *w = context;
    while (!w->run->over) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(w->consumer, 100);
        if (!m) continue;
        note(w, m);
        rd_kafka_message_destroy(m);
    }
    return NULL;
}

// Producing ---------------------------------------------------------------------------------------------------------

static void sleep_until(int64_t ns) {
    struct timespec t = {ns / 1000000000, ns % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) != 0) {
    }
}

static void produce(struct run *run, rd_kafka_t *producer) {
    rd_kafka_topic_t *topic = rd_kafka_topic_new(producer, run->topic, NULL);
    int64_t begin = now_ns() + 200000000;  // the consumers are polling by then
    for (int64_t i = 0; i < run->count; i++) {
        uint8_t value[VALUE_SIZE] = {0};
        sleep_until(begin + i * 1000000000 / run->rate);
        memcpy(value, &i, sizeof i);
        run->records[i].produced = now_ns();
        memcpy(value + sizeof i, &run->records[i].produced, sizeof i);
        if (rd_kafka_produce(topic, (int32_t)(i % run->partitions), RD_KAFKA_MSG_F_COPY, value, sizeof value, NULL, 0,
                             NULL) != 0)
            die("produce: %s", rd_kafka_err2str(rd_kafka_last_error()));
        rd_kafka_poll(producer, 0);
    }
    if (rd_kafka_flush(producer, METADATA_MS)) die("not everything could be produced");
    rd_kafka_topic_destroy(topic);
}

static void wait_for_all(struct watcher watchers[2], int64_t count) {
    int64_t deadline = now_ns() + PATIENCE_S * 1000000000LL;
    while ((watchers[0].got < count || watchers[1].got < count) && now_ns() < deadline) sleep_until(now_ns() + 1000000);
}

static void write_out(const struct run *run, const char *path) {
    FILE *f = fopen(path, "wb");
    size_t count = (size_t)run->count;
    if (!f || fwrite(run->records, sizeof *run->records, count, f) != count || fclose(f) != 0) die("%s: write", path);
}

int main(int argc, char **argv) {
    if (argc != 9) die("usage: probe RATE SECONDS LINGER_MS PARTITIONS SOURCE DESTINATION TOPIC OUT");
    static struct run run;
    run.rate = number(argv[1]);
    run.count = run.rate * number(argv[2]);
    run.partitions = (int32_t)number(argv[4]);
    run.topic = argv[7];
    if (run.count == 0 || run.partitions == 0) die("nothing to do");
    run.records = calloc((size_t)run.count, sizeof *run.records);
    if (!run.records) die("no memory");
    const char *const settings[][2] = {{"bootstrap.servers", argv[5]}, {"linger.ms", argv[3]}, {NULL, NULL}};
    rd_kafka_t *producer = client(RD_KAFKA_PRODUCER, settings);
    static struct watcher watchers[2];
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        watchers[i].run = &run;
        watchers[i].destination = i == 1;
        watchers[i].consumer = consumer_at_end(&run, argv[5 + i]);
        if (pthread_create(&threads[i], NULL, watch_main, &watchers[i]) != 0) die("no thread");
    }
    produce(&run, producer);
    wait_for_all(watchers, run.count);
    run.over = true;
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        rd_kafka_destroy(watchers[i].consumer);
    }
    rd_kafka_destroy(producer);
    write_out(&run, argv[8]);
    return 0;
}
