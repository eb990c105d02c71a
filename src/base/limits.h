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

// names, patterns and settings
#define TOPIC_NAME_SIZE_MAX 249              // Topic.MAX_NAME_LENGTH
#define PATTERN_SIZE_MAX (64 * KiB)          // one list of regular expressions
#define PATTERN_MATCH_LIMIT 100000           // steps of PCRE2 for one name; ordinary patterns need some hundreds
#define PATTERN_HEAP_KIB_MAX 1024            // what PCRE2 may take for one match
#define PROPERTIES_SIZE_MAX (1 * MiB)        // of the settings file
#define PROBLEMS_SIZE_MAX (256 * KiB)        // what can be said about it; more is cut
#define PROBLEM_LINE_MAX 1024                // one of them
#define SETTINGS_TEXT_SIZE_MAX (1 * MiB)     // generated help and documentation
#define CLUSTERS_MAX 64
#define ALIAS_SIZE_MAX 100                   // leaves room for the topic in a remote topic's name
#define KEY_SIZE_MAX 512                     // of a key we look up ourselves: two aliases and a name
#define FRAME_POOL_KEPT_MAX (8 * MiB)        // receive buffers kept for reuse
#define REQUEST_PAYLOADS_MAX 4096            // records fields in one request
