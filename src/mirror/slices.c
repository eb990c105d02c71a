// Slices: hashing, the leader's assignment, and what members tell each other.
#include "mirror/slices.h"

#include "base/memory.h"

#include <assert.h>

#define SLICES_VERSION 2
#define METADATA_HEAD_SIZE 13
#define METADATA_TAIL_SIZE 9
#define ASSIGNMENT_HEAD_SIZE 4
#define FLAG_REJOIN 1
#define NOBODY SIZE_MAX

void slices_add(struct slices *s, int32_t slice) {
    assert(slice >= 0 && slice < SLICES_MAX);
    s->words[slice / 64] |= 1ULL << slice % 64;
}

void slices_remove(struct slices *s, int32_t slice) {
    assert(slice >= 0 && slice < SLICES_MAX);
    s->words[slice / 64] &= ~(1ULL << slice % 64);
}

bool slices_has(const struct slices *s, int32_t slice) {
    assert(slice >= 0 && slice < SLICES_MAX);
    return s->words[slice / 64] >> slice % 64 & 1;
}

int32_t slices_count(const struct slices *s) {
    int32_t count = 0;
    for (int i = 0; i < SLICES_MAX / 64; i++) count += __builtin_popcountll(s->words[i]);
    return count;
}

bool slices_empty(const struct slices *s) {
    return slices_count(s) == 0;
}

// Hashing -----------------------------------------------------------------------------------------------------------

#define FNV_START 0xcbf29ce484222325ULL

// base/map.h promises the same hash on every machine, not in every release; what a slice is must never change.
static uint64_t fnv1a(uint64_t hash, const void *at, size_t size) {
    const uint8_t *p = at;
    for (size_t i = 0; i < size; i++) hash = (hash ^ p[i]) * 0x100000001b3ULL;
    return hash;
}

static uint64_t finalize(uint64_t h) {
    h = (h ^ h >> 33) * 0xff51afd7ed558ccdULL;
    h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53ULL;
    return h ^ h >> 33;
}

int32_t slice_of_partition(const char *topic, size_t topic_size, int32_t partition, int32_t count) {
    assert(count > 0 && count <= SLICES_MAX);
    uint8_t number[4];
    store_be32(number, (uint32_t)partition);
    uint64_t h = finalize(fnv1a(fnv1a(FNV_START, topic, topic_size), number, sizeof number));
    return (int32_t)((h >> 32) * (uint64_t)count >> 32);
}

// -log2(h / 2^64) with 32 bits behind the point, at least 1. In integers, because libm may round differently elsewhere
// and slices would move when the leader does.
static uint64_t minus_log2(uint64_t h) {
    h |= 1;
    int zeros = __builtin_clzll(h);
    uint64_t mantissa = h << zeros, fraction = 0;  // mantissa / 2^63 is in [1, 2)
    for (int bit = 31; bit >= 0; bit--) {
        unsigned __int128 square = (unsigned __int128)mantissa * mantissa >> 63;
        if (square >> 64) {
            fraction |= 1ULL << bit;
            square >>= 1;
        }
        mantissa = (uint64_t)square;
    }
    return ((uint64_t)(zeros + 1) << 32) - fraction;
}

