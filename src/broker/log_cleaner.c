// What retention deletes and what may be compacted: segments, as a broker's files would hold them.
#include "broker/log_cleaner.h"

#include "broker/log_private.h"

// UnifiedLog.deletableSegments: how far the files go that one rule wants gone, from the first one on.
static bool deletable(const struct broker_log *l, const struct log_segment *s, bool wanted, int64_t *start) {
    if (!wanted || s->end > l->high_watermark) return false;
    *start = s->end;
    return !s->active;
}

static int64_t start_by_size(const struct broker_log *l, int64_t bytes_max) {
    int64_t start = l->start, too_much = l->bytes - bytes_max;
    struct log_segment s = log_segment_next(l, NULL);
    while (deletable(l, &s, too_much >= s.bytes, &start)) {
        too_much -= s.bytes;
        s = log_segment_next(l, &s);
    }
    return start;
}

static int64_t start_by_time(const struct broker_log *l, int64_t age_ms_max, int64_t wall_ms) {
    int64_t start = l->start;
    struct log_segment s = log_segment_next(l, NULL);
    while (deletable(l, &s, wall_ms - s.timestamp > age_ms_max, &start)) s = log_segment_next(l, &s);
    return start;
}

static void delete_files(struct broker_log *l, int64_t start) {
    if (start == l->start) return;
    broker_log_delete_below(l, start);
    broker_log_note_start(l);  // the files are gone: a broker that is killed cannot start below
    if (l->start == l->end) log_segments_restart(l);  // the active one, too: an empty one takes its place
    for (size_t i = 0; i < l->producers.aborted_count; i++) l->producers.aborted[i].cut = false;  // so are the files
}

// UnifiedLog.deleteOldSegments: one rule after the other, so that what is young and too much uncovers what is old.
static void retain(struct broker_log *l, const struct broker_topic_settings *settings, int64_t wall_ms) {
    if (settings->retention_bytes >= 0) delete_files(l, start_by_size(l, settings->retention_bytes));
    if (settings->retention_ms >= 0) delete_files(l, start_by_time(l, settings->retention_ms, wall_ms));
}

// LogCleanerManager.cleanableOffsets: whole segments only, and never the active one.
static int64_t cleanable_end(const struct broker_log *l, const struct broker_topic_settings *settings,
                             int64_t wall_ms) {
    int64_t stable = broker_log_last_stable_offset(l), end = l->count > 0 ? broker_log_at(l, 0)->header.base_offset : 0;
    for (struct log_segment s = log_segment_next(l, NULL); !s.active; s = log_segment_next(l, &s)) {
        bool young = settings->compaction_lag_ms_min > 0 && s.timestamp > wall_ms - settings->compaction_lag_ms_min;
        if (s.end > stable || young) break;
        end = s.end;
    }
    return end;
}

static void compact(struct broker_log *l, const struct broker_topic_settings *settings, int64_t wall_ms) {
    int64_t end = cleanable_end(l, settings, wall_ms);
    log_segments_merge(l, end, settings->segment_bytes);
    log_compact(l, end, settings->delete_retention_ms, wall_ms);
    if (end > l->cleaned_end) l->cleaned_end = end;
}

void broker_log_clean(struct broker_log *l, const struct broker_topic_settings *settings, int64_t wall_ms) {
    if (settings->delete) retain(l, settings, wall_ms);
    if (settings->compact) compact(l, settings, wall_ms);
}
