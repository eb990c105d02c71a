// The committed offsets of groups as the replicated part of the log has them, and those of open transactions. After
// org.apache.kafka.coordinator.group.OffsetMetadataManager.
#include "broker/groups_private.h"

#include "base/memory.h"
#include "broker/faults.h"
#include "broker/groups_records.h"

#include <assert.h>

static void offset_free(struct group_offset *o) {
    if (!o) return;
    memory_free((char *)o->metadata.at);
    memory_free(o);
}

static void offset_copy(struct group_offset *to, const struct group_offset *from) {
    *to = *from;
    to->metadata.at = memory_copy_text(from->metadata.at, (size_t)from->metadata.size);
}

static struct group_topic_offsets *find_topic(const struct group *g, struct wire_text topic) {
    return topic.size < 0 ? NULL : map_get_text(&g->topics, topic.at, (size_t)topic.size);
}

struct group_offset *group_offset_find(const struct group *g, struct wire_text topic, int32_t partition) {
    const struct group_topic_offsets *t = find_topic(g, topic);
    return t ? map_get_number(&t->partitions, (uint32_t)partition) : NULL;
}

static void topic_free(struct group_topic_offsets *t) {
    struct group_offset *o;
    for (size_t i = 0; (o = map_next(&t->partitions, &i));) offset_free(o);
    map_free(&t->partitions);
    memory_free(t->name);
    memory_free(t);
}

void group_offsets_free(struct group *g) {
    struct group_topic_offsets *t;
    for (size_t i = 0; (t = map_next(&g->topics, &i));) topic_free(t);
}

static void put_offset(struct group *g, struct wire_text topic, int32_t partition, const struct group_offset *value) {
    struct group_topic_offsets *t = find_topic(g, topic);
    if (!t) {
        t = NEW(struct group_topic_offsets);
        t->name = memory_copy_text(topic.at, (size_t)topic.size);
        map_init(&t->partitions);
        map_put_text(&g->topics, topic.at, (size_t)topic.size, t);
    }
    struct group_offset *o = NEW(struct group_offset);
    offset_copy(o, value);
    o->partition = partition;
    offset_free(map_put_number(&t->partitions, (uint32_t)partition, o));
}

static void remove_offset(struct group *g, struct wire_text topic, int32_t partition) {
    struct group_topic_offsets *t = find_topic(g, topic);
    if (!t) return;
    offset_free(map_remove_number(&t->partitions, (uint32_t)partition));
    if (t->partitions.count) return;
    map_remove_text(&g->topics, t->name, strlen(t->name));
    topic_free(t);
}

// Open transactions -------------------------------------------------------------------------------------------------

static void open_offset_free(struct group_open_offset *o) {
    list_remove(&o->link);
    memory_free(o->group);
    memory_free(o->topic);
    memory_free((char *)o->offset.metadata.at);
    memory_free(o);
}

static struct group_open_offset *open_offset_at(struct link *k) {
    return k ? CONTAINER_OF(k, struct group_open_offset, link) : NULL;
}

static bool open_offset_is(const struct group_open_offset *o, const struct offset_record_key *key) {
    return o->partition == key->partition && text_equal(key->group, o->group) && text_equal(key->topic, o->topic);
}

static struct group_open_offset *find_open(const struct group_open_transaction *t,
                                           const struct offset_record_key *key) {
    for (struct group_open_offset *o = open_offset_at(list_first(&t->offsets)); o;
         o = open_offset_at(list_next(&t->offsets, &o->link)))
        if (open_offset_is(o, key)) return o;
    return NULL;
}

bool group_offset_is_open(const struct group_shard *s, struct wire_text group, struct wire_text topic,
                          int32_t partition) {
    struct offset_record_key key = {group, topic, partition};
    const struct group_open_transaction *t;
    for (size_t i = 0; (t = map_next(&s->open, &i));)
        if (find_open(t, &key)) return true;
    return false;
}

static bool has_open_offsets(const struct group_shard *s, const char *group) {
    const struct group_open_transaction *t;
    for (size_t i = 0; (t = map_next(&s->open, &i));)
        for (struct group_open_offset *o = open_offset_at(list_first(&t->offsets)); o;
             o = open_offset_at(list_next(&t->offsets, &o->link)))
            if (!strcmp(o->group, group)) return true;
    return false;
}

static void put_open(struct group_shard *s, int64_t producer_id, const struct offset_record_key *key,
                     const struct group_offset *value) {
    struct group_open_transaction *t = map_get_number(&s->open, (uint64_t)producer_id);
    if (!t) {
        t = NEW(struct group_open_transaction);
        t->producer_id = producer_id;
        list_init(&t->offsets);
        map_put_number(&s->open, (uint64_t)producer_id, t);
    }
    struct group_open_offset *o = find_open(t, key);
    if (o) open_offset_free(o);
    o = NEW(struct group_open_offset);
    o->group = memory_copy_text(key->group.at, (size_t)key->group.size);
    o->topic = memory_copy_text(key->topic.at, (size_t)key->topic.size);
    o->partition = key->partition;
    offset_copy(&o->offset, value);
    list_append(&t->offsets, &o->link);
}

