// The syntax of java.util.Properties.load, case by case.
#include "app/properties.h"

#include "base/limits.h"
#include "base/memory.h"
#include "unit/test.h"

static struct problems problems;
static struct properties properties;

static bool load(const char *text) {
    problems_init(&problems, "f");
    return properties_parse((struct bytes){(const uint8_t *)text, strlen(text)}, &properties, &problems);
}

static void done(void) {
    properties_free(&properties);
    problems_free(&problems);
}

static const char *get(const char *key) {
    const struct property *p = properties_get(&properties, key);
    return p ? p->value : "(not set)";
}

static uint32_t line_of(const char *key) {
    const struct property *p = properties_get(&properties, key);
    return p ? p->line : 0;
}

static const char *said(struct buffer *b) {
    buffer_append_u8(b, 0);
    return (const char *)b->at;
}

TEST(a_byte_order_mark_is_no_part_of_the_first_key) {
    EXPECT(load("\xef\xbb\xbf" "clusters = a, b\r\nx = 1\r\n"));
    EXPECT_TEXT(get("clusters"), "a, b");
    EXPECT_TEXT(get("x"), "1");
    done();
}

TEST(separators) {
    EXPECT(load("a=1\nb:2\nc 3\nd\t=\t4\ne = = 5\nf : :6\ng\nh=\n  i\f7\nj  8 = 9\n"));
    EXPECT_TEXT(get("a"), "1");
    EXPECT_TEXT(get("b"), "2");
    EXPECT_TEXT(get("c"), "3");
    EXPECT_TEXT(get("d"), "4");
    EXPECT_TEXT(get("e"), "= 5");
    EXPECT_TEXT(get("f"), ":6");
    EXPECT_TEXT(get("g"), "");
    EXPECT_TEXT(get("h"), "");
    EXPECT_TEXT(get("i"), "7");
    EXPECT_TEXT(get("j"), "8 = 9");
    EXPECT_INT(properties.count, 10);
    done();
}

TEST(comments_and_blank_lines) {
    EXPECT(load("# no = 1 \\\na = 1\n   ! no = 2\n\n \t\f\nb = #2\n"));
    EXPECT_INT(properties.count, 2);
    EXPECT_TEXT(get("a"), "1");
    EXPECT_TEXT(get("b"), "#2");
    EXPECT_INT(line_of("b"), 6);
    done();
}

TEST(continued_lines) {
    EXPECT(load("a = 1,\\\n    2,\\\r\n\t3\nb = x\\\\\nc = y\\\\\\\nz\nd = v\\\n\ne = w\\\n# no comment\nf=end\\"));
    EXPECT_TEXT(get("a"), "1,2,3");
    EXPECT_TEXT(get("b"), "x\\");
    EXPECT_TEXT(get("c"), "y\\z");
    EXPECT_TEXT(get("d"), "v");
    EXPECT_TEXT(get("e"), "w# no comment");
    EXPECT_TEXT(get("f"), "end");
    EXPECT_INT(line_of("a"), 1);
    EXPECT_INT(line_of("b"), 4);
    done();
}

TEST(line_ends) {
    EXPECT(load("a=1\rb=2\r\nc=3\n\rd=4"));
    EXPECT_INT(properties.count, 4);
    EXPECT_INT(line_of("b"), 2);
    EXPECT_INT(line_of("c"), 3);
    EXPECT_INT(line_of("d"), 5);
    EXPECT_TEXT(get("d"), "4");
    done();
}

TEST(escapes) {
    EXPECT(load("a\\ b\\=c\\:d = t\\tn\\nr\\rf\\fq\\q \\\"\\\\ trailing  \n"
                "\\#e=\\u0041\\u00e4\\u20AC\\ud83d\\uDE00\n"));
    EXPECT_TEXT(get("a b=c:d"), "t\tn\nr\rf\fqq \"\\ trailing  ");
    EXPECT_TEXT(get("#e"), "A\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
    done();
}

TEST(a_broken_unicode_escape_is_named_and_the_rest_is_read) {
    EXPECT(!load("a=1\nb=\\u12g4\nc=\\u123\nd=\\ud800x\ne=\\u0000\nf=2\n"));
    EXPECT_TEXT(said(&problems.errors), "f:2: malformed \\uxxxx: expected four hexadecimal digits\n"
                                        "f:3: malformed \\uxxxx: expected four hexadecimal digits\n"
                                        "f:4: \\uxxxx: half of a surrogate pair is no character\n"
                                        "f:5: \\u0000: a zero has no place in a setting\n");
    EXPECT_TEXT(get("f"), "2");
    EXPECT_INT(properties.count, 2);
    done();
}

TEST(the_last_of_two_wins_with_a_warning) {
    EXPECT(load("a=1\nb=2\na=3\n"));
    EXPECT_TEXT(get("a"), "3");
    EXPECT_INT(line_of("a"), 3);
    EXPECT_INT(properties.count, 2);
    EXPECT_TEXT(said(&problems.warnings), "f:3: a is also set in line 1: this line wins\n");
    done();
}

TEST(a_file_too_large_is_refused) {
    char *text = memory_alloc(PROPERTIES_SIZE_MAX + 2);
    memset(text, '#', PROPERTIES_SIZE_MAX + 1);
    text[PROPERTIES_SIZE_MAX + 1] = '\0';
    EXPECT(!load(text));
    done();
    text[PROPERTIES_SIZE_MAX] = '\0';
    EXPECT(load(text));
    done();
    memory_free(text);
}

TEST(a_zero_byte_is_refused) {
    problems_init(&problems, "f");
    EXPECT(!properties_parse((struct bytes){(const uint8_t *)"a=1\0", 4}, &properties, &problems));
    EXPECT_TEXT(said(&problems.errors), "f:1: a zero byte: is this a text file?\n");
    done();
}

int main(void) {
    RUN(a_byte_order_mark_is_no_part_of_the_first_key);
    RUN(separators);
    RUN(comments_and_blank_lines);
    RUN(continued_lines);
    RUN(line_ends);
    RUN(escapes);
    RUN(a_broken_unicode_escape_is_named_and_the_rest_is_read);
    RUN(the_last_of_two_wins_with_a_warning);
    RUN(a_file_too_large_is_refused);
    RUN(a_zero_byte_is_refused);
    return test_result();
}
