// The synthetic broker's logs: Fetch sessions served from one prebuilt batch, and appends that are answered, not kept.
#include "synthetic.h"

#include "base/limits.h"
#include "base/memory.h"
#include "wire/frame.h"
#include "wire/varint.h"

#include <assert.h>
#include <time.h>

// One record of now (an old one would make the mirror wait), without a key, its value as long as the batch wants it.
uint8_t *batch_make(int32_t *size) {
    struct buffer b;
    buffer_init(&b, SYNTHETIC_BATCH_MAX + 64);
    int64_t value = *size - BATCH_HEADER_SIZE - 7;
    value -= (int64_t)varlong_size(value) + (int64_t)varlong_size(value + 8) - 2;
    buffer_extend(&b, BATCH_HEADER_SIZE);
    varlong_append(&b, 5 + (int64_t)varlong_size(value) + value);  // attributes, 2 deltas, key's length, headers
    for (int i = 0; i < 3; i++) varlong_append(&b, 0);
    varlong_append(&b, -1);
    varlong_append(&b, value);
    uint8_t *at = buffer_extend(&b, (size_t)value);
    assert(at);
    for (int64_t i = 0; i < value; i++) at[i] = (uint8_t)(i * 31 + (i >> 8));
    varlong_append(&b, 0);
    assert(!b.overflowed);
    *size = (int32_t)b.size;
    int64_t now_ms = (int64_t)time(NULL) * 1000;
    struct batch_header header = {.leader_epoch = 0,
                                  .magic = BATCH_MAGIC,
                                  .base_timestamp = now_ms,
                                  .max_timestamp = now_ms,
                                  .producer_id = -1,
                                  .producer_epoch = -1,
                                  .base_sequence = -1,
                                  .count = 1};
    batch_header_write(b.at, &header, *size);
    return b.at;
}

// Fetch -------------------------------------------------------------------------------------------------------------

static void session_begin(struct peer *p) {
    struct synthetic *s = p->world;
    if (!p->seats) p->seats = memory_alloc_zeroed((size_t)s->partitions_count, sizeof *p->seats);
    while (list_take_first(&p->order)) {
    }
    p->session_epoch = 0;
}

// The order of a session: as first named; who got something goes to its end (FetchSession.PartitionIterator).
static void session_update(struct peer *p, const struct fetch_request *r) {
    for (int32_t t = 0; t < r->topics_count; t++) {
        for (int32_t i = 0; i < r->topics[t].partitions_count; i++) {
            const struct fetch_request_partition *q = &r->topics[t].partitions[i];
            if (q->partition < 0 || q->partition >= p->world->partitions_count) continue;
            struct seat *seat = &p->seats[q->partition];
            seat->next = q->fetch_offset;
            seat->bytes_max = q->partition_max_bytes;
            if (!link_linked(&seat->link)) list_append(&p->order, &seat->link);
        }
    }
    for (int32_t t = 0; t < r->forgotten_topics_data_count; t++)
        for (int32_t i = 0; i < r->forgotten_topics_data[t].partitions_count; i++) {
            struct seat *seat = &p->seats[r->forgotten_topics_data[t].partitions[i]];
            if (link_linked(&seat->link)) list_remove(&seat->link);
        }
}

// The splice check's look at what a real source gave.
static struct wire_bytes kept(struct peer *p, const struct synthetic_log *log) {
    if (log->kept_size == 0) return (struct wire_bytes){0};
    store_be64(log->kept, (uint64_t)(log->end - 1 - load_be32(log->kept + BATCH_AT_LAST_OFFSET_DELTA)));
    p->image_size += (size_t)log->kept_size;
    return (struct wire_bytes){log->kept, log->kept_size};
}

