// The data of a transactional id: what changes it, and its records in __transaction_state (TransactionLogKey/Value).
#include "broker/transactions_private.h"

#include "base/memory.h"

#include <assert.h>

#define KEY_VERSION 0
#define VALUE_VERSION 1
#define TAG_PREVIOUS_PRODUCER_ID 0
#define TAG_NEXT_PRODUCER_ID 1
#define TAG_CLIENT_VERSION 2

static const char *const state_names[] = {"Empty",          "Ongoing",       "PrepareCommit", "PrepareAbort",
                                          "CompleteCommit", "CompleteAbort", "Dead",          "PrepareEpochFence"};

const char *transaction_state_name(enum transaction_state state) {
    assert(state < TRANSACTION_NO_STATE);
    return state_names[state];
}

bool transaction_epoch_is_exhausted(int16_t epoch) {
    return epoch >= INT16_MAX - 1;
}

struct transaction_data transaction_data_bare(const struct transaction_data *d) {
    struct transaction_data bare = *d;
    bare.partitions = NULL;
    bare.partitions_count = bare.partitions_capacity = 0;
    return bare;
}

struct transaction_data transaction_data_copy(const struct transaction_data *d) {
    struct transaction_data copy = transaction_data_bare(d);
    for (int32_t i = 0; i < d->partitions_count; i++)
        transaction_data_add(&copy, text_of(d->partitions[i].topic), d->partitions[i].index);
    return copy;
}

void transaction_data_free(struct transaction_data *d) {
    for (int32_t i = 0; i < d->partitions_count; i++) memory_free(d->partitions[i].topic);
    memory_free(d->partitions);
    d->partitions = NULL;
    d->partitions_count = d->partitions_capacity = 0;
}

static int32_t find(const struct transaction_data *d, struct wire_text topic, int32_t index) {
    for (int32_t i = 0; i < d->partitions_count; i++) {
        const struct transaction_partition *p = &d->partitions[i];
        if (p->index == index && text_equal(topic, p->topic)) return i;
    }
    return -1;
}

bool transaction_data_has(const struct transaction_data *d, struct wire_text topic, int32_t index) {
    return find(d, topic, index) >= 0;
}

void transaction_data_add(struct transaction_data *d, struct wire_text topic, int32_t index) {
    if (transaction_data_has(d, topic, index)) return;
    if (d->partitions_count == d->partitions_capacity) {
        d->partitions_capacity = d->partitions_capacity ? d->partitions_capacity * 2 : 4;
        d->partitions = memory_resize(d->partitions, (size_t)d->partitions_capacity * sizeof *d->partitions);
    }
    d->partitions[d->partitions_count++] =
        (struct transaction_partition){memory_copy_text(topic.at, (size_t)topic.size), index};
}

void transaction_data_remove(struct transaction_data *d, const char *topic, int32_t index) {
    int32_t i = find(d, text_of(topic), index);
    if (i < 0) return;
    memory_free(d->partitions[i].topic);
    memmove(&d->partitions[i], &d->partitions[i + 1], (size_t)(--d->partitions_count - i) * sizeof *d->partitions);
}

// Records -----------------------------------------------------------------------------------------------------------

static void put_key(struct coordinator_records *r, const char *id) {
    struct buffer *b = coordinator_records_key(r);
    buffer_append_be16(b, KEY_VERSION);
    record_put_text(b, text_of(id));
}

void record_put_transaction_tombstone(struct coordinator_records *r, const char *id) {
    put_key(r, id);
    coordinator_records_end(r);
}

static void put_compact_text(struct buffer *b, const char *text) {
    record_put_uvarint(b, (uint32_t)strlen(text) + 1);
    buffer_append(b, text, strlen(text));
}

static bool same_topic(const struct transaction_data *d, int32_t i, int32_t k) {
    return !strcmp(d->partitions[i].topic, d->partitions[k].topic);
}

static bool is_first_of_topic(const struct transaction_data *d, int32_t i) {
    for (int32_t k = 0; k < i; k++)
        if (same_topic(d, i, k)) return false;
    return true;
}

static void put_partitions(struct buffer *b, const struct transaction_data *d) {
    uint32_t topics = 0;
    if (d->state == TRANSACTION_EMPTY) {  // null
        record_put_uvarint(b, 0);
        return;
    }
    for (int32_t i = 0; i < d->partitions_count; i++) topics += is_first_of_topic(d, i);
    record_put_uvarint(b, topics + 1);
    for (int32_t i = 0; i < d->partitions_count; i++) {
        if (!is_first_of_topic(d, i)) continue;
        uint32_t count = 0;
        for (int32_t k = i; k < d->partitions_count; k++) count += same_topic(d, i, k);
        put_compact_text(b, d->partitions[i].topic);
        record_put_uvarint(b, count + 1);
        for (int32_t k = i; k < d->partitions_count; k++)
            if (same_topic(d, i, k)) buffer_append_be32(b, (uint32_t)d->partitions[k].index);
        record_put_uvarint(b, 0);  // tags
    }
}

