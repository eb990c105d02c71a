// What a person sees while the program runs: one line that says whether all is well.
#pragma once
#include "mirror/flow.h"

struct status_line {
    int64_t shown_at_us;
    int64_t records, bytes;  // totals when it was last shown
};

struct status_totals {
    struct flow_status sum;  // of all flows; lag_ms is the largest
    int64_t records, bytes;
};

void status_totals_add(struct status_totals *t, struct flow *f);

// For the terminal. Rates are since the last call.
void status_line_text(struct status_line *s, const struct status_totals *t, int64_t now_us, char *out, size_t size);
// The same as logfmt pairs.
void status_line_pairs(struct status_line *s, const struct status_totals *t, int64_t now_us, char *out, size_t size);
