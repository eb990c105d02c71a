// The status line: what it says while all is well, and when nobody can know whether all is.
#include "app/status_line.h"

#include "base/limits.h"
#include "unit/test.h"

static const struct status_totals well = {
    .sum = {.copying = 2, .caught_up = 3, .halted = 1, .busy = 4, .topics_halted = 5, .lag_records = 7, .lag_ms = 1500},
    .records = 2000,
    .bytes = 3000000,
};

static const char *text(const struct status_totals *t) {
    static char out[STATUS_SIZE_MAX];
    struct status_line line = {.shown_at_us = 1000000, .records = 1000, .bytes = 1000000};
    status_line_text(&line, t, 2000000, out, sizeof out);
    return out;
}

static const char *pairs(const struct status_totals *t) {
    static char out[STATUS_SIZE_MAX];
    struct status_line line = {.shown_at_us = 1000000, .records = 1000, .bytes = 1000000};
    status_line_pairs(&line, t, 2000000, out, sizeof out);
    return out;
}

TEST(rates_are_since_the_last_line) {
    EXPECT_TEXT(text(&well), "1000 records/s  2.0 MB/s  partitions: 2 copying, 3 caught up, 1 halted, 4 busy  "
                            "lag: 7 records, 1.5 s");
    EXPECT_TEXT(pairs(&well), "records_per_s=1000 mb_per_s=2.0 copying=2 caught_up=3 halted=1 busy=4 topics_halted=5 "
                             "unreachable=0 not_joined=0 lag_records=7 lag_s=1.5");
}

TEST(who_may_work_on_nothing_knows_no_lag) {
    struct status_totals outside = well;
    outside.sum = (struct flow_status){.unreachable = 2, .not_joined = 1};
    EXPECT_TEXT(text(&outside), "brokers unreachable: 2  flows not in their group: 1  1000 records/s  2.0 MB/s  "
                               "partitions: 0 copying, 0 caught up, 0 halted, 0 busy  lag: unknown");
    EXPECT_TEXT(pairs(&outside), "records_per_s=1000 mb_per_s=2.0 copying=0 caught_up=0 halted=0 busy=0 "
                                "topics_halted=0 unreachable=2 not_joined=1 lag_records=unknown lag_s=unknown");
}

int main(void) {
    RUN(rates_are_since_the_last_line);
    RUN(who_may_work_on_nothing_knows_no_lag);
    return test_result();
}
