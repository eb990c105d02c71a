// The round trip to a broker, the rate at which its answers come, and how many fetch sessions that suggests.
#include "client/line.h"

#include "base/limits.h"
#include "base/rare.h"

#include <assert.h>

void line_init(struct line *l, int32_t sessions_min) {
    assert(sessions_min >= 1 && sessions_min <= FETCH_SESSIONS_MAX);
    *l = (struct line){.sessions = sessions_min,
                       .sessions_min = sessions_min,
                       .pause_us = LINE_TRY_PAUSE_US_MIN};
}

// Round trip --------------------------------------------------------------------------------------------------------

void line_saw_round_trip(struct line *l, int64_t round_trip_us, int64_t now_us) {
    if (round_trip_us < 1) round_trip_us = 1;
    if (now_us >= l->window_ends_us) {  // a way can change: what was seen long ago counts no more
        l->round_trip_us[1] = l->round_trip_us[0];
        l->round_trip_us[0] = 0;
        l->window_ends_us = now_us + LINE_WINDOW_US;
    }
    if (l->round_trip_us[0] == 0 || round_trip_us < l->round_trip_us[0]) l->round_trip_us[0] = round_trip_us;
}

int64_t line_round_trip_us(const struct line *l) {
    int64_t a = l->round_trip_us[0], b = l->round_trip_us[1];
    return b > 0 && b < a ? b : a;
}

bool line_is_long(const struct line *l) {
    int64_t us = line_round_trip_us(l);
    bool busy_broker = l->way_us > 0 && l->way_us < LINE_LONG_US / 2 && us < LINE_BEHIND_PROXY_US;
    return us >= LINE_LONG_US && !busy_broker;
}

// Sessions ----------------------------------------------------------------------------------------------------------

static int32_t at_most(int32_t a, int32_t b) {
    return a < b ? a : b;
}

static bool has_room(const struct line *l, const struct line_seen *seen) {
    return l->sessions < seen->sessions_max && l->sessions < FETCH_SESSIONS_MAX;
}

static void change(struct line *l, int32_t sessions, const struct line_seen *seen) {
    l->sessions = sessions;
    l->state = LINE_WARMING;
    l->since_us = seen->now_us;
}

static int32_t more_than_now(const struct line *l) {
    return at_most(l->sessions * 2, FETCH_SESSIONS_MAX);
}

static void try_others(struct line *l, const struct line_seen *seen) {
    l->before = l->sessions;
    if (l->descending) {
        RARE("line: fewer sessions are tried");
        change(l, l->sessions / 2, seen);
    } else {
        RARE("line: more sessions are tried");
        change(l, more_than_now(l), seen);
    }
}

// The rate with fewer is compared with the best of those before, so that many small losses do not add up.
static bool was_worth_it(const struct line *l, double rate, int32_t sessions_max) {
    if (l->descending) return rate >= l->rate_best * LINE_FEWER_PART;
    double more = (double)at_most(l->sessions, sessions_max) / l->before - 1;
    return rate >= l->rate_best * (1 + more * LINE_GROWTH_PART);
}

static void keep(struct line *l, const struct line_seen *seen) {
    l->before = 0;
    l->proven = l->sessions;
    l->pause_us = LINE_TRY_PAUSE_US_MIN;
    l->try_us = seen->now_us;
}

static void take_back(struct line *l, const struct line_seen *seen) {
    RARE("line: another number of sessions is taken back");
    change(l, l->before, seen);
    l->before = 0;
    l->proven = l->sessions;
    l->descending = false;
    // A try of fewer costs the line what they carry less, and brings only the broker something: that has time.
    l->try_us = seen->now_us + l->pause_us + (has_room(l, seen) ? 0 : LINE_TRY_FEWER_LATER_US);
    l->pause_us = l->pause_us * 2 < LINE_TRY_PAUSE_US_MAX ? l->pause_us * 2 : LINE_TRY_PAUSE_US_MAX;
}

static void measure_from(struct line *l, const struct line_seen *seen) {
    l->state = LINE_MEASURING;
    l->since_us = seen->now_us;
    l->since_bytes = seen->received;
}

static int64_t patience_us(const struct line *l) {
    return line_interval_us(l) * LINE_PATIENT_INTERVALS;
}

