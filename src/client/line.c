// The round trip to a broker, the rate at which its answers come, and how many fetch sessions that suggests.
#include "client/line.h"

#include "base/limits.h"
#include "base/rare.h"

#include <assert.h>

void line_init(struct line *l, int32_t sessions_min) {
    assert(sessions_min >= 1 && sessions_min <= FETCH_SESSIONS_MAX);
    *l = (struct line){.sessions = sessions_min,
                       .sessions_min = sessions_min,
                       .proven = sessions_min,
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

static void measure_from(struct line *l, const struct line_seen *seen) {
    l->state = LINE_MEASURING;
    l->since_us = seen->now_us;
    l->since_bytes = seen->received;
}

static void change(struct line *l, int32_t sessions, const struct line_seen *seen) {
    l->sessions = sessions;
    l->state = LINE_WARMING;
    l->since_us = seen->now_us;
}

static void double_sessions(struct line *l, const struct line_seen *seen) {
    change(l, at_most(l->sessions * 2, FETCH_SESSIONS_MAX), seen);
}

static int64_t patience_us(const struct line *l) {
    return line_interval_us(l) * (l->patient ? LINE_PATIENT_INTERVALS : 1);
}

static void settle(struct line *l) {
    l->before = l->declined = 0;
    l->patient = false;
}

static void keep(struct line *l) {
    settle(l);
    l->proven = l->sessions;
    l->pause_us = LINE_TRY_PAUSE_US_MIN;
}

// The rate must have grown by a good part of what so many more sessions could bring; of a second doubling, which is
// measured for long, as much as of the first.
static bool was_worth_it(const struct line *l, double rate, int32_t sessions_max) {
    double more = (double)at_most(l->sessions, sessions_max) / l->before - 1;
    return rate >= l->rate_before * (1 + (more < 1 ? more : 1) * LINE_GROWTH_PART);
}

static void decline(struct line *l, double rate, const struct line_seen *seen) {
    RARE("line: more sessions brought little");
    int32_t declined = l->sessions;
    change(l, l->before, seen);
    l->before = 0;
    l->declined = declined;
    l->rate_declined = rate;
    l->try_us = seen->now_us + l->pause_us;
    l->pause_us = l->pause_us * 2 < LINE_TRY_PAUSE_US_MAX ? l->pause_us * 2 : LINE_TRY_PAUSE_US_MAX;
}

static void judge(struct line *l, double rate, const struct line_seen *seen) {
    if (was_worth_it(l, rate, seen->sessions_max)) {
        keep(l);
    } else if (l->patient) {
        decline(l, rate, seen);
    } else {
        l->climbing = false;
        l->patient = true;
        double_sessions(l, seen);
    }
}

// What there was before was seen when windows grew and nothing had been lost so far: is it still so much?
static void look_back(struct line *l, double rate, const struct line_seen *seen) {
    int32_t declined = l->declined;
    bool less = rate * (1 + LINE_GROWTH_PART) <= l->rate_declined;
    settle(l);
    if (!less) return;
    RARE("line: fewer sessions brought less");
    change(l, declined, seen);
    keep(l);
    l->try_us = seen->now_us;
}

static void try_more(struct line *l, double rate, const struct line_seen *seen) {
    RARE("line: more sessions are tried");
    l->before = l->sessions;
    l->rate_before = rate;
    double_sessions(l, seen);
}

static void measured(struct line *l, const struct line_seen *seen) {
    int64_t us = seen->now_us - l->since_us, bytes = seen->received - l->since_bytes;
    if (us < patience_us(l)) return;
    if (bytes < 2 * seen->grain && us < LINE_MEASURE_US_MAX) return;
    double rate = (double)bytes / (double)us;
    if (l->before > 0) judge(l, rate, seen);
    else if (l->declined > 0) look_back(l, rate, seen);
    if (l->state != LINE_MEASURING) return;
    bool room = l->sessions < seen->sessions_max && l->sessions < FETCH_SESSIONS_MAX;
    l->climbing = l->climbing && room;
    if (room && seen->now_us >= l->try_us) try_more(l, rate, seen);
    else measure_from(l, seen);
}

// Every session has what it should, and TCP had the time to see how much that carries.
static bool is_warm(const struct line *l, const struct line_seen *seen) {
    int64_t us = seen->now_us - l->since_us;
    return (!seen->turning || us >= LINE_MEASURE_US_MAX) && (!l->patient || us >= patience_us(l));
}

static void no_backlog(struct line *l, const struct line_seen *seen) {
    if (l->before > 0) change(l, l->before, seen);
    settle(l);
    l->state = LINE_QUIET;
    if (seen->now_us - l->backlog_us >= LINE_QUIET_US) l->sessions = l->sessions_min;
}

static void backlog(struct line *l, const struct line_seen *seen) {
    l->backlog_us = seen->now_us;
    switch (l->state) {
    case LINE_QUIET:
        l->climbing = true;
        if (l->sessions < l->proven) l->sessions = l->proven;
        change(l, l->sessions, seen);
        break;
    case LINE_WARMING:
        if (is_warm(l, seen)) measure_from(l, seen);
        break;
    case LINE_MEASURING:
        measured(l, seen);
        break;
    }
}

static void stay_small(struct line *l) {
    l->state = LINE_QUIET;
    settle(l);
    l->sessions = l->proven = l->sessions_min;
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

// While it climbs, partitions must soon get to their new sessions, and move only between two fetches.
int64_t line_fetch_bytes(const struct line *l, int64_t bytes, int64_t us, int64_t waited_us) {
    int64_t wait = waited_us > line_round_trip_us(l) ? waited_us : line_round_trip_us(l);
    int64_t lasts = wait * (l->climbing ? LINE_CLIMBING_ROUND_TRIPS : LINE_FETCH_ROUND_TRIPS);
    if (lasts > LINE_FETCH_US_MAX) lasts = LINE_FETCH_US_MAX;
    return us > 0 ? (int64_t)((double)bytes * (double)lasts / (double)us) : bytes;
}
