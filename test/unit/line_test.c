// How many fetch sessions a line is worth, told as stories: a modelled line with its rate and what one connection
// carries, looked at as a flow does it.
#include "unit/test.h"

#include "base/limits.h"
#include "client/line.h"

#define MS 1000
#define SECOND 1000000

// What the line can do, and what is there to be fetched.
struct way {
    int64_t round_trip_us;
    double rate, each;  // bytes a microsecond: of the line, and of one connection at most
    int32_t partitions;
    bool idle;
};

static struct line l;
static struct way way;
static int64_t now_us, received;
static int32_t most;  // sessions seen

static void begin(struct way w) {
    line_init(&l, FETCH_SESSIONS_SHORT);
    way = w;
    now_us = SECOND;
    received = 0;
    most = l.sessions;
}

static double rate_of(int32_t sessions) {
    double rate = way.each * (sessions < way.partitions ? sessions : way.partitions);
    return rate < way.rate ? rate : way.rate;
}

static void pass(int64_t us) {
    for (int64_t end = now_us + us; now_us < end;) {
        int64_t interval = line_interval_us(&l);
        now_us += interval;
        if (!way.idle) received += (int64_t)(rate_of(l.sessions) * (double)interval);
        line_saw_round_trip(&l, way.round_trip_us, now_us);
        struct line_seen seen = {.now_us = now_us,
                                 .received = received,
                                 .grain = l.sessions * 64 * KiB,
                                 .sessions_max = way.partitions,
                                 .backlog = !way.idle};
        line_look(&l, &seen);
        if (l.sessions > most) most = l.sessions;
    }
}

// clang-format off
static const struct {
    const char *story;
    struct way way;
    int64_t us;
    int32_t sessions, most;
} choices[] = {
    // story                                         round trip  rate   each  partitions   after         chosen  tried
    {"next door nothing is tried"                  , {  300     , 500  , 100 , 100, false}, 60 * SECOND,  2     ,  2 },
    {"one connection nearly fills a short way"     , {  10 * MS , 50   , 40  , 100, false}, 30 * SECOND,  2     , 64 },
    {"sixteen fill the line, eight do not"         , { 100 * MS , 50   , 3.2 , 100, false}, 45 * SECOND, 16     , 64 },
    {"a fifth less is too little"                  , { 100 * MS , 50   , 2.5 , 100, false}, 35 * SECOND, 32     , 64 },
    {"a twenty-fifth less is not"                  , { 100 * MS , 50   , 3   , 100, false}, 45 * SECOND, 16     , 64 },
    {"many small losses do not add up"             , { 100 * MS , 50   , 1.5 , 100, false}, 35 * SECOND, 32     , 64 },
    {"far away it takes longer"                    , { 250 * MS , 50   , 0.8 , 100, false}, 60 * SECOND, 64     , 64 },
    {"losses: as many as may be"                   , { 100 * MS , 50   , 0.17, 100, false}, 60 * SECOND, 64     , 64 },
    {"one partition is in one session"             , { 100 * MS , 50   , 3.2 ,   1, false}, 60 * SECOND,  2     ,  2 },
    {"four partitions in four"                     , { 100 * MS , 50   , 3.2 ,   4, false}, 25 * SECOND,  4     ,  4 },
    {"the ninth of nine is alone"                  , { 100 * MS , 50   , 3.2 ,   9, false}, 25 * SECOND, 16     , 16 },
    {"a slow line"                                 , { 100 * MS , 0.6  , 3.2 , 100, false}, 80 * SECOND,  2     , 64 },
    {"nothing to fetch, nothing to try"            , { 100 * MS , 50   , 3.2 , 100, true }, 60 * SECOND,  2     ,  2 },
};
// clang-format on

TEST(the_sessions_follow_the_line) {
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
        begin(choices[i].way);
        pass(choices[i].us);
        if (l.sessions != choices[i].sessions || most != choices[i].most) printf("%s:\n", choices[i].story);
        EXPECT_INT(l.sessions, choices[i].sessions);
        EXPECT_INT(most, choices[i].most);
    }
}

