// Every limit of the program in one place: each queue, buffer and loop names one of these.
#pragma once

#define KiB 1024
#define MiB (1024 * 1024)

// wire
#define FRAME_SIZE_MAX (128 * MiB)           // a larger length prefix is damage or another protocol (an HTTP server)
#define REQUEST_SIZE_MAX (100 * MiB)         // the broker's default socket.request.max.bytes
#define DECODE_ARENA_MAX (64 * MiB)          // decoded form of one response
#define CLIENT_ID_SIZE_MAX 249

// client
#define REQUESTS_IN_FLIGHT_MAX 64            // of one connection
#define CONNECTION_OUTPUT_MAX (8 * MiB)      // encoded, not yet written, without payloads
#define BROKERS_MAX 4096                     // of one cluster
#define TOPICS_MAX 100000                    // of one cluster
#define PARTITIONS_OF_TOPIC_MAX 100000
