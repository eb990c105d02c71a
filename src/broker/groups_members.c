// The members of a group and what follows from them alone: org.apache.kafka.coordinator.group.classic.ClassicGroup
// without its states.
#include "broker/groups_private.h"

#include "base/memory.h"

#include <assert.h>

#define CONSUMER_PROTOCOL_TYPE "consumer"  // ConsumerProtocol.PROTOCOL_TYPE

struct group_member *group_member_find(const struct group *g, struct wire_text id) {
    for (EACH_MEMBER(g, m))
        if (text_equal(id, m->id)) return m;
    return NULL;
}

struct group_member *group_static_member(const struct group *g, struct wire_text instance_id) {
    for (EACH_MEMBER(g, m))
        if (m->instance_id && text_equal(instance_id, m->instance_id)) return m;
    return NULL;
}

struct group_pending_member *group_pending_find(const struct group *g, struct wire_text id) {
    for (struct link *k = list_first(&g->pending_members); k; k = list_next(&g->pending_members, k)) {
        struct group_pending_member *p = CONTAINER_OF(k, struct group_pending_member, link);
        if (text_equal(id, p->id)) return p;
    }
    return NULL;
}

void group_pending_add(struct group *g, const char *id, int32_t session_timeout_ms) {
    struct broker_cluster *c = g->shard->shard.cluster;
    struct group_pending_member *p = NEW(struct group_pending_member);
    p->group = g;
    p->id = memory_copy_string(id);
    timer_init(&p->session, group_pending_expired);
    timer_set(&c->timers, &p->session, c->now_us + (int64_t)session_timeout_ms * 1000);
    list_append(&g->pending_members, &p->link);
}

void group_pending_remove(struct group_pending_member *p) {
    timer_cancel(&p->group->shard->shard.cluster->timers, &p->session);
    list_remove(&p->link);
    memory_free(p->id);
    memory_free(p);
}

struct group_member *group_member_new(struct group *g, const char *id, struct wire_text instance_id) {
    struct group_member *m = NEW(struct group_member);
    m->group = g;
    m->id = memory_copy_string(id);
    if (instance_id.size >= 0) m->instance_id = memory_copy_text(instance_id.at, (size_t)instance_id.size);
    timer_init(&m->session, group_member_expired);
    list_append(&g->members, &m->link);
    g->members_count++;
    return m;
}

static void free_protocols(struct group_member *m) {
    for (int32_t i = 0; i < m->protocols_count; i++) {
        memory_free(m->protocols[i].name);
        memory_free(m->protocols[i].metadata);
    }
    memory_free(m->protocols);
}

void group_member_free(struct group_member *m) {
    struct group *g = m->group;
    assert(!m->join && !m->sync);
    timer_cancel(&g->shard->shard.cluster->timers, &m->session);
    list_remove(&m->link);
    g->members_count--;
    if (g->leader == m) g->leader = group_member_at(list_first(&g->members));
    free_protocols(m);
    memory_free(m->assignment);
    memory_free(m->id);
    memory_free(m->instance_id);
    memory_free(m->client_id);
    memory_free(m->client_host);
    memory_free(m);
}

static uint8_t *copy_bytes(const uint8_t *at, int32_t size) {
    if (size <= 0) return NULL;
    return memcpy(memory_alloc((size_t)size), at, (size_t)size);
}

void group_member_set_protocols(struct group_member *m, const struct group_protocol *protocols, int32_t count) {
    free_protocols(m);
    m->protocols = memory_alloc_zeroed((size_t)count, sizeof *m->protocols);
    m->protocols_count = count;
    for (int32_t i = 0; i < count; i++) {
        m->protocols[i].name = memory_copy_string(protocols[i].name);
        m->protocols[i].metadata = copy_bytes(protocols[i].metadata, protocols[i].metadata_size);
        m->protocols[i].metadata_size = protocols[i].metadata_size;
    }
}

void group_member_set_assignment(struct group_member *m, struct wire_bytes assignment) {
    memory_free(m->assignment);
    m->assignment = copy_bytes(assignment.at, assignment.size);
    m->assignment_size = assignment.size > 0 ? assignment.size : 0;
}