// Until other numbers were tried, and it is `sessions` again.
static void pass_a_try(int32_t sessions) {
    int64_t until = now_us + 200 * SECOND;
    while (l.sessions == sessions && now_us < until) pass(100 * MS);
    while (l.sessions != sessions && now_us < until) pass(100 * MS);
}

TEST(what_was_taken_back_is_tried_again_later_and_later) {
    begin((struct way){100 * MS, 50, 3.2, 100, false});
    pass(45 * SECOND);
    EXPECT_INT(l.sessions, 16);
    pass_a_try(16);
    int64_t takes_us = 3 * LINE_PATIENT_INTERVALS * line_interval_us(&l);
    for (int64_t pause_us = 2 * LINE_TRY_PAUSE_US_MIN; pause_us <= LINE_TRY_PAUSE_US_MIN * 8; pause_us *= 2) {
        int64_t before_us = now_us;
        most = 0;
        pass_a_try(16);
        EXPECT_INT(most, 32);
        EXPECT(now_us - before_us > pause_us);
        EXPECT(now_us - before_us < pause_us + takes_us + 2 * SECOND);
    }
}

TEST(fewer_are_tried_again_late_where_there_is_no_room_for_more) {
    begin((struct way){100 * MS, 50, 2.8, 16, false});
    while (l.before == 0) pass(100 * MS);
    EXPECT_INT(l.sessions, 8);
    while (l.sessions == 8) pass(100 * MS);
    int64_t back_us = now_us;
    while (l.sessions == 16) pass(100 * MS);
    EXPECT_INT(l.sessions, 8);
    EXPECT(now_us - back_us >= LINE_TRY_PAUSE_US_MIN + LINE_TRY_FEWER_LATER_US);
}

// Passes one look, in which `rate` bytes a microsecond come.
static void look(double rate) {
    now_us += line_interval_us(&l);
    received += (int64_t)(rate * (double)line_interval_us(&l));
    struct line_seen seen = {
        .now_us = now_us, .received = received, .sessions_max = way.partitions, .backlog = true};
    line_look(&l, &seen);
}

static void begin_looks(int32_t partitions) {
    begin((struct way){.round_trip_us = 100 * MS, .partitions = partitions});
    line_saw_round_trip(&l, 100 * MS, now_us);
}

// Windows grow late, and the first packets are lost late.
TEST(what_each_step_brings_is_not_asked_at_first) {
    begin_looks(100);
    for (int32_t sessions = 2 * FETCH_SESSIONS_SHORT; sessions <= FETCH_SESSIONS_MAX; sessions *= 2) {
        look(30 / sessions);
        EXPECT_INT(l.sessions, sessions);
        EXPECT_INT(line_fetch_bytes(&l, 10 * MiB, SECOND, 0), FETCH_BYTES_FIRST);  // partitions find their places soon
    }
    look(1);
    EXPECT(line_fetch_bytes(&l, 10 * MiB, SECOND, 0) > FETCH_BYTES_FIRST);
}

TEST(there_is_room_for_more_sessions_when_partitions_have_come) {
    begin_looks(4);
    for (int i = 0; i < 5; i++) look(10);
    EXPECT_INT(l.sessions, 4);
    way.partitions = 10;
    for (int i = 0; i < 5; i++) look(10);
    EXPECT_INT(l.sessions, 16);
}

TEST(fewer_are_judged_when_windows_have_grown) {
    begin_looks(100);
    while (l.sessions < 64) look(30);
    while (l.sessions == 64) look(40);
    EXPECT_INT(l.sessions, 32);
    for (int i = 0; i < LINE_PATIENT_INTERVALS; i++) look(10);
    for (int i = 0; i < LINE_PATIENT_INTERVALS; i++) {
        EXPECT_INT(l.sessions, 32);
        look(39);
    }
    EXPECT_INT(l.proven, 32);
    EXPECT_INT(l.sessions, 16);  // and still fewer are tried at once
}