static void open_transaction_free(struct group_open_transaction *t) {
    struct link *k;
    while ((k = list_first(&t->offsets))) open_offset_free(open_offset_at(k));
    memory_free(t);
}

void group_offsets_free_open(struct group_shard *s) {
    struct group_open_transaction *t;
    for (size_t i = 0; (t = map_next(&s->open, &i));) open_transaction_free(t);
}

// Reading the log ---------------------------------------------------------------------------------------------------

static struct group *group_for(struct group_shard *s, struct wire_text id, int64_t offset) {
    struct group *g = group_find(s, id);
    if (!g) g = group_create(s, id);
    if (g->visible_from == INT64_MAX) g->visible_from = offset + 1;
    return g;
}

static void see_marker(struct group_shard *s, const struct coordinator_seen *seen) {
    struct group_open_transaction *t = map_remove_number(&s->open, (uint64_t)seen->producer_id);
    if (!t) return;
    for (struct group_open_offset *o = open_offset_at(list_first(&t->offsets)); o && seen->control_type;
         o = open_offset_at(list_next(&t->offsets, &o->link))) {
        struct group *g = group_for(s, text_of(o->group), seen->offset);
        const struct group_offset *present = group_offset_find(g, text_of(o->topic), o->partition);
        if (!present || o->offset.record_offset > present->record_offset)
            put_offset(g, text_of(o->topic), o->partition, &o->offset);
    }
    open_transaction_free(t);
}

static void see_tombstone(struct group_shard *s, const struct offset_record_key *key) {
    struct group *g = group_find(s, key->group);
    if (g) remove_offset(g, key->topic, key->partition);
    struct group_open_transaction *t;
    for (size_t i = 0; (t = map_next(&s->open, &i));) {
        struct group_open_offset *o = find_open(t, key);
        if (o) open_offset_free(o);
    }
}

static void see_record(void *context, const struct coordinator_seen *seen) {
    struct group_shard *s = context;
    struct offset_record_key key;
    struct group_offset value;
    if (seen->control) {
        see_marker(s, seen);
    } else if (record_get_offset_key(seen->key, &key)) {
        if (seen->value.size < 0) {
            see_tombstone(s, &key);
        } else if (record_get_offset(seen->value, &value)) {
            struct group *g = group_for(s, key.group, seen->offset);
            value.record_offset = seen->offset;
            if (seen->producer_id >= 0) put_open(s, seen->producer_id, &key, &value);
            else put_offset(g, key.topic, key.partition, &value);
        }
    }
}

void group_offsets_apply(struct group_shard *s) {
    const struct broker_log *log = &s->shard.replica->log;
    coordinator_read(log, &s->applied, log->high_watermark, see_record, s);
}

// Deleting ----------------------------------------------------------------------------------------------------------

static void put_tombstone(struct coordinator_records *records, const struct group *g, const char *topic,
                          int32_t partition) {
    struct offset_record_key key = {text_of(g->id), text_of(topic), partition};
    record_put_offset_tombstone(records, &key);
}

static void put_tombstones(struct coordinator_records *records, const struct group *g,
                           const struct group_topic_offsets *t) {
    const struct group_offset *o;
    for (size_t i = 0; (o = map_next(&t->partitions, &i));) put_tombstone(records, g, t->name, o->partition);
}

void group_offsets_delete_all(struct group *g, struct coordinator_records *records) {
    const struct group_topic_offsets *topic;
    for (size_t i = 0; (topic = map_next(&g->topics, &i));) put_tombstones(records, g, topic);
    const struct group_open_transaction *t;
    for (size_t i = 0; (t = map_next(&g->shard->open, &i));)
        for (struct group_open_offset *o = open_offset_at(list_first(&t->offsets)); o;
             o = open_offset_at(list_next(&t->offsets, &o->link)))
            if (!strcmp(o->group, g->id) && !group_offset_find(g, text_of(o->topic), o->partition))
                put_tombstone(records, g, o->topic, o->partition);
}

// ClassicGroup.offsetExpirationCondition: counted from when, or never (-1).
static int64_t expires_from_ms(const struct group *g, const struct group_offset *o) {
    if (!g->protocol_type) return o->commit_ms;
    if (g->state == GROUP_EMPTY) return g->state_ms;
    return g->state == GROUP_STABLE && group_is_of_consumers(g) ? o->commit_ms : -1;
}

static bool is_expired(const struct group *g, const struct group_topic_offsets *t, const struct group_offset *o) {
    int64_t now_ms = g->shard->shard.cluster->wall_ms, from_ms = expires_from_ms(g, o);
    if (from_ms < 0 || group_is_subscribed(g, text_of(t->name))) return false;
    if (group_offset_is_open(g->shard, text_of(g->id), text_of(t->name), o->partition)) return false;
    return o->expire_ms >= 0 ? now_ms >= o->expire_ms : now_ms - from_ms >= g->shard->owner->retention_ms;
}

