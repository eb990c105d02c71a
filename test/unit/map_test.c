// Maps: a random history against a plain array, walking, and hashes that stay the same everywhere.
#include "base/map.h"

#include "base/memory.h"
#include "base/prng.h"
#include "unit/test.h"

#define KEYS 500

static int values[2][KEYS];  // their addresses are what the maps hold

static size_t key_text(int i, char *out, size_t size) {
    return (size_t)snprintf(out, size, "%.*sk%d", i % 30, "..............................", i);
}

TEST(texts_agree_with_an_array) {
    struct map m;
    struct prng p;
    void *model[KEYS] = {0};
    map_init(&m);
    prng_seed(&p, 1);
    for (int round = 0; round < 200000; round++) {
        char key[64];
        // Waves of growing and shrinking, so that tombstones pile up and tables are rebuilt.
        int i = (int)prng_below(&p, KEYS), growing = round / 5000 % 2;
        size_t size = key_text(i, key, sizeof key);
        void *wanted = model[i];
        EXPECT(map_get_text(&m, key, size) == wanted);
        if (prng_below(&p, 10) < (growing ? 8 : 2)) {
            model[i] = &values[round % 2][i];
            EXPECT(map_put_text(&m, key, size, model[i]) == wanted);
        } else {
            model[i] = NULL;
            EXPECT(map_remove_text(&m, key, size) == wanted);
        }
        memset(key, 'x', sizeof key);  // keys are copied
    }
    size_t count = 0;
    for (int i = 0; i < KEYS; i++) count += model[i] != NULL;
    EXPECT_INT(m.count, count);
    EXPECT(m.capacity <= 4 * KEYS);
    map_free(&m);
}

TEST(numbers_and_walking) {
    struct map m;
    map_init(&m);
    size_t at = 0;
    EXPECT(!map_next(&m, &at) && !map_get_number(&m, 0) && !map_remove_number(&m, 0));
    for (int i = 0; i < KEYS; i++) {
        values[0][i] = i;
        EXPECT(!map_put_number(&m, (uint64_t)i << 32, &values[0][i]));
    }
    int seen = 0, odd = 0, *value;
    bool met[KEYS] = {0};
    for (size_t i = 0; (value = map_next(&m, &i)); seen++) {
        EXPECT(!met[*value]);
        met[*value] = true;
        if (*value % 2 == 0) EXPECT(map_remove_number(&m, (uint64_t)*value << 32) == value);
    }
    EXPECT_INT(seen, KEYS);
    EXPECT_INT(m.count, KEYS / 2);
    for (size_t i = 0; (value = map_next(&m, &i));) odd += *value % 2;
    EXPECT_INT(odd, KEYS / 2);
    EXPECT(!map_get_number(&m, 2ULL << 32) && map_get_number(&m, 3ULL << 32) == &values[0][3]);
    map_free(&m);
}

TEST(texts_may_be_empty_and_hold_anything) {
    struct map m;
    map_init(&m);
    EXPECT(!map_put_text(&m, NULL, 0, &values[0][0]));
    EXPECT(!map_put_text(&m, "a\0b", 3, &values[0][1]));
    EXPECT(!map_put_text(&m, "a\0c", 3, &values[0][2]));
    EXPECT(map_get_text(&m, "", 0) == &values[0][0]);
    EXPECT(map_get_text(&m, "a\0b", 3) == &values[0][1]);
    EXPECT(!map_get_text(&m, "a", 1));
    map_free(&m);
}

// Slices are owned by hash: another value in another version would let two instances own one partition.
TEST(hashes_never_change) {
    EXPECT_INT(hash_bytes("", 0), (int64_t)0xefd01f60ba992926);
    EXPECT_INT(hash_bytes("orders-4", 8), (int64_t)0x4d7264fc725849d9);
}

int main(void) {
    RUN(texts_agree_with_an_array);
    RUN(numbers_and_walking);
    RUN(texts_may_be_empty_and_hold_anything);
    RUN(hashes_never_change);
    return test_result();
}
