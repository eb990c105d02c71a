// Compares topics of two clusters batch by batch, as any consumer could.
#include "traffic/client.h"
#include "traffic/traffic.h"

#include "base/limits.h"
#include "base/memory.h"
#include "wire/batch.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#define FETCH_BYTES (4 * MiB)
#define FETCH_WAIT_MS 500
#define EMPTY_FETCHES_MAX 20
#define POLL_NS 100000000

// One side's partition, read from its start to `end`.
struct reader {
    struct client *client;
    const char *topic;
    int32_t partition, leader;
    int64_t next, end;
    struct buffer bytes;
    size_t at;
};

static void refill(struct reader *r) {
    struct fetch_request request;
    struct fetch_request_topic t;
    struct fetch_request_partition p;
    struct fetch_response response;
    message_defaults(&fetch_request_message, &request);
    message_defaults(&fetch_request_topic_message, &t);
    message_defaults(&fetch_request_partition_message, &p);
    p.partition = r->partition;
    p.fetch_offset = r->next;
    p.partition_max_bytes = FETCH_BYTES;
    t.topic = (struct wire_text){r->topic, (int32_t)strlen(r->topic)};
    t.partitions = &p;
    request.max_wait_ms = FETCH_WAIT_MS;
    request.min_bytes = 1;
    request.max_bytes = FETCH_BYTES;
    request.topics = &t;
    t.partitions_count = request.topics_count = 1;
    const struct fetch_response_partition *got;
    int tries = 0;
    do {
        client_call(r->client, r->leader, API_FETCH, 11, &request, &response);
        got = response.responses->partitions;
    } while (client_try_again(got->error_code, &tries));
    if (got->error_code) client_fail("Fetch of %s-%d: error %d", r->topic, r->partition, got->error_code);
    buffer_clear(&r->bytes);
    if (got->records.size > 0) buffer_append(&r->bytes, got->records.at, (size_t)got->records.size);
    r->at = 0;
}

// The next batch that reaches to r->next or beyond; false at the end.
static bool next_batch(struct reader *r, struct batch_header *h, struct bytes *batch) {
    for (int empty = 0; r->next < r->end;) {
        *batch = (struct bytes){r->bytes.at + r->at, r->bytes.size - r->at};
        if (batch_look(*batch, h) != BATCH_WHOLE) {
            refill(r);
            if (r->bytes.size == 0 && ++empty == EMPTY_FETCHES_MAX)
                client_fail("%s-%d: nothing comes at offset %" PRId64, r->topic, r->partition, r->next);
            continue;
        }
        r->at += (size_t)h->size;
        batch->size = (size_t)h->size;
        if (batch_last_offset(h) < r->next) continue;
        r->next = batch_last_offset(h) + 1;
        return true;
    }
    return false;
}

// NULL when a consumer cannot tell the two apart.
static const char *difference(const struct batch_header *s, struct bytes source, const struct batch_header *m,
                              struct bytes mirror) {
    const int16_t cleared = BATCH_ATTRIBUTE_TRANSACTIONAL | BATCH_ATTRIBUTE_DELETE_HORIZON;
    if (s->base_offset != m->base_offset || s->last_offset_delta != m->last_offset_delta) return "offsets differ";
    if (s->count != m->count) return "counts differ";
    if (s->base_timestamp != m->base_timestamp || s->max_timestamp != m->max_timestamp) return "timestamps differ";
    if ((s->attributes & ~cleared) != m->attributes) return "attributes differ";
    if (s->size != m->size ||
        memcmp(source.at + BATCH_HEADER_SIZE, mirror.at + BATCH_HEADER_SIZE, source.size - BATCH_HEADER_SIZE) != 0)
        return "records differ";
    return batch_crc_is_right(mirror) ? NULL : "the mirror's CRC is wrong";
}

struct tally {
    int64_t batches, records, bytes;
};

static bool compare_partition(struct reader *source, struct reader *mirror, struct tally *sum) {
    struct batch_header s, m;
    struct bytes s_bytes, m_bytes;
    while (next_batch(source, &s, &s_bytes)) {
        const char *why = "the mirror ends here";
        if (next_batch(mirror, &m, &m_bytes)) why = difference(&s, s_bytes, &m, m_bytes);
        if (why) {
            printf("%s-%d, offset %" PRId64 ": %s\n", source->topic, source->partition, s.base_offset, why);
            return false;
        }
        sum->batches++;
        sum->records += s.count;
        sum->bytes += s.size;
    }
    return true;
}

static int64_t now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

// Opens both sides of a partition and waits for the mirror. False: it did not come that far in time.
static bool catch_up(struct reader *source, struct reader *mirror, int64_t until_s) {
    source->next = mirror->next = client_offset(source->client, source->leader, source->topic, source->partition, -2);
    source->end = mirror->end = client_offset(source->client, source->leader, source->topic, source->partition, -1);
    int64_t there;
    while ((there = client_offset(mirror->client, mirror->leader, mirror->topic, mirror->partition, -1)) <
           source->end) {
        if (now_s() >= until_s) {
            printf("%s-%d: the mirror ends at %" PRId64 ", the source at %" PRId64 "\n", source->topic,
                   source->partition, there, source->end);
            return false;
        }
        nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
    }
    return true;
}

static bool compare_topic(struct client *source, struct client *destination, const char *topic, int64_t until_s,
                          struct tally *sum) {
    int32_t s_count, m_count;
    int32_t *s_leaders = client_leaders(source, topic, &s_count);
    int32_t *m_leaders = client_leaders(destination, topic, &m_count);
    bool equal = s_count == m_count;
    if (!equal) printf("%s: %d partitions, at the mirror %d\n", topic, s_count, m_count);
    for (int32_t i = 0; i < s_count && equal; i++) {
        struct reader s = {.client = source, .topic = topic, .partition = i, .leader = s_leaders[i]};
        struct reader m = {.client = destination, .topic = topic, .partition = i, .leader = m_leaders[i]};
        buffer_init(&s.bytes, FRAME_SIZE_MAX);
        buffer_init(&m.bytes, FRAME_SIZE_MAX);
        equal = catch_up(&s, &m, until_s) && compare_partition(&s, &m, sum);
        buffer_free(&s.bytes);
        buffer_free(&m.bytes);
    }
    memory_free(s_leaders);
    memory_free(m_leaders);
    return equal;
}

int compare(const char *source, const char *destination, const char **topics, int32_t topics_count, int32_t seconds) {
    struct client s, d;
    struct tally sum = {0};
    bool equal = true;
    client_open(&s, source);
    client_open(&d, destination);
    for (int32_t i = 0; i < topics_count; i++)
        equal = compare_topic(&s, &d, topics[i], now_s() + seconds, &sum) && equal;
    client_close(&s);
    client_close(&d);
    printf("%s: %" PRId64 " batches, %" PRId64 " records, %" PRId64 " bytes\n", equal ? "equal" : "NOT equal",
           sum.batches, sum.records, sum.bytes);
    return equal ? 0 : 3;
}

int count_records(const char *bootstrap, const char **topics, int32_t topics_count) {
    struct client c;
    int64_t sum = 0;
    client_open(&c, bootstrap);
    for (int32_t i = 0; i < topics_count; i++) {
        int32_t partitions, *leaders = client_leaders(&c, topics[i], &partitions);
        for (int32_t p = 0; p < partitions; p++) sum += client_offset(&c, leaders[p], topics[i], p, -1);
        memory_free(leaders);
    }
    client_close(&c);
    printf("%" PRId64 "\n", sum);
    return 0;
}
