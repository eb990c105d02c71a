// Requests, put together from the bytes that leave an instance.
#include "sim/tap.h"

#include "base/bytes.h"
#include "base/limits.h"
#include "sim/checkers.h"
#include "sim/world.h"
#include "wire/frame.h"
#include "wire/messages.h"

#include <assert.h>
#include <stdlib.h>

void tap_init(struct tap *t) {
    buffer_init(&t->bytes, 2 * REQUEST_SIZE_MAX);
}

void tap_free(struct tap *t) {
    buffer_free(&t->bytes);
}

static bool interesting(int16_t key) {
    return key == API_PRODUCE || key == API_FETCH || key == API_DESCRIBE_PRODUCERS ||
           key == API_OFFSET_FOR_LEADER_EPOCH || key == API_LIST_OFFSETS || key == API_DELETE_RECORDS ||
           key == API_OFFSET_COMMIT;
}

static void show(struct channel *ch, struct bytes frame) {
    struct frame_request_header header;
    size_t consumed;
    if (!interesting((int16_t)load_be16(frame.at))) return;
    struct error e = frame_decode_request_header(frame, &header, &consumed);
    assert(!error_is(&e));
    const struct api *api = api_find(header.api_key);
    struct arena arena;
    arena_init(&arena, DECODE_ARENA_MAX);
    void *request = arena_alloc(&arena, message_struct_size(api->request));
    message_defaults(api->request, request);
    struct bytes body = {frame.at + consumed, frame.size - consumed};
    e = message_decode(api->request, header.version, body, &arena, request, &consumed);
    assert(!error_is(&e));
    (void)e;
    ch->tap.request_id = header.correlation_id;
    check_request(ch, header.api_key, request);
    arena_free(&arena);
}

void tap_listen(struct channel *ch, const uint8_t *at, size_t size) {
    struct tap *t = &ch->tap;
    size_t done = 0;
    buffer_append(&t->bytes, at, size);
    t->sent += size;
    while (t->bytes.size - done >= 4) {
        size_t frame = load_be32(t->bytes.at + done);
        if (t->bytes.size - done - 4 < frame) break;
        show(ch, (struct bytes){t->bytes.at + done + 4, frame});
        done += 4 + frame;
    }
    t->bytes.size -= done;
    if (done > 0) memmove(t->bytes.at, t->bytes.at + done, t->bytes.size);
}

bool tap_under_way(const struct channel *ch, int32_t topic, int32_t index) {
    return ch->side == DESTINATION && ch->pipes[OUT].bytes > 0 && ch->tap.appended[topic][index] > ch->tap.delivered;
}

// Answers come in the order of the requests.
bool tap_unanswered(const struct channel *ch, int32_t topic, int32_t index) {
    const struct connection *c = ch->connection;
    if (ch->side != DESTINATION || !c || ch->tap.appended[topic][index] == 0 || c->requests_count == 0) return false;
    return ch->tap.append_id[topic][index] >= c->requests[c->requests_first].correlation_id;
}

void tap_end(struct channel *ch) {
    for (int32_t topic = 0; topic < LEDGER_TOPICS_MAX; topic++)
        for (int32_t index = 0; index < 2 * SIM_PARTITIONS_MAX; index++)
            if (tap_unanswered(ch, topic, index)) ch->owner->lost_us[topic][index] = ch->world->now_us;
}

struct partition *tap_partition(const struct instance *in, enum side side, struct wire_text name,
                                const struct wire_uuid *id, int32_t index) {
    for (size_t i = 0; i < in->flow->partitions_count; i++) {
        struct partition *p = in->flow->partitions[i];
        const struct topic_partition *its = side == SOURCE ? &p->fetch.name : &p->append.name;
        if (p->index != index) continue;
        bool same = name.size > 0
                        ? (size_t)name.size == strlen(its->topic) && memcmp(name.at, its->topic, (size_t)name.size) == 0
                        : memcmp(id->at, its->topic_id.at, sizeof id->at) == 0;
        if (same) return p;
    }
    return NULL;
}

int32_t tap_topic(const struct partition *p) {
    const struct ledger *l = &((struct instance *)p->flow->owner)->world->ledger;
    int32_t i = 0;
    while (i < l->topics_count && strcmp(l->topics[i].name, p->topic->source_name) != 0) i++;
    assert(i < l->topics_count);  // else it is not selected
    return i;
}