static int compare_names(struct bytes a, struct bytes b) {
    int order = memcmp(a.at, b.at, a.size < b.size ? a.size : b.size);
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

// Whether it is one of those that mirror that source, and counts slices as the leader does.
static bool shares(const struct slices_member *m, const char *source, int32_t count) {
    return m->readable && m->metadata.count == count && strcmp(m->metadata.source, source) == 0;
}

// Rendezvous hashing with weights: distances -log2(u) / weight are exponentially distributed, so the chance of being
// the lowest is the share of the weight. Distances are compared crosswise: 38 + 16 bits.
static size_t wish(const struct slices_member *members, const uint64_t *seeds, size_t members_count,
                   const char *source, int32_t count, int32_t slice) {
    uint8_t number[2];
    store_be16(number, (uint16_t)slice);
    size_t best = NOBODY;
    uint64_t best_distance = 0;
    for (size_t i = 0; i < members_count; i++) {
        const struct slices_member *m = &members[i];
        if (!shares(m, source, count) || m->metadata.weight == 0) continue;
        uint64_t distance = minus_log2(finalize(fnv1a(seeds[i], number, sizeof number)));
        if (best != NOBODY) {
            uint64_t mine = distance * (uint64_t)members[best].metadata.weight;
            uint64_t its = best_distance * (uint64_t)m->metadata.weight;
            if (mine > its || (mine == its && compare_names(m->name, members[best].name) > 0)) continue;
        }
        best = i;
        best_distance = distance;
    }
    return best;
}

// The leader's assignment -------------------------------------------------------------------------------------------

static bool is_current(const struct slices_member *m, int32_t generation) {
    return m->readable && m->metadata.generation == generation - 1;
}

// True when somebody may hold slices the leader cannot see, or holds them by another count.
static bool holds_unseen(const struct slices_member *m, int32_t count, int32_t generation) {
    return !is_current(m, generation) || (m->metadata.count != count && !slices_empty(&m->metadata.held));
}

// Who says to hold the slice; `contested` when the answer is not to be relied on. A current member is believed rather
// than one that is not.
static size_t find_holder(const struct slices_member *members, size_t members_count, const char *source, int32_t count,
                          int32_t generation, int32_t slice, bool *contested) {
    size_t holder = NOBODY;
    *contested = false;
    for (size_t i = 0; i < members_count; i++) {
        const struct slices_member *m = &members[i];
        if (!shares(m, source, count) || !slices_has(&m->metadata.held, slice)) continue;
        bool current = is_current(m, generation);
        bool holder_current = holder != NOBODY && is_current(&members[holder], generation);
        if (holder == NOBODY || (current && !holder_current)) {
            *contested = false;
            holder = i;
        } else if (current == holder_current) {
            *contested = true;
        }
    }
    return holder;
}

// Shares all slices among those that mirror one source. True: some were kept back, because of what is `unseen`.
static bool assign_source(struct slices_member *members, const uint64_t *seeds, size_t members_count,
                          const char *source, int32_t count, int32_t generation, bool unseen) {
    bool kept_back = false;
    for (int32_t slice = 0; slice < count; slice++) {
        bool contested;
        size_t holder = find_holder(members, members_count, source, count, generation, slice, &contested);
        size_t wished = wish(members, seeds, members_count, source, count, slice);
        if (wished == NOBODY || contested) continue;
        if (holder == NOBODY) {
            kept_back |= unseen;
            holder = unseen ? NOBODY : wished;
        }
        if (holder == wished) slices_add(&members[wished].assignment.given, slice);
    }
    return kept_back;
}

static bool is_first_of_source(const struct slices_member *members, size_t i) {
    for (size_t k = 0; k < i; k++)
        if (members[k].readable && strcmp(members[k].metadata.source, members[i].metadata.source) == 0) return false;
    return members[i].readable;
}

void slices_assign(struct slices_member *members, size_t members_count, int32_t count, int32_t generation) {
    assert(count > 0 && count <= SLICES_MAX);
    uint64_t *seeds = memory_alloc(sizeof *seeds * (members_count + 1));
    bool unseen = false, kept_back = false;
    for (size_t i = 0; i < members_count; i++) {
        seeds[i] = fnv1a(FNV_START, members[i].name.at, members[i].name.size);
        members[i].assignment = (struct slices_assignment){.count = count};
        unseen |= holds_unseen(&members[i], count, generation);
    }
    for (size_t i = 0; i < members_count; i++)
        if (is_first_of_source(members, i))
            kept_back |= assign_source(members, seeds, members_count, members[i].metadata.source, count, generation,
                                       unseen);
    for (size_t i = 0; i < members_count; i++)
        members[i].assignment.rejoin = kept_back && !is_current(&members[i], generation);
    memory_free(seeds);
}

// Encoding ----------------------------------------------------------------------------------------------------------

static void encode_set(const struct slices *s, int32_t count, struct buffer *out) {
    for (int32_t i = 0; i < (count + 7) / 8; i++) buffer_append_u8(out, (uint8_t)(s->words[i / 8] >> i % 8 * 8));
}

static struct error decode_set(struct bytes in, int32_t count, struct slices *s) {
    *s = (struct slices){0};
    size_t size = (size_t)(count + 7) / 8;
    if (in.size < size)
        return error_make(ERROR_PROTOCOL, 0, "slices", "cut off: %zu bytes for %d slices", in.size, count);
    for (size_t i = 0; i < size; i++) s->words[i / 8] |= (uint64_t)in.at[i] << i % 8 * 8;
    if (count % 8 != 0 && in.at[size - 1] >> count % 8)
        return error_make(ERROR_PROTOCOL, 0, "slices", "slices past the count of %d", count);
    return error_none();
}

// Version and count, which both begin with.
static struct error decode_head(struct bytes in, size_t head_size, int32_t *count) {
    if (in.size < head_size) return error_make(ERROR_PROTOCOL, 0, "slices", "cut off after %zu bytes", in.size);
    if (in.at[0] != SLICES_VERSION)
        return error_make(ERROR_PROTOCOL, 0, "slices", "version %u, expected %d", in.at[0], SLICES_VERSION);
    *count = load_be16(in.at + 1);
    if (*count == 0 || *count > SLICES_MAX)
        return error_make(ERROR_PROTOCOL, 0, "slices", "%d slices, expected 1 to %d", *count, SLICES_MAX);
    return error_none();
}

void slices_encode_metadata(const struct slices_metadata *m, struct buffer *out) {
    assert(m->count > 0 && m->count <= SLICES_MAX && m->weight >= 0 && m->weight <= SLICES_WEIGHT_MAX);
    buffer_append_u8(out, SLICES_VERSION);
    buffer_append_be16(out, (uint16_t)m->count);
    buffer_append_be16(out, (uint16_t)m->weight);
    buffer_append_be32(out, (uint32_t)m->generation);
    buffer_append_be32(out, (uint32_t)m->joins);
    encode_set(&m->held, m->count, out);
    buffer_append_be64(out, m->rules);
    buffer_append_u8(out, (uint8_t)strlen(m->source));
    buffer_append(out, m->source, strlen(m->source));
}

// What stands behind the held slices.
static struct error decode_tail(struct bytes in, struct slices_metadata *m) {
    size_t size = in.size < METADATA_TAIL_SIZE ? SIZE_MAX : in.at[8];
    if (size > SLICES_SOURCE_MAX || in.size - METADATA_TAIL_SIZE < size)
        return error_make(ERROR_PROTOCOL, 0, "slices", "cut off in the source's id: %zu bytes", in.size);
    m->rules = load_be64(in.at);
    memcpy(m->source, in.at + METADATA_TAIL_SIZE, size);
    return error_none();
}

struct error slices_decode_metadata(struct bytes in, struct slices_metadata *m) {
    *m = (struct slices_metadata){0};
    struct error e = decode_head(in, METADATA_HEAD_SIZE, &m->count);
    if (error_is(&e)) return e;
    m->weight = load_be16(in.at + 3);
    m->generation = (int32_t)load_be32(in.at + 5);
    m->joins = (int32_t)load_be32(in.at + 9);
    struct bytes rest = {in.at + METADATA_HEAD_SIZE, in.size - METADATA_HEAD_SIZE};
    e = decode_set(rest, m->count, &m->held);
    if (error_is(&e)) return e;
    size_t held_size = (size_t)(m->count + 7) / 8;
    return decode_tail((struct bytes){rest.at + held_size, rest.size - held_size}, m);
}

void slices_encode_assignment(const struct slices_assignment *a, struct buffer *out) {
    assert(a->count > 0 && a->count <= SLICES_MAX);
    buffer_append_u8(out, SLICES_VERSION);
    buffer_append_be16(out, (uint16_t)a->count);
    buffer_append_u8(out, a->rejoin ? FLAG_REJOIN : 0);
    encode_set(&a->given, a->count, out);
}

struct error slices_decode_assignment(struct bytes in, struct slices_assignment *a) {
    *a = (struct slices_assignment){0};
    if (in.size == 0) return error_none();
    struct error e = decode_head(in, ASSIGNMENT_HEAD_SIZE, &a->count);
    if (error_is(&e)) return e;
    a->rejoin = in.at[3] & FLAG_REJOIN;
    return decode_set((struct bytes){in.at + ASSIGNMENT_HEAD_SIZE, in.size - ASSIGNMENT_HEAD_SIZE}, a->count,
                      &a->given);
}
