// Compares topics of two clusters batch by batch, as any consumer could.
#include "traffic/client.h"
#include "traffic/traffic.h"

#include "base/limits.h"
#include "base/memory.h"
#include "wire/batch.h"
#include "wire/records.h"

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
    int64_t batches, records, bytes;  // of the source
};

static void count_batch(struct tally *sum, const struct batch_header *h) {
    sum->batches++;
    sum->records += h->count;
    sum->bytes += h->size;
}

static bool same_record(const struct record *a, const struct record *b) {
    return a->offset == b->offset && a->timestamp == b->timestamp && a->attributes == b->attributes &&
           a->body.size == b->body.size && memcmp(a->body.at, b->body.at, a->body.size) == 0;
}

// Takes the records of one of the source's batches from those of the mirror's batch that was made of several.
static const char *part_difference(const struct batch_header *s, struct bytes source, struct records *mirror) {
    struct records records;
    struct record ours, theirs;
    struct buffer none;
    buffer_init(&none, 0);
    if (s->attributes != 0) return "joined, though not plain";
    if (!batch_crc_is_right(source)) return "the source's CRC is wrong";
    struct error e = records_open(&records, source, s, &none);
    while (!error_is(&e) && records_next(&records, &theirs))
        if (!records_next(mirror, &ours) || !same_record(&ours, &theirs)) return "records differ";
    if (!error_is(&e)) e = records_result(&records);
    return error_is(&e) ? "the source's records cannot be read" : NULL;
}

// The mirror's batch goes on where the source's ends: it may be made of that one and the next ones.
static const char *joined_difference(struct reader *source, struct batch_header *s, struct bytes source_bytes,
                                     const struct batch_header *m, struct bytes mirror, struct tally *sum) {
    struct records records;
    struct record beyond;
    struct buffer none;
    buffer_init(&none, 0);
    if (s->base_offset != m->base_offset) return "offsets differ";
    if (m->attributes != 0 || s->base_timestamp != m->base_timestamp) return "attributes or timestamps differ";
    if (!batch_crc_is_right(mirror)) return "the mirror's CRC is wrong";
    struct error e = records_open(&records, mirror, m, &none);
    if (error_is(&e)) return "the mirror's records cannot be read";
    int64_t newest = s->max_timestamp;
    if (source->end <= batch_last_offset(m)) source->end = batch_last_offset(m) + 1;  // it may go on beyond
    for (;;) {
        const char *why = part_difference(s, source_bytes, &records);
        if (why) return why;
        if (s->max_timestamp > newest) newest = s->max_timestamp;
        count_batch(sum, s);
        if (batch_last_offset(s) >= batch_last_offset(m)) break;
        if (!next_batch(source, s, &source_bytes)) return "the source ends here";
    }
    if (batch_last_offset(s) != batch_last_offset(m)) return "offsets differ";
    if (records_next(&records, &beyond)) return "the mirror holds more records";
    return newest == m->max_timestamp ? NULL : "timestamps differ";
}

static bool compare_partition(struct reader *source, struct reader *mirror, struct tally *sum) {
    struct batch_header s, m;
    struct bytes s_bytes, m_bytes;
    while (next_batch(source, &s, &s_bytes)) {
        const char *why = "the mirror ends here";
        if (next_batch(mirror, &m, &m_bytes)) {
            bool joined = batch_last_offset(&s) < batch_last_offset(&m);
            why = joined ? joined_difference(source, &s, s_bytes, &m, m_bytes, sum)
                         : difference(&s, s_bytes, &m, m_bytes);
            if (!joined) count_batch(sum, &s);
        }
        if (why) {
            printf("%s-%d, offset %" PRId64 ": %s\n", source->topic, source->partition, s.base_offset, why);
            return false;
        }
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