static void put_tag_64(struct buffer *b, uint32_t tag, int64_t value) {
    record_put_uvarint(b, tag);
    record_put_uvarint(b, sizeof value);
    buffer_append_be64(b, (uint64_t)value);
}

static void put_tags(struct buffer *b, const struct transaction_data *d) {
    bool previous = d->previous_producer_id != NO_PRODUCER_ID, next = d->next_producer_id != NO_PRODUCER_ID;
    record_put_uvarint(b, (uint32_t)previous + next + (d->client_version != 0));
    if (previous) put_tag_64(b, TAG_PREVIOUS_PRODUCER_ID, d->previous_producer_id);
    if (next) put_tag_64(b, TAG_NEXT_PRODUCER_ID, d->next_producer_id);
    if (!d->client_version) return;
    record_put_uvarint(b, TAG_CLIENT_VERSION);
    record_put_uvarint(b, sizeof d->client_version);
    buffer_append_be16(b, (uint16_t)d->client_version);
}

void record_put_transaction(struct coordinator_records *r, const char *id, const struct transaction_data *d) {
    put_key(r, id);
    struct buffer *b = coordinator_records_value(r);
    buffer_append_be16(b, VALUE_VERSION);
    buffer_append_be64(b, (uint64_t)d->producer_id);
    buffer_append_be16(b, (uint16_t)d->epoch);
    buffer_append_be32(b, (uint32_t)d->timeout_ms);
    buffer_append_u8(b, (uint8_t)d->state);
    put_partitions(b, d);
    buffer_append_be64(b, (uint64_t)d->update_ms);
    buffer_append_be64(b, (uint64_t)d->start_ms);
    put_tags(b, d);
    coordinator_records_end(r);
}

bool record_get_transaction_key(struct wire_bytes key, struct wire_text *id) {
    struct record_reader r = record_reader_of(key);
    if (record_get_16(&r) != KEY_VERSION) return false;
    *id = record_get_text(&r);
    return !r.damaged && id->size >= 0;
}

static void get_partitions(struct record_reader *r, struct transaction_data *out) {
    uint32_t topics = record_get_uvarint(r);
    for (uint32_t i = 1; i < topics && !r->damaged; i++) {
        uint32_t size = record_get_uvarint(r);
        const uint8_t *at = record_get_raw(r, size ? size - 1 : 0);
        uint32_t count = record_get_uvarint(r);
        for (uint32_t k = 1; k < count && !r->damaged; k++) {
            int32_t index = record_get_32(r);
            if (!r->damaged) transaction_data_add(out, (struct wire_text){(const char *)at, (int32_t)size - 1}, index);
        }
        (void)record_get_uvarint(r);  // tags
    }
}

bool record_get_transaction(struct wire_bytes value, struct transaction_data *out) {
    struct record_reader r = record_reader_of(value);
    *out = (struct transaction_data){
        .previous_producer_id = NO_PRODUCER_ID, .next_producer_id = NO_PRODUCER_ID, .last_epoch = NO_PRODUCER_EPOCH};
    if (record_get_16(&r) != VALUE_VERSION) return false;
    out->producer_id = record_get_64(&r);
    out->epoch = record_get_16(&r);
    out->timeout_ms = record_get_32(&r);
    uint8_t state = (uint8_t)record_get_8(&r);
    get_partitions(&r, out);
    out->update_ms = record_get_64(&r);
    out->start_ms = record_get_64(&r);
    for (uint32_t tags = record_get_uvarint(&r); tags && !r.damaged; tags--) {
        uint32_t tag = record_get_uvarint(&r);
        (void)record_get_uvarint(&r);  // its size
        if (tag == TAG_PREVIOUS_PRODUCER_ID) out->previous_producer_id = record_get_64(&r);
        else if (tag == TAG_NEXT_PRODUCER_ID) out->next_producer_id = record_get_64(&r);
        else out->client_version = record_get_16(&r);
    }
    if (state < TRANSACTION_DEAD) out->state = (enum transaction_state)state;
    if (!r.damaged && state < TRANSACTION_DEAD) return true;
    transaction_data_free(out);
    return false;
}
