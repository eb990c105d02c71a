// Producer ids that say where records came from.
#include "unit/test.h"

#include "mirror/provenance.h"

static const char east[] = "lkc-abcde1", west[] = "5L6g3nShT-eMCtK--X86sw";

TEST(an_id_tells_its_flow_and_its_origin) {
    int64_t id = provenance_producer_id(east, west);
    EXPECT(id > (int64_t)1 << 62);
    EXPECT(provenance_is_ours(id));
    EXPECT(provenance_came_from(id, east));
    EXPECT(!provenance_came_from(id, west));
    EXPECT(provenance_came_from(provenance_producer_id(west, east), west));
    EXPECT(!provenance_same_flow(id, provenance_producer_id(west, east)));
    EXPECT(id == provenance_producer_id(east, west));
}

TEST(rotations_are_of_one_flow) {
    int64_t id = provenance_producer_id(east, west);
    EXPECT_INT(id & PROVENANCE_ROTATION_MASK, 0);
    for (int64_t rotation = 0; rotation <= PROVENANCE_ROTATION_MASK; rotation++) {
        EXPECT(provenance_same_flow(id, id | rotation));
        EXPECT(provenance_came_from(id | rotation, east));
    }
    for (int bit = 8; bit < 63; bit++) EXPECT(!provenance_same_flow(id, id ^ (int64_t)1 << bit));
}

TEST(no_brokers_id_is_taken_for_ours) {
    static const int64_t others[] = {-1, 0, 1, 4000, INT64_MAX, INT64_MIN, (int64_t)1 << 62, (int64_t)0x0d2a << 48};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        EXPECT(!provenance_is_ours(others[i]));
        EXPECT(!provenance_came_from(others[i], east));
    }
    int64_t id = provenance_producer_id(east, west);
    for (int bit = 48; bit < 63; bit++) EXPECT(!provenance_is_ours(id ^ (int64_t)1 << bit));
    EXPECT(!provenance_is_ours(id | INT64_MIN));
    EXPECT(!provenance_came_from(id & 0xffffffffffff, east));  // the hash alone is no proof
}

int main(void) {
    RUN(an_id_tells_its_flow_and_its_origin);
    RUN(rotations_are_of_one_flow);
    RUN(no_brokers_id_is_taken_for_ours);
    return test_result();
}