// What is tried next: more where there is room for more, else fewer.
static void go_on(struct line *l, double rate, const struct line_seen *seen) {
    bool due = seen->now_us >= l->try_us, room = has_room(l, seen), descended = l->descending;
    l->descending = (l->descending || (due && !room)) && l->sessions / 2 >= l->sessions_min;
    if (!descended || !l->descending || rate > l->rate_best) l->rate_best = rate;
    if (due && (l->descending || room)) try_others(l, seen);
    else measure_from(l, seen);
}

static void measured(struct line *l, const struct line_seen *seen) {
    int64_t us = seen->now_us - l->since_us, bytes = seen->received - l->since_bytes;
    if (us < line_interval_us(l)) return;
    double rate = (double)bytes / (double)us;
    bool much_less = l->before > l->sessions && rate < l->rate_best * LINE_MUCH_LESS_PART;
    bool says_little = bytes < 2 * seen->grain && us < LINE_MEASURE_US_MAX;
    if (!much_less && (us < patience_us(l) || says_little)) return;
    if (l->before > 0) {
        if (!was_worth_it(l, rate, seen->sessions_max)) {
            take_back(l, seen);
            return;
        }
        keep(l, seen);
    }
    go_on(l, rate, seen);
}

// Every session has what it should, and TCP had the time to see how much that carries.
static bool is_warm(const struct line *l, const struct line_seen *seen) {
    int64_t us = seen->now_us - l->since_us;
    return us >= patience_us(l) && (!seen->turning || us >= LINE_MEASURE_US_MAX);
}

static void no_backlog(struct line *l, const struct line_seen *seen) {
    if (l->before > 0) l->sessions = l->before;
    l->before = 0;
    l->climbing = false;
    l->state = LINE_QUIET;
    if (seen->now_us - l->backlog_us >= LINE_QUIET_US) l->sessions = l->sessions_min;
}

static void begin(struct line *l, const struct line_seen *seen) {
    l->descending = l->proven == 0;
    l->rate_best = 0;
    change(l, l->sessions > l->proven ? l->sessions : l->proven, seen);
}

// Nobody knows what is too many before there are: what each step brings shows only seconds later. (Partitions come one
// after the other, and with them the room for more.)
static void climb(struct line *l, const struct line_seen *seen) {
    RARE("line: more sessions, because there is more to fetch");
    change(l, more_than_now(l), seen);
}

static void backlog(struct line *l, const struct line_seen *seen) {
    l->backlog_us = seen->now_us;
    if (l->state == LINE_QUIET) begin(l, seen);
    l->climbing = l->proven == 0 && l->before == 0 && has_room(l, seen);
    if (l->climbing) climb(l, seen);
    else if (l->state == LINE_MEASURING) measured(l, seen);
    else if (is_warm(l, seen)) measure_from(l, seen);
}

static void stay_small(struct line *l) {
    l->state = LINE_QUIET;
    l->before = l->proven = 0;
    l->climbing = false;
    l->sessions = l->sessions_min;
}

bool line_look(struct line *l, const struct line_seen *seen) {
    int32_t sessions = l->sessions;
    if (!line_is_long(l)) stay_small(l);
    else if (seen->backlog) backlog(l, seen);
    else no_backlog(l, seen);
    return l->sessions != sessions;
}

int64_t line_interval_us(const struct line *l) {
    int64_t interval = LINE_INTERVAL_ROUND_TRIPS * line_round_trip_us(l);
    if (!line_is_long(l) || interval > LINE_INTERVAL_US_MAX) return LINE_INTERVAL_US_MAX;
    return interval > LINE_INTERVAL_US_MIN ? interval : LINE_INTERVAL_US_MIN;
}

int64_t line_fetch_bytes(const struct line *l, int64_t bytes, int64_t us, int64_t waited_us) {
    // While it climbs partitions go to new sessions, and only between two fetches: none may take long, come what may.
    if (l->climbing) return FETCH_BYTES_FIRST;
    int64_t wait = waited_us > line_round_trip_us(l) ? waited_us : line_round_trip_us(l);
    int64_t lasts = wait * LINE_FETCH_ROUND_TRIPS;
    if (lasts > LINE_FETCH_US_MAX) lasts = LINE_FETCH_US_MAX;
    return us > 0 ? (int64_t)((double)bytes * (double)lasts / (double)us) : bytes;
}
