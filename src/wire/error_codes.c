// Names and retriability of Kafka's error codes, from the table in error_codes.h.
#include "wire/error_codes.h"

const char *kafka_error_name(int32_t code) {
    switch (code) {
#define KAFKA_ERROR_NAME(number, name, retriable)                                                                      \
    case number:                                                                                                       \
        return #name;
        KAFKA_ERRORS(KAFKA_ERROR_NAME)
#undef KAFKA_ERROR_NAME
    default:
        return "UNKNOWN";
    }
}

bool kafka_error_is_retriable(int32_t code) {
    switch (code) {
#define KAFKA_ERROR_IS_RETRIABLE(number, name, retriable)                                                              \
    case number:                                                                                                       \
        return retriable;
        KAFKA_ERRORS(KAFKA_ERROR_IS_RETRIABLE)
#undef KAFKA_ERROR_IS_RETRIABLE
    default:
        return false;
    }
}
