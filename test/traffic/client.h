// A small blocking client of one Kafka cluster, for tests and the demo: one connection to each broker it needs, one
// request at a time. Whatever goes wrong ends the program with a sentence.
#pragma once
#include "base/arena.h"
#include "wire/messages.h"

#include <stdbool.h>

#define CLIENT_BROKERS_MAX 16

struct client_broker {
    int32_t id;
    char host[256];
    uint16_t port;
    int fd;  // -1: not connected
};

struct client {
    struct client_broker bootstrap, brokers[CLIENT_BROKERS_MAX];
    int32_t brokers_count;
    int32_t correlation_id;
    struct buffer out, in;
    struct arena arena;  // of the last answer
};

__attribute__((noreturn, format(printf, 1, 2))) void client_fail(const char *format, ...);

int64_t client_number(const char *text);  // what a word of the command line says, 0 or more

void client_open(struct client *c, const char *bootstrap);  // "host:port"
void client_close(struct client *c);

// Sends to broker `node` (-1: the bootstrap server) and decodes the answer into `response`; what it points to is valid
// until the next call.
void client_call(struct client *c, int32_t node, int16_t api_key, int16_t version, const void *request, void *response);

// Learns the brokers, and answers the topic's partition leaders: an array of *count node ids, freed by the caller with
// memory_free(). Waits until all partitions have one.
int32_t *client_leaders(struct client *c, const char *topic, int32_t *count);

// True after a short pause when `code` passes by itself (a new leader does not know yet that it is one) and this was
// not the last try: call again. *tries starts at 0.
bool client_try_again(int16_t code, int *tries);

// ListOffsets of one partition: timestamp -2 earliest, -1 the high watermark.
int64_t client_offset(struct client *c, int32_t leader, const char *topic, int32_t partition, int64_t timestamp);
