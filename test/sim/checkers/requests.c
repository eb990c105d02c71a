// What leaves an instance obeys the rules (docs/ARCHITECTURE.md), whatever the broker makes of it: a mistake that a
// broker happens to forgive is one all the same.
#include "base/list.h"
#include "sim/checkers.h"
#include "sim/world.h"
#include "wire/messages.h"

struct sender {
    struct channel *channel;
    struct instance *in;
    struct partition *partition;
    int32_t topic, index;
};

static void fail(const struct sender *s, const char *what) {
    world_fail(s->in->world, "requests", "%s, to %d of %s, for %s-%d: %s", s->in->name, (int)s->channel->node,
               s->channel->side == SOURCE ? "the source" : "the destination",
               s->partition ? s->partition->topic->source_name : "?", (int)s->index, what);
}

// False: the topic is none the instance knows any more.
static bool find(struct sender *s, struct wire_text name, const struct wire_uuid *id, int32_t index) {
    s->partition = tap_partition(s->in, s->channel->side, name, id, index);
    if (!s->partition) return false;
    s->topic = tap_topic(s->partition);
    s->index = index;
    return true;
}

// Appends -----------------------------------------------------------------------------------------------------------

// Rule 7: after the guard nothing leaves, and what the kernel still holds ends before somebody else may begin.
static void check_guard(const struct sender *s) {
    const struct plan *p = &s->in->world->plan;
    if (p->unowned) return;
    if (s->in->world->now_us >= s->in->flow->ownership.fence_us) fail(s, "an append leaves after the guard");
    if (s->channel->unacknowledged_ms_max == 0 || s->channel->unacknowledged_ms_max * 3 > p->session_timeout_ms)
        fail(s, "an append leaves on a connection without TCP_USER_TIMEOUT");
}

// Rule 2: state, end, state were asked on the connection that appends.
static void check_asked(const struct sender *s) {
    if (s->channel->tap.asked[s->topic][s->index] < 3) fail(s, "an append without asking for the position");
}

// An abandoned partition's appends go no further, and a drained one has none.
static void check_owned(const struct sender *s) {
    if (s->partition->state == PARTITION_IDLE) fail(s, "an append leaves for a partition that was let go of");
}

static bool led_as_known(const struct sender *s, struct broker_truth *truth) {
    const struct partition *p = s->partition;
    return broker_partition_truth(s->in->world->clusters[DESTINATION], p->append.name.topic, s->index, truth) &&
           truth->leader == s->channel->node && truth->leader_epoch == p->destination_epoch &&
           broker_node_runs(s->in->world->clusters[DESTINATION], truth->leader);
}

// Rule 13: what is appended first after a look at the log stands on what is replicated. (Sequence and offset go
// together: sequences.c.)
static void check_ground(const struct sender *s, const struct batch_header *h) {
    struct broker_truth truth;
    if (s->channel->tap.next_sequence[s->topic][s->index] < 0 && led_as_known(s, &truth) &&
        truth.log->high_watermark < h->base_sequence)
        fail(s, "an append on top of what is not replicated yet");
}

// Of a filler that was refused as too large a part is sent in its place.
static bool is_smaller_filler(struct bytes records, const struct batch_header *h, int32_t next) {
    return next > h->base_sequence && next - h->base_sequence <= BATCH_FILLER_COUNT_MAX &&
           h->count < BATCH_FILLER_COUNT_MAX && batch_is_filler(records, h);
}

// Rule 1: nothing is sent twice, and one batch follows the other.
static void check_next(const struct sender *s, struct bytes records, const struct batch_header *h) {
    int32_t *next = &s->channel->tap.next_sequence[s->topic][s->index];
    if (*next >= 0 && *next != h->base_sequence && !is_smaller_filler(records, h, *next))
        fail(s, "an append whose sequence does not follow the last one");
    *next = (int32_t)(((int64_t)h->base_sequence + h->count) & 0x7fffffff);
}

// What was asked for, or more.
static void check_acks(const struct sender *s, int16_t acks) {
    if (acks != -1 && acks != s->in->world->plan.acks) fail(s, "an append goes with other acks than were asked for");
}

// Rule 5: the first append to a partition goes with acks=all. (An empty log knows no state; where another epoch has
// begun the instance cannot know that it is empty.)
static void check_first(const struct sender *s, int16_t acks) {
    struct broker_truth truth;
    if (acks != -1 && led_as_known(s, &truth) && truth.log->end == 0) fail(s, "the first append goes without acks=all");
}

// Until a broker has told when it forgets states a day is assumed.
static bool knows_expiration(const struct sender *s) {
    return topics_producer_expiration_ms(s->in->flow->topics) == s->in->world->plan.expiration_ms;
}

