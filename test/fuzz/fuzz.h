// The fuzz targets. Each takes any bytes at all, and asserts what must hold of what our readers make of them.
#pragma once
#include "base/bytes.h"

#include <stddef.h>

// clang-format off
//    target                  what its input is
#define FUZZ_TARGETS(X) \
    X(responses_data)         /* API key, version, body: Produce, Fetch, offsets */ \
    X(responses_groups)       /* the same of consumer groups */ \
    X(responses_transactions) /* of producers and transactions */ \
    X(responses_admin)        /* of topics, settings, ACLs, quotas, users */ \
    X(responses_metadata)     /* of brokers and versions */ \
    X(responses_sasl)         /* of authentication */ \
    X(requests)               /* a request without its length, as a server reads it */ \
    X(frames)                 /* API key, version, a response without its length */ \
    X(connection)             /* switches, then what the broker sends, in torn pieces */ \
    X(broker)                 /* requests to the modelled broker, each with a length of two bytes */ \
    X(batches)                /* what a Fetch answers for a partition: batches in a row */ \
    X(records)                /* one batch; its CRC is put right */ \
    X(joined)                 /* batches in a row; their offsets and CRCs are put right */ \
    X(codec_gzip)             /* compressed records */ \
    X(codec_snappy) \
    X(codec_lz4) \
    X(codec_zstd) \
    X(settings)               /* an mm2.properties file */ \
    X(patterns)               /* a regular expression, a line feed, a topic's name */
// clang-format on

#define FUZZ_DECLARE(name) void fuzz_##name(struct bytes in);
FUZZ_TARGETS(FUZZ_DECLARE)
#undef FUZZ_DECLARE

#define FUZZ_INPUT_MAX 32000  // also what libFuzzer is told: strings stay below the 32767 bytes that can be encoded
