// Buffers: network byte order, growth, and the end at the maximum.
#include "base/buffer.h"

#include "unit/test.h"

static bool holds(const struct buffer *b, const char *bytes, size_t size) {
    return b->size == size && memcmp(b->at, bytes, size) == 0;
}

TEST(appends_in_network_order) {
    struct buffer b;
    buffer_init(&b, 1000);
    buffer_append_u8(&b, 0x01);
    buffer_append_be16(&b, 0x0203);
    buffer_append_be32(&b, 0x04050607);
    buffer_append_be64(&b, 0x08090a0b0c0d0e0f);
    buffer_append(&b, "xyz", 3);
    buffer_append(&b, NULL, 0);
    buffer_printf(&b, "%d-%s", 42, "q");
    EXPECT(holds(&b, "\1\2\3\4\5\6\7\x8\x9\xa\xb\xc\xd\xe\xfxyz42-q", 22));
    buffer_clear(&b);
    EXPECT_INT(b.size, 0);
    buffer_free(&b);
}

TEST(grows_to_its_maximum_and_no_further) {
    struct buffer b;
    buffer_init(&b, 1003);
    for (int i = 0; i < 100; i++) buffer_printf(&b, "%010d", i);
    EXPECT(!b.overflowed && b.size == 1000);
    buffer_append(&b, "abcd", 4);
    EXPECT(b.overflowed && b.size == 1000);
    buffer_append(&b, "a", 1);  // what follows goes too: a text with a hole is worse than a short one
    EXPECT(b.size == 1000 && !buffer_extend(&b, 0));
    buffer_clear(&b);
    EXPECT(!b.overflowed);
    EXPECT(buffer_extend(&b, 1003) != NULL);
    EXPECT(!buffer_extend(&b, 1) && b.overflowed && b.capacity <= 1003);
    buffer_clear(&b);
    EXPECT(!buffer_extend(&b, SIZE_MAX));
    buffer_free(&b);
}

TEST(text_may_fill_it_to_the_last_byte) {
    struct buffer b;
    buffer_init(&b, 5);
    buffer_printf(&b, "12345");
    EXPECT(!b.overflowed && holds(&b, "12345", 5));
    buffer_clear(&b);
    buffer_printf(&b, "123456");
    EXPECT(b.overflowed && b.size == 0);
    buffer_free(&b);
}

int main(void) {
    RUN(appends_in_network_order);
    RUN(grows_to_its_maximum_and_no_further);
    RUN(text_may_fill_it_to_the_last_byte);
    return test_result();
}