// Rule 14: where the broker may have forgotten the state, no append leaves while one of another connection is on its
// way to the same broker, or could be: what was on its way when its connection ended comes so late in this world.
static void check_ghosts(const struct sender *s, const struct batch_header *h) {
    struct world *w = s->in->world;
    if (!knows_expiration(s)) return;
    if (world_wall_ms(w) - h->max_timestamp < w->plan.expiration_ms) return;
    int64_t lost_us = s->in->lost_us[s->topic][s->index];
    bool first = s->channel->tap.next_sequence[s->topic][s->index] < 0;
    if (first && lost_us > 0 && w->now_us < lost_us + w->plan.late_us_max)
        fail(s, "an append of old records leaves too early after a connection was lost");
    for (struct link *k = list_first(&w->network.channels); k; k = list_next(&w->network.channels, k)) {
        const struct channel *ch = CONTAINER_OF(k, struct channel, link);
        if (ch == s->channel) continue;
        if (ch->node == s->channel->node && tap_under_way(ch, s->topic, s->index))
            fail(s, "an append of old records leaves while another one is on its way");
        if (first && ch->owner == s->in && tap_unanswered(ch, s->topic, s->index))
            fail(s, "an append of old records leaves while another one is not answered");
    }
}

static bool is_of_age(const struct world *w, int64_t newest_ms) {
    return newest_ms < world_wall_ms(w) - w->plan.expiration_ms - 10000;  // what has just come of it may still leave
}

// And what a broker would refuse for its CRC does not leave there: what comes behind it would be taken in its place.
static void check_crc(const struct sender *s, struct bytes records, const struct batch_header *h) {
    const struct world *w = s->in->world;
    if (!knows_expiration(s) || (!is_of_age(w, h->max_timestamp) && !is_of_age(w, s->partition->max_timestamp))) return;
    if (!batch_crc_is_right((struct bytes){records.at, (size_t)h->size}))
        fail(s, "a damaged batch leaves for where the state may be forgotten");
}

// And there only ownership protects, so nothing leaves without a lease: no old batch, none behind an old one, and no
// filler, which an old one may follow. (Of a log without records nobody remembers anything: whoever is first is known.
// Until the destination has said when it forgets, a day is assumed.)
static void check_lease(const struct sender *s, struct bytes records, const struct batch_header *h) {
    const struct world *w = s->in->world;
    if (w->plan.unowned || w->now_us < s->in->flow->ownership.lease_us) return;
    if (batch_is_filler(records, h)) fail(s, "a filler leaves without a lease");
    if (topics_producer_expiration_ms(s->in->flow->topics) != w->plan.expiration_ms) return;
    int64_t before_ms = s->partition->max_timestamp;
    if (is_of_age(w, h->max_timestamp) || (before_ms > 0 && is_of_age(w, before_ms)))
        fail(s, "an append leaves without a lease for where the state may be forgotten");
}

static void on_produce(struct sender *s, const struct produce_request *r) {
    for (int32_t i = 0; i < r->topic_data_count; i++) {
        const struct produce_request_topic *t = &r->topic_data[i];
        for (int32_t k = 0; k < t->partition_data_count; k++) {
            const struct produce_request_partition *q = &t->partition_data[k];
            struct batch_header h;
            check_guard(s);
            if (!find(s, t->name, &t->topic_id, q->index)) continue;
            struct bytes records = {q->records.at, (size_t)q->records.size};
            if (batch_look(records, &h) != BATCH_WHOLE) continue;  // a batch damaged at the source, and not looked into
            check_owned(s);
            check_asked(s);
            check_ground(s, &h);
            check_ghosts(s, &h);
            check_next(s, records, &h);
            check_acks(s, r->acks);
            check_first(s, r->acks);
            check_crc(s, records, &h);
            check_lease(s, records, &h);
            s->channel->tap.appended[s->topic][s->index] = s->channel->tap.sent;
            s->channel->tap.append_id[s->topic][s->index] = s->channel->tap.request_id;
        }
    }
}

// Questions ---------------------------------------------------------------------------------------------------------

// Who looks at the logs again may find that he has to delete once more.
static void forget_deletions(const struct sender *s) {
    struct world *w = s->in->world;
    for (struct link *k = list_first(&w->network.channels); k; k = list_next(&w->network.channels, k)) {
        struct channel *ch = CONTAINER_OF(k, struct channel, link);
        if (ch->owner == s->in) ch->tap.deleted[s->topic][s->index].again = 0;
    }
}

