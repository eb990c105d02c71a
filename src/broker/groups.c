// Group coordinators: which partitions of __consumer_offsets a node has loaded, what is in them, and writing there.
#include "broker/groups_private.h"

#include "base/memory.h"
#include "broker/groups_records.h"

#include <assert.h>

static const char *const state_names[] = {"Empty", "PreparingRebalance", "CompletingRebalance", "Stable"};

const char *group_state_name(enum group_state state) {
    return state_names[state];
}

struct broker_groups *broker_groups_new(struct broker_cluster *c) {
    struct broker_groups *g = NEW(struct broker_groups);
    g->cluster = c;
    map_init(&g->shards);
    g->partitions = coordinator_topic_partitions(c, true);
    g->initial_delay_ms = broker_setting_number(c, "group.initial.rebalance.delay.ms", 3000);
    g->session_ms_min = broker_setting_number(c, "group.min.session.timeout.ms", 6000);
    g->session_ms_max = broker_setting_number(c, "group.max.session.timeout.ms", 1800000);
    g->size_max = broker_setting_number(c, "group.max.size", INT32_MAX);
    g->metadata_size_max = broker_setting_number(c, "offset.metadata.max.bytes", 4096);
    g->retention_ms = broker_setting_number(c, "offsets.retention.minutes", 10080) * 60000;
    g->retention_check_ms = broker_setting_number(c, "offsets.retention.check.interval.ms", 600000);
    g->commit_timeout_ms = broker_setting_number(c, "offsets.commit.timeout.ms", 5000);
    return g;
}

struct group *group_find(const struct group_shard *s, struct wire_text id) {
    return id.size < 0 ? NULL : map_get_text(&s->groups, id.at, (size_t)id.size);
}

struct group *group_create(struct group_shard *s, struct wire_text id) {
    struct group *g = NEW(struct group);
    g->shard = s;
    g->id = memory_copy_text(id.at, (size_t)id.size);
    g->state_ms = s->shard.cluster->wall_ms;
    g->visible_from = INT64_MAX;
    list_init(&g->members);
    list_init(&g->pending_members);
    map_init(&g->topics);
    group_timers_init(g);
    map_put_text(&s->groups, id.at, (size_t)id.size, g);
    return g;
}

static void group_free(struct group *g) {
    struct link *k;
    while ((k = list_first(&g->members))) group_member_free(group_member_at(k));
    while ((k = list_first(&g->pending_members)))
        group_pending_remove(CONTAINER_OF(k, struct group_pending_member, link));
    group_timers_cancel(g);
    group_offsets_free(g);
    map_free(&g->topics);
    memory_free(g->id);
    memory_free(g->protocol_type);
    memory_free(g->protocol);
    memory_free(g);
}

void group_remove(struct group *g) {
    map_remove_text(&g->shard->groups, g->id, strlen(g->id));
    group_free(g);
}

bool group_is_visible(const struct group *g) {
    return g->shard->shard.replica->log.high_watermark >= g->visible_from;
}

// Writing -----------------------------------------------------------------------------------------------------------

static struct coordinator_append append_of(const struct group_shard *s, struct coordinator_records *records) {
    struct coordinator_append a = {.timeout_ms = s->owner->commit_timeout_ms};
    if (!records || !records->count) return a;
    a.count = records->count;
    a.pairs = coordinator_records_pairs(records);
    return a;
}

static void unattended_done(struct coordinator_write *w, int16_t error_code) {
    (void)error_code;
    memory_free(w);
}

struct coordinator_write *group_write_unattended(void) {
    struct coordinator_write *w = NEW(struct coordinator_write);
    w->done = unattended_done;
    return w;
}

void group_shard_write(struct group_shard *s, struct coordinator_records *records, struct coordinator_write *w) {
    struct coordinator_append a = append_of(s, records);
    coordinator_write(&s->shard, &a, w);
    coordinator_records_free(records);
}

static void write_records(struct group *g, struct coordinator_records *records, struct coordinator_write *w) {
    struct group_shard *s = g->shard;
    if (g->visible_from == INT64_MAX) g->visible_from = s->shard.replica->log.end + records->count;
    group_shard_write(s, records, w);
}

void group_write(struct group *g, struct coordinator_write *w) {
    struct coordinator_records records;
    coordinator_records_init(&records);
    record_put_group(&records, g);
    write_records(g, &records, w);
}

void group_write_new(struct group *g) {
    if (g->visible_from != INT64_MAX) return;  // has been written already
    struct coordinator_records records;
    coordinator_records_init(&records);
    record_put_group_new(&records, g);
    write_records(g, &records, group_write_unattended());
}

void group_shard_answer(struct group_shard *s, struct coordinator_records *records, struct broker_request *request,
                        void *response, coordinator_fail fail) {
    struct coordinator_append a = append_of(s, records);
    coordinator_answer(&s->shard, &a, request, response, fail);
}

void group_shard_answer_of(struct group_shard *s, struct coordinator_records *records,
                           const struct append_producer *producer, struct broker_request *request, void *response,
                           coordinator_fail fail) {
    struct coordinator_append a = append_of(s, records);
    a.producer = producer;
    coordinator_answer(&s->shard, &a, request, response, fail);
}

