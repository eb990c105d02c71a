// Retention and compaction of one replica's log, as org.apache.kafka.storage.internals.log.UnifiedLog
// (deleteOldSegments) and Cleaner do them: the same horizons and exceptions, but when the caller says so (no cleaner
// threads, no dirty ratio).
#pragma once
#include "broker/log.h"
#include "broker/topic_settings.h"

// Nothing at or above the high watermark goes; compaction leaves what is above the last stable offset, younger than
// min.compaction.lag.ms, or in the active segment.
void broker_log_clean(struct broker_log *l, const struct broker_topic_settings *settings, int64_t wall_ms);