TEST(what_is_much_less_is_seen_soon) {
    begin_looks(100);
    while (l.sessions < 64) look(30);
    while (l.sessions == 64) look(40);
    for (int i = 0; i <= LINE_PATIENT_INTERVALS; i++) look(20);
    EXPECT_INT(l.sessions, 64);
    EXPECT_INT(l.proven, 64);
}

TEST(a_line_that_gets_worse_gets_more_sessions) {
    begin((struct way){100 * MS, 50, 25, 100, false});
    pass(80 * SECOND);
    EXPECT_INT(l.sessions, 2);
    way.each = 1;  // packets are lost from now on
    pass(120 * SECOND);
    EXPECT_INT(l.sessions, 64);
}

TEST(a_line_that_gets_better_gets_fewer) {
    begin((struct way){100 * MS, 50, 1, 100, false});
    pass(30 * SECOND);
    EXPECT_INT(l.sessions, 64);
    way.each = 10;
    pass(120 * SECOND);
    EXPECT(l.sessions <= 16);
}

TEST(sessions_are_let_go_after_the_backlog_and_come_back_with_the_next) {
    begin((struct way){100 * MS, 50, 3.2, 100, false});
    pass(45 * SECOND);
    EXPECT_INT(l.sessions, 16);
    way.idle = true;
    pass(20 * SECOND);
    EXPECT_INT(l.sessions, 16);  // it may come back
    pass(20 * SECOND);
    EXPECT_INT(l.sessions, FETCH_SESSIONS_SHORT);
    way.idle = false;
    pass(SECOND);
    EXPECT_INT(l.sessions, 16);
}

TEST(a_try_that_loses_its_backlog_is_taken_back) {
    begin((struct way){100 * MS, 50, 3.2, 100, false});
    while (l.before == 0) pass(100 * MS);
    EXPECT_INT(l.sessions, 32);
    way.idle = true;
    pass(SECOND);
    EXPECT_INT(l.sessions, 64);
    EXPECT_INT(l.before, 0);
}

TEST(a_way_that_becomes_short_needs_few_sessions) {
    begin((struct way){100 * MS, 50, 3.2, 100, false});
    pass(45 * SECOND);
    EXPECT_INT(l.sessions, 16);
    way.round_trip_us = 500;
    pass(SECOND);
    EXPECT_INT(l.sessions, FETCH_SESSIONS_SHORT);
}

TEST(the_round_trip_is_the_shortest_lately) {
    line_init(&l, 1);
    EXPECT_INT(line_round_trip_us(&l), 0);
    EXPECT(!line_is_long(&l));
    line_saw_round_trip(&l, 120 * MS, 0);
    line_saw_round_trip(&l, 100 * MS, SECOND);
    line_saw_round_trip(&l, 600 * MS, 2 * SECOND);  // a long poll
    EXPECT_INT(line_round_trip_us(&l), 100 * MS);
    line_saw_round_trip(&l, 250 * MS, LINE_WINDOW_US + SECOND);  // another way since then
    EXPECT_INT(line_round_trip_us(&l), 100 * MS);
    line_saw_round_trip(&l, 260 * MS, 2 * LINE_WINDOW_US + 2 * SECOND);
    EXPECT_INT(line_round_trip_us(&l), 250 * MS);
    line_saw_round_trip(&l, 0, 2 * LINE_WINDOW_US + 3 * SECOND);  // the clock did not move
    EXPECT_INT(line_round_trip_us(&l), 1);
}

TEST(a_change_is_not_judged_before_all_sessions_have_turned) {
    begin((struct way){100 * MS, 50, 3.2, 100, false});
    while (l.before == 0) pass(100 * MS);
    for (int i = 0; i < LINE_MEASURE_US_MAX / SECOND - 1; i++) {
        now_us += SECOND;
        struct line_seen seen = {
            .now_us = now_us, .received = received, .sessions_max = 100, .backlog = true, .turning = true};
        EXPECT(!line_look(&l, &seen));
        EXPECT_INT(l.state, LINE_WARMING);
    }
    pass(8 * SECOND);  // not one byte came while it warmed up, and that counts for nothing
    EXPECT_INT(l.proven, 32);
}

