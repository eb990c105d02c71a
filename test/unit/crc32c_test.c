// CRC-32C: published values, and adjustment against computing it again.
#include "base/crc32c.h"

#include "base/memory.h"
#include "base/prng.h"
#include "unit/test.h"

TEST(published_values) {
    uint8_t bytes[32];
    EXPECT_INT(crc32c("", 0), 0);
    EXPECT_INT(crc32c("123456789", 9), 0xe3069283);
    memset(bytes, 0, sizeof bytes);
    EXPECT_INT(crc32c(bytes, sizeof bytes), 0x8a9136aa);  // this and the next: RFC 3720, B.4
    memset(bytes, 0xff, sizeof bytes);
    EXPECT_INT(crc32c(bytes, sizeof bytes), 0x62a8ab43);
}

// `rest_size` bytes follow `changed_size` changed ones.
static bool adjusts(struct prng *p, uint8_t *message, size_t changed_size, size_t rest_size) {
    uint8_t before[64], after[64];
    for (size_t i = 0; i < changed_size; i++) {
        before[i] = (uint8_t)prng_next(p);
        after[i] = prng_below(p, 2) ? before[i] : (uint8_t)prng_next(p);
    }
    memcpy(message, before, changed_size);
    uint32_t crc_before = crc32c(message, changed_size + rest_size);
    memcpy(message, after, changed_size);
    return crc32c_adjust(crc_before, before, after, changed_size, rest_size) ==
           crc32c(message, changed_size + rest_size);
}

TEST(adjusting_is_computing_again) {
    struct prng p;
    prng_seed(&p, 1);
    size_t capacity = 17 << 20;
    uint8_t *message = memory_alloc(capacity);
    for (size_t i = 0; i < capacity; i++) message[i] = (uint8_t)(prng_next(&p) >> (i % 50));
    for (size_t rest = 0; rest < 600; rest++) EXPECT(adjusts(&p, message, prng_below(&p, 65), rest));
    for (int i = 0; i < 2000; i++) EXPECT(adjusts(&p, message, 40, prng_below(&p, 200000)));
    static const size_t powers[] = {65535, 65536, 65537, (1 << 24) - 1, 1 << 24, (1 << 24) + 1};
    for (size_t i = 0; i < sizeof powers / sizeof *powers; i++) EXPECT(adjusts(&p, message, 40, powers[i]));
    memory_free(message);
}

TEST(adjusting_keeps_an_error) {
    uint8_t before[4] = {1, 2, 3, 4}, after[4] = {5, 6, 7, 8}, message[100] = {5, 6, 7, 8};
    uint32_t wrong_by = 0x1234, crc_before;
    memcpy(message, before, sizeof before);
    crc_before = crc32c(message, sizeof message);
    memcpy(message, after, sizeof after);
    EXPECT_INT(crc32c_adjust(crc_before ^ wrong_by, before, after, 4, 96), crc32c(message, sizeof message) ^ wrong_by);
}

int main(void) {
    RUN(published_values);
    RUN(adjusting_is_computing_again);
    RUN(adjusting_keeps_an_error);
    return test_result();
}