// Fetched bytes end where the limit is, like a broker's: in the midst of a batch, but for the first one (KIP-74).
static struct wire_bytes slice(struct peer *p, const struct seat *seat, int64_t bytes_max, bool first) {
    struct synthetic *s = p->world;
    if (!s->batch) return kept(p, &s->logs[seat - p->seats]);
    int64_t size = s->batch_size, there = (s->logs[seat - p->seats].end - seat->next) * size;
    int64_t wanted = seat->bytes_max < bytes_max ? seat->bytes_max : bytes_max;
    if (wanted < size && first) wanted = size;
    if (wanted > there) wanted = there;
    int64_t batches = (wanted + size - 1) / size;
    if (wanted <= 0 || p->image_size + (size_t)(batches * size) > SYNTHETIC_IMAGE_BYTES)
        return (struct wire_bytes){p->image, 0};
    uint8_t *at = p->image + p->image_size;
    for (int64_t i = 0; i < batches; i++) store_be64(at + i * size, (uint64_t)(seat->next + i));
    if (s->sink) memcpy(at + 8, s->logs[seat - p->seats].newest + 8, BATCH_HEADER_SIZE - 8);  // the splice check's
    p->image_size += (size_t)(batches * size);
    if (!s->sink) {
        s->bytes += wanted;
        s->batches += wanted / size;
    }
    return (struct wire_bytes){at, (int32_t)wanted};
}

static void image_make(struct peer *p) {
    size_t size = (size_t)p->world->batch_size;
    p->image = memory_alloc(SYNTHETIC_IMAGE_BYTES);
    if (!p->world->batch) return;
    for (size_t at = 0; at + size <= SYNTHETIC_IMAGE_BYTES; at += size) memcpy(p->image + at, p->world->batch, size);
}

static int32_t fill(struct peer *p, const struct fetch_request *r, bool full,
                    struct fetch_response_partition *partitions) {
    struct list served;
    list_init(&served);
    int64_t left = r->max_bytes;
    int32_t count = 0;
    p->image_size = 0;
    struct link *next;
    for (struct link *k = list_first(&p->order); k && count < SYNTHETIC_SLICES_MAX; k = next) {
        struct seat *seat = CONTAINER_OF(k, struct seat, link);
        next = list_next(&p->order, k);
        struct wire_bytes records = left > 0 ? slice(p, seat, left, p->image_size == 0) : (struct wire_bytes){0};
        if (records.size == 0 && !full && left <= 0) break;
        if (records.size == 0 && !full) continue;
        struct fetch_response_partition *q = &partitions[count++];
        message_defaults(&fetch_response_partition_message, q);
        q->partition_index = (int32_t)(seat - p->seats);
        q->high_watermark = q->last_stable_offset = p->world->logs[q->partition_index].end;
        q->log_start_offset = 0;
        q->preferred_read_replica = -1;
        q->records = records;
        left -= records.size;
        if (records.size == 0) continue;
        list_remove(k);
        list_append(&served, k);
    }
    while ((next = list_take_first(&served))) list_append(&p->order, next);
    return count;
}

bool fetch_answer(struct peer *p, const struct peer_call *call, const struct fetch_request *r) {
    struct fetch_response response;
    message_defaults(&fetch_response_message, &response);
    bool full = r->session_epoch <= 0;
    if (full) session_begin(p);
    session_update(p, r);
    if (!p->image) image_make(p);
    struct fetch_response_partition *partitions =
        arena_alloc(&p->arena, (size_t)SYNTHETIC_SLICES_MAX * sizeof *partitions);
    struct wire_cut *cuts = arena_alloc(&p->arena, SYNTHETIC_SLICES_MAX * sizeof *cuts);
    if (!partitions || !cuts) return false;
    int32_t count = fill(p, r, full, partitions);
    if (p->image_size == 0)  // the long poll: nothing will come
        nanosleep(&(struct timespec){r->max_wait_ms / 1000, r->max_wait_ms % 1000 * 1000000L}, NULL);
    struct fetch_response_topic topic = {
        .topic_id = p->world->topic_id, .partitions = partitions, .partitions_count = count};
    response.session_id = r->session_epoch < 0 ? 0 : 1;  // a session belongs to its connection here
    response.responses = &topic;
    response.responses_count = count > 0;
    size_t cuts_count = SYNTHETIC_SLICES_MAX;
    buffer_clear(&p->out);
    struct error e =
        frame_encode_response(call->api, call->version, call->correlation_id, &response, &p->out, cuts, &cuts_count);
    p->world->requests++;
    return !error_is(&e) && peer_send(p, cuts, cuts_count);
}