static void expire_group(struct group *g, struct coordinator_records *records) {
    bool all = !has_open_offsets(g->shard, g->id);
    const struct group_topic_offsets *t;
    for (size_t i = 0; (t = map_next(&g->topics, &i));) {
        const struct group_offset *o;
        for (size_t j = 0; (o = map_next(&t->partitions, &j));) {
            if (is_expired(g, t, o)) put_tombstone(records, g, t->name, o->partition);
            else all = false;
        }
    }
    if (!all || g->state != GROUP_EMPTY) return;
    record_put_group_tombstone(records, g->id);
    group_remove(g);
}

void group_offsets_expire(struct group_shard *s) {
    const struct broker_log *log = &s->shard.replica->log;
    if (s->shard.loading || log->high_watermark < log->end) return;  // what is being written counts: next time
    struct coordinator_records records;
    coordinator_records_init(&records);
    struct group *g;
    for (size_t i = 0; (g = map_next(&s->groups, &i));) expire_group(g, &records);
    group_shard_write(s, &records, group_write_unattended());
}

static bool is_of(const struct group_offset *o, const struct broker_topic *t) {
    return uuid_is_zero(&o->topic_id) || memcmp(&o->topic_id, &t->id, sizeof t->id) == 0;
}

static void delete_open(const struct group_shard *s, const struct broker_topic *deleted,
                        struct coordinator_records *records) {
    const struct group_open_transaction *t;
    for (size_t i = 0; (t = map_next(&s->open, &i));)
        for (struct group_open_offset *o = open_offset_at(list_first(&t->offsets)); o;
             o = open_offset_at(list_next(&t->offsets, &o->link))) {
            if (strcmp(o->topic, deleted->name) != 0 || !is_of(&o->offset, deleted)) continue;
            struct offset_record_key key = {text_of(o->group), text_of(o->topic), o->partition};
            record_put_offset_tombstone(records, &key);
        }
}

// What is not replicated yet: it will be applied before its tombstone.
struct pending_deletion {
    const struct group_shard *shard;
    const struct broker_topic *topic;
    struct coordinator_records *records;
};

static void delete_pending(void *context, const struct coordinator_seen *seen) {
    const struct pending_deletion *d = context;
    struct offset_record_key key;
    struct group_offset value;
    if (seen->control || seen->value.size < 0 || !record_get_offset_key(seen->key, &key)) return;
    if (!text_equal(key.topic, d->topic->name) || !record_get_offset(seen->value, &value)) return;
    const struct group *g = group_find(d->shard, key.group);
    const struct group_offset *present = g ? group_offset_find(g, key.topic, key.partition) : NULL;
    bool deleted_already = present && is_of(present, d->topic);
    if (is_of(&value, d->topic) && !deleted_already) record_put_offset_tombstone(d->records, &key);
}

// OffsetMetadataManager.onTopicsDeleted
static void delete_topic(struct group_shard *s, const struct broker_topic *deleted) {
    struct coordinator_records records;
    coordinator_records_init(&records);
    const struct group *g;
    for (size_t i = 0; (g = map_next(&s->groups, &i));) {
        const struct group_topic_offsets *t = find_topic(g, text_of(deleted->name));
        const struct group_offset *o;
        for (size_t j = 0; t && (o = map_next(&t->partitions, &j));)
            if (is_of(o, deleted)) put_tombstone(&records, g, t->name, o->partition);
    }
    delete_open(s, deleted, &records);
    struct pending_deletion pending = {s, deleted, &records};
    int64_t next = s->applied;
    coordinator_read(&s->shard.replica->log, &next, s->shard.replica->log.end, delete_pending, &pending);
    group_shard_write(s, &records, group_write_unattended());
}

void broker_groups_on_topic_deleted(struct broker_cluster *c, const struct broker_topic *t) {
    struct group_shard *s;
    for (size_t i = 0; (s = map_next(&c->groups->shards, &i));)
        if (!s->shard.loading) delete_topic(s, t);
}

int64_t broker_group_offset(const struct broker_cluster *c, const char *group, const char *topic, int32_t partition) {
    const struct broker_topic *t = broker_find_topic(c, text_of(GROUP_TOPIC));
    const struct broker_partition *p =
        broker_find_partition(t, coordinator_partition(text_of(group), c->groups->partitions));
    if (!p || p->leader == BROKER_ID_NONE) return -1;
    const struct group_shard *s = map_get_number(&c->groups->shards, coordinator_shard_key(p->leader, p->index));
    const struct group *g = s ? group_find(s, text_of(group)) : NULL;
    const struct group_offset *o = g ? group_offset_find(g, text_of(topic), partition) : NULL;
    return o ? o->offset : -1;
}
