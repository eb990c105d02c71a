// The status line.
#include "app/status_line.h"

#include <stdio.h>

void status_totals_add(struct status_totals *t, struct flow *f) {
    struct flow_status s;
    flow_status(f, &s);
    t->records += f->counters.records;
    t->bytes += f->counters.bytes;
    t->sum.partitions += s.partitions;
    t->sum.owned += s.owned;
    t->sum.copying += s.copying;
    t->sum.caught_up += s.caught_up;
    t->sum.halted += s.halted;
    t->sum.busy += s.busy;
    t->sum.topics += s.topics;
    t->sum.topics_halted += s.topics_halted;
    t->sum.unreachable += s.unreachable;
    t->sum.not_joined += s.not_joined;
    t->sum.lag_records += s.lag_records;
    if (s.lag_ms > t->sum.lag_ms) t->sum.lag_ms = s.lag_ms;
}

struct rates {
    double records, megabytes;  // a second
};

static struct rates take_rates(struct status_line *s, const struct status_totals *t, int64_t now_us) {
    double seconds = s->shown_at_us ? (double)(now_us - s->shown_at_us) / 1e6 : 0;
    struct rates r = {0};
    // A flow that was restarted counts from 0 again.
    if (seconds > 0 && t->records >= s->records && t->bytes >= s->bytes) {
        r.records = (double)(t->records - s->records) / seconds;
        r.megabytes = (double)(t->bytes - s->bytes) / seconds / 1e6;
    }
    *s = (struct status_line){now_us, t->records, t->bytes};
    return r;
}

// Who may work on nothing sees no lag, and there may be much: 0 would be read as "all is well".
static bool lag_is_known(const struct flow_status *f) {
    return f->not_joined == 0;
}

void status_line_text(struct status_line *s, const struct status_totals *t, int64_t now_us, char *out, size_t size) {
    struct rates r = take_rates(s, t, now_us);
    const struct flow_status *f = &t->sum;
    char away[64] = "", outside[64] = "", lag[64] = "unknown";
    if (f->unreachable > 0) snprintf(away, sizeof away, "brokers unreachable: %zu  ", f->unreachable);
    if (f->not_joined > 0) snprintf(outside, sizeof outside, "flows not in their group: %zu  ", f->not_joined);
    if (lag_is_known(f))
        snprintf(lag, sizeof lag, "%lld records, %.1f s", (long long)f->lag_records, (double)f->lag_ms / 1000);
    snprintf(out, size,
             "%s%s%.0f records/s  %.1f MB/s  partitions: %zu copying, %zu caught up, %zu halted, %zu busy  lag: %s",
             away, outside, r.records, r.megabytes, f->copying, f->caught_up, f->halted, f->busy, lag);
}

void status_line_pairs(struct status_line *s, const struct status_totals *t, int64_t now_us, char *out, size_t size) {
    struct rates r = take_rates(s, t, now_us);
    const struct flow_status *f = &t->sum;
    char lag[64] = "lag_records=unknown lag_s=unknown";
    if (lag_is_known(f))
        snprintf(lag, sizeof lag, "lag_records=%lld lag_s=%.1f", (long long)f->lag_records, (double)f->lag_ms / 1000);
    snprintf(out, size,
             "records_per_s=%.0f mb_per_s=%.1f copying=%zu caught_up=%zu halted=%zu busy=%zu topics_halted=%zu "
             "unreachable=%zu not_joined=%zu %s",
             r.records, r.megabytes, f->copying, f->caught_up, f->halted, f->busy, f->topics_halted, f->unreachable,
             f->not_joined, lag);
}
