// What retention deletes and what may be compacted: segments, as a broker's files would hold them.
#include "broker/log_cleaner.h"

#include "broker/log_private.h"

// Neighbouring batches that would stand in one file.
struct segment {
    int64_t start, end;  // offsets
    int64_t bytes;
    int64_t timestamp;  // LogSegment.largestTimestamp
};

static int64_t batch_end(const struct broker_log *l, size_t i) {
    return i + 1 < l->count ? broker_log_at(l, i + 1)->header.base_offset : l->end;
}

// LogSegment.shouldRoll, with the time between records: a file is closed by the batch that follows.
static bool rolls(const struct segment *s, const struct batch_header *first, const struct batch_header *h,
                  const struct broker_topic_settings *settings) {
    if (s->bytes + h->size > settings->segment_bytes) return true;
    if (batch_last_offset(h) - s->start > INT32_MAX) return true;
    bool timed = first->max_timestamp >= 0 && h->max_timestamp >= 0;
    return timed && h->max_timestamp - first->max_timestamp > settings->segment_ms;
}

// The segment that begins with batch *i, which moves behind it.
static struct segment take_segment(const struct broker_log *l, const struct broker_topic_settings *settings,
                                   size_t *i) {
    const struct batch_header *first = &broker_log_at(l, *i)->header;
    struct segment s = {.start = first->base_offset, .timestamp = -1};
    for (; *i < l->count; ++*i) {
        const struct batch_header *h = &broker_log_at(l, *i)->header;
        bool closed = h->base_offset == l->active_start || rolls(&s, first, h, settings);
        if (h != first && closed) break;
        s.bytes += h->size;
        s.end = batch_end(l, *i);
        if (h->max_timestamp > s.timestamp) s.timestamp = h->max_timestamp;
    }
    if (s.timestamp < 0) s.timestamp = l->appended_ms;
    return s;
}

// Compaction makes files smaller and never opens one again: segments before the active one stay closed.
static void find_active(struct broker_log *l, const struct broker_topic_settings *settings) {
    size_t i = broker_log_find(l, l->active_start);
    while (i < l->count) l->active_start = take_segment(l, settings, &i).start;
}

// UnifiedLog.deletableSegments, by time and then by size.
static void retain(struct broker_log *l, const struct broker_topic_settings *settings, int64_t wall_ms) {
    int64_t start = l->start, too_much = l->bytes - settings->retention_bytes;
    bool by_time = settings->retention_ms >= 0, by_size = settings->retention_bytes >= 0;
    for (size_t i = 0; i < l->count;) {
        struct segment s = take_segment(l, settings, &i);
        by_time &= wall_ms - s.timestamp > settings->retention_ms;
        by_size &= too_much >= s.bytes;
        if (s.end > l->high_watermark || !(by_time || by_size)) break;
        too_much -= s.bytes;
        start = s.end;
    }
    if (start == l->start) return;
    broker_log_delete_below(l, start);
    for (size_t i = 0; i < l->producers.aborted_count; i++) l->producers.aborted[i].cut = false;  // so are the files
}

// LogCleanerManager.cleanableOffsets: whole segments only.
static int64_t cleanable_end(const struct broker_log *l, const struct broker_topic_settings *settings,
                             int64_t wall_ms) {
    int64_t stable = broker_log_last_stable_offset(l);
    for (size_t i = 0; i < l->count;) {
        struct segment s = take_segment(l, settings, &i);
        bool young = settings->compaction_lag_ms_min > 0 && s.timestamp > wall_ms - settings->compaction_lag_ms_min;
        if (s.start >= l->active_start || s.end > stable || young) return s.start;
    }
    return l->active_start;
}

void broker_log_clean(struct broker_log *l, const struct broker_topic_settings *settings, int64_t wall_ms) {
    find_active(l, settings);
    if (settings->delete) retain(l, settings, wall_ms);
    if (settings->compact) log_compact(l, cleanable_end(l, settings, wall_ms), settings->delete_retention_ms, wall_ms);
}
