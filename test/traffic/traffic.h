// The verbs of the traffic program.
#pragma once
#include <stdint.h>

struct fill_options {
    const char *bootstrap;
    const char **topics;
    int32_t topics_count;
    int32_t partitions;
    int16_t replicas;
    int64_t records;  // in all; 0: until SIGTERM
    int64_t rate;     // records a second; 0: as fast as it goes
    int32_t value_size_max;
    uint64_t seed;
};

// Creates the topics where they are missing, and produces to them with acks=all. Prints how many records it wrote.
int fill(const struct fill_options *o);

// Waits until the destination's topics have what the source's had at the start of the call, `seconds` at most, and
// compares every batch of every partition. Prints the first differences, or how much was equal.
int compare(const char *source, const char *destination, const char **topics, int32_t topics_count, int32_t seconds);

// Prints the sum of the topics' high watermarks.
int count_records(const char *bootstrap, const char **topics, int32_t topics_count);