// Rule 2: state, end, state, and after the last of them nothing before has been sent.
static void on_state(struct sender *s, const struct describe_producers_request *r) {
    static const uint8_t next[] = {1, 1, 3, 1};
    for (int32_t i = 0; i < r->topics_count; i++) {
        for (int32_t k = 0; k < r->topics[i].partition_indexes_count; k++) {
            if (!find(s, r->topics[i].name, NULL, r->topics[i].partition_indexes[k])) continue;
            uint8_t *asked = &s->channel->tap.asked[s->topic][s->index];
            *asked = next[*asked];
            s->channel->tap.next_sequence[s->topic][s->index] = -1;
            forget_deletions(s);
        }
    }
}

static void on_end(struct sender *s, const struct offset_for_leader_epoch_request *r) {
    for (int32_t i = 0; i < r->topics_count; i++) {
        for (int32_t k = 0; k < r->topics[i].partitions_count; k++) {
            const struct offset_for_leader_epoch_request_partition *p = &r->topics[i].partitions[k];
            if (!find(s, r->topics[i].topic, NULL, p->partition)) continue;
            if (p->current_leader_epoch != p->leader_epoch)
                fail(s, "a log end is asked for without demanding an epoch");
            uint8_t *asked = &s->channel->tap.asked[s->topic][s->index];
            *asked = *asked == 1 ? 2 : 0;
        }
    }
}

// Fetches -----------------------------------------------------------------------------------------------------------

static bool fetches(const struct sender *s, int32_t topic, int32_t index) {
    for (size_t i = 0; i < s->in->flow->partitions_count; i++) {
        const struct partition *p = s->in->flow->partitions[i];
        if (p->index != index || tap_topic(p) != topic || !p->fetch.session) continue;
        return &p->fetch.session->link.connection == s->channel->connection;
    }
    return false;
}

// The broker's session holds what the instance's holds. (A request may leave just when somebody left it; and a topic
// that was made anew is forgotten by an id that the partition may not have any more.)
static void check_session(const struct sender *s) {
    struct tap *t = &s->channel->tap;
    for (int32_t topic = 0; topic < LEDGER_TOPICS_MAX; topic++) {
        if (s->in->world->ledger.topics[topic].ever_deleted) continue;
        for (int32_t index = 0; index < 2 * SIM_PARTITIONS_MAX; index++) {
            bool wanted = fetches(s, topic, index), told = t->in_session[topic][index];
            t->untrue[topic][index] = wanted != told ? (uint8_t)(t->untrue[topic][index] + 1) : 0;
            if (t->untrue[topic][index] > 2)
                world_fail(s->in->world, "requests", "%s %s %s-%d, and has not told its session", s->in->name,
                           wanted ? "wants" : "does not want", s->in->world->ledger.topics[topic].name, (int)index);
        }
    }
}

// The epoch under which the source wrote what precedes the offset, be it gone by now. (Of what retention took between
// two looks nobody knows.)
static bool written_under(const struct sender *s, int64_t offset, int32_t epoch) {
    const struct ledger_topic *t = &s->in->world->ledger.topics[s->topic];
    const struct ledger_partition *p = &t->lived[t->lives - 1][s->index];
    if (p->end < offset) ledger_note(s->in->world);
    const struct batch_header *before = ledger_before(p, offset);
    return before ? before->leader_epoch == epoch : p->unseen_to > 0;
}

static bool same_source_as_ever(const struct sender *s) {
    const struct ledger_topic *t = &s->in->world->ledger.topics[s->topic];
    return !t->ever_deleted && !t->truncated[s->index];
}

// A leader that was deposed must not answer, and one that lost what we have must say so (KIP-320).
static void check_epochs(const struct sender *s, const struct fetch_request_partition *p, bool copies) {
    const struct partition *its = s->partition;
    if (p->current_leader_epoch < 0) fail(s, "a fetch that demands no leader epoch");
    if (p->last_fetched_epoch < -1) fail(s, "a fetch with an epoch that does not exist");
    if (!copies || its->state != PARTITION_COPY || its->log_end != p->fetch_offset) return;
    if (its->log_end > its->position.log_end && p->last_fetched_epoch < 0)
        fail(s, "a fetch that does not say under which epoch the batch before was written");
    if (p->last_fetched_epoch < 0 || !same_source_as_ever(s)) return;
    if (!written_under(s, p->fetch_offset, p->last_fetched_epoch))
        fail(s, "a fetch with another epoch than the batch before was written under");
}

