// The records of __consumer_offsets: see groups_records.h.
#include "broker/groups_records.h"

#include "base/memory.h"

#define OFFSET_VALUE_EXPIRING 1  // the version with an expiration time of its own (RetentionTimeMs of old clients)
#define OFFSET_VALUE_VERSION 4
#define GROUP_VALUE_VERSION 3
#define TAG_TOPIC_ID 0

static void put_offset_key(struct coordinator_records *r, const struct offset_record_key *key) {
    struct buffer *b = coordinator_records_key(r);
    buffer_append_be16(b, RECORD_KEY_OFFSET_COMMIT);
    record_put_text(b, key->group);
    record_put_text(b, key->topic);
    buffer_append_be32(b, (uint32_t)key->partition);
}

static void put_offset_value(struct buffer *b, const struct group_offset *o) {
    struct wire_text metadata = o->metadata.size < 0 ? text_of("") : o->metadata;
    if (o->expire_ms >= 0) {
        buffer_append_be16(b, OFFSET_VALUE_EXPIRING);
        buffer_append_be64(b, (uint64_t)o->offset);
        record_put_text(b, metadata);
        buffer_append_be64(b, (uint64_t)o->commit_ms);
        buffer_append_be64(b, (uint64_t)o->expire_ms);
        return;
    }
    buffer_append_be16(b, OFFSET_VALUE_VERSION);
    buffer_append_be64(b, (uint64_t)o->offset);
    buffer_append_be32(b, (uint32_t)o->leader_epoch);
    record_put_uvarint(b, (uint32_t)metadata.size + 1);
    buffer_append(b, metadata.at, (size_t)metadata.size);
    buffer_append_be64(b, (uint64_t)o->commit_ms);
    if (uuid_is_zero(&o->topic_id)) {
        record_put_uvarint(b, 0);
        return;
    }
    record_put_uvarint(b, 1);
    record_put_uvarint(b, TAG_TOPIC_ID);
    record_put_uvarint(b, sizeof o->topic_id.at);
    buffer_append(b, o->topic_id.at, sizeof o->topic_id.at);
}

void record_put_offset(struct coordinator_records *r, const struct offset_record_key *key,
                       const struct group_offset *o) {
    put_offset_key(r, key);
    put_offset_value(coordinator_records_value(r), o);
    coordinator_records_end(r);
}

void record_put_offset_tombstone(struct coordinator_records *r, const struct offset_record_key *key) {
    put_offset_key(r, key);
    coordinator_records_end(r);
}

bool record_get_offset_key(struct wire_bytes key, struct offset_record_key *out) {
    struct record_reader r = record_reader_of(key);
    if (record_get_16(&r) != RECORD_KEY_OFFSET_COMMIT) return false;
    out->group = record_get_text(&r);
    out->topic = record_get_text(&r);
    out->partition = record_get_32(&r);
    return !r.damaged;
}

bool record_get_offset(struct wire_bytes value, struct group_offset *out) {
    struct record_reader r = record_reader_of(value);
    *out = (struct group_offset){.leader_epoch = -1, .expire_ms = -1};
    int16_t version = record_get_16(&r);
    out->offset = record_get_64(&r);
    if (version == OFFSET_VALUE_EXPIRING) {
        out->metadata = record_get_text(&r);
        if (out->metadata.size < 0) out->metadata = text_of("");
        out->commit_ms = record_get_64(&r);
        out->expire_ms = record_get_64(&r);
        return !r.damaged;
    }
    if (version != OFFSET_VALUE_VERSION) return false;
    out->leader_epoch = record_get_32(&r);
    uint32_t size = record_get_uvarint(&r);
    const uint8_t *at = size ? record_get_raw(&r, size - 1) : NULL;
    if (!at) return false;
    out->metadata = (struct wire_text){(const char *)at, (int32_t)size - 1};
    out->commit_ms = record_get_64(&r);
    if (record_get_uvarint(&r) && record_get_uvarint(&r) == TAG_TOPIC_ID) {
        uint32_t id_size = record_get_uvarint(&r);
        const uint8_t *id = record_get_raw(&r, id_size);
        if (id && id_size == sizeof out->topic_id.at) memcpy(out->topic_id.at, id, sizeof out->topic_id.at);
    }
    return !r.damaged;
}

static void put_group_key(struct coordinator_records *r, const char *group) {
    struct buffer *b = coordinator_records_key(r);
    buffer_append_be16(b, RECORD_KEY_GROUP_METADATA);
    record_put_text(b, text_of(group));
}

