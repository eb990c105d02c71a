// Topics: finding, making, growing, deleting. A deleted topic is kept, empty-handed, for as long as a request that
// began before may point to it.
#include "broker/cluster_private.h"

#include "base/memory.h"
#include "broker/groups.h"
#include "broker/request.h"
#include "broker/topic_names.h"

#include <assert.h>

struct broker_topic *broker_find_topic(const struct broker_cluster *c, struct wire_text name) {
    return name.size > 0 ? map_get_text(&c->topics_by_name, name.at, (size_t)name.size) : NULL;
}

struct broker_topic *broker_find_topic_by_id(const struct broker_cluster *c, const struct wire_uuid *id) {
    return map_get_text(&c->topics_by_id, (const char *)id->at, sizeof id->at);
}

struct broker_partition *broker_find_partition(const struct broker_topic *t, int32_t index) {
    return t && index >= 0 && index < t->partitions_count ? t->partitions[index] : NULL;
}

// A random UUID (version 4), and none that would begin with a dash as text (Uuid.randomUuid).
struct wire_uuid broker_topic_id_new(struct broker_cluster *c) {
    struct wire_uuid id;
    do {
        store_be64(id.at, prng_next(&c->prng));
        store_be64(id.at + 8, prng_next(&c->prng));
        id.at[6] = (uint8_t)((id.at[6] & 0x0f) | 0x40);
        id.at[8] = (uint8_t)((id.at[8] & 0x3f) | 0x80);
    } while ((id.at[0] >> 2) == 62);
    return id;
}

static void insert_sorted(struct broker_cluster *c, struct broker_topic *t) {
    if (c->topics_count == c->topics_capacity) {
        c->topics_capacity = c->topics_capacity ? 2 * c->topics_capacity : 16;
        c->topics = memory_resize(c->topics, c->topics_capacity * sizeof(*c->topics));
    }
    size_t at = c->topics_count++;
    for (; at > 0 && strcmp(c->topics[at - 1]->name, t->name) > 0; at--) c->topics[at] = c->topics[at - 1];
    c->topics[at] = t;
}

void broker_topic_settings_changed(struct broker_cluster *c, struct broker_topic *t) {
    broker_topic_settings_parse(&t->settings, &t->values, &c->settings);
    for (int32_t i = 0; i < c->config.nodes; i++)
        broker_topic_settings_parse(&t->settings_at[i], &t->values, &c->nodes[i].settings);
}

void broker_topic_add_partition(struct broker_topic *t, struct broker_cluster *c, const int32_t *replicas,
                                int32_t replicas_count) {
    int32_t index = t->partitions_count++;
    t->partitions = memory_resize(t->partitions, (size_t)t->partitions_count * sizeof(*t->partitions));
    t->partitions[index] = broker_partition_new(c, t, index, replicas, replicas_count);
    broker_tell(t->partitions[index]);
}

struct broker_topic *broker_topic_new(struct broker_cluster *c, const struct broker_topic_plan *plan) {
    assert(!broker_find_topic(c, plan->name));
    struct broker_topic *t = NEW(struct broker_topic);
    t->name = memory_copy_text(plan->name.at, (size_t)plan->name.size);
    t->id = plan->id;
    t->internal = topic_name_is_internal(plan->name);
    t->values = plan->values;
    t->settings_at = memory_alloc((size_t)c->config.nodes * sizeof *t->settings_at);
    broker_topic_settings_changed(c, t);
    insert_sorted(c, t);
    map_put_text(&c->topics_by_name, plan->name.at, (size_t)plan->name.size, t);
    map_put_text(&c->topics_by_id, (const char *)t->id.at, sizeof t->id.at, t);
    for (int32_t i = 0; i < plan->partitions; i++) {
        broker_topic_add_partition(t, c, plan->replicas + i * plan->replicas_count, plan->replicas_count);
    }
    return t;
}

static void topic_free(struct broker_topic *t) {
    for (int32_t i = 0; i < t->partitions_count; i++) broker_partition_free(t->partitions[i]);
    setting_values_free(&t->values);
    memory_free(t->settings_at);
    memory_free(t->partitions);
    memory_free(t->name);
    memory_free(t);
}

void broker_topic_remove(struct broker_cluster *c, struct broker_topic *t) {
    size_t at = 0;
    while (c->topics[at] != t) at++;
    memmove(c->topics + at, c->topics + at + 1, (--c->topics_count - at) * sizeof(*c->topics));
    map_remove_text(&c->topics_by_name, t->name, strlen(t->name));
    map_remove_text(&c->topics_by_id, (const char *)t->id.at, sizeof t->id.at);
    if (c->deleted_count == c->deleted_capacity) {
        c->deleted_capacity = c->deleted_capacity ? 2 * c->deleted_capacity : 16;
        c->deleted = memory_resize(c->deleted, c->deleted_capacity * sizeof(*c->deleted));
    }
    c->deleted[c->deleted_count++] = t;
    t->deleted = true;
    t->deleted_serial = c->request_serial;
    for (int32_t i = 0; i < t->partitions_count; i++) broker_partition_end(t->partitions[i]);
    broker_groups_on_topic_deleted(c, t);
}