static void check_fetch(struct sender *s, const struct fetch_request *r) {
    bool copies = r->max_wait_ms > 0;
    if (copies && r->isolation_level != 1) fail(s, "a fetch of what is not decided yet");
    for (int32_t i = 0; i < r->topics_count; i++) {
        const struct fetch_request_topic *f = &r->topics[i];
        for (int32_t k = 0; k < f->partitions_count; k++)
            if (find(s, f->topic, &f->topic_id, f->partitions[k].partition)) check_epochs(s, &f->partitions[k], copies);
    }
}

static void on_fetch(struct sender *s, const struct fetch_request *r) {
    struct tap *t = &s->channel->tap;
    check_fetch(s, r);
    if (r->max_wait_ms == 0) return;
    if (r->session_epoch <= 0) memset(t->in_session, 0, sizeof t->in_session);
    for (int32_t i = 0; i < r->forgotten_topics_data_count; i++) {
        const struct fetch_request_forgotten_topic *f = &r->forgotten_topics_data[i];
        for (int32_t k = 0; k < f->partitions_count; k++)
            if (find(s, f->topic, &f->topic_id, f->partitions[k])) t->in_session[s->topic][s->index] = false;
    }
    for (int32_t i = 0; i < r->topics_count; i++) {
        const struct fetch_request_topic *f = &r->topics[i];
        for (int32_t k = 0; k < f->partitions_count; k++)
            if (find(s, f->topic, &f->topic_id, f->partitions[k].partition)) t->in_session[s->topic][s->index] = true;
    }
    check_session(s);
}

// Log starts and high watermarks --------------------------------------------------------------------------------------

static void on_offsets(struct sender *s, const struct list_offsets_request *r) {
    for (int32_t i = 0; i < r->topics_count; i++) {
        const struct list_offsets_request_topic *t = &r->topics[i];
        for (int32_t k = 0; k < t->partitions_count; k++)
            if (find(s, t->name, NULL, t->partitions[k].partition_index) && t->partitions[k].current_leader_epoch < 0)
                fail(s, "an offset is asked for without demanding an epoch");
    }
}

// What was deleted is not deleted again and again. (Once more it may be, when the answer was that it takes too long.)
static void check_deleted_once(const struct sender *s, int64_t offset, const struct broker_truth *truth) {
    struct tap_deletion *d = &s->channel->tap.deleted[s->topic][s->index];
    bool again = d->offset == offset && truth->log->start >= offset;
    *d = (struct tap_deletion){offset, again ? d->again + 1 : 0};
    if (d->again > 2) fail(s, "records are deleted that are gone already");
}

// Only what the source does not have either is deleted, and only what is replicated: else its leader refuses. (-1 would
// be all that is. Who fills knows where the log begins.)
static void check_deletion(const struct sender *s, int64_t offset) {
    const struct ledger_topic *t = &s->in->world->ledger.topics[s->topic];
    struct broker_truth truth;
    if (offset < 0) fail(s, "records are deleted below an offset that does not exist");
    if (s->partition->state == PARTITION_GAP && offset <= s->partition->tail_log_start)
        fail(s, "who fills deletes where nothing is");
    if (!same_source_as_ever(s) || t->foreign_written[s->index]) return;
    if (offset > t->lived[t->lives - 1][s->index].start) fail(s, "records are deleted that the source still has");
    if (!led_as_known(s, &truth)) return;
    if (offset > truth.log->high_watermark) fail(s, "records are deleted that are not replicated yet");
    check_deleted_once(s, offset, &truth);
}

static void on_deletion(struct sender *s, const struct delete_records_request *r) {
    for (int32_t i = 0; i < r->topics_count; i++) {
        const struct delete_records_request_topic *t = &r->topics[i];
        for (int32_t k = 0; k < t->partitions_count; k++)
            if (find(s, t->name, NULL, t->partitions[k].partition_index)) check_deletion(s, t->partitions[k].offset);
    }
}

void check_request(struct channel *ch, int16_t api_key, const void *request) {
    struct sender s = {.channel = ch, .in = ch->owner};
    switch (api_key) {
    case API_PRODUCE:
        on_produce(&s, request);
        break;
    case API_DESCRIBE_PRODUCERS:
        on_state(&s, request);
        break;
    case API_OFFSET_FOR_LEADER_EPOCH:
        on_end(&s, request);
        break;
    case API_FETCH:
        on_fetch(&s, request);
        break;
    case API_LIST_OFFSETS:
        on_offsets(&s, request);
        break;
    case API_DELETE_RECORDS:
        on_deletion(&s, request);
        break;
    case API_OFFSET_COMMIT:
        s.in->committed_us = s.in->world->now_us;  // ownership.c looks at it
        break;
    default:
        break;
    }
}