TEST(who_never_turns_is_not_waited_for_longer) {
    begin((struct way){100 * MS, 50, 3.2, 100, false});
    while (l.before == 0) pass(100 * MS);
    int64_t began_us = now_us;
    while (l.state == LINE_WARMING && now_us < began_us + 2 * LINE_MEASURE_US_MAX) {
        now_us += SECOND;
        struct line_seen seen = {
            .now_us = now_us, .received = received, .sessions_max = 100, .backlog = true, .turning = true};
        line_look(&l, &seen);
    }
    EXPECT_INT(l.state, LINE_MEASURING);
}

TEST(few_bytes_say_little) {
    begin_looks(100);
    struct line_seen seen = {.grain = 2 * MiB, .sessions_max = 100, .backlog = true};
    for (int i = 0; i < 100 && l.state != LINE_MEASURING; i++) look(0);
    int64_t since_us = now_us;
    while (now_us - since_us < LINE_MEASURE_US_MAX - SECOND) {  // 0.2 MiB a second
        seen.now_us = now_us += SECOND;
        seen.received = received += 200 * KiB;
        line_look(&l, &seen);
        EXPECT_INT(l.before, 0);
    }
    seen.now_us = now_us += SECOND;
    line_look(&l, &seen);
    EXPECT_INT(l.before, 64);  // but one cannot wait for ever
}

TEST(a_busy_broker_does_not_make_a_line_long) {
    line_init(&l, 2);
    line_saw_round_trip(&l, LINE_LONG_US, SECOND);
    EXPECT(line_is_long(&l));
    l.way_us = 50;
    EXPECT(!line_is_long(&l));
    l.way_us = LINE_LONG_US;
    EXPECT(line_is_long(&l));
    l.way_us = 50;
    l.round_trip_us[0] = LINE_BEHIND_PROXY_US;  // the way to the proxy is short
    EXPECT(line_is_long(&l));
    l.round_trip_us[0] = LINE_BEHIND_PROXY_US - 1;
    EXPECT(!line_is_long(&l));
}

TEST(a_fetch_is_worth_many_round_trips) {
    line_init(&l, 2);
    line_saw_round_trip(&l, 100 * MS, SECOND);
    EXPECT_INT(line_fetch_bytes(&l, 1000000, SECOND, 0), 1600000);  // LINE_FETCH_ROUND_TRIPS at 1 MB/s
    EXPECT_INT(line_fetch_bytes(&l, 1000000, 0, 0), 1000000);
    EXPECT_INT(line_fetch_bytes(&l, 1000000, SECOND, 50 * MS), 1600000);
    EXPECT_INT(line_fetch_bytes(&l, 1000000, SECOND, 200 * MS), 3200000);  // who thinks longer is asked for more
    l.round_trip_us[0] = SECOND;
    EXPECT_INT(line_fetch_bytes(&l, 1000000, SECOND, 0), 1000000 * (LINE_FETCH_US_MAX / SECOND));
}

int main(void) {
    RUN(the_sessions_follow_the_line);
    RUN(what_was_taken_back_is_tried_again_later_and_later);
    RUN(fewer_are_tried_again_late_where_there_is_no_room_for_more);
    RUN(what_each_step_brings_is_not_asked_at_first);
    RUN(there_is_room_for_more_sessions_when_partitions_have_come);
    RUN(fewer_are_judged_when_windows_have_grown);
    RUN(what_is_much_less_is_seen_soon);
    RUN(a_line_that_gets_worse_gets_more_sessions);
    RUN(a_line_that_gets_better_gets_fewer);
    RUN(sessions_are_let_go_after_the_backlog_and_come_back_with_the_next);
    RUN(a_try_that_loses_its_backlog_is_taken_back);
    RUN(a_way_that_becomes_short_needs_few_sessions);
    RUN(the_round_trip_is_the_shortest_lately);
    RUN(a_change_is_not_judged_before_all_sessions_have_turned);
    RUN(who_never_turns_is_not_waited_for_longer);
    RUN(few_bytes_say_little);
    RUN(a_busy_broker_does_not_make_a_line_long);
    RUN(a_fetch_is_worth_many_round_trips);
    return test_result();
}
