// What is known of the way to one broker, and how many fetch sessions it is worth.
//
// A connection carries only so much in a round trip: what the broker's send buffer holds (100 KiB unless it is told
// otherwise), or what TCP dares to have under way after a lost packet. More connections carry more, until the line is
// full. How much that is nobody knows beforehand, and a connection shows only after seconds what it carries. So while
// there is a backlog, the sessions are doubled to as many as may be; then they are halved, for as long as fewer bring
// as much. Later more, or fewer, are tried again, ever more rarely. Where the round trip is short nothing is tried:
// there a connection is not what limits.
//
// Pure and without timers: the owner brings what was seen and the time, and looks at `sessions`.
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum line_state {
    LINE_QUIET,      // no backlog
    LINE_WARMING,    // sessions have just got work: connections open, windows grow
    LINE_MEASURING,  // since `since_us`
};

struct line {
    int32_t sessions;      // as many as are worth it now
    int32_t sessions_min;  // without backlog, or on a short line
    int32_t proven;        // as many as were worth it: with so many the next backlog begins; 0: nobody knows yet
    int32_t before;        // sessions before the try that is under way; 0: none is
    bool climbing;         // to as many as may be
    bool descending;       // fewer are tried, and not more
    enum line_state state;
    int64_t round_trip_us[2];  // the shortest seen in this window and in the one before; 0: none
    int64_t window_ends_us;
    int64_t way_us;  // the transport's round trip, as the newest connection said; 0: not known
    int64_t since_us, since_bytes;
    double rate_best;  // bytes a microsecond: with `before`, or the best since it descends
    int64_t try_us, pause_us;
    int64_t backlog_us;  // when there was one last
};

// What happened since the last look.
struct line_seen {
    int64_t now_us;
    int64_t received;      // bytes since the beginning, of all sessions
    int64_t grain;         // so many of them come at once, in the worst case
    int32_t sessions_max;  // partitions and memory are there for so many
    bool backlog;          // more was there than came
    bool turning;          // some session has not begun a fetch since `sessions` changed
};

void line_init(struct line *l, int32_t sessions_min);

// From a question to the first byte of its answer.
void line_saw_round_trip(struct line *l, int64_t round_trip_us, int64_t now_us);
int64_t line_round_trip_us(const struct line *l);  // 0: not known

// A busy broker answers late on a short line: then the transport knows better. But behind a proxy it knows only the way
// to that, so what is very late is long.
bool line_is_long(const struct line *l);

// To be called every line_interval_us() while anything comes. True: `sessions` has changed.
bool line_look(struct line *l, const struct line_seen *seen);
int64_t line_interval_us(const struct line *l);

// How much to ask for in the next fetch of a session that received `bytes` in `us`, after it had waited `waited_us` for
// the first of them: so much that the wait between two fetches, at least a round trip, matters little.
int64_t line_fetch_bytes(const struct line *l, int64_t bytes, int64_t us, int64_t waited_us);