static const struct group_protocol *find_protocol(const struct group_member *m, const char *name) {
    for (int32_t i = 0; i < m->protocols_count; i++)
        if (!strcmp(m->protocols[i].name, name)) return &m->protocols[i];
    return NULL;
}

struct wire_bytes group_member_metadata(const struct group_member *m, const char *protocol) {
    const struct group_protocol *p = protocol ? find_protocol(m, protocol) : NULL;
    return p ? (struct wire_bytes){p->metadata, p->metadata_size} : (struct wire_bytes){NULL, 0};
}

static bool all_support(const struct group *g, const char *protocol) {
    for (EACH_MEMBER(g, m))
        if (!find_protocol(m, protocol)) return false;
    return true;
}

bool group_supports(const struct group *g, struct wire_text protocol_type, const struct group_protocol *protocols,
                    int32_t count) {
    if (g->state == GROUP_EMPTY) return protocol_type.size > 0 && count > 0;
    if (!g->protocol_type || !text_equal(protocol_type, g->protocol_type)) return false;
    for (int32_t i = 0; i < count; i++)
        if (all_support(g, protocols[i].name)) return true;
    return false;
}

static const char *vote(const struct group_member *m) {
    for (int32_t i = 0; i < m->protocols_count; i++)
        if (all_support(m->group, m->protocols[i].name)) return m->protocols[i].name;
    return NULL;
}

const char *group_select_protocol(const struct group *g) {
    const char *best = NULL;
    int32_t best_votes = 0;
    for (EACH_MEMBER(g, m)) {
        const char *candidate = vote(m);
        if (!candidate) continue;
        int32_t votes = 0;
        for (EACH_MEMBER(g, other)) votes += !strcmp(vote(other), candidate);
        if (votes > best_votes) {
            best = candidate;
            best_votes = votes;
        }
    }
    return best;
}

// ConsumerProtocol.deserializeSubscription as far as the topics: 1 has the topic, 0 not, -1 is no subscription.
static int subscription_has(struct wire_bytes metadata, struct wire_text topic) {
    struct record_reader r = record_reader_of(metadata);
    (void)record_get_16(&r);  // version
    int32_t count = record_get_32(&r);
    bool found = false;
    for (int32_t i = 0; i < count && !r.damaged; i++) {
        struct wire_text name = record_get_text(&r);
        if (wire_text_same(name, topic)) found = true;
    }
    return r.damaged || count < 0 ? -1 : found;
}

bool group_is_of_consumers(const struct group *g) {
    return g->protocol_type && !strcmp(g->protocol_type, CONSUMER_PROTOCOL_TYPE);
}

bool group_is_subscribed(const struct group *g, struct wire_text topic) {
    if (!group_is_of_consumers(g) || !g->members_count) return false;
    if (!g->protocol) return true;  // not known yet
    bool found = false;
    for (EACH_MEMBER(g, m)) {
        int has = subscription_has(group_member_metadata(m, g->protocol), topic);
        if (has < 0) return true;
        if (has) found = true;
    }
    return found;
}

int32_t group_rebalance_timeout_ms(const struct group *g) {
    int32_t max = 0;
    for (EACH_MEMBER(g, m))
        if (m->rebalance_timeout_ms > max) max = m->rebalance_timeout_ms;
    return max;
}

int32_t group_awaiting_join(const struct group *g) {
    int32_t count = 0;
    for (EACH_MEMBER(g, m)) count += m->join != NULL;
    return count;
}

bool group_all_joined(const struct group *g) {
    return group_awaiting_join(g) == g->members_count && list_empty(&g->pending_members);
}

int16_t group_validate_member(const struct group *g, struct wire_text member_id, struct wire_text instance_id) {
    if (instance_id.size >= 0) {
        const struct group_member *m = group_static_member(g, instance_id);
        if (!m) return KAFKA_UNKNOWN_MEMBER_ID;
        if (!text_equal(member_id, m->id)) return KAFKA_FENCED_INSTANCE_ID;
    }
    return group_member_find(g, member_id) ? KAFKA_NONE : KAFKA_UNKNOWN_MEMBER_ID;
}
