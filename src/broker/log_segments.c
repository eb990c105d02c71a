// Where the segment files of one replica's log begin: see log.h.
#include "broker/log_private.h"

#include "base/memory.h"
#include "broker/topic_settings.h"

static int64_t active_start(const struct broker_log *l) {
    return l->segments_count > 0 ? l->segments[l->segments_count - 1] : l->start;
}

static bool is_full(const struct broker_log *l, const struct broker_topic_settings *settings,
                    const struct log_coming *c) {
    if (l->active_bytes == 0) return false;
    if (l->active_bytes + c->bytes > settings->segment_bytes) return true;
    if (c->last_offset - active_start(l) > INT32_MAX) return true;
    bool timed = l->active_timestamp >= 0 && c->max_timestamp >= 0;
    return timed && c->max_timestamp - l->active_timestamp > settings->segment_ms;
}

void broker_log_roll(struct broker_log *l, const struct broker_topic_settings *settings, const struct log_coming *c) {
    if (!is_full(l, settings, c)) return;
    if (l->segments_count == l->segments_capacity) {
        l->segments_capacity = l->segments_capacity ? 2 * l->segments_capacity : 8;
        l->segments = memory_resize(l->segments, l->segments_capacity * sizeof *l->segments);
    }
    int64_t lowest = c->last_offset - INT32_MAX;  // UnifiedLog.maybeRoll
    l->segments[l->segments_count++] = l->end > lowest ? l->end : lowest;
    l->active_bytes = 0;
    log_producers_take_snapshot(l);
}

int64_t log_segment_begin(const struct broker_log *l, int64_t offset) {
    size_t n = l->segments_count;
    while (n > 0 && l->segments[n - 1] > offset) n--;
    return n > 0 ? l->segments[n - 1] : l->start;
}

bool log_segments_begin_at(const struct broker_log *l, int64_t offset) {
    return log_segment_begin(l, offset) == offset;
}

void log_segments_append(struct broker_log *l, const struct batch_header *h) {
    if (l->active_bytes == 0) l->active_timestamp = h->max_timestamp;
    l->active_bytes += h->size;
}

void log_segments_truncate(struct broker_log *l) {
    while (l->segments_count > 0 && l->segments[l->segments_count - 1] > l->end) l->segments_count--;
    l->active_bytes = 0;
    size_t i = l->segments_count > 0 ? broker_log_find(l, active_start(l)) : 0;
    for (; i < l->count; i++) log_segments_append(l, &broker_log_at(l, i)->header);
}

void log_segments_restart(struct broker_log *l) {
    l->segments_count = 0;
    l->active_bytes = 0;
}

void log_segments_delete_below(struct broker_log *l) {
    size_t gone = 0;
    while (gone < l->segments_count && l->segments[gone] <= l->start) gone++;
    l->segments_count -= gone;
    if (gone > 0) memmove(l->segments, l->segments + gone, l->segments_count * sizeof *l->segments);
}

struct log_segment log_segment_next(const struct broker_log *l, const struct log_segment *before) {
    size_t n = before ? before->number + 1 : 0;
    bool active = n == l->segments_count;
    struct log_segment s = {.number = n, .active = active, .end = active ? l->end : l->segments[n], .timestamp = -1};
    for (s.batches_end = before ? before->batches_end : 0; s.batches_end < l->count; s.batches_end++) {
        const struct batch_header *h = &broker_log_at(l, s.batches_end)->header;
        if (!active && h->base_offset >= s.end) break;
        s.bytes += h->size;
        if (h->max_timestamp > s.timestamp) s.timestamp = h->max_timestamp;
    }
    if (s.timestamp < 0) s.timestamp = l->appended_ms;
    return s;
}

void log_segments_merge(struct broker_log *l, int64_t end, int64_t bytes_max) {
    int64_t bytes = 0;
    size_t kept = 0;
    struct log_segment s = log_segment_next(l, NULL), next;
    for (; !s.active; s = next) {
        next = log_segment_next(l, &s);
        bytes += s.bytes;
        bool one = !next.active && next.end <= end && bytes + next.bytes <= bytes_max;
        if (one) {
            log_producers_drop_snapshot(l, s.end);
            continue;
        }
        l->segments[kept++] = s.end;  // what lies before is read no more
        bytes = 0;
    }
    l->segments_count = kept;
}

int64_t broker_log_segment_end(const struct broker_log *l, size_t i) {
    int64_t offset = broker_log_at(l, i)->header.base_offset, end = l->end;
    for (size_t n = l->segments_count; n > 0 && l->segments[n - 1] > offset; n--) end = l->segments[n - 1];
    return end;
}