// Produce -----------------------------------------------------------------------------------------------------------

// Unsigned varints of a request, byte by byte from the connection; -1 when the other side is gone.
static int64_t take_uvarint(struct peer *p) {
    uint32_t value = 0;
    for (int shift = 0; shift < 35; shift += 7) {
        const uint8_t *at = peer_take(p, 1);
        if (!at) return -1;
        value |= (uint32_t)(*at & 0x7f) << shift;
        if (!(*at & 0x80)) return value;
    }
    return -1;
}

// The log ends after this batch, of which nothing but the header is looked at.
static bool append(struct peer *p, struct produce_response_partition *answered, int64_t size) {
    struct synthetic *s = p->world;
    const uint8_t *header = peer_need(p, BATCH_HEADER_SIZE);
    if (!header || size < BATCH_HEADER_SIZE || answered->index < 0 || answered->index >= s->partitions_count)
        return false;
    struct synthetic_log *log = &s->logs[answered->index];
    pthread_mutex_lock(&s->lock);
    answered->base_offset = log->end;
    log->end += (int64_t)load_be32(header + BATCH_AT_LAST_OFFSET_DELTA) + 1;
    memcpy(log->newest, header, sizeof log->newest);
    pthread_mutex_unlock(&s->lock);
    s->bytes += size;
    s->batches++;
    if (s->batch) return peer_skip(p, (size_t)size);
    log->kept = memory_resize(log->kept, (size_t)size);
    log->kept_size = (int32_t)size;
    return peer_read(p, log->kept, (size_t)size);
}

// Topics and their partitions; how many partitions, or -1.
static int64_t take_partitions(struct peer *p, struct produce_response_partition *answered) {
    int64_t count = 0;
    for (int64_t topics = take_uvarint(p) - 1; topics > 0; topics--) {
        if (!peer_take(p, 16)) return -1;
        for (int64_t n = take_uvarint(p) - 1; n > 0; n--) {
            const uint8_t *index = count < SYNTHETIC_SLICES_MAX ? peer_take(p, 4) : NULL;
            if (!index) return -1;
            message_defaults(&produce_response_partition_message, &answered[count]);
            answered[count].index = (int32_t)load_be32(index);
            answered[count].log_start_offset = 0;
            if (!append(p, &answered[count++], take_uvarint(p) - 1) || take_uvarint(p) != 0) return -1;
        }
        if (take_uvarint(p) != 0) return -1;
    }
    return take_uvarint(p) == 0 ? count : -1;
}

// Version 13, as the table in synthetic_answers.c says: flexible, topics by id.
bool produce_take(struct peer *p, const struct peer_call *call) {
    const uint8_t *head = peer_take(p, 14);
    if (!head || !peer_skip(p, load_be16(head + 12))) return false;  // the client's id
    if (take_uvarint(p) != 0 || take_uvarint(p) != 0 || !peer_take(p, 6)) return false;
    arena_reset(&p->arena);
    struct produce_response_partition *answered = arena_alloc(&p->arena, SYNTHETIC_SLICES_MAX * sizeof *answered);
    int64_t count = answered ? take_partitions(p, answered) : -1;
    if (count < 0) return false;
    struct produce_response response;
    message_defaults(&produce_response_message, &response);
    struct produce_response_topic topic = {
        .topic_id = p->world->topic_id, .partition_responses = answered, .partition_responses_count = (int32_t)count};
    response.responses = &topic;
    response.responses_count = 1;
    buffer_clear(&p->out);
    struct error e =
        frame_encode_response(call->api, call->version, call->correlation_id, &response, &p->out, NULL, NULL);
    p->world->requests++;
    return !error_is(&e) && peer_send(p, NULL, 0);
}
