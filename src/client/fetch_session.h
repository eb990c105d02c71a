// A fetch session (KIP-227) with one source broker over a set of partitions: one fetch outstanding, only changes are
// sent. Several sessions over disjoint partitions fill a long link.
//
// A partition in the session is fetched from `fetch_offset` on; each response with records is handed over and moves the
// offset past the last whole batch in it. What is handed over counts against the budget until fetch_session_done().
#pragma once
#include "client/broker_link.h"
#include "client/budget.h"
#include "client/topic_partition.h"

struct fetch_session;

struct fetch_partition {
    // The owner's, before fetch_session_add().
    struct topic_partition name;
    int64_t fetch_offset;
    int32_t leader_epoch;        // current one, or -1
    int32_t last_fetched_epoch;  // epoch of the batch before fetch_offset, or -1: lets the source report divergence
    bool first_only;             // nothing but the first batch will be of use

    // fetch_session.c
    struct fetch_session *session;  // NULL: not in any
    struct link link;               // in session->partitions
    struct link changed;            // in session->changed: the broker has to be told
    bool known;                     // the broker has it in its session
    bool unasked;                   // since it was added: what is answered is not for it
    int32_t batch_bytes;            // of the first batch it last got, perhaps only in part; 0: it got none yet
};

struct fetch_answer {
    int16_t error_code;
    int64_t high_watermark, last_stable_offset, log_start;
    int64_t diverging_end;  // -1, or where the source says that our epoch ended
    struct bytes records;   // whole batches, then perhaps a part of one
    struct frame *frame;    // hold it to keep `records`
};

struct fetch_session {
    struct broker_link link;
    struct environment *env;
    struct budget *budget;
    struct budget_waiter waiter;
    int32_t bytes_max, wait_ms_max;
    int64_t no_room_since_us;  // for what is worth asking; 0: there was
    int32_t share_min;  // of a partition in a response: the batch it ends in comes in vain
    int32_t asked;  // bytes of records, in the last fetch: more than bytes_max when many partitions share it
    int32_t shared;    // of which partitions' shares are counted: more than asked where little is expected
    int32_t received;  // of what was asked, in the last response
    struct list partitions, changed, forgotten;
    int32_t partitions_count;
    int32_t session_id, session_epoch;
    bool fetching;
    int64_t room;                 // that fetches may bring the budget's use to; FETCH_ROOM_FETCHES always fit
    int64_t reserved, oversized;  // of the budget, for the fetch under way
    bool in_oversized_place;      // of which the budget has one
    int64_t aside;                // of them: the broker answers nothing
    uint64_t heard_bytes;         // received when it was last looked whether it does
    struct arena scratch;         // of the request being made
    int32_t batch_bytes;  // of the largest of the partitions that had records in the last response that brought any
    int32_t active;   // partitions that had records in the last response; more when it was full
    int32_t unasked;  // partitions that no request has named since they were added
    int64_t left_at_us;  // when a partition was last removed
    // Nothing is answered before that time, except above what may be read, as when a high watermark went back: there a
    // broker answers nothing at once, and would again and again (DelayedFetch, case F).
    int64_t waits_until_us;
    struct timer next;

    // Called for each partition that has records or an error, and for each whose high watermark moved. The callee may
    // remove partitions. Answers how many bytes it keeps counted: of `records`, or more where it wrote them anew
    // (it gives them back through budget_release()), and sets fetch_offset to what it wants next.
    int64_t (*on_answer)(struct fetch_session *s, struct fetch_partition *p, const struct fetch_answer *a);
    // Optional: nothing is under way and the next fetch is about to be made. Partitions may go to other sessions, and
    // fetch_session_set_bytes() may be called.
    void (*on_turn)(struct fetch_session *s);
    void *context;
};

void fetch_session_init(struct fetch_session *s, struct cluster *cluster, int32_t node_id, struct budget *budget);
void fetch_session_start(struct fetch_session *s);
void fetch_session_stop(struct fetch_session *s);  // no callbacks any more; partitions are still in it
void fetch_session_free(struct fetch_session *s);  // asserts that no partition is in it

void fetch_session_set_bytes(struct fetch_session *s, int32_t bytes_max);  // nothing is under way

// Bytes of one batch of each partition that may share the next response, all as large as the largest; 0: none came.
int64_t fetch_session_batch_of_each(const struct fetch_session *s);

void fetch_session_add(struct fetch_session *s, struct fetch_partition *p);
void fetch_session_remove(struct fetch_partition *p);  // fine when it is in none
