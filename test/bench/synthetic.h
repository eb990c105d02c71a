// A synthetic broker for the benchmark: as a source it has endless logs, as a sink it forgets what it gets. It knows
// just enough of Kafka for one mirror, so that no real broker limits what is measured. A thread for each connection,
// blocking; one topic, one partition leader, one group member.
#pragma once
#include "base/arena.h"
#include "base/buffer.h"
#include "base/list.h"
#include "wire/batch.h"
#include "wire/messages.h"

#include <pthread.h>
#include <stdatomic.h>

#define SYNTHETIC_PARTITIONS_MAX 100000
#define SYNTHETIC_BATCH_MIN 128
#define SYNTHETIC_BATCH_MAX (8 << 20)
#define SYNTHETIC_SLICES_MAX 4096         // records fields of one Fetch response, partitions of one Produce request
#define SYNTHETIC_IMAGE_BYTES (16 << 20)  // of one Fetch response
#define SYNTHETIC_READ_BYTES (16 << 10)   // taken at once; what is left of a large batch is thrown away unread
#define SYNTHETIC_OUTPUT_MAX (64 << 20)   // a response without its records

// A source's batch holds one record, so an offset is also a batch's number; its end is fixed. Of a sink's batches only
// the newest header is kept, or all of the newest where a batch's shape is not known.
struct synthetic_log {
    int64_t end;
    uint8_t newest[BATCH_HEADER_SIZE];
    uint8_t *kept;
    int32_t kept_size;
};

struct synthetic {
    const char *host, *topic;
    uint16_t port;
    struct wire_uuid topic_id;
    struct synthetic_log *logs;
    int32_t partitions_count;
    bool sink;
    uint8_t *batch;  // what every batch looks like at the source, with base offset 0; NULL when that is not known
    int32_t batch_size;
    pthread_mutex_t lock;  // of logs and the group
    int32_t generation;
    atomic_llong bytes, batches, requests;  // given as a source, taken as a sink
};

// A partition in a fetch session (KIP-227).
struct seat {
    struct link link;
    int64_t next;
    int32_t bytes_max;
};

struct peer {
    struct synthetic *world;
    int fd;
    uint8_t in[SYNTHETIC_READ_BYTES];
    size_t at, end;  // what of `in` is not taken yet
    struct buffer body, out;
    struct arena arena;
    struct seat *seats;  // by partition; NULL before the first session
    struct list order;   // of seats: who got something goes to the end
    int32_t session_epoch;
    uint8_t *image;  // batches with the base offsets of the response being sent
    size_t image_size;
};

// synthetic.c: reading; NULL or false when the other side is gone. At most SYNTHETIC_READ_BYTES are needed at once.
const uint8_t *peer_need(struct peer *p, size_t size);
const uint8_t *peer_take(struct peer *p, size_t size);
bool peer_skip(struct peer *p, size_t size);
bool peer_read(struct peer *p, uint8_t *to, size_t size);
bool peer_send(struct peer *p, const struct wire_cut *cuts, size_t cuts_count);  // p->out with the cuts in between

struct peer_call {
    const struct api *api;
    int16_t version;
    int32_t correlation_id;
    size_t size;  // of the frame
};

// synthetic_answers.c: everything but appends. False when the request is none that is known here.
bool answer(struct peer *p, const struct peer_call *call, const void *request);
bool answer_is_known(int16_t api_key, int16_t version);

// synthetic_log.c
bool produce_take(struct peer *p, const struct peer_call *call);  // reads the request from the connection itself
bool fetch_answer(struct peer *p, const struct peer_call *call, const struct fetch_request *request);
uint8_t *batch_make(int32_t *size);  // *size comes in as wished and goes out as what it became, one or two bytes off
