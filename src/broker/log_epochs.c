// The leader epochs of a log: which batches were written under which (LeaderEpochFileCache, KIP-101, KIP-279).
#include "broker/log_private.h"

#include "base/memory.h"

int32_t broker_log_newest_epoch(const struct broker_log *l) {
    return l->epochs_count ? l->epochs[l->epochs_count - 1].epoch : -1;
}

void log_epochs_assign(struct broker_log *l, int32_t epoch, int64_t start) {
    if (epoch < 0) return;
    if (epoch == broker_log_newest_epoch(l) && start >= l->epochs[l->epochs_count - 1].start) return;
    // Entries rise in both numbers: what contradicts the new one goes (maybeTruncateNonMonotonicEntries).
    while (l->epochs_count) {
        const struct log_epoch *newest = &l->epochs[l->epochs_count - 1];
        if (newest->epoch < epoch && newest->start < start) break;
        l->epochs_count--;
    }
    if (l->epochs_count == l->epochs_capacity) {
        l->epochs_capacity = l->epochs_capacity ? 2 * l->epochs_capacity : 4;
        l->epochs = memory_resize(l->epochs, l->epochs_capacity * sizeof *l->epochs);
    }
    l->epochs[l->epochs_count++] = (struct log_epoch){epoch, start};
}

void broker_log_start_epoch(struct broker_log *l, int32_t epoch) {
    log_epochs_assign(l, epoch, l->end);
}

void log_epochs_truncate_from_end(struct broker_log *l, int64_t end) {
    while (l->epochs_count && l->epochs[l->epochs_count - 1].start >= end) l->epochs_count--;
}

void log_epochs_truncate_from_start(struct broker_log *l, int64_t start) {
    size_t below = 0;
    while (below < l->epochs_count && l->epochs[below].start <= start) below++;
    if (!below) return;
    // The newest of them reaches above the log start.
    l->epochs_count -= below - 1;
    memmove(l->epochs, l->epochs + below - 1, l->epochs_count * sizeof *l->epochs);
    l->epochs[0].start = start;
}

// How many entries have an epoch <= `epoch`.
static size_t count_up_to(const struct broker_log *l, int32_t epoch) {
    size_t n = l->epochs_count;
    while (n && l->epochs[n - 1].epoch > epoch) n--;
    return n;
}

struct log_epoch broker_log_end_of_epoch(const struct broker_log *l, int32_t epoch) {
    size_t n = count_up_to(l, epoch);
    if (epoch == -1 || epoch > broker_log_newest_epoch(l)) return (struct log_epoch){-1, -1};
    if (n == l->epochs_count) return (struct log_epoch){epoch, l->end};
    return (struct log_epoch){n ? l->epochs[n - 1].epoch : epoch, l->epochs[n].start};
}

int32_t broker_log_epoch_at(const struct broker_log *l, int64_t offset) {
    size_t n = l->epochs_count;
    while (n && l->epochs[n - 1].start > offset) n--;
    return n ? l->epochs[n - 1].epoch : -1;
}