struct group_member_write *group_member_write_new(const struct group_member *m,
                                                  void (*done)(struct coordinator_write *w, int16_t error_code)) {
    struct group_member_write *w = NEW(struct group_member_write);
    w->write.done = done;
    w->shard = m->group->shard;
    w->group = memory_copy_string(m->group->id);
    w->member = memory_copy_string(m->id);
    w->generation = m->group->generation;
    return w;
}

struct group_member *group_member_write_member(const struct group_member_write *w) {
    const struct group *g = group_find(w->shard, text_of(w->group));
    return g ? group_member_find(g, text_of(w->member)) : NULL;
}

void group_member_write_free(struct group_member_write *w) {
    memory_free(w->group);
    memory_free(w->member);
    memory_free(w->leader);
    memory_free(w);
}

// Loading -----------------------------------------------------------------------------------------------------------

static void see_group(void *context, const struct coordinator_seen *seen) {
    struct group_shard *s = context;
    struct wire_text id;
    if (seen->control || !record_get_group_key(seen->key, &id)) return;
    struct group *old = group_find(s, id);
    if (old) group_remove(old);
    if (seen->value.size < 0) return;
    struct group *g = group_create(s, id);
    g->visible_from = seen->offset + 1;
    if (!record_get_group(seen->value, g)) group_remove(g);
}

// GroupMetadataManager.onLoaded
static void begin_sessions(struct group_shard *s) {
    struct group *g;
    for (size_t i = 0; (g = map_next(&s->groups, &i));) {
        for (EACH_MEMBER(g, m)) group_session_renew(m);
        if (g->members_count > s->owner->size_max) group_prepare_rebalance(g);
    }
}

static void load(struct coordinator_shard *shard) {
    struct group_shard *s = CONTAINER_OF(shard, struct group_shard, shard);
    const struct broker_log *log = &shard->replica->log;
    int64_t next = log->start;
    coordinator_read(log, &next, log->end, see_group, s);
    s->applied = log->start;
    group_offsets_apply(s);
    begin_sessions(s);
    timer_set(&shard->cluster->timers, &s->expiration, shard->cluster->now_us + s->owner->retention_check_ms * 1000);
}

static void replicated(struct coordinator_shard *shard) {
    group_offsets_apply(CONTAINER_OF(shard, struct group_shard, shard));
}

static const struct coordinator_kind groups_kind = {.load = load, .replicated = replicated};

// GroupCoordinatorShard.cleanupGroupMetadata
static void on_expiration(struct timer *t, int64_t now_us) {
    struct group_shard *s = CONTAINER_OF(t, struct group_shard, expiration);
    timer_set(&s->shard.cluster->timers, t, now_us + s->owner->retention_check_ms * 1000);
    if (!s->shard.replica->node->frozen) group_offsets_expire(s);
}

static void shard_free(struct group_shard *s) {
    struct group *g;
    for (size_t i = 0; (g = map_next(&s->groups, &i));) group_unload(g);
    coordinator_shard_close(&s->shard);
    timer_cancel(&s->shard.cluster->timers, &s->expiration);
    for (size_t i = 0; (g = map_next(&s->groups, &i));) group_free(g);
    group_offsets_free_open(s);
    map_free(&s->groups);
    map_free(&s->open);
    memory_free(s);
}

static void shard_new(struct broker_groups *owner, struct broker_replica *r, uint64_t key) {
    struct group_shard *s = NEW(struct group_shard);
    s->owner = owner;
    map_init(&s->groups);
    map_init(&s->open);
    timer_init(&s->expiration, on_expiration);
    map_put_number(&owner->shards, key, s);
    coordinator_shard_open(&s->shard, &groups_kind, r);
}

void broker_groups_on_leader(struct broker_cluster *c, struct broker_replica *r, bool leads) {
    if (strcmp(r->partition->topic->name, GROUP_TOPIC) != 0) return;
    uint64_t key = coordinator_shard_key(r->node->id, r->partition->index);
    struct group_shard *s = map_get_number(&c->groups->shards, key);
    if (leads && s) {  // a new epoch of the same leader: nothing is forgotten
        s->shard.epoch = r->leader_epoch;
        return;
    }
    if (leads) {
        shard_new(c->groups, r, key);
    } else if (s) {
        map_remove_number(&c->groups->shards, key);
        shard_free(s);
    }
}

void broker_groups_free(struct broker_groups *g) {
    if (!g) return;
    struct group_shard *s;
    for (size_t i = 0; (s = map_next(&g->shards, &i));) shard_free(s);
    map_free(&g->shards);
    memory_free(g);
}

struct group_shard *group_shard_find(const struct broker_node *n, struct wire_text group_id, int16_t *error_code) {
    struct broker_groups *g = n->cluster->groups;
    int32_t partition = coordinator_partition(group_id, g->partitions);
    struct group_shard *s = map_get_number(&g->shards, coordinator_shard_key(n->id, partition));
    *error_code = !s ? KAFKA_NOT_COORDINATOR : s->shard.loading ? KAFKA_COORDINATOR_LOAD_IN_PROGRESS : KAFKA_NONE;
    return *error_code ? NULL : s;
}
