// Log lines and error values: their form, their limits, and one line staying one line.
#include "base/log.h"

#include "base/error.h"
#include "unit/test.h"

static char lines[4096];

static void remember(void *context, enum log_level level, const char *line, size_t size) {
    (void)level;
    snprintf(context, sizeof lines, "%.*s", (int)size, line);
}

static struct logger logger = {.level = LOG_INFO, .sink = remember, .context = lines};

TEST(lines_are_logfmt) {
    log_line(&logger, LOG_WARN, "partition halted", "topic=%s partition=%d", "orders", 4);
    EXPECT_TEXT(lines, "level=warn msg=\"partition halted\" topic=orders partition=4");
    log_line(&logger, LOG_ERROR, "stopped", NULL);
    EXPECT_TEXT(lines, "level=error msg=stopped");
    log_line(&logger, LOG_DEBUG, "below the level", NULL);
    EXPECT_TEXT(lines, "level=error msg=stopped");
}

TEST(lines_are_cut_and_stay_one_line) {
    static char text[3000];
    memset(text, 'a', sizeof text - 1);
    text[30] = '\n';
    text[31] = '\x1b';
    log_line(&logger, LOG_INFO, "m", "t=%s", text);
    EXPECT_INT(strlen(lines), LOG_LINE_MAX);
    EXPECT(!strchr(lines, '\n') && !strchr(lines, '\x1b') && strstr(lines, "aa??aa"));
    log_line(&logger, LOG_INFO, text, "x=1");
    EXPECT(strlen(lines) < LOG_LINE_MAX && strstr(lines, "aaa\" x=1"));
}

TEST(values_are_quoted_where_needed) {
    char out[64];
    EXPECT_TEXT(log_quote("orders-4", out, sizeof out), "orders-4");
    EXPECT_TEXT(log_quote("", out, sizeof out), "\"\"");
    EXPECT_TEXT(log_quote("a b", out, sizeof out), "\"a b\"");
    EXPECT_TEXT(log_quote("a=b", out, sizeof out), "\"a=b\"");
    EXPECT_TEXT(log_quote("say \"x\\y\"\n\t", out, sizeof out), "\"say \\\"x\\\\y\\\"\\n\\x09\"");
    EXPECT_TEXT(log_quote("Ž\xff", out, sizeof out), "Ž\xff");
    EXPECT_TEXT(log_quote("abcdef", out, 4), "abc");
    EXPECT_TEXT(log_quote("a bcdef", out, 6), "\"a b\"");
    EXPECT_TEXT(log_quote("a\n", out, 5), "\"a\"");  // no half of an escape
    EXPECT_TEXT(log_quote(" ", out, 3), "\"\"");
    EXPECT_TEXT(log_quote(" ", out, 2), "");
    EXPECT_TEXT(log_quote("x", out, 2), "x");
}

TEST(levels_have_names) {
    enum log_level level = LOG_ERROR;
    EXPECT(log_level_parse("debug", &level) && level == LOG_DEBUG);
    EXPECT(log_level_parse(log_level_name(LOG_WARN), &level) && level == LOG_WARN);
    EXPECT(!log_level_parse("WARN", &level) && !log_level_parse("", &level) && level == LOG_WARN);
}

TEST(errors_say_what_happened) {
    struct error none = error_none(), e = error_make(ERROR_KAFKA, 47, "produce", "%s-%d", "orders", 4);
    EXPECT(!error_is(&none) && error_is(&e));
    EXPECT_INT(e.code, 47);
    EXPECT_TEXT(e.where, "produce");
    EXPECT_TEXT(e.detail, "orders-4");
    EXPECT_TEXT(error_kind_name(e.kind), "kafka");
    e = error_make(ERROR_CONFIG, 0, "x", "%200d", 1);
    EXPECT_INT(strlen(e.detail), ERROR_DETAIL_MAX - 1);
}

int main(void) {
    RUN(lines_are_logfmt);
    RUN(lines_are_cut_and_stay_one_line);
    RUN(values_are_quoted_where_needed);
    RUN(levels_have_names);
    RUN(errors_say_what_happened);
    return test_result();
}