void record_put_group(struct coordinator_records *r, const struct group *g) {
    put_group_key(r, g->id);
    struct buffer *b = coordinator_records_value(r);
    buffer_append_be16(b, GROUP_VALUE_VERSION);
    record_put_text(b, text_of(g->protocol_type ? g->protocol_type : ""));
    buffer_append_be32(b, (uint32_t)g->generation);
    record_put_text(b, text_of(g->protocol));
    record_put_text(b, text_of(g->leader ? g->leader->id : NULL));
    buffer_append_be64(b, (uint64_t)g->state_ms);
    buffer_append_be32(b, (uint32_t)g->members_count);
    for (EACH_MEMBER(g, m)) {
        record_put_text(b, text_of(m->id));
        record_put_text(b, text_of(m->instance_id));
        record_put_text(b, text_of(m->client_id));
        record_put_text(b, text_of(m->client_host));
        buffer_append_be32(b, (uint32_t)m->rebalance_timeout_ms);
        buffer_append_be32(b, (uint32_t)m->session_timeout_ms);
        record_put_bytes(b, group_member_metadata(m, g->protocol));
        record_put_bytes(b, (struct wire_bytes){m->assignment, m->assignment_size});
    }
    coordinator_records_end(r);
}

void record_put_group_new(struct coordinator_records *r, const struct group *g) {
    put_group_key(r, g->id);
    struct buffer *b = coordinator_records_value(r);
    buffer_append_be16(b, GROUP_VALUE_VERSION);
    record_put_text(b, text_of(""));  // protocol type
    buffer_append_be32(b, 0);         // generation
    record_put_text(b, text_of(NULL));
    record_put_text(b, text_of(NULL));
    buffer_append_be64(b, (uint64_t)g->state_ms);
    buffer_append_be32(b, 0);  // members
    coordinator_records_end(r);
}

void record_put_group_tombstone(struct coordinator_records *r, const char *group) {
    put_group_key(r, group);
    coordinator_records_end(r);
}

bool record_get_group_key(struct wire_bytes key, struct wire_text *group) {
    struct record_reader r = record_reader_of(key);
    if (record_get_16(&r) != RECORD_KEY_GROUP_METADATA) return false;
    *group = record_get_text(&r);
    return !r.damaged && group->size >= 0;
}

static char *copy_text(struct wire_text text) {
    return text.size < 0 ? NULL : memory_copy_text(text.at, (size_t)text.size);
}

static void get_member(struct record_reader *r, struct group *g, struct wire_text leader) {
    struct wire_text id = record_get_text(r), instance_id = record_get_text(r);
    struct wire_text client_id = record_get_text(r), client_host = record_get_text(r);
    int32_t rebalance_timeout_ms = record_get_32(r), session_timeout_ms = record_get_32(r);
    struct wire_bytes subscription = record_get_bytes(r), assignment = record_get_bytes(r);
    if (r->damaged || id.size < 0) return;
    char *id_text = copy_text(id);
    struct group_member *m = group_member_new(g, id_text, instance_id);
    memory_free(id_text);
    m->client_id = copy_text(client_id);
    m->client_host = copy_text(client_host);
    m->session_timeout_ms = session_timeout_ms;
    m->rebalance_timeout_ms = rebalance_timeout_ms == -1 ? session_timeout_ms : rebalance_timeout_ms;
    struct group_protocol protocol = {g->protocol, (uint8_t *)subscription.at, subscription.size};
    if (g->protocol) group_member_set_protocols(m, &protocol, 1);
    group_member_set_assignment(m, assignment);
    if (wire_text_same(leader, id)) g->leader = m;
}

bool record_get_group(struct wire_bytes value, struct group *g) {
    struct record_reader r = record_reader_of(value);
    if (record_get_16(&r) != GROUP_VALUE_VERSION) return false;
    struct wire_text type = record_get_text(&r);
    g->protocol_type = type.size > 0 ? copy_text(type) : NULL;
    g->generation = record_get_32(&r);
    g->protocol = copy_text(record_get_text(&r));
    struct wire_text leader = record_get_text(&r);
    g->state_ms = record_get_64(&r);
    int32_t count = record_get_32(&r);
    for (int32_t i = 0; i < count && !r.damaged; i++) get_member(&r, g, leader);
    g->state = g->members_count ? GROUP_STABLE : GROUP_EMPTY;
    return !r.damaged;
}