static uint64_t oldest_parked(const struct broker_cluster *c) {
    uint64_t oldest = UINT64_MAX;
    for (int32_t i = 0; i < c->config.nodes; i++) {
        const struct list *parked = &c->nodes[i].parked;
        for (struct link *at = list_first(parked); at; at = list_next(parked, at)) {
            uint64_t serial = CONTAINER_OF(at, struct broker_request, link)->serial;
            if (serial < oldest) oldest = serial;
        }
    }
    return oldest;
}

void broker_topics_sweep(struct broker_cluster *c) {
    uint64_t oldest = oldest_parked(c);
    size_t kept = 0;
    for (size_t i = 0; i < c->deleted_count; i++) {
        if (c->deleted[i]->deleted_serial > oldest) c->deleted[kept++] = c->deleted[i];
        else topic_free(c->deleted[i]);
    }
    c->deleted_count = kept;
}

void broker_topics_free(struct broker_cluster *c) {
    for (size_t i = 0; i < c->topics_count; i++) {
        for (int32_t p = 0; p < c->topics[i]->partitions_count; p++) broker_partition_end(c->topics[i]->partitions[p]);
        topic_free(c->topics[i]);
    }
    for (size_t i = 0; i < c->deleted_count; i++) topic_free(c->deleted[i]);
    memory_free(c->topics);
    memory_free(c->deleted);
    map_free(&c->topics_by_name);
    map_free(&c->topics_by_id);
}

bool broker_place(struct broker_cluster *c, int32_t partitions, int32_t replication_factor, int32_t *replicas) {
    int32_t order[BROKER_NODES_MAX], alive = 0, count = c->config.nodes;
    for (int32_t i = 0; i < count; i++) {
        if (!c->nodes[i].fenced) order[alive++] = c->nodes[i].id;
    }
    if (alive == 0 || replication_factor > count || replication_factor > BROKER_REPLICAS_MAX) return false;
    int32_t fenced = alive;
    for (int32_t i = 0; i < count; i++) {
        if (c->nodes[i].fenced) order[fenced++] = c->nodes[i].id;
    }
    // Striped from a random start; nodes that do not run come last (StripedReplicaPlacer).
    int32_t start = (int32_t)prng_below(&c->prng, (uint64_t)alive);
    for (int32_t p = 0; p < partitions; p++) {
        for (int32_t i = 0; i < replication_factor; i++) {
            *replicas++ = i < alive ? order[(start + p + i) % alive] : order[i];
        }
    }
    return true;
}

void broker_topic_create(struct broker_cluster *c, const char *topic, int32_t partitions, int16_t replication_factor,
                         const char *const *settings) {
    int32_t *replicas = memory_alloc((size_t)partitions * (size_t)replication_factor * sizeof *replicas);
    if (broker_place(c, partitions, replication_factor, replicas)) {
        struct broker_topic_plan plan = {.name = {topic, (int32_t)strlen(topic)},
                                         .id = broker_topic_id_new(c),
                                         .partitions = partitions,
                                         .replicas_count = replication_factor,
                                         .replicas = replicas};
        for (; settings && settings[0]; settings += 2) {
            struct wire_text value = {settings[1], (int32_t)strlen(settings[1])};
            setting_values_set(&plan.values, settings[0], value);
        }
        broker_topic_new(c, &plan);
    }
    memory_free(replicas);
}

void broker_topic_delete(struct broker_cluster *c, const char *topic) {
    struct broker_topic *t = broker_find_topic(c, (struct wire_text){topic, (int32_t)strlen(topic)});
    if (t) broker_topic_remove(c, t);
}

void broker_topic_grow(struct broker_cluster *c, const char *topic, int32_t partitions) {
    struct broker_topic *t = broker_find_topic(c, (struct wire_text){topic, (int32_t)strlen(topic)});
    while (t && t->partitions_count < partitions) {
        int32_t replicas[BROKER_REPLICAS_MAX], count = t->partitions[0]->replicas_count;
        if (!broker_place(c, 1, count, replicas)) return;
        broker_topic_add_partition(t, c, replicas, count);
    }
}

void broker_topic_alter(struct broker_cluster *c, const char *topic, const char *setting, const char *value) {
    struct broker_topic *t = broker_find_topic(c, (struct wire_text){topic, (int32_t)strlen(topic)});
    if (!t) return;
    setting_values_set(&t->values, setting, (struct wire_text){value, (int32_t)strlen(value)});
    broker_topic_settings_changed(c, t);
}

void broker_topic_forbid(struct broker_cluster *c, const char *topic, enum broker_right right, bool forbidden) {
    struct broker_topic *t = broker_find_topic(c, (struct wire_text){topic, (int32_t)strlen(topic)});
    if (t) *(right == BROKER_READ ? &t->unreadable : &t->undescribed) = forbidden;
}
