// Slices: which one a partition belongs to, who should own which, and what the members of a flow's group tell each
// other about it. Pure arithmetic; the conversation is client/group.h, the two together are mirror/ownership.h.
//
// A slice is never given away while somebody may still hold it. Each member says in its metadata what it holds and the
// newest generation it knew when it said so. Only metadata that knows generation G-1 is current when the leader of G
// reads it: anything older (a static member that did not rejoin, a JoinGroup that arrived late, a restarted instance
// whose predecessor may still run) could have gained slices since. While one such member is in the group, slices that
// nobody says to hold are given to nobody; members go on with what they hold.
#pragma once
#include "base/buffer.h"
#include "base/error.h"
#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLICES_DEFAULT 64
#define SLICES_PROTOCOL_TYPE "odraz"
#define SLICES_PROTOCOL_NAME "slices"
#define SLICES_GENERATION_NONE (-1)

// A set of slices.
struct slices {
    uint64_t words[SLICES_MAX / 64];
};

void slices_add(struct slices *s, int32_t slice);
void slices_remove(struct slices *s, int32_t slice);
bool slices_has(const struct slices *s, int32_t slice);
bool slices_empty(const struct slices *s);
int32_t slices_count(const struct slices *s);

// The slice of a partition, 0 .. count-1. Stable for ever: FNV-1a (64 bits) over the destination topic's name and the
// partition as 4 bytes, big endian; MurmurHash3's 64-bit finalizer; then (upper 32 bits * count) >> 32.
int32_t slice_of_partition(const char *topic, size_t topic_size, int32_t partition, int32_t count);

// What a member says when it joins: version 2 is
//   int8 version, int16 count of slices, int16 weight, int32 generation, int32 joins, (count + 7) / 8 bytes of held
//   slices, int64 rules, int8 size and so many bytes of source.
// The lowest bit of the first byte is slice 0. Bytes behind are a later version's business and skipped.
struct slices_metadata {
    int32_t count;
    int32_t weight;      // share of the slices relative to the others', 0 .. SLICES_WEIGHT_MAX; 0 takes none
    int32_t generation;  // the newest it knew, SLICES_GENERATION_NONE when none
    int32_t joins;       // differs each time: the coordinator takes a repeated JoinGroup for no news (classicGroupJoin)
    struct slices held;
    uint64_t rules;                      // differs where other topics are mirrored, or under other names
    char source[SLICES_SOURCE_MAX + 1];  // the id of the cluster it mirrors; a longer one is cut
};

// What the leader answers: int8 version, int16 count, int8 flags (1 = rejoin), the bytes of the given slices. An empty
// assignment (a leader that gave up) says nothing and is no error of decoding: `count` is 0 then.
struct slices_assignment {
    int32_t count;
    bool rejoin;  // slices are kept back because this member's metadata was not current
    struct slices given;
};

void slices_encode_metadata(const struct slices_metadata *m, struct buffer *out);
void slices_encode_assignment(const struct slices_assignment *a, struct buffer *out);
// Errors: ERROR_PROTOCOL, with what is wrong about the bytes.
MUST_USE struct error slices_decode_metadata(struct bytes in, struct slices_metadata *m);
MUST_USE struct error slices_decode_assignment(struct bytes in, struct slices_assignment *a);

// One member as the leader sees it. The name decides what it gets, so it should outlive restarts: group.instance.id,
// or the member id.
struct slices_member {
    struct bytes name;
    bool readable;  // `metadata` could be decoded; one that cannot be read may hold anything
    struct slices_metadata metadata;
    struct slices_assignment assignment;  // filled by slices_assign()
};

// The assignment for a generation. A slice's wish is the member with the lowest -log2(hash(slice, name)) / weight
// (rendezvous hashing), so one that joins or leaves moves only its own share. A slice whose holder is not the wish is
// given to nobody: its holder lets go, rejoins, and a later generation gives it away.
//
// Aliases name the group, and two settings files may say the same aliases of different sources. So the members that
// mirror the same one share all slices among themselves: else half of each source would be mirrored by nobody.
void slices_assign(struct slices_member *members, size_t members_count, int32_t count, int32_t generation);
