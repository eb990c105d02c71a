// What the files of the log share among themselves.
#pragma once
#include "broker/log.h"

// Leader epochs (log_epochs.c): see org.apache.kafka.storage.internals.epoch.LeaderEpochFileCache.
void log_epochs_assign(struct broker_log *l, int32_t epoch, int64_t start);
void log_epochs_truncate_from_end(struct broker_log *l, int64_t end);
void log_epochs_truncate_from_start(struct broker_log *l, int64_t start);

// What a batch does to the states of producers (log_producers.c).
void log_producers_append(struct broker_log *l, const struct stored_batch *b);

// Makes the states again after a truncation.
void log_producers_rebuild(struct broker_log *l);
